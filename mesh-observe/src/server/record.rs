//! [`ServerRecord`]: what is known of an incoming request until it ends.

use mesh_core::context::Inbound;
use mesh_core::identity::PeerIdentity;
use mesh_core::intention::Verdict;
use opentelemetry::trace::TraceContextExt;
use tokio::time::Instant;

use crate::head::{End, Head};
use crate::metrics::Outcome;
use crate::observers::Observers;
use crate::trace::{ServerTrace, spans};

/// Completes the metrics and the span of a request exactly once; dropped without an end, the caller went away.
#[derive(Debug)]
pub(crate) struct ServerRecord {
    observers: Observers,
    inbound: Inbound,
    trace: Option<ServerTrace>,
    head: Option<Head>,
    ended: bool,
}

impl ServerRecord {
    pub(super) fn new(observers: Observers, inbound: Inbound, trace: Option<ServerTrace>) -> Self {
        if let Some(metrics) = observers.metrics() {
            metrics.request_began();
        }
        Self {
            observers,
            inbound,
            trace,
            head: None,
            ended: false,
        }
    }

    /// Makes the request's trace current until the guards are dropped.
    pub(crate) fn enter(&self) -> Option<impl Drop + use<>> {
        self.trace.as_ref().map(ServerTrace::enter)
    }

    pub(super) fn headed(&mut self, head: Head) {
        self.head = Some(head);
    }

    pub(crate) fn body_ended(&mut self, end: End) {
        if let Some(head) = self.head {
            self.end(head.ended(end));
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let now = Instant::now();
        if let Some(metrics) = self.observers.metrics() {
            let source = source(self.inbound.peer());
            let duration = now.saturating_duration_since(self.inbound.started());
            metrics.server(source).record(outcome, duration);
            metrics.request_ended();
            if let Some(verdict) = self.inbound.verdict() {
                metrics.verdict(source, verdict.is_allowed(), rule(verdict));
            }
        }
        let recorded = self.trace.take().filter(|trace| trace.recorded);
        if let (Some(trace), Some(tracing)) = (recorded, self.observers.tracing()) {
            let span = trace.context.span();
            let (attributes, status) = spans::ending(outcome);
            span.set_attributes(attributes);
            if let Some(status) = status {
                span.set_status(status);
            }
            span.end_with_timestamp(tracing.date(now));
        }
    }
}

impl Drop for ServerRecord {
    fn drop(&mut self) {
        let outcome = match self.head {
            _ if !self.ended && std::thread::panicking() => {
                if let Some(metrics) = self.observers.metrics() {
                    metrics.panic();
                }
                Outcome::Panicked
            }
            Some(head) => head.ended(End::Dropped),
            None => Outcome::Dropped,
        };
        self.end(outcome);
    }
}

/// Label of the caller.
fn source(peer: Option<&PeerIdentity>) -> &str {
    match peer {
        None => "unknown",
        Some(peer) => peer
            .service_name()
            .unwrap_or_else(|| peer.consul_id().kind()),
    }
}

/// Label of what decided: the source that the deciding rule is written for, or the default policy.
fn rule(verdict: &Verdict) -> &str {
    verdict.rule().map_or("default", |rule| &rule.source)
}
