//! One HTTP connection, from its first byte to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service as HyperService;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::{TowerToHyperService, TowerToHyperServiceFuture};
use mesh_core::context::{ConnectionInfo, Inbound};
use mesh_core::error::BoxError;
use mesh_core::net::Io;
use tokio::sync::watch;
use tower_service::Service;

use super::options::ServeOptions;
use crate::accept::Proof;
use crate::credentials::Identity;
use crate::events::Closed;

const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(20);
/// The most a timer of certificates sleeps, so that a far date is no special case.
const LONGEST_SLEEP: Duration = Duration::from_secs(86_400);

/// What has to stay true for a connection to stay open.
pub(super) struct Trust {
    pub(super) identity: Identity,
    pub(super) proof: Proof,
}

impl Trust {
    /// Ends when the peer's leaf expires or is not trusted any more.
    async fn lost(mut self) -> Closed {
        loop {
            let end = crate::leaf_end(&self.proof.peer);
            let left = end.duration_since(self.identity.clock().now());
            let Ok(left) = left else {
                return Closed::Expired;
            };
            // A certificate is valid up to and including its last second.
            let left = (left + Duration::from_millis(1)).min(LONGEST_SLEEP);
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                Ok(()) = self.proof.roots.changed() => {
                    if !self.proof.holds(&self.identity) {
                        return Closed::Untrusted;
                    }
                }
            }
        }
    }
}

/// The application's service with the facts of its connection.
#[derive(Clone)]
struct WithConnection<S> {
    service: TowerToHyperService<S>,
    info: Arc<ConnectionInfo>,
    began: Arc<AtomicBool>,
}

impl<S> HyperService<Request<Incoming>> for WithConnection<S>
where
    S: Service<Request<Incoming>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TowerToHyperServiceFuture<S, Request<Incoming>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.began.store(true, Ordering::Relaxed);
        Inbound::begin(request.extensions_mut(), Some(Arc::clone(&self.info)));
        self.service.call(request)
    }
}

/// Serves a connection until it ends, and says why it did.
pub(super) async fn drive<IO, S, B>(
    io: IO,
    service: S,
    info: Arc<ConnectionInfo>,
    options: &ServeOptions,
    trust: Option<Trust>,
    mut draining: watch::Receiver<bool>,
) -> Closed
where
    IO: Io,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let began = Arc::new(AtomicBool::new(false));
    let service = WithConnection {
        service: TowerToHyperService::new(service),
        info,
        began: Arc::clone(&began),
    };
    let builder = builder(options);
    let mut connection =
        std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(io), service));
    let mut lost = std::pin::pin!(async {
        match trust {
            Some(trust) => trust.lost().await,
            None => std::future::pending().await,
        }
    });
    // The version is read from the first bytes, and nothing else limits the wait for those.
    let mut first_request = std::pin::pin!(tokio::time::sleep(options.header_timeout));
    let mut waits_for_first = true;
    let mut why = None;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                return match (why, ended) {
                    (Some(why), _) => why,
                    (None, Ok(())) => Closed::Done,
                    (None, Err(error)) => {
                        tracing::debug!(%error, "connection failed");
                        Closed::Failed
                    }
                };
            }
            _ = draining.wait_for(|drain| *drain), if why.is_none() => why = Some(Closed::Drained),
            reason = lost.as_mut(), if why.is_none() => why = Some(reason),
            () = first_request.as_mut(), if waits_for_first && why.is_none() => {
                waits_for_first = false;
                if began.load(Ordering::Relaxed) {
                    continue;
                }
                why = Some(Closed::Done);
            }
        }
        connection.as_mut().graceful_shutdown();
    }
}

fn builder(options: &ServeOptions) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size((options.max_header_bytes as usize).max(8 * 1024))
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.max_streams)
        .max_header_list_size(options.max_header_bytes)
        .keep_alive_interval(options.keep_alive)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER);
    builder
}
