//! [`World`]: everything that one set of files or entries says, compiled, before any caller's view of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::{
    self, Catalog, CheckStatus, Instance, Node, ProxyInfo, ProxyUpstream, Weights,
};
use crate::chain::{self, CompileRequest, CompiledChain, Overrides};
use crate::config::service::{CheckDefinition, ServiceProxy};
use crate::config::{
    Category, Diagnostic, Entry, EntryKey, EntrySet, Kind, ServiceDefinition, Settings,
};
use crate::health::{CheckSpec, DEFAULT_TIMEOUT, ProbeKind, Thresholds};
use crate::identity::TrustDomain;
use crate::intention::{self, Table};
use crate::normalize::Normalization;
use crate::policy::Protocol;

/// What a source read.
#[derive(Clone, Debug)]
pub struct Input {
    /// Config entries.
    pub entries: EntrySet,
    /// Registered services.
    pub services: Vec<ServiceDefinition>,
    /// Settings of the process.
    pub settings: Settings,
    /// The own trust domain.
    pub trust_domain: TrustDomain,
}

/// A compiled set of entries and registrations. Immutable.
#[derive(Debug)]
pub struct World {
    /// Grows with each world of a mesh.
    pub version: u64,
    /// The entries.
    pub entries: EntrySet,
    /// Settings of the process.
    pub settings: Settings,
    /// The own trust domain.
    pub trust_domain: TrustDomain,
    /// The own datacenter.
    pub datacenter: Arc<str>,
    /// Registered services, as written.
    pub services: Vec<Arc<ServiceDefinition>>,
    /// Registered instances.
    pub catalog: Catalog,
    /// The same instances by id.
    pub instances: HashMap<Arc<str>, Arc<Instance>>,
    /// Active checks by instance id.
    pub checks: HashMap<Arc<str>, Vec<CheckSpec>>,
    /// Chains by service.
    pub chains: HashMap<Arc<str>, Arc<CompiledChain>>,
    /// Intentions by destination.
    pub intentions: HashMap<Arc<str>, Arc<Table>>,
    /// What was accepted but deserves a look.
    pub warnings: Vec<Diagnostic>,
}

impl World {
    /// Compiles `input`. Chains whose `reads` did not change are taken over from `previous`.
    ///
    /// # Errors
    /// All problems of the input; nothing of it takes effect then.
    pub fn compile(
        version: u64,
        input: Input,
        previous: Option<&Self>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let (world, problems) = Self::attempt(version, input, previous, &BTreeSet::new());
        if problems.is_empty() {
            Ok(world)
        } else {
            Err(problems)
        }
    }

    /// Compiles as much as can be. Besides the world, the problems that forbid to use it.
    ///
    /// `broken` are entries that exist but could not be read: what looks at one of them is not complained about, because
    /// nobody knows what it would have said.
    pub(crate) fn attempt(
        version: u64,
        input: Input,
        previous: Option<&Self>,
        broken: &BTreeSet<EntryKey>,
    ) -> (Self, Vec<Diagnostic>) {
        let datacenter: Arc<str> = match input.settings.datacenter.as_str() {
            "" => "dc1".into(),
            name => name.into(),
        };
        let mut problems = Vec::new();
        let services: Vec<Arc<ServiceDefinition>> =
            input.services.into_iter().map(Arc::new).collect();
        let (catalog, checks) = register(&services, &datacenter, &mut problems);
        let reuse = Reuse::of(previous, &input.entries, &input.trust_domain, &datacenter);
        let mut world = Self {
            version,
            entries: input.entries,
            settings: input.settings,
            trust_domain: input.trust_domain,
            datacenter,
            services,
            instances: catalog
                .services
                .values()
                .flatten()
                .map(|i| (Arc::clone(&i.id), Arc::clone(i)))
                .collect(),
            catalog,
            checks,
            chains: HashMap::new(),
            intentions: HashMap::new(),
            warnings: Vec::new(),
        };
        for name in world.names() {
            world.add(&name, &reuse, broken, &mut problems);
        }
        problems.extend(intention::lint(
            &world.entries,
            world.default_policy(),
            &Normalization::of(world.entries.mesh().map(|mesh| &**mesh)),
        ));
        problems.append(&mut world.warnings);
        if broken.is_empty() {
            problems.extend(super::lint::lint(&world));
        }
        let (errors, warnings) = ordered(problems)
            .into_iter()
            .partition(Diagnostic::is_error);
        world.warnings = warnings;
        (world, errors)
    }

    /// Adds the chain and the intentions of one service.
    fn add(
        &mut self,
        name: &Arc<str>,
        reuse: &Reuse<'_>,
        broken: &BTreeSet<EntryKey>,
        problems: &mut Vec<Diagnostic>,
    ) {
        let chain = reuse
            .chain(name)
            .map_or_else(|| self.chain(name, Overrides::default()).map(Arc::new), Ok);
        match chain {
            Ok(chain) => {
                if chain.reads.is_disjoint(broken) {
                    self.warnings.extend(chain.warnings.iter().cloned());
                }
                self.chains.insert(Arc::clone(name), chain);
            }
            Err(found) => {
                let request = self.request(name, Overrides::default());
                if broken.is_empty() || chain::reads(&self.entries, &request).is_disjoint(broken) {
                    problems.extend(found);
                }
            }
        }
        let table = reuse
            .table(name, self)
            .map_or_else(|| self.table(name).map(Arc::new), Ok);
        match table {
            Ok(table) => {
                if !broken.iter().any(|key| key.kind == Kind::JwtProvider) {
                    problems.extend(table.problems().iter().cloned());
                }
                self.intentions.insert(Arc::clone(name), table);
            }
            Err(found) => problems.extend(found),
        }
    }

    /// Compiles the chain of one service with a caller's overrides.
    ///
    /// # Errors
    /// What does not compile.
    pub fn chain(
        &self,
        service: &Arc<str>,
        overrides: Overrides,
    ) -> Result<CompiledChain, Vec<Diagnostic>> {
        chain::compile(&self.entries, &self.request(service, overrides))
    }

    fn request(&self, service: &Arc<str>, overrides: Overrides) -> CompileRequest {
        CompileRequest {
            service: Arc::clone(service),
            datacenter: Arc::clone(&self.datacenter),
            trust_domain: self.trust_domain.as_str().into(),
            overrides,
            peers: BTreeMap::new(),
        }
    }

    /// Compiles the intentions of one destination.
    ///
    /// # Errors
    /// What does not compile.
    pub fn table(&self, destination: &str) -> Result<Table, Vec<Diagnostic>> {
        let default = self.default_policy();
        let protocol = chain::service_protocol(&self.entries, destination);
        let context = intention::Context {
            trust_domain: self.trust_domain.clone(),
            default,
            http: Protocol::from_name(&protocol).is_http_like(),
            peers: BTreeMap::new(),
        };
        Table::compile(destination, &self.entries, &context)
    }

    fn default_policy(&self) -> intention::DefaultPolicy {
        match self.settings.default_intention_policy.as_str() {
            "allow" => intention::DefaultPolicy::Allow,
            // Anything else was refused when the settings were read; a policy that is not known denies.
            _ => intention::DefaultPolicy::Deny,
        }
    }

    /// Every service that an entry or a registration names.
    fn names(&self) -> BTreeSet<Arc<str>> {
        let mut names = self.entries.service_names();
        names.extend(self.catalog.services.keys().cloned());
        names.extend(
            self.entries
                .all_intentions()
                .map(|entry| Arc::clone(&entry.name)),
        );
        for gateway in self.entries.ingress_gateways() {
            let services = gateway
                .listeners
                .iter()
                .flat_map(|listener| &listener.services);
            names.extend(services.map(|service| Arc::clone(&service.name)));
        }
        names.remove("*");
        names
    }
}

/// By place; what is found twice is one problem.
pub(crate) fn ordered(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place = |d: &Diagnostic| (d.origin.path().to_owned(), d.origin.span().start);
    found.sort_by_cached_key(|d| (place(d), d.message.clone()));
    // One subset named by two routes, or met by two chains, is one problem.
    let same = |a: &Diagnostic, b: &Diagnostic| {
        a.message == b.message
            && a.origin.path() == b.origin.path()
            && a.origin.span() == b.origin.span()
    };
    found.dedup_by(|a, b| same(a, b));
    found
}

/// What of the world before still holds.
struct Reuse<'a> {
    /// The world before, and the entries that changed since.
    since: Option<(&'a World, BTreeSet<EntryKey>)>,
}

impl<'a> Reuse<'a> {
    fn of(
        previous: Option<&'a World>,
        entries: &EntrySet,
        trust_domain: &TrustDomain,
        datacenter: &Arc<str>,
    ) -> Self {
        let previous = previous.filter(|previous| {
            previous.trust_domain == *trust_domain && previous.datacenter == *datacenter
        });
        Self {
            since: previous.map(|previous| (previous, changed_keys(&previous.entries, entries))),
        }
    }

    /// The chain of a service, if nothing that it looked at changed.
    fn chain(&self, service: &str) -> Option<Arc<CompiledChain>> {
        let (previous, changed) = self.since.as_ref()?;
        let chain = previous.chains.get(service)?;
        chain.reads.is_disjoint(changed).then(|| Arc::clone(chain))
    }

    /// The intentions of a destination, if nothing that they depend on changed.
    fn table(&self, destination: &str, world: &World) -> Option<Arc<Table>> {
        let (previous, changed) = self.since.as_ref()?;
        let concerns = |key: &EntryKey| match key.kind {
            Kind::ServiceIntentions => *key.name == *destination || *key.name == *"*",
            Kind::ServiceDefaults => *key.name == *destination,
            Kind::ProxyDefaults | Kind::JwtProvider => true,
            _ => false,
        };
        let holds =
            previous.default_policy() == world.default_policy() && !changed.iter().any(concerns);
        holds
            .then(|| previous.intentions.get(destination).cloned())
            .flatten()
    }
}

/// Keys of entries that are new, gone or different. An entry that only moved within its text counts, so that what is
/// said about it names the right line.
fn changed_keys(before: &EntrySet, after: &EntrySet) -> BTreeSet<EntryKey> {
    let same = |one: &Entry, other: &Entry| match (one.origin().source(), other.origin().source()) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        (None, None) => one == other,
        _ => false,
    };
    let differs = |of: &EntrySet, others: &EntrySet| -> Vec<EntryKey> {
        let entries = of.iter().map(|entry| (entry.key(), entry));
        entries
            .filter(|(key, entry)| others.get(key).is_none_or(|other| !same(entry, &other)))
            .map(|(key, _)| key)
            .collect()
    };
    let mut keys = differs(before, after);
    keys.extend(differs(after, before));
    keys.into_iter().collect()
}

type Checks = HashMap<Arc<str>, Vec<CheckSpec>>;

fn register(
    services: &[Arc<ServiceDefinition>],
    datacenter: &Arc<str>,
    problems: &mut Vec<Diagnostic>,
) -> (Catalog, Checks) {
    let node = Arc::new(Node {
        name: "local".into(),
        address: "127.0.0.1".into(),
        datacenter: String::from(&**datacenter),
        ..Node::default()
    });
    let (mut catalog, mut checks) = (Catalog::default(), Checks::new());
    let mut named: HashMap<&Arc<str>, usize> = HashMap::new();
    for definition in services {
        *named.entry(&definition.name).or_default() += 1;
    }
    for definition in services {
        let shared = named.get(&definition.name).is_some_and(|count| *count > 1);
        let id = instance_id(definition, shared);
        if checks.contains_key(&id) {
            problems.push(
                Diagnostic::error(
                    Category::BadService,
                    definition.origin.clone(),
                    format!("two services are registered under the id `{id}`"),
                )
                .with_field("service.id")
                .with_hint("give each instance an `id` of its own"),
            );
            continue;
        }
        let (Ok(port), true) = (u16::try_from(definition.port), definition.port >= 0) else {
            problems.push(
                Diagnostic::error(
                    Category::BadService,
                    definition.origin.clone(),
                    format!("port {} is out of range", definition.port),
                )
                .with_field("service.port")
                .with_hint("use a port from 1 to 65535"),
            );
            continue;
        };
        let specs = check_specs(definition, problems);
        checks.insert(Arc::clone(&id), specs);
        // Ids were seen to be different, so that nothing is replaced.
        catalog
            .services
            .entry(Arc::clone(&definition.name))
            .or_default()
            .push(Arc::new(instance(definition, id, port, &node)));
    }
    (catalog, checks)
}

/// The instance's id: as written, else the service's name, with the port where several instances share the name.
fn instance_id(definition: &ServiceDefinition, shared: bool) -> Arc<str> {
    if !definition.id.is_empty() {
        return Arc::clone(&definition.id);
    }
    if shared {
        return format!("{}-{}", definition.name, definition.port).into();
    }
    Arc::clone(&definition.name)
}

fn instance(definition: &ServiceDefinition, id: Arc<str>, port: u16, node: &Arc<Node>) -> Instance {
    let weights = definition.weights.as_ref();
    let weight =
        |written: Option<i64>| written.map_or(1, |w| u32::try_from(w.max(0)).unwrap_or(u32::MAX));
    let sidecar = definition
        .connect
        .as_ref()
        .and_then(|connect| connect.sidecar_service.as_ref());
    let proxy = definition
        .proxy
        .as_ref()
        .or(sidecar.and_then(|sidecar| sidecar.proxy.as_ref()));
    Instance {
        id,
        service: Arc::clone(&definition.name),
        address: definition.address.clone(),
        port,
        tags: definition.tags.clone(),
        meta: definition.meta.clone(),
        kind: definition.kind.clone(),
        weights: Weights {
            passing: weight(weights.and_then(|w| w.passing)),
            warning: weight(weights.and_then(|w| w.warning)),
        },
        tagged_addresses: definition
            .tagged_addresses
            .iter()
            .map(|(name, tagged)| {
                let port = u16::try_from(tagged.port).unwrap_or(0);
                (
                    name.clone(),
                    catalog::TaggedAddress {
                        address: tagged.address.clone(),
                        port,
                    },
                )
            })
            .collect(),
        connect_native: definition
            .connect
            .as_ref()
            .is_some_and(|connect| connect.native),
        enable_tag_override: definition.enable_tag_override,
        socket_path: definition.socket_path.clone(),
        proxy: proxy.map(proxy_info).unwrap_or_default(),
        node: Arc::clone(node),
        ..Instance::default()
    }
}

fn proxy_info(proxy: &ServiceProxy) -> ProxyInfo {
    let port = |port: i64| u16::try_from(port).unwrap_or(0);
    ProxyInfo {
        local_service_address: proxy.local_service_address.clone(),
        local_service_port: port(proxy.local_service_port),
        mode: proxy.mode.clone(),
        upstreams: proxy
            .upstreams
            .iter()
            .map(|upstream| ProxyUpstream {
                destination_type: upstream.destination_type.clone(),
                destination_peer: upstream.destination_peer.to_string(),
                destination_name: upstream.destination_name.to_string(),
                datacenter: upstream.datacenter.to_string(),
                local_bind_address: upstream.local_bind_address.clone(),
                local_bind_port: port(upstream.local_bind_port),
                ..ProxyUpstream::default()
            })
            .collect(),
        ..ProxyInfo::default()
    }
}

fn check_specs(definition: &ServiceDefinition, problems: &mut Vec<Diagnostic>) -> Vec<CheckSpec> {
    let written = definition.check.iter().chain(&definition.checks);
    let mut specs = Vec::new();
    for (index, check) in written.enumerate() {
        match check_kind(check) {
            Some(kind) => specs.push(check_spec(definition, index, check, kind)),
            None => problems.push(
                Diagnostic::error(
                    Category::NotSupported,
                    check.origin.clone(),
                    "this kind of check is not carried out by a directory source",
                )
                .with_field(format!("service.checks[{index}]"))
                .with_hint("use `tcp = \"host:port\"` or `http = \"http://host:port/path\"` with an `interval`"),
            ),
        }
    }
    specs
}

fn check_kind(check: &CheckDefinition) -> Option<ProbeKind> {
    if !check.http.is_empty() && check.http.starts_with("http://") {
        let headers = check
            .header
            .iter()
            .flat_map(|(name, values)| values.iter().map(|v| (name.clone(), v.clone())));
        let method = if check.method.is_empty() {
            "GET"
        } else {
            &check.method
        };
        return Some(ProbeKind::Http {
            url: check.http.clone(),
            method: method.to_ascii_uppercase(),
            headers: headers.collect(),
            body: check.body.clone(),
        });
    }
    let plain_tcp = !check.tcp.is_empty() && !check.tcp_use_tls;
    (plain_tcp && crate::source::probe::parse_address(&check.tcp).is_some()).then(|| {
        ProbeKind::Tcp {
            address: check.tcp.clone(),
        }
    })
}

fn check_spec(
    definition: &ServiceDefinition,
    index: usize,
    check: &CheckDefinition,
    kind: ProbeKind,
) -> CheckSpec {
    let id = if check.id.is_empty() {
        format!("service:{}:{}", definition.name, index + 1)
    } else {
        check.id.clone()
    };
    CheckSpec {
        id: id.into(),
        name: check.name.clone(),
        kind,
        interval: check.interval.positive().unwrap_or(Duration::from_secs(10)),
        timeout: check.timeout.positive().unwrap_or(DEFAULT_TIMEOUT),
        thresholds: Thresholds {
            success_before_passing: check.success_before_passing,
            failures_before_warning: check.failures_before_warning,
            failures_before_critical: check.failures_before_critical,
        },
        initial: CheckStatus::from_name(&check.status).unwrap_or(CheckStatus::Critical),
    }
}

/// The Prometheus listener of a registration: `envoy_prometheus_bind_addr` of its proxy's `config`.
#[must_use]
pub fn prometheus_bind_addr(definition: &ServiceDefinition) -> Option<&str> {
    let sidecar = definition
        .connect
        .as_ref()
        .and_then(|connect| connect.sidecar_service.as_ref());
    let proxies = definition
        .proxy
        .iter()
        .chain(sidecar.and_then(|sidecar| sidecar.proxy.as_ref()));
    proxies
        .filter_map(|proxy| proxy.config.get("envoy_prometheus_bind_addr")?.as_str())
        .next()
}
