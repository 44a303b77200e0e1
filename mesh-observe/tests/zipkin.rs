//! The exporter against a collector on the loopback, and without one.
#![cfg(all(feature = "zipkin", feature = "prometheus"))]
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn as hyper_service;
use hyper_util::rt::TokioIo;
use mesh_core::context::{ConnectionInfo, Inbound};
use mesh_core::testing::fixtures;
use mesh_observe::zipkin::{Exporter, ZipkinConfig, ZipkinConfigError};
use mesh_observe::{Metrics, ObserveCallLayer, ObserveServerLayer, TraceConfig, Tracing};
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use serde_json::{Value, json};
use support::{answering, parse, serving, total};
use tokio::net::TcpListener;
use tower::util::service_fn;
use tower::{Layer, ServiceExt};

mod support;

#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<(String, Value)>>>);

impl Collected {
    fn spans(&self) -> Vec<Value> {
        let batches = self.0.lock().unwrap();
        batches
            .iter()
            .flat_map(|(_, batch)| batch.as_array().unwrap().clone())
            .collect()
    }
}

/// A collector that answers with `status`.
async fn collector(status: u16) -> (SocketAddr, Collected) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let collected = Collected::default();
    let kept = collected.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let kept = kept.clone();
            let service = hyper_service(move |request: Request<Incoming>| {
                let kept = kept.clone();
                async move {
                    assert_eq!(request.headers()["content-type"], "application/json");
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let batch = serde_json::from_slice(&body).unwrap();
                    kept.0.lock().unwrap().push((path, batch));
                    let response = Response::builder().status(status);
                    Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
                }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(socket), service));
        }
    });
    (address, collected)
}

fn config(address: SocketAddr) -> ZipkinConfig {
    ZipkinConfig {
        endpoint: format!("http://{address}/api/v2/spans"),
        local: Some(SocketAddr::from(([10, 1, 2, 3], 6060))),
        ..ZipkinConfig::new("frontend")
    }
}

fn all(exporter: &Exporter, shared: bool) -> Tracing {
    let config = TraceConfig {
        sampling_percent: 100.0,
        shared_span_context: shared,
        ..TraceConfig::new("frontend")
    };
    Tracing::new(config, exporter.provider()).unwrap()
}

fn incoming(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri("/shuffle?canary=true");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    let connection = ConnectionInfo {
        remote: Some(SocketAddr::from(([10, 9, 8, 7], 40_000))),
        local: None,
        peer: None,
    };
    Inbound::begin(request.extensions_mut(), Some(Arc::new(connection)));
    request
}

const B3: [(&str, &str); 4] = [
    ("x-b3-traceid", "463ac35c9f6413ad"),
    ("x-b3-spanid", "a2fb4a1d1a96d312"),
    ("x-b3-sampled", "1"),
    ("x-request-id", "6ba7b810-9dad-91d1-80b4-00c04fd430c8"),
];

/// One server span, as the collector got it, without its times.
async fn golden(shared: bool, headers: &[(&str, &str)]) -> Value {
    let (address, collected) = collector(202).await;
    let exporter = Exporter::start(config(address), None).unwrap();
    let server = ObserveServerLayer::new(all(&exporter, shared)).layer(serving(503));
    let response = server.oneshot(incoming(headers)).await.unwrap();
    response.into_body().collect().await.unwrap();
    exporter.flush().await.unwrap();
    let mut spans = collected.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(collected.0.lock().unwrap()[0].0, "/api/v2/spans");
    let mut span = spans.remove(0);
    let fields = span.as_object_mut().unwrap();
    assert!(fields.remove("timestamp").unwrap().as_u64().unwrap() > 1_600_000_000_000_000);
    assert!(fields.remove("duration").unwrap().as_u64().unwrap() >= 1);
    exporter.shutdown().await.unwrap();
    span
}

fn expected(id: &str, parent: Option<&str>) -> Value {
    let mut span = json!({
        "traceId": "463ac35c9f6413ad",
        "id": id,
        "kind": "SERVER",
        "name": "GET",
        "localEndpoint": {"serviceName": "frontend", "ipv4": "10.1.2.3", "port": 6060},
        "remoteEndpoint": {"ipv4": "10.9.8.7", "port": 40000},
        "annotations": [],
        "tags": {
            "http.request.method": "GET",
            "url.path": "/shuffle",
            "http.url": "http:///shuffle",
            "http.response.status_code": "503",
            "http.status_code": "503",
            "guid:x-request-id": "6ba7b810-9dad-91d1-80b4-00c04fd430c8",
            "error": "status 503",
            "error.type": "status 503",
            "otel.library.name": "mesh",
            "otel.status_code": "ERROR",
        },
    });
    if let Some(parent) = parent {
        span["parentId"] = json!(parent);
    }
    span
}

#[tokio::test]
async fn a_server_span_is_exact_zipkin_json() {
    let span = golden(false, &B3).await;
    let id = span["id"].as_str().unwrap().to_owned();
    assert_ne!(id, "a2fb4a1d1a96d312");
    assert_eq!(span, expected(&id, Some("a2fb4a1d1a96d312")));
}

#[tokio::test]
async fn a_shared_server_span_says_so() {
    let mut want = expected("a2fb4a1d1a96d312", None);
    want["shared"] = json!(true);
    assert_eq!(golden(true, &B3).await, want);
    let parent = ("x-b3-parentspanid", "0020000000000001");
    let mut want = expected("a2fb4a1d1a96d312", Some("0020000000000001"));
    want["shared"] = json!(true);
    assert_eq!(golden(true, &[&B3[..], &[parent]].concat()).await, want);
}

#[tokio::test]
async fn a_root_has_no_parent_and_a_client_span_names_its_remote() {
    let (address, collected) = collector(202).await;
    let metrics = Metrics::new("frontend");
    let exporter = Exporter::start(config(address), metrics.clone()).unwrap();
    let inner = service_fn(|mut request: Request<()>| {
        let outbound = mesh_core::context::Outbound::of(request.extensions_mut());
        let target = fixtures::target("v1.backend", Default::default(), Vec::new());
        let chain =
            fixtures::simple_chain("backend", vec![fixtures::leg(10_000, Arc::clone(&target))]);
        outbound.set_route(chain, 0);
        outbound.attempt().set_target(target);
        let socket = SocketAddr::from(([127, 0, 0, 1], 7000));
        outbound
            .attempt()
            .set_endpoint(fixtures::endpoint("b-1", socket));
        answering(200).oneshot(request)
    });
    let client = ObserveCallLayer::new(all(&exporter, false)).layer(inner);
    let get = Request::builder()
        .uri("http://u:p@backend/bird?key=secret")
        .body(())
        .unwrap();
    let response = client.oneshot(get).await.unwrap();
    response.into_body().collect().await.unwrap();
    let now = opentelemetry::time::now();
    let instant = exporter.provider().tracer("app");
    let mut instant = instant
        .span_builder("instant")
        .with_start_time(now)
        .start(&instant);
    instant.end_with_timestamp(now);
    exporter.flush().await.unwrap();
    let spans = collected.spans();
    let named = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap();
    let span = named("GET backend");
    assert!(span.get("parentId").is_none() && span.get("shared").is_none());
    assert_eq!(span["traceId"].as_str().unwrap().len(), 32);
    assert_eq!(span["kind"], "CLIENT");
    assert_eq!(
        span["remoteEndpoint"],
        json!({"serviceName": "backend", "ipv4": "127.0.0.1", "port": 7000})
    );
    assert_eq!(span["tags"]["http.url"], "http://backend/bird");
    assert_eq!(span["tags"]["mesh.target"], "v1.backend");
    assert!(!span.to_string().contains("secret"));
    assert_eq!(named("instant")["duration"], 1);
    let samples = parse(&metrics.render());
    assert_eq!(total(&samples, "mesh_trace_spans_exported_total", &[]), 2.0);
    assert_eq!(total(&samples, "mesh_trace_spans_dropped_total", &[]), 0.0);
}

#[tokio::test]
async fn a_collector_that_is_down_costs_spans_and_no_request() {
    let gone = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let metrics = Metrics::new("frontend");
    let small = ZipkinConfig {
        queue: 16,
        delay: Duration::from_millis(50),
        ..config(address)
    };
    let exporter = Exporter::start(small, metrics.clone()).unwrap();
    let server = ObserveServerLayer::new(all(&exporter, false)).layer(serving(200));
    for _ in 0..200 {
        let response = server.clone().oneshot(incoming(&[])).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();
    }
    // Whether the last flush found anything to send depends on the batch thread's pace.
    let _ = exporter.shutdown().await;
    let samples = parse(&metrics.render());
    assert_eq!(
        total(&samples, "mesh_trace_spans_dropped_total", &[]),
        200.0
    );
    assert!(total(&samples, "mesh_trace_export_failures_total", &[]) >= 1.0);
    assert_eq!(total(&samples, "mesh_trace_spans_exported_total", &[]), 0.0);
}

#[tokio::test]
async fn what_is_dropped_and_what_arrives_is_all_there_was() {
    let (address, collected) = collector(202).await;
    let metrics = Metrics::new("frontend");
    let small = ZipkinConfig {
        queue: 8,
        batch: 4,
        ..config(address)
    };
    let exporter = Exporter::start(small, metrics.clone()).unwrap();
    let server = ObserveServerLayer::new(all(&exporter, false)).layer(serving(200));
    for _ in 0..300 {
        let response = server.clone().oneshot(incoming(&[])).await.unwrap();
        response.into_body().collect().await.unwrap();
        tokio::task::yield_now().await;
    }
    exporter.shutdown().await.unwrap();
    let samples = parse(&metrics.render());
    let exported = total(&samples, "mesh_trace_spans_exported_total", &[]);
    let dropped = total(&samples, "mesh_trace_spans_dropped_total", &[]);
    assert_eq!(exported, collected.spans().len() as f64);
    assert_eq!(exported + dropped, 300.0);
}

#[tokio::test]
async fn a_collector_that_refuses_is_counted() {
    let (address, collected) = collector(500).await;
    let metrics = Metrics::new("frontend");
    let exporter = Exporter::start(config(address), metrics.clone()).unwrap();
    let server = ObserveServerLayer::new(all(&exporter, false)).layer(serving(200));
    let response = server.oneshot(incoming(&[])).await.unwrap();
    response.into_body().collect().await.unwrap();
    exporter.flush().await.unwrap_err();
    assert_eq!(collected.spans().len(), 1);
    let samples = parse(&metrics.render());
    assert_eq!(total(&samples, "mesh_trace_spans_dropped_total", &[]), 1.0);
    assert_eq!(
        total(&samples, "mesh_trace_export_failures_total", &[]),
        1.0
    );
}

#[tokio::test]
async fn dropping_the_exporter_on_the_runtimes_only_thread_does_not_block_it() {
    let (address, collected) = collector(202).await;
    let exporter = Exporter::start(config(address), None).unwrap();
    let tracing = all(&exporter, false);
    let server = ObserveServerLayer::new(tracing).layer(serving(200));
    let response = server.clone().oneshot(incoming(&[])).await.unwrap();
    response.into_body().collect().await.unwrap();
    let began = tokio::time::Instant::now();
    drop(server);
    drop(exporter);
    assert!(began.elapsed() < Duration::from_secs(1));
    while collected.spans().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(5), "the span is lost");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn bad_settings_are_refused() {
    let start = |config: ZipkinConfig| Exporter::start(config, None).unwrap_err();
    let with = |endpoint: &str| ZipkinConfig {
        endpoint: endpoint.to_owned(),
        ..ZipkinConfig::new("web")
    };
    for endpoint in [
        "",
        "/api/v2/spans",
        "https://collector/api/v2/spans",
        "collector:9411",
    ] {
        assert_eq!(
            start(with(endpoint)),
            ZipkinConfigError::Endpoint,
            "{endpoint}"
        );
    }
    let empty = ZipkinConfig {
        queue: 0,
        ..ZipkinConfig::new("web")
    };
    assert_eq!(start(empty), ZipkinConfigError::Empty);
    assert_eq!(
        start(ZipkinConfig::new("web")),
        ZipkinConfigError::NoRuntime
    );
}
