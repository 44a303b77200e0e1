//! Where an outgoing call finds its parent.

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use super::context::{Decision, TraceContext};
use super::propagation;
use super::scope::RequestTrace;

pub(super) struct Parent {
    pub(super) context: TraceContext,
    pub(super) state: Option<HeaderValue>,
}

/// The position that a call continues from: headers that the application set, the innermost span of the running task,
/// the request that the task serves.
pub(super) fn parent_of_call(headers: &HeaderMap, scope: Option<&RequestTrace>) -> Option<Parent> {
    let own = propagation::extract(headers)
        .context
        .filter(|context| scope.is_none_or(|scope| !scope.brought(context)));
    if let Some(context) = own {
        return Some(Parent {
            context,
            state: propagation::extract_state(headers),
        });
    }
    let active = Context::map_current(|current| {
        let span = current.span();
        let ids = span.span_context();
        ids.is_valid().then(|| ids.clone())
    });
    let scoped = scope.map(|scope| (scope.context(), scope.state().cloned()));
    let Some(active) = active else {
        return scoped.map(|(context, state)| Parent { context, state });
    };
    let trace_id = u128::from_be_bytes(active.trace_id().to_bytes());
    let span_id = u64::from_be_bytes(active.span_id().to_bytes());
    match scoped {
        // What OpenTelemetry does not carry comes from the request.
        Some((context, state)) if context.trace_id == trace_id => Some(Parent {
            context: TraceContext { span_id, ..context },
            state,
        }),
        _ => Some(Parent {
            context: TraceContext {
                trace_id,
                span_id,
                parent_id: None,
                decision: if active.is_sampled() {
                    Decision::Accept
                } else {
                    Decision::Deny
                },
                random: active.trace_flags().to_u8() & 2 != 0,
                narrow: false,
            },
            state: HeaderValue::from_str(&active.trace_state().header())
                .ok()
                .filter(|state| !state.is_empty()),
        }),
    }
}
