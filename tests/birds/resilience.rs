//! Rows R: checks, instances that die, retries and their budget, timeouts.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::load::{Load, Sample, burst};
use crate::harness::metrics::scrape;
use crate::harness::process::{Process, signal};
use crate::harness::{Demo, Instance, Setup, eventually, so};

const ROUTER: &str = "backend-router.hcl";
/// The interval of the checks in the demo's registrations.
const INTERVAL: Duration = Duration::from_secs(1);
/// What a probe and the news of it may take on top.
const NEWS: Duration = Duration::from_millis(500);

/// A router whose only route is for everything and has this destination.
fn all(destination: &str) -> String {
    format!(
        "Kind = \"service-router\"\nName = \"backend\"\nRoutes = [\n  {{\n    Match = {{ HTTP = {{ PathPrefix = \"/\" }} }}\n    \
         Destination = {{ {destination} }}\n  }}\n]\n"
    )
}

/// A second instance of version 1, in use.
async fn second_v1(demo: &Demo) -> (Instance, Process) {
    let instance = demo.another_v1();
    let process = demo.start_instance(&instance).await;
    in_use(demo, &process).await;
    (instance, process)
}

async fn in_use(demo: &Demo, process: &Process) {
    let name = format!("backend-v1-{}", process.id());
    eventually(
        "birds from the second instance",
        INTERVAL * 10,
        async || {
            let answer = demo.shuffle("").await?;
            so(
                answer["metadata"]["backendHostname"] == name.as_str(),
                || answer.to_string(),
            )
        },
    )
    .await;
}

async fn more(load: &Load, moment: Instant, count: usize) {
    eventually("load", Duration::from_secs(15), async || {
        let samples = load.since(moment).len();
        so(samples >= count, || samples.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_closed_port_takes_an_instance_out_within_an_interval_and_an_open_one_brings_it_back()
{
    let demo = Setup::new().start().await;
    let (instance, process) = second_v1(&demo).await;
    let load = Load::start(&demo.url("/shuffle"), 2, Duration::from_millis(50));
    more(&load, Instant::now(), 20).await;
    let closed = Instant::now();
    signal(process.id(), "KILL");
    drop(process);
    more(&load, closed + INTERVAL + NEWS, 60).await;
    let process = demo.start_instance(&instance).await;
    in_use(&demo, &process).await;
    let back = Instant::now();
    more(&load, back, 20).await;
    for sample in load.finish().await {
        let out = sample.began + sample.took > closed && sample.began < closed + INTERVAL + NEWS;
        assert!(out || sample.is_bird(), "{sample:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_of_two_instances_one_may_die_under_load() {
    let demo = Setup::new().start().await;
    let (_, process) = second_v1(&demo).await;
    let load = Load::start(&demo.url("/shuffle"), 4, Duration::from_millis(25));
    more(&load, Instant::now(), 60).await;
    let killed = Instant::now();
    signal(process.id(), "KILL");
    more(&load, killed + INTERVAL + NEWS, 120).await;
    let samples = load.finish().await;
    let failed: Vec<_> = samples.iter().filter(|it| !it.is_bird()).collect();
    let last = failed.iter().map(|it| it.began + it.took - killed).max();
    println!(
        "{} of {} failed before the check noticed, the last {last:?} after the death",
        failed.len(),
        samples.len()
    );
    for sample in failed {
        let unnoticed =
            sample.began + sample.took > killed && sample.began < killed + INTERVAL + NEWS;
        assert!(unnoticed, "{sample:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_retry_hides_the_death_of_one_of_two_instances() {
    let demo = Setup::new().start().await;
    let (_, process) = second_v1(&demo).await;
    demo.write(
        ROUTER,
        &all("NumRetries = 1, RetryOn = [\"reset\", \"connect-failure\"]"),
    );
    settled(&demo, ROUTER).await;
    let load = Load::start(&demo.url("/shuffle"), 4, Duration::from_millis(20));
    more(&load, Instant::now(), 100).await;
    let killed = Instant::now();
    signal(process.id(), "KILL");
    more(&load, killed, 400).await;
    let samples = load.finish().await;
    let lost: Vec<&Sample> = samples.iter().filter(|it| it.version.is_none()).collect();
    assert!(
        lost.is_empty(),
        "{} of {}: {:?}",
        lost.len(),
        samples.len(),
        lost.first()
    );
}

/// Waits until the frontend acts on the newest configuration.
///
/// Each edit raises the version in the metrics by one; the frontend reads the files as all others do.
async fn settled(demo: &Demo, file: &str) {
    // A canary goes to version 2 by the demo's own router only.
    assert_eq!(file, ROUTER);
    eventually("the new router", INTERVAL * 3, async || {
        let version = demo.version("?canary=true").await?;
        so(version == "v1", || version)
    })
    .await;
}

/// The share of failures that a user sees, and how many requests the backend received for each that was made.
async fn fail_half_of(demo: &Demo, requests: usize) -> (f64, f64) {
    let received = async || {
        let metrics = scrape(demo.ports.metrics_v1).await.unwrap();
        metrics.sum("mesh_server_requests_total", &[("source", "frontend")])
    };
    let before = received().await;
    let samples = burst(&demo.url("/shuffle?error-rate=50"), requests, 8).await;
    let failed = samples.iter().filter(|it| !it.is_bird()).count();
    let made = samples.len() as f64;
    for sample in samples.iter().filter(|it| !it.is_bird()) {
        let error = sample.error.as_deref().unwrap_or_default();
        assert!(error.starts_with("received status code 503"), "{sample:?}");
    }
    (failed as f64 / made, (received().await - before) / made)
}

/// The share of requests that fail at `error-rate=50`: the draw is one of 101 numbers.
const HALF: f64 = 51.0 / 101.0;

/// Five standard deviations of a share of `requests` draws.
fn deviation(share: f64, requests: usize) -> f64 {
    5.0 * (share * (1.0 - share) / requests as f64).sqrt()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_free_retries_hide_seven_of_eight_failures() {
    let requests = 600;
    let policy = "Kind = \"mesh-policy\"\nName = \"backend\"\nRetries {\n  Budget { Ratio = 1.0  Reserve = 1000 }\n  \
                  Backoff { Base = \"1ms\"  Max = \"2ms\" }\n}\n";
    let demo = Setup::new()
        .file(ROUTER, &all("NumRetries = 2, RetryOnStatusCodes = [503]"))
        .file("backend-policy.hcl", policy)
        .start()
        .await;
    let (failed, amplified) = fail_half_of(&demo, requests).await;
    // Three attempts fail in a row; a second attempt is made for HALF, a third for its square.
    let expected = HALF.powi(3);
    println!(
        "{failed:.3} of the requests failed, {expected:.3} expected; amplified {amplified:.3} times"
    );
    assert!(
        (failed - expected).abs() < deviation(expected, requests),
        "{failed}"
    );
    let attempts = 1.0 + HALF + HALF * HALF;
    assert!((amplified - attempts).abs() < 0.2, "{amplified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_a_budget_bounds_what_retries_cost() {
    let requests = 600;
    let policy = "Kind = \"mesh-policy\"\nName = \"backend\"\nRetries {\n  Budget { Ratio = 0.2  Reserve = 0  Window = \"60s\" }\n  \
                  Backoff { Base = \"1ms\"  Max = \"2ms\" }\n}\n";
    let demo = Setup::new()
        .file(ROUTER, &all("NumRetries = 2, RetryOnStatusCodes = [503]"))
        .file("backend-policy.hcl", policy)
        .start()
        .await;
    let (failed, amplified) = fail_half_of(&demo, requests).await;
    // One retry for each five requests, and each succeeds with the probability of a first attempt.
    let expected = HALF - 0.2 * (1.0 - HALF);
    println!(
        "{failed:.3} of the requests failed, {expected:.3} expected; amplified {amplified:.3} times"
    );
    assert!(
        (failed - expected).abs() < deviation(expected, requests) + 0.02,
        "{failed}"
    );
    assert!(amplified <= 1.2 + 0.01, "{amplified}");
    assert!(amplified > 1.1, "the budget was hardly used: {amplified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_no_retry_is_made_unless_it_is_asked_for() {
    let demo = Setup::new().start().await;
    let (failed, amplified) = fail_half_of(&demo, 300).await;
    assert!((failed - HALF).abs() < deviation(HALF, 300), "{failed}");
    assert!((amplified - 1.0).abs() < f64::EPSILON, "{amplified}");
}

#[tokio::test]
async fn r6_a_timeout_ends_the_wait_and_the_work() {
    let demo = Setup::new()
        .file(ROUTER, &all("RequestTimeout = \"1s\""))
        .start()
        .await;
    let began = Instant::now();
    let answer = demo.shuffle("?delay=10").await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(950), "{took:?}");
    assert!(took < Duration::from_millis(1_800), "{took:?}");
    // Caller and callee watch the same deadline; either may be the first to say so.
    let error = answer["error"].as_str().unwrap();
    let callee = "received status code 504 from backend: the deadline of the request has passed";
    assert!(error.contains("timed out") || error == callee, "{answer}");
    // The backend would sleep for nine more seconds. It does not: the request is over there as well.
    eventually(
        "the handler is stopped",
        Duration::from_secs(3),
        async || {
            let metrics = scrape(demo.ports.metrics_v1).await?;
            let active = metrics.sum("mesh_server_requests_active", &[]);
            so(active == 0.0, || active.to_string())
        },
    )
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_a_subset_without_instances_is_an_error_that_says_so() {
    let demo = Setup::new().start().await;
    signal(demo.role("backend-v1"), "KILL");
    let error = eventually("no instance is left", INTERVAL * 5, async || {
        let answer = demo.shuffle("").await?;
        let error = answer["error"].as_str().unwrap_or_default().to_owned();
        so(error.contains("no healthy endpoint"), || answer.to_string())?;
        Ok(error)
    })
    .await;
    assert!(error.contains("v1"), "{error}");
    // The other subset is not touched by that.
    assert_eq!(demo.version("?canary=true").await.as_deref(), Ok("v2"));
}
