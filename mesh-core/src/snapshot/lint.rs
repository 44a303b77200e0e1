//! What a whole directory allows but hardly means: the traps of a mesh that was put together file by file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::World;
use super::world::prometheus_bind_addr;
use crate::catalog::Instance;
use crate::chain::{CompiledChain, TargetSpec};
use crate::config::service::CheckDefinition;
use crate::config::{Category, Diagnostic, EntryKey, Kind, Origin, ServiceDefinition, suggest};
use crate::filter::Filter;

/// Key of a registration's `meta` that tells Prometheus where to scrape.
const ADVERTISED: &str = "prometheus_port";

/// Warnings and notes about a world:
///
/// * two services with one metrics port at one address, or one that listens elsewhere than it says;
/// * a check that looks at another port than its service's;
/// * a share of requests for a subset that no registered instance belongs to;
/// * entries about services that nothing registers, and intentions for callers that nothing registers.
pub(super) fn lint(world: &World) -> Vec<Diagnostic> {
    let mut found = metrics_ports(&world.services);
    for definition in &world.services {
        found.extend(check_ports(definition));
    }
    if world.catalog.services.is_empty() {
        // Instances are registered somewhere else.
        return found;
    }
    found.extend(empty_shares(world));
    found.extend(unused_entries(world));
    found.extend(unknown_sources(world));
    found
}

/// A host as seen from this machine: all names of the own node are one.
fn host_of<'a>(bound: &'a str, own: &'a str) -> &'a str {
    let host = if matches!(bound, "" | "0.0.0.0" | "::") {
        own
    } else {
        bound
    };
    match host {
        "" | "localhost" | "::1" => "127.0.0.1",
        host => host,
    }
}

fn metrics_ports(services: &[Arc<ServiceDefinition>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut taken: HashMap<(&str, u16), &ServiceDefinition> = HashMap::new();
    for definition in services {
        let own = definition.address.as_str();
        let said = definition
            .meta
            .get(ADVERTISED)
            .and_then(|port| port.parse::<u16>().ok());
        let bound = prometheus_bind_addr(definition).and_then(|bind| {
            let (host, port) = bind.rsplit_once(':')?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some((host_of(host, own), port.parse::<u16>().ok()?))
        });
        if let (Some(said), Some((_, bound))) = (said, bound)
            && said != bound
            && bound != 0
        {
            let message = format!(
                "`{}` advertises its metrics at port {said} and listens at {bound}",
                definition.id
            );
            let warning = warning(definition, message, "service.meta.prometheus_port");
            found.push(warning.with_hint(format!("write prometheus_port = \"{bound}\"")));
        }
        let places = said.map(|port| (host_of("", own), port)).into_iter();
        let places: BTreeSet<_> = places.chain(bound).filter(|(_, port)| *port != 0).collect();
        for place in places {
            let first = *taken.entry(place).or_insert(definition);
            if !std::ptr::eq(first, &**definition) {
                found.push(same_port(first, definition, place));
                break;
            }
        }
    }
    found
}

fn same_port(
    first: &ServiceDefinition,
    second: &ServiceDefinition,
    (host, port): (&str, u16),
) -> Diagnostic {
    let message = format!(
        "`{}` and `{}` have one metrics port, {port} at {host}: one is scraped twice, the other never",
        first.id, second.id
    );
    warning(second, message, "service.meta.prometheus_port")
        .with_related(first.origin.clone(), "the other service")
        .with_hint("give each service on an address a `prometheus_port` and an `envoy_prometheus_bind_addr` of its own")
}

fn warning(definition: &ServiceDefinition, message: String, field: &str) -> Diagnostic {
    Diagnostic::warning(Category::BadService, definition.origin.clone(), message).with_field(field)
}

/// A check of another port than those that the definition names. Health may be served elsewhere over HTTP; that a port
/// accepts connections says nothing about another.
fn check_ports(definition: &ServiceDefinition) -> Vec<Diagnostic> {
    let own = host_of("", &definition.address);
    let sidecar = definition
        .connect
        .as_ref()
        .and_then(|connect| connect.sidecar_service.as_ref());
    let proxies = definition
        .proxy
        .iter()
        .chain(sidecar.and_then(|sidecar| sidecar.proxy.as_ref()));
    let mut ports = vec![definition.port];
    ports.extend(proxies.map(|proxy| proxy.local_service_port));
    ports.retain(|port| *port != 0);
    let wrong = |(field, check): (String, &CheckDefinition)| {
        let (host, port) = check.tcp.rsplit_once(':')?;
        let port: i64 = port.parse().ok()?;
        let wanted = *ports.first()?;
        if host_of(host, &definition.address) != own || ports.contains(&port) {
            return None;
        }
        let message = format!(
            "the check of `{}` looks at port {port}, the service is at port {wanted}",
            definition.id
        );
        let warning = Diagnostic::warning(Category::BadCheck, check.origin.clone(), message);
        let hint = format!("write tcp = \"{host}:{wanted}\"");
        Some(warning.with_field(field).with_hint(hint))
    };
    let single = definition
        .check
        .iter()
        .map(|check| ("service.check.tcp".to_owned(), check));
    let several = definition.checks.iter().enumerate();
    let several = several.map(|(index, check)| (format!("service.checks[{index}].tcp"), check));
    single.chain(several).filter_map(wrong).collect()
}

/// Shares of requests that would meet no instance, although there are instances of the service.
fn empty_shares(world: &World) -> Vec<Diagnostic> {
    let mut known: HashMap<&str, Option<String>> = HashMap::new();
    let mut found = Vec::new();
    for chain in world.chains.values() {
        for leg in chain.routes.iter().flat_map(|route| &route.legs) {
            let Some(target) = chain.targets.get(leg.target).filter(|_| leg.weight > 0) else {
                continue;
            };
            let why = known
                .entry(&target.id)
                .or_insert_with(|| emptiness(world, target));
            let failover = chain
                .resolver_of(leg.target)
                .is_some_and(|resolver| !resolver.failover.is_empty());
            if let Some(why) = why.as_ref().filter(|_| !failover) {
                let share = f64::from(leg.weight) / 100.0;
                let message = format!(
                    "{share} % of requests go to subset `{}` of `{}`, {why}",
                    target.subset, target.service
                );
                found.push(
                    Diagnostic::warning(Category::NoEffect, leg.origin.clone(), message).with_hint(
                        format!(
                            "register an instance that {:?} selects, or set the weight to 0",
                            target.filter
                        ),
                    ),
                );
            }
        }
    }
    found
}

/// Why a subset has no instance, if its service has some.
fn emptiness(world: &World, target: &TargetSpec) -> Option<String> {
    let instances = world.catalog.instances(&target.service);
    // Checks are judged when they are known.
    let local = target.peer.is_empty() && target.datacenter == world.datacenter;
    if !local
        || target.filter.is_empty()
        || target.filter.contains("Checks")
        || instances.is_empty()
    {
        return None;
    }
    let filter = Filter::parse(&target.filter).ok()?;
    let bound = match filter.bind() {
        Ok(bound) => bound,
        Err(error) => return Some(format!("whose filter selects nothing: {error}")),
    };
    let selected = |instance: &Arc<Instance>| bound.matches(instance, &[]);
    (!instances.iter().any(selected)).then(|| {
        let count = instances.len();
        format!("which none of its {count} registered instance(s) belongs to")
    })
}

/// Entries about services without an instance, which no other service leads to.
fn unused_entries(world: &World) -> Vec<Diagnostic> {
    let mut about: BTreeMap<Arc<str>, Vec<(Kind, Origin)>> = BTreeMap::new();
    for entry in world.entries.iter() {
        let of_service = match entry.kind() {
            Kind::ServiceDefaults
            | Kind::ServiceRouter
            | Kind::ServiceSplitter
            | Kind::ServiceResolver
            | Kind::ServiceIntentions
            | Kind::MeshPolicy => entry.name() != "*",
            _ => false,
        };
        if of_service {
            let places = about.entry(entry.name().into()).or_default();
            places.push((entry.kind(), entry.origin().clone()));
        }
    }
    let used = leads_to(world);
    about.retain(|service, _| !used.contains(service) && !is_alive(world, service));
    let mut similar = Similar::of(world);
    let notes = about.into_iter().filter_map(|(service, places)| {
        let kinds: Vec<&str> = places.iter().map(|(kind, _)| kind.as_str()).collect();
        let message = format!(
            "nothing is registered as `{service}`: its {} affect nobody",
            kinds.join(", ")
        );
        let (_, origin) = places.first()?;
        let note = Diagnostic::note(Category::NoEffect, origin.clone(), message).with_field("Name");
        Some(match similar.to(&service) {
            Some(near) => note.with_hint(format!("did you mean `{near}`?")),
            None => note.with_hint("remove them, or register the service"),
        })
    });
    notes.collect()
}

/// Registered names that a name may have been meant for.
struct Similar<'a> {
    names: Vec<&'a str>,
    /// Comparisons left: a large mesh must not be compared name by name with itself.
    left: usize,
}

impl<'a> Similar<'a> {
    fn of(world: &'a World) -> Self {
        let names = world.catalog.services.keys();
        Self {
            names: names.map(|name| &**name).collect(),
            left: 20_000,
        }
    }

    fn to(&mut self, name: &str) -> Option<&'a str> {
        self.left = self.left.checked_sub(self.names.len())?;
        suggest::nearest(name, self.names.iter().copied())
    }
}

/// Services that the chain of another one leads to, or reads.
fn leads_to(world: &World) -> BTreeSet<Arc<str>> {
    let others = |chain: &Arc<CompiledChain>| {
        let reads = chain.reads.iter().map(|key: &EntryKey| &key.name);
        let targets = chain.targets.iter().map(|target| &target.service);
        let names = reads.chain(targets).filter(|name| **name != chain.service);
        names.cloned().collect::<Vec<_>>()
    };
    world.chains.values().flat_map(others).collect()
}

/// Whether a service has an instance, leads to one, or is outside of what is registered here.
fn is_alive(world: &World, service: &str) -> bool {
    let external = world
        .entries
        .service_defaults(service)
        .is_some_and(|defaults| {
            defaults.destination.is_some() || !defaults.external_sni.is_empty()
        });
    let Some(chain) = world.chains.get(service) else {
        return external;
    };
    let reachable = |target: &TargetSpec| {
        !target.peer.is_empty()
            || target.datacenter != world.datacenter
            || !world.catalog.instances(&target.service).is_empty()
    };
    external || !world.catalog.instances(service).is_empty() || chain.targets.iter().any(reachable)
}

/// Callers in intentions that nothing registers, where a registered one is spelt almost alike.
fn unknown_sources(world: &World) -> Vec<Diagnostic> {
    let mut similar = Similar::of(world);
    let mut found = Vec::new();
    for entry in world.entries.all_intentions() {
        for (index, source) in entry.sources.iter().enumerate() {
            let known = &*source.name == "*"
                || !source.peer.is_empty()
                || world.catalog.services.contains_key(&source.name)
                || world.entries.ingress_gateway(&source.name).is_some();
            // Callers may well be registered elsewhere; a slip of the pen is not.
            let near = if known {
                None
            } else {
                similar.to(&source.name)
            };
            if let Some(near) = near {
                let message = format!(
                    "nothing is registered as `{}`, which may call `{}`",
                    source.name, entry.name
                );
                let note = Diagnostic::note(Category::NoEffect, source.origin.clone(), message);
                let note = note.with_field(format!("Sources[{index}].Name"));
                found.push(note.with_hint(format!("did you mean `{near}`?")));
            }
        }
    }
    found
}
