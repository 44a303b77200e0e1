//! Identifiers, drawn from the mesh's one source of randomness so that a seeded test gives the same ones.

use std::cell::Cell;

use mesh_core::random;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

pub(super) fn draw_trace() -> u128 {
    let id = u128::from(random::draw()) << 64 | u128::from(random::draw());
    id.max(1)
}

pub(super) fn draw_span() -> u64 {
    random::draw().max(1)
}

thread_local! {
    static NEXT: Cell<Option<(u128, u64)>> = const { Cell::new(None) };
}

/// The generator of span identifiers that a provider for [`Tracing`](super::Tracing) should be built with. It draws
/// from the mesh's source of randomness, and lets a server span join its caller's span, which
/// [`TraceConfig::shared_span_context`](super::TraceConfig) asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeshIds;

impl MeshIds {
    /// Makes the span that `make` starts have these identifiers.
    pub(super) fn joining<T>(trace_id: u128, span_id: u64, make: impl FnOnce() -> T) -> T {
        NEXT.set(Some((trace_id, span_id)));
        let _clear = Clear;
        make()
    }
}

/// Also when a processor panics.
struct Clear;

impl Drop for Clear {
    fn drop(&mut self) {
        NEXT.set(None);
    }
}

impl IdGenerator for MeshIds {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(NEXT.get().map_or_else(draw_trace, |(trace, _)| trace))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(NEXT.get().map_or_else(draw_span, |(_, span)| span))
    }
}
