//! [`EndpointPool`]: the connections to one endpoint.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use mesh_core::endpoint::{Endpoint, EndpointState, TargetState};
use mesh_core::error::Error;
use mesh_core::net::{Connect, Destination, HttpVersion};
use mesh_core::snapshot::Target;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use super::config::PoolConfig;
use super::connection::{Http1, Http2, Lease};
use super::dial::{Failure, Need, default_version};
use super::pools::Shared;
use super::slots::Slots;
use super::wait::{self, Counted, Waiting};

pub(super) struct EndpointPool {
    pub(super) key: Arc<str>,
    pub(super) destination: Destination,
    pub(super) config: PoolConfig,
    http1: Slots<Http1>,
    pub(super) http2: ArcSwap<Vec<Arc<Http2>>>,
    /// Whether the last connection spoke HTTP/2; before the first one, whether the protocol asks for it.
    pub(super) speaks_http2: AtomicBool,
    pub(super) generation: AtomicU64,
    pub(super) open: Arc<AtomicU32>,
    /// Held while an HTTP/2 connection is dialled, so that a burst opens one.
    pub(super) dialling: Mutex<()>,
    pub(super) dials: AtomicU64,
    pub(super) failure: ArcSwapOption<Failure>,
    pub(super) waiting: Arc<Waiting>,
    waiting_here: AtomicU32,
    freed: Notify,
    endpoint: Weak<EndpointState>,
}

impl std::fmt::Debug for EndpointPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointPool")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl EndpointPool {
    pub(super) fn new(endpoint: &Endpoint, config: PoolConfig, waiting: Arc<Waiting>) -> Self {
        Self {
            key: Arc::clone(&endpoint.key),
            destination: Destination {
                address: endpoint.address.clone(),
                server_name: Arc::clone(&endpoint.server_name),
                expected: endpoint.expected.clone(),
                protocol: endpoint.protocol,
                timeout: Duration::ZERO,
            },
            config,
            http1: Slots::new(config.max_idle),
            http2: ArcSwap::from_pointee(Vec::new()),
            speaks_http2: AtomicBool::new(default_version(endpoint.protocol) == HttpVersion::Http2),
            generation: AtomicU64::new(0),
            open: Arc::new(AtomicU32::new(0)),
            dialling: Mutex::new(()),
            dials: AtomicU64::new(0),
            failure: ArcSwapOption::empty(),
            waiting,
            waiting_here: AtomicU32::new(0),
            freed: Notify::new(),
            endpoint: Arc::downgrade(&endpoint.state),
        }
    }

    /// Whether connections of this pool may carry requests to that endpoint.
    pub(super) fn is_for(&self, endpoint: &Endpoint) -> bool {
        let own = &self.destination;
        own.address == endpoint.address
            && own.protocol == endpoint.protocol
            && own.expected == endpoint.expected
            && own.server_name == endpoint.server_name
    }

    pub(super) fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// A connection for one request: a pooled one if `reuse`, else a new one.
    ///
    /// # Errors
    /// The connection could not be made, or a limit is reached.
    pub(super) async fn acquire<C: Connect>(
        self: &Arc<Self>,
        shared: &Shared,
        connect: &C,
        target: Option<&Target>,
        reuse: bool,
    ) -> Result<Lease, Error> {
        if reuse && let Some(lease) = self.pooled(Instant::now()) {
            return Ok(lease);
        }
        let need = Need::of(target);
        if need.limits.max_connections == 0 {
            return Err(wait::overloaded("max_connections"));
        }
        let _pending = wait::pending(need.target)?;
        if let Some(lease) = self.open(connect, &need).await? {
            return Ok(lease);
        }
        self.wait(shared, connect, &need).await
    }

    fn pooled(self: &Arc<Self>, now: Instant) -> Option<Lease> {
        self.pooled_http2(now).or_else(|| self.pooled_http1(now))
    }

    pub(super) fn pooled_http2(self: &Arc<Self>, now: Instant) -> Option<Lease> {
        let generation = self.generation.load(Ordering::Relaxed);
        let connections = self.http2.load();
        let found = connections
            .iter()
            .find(|connection| connection.is_usable(now, generation) && connection.reserve())?;
        Some(Lease::http2(self, Arc::clone(found), true))
    }

    fn pooled_http1(self: &Arc<Self>, now: Instant) -> Option<Lease> {
        let generation = self.generation.load(Ordering::Relaxed);
        // Connections that are not usable are dropped here, which closes them.
        let found = std::iter::from_fn(|| self.http1.take())
            .find(|connection| connection.is_usable(now, generation))?;
        Some(Lease::http1(self, found, true))
    }

    /// Waits at the connection limit until a connection becomes free here or is closed anywhere.
    async fn wait<C: Connect>(
        self: &Arc<Self>,
        shared: &Shared,
        connect: &C,
        need: &Need<'_>,
    ) -> Result<Lease, Error> {
        let _waiting = Counted::new(&self.waiting.count);
        let _waiting_here = Counted::new(&self.waiting_here);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            let mut closed = std::pin::pin!(self.waiting.closed.notified());
            freed.as_mut().enable();
            closed.as_mut().enable();
            if let Some(lease) = self.pooled(Instant::now()) {
                return Ok(lease);
            }
            if let Some(lease) = self.open(connect, need).await? {
                return Ok(lease);
            }
            // The target's connections may all be idle at other endpoints.
            if let Some(state) = need.state {
                shared.close_one_idle(state);
            }
            tokio::select! {
                () = freed => {}
                () = closed => {}
            }
        }
    }

    /// Takes an HTTP/1.1 connection back that is ready for the next request.
    pub(super) fn give_back(&self, mut connection: Arc<Http1>) {
        let now = Instant::now();
        let generation = self.generation.load(Ordering::Relaxed);
        if !connection.is_usable(now, generation) {
            return;
        }
        let pending = |owner: &Arc<TargetState>| owner.pending.load(Ordering::Relaxed) > 0;
        if !self.is_waited_for()
            && self.waiting.is_anybody()
            && connection.facts.owner.as_ref().is_some_and(pending)
        {
            // Somebody waits for the target's connection limit at another endpoint.
            return;
        }
        if let Some(unshared) = Arc::get_mut(&mut connection) {
            unshared.idle_since = now;
        }
        // Beyond the capacity it is closed.
        let _ = self.http1.put(connection);
        self.wake_one();
    }

    /// Wakes a request that waits at the connection limit, after something was made free for it.
    pub(super) fn wake_one(&self) {
        if self.is_waited_for() {
            self.freed.notify_one();
        }
    }

    fn is_waited_for(&self) -> bool {
        self.waiting_here.load(Ordering::SeqCst) > 0
    }

    /// Closes one idle connection that counts in the target's limit.
    pub(super) fn close_one_idle(&self, target: &Arc<TargetState>) -> bool {
        for _ in 0..self.http1.len() {
            match self.http1.take() {
                Some(connection) if connection.facts.is_owned_by(target) => return true,
                Some(other) => drop(self.http1.put(other)),
                None => break,
            }
        }
        let connections = self.http2.load();
        let idle = connections
            .iter()
            .find(|connection| connection.is_idle() && connection.facts.is_owned_by(target));
        match idle {
            Some(idle) => {
                self.keep_http2(|connection| !Arc::ptr_eq(connection, idle));
                true
            }
            None => false,
        }
    }

    /// Closes what is idle for too long, expired or closed by the server.
    pub(super) fn sweep(&self, now: Instant) {
        let generation = self.generation.load(Ordering::Relaxed);
        let idle = self.config.idle;
        let kept: Vec<_> = std::iter::from_fn(|| self.http1.take())
            .take(self.http1.len())
            .filter(|connection| {
                connection.is_usable(now, generation)
                    && now.saturating_duration_since(connection.idle_since) < idle
            })
            .collect();
        for connection in kept {
            let _ = self.http1.put(connection);
        }
        self.keep_http2(|connection| {
            connection.is_usable(now, generation) && !connection.is_idle_for(idle, now)
        });
    }

    fn keep_http2(&self, keep: impl Fn(&Arc<Http2>) -> bool) {
        if self.http2.load().iter().all(&keep) {
            return;
        }
        self.http2.rcu(|present| {
            let kept = present.iter().filter(|connection| keep(connection));
            kept.cloned().collect::<Vec<_>>()
        });
    }

    /// Gives no connection made so far another request.
    pub(super) fn retire(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.sweep(Instant::now());
    }

    /// Whether the endpoint is in no set any more and no connection is left.
    pub(super) fn is_gone(&self) -> bool {
        self.endpoint.strong_count() == 0 && self.open.load(Ordering::Relaxed) == 0
    }

    pub(super) fn idle(&self) -> usize {
        self.http1.len() + self.http2.load().iter().filter(|c| c.is_idle()).count()
    }

    pub(super) fn streams(&self) -> u32 {
        let streams = |connection: &Arc<Http2>| connection.streams.load(Ordering::Relaxed);
        self.http2.load().iter().map(streams).sum()
    }
}
