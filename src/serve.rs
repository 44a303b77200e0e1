//! Serving: [`serve`] for a service's own port, [`serve_gateway`] for a public one.

use mesh_core::context::ConnectionInfo;
use mesh_observe::{ObserveServer, ObserveServerLayer};
use mesh_tls::serve::Serve;
use tower_layer::Layer;

use crate::{Gateway, Identity, Server};

/// Serves `service` with mutual TLS as `me`, on HTTP/1.1 and HTTP/2.
///
/// It takes the service that [`server`](crate::server) made and nothing else, so that no application is served
/// without its intentions; whoever wants another stack has [`mesh_tls::serve`].
///
/// Await it, or give it a shutdown first: `serve(…).until(shutdown).await`. It then stops accepting, tells its peers
/// (GOAWAY, `connection: close`), lets requests in flight finish within the grace period, and ends. Intentions of a
/// service that does not speak HTTP are applied to each connection right after its handshake; those of one that does
/// are the business of [`server`](crate::server).
pub fn serve<L, S>(listener: L, me: &Identity, service: Server<S>) -> Serve<L, Server<S>> {
    let judge = me.clone();
    mesh_tls::serve::serve(listener, me.tls().clone(), service)
        .admit(move |info: &ConnectionInfo| judge.admits(info))
        .events(me.counted())
}

/// Serves a public listener of an ingress gateway: plain HTTP from outside, observed at the edge.
pub fn serve_gateway<L>(
    listener: L,
    me: &Identity,
    gateway: Gateway,
) -> Serve<L, ObserveServer<Gateway>> {
    let observed = ObserveServerLayer::new(me.observers().clone()).layer(gateway);
    mesh_tls::serve::serve_plain(listener, observed).events(me.counted())
}
