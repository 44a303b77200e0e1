//! [`Target`]: where a leg leads, with its live endpoints.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use crate::chain::TargetSpec;
use crate::endpoint::{EndpointSet, TargetState};
use crate::policy::{EjectionPolicy, Limits, Protocol};

/// The caller's settings for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPolicy {
    /// Protocol of the service.
    pub protocol: Protocol,
    /// Time for a connection, its handshake included.
    pub connect_timeout: Duration,
    /// Limits on connections and requests.
    pub limits: Limits,
    /// Passive health.
    pub ejection: EjectionPolicy,
}

impl Default for TargetPolicy {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http,
            connect_timeout: Duration::from_secs(5),
            limits: Limits::default(),
            ejection: EjectionPolicy::default(),
        }
    }
}

/// A service or subset in a datacenter: one cell whose endpoints are replaced while the target lives.
///
/// A snapshot keeps the cell of the one before when specification and policy are equal.
#[derive(Debug)]
pub struct Target {
    spec: TargetSpec,
    policy: TargetPolicy,
    state: Arc<TargetState>,
    endpoints: ArcSwap<EndpointSet>,
    version: watch::Sender<u64>,
}

impl Target {
    /// A target with its first endpoints.
    #[must_use]
    pub fn new(
        spec: TargetSpec,
        policy: TargetPolicy,
        state: Arc<TargetState>,
        endpoints: EndpointSet,
    ) -> Self {
        let version = watch::Sender::new(endpoints.version);
        Self {
            spec,
            policy,
            state,
            endpoints: ArcSwap::from_pointee(endpoints),
            version,
        }
    }

    /// Identifier, `[subset.]service.namespace.partition.datacenter`.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.spec.id
    }

    /// What the chain says about it.
    #[must_use]
    pub fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    /// The caller's settings.
    #[must_use]
    pub fn policy(&self) -> &TargetPolicy {
        &self.policy
    }

    /// Counters.
    #[must_use]
    pub fn state(&self) -> &Arc<TargetState> {
        &self.state
    }

    /// The newest endpoints. An attempt loads them once and decides on that set.
    #[must_use]
    pub fn endpoints(&self) -> Guard<Arc<EndpointSet>> {
        self.endpoints.load()
    }

    /// Replaces the endpoints. Sets that are not newer than the present one are left aside.
    pub fn publish(&self, set: EndpointSet) {
        let version = set.version;
        if version <= self.endpoints.load().version {
            return;
        }
        self.endpoints.store(Arc::new(set));
        self.version.send_replace(version);
    }

    /// Tells when the endpoints are replaced.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits until an endpoint may be used, or it is certain that none may for now.
    pub async fn usable(&self) {
        let mut version = self.version.subscribe();
        loop {
            {
                let set = self.endpoints.load();
                if set.settled || !set.is_empty() {
                    return;
                }
            }
            if version.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until every instance has been probed once. Returns at once on a set that already is settled.
    pub async fn settled(&self) {
        let mut version = self.version.subscribe();
        while !self.endpoints.load().settled {
            if version.changed().await.is_err() {
                return;
            }
        }
    }
}
