//! Whether a request is traced, and why: a pure function.

use super::context::Decision;

/// Why a request is traced; the digit at place 14 of `x-request-id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is not (`4`).
    #[default]
    NotTraced,
    /// It was drawn, or its context said so (`9`).
    Sampled,
    /// A service forced it (`a`).
    ServiceForced,
    /// The client forced it (`b`).
    ClientForced,
}

impl Reason {
    pub(super) fn digit(self) -> u8 {
        match self {
            Self::NotTraced => b'4',
            Self::Sampled => b'9',
            Self::ServiceForced => b'a',
            Self::ClientForced => b'b',
        }
    }

    pub(super) fn from_digit(digit: u8) -> Self {
        match digit {
            b'9' => Self::Sampled,
            b'a' => Self::ServiceForced,
            b'b' => Self::ClientForced,
            _ => Self::NotTraced,
        }
    }
}

/// What a request says about tracing, after the edge removed what it does not trust.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// `x-client-trace-id` is there.
    pub client_trace_id: bool,
    /// `x-envoy-force-trace` is there.
    pub force_trace: bool,
    /// The reason in `x-request-id`.
    pub request_id: Reason,
    /// The decision in the context.
    pub context: Decision,
}

/// Decides: forced by the client, forced by a service, traced by an earlier hop, the context's decision, the share.
///
/// `draw` is uniform in `[0, 1)`. Forcing outweighs a context that says no.
#[must_use]
pub fn decide(signals: &Signals, sampling_percent: f64, draw: f64) -> Reason {
    if signals.client_trace_id {
        return Reason::ClientForced;
    }
    if signals.force_trace {
        return Reason::ServiceForced;
    }
    if signals.request_id != Reason::NotTraced {
        return signals.request_id;
    }
    let drawn = draw * 100.0 < sampling_percent;
    match signals.context {
        Decision::Accept | Decision::Debug => Reason::Sampled,
        Decision::Deny => Reason::NotTraced,
        Decision::Defer if drawn => Reason::Sampled,
        Decision::Defer => Reason::NotTraced,
    }
}
