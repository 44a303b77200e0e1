//! From what entries say to what layers act on: every setting that a call has, seen by one caller.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use mesh_core::config::Source;
use mesh_core::policy::{
    BalanceAlgorithm, EjectionPolicy, HashSource, Limits, RetryMethods, RetryOn, TimeoutPolicy,
};
use mesh_core::snapshot::{Chain, Snapshot, TargetPolicy};
use mesh_core::source::dir::check_files;

const DEFAULTS: &str = "Kind = \"proxy-defaults\"\nConfig { protocol = \"http\" }";

/// How `caller` sees a mesh of these entries, in which `api` and `web` are registered.
fn view(caller: &str, entries: &[&str]) -> Snapshot {
    let mut files = vec![
        Source::new("mesh.hcl", "default_intention_policy = \"deny\""),
        Source::new("defaults.hcl", DEFAULTS),
        Source::new("api.hcl", "service {\n name = \"api\"\n port = 1\n}"),
        Source::new("web.hcl", "service {\n name = \"web\"\n port = 2\n}"),
    ];
    for (index, entry) in entries.iter().enumerate() {
        files.push(Source::new(format!("{index}.hcl"), *entry));
    }
    let checked = check_files(files, |_| Ok(None));
    Snapshot::of(
        &checked
            .world
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics)),
        caller,
    )
}

fn api(caller: &str, entries: &[&str]) -> Arc<Chain> {
    Arc::clone(view(caller, entries).chain("api").unwrap())
}

fn target(chain: &Chain) -> TargetPolicy {
    chain.routes[0].legs[0].levels[0].policy().clone()
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn without_entries_consuls_defaults_hold() {
    let chain = api("web", &[]);
    assert_eq!(chain.routes[0].timeout, TimeoutPolicy::default());
    assert_eq!(chain.routes[0].retry, None);
    let policy = target(&chain);
    assert_eq!(
        (policy.limits, policy.ejection),
        (Limits::default(), EjectionPolicy::default())
    );
    assert_eq!(policy.connect_timeout, secs(5));
    assert_eq!(
        chain.routes[0].legs[0].balance.algorithm,
        BalanceAlgorithm::Ewma
    );
}

#[test]
fn a_routes_destination_sets_its_time_limits_and_retries() {
    let chain = api(
        "web",
        &[
            "Kind = \"service-router\"\nName = \"api\"\nRoutes = [{ Destination { RequestTimeout = \"3s\", IdleTimeout = \"4s\", \
           NumRetries = 2, RetryOn = [\"reset\"], RetryOnConnectFailure = true, RetryOnStatusCodes = [429, 503] } }]",
        ],
    );
    let route = &chain.routes[0];
    assert_eq!(
        (route.timeout.request, route.timeout.idle),
        (Some(secs(3)), Some(secs(4)))
    );
    let retry = route.retry.as_ref().unwrap();
    assert_eq!(
        (retry.max, retry.on),
        (2, RetryOn::RESET.with(RetryOn::CONNECT_FAILURE))
    );
    assert_eq!(retry.status_codes, [429, 503]);
    assert_eq!(
        chain.routes[1].retry, None,
        "the catch-all has settings of its own"
    );
}

#[test]
fn a_resolver_sets_time_limits_and_balancing() {
    let balanced = |balancer: &str| {
        let entry = format!(
            "Kind = \"service-resolver\"\nName = \"api\"\nConnectTimeout = \"2s\"\nRequestTimeout = \"9s\"\nLoadBalancer {{ {balancer} }}"
        );
        api("web", &[&entry])
    };
    let chain = balanced("Policy = \"round_robin\"");
    assert_eq!(target(&chain).connect_timeout, secs(2));
    assert_eq!(chain.routes[0].timeout.request, Some(secs(9)));
    let balance = |balancer: &str| balanced(balancer).routes[0].legs[0].balance.clone();
    for (text, algorithm) in [
        ("Policy = \"round_robin\"", BalanceAlgorithm::RoundRobin),
        ("Policy = \"random\"", BalanceAlgorithm::Random),
        ("Policy = \"maglev\"", BalanceAlgorithm::Maglev),
        (
            "Policy = \"least_request\"\nLeastRequestConfig { ChoiceCount = 5 }",
            BalanceAlgorithm::LeastRequest { choice_count: 5 },
        ),
        (
            "Policy = \"ring_hash\"\nRingHashConfig { MinimumRingSize = 64, MaximumRingSize = 128 }",
            BalanceAlgorithm::RingHash {
                minimum: 64,
                maximum: 128,
            },
        ),
    ] {
        assert_eq!(balance(text).algorithm, algorithm, "{text}");
    }
    let hashed = balance(
        "Policy = \"maglev\"\nHashPolicies = [{ Field = \"header\", FieldValue = \"x-user\", Terminal = true }, \
         { Field = \"cookie\", FieldValue = \"id\" }, { Field = \"query_parameter\", FieldValue = \"q\" }, { SourceIP = true }]",
    );
    assert!(hashed.hash[0].terminal);
    let sources: Vec<_> = hashed.hash.into_iter().map(|part| part.source).collect();
    assert_eq!(
        sources,
        [
            HashSource::Header("x-user".parse().unwrap()),
            HashSource::Cookie("id".into()),
            HashSource::Query("q".into()),
            HashSource::SourceAddress,
        ]
    );
}

#[test]
fn a_callers_upstream_config_sets_limits_ejection_and_connect_timeout() {
    let defaults = "Kind = \"service-defaults\"\nName = \"web\"\nProtocol = \"http\"\nUpstreamConfig {\n  Defaults {\n    ConnectTimeoutMs = 700\n    \
                    Limits { MaxConnections = 7, MaxPendingRequests = 8, MaxConcurrentRequests = 9 }\n    PassiveHealthCheck { Interval = \"3s\", \
                    MaxFailures = 2, EnforcingConsecutive5xx = 40, MaxEjectionPercent = 50, BaseEjectionTime = \"6s\" }\n  }\nOVERRIDES\n}";
    let plain = target(&api("web", &[&defaults.replace("OVERRIDES", "")]));
    let limits = Limits {
        max_connections: 7,
        max_pending_requests: 8,
        max_concurrent_requests: 9,
    };
    assert_eq!(
        (plain.limits, plain.connect_timeout),
        (limits, Duration::from_millis(700))
    );
    let ejection = EjectionPolicy {
        consecutive_failures: 2,
        enforcing_percent: 40,
        max_ejection_percent: 50,
        max_ejection_is_explicit: true,
        base: secs(6),
        interval: secs(3),
        ..EjectionPolicy::default()
    };
    assert_eq!(plain.ejection, ejection);
    let own = "  Overrides = [{ Name = \"api\", Limits { MaxConnections = 1 } }]";
    let own = target(&api("web", &[&defaults.replace("OVERRIDES", own)]));
    assert_eq!(
        own.limits,
        Limits {
            max_connections: 1,
            ..Limits::default()
        },
        "replaced as a whole"
    );
    assert_eq!(
        (own.ejection, own.connect_timeout),
        (ejection, Duration::from_millis(700))
    );
    let other = target(&api("cron", &[&defaults.replace("OVERRIDES", "")]));
    assert_eq!(
        other.limits,
        Limits::default(),
        "only the caller's own entry counts"
    );
}

#[test]
fn an_ingress_gateway_sets_limits_and_ejection_of_what_it_exposes() {
    let gateway = "Kind = \"ingress-gateway\"\nName = \"door\"\nDefaults { MaxConnections = 4, MaxPendingRequests = 5, MaxConcurrentRequests = 6, \
                   PassiveHealthCheck { MaxFailures = 3, Interval = \"7s\" } }\nListeners = [{ Port = 8080, Protocol = \"http\", Services = [{ \
                   Name = \"api\", Hosts = [\"x\"], MaxConnections = 44, PassiveHealthCheck { MaxFailures = 33 } }] }]";
    let policy = target(&api("door", &[gateway]));
    let limits = Limits {
        max_connections: 44,
        max_pending_requests: 5,
        max_concurrent_requests: 6,
    };
    assert_eq!(policy.limits, limits);
    assert_eq!(
        (
            policy.ejection.consecutive_failures,
            policy.ejection.interval
        ),
        (33, secs(7))
    );
}

#[test]
fn a_mesh_policy_fills_what_other_entries_leave_open() {
    let policy = "Kind = \"mesh-policy\"\nName = \"NAME\"\nTimeouts { PerTry = \"250ms\" }\nRetries { On = [\"5xx\"], Max = 3, Methods = \"any\", \
                  Budget { Ratio = 0.5, Reserve = 4, Window = \"20s\" }, Backoff { Base = \"1ms\", Max = \"2ms\" }, BodyLimitBytes = 10, \
                  RedrawLeg = true, AvoidTried = false }\nBalancing { Policy = \"random\" }\nEjection { ConsecutiveErrors = 8 }";
    for name in ["api", "*"] {
        let chain = api("web", &[&policy.replace("NAME", name)]);
        let route = &chain.routes[0];
        assert_eq!(route.timeout.per_try, Some(Duration::from_millis(250)));
        let retry = route.retry.as_ref().unwrap();
        assert_eq!(
            (retry.max, retry.on, retry.methods),
            (3, RetryOn::SERVER_ERROR, RetryMethods::Any)
        );
        assert_eq!(
            (retry.backoff.base, retry.backoff.max),
            (Duration::from_millis(1), Duration::from_millis(2))
        );
        assert_eq!(
            (retry.body_limit_bytes, retry.redraw_leg, retry.avoid_tried),
            (10, true, false)
        );
        let budget = chain.budget;
        assert_eq!(
            (budget.ratio_thousandths, budget.reserve, budget.window),
            (500, 4, secs(20))
        );
        assert_eq!(route.legs[0].balance.algorithm, BalanceAlgorithm::Random);
        assert_eq!(target(&chain).ejection.consecutive_failures, 8);
    }
    let router = "Kind = \"service-router\"\nName = \"api\"\nRoutes = [{ Destination { NumRetries = 1, RetryOn = [\"reset\"] } }]";
    let chain = api("web", &[&policy.replace("NAME", "*"), router]);
    let retry = chain.routes[0].retry.as_ref().unwrap();
    assert_eq!(
        (retry.max, retry.on),
        (1, RetryOn::RESET),
        "a route has the last word"
    );
}

#[test]
fn what_a_callee_takes_on_comes_from_its_own_entries() {
    let inbound = |entries: &[&str]| view("api", entries).inbound.clone();
    let policy = "Kind = \"mesh-policy\"\nName = \"api\"\nLimits { Inbound { MaxInFlight = 12 } }\nDeadline { Header = \"x-until\", RefuseLate = false }";
    let limits = inbound(&[policy]);
    assert_eq!(limits.max_in_flight, 12);
    assert_eq!(
        (limits.deadline_header.as_str(), limits.refuse_late),
        ("x-until", false)
    );
    let own = "Kind = \"service-defaults\"\nName = \"api\"\nProtocol = \"http\"\nLocalRequestTimeoutMs = 1500";
    assert_eq!(
        inbound(&[own]).request_timeout,
        Some(Duration::from_millis(1500))
    );
    let mesh = "Kind = \"mesh\"\nHTTP { SanitizeXForwardedClientCert = true }";
    assert!(!inbound(&[mesh]).forward_client_cert && inbound(&[]).forward_client_cert);
}

#[test]
fn subsets_take_the_instances_that_filter_and_checks_select() {
    let instance = |id: &str, port: u16, rest: &str| {
        format!("service {{\n  name = \"shop\"\n  id = \"{id}\"\n  port = {port}\n  {rest}\n}}")
    };
    let check =
        "check { name = \"c\", tcp = \"127.0.0.1:9\", interval = \"10s\", status = \"STATUS\" }";
    let entries = [
        instance("one", 11, "meta { version = \"v1\" }\n  weights { passing = 5 }"),
        instance("two", 12, &format!("meta {{ version = \"v2\" }}\n  {}", check.replace("STATUS", "warning"))),
        instance("three", 13, &format!("meta {{ version = \"v2\" }}\n  {}", check.replace("STATUS", "critical"))),
        instance("four", 14, "meta { version = \"v2\" }\n  address = \"10.0.0.4\""),
        "Kind = \"service-resolver\"\nName = \"shop\"\nDefaultSubset = \"v2\"\nSubsets {\n  v1 { Filter = \"Service.Meta.version == v1\" }\n  \
         v2 { Filter = \"Service.Meta.version == v2\" }\n  good { Filter = \"Service.Meta.version == v2\", OnlyPassing = true }\n}"
            .to_owned(),
        "Kind = \"service-router\"\nName = \"shop\"\nRoutes = [{ Match { HTTP { PathPrefix = \"/1\" } }, Destination { ServiceSubset = \"v1\" } }, \
         { Match { HTTP { PathPrefix = \"/2\" } }, Destination { ServiceSubset = \"good\" } }]"
            .to_owned(),
    ];
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let snapshot = view("web", &entries);
    let routes = &snapshot.chain("shop").unwrap().routes;
    let endpoints = |route: usize| -> Vec<(String, u32)> {
        let set = routes[route].legs[0].levels[0].endpoints();
        set.endpoints
            .iter()
            .map(|endpoint| (endpoint.key.to_string(), endpoint.weight))
            .collect()
    };
    let named = |key: &str, weight| (key.to_owned(), weight);
    assert_eq!(endpoints(0), [named("one@127.0.0.1:11", 5)]);
    assert_eq!(endpoints(1), [named("four@10.0.0.4:14", 1)]);
    assert_eq!(
        endpoints(2),
        [named("four@10.0.0.4:14", 1), named("two@127.0.0.1:12", 1)],
        "the default subset"
    );
}
