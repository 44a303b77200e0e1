//! Tests of the compiler, on entries made in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::{
    Category, Entry, EntrySet, Failover, FailoverTarget, HashPolicy, HeaderModifiers, HttpMatch,
    ProxyDefaults, Redirect, RouteDestination, ServiceDefaults, ServiceResolver, ServiceRouter,
    ServiceSplitter, Split, Subset,
};

mod following;
mod matching;
mod origins;
mod outcome;
mod properties;
mod warnings;

/// A set of entries under construction.
#[derive(Debug, Clone, Default)]
struct Set(EntrySet);

impl Set {
    /// Services that speak a protocol.
    fn speak(mut self, protocol: &str, services: &[&str]) -> Self {
        for name in services {
            self.0.insert(defaults(name, protocol).into());
        }
        self
    }

    fn http(services: &[&str]) -> Self {
        Self::default().speak("http", services)
    }

    fn with(mut self, entry: impl Into<Entry>) -> Self {
        self.0.insert(entry.into());
        self
    }

    fn compile(&self, service: &str) -> CompiledChain {
        self.compile_as(&request(service)).unwrap()
    }

    fn compile_as(&self, request: &CompileRequest) -> Result<CompiledChain, Vec<Diagnostic>> {
        compile(&self.0, request)
    }

    fn error(&self, service: &str) -> Diagnostic {
        let mut errors = self.compile_as(&request(service)).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }

    fn category(&self, service: &str) -> Category {
        self.error(service).category
    }
}

fn request(service: &str) -> CompileRequest {
    CompileRequest {
        service: service.into(),
        datacenter: "dc1".into(),
        trust_domain: "td.consul".into(),
        ..CompileRequest::default()
    }
}

fn defaults(name: &str, protocol: &str) -> ServiceDefaults {
    ServiceDefaults {
        name: name.into(),
        protocol: protocol.into(),
        ..ServiceDefaults::default()
    }
}

fn proxy_defaults(protocol: &str) -> ProxyDefaults {
    let config = serde_json::Map::from_iter([("Protocol".to_owned(), protocol.into())]);
    ProxyDefaults {
        name: "global".into(),
        config,
        ..ProxyDefaults::default()
    }
}

fn resolver(name: &str) -> ServiceResolver {
    ServiceResolver {
        name: name.into(),
        ..ServiceResolver::default()
    }
}

/// Subsets whose filter is their name.
fn subsets(names: &[&str]) -> BTreeMap<Arc<str>, Subset> {
    let subset = |name: &str| Subset {
        filter: format!("Service.Meta.v == {name}"),
        ..Subset::default()
    };
    names
        .iter()
        .map(|&name| (name.into(), subset(name)))
        .collect()
}

fn redirect(service: &str) -> Option<Redirect> {
    Some(Redirect {
        service: service.into(),
        ..Redirect::default()
    })
}

fn failover_to(services: &[&str]) -> Failover {
    let target = |&service: &&str| FailoverTarget {
        service: service.into(),
        ..FailoverTarget::default()
    };
    Failover {
        targets: services.iter().map(target).collect(),
        ..Failover::default()
    }
}

fn hash_balancer(policy: &str, header: &str) -> Option<LoadBalancer> {
    let by = HashPolicy {
        field: "header".into(),
        field_value: header.into(),
        ..HashPolicy::default()
    };
    Some(LoadBalancer {
        policy: policy.into(),
        hash_policies: vec![by],
        ..LoadBalancer::default()
    })
}

fn split(weight: f64, service: &str, subset: &str) -> Split {
    Split {
        weight,
        service: service.into(),
        service_subset: subset.into(),
        ..Split::default()
    }
}

fn splitter(name: &str, splits: &[(f64, &str, &str)]) -> ServiceSplitter {
    let splits = splits
        .iter()
        .map(|&(weight, service, subset)| split(weight, service, subset))
        .collect();
    ServiceSplitter {
        name: name.into(),
        splits,
        ..ServiceSplitter::default()
    }
}

fn http_route(http: HttpMatch, destination: RouteDestination) -> Route {
    let matches = Some(crate::config::RouteMatch {
        http: Some(http),
        ..Default::default()
    });
    Route {
        matches,
        destination: Some(destination),
        ..Route::default()
    }
}

/// A route for a path prefix (empty = any) to a service and subset.
fn to(prefix: &str, service: &str, subset: &str) -> Route {
    let destination = RouteDestination {
        service: service.into(),
        service_subset: subset.into(),
        ..RouteDestination::default()
    };
    http_route(
        HttpMatch {
            path_prefix: prefix.into(),
            ..HttpMatch::default()
        },
        destination,
    )
}

fn router(name: &str, routes: Vec<Route>) -> ServiceRouter {
    ServiceRouter {
        name: name.into(),
        routes,
        ..ServiceRouter::default()
    }
}

fn modifiers(set: &[(&str, &str)], remove: &[&str]) -> Option<HeaderModifiers> {
    Some(HeaderModifiers {
        set: set
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        remove: remove.iter().map(|&name| name.to_owned()).collect(),
        ..HeaderModifiers::default()
    })
}

/// The legs of a route as `weight target`.
fn legs(chain: &CompiledChain, route: usize) -> Vec<String> {
    let legs = chain.routes[route].legs.iter();
    legs.map(|leg| format!("{} {}", leg.weight, chain.targets[leg.target].id))
        .collect()
}

/// The identifier of the only leg of the only route.
fn only_target(chain: &CompiledChain) -> &TargetSpec {
    assert_eq!((chain.routes.len(), chain.routes[0].legs.len()), (1, 1));
    &chain.targets[chain.routes[0].legs[0].target]
}

fn failover_of<'a>(chain: &'a CompiledChain, id: &str) -> Vec<&'a str> {
    chain.resolvers[id]
        .failover
        .iter()
        .map(|&index| &*chain.targets[index].id)
        .collect()
}
