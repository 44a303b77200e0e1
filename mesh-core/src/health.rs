//! Active health checks: a small pure state machine per check, and one scheduler for all.
//!
//! [`CheckMachine`] turns probe results into states with the thresholds of Consul's check definitions. [`Scheduler`]
//! runs thousands of checks from one task: it holds no timer per check, probes at once when a check appears, then
//! after a random part of the interval, then once per interval. How a probe is carried out is a [`Probe`]'s business.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::catalog::CheckStatus;
use crate::random;

/// Default time for one probe.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many equal results in a row change a state; 0 and 1 both mean one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// Successes before a check passes again.
    pub success_before_passing: u32,
    /// Failures before it warns. `None`: as `failures_before_critical`.
    pub failures_before_warning: Option<u32>,
    /// Failures before it is critical.
    pub failures_before_critical: u32,
}

/// State of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckMachine {
    status: CheckStatus,
    successes: u32,
    failures: u32,
}

impl CheckMachine {
    /// A check that was never probed. Both counters start at their thresholds, so that the first result acts at once.
    #[must_use]
    pub fn new(status: CheckStatus, thresholds: &Thresholds) -> Self {
        Self {
            status,
            successes: thresholds.success_before_passing,
            failures: thresholds
                .failures_before_critical
                .max(thresholds.failures_before_warning.unwrap_or(0)),
        }
    }

    /// The state.
    #[must_use]
    pub fn status(&self) -> CheckStatus {
        self.status
    }

    /// The state after a result. Passing and warning results both count as success.
    #[must_use]
    pub fn observe(self, thresholds: &Thresholds, result: CheckStatus) -> Self {
        if result == CheckStatus::Critical {
            let failures = self.failures.saturating_add(1);
            let warning = thresholds
                .failures_before_warning
                .unwrap_or(thresholds.failures_before_critical);
            let status = if failures >= thresholds.failures_before_critical {
                CheckStatus::Critical
            } else if failures >= warning {
                CheckStatus::Warning
            } else {
                self.status
            };
            return Self {
                status,
                successes: 0,
                failures,
            };
        }
        let successes = self.successes.saturating_add(1);
        let status = if successes >= thresholds.success_before_passing {
            result
        } else {
            self.status
        };
        Self {
            status,
            successes,
            failures: 0,
        }
    }
}

/// What a check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// Connect and close.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// One HTTP request.
    Http {
        /// `http://host:port/path`.
        url: String,
        /// Method, upper case.
        method: String,
        /// Headers, in order.
        headers: Vec<(String, String)>,
        /// Body.
        body: String,
    },
}

/// One check of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSpec {
    /// Id within the instance.
    pub id: Arc<str>,
    /// Name to show.
    pub name: String,
    /// What it does.
    pub kind: ProbeKind,
    /// Time between probes; at least 1 s, smaller is raised.
    pub interval: Duration,
    /// Time for one probe.
    pub timeout: Duration,
    /// When the state changes.
    pub thresholds: Thresholds,
    /// State before the first probe.
    pub initial: CheckStatus,
}

/// Key of a check: instance and check id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckKey {
    /// Instance id.
    pub instance: Arc<str>,
    /// Check id.
    pub check: Arc<str>,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// The state that this result alone speaks for.
    pub status: CheckStatus,
    /// What was seen, for people.
    pub output: String,
}

/// Carries out probes.
pub trait Probe: Send + Sync + 'static {
    /// Probes once. The scheduler bounds it with the check's timeout.
    fn probe(&self, spec: &CheckSpec) -> impl Future<Output = ProbeResult> + Send;
}

/// A check's new state.
#[derive(Clone, Debug)]
pub struct CheckEvent {
    /// Which check.
    pub key: CheckKey,
    /// Its state.
    pub status: CheckStatus,
    /// What the newest probe saw.
    pub output: String,
    /// Whether the state is another one than before, or this was the first probe.
    pub changed: bool,
}

#[derive(Debug)]
struct Entry {
    spec: Arc<CheckSpec>,
    machine: CheckMachine,
    generation: u64,
    probes: u64,
    next: Option<Instant>,
}

/// Runs all checks of a process.
#[derive(Debug)]
pub struct Scheduler<P> {
    probe: Arc<P>,
    checks: HashMap<CheckKey, Entry>,
    queue: BTreeMap<(Instant, u64), CheckKey>,
    running: JoinSet<(CheckKey, u64, ProbeResult)>,
    counter: u64,
}

impl<P: Probe> Scheduler<P> {
    /// A scheduler without checks.
    pub fn new(probe: P) -> Self {
        Self {
            probe: Arc::new(probe),
            checks: HashMap::new(),
            queue: BTreeMap::new(),
            running: JoinSet::new(),
            counter: 0,
        }
    }

    /// Replaces the set of checks. A check with an equal specification goes on undisturbed; a new or changed one is
    /// probed at once.
    pub fn set(&mut self, wanted: impl IntoIterator<Item = (CheckKey, CheckSpec)>) {
        let wanted: HashMap<_, _> = wanted.into_iter().collect();
        self.checks
            .retain(|key, entry| wanted.get(key) == Some(&*entry.spec));
        for (key, spec) in wanted {
            if self.checks.contains_key(&key) {
                continue;
            }
            let machine = CheckMachine::new(spec.initial, &spec.thresholds);
            self.counter += 1;
            let generation = self.counter;
            let entry = Entry {
                spec: Arc::new(spec),
                machine,
                generation,
                probes: 0,
                next: None,
            };
            self.checks.insert(key.clone(), entry);
            self.schedule(key, Instant::now());
        }
        let checks = &self.checks;
        self.queue
            .retain(|(at, _), key| checks.get(key).is_some_and(|entry| entry.next == Some(*at)));
    }

    /// The state of a check; `None` for an unknown one, and the flag tells whether it was probed yet.
    #[must_use]
    pub fn state(&self, key: &CheckKey) -> Option<(CheckStatus, bool)> {
        self.checks
            .get(key)
            .map(|entry| (entry.machine.status(), entry.probes > 0))
    }

    fn schedule(&mut self, key: CheckKey, at: Instant) {
        if let Some(entry) = self.checks.get_mut(&key) {
            entry.next = Some(at);
            self.counter += 1;
            self.queue.insert((at, self.counter), key);
        }
    }

    /// Waits for the next probe to end. Cancel-safe: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> CheckEvent {
        loop {
            let due = self.queue.first_key_value().map(|((at, _), _)| *at);
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => {
                    if let Some(event) = ended.ok().and_then(|(key, generation, result)| self.ended(key, generation, result)) {
                        return event;
                    }
                }
                () = sleep_until(due) => self.start_due(),
            }
        }
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        while let Some(slot) = self.queue.first_entry() {
            if slot.key().0 > now {
                return;
            }
            let key = slot.remove();
            let Some(entry) = self.checks.get_mut(&key) else {
                continue;
            };
            entry.next = None;
            let (probe, spec, generation) = (
                Arc::clone(&self.probe),
                Arc::clone(&entry.spec),
                entry.generation,
            );
            self.running.spawn(async move {
                let result = match tokio::time::timeout(spec.timeout, probe.probe(&spec)).await {
                    Ok(result) => result,
                    Err(_) => ProbeResult {
                        status: CheckStatus::Critical,
                        output: format!("no answer within {:?}", spec.timeout),
                    },
                };
                (key, generation, result)
            });
        }
    }

    fn ended(&mut self, key: CheckKey, generation: u64, result: ProbeResult) -> Option<CheckEvent> {
        let entry = self
            .checks
            .get_mut(&key)
            .filter(|entry| entry.generation == generation)?;
        let before = entry.machine.status();
        entry.machine = entry.machine.observe(&entry.spec.thresholds, result.status);
        entry.probes += 1;
        let (status, first) = (entry.machine.status(), entry.probes == 1);
        let interval = entry.spec.interval.max(Duration::from_secs(1));
        // After the first probe, which came at once, the phase is random: a fleet that starts together spreads out.
        let wait = if first {
            interval.mul_f64(random::unit(random::draw()))
        } else {
            interval
        };
        self.schedule(key.clone(), Instant::now() + wait);
        Some(CheckEvent {
            key,
            status,
            output: result.output,
            changed: first || status != before,
        })
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_first_result_acts_at_once_and_later_ones_obey_the_thresholds() {
        let thresholds = Thresholds {
            success_before_passing: 2,
            failures_before_warning: Some(2),
            failures_before_critical: 3,
        };
        let start = CheckMachine::new(CheckStatus::Critical, &thresholds);
        let passing = start.observe(&thresholds, CheckStatus::Passing);
        assert_eq!(passing.status(), CheckStatus::Passing);
        let mut state = passing;
        let mut seen = Vec::new();
        for _ in 0..3 {
            state = state.observe(&thresholds, CheckStatus::Critical);
            seen.push(state.status());
        }
        assert_eq!(
            seen,
            [
                CheckStatus::Passing,
                CheckStatus::Warning,
                CheckStatus::Critical
            ]
        );
        state = state.observe(&thresholds, CheckStatus::Passing);
        assert_eq!(state.status(), CheckStatus::Critical);
        state = state.observe(&thresholds, CheckStatus::Warning);
        assert_eq!(state.status(), CheckStatus::Warning);
    }

    struct Switch {
        up: Arc<AtomicBool>,
        probes: Arc<AtomicU32>,
    }

    impl Probe for Switch {
        async fn probe(&self, _: &CheckSpec) -> ProbeResult {
            self.probes.fetch_add(1, Ordering::SeqCst);
            let status = if self.up.load(Ordering::SeqCst) {
                CheckStatus::Passing
            } else {
                CheckStatus::Critical
            };
            ProbeResult {
                status,
                output: String::new(),
            }
        }
    }

    fn check() -> (CheckKey, CheckSpec) {
        let spec = CheckSpec {
            id: "service:web".into(),
            name: "web".into(),
            kind: ProbeKind::Tcp {
                address: "127.0.0.1:1".into(),
            },
            interval: Duration::from_secs(10),
            timeout: DEFAULT_TIMEOUT,
            thresholds: Thresholds::default(),
            initial: CheckStatus::Critical,
        };
        (
            CheckKey {
                instance: "web".into(),
                check: "service:web".into(),
            },
            spec,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_is_probed_at_once_and_then_once_per_interval() {
        random::seed(1);
        let (up, probes) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let mut scheduler = Scheduler::new(Switch {
            up: Arc::clone(&up),
            probes: Arc::clone(&probes),
        });
        scheduler.set([check()]);
        let first = scheduler.next().await;
        assert!(first.changed && first.status == CheckStatus::Passing);
        scheduler.next().await;
        let start = Instant::now();
        for _ in 0..6 {
            let event = scheduler.next().await;
            assert!(!event.changed);
        }
        assert_eq!(start.elapsed().as_secs(), 60);
        assert_eq!(probes.load(Ordering::SeqCst), 8);

        up.store(false, Ordering::SeqCst);
        let down = scheduler.next().await;
        assert!(down.changed && down.status == CheckStatus::Critical);
        assert!(start.elapsed() <= Duration::from_secs(70));
    }

    #[tokio::test(start_paused = true)]
    async fn an_equal_check_goes_on_and_a_removed_one_is_forgotten() {
        let probes = Arc::new(AtomicU32::new(0));
        let mut scheduler = Scheduler::new(Switch {
            up: Arc::new(AtomicBool::new(true)),
            probes: Arc::clone(&probes),
        });
        scheduler.set([check()]);
        scheduler.next().await;
        scheduler.set([check()]);
        assert_eq!(
            scheduler.state(&check().0),
            Some((CheckStatus::Passing, true))
        );
        scheduler.set([]);
        let more = tokio::time::timeout(Duration::from_secs(100), scheduler.next()).await;
        assert!(more.is_err());
        assert_eq!(probes.load(Ordering::SeqCst), 1);
    }

    struct Hang;

    impl Probe for Hang {
        async fn probe(&self, _: &CheckSpec) -> ProbeResult {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_is_critical_after_its_timeout() {
        let mut scheduler = Scheduler::new(Hang);
        scheduler.set([check()]);
        let start = Instant::now();
        let event = scheduler.next().await;
        assert_eq!(
            (event.status, start.elapsed().as_secs()),
            (CheckStatus::Critical, 10)
        );
    }
}
