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
