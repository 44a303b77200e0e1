//! Where verdicts come from.

use std::sync::Arc;

use mesh_core::identity::PeerIdentity;
use mesh_core::intention::{Claims, RequestFacts, Table, Verdict, evaluate};
use mesh_core::live::Live;

/// Judges a request by the newest rules.
///
/// Called once per request, on the request's path: it reads live state once, and does not wait.
pub trait Judge {
    /// The verdict on a request of a verified peer.
    fn judge(&self, peer: &PeerIdentity, request: &RequestFacts<'_>) -> Verdict;
}

impl Judge for Table {
    fn judge(&self, peer: &PeerIdentity, request: &RequestFacts<'_>) -> Verdict {
        evaluate(self, peer.spiffe_id(), Some(request))
    }
}

impl Judge for Live<Table> {
    fn judge(&self, peer: &PeerIdentity, request: &RequestFacts<'_>) -> Verdict {
        self.load().judge(peer, request)
    }
}

impl<J: Judge> Judge for Arc<J> {
    fn judge(&self, peer: &PeerIdentity, request: &RequestFacts<'_>) -> Verdict {
        (**self).judge(peer, request)
    }
}

impl<F: Fn(&PeerIdentity, &RequestFacts<'_>) -> Verdict> Judge for F {
    fn judge(&self, peer: &PeerIdentity, request: &RequestFacts<'_>) -> Verdict {
        self(peer, request)
    }
}

/// The claims of the tokens that came with a request and were verified. A layer that verifies tokens puts them into the
/// request's extensions, outside of [`Authorize`](super::Authorize).
#[derive(Clone, Debug, Default)]
pub struct VerifiedClaims(pub Arc<Claims>);
