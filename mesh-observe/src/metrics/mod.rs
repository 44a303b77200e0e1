//! The metrics of one service.
//!
//! [`Metrics`] is a cheap handle to one recorder, never to the process-wide one of the `metrics` crate: two services in
//! one process keep their figures apart. What layers write is resolved to handles once per label set and looked up
//! without a lock afterwards.
//!
//! | name in the exposition | labels | replaces in Envoy |
//! | --- | --- | --- |
//! | `http_client_request_duration_seconds` | source, destination, subset, route, code_class | `cluster.<name>.upstream_rq_time` |
//! | `mesh_client_requests_total` | the same, and code, error_type | `cluster.<name>.upstream_rq_<code>` |
//! | `mesh_client_attempts_total` | source, destination, subset, code_class, error_type | `cluster.<name>.upstream_rq_completed` |
//! | `mesh_client_retries_total` | source, destination, subset, route | `cluster.<name>.upstream_rq_retry` |
//! | `http_server_request_duration_seconds` | source, destination, code_class | `http.<prefix>.downstream_rq_time` |
//! | `mesh_server_requests_total` | the same, and code, error_type | `http.<prefix>.downstream_rq_<class>` |
//! | `mesh_server_requests_active` | destination | `http.<prefix>.downstream_rq_active` |
//! | `mesh_server_panics_total` | destination | – |
//! | `mesh_intention_verdicts_total` | source, destination, decision, rule | `http.<prefix>.rbac.allowed`, `.denied` |
//! | `mesh_tls_handshakes_total` | side, result | `listener.<address>.ssl.*` |
//! | `mesh_ejections_total` | destination, subset | `cluster.<name>.outlier_detection.ejections_enforced_total` |
//! | `mesh_certificate_expiry_timestamp_seconds` | service | `listener.<address>.ssl.certificate.<name>.expiration_unix_time_seconds` |
//! | `mesh_config_version`, `mesh_config_age_seconds` | – | `listener_manager.lds.version` |
//! | `mesh_config_rejections_total` | – | `listener_manager.lds.update_rejected` |
//! | `mesh_trace_spans_exported_total`, `mesh_trace_spans_dropped_total`, `mesh_trace_export_failures_total` | – | `tracing.zipkin.*` |
//! | `mesh_metrics_overflow_total` | – | – |
//!
//! The error rate of an edge is the share of `mesh_client_requests_total` with an `error_type` that is neither empty nor
//! `cancelled`: statuses from 500, gRPC failures, broken bodies, and every [`ErrorKind`](mesh_core::error::ErrorKind).
//!
//! **Labels come from finite sets**: names of services, targets and routes out of the configuration, names of verified
//! peers, status codes that are registered (others count as `other`), error kinds. Nothing a request carries becomes a
//! label. Besides, a service keeps at most [`DEFAULT_SERIES_LIMIT`] label sets of its requests; what comes later is
//! counted under the label `other` everywhere, and in `mesh_metrics_overflow_total`.

mod codes;
mod handle;
mod names;
#[cfg(feature = "prometheus")]
mod prometheus;
mod requests;
mod table;

pub use self::codes::Outcome;
pub use self::handle::{DEFAULT_SERIES_LIMIT, Metrics};
pub use self::names::DURATION_BUCKETS;
pub use self::requests::{ClientRequests, ServerRequests};
