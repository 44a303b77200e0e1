//! [`ResponseFuture`] of retries: one attempt plainly, or several in a box.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
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
use crate::upload::Upload;

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
        limit: Option<Limit>,
        outbound: Option<Outbound>,
    ) -> Self {
        Self {
            kind: Kind::Once(Try::new(future, limit, outbound)),
        }
    }

    pub(super) fn many(
        future: S::Future,
        limit: Option<Limit>,
        service: S,
        head: Parts,
        repeat: Repeat<B>,
        rules: Rules,
    ) -> Self {
        Self {
            kind: Kind::Many(Box::pin(Many::new(
                future, limit, service, head, repeat, rules,
            ))),
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

/// The time an attempt has, from the end of its request to its response head.
#[derive(Debug)]
pub(super) struct Limit {
    time: Duration,
    started: Instant,
    upload: Option<Arc<Upload>>,
}

impl Limit {
    /// The limit of an attempt that sends `body`, if it has one.
    pub(super) fn on<B>(body: &mut ReplayBody<B>, time: Option<Duration>) -> Option<Self>
    where
        B: Body<Data = Bytes>,
    {
        Some(Self {
            time: time?,
            started: Instant::now(),
            upload: body.watch(),
        })
    }

    /// The end, or the earliest there can be while the body is under way.
    fn end(&self, now: Instant) -> Option<Instant> {
        let since = match &self.upload {
            None => self.started,
            Some(upload) => upload.waiting_since(now),
        };
        since.checked_add(self.time)
    }

    fn poll(&self, mut timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let Some(end) = self.end(now) else {
                return Poll::Pending;
            };
            if end <= now {
                return Poll::Ready(());
            }
            match timer.as_mut().as_pin_mut() {
                None => timer.set(Some(tokio::time::sleep_until(end))),
                Some(set) if set.is_elapsed() => set.reset(end),
                Some(_) => {}
            }
            if let Some(set) = timer.as_mut().as_pin_mut() {
                ready!(set.poll(cx));
            }
        }
    }
}

/// One attempt with its own time limit.
#[pin_project]
pub(super) struct Try<F> {
    #[pin]
    future: Option<F>,
    #[pin]
    timer: Option<Sleep>,
    limit: Option<Limit>,
    outbound: Option<Outbound>,
}

impl<F> Try<F> {
    pub(super) fn new(future: F, limit: Option<Limit>, outbound: Option<Outbound>) -> Self {
        Self {
            future: Some(future),
            timer: None,
            limit,
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
        let Some(limit) = this.limit else {
            return Poll::Pending;
        };
        ready!(limit.poll(this.timer, cx));
        // Noted before the future is dropped, whose layers look at it: this end is the endpoint's fault.
        if let Some(outbound) = this.outbound {
            let attempt = outbound.attempt();
            attempt.set_outcome(AttemptOutcome::Failed {
                kind: ErrorKind::PerTryTimeout,
                after: attempt.started.elapsed(),
            });
        }
        this.future.set(None);
        Poll::Ready(Err(Error::new(ErrorKind::PerTryTimeout)))
    }
}
