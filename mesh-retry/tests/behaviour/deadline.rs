//! Deadlines on arrival and on departure.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt;
use mesh_core::body::Body;
use mesh_core::context::{Inbound, Outbound};
use mesh_core::live::Live;
use mesh_core::policy::TimeoutPolicy;
use mesh_retry::deadline::{Cancellation, DeadlineConfig, DeadlineExceeded, Reason, inject};
use mesh_retry::{DeadlineHeaderLayer, DeadlineLayer, TimeoutLayer, header};
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Act, Script, chain, channel, data, get, ms, routed};

fn with(headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = get();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// How long a handler that never answers is let run for these headers.
async fn runs_for(config: DeadlineConfig, headers: &[(&'static str, &str)]) -> u128 {
    let service = DeadlineLayer::new(config).layer(Script::new([Act::Hang]));
    let start = Instant::now();
    let response = service.oneshot(with(headers)).await.unwrap();
    assert_eq!(response.status(), 504);
    start.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn the_shortest_of_headers_and_limit_holds() {
    let config = DeadlineConfig::default;
    for (headers, expected) in [
        (&[][..], 15_000),
        (&[("x-mesh-deadline-ms", "70")][..], 70),
        // Only a gRPC request is bound by it; of others an outsider could end any.
        (
            &[("x-mesh-deadline-ms", "70"), ("grpc-timeout", "50m")][..],
            70,
        ),
        (&[("x-envoy-expected-rq-timeout-ms", "60")][..], 60),
        (&[("x-mesh-deadline-ms", "20000")][..], 15_000),
        (
            &[("x-mesh-deadline-ms", "soon"), ("grpc-timeout", "-1S")][..],
            15_000,
        ),
        (
            &[("x-mesh-deadline-ms", "99999999999999999999999")][..],
            15_000,
        ),
    ] {
        assert_eq!(runs_for(config(), headers).await, expected, "{headers:?}");
    }
    let unlimited = DeadlineConfig {
        limit: None,
        longest: ms(500),
        ..config()
    };
    let asked = [("x-mesh-deadline-ms", "99999999999999999999999")];
    assert_eq!(runs_for(unlimited, &asked).await, 500);
}

#[tokio::test(start_paused = true)]
async fn late_work_is_refused_without_running_it() {
    let script = Script::new([Act::Answer(200)]);
    let service = DeadlineLayer::default().layer(script.clone());
    let late = with(&[("x-mesh-deadline-ms", "0")]);
    let response = service.clone().oneshot(late).await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(
        response.extensions().get(),
        Some(&DeadlineExceeded { on_arrival: true })
    );
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "the deadline of the request has passed");
    assert_eq!(script.calls(), 0);

    // What waited between its arrival and this layer is late too.
    let mut request = with(&[("x-mesh-deadline-ms", "10")]);
    Inbound::begin(request.extensions_mut(), None);
    tokio::time::advance(ms(10)).await;
    assert_eq!(service.oneshot(request).await.unwrap().status(), 504);
    assert_eq!(script.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_call_is_refused_in_grpc() {
    let service = DeadlineLayer::default().layer(Script::new([Act::Hang]));
    let request = with(&[
        ("content-type", "application/grpc"),
        ("grpc-timeout", "20m"),
    ]);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["grpc-status"], "4");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_has_begun_is_cut_off() {
    let (feed, body) = channel();
    let mut body = Some(body);
    let service = DeadlineLayer::default().layer(service_fn(move |_: Request<Body>| {
        let body = body.take().unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    }));
    let start = Instant::now();
    let request = with(&[("x-mesh-deadline-ms", "100")]);
    let mut body = Body::new(service.oneshot(request).await.unwrap().into_body());
    feed.send(data("first")).unwrap();
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(start.elapsed(), ms(100));
    assert!(feed.is_closed());
}

#[tokio::test(start_paused = true)]
async fn spawned_work_learns_why_nobody_waits_any_more() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let service = DeadlineLayer::default().layer(service_fn(move |request: Request<Body>| {
        let cancellation = request.extensions().get::<Cancellation>().unwrap().clone();
        let log = log.clone();
        tokio::spawn(async move {
            let reason = cancellation.cancelled().await;
            log.lock().unwrap().push(reason);
        });
        async move {
            if request.uri().path() == "/quick" {
                return Ok(Response::new(Body::empty()));
            }
            std::future::pending::<Result<Response<Body>, Infallible>>().await
        }
    }));
    let request = with(&[("x-mesh-deadline-ms", "20")]);
    assert_eq!(
        service.clone().oneshot(request).await.unwrap().status(),
        504
    );
    tokio::task::yield_now().await;
    assert_eq!(*told.lock().unwrap(), [Reason::Deadline]);

    let abandoned = tokio::time::timeout(ms(5), service.clone().oneshot(get())).await;
    assert!(abandoned.is_err());
    tokio::task::yield_now().await;
    assert_eq!(
        *told.lock().unwrap(),
        [Reason::Deadline, Reason::CallerLeft]
    );

    let quick = Request::get("/quick").body(Body::empty()).unwrap();
    drop(service.oneshot(quick).await.unwrap());
    tokio::time::sleep(ms(60_000)).await;
    assert_eq!(
        told.lock().unwrap().len(),
        2,
        "an answered request cancels nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_handler_inherit_its_deadline_and_carry_it_on() {
    let callee = Script::new([Act::After(ms(30), 200)]);
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::default())
        .layer(DeadlineHeaderLayer::default())
        .service(callee.clone());
    let server = DeadlineLayer::default().layer(service_fn(move |_: Request<Body>| {
        let client = client.clone();
        async move {
            tokio::time::sleep(ms(40)).await;
            let response = client.clone().oneshot(get()).await;
            response.map(|response| response.map(Body::new))
        }
    }));
    let request = with(&[("x-mesh-deadline-ms", "200")]);
    assert_eq!(server.oneshot(request).await.unwrap().status(), 200);
    assert_eq!(callee.seen()[0].headers["x-mesh-deadline-ms"], "160");
}

#[tokio::test(start_paused = true)]
async fn a_service_called_within_call_itself_inherits_too() {
    let callee = Script::new([Act::Answer(200)]);
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::default())
        .layer(DeadlineHeaderLayer::default())
        .service(callee.clone());
    // A gateway: the client is the application.
    let gateway = DeadlineLayer::default().layer(client);
    let request = with(&[("x-mesh-deadline-ms", "200")]);
    assert_eq!(gateway.oneshot(request).await.unwrap().status(), 200);
    assert_eq!(callee.seen()[0].headers["x-mesh-deadline-ms"], "200");
}

#[tokio::test(start_paused = true)]
async fn the_limit_can_change_while_serving() {
    let config = |limit| DeadlineConfig {
        limit: Some(ms(limit)),
        ..DeadlineConfig::default()
    };
    let (publisher, live) = Live::channel(config(10));
    let service = DeadlineLayer::new(live).layer(Script::new([Act::After(ms(20), 200)]));
    assert_eq!(service.clone().oneshot(get()).await.unwrap().status(), 504);
    publisher.publish(config(30));
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_states_what_remains() {
    let start = Instant::now();
    let outbound = Outbound::begin(&mut http::Extensions::new());
    let mut headers = http::HeaderMap::new();
    inject(&outbound, &header::DEADLINE_MS, &mut headers, start);
    assert!(headers.is_empty(), "nothing is known yet");
    outbound.set_deadline(start + ms(100));
    inject(
        &outbound,
        &header::DEADLINE_MS,
        &mut headers,
        start + ms(30),
    );
    assert_eq!(headers["x-mesh-deadline-ms"], "70");
    assert!(!headers.contains_key("grpc-timeout"));
    headers.insert("grpc-timeout", "1S".parse().unwrap());
    inject(
        &outbound,
        &header::DEADLINE_MS,
        &mut headers,
        start + ms(120),
    );
    assert_eq!(headers["x-mesh-deadline-ms"], "0");
    assert_eq!(headers["grpc-timeout"], "0n");
    headers.insert("grpc-timeout", "10m".parse().unwrap());
    inject(&outbound, &header::DEADLINE_MS, &mut headers, start);
    assert_eq!(headers["grpc-timeout"], "10m", "never lengthened");
}

#[tokio::test(start_paused = true)]
async fn an_outdated_header_is_not_passed_on_and_a_short_post_states_the_whole_limit() {
    let callee = Script::new([Act::Answer(200)]);
    let service = DeadlineHeaderLayer::default().layer(callee.clone());
    let stale = with(&[("x-mesh-deadline-ms", "9")]);
    assert!(service.clone().oneshot(stale).await.is_ok());
    assert!(!callee.seen()[0].headers.contains_key("x-mesh-deadline-ms"));

    let limits = TimeoutPolicy {
        request: Some(ms(300)),
        ..TimeoutPolicy::default()
    };
    let (request, _) = routed(&chain(limits, None), get().map(|_| Body::from("form=1")));
    assert!(
        TimeoutLayer::default()
            .layer(service)
            .oneshot(request)
            .await
            .is_ok()
    );
    assert_eq!(callee.seen()[1].headers["x-mesh-deadline-ms"], "300");
}
