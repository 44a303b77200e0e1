//! [`Deadline`], the service, and what callers ask for.

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, HeaderName, Request, Response};
use http_body::Body;
use mesh_core::context::Inbound;
use mesh_core::error::BoxError;
use mesh_core::live::Live;
use tokio::time::Instant;
use tower_service::Service;

use super::cancel::Guard;
use super::{Cancellation, DeadlineConfig, ResponseBody, ResponseFuture};
use crate::{depth, header};

/// Keeps requests within their callers' time; see the [module](super).
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    config: Live<DeadlineConfig>,
}

impl<S> Deadline<S> {
    pub(super) fn new(inner: S, config: Live<DeadlineConfig>) -> Self {
        Self { inner, config }
    }

    /// The wrapped service.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, B, ResB> Service<Request<B>> for Deadline<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    ResB: Body<Data = bytes::Bytes>,
    ResB::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let inbound = Inbound::of(request.extensions_mut());
        let grpc = header::is_grpc(request.headers());
        let deadline = {
            let config = self.config.load();
            let asked = asked(request.headers(), &config.header);
            let deadline = deadline(&config, asked, inbound.started());
            let late = asked == Some(Duration::ZERO)
                || deadline.is_some_and(|deadline| deadline <= Instant::now());
            if late && config.refuse_late {
                return ResponseFuture::refused(grpc);
            }
            deadline
        };
        if let Some(deadline) = deadline {
            inbound.set_deadline(deadline);
        }
        let cancellation = Cancellation::default();
        request.extensions_mut().insert(cancellation.clone());
        let guard = Guard::new(cancellation);
        let mut serving = depth::Serving::of(request.headers());
        // The handler may call others as soon as it is called, so the call itself is in scope too.
        let inner = serving.enter(|| in_scope(&inbound, || self.inner.call(request)));
        let inner = depth::Within::new(inbound.clone().scope(inner), serving);
        ResponseFuture::running(inner, inbound, deadline, guard, grpc)
    }
}

/// Runs `act` as part of the request.
pub(super) fn in_scope<T>(inbound: &Inbound, act: impl FnOnce() -> T) -> T {
    let mut act = Some(act);
    let mut done = None;
    let once = std::future::poll_fn(|_| {
        done = act.take().map(|act| act());
        Poll::Ready(())
    });
    let ready =
        std::pin::pin!(inbound.clone().scope(once)).poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(ready.is_ready());
    done.expect("the future was polled once")
}

/// The shortest time limit that the headers ask for; `header` holds the mesh's own, in milliseconds.
#[must_use]
pub fn asked(headers: &HeaderMap, header: &HeaderName) -> Option<Duration> {
    let millis = |name: &HeaderName| header::millis(headers.get(name)?.as_bytes());
    let grpc = || {
        // Of other requests the header says nothing, and an outsider could end them at will.
        let value = headers
            .get(header::GRPC_TIMEOUT)
            .filter(|_| header::is_grpc(headers))?;
        header::grpc_timeout(value.as_bytes())
    };
    [
        millis(header),
        millis(&header::ENVOY_EXPECTED_TIMEOUT_MS),
        grpc(),
    ]
    .into_iter()
    .flatten()
    .min()
}

fn deadline(config: &DeadlineConfig, asked: Option<Duration>, started: Instant) -> Option<Instant> {
    let asked = asked.map(|asked| asked.min(config.longest));
    let limit = [asked, config.limit].into_iter().flatten().min()?;
    started.checked_add(limit)
}
