//! [`CallRecord`]: what is known of a call until it ends.

use mesh_core::context::{Attempt, AttemptOutcome, Outbound};
use opentelemetry::trace::Span as _;
use opentelemetry_sdk::trace::Span;
use tokio::time::Instant;

use crate::head::{End, Head};
use crate::metrics::Outcome;
use crate::observers::Observers;
use crate::trace::{Tracing, spans};

/// Label of what is not known.
const NONE: &str = "none";

/// Completes the metrics and the span of a call exactly once; dropped without an end, the call was given up.
#[derive(Debug)]
pub(crate) struct CallRecord {
    observers: Observers,
    outbound: Outbound,
    // Boxed, because most requests have none and every response body carries this.
    span: Option<Box<Span>>,
    head: Option<Head>,
    ended: bool,
}

impl CallRecord {
    pub(super) fn new(observers: Observers, outbound: Outbound, span: Option<Span>) -> Self {
        Self {
            observers,
            outbound,
            span: span.map(Box::new),
            head: None,
            ended: false,
        }
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
            let last = self.outbound.attempts().last();
            let target = last.and_then(Attempt::target).map(|target| &**target.id());
            let chain = self.outbound.chain();
            metrics
                .client(
                    chain.map_or(NONE, |chain| &chain.service),
                    self.outbound.route().map_or(NONE, |route| &route.name),
                    target.unwrap_or(NONE),
                )
                .record(
                    outcome,
                    now.saturating_duration_since(self.outbound.started()),
                    self.outbound.attempts().skip(1).count() as u64,
                );
        }
        if let (Some(mut span), Some(tracing)) = (self.span.take(), self.observers.tracing()) {
            end_span(&mut span, tracing, &self.outbound, outcome, now);
        }
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        let outcome = match self.head {
            _ if std::thread::panicking() => Outcome::Panicked,
            Some(head) => head.ended(End::Dropped),
            None => Outcome::Dropped,
        };
        self.end(outcome);
    }
}

fn end_span(
    span: &mut Span,
    tracing: &Tracing,
    outbound: &Outbound,
    outcome: Outcome,
    now: Instant,
) {
    let service = outbound.chain().map_or("", |chain| &chain.service);
    let address = |attempt: &Attempt| attempt.endpoint().map(|endpoint| endpoint.address.clone());
    let last = outbound.attempts().filter_map(address).last();
    span.set_attributes(spans::peer(service, last.as_ref()));
    if let Some(target) = outbound.attempts().filter_map(Attempt::target).last() {
        span.set_attribute(spans::target(target.id()));
    }
    record_first(span, tracing, outbound, service);
    let (attributes, status) = spans::ending(outcome);
    span.set_attributes(attributes);
    if let Some(status) = status {
        span.set_status(status);
    }
    span.end_with_timestamp(tracing.date(now));
}

/// The first attempt's own span: known to be wanted only once there is a second.
fn record_first(span: &Span, tracing: &Tracing, outbound: &Outbound, service: &str) {
    let mut attempts = outbound.attempts();
    let (Some(first), Some(second)) = (attempts.next(), attempts.next()) else {
        return;
    };
    let (outcome, end) = match first.outcome() {
        Some(AttemptOutcome::Response {
            status,
            grpc,
            after,
        }) => {
            let failed = grpc.filter(|code| *code != 0).map(Outcome::Grpc);
            let outcome = failed.unwrap_or(Outcome::Status(status));
            (outcome, first.started + after)
        }
        Some(AttemptOutcome::Failed { kind, after }) => {
            (Outcome::Failed(kind), first.started + after)
        }
        // Given up, at the latest when the next one began.
        None => (Outcome::Dropped, second.started),
    };
    let times = (first.started, end);
    tracing.record_attempt(span.span_context(), "attempt 0", times, |span| {
        let address = first.endpoint().map(|endpoint| &endpoint.address);
        span.set_attributes(spans::peer(service, address));
        let (attributes, status) = spans::ending(outcome);
        span.set_attributes(attributes);
        if let Some(status) = status {
            span.set_status(status);
        }
    });
}
