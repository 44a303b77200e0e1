//! SPIFFE identities, trust domains, peers.
