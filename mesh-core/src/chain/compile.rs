//! From entries to a chain: the routes, what they lead to, and what is put together from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::flatten::find_cycle;
use super::graph::{Node, Walk};
use super::problem::{hinted, problem};
use super::{CompileRequest, CompiledChain, CompiledRoute, NodeKind, RouteKind, routes, warn};
use crate::config::{
    Category, Diagnostic, EntryKey, EntrySet, Origin, ProxyConfig, ProxyDefaults, Route, is_l7,
};

/// The protocol of what says nothing.
const TCP: &str = "tcp";

/// A route before its legs are flattened: as written, and where it leads.
struct Leading {
    kind: RouteKind,
    definition: Option<Route>,
    origin: Origin,
    node: Node,
}

/// Compiles the chain of a service out of all entries.
///
/// Pure: the same entries and request give the same chain. The entries are taken as decoded, normalised and validated one by
/// one; what only shows when they are read together is checked here.
///
/// # Errors
///
/// `protocol-mismatch`, `circular`, `missing-subset`, `external-sni` as met while walking, then `circular` splitters, then
/// `protocol-not-l7` (one diagnostic, the first found); then all of `bad-match`, `bad-headers`, `bad-retry` and `bad-weight` for
/// values that cannot be compiled.
pub fn compile(
    entries: &EntrySet,
    request: &CompileRequest,
) -> Result<CompiledChain, Vec<Diagnostic>> {
    let mut walk = Walk::new(entries, request);
    let (start, leading) = walk.assemble().map_err(|diagnostic| vec![diagnostic])?;
    walk.check_graph().map_err(|diagnostic| vec![diagnostic])?;
    walk.finish(start, leading)
}

/// Every entry that [`compile`] looks at for this request, also those looked up in vain; where it fails, until then.
#[must_use]
pub fn reads(entries: &EntrySet, request: &CompileRequest) -> BTreeSet<EntryKey> {
    let mut walk = Walk::new(entries, request);
    // What was read is asked for, not what it leads to.
    let _ = walk.assemble();
    walk.reads
}

/// The protocol of a service: that of its service-defaults if it has such an entry (`tcp` if that says nothing), else
/// `Config.protocol` of proxy-defaults, else `tcp`.
#[must_use]
pub fn service_protocol(entries: &EntrySet, service: &str) -> String {
    let or_tcp = |protocol: &str| {
        if protocol.is_empty() {
            TCP.to_owned()
        } else {
            protocol.to_lowercase()
        }
    };
    match entries.service_defaults(service) {
        Some(defaults) => or_tcp(&defaults.protocol),
        None => or_tcp(
            &entries
                .proxy_defaults()
                .map(|proxy| proxy_protocol(proxy))
                .unwrap_or_default(),
        ),
    }
}

/// `Config.protocol`; empty if there is none.
pub(super) fn proxy_protocol(proxy: &ProxyDefaults) -> String {
    ProxyConfig::read(&proxy.config)
        .protocol
        .unwrap_or_default()
}

impl Walk<'_> {
    /// Walks the graph from the service; returns what it starts at and its routes in order.
    fn assemble(&mut self) -> Result<(NodeKind, Vec<Leading>), Diagnostic> {
        let service = Arc::clone(&self.request.service);
        let Some(router) = self.router(&service) else {
            let node = self.splitter_or_resolver(&service, &self.entry_origin(&service))?;
            let origin = self.origin_of(&node);
            return Ok((
                node.kind(),
                vec![Leading {
                    kind: RouteKind::Any,
                    definition: None,
                    origin,
                    node,
                }],
            ));
        };
        self.uses_l7 = true;
        self.record_protocol(&service, &router.origin)?;
        let mut leading = Vec::with_capacity(router.routes.len() + 1);
        for route in &router.routes {
            let node = self.route_node(route, &service)?;
            let http = route
                .matches
                .as_ref()
                .and_then(|matches| matches.http.as_ref());
            let kind = if http.is_some_and(routes::has_criteria) {
                RouteKind::Http
            } else {
                RouteKind::Any
            };
            leading.push(Leading {
                kind,
                definition: Some(route.clone()),
                origin: route.origin.clone(),
                node,
            });
        }
        let node = self.splitter_or_resolver(&service, &router.origin)?;
        leading.push(Leading {
            kind: RouteKind::CatchAll,
            definition: None,
            origin: router.origin.clone(),
            node,
        });
        Ok((NodeKind::Router, leading))
    }

    fn route_node(&mut self, route: &Route, own: &Arc<str>) -> Result<Node, Diagnostic> {
        let Some(destination) = &route.destination else {
            return self.splitter_or_resolver(own, &route.origin);
        };
        let service = if destination.service.is_empty() {
            own
        } else {
            &destination.service
        };
        if destination.service_subset.is_empty() {
            return self.splitter_or_resolver(service, &destination.origin);
        }
        let to = self.destination(service, &destination.service_subset);
        self.resolver_node(to, &destination.origin)
            .map(Node::Resolver)
    }

    /// What can be said about the graph only when it is complete.
    fn check_graph(&self) -> Result<(), Diagnostic> {
        if let Some((path, origin)) = find_cycle(&self.splitters, &self.request.service) {
            let message = format!("splitters lead back to themselves: {}", path.join(" -> "));
            return Err(problem(Category::Circular, &origin, message));
        }
        let protocol = self.protocol.as_ref().map_or(TCP, |(protocol, _)| protocol);
        if self.uses_l7 && !is_l7(protocol) {
            let service = &self.request.service;
            let message =
                format!("{service} has a router or splitter, but its protocol is {protocol}");
            let hint =
                format!("set `Protocol = \"http\"` (or http2, grpc) in service-defaults {service}");
            return Err(hinted(
                Category::ProtocolNotL7,
                &self.start_origin(),
                message,
                hint,
            ));
        }
        Ok(())
    }

    fn finish(
        mut self,
        start: NodeKind,
        leading: Vec<Leading>,
    ) -> Result<CompiledChain, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut routes = Vec::with_capacity(leading.len());
        for (index, leading) in leading.into_iter().enumerate() {
            match self.route(index, leading) {
                Ok(route) => routes.push(route),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let protocol = self.overridden_protocol();
        let service = Arc::clone(&self.request.service);
        let meta = self
            .service_defaults(&service)
            .map(|defaults| defaults.meta.clone());
        let mut chain = CompiledChain {
            default_chain: start == NodeKind::Resolver && self.is_default(&routes),
            datacenter: Arc::clone(&self.request.datacenter),
            protocol,
            start,
            customized: self.customized,
            service_meta: meta.unwrap_or_default(),
            routes,
            service,
            resolvers: self.nodes,
            targets: self.targets,
            reads: self.reads,
            warnings: self.warnings,
        };
        chain.warnings.extend(warn::warnings(self.entries, &chain));
        Ok(chain)
    }

    fn route(&self, index: usize, leading: Leading) -> Result<CompiledRoute, Vec<Diagnostic>> {
        let Leading {
            kind,
            definition,
            origin,
            node,
        } = leading;
        let (legs, hash_load_balancer) = self.legs(&node, &origin)?;
        let mut route = routes::compile(definition.as_ref())?;
        route.total_weight = legs.iter().map(|leg| leg.weight).sum();
        route.via = node.kind();
        Ok(CompiledRoute {
            index,
            kind,
            definition,
            origin,
            legs,
            hash_load_balancer,
            ..route
        })
    }

    fn overridden_protocol(&mut self) -> Arc<str> {
        let own = self
            .protocol
            .take()
            .map_or_else(|| TCP.to_owned(), |(protocol, _)| protocol);
        let wanted = &self.request.overrides.protocol;
        if wanted.is_empty() || *wanted == own {
            return Arc::from(own);
        }
        self.customized = true;
        Arc::from(wanted.as_str())
    }

    fn is_default(&self, routes: &[CompiledRoute]) -> bool {
        let target = routes
            .first()
            .and_then(|route| route.legs.first())
            .and_then(|leg| self.targets.get(leg.target));
        target.is_some_and(|target| {
            target.service == self.request.service
                && self.nodes.get(&target.id).is_some_and(|node| node.default)
        })
    }

    fn origin_of(&self, node: &Node) -> Origin {
        let origin = match node {
            Node::Splitter(service) => self.splitters.get(service).map(|splitter| &splitter.origin),
            Node::Resolver(id) => self.nodes.get(id).map(|node| &node.origin),
        };
        origin.cloned().unwrap_or_default()
    }

    /// The entry that makes a chain need an L7 protocol.
    fn start_origin(&self) -> Origin {
        let router = self
            .entries
            .router(&self.request.service)
            .map(|router| &router.origin);
        let splitter = || {
            self.splitters
                .get(&self.request.service)
                .or_else(|| self.splitters.values().next())
        };
        router
            .or_else(|| splitter().map(|splitter| &splitter.origin))
            .cloned()
            .unwrap_or_default()
    }

    /// The resolver or service-defaults of a service, to point at when nothing else names it.
    fn entry_origin(&self, service: &str) -> Origin {
        let resolver = self
            .entries
            .resolver(service)
            .map(|resolver| &resolver.origin);
        let defaults = || {
            self.entries
                .service_defaults(service)
                .map(|defaults| &defaults.origin)
        };
        resolver.or_else(defaults).cloned().unwrap_or_default()
    }
}
