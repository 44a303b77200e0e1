//! Route, Select and Balance in the order in which a client stacks them, over compiled config entries.
#![allow(clippy::unwrap_used, missing_docs)]

mod entries;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entries::World;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use mesh_core::body::Body;
use mesh_core::context::Outbound;
use mesh_core::endpoint::{EjectionState, Endpoint, EndpointSet};
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::net::Address;
use mesh_core::policy::{BalanceAlgorithm, BalancePolicy};
use mesh_core::random;
use mesh_core::snapshot::{Target, TargetPolicy};
use mesh_core::testing::fixtures;
use mesh_split::balance::BalanceLayer;
use mesh_split::route::RouteLayer;
use mesh_split::select::SelectLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// What the innermost service saw of a request.
#[derive(Clone, Debug)]
struct Seen {
    uri: String,
    headers: HeaderMap,
    target: Option<String>,
    endpoint: Option<String>,
}

impl Seen {
    fn of(request: &Request<Body>) -> Self {
        let outbound = request.extensions().get::<Outbound>();
        let attempt = outbound.map(Outbound::attempt);
        Self {
            uri: request.uri().to_string(),
            headers: request.headers().clone(),
            target: attempt.and_then(|a| a.target()).map(|t| t.id().to_string()),
            endpoint: attempt
                .and_then(|a| a.endpoint())
                .map(|e| e.key.to_string()),
        }
    }
}

async fn call(world: &World, request: Request<Body>) -> Result<(Seen, HeaderMap), Error> {
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let stack = ServiceBuilder::new()
        .layer(RouteLayer::new(world.snapshots()))
        .layer(SelectLayer::new())
        .layer(BalanceLayer::new())
        .service(service_fn(move |request: Request<Body>| {
            *note.lock().unwrap() = Some(Seen::of(&request));
            let response = Response::builder()
                .header("x-from", "app")
                .header("x-old", "1");
            std::future::ready(Ok::<_, BoxError>(response.body(Body::empty()).unwrap()))
        }));
    let response = stack.oneshot(request).await?;
    let seen = seen.lock().unwrap().take().unwrap();
    Ok((seen, response.headers().clone()))
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values.map(|v| v.to_str().unwrap().to_owned()).collect()
}

const CANARY: &str = r#"
    Kind = "service-splitter"
    Name = "backend"
    Splits = [
      { Weight = 90 ServiceSubset = "v1" },
      {
        Weight = 10
        ServiceSubset = "v2"
      },
      { Weight = 0 Service = "other" },
    ]
"#;

const EDITED: &str = r#"
    Kind = "service-splitter"
    Name = "backend"
    Splits = [
      {
        Weight = 100
        ServiceSubset = "v1"
        RequestHeaders {
          Set { "x-by" = "split" "x-both" = "split" }
          Add { "x-list" = "split" }
          Remove = ["x-gone"]
        }
        ResponseHeaders {
          Set { "x-by" = "split" }
        }
      },
    ]
"#;

const ROUTER: &str = r#"
    Kind = "service-router"
    Name = "backend"
    Routes = [
      {
        Match { HTTP { PathPrefix = "/api/" } }
        Destination {
          PrefixRewrite = "/v1/"
          RequestHeaders {
            Set { "x-both" = "route" }
            Add { "x-list" = "route" }
          }
          ResponseHeaders {
            Set { "x-by" = "route" }
            Remove = ["x-old"]
          }
        }
      },
      {
        Match { HTTP { Header = [ { Name = "x-canary" Present = true } ] } }
        Destination { ServiceSubset = "v2" }
      },
    ]
"#;

#[tokio::test]
async fn a_host_that_is_no_service_is_named() {
    let world = World::new(&[]);
    let error = call(&world, get("http://nobody:80/x")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::UnknownService);
    assert_eq!(error.subject(), Some("nobody"));
    assert!(error.is_unsent());
    let (seen, _) = call(&world, get("http://other:8080/x")).await.unwrap();
    assert_eq!(seen.endpoint.as_deref(), Some("other@127.0.0.1:7100"));
}

#[tokio::test]
async fn shares_of_a_split_are_exact_in_a_thousand_requests() {
    let world = World::new(&[CANARY]);
    let mut shares = BTreeMap::new();
    for _ in 0..1_000 {
        let (seen, _) = call(&world, get("http://backend/")).await.unwrap();
        *shares.entry(seen.target.unwrap()).or_insert(0) += 1;
    }
    let shares: Vec<_> = shares.iter().map(|(id, n)| (&id[..2], *n)).collect();
    assert_eq!(shares, [("v1", 900), ("v2", 100)]);
}

#[tokio::test]
async fn an_edit_acts_on_the_next_request() {
    let world = World::new(&[CANARY]);
    world.publish(&[r#"
        Kind = "service-splitter"
        Name = "backend"
        Splits = [
          { Weight = 0 ServiceSubset = "v1" },
          { Weight = 100 ServiceSubset = "v2" },
        ]
    "#]);
    for _ in 0..50 {
        let (seen, _) = call(&world, get("http://backend/")).await.unwrap();
        assert!(seen.target.unwrap().starts_with("v2."));
    }
}

#[tokio::test]
async fn the_route_has_the_last_word_on_headers_in_both_directions() {
    let world = World::new(&[EDITED, ROUTER]);
    let mut request = get("http://backend/api/birds?x=1");
    request.headers_mut().insert("x-gone", "1".parse().unwrap());
    request
        .headers_mut()
        .insert("x-list", "app".parse().unwrap());
    let (seen, response) = call(&world, request).await.unwrap();
    assert_eq!(values(&seen.headers, "x-by"), ["split"]);
    assert_eq!(values(&seen.headers, "x-both"), ["route"]);
    assert_eq!(values(&seen.headers, "x-list"), ["app", "split", "route"]);
    assert!(values(&seen.headers, "x-gone").is_empty());
    assert_eq!(values(&response, "x-by"), ["route"]);
    assert!(values(&response, "x-old").is_empty());
    assert_eq!(values(&response, "x-from"), ["app"]);
}

#[tokio::test]
async fn a_rewritten_path_keeps_the_query_and_tells_the_original() {
    let world = World::new(&[ROUTER]);
    let (seen, _) = call(&world, get("http://backend/api/birds?x=1"))
        .await
        .unwrap();
    assert_eq!(seen.uri, "http://backend/v1/birds?x=1");
    assert_eq!(
        values(&seen.headers, "x-envoy-original-path"),
        ["/api/birds?x=1"]
    );
    let (seen, _) = call(&world, get("http://backend/other")).await.unwrap();
    assert_eq!(seen.uri, "http://backend/other");
    assert!(values(&seen.headers, "x-envoy-original-path").is_empty());
    let mut origin_form = get("/api/birds");
    origin_form
        .headers_mut()
        .insert("host", "backend:80".parse().unwrap());
    let (seen, _) = call(&world, origin_form).await.unwrap();
    assert_eq!(seen.uri, "/v1/birds");
}

#[tokio::test]
async fn a_route_to_a_subset_passes_the_split_by() {
    let world = World::new(&[EDITED, ROUTER]);
    let mut request = get("http://backend/x");
    request
        .headers_mut()
        .insert("x-canary", "1".parse().unwrap());
    let (seen, _) = call(&world, request).await.unwrap();
    assert!(seen.target.unwrap().starts_with("v2."));
    assert!(values(&seen.headers, "x-by").is_empty());
}

#[tokio::test]
async fn a_forwarded_request_inherits_nothing_of_the_call_before() {
    let world = World::new(&[]);
    let mut request = get("http://other/x");
    let former = Outbound::begin(request.extensions_mut());
    let chain = Arc::clone(world.snapshots().load().chain("backend").unwrap());
    former.set_route(chain, 0);
    former.set_leg(0);
    let (seen, _) = call(&world, request).await.unwrap();
    assert!(seen.target.unwrap().starts_with("other."));
}

#[tokio::test]
async fn traffic_fails_over_to_the_next_level_and_returns() {
    let world = World::new(&[r#"
        Kind = "service-resolver"
        Name = "backend"
        Failover = { "*" = { Service = "other" } }
    "#]);
    let chain = Arc::clone(world.snapshots().load().chain("backend").unwrap());
    let primary = Arc::clone(&chain.routes[0].legs[0].levels[0]);
    let service = |seen: Seen| seen.target.unwrap();
    let before = service(call(&world, get("http://backend/")).await.unwrap().0);
    assert!(before.starts_with("backend."));
    let endpoints: Vec<_> = primary.endpoints().endpoints.clone();
    for endpoint in &endpoints {
        eject(endpoint, 1 << 38);
    }
    let during = service(call(&world, get("http://backend/")).await.unwrap().0);
    assert!(during.starts_with("other."));
    eject(&endpoints[0], 0);
    let after = service(call(&world, get("http://backend/")).await.unwrap().0);
    assert_eq!(after, before);
}

fn eject(endpoint: &Endpoint, until_ms: u64) {
    endpoint
        .state
        .update_ejection(|state| (EjectionState { until_ms, ..state }, ()));
}

fn endpoints(count: usize) -> Vec<Arc<Endpoint>> {
    let address = |port| Address::new("127.0.0.1", port);
    let ports = 1..=u16::try_from(count).unwrap();
    ports
        .map(|port| fixtures::endpoint(&format!("b-{port}"), address(port)))
        .collect()
}

fn target(count: usize) -> Arc<Target> {
    fixtures::target("backend", TargetPolicy::default(), endpoints(count))
}

async fn picked(request: Request<Body>) -> Result<Response<Body>, BoxError> {
    let endpoint = Seen::of(&request).endpoint.unwrap();
    Ok(Response::builder()
        .header("x-endpoint", endpoint)
        .body(Body::from("data"))
        .unwrap())
}

#[tokio::test]
async fn without_an_endpoint_the_error_is_immediate_and_names_the_target() {
    let balance = BalanceLayer::fixed(target(0));
    let service = ServiceBuilder::new().layer(balance).service_fn(picked);
    let error = service.oneshot(get("/")).await.err().unwrap();
    assert_eq!(
        (error.kind(), error.subject()),
        (ErrorKind::NoHealthyEndpoint, Some("backend"))
    );
    assert!(error.is_unsent());
    let service = ServiceBuilder::new()
        .layer(BalanceLayer::new())
        .service_fn(picked);
    let error = service.oneshot(get("/")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NoHealthyEndpoint);
}

fn unsettled() -> Arc<Target> {
    let target = target(0);
    target.publish(EndpointSet::new(2, vec![], 1, false));
    target
}

#[tokio::test(start_paused = true)]
async fn the_first_request_waits_until_the_endpoints_are_probed() {
    let target = unsettled();
    let service = ServiceBuilder::new()
        .layer(BalanceLayer::fixed(Arc::clone(&target)))
        .service_fn(picked);
    let answer = tokio::spawn(service.oneshot(get("/")));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!answer.is_finished());
    target.publish(EndpointSet::new(3, endpoints(1), 1, true));
    let response = answer.await.unwrap().unwrap();
    assert_eq!(response.headers()["x-endpoint"], "b-1");
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_first_probe_is_bounded_by_the_connect_timeout() {
    let began = tokio::time::Instant::now();
    let service = ServiceBuilder::new()
        .layer(BalanceLayer::fixed(unsettled()))
        .service_fn(picked);
    let error = service.oneshot(get("/")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NoHealthyEndpoint);
    let bound = TargetPolicy::default().connect_timeout;
    assert!((bound..bound + Duration::from_millis(10)).contains(&began.elapsed()));
}

#[tokio::test]
async fn an_endpoint_is_loaded_until_the_body_has_ended_or_is_dropped() {
    let target = target(1);
    let endpoint = Arc::clone(&target.endpoints().endpoints[0]);
    let in_flight = || endpoint.state.in_flight.load(Relaxed);
    let service = ServiceBuilder::new()
        .layer(BalanceLayer::fixed(target))
        .service_fn(picked);
    let mut read = service.clone().oneshot(get("/")).await.unwrap().into_body();
    let dropped = service.clone().oneshot(get("/")).await.unwrap();
    assert_eq!(in_flight(), 2);
    assert_eq!(read.size_hint().exact(), Some(4));
    read.frame().await.unwrap().unwrap();
    assert_eq!(in_flight(), 1);
    drop(dropped);
    assert_eq!(in_flight(), 0);

    let empty = ServiceBuilder::new()
        .layer(BalanceLayer::fixed(fixtures::target(
            "backend",
            TargetPolicy::default(),
            vec![Arc::clone(&endpoint)],
        )))
        .service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(Response::new(Body::empty())) });
    let _held = empty.oneshot(get("/")).await.unwrap();
    assert_eq!(in_flight(), 0);
}

#[tokio::test]
async fn a_further_attempt_goes_to_an_endpoint_not_tried_yet() {
    let service = ServiceBuilder::new()
        .layer(BalanceLayer::fixed(target(3)))
        .service_fn(picked);
    for _ in 0..50 {
        let mut tried = Vec::new();
        let mut request = get("/");
        let first = Outbound::begin(request.extensions_mut());
        for nth in 0..3 {
            let mut attempt = get("/");
            let outbound = if nth == 0 {
                first.clone()
            } else {
                first.next_attempt()
            };
            attempt.extensions_mut().insert(outbound);
            let response = service.clone().oneshot(attempt).await.unwrap();
            tried.push(
                response.headers()["x-endpoint"]
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        tried.sort_unstable();
        assert_eq!(tried, ["b-1", "b-2", "b-3"]);
    }
}

/// Sends requests, `concurrency` at a time, over three endpoints; the first one answers as `odd` says after `delay`.
async fn shares(odd: StatusCode, delay: Duration, concurrency: usize, rounds: usize) -> Vec<usize> {
    random::seed(5);
    let counts = Arc::new([const { std::sync::atomic::AtomicUsize::new(0) }; 3]);
    let seen = Arc::clone(&counts);
    let service = ServiceBuilder::new()
        .layer(BalanceLayer::fixed(target(3)))
        .service_fn(move |request: Request<Body>| {
            let endpoint = Seen::of(&request).endpoint.unwrap();
            let index = usize::from(endpoint.as_bytes()[2] - b'1');
            seen[index].fetch_add(1, Relaxed);
            async move {
                let (status, delay) = match index {
                    0 => (odd, delay),
                    _ => (StatusCode::OK, Duration::from_millis(5)),
                };
                tokio::time::sleep(delay).await;
                let response = Response::builder().status(status).body(Body::empty());
                Ok::<_, BoxError>(response.unwrap())
            }
        });
    let workers = (0..concurrency).map(|_| {
        let service = service.clone();
        async move {
            for _ in 0..rounds {
                let _ = service.clone().oneshot(get("/")).await;
            }
        }
    });
    futures::future::join_all(workers).await;
    counts.iter().map(|count| count.load(Relaxed)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_fast_attracts_nothing() {
    for concurrency in [1, 4, 40] {
        let failing = StatusCode::SERVICE_UNAVAILABLE;
        let shares = shares(
            failing,
            Duration::from_micros(200),
            concurrency,
            2_000 / concurrency,
        )
        .await;
        assert!(shares[0] <= 60, "{concurrency} at a time: {shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_endpoint_gets_at_most_a_tenth() {
    for concurrency in [1, 4, 40] {
        let shares = shares(
            StatusCode::OK,
            Duration::from_millis(300),
            concurrency,
            2_000 / concurrency,
        )
        .await;
        assert!(shares[0] <= 100, "{concurrency} at a time: {shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn equal_endpoints_share_evenly() {
    for concurrency in [1, 4, 40] {
        let shares = shares(
            StatusCode::OK,
            Duration::from_millis(5),
            concurrency,
            3_000 / concurrency,
        )
        .await;
        assert!(
            shares.iter().all(|n| n.abs_diff(1_000) < 150),
            "{concurrency} at a time: {shares:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_is_avoided_once_attempts_were_given_up() {
    let target = target(3);
    let counts = Arc::new(Mutex::new(BTreeMap::new()));
    let seen = Arc::clone(&counts);
    let service = ServiceBuilder::new()
        .layer(BalanceLayer::fixed(target))
        .service_fn(move |request: Request<Body>| {
            let endpoint = Seen::of(&request).endpoint.unwrap();
            *seen.lock().unwrap().entry(endpoint.clone()).or_insert(0) += 1;
            async move {
                if endpoint == "b-1" {
                    pending::<()>().await;
                }
                Ok::<_, BoxError>(Response::new(Body::empty()))
            }
        });
    for _ in 0..1_000 {
        let attempt = service.clone().oneshot(get("/"));
        let _ = tokio::time::timeout(Duration::from_millis(250), attempt).await;
    }
    let counts = counts.lock().unwrap();
    assert!(counts["b-1"] <= 10, "{counts:?}");
}

#[tokio::test]
async fn a_hash_keeps_a_user_at_one_endpoint() {
    let by_user = BalancePolicy {
        algorithm: BalanceAlgorithm::Maglev,
        hash: vec![mesh_core::policy::HashPolicy {
            source: mesh_core::policy::HashSource::Header("x-user".parse().unwrap()),
            terminal: false,
        }],
    };
    let service = ServiceBuilder::new()
        .layer(BalanceLayer::fixed(target(5)).policy(by_user))
        .service_fn(picked);
    let mut all = BTreeMap::new();
    for user in 0..50 {
        for _ in 0..3 {
            let mut request = get("/");
            request.headers_mut().insert("x-user", user.into());
            let response = service.clone().oneshot(request).await.unwrap();
            let endpoint = response.headers()["x-endpoint"].clone();
            assert_eq!(
                *all.entry(user).or_insert_with(|| endpoint.clone()),
                endpoint
            );
        }
    }
}
