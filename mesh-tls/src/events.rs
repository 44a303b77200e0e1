//! What happens to connections and certificates, told to whoever counts it.
//!
//! The crate that measures implements [`Events`]; this crate calls it and knows nothing of metrics. Every method has
//! an empty default. [`Silent`] is the default of all that take one; handshakes that fail and renewals are logged with
//! [`tracing`] whether or not somebody counts them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_core::context::ConnectionInfo;
use mesh_core::identity::{PeerIdentity, SpiffeId};
use mesh_core::net::Address;

/// Why a connection of a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Closed {
    /// The peer closed it, or it was idle.
    Done,
    /// The network or the peer's HTTP broke.
    Failed,
    /// The peer's certificate expired.
    Expired,
    /// The peer's certificate no longer leads to a trusted root.
    Untrusted,
    /// The server drained it.
    Drained,
    /// The server's grace period passed with requests in flight.
    Aborted,
}

impl Closed {
    /// A stable name for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Untrusted => "untrusted",
            Self::Drained => "drained",
            Self::Aborted => "aborted",
        }
    }
}

/// A listener for what happens. Called on the connection's own task: it must not block.
pub trait Events: Send + Sync + 'static {
    /// A peer proved its identity to the server.
    fn accepted(&self, info: &ConnectionInfo, handshake: Duration) {
        let _ = (info, handshake);
    }

    /// A handshake of the server failed. `reason` is one of a finite set: see
    /// [`handshake_reason`](crate::verify::handshake_reason), and `timeout`, `io`.
    fn refused(&self, remote: SocketAddr, reason: &'static str) {
        let _ = (remote, reason);
    }

    /// A verified peer was turned away before its first byte (an intention on connections).
    fn denied(&self, info: &ConnectionInfo) {
        let _ = info;
    }

    /// The server begins to serve a connection.
    fn opened(&self, info: &ConnectionInfo) {
        let _ = info;
    }

    /// The server has done with a connection.
    fn closed(&self, info: &ConnectionInfo, why: Closed, lasted: Duration) {
        let _ = (info, why, lasted);
    }

    /// The operating system could not accept.
    fn accept_failed(&self, error: &std::io::Error) {
        let _ = error;
    }

    /// The client connected and the server proved its identity.
    fn connected(&self, peer: &PeerIdentity, handshake: Duration) {
        let _ = (peer, handshake);
    }

    /// The client's connection failed. `reason` is one of a finite set.
    fn connect_failed(&self, address: &Address, reason: &'static str) {
        let _ = (address, reason);
    }

    /// A leaf was renewed.
    fn renewed(&self, id: &SpiffeId, not_after: SystemTime) {
        let _ = (id, not_after);
    }

    /// A leaf could not be renewed; the old one stays.
    fn renewal_failed(&self, id: &SpiffeId, failures: u32) {
        let _ = (id, failures);
    }
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Events for Silent {}

impl<E: Events + ?Sized> Events for Arc<E> {
    fn accepted(&self, info: &ConnectionInfo, handshake: Duration) {
        (**self).accepted(info, handshake);
    }

    fn refused(&self, remote: SocketAddr, reason: &'static str) {
        (**self).refused(remote, reason);
    }

    fn denied(&self, info: &ConnectionInfo) {
        (**self).denied(info);
    }

    fn opened(&self, info: &ConnectionInfo) {
        (**self).opened(info);
    }

    fn closed(&self, info: &ConnectionInfo, why: Closed, lasted: Duration) {
        (**self).closed(info, why, lasted);
    }

    fn accept_failed(&self, error: &std::io::Error) {
        (**self).accept_failed(error);
    }

    fn connected(&self, peer: &PeerIdentity, handshake: Duration) {
        (**self).connected(peer, handshake);
    }

    fn connect_failed(&self, address: &Address, reason: &'static str) {
        (**self).connect_failed(address, reason);
    }

    fn renewed(&self, id: &SpiffeId, not_after: SystemTime) {
        (**self).renewed(id, not_after);
    }

    fn renewal_failed(&self, id: &SpiffeId, failures: u32) {
        (**self).renewal_failed(id, failures);
    }
}

/// A shared listener of any kind.
#[derive(Clone)]
pub(crate) struct SharedEvents(pub(crate) Arc<dyn Events>);

impl SharedEvents {
    pub(crate) fn silent() -> Self {
        Self(Arc::new(Silent))
    }
}

impl std::ops::Deref for SharedEvents {
    type Target = dyn Events;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl std::fmt::Debug for SharedEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}
