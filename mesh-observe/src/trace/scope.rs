//! [`RequestTrace`]: the trace of the request that the running task serves.

use std::cell::RefCell;
use std::sync::Arc;

use http::HeaderValue;
use opentelemetry::{Context, ContextGuard};

use super::context::TraceContext;

/// The trace of a request in progress. A clone is one reference count.
#[derive(Clone, Debug)]
pub struct RequestTrace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    context: TraceContext,
    caller: u64,
    state: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
}

thread_local! {
    static CURRENT: RefCell<Option<RequestTrace>> = const { RefCell::new(None) };
}

impl RequestTrace {
    pub(super) fn new(
        context: TraceContext,
        caller: u64,
        state: Option<HeaderValue>,
        request_id: Option<HeaderValue>,
    ) -> Self {
        Self(Arc::new(Shared {
            context,
            caller,
            state,
            request_id,
        }))
    }

    /// The position that calls made for this request continue from.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.0.context
    }

    /// The `tracestate` that belongs to it.
    #[must_use]
    pub fn state(&self) -> Option<&HeaderValue> {
        self.0.state.as_ref()
    }

    /// The request's `x-request-id`.
    #[must_use]
    pub fn request_id(&self) -> Option<&HeaderValue> {
        self.0.request_id.as_ref()
    }

    /// The trace of the request that the running task serves.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Whether a context is the one that this request came with, merely forwarded.
    pub(super) fn brought(&self, context: &TraceContext) -> bool {
        context.trace_id == self.0.context.trace_id
            && (context.span_id == self.0.caller || context.span_id == self.0.context.span_id)
    }

    /// Makes this the current one, and `context` that of OpenTelemetry, until the guard is dropped.
    pub(super) fn enter(&self, context: Context) -> Entered {
        Entered {
            former: CURRENT.replace(Some(self.clone())),
            _context: context.attach(),
        }
    }
}

/// Puts the former one back, also when a poll panics.
pub(crate) struct Entered {
    former: Option<RequestTrace>,
    _context: ContextGuard,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.former.take());
    }
}
