//! [`Authorize`].

use std::fmt;
use std::task::{Context, Poll};

use http::header::HOST;
use http::{Request, Response};
use mesh_core::context::Inbound;
use mesh_core::identity::{PeerIdentity, xfcc};
use mesh_core::intention::RequestFacts;
use mesh_core::normalize::without_query;
use tower_service::Service;

use super::denied::Denied;
use super::judge::{Judge, VerifiedClaims};
use crate::respond::{Asker, ResponseBody, ResponseFuture};

/// Judges each request; see the [module](super).
#[derive(Clone)]
pub struct Authorize<S, J> {
    inner: S,
    judge: J,
}

impl<S, J> Authorize<S, J> {
    pub(super) fn new(inner: S, judge: J) -> Self {
        Self { inner, judge }
    }
}

impl<S: fmt::Debug, J> fmt::Debug for Authorize<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, J, ReqB, ResB> Service<Request<ReqB>> for Authorize<S, J>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    J: Judge,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match decide(&self.judge, &request) {
            Ok(()) => ResponseFuture::inner(self.inner.call(request)),
            Err(denied) => ResponseFuture::refused(denied.response(Asker::of(&request))),
        }
    }
}

fn decide<J: Judge, B>(judge: &J, request: &Request<B>) -> Result<(), Denied> {
    let inbound = request.extensions().get::<Inbound>();
    let Some((inbound, peer)) = inbound.and_then(|inbound| Some((inbound, inbound.peer()?))) else {
        tracing::info!(
            method = %request.method(), path = request.uri().path(),
            "request denied: no verified identity"
        );
        return Err(Denied { verdict: None });
    };
    let verdict = judge.judge(peer, &facts(request));
    if verdict.is_allowed() {
        inbound.set_verdict(verdict);
        return Ok(());
    }
    inbound.set_verdict(verdict.clone());
    let denied = Denied {
        verdict: Some(verdict),
    };
    log(peer, request, &denied);
    Err(denied)
}

fn log<B>(peer: &PeerIdentity, request: &Request<B>, denied: &Denied) {
    tracing::info!(
        source = %peer,
        method = %request.method(),
        path = request.uri().path(),
        rule = %denied,
        place = denied.verdict.as_ref().map(|verdict| verdict.place()),
        "request denied"
    );
}

/// What intentions look at, borrowed from the request.
fn facts<B>(request: &Request<B>) -> RequestFacts<'_> {
    let headers = request.headers();
    let text = |name| headers.get(name)?.to_str().ok();
    let target = request.uri().path_and_query().map_or("", |p| p.as_str());
    RequestFacts {
        method: request.method().as_str(),
        path: without_query(target),
        authority: match request.uri().authority() {
            Some(authority) => authority.as_str(),
            None => text(HOST.as_str()).unwrap_or_default(),
        },
        headers,
        // Only the first element counts, and it is in the first of several headers.
        xfcc: text(xfcc::HEADER),
        claims: request
            .extensions()
            .get::<VerifiedClaims>()
            .map(|claims| &*claims.0),
    }
}
