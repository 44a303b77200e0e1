//! The state machine of one endpoint, as pure functions.

use std::time::Duration;

use mesh_core::context::AttemptOutcome;
use mesh_core::endpoint::EjectionState;
use mesh_core::error::ErrorKind;
use mesh_core::policy::EjectionPolicy;
use mesh_core::random::scale;

/// What is known of the endpoint's target when an outcome is observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Instances of the target, healthy or not.
    pub instances: u32,
    /// Endpoints that active health allows to be used, ejected ones included.
    pub usable: u32,
    /// Endpoints ejected now, not counting the one that is observed.
    pub ejected: u32,
}

impl Facts {
    /// Whether one more endpoint may be ejected.
    #[must_use]
    pub fn has_room(&self, policy: &EjectionPolicy) -> bool {
        let within = 100 * (u64::from(self.ejected) + 1)
            <= u64::from(policy.max_ejection_percent) * u64::from(self.instances);
        if policy.max_ejection_is_explicit {
            return within;
        }
        let another_remains = self.usable > self.ejected.saturating_add(1);
        another_remains && (within || self.ejected == 0)
    }
}

/// What an observation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ejection {
    /// Nothing that others see.
    None,
    /// The endpoint is out until then, in milliseconds of its own clock.
    Ejected {
        /// The end.
        until_ms: u64,
    },
    /// Its time was over and it is back.
    Returned,
}

/// Maps an outcome to the next state. `now_ms` is the endpoint's own clock, `draw` are 64 random bits.
///
/// When the threshold is reached the count starts anew, whether the endpoint was ejected or not, as in Envoy. What
/// still comes in for an endpoint that is out changes nothing.
#[must_use]
pub fn observe(
    state: EjectionState,
    policy: &EjectionPolicy,
    failure: bool,
    now_ms: u64,
    facts: Facts,
    draw: u64,
) -> (EjectionState, Ejection) {
    if state.until_ms > now_ms {
        return (state, Ejection::None);
    }
    let (mut state, settled) = settle(state, policy, now_ms);
    if !failure {
        state.failures = 0;
        return (state, settled);
    }
    let threshold = u16::try_from(policy.consecutive_failures).unwrap_or(u16::MAX);
    state.failures = state.failures.saturating_add(1);
    if threshold == 0 || state.failures < threshold {
        return (state, settled);
    }
    state.failures = 0;
    let enforced = scale(draw, 100) < u64::from(policy.enforcing_percent);
    if !enforced || !facts.has_room(policy) {
        return (state, settled);
    }
    state.times = state.times.saturating_add(1);
    state.until_ms = now_ms.saturating_add(duration_ms(policy, state.times));
    state.counted = true;
    let until_ms = state.until_ms;
    (state, Ejection::Ejected { until_ms })
}

/// What the time alone does: the return of an endpoint, and the fading of its past.
#[must_use]
pub fn settle(
    mut state: EjectionState,
    policy: &EjectionPolicy,
    now_ms: u64,
) -> (EjectionState, Ejection) {
    if state.until_ms == 0 || state.until_ms > now_ms {
        return (state, Ejection::None);
    }
    let said = if state.counted {
        Ejection::Returned
    } else {
        Ejection::None
    };
    state.counted = false;
    // `until_ms` stays as the mark from which healthy intervals are counted, until the past is forgotten.
    let interval = millis(policy.interval).max(1);
    let healthy = (now_ms - state.until_ms) / interval;
    state.times = u8::try_from(healthy).map_or(0, |healthy| state.times.saturating_sub(healthy));
    state.until_ms = if state.times == 0 {
        0
    } else {
        state.until_ms + healthy * interval
    };
    (state, said)
}

fn duration_ms(policy: &EjectionPolicy, times: u8) -> u64 {
    let most = policy.max.max(policy.base);
    millis(policy.base.saturating_mul(u32::from(times)).min(most)).max(1)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whether an outcome speaks against the endpoint. `None`: it says nothing about it.
#[must_use]
pub fn is_failure(outcome: &AttemptOutcome) -> Option<bool> {
    match *outcome {
        AttemptOutcome::Response { status, grpc, .. } => {
            let status = match grpc {
                Some(grpc) if status == 200 => grpc_to_http(grpc),
                _ => status,
            };
            Some(status >= 500)
        }
        AttemptOutcome::Failed { kind, .. } => match kind {
            ErrorKind::Connect
            | ErrorKind::ConnectTimeout
            | ErrorKind::Handshake
            | ErrorKind::Reset
            | ErrorKind::RefusedStream
            | ErrorKind::RequestTimeout
            | ErrorKind::PerTryTimeout
            | ErrorKind::IdleTimeout
            | ErrorKind::Protocol
            | ErrorKind::Other => Some(true),
            // Decided in this process, or the caller's doing.
            _ => None,
        },
    }
}

/// The HTTP status that a gRPC status stands for, as Envoy maps it.
#[must_use]
pub fn grpc_to_http(status: u8) -> u16 {
    match status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}
