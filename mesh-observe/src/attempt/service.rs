//! [`ObserveAttempt`].

use std::task::{Context, Poll};

use http::{Request, Response};
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error};
use tower_service::Service;

use super::future::ResponseFuture;
use super::record::AttemptRecord;
use crate::observers::Observers;

/// Observes single attempts: see the [module](super).
#[derive(Clone, Debug)]
pub struct ObserveAttempt<S> {
    inner: S,
    observers: Observers,
}

impl<S> ObserveAttempt<S> {
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

impl<S, B, ResB> Service<Request<B>> for ObserveAttempt<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::from_boxed(error.into()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let outbound = Outbound::of(request.extensions_mut());
        let attempt = outbound.attempt_index();
        let span = match self.observers.tracing() {
            Some(tracing) if attempt > 0 => {
                tracing.begin_attempt(&mut request, attempt, outbound.attempt().started)
            }
            _ => None,
        };
        let record = AttemptRecord::new(self.observers.clone(), outbound, span);
        ResponseFuture::new(self.inner.call(request), record)
    }
}
