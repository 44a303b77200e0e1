//! Names, units and help texts of every metric.

use metrics::{KeyName, Recorder, SharedString, Unit};

/// Upper bounds of the duration histograms in seconds: the list of OpenTelemetry's HTTP semantic conventions.
pub const DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

pub(crate) const CLIENT_DURATION: &str = "http.client.request.duration";
pub(crate) const SERVER_DURATION: &str = "http.server.request.duration";
pub(crate) const CLIENT_REQUESTS: &str = "mesh.client.requests";
pub(crate) const CLIENT_ATTEMPTS: &str = "mesh.client.attempts";
pub(crate) const CLIENT_RETRIES: &str = "mesh.client.retries";
pub(crate) const SERVER_REQUESTS: &str = "mesh.server.requests";
pub(crate) const SERVER_ACTIVE: &str = "mesh.server.requests.active";
pub(crate) const SERVER_PANICS: &str = "mesh.server.panics";
pub(crate) const VERDICTS: &str = "mesh.intention.verdicts";
pub(crate) const HANDSHAKES: &str = "mesh.tls.handshakes";
pub(crate) const EJECTIONS: &str = "mesh.ejections";
pub(crate) const CERTIFICATE_EXPIRY: &str = "mesh.certificate.expiry.timestamp";
pub(crate) const CONFIG_VERSION: &str = "mesh.config.version";
pub(crate) const CONFIG_AGE: &str = "mesh.config.age";
pub(crate) const CONFIG_REJECTIONS: &str = "mesh.config.rejections";
pub(crate) const SPANS_EXPORTED: &str = "mesh.trace.spans.exported";
pub(crate) const SPANS_DROPPED: &str = "mesh.trace.spans.dropped";
pub(crate) const EXPORT_FAILURES: &str = "mesh.trace.export.failures";
pub(crate) const OVERFLOW: &str = "mesh.metrics.overflow";

const COUNTERS: [(&str, &str); 13] = [
    (
        CLIENT_REQUESTS,
        "Requests made to a service, after all attempts.",
    ),
    (
        CLIENT_ATTEMPTS,
        "Attempts sent to endpoints; a retried request has several.",
    ),
    (CLIENT_RETRIES, "Attempts beyond the first of a request."),
    (SERVER_REQUESTS, "Requests received."),
    (SERVER_PANICS, "Requests whose handler panicked."),
    (VERDICTS, "Verdicts of intentions on requests."),
    (HANDSHAKES, "TLS handshakes by their result."),
    (EJECTIONS, "Endpoints taken out after failures."),
    (
        CONFIG_REJECTIONS,
        "Configurations that were refused; the last good one stays.",
    ),
    (SPANS_EXPORTED, "Spans that the collector accepted."),
    (
        SPANS_DROPPED,
        "Spans lost because the queue was full or their export failed.",
    ),
    (EXPORT_FAILURES, "Batches of spans that could not be sent."),
    (
        OVERFLOW,
        "Label sets that were counted as other because of the limit on series.",
    ),
];

pub(crate) fn describe(recorder: &dyn Recorder) {
    let name = KeyName::from_const_str;
    for (counter, help) in COUNTERS {
        recorder.describe_counter(
            name(counter),
            Some(Unit::Count),
            SharedString::const_str(help),
        );
    }
    for (histogram, help) in [
        (
            CLIENT_DURATION,
            "Time from a request until its response body ended, over all attempts.",
        ),
        (
            SERVER_DURATION,
            "Time from a request's head until its response body was sent.",
        ),
    ] {
        recorder.describe_histogram(
            name(histogram),
            Some(Unit::Seconds),
            SharedString::const_str(help),
        );
    }
    for (gauge, unit, help) in [
        (
            SERVER_ACTIVE,
            Unit::Count,
            "Requests whose response body has not ended.",
        ),
        (
            CERTIFICATE_EXPIRY,
            Unit::Seconds,
            "End of the certificate's validity, seconds since the Unix epoch.",
        ),
        (
            CONFIG_VERSION,
            Unit::Count,
            "Version of the configuration in use.",
        ),
        (
            CONFIG_AGE,
            Unit::Seconds,
            "Time since the configuration in use was last confirmed by its source.",
        ),
    ] {
        recorder.describe_gauge(name(gauge), Some(unit), SharedString::const_str(help));
    }
}
