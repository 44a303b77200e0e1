//! [`ObserveServer`].

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use mesh_core::context::Inbound;
use tower_service::Service;

use super::future::ResponseFuture;
use super::record::ServerRecord;
use crate::body::ResponseBody;
use crate::observers::Observers;

/// Observes incoming requests: see the [module](super).
#[derive(Clone, Debug)]
pub struct ObserveServer<S> {
    inner: S,
    observers: Observers,
}

impl<S> ObserveServer<S> {
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

impl<S, B, ResB> Service<Request<B>> for ObserveServer<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    ResB: Body,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let inbound = Inbound::of(request.extensions_mut());
        let trace = self
            .observers
            .tracing()
            .map(|tracing| tracing.begin_server(&mut request, &inbound));
        let record = ServerRecord::new(self.observers.clone(), inbound, trace);
        let future = {
            // Services that act in `call` rather than in their future are traced as well.
            let _entered = record.enter();
            self.inner.call(request)
        };
        ResponseFuture::new(future, record)
    }
}
