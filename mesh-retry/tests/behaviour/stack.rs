//! The layers together, over several endpoints.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use mesh_core::body::Body;
use mesh_core::context::Outbound;
use mesh_core::error::Error;
use mesh_core::policy::{RetryOn, RetryPolicy, TimeoutPolicy};
use mesh_core::snapshot::TargetPolicy;
use mesh_core::testing::fixtures;
use mesh_retry::retry::ReplayBody;
use mesh_retry::timeout::RequestBody;
use mesh_retry::{EjectLayer, LimitLayer, RetryLayer, TimeoutLayer};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::support::{chain, get, ms, respond, routed};

type Sent = Request<ReplayBody<RequestBody<Body>>>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Answers503,
    Hangs,
}

/// Three endpoints in turn, the first bad from the third second on; returns lost requests, requests that reached the bad one, and the slowest.
async fn one_of_three_bad(fault: Fault, retry: Option<RetryPolicy>) -> (usize, usize, u128) {
    let endpoints: Vec<_> = (0..3u16)
        .map(|n| {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1_000 + n));
            fixtures::endpoint(&format!("backend-{n}"), address)
        })
        .collect();
    let target = fixtures::target("backend", TargetPolicy::default(), endpoints.clone());
    let turn = Arc::new(AtomicUsize::new(0));
    let bad = Arc::new(AtomicUsize::new(0));
    let hit = bad.clone();
    // Stands for balancing: the next endpoint that is neither ejected nor tried.
    let pick = {
        let target = target.clone();
        move |request: Sent| {
            let outbound = request.extensions().get::<Outbound>().unwrap();
            outbound.attempt().set_target(target.clone());
            let now = Instant::now();
            let picked = (0..3)
                .map(|_| &endpoints[turn.fetch_add(1, Ordering::SeqCst) % 3])
                .find(|e| !e.state.is_ejected(now) && !outbound.has_tried(e))
                .unwrap_or(&endpoints[0]);
            outbound.attempt().set_endpoint(picked.clone());
            request
        }
    };
    let start = Instant::now();
    let backend = service_fn(move |request: Sent| {
        let outbound = request.extensions().get::<Outbound>().unwrap();
        let is_bad = &*outbound.attempt().endpoint().unwrap().key == "backend-0";
        let is_bad = is_bad && start.elapsed() >= ms(2_000);
        let hit = hit.clone();
        async move {
            if is_bad {
                hit.fetch_add(1, Ordering::SeqCst);
                if fault == Fault::Hangs {
                    std::future::pending::<()>().await;
                }
                return Ok::<Response<Body>, Error>(respond(503, &[]));
            }
            Ok(respond(200, &[]))
        }
    });
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::default())
        .layer(RetryLayer::default())
        .map_request(pick)
        .layer(LimitLayer::default())
        .layer(EjectLayer::new())
        .service(backend);
    let limits = TimeoutPolicy {
        per_try: Some(ms(250)),
        ..TimeoutPolicy::default()
    };
    let chain = chain(limits, retry);
    let calls: Vec<_> = (0..1_600u64)
        .map(|n| {
            let (service, (request, _)) = (service.clone(), routed(&chain, get()));
            tokio::spawn(async move {
                tokio::time::sleep(ms(5 * n)).await;
                let start = Instant::now();
                let result = service.oneshot(request).await;
                (
                    result.is_ok_and(|r| r.status() == 200),
                    start.elapsed().as_millis(),
                )
            })
        })
        .collect();
    let (mut lost, mut slowest) = (0, 0);
    for call in calls {
        let (ok, took) = call.await.unwrap();
        lost += usize::from(!ok);
        slowest = slowest.max(took);
    }
    (lost, bad.load(Ordering::SeqCst), slowest)
}

fn once() -> Option<RetryPolicy> {
    Some(RetryPolicy {
        max: 1,
        on: RetryOn::SERVER_ERROR,
        ..RetryPolicy::default()
    })
}

#[tokio::test(start_paused = true)]
async fn with_a_retry_nobody_notices_a_failing_endpoint() {
    let (lost, reached, _) = one_of_three_bad(Fault::Answers503, once()).await;
    assert_eq!((lost, reached), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn at_defaults_without_retries_a_failing_endpoint_costs_five_requests() {
    let (lost, reached, _) = one_of_three_bad(Fault::Answers503, None).await;
    assert_eq!((lost, reached), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn with_a_time_per_try_nobody_notices_a_hanging_endpoint() {
    let (lost, reached, slowest) = one_of_three_bad(Fault::Hangs, once()).await;
    assert_eq!(lost, 0);
    assert!(slowest <= 300, "{slowest} ms");
    assert!(reached <= 40, "{reached}");
}
