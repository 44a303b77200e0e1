//! [`Load`]: one request counts on its endpoint, from the pick to the end of the response body.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use mesh_core::endpoint::Endpoint;
use mesh_core::error::ErrorKind;
use tokio::time::Instant;

use super::ewma;

/// Counts in `in_flight` until it is dropped, and tells the estimator how the attempt went.
#[derive(Debug)]
pub(super) struct Load {
    endpoint: Arc<Endpoint>,
    started: Instant,
    judged: bool,
}

impl Load {
    pub(super) fn new(endpoint: Arc<Endpoint>, started: Instant) -> Self {
        endpoint.state.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            endpoint,
            started,
            judged: false,
        }
    }

    /// A response head came.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let failed = status.is_server_error() || grpc_failed(headers);
        self.judge(failed);
    }

    /// There is no response.
    pub(super) fn failed(&mut self, kind: ErrorKind) {
        match kind {
            // Says nothing about the endpoint.
            ErrorKind::RequestBody | ErrorKind::Overloaded | ErrorKind::RequestTimeout => {
                self.judged = true;
            }
            _ => self.judge(true),
        }
    }

    /// The response ended with these trailers.
    pub(super) fn trailed(&mut self, trailers: &HeaderMap) {
        if grpc_failed(trailers) {
            self.judge(true);
        }
    }

    /// The response broke off.
    pub(super) fn broken(&mut self) {
        self.judge(true);
    }

    fn judge(&mut self, failed: bool) {
        self.judged = true;
        self.observe(|old, observed| {
            Some(if failed {
                ewma::failure_sample(old, observed)
            } else {
                observed
            })
        });
    }

    fn observe(&self, sample: impl FnOnce(u64, u64) -> Option<u64>) {
        let state = &self.endpoint.state;
        let now = Instant::now();
        let at = nanos(state.elapsed(now));
        let old = state.latency.load(Ordering::Relaxed);
        let observed = nanos(now.saturating_duration_since(self.started));
        if let Some(sample) = sample(old, observed) {
            let age = at.saturating_sub(state.latency_at.load(Ordering::Relaxed));
            let next = ewma::observe(old, sample, Duration::from_nanos(age));
            // Two answers at once may lose one observation, never more.
            state.latency.store(next, Ordering::Relaxed);
            state.latency_at.store(at, Ordering::Relaxed);
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if !self.judged {
            // Given up before an answer: all that is known is that it takes longer than this.
            self.observe(|old, observed| (observed > old).then_some(observed));
        }
        self.endpoint
            .state
            .in_flight
            .fetch_sub(1, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether a `grpc-status` in the head maps to a 5xx (Envoy's mapping of gRPC to HTTP statuses).
fn grpc_failed(headers: &HeaderMap) -> bool {
    headers
        .get("grpc-status")
        .and_then(|status| status.to_str().ok()?.parse().ok())
        .is_some_and(|code: u8| matches!(code, 2 | 4 | 12 | 13 | 14 | 15))
}
