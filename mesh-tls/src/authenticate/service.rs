//! [`Authenticate`].

use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use mesh_core::context::Inbound;
use tower_service::Service;

use super::peer::Unauthenticated;
use crate::respond::{Asker, GrpcCode, Refuse, ResponseBody, ResponseFuture};

pub(super) const REFUSE: Refuse = Refuse {
    status: StatusCode::FORBIDDEN,
    text: "the caller has no verified identity",
    grpc: GrpcCode::Unauthenticated,
};

/// Lets only verified peers through; see the [module](super).
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    optional: bool,
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, optional: bool) -> Self {
        Self { inner, optional }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Authenticate<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let verified = request
            .extensions()
            .get::<Inbound>()
            .is_some_and(|inbound| inbound.peer().is_some());
        if verified || self.optional {
            return ResponseFuture::inner(self.inner.call(request));
        }
        tracing::info!(
            method = %request.method(),
            path = request.uri().path(),
            "request without verified peer refused"
        );
        let mut response = Asker::of(&request).refuse(REFUSE);
        response.extensions_mut().insert(Unauthenticated);
        ResponseFuture::refused(response)
    }
}
