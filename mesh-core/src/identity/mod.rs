//! SPIFFE identities, trust domains, peers.
//!
//! Two parsers stand side by side. [`SpiffeId::parse`] follows the SPIFFE-ID standard; [`ConsulId::parse`] reads
//! what Consul's own lenient parser reads. A TLS peer has to satisfy both: see [`leaf_identity`].

mod bundle;
mod consul;
mod peer;
pub mod sni;
mod spiffe;
mod url;
pub mod xfcc;

pub use bundle::{TrustBundle, TrustBundles};
pub use consul::{ConsulId, ConsulIdError, can_sign, server_match};
pub use peer::{LeafIdentity, PeerIdError, PeerIdentity, VerifiedLeaf, leaf_identity};
pub use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
