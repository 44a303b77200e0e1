//! `service-router`: which request goes to which service.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::GoDuration;
use super::category::Category;
use super::check::{Checker, Rules, upper_case};
use super::shared::HeaderModifiers;
use super::suggest;

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

/// Conditions of `RetryOn`, as Envoy names them.
pub(crate) const RETRY_ON: [&str; 12] = [
    "5xx",
    "gateway-error",
    "reset",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

impl Rules for ServiceRouter {
    fn normalize(&mut self) {
        for route in &mut self.routes {
            if let Some(http) = route
                .matches
                .as_mut()
                .and_then(|matches| matches.http.as_mut())
            {
                upper_case(&mut http.methods);
            }
        }
    }

    fn check(&self, to: &mut Checker) {
        to.name(&self.name);
        to.meta(&self.meta);
        to.each("Routes", &self.routes, |to, route| {
            let http = route
                .matches
                .as_ref()
                .and_then(|matches| matches.http.as_ref());
            if let Some(http) = http {
                to.within("Match", |to| to.within("HTTP", |to| http.check(to)));
            }
            if let Some(destination) = &route.destination {
                to.within("Destination", |to| destination.check(http, to));
            }
        });
    }
}

impl HttpMatch {
    fn check(&self, to: &mut Checker) {
        to.paths(&self.path_exact, &self.path_prefix, &self.path_regex);
        to.each("Header", &self.header, |to, header| header.check(to));
        to.each("QueryParam", &self.query_param, |to, query| query.check(to));
        to.methods(&self.methods);
    }
}

impl RouteHeader {
    fn check(&self, to: &mut Checker) {
        if self.name.is_empty() {
            to.error_at("Name", Category::BadMatch, "a header needs its Name");
        }
        let texts = [&self.exact, &self.prefix, &self.suffix, &self.regex];
        let set = texts.iter().filter(|text| !text.is_empty()).count() + usize::from(self.present);
        if set != 1 {
            to.error(
                Category::BadMatch,
                "exactly one of Present, Exact, Prefix, Suffix, Regex must be set",
            )
            .hint(one_criterion(set));
        }
        to.pattern("Regex", &self.regex);
    }
}

impl QueryMatch {
    fn check(&self, to: &mut Checker) {
        if self.name.is_empty() {
            to.error_at(
                "Name",
                Category::BadMatch,
                "a query parameter needs its Name",
            );
        }
        let texts = [&self.exact, &self.regex];
        let set = texts.iter().filter(|text| !text.is_empty()).count() + usize::from(self.present);
        if set != 1 {
            to.error(
                Category::BadMatch,
                "exactly one of Present, Exact, Regex must be set",
            )
            .hint(one_criterion(set));
        }
        to.pattern("Regex", &self.regex);
    }
}

impl RouteDestination {
    fn check(&self, http: Option<&HttpMatch>, to: &mut Checker) {
        let rewritable =
            http.is_some_and(|http| !http.path_exact.is_empty() || !http.path_prefix.is_empty());
        if !self.prefix_rewrite.is_empty() && !rewritable {
            let message = "PrefixRewrite needs a Match.HTTP with PathExact or PathPrefix";
            to.error_at("PrefixRewrite", Category::BadRewrite, message);
        }
        to.enterprise_default("Namespace", &self.namespace);
        to.enterprise_default("Partition", &self.partition);
        to.within("RetryOn", |to| check_retry_on(to, &self.retry_on));
        to.each(
            "RetryOnStatusCodes",
            &self.retry_on_status_codes,
            |to, status| {
                if !(100..=599).contains(status) {
                    to.error(
                        Category::BadRetry,
                        format!("{status} is not a status of 100 to 599"),
                    );
                }
            },
        );
        let conditions = self.retry_on_connect_failure
            || !self.retry_on.is_empty()
            || !self.retry_on_status_codes.is_empty();
        if self.num_retries > 0 && !conditions {
            to.warn_at(
                "NumRetries",
                Category::NoEffect,
                "without a condition nothing is ever retried",
            )
            .hint("add RetryOn, RetryOnConnectFailure or RetryOnStatusCodes");
        }
    }
}

/// Conditions of retries, each one that Envoy knows.
pub(crate) fn check_retry_on(to: &mut Checker, conditions: &[String]) {
    for (index, condition) in conditions.iter().enumerate() {
        if RETRY_ON.contains(&condition.as_str()) {
            continue;
        }
        let near = suggest::nearest(condition, RETRY_ON.into_iter());
        to.within(index, |to| {
            let problem = to.error(
                Category::BadRetry,
                format!("{condition:?} is not a condition to retry on"),
            );
            problem.hint(match near {
                Some(name) => format!("did you mean {name:?}?"),
                None => format!("one of {}", RETRY_ON.join(", ")),
            });
        });
    }
}

/// What to do about a criterion with none or several conditions.
fn one_criterion(set: usize) -> &'static str {
    if set == 0 {
        "write `Present = true` if any value will do; `Present = false` and an empty text do not count"
    } else {
        "keep one of them; a second condition is a second criterion of the same name"
    }
}
