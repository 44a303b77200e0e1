//! Discovery chains: what the config entries together say about calls to one service.
//!
//! [`compile`] is a pure function from entries to a [`CompiledChain`]: ordered routes, each with weighted legs, each leg a
//! target; per resolver its time limits, balancing and fail-over; per target which instances and which server name. Every regex
//! is compiled, every weight is an integer, every reference is resolved, so that nothing can fail when a request comes.
//!
//! The rules are Consul's ("Discovery Chain" in its documentation, and the references of service-router, service-splitter and
//! service-resolver). What a request then meets are the pure functions in [`matching`], [`split`], [`rewrite`], [`headers`] and
//! [`effective`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{
    Diagnostic, EntryKey, GoDuration, HashPolicy, HeaderModifiers, LoadBalancer, Origin, Route,
    ServiceDefaults,
};

mod compile;
pub mod effective;
mod explain;
mod flatten;
mod graph;
pub mod headers;
mod json;
pub mod matching;
mod problem;
mod resolve;
pub mod rewrite;
mod routes;
pub mod split;
mod target;
mod warn;

#[cfg(test)]
mod tests;

pub use compile::{compile, reads, service_protocol};
pub use effective::{RetryOn, RetrySpec};
pub use explain::Step;
pub use headers::HeaderEdits;
pub use json::{load_balancer_json, to_json};
pub use matching::{RequestHead, RouteMatch, decide};

/// Whether an instance is chosen by a hash of the request.
#[must_use]
pub fn is_hash_based(balancer: &LoadBalancer) -> bool {
    matches!(balancer.policy.as_str(), "ring_hash" | "maglev")
}

/// What is compiled: which service's chain, seen from where, with which of the caller's overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompileRequest {
    /// The service that is called.
    pub service: Arc<str>,
    /// The datacenter of the caller.
    pub datacenter: Arc<str>,
    /// The trust domain, for server names.
    pub trust_domain: Arc<str>,
    /// The caller's overrides.
    pub overrides: Overrides,
    /// The peers that are set up, with their locality where known.
    pub peers: BTreeMap<Arc<str>, Locality>,
}

/// What a caller's `UpstreamConfig` changes about the chains of the services it calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Replaces the chain's protocol; empty = none. One that is not L7 ignores routers and splitters.
    pub protocol: String,
    /// Replaces the mesh gateway mode of every target; empty = none.
    pub mesh_gateway: String,
    /// Replaces the connect timeout of every resolver and target; absent or zero = none.
    pub connect_timeout: Option<Duration>,
}

impl Overrides {
    /// What the service-defaults of a caller say about its calls to a service, of a peer if `peer` is not empty: the fields set
    /// in `UpstreamConfig.Overrides` for it, else those in `UpstreamConfig.Defaults`.
    #[must_use]
    pub fn of_caller(caller: &ServiceDefaults, service: &str, peer: &str) -> Self {
        let mut overrides = Self::default();
        let Some(config) = &caller.upstream_config else {
            return overrides;
        };
        let own = config
            .overrides
            .iter()
            .filter(|own| *own.name == *service && *own.peer == *peer);
        for upstream in config.defaults.iter().chain(own) {
            if !upstream.protocol.is_empty() {
                overrides.protocol.clone_from(&upstream.protocol);
            }
            if !upstream.mesh_gateway.mode.is_empty() {
                overrides
                    .mesh_gateway
                    .clone_from(&upstream.mesh_gateway.mode);
            }
            overrides.connect_timeout = upstream.connect_timeout().or(overrides.connect_timeout);
        }
        overrides
    }
}

/// Where something runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locality {
    /// The region.
    pub region: String,
    /// The zone within the region.
    pub zone: String,
}

impl Locality {
    /// Whether neither is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.region.is_empty() && self.zone.is_empty()
    }
}

/// What a chain starts at, or a route leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NodeKind {
    /// A service-router entry.
    Router,
    /// A service-splitter entry.
    Splitter,
    /// A service-resolver entry, or the default that stands for a missing one.
    #[default]
    Resolver,
}

impl NodeKind {
    /// `router`, `splitter` or `resolver`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Splitter => "splitter",
            Self::Resolver => "resolver",
        }
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything that config entries say about calls to one service.
#[derive(Debug, Clone, Default)]
pub struct CompiledChain {
    /// The service that is called.
    pub service: Arc<str>,
    /// The datacenter it was compiled for.
    pub datacenter: Arc<str>,
    /// The protocol, after overrides.
    pub protocol: Arc<str>,
    /// What the chain starts at.
    pub start: NodeKind,
    /// Whether the entries leave everything at its default: the start is the service's own default resolver.
    pub default_chain: bool,
    /// Whether an override changed anything; such a chain must not be shared with callers that do not have the override.
    pub customized: bool,
    /// `Meta` of the service's service-defaults.
    pub service_meta: BTreeMap<String, String>,
    /// The routes in order, never empty; the last one matches every request.
    pub routes: Vec<CompiledRoute>,
    /// The resolvers by target identifier, one for the target of every leg.
    pub resolvers: BTreeMap<Arc<str>, ResolverNode>,
    /// The targets of all legs and fail-over lists, in the order in which they were met.
    pub targets: Vec<TargetSpec>,
    /// Every entry that was looked at, also those looked up in vain: only a change of one of these changes the chain.
    pub reads: BTreeSet<EntryKey>,
    /// What is accepted but will not do what it seems to say.
    pub warnings: Vec<Diagnostic>,
}

impl CompiledChain {
    /// The index of a target by its identifier.
    #[must_use]
    pub fn target_index(&self, id: &str) -> Option<usize> {
        self.targets.iter().position(|target| *target.id == *id)
    }

    /// The resolver of a target that a leg names; fail-over targets have none of their own.
    #[must_use]
    pub fn resolver_of(&self, target: usize) -> Option<&ResolverNode> {
        self.resolvers.get(&self.targets.get(target)?.id)
    }

    /// What of a request is hashed to choose an instance: what the splitter of the route borrows, or what the resolver it leads
    /// to says; empty if neither balances by hash.
    #[must_use]
    pub fn hash_policies<'a>(&'a self, route: &'a CompiledRoute) -> &'a [HashPolicy] {
        let own = match (route.via, route.legs.first()) {
            (NodeKind::Resolver, Some(leg)) => self
                .resolver_of(leg.target)
                .and_then(|node| node.load_balancer.as_ref()),
            _ => route.hash_load_balancer.as_ref(),
        };
        own.filter(|balancer| is_hash_based(balancer))
            .map_or(&[], |balancer| &balancer.hash_policies)
    }

    /// The first route that matches; the last one matches everything.
    #[must_use]
    pub fn route(&self, head: &RequestHead<'_>) -> Option<&CompiledRoute> {
        decide(&self.routes, head).and_then(|index| self.routes.get(index))
    }
}

/// Why a route is in the chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RouteKind {
    /// Appended after the last route of a router.
    CatchAll,
    /// Without criteria: the only route of a chain without a router, or a route without `Match`.
    #[default]
    Any,
    /// With criteria.
    Http,
}

/// One route: criteria, settings, and the legs among which its requests are shared.
#[derive(Debug, Clone, Default)]
pub struct CompiledRoute {
    /// Its place in the chain, from 0.
    pub index: usize,
    /// Why it is there.
    pub kind: RouteKind,
    /// The compiled criteria.
    pub matcher: RouteMatch,
    /// The route as written; none for the catch-all and in a chain without a router.
    pub definition: Option<Route>,
    /// Where it was read from (for a route that nobody wrote: the router, splitter or resolver it stands for).
    pub origin: Origin,
    /// The settings of its `Destination`.
    pub settings: RouteSettings,
    /// Changes to the request's headers, after those of the leg.
    pub request_headers: HeaderEdits,
    /// Changes to the response's headers, after those of the leg.
    pub response_headers: HeaderEdits,
    /// What it leads to: [`NodeKind::Splitter`] or [`NodeKind::Resolver`].
    pub via: NodeKind,
    /// The legs in order, never empty, splitters within splitters flattened.
    pub legs: Vec<Leg>,
    /// The sum of the legs' weights in hundredths of a percent: 10 000, or a little beside it after flattening.
    pub total_weight: u32,
    /// The balancing settings whose hash policies the splitter borrows from its legs' resolvers.
    pub hash_load_balancer: Option<LoadBalancer>,
}

/// The settings of a route's `Destination`, as written; see [`effective`] for what they mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteSettings {
    /// Replaces the matched path or prefix.
    pub prefix_rewrite: Option<String>,
    /// Limit on the whole request; negative = none.
    pub request_timeout: Option<GoDuration>,
    /// Limit on silence within a stream; negative = none.
    pub idle_timeout: Option<GoDuration>,
    /// Further attempts; 0 = not set.
    pub num_retries: u32,
    /// Retry when the connection could not be made.
    pub retry_on_connect_failure: bool,
    /// Conditions to retry on.
    pub retry_on: Vec<RetryOn>,
    /// Statuses to retry on, 100..=599.
    pub retry_on_status_codes: Vec<u16>,
}

/// One of the places among which a route's requests are shared.
#[derive(Debug, Clone, Default)]
pub struct Leg {
    /// Share in hundredths of a percent, relative to the route's total; 0 gets no request.
    pub weight: u32,
    /// Index of the target in the chain's targets.
    pub target: usize,
    /// Changes to the request's headers, before those of the route.
    pub request_headers: HeaderEdits,
    /// Changes to the response's headers, before those of the route.
    pub response_headers: HeaderEdits,
    /// The changes to the request's headers as written, those of nested splits merged.
    pub request_modifiers: Option<HeaderModifiers>,
    /// The changes to the response's headers as written, those of nested splits merged.
    pub response_modifiers: Option<HeaderModifiers>,
    /// The split, or for the only leg of a route without a splitter what the route was read from.
    pub origin: Origin,
}

/// How the instances behind a leg are reached.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResolverNode {
    /// The target it leads to, as an index into the chain's targets.
    pub target: usize,
    /// Whether the resolver used sets nothing at all.
    pub default: bool,
    /// Time to connect, also for the levels of the fail-over list.
    pub connect_timeout: Duration,
    /// Limit on the whole request, which counts only if the chain starts at this resolver.
    pub request_timeout: Option<Duration>,
    /// Targets to turn to, in order, while those before have no healthy instance.
    pub failover: Vec<usize>,
    /// How an instance is chosen; absent = round robin. Holds for the levels of the fail-over list too.
    pub load_balancer: Option<LoadBalancer>,
    /// The resolver entry, unless it is the default that stands for a missing one.
    pub origin: Origin,
}

/// Which instances of which service, and how they name themselves. State is kept while this is equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetSpec {
    /// `[subset.]service.namespace.partition.datacenter`, or `service.namespace.partition.external.peer`.
    pub id: Arc<str>,
    /// The service.
    pub service: Arc<str>,
    /// The subset; empty = none.
    pub subset: Arc<str>,
    /// Always `default` in Consul's community edition.
    pub namespace: Arc<str>,
    /// Always `default` in Consul's community edition.
    pub partition: Arc<str>,
    /// The datacenter; empty for a peer.
    pub datacenter: Arc<str>,
    /// The peer that the service is imported from; empty = none.
    pub peer: Arc<str>,
    /// The connect timeout of its own resolver. Consul records it, but a fail-over level uses the primary's.
    pub connect_timeout: Duration,
    /// The subset's filter expression; empty = all instances.
    pub filter: String,
    /// Whether only instances all of whose checks pass are used.
    pub only_passing: bool,
    /// Whether the service is outside the mesh (`ExternalSNI`).
    pub external: bool,
    /// The server name for TLS; empty for a peer, whose instances bring their own.
    pub sni: String,
    /// Mesh gateway mode: empty, `none`, `local` or `remote`.
    pub mesh_gateway: String,
    /// `TransparentProxy.DialedDirectly`.
    pub dialed_directly: bool,
    /// The locality of its peer, when known.
    pub locality: Option<Locality>,
}
