//! Trace context: reading and writing it, deciding on sampling, and making spans.
//!
//! # Which headers count
//!
//! A valid `traceparent` (W3C Trace Context, level 2) wins over a valid `b3` header, that over the `x-b3-*` headers
//! (B3 Propagation). What is invalid counts as absent: the next format is tried, else a new trace is begun and
//! `tracestate` is dropped. Two `traceparent` headers are invalid. [`TraceConfig::write`] says what is written; formats
//! that are not written are removed, so that no stale identifier travels on.
//!
//! # Who decides that a request is traced
//!
//! The first of these that applies ([`decide`]): `x-client-trace-id`; `x-envoy-force-trace`; a trace reason in
//! `x-request-id`; the decision in the incoming context; the share of [`TraceConfig::sampling_percent`]. At the edge
//! `x-envoy-force-trace` and an incoming `x-request-id` are removed first, because nobody vouches for them.
//!
//! # Where a call finds its parent
//!
//! [`crate::ObserveServerLayer`] makes the server span current whenever the handler is polled, in OpenTelemetry's context and in
//! [`RequestTrace::current`]. A call made in the handler's task is a child of the innermost span there. Tasks that the
//! handler spawns inherit nothing: carry the context over with `opentelemetry::trace::FutureExt`. Headers that an
//! application sets itself, with another span than the one that it was called with, count more than both.

mod b3;
mod config;
mod context;
mod decide;
mod hex;
mod ids;
mod parent;
mod propagation;
mod request_id;
mod scope;
pub(crate) mod spans;
mod start;
mod tracing;
mod w3c;

pub use self::b3::parse_single;
pub use self::config::{Formats, TraceConfig, TraceConfigError};
pub use self::context::{Decision, TraceContext};
pub use self::decide::{Reason, Signals, decide};
pub use self::ids::MeshIds;
pub use self::propagation::{Extracted, Injection, extract};
pub use self::request_id::{request_id, trace_reason, with_reason};
pub use self::scope::RequestTrace;
pub(crate) use self::tracing::ServerTrace;
pub use self::tracing::Tracing;
pub use self::w3c::{parse_traceparent, tracestate};
