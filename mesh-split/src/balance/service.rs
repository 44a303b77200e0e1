//! [`Balance`].

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use mesh_core::chain::RequestHead;
use mesh_core::context::{Inbound, Outbound};
use mesh_core::endpoint::{Endpoint, EndpointSet};
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::policy::{BalanceAlgorithm, BalancePolicy, HashPolicy, HashSource};
use mesh_core::random::{self, Rng};
use mesh_core::snapshot::Target;
use tokio::time::Instant;
use tower_service::Service;

use super::load::Load;
use super::{Inputs, ResponseBody, ResponseFuture, hash, pick};

/// Picks the endpoint of an attempt; see the [module](crate::balance).
#[derive(Clone, Debug)]
pub struct Balance<S> {
    inner: S,
    fixed: Option<Arc<Target>>,
    policy: Arc<BalancePolicy>,
}

impl<S> Balance<S> {
    /// Balances over the noted target, or over `fixed` where none is noted, then calls `inner`.
    pub fn new(inner: S, fixed: Option<Arc<Target>>, policy: Arc<BalancePolicy>) -> Self {
        Self {
            inner,
            fixed,
            policy,
        }
    }

    /// The inner service.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Picks from a set and notes the pick.
    pub(super) fn assign<B>(
        &self,
        request: &Request<B>,
        outbound: &Outbound,
        target: &Target,
        set: &EndpointSet,
    ) -> Result<Load, Error> {
        let now = Instant::now();
        let policy = outbound.leg().map_or(&*self.policy, |leg| &leg.balance);
        let picked = if set.is_empty() {
            None
        } else {
            let tried = |endpoint: &Endpoint| outbound.has_tried(endpoint);
            let first = |_: &Endpoint| false;
            let retry = outbound.route().and_then(|route| route.retry.as_ref());
            let avoids = retry.is_none_or(|retry| retry.avoid_tried);
            let further = avoids && outbound.attempt_index() > 0;
            let inputs = Inputs {
                policy,
                hash: request_hash(policy, request),
                tried: if further { &tried } else { &first },
                now,
                turn: match policy.algorithm {
                    BalanceAlgorithm::RoundRobin => {
                        target.state().picks.fetch_add(1, Ordering::Relaxed)
                    }
                    _ => 0,
                },
            };
            pick(set, &inputs, &mut Rng::new(random::draw()))
        };
        let index = picked.ok_or_else(|| unavailable(target))?;
        let endpoint = &set.endpoints[index];
        let attempt = outbound.attempt();
        if let (None, Some(fixed)) = (attempt.target(), &self.fixed) {
            attempt.set_target(Arc::clone(fixed));
        }
        attempt.set_endpoint(Arc::clone(endpoint));
        Ok(Load::new(Arc::clone(endpoint), now))
    }

    pub(super) fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

fn request_hash<B>(policy: &BalancePolicy, request: &Request<B>) -> Option<u64> {
    if policy.hash.is_empty() {
        return None;
    }
    let head = RequestHead::of(request);
    hash::of_request(&policy.hash, &head, source_of(&policy.hash, request))
}

/// Address of whoever called this service, as far as the request is made on somebody's behalf.
fn source_of<B>(policies: &[HashPolicy], request: &Request<B>) -> Option<IpAddr> {
    let asked = |policy: &HashPolicy| policy.source == HashSource::SourceAddress;
    if !policies.iter().any(asked) {
        return None;
    }
    let remote = |inbound: &Inbound| Some(inbound.connection()?.remote?.ip());
    match request.extensions().get::<Inbound>() {
        Some(inbound) => remote(inbound),
        None => remote(&Inbound::current()?),
    }
}

fn unavailable(target: &Target) -> Error {
    Error::new(ErrorKind::NoHealthyEndpoint).with_subject(&**target.id())
}

impl<S, B, ResB> Service<Request<B>> for Balance<S>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    S::Error: Into<BoxError>,
    ResB: Body,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::from_boxed(error.into()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let outbound = Outbound::of(request.extensions_mut());
        let Some(target) = outbound.attempt().target().or(self.fixed.as_ref()) else {
            let nowhere = Error::new(ErrorKind::NoHealthyEndpoint).with_subject("no target");
            return ResponseFuture::refused(nowhere);
        };
        let set = target.endpoints();
        if set.is_empty() && !set.settled {
            let target = Arc::clone(target);
            let fresh = self.inner.clone();
            // The readied instance waits and is called; the fresh one is readied anew by the next caller.
            let readied = std::mem::replace(
                self,
                Self {
                    inner: fresh,
                    fixed: self.fixed.clone(),
                    policy: Arc::clone(&self.policy),
                },
            );
            return ResponseFuture::waiting(readied, target, outbound, request);
        }
        match self.assign(&request, &outbound, target, &set) {
            Ok(load) => ResponseFuture::sent(self.inner.call(request), load),
            Err(error) => ResponseFuture::refused(error),
        }
    }
}
