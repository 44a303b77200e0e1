//! [`ResponseFuture`] of ejection: notes how the attempt ended, also when it is dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use mesh_core::context::{AttemptOutcome, Outbound};
use mesh_core::error::{BoxError, Error};
use mesh_core::random;
use pin_project::{pin_project, pinned_drop};
use tokio::time::Instant;

use super::{apply, is_failure};
use crate::header;

/// Future of [`Eject`](super::Eject).
#[pin_project(PinnedDrop)]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    /// Until the attempt has ended.
    running: Option<Outbound>,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, outbound: Option<Outbound>) -> Self {
        Self {
            inner,
            running: outbound,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(|error| Error::from_boxed(error.into()));
        if let Some(outbound) = this.running.take() {
            let now = Instant::now();
            let attempt = outbound.attempt();
            let after = now.saturating_duration_since(attempt.started);
            attempt.set_outcome(match &result {
                Ok(response) => AttemptOutcome::Response {
                    status: response.status().as_u16(),
                    grpc: header::grpc_status(response.headers()),
                    after,
                },
                Err(error) => AttemptOutcome::Failed {
                    kind: error.kind(),
                    after,
                },
            });
            tell(&outbound, now);
        }
        Poll::Ready(result)
    }
}

// Whoever drops an attempt because it took too long has noted that before. An attempt without outcome was given up by
// its caller, which says nothing about the endpoint.
#[pinned_drop]
impl<F> PinnedDrop for ResponseFuture<F> {
    fn drop(self: Pin<&mut Self>) {
        if let Some(outbound) = self.project().running.take() {
            tell(&outbound, Instant::now());
        }
    }
}

fn tell(outbound: &Outbound, now: Instant) {
    let attempt = outbound.attempt();
    let Some(failure) = attempt.outcome().as_ref().and_then(is_failure) else {
        return;
    };
    if let (Some(target), Some(endpoint)) = (attempt.target(), attempt.endpoint()) {
        apply(target, endpoint, failure, now, random::draw());
    }
}
