//! Export of spans as Zipkin v2 JSON to `/api/v2/spans`.
//!
//! [`Exporter::start`] makes an OpenTelemetry provider whose spans are queued, sent in batches from a thread of their
//! own, and never wait for: a collector that is down, slow or wrong costs the spans and nothing else. What is lost is
//! counted (`mesh_trace_spans_dropped_total`, `mesh_trace_export_failures_total`) and logged when it begins and when
//! it ends.
//!
//! The settings are those of the `jaeger_collector` cluster that Consul users know: a connect limit of 3 s, IPv4 only,
//! every batch resolves the name anew and begins with the next of its addresses.
//!
//! Span data is turned into JSON by the crate `opentelemetry-zipkin`, which is deprecated and lives behind one file here.
//! What it leaves out or gets wrong is repaired before the JSON leaves: the service's name, durations of zero, parents
//! of zeros, the remote endpoint, identifiers of 64 bits, joined spans.

mod batch;
mod client;
mod config;
mod export;
mod repair;
mod resolve;

pub use self::config::{ZipkinConfig, ZipkinConfigError};
pub use self::export::{ExportError, Exporter};
