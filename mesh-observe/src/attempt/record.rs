//! [`AttemptRecord`]: what is known of an attempt until its response head.

use mesh_core::context::{Attempt, AttemptOutcome, Outbound};
use opentelemetry::trace::Span as _;
use opentelemetry_sdk::trace::Span;
use tokio::time::Instant;

use crate::head::Head;
use crate::metrics::Outcome;
use crate::observers::Observers;
use crate::trace::spans;

const NONE: &str = "none";

/// Completes the metrics and the span of an attempt exactly once; dropped without an end, it was given up.
#[derive(Debug)]
pub(super) struct AttemptRecord {
    observers: Observers,
    outbound: Outbound,
    span: Option<Box<Span>>,
    ended: bool,
}

impl AttemptRecord {
    pub(super) fn new(observers: Observers, outbound: Outbound, span: Option<Span>) -> Self {
        Self {
            observers,
            outbound,
            span: span.map(Box::new),
            ended: false,
        }
    }

    pub(super) fn responded(&mut self, head: Head) {
        let attempt = self.outbound.attempt();
        attempt.set_outcome(AttemptOutcome::Response {
            status: head.status(),
            grpc: head.grpc(),
            after: attempt.started.elapsed(),
        });
        self.end(head.outcome());
    }

    pub(super) fn failed(&mut self, kind: mesh_core::error::ErrorKind) {
        let attempt = self.outbound.attempt();
        attempt.set_outcome(AttemptOutcome::Failed {
            kind,
            after: attempt.started.elapsed(),
        });
        self.end(Outcome::Failed(kind));
    }

    fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let attempt = self.outbound.attempt();
        let chain = self.outbound.chain();
        if let Some(metrics) = self.observers.metrics() {
            let target = attempt.target().map(|target| &**target.id());
            metrics
                .client(
                    chain.map_or(NONE, |chain| &chain.service),
                    self.outbound.route().map_or(NONE, |route| &route.name),
                    target.unwrap_or(NONE),
                )
                .record_attempt(outcome);
        }
        if let (Some(mut span), Some(tracing)) = (self.span.take(), self.observers.tracing()) {
            let service = chain.map_or("", |chain| &chain.service);
            let address = attempt.endpoint().map(|endpoint| &endpoint.address);
            span.set_attributes(spans::peer(service, address));
            if let Some(target) = Attempt::target(attempt) {
                span.set_attribute(spans::target(target.id()));
            }
            let (attributes, status) = spans::ending(outcome);
            span.set_attributes(attributes);
            if let Some(status) = status {
                span.set_status(status);
            }
            span.end_with_timestamp(tracing.date(Instant::now()));
        }
    }
}

impl Drop for AttemptRecord {
    fn drop(&mut self) {
        // Whoever gave it up may have noted why, such as a time limit.
        let outcome = match self.outbound.attempt().outcome() {
            Some(AttemptOutcome::Failed { kind, .. }) => Outcome::Failed(kind),
            _ => Outcome::Dropped,
        };
        self.end(outcome);
    }
}
