//! [`TraceConfig`]: what an operator can choose.

use std::sync::Arc;

/// Which formats are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// `traceparent` and `tracestate`.
    pub w3c: bool,
    /// `x-b3-*`.
    pub b3_multi: bool,
    /// `b3`.
    pub b3_single: bool,
}

impl Default for Formats {
    /// W3C and `x-b3-*`, which together every tracer reads.
    fn default() -> Self {
        Self {
            w3c: true,
            b3_multi: true,
            b3_single: false,
        }
    }
}

/// How a service traces. Plain data; every field has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceConfig {
    /// Name of the service in its spans.
    pub service_name: Arc<str>,
    /// Share of requests without a decision that are traced, 0 to 100 with fractions. Default 0, as Consul sets it:
    /// then only forced requests are.
    pub sampling_percent: f64,
    /// Whether callers are outsiders, as a gateway's are. Then `x-envoy-force-trace` and `x-request-id` are not
    /// taken from them; a trace context still is, with its decision, as Envoy does. Default false.
    pub edge: bool,
    /// Whether `x-client-trace-id` forces a trace at the edge. Default true, as Envoy's client sampling is 100 %.
    pub allow_client_trace: bool,
    /// Whether `x-envoy-force-trace` is obeyed at the edge. Default false.
    pub allow_edge_force: bool,
    /// Whether a `x-request-id` is kept at the edge. Default false.
    pub preserve_request_id: bool,
    /// Path prefixes of requests that make no span and still pass the context on. Default none.
    pub exclude: Vec<String>,
    /// What is written. Default W3C and `x-b3-*`.
    pub write: Formats,
    /// Whether a server span has the identifier of its caller's span, as B3 allows, instead of its own with the
    /// caller's as parent. Default false. Asks for a provider with [`MeshIds`](super::MeshIds).
    pub shared_span_context: bool,
    /// Whether a server span's name holds the path. Default false, because paths are many; true suits services with
    /// few.
    pub path_in_name: bool,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            service_name: Arc::from("unknown"),
            sampling_percent: 0.0,
            edge: false,
            allow_client_trace: true,
            allow_edge_force: false,
            preserve_request_id: false,
            exclude: Vec::new(),
            write: Formats::default(),
            shared_span_context: false,
            path_in_name: false,
        }
    }
}

impl TraceConfig {
    /// Defaults for a service of that name.
    #[must_use]
    pub fn new(service_name: impl Into<Arc<str>>) -> Self {
        Self {
            service_name: service_name.into(),
            ..Self::default()
        }
    }

    /// Whether requests for that path make no span.
    #[must_use]
    pub fn is_excluded(&self, path: &str) -> bool {
        self.exclude
            .iter()
            .any(|prefix| path.starts_with(prefix.as_str()))
    }

    pub(super) fn check(&self) -> Result<(), TraceConfigError> {
        if !(0.0..=100.0).contains(&self.sampling_percent) {
            return Err(TraceConfigError::SamplingPercent(self.sampling_percent));
        }
        if self.exclude.iter().any(|prefix| !prefix.starts_with('/')) {
            return Err(TraceConfigError::Exclude);
        }
        Ok(())
    }
}

/// Why a [`TraceConfig`] is refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TraceConfigError {
    /// Not a percentage.
    #[error("sampling_percent: {0} is not between 0 and 100")]
    SamplingPercent(f64),
    /// A prefix that no path begins with, or that all do.
    #[error("exclude: a prefix has to begin with a slash")]
    Exclude,
}
