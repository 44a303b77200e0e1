//! Which nodes are reached, and which errors are met on the way.

use super::*;

#[test]
fn a_service_without_entries_is_its_own_default_resolver() {
    let chain = Set::default().compile("web");
    assert_eq!(
        (&*chain.protocol, chain.start, chain.default_chain),
        ("tcp", NodeKind::Resolver, true)
    );
    assert_eq!(only_target(&chain).id, "web.default.default.dc1".into());
    assert_eq!(
        only_target(&chain).sni,
        "web.default.dc1.internal.td.consul"
    );
    let node = &chain.resolvers["web.default.default.dc1"];
    assert!(node.default);
    assert_eq!(node.connect_timeout, Duration::from_secs(5));
}

#[test]
fn routes_keep_their_order_and_the_catch_all_comes_last() {
    let set = Set::http(&["web", "api"]).with(router(
        "web",
        vec![to("/", "api", ""), to("/x", "", ""), Route::default()],
    ));
    let chain = set.compile("web");
    assert_eq!(chain.start, NodeKind::Router);
    let kinds: Vec<RouteKind> = chain.routes.iter().map(|route| route.kind).collect();
    assert_eq!(
        kinds,
        [
            RouteKind::Http,
            RouteKind::Http,
            RouteKind::Any,
            RouteKind::CatchAll
        ]
    );
    assert_eq!(legs(&chain, 0), ["10000 api.default.default.dc1"]);
    for route in 1..4 {
        assert_eq!(legs(&chain, route), ["10000 web.default.default.dc1"]);
    }
}

#[test]
fn empty_criteria_count_as_none() {
    let set = Set::http(&["web"]).with(router("web", vec![to("", "", "")]));
    assert_eq!(set.compile("web").routes[0].kind, RouteKind::Any);
}

#[test]
fn a_router_without_routes_has_the_catch_all_only() {
    let chain = Set::http(&["web"])
        .with(router("web", vec![]))
        .compile("web");
    assert_eq!(chain.routes.len(), 1);
    assert_eq!(
        (chain.start, chain.routes[0].kind),
        (NodeKind::Router, RouteKind::CatchAll)
    );
    assert!(!chain.default_chain);
}

#[test]
fn only_the_routers_own_service_is_routed() {
    let set = Set::http(&["web", "api", "old"])
        .with(router("web", vec![to("/", "api", "")]))
        .with(router("api", vec![to("/", "old", "")]));
    assert_eq!(
        legs(&set.compile("web"), 0),
        ["10000 api.default.default.dc1"]
    );
}

#[test]
fn a_route_to_a_subset_bypasses_the_splitter_also_of_the_own_service() {
    let set = Set::http(&["web", "api"])
        .with(resolver_with_subsets("web", &["a"]))
        .with(resolver_with_subsets("api", &["b"]))
        .with(splitter("web", &[(100.0, "", "")]))
        .with(splitter("api", &[(100.0, "", "")]))
        .with(router(
            "web",
            vec![
                to("/1", "", "a"),
                to("/2", "api", "b"),
                to("/3", "api", ""),
                to("/4", "", ""),
            ],
        ));
    let chain = set.compile("web");
    let via: Vec<NodeKind> = chain.routes.iter().map(|route| route.via).collect();
    use NodeKind::{Resolver, Splitter};
    assert_eq!(via, [Resolver, Resolver, Splitter, Splitter, Splitter]);
    assert_eq!(legs(&chain, 0), ["10000 a.web.default.default.dc1"]);
    assert_eq!(legs(&chain, 1), ["10000 b.api.default.default.dc1"]);
}

fn resolver_with_subsets(name: &str, names: &[&str]) -> ServiceResolver {
    ServiceResolver {
        subsets: subsets(names),
        ..resolver(name)
    }
}

#[test]
fn a_split_to_the_own_service_never_enters_the_splitter_again() {
    let set = Set::http(&["web", "api"])
        .with(resolver_with_subsets("web", &["a"]))
        .with(splitter(
            "web",
            &[(20.0, "", ""), (30.0, "web", "a"), (50.0, "api", "")],
        ));
    let expected = [
        "2000 web.default.default.dc1",
        "3000 a.web.default.default.dc1",
        "5000 api.default.default.dc1",
    ];
    assert_eq!(legs(&set.compile("web"), 0), expected);
}

#[test]
fn a_split_to_a_subset_does_not_follow_that_services_splitter() {
    let set = Set::http(&["web", "api"])
        .with(resolver_with_subsets("api", &["a"]))
        .with(splitter("web", &[(100.0, "api", "a")]))
        .with(splitter("api", &[(100.0, "web", "")]));
    assert_eq!(
        legs(&set.compile("web"), 0),
        ["10000 a.api.default.default.dc1"]
    );
}

#[test]
fn splitters_that_lead_back_are_circular() {
    let two = Set::http(&["a", "b"])
        .with(splitter("a", &[(100.0, "b", "")]))
        .with(splitter("b", &[(100.0, "a", "")]));
    assert_eq!(two.category("a"), Category::Circular);
    assert!(two.error("a").message.contains("a -> b -> a"));
    let behind = Set::http(&["web", "a", "b"])
        .with(splitter("web", &[(50.0, "", ""), (50.0, "a", "")]))
        .with(splitter("a", &[(100.0, "b", "")]))
        .with(splitter("b", &[(100.0, "a", "")]));
    assert_eq!(behind.category("web"), Category::Circular);
    let routed = two
        .clone()
        .speak("http", &["web"])
        .with(router("web", vec![to("/a", "a", "")]));
    assert_eq!(routed.category("web"), Category::Circular);
}

#[test]
fn a_splitter_reached_on_two_ways_is_not_circular() {
    let set = Set::http(&["web", "a", "b", "end"])
        .with(splitter("web", &[(50.0, "a", ""), (50.0, "b", "")]))
        .with(splitter("a", &[(100.0, "end", "")]))
        .with(splitter("b", &[(60.0, "a", ""), (40.0, "end", "")]))
        .with(splitter("end", &[(100.0, "", "")]));
    let end = "end.default.default.dc1";
    assert_eq!(
        legs(&set.compile("web"), 0),
        [
            format!("5000 {end}"),
            format!("3000 {end}"),
            format!("2000 {end}")
        ]
    );
}

#[test]
fn flattened_weights_round_in_hundredths_and_are_not_renormalised() {
    let set = Set::http(&["web", "next"])
        .with(resolver_with_subsets("next", &["a", "b"]))
        .with(splitter("web", &[(33.33, "", ""), (66.67, "next", "")]))
        .with(splitter("next", &[(50.0, "", "a"), (50.0, "", "b")]));
    let chain = set.compile("web");
    let weights: Vec<u32> = chain.routes[0].legs.iter().map(|leg| leg.weight).collect();
    assert_eq!(weights, [3_333, 3_334, 3_334]);
    assert_eq!(chain.routes[0].total_weight, 10_001);
}

#[test]
fn a_leg_of_weight_zero_stays_in_the_list() {
    let set = Set::http(&["web", "b"]).with(splitter("web", &[(100.0, "", ""), (0.0, "b", "")]));
    assert_eq!(
        legs(&set.compile("web"), 0),
        ["10000 web.default.default.dc1", "0 b.default.default.dc1"]
    );
}

#[test]
fn nested_header_modifiers_merge_inner_first_for_requests_outer_first_for_responses() {
    let mut outer = splitter("web", &[(100.0, "api", "")]);
    outer.splits[0].request_headers =
        modifiers(&[("x-who", "outer"), ("x-outer", "1")], &["x-1", "x-2"]);
    outer.splits[0].response_headers = modifiers(&[("x-who", "outer")], &["x-1"]);
    let mut inner = splitter("api", &[(100.0, "", "")]);
    inner.splits[0].request_headers = modifiers(&[("x-who", "inner")], &["x-2", "x-3"]);
    inner.splits[0].response_headers =
        modifiers(&[("x-who", "inner"), ("x-inner", "1")], &["x-0", "x-1"]);
    let chain = Set::http(&["web", "api"])
        .with(outer)
        .with(inner)
        .compile("web");
    let leg = &chain.routes[0].legs[0];
    assert_eq!(
        leg.request_modifiers,
        modifiers(
            &[("x-who", "inner"), ("x-outer", "1")],
            &["x-1", "x-2", "x-3"]
        )
    );
    assert_eq!(
        leg.response_modifiers,
        modifiers(&[("x-who", "outer"), ("x-inner", "1")], &["x-0", "x-1"])
    );
    assert_eq!(
        leg.request_headers
            .set
            .iter()
            .find(|(name, _)| name == "x-who")
            .unwrap()
            .1,
        "inner"
    );
    assert_eq!(
        leg.response_headers
            .set
            .iter()
            .find(|(name, _)| name == "x-who")
            .unwrap()
            .1,
        "outer"
    );
    assert_eq!(leg.request_headers.remove, ["x-1", "x-2", "x-3"]);
}

#[test]
fn the_first_hash_balanced_resolver_lends_its_policies_to_the_splitter() {
    let plain = LoadBalancer {
        policy: "least_request".into(),
        ..LoadBalancer::default()
    };
    let set = Set::http(&["web", "a", "b", "c"])
        .with(ServiceResolver {
            load_balancer: Some(plain),
            ..resolver("a")
        })
        .with(ServiceResolver {
            load_balancer: hash_balancer("maglev", "x-b"),
            ..resolver("b")
        })
        .with(ServiceResolver {
            load_balancer: hash_balancer("ring_hash", "x-c"),
            ..resolver("c")
        })
        .with(splitter(
            "web",
            &[(50.0, "a", ""), (25.0, "b", ""), (25.0, "c", "")],
        ));
    let chain = set.compile("web");
    assert_eq!(
        chain.routes[0].hash_load_balancer,
        hash_balancer("maglev", "x-b")
    );
}

#[test]
fn hash_policies_behind_a_nested_splitter_are_not_lent() {
    let set = Set::http(&["web", "b"])
        .with(ServiceResolver {
            load_balancer: hash_balancer("maglev", "x-b"),
            ..resolver("b")
        })
        .with(splitter("web", &[(50.0, "", ""), (50.0, "b", "")]))
        .with(splitter("b", &[(100.0, "", "")]))
        .with(router("web", vec![to("/b", "b", "")]));
    let chain = set.compile("web");
    assert_eq!(chain.routes[1].hash_load_balancer, None);
    assert_eq!(
        chain.routes[0].hash_load_balancer,
        hash_balancer("maglev", "x-b")
    );
}

#[test]
fn a_redirect_applies_before_the_default_subset_and_clears_the_subset_of_another_service() {
    let set = Set::http(&["web", "store"])
        .with(ServiceResolver {
            redirect: redirect("store"),
            default_subset: "old".into(),
            ..resolver_with_subsets("web", &["old"])
        })
        .with(ServiceResolver {
            default_subset: "live".into(),
            ..resolver_with_subsets("store", &["live"])
        })
        .with(router("web", vec![to("/", "web", "old")]));
    assert_eq!(
        legs(&set.compile("web"), 0),
        ["10000 live.store.default.default.dc1"]
    );
}

#[test]
fn a_redirect_to_another_datacenter_keeps_service_and_subset() {
    let away = Some(Redirect {
        datacenter: "dc2".into(),
        ..Redirect::default()
    });
    let set = Set::http(&["web"])
        .with(ServiceResolver {
            redirect: away,
            ..resolver_with_subsets("web", &["v1"])
        })
        .with(router("web", vec![to("/", "", "v1")]));
    let chain = set.compile("web");
    assert_eq!(legs(&chain, 0), ["10000 v1.web.default.default.dc2"]);
    assert_eq!(legs(&chain, 1), ["10000 web.default.default.dc2"]);
    let target = &chain.targets[chain.target_index("v1.web.default.default.dc2").unwrap()];
    assert_eq!(target.sni, "v1.web.default.dc2.internal.td.consul");
    assert_eq!(target.filter, "Service.Meta.v == v1");
}

#[test]
fn a_redirect_keeps_the_datacenter_reached_so_far() {
    let to_dc2 = Some(Redirect {
        service: "b".into(),
        datacenter: "dc2".into(),
        ..Redirect::default()
    });
    let set = Set::default()
        .with(ServiceResolver {
            redirect: to_dc2,
            ..resolver("a")
        })
        .with(ServiceResolver {
            redirect: redirect("c"),
            ..resolver("b")
        });
    assert_eq!(
        only_target(&set.compile("a")).id,
        "c.default.default.dc2".into()
    );
}

#[test]
fn a_redirect_to_itself_is_ignored_but_not_default() {
    let set = Set::default().with(ServiceResolver {
        redirect: redirect("web"),
        ..resolver("web")
    });
    let chain = set.compile("web");
    assert_eq!(only_target(&chain).id, "web.default.default.dc1".into());
    assert!(!chain.default_chain && !chain.resolvers["web.default.default.dc1"].default);
}

#[test]
fn redirects_in_a_ring_are_circular() {
    let set = Set::default()
        .with(ServiceResolver {
            redirect: redirect("b"),
            ..resolver("a")
        })
        .with(ServiceResolver {
            redirect: redirect("a"),
            ..resolver("b")
        });
    assert_eq!(set.category("a"), Category::Circular);
    let onto = set.with(ServiceResolver {
        redirect: redirect("a"),
        ..resolver("web")
    });
    assert_eq!(onto.category("web"), Category::Circular);
}

#[test]
fn a_redirect_to_a_subset_that_redirects_back_to_another_subset_is_circular() {
    let to_subset = |service: &str, subset: &str| {
        Some(Redirect {
            service: service.into(),
            service_subset: subset.into(),
            ..Redirect::default()
        })
    };
    let set = Set::default()
        .with(ServiceResolver {
            redirect: to_subset("b", "v1"),
            ..resolver_with_subsets("a", &["v1"])
        })
        .with(ServiceResolver {
            redirect: to_subset("a", "v1"),
            ..resolver_with_subsets("b", &["v1"])
        });
    assert_eq!(set.category("a"), Category::Circular);
}

#[test]
fn settings_are_those_of_the_last_service() {
    let slow = GoDuration::from_secs(9);
    let set = Set::default()
        .with(ServiceResolver {
            redirect: redirect("b"),
            connect_timeout: GoDuration::from_secs(1),
            ..resolver("a")
        })
        .with(ServiceResolver {
            connect_timeout: slow,
            request_timeout: slow,
            load_balancer: hash_balancer("maglev", "x"),
            ..resolver("b")
        });
    let chain = set.compile("a");
    let node = &chain.resolvers["b.default.default.dc1"];
    assert_eq!(node.connect_timeout, Duration::from_secs(9));
    assert_eq!(node.request_timeout, Some(Duration::from_secs(9)));
    assert_eq!(node.load_balancer, hash_balancer("maglev", "x"));
    assert!(!chain.default_chain);
}

#[test]
fn a_redirect_to_a_default_resolver_is_no_default_chain() {
    let set = Set::default().with(ServiceResolver {
        redirect: redirect("b"),
        ..resolver("a")
    });
    let chain = set.compile("a");
    assert!(chain.resolvers["b.default.default.dc1"].default);
    assert!(!chain.default_chain);
}

#[test]
fn an_entry_with_nothing_but_a_name_is_a_default_resolver_and_an_empty_balancer_is_not() {
    assert!(
        Set::default()
            .with(resolver("web"))
            .compile("web")
            .default_chain
    );
    let empty = ServiceResolver {
        load_balancer: Some(LoadBalancer::default()),
        ..resolver("web")
    };
    assert!(!Set::default().with(empty).compile("web").default_chain);
    let locality = ServiceResolver {
        prioritize_by_locality: Some(Default::default()),
        ..resolver("web")
    };
    assert!(!Set::default().with(locality).compile("web").default_chain);
}

#[test]
fn a_missing_subset_names_what_there_is() {
    let set = Set::http(&["web"])
        .with(resolver_with_subsets("web", &["v1", "canary"]))
        .with(splitter("web", &[(100.0, "", "v2")]));
    let error = set.error("web");
    assert_eq!(error.category, Category::MissingSubset);
    let hint = error.hint.unwrap();
    assert!(
        hint.contains("did you mean \"v1\"") && hint.contains("canary"),
        "{hint}"
    );
    let none = Set::http(&["web"]).with(router("web", vec![to("/", "", "v1")]));
    assert!(none.error("web").hint.unwrap().contains("no subsets"));
}

#[test]
fn a_redirect_to_a_missing_subset_is_an_error() {
    let away = Some(Redirect {
        service: "b".into(),
        service_subset: "nope".into(),
        ..Redirect::default()
    });
    let set = Set::default().with(ServiceResolver {
        redirect: away,
        ..resolver("a")
    });
    assert_eq!(set.category("a"), Category::MissingSubset);
}

#[test]
fn every_service_met_speaks_the_same_protocol() {
    use Category::ProtocolMismatch;
    let set = Set::http(&["web"])
        .speak("grpc", &["rpc"])
        .speak("http2", &["h2"]);
    assert_eq!(
        set.clone()
            .with(splitter("web", &[(50.0, "", ""), (50.0, "rpc", "")]))
            .category("web"),
        ProtocolMismatch
    );
    assert_eq!(
        set.clone()
            .with(router("web", vec![to("/", "h2", "")]))
            .category("web"),
        ProtocolMismatch
    );
    assert_eq!(
        set.clone()
            .with(ServiceResolver {
                redirect: redirect("rpc"),
                ..resolver("web")
            })
            .category("web"),
        ProtocolMismatch
    );
    let failover = BTreeMap::from([("*".into(), failover_to(&["other"]))]);
    assert_eq!(
        set.with(ServiceResolver {
            failover,
            ..resolver("web")
        })
        .category("web"),
        ProtocolMismatch
    );
}

#[test]
fn a_protocol_mismatch_is_reported_before_anything_else() {
    let set = Set::default()
        .speak("http", &["b"])
        .with(splitter("a", &[(50.0, "", ""), (50.0, "b", "")]));
    assert_eq!(set.category("a"), Category::ProtocolMismatch);
}

#[test]
fn circular_splitters_are_reported_before_a_protocol_that_is_not_l7() {
    let set = Set::default()
        .with(splitter("a", &[(100.0, "b", "")]))
        .with(splitter("b", &[(100.0, "a", "")]));
    assert_eq!(set.category("a"), Category::Circular);
}

#[test]
fn routers_and_splitters_need_an_l7_protocol() {
    assert_eq!(
        Set::default().with(router("web", vec![])).category("web"),
        Category::ProtocolNotL7
    );
    assert_eq!(
        Set::default()
            .with(splitter("web", &[(100.0, "", "")]))
            .category("web"),
        Category::ProtocolNotL7
    );
    for protocol in ["http", "http2", "grpc"] {
        let set = Set::default()
            .speak(protocol, &["web"])
            .with(splitter("web", &[(100.0, "", "")]));
        assert_eq!(*set.compile("web").protocol, *protocol);
    }
}

#[test]
fn service_defaults_without_a_protocol_hide_proxy_defaults() {
    let set = Set::default().with(proxy_defaults("HTTP"));
    assert_eq!(&*set.compile("web").protocol, "http");
    let hidden = set
        .with(defaults("web", ""))
        .with(splitter("web", &[(100.0, "", "")]));
    assert_eq!(hidden.category("web"), Category::ProtocolNotL7);
}

#[test]
fn an_unknown_protocol_of_proxy_defaults_is_not_l7() {
    let set = Set::default()
        .with(proxy_defaults("thrift"))
        .with(splitter("web", &[(100.0, "", "")]));
    assert_eq!(set.category("web"), Category::ProtocolNotL7);
}

#[test]
fn what_does_not_compile_in_a_route_is_reported_together() {
    let regex = HttpMatch {
        path_regex: "a)|(b".into(),
        ..HttpMatch::default()
    };
    let removes = RouteDestination {
        request_headers: modifiers(&[], &["host"]),
        ..RouteDestination::default()
    };
    let retries = RouteDestination {
        retry_on: vec!["often".into()],
        retry_on_status_codes: vec![99, 600, 503],
        ..RouteDestination::default()
    };
    let routes = vec![
        http_route(regex, removes),
        http_route(HttpMatch::default(), retries),
    ];
    let errors = Set::http(&["web"])
        .with(router("web", routes))
        .compile_as(&request("web"))
        .unwrap_err();
    let categories: Vec<Category> = errors.iter().map(|error| error.category).collect();
    use Category::{BadHeaders, BadMatch, BadRetry};
    assert_eq!(
        categories,
        [BadMatch, BadHeaders, BadRetry, BadRetry, BadRetry]
    );
}
