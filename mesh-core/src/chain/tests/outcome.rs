//! Fail-over, targets, overrides, and what the chain says about itself.

use super::*;

fn with_failover(name: &str, failover: &[(&str, Failover)]) -> ServiceResolver {
    let failover = failover
        .iter()
        .map(|(key, failover)| ((*key).into(), failover.clone()))
        .collect();
    ServiceResolver {
        failover,
        ..resolver(name)
    }
}

const WEB: &str = "web.default.default.dc1";

#[test]
fn failover_is_looked_up_by_subset_then_by_star() {
    let mut web = with_failover(
        "web",
        &[("v1", failover_to(&["one"])), ("*", failover_to(&["any"]))],
    );
    web.subsets = subsets(&["v1", "v2"]);
    let set = Set::http(&["web", "one", "any"]).with(web).with(splitter(
        "web",
        &[(50.0, "", "v1"), (25.0, "", "v2"), (25.0, "", "")],
    ));
    let chain = set.compile("web");
    assert_eq!(
        failover_of(&chain, "v1.web.default.default.dc1"),
        ["one.default.default.dc1"]
    );
    assert_eq!(
        failover_of(&chain, "v2.web.default.default.dc1"),
        ["any.default.default.dc1"]
    );
    assert_eq!(failover_of(&chain, WEB), ["any.default.default.dc1"]);
}

#[test]
fn datacenters_keep_service_and_subset_and_drop_the_primary() {
    let elsewhere = Failover {
        datacenters: vec!["dc1".into(), "dc2".into(), "dc3".into()],
        ..Failover::default()
    };
    let mut web = with_failover("web", &[("*", elsewhere.clone())]);
    web.subsets = subsets(&["v1"]);
    web.default_subset = "v1".into();
    let chain = Set::default().with(web).compile("web");
    assert_eq!(
        failover_of(&chain, "v1.web.default.default.dc1"),
        ["v1.web.default.default.dc2", "v1.web.default.default.dc3"]
    );

    let other = Failover {
        service: "spare".into(),
        ..elsewhere
    };
    let chain = Set::default()
        .with(with_failover("web", &[("*", other)]))
        .compile("web");
    let expected = [
        "spare.default.default.dc1",
        "spare.default.default.dc2",
        "spare.default.default.dc3",
    ];
    assert_eq!(failover_of(&chain, WEB), expected);
}

#[test]
fn one_candidate_comes_from_service_and_subset() {
    let spare = Failover {
        service: "spare".into(),
        service_subset: "s".into(),
        ..Failover::default()
    };
    let set = Set::default()
        .with(with_failover("web", &[("*", spare)]))
        .with(ServiceResolver {
            subsets: subsets(&["s"]),
            ..resolver("spare")
        });
    assert_eq!(
        failover_of(&set.compile("web"), WEB),
        ["s.spare.default.default.dc1"]
    );
}

#[test]
fn candidates_follow_redirects_and_default_subsets_and_repeats_stay() {
    let set = Set::default()
        .with(with_failover(
            "web",
            &[("*", failover_to(&["a", "", "b", "a", "back"]))],
        ))
        .with(ServiceResolver {
            redirect: redirect("b"),
            ..resolver("a")
        })
        .with(ServiceResolver {
            default_subset: "v".into(),
            subsets: subsets(&["v"]),
            ..resolver("b")
        })
        .with(ServiceResolver {
            redirect: redirect("web"),
            ..resolver("back")
        });
    let b = "v.b.default.default.dc1";
    assert_eq!(failover_of(&set.compile("web"), WEB), [b, b, b, WEB]);
}

#[test]
fn nothing_left_means_no_failover() {
    let own = Failover {
        datacenters: vec!["dc1".into()],
        ..Failover::default()
    };
    let chain = Set::default()
        .with(with_failover("web", &[("*", own)]))
        .compile("web");
    assert!(failover_of(&chain, WEB).is_empty());
    assert!(!chain.resolvers[WEB].default);
}

#[test]
fn mutual_failover_is_no_cycle_and_is_not_followed() {
    let set = Set::default()
        .with(with_failover("a", &[("*", failover_to(&["b"]))]))
        .with(with_failover("b", &[("*", failover_to(&["a", "c"]))]));
    let chain = set.compile("a");
    assert_eq!(
        failover_of(&chain, "a.default.default.dc1"),
        ["b.default.default.dc1"]
    );
    assert_eq!(chain.targets.len(), 2);
    assert_eq!(chain.resolvers.len(), 1);
}

#[test]
fn a_failover_target_records_its_own_connect_timeout() {
    let set = Set::default()
        .with(with_failover("web", &[("*", failover_to(&["spare"]))]))
        .with(ServiceResolver {
            connect_timeout: GoDuration::from_secs(2),
            ..resolver("spare")
        });
    let chain = set.compile("web");
    let spare = &chain.targets[chain.resolvers[WEB].failover[0]];
    assert_eq!(spare.connect_timeout, Duration::from_secs(2));
    assert_eq!(chain.resolvers[WEB].connect_timeout, Duration::from_secs(5));
}

#[test]
fn a_peer_replaces_the_datacenter_and_has_no_server_name() {
    let peer = FailoverTarget {
        peer: "east".into(),
        ..FailoverTarget::default()
    };
    let failover = Failover {
        targets: vec![peer],
        ..Failover::default()
    };
    let mut request = request("web");
    let locality = Locality {
        region: "r1".into(),
        zone: "z1".into(),
    };
    request.peers.insert("east".into(), locality.clone());
    let set = Set::default().with(with_failover("web", &[("*", failover)]));
    let chain = set.compile_as(&request).unwrap();
    let target = &chain.targets[chain.resolvers[WEB].failover[0]];
    assert_eq!(&*target.id, "web.default.default.external.east");
    assert_eq!(
        (&*target.datacenter, &*target.peer, target.sni.as_str()),
        ("", "east", "")
    );
    assert_eq!(target.locality, Some(locality));
    let unknown = set.compile("web");
    assert_eq!(unknown.targets[1].locality, None);
}

#[test]
fn the_protocol_at_a_peer_does_not_matter() {
    let away = Some(Redirect {
        service: "other".into(),
        peer: "east".into(),
        ..Redirect::default()
    });
    let set = Set::http(&["web"]).with(ServiceResolver {
        redirect: away,
        ..resolver("web")
    });
    let chain = set.compile("web");
    assert_eq!(
        &*only_target(&chain).id,
        "other.default.default.external.east"
    );
    assert_eq!(&*chain.protocol, "http");
}

#[test]
fn a_failover_to_a_peer_works_with_a_default_subset() {
    let peer = FailoverTarget {
        peer: "east".into(),
        ..FailoverTarget::default()
    };
    let failover = Failover {
        targets: vec![peer],
        ..Failover::default()
    };
    let mut web = with_failover("web", &[("*", failover)]);
    web.subsets = subsets(&["v1"]);
    web.default_subset = "v1".into();
    let chain = Set::default().with(web).compile("web");
    assert_eq!(
        failover_of(&chain, "v1.web.default.default.dc1"),
        ["web.default.default.external.east"]
    );
}

#[test]
fn an_external_service_has_its_own_server_name() {
    let external = ServiceDefaults {
        external_sni: "db.example.com".into(),
        ..defaults("db", "")
    };
    let gateway = ProxyDefaults {
        mesh_gateway: crate::config::MeshGateway {
            mode: "local".into(),
            ..Default::default()
        },
        ..proxy_defaults("")
    };
    let set = Set::default().with(external).with(gateway);
    let target = only_target(&set.compile("db")).clone();
    assert!(target.external);
    assert_eq!(
        (target.sni.as_str(), target.mesh_gateway.as_str()),
        ("db.example.com", "")
    );
}

#[test]
fn an_external_service_has_no_subsets_failover_or_redirect_within() {
    let external = ServiceDefaults {
        external_sni: "db.example.com".into(),
        ..defaults("db", "")
    };
    let set = Set::default().with(external);
    let to_dc2 = Some(Redirect {
        datacenter: "dc2".into(),
        ..Redirect::default()
    });
    let wrong = [
        ServiceResolver {
            subsets: subsets(&["v1"]),
            ..resolver("db")
        },
        ServiceResolver {
            redirect: to_dc2,
            ..resolver("db")
        },
        with_failover("db", &[("*", failover_to(&["spare"]))]),
    ];
    for resolver in wrong {
        assert_eq!(
            set.clone().with(resolver).category("db"),
            Category::ExternalSni
        );
    }
    let away = set.clone().with(ServiceResolver {
        redirect: redirect("other"),
        ..resolver("db")
    });
    assert_eq!(&*only_target(&away.compile("db")).service, "other");
    let as_failover = set.with(ServiceResolver {
        subsets: subsets(&["v1"]),
        ..resolver("db")
    });
    assert_eq!(
        as_failover
            .with(with_failover("web", &[("*", failover_to(&["db"]))]))
            .category("web"),
        Category::ExternalSni
    );
}

#[test]
fn gateway_mode_and_direct_dialing_come_from_the_service_then_from_proxy_defaults() {
    let mode = |mode: &str| crate::config::MeshGateway {
        mode: mode.into(),
        ..Default::default()
    };
    let mut proxy = ProxyDefaults {
        mesh_gateway: mode("remote"),
        ..proxy_defaults("")
    };
    proxy.transparent_proxy.dialed_directly = true;
    let set = Set::default().with(proxy).with(ServiceDefaults {
        mesh_gateway: mode("local"),
        ..defaults("b", "")
    });
    assert_eq!(only_target(&set.compile("a")).mesh_gateway, "remote");
    assert_eq!(only_target(&set.compile("b")).mesh_gateway, "local");
    assert!(only_target(&set.compile("a")).dialed_directly);
    let mut request = request("b");
    request.overrides.mesh_gateway = "none".into();
    let chain = set.compile_as(&request).unwrap();
    assert_eq!(
        (only_target(&chain).mesh_gateway.as_str(), chain.customized),
        ("none", true)
    );
    request.overrides.mesh_gateway = "local".into();
    assert!(!set.compile_as(&request).unwrap().customized);
}

#[test]
fn a_connect_timeout_override_replaces_all_and_customizes_only_if_it_changes_something() {
    let set = Set::default().with(ServiceResolver {
        connect_timeout: GoDuration::from_secs(1),
        ..with_failover("web", &[("*", failover_to(&["spare"]))])
    });
    let mut request = request("web");
    request.overrides.connect_timeout = Some(Duration::from_secs(3));
    let chain = set.compile_as(&request).unwrap();
    assert!(chain.customized);
    assert!(
        chain
            .targets
            .iter()
            .all(|target| target.connect_timeout == Duration::from_secs(3))
    );
    assert_eq!(chain.resolvers[WEB].connect_timeout, Duration::from_secs(3));
    request.overrides.connect_timeout = Some(Duration::from_secs(5));
    assert!(!Set::default().compile_as(&request).unwrap().customized);
    request.overrides.connect_timeout = Some(Duration::ZERO);
    assert_eq!(
        set.compile_as(&request).unwrap().resolvers[WEB].connect_timeout,
        Duration::from_secs(1)
    );
}

#[test]
fn a_protocol_override_that_is_not_l7_ignores_routers_and_splitters() {
    let set = Set::http(&["web", "api"])
        .with(router("web", vec![to("/", "api", "")]))
        .with(splitter("web", &[(100.0, "api", "")]));
    let mut request = request("web");
    request.overrides.protocol = "tcp".into();
    let chain = set.compile_as(&request).unwrap();
    assert_eq!(
        (&*chain.protocol, chain.start, chain.customized),
        ("tcp", NodeKind::Resolver, true)
    );
    assert_eq!(&*only_target(&chain).id, WEB);
    assert!(chain.default_chain);
}

#[test]
fn an_l7_override_replaces_the_protocol_after_the_checks() {
    let mut request = request("web");
    request.overrides.protocol = "grpc".into();
    let split = Set::http(&["web"]).with(splitter("web", &[(100.0, "", "")]));
    let chain = split.compile_as(&request).unwrap();
    assert_eq!(
        (&*chain.protocol, chain.start, chain.customized),
        ("grpc", NodeKind::Splitter, true)
    );
    let mismatch = Set::http(&["web"])
        .speak("grpc", &["rpc"])
        .with(splitter("web", &[(50.0, "", ""), (50.0, "rpc", "")]));
    assert_eq!(
        mismatch.compile_as(&request).unwrap_err()[0].category,
        Category::ProtocolMismatch
    );
    request.overrides.protocol = "http".into();
    assert!(!split.compile_as(&request).unwrap().customized);
}

#[test]
fn meta_of_the_service_is_copied() {
    let meta = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let set = Set::default().with(ServiceDefaults {
        meta: meta.clone(),
        ..defaults("web", "")
    });
    assert_eq!(set.compile("web").service_meta, meta);
    assert!(set.compile("other").service_meta.is_empty());
}

#[test]
fn reads_name_what_was_looked_up_also_in_vain() {
    use crate::config::{EntryKey, Kind};
    let chain = Set::http(&["web", "api"])
        .with(splitter("web", &[(100.0, "api", "")]))
        .compile("web");
    let expected = [
        (Kind::ServiceDefaults, "api"),
        (Kind::ServiceDefaults, "web"),
        (Kind::ProxyDefaults, "global"),
        (Kind::ServiceRouter, "web"),
        (Kind::ServiceSplitter, "api"),
        (Kind::ServiceSplitter, "web"),
        (Kind::ServiceResolver, "api"),
    ];
    let expected = expected
        .into_iter()
        .map(|(kind, name)| EntryKey::new(kind, name))
        .collect();
    assert_eq!(chain.reads, expected);
}

#[test]
fn more_legs_than_can_be_meant_are_refused() {
    let mut set = Set::http(&["end"]);
    for level in 0..20 {
        let next = if level == 19 {
            "end".to_owned()
        } else {
            format!("s{}", level + 1)
        };
        let name = format!("s{level}");
        let mut twice = splitter(&name, &[(50.0, &next, ""), (50.0, &next, "")]);
        twice.splits[0].request_headers = modifiers(&[], &["x"]);
        set = set.speak("http", &[&name]).with(twice);
    }
    assert_eq!(set.category("s0"), Category::BadWeight);
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let mut set = Set::http(&["s20000"]);
    for level in 0..20_000 {
        let (name, next) = (format!("s{level}"), format!("s{}", level + 1));
        set = set
            .speak("http", &[&name])
            .with(splitter(&name, &[(100.0, &next, "")]));
    }
    assert_eq!(
        legs(&set.compile("s0"), 0),
        ["10000 s20000.default.default.dc1"]
    );
}

#[test]
fn json_has_the_shape_of_the_chain() {
    let set = Set::http(&["web"])
        .with(splitter("web", &[(100.0, "", "")]))
        .with(router("web", vec![to("/a", "", "")]));
    let json = to_json(&set.compile("web"));
    assert_eq!(json["start"], "router");
    assert_eq!(json["routes"][0]["match"]["http"]["path_prefix"], "/a");
    assert_eq!(json["routes"][1]["match"]["catch_all"], true);
    assert_eq!(json["routes"][0].get("settings"), None);
    assert_eq!(json["routes"][0]["leaves"][0]["weight"], 100.0);
    assert_eq!(json["resolvers"][WEB]["connect_timeout"], "5s");
    assert_eq!(
        json["targets"][WEB]["sni"],
        "web.default.dc1.internal.td.consul"
    );
}

#[test]
fn a_callers_overrides_come_from_its_upstream_config() {
    use crate::config::{MeshGateway, Upstream, UpstreamConfig};
    let upstream = |name: &str, peer: &str, protocol: &str, connect_timeout_ms| Upstream {
        name: name.into(),
        peer: peer.into(),
        protocol: protocol.into(),
        connect_timeout_ms,
        ..Upstream::default()
    };
    let mut all = upstream("", "", "http", 1_000);
    all.mesh_gateway = MeshGateway {
        mode: "none".into(),
        ..MeshGateway::default()
    };
    let config = UpstreamConfig {
        defaults: Some(all),
        overrides: vec![
            upstream("b", "", "grpc", 0),
            upstream("b", "east", "", 2_000),
        ],
        ..UpstreamConfig::default()
    };
    let caller = ServiceDefaults {
        upstream_config: Some(config),
        ..defaults("a", "")
    };
    let of = |service, peer| {
        let found = Overrides::of_caller(&caller, service, peer);
        (
            found.protocol,
            found.mesh_gateway,
            found.connect_timeout.unwrap().as_secs(),
        )
    };
    assert_eq!(of("b", ""), ("grpc".into(), "none".into(), 1));
    assert_eq!(of("b", "east"), ("http".into(), "none".into(), 2));
    assert_eq!(of("c", ""), ("http".into(), "none".into(), 1));
    assert_eq!(
        Overrides::of_caller(&defaults("a", ""), "b", ""),
        Overrides::default()
    );
}

#[test]
fn a_route_hashes_what_its_splitter_or_resolver_says() {
    let set = Set::http(&["web", "api", "plain"])
        .with(ServiceResolver {
            load_balancer: hash_balancer("maglev", "x-api"),
            ..resolver("api")
        })
        .with(ServiceResolver {
            load_balancer: hash_balancer("random", "x-none"),
            ..resolver("plain")
        })
        .with(splitter("web", &[(50.0, "", ""), (50.0, "api", "")]))
        .with(router(
            "web",
            vec![to("/api", "api", ""), to("/plain", "plain", "")],
        ));
    let chain = set.compile("web");
    let hashed = |route: usize| {
        chain
            .hash_policies(&chain.routes[route])
            .first()
            .map(|policy| policy.field_value.as_str())
    };
    assert_eq!(
        [hashed(0), hashed(1), hashed(2)],
        [Some("x-api"), None, Some("x-api")]
    );
}
