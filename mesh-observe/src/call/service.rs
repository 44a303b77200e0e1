//! [`ObserveCall`].

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error};
use tower_service::Service;

use super::future::ResponseFuture;
use super::record::CallRecord;
use crate::body::ResponseBody;
use crate::observers::Observers;

/// Observes logical calls: see the [module](super).
#[derive(Clone, Debug)]
pub struct ObserveCall<S> {
    inner: S,
    observers: Observers,
}

impl<S> ObserveCall<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, observers: impl Into<Observers>) -> Self {
        Self {
            inner,
            observers: observers.into(),
        }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, ResB> Service<Request<B>> for ObserveCall<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    ResB: Body,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::from_boxed(error.into()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let outbound = Outbound::begin(request.extensions_mut());
        let span = self
            .observers
            .tracing()
            .and_then(|tracing| tracing.begin_call(&mut request, outbound.started()));
        let record = CallRecord::new(self.observers.clone(), outbound, span);
        ResponseFuture::new(self.inner.call(request), record)
    }
}
