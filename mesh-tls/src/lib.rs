//! mesh-tls

#[cfg(feature = "server")]
pub mod accept;
pub mod authenticate;
pub mod authorize;
#[cfg(feature = "client")]
pub mod connect;
pub mod credentials;
#[cfg(feature = "dev-ca")]
pub mod dev_ca;
pub mod events;
pub mod forward;
pub mod normalize;
pub mod profile;
pub mod respond;
#[cfg(feature = "server")]
pub mod serve;
pub mod verify;

/// End of a peer's leaf as a date.
fn leaf_end(peer: &mesh_core::identity::PeerIdentity) -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(peer.not_after())
}
