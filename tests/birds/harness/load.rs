//! Load through the gateway: a few keep-alive clients, each with a steady pace.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::http::Http;

/// One request and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// The front door's status, 0 without an answer.
    pub(crate) status: u16,
    /// `backendVersion`, where the backend itself answered.
    pub(crate) version: Option<String>,
    /// `backendHostname`, likewise.
    pub(crate) hostname: Option<String>,
    /// `error`, or why there was no answer.
    pub(crate) error: Option<String>,
}

impl Sample {
    /// A bird came.
    pub(crate) fn is_bird(&self) -> bool {
        self.status == 200 && self.error.is_none() && self.version.is_some()
    }

    pub(crate) fn is_denied(&self) -> bool {
        self.error.as_deref() == Some("received status code 403 from backend: RBAC: access denied")
    }
}

/// Sends one request and notes what became of it.
pub(crate) async fn sample(http: &Http, url: &str) -> Sample {
    let began = Instant::now();
    let answer = http.get(url).await;
    let took = began.elapsed();
    let mut sample = Sample {
        began,
        took,
        status: 0,
        version: None,
        hostname: None,
        error: None,
    };
    match answer {
        Ok(answer) => {
            sample.status = answer.status.as_u16();
            let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
            sample.version = text(&json["metadata"]["backendVersion"]);
            sample.hostname = text(&json["metadata"]["backendHostname"]);
            sample.error = text(&json["error"]);
            if sample.error.is_none() && json["response"].is_null() {
                sample.error = Some(answer.body);
            }
        }
        Err(error) => sample.error = Some(error),
    }
    sample
}

/// Sends `count` requests with `workers` at once, as fast as they are answered.
pub(crate) async fn burst(url: &str, count: usize, workers: usize) -> Vec<Sample> {
    let mut tasks = JoinSet::new();
    for worker in 0..workers {
        let url = url.to_owned();
        let share = count / workers + usize::from(worker < count % workers);
        tasks.spawn(async move {
            let http = Http::new();
            let mut samples = Vec::with_capacity(share);
            for _ in 0..share {
                samples.push(sample(&http, &url).await);
            }
            samples
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// How many samples came from each version; `-` stands for none.
pub(crate) fn by_version(samples: &[Sample]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for sample in samples {
        let version = sample.version.clone().unwrap_or_else(|| "-".to_owned());
        *counts.entry(version).or_default() += 1;
    }
    counts
}

/// Load that goes on until it is finished.
#[derive(Debug)]
pub(crate) struct Load {
    samples: Arc<Mutex<Vec<Sample>>>,
    workers: JoinSet<()>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Load {
    /// `workers` clients, each with a request every `pace`.
    pub(crate) fn start(url: &str, workers: usize, pace: Duration) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let (url, samples) = (url.to_owned(), Arc::clone(&samples));
            let mut stopped = stopped.clone();
            tasks.spawn(async move {
                let http = Http::new();
                let mut ticks = tokio::time::interval(pace);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        biased;
                        _ = stopped.wait_for(|stop| *stop) => return,
                        _ = ticks.tick() => {}
                    }
                    let sample = sample(&http, &url).await;
                    samples.lock().unwrap().push(sample);
                }
            });
        }
        Self {
            samples,
            workers: tasks,
            stop,
        }
    }

    /// What came so far.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap().clone()
    }

    /// What began after a moment and was answered so far.
    pub(crate) fn since(&self, moment: Instant) -> Vec<Sample> {
        let mut samples = self.samples();
        samples.retain(|sample| sample.began > moment);
        samples
    }

    /// Lets every request be answered and gives all samples in the order in which they began.
    pub(crate) async fn finish(mut self) -> Vec<Sample> {
        self.stop.send_replace(true);
        while let Some(ended) = self.workers.join_next().await {
            ended.unwrap();
        }
        let mut samples = self.samples();
        samples.sort_by_key(|sample| sample.began);
        samples
    }
}
