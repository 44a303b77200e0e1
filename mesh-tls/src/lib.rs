//! mesh-tls

#[cfg(feature = "server")]
pub mod accept;
#[cfg(feature = "client")]
pub mod connect;
pub mod credentials;
#[cfg(feature = "dev-ca")]
pub mod dev_ca;
pub mod events;
pub mod profile;
#[cfg(feature = "server")]
pub mod serve;
pub mod verify;

/// End of a peer's leaf as a date.
fn leaf_end(peer: &mesh_core::identity::PeerIdentity) -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(peer.not_after())
}
