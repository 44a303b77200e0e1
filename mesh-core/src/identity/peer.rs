//! The identity of a TLS peer: how it is read from a leaf, and the witness that it was verified.

use std::fmt;
use std::sync::Arc;

use super::consul::{ConsulId, ConsulIdError};
use super::spiffe::{SpiffeId, SpiffeIdError, TrustDomain};

/// Why a verified chain still gives no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerIdError {
    /// The leaf has no URI name.
    #[error("the certificate has no URI name")]
    NoUri,
    /// The leaf has more than one URI name, of whatever kind.
    #[error("the certificate has more than one URI name")]
    ManyUris,
    /// The URI name is not ASCII text.
    #[error("the URI name is not text")]
    NotText,
    /// Not one of the identities that Consul issues.
    #[error("the URI name is none of Consul's identities: {0}")]
    Consul(ConsulIdError),
    /// Not what the SPIFFE-ID standard allows.
    #[error("the URI name is not a SPIFFE ID: {0}")]
    Spiffe(SpiffeIdError),
    /// The identity of a certificate authority.
    #[error("the URI name is a signing identity")]
    Signing,
}

/// What a leaf certificate says about its holder. Says nothing about whether the certificate was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafIdentity {
    /// The URI as presented; percent escapes in its path are possible.
    pub id: SpiffeId,
    /// The same as Consul reads it.
    pub consul: ConsulId,
}

/// Reads the identity from the URI names of a leaf.
///
/// There has to be exactly one URI name, counting those that are not text or overlong. It has to be a service, mesh
/// gateway, agent or server to Consul's parser, and to pass the standard's parser, except that percent-encoded octets
/// are allowed in the variable parts (X.509-SVID section 2 and Consul's own names).
///
/// # Errors
///
/// The first of these rules that is broken.
pub fn leaf_identity<'a>(
    uri_names: impl Iterator<Item = &'a [u8]>,
) -> Result<LeafIdentity, PeerIdError> {
    let mut names = uri_names;
    let name = names.next().ok_or(PeerIdError::NoUri)?;
    if names.next().is_some() {
        return Err(PeerIdError::ManyUris);
    }
    let text = std::str::from_utf8(name).map_err(|_| PeerIdError::NotText)?;
    let id = SpiffeId::parse_relaxed(text).map_err(PeerIdError::Spiffe)?;
    if id.path().is_empty() {
        return Err(PeerIdError::Signing);
    }
    let consul = ConsulId::parse(text).map_err(PeerIdError::Consul)?;
    Ok(LeafIdentity { id, consul })
}

/// What an authenticator found in a leaf that it verified; see [`PeerIdentity::assert_verified`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedLeaf {
    /// The identity, from [`leaf_identity`].
    pub identity: LeafIdentity,
    /// The trust domain whose bundle verified the chain.
    pub trust_domain: TrustDomain,
    /// SHA-256 of the leaf in DER.
    pub sha256: [u8; 32],
    /// End of the leaf's validity, seconds since the Unix epoch.
    pub not_after: u64,
    /// The subject as an RFC 2253 text, normally empty. It carries no identity.
    pub subject: String,
    /// The DNS names. They carry no identity.
    pub dns_names: Vec<String>,
}

/// The verified identity of the other end of a connection; a clone is one reference count.
///
/// A value of this type is a witness: whoever holds one may rely on the peer having proved the identity. There is one
/// way to make it, [`PeerIdentity::assert_verified`], and it is for authenticators.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerIdentity(Arc<VerifiedLeaf>);

impl PeerIdentity {
    /// States that the chain was built to a root of the leaf's own trust domain, that all of it was valid, and that the
    /// peer proved to hold the leaf's key.
    ///
    /// Nothing is checked here. A caller that has not done so itself breaks every authorization downstream.
    pub fn assert_verified(leaf: VerifiedLeaf) -> PeerIdentity {
        PeerIdentity(Arc::new(leaf))
    }

    /// The URI as presented.
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.0.identity.id
    }

    /// The identity as Consul reads it.
    pub fn consul_id(&self) -> &ConsulId {
        &self.0.identity.consul
    }

    /// The name of the service, if the peer is one.
    pub fn service_name(&self) -> Option<&str> {
        self.0.identity.consul.service()
    }

    /// The datacenter named in the identity.
    pub fn datacenter(&self) -> Option<&str> {
        self.0.identity.consul.datacenter()
    }

    /// The trust domain whose roots verified the peer.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.0.trust_domain
    }

    /// SHA-256 of the leaf in DER.
    pub fn leaf_sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }

    /// End of the leaf's validity, seconds since the Unix epoch.
    pub fn not_after(&self) -> u64 {
        self.0.not_after
    }

    /// The subject of the leaf, normally empty.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The DNS names of the leaf.
    pub fn dns_names(&self) -> &[String] {
        &self.0.dns_names
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerIdentity({})", self.spiffe_id())
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.spiffe_id(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Result<LeafIdentity, PeerIdError> {
        leaf_identity(names.iter().map(|name| name.as_bytes()))
    }

    #[test]
    fn exactly_one_uri_name_counts() {
        let web = "spiffe://td/ns/default/dc/dc1/svc/web";
        assert_eq!(read(&[web]).unwrap().consul.service(), Some("web"));
        assert_eq!(read(&[]), Err(PeerIdError::NoUri));
        assert_eq!(
            read(&[web, "https://example.test"]),
            Err(PeerIdError::ManyUris)
        );
        assert_eq!(
            leaf_identity([web.as_bytes(), b"\xff".as_slice()].into_iter()),
            Err(PeerIdError::ManyUris)
        );
        assert_eq!(
            leaf_identity([b"\xff".as_slice()].into_iter()),
            Err(PeerIdError::NotText)
        );
    }

    #[test]
    fn what_only_one_of_the_two_parsers_accepts_is_refused() {
        for name in [
            "spiffe://u@td/ns/default/dc/dc1/svc/web",
            "spiffe://td:1/ns/default/dc/dc1/svc/web",
            "spiffe://td/ns/default/dc/dc1/svc/web?q",
            "spiffe://td/ns/default/dc/dc1/svc/web#f",
            "spiffe:///ns/default/dc/dc1/svc/web",
            "spiffe://td/ns/default/dc/../svc/web",
            "spiffe://td/ns/default/dc/%2e%2E/svc/web",
            "spiffe://td/ns/default/dc/dc1/svc/web!",
            "spiffe://td/region/eu",
            "spiffe://td.consul",
            "SPIFFE://td/ns/default/dc/dc1/svc/web",
        ] {
            assert!(read(&[name]).is_err(), "{name}");
        }
    }

    #[test]
    fn escapes_in_variable_parts_are_accepted_as_presented() {
        let name = "spiffe://td/ns/default/dc/dc1/svc/a%20b";
        let leaf = read(&[name]).unwrap();
        assert_eq!(leaf.id.as_str(), name);
        assert_eq!(leaf.consul.service(), Some("a b"));
        assert!(read(&["spiffe://td/ns/default/dc/dc1/%73vc/web"]).is_err());
    }

    #[test]
    fn the_witness_tells_what_was_verified() {
        let identity = read(&["spiffe://td/ns/default/dc/dc1/svc/web"]).unwrap();
        let peer = PeerIdentity::assert_verified(VerifiedLeaf {
            identity,
            trust_domain: TrustDomain::new("td").unwrap(),
            sha256: [0xab; 32],
            not_after: 1_800_000_000,
            subject: String::new(),
            dns_names: vec!["web.test".into()],
        });
        assert_eq!(
            (peer.service_name(), peer.datacenter()),
            (Some("web"), Some("dc1"))
        );
        assert_eq!(
            (peer.not_after(), peer.leaf_sha256()[0]),
            (1_800_000_000, 0xab)
        );
        assert_eq!(peer.to_string(), "spiffe://td/ns/default/dc/dc1/svc/web");
        let element =
            crate::identity::xfcc::Element::of_peer("spiffe://td/ns/default/dc/dc1/svc/api", &peer);
        let header = element.write();
        assert!(header.starts_with("By=spiffe://td/ns/default/dc/dc1/svc/api;Hash=abab"));
        assert!(
            header
                .ends_with(";Subject=\"\";URI=spiffe://td/ns/default/dc/dc1/svc/web;DNS=web.test")
        );
        assert_eq!(crate::identity::xfcc::first(&header), Some(element));
    }
}
