//! [`ResponseFuture`] of the deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Response};
use http_body::Body;
use mesh_core::context::{Inbound, Scoped};
use mesh_core::error::ErrorKind;
use pin_project::pin_project;
use tokio::time::{Instant, Sleep};

use super::ResponseBody;
use super::cancel::Guard;
use crate::refusal::refuse;
use crate::{depth, header};

/// Why the deadline layer answered itself. Lies in the extensions of that response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineExceeded {
    /// Whether the request was late when it came, so that the handler never ran.
    pub on_arrival: bool,
}

/// Future of [`Deadline`](super::Deadline).
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    inner: Option<depth::Within<Scoped<F>>>,
    #[pin]
    timer: Option<Sleep>,
    running: Option<Running>,
    grpc: bool,
}

#[derive(Debug)]
struct Running {
    inbound: Inbound,
    deadline: Option<Instant>,
    guard: Guard,
}

impl<F> ResponseFuture<F> {
    pub(super) fn refused(grpc: bool) -> Self {
        Self {
            inner: None,
            timer: None,
            running: None,
            grpc,
        }
    }

    pub(super) fn running(
        inner: depth::Within<Scoped<F>>,
        inbound: Inbound,
        deadline: Option<Instant>,
        guard: Guard,
        grpc: bool,
    ) -> Self {
        Self {
            inner: Some(inner),
            timer: None,
            running: Some(Running {
                inbound,
                deadline,
                guard,
            }),
            grpc,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(too_late(*this.grpc, true)));
        };
        if let Poll::Ready(mut result) = inner.as_mut().poll(cx) {
            if let (Ok(response), true) = (&mut result, inner.has_spent()) {
                mark_spent(response);
            }
            this.inner.set(None);
            let mut running = this.running.take().expect("there while the handler runs");
            return Poll::Ready(match result {
                Ok(response) => Ok(response.map(|body| {
                    ResponseBody::new(body, running.inbound, running.deadline, running.guard)
                })),
                Err(error) => {
                    running.guard.answered();
                    Err(error)
                }
            });
        }
        let deadline = this.running.as_ref().and_then(|running| running.deadline);
        if poll_deadline(deadline, this.timer, cx).is_pending() {
            return Poll::Pending;
        }
        // Told first, so that what the handler's drop wakes already knows why.
        if let Some(mut running) = this.running.take() {
            running.guard.late();
        }
        this.inner.set(None);
        Poll::Ready(Ok(too_late(*this.grpc, false)))
    }
}

/// Waits for the deadline; the timer is made when it is first needed.
pub(super) fn poll_deadline(
    deadline: Option<Instant>,
    mut timer: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline) = deadline else {
        return Poll::Pending;
    };
    if timer.is_none() {
        timer.set(Some(tokio::time::sleep_until(deadline)));
    }
    match timer.as_pin_mut() {
        Some(timer) => timer.poll(cx),
        None => Poll::Pending,
    }
}

/// A failure that was retried further down is not worth retrying further up.
fn mark_spent<B>(response: &mut Response<B>) {
    let failed = response.status().is_server_error()
        || header::grpc_status(response.headers()).is_some_and(|status| status != 0);
    if failed {
        response
            .headers_mut()
            .insert(header::RETRIES_SPENT, HeaderValue::from_static("true"));
    }
}

fn too_late<B>(grpc: bool, on_arrival: bool) -> Response<ResponseBody<B>> {
    let (response, text) = refuse(
        ErrorKind::RequestTimeout,
        "the deadline of the request has passed",
        grpc,
    );
    let mut response = response.map(|()| ResponseBody::refused(text));
    response
        .extensions_mut()
        .insert(DeadlineExceeded { on_arrival });
    response
}
