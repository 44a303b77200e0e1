//! An in-memory network: listeners by address, connections as pipes, identities asserted instead of proven.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::identity::PeerIdentity;
use crate::net::{Address, Connect, ConnectError, Connection, Destination, HttpVersion, Listen};

const PIPE_BYTES: usize = 64 * 1024;

/// A network inside the process. Clones are the same network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    listeners: Arc<Mutex<HashMap<SocketAddr, mpsc::UnboundedSender<(DuplexStream, SocketAddr)>>>>,
}

impl Network {
    /// A network without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens on an address; an earlier listener there is replaced.
    #[must_use]
    pub fn listen(&self, address: SocketAddr) -> MemoryListener {
        let (connections, incoming) = mpsc::unbounded_channel();
        self.lock().insert(address, connections);
        MemoryListener { incoming, address }
    }

    /// Closes the listener of an address: connecting is refused from now on.
    pub fn close(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    /// A connector that asserts `peer` as the server's identity and negotiates `version`, without any cryptography.
    #[must_use]
    pub fn connector(
        &self,
        peer: Option<PeerIdentity>,
        version: Option<HttpVersion>,
    ) -> MemoryConnect {
        MemoryConnect {
            network: self.clone(),
            peer,
            version,
        }
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<
        '_,
        HashMap<SocketAddr, mpsc::UnboundedSender<(DuplexStream, SocketAddr)>>,
    > {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects within a [`Network`].
#[derive(Clone, Debug)]
pub struct MemoryConnect {
    network: Network,
    peer: Option<PeerIdentity>,
    version: Option<HttpVersion>,
}

impl Connect for MemoryConnect {
    type Io = DuplexStream;

    async fn connect(&self, to: &Destination) -> Result<Connection<DuplexStream>, ConnectError> {
        let refused =
            || ConnectError::io(to.address.clone(), io::ErrorKind::ConnectionRefused.into());
        let Address::Socket(address) = &to.address else {
            return Err(refused());
        };
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let listener = self
            .network
            .lock()
            .get(address)
            .cloned()
            .ok_or_else(refused)?;
        let from = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.send((far, from)).map_err(|_| refused())?;
        Ok(Connection {
            io: near,
            negotiated: self.version,
            peer: self.peer.clone(),
            expires: None,
        })
    }
}

/// Accepts within a [`Network`].
#[derive(Debug)]
pub struct MemoryListener {
    incoming: mpsc::UnboundedReceiver<(DuplexStream, SocketAddr)>,
    address: SocketAddr,
}

impl Listen for MemoryListener {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        match self.incoming.recv().await {
            Some(connection) => Ok(connection),
            // Replaced by another listener: nothing will ever come.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
