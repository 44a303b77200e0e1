//! Whether an attempt is repeated, as a pure function.

use std::time::Duration;

use http::{HeaderMap, Method};
use mesh_core::context::AttemptOutcome;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::policy::{Backoff, RetryMethods, RetryOn, RetryPolicy};
use mesh_core::random::scale;

use crate::header::{self, Pushback};

/// Longest wait that a callee can ask for; one that asks for more is not waited for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A response head arrived.
    Response {
        /// HTTP status.
        status: u16,
        /// `grpc-status`, when it stood in the head.
        grpc: Option<u8>,
        /// Whether it carries `x-envoy-ratelimited`.
        ratelimited: bool,
        /// What the callee says about when to come again.
        advice: Advice,
    },
    /// There is no response.
    Failed {
        /// Why.
        kind: ErrorKind,
        /// Whether the callee can not have seen the request.
        unsent: bool,
    },
}

/// A callee's advice on when to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Advice {
    /// None was given: the back-off decides.
    #[default]
    None,
    /// After exactly this time (`grpc-retry-pushback-ms`, `Retry-After`).
    After(Duration),
    /// Not at all (a negative or unreadable `grpc-retry-pushback-ms`, or `x-mesh-retries-spent`).
    Never,
}

impl Outcome {
    /// The outcome that a response head shows.
    #[must_use]
    pub fn of_response(status: u16, headers: &HeaderMap) -> Self {
        let pushback = headers
            .get(header::GRPC_RETRY_PUSHBACK_MS)
            .map(|value| header::grpc_pushback(value.as_bytes()));
        let after = || header::retry_after(headers.get(http::header::RETRY_AFTER)?.as_bytes());
        Self::Response {
            status,
            grpc: header::grpc_status(headers),
            ratelimited: headers.contains_key(header::ENVOY_RATELIMITED),
            advice: match pushback {
                _ if headers.contains_key(header::RETRIES_SPENT) => Advice::Never,
                Some(Pushback::Stop) => Advice::Never,
                Some(Pushback::After(wait)) => Advice::After(wait),
                None => after().map_or(Advice::None, Advice::After),
            },
        }
    }

    /// The outcome that an error shows.
    #[must_use]
    pub fn of_error(error: &Error) -> Self {
        Self::Failed {
            kind: error.kind(),
            unsent: error.is_unsent(),
        }
    }

    /// The same, as it is noted about an attempt.
    #[must_use]
    pub fn noted(&self, after: Duration) -> AttemptOutcome {
        match *self {
            Self::Response { status, grpc, .. } => AttemptOutcome::Response {
                status,
                grpc,
                after,
            },
            Self::Failed { kind, .. } => AttemptOutcome::Failed { kind, after },
        }
    }
}

/// What matters about the request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// What the application says about repeating it ([`Idempotent`], `Idempotency-Key`); `None`: the method tells.
    pub idempotent: Option<bool>,
    /// Whether its body can be sent again.
    pub replayable: bool,
    /// Retries made so far.
    pub retries: u32,
    /// Time until the deadline.
    pub remaining: Option<Duration>,
}

/// Whether repeating a request does no harm, as a request extension. Overrides what method and headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotent(pub bool);

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again after `wait`, if the budget has a retry left.
    Retry {
        /// The condition that holds.
        reason: Reason,
        /// Time until the next attempt.
        wait: Duration,
    },
    /// Pass the result on.
    Stop(Stop),
}

/// The condition under which an attempt is repeated. Where several hold, the first in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// `envoy-ratelimited`.
    RateLimited,
    /// `connect-failure`.
    ConnectFailure,
    /// `refused-stream`.
    RefusedStream,
    /// Any other end without a response head.
    Reset,
    /// `gateway-error`.
    GatewayError,
    /// `5xx`.
    ServerError,
    /// `retriable-4xx`.
    Conflict,
    /// A status of `RetryOnStatusCodes`.
    Status,
    /// One of the gRPC conditions.
    Grpc,
}

/// Why a result is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// No condition holds: it is the answer.
    Answered,
    /// The most attempts were made.
    Exhausted,
    /// The callee asked not to be tried again, or to wait for longer than is waited.
    Pushback,
    /// The callee may have processed the request, and it may not be repeated.
    NotIdempotent,
    /// The request's body can not be sent again.
    Body,
    /// The wait would pass the deadline.
    Deadline,
    /// The budget has no retry left.
    Budget,
    /// The request being served is a retry itself: its caller decides.
    Depth,
    /// The inner service was not ready for another attempt.
    NotReady,
}

/// Decides after an attempt. `draw` are 64 random bits for the back-off.
///
/// The conditions are Envoy's. What counts as repeatable differs: Envoy repeats any method; here `policy.methods`
/// decides, unless the callee can not have processed the request (it was never sent, its stream was refused, a rate
/// limiter turned it away) or an operator named a gRPC condition, whose calls all are POST.
#[must_use]
pub fn verdict(policy: &RetryPolicy, asked: &Asked<'_>, outcome: &Outcome, draw: u64) -> Verdict {
    let Some(reason) = condition(policy, outcome) else {
        return Verdict::Stop(Stop::Answered);
    };
    if asked.retries >= policy.max {
        return Verdict::Stop(Stop::Exhausted);
    }
    if !may_repeat(policy.methods, asked, outcome, reason) {
        return Verdict::Stop(Stop::NotIdempotent);
    }
    if !asked.replayable {
        return Verdict::Stop(Stop::Body);
    }
    let wait = match advice(outcome) {
        Advice::Never => return Verdict::Stop(Stop::Pushback),
        Advice::After(wait) if wait > LONGEST_WAIT => return Verdict::Stop(Stop::Pushback),
        Advice::After(wait) => wait,
        Advice::None => backoff(&policy.backoff, asked.retries, draw),
    };
    if asked.remaining.is_some_and(|remaining| wait >= remaining) {
        return Verdict::Stop(Stop::Deadline);
    }
    Verdict::Retry { reason, wait }
}

/// Waiting time before retry `k`, counted from 0: uniform in `[0, min(base · 2^k, max))`.
#[must_use]
pub fn backoff(policy: &Backoff, k: u32, draw: u64) -> Duration {
    let grown = policy
        .base
        .saturating_mul(1u32.checked_shl(k).unwrap_or(u32::MAX));
    let bound = u64::try_from(grown.min(policy.max).as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(scale(draw, bound))
}

/// Whether the policy can ever repeat anything.
#[must_use]
pub fn is_active(policy: &RetryPolicy) -> bool {
    policy.max > 0 && !(policy.on.is_empty() && policy.status_codes.is_empty())
}

fn condition(policy: &RetryPolicy, outcome: &Outcome) -> Option<Reason> {
    match *outcome {
        Outcome::Failed { kind, .. } => failure_condition(policy.on, kind),
        Outcome::Response {
            ratelimited: true, ..
        } => policy
            .on
            .contains(RetryOn::ENVOY_RATELIMITED)
            .then_some(Reason::RateLimited),
        Outcome::Response { status, grpc, .. } => {
            response_condition(policy, status).or_else(|| grpc_condition(policy.on, grpc?))
        }
    }
}

fn failure_condition(on: RetryOn, kind: ErrorKind) -> Option<Reason> {
    let reason = match kind {
        ErrorKind::Connect | ErrorKind::ConnectTimeout | ErrorKind::Handshake => {
            Reason::ConnectFailure
        }
        ErrorKind::RefusedStream => Reason::RefusedStream,
        ErrorKind::Reset
        | ErrorKind::PerTryTimeout
        | ErrorKind::IdleTimeout
        | ErrorKind::Protocol
        | ErrorKind::Other => Reason::Reset,
        // Local refusals, the whole request's time, the caller's own body: nothing another attempt could change.
        _ => return None,
    };
    let named = match reason {
        Reason::ConnectFailure => on.contains(RetryOn::CONNECT_FAILURE),
        Reason::RefusedStream => on.contains(RetryOn::REFUSED_STREAM),
        _ => false,
    };
    let any_reset = [
        RetryOn::RESET,
        RetryOn::GATEWAY_ERROR,
        RetryOn::SERVER_ERROR,
    ];
    (named
        || any_reset
            .into_iter()
            .any(|condition| on.contains(condition)))
    .then_some(reason)
}

fn response_condition(policy: &RetryPolicy, status: u16) -> Option<Reason> {
    let on = policy.on;
    if matches!(status, 502..=504) && on.contains(RetryOn::GATEWAY_ERROR) {
        Some(Reason::GatewayError)
    } else if matches!(status, 500..=599) && on.contains(RetryOn::SERVER_ERROR) {
        Some(Reason::ServerError)
    } else if status == 409 && on.contains(RetryOn::RETRIABLE_4XX) {
        Some(Reason::Conflict)
    } else if policy.status_codes.contains(&status) {
        Some(Reason::Status)
    } else {
        None
    }
}

fn grpc_condition(on: RetryOn, status: u8) -> Option<Reason> {
    let condition = match status {
        1 => RetryOn::CANCELLED,
        4 => RetryOn::DEADLINE_EXCEEDED,
        8 => RetryOn::RESOURCE_EXHAUSTED,
        13 => RetryOn::INTERNAL,
        14 => RetryOn::UNAVAILABLE,
        _ => return None,
    };
    on.contains(condition).then_some(Reason::Grpc)
}

fn may_repeat(methods: RetryMethods, asked: &Asked<'_>, outcome: &Outcome, reason: Reason) -> bool {
    let untouched = match outcome {
        Outcome::Failed { kind, unsent } => *unsent || *kind == ErrorKind::RefusedStream,
        Outcome::Response { ratelimited, .. } => *ratelimited,
    };
    if untouched {
        return true;
    }
    match methods {
        RetryMethods::None => false,
        RetryMethods::Any => true,
        RetryMethods::Idempotent => asked
            .idempotent
            .unwrap_or_else(|| reason == Reason::Grpc || asked.method.is_idempotent()),
    }
}

fn advice(outcome: &Outcome) -> Advice {
    match outcome {
        Outcome::Response { advice, .. } => *advice,
        Outcome::Failed { .. } => Advice::None,
    }
}
