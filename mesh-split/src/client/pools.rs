//! [`Pools`]: the connections of one local identity.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use mesh_core::endpoint::{Endpoint, TargetState};
use mesh_core::error::Error;
use mesh_core::identity::SpiffeId;
use mesh_core::net::{Address, Connect};
use mesh_core::policy::Protocol;
use mesh_core::snapshot::Target;
use tokio::time::Instant;

use super::config::PoolConfig;
use super::connection::Lease;
use super::pool::EndpointPool;
use super::wait::Waiting;

/// The pooled connections of one local identity; a clone is the same pools.
///
/// Two services in one process have a `Pools` each, because a connection is authenticated as its local identity.
/// Connections are closed when the last clone is dropped, after the requests on them have ended.
pub struct Pools<C> {
    inner: Arc<Inner<C>>,
}

struct Inner<C> {
    connect: C,
    shared: Arc<Shared>,
}

/// The part of [`Pools`] that does not depend on the connector.
pub(super) struct Shared {
    local: Arc<str>,
    config: PoolConfig,
    /// By endpoint key. More than one where an endpoint changed what is expected of it.
    pools: ArcSwap<HashMap<Arc<str>, Vec<Arc<EndpointPool>>>>,
    waiting: Arc<Waiting>,
    sweeping: AtomicBool,
}

/// Connections to one endpoint, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Key of the endpoint.
    pub endpoint: Arc<str>,
    /// Where the connections go.
    pub address: Address,
    /// The identity that the server proved.
    pub expected: Option<SpiffeId>,
    /// Protocol of the service.
    pub protocol: Protocol,
    /// Connections open or being opened.
    pub open: u32,
    /// Those of them without a request.
    pub idle: u32,
    /// HTTP/2 requests in flight.
    pub streams: u32,
}

impl<C: Connect> Pools<C> {
    /// Empty pools of the local service or identity `local` (a name for the console), filled by dialling with
    /// `connect`, which authenticates as that identity.
    pub fn new(local: impl Into<Arc<str>>, connect: C) -> Self {
        Self::with_config(local, connect, PoolConfig::default())
    }

    /// As [`Pools::new`], with settings.
    pub fn with_config(local: impl Into<Arc<str>>, connect: C, config: PoolConfig) -> Self {
        let shared = Arc::new(Shared {
            local: local.into(),
            config,
            pools: ArcSwap::from_pointee(HashMap::new()),
            waiting: Arc::default(),
            sweeping: AtomicBool::new(false),
        });
        Self {
            inner: Arc::new(Inner { connect, shared }),
        }
    }

    /// A connection to an endpoint, for one request.
    pub(super) async fn acquire(
        &self,
        endpoint: &Endpoint,
        target: Option<&Target>,
        reuse: bool,
    ) -> Result<Lease, Error> {
        let shared = &self.inner.shared;
        let pool = shared.pool(endpoint);
        pool.acquire(shared, &self.inner.connect, target, reuse)
            .await
    }
}

impl<C> Pools<C> {
    /// The local service or identity.
    pub fn local(&self) -> &Arc<str> {
        &self.inner.shared.local
    }

    /// The connections to each endpoint, in the order of their keys.
    #[must_use]
    pub fn stats(&self) -> Vec<PoolStats> {
        let pools = self.inner.shared.pools.load();
        let mut stats: Vec<_> = pools.values().flatten().map(|pool| pool.stats()).collect();
        stats.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
        stats
    }

    /// Gives no connection made so far another request: idle ones are closed now, the others after their requests.
    /// For when the local identity or what is trusted has changed.
    pub fn retire(&self) {
        for pool in self.inner.shared.pools.load().values().flatten() {
            pool.retire();
        }
    }
}

impl Shared {
    fn pool(self: &Arc<Self>, endpoint: &Endpoint) -> Arc<EndpointPool> {
        let pools = self.pools.load();
        match find(&pools, endpoint) {
            Some(pool) => Arc::clone(pool),
            None => self.insert(endpoint),
        }
    }

    /// Off the hot path: the first request to an endpoint copies the map.
    fn insert(self: &Arc<Self>, endpoint: &Endpoint) -> Arc<EndpointPool> {
        let waiting = Arc::clone(&self.waiting);
        let new = Arc::new(EndpointPool::new(endpoint, self.config, waiting));
        self.pools.rcu(|present| {
            let mut pools = HashMap::clone(present);
            if find(&pools, endpoint).is_none() {
                let key = Arc::clone(&endpoint.key);
                pools.entry(key).or_default().push(Arc::clone(&new));
            }
            pools
        });
        self.sweep_from_now_on();
        let pools = self.pools.load();
        find(&pools, endpoint).map_or(new, Arc::clone)
    }

    fn sweep_from_now_on(self: &Arc<Self>) {
        if self.sweeping.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = Arc::downgrade(self);
        let every = self.config.idle / 4;
        let every = every.clamp(Duration::from_millis(100), Duration::from_secs(60));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                match shared.upgrade() {
                    Some(shared) => shared.sweep(Instant::now()),
                    None => return,
                }
            }
        });
    }

    fn sweep(&self, now: Instant) {
        let pools = self.pools.load();
        for pool in pools.values().flatten() {
            pool.sweep(now);
        }
        if pools.values().flatten().any(|pool| pool.is_gone()) {
            self.pools.rcu(|present| {
                let mut pools = HashMap::clone(present);
                pools.retain(|_, pools| {
                    pools.retain(|pool| !pool.is_gone());
                    !pools.is_empty()
                });
                pools
            });
        }
    }

    pub(super) fn close_one_idle(&self, target: &Arc<TargetState>) {
        let pools = self.pools.load();
        // The first that has one closes it.
        let _ = pools
            .values()
            .flatten()
            .any(|pool| pool.close_one_idle(target));
    }
}

fn find<'a>(
    pools: &'a HashMap<Arc<str>, Vec<Arc<EndpointPool>>>,
    endpoint: &Endpoint,
) -> Option<&'a Arc<EndpointPool>> {
    let pools = pools.get(&endpoint.key)?;
    pools.iter().find(|pool| pool.is_for(endpoint))
}

impl EndpointPool {
    fn stats(&self) -> PoolStats {
        PoolStats {
            endpoint: Arc::clone(&self.key),
            address: self.destination.address.clone(),
            expected: self.destination.expected.clone(),
            protocol: self.destination.protocol,
            open: self.open.load(Ordering::Relaxed),
            idle: u32::try_from(self.idle()).unwrap_or(u32::MAX),
            streams: self.streams(),
        }
    }
}

// A derive would ask for `C: Clone`.
impl<C> Clone for Pools<C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<C> fmt::Debug for Pools<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools")
            .field("local", &self.inner.shared.local)
            .field("config", &self.inner.shared.config)
            .finish_non_exhaustive()
    }
}
