//! A TCP relay that keeps every byte that passes.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// One direction of one connection.
type Stream = Arc<Mutex<Vec<u8>>>;

/// Relays from its own port to another until it is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) port: u16,
    streams: Arc<Mutex<Vec<Stream>>>,
    _relay: JoinSet<()>,
}

impl Recorder {
    pub(crate) async fn in_front_of(target: u16) -> Self {
        let port = super::ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let mut relay = JoinSet::new();
        relay.spawn(accept(listener, target, Arc::clone(&streams)));
        Self {
            port,
            streams,
            _relay: relay,
        }
    }

    /// Everything that passed, one element for each direction of each connection.
    pub(crate) fn streams(&self) -> Vec<Vec<u8>> {
        let streams = self.streams.lock().unwrap();
        streams
            .iter()
            .map(|it| it.lock().unwrap().clone())
            .collect()
    }
}

async fn accept(listener: TcpListener, target: u16, streams: Arc<Mutex<Vec<Stream>>>) {
    let mut relays = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        // Nobody listens there yet: the caller shall see it as if there were no relay.
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
            continue;
        };
        let (client_reads, client_writes) = client.into_split();
        let (server_reads, server_writes) = server.into_split();
        let kept = [Stream::default(), Stream::default()];
        streams.lock().unwrap().extend(kept.clone());
        let [up, down] = kept;
        relays.spawn(relay(client_reads, server_writes, up));
        relays.spawn(relay(server_reads, client_writes, down));
    }
}

async fn relay(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    kept: Stream,
) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        kept.lock().unwrap().extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
