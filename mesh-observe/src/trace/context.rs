//! [`TraceContext`]: the identifiers that travel.

/// What the sender decided about recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Nothing; whoever receives it decides.
    #[default]
    Defer,
    /// Not recorded.
    Deny,
    /// Recorded.
    Accept,
    /// Recorded, and meant to be kept whatever the collector samples (B3's debug flag).
    Debug,
}

impl Decision {
    /// Whether spans are recorded.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        matches!(self, Self::Accept | Self::Debug)
    }
}

/// A position in a trace. Neither identifier is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: u128,
    /// The span that is the parent of what comes next.
    pub span_id: u64,
    /// The parent of `span_id`, where known; B3 carries it.
    pub parent_id: Option<u64>,
    /// What was decided about recording.
    pub decision: Decision,
    /// Whether the low 56 bits of the trace's identifier are random (W3C level 2).
    pub random: bool,
    /// Whether the identifier came with 64 bits; B3 then writes it so again.
    pub narrow: bool,
}

impl TraceContext {
    /// A new trace with random identifiers.
    #[must_use]
    pub fn random(decision: Decision) -> Self {
        let ids = super::ids::draw_trace();
        Self {
            trace_id: ids,
            span_id: super::ids::draw_span(),
            parent_id: None,
            decision,
            random: true,
            narrow: false,
        }
    }

    /// The same trace with a new random span below this one.
    #[must_use]
    pub fn child(self) -> Self {
        Self {
            span_id: super::ids::draw_span(),
            parent_id: Some(self.span_id),
            ..self
        }
    }
}
