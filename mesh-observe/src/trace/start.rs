//! Starting spans at positions that are known by their headers.

use std::str::FromStr;

use http::HeaderValue;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::context::{Decision, TraceContext};
use super::ids::MeshIds;
use super::spans;

pub(super) fn remote(context: TraceContext, state: Option<&HeaderValue>) -> SpanContext {
    let state = state
        .and_then(|state| state.to_str().ok())
        .and_then(|state| TraceState::from_str(state).ok())
        .unwrap_or_default();
    let random = if context.random { 2 } else { 0 };
    SpanContext::new(
        TraceId::from(context.trace_id),
        SpanId::from(context.span_id),
        TraceFlags::new(random).with_sampled(context.decision.is_sampled()),
        true,
        state,
    )
}

/// Starts a span below `parent`, or a new trace.
pub(super) fn start(
    tracer: &SdkTracer,
    builder: SpanBuilder,
    parent: Option<TraceContext>,
    decision: Decision,
    state: Option<&HeaderValue>,
) -> (Span, TraceContext) {
    let above = match parent {
        Some(parent) => {
            let parent = TraceContext { decision, ..parent };
            Context::new().with_remote_span_context(remote(parent, state))
        }
        None => Context::new(),
    };
    let span = tracer.build_with_context(builder, &above);
    let ids = span.span_context();
    let context = TraceContext {
        trace_id: u128::from_be_bytes(ids.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(ids.span_id().to_bytes()),
        parent_id: parent.map(|parent| parent.span_id),
        decision,
        random: parent.is_none_or(|parent| parent.random),
        narrow: parent.is_some_and(|parent| parent.narrow),
    };
    (span, context)
}

/// Starts a span that has its caller's identifiers.
pub(super) fn join(
    tracer: &SdkTracer,
    builder: SpanBuilder,
    caller: TraceContext,
    state: Option<&HeaderValue>,
) -> (Span, TraceContext) {
    let above = match caller.parent_id {
        Some(span_id) => {
            let above = TraceContext { span_id, ..caller };
            Context::new().with_remote_span_context(remote(above, state))
        }
        None => Context::new(),
    };
    let mut span = MeshIds::joining(caller.trace_id, caller.span_id, || {
        tracer.build_with_context(builder, &above)
    });
    span.set_attribute(KeyValue::new(spans::SHARED, true));
    (span, caller)
}
