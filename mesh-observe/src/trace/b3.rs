//! B3 Propagation: the single header `b3`, and `x-b3-*`.

use http::HeaderMap;

use super::context::{Decision, TraceContext};
use super::hex;
use super::propagation::{Extracted, once};
use super::w3c::trim;

pub(super) const SINGLE: &str = "b3";
pub(super) const TRACE_ID: &str = "x-b3-traceid";
pub(super) const SPAN_ID: &str = "x-b3-spanid";
pub(super) const PARENT_ID: &str = "x-b3-parentspanid";
pub(super) const SAMPLED: &str = "x-b3-sampled";
pub(super) const FLAGS: &str = "x-b3-flags";

fn decision(state: &[u8]) -> Option<Decision> {
    match state {
        b"0" => Some(Decision::Deny),
        b"1" => Some(Decision::Accept),
        b"d" => Some(Decision::Debug),
        _ => None,
    }
}

fn context(
    trace: &[u8],
    span: &[u8],
    parent: Option<&[u8]>,
    decision: Decision,
) -> Option<TraceContext> {
    if !matches!(trace.len(), 16 | 32) {
        return None;
    }
    let parent_id = match parent {
        Some(parent) => Some(hex::id64(parent)?),
        None => None,
    };
    Some(TraceContext {
        trace_id: hex::parse(trace).filter(|id| *id != 0)?,
        span_id: hex::id64(span)?,
        parent_id,
        decision,
        random: false,
        narrow: trace.len() == 16,
    })
}

/// Reads a `b3` header value: a decision alone (`0`, `1`, `d`), or `trace-span`, `trace-span-decision`,
/// `trace-span-decision-parent`. `None` when it is invalid.
#[must_use]
pub fn parse_single(value: &[u8]) -> Option<Extracted> {
    let value = trim(value);
    if let Some(decision) = decision(value) {
        return Some(Extracted {
            context: None,
            decision,
        });
    }
    let mut parts = value.split(|b| *b == b'-');
    let (trace, span) = (parts.next()?, parts.next()?);
    let decision = match parts.next() {
        Some(state) => decision(state)?,
        None => Decision::Defer,
    };
    let parent = parts.next();
    if parts.next().is_some() {
        return None;
    }
    Some(Extracted {
        context: Some(context(trace, span, parent, decision)?),
        decision,
    })
}

/// Reads the `x-b3-*` headers. Malformed identifiers are ignored; the decision beside them still counts.
pub(super) fn parse_multi(headers: &HeaderMap) -> Option<Extracted> {
    let debug = once(headers, FLAGS).is_some_and(|flags| flags == b"1");
    let sampled = match once(headers, SAMPLED) {
        Some(b"1" | b"true") => Some(Decision::Accept),
        Some(b"0" | b"false") => Some(Decision::Deny),
        _ => None,
    };
    let decision = if debug {
        Some(Decision::Debug)
    } else {
        sampled
    };
    let context = once(headers, TRACE_ID)
        .zip(once(headers, SPAN_ID))
        .and_then(|(trace, span)| {
            let parent = once(headers, PARENT_ID);
            context(trace, span, parent, decision.unwrap_or_default())
        });
    if context.is_none() && decision.is_none() {
        return None;
    }
    Some(Extracted {
        context,
        decision: decision.unwrap_or_default(),
    })
}
