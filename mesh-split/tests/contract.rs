//! The layers keep tower's contract.
#![allow(clippy::unwrap_used, missing_docs)]

mod entries;

use std::sync::Arc;

use entries::World;
use http::{Request, Response};
use mesh_core::body::Body;
use mesh_core::net::{Address, BoxConnect};
use mesh_core::snapshot::{Target, TargetPolicy};
use mesh_core::testing::{contract, fixtures};
use mesh_split::balance::{self, Balance, BalanceLayer};
use mesh_split::client::{self, EndpointClient, Pools};
use mesh_split::route::{self, Route, RouteLayer};
use mesh_split::select::{self, Select, SelectLayer};

fn probe() -> contract::Probe<Response<Body>> {
    contract::Probe::new(|| Response::new(Body::from("ok")))
}

fn request() -> Request<Body> {
    Request::get("http://backend/x")
        .body(Body::empty())
        .unwrap()
}

fn target() -> Arc<Target> {
    let endpoint = fixtures::endpoint("b-1", Address::new("127.0.0.1", 80));
    fixtures::target("backend", TargetPolicy::default(), vec![endpoint])
}

#[tokio::test]
async fn route_keeps_the_contract() {
    let world = World::new(&[]);
    let layer = RouteLayer::new(world.snapshots());
    contract::check(&layer, probe(), request).await;
}

#[tokio::test]
async fn select_keeps_the_contract() {
    let world = World::new(&[]);
    let chain = Arc::clone(world.snapshots().load().chain("backend").unwrap());
    contract::check(&SelectLayer::fixed(chain), probe(), request).await;
    contract::check(&SelectLayer::new(), probe(), request).await;
}

#[tokio::test]
async fn balance_keeps_the_contract() {
    contract::check(&BalanceLayer::fixed(target()), probe(), request).await;
}

#[test]
fn types_can_be_shared_and_moved_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn moved<T: Send + 'static>() {}
    type Inner = contract::Probe<Response<Body>>;
    shared::<RouteLayer>();
    shared::<Route<Inner>>();
    shared::<SelectLayer>();
    shared::<Select<Inner>>();
    shared::<BalanceLayer>();
    shared::<Balance<Inner>>();
    shared::<Pools<BoxConnect>>();
    shared::<EndpointClient<BoxConnect>>();
    moved::<route::ResponseFuture<client::ResponseFuture>>();
    moved::<select::ResponseFuture<client::ResponseFuture>>();
    moved::<balance::ResponseFuture<EndpointClient<BoxConnect>, Body>>();
    moved::<balance::ResponseBody<client::ResponseBody>>();
    moved::<client::ResponseBody>();
}

#[test]
fn the_futures_of_the_hot_path_stay_small() {
    use std::mem::size_of;
    type Client = EndpointClient<BoxConnect>;
    type Balanced = balance::ResponseFuture<Client, Body>;
    assert!(size_of::<client::ResponseFuture>() <= 48);
    assert!(size_of::<Balanced>() <= 96, "{}", size_of::<Balanced>());
    assert!(
        size_of::<client::ResponseBody>() <= 112,
        "{}",
        size_of::<client::ResponseBody>()
    );
}
