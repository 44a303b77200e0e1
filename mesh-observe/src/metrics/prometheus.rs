//! The Prometheus recorder of one service and its exposition.

use std::time::Duration;

use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::names;

const UPKEEP: Duration = Duration::from_secs(5);

pub(super) struct Exposition {
    handle: PrometheusHandle,
    upkeep: Option<AbortHandle>,
}

pub(super) fn recorder() -> (PrometheusRecorder, Exposition) {
    let builder = [names::CLIENT_DURATION, names::SERVER_DURATION]
        .into_iter()
        .try_fold(
            PrometheusBuilder::new().with_recommended_naming(true),
            |builder, name| {
                builder.set_buckets_for_metric(
                    Matcher::Full(name.to_owned()),
                    &names::DURATION_BUCKETS,
                )
            },
        )
        .expect("the list of buckets is not empty");
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Each sample stays in memory until it is folded into its histogram.
    let upkeep = Handle::try_current().ok().map(|runtime| {
        let handle = handle.clone();
        let task = runtime.spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                handle.run_upkeep();
            }
        });
        task.abort_handle()
    });
    (recorder, Exposition { handle, upkeep })
}

impl Exposition {
    pub(super) fn render(&self) -> String {
        self.handle.render()
    }
}

/// Turns Prometheus' text format into OpenMetrics': families of counters are named without their suffix, bounds are
/// floating-point numbers, nothing is empty, and the end is marked.
pub(super) fn openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once(' '))
        {
            Some((keyword, rest)) => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let name = name.strip_suffix("_total").unwrap_or(name);
                out.extend(["# ", keyword, " ", name, " ", rest, "\n"]);
            }
            None => {
                push_sample(&mut out, line);
                out.push('\n');
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

fn push_sample(out: &mut String, line: &str) {
    let is_bucket = line
        .split_once('{')
        .is_some_and(|(name, _)| name.ends_with("_bucket"));
    let bound = line.rsplit_once("le=\"").filter(|_| is_bucket);
    let whole = bound.and_then(|(before, rest)| {
        let (bound, after) = rest.split_once('"')?;
        let is_whole = bound.bytes().all(|digit| digit.is_ascii_digit());
        is_whole.then_some((before, bound, after))
    });
    match whole {
        Some((before, bound, after)) => out.extend([before, "le=\"", bound, ".0\"", after]),
        None => out.push_str(line),
    }
}

impl Drop for Exposition {
    fn drop(&mut self) {
        if let Some(upkeep) = &self.upkeep {
            upkeep.abort();
        }
    }
}

impl std::fmt::Debug for Exposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}
