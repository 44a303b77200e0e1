//! The accept loop and the drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use mesh_core::context::ConnectionInfo;
use mesh_core::error::BoxError;
use mesh_core::net::{Io, Listen};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_service::Service;

use super::admit::SharedAdmit;
use super::connection::{Trust, drive};
use super::options::ServeOptions;
use crate::accept::{AcceptError, TlsAcceptor};
use crate::events::{Closed, SharedEvents};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A peer that is turned away has this long to take notice.
const FAREWELL: Duration = Duration::from_secs(1);

/// What every connection of a server shares.
#[derive(Clone)]
pub(super) struct Server<S> {
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) service: S,
    pub(super) options: ServeOptions,
    pub(super) admit: SharedAdmit,
    pub(super) events: SharedEvents,
}

/// Dropped with everything its connection holds; counts the connection as closed even when its task is aborted.
struct Open {
    info: Arc<ConnectionInfo>,
    events: SharedEvents,
    since: Instant,
    why: Closed,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.events
            .closed(&self.info, self.why, self.since.elapsed());
    }
}

impl<S, B> Server<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) async fn run<L: Listen>(
        self,
        mut listener: L,
        mut until: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> io::Result<()> {
        let local = listener.local_addr()?;
        let handshakes = Arc::new(Semaphore::new(self.options.max_handshakes));
        let connections = Arc::new(Semaphore::new(self.options.max_connections));
        let (drain, draining) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut pause = FIRST_PAUSE;
        loop {
            let next = accept(&mut listener, &connections);
            let accepted = tokio::select! {
                biased;
                () = &mut until => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                accepted = next => accepted,
            };
            match accepted {
                Ok((io, remote, permit)) => {
                    pause = FIRST_PAUSE;
                    let (server, gate) = (self.clone(), Arc::clone(&handshakes));
                    let draining = draining.clone();
                    tasks.spawn(async move {
                        server.connection(io, remote, local, &gate, draining).await;
                        drop(permit);
                    });
                }
                // That connection is gone; the next one may be well.
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    self.events.accept_failed(&error);
                    tracing::warn!(%error, ?pause, "accepting failed; trying again");
                    tokio::select! {
                        biased;
                        () = &mut until => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        drop(listener);
        let _ = drain.send(true);
        let drained = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.grace, drained)
            .await
            .is_err()
        {
            tracing::warn!(left = tasks.len(), "grace period over; connections are cut");
            tasks.shutdown().await;
        }
        Ok(())
    }

    async fn connection<IO: Io>(
        self,
        io: IO,
        remote: SocketAddr,
        local: SocketAddr,
        gate: &Semaphore,
        mut draining: watch::Receiver<bool>,
    ) {
        let Some(acceptor) = self.acceptor.clone() else {
            let info = Arc::new(ConnectionInfo {
                remote: Some(remote),
                local: Some(local),
                peer: None,
            });
            if self.admit.0.admit(&info) {
                self.serve(io, info, None, draining).await;
            } else {
                self.events.denied(&info);
            }
            return;
        };
        let started = Instant::now();
        let accepted = tokio::select! {
            biased;
            accepted = acceptor.accept_behind(Some(gate), io, remote, Some(local)) => accepted,
            // Whoever is not through yet has lost nothing.
            _ = draining.wait_for(|drain| *drain) => return,
        };
        let mut accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return self.refused(&error),
        };
        self.events.accepted(&accepted.info, started.elapsed());
        if !self.admit.0.admit(&accepted.info) {
            tracing::info!(peer = %accepted.proof.peer, %remote, "connection denied");
            self.events.denied(&accepted.info);
            let _ = tokio::time::timeout(FAREWELL, accepted.io.shutdown()).await;
            return;
        }
        let trust = self.options.enforce_trust.then(|| Trust {
            identity: acceptor.identity().clone(),
            proof: accepted.proof,
        });
        self.serve(accepted.io, accepted.info, trust, draining)
            .await;
    }

    fn refused(&self, error: &AcceptError) {
        tracing::info!(
            remote = %error.remote, reason = error.reason, cause = %error.source,
            "handshake refused"
        );
        self.events.refused(error.remote, error.reason);
    }

    async fn serve<IO: Io>(
        self,
        io: IO,
        info: Arc<ConnectionInfo>,
        trust: Option<Trust>,
        draining: watch::Receiver<bool>,
    ) {
        self.events.opened(&info);
        let mut open = Open {
            info: Arc::clone(&info),
            events: self.events,
            since: Instant::now(),
            why: Closed::Aborted,
        };
        open.why = drive(io, self.service, info, &self.options, trust, draining).await;
    }
}

async fn accept<L: Listen>(
    listener: &mut L,
    connections: &Arc<Semaphore>,
) -> io::Result<(L::Io, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (io, remote) = listener.accept().await?;
    Ok((io, remote, permit))
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotConnected
            | io::ErrorKind::InvalidInput
    )
}
