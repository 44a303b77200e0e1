//! [`Mesh`]: the live handle.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::engine;
use super::scope::{Board, ScopeInner, Workshop};
use super::{Input, Scope, World};
use crate::clock::WallClock;
use crate::config::Diagnostic;
use crate::endpoint::Registry;
use crate::health::Probe;
use crate::live::{Live, Publisher};
use crate::net::Tcp;
use crate::source::probe::NetProbe;

/// The mesh as one process knows it: the newest valid configuration, the views of its local services, and the
/// health of what they call. Cheap to clone; background work ends with the last clone and scope.
#[derive(Clone)]
pub struct Mesh {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) world: Live<World>,
    publisher: Publisher<World>,
    registry: Registry,
    versions: AtomicU64,
    // Both are locked by builders only, never by a request.
    scopes: Mutex<Vec<Weak<ScopeInner>>>,
    board: Mutex<Board>,
    wake: UnboundedSender<Arc<str>>,
    status: Mutex<Status>,
    // Held from reading the previous world to rebuilding the scopes: updates happen one after the other.
    updating: Mutex<()>,
    report: ReportHook,
    directory: Option<PathBuf>,
    clock: WallClock,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in self.lock(&self.tasks).drain(..) {
            task.abort();
        }
    }
}

type ReportHook = Arc<dyn Fn(&Report) + Send + Sync>;

/// What a mesh is opened with.
#[derive(Clone)]
pub struct Options {
    report: ReportHook,
    debounce: Duration,
    clock: WallClock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            report: Arc::new(Report::log),
            debounce: Duration::from_millis(50),
            clock: WallClock::system(),
        }
    }
}

impl Options {
    /// Is told of every update, accepted or refused. The default logs it.
    #[must_use]
    pub fn report(mut self, report: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.report = Arc::new(report);
        self
    }

    /// How long a directory must be quiet before it is read again. Default 50 ms.
    #[must_use]
    pub fn debounce(mut self, quiet: Duration) -> Self {
        self.debounce = quiet;
        self
    }

    /// The date, for certificates and spans.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn quiet(&self) -> Duration {
        self.debounce
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("debounce", &self.debounce)
            .finish_non_exhaustive()
    }
}

/// What became of an update.
#[derive(Clone, Debug)]
pub struct Report {
    /// Version in force now.
    pub version: u64,
    /// Whether the update was accepted.
    pub accepted: bool,
    /// Errors of a refused update; warnings and notes of an accepted one.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether this was the first one.
    pub first: bool,
}

impl Report {
    fn log(&self) {
        let text = crate::config::render(&self.diagnostics, false);
        if !self.accepted {
            tracing::error!(
                version = self.version,
                "configuration refused, the last good one stays\n{text}"
            );
        } else if text.is_empty() {
            tracing::info!(version = self.version, "configuration in force");
        } else {
            tracing::info!(
                version = self.version,
                "configuration in force, with remarks\n{text}"
            );
        }
    }
}

/// How the configuration is doing.
#[derive(Clone, Debug)]
pub struct Status {
    /// Version in force.
    pub version: u64,
    /// When it came into force.
    pub since: Instant,
    /// Updates refused since the last accepted one.
    pub refused: u64,
    /// Updates refused in all.
    pub refused_total: u64,
    /// The diagnostics of the newest update.
    pub diagnostics: Vec<Diagnostic>,
    /// The intention policy where no intention matches, `allow` or `deny`.
    pub default_intention_policy: String,
}

/// Feeds a mesh that was made from memory.
#[derive(Clone, Debug)]
pub struct Update {
    inner: Weak<Inner>,
}

impl Update {
    /// Compiles and publishes `input`. On error the last good one stays and the report says so.
    ///
    /// # Errors
    /// All problems of the input.
    pub fn publish(&self, input: Input) -> Result<u64, Vec<Diagnostic>> {
        match self.inner.upgrade() {
            Some(inner) => inner.update(input, Vec::new()),
            None => Ok(0),
        }
    }

    pub(crate) fn publish_with(
        &self,
        input: Input,
        remarks: Vec<Diagnostic>,
    ) -> Result<u64, Vec<Diagnostic>> {
        self.inner
            .upgrade()
            .map_or(Ok(0), |inner| inner.update(input, remarks))
    }

    pub(crate) fn refuse(&self, diagnostics: Vec<Diagnostic>) {
        if let Some(inner) = self.inner.upgrade() {
            inner.refused(diagnostics);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.strong_count() == 0
    }
}

impl Mesh {
    /// A mesh fed from memory, and what feeds it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// All problems of the first input.
    pub fn from_memory(first: Input, options: Options) -> Result<(Self, Update), Vec<Diagnostic>> {
        Self::start(first, Vec::new(), options, None, NetProbe::new(Tcp))
    }

    pub(crate) fn start(
        first: Input,
        remarks: Vec<Diagnostic>,
        options: Options,
        directory: Option<PathBuf>,
        probe: impl Probe,
    ) -> Result<(Self, Update), Vec<Diagnostic>> {
        let mut world = World::compile(1, first, None)?;
        world.warnings.extend(remarks);
        let status = Status {
            version: 1,
            since: Instant::now(),
            refused: 0,
            refused_total: 0,
            diagnostics: world.warnings.clone(),
            default_intention_policy: world.settings.default_intention_policy.clone(),
        };
        let (publisher, live) = Live::channel(world);
        let (wake, used) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            world: live,
            publisher,
            registry: Registry::default(),
            versions: AtomicU64::new(0),
            scopes: Mutex::new(Vec::new()),
            board: Mutex::new(Board::new()),
            wake,
            status: Mutex::new(status.clone()),
            updating: Mutex::new(()),
            report: options.report,
            directory,
            clock: options.clock,
            tasks: Mutex::new(Vec::new()),
        });
        let report = Report {
            version: 1,
            accepted: true,
            diagnostics: status.diagnostics,
            first: true,
        };
        (inner.report)(&report);
        let task = tokio::spawn(engine::run(
            Arc::downgrade(&inner),
            inner.world.changed(),
            used,
            probe,
        ));
        inner.adopt(task.abort_handle());
        let update = Update {
            inner: Arc::downgrade(&inner),
        };
        Ok((Self { inner }, update))
    }

    /// The view of one local service. Two calls for one name give views that share their state.
    #[must_use]
    pub fn scope(&self, local: &str) -> Scope {
        let mut scopes = self.inner.lock(&self.inner.scopes);
        scopes.retain(|scope| scope.strong_count() > 0);
        let board = self.inner.lock(&self.inner.board);
        let world = self.inner.world.snapshot();
        let scope = Arc::new(ScopeInner::new(local, &world, &self.inner.workshop(&board)));
        scopes.push(Arc::downgrade(&scope));
        drop((board, scopes));
        let snapshot = scope.live().snapshot();
        // What the registration names as upstreams will be called: check it before the first request.
        for upstream in upstreams(&snapshot.world, local) {
            let _ = snapshot.chain(&upstream);
        }
        Scope { inner: scope }
    }

    /// The newest compiled configuration, and every newer one.
    #[must_use]
    pub fn world(&self) -> &Live<World> {
        &self.inner.world
    }

    /// How the configuration is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.lock(&self.inner.status).clone()
    }

    /// The directory it is read from, where there is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.inner.directory.as_deref()
    }

    /// The date.
    #[must_use]
    pub fn clock(&self) -> WallClock {
        self.inner.clock
    }

    /// Waits until every instance that a scope's upstreams lead to has been probed once, so that the first request
    /// meets endpoints and not a start-up race.
    pub async fn ready(&self) {
        for target in self.called_targets() {
            target.settled().await;
        }
    }

    fn called_targets(&self) -> Vec<Arc<super::Target>> {
        let scopes = self.inner.scopes();
        scopes
            .iter()
            .flat_map(|scope| scope.called_targets())
            .collect()
    }

    /// The health of every instance that is checked here: instance id, state, what was last seen.
    #[must_use]
    pub fn health(&self) -> Vec<(Arc<str>, crate::catalog::CheckStatus, String)> {
        let board = self.inner.lock(&self.inner.board);
        let mut health: Vec<_> = board
            .iter()
            .map(|(id, health)| {
                let worst = health.checks.iter().max_by_key(|check| check.status);
                let output = worst.map(|check| check.output.clone()).unwrap_or_default();
                (
                    Arc::clone(id),
                    crate::catalog::instance_state(&health.checks),
                    output,
                )
            })
            .collect();
        health.sort_by(|a, b| a.0.cmp(&b.0));
        health
    }

    pub(crate) fn adopt(&self, task: AbortHandle) {
        self.inner.adopt(task);
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Names of the upstreams in the registrations of a service; for an ingress gateway the services it exposes.
fn upstreams(world: &World, local: &str) -> Vec<Arc<str>> {
    let instances = world.catalog.instances(local);
    let declared = instances
        .iter()
        .flat_map(|i| &i.proxy.upstreams)
        .map(|u| Arc::from(u.destination_name.as_str()));
    let gateway = world.entries.ingress_gateway(local);
    let exposed = gateway
        .into_iter()
        .flat_map(|g| &g.listeners)
        .flat_map(|l| &l.services)
        .map(|s| Arc::clone(&s.name));
    declared.chain(exposed).collect()
}

impl Inner {
    pub(super) fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn scopes(&self) -> Vec<Arc<ScopeInner>> {
        self.lock(&self.scopes)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    pub(super) fn workshop<'a>(&'a self, board: &'a Board) -> Workshop<'a> {
        Workshop {
            registry: &self.registry,
            board,
            versions: &self.versions,
            wake: &self.wake,
        }
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.lock(&self.board)
    }

    fn adopt(&self, task: AbortHandle) {
        self.lock(&self.tasks).push(task);
    }

    fn update(&self, input: Input, remarks: Vec<Diagnostic>) -> Result<u64, Vec<Diagnostic>> {
        let _turn = self.lock(&self.updating);
        let previous = self.world.snapshot();
        let version = previous.version + 1;
        let mut world = match World::compile(version, input, Some(&previous)) {
            Ok(world) => world,
            Err(problems) => {
                self.refused(problems.clone());
                return Err(problems);
            }
        };
        world.warnings.extend(remarks);
        let diagnostics = world.warnings.clone();
        {
            let mut status = self.lock(&self.status);
            status.version = version;
            status.since = Instant::now();
            status.refused = 0;
            status.diagnostics = diagnostics.clone();
            status.default_intention_policy = world.settings.default_intention_policy.clone();
        }
        let world = Arc::new(world);
        self.publisher.publish(Arc::clone(&world));
        {
            // The list stays locked, so that a scope made meanwhile is built from this world or rebuilt here.
            let scopes = self.lock(&self.scopes);
            let board = self.board();
            for scope in scopes.iter().filter_map(Weak::upgrade) {
                scope.rebuild(&world, &self.workshop(&board));
            }
        }
        // The engine looks at the scopes again, now that their chains may lead elsewhere.
        let _ = self.wake.send(Arc::from(""));
        (self.report)(&Report {
            version,
            accepted: true,
            diagnostics,
            first: false,
        });
        Ok(version)
    }

    fn refused(&self, diagnostics: Vec<Diagnostic>) {
        let version = {
            let mut status = self.lock(&self.status);
            status.refused += 1;
            status.refused_total += 1;
            status.diagnostics = diagnostics.clone();
            status.version
        };
        (self.report)(&Report {
            version,
            accepted: false,
            diagnostics,
            first: false,
        });
    }
}
