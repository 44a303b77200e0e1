//! A compiled chain as JSON: what `mesh show` prints and what conformance vectors compare.
//!
//! Field names are Consul's in snake case, durations are Go strings, weights are percent; what is not set is left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{CompiledChain, CompiledRoute, Leg, ResolverNode, RouteKind, TargetSpec};
use crate::config::{
    GoDuration, HashPolicy, HeaderModifiers, HttpMatch, LoadBalancer, RouteDestination,
};

/// The chain as one JSON object.
#[must_use]
pub fn to_json(chain: &CompiledChain) -> Value {
    let resolvers = chain
        .resolvers
        .iter()
        .map(|(id, node)| (id.to_string(), resolver(chain, node)));
    let targets = chain
        .targets
        .iter()
        .map(|spec| (spec.id.to_string(), target(spec)));
    json!({
        "protocol": &*chain.protocol,
        "start": chain.start.as_str(),
        "default_chain": chain.default_chain,
        "customized": chain.customized,
        "service_meta": chain.service_meta,
        "routes": chain.routes.iter().map(|compiled| route(chain, compiled)).collect::<Vec<_>>(),
        "resolvers": resolvers.collect::<Map<_, _>>(),
        "targets": targets.collect::<Map<_, _>>(),
    })
}

/// Balancing settings as a JSON object.
#[must_use]
pub fn load_balancer_json(balancer: &LoadBalancer) -> Value {
    let ring = balancer.ring_hash_config.as_ref().map(|ring| {
        Object::default()
            .number("minimum_ring_size", ring.minimum_ring_size)
            .number("maximum_ring_size", ring.maximum_ring_size)
            .build()
    });
    let least = balancer.least_request_config.as_ref().map(|least| {
        Object::default()
            .number("choice_count", u64::from(least.choice_count))
            .build()
    });
    Object::default()
        .text("policy", &balancer.policy)
        .value("ring_hash_config", ring)
        .value("least_request_config", least)
        .list("hash_policies", &balancer.hash_policies, hash_policy)
        .build()
}

fn hash_policy(policy: &HashPolicy) -> Value {
    let cookie = policy.cookie_config.as_ref().map(|cookie| {
        Object::default()
            .flag("session", cookie.session)
            .value("ttl", duration(cookie.ttl))
            .text("path", &cookie.path)
            .build()
    });
    Object::default()
        .text("field", &policy.field)
        .text("field_value", &policy.field_value)
        .value("cookie_config", cookie)
        .flag("source_ip", policy.source_ip)
        .flag("terminal", policy.terminal)
        .build()
}

fn route(chain: &CompiledChain, route: &CompiledRoute) -> Value {
    let definition = route.definition.as_ref();
    let http = definition
        .and_then(|definition| definition.matches.as_ref())
        .and_then(|matches| matches.http.as_ref());
    let matches = match (route.kind, http) {
        (RouteKind::CatchAll, _) => json!({"catch_all": true}),
        (RouteKind::Http, Some(http)) => json!({"http": criteria(http)}),
        (RouteKind::Any | RouteKind::Http, _) => json!({"any": true}),
    };
    let settings = definition
        .and_then(|definition| definition.destination.as_ref())
        .map(settings);
    Object::default()
        .value("match", Some(matches))
        .value(
            "settings",
            settings.filter(|settings| {
                settings
                    .as_object()
                    .is_some_and(|fields| !fields.is_empty())
            }),
        )
        .text("via", route.via.as_str())
        .list("leaves", &route.legs, |leg| leaf(chain, leg))
        .value(
            "hash_load_balancer",
            route.hash_load_balancer.as_ref().map(load_balancer_json),
        )
        .build()
}

fn criteria(http: &HttpMatch) -> Value {
    Object::default()
        .text("path_exact", &http.path_exact)
        .text("path_prefix", &http.path_prefix)
        .text("path_regex", &http.path_regex)
        .flag("case_insensitive", http.case_insensitive)
        .list("header", &http.header, |header| {
            Object::default()
                .text("name", &header.name)
                .flag("present", header.present)
                .text("exact", &header.exact)
                .text("prefix", &header.prefix)
                .text("suffix", &header.suffix)
                .text("regex", &header.regex)
                .flag("invert", header.invert)
                .build()
        })
        .list("query_param", &http.query_param, |query| {
            Object::default()
                .text("name", &query.name)
                .flag("present", query.present)
                .text("exact", &query.exact)
                .text("regex", &query.regex)
                .build()
        })
        .list("methods", &http.methods, |method| json!(method))
        .build()
}

fn settings(destination: &RouteDestination) -> Value {
    Object::default()
        .text("prefix_rewrite", &destination.prefix_rewrite)
        .value("request_timeout", duration(destination.request_timeout))
        .value("idle_timeout", duration(destination.idle_timeout))
        .number("num_retries", u64::from(destination.num_retries))
        .flag(
            "retry_on_connect_failure",
            destination.retry_on_connect_failure,
        )
        .list("retry_on", &destination.retry_on, |condition| {
            json!(condition)
        })
        .list(
            "retry_on_status_codes",
            &destination.retry_on_status_codes,
            |code| json!(code),
        )
        .value(
            "request_headers",
            modifiers(destination.request_headers.as_ref()),
        )
        .value(
            "response_headers",
            modifiers(destination.response_headers.as_ref()),
        )
        .build()
}

fn leaf(chain: &CompiledChain, leg: &Leg) -> Value {
    let fields = Object::default();
    let Some(target) = chain.targets.get(leg.target) else {
        return fields.build();
    };
    fields
        .value("target", Some(json!(&*target.id)))
        .value("service", Some(json!(&*target.service)))
        .value("subset", Some(json!(&*target.subset)))
        .value("datacenter", Some(json!(&*target.datacenter)))
        .value("peer", Some(json!(&*target.peer)))
        .value("weight", Some(json!(f64::from(leg.weight) / 100.0)))
        .value("request_headers", modifiers(leg.request_modifiers.as_ref()))
        .value(
            "response_headers",
            modifiers(leg.response_modifiers.as_ref()),
        )
        .build()
}

fn modifiers(modifiers: Option<&HeaderModifiers>) -> Option<Value> {
    let modifiers = modifiers?;
    let pairs = |pairs: &BTreeMap<String, String>| (!pairs.is_empty()).then(|| json!(pairs));
    let fields = Object::default()
        .value("add", pairs(&modifiers.add))
        .value("set", pairs(&modifiers.set))
        .list("remove", &modifiers.remove, |name| json!(name));
    (!fields.0.is_empty()).then(|| fields.build())
}

fn resolver(chain: &CompiledChain, node: &ResolverNode) -> Value {
    let failover: Vec<&str> = node
        .failover
        .iter()
        .filter_map(|&index| chain.targets.get(index))
        .map(|target| &*target.id)
        .collect();
    Object::default()
        .value("default", Some(json!(node.default)))
        .value("connect_timeout", Some(json!(go(node.connect_timeout))))
        .value(
            "request_timeout",
            node.request_timeout.map(|limit| json!(go(limit))),
        )
        .value("failover", Some(json!(failover)))
        .value(
            "load_balancer",
            node.load_balancer.as_ref().map(load_balancer_json),
        )
        .build()
}

fn target(spec: &TargetSpec) -> Value {
    let text = |text: &Arc<str>| Some(json!(&**text));
    let locality = spec
        .locality
        .as_ref()
        .map(|locality| json!({"region": locality.region, "zone": locality.zone}));
    Object::default()
        .value("service", text(&spec.service))
        .value("subset", text(&spec.subset))
        .value("namespace", text(&spec.namespace))
        .value("partition", text(&spec.partition))
        .value("datacenter", text(&spec.datacenter))
        .value("peer", text(&spec.peer))
        .value("connect_timeout", Some(json!(go(spec.connect_timeout))))
        .value("filter", Some(json!(spec.filter)))
        .value("only_passing", Some(json!(spec.only_passing)))
        .value("external", Some(json!(spec.external)))
        .value("sni", Some(json!(spec.sni)))
        .value("mesh_gateway", Some(json!(spec.mesh_gateway)))
        .flag("dialed_directly", spec.dialed_directly)
        .value("locality", locality)
        .build()
}

fn duration(duration: GoDuration) -> Option<Value> {
    (!duration.is_zero()).then(|| json!(duration.to_string()))
}

fn go(duration: Duration) -> String {
    GoDuration::from(duration).to_string()
}

/// A JSON object that leaves out what is not set.
#[derive(Debug, Default)]
struct Object(Map<String, Value>);

impl Object {
    fn value(mut self, key: &str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value);
        }
        self
    }

    fn text(self, key: &str, text: &str) -> Self {
        self.value(key, (!text.is_empty()).then(|| json!(text)))
    }

    fn flag(self, key: &str, flag: bool) -> Self {
        self.value(key, Some(Value::Bool(flag)).filter(|_| flag))
    }

    fn number(self, key: &str, number: u64) -> Self {
        self.value(key, (number != 0).then(|| json!(number)))
    }

    fn list<T>(self, key: &str, items: &[T], each: impl FnMut(&T) -> Value) -> Self {
        let items = (!items.is_empty()).then(|| items.iter().map(each).collect());
        self.value(key, items.map(Value::Array))
    }

    fn build(self) -> Value {
        Value::Object(self.0)
    }
}
