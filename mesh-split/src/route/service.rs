//! [`Route`].

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::{Request, Response};
use mesh_core::chain::RequestHead;
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::live::Live;
use mesh_core::snapshot::Snapshot;
use tower_service::Service;

use super::{ResponseFuture, apply};
use crate::select::pick_leg;

/// Decides where a request goes; see the [module](crate::route).
#[derive(Clone, Debug)]
pub struct Route<S> {
    inner: S,
    source: Live<Snapshot>,
}

impl<S> Route<S> {
    /// Routes by the newest snapshot of `source`, then calls `inner`.
    pub fn new(inner: S, source: Live<Snapshot>) -> Self {
        Self { inner, source }
    }

    /// The inner service.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn prepare<B>(&self, request: &mut Request<B>) -> Result<Outbound, Error> {
        let snapshot = self.source.load();
        let host = apply::host_of(request);
        let Some(chain) = snapshot.chain(host) else {
            return Err(Error::new(ErrorKind::UnknownService).with_subject(host));
        };
        let Some(route) = chain.decide(&RequestHead::of(request)) else {
            return Err(Error::new(ErrorKind::UnknownService).with_subject(host));
        };
        let outbound = Outbound::claim(request.extensions_mut());
        outbound.set_route(chain.clone(), route.index);
        let drawn = pick_leg(route, || chain.state.draws.fetch_add(1, Ordering::Relaxed));
        if let Some(leg) = drawn {
            outbound.set_leg(leg);
        }
        let legs_are_redrawn = route.retry.as_ref().is_some_and(|retry| retry.redraw_leg);
        if !legs_are_redrawn {
            apply::edit_request(&outbound, request.headers_mut());
        }
        apply::rewrite_path(chain, route.index, request)?;
        Ok(outbound)
    }
}

impl<S, B, ResB> Service<Request<B>> for Route<S>
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
        match self.prepare(&mut request) {
            Ok(outbound) => ResponseFuture::routed(self.inner.call(request), outbound),
            Err(error) => ResponseFuture::refused(error),
        }
    }
}
