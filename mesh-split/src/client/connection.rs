//! One connection of either version, and the lease of it for one request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use mesh_core::body::Body;
use mesh_core::endpoint::TargetState;
use mesh_core::net::{HttpVersion, Io};
use tokio::time::Instant;

use super::config::PoolConfig;
use super::pool::EndpointPool;
use super::wait::Open;

/// Streams opened before the server has said how many it allows. More would risk that it refuses them; what is beyond
/// waits inside the connection for one round trip.
const STREAMS_BEFORE_SETTINGS: usize = 1;
/// Requests given to a connection before the server has said how many it allows.
const STREAMS_ASSUMED: u32 = 100;

/// What a connection carries besides its sender.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// No request may begin after this.
    pub(super) expires: Option<Instant>,
    /// The target whose limit it counts in.
    pub(super) owner: Option<Arc<TargetState>>,
    /// Generation of the pool it was made in.
    pub(super) generation: u64,
}

impl Facts {
    pub(super) fn is_fresh(&self, now: Instant, generation: u64) -> bool {
        self.generation == generation && self.expires.is_none_or(|expires| now < expires)
    }

    pub(super) fn is_owned_by(&self, target: &Arc<TargetState>) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|own| Arc::ptr_eq(own, target))
    }
}

/// An HTTP/1.1 connection: one request at a time.
#[derive(Debug)]
pub(super) struct Http1 {
    sender: http1::SendRequest<Body>,
    pub(super) facts: Facts,
    pub(super) idle_since: Instant,
}

impl Http1 {
    pub(super) fn is_usable(&self, now: Instant, generation: u64) -> bool {
        self.sender.is_ready() && self.facts.is_fresh(now, generation)
    }
}

/// An HTTP/2 connection, shared.
#[derive(Debug)]
pub(super) struct Http2 {
    sender: http2::SendRequest<Body>,
    pub(super) facts: Facts,
    pub(super) streams: AtomicU32,
    /// What the server allows, as last seen.
    max_streams: Arc<AtomicU32>,
    /// Gave a request back unsent: it is closing.
    retired: AtomicBool,
    epoch: Instant,
    /// When the last stream ended, in milliseconds since `epoch`.
    idle_since: AtomicU64,
}

impl Http2 {
    pub(super) fn is_usable(&self, now: Instant, generation: u64) -> bool {
        !self.sender.is_closed()
            && !self.retired.load(Ordering::Relaxed)
            && self.facts.is_fresh(now, generation)
    }

    /// Takes a stream unless all that the server allows are taken.
    pub(super) fn reserve(&self) -> bool {
        let max = self.max_streams.load(Ordering::Relaxed);
        self.streams
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
                (now < max).then(|| now + 1)
            })
            .is_ok()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.streams.load(Ordering::Acquire) == 0
    }

    pub(super) fn is_idle_for(&self, time: Duration, now: Instant) -> bool {
        let since = Duration::from_millis(self.idle_since.load(Ordering::Relaxed));
        self.is_idle() && now.saturating_duration_since(self.epoch + since) >= time
    }

    fn release(&self) {
        let since = self.epoch.elapsed().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.idle_since.store(since, Ordering::Relaxed);
        self.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Begins HTTP/1.1 on a byte stream and spawns its task, which ends with the connection.
pub(super) async fn open_http1<I: Io>(
    io: I,
    facts: Facts,
    open: Open,
) -> hyper::Result<Arc<Http1>> {
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    tokio::spawn(async move {
        let _open = open;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "HTTP/1.1 connection failed");
        }
    });
    Ok(Arc::new(Http1 {
        sender,
        facts,
        idle_since: Instant::now(),
    }))
}

/// Begins HTTP/2 on a byte stream and spawns its task, which ends with the connection. One stream is taken.
pub(super) async fn open_http2<I: Io>(
    io: I,
    facts: Facts,
    open: Open,
    config: &PoolConfig,
) -> hyper::Result<Arc<Http2>> {
    let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(config.ping_interval)
        .keep_alive_timeout(config.ping_timeout)
        .initial_max_send_streams(STREAMS_BEFORE_SETTINGS)
        .handshake(TokioIo::new(io))
        .await?;
    let max_streams = Arc::new(AtomicU32::new(STREAMS_ASSUMED));
    let seen = Arc::clone(&max_streams);
    tokio::spawn(async move {
        let _open = open;
        let driven = std::future::poll_fn(|cx| {
            let polled = Pin::new(&mut connection).poll(cx);
            if polled.is_pending() {
                let max = connection.current_max_send_streams();
                if max != STREAMS_BEFORE_SETTINGS {
                    let max = u32::try_from(max).unwrap_or(u32::MAX);
                    seen.store(max, Ordering::Relaxed);
                }
            }
            polled
        });
        if let Err(error) = driven.await {
            tracing::debug!(%error, "HTTP/2 connection failed");
        }
    });
    Ok(Arc::new(Http2 {
        sender,
        facts,
        streams: AtomicU32::new(1),
        max_streams,
        retired: AtomicBool::new(false),
        epoch: Instant::now(),
        idle_since: AtomicU64::new(0),
    }))
}

/// A connection while one request uses it.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<EndpointPool>,
    connection: Leased,
    /// Whether the connection served another request before.
    pub(super) reused: bool,
}

#[derive(Debug)]
enum Leased {
    /// `None` once the connection went back to its pool.
    Http1(Option<Arc<Http1>>),
    Http2(Arc<Http2>),
}

impl Lease {
    pub(super) fn http1(pool: &Arc<EndpointPool>, connection: Arc<Http1>, reused: bool) -> Self {
        Self {
            pool: Arc::clone(pool),
            connection: Leased::Http1(Some(connection)),
            reused,
        }
    }

    /// A lease of a stream that was reserved.
    pub(super) fn http2(pool: &Arc<EndpointPool>, connection: Arc<Http2>, reused: bool) -> Self {
        Self {
            pool: Arc::clone(pool),
            connection: Leased::Http2(connection),
            reused,
        }
    }

    pub(super) fn version(&self) -> HttpVersion {
        match self.connection {
            Leased::Http1(_) => HttpVersion::Http1,
            Leased::Http2(_) => HttpVersion::Http2,
        }
    }

    /// Sends the request.
    ///
    /// # Errors
    /// hyper's, with the request where it was not sent.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        match &mut self.connection {
            Leased::Http1(connection) => {
                let connection = connection.as_mut().and_then(Arc::get_mut);
                let connection = connection.expect("a leased connection is not shared");
                connection.sender.try_send_request(request).await
            }
            Leased::Http2(connection) => connection.sender.clone().try_send_request(request).await,
        }
    }

    /// The connection gave a request back: nobody else should try it.
    pub(super) fn retire(self) {
        if let Leased::Http2(connection) = &self.connection {
            connection.retired.store(true, Ordering::Relaxed);
        }
    }

    /// The response has been read to its end.
    pub(super) fn finish(mut self) {
        let Leased::Http1(connection) = &mut self.connection else {
            return;
        };
        let Some(mut connection) = connection.take() else {
            return;
        };
        if connection.sender.is_ready() {
            self.pool.give_back(connection);
        } else if !connection.sender.is_closed() {
            // The connection's task has not come round to asking for the next request yet, or the request's body is
            // still being sent.
            let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                return;
            };
            let pool = Arc::clone(&self.pool);
            runtime.spawn(async move {
                let Some(unshared) = Arc::get_mut(&mut connection) else {
                    return;
                };
                let ready = tokio::time::timeout(pool.config().idle, unshared.sender.ready());
                if let Ok(Ok(())) = ready.await {
                    pool.give_back(connection);
                }
            });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // An HTTP/1.1 connection that is still here is closed with its sender.
        if let Leased::Http2(connection) = &self.connection {
            connection.release();
            self.pool.wake_one();
        }
    }
}
