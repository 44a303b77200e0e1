//! Rows O: metrics on both sides of each call, and traces.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::harness::collector::Collector;
use crate::harness::http::Http;
use crate::harness::load::{Sample, burst};
use crate::harness::metrics::{Metrics, scrape};
use crate::harness::{Demo, Setup, eventually, so};

const CLIENT: &str = "mesh_client_requests_total";
const SERVER: &str = "mesh_server_requests_total";
const CLIENT_SECONDS: &str = "http_client_request_duration_seconds";

/// The metrics of all four services: gateway, frontend, version 1, version 2.
async fn scrape_all(demo: &Demo) -> [Metrics; 4] {
    let [gateway, frontend, v1, v2] = demo.ports.metrics();
    [
        scrape(gateway).await.unwrap(),
        scrape(frontend).await.unwrap(),
        scrape(v1).await.unwrap(),
        scrape(v2).await.unwrap(),
    ]
}

/// Every edge of the demo on both of its sides: which scrape, which metric, which labels.
const EDGES: [(&str, usize, &str, [(&str, &str); 2]); 4] = [
    (
        "the gateway's calls",
        0,
        CLIENT,
        [("source", "ingress-gateway"), ("destination", "frontend")],
    ),
    (
        "the frontend's callers",
        1,
        SERVER,
        [("source", "ingress-gateway"), ("destination", "frontend")],
    ),
    (
        "the frontend's calls",
        1,
        CLIENT,
        [("source", "frontend"), ("destination", "backend")],
    ),
    (
        "the backend's callers",
        2,
        SERVER,
        [("source", "frontend"), ("destination", "backend")],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o1_a_known_load_is_counted_on_both_sides_of_each_call() {
    let demo = Setup::new().start().await;
    let before = scrape_all(&demo).await;
    let samples = burst(&demo.url("/shuffle"), 200, 4).await;
    assert!(samples.iter().all(Sample::is_bird));
    let after = scrape_all(&demo).await;
    for (edge, at, name, labels) in EDGES {
        let [source, destination] = labels;
        let labels = [source, destination, ("code_class", "2xx")];
        let count = after[at].sum(name, &labels) - before[at].sum(name, &labels);
        assert!((count - 200.0).abs() < f64::EPSILON, "{edge}: {count}");
    }
    assert!(after[3].sum(SERVER, &[]) == before[3].sum(SERVER, &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o1_percentiles_are_right_within_a_bucket() {
    let demo = Setup::new().start().await;
    // Of a hundred, ten take 0.3 s.
    let quick = burst(&demo.url("/shuffle"), 90, 2).await;
    let slow = burst(&demo.url("/shuffle?delay=0.3"), 10, 2).await;
    let mut seen: Vec<f64> = quick
        .iter()
        .chain(&slow)
        .map(|it| it.took.as_secs_f64())
        .collect();
    seen.sort_by(f64::total_cmp);
    let metrics = scrape(demo.ports.metrics_frontend).await.unwrap();
    let labels = [("destination", "backend")];
    let (lower, upper) = metrics.quantile(CLIENT_SECONDS, &labels, 0.99);
    assert!(lower <= 0.3 && upper >= 0.3, "P99 in {lower}..{upper}");
    // The way through the gateway comes on top of what the frontend sees.
    let (lower, _) = metrics.quantile(CLIENT_SECONDS, &labels, 0.5);
    let median = seen[seen.len() / 2];
    assert!(lower <= median, "P50 from {lower}, seen {median}");
    let (_, upper) = metrics.quantile(CLIENT_SECONDS, &labels, 0.5);
    assert!(upper < 0.3, "P50 up to {upper}");
}

#[tokio::test]
async fn o2_every_service_exposes_valid_metrics_on_an_address_of_its_own() {
    let (demo, _) = Demo::shared().await;
    assert!(demo.version("?canary=true").await.is_ok() && demo.version("").await.is_ok());
    for (metrics, service) in
        scrape_all(demo)
            .await
            .iter()
            .zip(["ingress-gateway", "frontend", "backend", "backend"])
    {
        // Reading it was the test of its form; see there.
        assert!(!metrics.series.is_empty());
        let names: Vec<_> = metrics.kinds.keys().map(String::as_str).collect();
        assert!(
            names.contains(&"mesh_config_version"),
            "{service}: {names:?}"
        );
        let own = match service {
            "ingress-gateway" => metrics.values(CLIENT, "source"),
            _ => metrics.values(SERVER, "destination"),
        };
        assert_eq!(own.into_iter().collect::<Vec<_>>(), [service]);
    }
}

#[tokio::test]
async fn o2_what_a_request_carries_adds_no_series() {
    let demo = Setup::new().start().await;
    let http = Http::new();
    let ask = async |from: usize, count: usize| {
        for number in from..from + count {
            let url = demo.url(&format!("/{number}?x={number}"));
            let headers = [
                ("user-agent", "a"),
                ("x-request-id", "b"),
                ("x-number", "c"),
            ];
            http.get_with(&url, &headers).await.unwrap();
        }
    };
    ask(0, 20).await;
    let before: usize = scrape_all(&demo)
        .await
        .iter()
        .map(|it| it.series.len())
        .sum();
    ask(20, 200).await;
    let after: usize = scrape_all(&demo)
        .await
        .iter()
        .map(|it| it.series.len())
        .sum();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o7_the_edge_that_fails_shows_the_errors_and_the_front_door_none() {
    let demo = Setup::new().start().await;
    let before = scrape_all(&demo).await;
    let samples = burst(&demo.url("/shuffle?error-rate=100"), 40, 4).await;
    assert!(
        samples
            .iter()
            .all(|it| it.status == 200 && it.error.is_some())
    );
    let after = scrape_all(&demo).await;
    for (edge, at, name, labels) in EDGES {
        let [source, destination] = labels;
        let labels = [source, destination, ("code_class", "5xx")];
        let failed = after[at].sum(name, &labels) - before[at].sum(name, &labels);
        let expected = if destination.1 == "backend" {
            40.0
        } else {
            0.0
        };
        assert!((failed - expected).abs() < f64::EPSILON, "{edge}: {failed}");
    }
}

/// Spans of one shuffle: the gateway, the frontend and the backend serve, the gateway and the frontend call.
const SPANS: usize = 5;

/// A demo with a collector of its own. Like Consul's it traces nothing unless it is told to.
async fn untraced() -> (Demo, Collector) {
    let collector = Collector::start();
    let demo = Setup::new().zipkin(collector.port).start().await;
    (demo, collector)
}

/// One request that asks to be traced.
async fn force(demo: &Demo, path: &str) {
    let forced = [("x-client-trace-id", "1")];
    let answer = Http::new().get_with(&demo.url(path), &forced).await;
    assert_eq!(answer.unwrap().status, 200, "{path}");
}

/// Every span, once there are that many.
async fn spans(collector: &Collector, count: usize) -> Vec<Value> {
    eventually("the spans", Duration::from_secs(15), async || {
        let spans = collector.spans();
        so(spans.len() >= count, || format!("{spans:#?}"))?;
        Ok(spans)
    })
    .await
}

/// The one span of a kind at a service.
fn span<'a>(spans: &'a [Value], kind: &str, service: &str) -> &'a Value {
    let found: Vec<_> = spans
        .iter()
        .filter(|it| it["kind"] == kind && it["localEndpoint"]["serviceName"] == service)
        .collect();
    assert_eq!(found.len(), 1, "{kind} at {service} in {spans:#?}");
    found[0]
}

#[tokio::test]
async fn o9_one_request_is_five_spans_each_the_child_of_the_one_before() {
    let (demo, collector) = untraced().await;
    force(&demo, "/shuffle").await;
    let spans = spans(&collector, SPANS).await;
    let chain = [
        span(&spans, "SERVER", "ingress-gateway"),
        span(&spans, "CLIENT", "ingress-gateway"),
        span(&spans, "SERVER", "frontend"),
        span(&spans, "CLIENT", "frontend"),
        span(&spans, "SERVER", "backend"),
    ];
    assert_eq!(chain[0].get("parentId"), None, "{spans:#?}");
    for pair in chain.windows(2) {
        assert_eq!(pair[1]["parentId"], pair[0]["id"], "{spans:#?}");
        let number = |span: &Value, field: &str| span[field].as_u64().unwrap();
        // Nested in time as well, but for the rounding to microseconds.
        assert!(number(pair[1], "timestamp") + 1 >= number(pair[0], "timestamp"));
        assert!(number(pair[1], "duration") <= number(pair[0], "duration") + 1);
    }
    assert!(collector.refused().is_empty(), "{:?}", collector.refused());
}

#[tokio::test]
async fn o10_spans_have_the_form_of_zipkin_version_2() {
    let (demo, collector) = untraced().await;
    force(&demo, "/shuffle").await;
    for span in spans(&collector, SPANS).await {
        let hexadecimal = |field: &str, lengths: &[usize]| {
            let text = span[field].as_str().unwrap_or_default();
            let digits = text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
            assert!(digits && lengths.contains(&text.len()), "{field}: {span:#}");
        };
        hexadecimal("traceId", &[16, 32]);
        hexadecimal("id", &[16]);
        if span.get("parentId").is_some() {
            hexadecimal("parentId", &[16]);
        }
        // Microseconds: of this century, and of the next minutes at most.
        let micros = span["timestamp"].as_u64().unwrap();
        assert!(
            (1_600_000_000_000_000..5_000_000_000_000_000).contains(&micros),
            "{span:#}"
        );
        assert!(
            (1..60_000_000).contains(&span["duration"].as_u64().unwrap()),
            "{span:#}"
        );
        assert!(!span["name"].as_str().unwrap().is_empty(), "{span:#}");
        let tags = span["tags"].as_object().unwrap();
        assert!(tags.values().all(Value::is_string), "{span:#}");
        assert!(tags.values().any(|it| it == "200"), "{span:#}");
        // `shared_span_context` is off: the two sides of a call are two spans.
        assert_ne!(span.get("shared"), Some(&Value::Bool(true)), "{span:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o10_without_a_collector_no_request_is_affected() {
    // Nobody listens where the traces go.
    let demo = Setup::new().start().await;
    let http = Http::new();
    let mut slowest = Duration::ZERO;
    for _ in 0..200 {
        let began = tokio::time::Instant::now();
        let answer = http
            .get_with(&demo.url("/shuffle"), &[("x-client-trace-id", "1")])
            .await
            .unwrap();
        slowest = slowest.max(began.elapsed());
        assert!(answer.json()["response"].is_object(), "{answer:?}");
    }
    // The exporter waits three seconds for a connection; a request must not.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    eventually(
        "spans are lost, and that is counted",
        Duration::from_secs(20),
        async || {
            let metrics = scrape(demo.ports.metrics_frontend).await?;
            let failures = metrics.sum("mesh_trace_export_failures_total", &[]);
            let dropped = metrics.sum("mesh_trace_spans_dropped_total", &[]);
            so(failures > 0.0 && dropped > 0.0, || {
                format!("{failures} {dropped}")
            })
        },
    )
    .await;
}

#[tokio::test]
async fn o12_nothing_is_traced_at_a_share_of_zero_unless_it_is_forced() {
    let (demo, collector) = untraced().await;
    let unforced = burst(&demo.url("/shuffle"), 50, 2).await;
    assert!(unforced.iter().all(Sample::is_bird));
    force(&demo, "/shuffle").await;
    let spans = spans(&collector, SPANS).await;
    let traces: BTreeSet<_> = spans.iter().map(|it| it["traceId"].to_string()).collect();
    assert_eq!((traces.len(), spans.len()), (1, SPANS), "{spans:#?}");
}

#[tokio::test]
async fn p11_the_files_of_the_page_are_not_traced() {
    let (demo, collector) = untraced().await;
    force(&demo, "/static/app.js").await;
    // Spans leave each service in order: these come after those that must not be.
    force(&demo, "/shuffle").await;
    for span in spans(&collector, SPANS).await {
        assert!(!span.to_string().contains("/static"), "{span:#}");
    }
}
