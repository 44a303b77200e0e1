//! Every layer keeps the contract of `tower_service::Service`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use http::{Request, Response};
use mesh_core::body::Body;
use mesh_core::policy::{Limits, RetryOn, RetryPolicy};
use mesh_core::testing::contract::{Probe, check};
use mesh_retry::{
    DeadlineHeaderLayer, DeadlineLayer, EjectLayer, InboundLimitLayer, LimitLayer, RetryLayer,
    TimeoutLayer,
};
use tower::ServiceBuilder;
use tower_service::Service;

fn probe() -> Probe<Response<Body>> {
    Probe::new(|| Response::new(Body::from("hello")))
}

fn get() -> Request<Body> {
    Request::new(Body::empty())
}

fn put() -> Request<Body> {
    let mut request = Request::new(Body::from("some data"));
    *request.method_mut() = http::Method::PUT;
    request
}

fn retries() -> RetryLayer {
    RetryLayer::new(RetryPolicy {
        max: 2,
        on: RetryOn::SERVER_ERROR,
        ..RetryPolicy::default()
    })
}

#[tokio::test(start_paused = true)]
async fn timeout_keeps_the_contract() {
    check(&TimeoutLayer::new(Duration::from_secs(1)), probe(), get).await;
    check(&TimeoutLayer::default(), probe(), put).await;
}

#[tokio::test(start_paused = true)]
async fn deadline_keeps_the_contract() {
    check(&DeadlineLayer::default(), probe(), get).await;
    check(&DeadlineHeaderLayer::default(), probe(), get).await;
}

#[tokio::test(start_paused = true)]
async fn retry_keeps_the_contract_with_and_without_a_policy() {
    check(&RetryLayer::default(), probe(), put).await;
    check(&retries(), probe(), get).await;
    check(&retries(), probe(), put).await;
}

#[tokio::test(start_paused = true)]
async fn eject_keeps_the_contract() {
    check(&EjectLayer::new(), probe(), get).await;
}

#[tokio::test(start_paused = true)]
async fn limits_keep_the_contract() {
    check(&LimitLayer::new(Limits::default()), probe(), get).await;
    check(&InboundLimitLayer::new(8), probe(), get).await;
}

#[tokio::test(start_paused = true)]
async fn the_layers_stack_and_stay_what_a_strict_host_asks_for() {
    fn strict<S>(_: &S)
    where
        S: Service<Request<Body>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Response: Send,
    {
    }
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::default())
        .layer(retries())
        .layer(LimitLayer::default())
        .layer(EjectLayer::new())
        .layer(DeadlineHeaderLayer::default());
    strict(&client.clone().service(probe()));
    check(&client.into_inner(), probe(), put).await;
    let server = ServiceBuilder::new()
        .layer(DeadlineLayer::default())
        .layer(InboundLimitLayer::default());
    strict(&server.clone().service(probe()));
    check(&server.into_inner(), probe(), get).await;
}
