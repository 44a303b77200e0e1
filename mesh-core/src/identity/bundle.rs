//! The roots that are trusted, one bundle per trust domain.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::spiffe::TrustDomain;

/// The roots of one trust domain: certificates in DER.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustBundle {
    /// Whose roots these are. Only identities of this trust domain may be verified with them.
    pub trust_domain: TrustDomain,
    /// All roots, active or not.
    pub roots: Vec<Arc<[u8]>>,
}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustBundle")
            .field("trust_domain", &self.trust_domain)
            .field("roots", &self.roots.len())
            .finish()
    }
}

/// The bundles of the own trust domain and of peered ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustBundles {
    /// The own trust domain.
    pub local: TrustDomain,
    /// Bundles by the name of their trust domain, the own one included.
    pub map: BTreeMap<TrustDomain, TrustBundle>,
}

impl TrustBundles {
    /// No roots yet: nobody is trusted.
    pub fn empty(local: TrustDomain) -> TrustBundles {
        TrustBundles {
            local,
            map: BTreeMap::new(),
        }
    }

    /// With the own bundle only.
    pub fn new(local: TrustBundle) -> TrustBundles {
        let mut bundles = TrustBundles::empty(local.trust_domain.clone());
        bundles.insert(local);
        bundles
    }

    /// Adds a bundle or replaces that of the same trust domain.
    pub fn insert(&mut self, bundle: TrustBundle) {
        self.map.insert(bundle.trust_domain.clone(), bundle);
    }

    /// The bundle to verify an identity of this trust domain with; `None` means untrusted.
    pub fn bundle(&self, trust_domain: &TrustDomain) -> Option<&TrustBundle> {
        self.map.get(trust_domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_domain_without_a_bundle_is_not_trusted() {
        let own = TrustDomain::new("own").unwrap();
        let bundle = |name: &str, roots: usize| TrustBundle {
            trust_domain: TrustDomain::new(name).unwrap(),
            roots: vec![Arc::from([1_u8].as_slice()); roots],
        };
        let mut bundles = TrustBundles::empty(own.clone());
        assert_eq!(bundles.bundle(&own), None);
        bundles.insert(bundle("own", 1));
        bundles.insert(bundle("own", 2));
        bundles.insert(bundle("peer", 1));
        assert_eq!(
            bundles.bundle(&own).map(|bundle| bundle.roots.len()),
            Some(2)
        );
        assert_eq!(bundles.map.len(), 2);
        assert_eq!(TrustBundles::new(bundle("own", 1)).local, own);
    }
}
