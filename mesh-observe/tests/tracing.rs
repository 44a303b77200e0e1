//! Spans, parents and headers across layers in one process.
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::testing::fixtures;
use mesh_observe::trace::RequestTrace;
use mesh_observe::{
    ObserveAttemptLayer, ObserveCallLayer, ObserveServerLayer, TraceConfig, Tracing,
};
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use support::{Spans, answering, attribute};
use tower::util::{BoxCloneSyncService, service_fn};
use tower::{Layer, ServiceExt};

mod support;

const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const UNSAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-00";

type Seen = Arc<Mutex<Vec<HeaderMap>>>;
type App = BoxCloneSyncService<Request<()>, (), Infallible>;

/// A server whose handler makes `calls` calls through the client layer; what the callee saw is kept.
fn chain(config: TraceConfig, calls: usize) -> (App, Spans, Seen) {
    let (provider, spans) = Spans::provider();
    let tracing = Tracing::new(config, &provider).unwrap();
    let (app, seen) = stack(&tracing, calls);
    (app, spans, seen)
}

fn stack(tracing: &Tracing, calls: usize) -> (App, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let callee = service_fn(move |request: Request<()>| {
        noted.lock().unwrap().push(request.headers().clone());
        answering(200).oneshot(request)
    });
    let client = ObserveCallLayer::new(tracing.clone()).layer(callee);
    let handler = service_fn(move |_: Request<()>| {
        let client = client.clone();
        async move {
            for _ in 0..calls {
                tokio::task::yield_now().await;
                let request = Request::builder()
                    .uri("http://backend/bird")
                    .body(())
                    .unwrap();
                let response = client.clone().oneshot(request).await.unwrap();
                response.into_body().collect().await.unwrap();
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
        }
    });
    let server = ObserveServerLayer::new(tracing.clone()).layer(handler);
    let app = service_fn(move |request: Request<()>| {
        let server = server.clone();
        async move {
            let response = server.oneshot(request).await?;
            response.into_body().collect().await.unwrap();
            Ok::<_, Infallible>(())
        }
    });
    (BoxCloneSyncService::new(app), seen)
}

fn request(headers: &[(&str, &str)]) -> Request<()> {
    headers
        .iter()
        .fold(
            Request::builder().uri("/shuffle"),
            |request, (name, value)| request.header(*name, *value),
        )
        .body(())
        .unwrap()
}

async fn run(config: TraceConfig, headers: &[(&str, &str)]) -> (Vec<SpanData>, HeaderMap) {
    let (app, spans, seen) = chain(config, 1);
    app.oneshot(request(headers)).await.unwrap();
    let seen = seen.lock().unwrap()[0].clone();
    (spans.all(), seen)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn of_kind(spans: &[SpanData], kind: SpanKind) -> &SpanData {
    spans.iter().find(|span| span.span_kind == kind).unwrap()
}

#[tokio::test]
async fn a_call_in_the_handlers_task_is_the_child_of_the_server_span() {
    let (spans, seen) = run(TraceConfig::new("web"), &[("traceparent", PARENT)]).await;
    let (server, client) = (
        of_kind(&spans, SpanKind::Server),
        of_kind(&spans, SpanKind::Client),
    );
    assert_eq!(server.parent_span_id.to_string(), "1234567890123456");
    assert_eq!(client.parent_span_id, server.span_context.span_id());
    for span in [server, client] {
        assert_eq!(
            span.span_context.trace_id().to_string(),
            "12345678901234567890123456789012"
        );
    }
    let id = client.span_context.span_id();
    assert_eq!(
        text(&seen, "traceparent"),
        format!("00-12345678901234567890123456789012-{id}-01")
    );
    assert_eq!(
        text(&seen, "x-b3-traceid"),
        "12345678901234567890123456789012"
    );
    assert_eq!(text(&seen, "x-b3-spanid"), id.to_string());
    assert_eq!(
        text(&seen, "x-b3-parentspanid"),
        server.span_context.span_id().to_string()
    );
    assert_eq!(text(&seen, "x-b3-sampled"), "1");
    assert_eq!(
        attribute(client, "http.url").as_deref(),
        Some("http://backend/bird")
    );
    assert_eq!(
        attribute(client, "http.status_code").as_deref(),
        Some("200")
    );
    assert_eq!(
        attribute(server, "http.response.status_code").as_deref(),
        Some("200")
    );
    assert!(server.start_time <= client.start_time && client.end_time <= server.end_time);
}

#[tokio::test]
async fn nothing_is_traced_at_share_zero_until_the_client_forces_it() {
    let (spans, seen) = run(TraceConfig::new("web"), &[]).await;
    assert!(spans.is_empty());
    assert!(text(&seen, "traceparent").ends_with("-02"));
    assert_eq!(text(&seen, "x-b3-sampled"), "0");
    assert_eq!(text(&seen, "x-request-id").as_bytes()[14], b'4');

    let (spans, seen) = run(TraceConfig::new("web"), &[("x-client-trace-id", "1")]).await;
    assert_eq!(spans.len(), 2);
    let id = text(&seen, "x-request-id");
    assert_eq!(id.as_bytes()[14], b'b');
    let server = of_kind(&spans, SpanKind::Server);
    assert_eq!(server.parent_span_id, SpanId::INVALID);
    assert_eq!(
        attribute(server, "guid:x-client-trace-id").as_deref(),
        Some("1")
    );
    assert_eq!(attribute(server, "guid:x-request-id").as_deref(), Some(id));
    assert!(text(&seen, "traceparent").ends_with("-03"));
}

#[tokio::test]
async fn a_forced_trace_goes_on_at_the_next_hop_by_its_request_id_alone() {
    let (_, seen) = run(TraceConfig::new("web"), &[("x-client-trace-id", "1")]).await;
    let id = text(&seen, "x-request-id").to_owned();
    let (spans, next) = run(TraceConfig::new("backend"), &[("x-request-id", &id)]).await;
    assert_eq!(spans.len(), 2);
    assert_eq!(text(&next, "x-request-id"), id);
}

#[tokio::test]
async fn the_edge_does_not_believe_what_outsiders_force() {
    let edge = || TraceConfig {
        edge: true,
        ..TraceConfig::new("gateway")
    };
    let forged = "11111111-2222-a333-8444-555555555555";
    let headers = [("x-envoy-force-trace", "1"), ("x-request-id", forged)];
    let (spans, seen) = run(edge(), &headers).await;
    assert!(spans.is_empty());
    assert_ne!(text(&seen, "x-request-id"), forged);
    let (spans, _) = run(edge(), &[("x-client-trace-id", "1")]).await;
    assert_eq!(spans.len(), 2, "the page may force a trace");
    let strict = TraceConfig {
        allow_client_trace: false,
        ..edge()
    };
    assert!(
        run(strict, &[("x-client-trace-id", "1")])
            .await
            .0
            .is_empty()
    );
    let kept = TraceConfig {
        preserve_request_id: true,
        ..edge()
    };
    let (spans, seen) = run(kept, &[("x-request-id", forged)]).await;
    assert_eq!((spans.len(), text(&seen, "x-request-id")), (2, forged));
    let internal = run(TraceConfig::new("web"), &headers[..1]).await;
    assert_eq!(internal.0.len(), 2);
    assert_eq!(text(&internal.1, "x-request-id").as_bytes()[14], b'a');
}

#[tokio::test]
async fn an_unsampled_context_is_passed_on_without_spans() {
    let headers = [("traceparent", UNSAMPLED), ("tracestate", "foo=1 , bar=2")];
    let (app, spans, seen) = chain(TraceConfig::new("web"), 3);
    app.oneshot(request(&headers)).await.unwrap();
    assert_eq!(spans.len(), 0);
    let seen = seen.lock().unwrap();
    let ids: std::collections::BTreeSet<_> = seen
        .iter()
        .map(|h| text(h, "traceparent").to_owned())
        .collect();
    assert_eq!(ids.len(), 3, "each call has its own parent-id");
    for headers in seen.iter() {
        let parent = text(headers, "traceparent");
        assert!(parent.starts_with("00-12345678901234567890123456789012-"));
        assert!(parent.ends_with("-00") && !parent.contains("-1234567890123456-"));
        assert_eq!(text(headers, "tracestate"), "foo=1,bar=2");
    }
}

#[tokio::test]
async fn an_invalid_parent_begins_a_new_trace_and_drops_the_state() {
    let zeros = "00-00000000000000000000000000000000-1234567890123456-01";
    let (spans, seen) = run(
        TraceConfig {
            sampling_percent: 100.0,
            ..TraceConfig::new("web")
        },
        &[("traceparent", zeros), ("tracestate", "foo=1")],
    )
    .await;
    assert_eq!(
        of_kind(&spans, SpanKind::Server).parent_span_id,
        SpanId::INVALID
    );
    assert!(!text(&seen, "traceparent").contains("00000000000000000000000000000000"));
    assert!(!seen.contains_key("tracestate"));
}

#[tokio::test]
async fn b3_is_joined_where_w3c_is_absent_and_keeps_64_bits() {
    let headers = [
        ("x-b3-traceid", "463ac35c9f6413ad"),
        ("x-b3-spanid", "a2fb4a1d1a96d312"),
        ("x-b3-sampled", "1"),
    ];
    let (spans, seen) = run(TraceConfig::new("web"), &headers).await;
    let server = of_kind(&spans, SpanKind::Server);
    assert_eq!(server.parent_span_id.to_string(), "a2fb4a1d1a96d312");
    assert_eq!(text(&seen, "x-b3-traceid"), "463ac35c9f6413ad");
    assert!(text(&seen, "traceparent").starts_with("00-0000000000000000463ac35c9f6413ad-"));
    let (spans, seen) = run(TraceConfig::new("web"), &[("b3", "0")]).await;
    assert!(spans.is_empty());
    assert_eq!(text(&seen, "x-b3-sampled"), "0");
    let all = TraceConfig {
        sampling_percent: 100.0,
        ..TraceConfig::new("web")
    };
    assert!(
        run(all, &[("b3", "0")]).await.0.is_empty(),
        "b3: 0 holds at any share"
    );
    let (spans, seen) = run(TraceConfig::new("web"), &[("b3", "d")]).await;
    assert_eq!(spans.len(), 2);
    assert_eq!(text(&seen, "x-b3-flags"), "1");
}

#[tokio::test]
async fn a_shared_context_gives_client_and_server_one_span() {
    let shared = TraceConfig {
        shared_span_context: true,
        ..TraceConfig::new("web")
    };
    let headers = [(
        "b3",
        "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1-0020000000000001",
    )];
    let (spans, _) = run(shared.clone(), &headers).await;
    let server = of_kind(&spans, SpanKind::Server);
    assert_eq!(
        server.span_context.span_id().to_string(),
        "a2fb4a1d1a96d312"
    );
    assert_eq!(server.parent_span_id.to_string(), "0020000000000001");
    let root = [("b3", "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1")];
    let (spans, _) = run(shared, &root).await;
    let server = of_kind(&spans, SpanKind::Server);
    assert_eq!(
        server.span_context.span_id().to_string(),
        "a2fb4a1d1a96d312"
    );
    assert_eq!(
        server.span_context.trace_id().to_string(),
        "463ac35c9f6413ad48485a3953bb6124"
    );
    assert_eq!(server.parent_span_id, SpanId::INVALID);
    let client = of_kind(&spans, SpanKind::Client);
    assert_eq!(client.parent_span_id, server.span_context.span_id());
}

#[tokio::test]
async fn excluded_paths_make_no_span_and_pass_the_context_on() {
    let config = TraceConfig {
        exclude: vec!["/shuffle".to_owned()],
        ..TraceConfig::new("web")
    };
    let (spans, seen) = run(config, &[("traceparent", PARENT)]).await;
    assert!(spans.iter().all(|span| span.span_kind != SpanKind::Server));
    let client = of_kind(&spans, SpanKind::Client);
    assert_eq!(client.parent_span_id.to_string(), "1234567890123456");
    assert!(text(&seen, "traceparent").starts_with("00-12345678901234567890123456789012-"));
}

#[tokio::test]
async fn an_applications_own_span_stands_between_server_and_client() {
    let (provider, spans) = Spans::provider();
    let tracing = Tracing::new(TraceConfig::new("web"), &provider).unwrap();
    let client = ObserveCallLayer::new(tracing.clone()).layer(answering(200));
    let own: SdkTracerProvider = provider.clone();
    let handler = service_fn(move |_: Request<()>| {
        let (client, own) = (client.clone(), own.clone());
        async move {
            use opentelemetry::trace::FutureExt;
            let span = own.tracer("app").start("call_backend");
            let context = opentelemetry::Context::current_with_span(span);
            let call = async {
                let request = Request::builder()
                    .uri("http://backend/bird")
                    .body(())
                    .unwrap();
                client.oneshot(request).await.unwrap()
            };
            let response = call.with_context(context).await;
            response.into_body().collect().await.unwrap();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let server = ObserveServerLayer::new(tracing).layer(handler);
    server
        .oneshot(request(&[("traceparent", PARENT)]))
        .await
        .unwrap();
    let spans = spans.all();
    let app = of_kind(&spans, SpanKind::Internal);
    let server = of_kind(&spans, SpanKind::Server);
    assert_eq!(app.parent_span_id, server.span_context.span_id());
    let client = of_kind(&spans, SpanKind::Client);
    assert_eq!(client.parent_span_id, app.span_context.span_id());
}

#[tokio::test]
async fn forwarded_headers_do_not_hide_the_server_span_and_own_ones_count() {
    let (provider, spans) = Spans::provider();
    let tracing = Tracing::new(TraceConfig::new("gateway"), &provider).unwrap();
    let client = ObserveCallLayer::new(tracing.clone()).layer(answering(200));
    let forward = service_fn(move |mut request: Request<()>| {
        if let Some(own) = request.headers_mut().remove("x-own-parent") {
            request.headers_mut().insert("traceparent", own);
        }
        *request.uri_mut() = "http://backend/bird".parse().unwrap();
        client.clone().oneshot(request)
    });
    let server = ObserveServerLayer::new(tracing).layer(forward);
    let headers = [("traceparent", PARENT)];
    let response = server.clone().oneshot(request(&headers)).await.unwrap();
    response.into_body().collect().await.unwrap();
    {
        let spans = spans.all();
        let server = of_kind(&spans, SpanKind::Server);
        let client = of_kind(&spans, SpanKind::Client);
        assert_eq!(client.parent_span_id, server.span_context.span_id());
    }
    let own = "00-12345678901234567890123456789012-aaaaaaaaaaaaaaaa-01";
    let headers = [("traceparent", PARENT), ("x-own-parent", own)];
    let response = server.oneshot(request(&headers)).await.unwrap();
    response.into_body().collect().await.unwrap();
    let spans = spans.all();
    let client = spans
        .iter()
        .filter(|s| s.span_kind == SpanKind::Client)
        .nth(1)
        .unwrap();
    assert_eq!(client.parent_span_id.to_string(), "aaaaaaaaaaaaaaaa");
}

#[tokio::test]
async fn a_call_that_fails_is_given_up_or_refused_still_has_its_span() {
    let (provider, spans) = Spans::provider();
    let all = TraceConfig {
        sampling_percent: 100.0,
        ..TraceConfig::new("web")
    };
    let layer = ObserveCallLayer::new(Tracing::new(all, &provider).unwrap());
    let get = || {
        Request::builder()
            .uri("http://backend/bird")
            .body(())
            .unwrap()
    };
    let failing = service_fn(|mut request: Request<()>| {
        let outbound = Outbound::of(request.extensions_mut());
        let endpoint =
            fixtures::endpoint("b-1", std::net::SocketAddr::from(([127, 0, 0, 1], 7000)));
        outbound.attempt().set_endpoint(endpoint);
        std::future::ready(Err::<Response<Full<Bytes>>, BoxError>(
            Error::new(ErrorKind::Reset).into(),
        ))
    });
    layer.layer(failing).oneshot(get()).await.unwrap_err();
    let never = service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>()
    });
    let given_up =
        tokio::time::timeout(Duration::from_millis(5), layer.layer(never).oneshot(get()));
    assert!(given_up.await.is_err());
    drop(layer.layer(answering(403)).oneshot(get()).await.unwrap());
    let spans = spans.all();
    let status: Vec<_> = spans.iter().map(|span| span.status.clone()).collect();
    assert_eq!(
        status,
        [
            Status::error("reset"),
            Status::error("cancelled"),
            Status::error("cancelled")
        ]
    );
    assert_eq!(
        attribute(&spans[0], "server.address").as_deref(),
        Some("127.0.0.1:7000")
    );
    assert_eq!(
        attribute(&spans[2], "http.status_code").as_deref(),
        Some("403")
    );
}

#[tokio::test]
async fn each_retried_attempt_has_a_span_below_the_call() {
    let (provider, spans) = Spans::provider();
    let all = TraceConfig {
        sampling_percent: 100.0,
        ..TraceConfig::new("web")
    };
    let tracing = Tracing::new(all, &provider).unwrap();
    let attempts = ObserveAttemptLayer::new(tracing.clone());
    let sent = Seen::default();
    let noted = Arc::clone(&sent);
    let retrying = service_fn(move |mut request: Request<()>| {
        let outbound = Outbound::of(request.extensions_mut());
        let noted = Arc::clone(&noted);
        let endpoint = service_fn(move |request: Request<()>| {
            noted.lock().unwrap().push(request.headers().clone());
            let status = if noted.lock().unwrap().len() == 1 {
                503
            } else {
                200
            };
            answering(status).oneshot(request)
        });
        let endpoint = attempts.layer(endpoint);
        async move {
            let mut again = request.clone();
            endpoint.clone().oneshot(request).await?;
            again.extensions_mut().insert(outbound.next_attempt());
            endpoint.oneshot(again).await
        }
    });
    let client = ObserveCallLayer::new(tracing).layer(retrying);
    let get = Request::builder()
        .uri("http://backend/bird")
        .body(())
        .unwrap();
    let response = client.oneshot(get).await.unwrap();
    response.into_body().collect().await.unwrap();
    let spans = spans.all();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let call = named("GET backend");
    let (first, second) = (named("attempt 0"), named("attempt 1"));
    for attempt in [first, second] {
        assert_eq!(attempt.parent_span_id, call.span_context.span_id());
    }
    assert_eq!(first.status, Status::error("status 503"));
    assert_eq!(second.status, Status::Unset);
    let sent = sent.lock().unwrap();
    let injected: Vec<_> = sent
        .iter()
        .map(|h| text(h, "x-b3-spanid").to_owned())
        .collect();
    assert_eq!(
        injected,
        [
            call.span_context.span_id().to_string(),
            second.span_context.span_id().to_string()
        ]
    );
}

#[tokio::test]
async fn propagation_alone_passes_the_context_through_unchanged() {
    let tracing = Tracing::propagation_only(TraceConfig::new("web")).unwrap();
    let (app, seen) = stack(&tracing, 1);
    app.oneshot(request(&[("traceparent", PARENT), ("tracestate", "a=1")]))
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(text(&seen[0], "traceparent"), PARENT);
    assert_eq!(text(&seen[0], "tracestate"), "a=1");
}

#[tokio::test]
async fn a_body_that_is_made_while_it_is_sent_is_in_the_scope_too() {
    struct Asks;
    impl http_body::Body for Asks {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            assert!(RequestTrace::current().is_some());
            std::task::Poll::Ready(None)
        }
    }
    let tracing = Tracing::propagation_only(TraceConfig::new("web")).unwrap();
    let handler =
        service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(Asks))));
    let server = ObserveServerLayer::new(tracing).layer(handler);
    let response = server.oneshot(request(&[])).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert!(RequestTrace::current().is_none());
}

#[tokio::test]
async fn the_scope_ends_with_the_poll() {
    let (provider, _) = Spans::provider();
    let tracing = Tracing::new(TraceConfig::new("web"), &provider).unwrap();
    let handler = service_fn(|_: Request<()>| async {
        let trace = RequestTrace::current().unwrap();
        assert!(trace.request_id().is_some());
        assert!(opentelemetry::Context::current().has_active_span());
        tokio::task::yield_now().await;
        assert!(RequestTrace::current().is_some());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let server = ObserveServerLayer::new(tracing).layer(handler);
    let mut polled = tokio_test_future(server.oneshot(request(&[])));
    assert!(polled().is_none());
    assert!(RequestTrace::current().is_none());
    assert!(!opentelemetry::Context::current().has_active_span());
    assert!(polled().is_some());
}

/// Polls by hand, so that what lies between two polls can be looked at.
fn tokio_test_future<F: Future>(future: F) -> impl FnMut() -> Option<F::Output> {
    let mut future = Box::pin(future);
    move || {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}

#[test]
fn a_configuration_out_of_range_is_refused() {
    for sampling_percent in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
        let config = TraceConfig {
            sampling_percent,
            ..TraceConfig::new("web")
        };
        assert!(Tracing::propagation_only(config).is_err());
    }
    let config = TraceConfig {
        exclude: vec![String::new()],
        ..TraceConfig::new("web")
    };
    assert!(Tracing::propagation_only(config).is_err());
}
