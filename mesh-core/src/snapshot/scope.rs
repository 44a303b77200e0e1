//! [`Scope`]: one local service's view of the mesh.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use super::effective::{self, Policies, UpstreamSettings};
use super::{Chain, Leg, Route, Snapshot, Target, TargetPolicy, World};
use crate::catalog::{self, CheckRecord, CheckStatus, Instance};
use crate::chain::{CompiledChain, CompiledRoute, Overrides, TargetSpec};
use crate::endpoint::{Endpoint, EndpointSet, Registry, StateKey};
use crate::filter::{Bound, Filter};
use crate::identity::SpiffeId;
use crate::intention::Table;
use crate::live::{Live, Publisher};
use crate::net::Address;
use crate::normalize::Normalization;
use crate::policy::Protocol;

/// A local service's live view: its snapshots. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scope {
    pub(super) inner: Arc<ScopeInner>,
}

impl Scope {
    /// Name of the local service.
    #[must_use]
    pub fn local(&self) -> &Arc<str> {
        &self.inner.local
    }

    /// The newest snapshot, and every newer one.
    #[must_use]
    pub fn snapshots(&self) -> &Live<Snapshot> {
        &self.inner.live
    }
}

/// Health of one instance as the engine knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct InstanceHealth {
    pub(super) checks: Vec<CheckRecord>,
    /// Whether every check was probed at least once.
    pub(super) settled: bool,
}

/// Health by instance id.
pub(super) type Board = HashMap<Arc<str>, InstanceHealth>;

#[derive(Debug)]
pub(super) struct ScopeInner {
    local: Arc<str>,
    key: Arc<str>,
    live: Live<Snapshot>,
    publisher: Publisher<Snapshot>,
    // Locked when a snapshot or endpoint set is built, never by a request.
    cells: Mutex<Cells>,
}

#[derive(Debug, Default)]
struct Cells {
    // By identifier. Two chains may reach one target with policies of their own (a fail-over level has the primary's
    // connect timeout), and each of the two has a cell.
    targets: HashMap<Arc<str>, Vec<Cell>>,
    chains: HashMap<Arc<str>, Built>,
}

#[derive(Clone, Debug)]
struct Cell {
    target: Arc<Target>,
    selection: Selection,
}

/// What a chain was built from, to keep it where nothing changed.
#[derive(Debug)]
struct Built {
    base: Arc<CompiledChain>,
    settings: UpstreamSettings,
    compiled: Arc<CompiledChain>,
}

/// What building a scope needs of its mesh.
pub(super) struct Workshop<'a> {
    pub(super) registry: &'a Registry,
    pub(super) board: &'a Board,
    pub(super) versions: &'a AtomicU64,
    pub(super) wake: &'a UnboundedSender<Arc<str>>,
}

impl ScopeInner {
    pub(super) fn new(local: &str, world: &Arc<World>, workshop: &Workshop<'_>) -> Self {
        let id = SpiffeId::service(&world.trust_domain, &world.datacenter, local);
        let (local, key): (Arc<str>, Arc<str>) = (local.into(), id.as_str().into());
        let mut cells = Cells::default();
        let first = build(&local, &key, world, &mut cells, workshop);
        let (publisher, live) = Live::channel(first);
        Self {
            local,
            key,
            live,
            publisher,
            cells: Mutex::new(cells),
        }
    }

    pub(super) fn live(&self) -> &Live<Snapshot> {
        &self.live
    }

    /// Builds and publishes the snapshot of a new world; targets that stay keep their cells.
    pub(super) fn rebuild(&self, world: &Arc<World>, workshop: &Workshop<'_>) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = build(&self.local, &self.key, world, &mut cells, workshop);
        self.publisher.publish(snapshot);
        // Targets that were kept see the new catalogue as well.
        for cell in cells.targets.values().flatten() {
            publish_endpoints(cell, &self.key, world, workshop);
        }
    }

    /// Publishes new endpoint sets for the targets of some services.
    pub(super) fn refresh(&self, services: &[Arc<str>], workshop: &Workshop<'_>) {
        let world = Arc::clone(&self.live.load().world);
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        for cell in cells
            .targets
            .values()
            .flatten()
            .filter(|cell| services.contains(&cell.target.spec().service))
        {
            publish_endpoints(cell, &self.key, &world, workshop);
        }
    }

    /// Services whose instances must be checked: those that were called, and the targets of their chains.
    pub(super) fn called(&self) -> Vec<Arc<str>> {
        let snapshot = self.live.load();
        let used = snapshot.chains().filter(|chain| chain.state.is_active());
        used.flat_map(|chain| {
            chain
                .targets()
                .map(|target| Arc::clone(&target.spec().service))
        })
        .collect()
    }

    /// The targets of the chains that were called.
    pub(super) fn called_targets(&self) -> Vec<Arc<Target>> {
        let snapshot = self.live.load();
        let used = snapshot.chains().filter(|chain| chain.state.is_active());
        used.flat_map(|chain| chain.targets().cloned().collect::<Vec<_>>())
            .collect()
    }
}

fn build(
    local: &Arc<str>,
    key: &Arc<str>,
    world: &Arc<World>,
    cells: &mut Cells,
    workshop: &Workshop<'_>,
) -> Snapshot {
    let mut targets = HashMap::new();
    let mut chains = HashMap::new();
    let mut built = HashMap::new();
    for (name, base) in &world.chains {
        let policies = Policies::of(&world.entries, name);
        let settings = effective::upstream(&world.entries, &policies, local, name);
        let compiled = compiled_for(world, name, base, &settings, cells.chains.get(name));
        let mut maker = ChainMaker {
            key,
            world,
            policies,
            settings: &settings,
            cells,
            targets: &mut targets,
            workshop,
        };
        chains.insert(Arc::clone(name), Arc::new(maker.chain(&compiled)));
        built.insert(
            Arc::clone(name),
            Built {
                base: Arc::clone(base),
                settings,
                compiled,
            },
        );
    }
    cells.targets = targets;
    cells.chains = built;
    let intentions = world.intentions.get(local).cloned().unwrap_or_else(|| {
        // A service that no entry and no registration names is still subject to wildcard intentions; where even
        // those do not compile the world would not have been accepted.
        Arc::new(
            world
                .table(local)
                .unwrap_or_else(|_| Table::deny_all(local, world.trust_domain.clone())),
        )
    });
    Snapshot {
        version: world.version,
        local: Arc::clone(local),
        world: Arc::clone(world),
        intentions,
        normalization: normalization(world),
        inbound: effective::inbound(&world.entries, local),
        chains,
    }
}

impl Snapshot {
    /// How a local service would see a world, outside of a live mesh: nothing is probed, so that every instance has the
    /// state of its registration.
    #[must_use]
    pub fn of(world: &Arc<World>, local: &str) -> Self {
        let id = SpiffeId::service(&world.trust_domain, &world.datacenter, local);
        let (registry, board) = (Registry::default(), Board::new());
        let (wake, _) = tokio::sync::mpsc::unbounded_channel();
        let workshop = Workshop {
            registry: &registry,
            board: &board,
            versions: &AtomicU64::new(0),
            wake: &wake,
        };
        let key = id.as_str().into();
        build(&local.into(), &key, world, &mut Cells::default(), &workshop)
    }
}

/// The chain as compiled for this caller: shared with all callers unless an override applies.
fn compiled_for(
    world: &World,
    name: &Arc<str>,
    base: &Arc<CompiledChain>,
    settings: &UpstreamSettings,
    before: Option<&Built>,
) -> Arc<CompiledChain> {
    if settings.overrides == Overrides::default() {
        return Arc::clone(base);
    }
    if let Some(before) = before.filter(|b| Arc::ptr_eq(&b.base, base) && b.settings == *settings) {
        return Arc::clone(&before.compiled);
    }
    // An override can only take entries away from a chain that compiled, so this can not fail; if it did, the chain
    // without the override is the safe one.
    world
        .chain(name, settings.overrides.clone())
        .map_or_else(|_| Arc::clone(base), Arc::new)
}

fn normalization(world: &World) -> Normalization {
    Normalization::of(world.entries.mesh().map(|mesh| &**mesh))
}

struct ChainMaker<'a> {
    key: &'a Arc<str>,
    world: &'a World,
    policies: Policies,
    settings: &'a UpstreamSettings,
    cells: &'a Cells,
    targets: &'a mut HashMap<Arc<str>, Vec<Cell>>,
    workshop: &'a Workshop<'a>,
}

impl ChainMaker<'_> {
    fn chain(&mut self, compiled: &Arc<CompiledChain>) -> Chain {
        let state = self
            .workshop
            .registry
            .service(self.state_key(&compiled.service));
        state.on_first_use(self.workshop.wake.clone());
        Chain {
            service: Arc::clone(&compiled.service),
            protocol: Protocol::from_name(&compiled.protocol),
            routes: compiled
                .routes
                .iter()
                .map(|route| self.route(compiled, route))
                .collect(),
            compiled: Arc::clone(compiled),
            budget: self.policies.budget(),
            state,
        }
    }

    fn route(&mut self, chain: &CompiledChain, route: &CompiledRoute) -> Route {
        let legs = route.legs.iter().map(|leg| {
            let resolver = chain.resolver_of(leg.target);
            let levels = std::iter::once(leg.target)
                .chain(resolver.iter().flat_map(|r| r.failover.iter().copied()));
            let connect_timeout = effective::connect_timeout(resolver);
            Leg {
                weight: leg.weight,
                levels: levels
                    .filter_map(|index| chain.targets.get(index))
                    .map(|spec| self.target(chain, spec, connect_timeout))
                    .collect(),
                balance: effective::balance(route, resolver, &self.policies),
                request_headers: leg.request_headers.clone(),
                response_headers: leg.response_headers.clone(),
            }
        });
        let legs: Vec<Leg> = legs.collect();
        Route {
            index: route.index,
            name: route_name(route),
            timeout: effective::timeouts(chain, route, &self.policies),
            retry: effective::retries(route, &self.policies),
            total_weight: route.total_weight,
            legs,
        }
    }

    fn target(
        &mut self,
        chain: &CompiledChain,
        spec: &TargetSpec,
        connect_timeout: std::time::Duration,
    ) -> Arc<Target> {
        let policy = TargetPolicy {
            protocol: Protocol::from_name(&chain.protocol),
            connect_timeout,
            limits: self.settings.limits,
            ejection: self.settings.ejection,
        };
        let fits = |cell: &&Cell| cell.target.spec() == spec && *cell.target.policy() == policy;
        let made = self
            .targets
            .get(&spec.id)
            .and_then(|cells| cells.iter().find(fits));
        if let Some(cell) = made {
            return Arc::clone(&cell.target);
        }
        let kept = self
            .cells
            .targets
            .get(&spec.id)
            .and_then(|cells| cells.iter().find(fits));
        if let Some(cell) = kept.cloned() {
            let target = Arc::clone(&cell.target);
            self.targets
                .entry(Arc::clone(&spec.id))
                .or_default()
                .push(cell);
            return target;
        }
        let selection = select(&spec.filter);
        let state = self.workshop.registry.target(self.state_key(&spec.id));
        let set = endpoints(
            spec,
            &policy,
            &selection,
            self.key,
            self.world,
            self.workshop,
        );
        let target = Arc::new(Target::new(spec.clone(), policy, state, set));
        let cell = Cell {
            target: Arc::clone(&target),
            selection,
        };
        self.targets
            .entry(Arc::clone(&spec.id))
            .or_default()
            .push(cell);
        target
    }

    fn state_key(&self, subject: &Arc<str>) -> StateKey {
        StateKey {
            local: Arc::clone(self.key),
            subject: Arc::clone(subject),
        }
    }
}

fn route_name(route: &CompiledRoute) -> Arc<str> {
    match route.kind {
        crate::chain::RouteKind::Http => format!("route-{}", route.index).into(),
        crate::chain::RouteKind::Any | crate::chain::RouteKind::CatchAll => "default".into(),
    }
}

/// Which instances belong to a target.
#[derive(Clone, Debug)]
enum Selection {
    All,
    /// The filter does not bind. It was warned about when it was loaded; the subset has no instances.
    Nothing,
    By(Arc<Bound>),
}

impl Selection {
    fn selects(&self, instance: &Instance, checks: &[CheckRecord]) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::By(bound) => bound.matches(instance, checks),
        }
    }
}

fn select(filter: &str) -> Selection {
    if filter.is_empty() {
        return Selection::All;
    }
    let bound = Filter::parse(filter)
        .ok()
        .and_then(|filter| filter.bind().ok());
    bound.map_or(Selection::Nothing, |bound| Selection::By(Arc::new(bound)))
}

fn publish_endpoints(cell: &Cell, key: &Arc<str>, world: &World, workshop: &Workshop<'_>) {
    let target = &cell.target;
    let set = endpoints(
        target.spec(),
        target.policy(),
        &cell.selection,
        key,
        world,
        workshop,
    );
    target.publish(set);
}

/// The usable endpoints of a target: instances that the filter selects, by health, with weight and state.
fn endpoints(
    spec: &TargetSpec,
    policy: &TargetPolicy,
    selection: &Selection,
    key: &Arc<str>,
    world: &World,
    workshop: &Workshop<'_>,
) -> EndpointSet {
    let version = workshop.versions.fetch_add(1, Ordering::Relaxed) + 1;
    let unknown = InstanceHealth::default();
    let (mut usable, mut total, mut settled) = (Vec::new(), 0, true);
    for instance in world.catalog.instances_in(&spec.service, &spec.datacenter) {
        let health = workshop.board.get(&instance.id).unwrap_or(&unknown);
        if !selection.selects(instance, &health.checks) {
            continue;
        }
        total += 1;
        let specs = world
            .checks
            .get(&instance.id)
            .map_or(&[][..], Vec::as_slice);
        settled &= health.settled || specs.is_empty();
        let status = match health.checks.is_empty() {
            // Not probed yet: as the registration says, which is critical unless it says otherwise.
            true => specs
                .iter()
                .map(|spec| spec.initial)
                .max()
                .unwrap_or_default(),
            false => catalog::instance_state(&health.checks),
        };
        let weight = catalog::effective_weight(instance.weights, status);
        if weight > 0 && (status == CheckStatus::Passing || !spec.only_passing) {
            usable.push(endpoint(
                spec,
                policy,
                instance,
                status,
                weight,
                (key, world, workshop),
            ));
        }
    }
    EndpointSet::new(version, usable, total, settled)
}

fn endpoint(
    spec: &TargetSpec,
    policy: &TargetPolicy,
    instance: &Arc<Instance>,
    status: CheckStatus,
    weight: u32,
    (key, world, workshop): (&Arc<str>, &World, &Workshop<'_>),
) -> Arc<Endpoint> {
    let (host, port) = catalog::address_for(&world.datacenter, instance);
    let address = Address::new(&host, port);
    let name: Arc<str> = format!("{}@{address}", instance.id).into();
    Arc::new(Endpoint {
        state: workshop.registry.endpoint(StateKey {
            local: Arc::clone(key),
            subject: Arc::clone(&name),
        }),
        key: name,
        instance: Arc::clone(instance),
        address,
        expected: Some(SpiffeId::service(
            &world.trust_domain,
            &instance.node.datacenter,
            &instance.service,
        )),
        server_name: spec.sni.as_str().into(),
        protocol: policy.protocol,
        weight,
        status,
    })
}
