//! The seam for sockets: [`Connect`] and [`Listen`].
//!
//! Pools, health checks and sources dial through [`Connect`]; servers accept through [`Listen`]. The TLS connector of
//! `mesh-tls` is a [`Connect`] over another one; the in-memory network of the tests is one as well. Nothing here
//! knows HTTP beyond the name of a protocol version.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::error::{BoxError, Error, ErrorKind};
use crate::identity::{PeerIdentity, SpiffeId};
use crate::policy::Protocol;

/// A byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A byte stream of any kind.
pub type BoxIo = Box<dyn Io>;

/// Where to dial.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port.
    Socket(SocketAddr),
    /// A host name, resolved anew for each connection, and port.
    Host(Arc<str>, u16),
}

impl Address {
    /// An address from a host, which may be an IP literal, and a port.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        match host.parse() {
            Ok(ip) => Self::Socket(SocketAddr::new(ip, port)),
            Err(_) => Self::Host(host.into(), port),
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Socket(address) => address.port(),
            Self::Host(_, port) => *port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

/// The HTTP version a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1: one request at a time.
    Http1,
    /// HTTP/2: many.
    Http2,
}

/// Whom to dial, and who must answer.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Where.
    pub address: Address,
    /// Server name sent in the handshake.
    pub server_name: Arc<str>,
    /// The identity the server must prove. `None` only where the connector authenticates nobody.
    pub expected: Option<SpiffeId>,
    /// Application protocol, which decides what is offered in ALPN.
    pub protocol: Protocol,
    /// Time for connecting and the handshake together.
    pub timeout: Duration,
}

impl Destination {
    /// A destination that expects nobody in particular, for plain connections.
    #[must_use]
    pub fn plain(address: impl Into<Address>) -> Self {
        Self {
            address: address.into(),
            server_name: Arc::from(""),
            expected: None,
            protocol: Protocol::Http,
            timeout: Duration::from_secs(5),
        }
    }
}

/// An established connection.
#[derive(Debug)]
pub struct Connection<IO> {
    /// The byte stream.
    pub io: IO,
    /// What the handshake settled on; `None` when nothing was negotiated.
    pub negotiated: Option<HttpVersion>,
    /// The server's verified identity; `None` on plain connections.
    pub peer: Option<PeerIdentity>,
    /// When the connection must not be used for new requests any more (certificate life).
    pub expires: Option<Instant>,
}

impl<IO> Connection<IO> {
    /// A connection without identity or negotiation.
    #[must_use]
    pub fn plain(io: IO) -> Self {
        Self {
            io,
            negotiated: None,
            peer: None,
            expires: None,
        }
    }

    /// Changes the byte stream and keeps the facts.
    pub fn map_io<T>(self, map: impl FnOnce(IO) -> T) -> Connection<T> {
        Connection {
            io: map(self.io),
            negotiated: self.negotiated,
            peer: self.peer,
            expires: self.expires,
        }
    }
}

/// How a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// Refused, unreachable, reset: the network said no.
    Connect,
    /// Not made in time.
    Timeout,
    /// The TLS handshake failed.
    Handshake,
    /// The handshake succeeded but the server is not the one expected, or its certificate breaks a rule.
    Identity,
}

/// The error of [`Connect`].
#[derive(Debug, thiserror::Error)]
#[error("connecting to {address} failed ({kind:?})")]
pub struct ConnectError {
    /// How it failed.
    pub kind: ConnectErrorKind,
    /// Whom we dialled.
    pub address: Address,
    /// A stable name of the cause for metrics, such as `refused` or `unknown_authority`.
    pub reason: &'static str,
    /// The cause.
    #[source]
    pub source: BoxError,
}

impl ConnectError {
    /// An error of the network, its reason taken from the I/O error.
    #[must_use]
    pub fn io(address: Address, source: io::Error) -> Self {
        let reason = match source.kind() {
            io::ErrorKind::ConnectionRefused => "refused",
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "unreachable",
            io::ErrorKind::NotFound => "unresolved",
            _ => "io",
        };
        Self {
            kind: ConnectErrorKind::Connect,
            address,
            reason,
            source: source.into(),
        }
    }

    /// The connection was not made in time.
    #[must_use]
    pub fn timeout(address: Address, after: Duration) -> Self {
        let source = format!("no connection after {after:?}").into();
        Self {
            kind: ConnectErrorKind::Timeout,
            address,
            reason: "timeout",
            source,
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        let kind = match error.kind {
            ConnectErrorKind::Connect => ErrorKind::Connect,
            ConnectErrorKind::Timeout => ErrorKind::ConnectTimeout,
            ConnectErrorKind::Handshake | ConnectErrorKind::Identity => ErrorKind::Handshake,
        };
        Self::new(kind)
            .with_subject(error.address.to_string())
            .with_source(error)
    }
}

/// Opens connections.
///
/// Dialling is off the hot path: pools keep connections, so an implementation may allocate.
pub trait Connect: Send + Sync + 'static {
    /// The byte stream.
    type Io: Io;

    /// Opens one connection, within `to.timeout`.
    ///
    /// # Errors
    /// [`ConnectError`] when the network, the handshake or the server's identity is at fault.
    fn connect(
        &self,
        to: &Destination,
    ) -> impl Future<Output = Result<Connection<Self::Io>, ConnectError>> + Send;
}

impl<C: Connect> Connect for Arc<C> {
    type Io = C::Io;

    fn connect(
        &self,
        to: &Destination,
    ) -> impl Future<Output = Result<Connection<Self::Io>, ConnectError>> + Send {
        (**self).connect(to)
    }
}

type BoxConnectFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Connection<BoxIo>, ConnectError>> + Send + 'a>>;

trait DynConnect: Send + Sync {
    fn connect_boxed<'a>(&'a self, to: &'a Destination) -> BoxConnectFuture<'a>;
}

impl<C: Connect> DynConnect for C {
    fn connect_boxed<'a>(&'a self, to: &'a Destination) -> BoxConnectFuture<'a> {
        Box::pin(async move { Ok(self.connect(to).await?.map_io(|io| Box::new(io) as BoxIo)) })
    }
}

/// A [`Connect`] of any kind, so that a client over it is one concrete type.
#[derive(Clone)]
pub struct BoxConnect(Arc<dyn DynConnect>);

impl BoxConnect {
    /// Erases a connector's type.
    pub fn new(connect: impl Connect) -> Self {
        Self(Arc::new(connect))
    }
}

impl fmt::Debug for BoxConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxConnect").finish_non_exhaustive()
    }
}

impl Connect for BoxConnect {
    type Io = BoxIo;

    async fn connect(&self, to: &Destination) -> Result<Connection<BoxIo>, ConnectError> {
        self.0.connect_boxed(to).await
    }
}

/// Plain TCP with `TCP_NODELAY`. Host names are resolved for each connection; the addresses are tried in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connect for Tcp {
    type Io = TcpStream;

    async fn connect(&self, to: &Destination) -> Result<Connection<TcpStream>, ConnectError> {
        let dial = async {
            let stream = match &to.address {
                Address::Socket(address) => TcpStream::connect(address).await?,
                Address::Host(host, port) => TcpStream::connect((&**host, *port)).await?,
            };
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        match tokio::time::timeout(to.timeout, dial).await {
            Ok(Ok(stream)) => Ok(Connection::plain(stream)),
            Ok(Err(error)) => Err(ConnectError::io(to.address.clone(), error)),
            Err(_) => Err(ConnectError::timeout(to.address.clone(), to.timeout)),
        }
    }
}

/// Accepts connections.
pub trait Listen: Send + 'static {
    /// The byte stream.
    type Io: Io;

    /// Waits for the next connection.
    ///
    /// # Errors
    /// What the operating system reports; errors of one connection and of exhaustion are both possible, so a server
    /// goes on after a pause.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;

    /// The address listened on.
    ///
    /// # Errors
    /// What the operating system reports.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

impl Listen for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, from))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ip_literal_is_no_host_name() {
        assert_eq!(
            Address::new("::1", 80),
            Address::Socket("[::1]:80".parse().unwrap())
        );
        assert_eq!(Address::new("localhost", 80).to_string(), "localhost:80");
    }

    #[tokio::test]
    async fn a_refused_connection_names_address_and_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = BoxConnect::new(Tcp)
            .connect(&Destination::plain(address))
            .await
            .err()
            .unwrap();
        assert_eq!(
            (error.kind, error.reason),
            (ConnectErrorKind::Connect, "refused")
        );
        assert_eq!(Error::from(error).kind(), ErrorKind::Connect);
    }
}
