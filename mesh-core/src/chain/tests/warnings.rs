//! What is accepted with a warning.

use super::*;
use crate::config::{RouteHeader, Severity};

fn messages(set: &Set, service: &str) -> Vec<String> {
    let warnings = set.compile(service).warnings;
    assert!(
        warnings
            .iter()
            .all(|warning| warning.severity == Severity::Warning && warning.hint.is_some())
    );
    warnings
        .into_iter()
        .map(|warning| warning.message)
        .collect()
}

fn only(set: &Set, service: &str, part: &str) {
    let messages = messages(set, service);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains(part), "{messages:?}");
}

#[test]
fn service_defaults_that_hide_the_protocol_of_proxy_defaults() {
    let set = Set::default().with(proxy_defaults("http"));
    only(
        &set.clone().with(defaults("web", "")),
        "web",
        "hides the http",
    );
    assert!(messages(&set.with(defaults("web", "tcp")), "web").is_empty());
    assert!(
        messages(
            &Set::default()
                .with(proxy_defaults("tcp"))
                .with(defaults("web", "")),
            "web"
        )
        .is_empty()
    );
}

#[test]
fn a_resolvers_request_timeout_behind_a_splitter() {
    let slow = ServiceResolver {
        request_timeout: GoDuration::from_secs(60),
        ..resolver("web")
    };
    let set = Set::http(&["web"]).with(slow);
    assert!(messages(&set, "web").is_empty());
    only(
        &set.with(splitter("web", &[(100.0, "", "")])),
        "web",
        "ignored behind a splitter",
    );
}

#[test]
fn retries_without_a_condition() {
    let retries = |retry_on: &[&str]| RouteDestination {
        num_retries: 3,
        retry_on: retry_on.iter().map(|&text| text.into()).collect(),
        ..RouteDestination::default()
    };
    let set = |destination| {
        Set::http(&["web"]).with(router(
            "web",
            vec![http_route(
                HttpMatch {
                    path_exact: "/a".into(),
                    ..HttpMatch::default()
                },
                destination,
            )],
        ))
    };
    only(&set(retries(&[])), "web", "never retries");
    assert!(messages(&set(retries(&["reset"])), "web").is_empty());
}

#[test]
fn a_subset_that_a_redirect_drops() {
    let set = Set::http(&["web", "store"])
        .with(ServiceResolver {
            redirect: redirect("store"),
            subsets: subsets(&["v1"]),
            ..resolver("web")
        })
        .with(splitter("web", &[(100.0, "", "v1")]));
    only(&set, "web", "redirected to store");
}

#[test]
fn a_gateway_that_a_target_elsewhere_would_need() {
    let mode = crate::config::MeshGateway {
        mode: "local".into(),
        ..Default::default()
    };
    let set = Set::default().with(ProxyDefaults {
        mesh_gateway: mode,
        ..proxy_defaults("")
    });
    assert!(messages(&set, "web").is_empty());
    let away = Some(Redirect {
        datacenter: "dc2".into(),
        ..Redirect::default()
    });
    only(
        &set.with(ServiceResolver {
            redirect: away,
            ..resolver("web")
        }),
        "web",
        "not supported",
    );
}

#[test]
fn a_header_name_that_cannot_be() {
    let header = RouteHeader {
        name: "x y".into(),
        present: true,
        ..RouteHeader::default()
    };
    let route = http_route(
        HttpMatch {
            header: vec![header],
            ..HttpMatch::default()
        },
        RouteDestination::default(),
    );
    only(
        &Set::http(&["web"]).with(router("web", vec![route])),
        "web",
        "no request can have",
    );
}

#[test]
fn a_route_that_an_earlier_one_covers() {
    let path = |prefix: &str, exact: &str| HttpMatch {
        path_prefix: prefix.into(),
        path_exact: exact.into(),
        ..HttpMatch::default()
    };
    let methods = |methods: &[&str]| HttpMatch {
        methods: methods.iter().map(|&text| text.into()).collect(),
        ..HttpMatch::default()
    };
    let header = |value: &str, more: HttpMatch| {
        let header = RouteHeader {
            name: "x-v".into(),
            exact: value.into(),
            ..RouteHeader::default()
        };
        HttpMatch {
            header: vec![header],
            ..more
        }
    };
    let insensitive = |http: HttpMatch| HttpMatch {
        case_insensitive: true,
        ..http
    };
    let covered = [
        (HttpMatch::default(), path("/a", "")),
        (path("/", ""), methods(&["GET"])),
        (path("/a", ""), path("/a/b", "")),
        (path("/a", ""), path("", "/ab")),
        (path("", "/a"), path("", "/a")),
        (insensitive(path("/A", "")), path("/a/b", "")),
        (methods(&["GET", "PUT"]), methods(&["PUT"])),
        (
            header("1", HttpMatch::default()),
            header("1", path("/a", "")),
        ),
    ];
    let free = [
        (path("/a/b", ""), path("/a", "")),
        (path("", "/a"), path("/a", "")),
        (path("/a", ""), insensitive(path("/a/b", ""))),
        (methods(&["GET"]), HttpMatch::default()),
        (methods(&["GET"]), methods(&["GET", "PUT"])),
        (
            header("1", HttpMatch::default()),
            header("2", HttpMatch::default()),
        ),
        (header("1", HttpMatch::default()), path("/a", "")),
    ];
    let routes = |first: HttpMatch, second: HttpMatch| {
        let route = |http| http_route(http, RouteDestination::default());
        Set::http(&["web"]).with(router("web", vec![route(first), route(second)]))
    };
    for (first, second) in covered {
        only(&routes(first, second), "web", "route 0 before it");
    }
    for (first, second) in free {
        assert!(
            messages(&routes(first.clone(), second.clone()), "web").is_empty(),
            "{first:?} then {second:?}"
        );
    }
}
