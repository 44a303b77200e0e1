//! `service-router`: which request goes to which service.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::GoDuration;
use super::shared::HeaderModifiers;

record! {
    /// The `service-router` entry (Consul service-router reference).
    pub struct ServiceRouter {
        /// Name of the service.
        pub name: Arc<str> = "Name",
        /// Routes in order; the first that matches wins.
        pub routes: Vec<Route> = "Routes",
        /// Free pairs.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// One route.
    pub struct Route {
        /// What a request must be like; absent means any.
        pub matches: Option<RouteMatch> = "Match",
        /// Where it goes; absent means the service itself.
        pub destination: Option<RouteDestination> = "Destination",
    }

    /// Criteria of a route.
    pub struct RouteMatch {
        /// HTTP criteria; absent means any.
        pub http: Option<HttpMatch> = "HTTP",
    }

    /// HTTP criteria; all must hold.
    pub struct HttpMatch {
        /// The whole path; empty means not set, as for the next two, of which at most one is set.
        pub path_exact: String = "PathExact" | "path_exact",
        /// The beginning of the path.
        pub path_prefix: String = "PathPrefix" | "path_prefix",
        /// RE2 pattern of the whole path.
        pub path_regex: String = "PathRegex" | "path_regex",
        /// Whether exact and prefix ignore ASCII case.
        pub case_insensitive: bool = "CaseInsensitive" | "case_insensitive",
        /// Headers.
        pub header: Vec<RouteHeader> = "Header",
        /// Query parameters.
        pub query_param: Vec<QueryMatch> = "QueryParam" | "query_param",
        /// Upper-cased methods; empty means any.
        pub methods: Vec<String> = "Methods",
    }

    /// A criterion on a header: exactly one of `present`, `exact`, `prefix`, `suffix`, `regex` is set.
    pub struct RouteHeader {
        /// Name, in any case.
        pub name: String = "Name",
        /// There is such a field.
        pub present: bool = "Present",
        /// The whole value.
        pub exact: String = "Exact",
        /// Its beginning.
        pub prefix: String = "Prefix",
        /// Its end.
        pub suffix: String = "Suffix",
        /// RE2 pattern of the whole value.
        pub regex: String = "Regex",
        /// Negates the outcome.
        pub invert: bool = "Invert",
    }

    /// A criterion on a query parameter: exactly one of `present`, `exact`, `regex` is set.
    pub struct QueryMatch {
        /// Name, case-sensitive.
        pub name: String = "Name",
        /// The name occurs.
        pub present: bool = "Present",
        /// The whole value.
        pub exact: String = "Exact",
        /// RE2 pattern of the whole value.
        pub regex: String = "Regex",
    }

    /// Where a route leads and how.
    pub struct RouteDestination {
        /// Service; empty means the router's own.
        pub service: Arc<str> = "Service",
        /// Subset; empty means none.
        pub service_subset: Arc<str> = "ServiceSubset" | "service_subset",
        /// Empty or `default`.
        pub namespace: String = "Namespace",
        /// Empty or `default`.
        pub partition: String = "Partition",
        /// Replaces the matched path or prefix; empty means none.
        pub prefix_rewrite: String = "PrefixRewrite" | "prefix_rewrite",
        /// Zero means the default, negative no limit.
        pub request_timeout: GoDuration = "RequestTimeout" | "request_timeout",
        /// Zero means the default, negative no limit.
        pub idle_timeout: GoDuration = "IdleTimeout" | "idle_timeout",
        /// Further attempts.
        pub num_retries: u32 = "NumRetries" | "num_retries",
        /// Whether failed connects are retried.
        pub retry_on_connect_failure: bool = "RetryOnConnectFailure" | "retry_on_connect_failure",
        /// Conditions, as Envoy names them.
        pub retry_on: Vec<String> = "RetryOn" | "retry_on",
        /// Statuses, 100..=599.
        pub retry_on_status_codes: Vec<u32> = "RetryOnStatusCodes" | "retry_on_status_codes",
        /// Changes to the request's headers.
        pub request_headers: Option<HeaderModifiers> = "RequestHeaders" | "request_headers",
        /// Changes to the response's headers.
        pub response_headers: Option<HeaderModifiers> = "ResponseHeaders" | "response_headers",
    }
}
