//! Small chains, targets and endpoints for tests of single layers.

use std::sync::Arc;

use http::Extensions;

use crate::catalog::{CheckStatus, Instance};
use crate::chain::{CompiledChain, HeaderEdits, TargetSpec};
use crate::context::Outbound;
use crate::endpoint::{Endpoint, EndpointSet, EndpointState, ServiceState, TargetState};
use crate::net::Address;
use crate::policy::{BalancePolicy, BudgetPolicy, Protocol, TimeoutPolicy};
use crate::snapshot::{Chain, Leg, Route, Target, TargetPolicy};

/// A healthy endpoint of weight 1 without identity.
#[must_use]
pub fn endpoint(key: &str, address: impl Into<Address>) -> Arc<Endpoint> {
    weighted_endpoint(key, address, 1)
}

/// A healthy endpoint of some weight without identity.
#[must_use]
pub fn weighted_endpoint(key: &str, address: impl Into<Address>, weight: u32) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        key: key.into(),
        instance: Arc::new(Instance {
            id: key.into(),
            service: "backend".into(),
            ..Instance::default()
        }),
        address: address.into(),
        expected: None,
        server_name: "".into(),
        protocol: Protocol::Http,
        weight,
        status: CheckStatus::Passing,
        state: Arc::new(EndpointState::default()),
    })
}

/// A target of that identifier with those endpoints, settled.
#[must_use]
pub fn target(id: &str, policy: TargetPolicy, endpoints: Vec<Arc<Endpoint>>) -> Arc<Target> {
    let spec = TargetSpec {
        id: id.into(),
        service: "backend".into(),
        ..TargetSpec::default()
    };
    let total = endpoints.len();
    let set = EndpointSet::new(1, endpoints, total, true);
    Arc::new(Target::new(
        spec,
        policy,
        Arc::new(TargetState::default()),
        set,
    ))
}

/// A leg to one target without fail-over.
#[must_use]
pub fn leg(weight: u32, target: Arc<Target>) -> Leg {
    Leg {
        weight,
        levels: vec![target],
        balance: BalancePolicy::default(),
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
    }
}

/// A route with default policies over those legs.
#[must_use]
pub fn route(legs: Vec<Leg>) -> Route {
    Route {
        index: 0,
        name: "default".into(),
        timeout: TimeoutPolicy::default(),
        retry: None,
        total_weight: legs.iter().map(|leg| leg.weight).sum(),
        legs,
    }
}

/// A chain over what entries compiled to, with those routes.
#[must_use]
pub fn chain(compiled: CompiledChain, routes: Vec<Route>) -> Arc<Chain> {
    Arc::new(Chain {
        service: Arc::clone(&compiled.service),
        protocol: Protocol::from_name(&compiled.protocol),
        compiled: Arc::new(compiled),
        routes,
        budget: BudgetPolicy::default(),
        state: Arc::new(ServiceState::default()),
    })
}

/// A chain of one route that matches everything.
#[must_use]
pub fn simple_chain(service: &str, legs: Vec<Leg>) -> Arc<Chain> {
    chain(compiled(service), vec![route(legs)])
}

/// An empty compiled chain of a service.
#[must_use]
pub fn compiled(service: &str) -> CompiledChain {
    CompiledChain {
        service: service.into(),
        protocol: "http".into(),
        ..CompiledChain::default()
    }
}

/// Extensions with a context that is routed to the first route of the chain.
#[must_use]
pub fn routed(chain: &Arc<Chain>) -> (Extensions, Outbound) {
    let mut extensions = Extensions::new();
    let outbound = Outbound::begin(&mut extensions);
    outbound.set_route(Arc::clone(chain), 0);
    (extensions, outbound)
}
