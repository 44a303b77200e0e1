//! What a route's settings mean once defaults are filled in: time limits and retries, in plain standard types.

use std::fmt;
use std::time::Duration;

use super::{CompiledRoute, NodeKind, ResolverNode};

/// Time for a whole request when nothing sets one (Envoy's route timeout).
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Time a stream may be silent when nothing sets one (Envoy's stream idle timeout).
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Time to connect when nothing sets one.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The limit on a whole request, all attempts and the response body included; `None` = no limit.
///
/// The route's `RequestTimeout` if set (negative = none); else the resolver's, but only in a chain that starts at the resolver;
/// else 15 s.
#[must_use]
pub fn request_timeout(
    route: &CompiledRoute,
    start: NodeKind,
    resolver: Option<&ResolverNode>,
) -> Option<Duration> {
    if let Some(written) = route.settings.request_timeout {
        return written.to_std();
    }
    let resolvers = resolver
        .filter(|_| start == NodeKind::Resolver)
        .and_then(|resolver| resolver.request_timeout);
    Some(resolvers.unwrap_or(DEFAULT_REQUEST_TIMEOUT))
}

/// The limit on silence within a stream; `None` = no limit. The route's `IdleTimeout` if set (negative = none), else 5 min.
#[must_use]
pub fn idle_timeout(route: &CompiledRoute) -> Option<Duration> {
    route
        .settings
        .idle_timeout
        .map_or(Some(DEFAULT_IDLE_TIMEOUT), |written| written.to_std())
}

/// When and how often a request is tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetrySpec {
    /// Further attempts after the first, at least 1.
    pub max: u32,
    /// Conditions in the order written, without repeats. With no condition and no status code nothing is ever retried.
    pub conditions: Vec<RetryOn>,
    /// Statuses that are retried, 100..=599, in the order written.
    pub status_codes: Vec<u16>,
}

/// A route's retries, or `None` if it sets nothing about them.
///
/// `NumRetries` alone gives a specification without conditions, which never retries; a condition alone retries once.
#[must_use]
pub fn retry(route: &CompiledRoute) -> Option<RetrySpec> {
    let settings = &route.settings;
    let mut conditions: Vec<RetryOn> = Vec::new();
    let connect = settings
        .retry_on_connect_failure
        .then_some(RetryOn::ConnectFailure);
    for condition in settings.retry_on.iter().copied().chain(connect) {
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
    }
    let status_codes = settings.retry_on_status_codes.clone();
    if settings.num_retries == 0 && conditions.is_empty() && status_codes.is_empty() {
        return None;
    }
    Some(RetrySpec {
        max: settings.num_retries.max(1),
        conditions,
        status_codes,
    })
}

macro_rules! conditions {
    ($( $(#[$meta:meta])* $variant:ident = $text:literal; )*) => {
        /// A condition of `RetryOn`, named as Envoy names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RetryOn {
            $( $(#[$meta])* $variant, )*
        }

        impl RetryOn {
            /// All conditions that Consul accepts.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The condition as written in `RetryOn`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

conditions! {
    /// Status 500..=599, or no response headers.
    FiveXx = "5xx";
    /// Status 502, 503, 504, or no response headers.
    GatewayError = "gateway-error";
    /// No response headers: connect failure, connection lost, stream reset.
    Reset = "reset";
    /// The connection could not be made.
    ConnectFailure = "connect-failure";
    /// The response carries `x-envoy-ratelimited`.
    EnvoyRatelimited = "envoy-ratelimited";
    /// Status 409.
    Retriable4xx = "retriable-4xx";
    /// The stream was refused before processing.
    RefusedStream = "refused-stream";
    /// `grpc-status` 1 in the response headers.
    Cancelled = "cancelled";
    /// `grpc-status` 4 in the response headers.
    DeadlineExceeded = "deadline-exceeded";
    /// `grpc-status` 13 in the response headers.
    Internal = "internal";
    /// `grpc-status` 8 in the response headers.
    ResourceExhausted = "resource-exhausted";
    /// `grpc-status` 14 in the response headers.
    Unavailable = "unavailable";
}

impl RetryOn {
    /// The condition of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|condition| condition.as_str() == text)
    }
}

impl fmt::Display for RetryOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::RouteSettings;
    use super::*;
    use crate::config::GoDuration;

    fn route(settings: RouteSettings) -> CompiledRoute {
        CompiledRoute {
            settings,
            ..CompiledRoute::default()
        }
    }

    fn resolver(request_timeout: Option<Duration>) -> ResolverNode {
        ResolverNode {
            request_timeout,
            ..ResolverNode::default()
        }
    }

    #[test]
    fn a_routes_request_timeout_wins_and_a_negative_one_means_none() {
        let node = resolver(Some(Duration::from_secs(7)));
        let set = |secs| {
            route(RouteSettings {
                request_timeout: Some(GoDuration::from_secs(secs)),
                ..RouteSettings::default()
            })
        };
        assert_eq!(
            request_timeout(&set(3), NodeKind::Router, Some(&node)),
            Some(Duration::from_secs(3))
        );
        assert_eq!(
            request_timeout(&set(-1), NodeKind::Router, Some(&node)),
            None
        );
    }

    #[test]
    fn a_resolvers_request_timeout_counts_only_where_the_chain_starts_at_it() {
        let (route, node) = (
            CompiledRoute::default(),
            resolver(Some(Duration::from_secs(7))),
        );
        let limit = |start| request_timeout(&route, start, Some(&node));
        assert_eq!(limit(NodeKind::Resolver), Some(Duration::from_secs(7)));
        assert_eq!(limit(NodeKind::Splitter), Some(DEFAULT_REQUEST_TIMEOUT));
        assert_eq!(limit(NodeKind::Router), Some(DEFAULT_REQUEST_TIMEOUT));
        assert_eq!(
            request_timeout(&route, NodeKind::Resolver, Some(&resolver(None))),
            Some(DEFAULT_REQUEST_TIMEOUT)
        );
        assert_eq!(
            request_timeout(&route, NodeKind::Resolver, None),
            Some(DEFAULT_REQUEST_TIMEOUT)
        );
    }

    #[test]
    fn the_idle_timeout_is_five_minutes_unless_set() {
        let set = |secs| {
            route(RouteSettings {
                idle_timeout: Some(GoDuration::from_secs(secs)),
                ..RouteSettings::default()
            })
        };
        assert_eq!(
            idle_timeout(&CompiledRoute::default()),
            Some(Duration::from_secs(300))
        );
        assert_eq!(idle_timeout(&set(900)), Some(Duration::from_secs(900)));
        assert_eq!(idle_timeout(&set(-5)), None);
    }

    #[test]
    fn retries_need_something_that_asks_for_them() {
        assert_eq!(retry(&CompiledRoute::default()), None);
        let count_only = retry(&route(RouteSettings {
            num_retries: 3,
            ..RouteSettings::default()
        }))
        .unwrap();
        assert_eq!(
            count_only,
            RetrySpec {
                max: 3,
                ..RetrySpec::default()
            }
        );
        let connect = retry(&route(RouteSettings {
            retry_on_connect_failure: true,
            ..RouteSettings::default()
        }))
        .unwrap();
        assert_eq!(
            connect,
            RetrySpec {
                max: 1,
                conditions: vec![RetryOn::ConnectFailure],
                status_codes: vec![]
            }
        );
        let codes = retry(&route(RouteSettings {
            retry_on_status_codes: vec![425, 503],
            ..RouteSettings::default()
        }))
        .unwrap();
        assert_eq!(
            codes,
            RetrySpec {
                max: 1,
                conditions: vec![],
                status_codes: vec![425, 503]
            }
        );
    }

    #[test]
    fn conditions_are_united_without_repeats() {
        let settings = RouteSettings {
            num_retries: 2,
            retry_on: vec![RetryOn::Reset, RetryOn::ConnectFailure, RetryOn::Reset],
            retry_on_connect_failure: true,
            ..RouteSettings::default()
        };
        assert_eq!(
            retry(&route(settings)).unwrap().conditions,
            [RetryOn::Reset, RetryOn::ConnectFailure]
        );
    }

    #[test]
    fn there_are_twelve_conditions_and_each_parses_as_it_prints() {
        assert_eq!(RetryOn::ALL.len(), 12);
        assert!(
            RetryOn::ALL
                .iter()
                .all(|&condition| RetryOn::parse(&condition.to_string()) == Some(condition))
        );
        assert_eq!(RetryOn::parse("reset-before-request"), None);
        assert_eq!(RetryOn::parse("retriable-status-codes"), None);
    }
}
