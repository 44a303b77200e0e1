//! [`Retry`], the service.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error};
use tokio::time::Instant;
use tower_service::Service;

use super::future::Limit;
use super::layer::Own;
use super::rules::Rules;
use super::verdict::is_active;
use super::{ReplayBody, ResponseFuture};
use crate::{depth, header};

/// Repeats attempts that failed; see the [module](super).
#[derive(Clone, Debug)]
pub struct Retry<S> {
    inner: S,
    own: Arc<Own>,
}

impl<S> Retry<S> {
    pub(super) fn new(inner: S, own: Arc<Own>) -> Self {
        Self { inner, own }
    }

    /// The wrapped service.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, B, ResB> Service<Request<B>> for Retry<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<ResB>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::from_boxed(error.into()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let routed = request.extensions().get::<Outbound>();
        let rules = Rules::new(Arc::clone(&self.own), routed.cloned());
        let per_try = rules.per_try();
        if !rules.policy().is_some_and(is_active) {
            let mut request = request.map(ReplayBody::once);
            let limit = Limit::on(request.body_mut(), per_try);
            let future = self.inner.call(request);
            return ResponseFuture::once(future, limit, rules.into_outbound());
        }
        let outbound = Outbound::of(request.extensions_mut());
        let rules = rules.with_outbound(outbound);
        // What will not be retried here does not add to what may be.
        if !depth::is_retry() {
            rules.deposit(Instant::now());
        }
        request
            .headers_mut()
            .insert(header::ENVOY_ATTEMPT_COUNT, HeaderValue::from_static("1"));
        let (head, body) = request.into_parts();
        let (mut body, repeat) = ReplayBody::keep(body, rules.body_limit());
        let limit = Limit::on(&mut body, per_try);
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let future = ready.call(Request::from_parts(head.clone(), body));
        ResponseFuture::many(future, limit, ready, head, repeat, rules)
    }
}
