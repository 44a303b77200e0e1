//! A certificate authority with full control over what it signs, and peers that present it.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "shared by several test binaries, each of which uses a part"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use mesh_core::clock::WallClock;
use mesh_core::config::{
    Entry, EntrySet, IntentionHttp, IntentionSource, Permission, ServiceIntentions,
};
use mesh_core::context::{ConnectionInfo, Inbound};
use mesh_core::identity::{
    PeerIdentity, SpiffeId, TrustBundle, TrustBundles, TrustDomain, VerifiedLeaf, leaf_identity,
};
use mesh_core::intention::{Context, Decision, Table};
use mesh_core::live::{Live, Publisher};
use mesh_core::net::Destination;
use mesh_core::policy::Protocol;
use mesh_tls::credentials::{Credentials, Identity};
use mesh_tls::events::{Closed, Events};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

pub const TD: &str = "11111111-2222-3333-4444-555555555555.consul";

pub fn trust_domain() -> TrustDomain {
    TrustDomain::new(TD).unwrap()
}

pub fn id(service: &str) -> SpiffeId {
    SpiffeId::service(&trust_domain(), "dc1", service)
}

pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub der: CertificateDer<'static>,
}

/// A chain, leaf first, and its key.
pub struct Signed {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Signed {
    pub fn credentials(&self) -> Credentials {
        Credentials::new(self.chain.clone(), self.key.clone_key()).unwrap()
    }
}

impl Ca {
    pub fn new() -> Self {
        Self::of(Self::params())
    }

    /// As older roots of Consul: with a critical constraint on DNS names.
    pub fn constrained(domain: &str) -> Self {
        let mut params = Self::params();
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(domain.to_owned())],
            excluded_subtrees: Vec::new(),
        });
        Self::of(params)
    }

    /// This root's name and key, signed by another root.
    pub fn cross_signed_by(&self, other: &Self) -> CertificateDer<'static> {
        let certificate = Self::params().signed_by(self.issuer.key(), &other.issuer);
        certificate.unwrap().der().clone()
    }

    fn of(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "a test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    /// An authority below this one, and its certificate.
    pub fn intermediate(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = Self::params();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "a test intermediate");
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    /// A leaf that is right in every way, changed by `edit`.
    pub fn sign(&self, service: &str, edit: impl FnOnce(&mut CertificateParams)) -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![uri(id(service).as_str())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        edit(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Signed {
            chain: vec![leaf.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        }
    }

    pub fn leaf(&self, service: &str) -> Signed {
        self.sign(service, |_| {})
    }

    pub fn bundle(&self) -> TrustBundle {
        TrustBundle {
            trust_domain: trust_domain(),
            roots: vec![Arc::from(self.der.as_ref())],
        }
    }

    pub fn bundles(&self) -> TrustBundles {
        TrustBundles::new(self.bundle())
    }

    pub fn identity(&self, service: &str) -> Identity {
        let credentials = self.leaf(service).credentials();
        Identity::from_parts(
            Live::fixed(credentials),
            Live::fixed(self.bundles()),
            WallClock::system(),
        )
    }

    /// An identity whose leaf and roots a test changes.
    pub fn live_identity(&self, service: &str) -> LiveIdentity {
        let (leaf, credentials) = Live::channel(self.leaf(service).credentials());
        let (roots, bundles) = Live::channel(self.bundles());
        LiveIdentity {
            identity: Identity::from_parts(credentials, bundles, WallClock::system()),
            leaf,
            roots,
        }
    }
}

pub struct LiveIdentity {
    pub identity: Identity,
    pub leaf: Publisher<Credentials>,
    pub roots: Publisher<TrustBundles>,
}

pub fn destination(address: SocketAddr, service: &str) -> Destination {
    Destination {
        address: address.into(),
        server_name: format!("{service}.default.dc1.internal.{TD}").into(),
        expected: Some(id(service)),
        protocol: Protocol::Http,
        timeout: Duration::from_secs(5),
    }
}

/// A client that trusts anybody and presents what it is told to.
pub fn raw_client(signed: Option<Signed>) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnybody));
    match signed {
        Some(signed) => builder
            .with_client_auth_cert(signed.chain, signed.key)
            .unwrap(),
        None => builder.with_no_client_auth(),
    }
}

/// A server that asks for no certificate and presents what it is told to.
pub fn raw_server(signed: Signed) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(signed.chain, signed.key)
        .unwrap()
}

#[derive(Debug)]
struct TrustAnybody;

impl ServerCertVerifier for TrustAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Notes what a server says.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until such a note is there.
    pub async fn wait_for(&self, text: &str) {
        let seen = async {
            while !self.all().iter().any(|note| note == text) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(10), seen).await;
        assert!(seen.is_ok(), "no {text} in {:?}", self.all());
    }
}

impl Events for Notes {
    fn accepted(&self, info: &ConnectionInfo, _: Duration) {
        self.note(format!("accepted {}", info.peer.as_ref().unwrap()));
    }

    fn refused(&self, _: SocketAddr, reason: &'static str) {
        self.note(format!("refused {reason}"));
    }

    fn denied(&self, _: &ConnectionInfo) {
        self.note("denied".to_owned());
    }

    fn accept_failed(&self, _: &std::io::Error) {
        self.note("accept failed".to_owned());
    }

    fn closed(&self, _: &ConnectionInfo, why: Closed, _: Duration) {
        self.note(format!("closed {}", why.as_str()));
    }
}

/// A witness as an authenticator would make it, without cryptography.
pub fn peer(service: &str) -> PeerIdentity {
    peer_with(id(service).as_str())
}

pub fn peer_with(uri: &str) -> PeerIdentity {
    PeerIdentity::assert_verified(VerifiedLeaf {
        identity: leaf_identity(std::iter::once(uri.as_bytes())).unwrap(),
        trust_domain: trust_domain(),
        sha256: [7; 32],
        not_after: u64::MAX,
        subject: String::new(),
        dns_names: Vec::new(),
    })
}

/// A request that came in on a connection of that peer.
pub fn request_of(peer: Option<PeerIdentity>, request: http::request::Builder) -> Request<()> {
    let mut request = request.body(()).unwrap();
    let info = ConnectionInfo {
        remote: None,
        local: None,
        peer,
    };
    Inbound::begin(request.extensions_mut(), Some(Arc::new(info)));
    request
}

/// The intentions of `backend`, which speaks HTTP: pairs of source and action.
pub fn intentions(default: Decision, sources: &[(&str, &str)]) -> Table {
    let sources = sources.iter().map(|(name, action)| IntentionSource {
        name: (*name).into(),
        action: (*action).to_owned(),
        ..IntentionSource::default()
    });
    compile(default, true, sources.collect())
}

/// The intentions of a `backend` that does not speak HTTP.
pub fn intentions_of_connections(sources: &[(&str, &str)]) -> Table {
    let sources = sources.iter().map(|(name, action)| IntentionSource {
        name: (*name).into(),
        action: (*action).to_owned(),
        ..IntentionSource::default()
    });
    compile(Decision::Deny, false, sources.collect())
}

/// The intentions of `backend` where `frontend` may do everything but reach a path.
pub fn all_but(prefix: &str) -> Table {
    let permission = |action: &str, prefix: &str| Permission {
        action: action.to_owned(),
        http: Some(IntentionHttp {
            path_prefix: prefix.to_owned(),
            ..IntentionHttp::default()
        }),
        ..Permission::default()
    };
    let source = IntentionSource {
        name: "frontend".into(),
        permissions: vec![permission("deny", prefix), permission("allow", "/")],
        ..IntentionSource::default()
    };
    compile(Decision::Deny, true, vec![source])
}

fn compile(default: Decision, http: bool, sources: Vec<IntentionSource>) -> Table {
    let entry = ServiceIntentions {
        name: "backend".into(),
        sources,
        ..ServiceIntentions::default()
    };
    let entries: EntrySet = std::iter::once(Entry::from(entry)).collect();
    let context = Context {
        trust_domain: trust_domain(),
        default,
        http,
        peers: Default::default(),
    };
    Table::compile("backend", &entries, &context).unwrap()
}

/// One PEM block.
pub fn pem_of(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let bits = chunk
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        for digit in 0..4 {
            let c = if digit <= chunk.len() {
                ALPHABET[bits >> (18 - 6 * digit) & 63]
            } else {
                b'='
            };
            text.push(char::from(c));
        }
    }
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
