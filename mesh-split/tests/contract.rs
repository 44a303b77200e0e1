//! The layers keep tower's contract.
#![allow(clippy::unwrap_used, missing_docs)]

use http::{Request, Response};
use mesh_core::body::Body;
use mesh_core::live::Live;
use mesh_core::net::{Address, BoxConnect};
use mesh_core::snapshot::{Snapshot, TargetPolicy};
use mesh_core::testing::{contract, fixtures};
use mesh_split::balance::{self, Balance, BalanceLayer};
use mesh_split::client::{self, EndpointClient, Pools};
use mesh_split::route::{self, Route, RouteLayer};
use mesh_split::select::{self, Select, SelectLayer};

fn probe() -> contract::Probe<Response<Body>> {
    contract::Probe::new(|| Response::new(Body::from("ok")))
}

fn request() -> Request<Body> {
    Request::get("http://backend/x").body(Body::empty()).unwrap()
}

fn snapshot() -> Snapshot {
    let endpoint = fixtures::endpoint("b-1", Address::new("127.0.0.1", 80));
    let target = fixtures::target("backend", TargetPolicy::default(), vec![endpoint]);
    let chain = fixtures::simple_chain("backend", vec![fixtures::leg(10_000, target)]);
    Snapshot::new(1, "web".into(), [chain])
}

// A chain by hand has no compiled route to decide by; one that matches everything is what a compiler would make.
fn routed_snapshot() -> Live<Snapshot> {
    let endpoint = fixtures::endpoint("b-1", Address::new("127.0.0.1", 80));
    let target = fixtures::target("backend", TargetPolicy::default(), vec![endpoint]);
    let mut compiled = fixtures::compiled("backend");
    compiled.routes.push(mesh_core::chain::CompiledRoute {
        index: 0,
        matcher: Default::default(),
        origin: mesh_core::config::Origin::default(),
        settings: Default::default(),
        request_headers: Default::default(),
        response_headers: Default::default(),
    });
    let route = fixtures::route(vec![fixtures::leg(10_000, target)]);
    let chain = fixtures::chain(compiled, vec![route]);
    Live::fixed(Snapshot::new(1, "web".into(), [chain]))
}

#[tokio::test]
async fn route_keeps_the_contract() {
    let layer = RouteLayer::new(routed_snapshot());
    contract::check(&layer, probe(), request).await;
}
