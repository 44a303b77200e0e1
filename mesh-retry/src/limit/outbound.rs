//! [`LimitLayer`] and [`Limit`]: the caller's limit per target.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use mesh_core::context::Outbound;
use mesh_core::endpoint::TargetState;
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::policy::Limits;
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::ResponseBody;
use super::permit::{Counter, Permit};

/// Makes [`Limit`] services; see the [module](super).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct LimitLayer {
    own: Limits,
    state: Arc<TargetState>,
}

impl LimitLayer {
    /// Limits by the attempt's target; requests without a target by `max_concurrent_requests` of these limits, all
    /// together. The default is 1024.
    pub fn new(own: Limits) -> Self {
        Self {
            own,
            state: Arc::default(),
        }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limit<S>;

    fn layer(&self, inner: S) -> Limit<S> {
        Limit {
            inner,
            own: self.own,
            state: Arc::clone(&self.state),
        }
    }
}

/// Refuses calls beyond the limit of their target.
#[derive(Clone, Debug)]
pub struct Limit<S> {
    inner: S,
    own: Limits,
    state: Arc<TargetState>,
}

impl<S> Limit<S> {
    /// The wrapped service.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn admit(&self, outbound: Option<&Outbound>) -> Result<Permit, Error> {
        let target = outbound.and_then(|outbound| outbound.attempt().target());
        let (state, limits) = match target {
            Some(target) => (target.state(), target.policy().limits),
            None => (&self.state, self.own),
        };
        let counter = Counter::Target {
            state: Arc::clone(state),
            retry: outbound.is_some_and(|outbound| outbound.attempt_index() > 0),
        };
        Permit::take(counter, limits.max_concurrent_requests).ok_or_else(|| {
            let error = Error::new(ErrorKind::Overloaded);
            match target {
                Some(target) => error.with_subject(&**target.id()),
                None => error,
            }
        })
    }
}

impl<S, B, ResB> Service<Request<B>> for Limit<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::from_boxed(error.into()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let kind = match self.admit(request.extensions().get::<Outbound>()) {
            Ok(permit) => Kind::Admitted {
                inner: self.inner.call(request),
                permit: Some(permit),
            },
            Err(error) => Kind::Refused(Some(error)),
        };
        ResponseFuture { kind }
    }
}

/// Future of [`Limit`].
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
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
    Refused(Option<Error>),
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Admitted { inner, permit } => {
                let result = ready!(inner.poll(cx));
                let permit = permit.take();
                Poll::Ready(match result {
                    Ok(response) => Ok(response.map(|body| ResponseBody::admitted(body, permit))),
                    Err(error) => Err(Error::from_boxed(error.into())),
                })
            }
            KindProj::Refused(error) => {
                Poll::Ready(Err(error.take().expect("not polled after it was ready")))
            }
        }
    }
}
