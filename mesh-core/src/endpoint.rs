//! Endpoints, and the state of endpoints and targets that outlives snapshots.
//!
//! An [`EndpointSet`] is an immutable list that is replaced when health or the catalogue changes. What is counted
//! about an endpoint, such as requests in flight, latency and failures, must survive that, so it lives in states that
//! a [`Registry`] interns by the local identity and the instance or target. Everything that a request writes here is
//! one relaxed atomic; the decisions that read it are elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::catalog::{CheckStatus, Instance};
use crate::identity::SpiffeId;
use crate::net::Address;
use crate::policy::Protocol;

/// Key of a state: the local identity and what the state is about. Two services in one process share no state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateKey {
    /// SPIFFE id, or name, of the service that calls.
    pub local: Arc<str>,
    /// Instance (with its address) or target.
    pub subject: Arc<str>,
}

/// What is counted about one endpoint, as seen by one local service.
#[derive(Debug)]
pub struct EndpointState {
    epoch: Instant,
    /// Requests whose response body has not ended.
    pub in_flight: AtomicU32,
    /// Smoothed latency in nanoseconds; 0 before the first answer. Written by the balancer's estimator only.
    pub latency: AtomicU64,
    /// When `latency` was last written, in nanoseconds since this state was made.
    pub latency_at: AtomicU64,
    /// Packed [`EjectionState`].
    ejection: AtomicU64,
}

impl Default for EndpointState {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            in_flight: AtomicU32::new(0),
            latency: AtomicU64::new(0),
            latency_at: AtomicU64::new(0),
            ejection: AtomicU64::new(0),
        }
    }
}

impl EndpointState {
    /// Time since this state was made; the clock of the times stored in it.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    /// The ejection state.
    #[must_use]
    pub fn ejection(&self) -> EjectionState {
        EjectionState::unpack(self.ejection.load(Ordering::Relaxed))
    }

    /// Whether the endpoint is taken out at `now`.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        let state = self.ejection();
        state.until_ms != 0 && state.until_ms > millis(self.elapsed(now))
    }

    /// Applies a pure transition by compare-and-swap and returns what it said. `decide` may run more than once.
    pub fn update_ejection<R>(
        &self,
        mut decide: impl FnMut(EjectionState) -> (EjectionState, R),
    ) -> R {
        let mut seen = self.ejection.load(Ordering::Relaxed);
        loop {
            let (next, said) = decide(EjectionState::unpack(seen));
            let next = next.pack();
            if next == seen {
                return said;
            }
            match self.ejection.compare_exchange_weak(
                seen,
                next,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return said,
                Err(newer) => seen = newer,
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Passive health of one endpoint: plain data that a pure function maps to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EjectionState {
    /// Failures in a row.
    pub failures: u16,
    /// Ejections so far, each making the next one longer. Falls again with time.
    pub times: u8,
    /// End of the ejection in milliseconds since the state was made; 0: not ejected. Below 2^39 (17 years).
    pub until_ms: u64,
    /// Whether the endpoint counts in its target's number of ejected endpoints. Only ever true with `until_ms` set.
    pub counted: bool,
}

impl EjectionState {
    const UNTIL_BITS: u32 = 39;

    fn pack(self) -> u64 {
        let until = self.until_ms.min((1 << Self::UNTIL_BITS) - 1);
        u64::from(self.failures)
            | u64::from(self.times) << 16
            | u64::from(self.counted) << 24
            | until << 25
    }

    fn unpack(bits: u64) -> Self {
        Self {
            failures: bits as u16,
            times: (bits >> 16) as u8,
            counted: bits >> 24 & 1 == 1,
            until_ms: bits >> 25,
        }
    }
}

/// What is counted about one target (a service or subset in a datacenter), as seen by one local service.
#[derive(Debug, Default)]
pub struct TargetState {
    /// Requests in flight to all endpoints of the target.
    pub requests: AtomicU32,
    /// Requests waiting for a connection.
    pub pending: AtomicU32,
    /// Open connections.
    pub connections: AtomicU32,
    /// Retries in flight.
    pub retries: AtomicU32,
    /// Endpoints ejected now.
    pub ejected: AtomicU32,
    /// Picks so far; the turn of round robin.
    pub picks: AtomicU64,
}

/// Number of cells of a retry budget.
pub const BUDGET_CELLS: usize = 16;

/// What is counted about one destination service, as seen by one local service.
#[derive(Debug)]
pub struct ServiceState {
    epoch: Instant,
    /// Cells of the retry budget's window; `mesh-retry` gives them their meaning.
    pub budget: [AtomicU64; BUDGET_CELLS],
    /// Draws of each split so far would start anew with each snapshot; one sequence per destination does not.
    pub draws: AtomicU64,
    active: AtomicBool,
    wake: OnceLock<tokio::sync::mpsc::UnboundedSender<Arc<str>>>,
}

impl Default for ServiceState {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            budget: [const { AtomicU64::new(0) }; BUDGET_CELLS],
            draws: AtomicU64::new(0),
            active: AtomicBool::new(false),
            wake: OnceLock::new(),
        }
    }
}

impl ServiceState {
    /// Time since this state was made; the clock of the budget's cells.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    /// Whether a request for the service was ever made here; then its instances are checked.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Names the channel that learns of the first use. Only the first call counts.
    pub(crate) fn on_first_use(&self, wake: tokio::sync::mpsc::UnboundedSender<Arc<str>>) {
        let _ = self.wake.set(wake);
    }

    /// Notes a use: one relaxed load, and a message the first time.
    pub(crate) fn touch(&self, service: &Arc<str>) {
        if !self.is_active()
            && !self.active.swap(true, Ordering::Relaxed)
            && let Some(wake) = self.wake.get()
        {
            // The receiver is gone only when the mesh is shut down.
            let _ = wake.send(Arc::clone(service));
        }
    }
}

/// One address that requests can be sent to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Stable key: instance and address.
    pub key: Arc<str>,
    /// The instance in the catalogue.
    pub instance: Arc<Instance>,
    /// Where to dial.
    pub address: Address,
    /// The identity the endpoint must prove; `None` where nobody is authenticated.
    pub expected: Option<SpiffeId>,
    /// Server name for the handshake.
    pub server_name: Arc<str>,
    /// Protocol of the service.
    pub protocol: Protocol,
    /// Share of traffic relative to the others, 1..=128.
    pub weight: u32,
    /// Health as known when the set was made; never critical.
    pub status: CheckStatus,
    /// Counters.
    pub state: Arc<EndpointState>,
}

/// The endpoints of a target that may be used, at one moment. Immutable.
#[derive(Default)]
pub struct EndpointSet {
    /// Grows with each set of a target.
    pub version: u64,
    /// Usable endpoints, ordered by key.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Instances of the target, healthy or not.
    pub total: usize,
    /// Whether every instance has been probed at least once, so that an empty set means what it says.
    pub settled: bool,
    derived: OnceLock<Box<dyn std::any::Any + Send + Sync>>,
}

impl EndpointSet {
    /// A set; endpoints are put into the order of their keys.
    #[must_use]
    pub fn new(
        version: u64,
        mut endpoints: Vec<Arc<Endpoint>>,
        total: usize,
        settled: bool,
    ) -> Self {
        endpoints.sort_by(|a, b| a.key.cmp(&b.key));
        Self {
            version,
            endpoints,
            total,
            settled,
            derived: OnceLock::new(),
        }
    }

    /// Whether no endpoint may be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// How many endpoints may be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether an endpoint is there that is not ejected at `now`.
    #[must_use]
    pub fn has_ready(&self, now: Instant) -> bool {
        self.endpoints
            .iter()
            .any(|endpoint| !endpoint.state.is_ejected(now))
    }

    /// What a balancer derives from the set once, such as a hash ring. The first caller's type stays; a caller that
    /// asks for another one computes it each time.
    pub fn derived<T: Clone + Send + Sync + 'static>(&self, make: impl Fn(&Self) -> T) -> T {
        let stored = self.derived.get_or_init(|| Box::new(make(self)));
        match stored.downcast_ref::<T>() {
            Some(derived) => derived.clone(),
            None => make(self),
        }
    }
}

impl fmt::Debug for EndpointSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSet")
            .field("version", &self.version)
            .field(
                "endpoints",
                &self.endpoints.iter().map(|e| &*e.key).collect::<Vec<_>>(),
            )
            .field("total", &self.total)
            .field("settled", &self.settled)
            .finish_non_exhaustive()
    }
}

/// Interns states by key. States live as long as somebody holds them, and a little longer is not needed: an endpoint
/// that comes back after it was gone from every set starts anew.
#[derive(Debug, Default)]
pub struct Registry {
    endpoints: Interner<EndpointState>,
    targets: Interner<TargetState>,
    services: Interner<ServiceState>,
}

impl Registry {
    /// The state of an endpoint.
    #[must_use]
    pub fn endpoint(&self, key: StateKey) -> Arc<EndpointState> {
        self.endpoints.intern(key)
    }

    /// The state of a target.
    #[must_use]
    pub fn target(&self, key: StateKey) -> Arc<TargetState> {
        self.targets.intern(key)
    }

    /// The state of a destination service.
    #[must_use]
    pub fn service(&self, key: StateKey) -> Arc<ServiceState> {
        self.services.intern(key)
    }
}

// Locked when a set or snapshot is built, never by a request.
#[derive(Debug)]
struct Interner<T>(Mutex<HashMap<StateKey, Weak<T>>>);

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<T: Default> Interner<T> {
    fn intern(&self, key: StateKey) -> Arc<T> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = map.get(&key).and_then(Weak::upgrade) {
            return state;
        }
        if map.len() >= 64 && map.len() == map.capacity() {
            map.retain(|_, state| state.strong_count() > 0);
        }
        let state = Arc::new(T::default());
        map.insert(key, Arc::downgrade(&state));
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(subject: &str) -> StateKey {
        StateKey {
            local: "web".into(),
            subject: subject.into(),
        }
    }

    #[tokio::test]
    async fn a_state_is_shared_while_held_and_new_afterwards() {
        let registry = Registry::default();
        let first = registry.target(key("backend"));
        first.requests.store(3, Ordering::Relaxed);
        assert_eq!(
            registry
                .target(key("backend"))
                .requests
                .load(Ordering::Relaxed),
            3
        );
        drop(first);
        assert_eq!(
            registry
                .target(key("backend"))
                .requests
                .load(Ordering::Relaxed),
            0
        );
    }

    #[tokio::test]
    async fn two_local_services_share_no_state() {
        let registry = Registry::default();
        let web = registry.endpoint(key("b-1"));
        let other = registry.endpoint(StateKey {
            local: "gateway".into(),
            subject: "b-1".into(),
        });
        assert!(!Arc::ptr_eq(&web, &other));
    }

    #[test]
    fn an_ejection_state_survives_packing() {
        let state = EjectionState {
            failures: 65_535,
            times: 255,
            until_ms: (1 << 39) - 1,
            counted: true,
        };
        assert_eq!(EjectionState::unpack(state.pack()), state);
        let state = EjectionState {
            failures: 4,
            times: 1,
            until_ms: 12_345,
            counted: false,
        };
        assert_eq!(EjectionState::unpack(state.pack()), state);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ejection_ends_with_its_time() {
        let state = EndpointState::default();
        state.update_ejection(|s| {
            (
                EjectionState {
                    until_ms: 1_000,
                    ..s
                },
                (),
            )
        });
        assert!(state.is_ejected(Instant::now()));
        tokio::time::advance(Duration::from_millis(1_000)).await;
        assert!(!state.is_ejected(Instant::now()));
    }
}
