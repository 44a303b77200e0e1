//! Why a peer's certificate is refused, and how that travels through rustls.

use std::fmt;
use std::sync::Arc;

use mesh_core::identity::{PeerIdError, SpiffeId};
use rustls::CertificateError;

/// The rule that a peer's certificate breaks.
///
/// [`Refusal::as_str`] is a stable name for metrics and logs. The rules are those of X509-SVID section 5 and RFC 5280,
/// in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer sent no certificate.
    NoCertificate,
    /// The certificate can not be read.
    BadEncoding,
    /// There is not exactly one URI name.
    UriCount,
    /// The URI name is no identity that Consul issues, or no SPIFFE ID.
    UriInvalid,
    /// The identity has no path: it is that of an authority.
    NoPath,
    /// There is no bundle for the identity's trust domain.
    TrustDomain,
    /// A certificate of the chain is past its validity.
    Expired,
    /// A certificate of the chain is not valid yet.
    NotYetValid,
    /// No chain leads to a root of the identity's trust domain.
    UnknownAuthority,
    /// The leaf is an authority's certificate.
    CaLeaf,
    /// The key may sign certificates or revocation lists, or may not sign handshakes.
    KeyUsage,
    /// The certificate is not for this role.
    ExtendedKeyUsage,
    /// The peer is somebody, but not whom we dialled.
    UnexpectedIdentity,
    /// The peer did not prove that it holds the key of its certificate.
    BadSignature,
}

impl Refusal {
    /// A stable name for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::BadEncoding => "bad_encoding",
            Self::UriCount => "uri_count",
            Self::UriInvalid => "uri_invalid",
            Self::NoPath => "no_path",
            Self::TrustDomain => "trust_domain",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownAuthority => "unknown_authority",
            Self::CaLeaf => "ca_leaf",
            Self::KeyUsage => "key_usage",
            Self::ExtendedKeyUsage => "extended_key_usage",
            Self::UnexpectedIdentity => "unexpected_identity",
            Self::BadSignature => "bad_signature",
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::NoCertificate => "the peer sent no certificate",
            Self::BadEncoding => "the certificate can not be read",
            Self::UriCount => "the certificate has not exactly one URI name",
            Self::UriInvalid => "the URI name is no identity of the mesh",
            Self::NoPath => "the URI name is that of an authority",
            Self::TrustDomain => "no roots are known for the trust domain",
            Self::Expired => "the certificate has expired",
            Self::NotYetValid => "the certificate is not valid yet",
            Self::UnknownAuthority => "no root of the trust domain vouches for the certificate",
            Self::CaLeaf => "the certificate is an authority's",
            Self::KeyUsage => "the certificate's key usage does not fit",
            Self::ExtendedKeyUsage => "the certificate is not for this role",
            Self::UnexpectedIdentity => "the peer is not the one expected",
            Self::BadSignature => "the peer did not prove its key",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

impl From<PeerIdError> for Refusal {
    fn from(error: PeerIdError) -> Self {
        match error {
            PeerIdError::NoUri | PeerIdError::ManyUris => Self::UriCount,
            PeerIdError::Signing => Self::NoPath,
            PeerIdError::NotText | PeerIdError::Consul(_) | PeerIdError::Spiffe(_) => {
                Self::UriInvalid
            }
        }
    }
}

/// A [`Refusal`] with what was presented and what was expected, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The rule.
    pub refusal: Refusal,
    /// The identity presented, not necessarily verified.
    pub presented: Option<SpiffeId>,
    /// The identity expected, on the client side.
    pub expected: Option<SpiffeId>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            presented: None,
            expected: None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)?;
        if let Some(presented) = &self.presented {
            write!(f, "; presented {presented}")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for rustls::Error {
    /// Where TLS has an alert that says the same to the peer, the error that causes it; otherwise
    /// `certificate_unknown`.
    fn from(refused: Refused) -> Self {
        let error = match refused.refusal {
            Refusal::NoCertificate => return Self::NoCertificatesPresented,
            Refusal::Expired => CertificateError::Expired,
            Refusal::NotYetValid => CertificateError::NotValidYet,
            Refusal::UnknownAuthority => CertificateError::UnknownIssuer,
            Refusal::BadEncoding => CertificateError::BadEncoding,
            Refusal::ExtendedKeyUsage => CertificateError::InvalidPurpose,
            Refusal::BadSignature => CertificateError::BadSignature,
            _ => CertificateError::Other(rustls::OtherError(Arc::new(refused))),
        };
        Self::InvalidCertificate(error)
    }
}

/// The rule behind an error of a handshake, if it was about the peer's certificate.
#[must_use]
pub fn refusal_of(error: &rustls::Error) -> Option<Refusal> {
    let certificate = match error {
        rustls::Error::InvalidCertificate(error) => error,
        rustls::Error::NoCertificatesPresented => return Some(Refusal::NoCertificate),
        _ => return None,
    };
    Some(match certificate {
        CertificateError::Other(other) => other.0.downcast_ref::<Refused>()?.refusal,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Refusal::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Refusal::NotYetValid
        }
        CertificateError::UnknownIssuer => Refusal::UnknownAuthority,
        CertificateError::BadEncoding => Refusal::BadEncoding,
        CertificateError::InvalidPurpose => Refusal::ExtendedKeyUsage,
        _ => Refusal::BadSignature,
    })
}

/// A stable name of the cause of a failed handshake: a [`Refusal`], an alert of the peer, or a breach of protocol.
#[must_use]
pub fn handshake_reason(error: &rustls::Error) -> &'static str {
    use rustls::AlertDescription as Alert;

    if let Some(refusal) = refusal_of(error) {
        return refusal.as_str();
    }
    match error {
        rustls::Error::AlertReceived(alert) => match *alert {
            Alert::CertificateExpired => "peer_says_expired",
            Alert::UnknownCA => "peer_says_unknown_authority",
            Alert::CertificateRequired => "peer_says_no_certificate",
            Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::UnsupportedCertificate
            | Alert::AccessDenied => "peer_refused_certificate",
            Alert::NoApplicationProtocol => "alpn",
            Alert::ProtocolVersion | Alert::HandshakeFailure => "incompatible",
            _ => "alert",
        },
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => "not_tls",
        rustls::Error::NoApplicationProtocol => "alpn",
        rustls::Error::PeerIncompatible(_) => "incompatible",
        _ => "protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_survives_the_way_through_rustls() {
        for refusal in [
            Refusal::NoCertificate,
            Refusal::BadEncoding,
            Refusal::UriCount,
            Refusal::UriInvalid,
            Refusal::NoPath,
            Refusal::TrustDomain,
            Refusal::Expired,
            Refusal::NotYetValid,
            Refusal::UnknownAuthority,
            Refusal::CaLeaf,
            Refusal::KeyUsage,
            Refusal::ExtendedKeyUsage,
            Refusal::UnexpectedIdentity,
            Refusal::BadSignature,
        ] {
            let error = rustls::Error::from(Refused::from(refusal));
            assert_eq!(refusal_of(&error), Some(refusal));
            assert_eq!(handshake_reason(&error), refusal.as_str());
        }
    }
}
