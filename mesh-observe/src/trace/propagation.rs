//! Reading whichever format is there, writing the chosen ones.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::config::Formats;
use super::context::{Decision, TraceContext};
use super::{b3, hex, w3c};

pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const TRACESTATE: &str = "tracestate";

/// What the headers of a request say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The position in a trace, where there is a valid one.
    pub context: Option<TraceContext>,
    /// The decision; B3 can carry one without identifiers.
    pub decision: Decision,
}

/// The value of a header that occurs once.
pub(super) fn once<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| w3c::trim(value.as_bytes()))
}

/// Reads the trace context by the rule of the [module](super): W3C, then `b3`, then `x-b3-*`.
#[must_use]
pub fn extract(headers: &HeaderMap) -> Extracted {
    if let Some(context) = once(headers, TRACEPARENT).and_then(w3c::parse_traceparent) {
        return Extracted {
            context: Some(context),
            decision: context.decision,
        };
    }
    once(headers, b3::SINGLE)
        .and_then(b3::parse_single)
        .or_else(|| b3::parse_multi(headers))
        .unwrap_or_default()
}

/// The state that belongs to what [`extract`] found: only a W3C context has one.
pub(super) fn extract_state(headers: &HeaderMap) -> Option<HeaderValue> {
    once(headers, TRACEPARENT).and_then(w3c::parse_traceparent)?;
    w3c::tracestate(headers.get_all(TRACESTATE))
}

/// The header values for one context, written once: all but the single `b3` header share one buffer.
#[derive(Clone, Debug)]
pub struct Injection {
    buffer: Bytes,
    context: TraceContext,
    state: Option<HeaderValue>,
}

impl Injection {
    /// Prepares the values.
    #[must_use]
    pub fn new(context: TraceContext, state: Option<HeaderValue>) -> Self {
        let mut out = [0; 71];
        let mut parent = [0; 55];
        w3c::write_traceparent(&context, &mut parent);
        out[..55].copy_from_slice(&parent);
        hex::write(
            u128::from(context.parent_id.unwrap_or_default()),
            &mut out[55..],
        );
        Self {
            buffer: Bytes::copy_from_slice(&out),
            context,
            state,
        }
    }

    /// Writes the headers of `formats` and removes those of the others.
    pub fn write(&self, headers: &mut HeaderMap, formats: Formats) {
        self.write_w3c(headers, formats.w3c);
        if formats.b3_single {
            set(headers, b3::SINGLE, self.single());
        } else {
            headers.remove(b3::SINGLE);
        }
        self.write_multi(headers, formats.b3_multi);
    }

    fn write_w3c(&self, headers: &mut HeaderMap, wanted: bool) {
        if !wanted {
            headers.remove(TRACEPARENT);
            headers.remove(TRACESTATE);
            return;
        }
        set(headers, TRACEPARENT, self.slice(0, 55));
        match &self.state {
            Some(state) => set(headers, TRACESTATE, Some(state.clone())),
            None => {
                headers.remove(TRACESTATE);
            }
        }
    }

    fn write_multi(&self, headers: &mut HeaderMap, wanted: bool) {
        headers.remove(b3::FLAGS);
        headers.remove(b3::PARENT_ID);
        headers.remove(b3::SAMPLED);
        if !wanted {
            headers.remove(b3::TRACE_ID);
            headers.remove(b3::SPAN_ID);
            return;
        }
        let trace = if self.context.narrow { 19 } else { 3 };
        set(headers, b3::TRACE_ID, self.slice(trace, 35));
        set(headers, b3::SPAN_ID, self.slice(36, 52));
        if self.context.parent_id.is_some() {
            set(headers, b3::PARENT_ID, self.slice(55, 71));
        }
        // The debug flag implies the decision, which is then not written (B3, "Debug flag").
        let fixed = |value| Some(HeaderValue::from_static(value));
        match self.context.decision {
            Decision::Defer => {}
            Decision::Deny => set(headers, b3::SAMPLED, fixed("0")),
            Decision::Accept => set(headers, b3::SAMPLED, fixed("1")),
            Decision::Debug => set(headers, b3::FLAGS, fixed("1")),
        }
    }

    fn slice(&self, from: usize, to: usize) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.buffer.slice(from..to)).ok()
    }

    fn single(&self) -> Option<HeaderValue> {
        let trace = if self.context.narrow { 19 } else { 3 };
        let mut value = BytesMut::with_capacity(68);
        value.extend_from_slice(&self.buffer[trace..35]);
        value.extend_from_slice(&self.buffer[35..52]);
        match self.context.decision {
            Decision::Defer => return HeaderValue::from_maybe_shared(value.freeze()).ok(),
            Decision::Deny => value.extend_from_slice(b"-0"),
            Decision::Accept => value.extend_from_slice(b"-1"),
            Decision::Debug => value.extend_from_slice(b"-d"),
        }
        if self.context.parent_id.is_some() {
            value.extend_from_slice(b"-");
            value.extend_from_slice(&self.buffer[55..71]);
        }
        HeaderValue::from_maybe_shared(value.freeze()).ok()
    }
}

pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(HeaderName::from_static(name), value);
    }
}
