//! The `Service` contract, for each layer.
#![cfg(feature = "prometheus")]
#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use mesh_core::testing::contract::{Probe, check};
use mesh_observe::{
    Metrics, ObserveAttempt, ObserveAttemptLayer, ObserveCall, ObserveCallLayer, ObserveServer,
    ObserveServerLayer, Observers, TraceConfig, Tracing,
};

mod support;

fn probe() -> Probe<Response<Full<Bytes>>> {
    Probe::new(|| Response::new(Full::from("body")))
}

fn request() -> Request<()> {
    Request::builder()
        .uri("http://backend/bird")
        .body(())
        .unwrap()
}

fn observers() -> Observers {
    let (provider, _) = support::Spans::provider();
    let tracing = Tracing::new(TraceConfig::new("web"), &provider).unwrap();
    Observers::new(Metrics::new("web"), tracing)
}

#[tokio::test]
async fn observe_call_keeps_the_contract() {
    check(&ObserveCallLayer::new(observers()), probe(), request).await;
    check(&ObserveCallLayer::new(Observers::none()), probe(), request).await;
}

#[tokio::test]
async fn observe_attempt_keeps_the_contract() {
    check(&ObserveAttemptLayer::new(observers()), probe(), request).await;
}

#[tokio::test]
async fn observe_server_keeps_the_contract() {
    check(&ObserveServerLayer::new(observers()), probe(), request).await;
}

#[test]
fn services_are_send_sync_and_clone() {
    fn hosted<T: Clone + Send + Sync + 'static>() {}
    hosted::<ObserveCall<Probe<()>>>();
    hosted::<ObserveAttempt<Probe<()>>>();
    hosted::<ObserveServer<Probe<()>>>();
    hosted::<Metrics>();
    hosted::<Tracing>();
}
