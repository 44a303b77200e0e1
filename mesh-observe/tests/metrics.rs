//! What the exposition says after known traffic.
#![cfg(feature = "prometheus")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use mesh_core::context::{ConnectionInfo, Inbound, Outbound};
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::identity::{PeerIdentity, TrustDomain, VerifiedLeaf, leaf_identity};
use mesh_core::intention::{By, Decision, Verdict};
use mesh_core::testing::fixtures;
use mesh_observe::metrics::Outcome;
use mesh_observe::{Metrics, ObserveAttemptLayer, ObserveCallLayer, ObserveServerLayer};
use support::{answering, parse, serving, total};
use tower::util::service_fn;
use tower::{Layer, ServiceExt};

mod support;

fn get() -> Request<()> {
    Request::builder()
        .uri("http://backend/bird")
        .body(())
        .unwrap()
}

/// Routes like the layers between the two observers would.
fn routed(request: &mut Request<()>) -> Outbound {
    let outbound = Outbound::of(request.extensions_mut());
    let target = fixtures::target("v1.backend", Default::default(), Vec::new());
    let chain = fixtures::simple_chain("backend", vec![fixtures::leg(10_000, Arc::clone(&target))]);
    outbound.set_route(chain, 0);
    outbound.attempt().set_target(target);
    outbound
}

#[tokio::test]
async fn the_callers_edge_shows_the_errors_that_the_front_door_hides() {
    let metrics = Metrics::new("frontend");
    let backend = answering(503);
    let inner = service_fn(move |mut request: Request<()>| {
        routed(&mut request);
        backend.clone().oneshot(request)
    });
    let client = ObserveCallLayer::new(metrics.clone()).layer(inner);
    let handler = service_fn(move |_: Request<()>| {
        let client = client.clone();
        async move {
            let response = client.oneshot(get()).await.unwrap();
            response.into_body().collect().await.unwrap();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("sorry")))
        }
    });
    let server = ObserveServerLayer::new(metrics.clone()).layer(handler);
    for _ in 0..4 {
        let response = server.clone().oneshot(get()).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let samples = parse(&metrics.render());
    let edge = [
        ("source", "frontend"),
        ("destination", "backend"),
        ("subset", "v1.backend"),
        ("route", "default"),
        ("code_class", "5xx"),
        ("http_response_status_code", "503"),
        ("error_type", "503"),
    ];
    assert_eq!(total(&samples, "mesh_client_requests_total", &edge), 4.0);
    let door = [
        ("source", "unknown"),
        ("destination", "frontend"),
        ("code_class", "2xx"),
    ];
    assert_eq!(total(&samples, "mesh_server_requests_total", &door), 4.0);
    assert_eq!(total(&samples, "mesh_server_requests_total", &[]), 4.0);
    assert_eq!(total(&samples, "mesh_server_requests_active", &[]), 0.0);
}

#[tokio::test(start_paused = true)]
async fn latency_runs_until_the_end_of_the_body() {
    let metrics = Metrics::new("web");
    let slow = service_fn(|_: Request<()>| async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let sleep = tokio::time::sleep(Duration::from_millis(200));
        Ok::<_, BoxError>(Response::new(Late(Some(Box::pin(sleep)))))
    });
    let client = ObserveCallLayer::new(metrics.clone()).layer(slow);
    let response = client.oneshot(get()).await.unwrap();
    assert_eq!(
        total(&parse(&metrics.render()), "mesh_client_requests_total", &[]),
        0.0
    );
    response.into_body().collect().await.unwrap();
    let samples = parse(&metrics.render());
    let sum = total(&samples, "http_client_request_duration_seconds_sum", &[]);
    assert!((sum - 0.230).abs() < 0.005, "{sum}");
    let below = |le| {
        total(
            &samples,
            "http_client_request_duration_seconds_bucket",
            &[("le", le)],
        )
    };
    assert_eq!(
        (below("0.1"), below("0.25"), below("+Inf")),
        (0.0, 1.0, 1.0)
    );
}

/// One frame after 200 ms.
struct Late(Option<std::pin::Pin<Box<tokio::time::Sleep>>>);

impl Body for Late {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(sleep) = self.0.as_mut() else {
            return std::task::Poll::Ready(None);
        };
        std::task::ready!(sleep.as_mut().poll(cx));
        self.0 = None;
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"late")))))
    }
}

#[tokio::test]
async fn every_end_has_its_own_labels() {
    let metrics = Metrics::new("web");
    let layer = ObserveCallLayer::new(metrics.clone());

    let failing = service_fn(|_: Request<()>| async {
        Err::<Response<Full<Bytes>>, BoxError>(Error::new(ErrorKind::ConnectTimeout).into())
    });
    let error = layer.layer(failing).oneshot(get()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectTimeout);

    drop(layer.layer(answering(200)).oneshot(get()).await.unwrap());

    let never = service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>()
    });
    let call = tokio::spawn(layer.layer(never).oneshot(get()));
    tokio::task::yield_now().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());

    let trailers = service_fn(|_: Request<()>| async {
        let mut status = HeaderMap::new();
        status.insert("grpc-status", "14".parse().unwrap());
        let response = Response::builder().header("content-type", "application/grpc");
        let body = Full::<Bytes>::from("x").with_trailers(std::future::ready(Some(Ok(status))));
        Ok::<_, BoxError>(response.body(body).unwrap())
    });
    let response = layer.layer(trailers).oneshot(get()).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "14");

    let samples = parse(&metrics.render());
    let kind = |kind| {
        total(
            &samples,
            "mesh_client_requests_total",
            &[("error_type", kind)],
        )
    };
    assert_eq!(kind("connect_timeout"), 1.0);
    assert_eq!(kind("grpc_unavailable"), 1.0);
    assert_eq!(kind("cancelled"), 2.0);
    let cut = [("error_type", "cancelled"), ("code_class", "2xx")];
    assert_eq!(total(&samples, "mesh_client_requests_total", &cut), 1.0);
}

#[tokio::test]
async fn attempts_and_retries_are_counted_apart_from_requests() {
    let metrics = Metrics::new("web");
    let attempts = ObserveAttemptLayer::new(metrics.clone());
    let retrying = service_fn(move |mut request: Request<()>| {
        let outbound = routed(&mut request);
        let first = attempts.layer(answering(503));
        let second = attempts.layer(answering(200));
        async move {
            first.oneshot(request).await?;
            let next = outbound.next_attempt();
            next.attempt()
                .set_target(Arc::clone(outbound.attempt().target().unwrap()));
            let mut again = get();
            again.extensions_mut().insert(next);
            second.oneshot(again).await
        }
    });
    let client = ObserveCallLayer::new(metrics.clone()).layer(retrying);
    let response = client.oneshot(get()).await.unwrap();
    response.into_body().collect().await.unwrap();
    let samples = parse(&metrics.render());
    let class = |name, class| total(&samples, name, &[("code_class", class)]);
    assert_eq!(class("mesh_client_attempts_total", "5xx"), 1.0);
    assert_eq!(class("mesh_client_attempts_total", "2xx"), 1.0);
    assert_eq!(class("mesh_client_requests_total", "2xx"), 1.0);
    assert_eq!(total(&samples, "mesh_client_requests_total", &[]), 1.0);
    assert_eq!(total(&samples, "mesh_client_retries_total", &[]), 1.0);
}

#[tokio::test]
async fn series_stay_below_the_limit_and_nothing_is_lost() {
    let metrics = Metrics::with_limit("web", 20);
    for caller in 0..1_000 {
        metrics
            .server(&format!("caller-{caller}"))
            .record(Outcome::Status(200), Duration::from_millis(1));
    }
    for status in 100..1_000 {
        metrics
            .server("caller-0")
            .record(Outcome::Status(status), Duration::from_millis(1));
    }
    let samples = parse(&metrics.render());
    assert_eq!(total(&samples, "mesh_server_requests_total", &[]), 1_900.0);
    let sources: std::collections::BTreeSet<_> = samples
        .iter()
        .filter(|s| s.0 == "mesh_server_requests_total")
        .map(|s| &s.1["source"])
        .collect();
    assert!(sources.len() <= 20, "{}", sources.len());
    assert!(
        total(
            &samples,
            "mesh_server_requests_total",
            &[("source", "other")]
        ) > 900.0
    );
    assert!(total(&samples, "mesh_metrics_overflow_total", &[]) > 0.0);
}

#[tokio::test]
async fn a_panic_is_counted_with_and_without_a_response() {
    let metrics = Metrics::new("web");
    let panics = || service_fn(|_: Request<()>| async { panic!("boom") });
    type Panics = Result<Response<Full<Bytes>>, Infallible>;
    let inner = panics().map_future(|f| async move { f.await as Panics });
    let bare = ObserveServerLayer::new(metrics.clone()).layer(inner);
    assert!(
        tokio::spawn(bare.oneshot(get()))
            .await
            .unwrap_err()
            .is_panic()
    );

    let inner = panics().map_future(|f| async move { f.await as Panics });
    let caught = mesh_observe::server::catch_panic(Some(metrics.clone())).layer(inner);
    let caught = ObserveServerLayer::new(metrics.clone()).layer(caught);
    let response = caught.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 500);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "internal error\n");

    let samples = parse(&metrics.render());
    assert_eq!(total(&samples, "mesh_server_panics_total", &[]), 2.0);
    let failed = [("code_class", "5xx")];
    assert_eq!(total(&samples, "mesh_server_requests_total", &failed), 2.0);
    assert_eq!(total(&samples, "mesh_server_requests_active", &[]), 0.0);
}

#[tokio::test]
async fn every_typed_method_appears_with_help_and_type() {
    let metrics = Metrics::new("web");
    metrics.handshake("server", "ok");
    metrics.handshake("client", "unknown_issuer");
    metrics.verdict("frontend", false, "frontend");
    metrics.ejection("backend", "v1.backend");
    metrics.spans_exported(3);
    metrics.spans_dropped(2);
    metrics.export_failure();
    metrics.gauge_config_version(7);
    metrics.gauge_config_age(Duration::from_secs(90));
    metrics.config_rejection();
    let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    metrics.gauge_certificate_expiry("web", expiry);
    let samples = parse(&metrics.render());
    for (name, value) in [
        ("mesh_tls_handshakes_total", 2.0),
        ("mesh_intention_verdicts_total", 1.0),
        ("mesh_ejections_total", 1.0),
        ("mesh_trace_spans_exported_total", 3.0),
        ("mesh_trace_spans_dropped_total", 2.0),
        ("mesh_trace_export_failures_total", 1.0),
        ("mesh_config_version", 7.0),
        ("mesh_config_age_seconds", 90.0),
        ("mesh_config_rejections_total", 1.0),
        ("mesh_certificate_expiry_timestamp_seconds", 1_700_000_000.0),
    ] {
        assert_eq!(total(&samples, name, &[]), value, "{name}");
    }
}

#[tokio::test]
async fn two_services_in_one_process_keep_their_figures_apart() {
    let (one, two) = (Metrics::new("one"), Metrics::new("two"));
    let server = ObserveServerLayer::new(one.clone()).layer(serving(200));
    let response = server.oneshot(get()).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(
        total(&parse(&one.render()), "mesh_server_requests_total", &[]),
        1.0
    );
    assert_eq!(
        total(&parse(&two.render()), "mesh_server_requests_total", &[]),
        0.0
    );
}

#[tokio::test]
async fn openmetrics_ends_with_its_mark_and_has_float_bounds() {
    let metrics = Metrics::new("web");
    metrics
        .server("a")
        .record(Outcome::Status(200), Duration::from_secs(1));
    metrics.verdict("a", true, "5");
    let text = metrics.render_openmetrics();
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE mesh_server_requests counter\n"));
    assert!(
        text.contains("le=\"1.0\"")
            && text.contains("le=\"10.0\"")
            && text.contains("le=\"0.005\"")
    );
    assert!(text.contains("rule=\"5\"") && text.contains("le=\"+Inf\""));
    assert!(!text.contains("\n\n"));
}

#[tokio::test]
async fn the_upkeep_ends_with_the_last_handle() {
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = alive();
    let metrics = Metrics::new("web");
    let clone = metrics.clone();
    assert_eq!(alive(), before + 1);
    drop(metrics);
    tokio::task::yield_now().await;
    assert_eq!(alive(), before + 1);
    drop(clone);
    tokio::task::yield_now().await;
    assert_eq!(alive(), before);
}

#[tokio::test]
async fn a_verdict_is_counted_with_the_caller_and_the_rule_that_decided() {
    let metrics = Metrics::new("backend");
    let handler = service_fn(|mut request: Request<()>| {
        Inbound::of(request.extensions_mut()).set_verdict(Verdict {
            decision: Decision::Deny,
            by: By::Default,
        });
        serving(403).oneshot(request)
    });
    let server = ObserveServerLayer::new(metrics.clone()).layer(handler);
    let mut request = get();
    let connection = ConnectionInfo {
        remote: None,
        local: None,
        peer: Some(frontend()),
    };
    Inbound::begin(request.extensions_mut(), Some(Arc::new(connection)));
    let response = server.oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    let samples = parse(&metrics.render());
    let denied = [
        ("source", "frontend"),
        ("destination", "backend"),
        ("decision", "deny"),
        ("rule", "default"),
    ];
    assert_eq!(
        total(&samples, "mesh_intention_verdicts_total", &denied),
        1.0
    );
    let refused = [("source", "frontend"), ("code_class", "4xx")];
    assert_eq!(total(&samples, "mesh_server_requests_total", &refused), 1.0);
}

fn frontend() -> PeerIdentity {
    let name = b"spiffe://td.consul/ns/default/dc/dc1/svc/frontend".as_slice();
    PeerIdentity::assert_verified(VerifiedLeaf {
        identity: leaf_identity(std::iter::once(name)).unwrap(),
        trust_domain: TrustDomain::new("td.consul").unwrap(),
        sha256: [0; 32],
        not_after: 0,
        subject: String::new(),
        dns_names: Vec::new(),
    })
}

proptest::proptest! {
    #[test]
    fn any_label_value_gives_a_valid_exposition(source in ".{0,12}", rule in ".{0,12}") {
        let metrics = Metrics::new("web");
        metrics.verdict(&source, true, &rule);
        let samples = parse(&metrics.render());
        proptest::prop_assert_eq!(total(&samples, "mesh_intention_verdicts_total", &[]), 1.0);
        // The exposition folds two backslashes in a row into one.
        if !source.contains('\\') && !rule.contains('\\') {
            let want = [("source", source.as_str()), ("rule", rule.as_str())];
            let same = total(&samples, "mesh_intention_verdicts_total", &want);
            proptest::prop_assert_eq!(same, 1.0);
        }
    }
}
