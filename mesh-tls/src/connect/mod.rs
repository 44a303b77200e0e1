//! [`TlsConnector`]: dial with mutual TLS.

mod stream;

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use mesh_core::error::BoxError;
use mesh_core::identity::PeerIdentity;
use mesh_core::net::{
    Address, Connect, ConnectError, ConnectErrorKind, Connection, Destination, Tcp,
};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::time::Instant;

pub use self::stream::TlsStream;

use crate::credentials::Identity;
use crate::events::{Events, SharedEvents};
use crate::profile::{Dates, TlsProfile, client_alpn, negotiated};
use crate::verify::{Verifier, handshake_reason, refusal_of};

/// A connector that proves the own identity and checks that of the server.
///
/// The server's identity has to be exactly [`Destination::expected`]; a destination that expects nobody is refused,
/// because TLS without authentication would only look secure. [`Destination::timeout`] covers dialling and handshake.
///
/// With TLS 1.3 the client is done before the server has judged its certificate. A server that refuses us is therefore
/// seen as an error of the first read; [`late_refusal`] finds it there.
#[derive(Clone, Debug)]
pub struct TlsConnector<C = Tcp> {
    inner: C,
    identity: Identity,
    profile: TlsProfile,
    events: SharedEvents,
}

impl<C> TlsConnector<C> {
    /// A connector over another one, with TLS 1.3.
    #[must_use]
    pub fn new(inner: C, identity: Identity) -> Self {
        Self {
            inner,
            identity,
            profile: TlsProfile::default(),
            events: SharedEvents::silent(),
        }
    }

    /// Changes versions and suites.
    #[must_use]
    pub fn with_profile(mut self, profile: TlsProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Tells somebody what happens.
    #[must_use]
    pub fn with_events(mut self, events: impl Events) -> Self {
        self.events = SharedEvents(Arc::new(events));
        self
    }

    /// The identity that is proved.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn config(
        &self,
        to: &Destination,
        verifier: &Arc<Verifier>,
    ) -> Result<ClientConfig, rustls::Error> {
        let clock = Arc::new(Dates(self.identity.clock()));
        let mut config = ClientConfig::builder_with_details(self.profile.provider(), clock)
            .with_protocol_versions(&self.profile.versions())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(verifier) as _)
            .with_client_cert_resolver(Arc::new(self.identity.clone()));
        config.alpn_protocols = client_alpn(to.protocol);
        // A resumed session would skip the verifier.
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        Ok(config)
    }
}

impl<C: Connect> TlsConnector<C> {
    async fn dial(&self, to: &Destination) -> Result<Connection<TlsStream<C::Io>>, ConnectError> {
        let expected = to.expected.clone().ok_or_else(|| {
            identity_error(
                to,
                "no_expected_identity",
                "nobody in particular is expected",
            )
        })?;
        if !self.identity.has_valid_leaf() {
            let message = "the own certificate is not valid now";
            return Err(identity_error(to, "own_certificate_invalid", message));
        }
        let verifier = Arc::new(Verifier::of_server(
            self.profile.provider(),
            self.identity.bundles().clone(),
            expected,
        ));
        let config = self
            .config(to, &verifier)
            .map_err(|error| handshake_error(to, io::Error::other(error)))?;
        let plain = self.inner.connect(to).await?;
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(server_name(to), plain.io)
            .await
            .map_err(|error| handshake_error(to, error))?;
        let peer = verifier.peer().ok_or_else(|| {
            let message = "the handshake ended without a verified peer";
            identity_error(to, "no_certificate", message)
        })?;
        Ok(Connection {
            negotiated: negotiated(stream.get_ref().1.alpn_protocol()),
            expires: Some(self.expires(&peer)),
            peer: Some(peer),
            io: TlsStream::new(stream, to.address.clone()),
        })
    }

    /// When the first of the two leaves ends.
    fn expires(&self, peer: &PeerIdentity) -> Instant {
        let clock = self.identity.clock();
        let own = self.identity.credentials().load().not_after();
        let theirs = crate::leaf_end(peer);
        clock.instant_of(own.min(theirs))
    }
}

impl<C: Connect> Connect for TlsConnector<C> {
    type Io = TlsStream<C::Io>;

    async fn connect(&self, to: &Destination) -> Result<Connection<Self::Io>, ConnectError> {
        let started = Instant::now();
        let result = match tokio::time::timeout(to.timeout, self.dial(to)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::timeout(to.address.clone(), to.timeout)),
        };
        match &result {
            Ok(connection) => {
                if let Some(peer) = &connection.peer {
                    self.events.connected(peer, started.elapsed());
                }
            }
            Err(error) => self.events.connect_failed(&to.address, error.reason),
        }
        result
    }
}

/// The refusal of a server whose alert came after our side of the handshake was done, found in the error of a first read or
/// in what HTTP made of it. The server has not seen any request then.
#[must_use]
pub fn late_refusal<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a ConnectError> {
    let mut next = Some(error);
    while let Some(error) = next {
        // The source of an I/O error is that of the error inside, so the one inside is looked at here.
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(|io| io.get_ref()?.downcast_ref());
        if inside.is_some() {
            return inside;
        }
        next = error.source();
    }
    None
}

/// The name sent to the server. It selects nothing at our own servers, and identity is not checked by it, so a
/// destination without a usable one is dialled all the same.
fn server_name(to: &Destination) -> ServerName<'static> {
    let named = ServerName::try_from(&*to.server_name).map(|name| name.to_owned());
    named.unwrap_or_else(|_| match &to.address {
        Address::Socket(address) => ServerName::from(address.ip()),
        Address::Host(host, _) => ServerName::try_from(host.to_string())
            .unwrap_or_else(|_| ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
    })
}

fn identity_error(
    to: &Destination,
    reason: &'static str,
    source: impl Into<BoxError>,
) -> ConnectError {
    ConnectError {
        kind: ConnectErrorKind::Identity,
        address: to.address.clone(),
        reason,
        source: source.into(),
    }
}

fn handshake_error(to: &Destination, error: io::Error) -> ConnectError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (kind, reason) = match tls {
        Some(tls) if refusal_of(tls).is_some() => {
            (ConnectErrorKind::Identity, handshake_reason(tls))
        }
        Some(tls) => (ConnectErrorKind::Handshake, handshake_reason(tls)),
        None => (ConnectErrorKind::Handshake, "io"),
    };
    ConnectError {
        kind,
        address: to.address.clone(),
        reason,
        source: error.into(),
    }
}
