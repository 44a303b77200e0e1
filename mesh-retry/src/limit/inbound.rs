//! [`InboundLimitLayer`] and [`InboundLimit`]: the callee's limit over all callers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use mesh_core::error::ErrorKind;
use mesh_core::live::Live;
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::ResponseBody;
use super::permit::{Counter, Permit};
use crate::header;
use crate::refusal::refuse;

/// Makes [`InboundLimit`] services, which all share one count; see the [module](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct InboundLimitLayer {
    most: Live<u32>,
    in_flight: Arc<AtomicU32>,
}

impl InboundLimitLayer {
    /// Admits at most that many requests at a time, fixed or live. 0 admits none.
    pub fn new(max_in_flight: impl Into<Live<u32>>) -> Self {
        Self {
            most: max_in_flight.into(),
            in_flight: Arc::default(),
        }
    }

    /// Requests in flight now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Default for InboundLimitLayer {
    /// Admits 1024.
    fn default() -> Self {
        Self::new(1024)
    }
}

impl<S> Layer<S> for InboundLimitLayer {
    type Service = InboundLimit<S>;

    fn layer(&self, inner: S) -> InboundLimit<S> {
        InboundLimit {
            inner,
            most: self.most.clone(),
            in_flight: Arc::clone(&self.in_flight),
        }
    }
}

/// Refuses requests beyond what this process takes on.
#[derive(Clone, Debug)]
pub struct InboundLimit<S> {
    inner: S,
    most: Live<u32>,
    in_flight: Arc<AtomicU32>,
}

impl<S> InboundLimit<S> {
    /// The wrapped service.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

/// Why the limit answered itself. Lies in the extensions of that response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded {
    /// The limit that was reached.
    pub max_in_flight: u32,
}

impl<S, B, ResB> Service<Request<B>> for InboundLimit<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = InboundFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let most = **self.most.load();
        let counter = Counter::Process(Arc::clone(&self.in_flight));
        let kind = match Permit::take(counter, most) {
            Some(permit) => Kind::Admitted {
                inner: self.inner.call(request),
                permit: Some(permit),
            },
            None => Kind::Refused {
                grpc: header::is_grpc(request.headers()),
                most,
            },
        };
        InboundFuture { kind }
    }
}

/// Future of [`InboundLimit`].
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct InboundFuture<F> {
    #[pin]
    kind: Kind<F>,
}

#[pin_project(project = KindProj)]
#[derive(Debug)]
enum Kind<F> {
    Admitted {
        #[pin]
        inner: F,
        permit: Option<Permit>,
    },
    Refused {
        grpc: bool,
        most: u32,
    },
}

impl<F, B, E> Future for InboundFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Admitted { inner, permit } => {
                let result = ready!(inner.poll(cx));
                let permit = permit.take();
                Poll::Ready(
                    result
                        .map(|response| response.map(|body| ResponseBody::admitted(body, permit))),
                )
            }
            KindProj::Refused { grpc, most } => Poll::Ready(Ok(overloaded(*grpc, *most))),
        }
    }
}

fn overloaded<B>(grpc: bool, most: u32) -> Response<ResponseBody<B>> {
    let (response, text) = refuse(
        ErrorKind::Overloaded,
        "too many requests are in flight",
        grpc,
    );
    let mut response = response.map(|()| ResponseBody::refused(text));
    response
        .headers_mut()
        .insert(header::ENVOY_OVERLOADED, HeaderValue::from_static("true"));
    response.extensions_mut().insert(Overloaded {
        max_in_flight: most,
    });
    response
}
