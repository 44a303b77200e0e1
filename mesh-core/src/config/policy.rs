//! `mesh-policy`: what Consul's entries lack, per destination service.

use std::sync::Arc;

use super::GoDuration;

record! {
    /// The `mesh-policy` entry. Absent fields mean the default of their documentation, or what a weaker source says.
    pub struct MeshPolicy {
        /// A service, or `*` for all.
        pub name: Arc<str> = "Name",
        /// Time limits.
        pub timeouts: Option<PolicyTimeouts> = "Timeouts",
        /// Further attempts.
        pub retries: Option<PolicyRetries> = "Retries",
        /// A second request while the first is slow; absent means off.
        pub hedging: Option<PolicyHedging> = "Hedging",
        /// How an instance is chosen.
        pub balancing: Option<PolicyBalancing> = "Balancing",
        /// How a split is drawn.
        pub split: Option<PolicySplit> = "Split",
        /// How bad instances are taken out of use.
        pub ejection: Option<PolicyEjection> = "Ejection",
        /// How much is let in or out.
        pub limits: Option<PolicyLimits> = "Limits",
        /// The time that is left, as a header.
        pub deadline: Option<PolicyDeadline> = "Deadline",
        /// Which requests are traced.
        pub tracing: Option<PolicyTracing> = "Tracing",
        /// The access log.
        pub access_log: Option<PolicyAccessLog> = "AccessLog" | "access_log",
        /// Faults put in on purpose; absent means off.
        pub faults: Option<PolicyFaults> = "Faults",
        /// Shadow evaluation; absent means off.
        pub shadow: Option<PolicyShadow> = "Shadow",
    }

    /// Time limits.
    pub struct PolicyTimeouts {
        /// Of one attempt, above 0; 2 s.
        pub per_try: Option<GoDuration> = "PerTry" | "per_try",
        /// Of an idle connection, above 0; 1 h.
        pub connection_idle: Option<GoDuration> = "ConnectionIdle" | "connection_idle",
    }

    /// Further attempts.
    pub struct PolicyRetries {
        /// Conditions, as Envoy names them; `connect-failure`, `reset`, `refused-stream`.
        pub on: Option<Vec<String>> = "On",
        /// Further attempts, at most 10; 0.
        pub max: Option<u32> = "Max",
        /// `idempotent`, `any` or `none`: what may be repeated once it may have been processed; `idempotent`.
        pub methods: Option<String> = "Methods",
        /// What all retries together may cost.
        pub budget: Option<PolicyBudget> = "Budget",
        /// Waits between attempts.
        pub backoff: Option<PolicyBackoff> = "Backoff",
        /// Bytes of a body kept for a repeat; 65 536.
        pub body_limit_bytes: Option<u64> = "BodyLimitBytes" | "body_limit_bytes",
        /// Whether a retry may draw another split leg; false.
        pub redraw_leg: Option<bool> = "RedrawLeg" | "redraw_leg",
        /// Whether instances tried before are avoided; true.
        pub avoid_tried: Option<bool> = "AvoidTried" | "avoid_tried",
    }

    /// What all retries together may cost.
    pub struct PolicyBudget {
        /// Share of requests, 0..=1, in thousandths; 0.10.
        pub ratio: Option<f64> = "Ratio",
        /// Retries per window allowed in any case; 10.
        pub reserve: Option<u32> = "Reserve",
        /// Time over which it counts, above 0; 10 s.
        pub window: Option<GoDuration> = "Window",
    }

    /// Waits between attempts.
    pub struct PolicyBackoff {
        /// First wait, above 0; 25 ms.
        pub base: Option<GoDuration> = "Base",
        /// Largest wait, not below the first; 250 ms.
        pub max: Option<GoDuration> = "Max",
    }

    /// A second request while the first is slow.
    pub struct PolicyHedging {
        /// A percentile of this destination (`p95`) or a duration above 0.
        pub after: String = "After",
        /// Extra requests as a fraction, 0..=1; 0.05.
        pub max_extra: Option<f64> = "MaxExtra" | "max_extra",
    }

    /// How an instance is chosen.
    pub struct PolicyBalancing {
        /// `ewma`, or a policy of a resolver's `LoadBalancer`.
        pub policy: Option<String> = "Policy",
        /// Time in which a new instance reaches its full share; 30 s, 0 is off.
        pub slow_start: Option<GoDuration> = "SlowStart" | "slow_start",
        /// Percent of healthy instances below which all are used, 0..=100; 0, never.
        pub panic_threshold: Option<f64> = "PanicThreshold" | "panic_threshold",
    }

    /// How a split is drawn.
    pub struct PolicySplit {
        /// What keeps a caller on its leg; the first that is there counts. Empty means each request is drawn anew.
        pub sticky_by: Vec<PolicySticky> = "StickyBy" | "sticky_by",
        /// Whether legs without instances are left out; false.
        pub skip_empty_legs: Option<bool> = "SkipEmptyLegs" | "skip_empty_legs",
    }

    /// What keeps a caller on its leg: exactly one is set.
    pub struct PolicySticky {
        /// A header.
        pub header: String = "Header",
        /// A cookie.
        pub cookie: String = "Cookie",
        /// A query parameter.
        pub query_parameter: String = "QueryParameter" | "query_parameter",
        /// The caller's identity.
        pub source: bool = "Source",
    }

    /// How bad instances are taken out of use.
    pub struct PolicyEjection {
        /// Errors in a row; 5.
        pub consecutive_errors: Option<u32> = "ConsecutiveErrors" | "consecutive_errors",
        /// By success rate among the instances.
        pub success_rate: Option<PolicySuccessRate> = "SuccessRate" | "success_rate",
        /// By share of failures.
        pub failure_percent: Option<PolicyFailurePercent> = "FailurePercent" | "failure_percent",
    }

    /// Ejection by success rate.
    pub struct PolicySuccessRate {
        /// Instances needed; 5.
        pub min_hosts: Option<u32> = "MinHosts" | "min_hosts",
        /// Requests each needs; 100.
        pub min_requests: Option<u32> = "MinRequests" | "min_requests",
        /// Standard deviations below the mean, above 0; 1.9.
        pub factor: Option<f64> = "Factor",
    }

    /// Ejection by share of failures.
    pub struct PolicyFailurePercent {
        /// Percent, 0..=100; 85.
        pub threshold: Option<f64> = "Threshold",
    }

    /// How much is let in or out.
    pub struct PolicyLimits {
        /// A limit that follows latency; absent means off.
        pub adaptive: Option<PolicyAdaptive> = "Adaptive",
        /// What this service takes.
        pub inbound: Option<PolicyInbound> = "Inbound",
    }

    /// A limit that follows latency.
    pub struct PolicyAdaptive {
        /// Never below, at least 1; 8.
        pub min_in_flight: Option<u32> = "MinInFlight" | "min_in_flight",
    }

    /// What this service takes.
    pub struct PolicyInbound {
        /// Requests in flight, at least 1; 1024.
        pub max_in_flight: Option<u32> = "MaxInFlight" | "max_in_flight",
        /// Per calling service; absent means off.
        pub per_caller: Option<PolicyPerCaller> = "PerCaller" | "per_caller",
    }

    /// Rate of one caller.
    pub struct PolicyPerCaller {
        /// Requests per second, above 0; required.
        pub rate: Option<f64> = "Rate",
        /// Requests at once, at least 1; as many as a second brings.
        pub burst: Option<u32> = "Burst",
    }

    /// The time that is left, as a header.
    pub struct PolicyDeadline {
        /// Its name; `x-mesh-deadline-ms`.
        pub header: Option<String> = "Header",
        /// Whether requests that come too late are refused; true.
        pub refuse_late: Option<bool> = "RefuseLate" | "refuse_late",
    }

    /// Which requests are traced.
    pub struct PolicyTracing {
        /// Percent, 0..=100; 1.
        pub sampling: Option<f64> = "Sampling",
        /// Keep all that failed; true.
        pub keep_failures: Option<bool> = "KeepFailures" | "keep_failures",
        /// Keep all that took longer, above 0; 500 ms.
        pub keep_slower_than: Option<GoDuration> = "KeepSlowerThan" | "keep_slower_than",
        /// Path prefixes never traced.
        pub exclude: Option<Vec<String>> = "Exclude",
    }

    /// The access log.
    pub struct PolicyAccessLog {
        /// `json` or `text`; `json`.
        pub format: Option<String> = "Format",
    }

    /// Faults put in on purpose.
    pub struct PolicyFaults {
        /// Waits.
        pub delay: Option<PolicyDelay> = "Delay",
        /// Refusals.
        pub abort: Option<PolicyAbort> = "Abort",
        /// Only for requests with this header; empty means all.
        pub only_if_header: String = "OnlyIfHeader" | "only_if_header",
    }

    /// A wait before the request.
    pub struct PolicyDelay {
        /// Percent of requests, 0..=100; required.
        pub share: Option<f64> = "Share",
        /// How long, above 0; required.
        pub duration: Option<GoDuration> = "For",
    }

    /// A refusal in place of the request.
    pub struct PolicyAbort {
        /// Percent of requests, 0..=100; required.
        pub share: Option<f64> = "Share",
        /// Status, 200..=599; required.
        pub status: Option<u32> = "Status",
    }

    /// Shadow evaluation of a proposed configuration.
    pub struct PolicyShadow {
        /// Directory of proposed intentions, relative to the configuration's.
        pub intentions: String = "Intentions",
        /// Percent of requests, 0..=100; 100.
        pub share: Option<f64> = "Share",
    }
}
