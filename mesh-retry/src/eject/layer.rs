//! [`EjectLayer`] and [`Eject`].

use std::task::{Context, Poll};

use http::{Request, Response};
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error};
use tower_layer::Layer;
use tower_service::Service;

use super::ResponseFuture;

/// Makes [`Eject`] services; see the [module](super). Its numbers are the target's
/// [`EjectionPolicy`](mesh_core::policy::EjectionPolicy).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct EjectLayer {}

impl EjectLayer {
    /// The layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for EjectLayer {
    type Service = Eject<S>;

    fn layer(&self, inner: S) -> Eject<S> {
        Eject { inner }
    }
}

/// Tells endpoints' passive health how attempts ended.
#[derive(Clone, Debug)]
pub struct Eject<S> {
    inner: S,
}

impl<S> Eject<S> {
    /// The wrapped service.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, B, ResB> Service<Request<B>> for Eject<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::from_boxed(error.into()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let outbound = request.extensions().get::<Outbound>().cloned();
        ResponseFuture::new(self.inner.call(request), outbound)
    }
}
