//! [`TlsAcceptor`]: the server's side of a handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_core::context::ConnectionInfo;
use mesh_core::identity::PeerIdentity;
use mesh_core::net::{HttpVersion, Io};
use mesh_core::policy::Protocol;
use rustls::ServerConfig;
use rustls::server::{Acceptor, NoServerSessionStorage};
use rustls_pki_types::CertificateDer;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::credentials::Identity;
use crate::profile::{Dates, TlsProfile, negotiated, server_alpn, unix_time};
use crate::verify::{Role, Verifier, handshake_reason, refusal_of, verify};

const HANDSHAKE: Duration = Duration::from_secs(10);

/// Accepts with mutual TLS: the client has to present a certificate that [`verify()`] accepts,
/// whatever the default policy is.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    identity: Identity,
    profile: TlsProfile,
    protocol: Protocol,
    timeout: Duration,
}

/// A connection whose peer proved its identity.
#[derive(Debug)]
pub struct Accepted<IO> {
    /// The byte stream.
    pub io: TlsStream<IO>,
    /// Addresses and the peer's identity.
    pub info: Arc<ConnectionInfo>,
    /// What ALPN settled on.
    pub negotiated: Option<HttpVersion>,
    /// The peer's chain, to be judged again when trust changes.
    pub(crate) proof: Proof,
}

/// What a peer presented in its handshake.
#[derive(Debug)]
pub(crate) struct Proof {
    chain: Vec<CertificateDer<'static>>,
    pub(crate) peer: PeerIdentity,
    /// Tells of roots that are newer than those which judged the chain.
    pub(crate) roots: watch::Receiver<u64>,
}

impl Proof {
    /// Whether the same chain would be accepted now.
    pub(crate) fn holds(&self, identity: &Identity) -> bool {
        let now = unix_time(&identity.clock());
        let bundles = identity.bundles().load();
        verify(Role::Client, &self.chain, &bundles, None, now).is_ok()
    }
}

/// A handshake that failed.
#[derive(Debug, thiserror::Error)]
#[error("the handshake with {remote} failed ({reason})")]
pub struct AcceptError {
    /// Address of the peer's socket.
    pub remote: SocketAddr,
    /// A stable name of the cause: see [`handshake_reason`], and `timeout`, `io`,
    /// `own_certificate_invalid`.
    pub reason: &'static str,
    /// Whether the peer's certificate was the cause.
    pub certificate: bool,
    /// The cause.
    #[source]
    pub source: io::Error,
}

impl TlsAcceptor {
    /// An acceptor of HTTP with TLS 1.3 and a time limit of 10 s for the handshake.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            profile: TlsProfile::default(),
            protocol: Protocol::Http,
            timeout: HANDSHAKE,
        }
    }

    /// Changes versions and suites.
    #[must_use]
    pub fn with_profile(mut self, profile: TlsProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Changes the protocol: anything HTTP-like accepts `h2` and `http/1.1` in ALPN, `tcp` ignores ALPN.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Changes the time limit of the handshake.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The identity that is proved.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn config(&self, verifier: &Arc<Verifier>) -> Result<ServerConfig, rustls::Error> {
        let clock = Arc::new(Dates(self.identity.clock()));
        let mut config = ServerConfig::builder_with_details(self.profile.provider(), clock)
            .with_protocol_versions(&self.profile.versions())?
            .with_client_cert_verifier(Arc::clone(verifier) as _)
            .with_cert_resolver(Arc::new(self.identity.clone()));
        config.alpn_protocols = server_alpn(self.protocol);
        // A resumed session would skip the verifier; early data can be replayed.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(config)
    }

    /// Performs the handshake on an accepted socket.
    ///
    /// # Errors
    /// [`AcceptError`] with the cause by name; the peer was sent an alert where TLS has one.
    pub async fn accept<IO: Io>(
        &self,
        io: IO,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Accepted<IO>, AcceptError> {
        self.accept_behind(None, io, remote, local).await
    }

    /// As [`TlsAcceptor::accept`]. The costly part of the handshake, after the client has spoken, waits for the gate; a
    /// silent client does not occupy it.
    pub(crate) async fn accept_behind<IO: Io>(
        &self,
        gate: Option<&Semaphore>,
        io: IO,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Accepted<IO>, AcceptError> {
        let bundles = self.identity.bundles().clone();
        let roots = bundles.changed();
        let verifier = Arc::new(Verifier::of_client(self.profile.provider(), bundles));
        let config = self
            .config(&verifier)
            .map_err(|error| failed(remote, io::Error::other(error)))?;
        let handshake = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
            let _permit = match gate {
                Some(gate) => Some(gate.acquire().await.map_err(io::Error::other)?),
                None => None,
            };
            start.into_stream(Arc::new(config)).await
        };
        let io = match tokio::time::timeout(self.timeout, handshake).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) if !self.identity.has_valid_leaf() => {
                return Err(AcceptError {
                    reason: "own_certificate_invalid",
                    ..failed(remote, error)
                });
            }
            Ok(Err(error)) => return Err(failed(remote, error)),
            Err(_) => return Err(timed_out(remote)),
        };
        let session = io.get_ref().1;
        let (Some(peer), Some(chain)) = (verifier.peer(), session.peer_certificates()) else {
            let error = rustls::Error::NoCertificatesPresented;
            return Err(failed(remote, io::Error::other(error)));
        };
        let proof = Proof {
            chain: chain.to_vec(),
            peer: peer.clone(),
            roots,
        };
        Ok(Accepted {
            negotiated: negotiated(session.alpn_protocol()),
            info: Arc::new(ConnectionInfo {
                remote: Some(remote),
                local,
                peer: Some(peer),
            }),
            proof,
            io,
        })
    }
}

fn failed(remote: SocketAddr, source: io::Error) -> AcceptError {
    let tls = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    AcceptError {
        remote,
        reason: tls.map_or("io", handshake_reason),
        certificate: tls.and_then(refusal_of).is_some(),
        source,
    }
}

fn timed_out(remote: SocketAddr) -> AcceptError {
    AcceptError {
        remote,
        reason: "timeout",
        certificate: false,
        source: io::ErrorKind::TimedOut.into(),
    }
}
