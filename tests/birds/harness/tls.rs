//! Callers of the mesh that the tests make up: with a certificate of the demo's own authority, a foreign one, or none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_core::clock::WallClock;
use mesh_core::identity::SpiffeId;
use mesh_tls::credentials::Credentials;
use mesh_tls::dev_ca::DevCa;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::http::{Answer, PATIENCE};

/// A service's certificate by the authority in a mesh directory, valid from `age` before now for an hour.
pub(crate) fn certificate(dir: &Path, service: &str, age: Duration) -> Credentials {
    let ca = DevCa::open(dir, None).unwrap();
    let id = SpiffeId::service(ca.trust_domain(), "dc1", service);
    let now: SystemTime = WallClock::system().now();
    ca.issue(&id, now - age).unwrap()
}

/// A certificate with the same name by another authority.
pub(crate) fn foreign_certificate(dir: &Path, service: &str) -> Credentials {
    let ours = DevCa::open(dir, None).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let theirs = DevCa::open(elsewhere.path(), Some(ours.trust_domain())).unwrap();
    let id = SpiffeId::service(theirs.trust_domain(), "dc1", service);
    theirs.issue(&id, WallClock::system().now()).unwrap()
}

/// A caller.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    key: Option<Arc<CertifiedKey>>,
    from: IpAddr,
}

impl Caller {
    /// Without a certificate.
    pub(crate) fn anonymous() -> Self {
        Self {
            key: None,
            from: Ipv4Addr::LOCALHOST.into(),
        }
    }

    pub(crate) fn with(credentials: &Credentials) -> Self {
        Self {
            key: Some(Arc::clone(credentials.certified_key())),
            ..Self::anonymous()
        }
    }

    /// A service of the demo.
    pub(crate) fn service(dir: &Path, name: &str) -> Self {
        Self::with(&certificate(dir, name, Duration::ZERO))
    }

    /// The same from another address of this machine.
    pub(crate) fn from(self, from: impl Into<IpAddr>) -> Self {
        Self {
            from: from.into(),
            ..self
        }
    }

    async fn connect(&self, port: u16, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody));
        let mut config = match &self.key {
            Some(key) => {
                let resolver = SingleCertAndKey::from(Arc::clone(key));
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(self.from, 0))?;
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
        let name = ServerName::try_from("mesh.test").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await
    }

    /// One request on a connection of its own.
    ///
    /// # Errors
    /// The alert that the server sent, by its name in RFC 8446, or what else went wrong.
    pub(crate) async fn get(&self, port: u16, path: &str) -> Result<(u16, String), String> {
        let exchange = async {
            let mut stream = self.connect(port, b"http/1.1").await.map_err(named)?;
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.map_err(named)?;
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer).await {
                Ok(_) => {}
                // Closed without a farewell, but after an answer.
                Err(_) if !answer.is_empty() => {}
                Err(error) => return Err(named(error)),
            }
            parse(&answer)
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// One HTTP/2 connection that stays open.
    pub(crate) async fn http2(&self, port: u16) -> Result<Connection, String> {
        let stream = self.connect(port, b"h2").await.map_err(named)?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err("the server does not speak HTTP/2".to_owned());
        }
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Connection(sender))
    }
}

/// See [`Caller::http2`].
#[derive(Debug)]
pub(crate) struct Connection(http2::SendRequest<Empty<Bytes>>);

impl Connection {
    /// One request on this very connection; never on another.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, String> {
        let request = Request::get(format!("https://backend{path}"));
        let request = request.body(Empty::new()).unwrap();
        let response = self.0.send_request(request).await;
        let (parts, body) = response.map_err(|it| it.to_string())?.into_parts();
        let body = body.collect().await.map_err(|it| it.to_string())?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        })
    }
}

/// The alert's name where there was one.
fn named(error: std::io::Error) -> String {
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(alert)) => format!("{alert:?}"),
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}

/// The status and the body of an answer in HTTP/1.1.
fn parse(answer: &[u8]) -> Result<(u16, String), String> {
    let text = String::from_utf8_lossy(answer).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("no HTTP: {text:?}"))?;
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let status = status.ok_or_else(|| format!("no status: {head:?}"))?;
    Ok((status, body.to_owned()))
}

/// Trusts any server: the tests here are about what the server makes of its caller.
#[derive(Debug)]
struct Anybody;

impl Anybody {
    fn provider() -> CryptoProvider {
        aws_lc_rs::default_provider()
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = Self::provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
