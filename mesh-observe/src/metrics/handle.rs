//! [`Metrics`]: the handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};

use super::names;
use super::requests::{ClientRequests, ServerRequests};
use super::table::{Short, Table};

/// Default limit on the label sets of request metrics, per service.
pub const DEFAULT_SERIES_LIMIT: usize = 10_000;

const METADATA: Metadata<'static> = Metadata::new("mesh", Level::INFO, None);
const OTHER: &str = "other";

/// The metrics of one service. A clone is one reference count.
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registrar: Arc<Registrar>,
    clients: Table<ClientRequests>,
    servers: Table<ServerRequests>,
    verdicts: Table<Counter>,
    ejections: Table<Counter>,
    handshakes: Short<(&'static str, &'static str), Counter>,
    active: Gauge,
    panics: Counter,
    spans_exported: Counter,
    spans_dropped: Counter,
    export_failures: Counter,
    config_version: Gauge,
    config_age: Gauge,
    config_rejections: Counter,
    #[cfg(feature = "prometheus")]
    exposition: Option<super::prometheus::Exposition>,
}

/// Registers series on the recorder of one service and counts them.
pub(super) struct Registrar {
    service: Arc<str>,
    recorder: Arc<dyn Recorder + Send + Sync>,
    series: AtomicUsize,
    limit: usize,
    overflow: Counter,
}

impl Registrar {
    pub(super) fn service(&self) -> &Arc<str> {
        &self.service
    }

    pub(super) fn counter(&self, name: &'static str, labels: Vec<Label>) -> Counter {
        self.recorder
            .register_counter(&Key::from_parts(name, labels), &METADATA)
    }

    pub(super) fn histogram(&self, name: &'static str, labels: Vec<Label>) -> Histogram {
        self.recorder
            .register_histogram(&Key::from_parts(name, labels), &METADATA)
    }

    fn gauge(&self, name: &'static str, labels: Vec<Label>) -> Gauge {
        self.recorder
            .register_gauge(&Key::from_parts(name, labels), &METADATA)
    }

    /// Whether the limit is reached, which stays so; the attempt to go beyond it is counted. One relaxed load until then.
    pub(super) fn is_full(&self) -> bool {
        let full = self.series.load(Ordering::Relaxed) >= self.limit;
        if full {
            self.overflow.increment(1);
        }
        full
    }

    /// Whether one more label set may be kept.
    pub(super) fn admit(&self) -> bool {
        let admitted = self
            .series
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |series| {
                (series < self.limit).then_some(series + 1)
            })
            .is_ok();
        if !admitted {
            self.overflow.increment(1);
        }
        admitted
    }
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar")
            .field("service", &self.service)
            .field("series", &self.series)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics of `service` with a Prometheus recorder of their own and the default limit on series.
    ///
    /// Inside a tokio runtime a task folds the samples of histograms every five seconds, and ends with the last clone
    /// of this handle. Outside of one, samples are folded whenever the metrics are rendered.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn new(service: impl Into<Arc<str>>) -> Self {
        Self::with_limit(service, DEFAULT_SERIES_LIMIT)
    }

    /// The same with another limit on the label sets of request metrics.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn with_limit(service: impl Into<Arc<str>>, limit: usize) -> Self {
        let (recorder, exposition) = super::prometheus::recorder();
        Self::assemble(service.into(), Arc::new(recorder), limit, Some(exposition))
    }

    /// Metrics of `service` on a recorder of the caller's, with the default limit on series.
    #[must_use]
    pub fn with_recorder(
        service: impl Into<Arc<str>>,
        recorder: impl Recorder + Send + Sync + 'static,
    ) -> Self {
        Self::assemble(
            service.into(),
            Arc::new(recorder),
            DEFAULT_SERIES_LIMIT,
            #[cfg(feature = "prometheus")]
            None,
        )
    }

    fn assemble(
        service: Arc<str>,
        recorder: Arc<dyn Recorder + Send + Sync>,
        limit: usize,
        #[cfg(feature = "prometheus")] exposition: Option<super::prometheus::Exposition>,
    ) -> Self {
        names::describe(&recorder);
        let overflow = recorder.register_counter(&Key::from_name(names::OVERFLOW), &METADATA);
        let registrar = Arc::new(Registrar {
            service,
            recorder,
            series: AtomicUsize::new(0),
            limit,
            overflow,
        });
        let own = |key| vec![Label::new(key, Arc::clone(registrar.service()))];
        let inner = Inner {
            clients: Table::default(),
            servers: Table::default(),
            verdicts: Table::default(),
            ejections: Table::default(),
            handshakes: Short::default(),
            active: registrar.gauge(names::SERVER_ACTIVE, own("destination")),
            panics: registrar.counter(names::SERVER_PANICS, own("destination")),
            spans_exported: registrar.counter(names::SPANS_EXPORTED, Vec::new()),
            spans_dropped: registrar.counter(names::SPANS_DROPPED, Vec::new()),
            export_failures: registrar.counter(names::EXPORT_FAILURES, Vec::new()),
            config_version: registrar.gauge(names::CONFIG_VERSION, Vec::new()),
            config_age: registrar.gauge(names::CONFIG_AGE, Vec::new()),
            config_rejections: registrar.counter(names::CONFIG_REJECTIONS, Vec::new()),
            registrar,
            #[cfg(feature = "prometheus")]
            exposition,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The service whose metrics these are.
    #[must_use]
    pub fn service(&self) -> &Arc<str> {
        self.inner.registrar.service()
    }

    /// The metrics in Prometheus' text format. Empty on a recorder of the caller's.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn render(&self) -> String {
        self.inner
            .exposition
            .as_ref()
            .map(super::prometheus::Exposition::render)
            .unwrap_or_default()
    }

    /// The same in OpenMetrics' text format, version 1.0.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn render_openmetrics(&self) -> String {
        super::prometheus::openmetrics(&self.render())
    }

    /// The handles for requests to `destination` by `route` to `target`. Lock-free once the three are known.
    #[must_use]
    pub fn client(&self, destination: &str, route: &str, target: &str) -> Arc<ClientRequests> {
        let registrar = &self.inner.registrar;
        let make = |names| ClientRequests::new(Arc::clone(registrar), names);
        let names = [destination, route, target];
        self.inner
            .clients
            .find_or_add(
                names,
                || registrar.is_full(),
                |names| registrar.admit().then(|| make(names)),
            )
            .or_else(|| {
                let others = [OTHER; 3];
                self.inner
                    .clients
                    .find_or_add(others, || false, |n| Some(make(n)))
            })
            .unwrap_or_else(|| Arc::new(make([OTHER; 3].map(Arc::from))))
    }

    /// The handles for requests from `source`. Lock-free once it is known.
    #[must_use]
    pub fn server(&self, source: &str) -> Arc<ServerRequests> {
        let registrar = &self.inner.registrar;
        let make = |source| ServerRequests::new(Arc::clone(registrar), source);
        let servers = &self.inner.servers;
        servers
            .find_or_add(
                [source, "", ""],
                || registrar.is_full(),
                |[source, ..]| registrar.admit().then(|| make(source)),
            )
            .or_else(|| {
                servers.find_or_add([OTHER, "", ""], || false, |[other, ..]| Some(make(other)))
            })
            .unwrap_or_else(|| Arc::new(make(OTHER.into())))
    }

    /// Counts a TLS handshake. `side` is `client` or `server`; `result` a stable name from a finite set, `ok` or the
    /// reason of the failure.
    pub fn handshake(&self, side: &'static str, result: &'static str) {
        let registrar = &self.inner.registrar;
        let make = || {
            let labels = vec![
                Label::from_static_parts("side", side),
                Label::from_static_parts("result", result),
            ];
            Some(registrar.counter(names::HANDSHAKES, labels))
        };
        let _ = self.inner.handshakes.with(
            (side, result),
            || false,
            make,
            |handshakes| handshakes.increment(1),
        );
    }

    /// Counts a verdict of this service's intentions on a request or connection from `source`. `rule` names what
    /// decided: the source that an intention is written for, or `default`.
    pub fn verdict(&self, source: &str, allowed: bool, rule: &str) {
        let decision = if allowed { "allow" } else { "deny" };
        let registrar = &self.inner.registrar;
        let make = |[source, rule]: [Arc<str>; 2]| {
            let labels = vec![
                Label::new("source", source),
                Label::new("destination", Arc::clone(registrar.service())),
                Label::from_static_parts("decision", decision),
                Label::new("rule", rule),
            ];
            registrar.counter(names::VERDICTS, labels)
        };
        let verdicts = &self.inner.verdicts;
        let counter = verdicts
            .find_or_add(
                [source, decision, rule],
                || registrar.is_full(),
                |[source, _, rule]| registrar.admit().then(|| make([source, rule])),
            )
            .or_else(|| {
                let others = [OTHER, decision, OTHER];
                verdicts.find_or_add(
                    others,
                    || false,
                    |[source, _, rule]| Some(make([source, rule])),
                )
            });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    /// Counts an endpoint of `target` that was taken out.
    pub fn ejection(&self, destination: &str, target: &str) {
        let registrar = &self.inner.registrar;
        let counter = self.inner.ejections.find_or_add(
            [destination, target, ""],
            || registrar.is_full(),
            |[destination, target, _]| {
                registrar.admit().then(|| {
                    let labels = vec![
                        Label::new("destination", destination),
                        Label::new("subset", target),
                    ];
                    registrar.counter(names::EJECTIONS, labels)
                })
            },
        );
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    /// Adds to the requests in progress.
    pub(crate) fn request_began(&self) {
        self.inner.active.increment(1.0);
    }

    /// Takes from the requests in progress.
    pub(crate) fn request_ended(&self) {
        self.inner.active.decrement(1.0);
    }

    /// Counts a handler that panicked.
    pub fn panic(&self) {
        self.inner.panics.increment(1);
    }

    /// Counts spans that a collector accepted.
    pub fn spans_exported(&self, count: u64) {
        self.inner.spans_exported.increment(count);
    }

    /// Counts spans that were lost.
    pub fn spans_dropped(&self, count: u64) {
        self.inner.spans_dropped.increment(count);
    }

    /// Counts a batch of spans that could not be sent.
    pub fn export_failure(&self) {
        self.inner.export_failures.increment(1);
    }

    /// Sets the version of the configuration in use.
    pub fn gauge_config_version(&self, version: u64) {
        self.inner.config_version.set(version as f64);
    }

    /// Sets the time since the configuration in use was confirmed by its source.
    pub fn gauge_config_age(&self, age: Duration) {
        self.inner.config_age.set(age.as_secs_f64());
    }

    /// Counts a configuration that was refused.
    pub fn config_rejection(&self) {
        self.inner.config_rejections.increment(1);
    }

    /// Sets the end of the validity of `service`'s certificate.
    pub fn gauge_certificate_expiry(&self, service: &str, not_after: SystemTime) {
        let since_epoch = not_after
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let labels = vec![Label::new("service", service.to_owned())];
        self.inner
            .registrar
            .gauge(names::CERTIFICATE_EXPIRY, labels)
            .set(since_epoch.as_secs_f64());
    }
}
