//! What the mesh knows: names, config entries, compiled chains, endpoints, intentions, live snapshots.

pub mod body;
pub mod catalog;
pub mod chain;
pub mod clock;
pub mod config;
pub mod context;
pub mod endpoint;
pub mod error;
pub mod filter;
pub mod health;
pub mod identity;
pub mod intention;
pub mod live;
pub mod net;
pub mod normalize;
mod pattern;
pub mod policy;
pub mod random;
pub mod snapshot;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
