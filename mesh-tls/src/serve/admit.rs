//! Who may open a connection at all.

use std::sync::Arc;

use mesh_core::context::ConnectionInfo;
use mesh_core::intention::{Table, evaluate};
use mesh_core::live::Live;

/// Decides about a connection, once, right after its handshake: the place of intentions of services that do not speak
/// HTTP. It reads live rules, so a change applies to the next connection; connections that are open stay open.
pub trait Admit: Send + Sync + 'static {
    /// Whether the peer may go on. On plain listeners [`ConnectionInfo::peer`] is empty.
    fn admit(&self, info: &ConnectionInfo) -> bool;
}

impl<F: Fn(&ConnectionInfo) -> bool + Send + Sync + 'static> Admit for F {
    fn admit(&self, info: &ConnectionInfo) -> bool {
        self(info)
    }
}

/// Intentions, for services that do not speak HTTP. Where the destination speaks HTTP everybody may connect, because each
/// request is judged by [`Authorize`](crate::authorize::Authorize) (Consul service-intentions reference).
impl Admit for Live<Table> {
    fn admit(&self, info: &ConnectionInfo) -> bool {
        let table = self.load();
        table.is_http()
            || info
                .peer
                .as_ref()
                .is_some_and(|peer| evaluate(&table, peer.spiffe_id(), None).is_allowed())
    }
}

/// Every verified peer may connect; requests are judged one by one.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdmitAll;

impl Admit for AdmitAll {
    fn admit(&self, _: &ConnectionInfo) -> bool {
        true
    }
}

#[derive(Clone)]
pub(super) struct SharedAdmit(pub(super) Arc<dyn Admit>);
