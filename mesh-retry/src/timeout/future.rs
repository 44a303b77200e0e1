//! [`ResponseFuture`] of the timeout.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use http_body::Body;
use mesh_core::context::{AttemptOutcome, Outbound};
use mesh_core::error::{BoxError, Error};
use pin_project::pin_project;
use tokio::time::{Instant, Sleep};

use super::ResponseBody;
use super::clock::{Clock, Elapsed};

/// Future of [`Timeout`](super::Timeout).
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    inner: Option<F>,
    #[pin]
    timer: Option<Sleep>,
    clock: Option<Clock>,
    outbound: Outbound,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, clock: Clock, outbound: Outbound) -> Self {
        Self {
            inner: Some(inner),
            timer: None,
            clock: Some(clock),
            outbound,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this.inner.as_mut().as_pin_mut();
        let inner = inner.expect("not polled after it was ready");
        if let Poll::Ready(result) = inner.poll(cx) {
            let clock = this.clock.take();
            let clock = clock.expect("taken only when the response is there");
            return Poll::Ready(match result {
                Ok(response) => Ok(response.map(|body| ResponseBody::new(body, clock))),
                Err(error) => Err(Error::from_boxed(error.into())),
            });
        }
        let Some(clock) = this.clock.as_ref() else {
            return Poll::Pending;
        };
        match clock.poll(this.timer, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(elapsed) => {
                note(this.outbound, elapsed);
                this.inner.set(None);
                Poll::Ready(Err(Error::new(elapsed.kind)))
            }
        }
    }
}

/// Before the inner future is dropped, whose layers look at what is noted.
fn note(outbound: &Outbound, elapsed: Elapsed) {
    if !elapsed.own {
        return;
    }
    let now = Instant::now();
    for attempt in outbound.attempts() {
        attempt.set_outcome(AttemptOutcome::Failed {
            kind: elapsed.kind,
            after: now.saturating_duration_since(attempt.started),
        });
    }
}
