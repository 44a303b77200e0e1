//! Serve HTTP/1.1 and HTTP/2 on mutual TLS, or on plain sockets.
//!
//! [`serve`] is for a service of the mesh: nobody gets past the handshake without a certificate. [`serve_plain`] is for
//! a gateway's public listener. Both drive any `tower` service; a fresh [`Inbound`](mesh_core::context::Inbound) with
//! the facts of the connection stands in the extensions of each request before the service sees it.
//!
//! The rules:
//!
//! 1. The handshake has a time limit, and so has the wait for a request's head. Connections at a time are limited; beyond
//!    the limit nothing is accepted, so that waiting costs the peer and not this process. Handshakes at a time are limited
//!    too; a peer that says nothing does not count.
//! 2. What decides about connections ([`Admit`]) is asked right after the handshake. A peer that it turns away is closed
//!    without a byte of the application.
//! 3. A connection is closed gracefully (`GOAWAY`, `connection: close`) when its peer's certificate expires, and when no
//!    trusted root vouches for it any more.
//! 4. When the future given to [`Serve::until`] ends, nothing is accepted any more, connections are closed gracefully, and
//!    what is in flight has the grace period to finish.
//! 5. Errors of the operating system (out of file descriptors) are waited out with back-off.
//!
//! The service is cloned for each request, because HTTP/2 serves many at a time on one connection.

mod admit;
mod connection;
mod options;
mod run;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use mesh_core::error::BoxError;
use mesh_core::net::Listen;
use tower_service::Service;

use self::admit::SharedAdmit;
pub use self::admit::{Admit, AdmitAll};
pub use self::options::ServeOptions;
use self::run::Server;
use crate::accept::TlsAcceptor;
use crate::credentials::Identity;
use crate::events::{Events, SharedEvents};

/// Serves on mutual TLS as `identity`.
pub fn serve<L, S>(listener: L, identity: Identity, service: S) -> Serve<L, S> {
    Serve::new(listener, Some(TlsAcceptor::new(identity)), service)
}

/// Serves on mutual TLS with an acceptor that was set up by hand: another profile or protocol.
pub fn serve_with<L, S>(listener: L, acceptor: TlsAcceptor, service: S) -> Serve<L, S> {
    Serve::new(listener, Some(acceptor), service)
}

/// Serves on plain sockets: nobody is authenticated, and [`Inbound::peer`](mesh_core::context::Inbound::peer) is empty.
pub fn serve_plain<L, S>(listener: L, service: S) -> Serve<L, S> {
    Serve::new(listener, None, service)
}

/// A server that runs when it is awaited. It ends after the future of [`Serve::until`] ended and all was drained; its
/// output is `Ok`, or the error of a listener that has no address.
#[must_use = "a server runs when it is awaited"]
pub struct Serve<L, S> {
    listener: L,
    acceptor: Option<TlsAcceptor>,
    service: S,
    options: ServeOptions,
    admit: SharedAdmit,
    events: SharedEvents,
    until: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<L, S> Serve<L, S> {
    fn new(listener: L, acceptor: Option<TlsAcceptor>, service: S) -> Self {
        Self {
            listener,
            acceptor,
            service,
            options: ServeOptions::default(),
            admit: SharedAdmit(Arc::new(AdmitAll)),
            events: SharedEvents::silent(),
            until: Box::pin(std::future::pending()),
        }
    }

    /// Begins to drain when that future ends. Without it the server runs for ever.
    pub fn until(mut self, shutdown: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Box::pin(shutdown);
        self
    }

    /// Time that requests in flight have to finish after the drain began; 30 s by default.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// Changes limits and times.
    pub fn options(mut self, options: ServeOptions) -> Self {
        self.options = options;
        self
    }

    /// Asks before a connection is served.
    pub fn admit(mut self, admit: impl Admit) -> Self {
        self.admit = SharedAdmit(Arc::new(admit));
        self
    }

    /// Tells somebody what happens.
    pub fn events(mut self, events: impl Events) -> Self {
        self.events = SharedEvents(Arc::new(events));
        self
    }
}

impl<L, S, B> IntoFuture for Serve<L, S>
where
    L: Listen,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = io::Result<()>;
    type IntoFuture = Serving;

    fn into_future(self) -> Serving {
        let server = Server {
            acceptor: self.acceptor,
            service: self.service,
            options: self.options,
            admit: self.admit,
            events: self.events,
        };
        Serving(Box::pin(server.run(self.listener, self.until)))
    }
}

impl<L, S> fmt::Debug for Serve<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("acceptor", &self.acceptor)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Future of [`Serve`].
pub struct Serving(Pin<Box<dyn Future<Output = io::Result<()>> + Send>>);

impl Future for Serving {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serving")
    }
}
