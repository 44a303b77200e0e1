//! Rows T: subsets, splits, routes, and edits under load.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::http::Http;
use crate::harness::load::{Load, Sample, burst, by_version};
use crate::harness::metrics::scrape;
use crate::harness::{Demo, Setup, eventually, so};

const SPLITTER: &str = "backend-splitter.hcl";
const ROUTER: &str = "backend-router.hcl";
/// How long an edit may take to act, from the write on.
const AT_ONCE: Duration = Duration::from_secs(1);

fn split(v1: u32, v2: u32) -> String {
    format!(
        "Kind = \"service-splitter\"\nName = \"backend\"\nSplits = [\n  {{ Weight = {v1}, ServiceSubset = \"v1\" }},\n  \
         {{ Weight = {v2}, ServiceSubset = \"v2\" }},\n]\n"
    )
}

/// Waits until a query is answered by a version.
async fn answered_by(demo: &Demo, query: &str, version: &str) {
    eventually(
        &format!("{query:?} goes to {version}"),
        AT_ONCE,
        async || {
            let found = demo.version(query).await?;
            so(found == version, || found)
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_weight_of_zero_gets_nothing_of_two_thousand() {
    let (demo, _) = Demo::shared().await;
    let samples = burst(&demo.url("/shuffle"), 2_000, 8).await;
    assert_eq!(by_version(&samples), [("v1".to_owned(), 2_000)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t4_half_and_half_is_exact() {
    let demo = Setup::new().file(SPLITTER, &split(50, 50)).start().await;
    let samples = burst(&demo.url("/shuffle"), 1_000, 8).await;
    let expected = [("v1".to_owned(), 500), ("v2".to_owned(), 500)];
    let failed = samples.iter().find(|it| !it.is_bird());
    assert_eq!(by_version(&samples), expected.into(), "{failed:?}");
}

#[tokio::test]
async fn t5_only_the_value_true_is_a_canary() {
    let (demo, _) = Demo::shared().await;
    for (query, version) in [
        ("", "v1"),
        ("?canary=true", "v2"),
        ("?canary=TRUE", "v1"),
        ("?canary=True", "v1"),
        ("?canary=1", "v1"),
        ("?canary=true%20", "v1"),
        ("?canary=%20true", "v1"),
        ("?canary=truex", "v1"),
        ("?canary=", "v1"),
        ("?canary", "v1"),
        ("?CANARY=true", "v1"),
        ("?xcanary=true", "v1"),
        ("?x=canary=true", "v1"),
        // The first of a repeated parameter counts.
        ("?canary=true&canary=false", "v2"),
        ("?canary=false&canary=true", "v1"),
        ("?x=1&canary=true&y=2", "v2"),
        // The frontend reads its query and writes a new one: the mesh sees no escapes there.
        ("?canary=tru%65", "v2"),
        ("?c%61nary=true", "v2"),
        ("?canary=tru%2565", "v1"),
    ] {
        assert_eq!(demo.version(query).await.as_deref(), Ok(version), "{query}");
    }
}

#[tokio::test]
async fn t6_a_route_with_a_subset_bypasses_the_splitter_and_one_without_goes_on_to_it() {
    let demo = Setup::new().start().await;
    for _ in 0..30 {
        assert_eq!(demo.version("?canary=true").await.as_deref(), Ok("v2"));
        assert_eq!(demo.version("").await.as_deref(), Ok("v1"));
    }
    // The same route, which no longer names a subset.
    demo.edit(ROUTER, "ServiceSubset = \"v2\"", "NumRetries = 1");
    answered_by(&demo, "?canary=true", "v1").await;
    demo.write(SPLITTER, &split(0, 100));
    answered_by(&demo, "?canary=true", "v2").await;
    answered_by(&demo, "", "v2").await;
}

#[tokio::test]
async fn t10_a_match_at_the_gateway_would_not_be_enough() {
    let demo = Setup::new().start().await;
    answered_by(&demo, "?canary=true", "v2").await;
    // The same criterion one hop earlier, where the gateway calls the frontend.
    let router = demo.read(ROUTER);
    let earlier = router
        .replace("Name = \"backend\"", "Name = \"frontend\"")
        .replace("ServiceSubset = \"v2\"", "Service = \"frontend\"");
    demo.remove(ROUTER);
    demo.write("frontend-router.hcl", &earlier);
    answered_by(&demo, "?canary=true", "v1").await;
    // And back, where the frontend calls the backend with the parameter that it copied.
    demo.write(ROUTER, &router);
    answered_by(&demo, "?canary=true", "v2").await;
    answered_by(&demo, "", "v1").await;
}

#[tokio::test]
async fn t11_a_program_that_cannot_be_changed_calls_its_upstream_on_the_loopback() {
    let (demo, _) = Demo::shared().await;
    let http = Http::new();
    let ask = async |path: &str| {
        let url = format!("http://127.0.0.1:{}{path}", demo.ports.upstream);
        let answer = http.get(&url).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["metadata"]["version"].clone()
    };
    assert_eq!(ask("/bird").await, "v1");
    // Nobody reads this query before the mesh does, and the mesh decodes nothing.
    for (query, version) in [
        ("canary=true", "v2"),
        ("canary=tru%65", "v1"),
        ("c%61nary=true", "v1"),
        ("canary=true&canary=false", "v2"),
        ("canary=false&canary=true", "v1"),
        ("canary=true+", "v1"),
    ] {
        assert_eq!(ask(&format!("/bird?{query}")).await, version, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_the_splitter_moves_traffic_within_a_second_and_fails_no_request() {
    let demo = Setup::new().start().await;
    let load = Load::start(&demo.url("/shuffle"), 4, Duration::from_millis(25));
    let enough = async |moment: Instant, count: usize| {
        eventually("load", AT_ONCE * 5, async || {
            let samples = load.since(moment).len();
            so(samples >= count, || samples.to_string())
        })
        .await;
    };
    enough(Instant::now(), 40).await;
    let edited = demo.write(SPLITTER, &split(50, 50));
    let moved = eventually("a bird of version 2", AT_ONCE, async || {
        let samples = load.since(edited);
        let found = samples
            .iter()
            .find(|it| it.version.as_deref() == Some("v2"));
        found
            .map(|sample| sample.began + sample.took - edited)
            .ok_or_else(|| format!("{:?}", by_version(&samples)))
    })
    .await;
    println!("write to first bird of version 2: {moved:?}");
    assert!(moved < AT_ONCE, "{moved:?}");
    let settled = Instant::now();
    enough(settled, 100).await;
    let samples = load.finish().await;
    for sample in &samples {
        assert!(sample.is_bird(), "{sample:?}");
        let early = sample.began + sample.took < edited;
        assert!(
            !early || sample.version.as_deref() == Some("v1"),
            "{sample:?}"
        );
    }
    let after: Vec<Sample> = samples
        .into_iter()
        .filter(|it| it.began > settled)
        .collect();
    let counts = by_version(&after);
    let (v1, v2) = (counts["v1"], counts["v2"]);
    // Exact but for what was under way at either end.
    assert!(v1.abs_diff(v2) <= 5, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_file_changes_no_route_stops_no_health_and_is_told_with_a_caret() {
    let demo = Setup::new().start().await;
    let instance = demo.another_v1();
    let second = demo.start_instance(&instance).await;
    let second_name = format!("backend-v1-{}", second.id());
    eventually("birds from the second instance", AT_ONCE * 10, async || {
        let answer = demo.shuffle("").await?;
        so(
            answer["metadata"]["backendHostname"] == second_name.as_str(),
            || answer.to_string(),
        )
    })
    .await;
    let load = Load::start(&demo.url("/shuffle"), 2, Duration::from_millis(50));
    let before = demo.output().len();
    let broken = demo.write(SPLITTER, &split(50, 60).replace("Splits", "Splitz"));
    // Every service reads the directory and tells; the lines are those of the demo's own output.
    let told = eventually("a diagnostic", AT_ONCE * 3, async || {
        let lines = demo.output().lines()[before..].to_vec();
        let caret = lines.iter().any(|line| {
            let line = line.rsplit('|').next().unwrap_or_default().trim();
            line.starts_with('^')
        });
        let named = lines.iter().any(|line| line.contains(SPLITTER));
        so(caret && named, || lines.join("\n"))?;
        Ok(lines.join("\n"))
    })
    .await;
    assert!(told.contains("Splitz"), "{told}");
    eventually("a rejection in the metrics", AT_ONCE * 3, async || {
        let metrics = scrape(demo.ports.metrics_frontend).await?;
        let rejections = metrics.sum("mesh_config_rejections_total", &[]);
        so(rejections >= 1.0, || rejections.to_string())
    })
    .await;

    // Health goes on: the second instance goes, and is left alone after its next check.
    let going = Instant::now();
    drop(second);
    let noticed = Instant::now() + AT_ONCE * 2;
    eventually("load without it", AT_ONCE * 10, async || {
        let late = load.since(noticed);
        so(late.len() >= 40, || format!("{} samples", late.len()))
    })
    .await;
    for sample in load.finish().await {
        assert_ne!(sample.version.as_deref(), Some("v2"), "{sample:?}");
        let meanwhile = sample.began + sample.took > going && sample.began < noticed;
        assert!(
            meanwhile || sample.is_bird(),
            "{:?} after the edit: {sample:?}",
            sample.began.checked_duration_since(broken)
        );
    }
    demo.write(SPLITTER, &split(0, 100));
    answered_by(&demo, "", "v2").await;
}
