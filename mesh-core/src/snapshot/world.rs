//! [`World`]: everything that one set of files or entries says, compiled, before any caller's view of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::{
    self, Catalog, CheckStatus, Instance, Node, ProxyInfo, ProxyUpstream, Weights,
};
use crate::chain::{self, CompileRequest, CompiledChain, Overrides};
use crate::config::service::{CheckDefinition, ServiceProxy};
use crate::config::{Category, Diagnostic, EntryKey, EntrySet, ServiceDefinition, Settings};
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
        let datacenter: Arc<str> = match input.settings.datacenter.as_str() {
            "" => "dc1".into(),
            name => name.into(),
        };
        let mut problems = Vec::new();
        let services: Vec<Arc<ServiceDefinition>> =
            input.services.into_iter().map(Arc::new).collect();
        let (catalog, checks) = register(&services, &datacenter, &mut problems);
        let changed = previous
            .filter(|previous| {
                previous.trust_domain == input.trust_domain && previous.datacenter == datacenter
            })
            .map(|previous| changed_keys(&previous.entries, &input.entries));
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
            let reusable = changed.as_ref().and_then(|changed| {
                let chain = previous?.chains.get(&name)?;
                chain.reads.is_disjoint(changed).then(|| Arc::clone(chain))
            });
            match reusable.map_or_else(
                || world.chain(&name, Overrides::default()).map(Arc::new),
                Ok,
            ) {
                Ok(chain) => {
                    world.warnings.extend(chain.warnings.iter().cloned());
                    world.chains.insert(Arc::clone(&name), chain);
                }
                Err(found) => problems.extend(found),
            }
            match world.table(&name) {
                Ok(table) => {
                    problems.extend(table.problems().iter().cloned());
                    world.intentions.insert(name, Arc::new(table));
                }
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(intention::lint(
            &world.entries,
            world.default_policy(),
            &Normalization::of(world.entries.mesh().map(|mesh| &**mesh)),
        ));
        if problems.iter().any(Diagnostic::is_error) {
            return Err(ordered(problems));
        }
        world.warnings.extend(problems);
        world.warnings = ordered(std::mem::take(&mut world.warnings));
        Ok(world)
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
        let request = CompileRequest {
            service: Arc::clone(service),
            datacenter: Arc::clone(&self.datacenter),
            trust_domain: self.trust_domain.as_str().into(),
            overrides,
            peers: BTreeMap::new(),
        };
        chain::compile(&self.entries, &request)
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

fn ordered(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by(|a, b| {
        let key = |d: &Diagnostic| {
            (
                d.origin.path().to_owned(),
                d.origin.span().start,
                d.message.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    // One subset named by two routes, or met by two chains, is one problem.
    let place = |d: &Diagnostic| (d.origin.path().to_owned(), d.origin.span());
    found.dedup_by(|a, b| a.message == b.message && place(a) == place(b));
    found
}

/// Keys of entries that are new, gone or different.
fn changed_keys(before: &EntrySet, after: &EntrySet) -> BTreeSet<EntryKey> {
    let differs = |of: &EntrySet, other: &EntrySet| {
        let keys: Vec<EntryKey> = of
            .iter()
            .filter(|entry| other.get(&entry.key()).as_ref() != Some(entry))
            .map(|e| e.key())
            .collect();
        keys
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
    for definition in services {
        let id = instance_id(definition, services);
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
        catalog.insert(Arc::new(instance(definition, id, port, &node)));
    }
    (catalog, checks)
}

/// The instance's id: as written, else the service's name, with the port where several instances share the name.
fn instance_id(definition: &ServiceDefinition, services: &[Arc<ServiceDefinition>]) -> Arc<str> {
    if !definition.id.is_empty() {
        return Arc::clone(&definition.id);
    }
    if services
        .iter()
        .filter(|other| other.name == definition.name)
        .count()
        > 1
    {
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
