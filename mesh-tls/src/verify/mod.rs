//! X509-SVID validation, the same for both roles.
//!
//! [`verify`] is a function of plain data: the chain that the peer sent, the roots that are trusted, the date. The
//! rules, in the order in which they are checked (X509-SVID section 5, RFC 5280):
//!
//! 1. There is a leaf, it can be read, and it has exactly one URI name, which is an identity that Consul issues.
//! 2. The bundle is that of the trust domain written in the identity; no other root is ever tried.
//! 3. A path leads from the leaf over the certificates sent, in any order, to a root of the bundle. Every certificate
//!    is valid now, and the leaf's extended key usage, if any, fits its role.
//! 4. The leaf is no authority. Its key usage, if any, has digital signature, and neither certificate nor revocation
//!    list signing.
//! 5. On the client side the identity is, byte for byte, the one that was dialled.
//!
//! No host name is checked on either side. Sessions are never resumed (see [`crate::profile`]), because a resumed
//! session would skip all of this.

mod der;
mod leaf;
mod refusal;
mod verifier;

use mesh_core::identity::{
    LeafIdentity, SpiffeId, TrustBundle, TrustBundles, TrustDomain, VerifiedLeaf, leaf_identity,
};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use self::leaf::Leaf;
pub use self::refusal::{Refusal, Refused, handshake_reason, refusal_of};
pub(crate) use self::verifier::Verifier;
use crate::profile;

/// In which role the peer presents its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It connected to us.
    Client,
    /// We connected to it.
    Server,
}

/// Checks the chain that a peer presented, leaf first.
///
/// `expected` is the identity dialled, for [`Role::Server`]; a server of no expected identity is refused, because an
/// anonymous server is none.
///
/// # Errors
/// The first rule that is broken.
pub fn verify(
    role: Role,
    chain: &[CertificateDer<'_>],
    bundles: &TrustBundles,
    expected: Option<&SpiffeId>,
    now: UnixTime,
) -> Result<VerifiedLeaf, Refused> {
    let (leaf_der, intermediates) = chain.split_first().ok_or(Refusal::NoCertificate)?;
    let leaf = Leaf::read(leaf_der).map_err(|_| Refusal::BadEncoding)?;
    if !leaf.names_are_well_formed() {
        return Err(Refusal::BadEncoding.into());
    }
    let identity = leaf_identity(leaf.uris()).map_err(Refusal::from)?;
    check(
        role,
        leaf_der,
        &leaf,
        intermediates,
        bundles,
        &identity,
        now,
    )
    .and_then(|trust_domain| match role {
        Role::Server if expected != Some(&identity.id) => Err(Refusal::UnexpectedIdentity),
        _ => Ok(trust_domain),
    })
    .map(|trust_domain| VerifiedLeaf {
        trust_domain,
        sha256: profile::sha256(leaf_der),
        not_after: leaf.not_after,
        subject: leaf.subject(),
        dns_names: leaf.dns_names().map(ToOwned::to_owned).collect(),
        identity: identity.clone(),
    })
    .map_err(|refusal| Refused {
        refusal,
        presented: Some(identity.id),
        expected: expected.cloned(),
    })
}

fn check(
    role: Role,
    leaf_der: &CertificateDer<'_>,
    leaf: &Leaf<'_>,
    intermediates: &[CertificateDer<'_>],
    bundles: &TrustBundles,
    identity: &LeafIdentity,
    now: UnixTime,
) -> Result<TrustDomain, Refusal> {
    let trust_domain =
        TrustDomain::new(identity.id.trust_domain()).map_err(|_| Refusal::UriInvalid)?;
    let bundle = bundles.bundle(&trust_domain).ok_or(Refusal::TrustDomain)?;
    if leaf.is_ca {
        return Err(Refusal::CaLeaf);
    }
    check_path(role, leaf_der, intermediates, bundle, now)?;
    if let Some(usage) = leaf.key_usage
        && (usage.signs_certificates_or_lists() || !usage.digital_signature())
    {
        return Err(Refusal::KeyUsage);
    }
    Ok(trust_domain)
}

fn check_path(
    role: Role,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    bundle: &TrustBundle,
    now: UnixTime,
) -> Result<(), Refusal> {
    let roots: Vec<CertificateDer<'_>> = bundle
        .roots
        .iter()
        .map(|root| CertificateDer::from(&**root))
        .collect();
    let anchors: Vec<TrustAnchor<'_>> = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root).ok())
        .collect();
    let usage = match role {
        Role::Client => KeyUsage::client_auth(),
        Role::Server => KeyUsage::server_auth(),
    };
    EndEntityCert::try_from(leaf)
        .map_err(|_| Refusal::BadEncoding)?
        .verify_for_usage(
            profile::signature_algorithms(),
            &anchors,
            intermediates,
            now,
            usage,
            None,
            None,
        )
        .map(drop)
        .map_err(path_refusal)
}

/// Which rule a failed path breaks. A re-keyed root of the same name makes webpki report a bad signature where no
/// root fits, so everything that is not told apart here is an unknown authority.
fn path_refusal(error: webpki::Error) -> Refusal {
    match error {
        webpki::Error::CertExpired { .. } => Refusal::Expired,
        webpki::Error::CertNotValidYet { .. } => Refusal::NotYetValid,
        webpki::Error::CaUsedAsEndEntity => Refusal::CaLeaf,
        webpki::Error::RequiredEkuNotFoundContext(_) | webpki::Error::EmptyEkuExtension => {
            Refusal::ExtendedKeyUsage
        }
        webpki::Error::BadDer
        | webpki::Error::BadDerTime
        | webpki::Error::InvalidCertValidity
        | webpki::Error::ExtensionValueInvalid
        | webpki::Error::MalformedExtensions
        | webpki::Error::UnsupportedCertVersion
        | webpki::Error::UnsupportedCriticalExtension => Refusal::BadEncoding,
        _ => Refusal::UnknownAuthority,
    }
}

/// Validity and issuer of a leaf of our own, which nobody needs to verify.
pub(crate) struct OwnLeaf {
    pub(crate) id: SpiffeId,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
    pub(crate) authority_key_id: Vec<u8>,
}

/// Reads a leaf of our own.
pub(crate) fn read_own(leaf: &CertificateDer<'_>) -> Result<OwnLeaf, Refusal> {
    let leaf = Leaf::read(leaf).map_err(|_| Refusal::BadEncoding)?;
    Ok(OwnLeaf {
        id: leaf_identity(leaf.uris())?.id,
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        authority_key_id: leaf.authority_key_id().to_vec(),
    })
}
