//! A leaf with its key.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_core::identity::{SpiffeId, TrustBundle, TrustDomain};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::renewal::Renewal;
use crate::profile;
use crate::verify::{Refusal, read_own};

/// A leaf, the certificates that lead to a root, and the key. A clone is cheap.
#[derive(Clone)]
pub struct Credentials {
    certified_key: Arc<CertifiedKey>,
    spiffe_id: SpiffeId,
    not_before: SystemTime,
    not_after: SystemTime,
    authority_key_id: Arc<[u8]>,
}

/// Why a leaf and a key are no [`Credentials`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The PEM text can not be read, or what was looked for is not in it.
    #[error("the PEM text is broken or holds nothing suitable: {0}")]
    Pem(rustls_pki_types::pem::Error),
    /// The leaf breaks a rule that every peer would refuse it for.
    #[error("the leaf can not be used: {0}")]
    Leaf(Refusal),
    /// The key is of an unsupported kind, or not the leaf's.
    #[error("the private key does not fit the leaf")]
    Key(#[source] rustls::Error),
    /// A bundle holds a certificate that can not be a root.
    #[error("the bundle holds a certificate that can not be a root")]
    Root(#[source] webpki::Error),
}

impl Credentials {
    /// Takes a chain, leaf first, and the leaf's key in PKCS#8, SEC 1 or PKCS#1.
    ///
    /// # Errors
    /// When the leaf has no SPIFFE identity or the key is not the leaf's.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CredentialsError> {
        let own = chain
            .first()
            .ok_or(Refusal::NoCertificate)
            .and_then(read_own)
            .map_err(CredentialsError::Leaf)?;
        let certified_key = CertifiedKey::from_der(chain, key, profile::provider())
            .map_err(CredentialsError::Key)?;
        Ok(Self {
            certified_key: Arc::new(certified_key),
            spiffe_id: own.id,
            not_before: date(own.not_before),
            not_after: date(own.not_after),
            authority_key_id: own.authority_key_id.into(),
        })
    }

    /// Reads a chain, leaf first, and a key from PEM texts. The key block may be `PRIVATE KEY`, `EC PRIVATE KEY` (which
    /// Consul issues) or `RSA PRIVATE KEY`.
    ///
    /// # Errors
    /// As [`Credentials::new`], and when a text is not PEM.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CredentialsError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(CredentialsError::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(CredentialsError::Pem)?;
        Self::new(chain, key)
    }

    /// The chain and the key as rustls uses them.
    #[must_use]
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified_key
    }

    /// The identity of the leaf.
    #[must_use]
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// Start of the leaf's validity.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// End of the leaf's validity.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Identifier of the key that signed the leaf; empty when the leaf does not tell.
    #[must_use]
    pub fn authority_key_id(&self) -> &[u8] {
        &self.authority_key_id
    }

    /// Whether the leaf is valid at that date.
    #[must_use]
    pub fn is_valid_at(&self, date: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&date)
    }

    /// When to renew the leaf.
    #[must_use]
    pub fn renewal(&self) -> Renewal {
        Renewal {
            not_before: self.not_before,
            not_after: self.not_after,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("spiffe_id", &self.spiffe_id.as_str())
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn date(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Reads the roots of a trust domain from a PEM text with one or more certificates.
///
/// # Errors
/// When the text is not PEM, holds no certificate, or holds one that can not be a root.
pub fn read_bundle(
    trust_domain: &TrustDomain,
    pem: &[u8],
) -> Result<TrustBundle, CredentialsError> {
    let roots = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(CredentialsError::Pem)?;
    if roots.is_empty() {
        let nothing = rustls_pki_types::pem::Error::NoItemsFound;
        return Err(CredentialsError::Pem(nothing));
    }
    for root in &roots {
        webpki::anchor_from_trusted_cert(root).map_err(CredentialsError::Root)?;
    }
    Ok(TrustBundle {
        trust_domain: trust_domain.clone(),
        roots: roots.iter().map(|root| Arc::from(root.as_ref())).collect(),
    })
}
