//! From entries to the plain policies of one caller: who wins, field by field.
//!
//! From strong to weak: what a route or split sets; what a resolver or service-defaults entry sets; `mesh-policy` of
//! the service; `mesh-policy` of `*`; Consul's default.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::chain::{
    CompiledChain, CompiledRoute, Overrides, ResolverNode, effective, service_protocol,
};
use crate::config::policy::{PolicyDeadline, PolicyRetries};
use crate::config::{
    EntrySet, GoDuration, IngressGateway, LoadBalancer, MeshPolicy, PassiveHealthCheck, Upstream,
};
use crate::policy::{
    Backoff, BalanceAlgorithm, BalancePolicy, BudgetPolicy, EjectionPolicy, HashPolicy, HashSource,
    InboundPolicy, Limits, Protocol, RetryMethods, RetryOn, RetryPolicy, TimeoutPolicy,
};

/// Smallest and largest hash ring where nothing is written (Envoy's).
const RING_SIZES: (u64, u64) = (1024, 8_388_608);

/// What a caller's own `service-defaults` says about its calls to one destination.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct UpstreamSettings {
    pub(super) overrides: Overrides,
    pub(super) limits: Limits,
    pub(super) ejection: EjectionPolicy,
}

/// Merges `UpstreamConfig.Defaults` and the override for `destination`: `Limits` and `PassiveHealthCheck` are
/// replaced as whole objects, the rest field by field.
pub(super) fn upstream(
    entries: &EntrySet,
    policies: &Policies,
    local: &str,
    destination: &str,
) -> UpstreamSettings {
    let config = entries
        .service_defaults(local)
        .and_then(|defaults| defaults.upstream_config.as_ref());
    let own = config.and_then(|config| {
        config
            .overrides
            .iter()
            .find(|o| *o.name == *destination && o.peer.is_empty())
    });
    let common = config.and_then(|config| config.defaults.as_ref());
    let layers: Vec<&Upstream> = own.into_iter().chain(common).collect();
    let text = |pick: fn(&Upstream) -> &str| {
        layers
            .iter()
            .map(|layer| pick(layer))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
            .to_owned()
    };
    let limits = layers.iter().find_map(|layer| layer.limits.as_ref());
    let passive = layers
        .iter()
        .find_map(|layer| layer.passive_health_check.as_ref());
    let mut settings = UpstreamSettings {
        overrides: Overrides {
            protocol: text(|layer| &layer.protocol),
            mesh_gateway: text(|layer| &layer.mesh_gateway.mode),
            connect_timeout: layers.iter().find_map(|layer| layer.connect_timeout()),
        },
        limits: limits.map_or_else(Limits::default, |limits| Limits {
            max_connections: limit(limits.max_connections),
            max_pending_requests: limit(limits.max_pending_requests),
            max_concurrent_requests: limit(limits.max_concurrent_requests),
        }),
        ejection: ejection(passive, policies),
    };
    if let Some(gateway) = entries.ingress_gateway(local) {
        ingress(&mut settings, gateway, policies, destination);
    }
    settings
}

/// An ingress gateway is the caller of what it exposes: the service's value if it is above 0, else the gateway's
/// default; passive checks are merged field by field.
fn ingress(
    settings: &mut UpstreamSettings,
    gateway: &IngressGateway,
    policies: &Policies,
    destination: &str,
) {
    let mut services = gateway
        .listeners
        .iter()
        .flat_map(|listener| &listener.services);
    let own = services.find(|service| *service.name == *destination);
    let common = gateway.defaults.as_ref();
    let first = |own: Option<u32>, common: Option<u32>| {
        own.filter(|v| *v > 0).or(common.filter(|v| *v > 0))
    };
    let limits = &mut settings.limits;
    for (limit, value) in [
        (
            &mut limits.max_connections,
            first(
                own.map(|o| o.max_connections),
                common.map(|c| c.max_connections),
            ),
        ),
        (
            &mut limits.max_pending_requests,
            first(
                own.map(|o| o.max_pending_requests),
                common.map(|c| c.max_pending_requests),
            ),
        ),
        (
            &mut limits.max_concurrent_requests,
            first(
                own.map(|o| o.max_concurrent_requests),
                common.map(|c| c.max_concurrent_requests),
            ),
        ),
    ] {
        *limit = value.unwrap_or(*limit);
    }
    let own = own.and_then(|own| own.passive_health_check.as_ref());
    let common = common.and_then(|common| common.passive_health_check.as_ref());
    if let Some(mut merged) = common.or(own).cloned() {
        if let Some(own) = own {
            if !own.interval.is_zero() {
                merged.interval = own.interval;
            }
            if own.max_failures > 0 {
                merged.max_failures = own.max_failures;
            }
            // An explicit 0 does not switch ejection off here, unlike in a service's own upstream settings.
            merged.enforcing_consecutive_5xx = own
                .enforcing_consecutive_5xx
                .filter(|v| *v > 0)
                .or(merged.enforcing_consecutive_5xx);
            merged.max_ejection_percent = own.max_ejection_percent.or(merged.max_ejection_percent);
            merged.base_ejection_time = own.base_ejection_time.or(merged.base_ejection_time);
        }
        merged.enforcing_consecutive_5xx = merged.enforcing_consecutive_5xx.filter(|v| *v > 0);
        settings.ejection = ejection(Some(&merged), policies);
    }
}

fn limit(written: Option<i64>) -> u32 {
    written.map_or(1024, |value| {
        u32::try_from(value.max(0)).unwrap_or(u32::MAX)
    })
}

fn ejection(passive: Option<&PassiveHealthCheck>, policies: &Policies) -> EjectionPolicy {
    let mut policy = EjectionPolicy::default();
    let errors = policies.find(|p| p.ejection.as_ref()?.consecutive_errors);
    if let Some(errors) = errors {
        policy.consecutive_failures = errors;
    }
    let Some(passive) = passive else {
        return policy;
    };
    if passive.max_failures > 0 {
        policy.consecutive_failures = passive.max_failures;
    }
    policy.enforcing_percent = passive
        .enforcing_consecutive_5xx
        .unwrap_or(policy.enforcing_percent);
    if let Some(percent) = passive.max_ejection_percent {
        policy.max_ejection_percent = percent;
        policy.max_ejection_is_explicit = true;
    }
    policy.base = passive
        .base_ejection_time
        .and_then(GoDuration::positive)
        .unwrap_or(policy.base);
    policy.max = policy.max.max(policy.base);
    policy.interval = passive.interval.positive().unwrap_or(policy.interval);
    policy
}

/// What the callee's side of a service takes on: service-defaults over `proxy-defaults`' `Config`.
pub(super) fn inbound(entries: &EntrySet, local: &str) -> InboundPolicy {
    let policies = Policies::of(entries, local);
    let default = InboundPolicy::default();
    let own = entries
        .service_defaults(local)
        .map_or(0, |defaults| defaults.local_request_timeout_ms);
    let common = entries
        .proxy_defaults()
        .and_then(|defaults| defaults.proxy_config().local_request_timeout_ms);
    let request_timeout = match (own, common) {
        (1.., _) => Some(Duration::from_millis(own.unsigned_abs())),
        // In service-defaults 0 cannot be told from unset; only an explicit 0 in `Config` switches the limit off.
        (_, Some(0)) => None,
        (_, Some(common @ 1..)) => Some(Duration::from_millis(common)),
        _ => default.request_timeout,
    };
    let deadline =
        |pick: fn(&PolicyDeadline) -> Option<String>| policies.find(|p| pick(p.deadline.as_ref()?));
    let header = deadline(|d| d.header.clone())
        .and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
    let sanitize = entries.mesh().and_then(|mesh| mesh.http.as_ref());
    let protocol = Protocol::from_name(&service_protocol(entries, local));
    InboundPolicy {
        request_timeout,
        max_in_flight: policies
            .find(|p| p.limits.as_ref()?.inbound.as_ref()?.max_in_flight)
            .unwrap_or(default.max_in_flight),
        deadline_header: header.unwrap_or(default.deadline_header),
        refuse_late: policies
            .find(|p| p.deadline.as_ref()?.refuse_late)
            .unwrap_or(default.refuse_late),
        forward_client_cert: protocol != Protocol::Grpc
            && !sanitize.is_some_and(|http| http.sanitize_x_forwarded_client_cert),
    }
}

/// The `mesh-policy` entries that speak about one destination, strongest first.
#[derive(Clone, Debug)]
pub(super) struct Policies(Vec<Arc<MeshPolicy>>);

impl Policies {
    pub(super) fn of(entries: &EntrySet, destination: &str) -> Self {
        Self(
            [entries.policy(destination), entries.policy("*")]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        )
    }

    pub(super) fn find<T>(&self, field: impl Fn(&MeshPolicy) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|policy| field(policy))
    }

    fn retries<T>(&self, field: impl Fn(&PolicyRetries) -> Option<T>) -> Option<T> {
        self.find(|policy| field(policy.retries.as_ref()?))
    }

    /// The retry budget of the destination; it bounds the retries of routes as well.
    pub(super) fn budget(&self) -> BudgetPolicy {
        let default = BudgetPolicy::default();
        BudgetPolicy {
            ratio_thousandths: self
                .retries(|r| r.budget.as_ref()?.ratio)
                .map_or(default.ratio_thousandths, |ratio| {
                    (ratio * 1000.0).round() as u32
                }),
            reserve: self
                .retries(|r| r.budget.as_ref()?.reserve)
                .unwrap_or(default.reserve),
            window: self
                .retries(|r| r.budget.as_ref()?.window?.positive())
                .unwrap_or(default.window),
        }
    }
}

/// The time limits of a route.
pub(super) fn timeouts(
    chain: &CompiledChain,
    route: &CompiledRoute,
    policies: &Policies,
) -> TimeoutPolicy {
    let resolver = route
        .legs
        .first()
        .and_then(|leg| chain.resolver_of(leg.target));
    TimeoutPolicy {
        request: effective::request_timeout(route, chain.start, resolver),
        per_try: policies.find(|p| p.timeouts.as_ref()?.per_try?.positive()),
        idle: effective::idle_timeout(route),
    }
}

/// The retries of a route: what the route asks for, else what the policy of the destination does.
pub(super) fn retries(route: &CompiledRoute, policies: &Policies) -> Option<RetryPolicy> {
    let default = RetryPolicy::default();
    let backoff = Backoff::default();
    let (max, on, status_codes) = match effective::retry(route) {
        Some(spec) => {
            let on = spec
                .conditions
                .iter()
                .filter_map(|on| RetryOn::from_name(on.as_str()));
            (
                spec.max,
                on.fold(RetryOn::NONE, RetryOn::with),
                spec.status_codes,
            )
        }
        None => {
            let max = policies.retries(|r| r.max).filter(|max| *max > 0)?;
            let names = policies.retries(|r| r.on.clone());
            let on = match &names {
                Some(names) => names
                    .iter()
                    .filter_map(|name| RetryOn::from_name(name))
                    .fold(RetryOn::NONE, RetryOn::with),
                None => RetryOn::CONNECT_FAILURE
                    .with(RetryOn::RESET)
                    .with(RetryOn::REFUSED_STREAM),
            };
            (max, on, Vec::new())
        }
    };
    let methods = match policies.retries(|r| r.methods.clone()).as_deref() {
        Some("any") => RetryMethods::Any,
        Some("none") => RetryMethods::None,
        _ => RetryMethods::Idempotent,
    };
    Some(RetryPolicy {
        max,
        on,
        status_codes,
        methods,
        backoff: Backoff {
            base: policies
                .retries(|r| r.backoff.as_ref()?.base?.positive())
                .unwrap_or(backoff.base),
            max: policies
                .retries(|r| r.backoff.as_ref()?.max?.positive())
                .unwrap_or(backoff.max),
        },
        body_limit_bytes: policies
            .retries(|r| r.body_limit_bytes)
            .map_or(default.body_limit_bytes, |bytes| {
                usize::try_from(bytes).unwrap_or(usize::MAX)
            }),
        avoid_tried: policies
            .retries(|r| r.avoid_tried)
            .unwrap_or(default.avoid_tried),
        redraw_leg: policies
            .retries(|r| r.redraw_leg)
            .unwrap_or(default.redraw_leg),
    })
}

/// The balancing of a leg. A resolver's explicit policy is obeyed, then the destination's `mesh-policy`; where
/// neither says anything the failure-aware default applies.
pub(super) fn balance(
    route: &CompiledRoute,
    resolver: Option<&ResolverNode>,
    policies: &Policies,
) -> BalancePolicy {
    let own = resolver.and_then(|resolver| resolver.load_balancer.as_ref());
    let algorithm = match own
        .map(|own| own.policy.as_str())
        .filter(|policy| !policy.is_empty())
    {
        Some(name) => algorithm(name, own),
        None => policies
            .find(|p| p.balancing.as_ref()?.policy.clone())
            .map_or(BalanceAlgorithm::Ewma, |name| algorithm(&name, None)),
    };
    let hashing = own.or(route.hash_load_balancer.as_ref());
    let hash = hashing
        .map(|lb| lb.hash_policies.iter().filter_map(hash_policy).collect())
        .unwrap_or_default();
    BalancePolicy { algorithm, hash }
}

fn algorithm(name: &str, settings: Option<&LoadBalancer>) -> BalanceAlgorithm {
    let or = |value: u64, default: u64| if value == 0 { default } else { value };
    match name {
        "round_robin" => BalanceAlgorithm::RoundRobin,
        "random" => BalanceAlgorithm::Random,
        "least_request" => {
            let count = settings
                .and_then(|lb| lb.least_request_config.as_ref())
                .map_or(0, |c| c.choice_count);
            BalanceAlgorithm::LeastRequest {
                choice_count: if count == 0 { 2 } else { count },
            }
        }
        "ring_hash" => {
            let ring = settings.and_then(|lb| lb.ring_hash_config.as_ref());
            BalanceAlgorithm::RingHash {
                minimum: or(ring.map_or(0, |ring| ring.minimum_ring_size), RING_SIZES.0),
                maximum: or(ring.map_or(0, |ring| ring.maximum_ring_size), RING_SIZES.1),
            }
        }
        "maglev" => BalanceAlgorithm::Maglev,
        _ => BalanceAlgorithm::Ewma,
    }
}

fn hash_policy(written: &crate::config::HashPolicy) -> Option<HashPolicy> {
    let source = match written.field.as_str() {
        "header" => {
            HashSource::Header(HeaderName::from_bytes(written.field_value.as_bytes()).ok()?)
        }
        "query_parameter" => HashSource::Query(written.field_value.clone()),
        "cookie" => HashSource::Cookie(written.field_value.clone()),
        _ if written.source_ip => HashSource::SourceAddress,
        _ => return None,
    };
    Some(HashPolicy {
        source,
        terminal: written.terminal,
    })
}

/// The connect timeout of a leg: its resolver's, for all fail-over levels.
pub(super) fn connect_timeout(resolver: Option<&ResolverNode>) -> Duration {
    resolver.map_or(Duration::from_secs(5), |resolver| resolver.connect_timeout)
}
