//! Handles of the request metrics, one set per label set.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Histogram, Label};

use super::codes::Outcome;
use super::handle::Registrar;
use super::names;
use super::table::Short;

#[derive(Debug)]
struct ByOutcome {
    requests: Counter,
    duration: Histogram,
}

/// What is counted of the requests of one caller to this service.
#[derive(Debug)]
pub struct ServerRequests {
    labels: Vec<Label>,
    registrar: Arc<Registrar>,
    outcomes: Short<Outcome, ByOutcome>,
}

impl ServerRequests {
    pub(super) fn new(registrar: Arc<Registrar>, source: Arc<str>) -> Self {
        let labels = vec![
            Label::new("source", source),
            Label::new("destination", Arc::clone(registrar.service())),
        ];
        Self {
            labels,
            registrar,
            outcomes: Short::default(),
        }
    }

    /// Counts one request.
    pub fn record(&self, outcome: Outcome, duration: Duration) {
        record(
            &self.registrar,
            &self.outcomes,
            [names::SERVER_REQUESTS, names::SERVER_DURATION],
            &self.labels,
            outcome,
            duration,
        );
    }
}

/// What is counted of the requests over one route to one target.
#[derive(Debug)]
pub struct ClientRequests {
    labels: Vec<Label>,
    registrar: Arc<Registrar>,
    outcomes: Short<Outcome, ByOutcome>,
    attempts: Short<Outcome, Counter>,
    retries: Counter,
}

impl ClientRequests {
    pub(super) fn new(
        registrar: Arc<Registrar>,
        [destination, route, target]: [Arc<str>; 3],
    ) -> Self {
        let labels = vec![
            Label::new("source", Arc::clone(registrar.service())),
            Label::new("destination", destination),
            Label::new("subset", target),
            Label::new("route", route),
        ];
        let retries = registrar.counter(names::CLIENT_RETRIES, labels.clone());
        Self {
            labels,
            registrar,
            outcomes: Short::default(),
            attempts: Short::default(),
            retries,
        }
    }

    /// Counts one request, after all of its attempts, and the attempts beyond the first.
    pub fn record(&self, outcome: Outcome, duration: Duration, retries: u64) {
        record(
            &self.registrar,
            &self.outcomes,
            [names::CLIENT_REQUESTS, names::CLIENT_DURATION],
            &self.labels,
            outcome,
            duration,
        );
        if retries > 0 {
            self.retries.increment(retries);
        }
    }

    /// Counts one attempt.
    pub fn record_attempt(&self, outcome: Outcome) {
        let outcome = outcome.folded();
        let make = || {
            if !self.registrar.admit() {
                return None;
            }
            let labels = with_outcome(&self.labels[..3], outcome);
            Some(self.registrar.counter(names::CLIENT_ATTEMPTS, labels))
        };
        if self
            .attempts
            .with(
                outcome,
                || self.registrar.is_full(),
                make,
                |attempts| attempts.increment(1),
            )
            .is_none()
        {
            let labels = with_outcome(&other(&self.labels[..3]), outcome);
            self.registrar
                .counter(names::CLIENT_ATTEMPTS, labels)
                .increment(1);
        }
    }
}

fn record(
    registrar: &Registrar,
    outcomes: &Short<Outcome, ByOutcome>,
    names: [&'static str; 2],
    labels: &[Label],
    outcome: Outcome,
    duration: Duration,
) {
    let outcome = outcome.folded();
    let count = |handles: &ByOutcome| {
        handles.requests.increment(1);
        handles.duration.record(duration.as_secs_f64());
    };
    let make = || {
        registrar
            .admit()
            .then(|| by_outcome(registrar, names, labels, outcome))
    };
    if outcomes
        .with(outcome, || registrar.is_full(), make, count)
        .is_none()
    {
        count(&by_outcome(registrar, names, &other(labels), outcome));
    }
}

fn by_outcome(
    registrar: &Registrar,
    [requests, duration]: [&'static str; 2],
    labels: &[Label],
    outcome: Outcome,
) -> ByOutcome {
    let mut classed = labels.to_vec();
    classed.push(Label::from_static_parts("code_class", outcome.class()));
    let mut coded = with_outcome(labels, outcome);
    coded.push(Label::new("http_response_status_code", outcome.code()));
    ByOutcome {
        requests: registrar.counter(requests, coded),
        duration: registrar.histogram(duration, classed),
    }
}

fn with_outcome(labels: &[Label], outcome: Outcome) -> Vec<Label> {
    let mut all = labels.to_vec();
    all.push(Label::from_static_parts("code_class", outcome.class()));
    all.push(Label::from_static_parts("error_type", outcome.error_type()));
    all
}

/// The same labels, every value `other`.
fn other(labels: &[Label]) -> Vec<Label> {
    labels
        .iter()
        .map(|label| Label::new(label.key().to_owned(), "other"))
        .collect()
}
