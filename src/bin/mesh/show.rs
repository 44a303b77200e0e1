//! `mesh show`: what a call to a service goes through, with the line that each value comes from.

use std::path::Path;
use std::sync::Arc;

use mesh_core::chain::{self, NodeKind, RouteKind, load_balancer_json, to_json};
use mesh_core::config::{
    Action, EntrySet, GoDuration, HeaderModifiers, MeshPolicy, Origin, place_of,
};
use mesh_core::filter::Filter;
use mesh_core::policy::{BalanceAlgorithm, EjectionPolicy, Limits};
use mesh_core::snapshot::{Chain, Leg, Route, Snapshot, Target, World};
use mesh_core::source::dir;
use serde_json::{Value, json};

use super::args::{Args, Flag, option, switch};
use super::tree::{Tree, place};
use super::{Answer, Misuse, check, colour};

pub(crate) const FLAGS: &[Flag] = &[
    option("--from", ""),
    switch("--json", ""),
    switch("--color", "--colour"),
    switch("--no-color", ""),
    switch("--help", "-h"),
];

const HELP: &str = "\
mesh show DIR [SERVICE] [--from CALLER] [--json] [--color | --no-color]

What a call to SERVICE (or to each) goes through, from top to bottom: routes in the order
in which they are tried, shares, targets with the instances that belong to them, limits,
and the intentions that judge it at the other end. On the right stands the file and line
that each value comes from; `default` where nobody wrote one.

  --from CALLER   as the service CALLER sees it; its service-defaults may set limits and
                  other things for the services it calls
  --json          for programs
";

/// The caller when none is named: one that no entry speaks about.
const ANYBODY: &str = "any-caller";

pub(crate) fn run(args: &Args) -> Result<Answer, Misuse> {
    if args.has("--help") {
        return Ok(Answer::new(HELP, true));
    }
    let (directory, service) = match args.words.as_slice() {
        [directory] => (directory, None),
        [directory, service] => (directory, Some(service.as_str())),
        _ => {
            return Err(
                "show needs a directory and at most one service: `mesh show DIR SERVICE`".into(),
            );
        }
    };
    let checked = dir::check(Path::new(directory));
    let Some(world) = &checked.world else {
        return Ok(check::refusal(directory, &checked, args));
    };
    let caller = args.value("--from").unwrap_or(ANYBODY);
    let snapshot = Snapshot::of(world, caller);
    let mut chains: Vec<&Arc<Chain>> = match service {
        Some(service) => vec![chain_of(&snapshot, service)?],
        None => snapshot.chains().collect(),
    };
    chains.sort_by(|one, other| one.service.cmp(&other.service));
    if args.has("--json") {
        let all: Vec<Value> = chains
            .iter()
            .map(|chain| chain_json(world, chain))
            .collect();
        let value = if service.is_some() {
            all.into_iter().next()
        } else {
            Some(all.into())
        };
        return Ok(Answer::new(
            format!("{:#}\n", value.unwrap_or_default()),
            true,
        ));
    }
    let trees: Vec<String> = chains
        .iter()
        .map(|chain| tree(world, chain, caller).render(colour(args)))
        .collect();
    Ok(Answer::new(trees.join("\n"), true))
}

/// The chain of a service, or which services there are.
pub(crate) fn chain_of<'a>(
    snapshot: &'a Snapshot,
    service: &str,
) -> Result<&'a Arc<Chain>, Misuse> {
    if let Some(chain) = snapshot.chain(service) {
        return Ok(chain);
    }
    let mut names: Vec<&str> = snapshot.chains().map(|chain| &*chain.service).collect();
    names.sort_unstable();
    Err(Misuse(format!(
        "no entry and no registration names the service `{service}`; there are {}",
        names.join(", ")
    )))
}

fn tree(world: &World, chain: &Chain, caller: &str) -> Tree {
    let compiled = &chain.compiled;
    let mut root = Tree::new(format!(
        "{}: {}, starts at {}",
        chain.service,
        compiled.protocol,
        start(compiled)
    ));
    root.push(protocol(world, chain));
    for route in &chain.routes {
        root.push(route_tree(world, chain, route));
    }
    for target in targets(chain) {
        root.push(target_tree(world, chain, target, caller));
    }
    root.push(intentions(world, &chain.service));
    root
}

fn start(chain: &chain::CompiledChain) -> String {
    match (chain.default_chain, chain.start) {
        (true, _) => "its instances".to_owned(),
        (false, start) => format!("the {start}"),
    }
}

fn protocol(world: &World, chain: &Chain) -> Tree {
    let own = world.entries.service_defaults(&chain.service);
    let common = world.entries.proxy_defaults();
    let line = Tree::new(format!("protocol {}", chain.compiled.protocol));
    match (own, common) {
        _ if chain.compiled.customized => line.from("overridden by the caller's UpstreamConfig"),
        (Some(own), _) if !own.protocol.is_empty() => {
            line.at(&place_of(&own.origin, &["Protocol"]))
        }
        (Some(own), _) => line.from(format!("default, as {} says nothing", place(&own.origin))),
        (None, Some(common)) if common.config.contains_key("protocol") => {
            line.at(&place_of(&common.origin, &["Config", "protocol"]))
        }
        _ => line.from("default"),
    }
}

/// All targets, each once.
pub(crate) fn targets(chain: &Chain) -> Vec<&Arc<Target>> {
    let mut targets: Vec<&Arc<Target>> = Vec::new();
    for target in chain.targets() {
        if !targets.iter().any(|known| known.id() == target.id()) {
            targets.push(target);
        }
    }
    targets
}

/// What a route is called.
pub(crate) fn route_title(chain: &Chain, route: &Route) -> String {
    let Some(compiled) = chain.compiled.routes.get(route.index) else {
        return String::new();
    };
    match compiled.kind {
        RouteKind::CatchAll => "otherwise".to_owned(),
        RouteKind::Any if compiled.definition.is_none() => "every request".to_owned(),
        RouteKind::Any => format!("route {}: every request", route.index),
        RouteKind::Http => {
            let criteria = criteria(&compiled.matcher);
            format!("route {}: {}", route.index, criteria.join(" and "))
        }
    }
}

/// The criteria in words.
fn criteria(matcher: &chain::RouteMatch) -> Vec<String> {
    let headers = http::HeaderMap::new();
    let nothing = chain::RequestHead::new("", "", "", "", &headers);
    let steps = matcher.explain(&nothing).into_iter();
    steps.map(|step| step.criterion).collect()
}

/// Where a route is written.
pub(crate) fn route_place(chain: &Chain, route: &Route) -> Origin {
    let compiled = chain.compiled.routes.get(route.index);
    compiled
        .map(|route| route.origin.clone())
        .unwrap_or_default()
}

fn route_tree(world: &World, chain: &Chain, route: &Route) -> Tree {
    let mut tree = Tree::new(route_title(chain, route)).at(&route_place(chain, route));
    let Some(compiled) = chain.compiled.routes.get(route.index) else {
        return tree;
    };
    if let Some(rewrite) = &compiled.settings.prefix_rewrite {
        let line = format!("what matched of the path becomes {rewrite}");
        tree.push(Tree::new(line).at(&field(chain, route, "PrefixRewrite")));
    }
    for line in settings(world, chain, route) {
        tree.push(line);
    }
    let destination = compiled
        .definition
        .as_ref()
        .and_then(|route| route.destination.as_ref());
    if let Some(destination) = destination {
        let headers = [
            ("request", &destination.request_headers),
            ("response", &destination.response_headers),
        ];
        for (which, modifiers) in headers {
            tree.push_all(
                modifiers_lines(which, modifiers.as_ref()),
                &destination.origin,
            );
        }
    }
    for (index, leg) in route.legs.iter().enumerate() {
        let origin = compiled
            .legs
            .get(index)
            .map(|leg| leg.origin.clone())
            .unwrap_or_default();
        tree.push(leg_tree(chain, route, index, leg).at(&origin));
    }
    tree
}

impl Tree {
    fn push_all(&mut self, lines: Vec<String>, origin: &Origin) {
        for line in lines {
            self.push(Tree::new(line).at(origin));
        }
    }
}

fn modifiers_lines(which: &str, modifiers: Option<&HeaderModifiers>) -> Vec<String> {
    let Some(modifiers) = modifiers else {
        return Vec::new();
    };
    let removed = modifiers
        .remove
        .iter()
        .map(|name| format!("{which} header {name} is removed"));
    let set = modifiers
        .set
        .iter()
        .map(|(name, value)| format!("{which} header {name} becomes {value:?}"));
    let added = modifiers
        .add
        .iter()
        .map(|(name, value)| format!("{which} header {name} gets {value:?} as well"));
    removed.chain(set).chain(added).collect()
}

/// The exact place of a field of a route's destination.
fn field(chain: &Chain, route: &Route, name: &str) -> Origin {
    let index = route.index.to_string();
    place_of(
        &route_place(chain, route),
        &["Routes", &index, "Destination", name],
    )
}

/// The policies that speak about a service, strongest first.
fn policies<'a>(entries: &'a EntrySet, service: &str) -> Vec<&'a MeshPolicy> {
    let policies = [entries.policy(service), entries.policy("*")];
    policies
        .into_iter()
        .flatten()
        .map(|policy| &**policy)
        .collect()
}

fn settings(world: &World, chain: &Chain, route: &Route) -> Vec<Tree> {
    let mut lines = vec![request_timeout(chain, route)];
    let Some(compiled) = chain.compiled.routes.get(route.index) else {
        return lines;
    };
    if compiled.settings.idle_timeout.is_some() {
        let limit = limit(route.timeout.idle);
        lines.push(Tree::new(format!("idle timeout {limit}")).at(&field(
            chain,
            route,
            "IdleTimeout",
        )));
    }
    let policies = policies(&world.entries, &chain.service);
    if let Some(per_try) = route.timeout.per_try {
        let origin = policies.iter().find_map(|policy| {
            let timeouts = policy.timeouts.as_ref()?;
            timeouts.per_try.map(|_| timeouts.origin.clone())
        });
        let line = format!("each attempt {}", GoDuration::from(per_try));
        lines.push(Tree::new(line).at(&origin.unwrap_or_default()));
    }
    if let Some(retry) = &route.retry {
        let mut on: Vec<String> = retry.on.names().map(str::to_owned).collect();
        on.extend(retry.status_codes.iter().map(u16::to_string));
        let on = if on.is_empty() {
            "nothing".to_owned()
        } else {
            on.join(", ")
        };
        let origin = match chain::effective::retry(compiled) {
            Some(_) => compiled
                .definition
                .as_ref()
                .and_then(|d| Some(d.destination.as_ref()?.origin.clone())),
            None => policies
                .iter()
                .find_map(|policy| Some(policy.retries.as_ref()?.origin.clone())),
        };
        let line = format!("up to {} on {on}", counted(retry.max, "retry", "retries"));
        lines.push(Tree::new(line).at(&origin.unwrap_or_default()));
    }
    lines
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn limit(limit: Option<std::time::Duration>) -> String {
    limit.map_or_else(
        || "none".to_owned(),
        |limit| GoDuration::from(limit).to_string(),
    )
}

fn request_timeout(chain: &Chain, route: &Route) -> Tree {
    let line = Tree::new(format!("request timeout {}", limit(route.timeout.request)));
    let Some(compiled) = chain.compiled.routes.get(route.index) else {
        return line;
    };
    if compiled.settings.request_timeout.is_some() {
        return line.at(&field(chain, route, "RequestTimeout"));
    }
    let resolver = compiled
        .legs
        .first()
        .and_then(|leg| chain.compiled.resolver_of(leg.target));
    match resolver {
        Some(resolver)
            if chain.compiled.start == NodeKind::Resolver && resolver.request_timeout.is_some() =>
        {
            line.at(&place_of(&resolver.origin, &["RequestTimeout"]))
        }
        _ => line.from("default"),
    }
}

fn leg_tree(chain: &Chain, route: &Route, index: usize, leg: &Leg) -> Tree {
    let mut names = leg.levels.iter().map(|target| target.id().to_string());
    let primary = names.next().unwrap_or_default();
    let mut tree = Tree::new(format!(
        "{} to {primary}",
        share(leg.weight, route.total_weight)
    ));
    let compiled = chain
        .compiled
        .routes
        .get(route.index)
        .and_then(|route| route.legs.get(index));
    let resolver = compiled.and_then(|leg| chain.compiled.resolver_of(leg.target));
    for (level, name) in names.enumerate() {
        let line = format!("{}. if none of these can be used: {name}", level + 1);
        let origin = resolver.map(|resolver| place_of(&resolver.origin, &["Failover"]));
        tree.push(Tree::new(line).at(&origin.unwrap_or_default()));
    }
    if let Some(compiled) = compiled {
        tree.push_all(
            modifiers_lines("request", compiled.request_modifiers.as_ref()),
            &compiled.origin,
        );
        tree.push_all(
            modifiers_lines("response", compiled.response_modifiers.as_ref()),
            &compiled.origin,
        );
    }
    if let Some(written) = resolver.and_then(|resolver| resolver.load_balancer.as_ref())
        && leg.weight > 0
    {
        tree.push(
            Tree::new(format!("balanced by {}", algorithm(&leg.balance.algorithm)))
                .at(&written.origin),
        );
    }
    tree
}

/// A share in percent.
pub(crate) fn share(weight: u32, total: u32) -> String {
    let percent = f64::from(weight) * 100.0 / f64::from(total.max(1));
    format!("{} %", (percent * 100.0).round() / 100.0)
}

fn algorithm(algorithm: &BalanceAlgorithm) -> String {
    match algorithm {
        BalanceAlgorithm::Ewma => "latency and failures".to_owned(),
        BalanceAlgorithm::RoundRobin => "turns".to_owned(),
        BalanceAlgorithm::Random => "chance".to_owned(),
        BalanceAlgorithm::LeastRequest { choice_count } => {
            format!("fewest requests of {choice_count} drawn")
        }
        BalanceAlgorithm::RingHash { minimum, maximum } => {
            format!("a hash ring of {minimum} to {maximum} points")
        }
        BalanceAlgorithm::Maglev => "a Maglev hash".to_owned(),
    }
}

fn target_tree(world: &World, chain: &Chain, target: &Target, caller: &str) -> Tree {
    let spec = target.spec();
    let mut tree = Tree::new(format!("target {}", target.id()));
    let resolver = world.entries.resolver(&spec.service);
    let subset = |name: &str| {
        let resolver =
            resolver.map(|resolver| place_of(&resolver.origin, &["Subsets", &spec.subset, name]));
        resolver.unwrap_or_default()
    };
    if !spec.filter.is_empty() {
        tree.push(Tree::new(format!("instances where {}", spec.filter)).at(&subset("Filter")));
    }
    if spec.only_passing {
        tree.push(Tree::new("only where all checks pass").at(&subset("OnlyPassing")));
    }
    for (instance, selected) in instances(world, spec) {
        if selected {
            tree.push(instance);
        }
    }
    let policy = target.policy();
    let connect = format!(
        "connect timeout {}",
        GoDuration::from(policy.connect_timeout)
    );
    let node = chain.compiled.resolvers.get(target.id());
    let written = resolver.filter(|resolver| {
        resolver.connect_timeout.positive() == Some(policy.connect_timeout) && node.is_some()
    });
    tree.push(match written {
        Some(resolver) => Tree::new(connect).at(&place_of(&resolver.origin, &["ConnectTimeout"])),
        None if policy.connect_timeout == chain::effective::DEFAULT_CONNECT_TIMEOUT => {
            Tree::new(connect).from("default")
        }
        None => Tree::new(connect),
    });
    let own = world
        .entries
        .service_defaults(caller)
        .and_then(|defaults| Some(&defaults.upstream_config.as_ref()?.origin))
        .or_else(|| {
            world
                .entries
                .ingress_gateway(caller)
                .map(|gateway| &gateway.origin)
        });
    let origin = own.cloned().unwrap_or_default();
    if policy.limits != Limits::default() {
        tree.push(Tree::new(limits(&policy.limits)).at(&origin));
    }
    if policy.ejection != EjectionPolicy::default() {
        let line = format!(
            "taken out after {} in a row",
            counted(policy.ejection.consecutive_failures, "failure", "failures")
        );
        tree.push(Tree::new(line).at(&origin));
    }
    tree
}

fn limits(limits: &Limits) -> String {
    format!(
        "at most {} connections, {} waiting, {} requests",
        limits.max_connections, limits.max_pending_requests, limits.max_concurrent_requests
    )
}

/// The instances of a target's service, and whether each belongs to the target. Health is not known.
pub(crate) fn instances(world: &World, spec: &chain::TargetSpec) -> Vec<(Tree, bool)> {
    let bound = (!spec.filter.is_empty()).then(|| {
        let filter = Filter::parse(&spec.filter).ok()?;
        filter.bind().ok()
    });
    let instances = world.catalog.instances_in(&spec.service, &spec.datacenter);
    let described = instances.map(|instance| {
        let selected = match &bound {
            None => true,
            Some(None) => false,
            Some(Some(bound)) => bound.matches(instance, &[]),
        };
        let address = mesh_core::catalog::address_for(&world.datacenter, instance);
        let definition = world.services.iter().find(|definition| {
            definition.name == instance.service
                && (definition.id == instance.id || definition.port == i64::from(instance.port))
        });
        let origin = definition
            .map(|definition| definition.origin.clone())
            .unwrap_or_default();
        let line = format!("{} at {}:{}", instance.id, address.0, address.1);
        (Tree::new(line).at(&origin), selected)
    });
    described.collect()
}

fn intentions(world: &World, service: &str) -> Tree {
    let policy = &world.settings.default_intention_policy;
    let mut tree = Tree::new(format!("who may call {service}"));
    for name in [service, "*"] {
        let Some(entry) = world.entries.intentions(name) else {
            continue;
        };
        for source in &entry.sources {
            let from = if source.peer.is_empty() {
                source.name.to_string()
            } else {
                format!("{}/{}", source.peer, source.name)
            };
            let mut line = Tree::new(match source.decision() {
                Some(Action::Allow) => format!("{from}: allow"),
                Some(Action::Deny) => format!("{from}: deny"),
                None => format!("{from}: as its permissions say"),
            })
            .at(&source.origin);
            for permission in &source.permissions {
                line.push(Tree::new(permission_text(permission)).at(&permission.origin));
            }
            tree.push(line);
        }
    }
    let origin = place_of(&world.settings.origin, &["default_intention_policy"]);
    tree.push(Tree::new(format!("everybody else: {policy}")).at(&origin));
    tree
}

fn permission_text(permission: &mesh_core::config::Permission) -> String {
    let Some(http) = &permission.http else {
        return permission.action.clone();
    };
    let mut parts = Vec::new();
    for (what, text) in [
        ("path is", &http.path_exact),
        ("path starts with", &http.path_prefix),
        ("path matches", &http.path_regex),
    ] {
        if !text.is_empty() {
            parts.push(format!("{what} {text}"));
        }
    }
    if !http.methods.is_empty() {
        parts.push(format!("method is one of {}", http.methods.join(", ")));
    }
    parts.extend(
        http.header
            .iter()
            .map(|header| format!("header {} is as written", header.name)),
    );
    format!("{} where {}", permission.action, parts.join(" and "))
}

fn chain_json(world: &World, chain: &Chain) -> Value {
    let mut value = to_json(&chain.compiled);
    value["service"] = (*chain.service).into();
    let routes = chain.routes.iter().map(|route| {
        let legs = chain.compiled.routes.get(route.index).into_iter().flat_map(|route| &route.legs);
        let retry = route.retry.as_ref().map(|retry| {
            json!({"max": retry.max, "on": retry.on.names().collect::<Vec<_>>(), "status_codes": retry.status_codes})
        });
        json!({
            "name": &*route.name,
            "place": place(&route_place(chain, route)),
            "legs": legs.map(|leg| place(&leg.origin)).collect::<Vec<_>>(),
            "request_timeout": route.timeout.request.map(|limit| GoDuration::from(limit).to_string()),
            "per_try_timeout": route.timeout.per_try.map(|limit| GoDuration::from(limit).to_string()),
            "idle_timeout": route.timeout.idle.map(|limit| GoDuration::from(limit).to_string()),
            "retry": retry,
        })
    });
    let targets = targets(chain).into_iter().map(|target| {
        let instances = world
            .catalog
            .instances_in(&target.spec().service, &target.spec().datacenter);
        let selected = instances.zip(self::instances(world, target.spec()));
        let selected = selected.filter(|(_, (_, selected))| *selected);
        let ids: Vec<&str> = selected.map(|(instance, _)| &*instance.id).collect();
        let resolver = chain.compiled.resolvers.get(target.id());
        let balancer = resolver.and_then(|resolver| resolver.load_balancer.as_ref());
        let value = json!({
            "instances": ids,
            "place": resolver.map(|resolver| place(&resolver.origin)),
            "load_balancer": balancer.map(load_balancer_json),
        });
        (target.id().to_string(), value)
    });
    value["effective"] = json!({
        "routes": routes.collect::<Vec<_>>(),
        "targets": targets.collect::<serde_json::Map<_, _>>(),
        "default_intention_policy": world.settings.default_intention_policy,
    });
    value
}
