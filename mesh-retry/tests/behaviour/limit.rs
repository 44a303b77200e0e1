//! Limits on requests in flight.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use http::{Request, Response};
use http_body_util::BodyExt;
use mesh_core::body::Body;
use mesh_core::context::Outbound;
use mesh_core::error::ErrorKind;
use mesh_core::live::Live;
use mesh_core::policy::Limits;
use mesh_core::snapshot::TargetPolicy;
use mesh_core::testing::fixtures;
use mesh_retry::limit::Overloaded;
use mesh_retry::{InboundLimitLayer, LimitLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Act, Script, get, ms};

fn limits(max_concurrent_requests: u32) -> Limits {
    Limits {
        max_concurrent_requests,
        ..Limits::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_in_flight_until_its_body_ends() {
    let policy = TargetPolicy {
        limits: limits(1),
        ..TargetPolicy::default()
    };
    let target = fixtures::target("backend", policy, Vec::new());
    let service = LimitLayer::default().layer(Script::new([Act::Answer(200)]));
    let to_target = || {
        let mut request = get();
        let outbound = Outbound::begin(request.extensions_mut());
        outbound.attempt().set_target(target.clone());
        request
    };
    let first = service.clone().oneshot(to_target()).await.unwrap();
    let error = service.clone().oneshot(to_target()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.subject(), Some("backend"));
    assert_eq!(target.state().requests.load(Ordering::Relaxed), 1);
    first.into_body().collect().await.unwrap();
    assert_eq!(target.state().requests.load(Ordering::Relaxed), 0);
    assert!(service.oneshot(to_target()).await.is_ok());
    assert_eq!(
        target.state().requests.load(Ordering::Relaxed),
        0,
        "dropped unread"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_abandoned_call_gives_its_place_back() {
    let service = LimitLayer::new(limits(1)).layer(Script::new([
        Act::Fail(ErrorKind::Reset),
        Act::Hang,
        Act::Answer(200),
    ]));
    assert_eq!(
        service.clone().oneshot(get()).await.unwrap_err().kind(),
        ErrorKind::Reset
    );
    assert!(
        tokio::time::timeout(ms(1), service.clone().oneshot(get()))
            .await
            .is_err()
    );
    assert!(service.oneshot(get()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_explicit_zero_admits_none() {
    let script = Script::new([Act::Answer(200)]);
    let error = LimitLayer::new(limits(0))
        .layer(script.clone())
        .oneshot(get())
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Overloaded);
    assert_eq!(script.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn retries_in_flight_are_counted_besides() {
    let target = fixtures::target("backend", TargetPolicy::default(), Vec::new());
    let mut request = get();
    let retry = Outbound::begin(request.extensions_mut()).next_attempt();
    retry.attempt().set_target(target.clone());
    request.extensions_mut().insert(retry);
    let service = LimitLayer::default().layer(Script::new([Act::Answer(200)]));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(target.state().retries.load(Ordering::Relaxed), 1);
    drop(response);
    assert_eq!(target.state().retries.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_process_says_so_at_once() {
    let layer = InboundLimitLayer::new(1);
    let service = layer.layer(Script::new([Act::Hang]));
    let _held = tokio::spawn(service.clone().oneshot(get()));
    tokio::task::yield_now().await;
    assert_eq!(layer.in_flight(), 1);
    let response = layer
        .layer(Script::new([Act::Answer(200)]))
        .oneshot(get())
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["x-envoy-overloaded"], "true");
    assert_eq!(
        response.extensions().get(),
        Some(&Overloaded { max_in_flight: 1 })
    );

    let mut grpc = get();
    grpc.headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    let response = service.oneshot(grpc).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "8");
    assert!(http_body::Body::is_end_stream(response.body()));
}

#[tokio::test(start_paused = true)]
async fn the_inbound_limit_can_change_while_serving() {
    let (publisher, live) = Live::channel(0);
    let service = InboundLimitLayer::new(live).layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    assert_eq!(service.clone().oneshot(get()).await.unwrap().status(), 503);
    publisher.publish(1u32);
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 200);
}
