//! Which TLS is spoken: versions, suites, application protocols, and what is switched off.
//!
//! | | default | why |
//! | --- | --- | --- |
//! | versions | 1.3 | [`TlsProfile::with_tls12`] adds 1.2, which Consul's sidecars speak when they dial |
//! | key exchange | X25519MLKEM768, then X25519, P-256, P-384 | hybrid, because recorded traffic can be decrypted later |
//! | suites of 1.2 | the six ECDHE suites with AES-GCM and ChaCha20-Poly1305 | the ones Consul's sidecars offer |
//! | resumption, tickets, early data | off | a resumed session would skip the verifier; early data can be replayed |
//! | ALPN as a server | `h2`, `http/1.1`; none for `tcp` | our servers speak both whatever the protocol entry says |
//! | ALPN as a client | `http/1.1` for `http`; `h2` for `http2` and `grpc`; none for `tcp` | as Consul's sidecars |
//!
//! The cryptographic provider is passed explicitly and never installed for the process: that is the application's.

use std::sync::{Arc, LazyLock};

use mesh_core::clock::WallClock;
use mesh_core::net::HttpVersion;
use mesh_core::policy::Protocol;
use rustls::crypto::hash::Hash;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::time_provider::TimeProvider;
use rustls::{CipherSuite, SupportedProtocolVersion};
use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};

const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

static HASH: LazyLock<&'static dyn Hash> = LazyLock::new(|| {
    aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .expect("a suite of TLS 1.3")
        .common
        .hash_provider
});

/// SHA-256.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(HASH.hash(data).as_ref());
    digest
}

/// What signatures on certificates may be made with.
pub(crate) fn signature_algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    PROVIDER.signature_verification_algorithms.all
}

/// The provider without changes, for keys.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    &PROVIDER
}

/// Which versions and suites are offered and accepted. The default is TLS 1.3 alone.
#[derive(Clone, Debug)]
pub struct TlsProfile {
    provider: Arc<CryptoProvider>,
    tls12: bool,
    tls13: bool,
}

/// A profile that could never complete a handshake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Neither 1.2 nor 1.3 is left.
    #[error("the maximum version is below TLS 1.2, which is the oldest one supported")]
    NoVersion,
    /// None of the suites named is supported.
    #[error("none of the cipher suites is supported: {0}")]
    NoSuite(String),
}

impl TlsProfile {
    /// TLS 1.3 alone.
    #[must_use]
    pub fn tls13() -> Self {
        Self {
            provider: Arc::clone(&PROVIDER),
            tls12: false,
            tls13: true,
        }
    }

    /// TLS 1.2 too, for peers that do not speak 1.3: Consul's sidecars when they dial.
    #[must_use]
    pub fn with_tls12(mut self) -> Self {
        self.tls12 = true;
        self
    }

    /// TLS 1.2 alone, as `TLSMaxVersion = "TLSv1_2"` asks for.
    #[must_use]
    pub fn tls12_only() -> Self {
        Self {
            tls13: false,
            ..Self::tls13().with_tls12()
        }
    }

    /// Limits the suites of TLS 1.2 to those named with their IANA names. Unsupported names (CBC and static RSA, which
    /// Consul knows) are left out with a warning. The suites of 1.3 are not configurable, as in Consul.
    ///
    /// # Errors
    /// [`ProfileError::NoSuite`] when nothing usable remains for a profile that needs 1.2.
    pub fn with_tls12_suites<'a>(
        mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ProfileError> {
        let names: Vec<&str> = names.into_iter().collect();
        for name in &names {
            if !PROVIDER
                .cipher_suites
                .iter()
                .any(|suite| is_named(suite.suite(), name))
            {
                tracing::warn!(suite = name, "cipher suite is not supported and ignored");
            }
        }
        let mut provider = CryptoProvider::clone(&PROVIDER);
        provider.cipher_suites.retain(|suite| {
            suite.tls13().is_some() || names.iter().any(|name| is_named(suite.suite(), name))
        });
        let has_tls12 = provider
            .cipher_suites
            .iter()
            .any(|suite| suite.tls13().is_none());
        if self.tls12 && !has_tls12 {
            return Err(ProfileError::NoSuite(names.join(", ")));
        }
        self.provider = Arc::new(provider);
        Ok(self)
    }

    /// The profile that a `mesh` entry asks for in `TLS.Incoming` or `TLS.Outgoing` (Consul mesh reference).
    ///
    /// `TLSMinVersion` of 1.0 or 1.1 acts like 1.2, with a warning, because older versions are not supported. An empty or
    /// `TLS_AUTO` minimum leaves `self` as it is.
    ///
    /// # Errors
    /// [`ProfileError`] when no handshake could complete.
    pub fn configured(
        mut self,
        min_version: &str,
        max_version: &str,
        suites: &[String],
    ) -> Result<Self, ProfileError> {
        match min_version {
            "TLSv1_0" | "TLSv1_1" => {
                tracing::warn!(min_version, "TLS below 1.2 is not supported; 1.2 it is");
                self.tls12 = true;
            }
            "TLSv1_2" => self.tls12 = true,
            "TLSv1_3" => self.tls12 = false,
            _ => {}
        }
        match max_version {
            "TLSv1_0" | "TLSv1_1" => return Err(ProfileError::NoVersion),
            "TLSv1_2" if min_version == "TLSv1_3" => return Err(ProfileError::NoVersion),
            "TLSv1_2" => (self.tls12, self.tls13) = (true, false),
            _ => {}
        }
        if suites.is_empty() {
            return Ok(self);
        }
        self.with_tls12_suites(suites.iter().map(String::as_str))
    }

    pub(crate) fn provider(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.provider)
    }

    pub(crate) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let tls13 = self.tls13.then_some(&rustls::version::TLS13);
        let tls12 = self.tls12.then_some(&rustls::version::TLS12);
        tls13.into_iter().chain(tls12).collect()
    }
}

impl Default for TlsProfile {
    fn default() -> Self {
        Self::tls13()
    }
}

fn is_named(suite: CipherSuite, name: &str) -> bool {
    suite.as_str() == Some(name)
}

/// What a server accepts in ALPN.
#[cfg(feature = "server")]
pub(crate) fn server_alpn(protocol: Protocol) -> Vec<Vec<u8>> {
    if protocol.is_http_like() {
        vec![H2.to_vec(), HTTP1.to_vec()]
    } else {
        Vec::new()
    }
}

/// What a client offers in ALPN.
#[cfg(feature = "client")]
pub(crate) fn client_alpn(protocol: Protocol) -> Vec<Vec<u8>> {
    match protocol {
        Protocol::Tcp => Vec::new(),
        Protocol::Http => vec![HTTP1.to_vec()],
        Protocol::Http2 | Protocol::Grpc => vec![H2.to_vec()],
    }
}

/// What the handshake settled on.
pub(crate) fn negotiated(alpn: Option<&[u8]>) -> Option<HttpVersion> {
    match alpn {
        Some(H2) => Some(HttpVersion::Http2),
        Some(HTTP1) => Some(HttpVersion::Http1),
        _ => None,
    }
}

/// The date as rustls asks for it.
#[derive(Debug)]
pub(crate) struct Dates(pub(crate) WallClock);

impl TimeProvider for Dates {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(&self.0))
    }
}

/// The date now, in the type of certificates.
pub(crate) fn unix_time(clock: &WallClock) -> UnixTime {
    UnixTime::since_unix_epoch(
        clock
            .now()
            .duration_since(std::time::SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_hybrid_key_exchange_is_preferred() {
        let groups: Vec<NamedGroup> = PROVIDER.kx_groups.iter().map(|g| g.name()).collect();
        assert_eq!(groups[0], NamedGroup::X25519MLKEM768);
        assert!(groups.contains(&NamedGroup::X25519) && groups.contains(&NamedGroup::secp256r1));
    }

    #[test]
    fn the_suites_of_tls12_are_the_six_that_sidecars_offer() {
        let suites = PROVIDER
            .cipher_suites
            .iter()
            .filter(|s| s.tls13().is_none());
        assert_eq!(suites.count(), 6);
    }

    #[test]
    fn a_digest_is_sha256() {
        assert_eq!(sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn a_mesh_entry_widens_and_narrows_the_versions() {
        let versions = |min: &str, max: &str| {
            TlsProfile::tls13()
                .configured(min, max, &[])
                .map(|profile| (profile.tls12, profile.tls13))
        };
        assert_eq!(versions("", ""), Ok((false, true)));
        assert_eq!(versions("TLSv1_2", ""), Ok((true, true)));
        assert_eq!(versions("TLSv1_0", "TLS_AUTO"), Ok((true, true)));
        assert_eq!(versions("", "TLSv1_2"), Ok((true, false)));
        assert_eq!(versions("", "TLSv1_1"), Err(ProfileError::NoVersion));
        assert_eq!(versions("TLSv1_3", "TLSv1_2"), Err(ProfileError::NoVersion));
    }

    #[test]
    fn a_profile_without_usable_suite_is_refused() {
        let cbc = ["TLS_RSA_WITH_AES_128_CBC_SHA".to_owned()];
        let profile = TlsProfile::tls13().configured("TLSv1_2", "", &cbc);
        assert!(matches!(profile, Err(ProfileError::NoSuite(_))));
        let gcm = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".to_owned()];
        let profile = TlsProfile::tls13().configured("TLSv1_2", "", &gcm).unwrap();
        assert_eq!(profile.provider.cipher_suites.len(), 4);
    }
}
