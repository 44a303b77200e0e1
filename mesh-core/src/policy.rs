//! The plain values that layers act on: timeouts, retries, budgets, limits, ejection, balancing.
//!
//! A layer takes exactly the values it uses and never sees a whole configuration. The values here are what config
//! entries compile to; they may as well be written by hand, which is how a layer is used alone.

use std::time::Duration;

/// Application protocol of a service, as `service-defaults` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Opaque bytes; intentions act on connections.
    #[default]
    Tcp,
    /// HTTP/1.1 towards the service; our servers accept HTTP/2 as well.
    Http,
    /// HTTP/2.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
}

impl Protocol {
    /// Reads a protocol name; anything unknown acts like `tcp`, as in Consul.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "http" => Self::Http,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            _ => Self::Tcp,
        }
    }

    /// Whether requests, rather than connections, are what policy acts on.
    #[must_use]
    pub fn is_http_like(self) -> bool {
        !matches!(self, Self::Tcp)
    }

    /// The name used in config entries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Grpc => "grpc",
        }
    }
}

/// Time limits of one logical request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutPolicy {
    /// From the end of the request body to the end of the response, over all attempts. `None`: no limit.
    /// Default 15 s, Envoy's route timeout.
    pub request: Option<Duration>,
    /// For one attempt, until its response head. `None` (default): only `request` bounds it.
    pub per_try: Option<Duration>,
    /// Longest silence of a stream in either direction. `None`: no limit. Default 5 min.
    pub idle: Option<Duration>,
}

impl TimeoutPolicy {
    /// No limit at all.
    pub const NONE: Self = Self {
        request: None,
        per_try: None,
        idle: None,
    };
}

impl Default for TimeoutPolicy {
    fn default() -> Self {
        Self {
            request: Some(Duration::from_secs(15)),
            per_try: None,
            idle: Some(Duration::from_secs(300)),
        }
    }
}

/// A set of retry conditions, each with Envoy's meaning of the same name.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RetryOn(u16);

impl RetryOn {
    /// No condition.
    pub const NONE: Self = Self(0);
    /// Any 5xx status, or no response at all.
    pub const SERVER_ERROR: Self = Self(1);
    /// 502, 503 or 504, or no response at all.
    pub const GATEWAY_ERROR: Self = Self(1 << 1);
    /// No response head: connect failure, connection lost, stream reset, time-out.
    pub const RESET: Self = Self(1 << 2);
    /// The connection could not be made.
    pub const CONNECT_FAILURE: Self = Self(1 << 3);
    /// The response carries `x-envoy-ratelimited`.
    pub const ENVOY_RATELIMITED: Self = Self(1 << 4);
    /// Status 409.
    pub const RETRIABLE_4XX: Self = Self(1 << 5);
    /// The server refused the HTTP/2 stream before it processed anything.
    pub const REFUSED_STREAM: Self = Self(1 << 6);
    /// `grpc-status` 1.
    pub const CANCELLED: Self = Self(1 << 7);
    /// `grpc-status` 4.
    pub const DEADLINE_EXCEEDED: Self = Self(1 << 8);
    /// `grpc-status` 8.
    pub const RESOURCE_EXHAUSTED: Self = Self(1 << 9);
    /// `grpc-status` 13.
    pub const INTERNAL: Self = Self(1 << 10);
    /// `grpc-status` 14.
    pub const UNAVAILABLE: Self = Self(1 << 11);

    const NAMES: [(&'static str, Self); 12] = [
        ("5xx", Self::SERVER_ERROR),
        ("gateway-error", Self::GATEWAY_ERROR),
        ("reset", Self::RESET),
        ("connect-failure", Self::CONNECT_FAILURE),
        ("envoy-ratelimited", Self::ENVOY_RATELIMITED),
        ("retriable-4xx", Self::RETRIABLE_4XX),
        ("refused-stream", Self::REFUSED_STREAM),
        ("cancelled", Self::CANCELLED),
        ("deadline-exceeded", Self::DEADLINE_EXCEEDED),
        ("resource-exhausted", Self::RESOURCE_EXHAUSTED),
        ("internal", Self::INTERNAL),
        ("unavailable", Self::UNAVAILABLE),
    ];

    /// The condition of that name in `RetryOn`; `None` for a name Consul does not accept.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, on)| *on)
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every condition of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no condition is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of the conditions in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(_, on)| self.contains(*on))
            .map(|(name, _)| name)
    }
}

impl std::fmt::Debug for RetryOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// What may be repeated once the callee may have processed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryMethods {
    /// GET, HEAD, OPTIONS, TRACE, PUT, DELETE, and requests with an `Idempotency-Key` (default).
    #[default]
    Idempotent,
    /// Everything, which is Envoy's behaviour.
    Any,
    /// Nothing: only attempts that never reached the callee are repeated.
    None,
}

/// Waiting time before a further attempt: uniform in `[0, min(base · 2^k, max))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound before the first further attempt. Default 25 ms.
    pub base: Duration,
    /// Upper bound for all. Default 250 ms.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(25),
            max: Duration::from_millis(250),
        }
    }
}

/// When and how often an attempt is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Further attempts after the first. 0 never retries.
    pub max: u32,
    /// Conditions. Empty together with empty `status_codes` never retries.
    pub on: RetryOn,
    /// Statuses that are retried besides.
    pub status_codes: Vec<u16>,
    /// What may be repeated once it may have been processed.
    pub methods: RetryMethods,
    /// Waiting time between attempts.
    pub backoff: Backoff,
    /// Most bytes of a request body kept for replay; a longer body is sent once. Default 64 KiB.
    pub body_limit_bytes: usize,
    /// Prefer endpoints that this request has not tried. Default true.
    pub avoid_tried: bool,
    /// A further attempt may draw another leg of the split. Default false, as in Consul.
    pub redraw_leg: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max: 0,
            on: RetryOn::NONE,
            status_codes: Vec::new(),
            methods: RetryMethods::Idempotent,
            backoff: Backoff::default(),
            body_limit_bytes: 64 * 1024,
            avoid_tried: true,
            redraw_leg: false,
        }
    }
}

/// How many retries a destination may get, as a share of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetPolicy {
    /// Retries per thousand requests of the window. Default 100 (10 %).
    pub ratio_thousandths: u32,
    /// Retries that are free in each window, so that a quiet caller may retry at all. Default 10.
    pub reserve: u32,
    /// The window. Default 10 s.
    pub window: Duration,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self {
            ratio_thousandths: 100,
            reserve: 10,
            window: Duration::from_secs(10),
        }
    }
}

/// Caller-side limits per target (Envoy's circuit breakers). An explicit 0 allows none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open to the target, over all endpoints. Default 1024.
    pub max_connections: u32,
    /// Requests waiting for a connection. Default 1024.
    pub max_pending_requests: u32,
    /// Requests in flight. Default 1024.
    pub max_concurrent_requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_concurrent_requests: 1024,
        }
    }
}

/// Passive health: when an endpoint is taken out for a while (Envoy's outlier detection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectionPolicy {
    /// Failures in a row that eject. Default 5.
    pub consecutive_failures: u32,
    /// Probability in percent that reaching the threshold ejects; 0 switches consecutive ejection off. Default 100.
    pub enforcing_percent: u32,
    /// Largest share of endpoints ejected at once, in percent.
    pub max_ejection_percent: u32,
    /// Whether `max_ejection_percent` was written by the operator. Where it was not, the first ejection is always
    /// allowed while another endpoint remains; an explicit value, 0 included, is obeyed.
    pub max_ejection_is_explicit: bool,
    /// Time of the first ejection; grows with each. Default 30 s.
    pub base: Duration,
    /// Longest ejection. Default 300 s.
    pub max: Duration,
    /// How often a healthy endpoint's ejection count falls by one. Default 10 s.
    pub interval: Duration,
}

impl Default for EjectionPolicy {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            enforcing_percent: 100,
            max_ejection_percent: 10,
            max_ejection_is_explicit: false,
            base: Duration::from_secs(30),
            max: Duration::from_secs(300),
            interval: Duration::from_secs(10),
        }
    }
}

/// Where one part of a request's hash comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashSource {
    /// A header, all its fields.
    Header(http::HeaderName),
    /// A query parameter, its first value.
    Query(String),
    /// A cookie.
    Cookie(String),
    /// The source address, without port.
    SourceAddress,
}

/// One hash policy of a `LoadBalancer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    /// What is hashed.
    pub source: HashSource,
    /// End the evaluation here if a hash exists by then.
    pub terminal: bool,
}

/// How one of several ready endpoints is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BalanceAlgorithm {
    /// Failure-aware peak-EWMA over two random choices: ours, where no policy is set.
    #[default]
    Ewma,
    /// Weighted round robin.
    RoundRobin,
    /// Uniform.
    Random,
    /// Fewest requests in flight among `choice_count` drawn.
    LeastRequest {
        /// Endpoints drawn; at least 1. Default 2.
        choice_count: u32,
    },
    /// Consistent hash ring.
    RingHash {
        /// Smallest number of points on the ring.
        minimum: u64,
        /// Largest number of points on the ring.
        maximum: u64,
    },
    /// Maglev table.
    Maglev,
}

/// Balancing of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancePolicy {
    /// The algorithm.
    pub algorithm: BalanceAlgorithm,
    /// What hash algorithms hash, in order. Without a hash an endpoint is drawn at random.
    pub hash: Vec<HashPolicy>,
}

/// What the callee's side of a service takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundPolicy {
    /// Limit on a request, Consul's `LocalRequestTimeoutMs`. `None`: only callers limit. Default 15 s.
    pub request_timeout: Option<Duration>,
    /// Requests in flight at a time. Default 1024.
    pub max_in_flight: u32,
    /// Header with the caller's remaining milliseconds. Default `x-mesh-deadline-ms`.
    pub deadline_header: http::HeaderName,
    /// Whether a request that is already late is refused rather than run. Default true.
    pub refuse_late: bool,
    /// Whether the caller's identity is appended to `x-forwarded-client-cert`; otherwise the header is removed.
    pub forward_client_cert: bool,
}

impl Default for InboundPolicy {
    fn default() -> Self {
        Self {
            request_timeout: Some(Duration::from_secs(15)),
            max_in_flight: 1024,
            deadline_header: http::HeaderName::from_static("x-mesh-deadline-ms"),
            refuse_late: true,
            forward_client_cert: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_one_name_and_one_bit() {
        let mut all = RetryOn::NONE;
        for (name, on) in RetryOn::NAMES {
            assert_eq!(RetryOn::from_name(name), Some(on));
            assert!(!all.contains(on), "{name} shares a bit");
            all = all.with(on);
        }
        assert_eq!(all.names().count(), 12);
        assert_eq!(RetryOn::from_name("reset-before-request"), None);
    }

    #[test]
    fn an_unknown_protocol_acts_like_tcp() {
        assert!(!Protocol::from_name("redis").is_http_like());
        assert_eq!(Protocol::from_name("grpc").as_str(), "grpc");
    }
}
