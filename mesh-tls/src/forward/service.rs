//! [`ForwardClientCert`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use mesh_core::context::Inbound;
use mesh_core::identity::xfcc::{self, Element};
use mesh_core::identity::{PeerIdentity, SpiffeId};
use tower_service::Service;

use super::{Forward, ForwardSettings};

const XFCC: HeaderName = HeaderName::from_static(xfcc::HEADER);
const CELLS: usize = 32;

/// The elements of recent peers, by a byte of their leaf's digest. A collision costs writing the element anew.
#[derive(Clone)]
pub(super) struct Elements {
    own: SpiffeId,
    cells: Arc<[ArcSwapOption<Written>; CELLS]>,
}

struct Written {
    sha256: [u8; 32],
    value: HeaderValue,
}

impl Elements {
    pub(super) fn new(own: &SpiffeId) -> Self {
        Self {
            own: own.clone(),
            cells: Arc::new(std::array::from_fn(|_| ArcSwapOption::empty())),
        }
    }

    fn of(&self, peer: &PeerIdentity) -> Option<HeaderValue> {
        let sha256 = peer.leaf_sha256();
        let cell = &self.cells[usize::from(sha256[0]) % CELLS];
        if let Some(written) = &*cell.load()
            && written.sha256 == *sha256
        {
            return Some(written.value.clone());
        }
        let element = Element::of_peer(self.own.as_str(), peer).write();
        let value = HeaderValue::try_from(element).ok()?;
        cell.store(Some(Arc::new(Written {
            sha256: *sha256,
            value: value.clone(),
        })));
        Some(value)
    }
}

impl fmt::Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Elements").field(&self.own.as_str()).finish()
    }
}

/// Appends to the header or removes it; see the [module](super).
#[derive(Clone)]
pub struct ForwardClientCert<S, N = Forward> {
    inner: S,
    elements: Elements,
    settings: N,
}

impl<S, N> ForwardClientCert<S, N> {
    pub(super) fn new(inner: S, elements: Elements, settings: N) -> Self {
        Self {
            inner,
            elements,
            settings,
        }
    }
}

impl<S: fmt::Debug, N> fmt::Debug for ForwardClientCert<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardClientCert")
            .field("inner", &self.inner)
            .field("elements", &self.elements)
            .finish_non_exhaustive()
    }
}

impl<S, N, B> Service<Request<B>> for ForwardClientCert<S, N>
where
    S: Service<Request<B>>,
    N: ForwardSettings,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let peer = request
            .extensions()
            .get::<Inbound>()
            .and_then(|inbound| inbound.peer());
        let own = match self.settings.forward() {
            Forward::Append => peer.and_then(|peer| self.elements.of(peer)),
            Forward::Remove => None,
        };
        let headers = request.headers_mut();
        match own.and_then(|own| join(headers, own)) {
            Some(value) => drop(headers.insert(XFCC, value)),
            None => drop(headers.remove(XFCC)),
        }
        self.inner.call(request)
    }
}

/// One line of what came in and the own element after it, so that a reader of the first line sees all.
fn join(headers: &HeaderMap, own: HeaderValue) -> Option<HeaderValue> {
    let mut line = Vec::new();
    for value in headers.get_all(XFCC) {
        line.extend_from_slice(value.as_bytes());
        line.push(b',');
    }
    if line.is_empty() {
        return Some(own);
    }
    line.extend_from_slice(own.as_bytes());
    HeaderValue::from_bytes(&line).ok()
}
