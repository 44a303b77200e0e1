//! [`ResponseFuture`] of retries: one attempt plainly, or several in a box.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use mesh_core::context::{AttemptOutcome, Outbound};
use mesh_core::error::{BoxError, Error, ErrorKind};
use pin_project::pin_project;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

use super::ReplayBody;
use super::attempts::Many;
use super::body::Repeat;
use super::rules::Rules;

/// Future of [`Retry`](super::Retry).
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    #[pin]
    kind: Kind<S, B>,
}

#[pin_project(project = KindProj)]
enum Kind<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    Once(#[pin] Try<S::Future>),
    /// Boxed, so that requests without a retry policy do not carry the room for it.
    Many(Pin<Box<Many<S, B>>>),
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    pub(super) fn once(
        future: S::Future,
        per_try: Option<Duration>,
        outbound: Option<Outbound>,
    ) -> Self {
        Self {
            kind: Kind::Once(Try::new(future, per_try, outbound)),
        }
    }

    pub(super) fn many(
        future: S::Future,
        service: S,
        head: Parts,
        repeat: Repeat<B>,
        rules: Rules,
    ) -> Self {
        Self {
            kind: Kind::Many(Box::pin(Many::new(future, service, head, repeat, rules))),
        }
    }
}

impl<S, B, ResB> Future for ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResB>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Once(attempt) => attempt.poll(cx),
            KindProj::Many(many) => many.as_mut().poll(cx),
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// One attempt with its own time limit.
#[pin_project]
pub(super) struct Try<F> {
    #[pin]
    future: Option<F>,
    #[pin]
    timer: Option<Sleep>,
    limit: Option<(Instant, Duration)>,
    outbound: Option<Outbound>,
}

impl<F> Try<F> {
    pub(super) fn new(future: F, limit: Option<Duration>, outbound: Option<Outbound>) -> Self {
        Self {
            future: Some(future),
            timer: None,
            limit: limit.map(|limit| (Instant::now(), limit)),
            outbound,
        }
    }
}

impl<F, T, E> Future for Try<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("not polled after it was ready");
        if let Poll::Ready(result) = future.poll(cx) {
            this.future.set(None);
            return Poll::Ready(result.map_err(|error| Error::from_boxed(error.into())));
        }
        let Some((started, limit)) = *this.limit else {
            return Poll::Pending;
        };
        let Some(end) = started.checked_add(limit) else {
            return Poll::Pending;
        };
        if this.timer.is_none() {
            this.timer.set(Some(tokio::time::sleep_until(end)));
        }
        if let Some(timer) = this.timer.as_mut().as_pin_mut() {
            ready!(timer.poll(cx));
        }
        // Noted before the future is dropped, whose layers look at it: this end is the endpoint's fault.
        if let Some(outbound) = this.outbound {
            outbound.attempt().set_outcome(AttemptOutcome::Failed {
                kind: ErrorKind::PerTryTimeout,
                after: limit,
            });
        }
        this.future.set(None);
        Poll::Ready(Err(Error::new(ErrorKind::PerTryTimeout)))
    }
}
