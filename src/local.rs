//! [`LocalListener`]: upstreams for applications that cannot be changed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri};
use tokio::net::TcpListener;

use crate::Identity;
use crate::client::Client;
use crate::gateway::Fixed;
use crate::identity::bind;

/// A plain loopback port that stands for one upstream, as a sidecar's `local_bind_port` does.
///
/// An application that calls `http://localhost:6001` and cannot be told to call `http://backend` keeps working. The
/// listener binds loopback only: whoever can reach it calls with this service's identity.
#[derive(Debug)]
pub struct LocalListener {
    listener: TcpListener,
    destination: Arc<str>,
    client: Client,
}

impl LocalListener {
    /// Opens the ports of all upstreams in the service's registration that have a `local_bind_port`.
    ///
    /// # Errors
    /// What the operating system says, with the address; an address that is not loopback is refused.
    pub async fn of(me: &Identity, client: &Client) -> io::Result<Vec<Self>> {
        let upstreams = me
            .instance()
            .map(|instance| instance.proxy.upstreams.clone())
            .unwrap_or_default();
        let mut listeners = Vec::new();
        for upstream in upstreams
            .iter()
            .filter(|upstream| upstream.local_bind_port > 0)
        {
            let host = match upstream.local_bind_address.as_str() {
                "" => "127.0.0.1",
                host => host,
            };
            let listener = bind(host, upstream.local_bind_port).await?;
            if !listener.local_addr()?.ip().is_loopback() {
                let message = format!(
                    "local_bind_address `{host}` of `{}` is not loopback",
                    upstream.destination_name
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            let destination = upstream.destination_name.as_str().into();
            listeners.push(Self {
                listener,
                destination,
                client: client.clone(),
            });
        }
        Ok(listeners)
    }

    /// The address listened on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The service that the port stands for.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// What the operating system says about the listener.
    pub async fn serve(self) -> io::Result<()> {
        mesh_tls::serve::serve_plain(self.listener, Fixed::new(self.client, self.destination)).await
    }
}

/// The same target with the service's name as authority, for routing. The `Host` header is left as it came.
pub(crate) fn towards<B>(request: &mut Request<B>, service: &str) -> Result<(), http::Error> {
    let uri = request.uri();
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let authority = Authority::try_from(service)?;
    *request.uri_mut() = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(path)
        .build()?;
    Ok(())
}
