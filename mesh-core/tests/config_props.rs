//! What holds for every entry: canonical JSON is read back as the same entry, and no text makes reading panic.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use mesh_core::config::resolver::{Failover, LoadBalancer, RingHashConfig, Subset};
use mesh_core::config::{
    Entry, GoDuration, HeaderModifiers, HttpMatch, IntentionHeader, IntentionHttp, IntentionSource,
    Permission, QueryMatch, Route, RouteDestination, RouteHeader, RouteMatch, ServiceIntentions,
    ServiceResolver, ServiceRouter, ServiceSplitter, Source, Split, load, read_entry, render,
};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,7}"
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{1,10}", Just("é\n\"\\\t\u{0}".to_owned())]
}

fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(text(), text(), 0..3)
}

fn modifiers() -> impl Strategy<Value = Option<HeaderModifiers>> {
    let fields = (pairs(), pairs(), prop::collection::vec(text(), 0..3));
    let modifiers = fields.prop_map(|(add, set, remove)| HeaderModifiers {
        add,
        set,
        remove,
        ..Default::default()
    });
    prop::option::of(modifiers)
}

fn header() -> impl Strategy<Value = RouteHeader> {
    (text(), text(), 0..4_u8, any::<bool>()).prop_map(|(name, value, kind, invert)| {
        let mut header = RouteHeader {
            name,
            invert,
            ..Default::default()
        };
        match kind {
            0 => header.present = true,
            1 => header.exact = value,
            2 => header.prefix = value,
            _ => header.suffix = value,
        }
        header
    })
}

fn route() -> impl Strategy<Value = Route> {
    let query = text().prop_map(|name| QueryMatch {
        name,
        present: true,
        ..Default::default()
    });
    let methods = prop::sample::subsequence(
        vec!["GET".to_owned(), "PUT".to_owned(), "POST".to_owned()],
        0..3,
    );
    let http = (
        text(),
        prop::collection::vec(header(), 0..3),
        prop::option::of(query),
        methods,
        any::<bool>(),
    );
    let http = http.prop_map(
        |(path, header, query, methods, case_insensitive)| HttpMatch {
            path_prefix: format!("/{path}"),
            case_insensitive,
            header,
            query_param: query.into_iter().collect(),
            methods,
            ..Default::default()
        },
    );
    let destination = (
        name(),
        name(),
        any::<i64>(),
        0..5_u32,
        modifiers(),
        modifiers(),
    );
    let destination =
        destination.prop_map(|(service, subset, nanos, retries, request, response)| {
            RouteDestination {
                service: service.into(),
                service_subset: subset.into(),
                prefix_rewrite: "/x".to_owned(),
                request_timeout: GoDuration(nanos),
                num_retries: retries,
                retry_on: vec!["5xx".to_owned()],
                retry_on_status_codes: vec![503],
                request_headers: request,
                response_headers: response,
                ..Default::default()
            }
        });
    (http, destination).prop_map(|(http, destination)| Route {
        matches: Some(RouteMatch {
            http: Some(http),
            ..Default::default()
        }),
        destination: Some(destination),
        ..Default::default()
    })
}

fn router() -> impl Strategy<Value = Entry> {
    (name(), prop::collection::vec(route(), 0..4), pairs()).prop_map(|(name, routes, meta)| {
        ServiceRouter {
            name: name.into(),
            routes,
            meta,
            ..Default::default()
        }
        .into()
    })
}

fn splitter() -> impl Strategy<Value = Entry> {
    (name(), 0..=10_000_u32, modifiers()).prop_map(|(name, hundredths, request_headers)| {
        let weight = f64::from(hundredths) / 100.0;
        let one = Split {
            weight,
            service_subset: "v1".into(),
            request_headers,
            ..Default::default()
        };
        let rest = f64::from(10_000 - hundredths) / 100.0;
        let other = Split {
            weight: rest,
            service: "other".into(),
            ..Default::default()
        };
        ServiceSplitter {
            name: name.into(),
            splits: vec![one, other],
            ..Default::default()
        }
        .into()
    })
}

fn resolver() -> impl Strategy<Value = Entry> {
    let subset = any::<bool>().prop_map(|only_passing| Subset {
        filter: "Service.Meta.version == \"v 1\"".to_owned(),
        only_passing,
        ..Default::default()
    });
    let subsets = prop::collection::btree_map(name().prop_map(Into::into), subset, 0..3);
    let sizes = prop::option::of((any::<u32>(), any::<u32>()));
    (name(), subsets, name(), 0..i64::MAX, sizes).prop_map(
        |(name, subsets, datacenter, nanos, sizes)| {
            let failover = Failover {
                datacenters: vec![datacenter.into()],
                ..Default::default()
            };
            let load_balancer = sizes.map(|(low, high)| LoadBalancer {
                policy: "ring_hash".to_owned(),
                ring_hash_config: Some(RingHashConfig {
                    minimum_ring_size: low.into(),
                    maximum_ring_size: high.into(),
                    ..Default::default()
                }),
                ..Default::default()
            });
            let resolver = ServiceResolver {
                name: name.into(),
                subsets,
                failover: [("*".into(), failover)].into(),
                connect_timeout: GoDuration(nanos),
                load_balancer,
                ..Default::default()
            };
            resolver.into()
        },
    )
}

fn intentions() -> impl Strategy<Value = Entry> {
    let permission =
        (any::<bool>(), text(), any::<bool>()).prop_map(|(allow, value, ignore_case)| {
            let header = IntentionHeader {
                name: "x".to_owned(),
                contains: value,
                ignore_case,
                ..Default::default()
            };
            Permission {
                action: if allow { "allow" } else { "deny" }.to_owned(),
                http: Some(IntentionHttp {
                    header: vec![header],
                    ..Default::default()
                }),
                ..Default::default()
            }
        });
    let permissions = prop::collection::vec(permission, 1..3);
    let sources = prop::collection::btree_map(name(), permissions, 1..4);
    (name(), sources).prop_map(|(name, sources)| {
        let sources = sources
            .into_iter()
            .map(|(source, permissions)| IntentionSource {
                name: source.into(),
                permissions,
                precedence: 9,
                kind: "consul".to_owned(),
                ..Default::default()
            });
        ServiceIntentions {
            name: name.into(),
            sources: sources.collect(),
            ..Default::default()
        }
        .into()
    })
}

/// Values of all types under keys that fields have, so that decoding and checking see every combination.
fn soup() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "Kind",
        "Name",
        "Routes",
        "Match",
        "HTTP",
        "Header",
        "Destination",
        "Splits",
        "Weight",
        "Subsets",
        "Failover",
        "Targets",
        "Redirect",
        "LoadBalancer",
        "HashPolicies",
        "Listeners",
        "Services",
        "Hosts",
        "Port",
        "TLS",
        "Sources",
        "Permissions",
        "Action",
        "JWT",
        "Meta",
        "Config",
        "ConnectTimeout",
        "service",
        "checks",
        "connect",
        "proxy",
    ]);
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "\"service-router\"",
            "\"service-splitter\"",
            "\"service-resolver\"",
            "\"ingress-gateway\"",
            "\"mesh\"",
            "\"service-intentions\"",
            "\"service-defaults\"",
            "\"proxy-defaults\"",
            "\"jwt-provider\"",
            "\"mesh-policy\"",
            "\"*\"",
            "\"5s\"",
            "\"\"",
            "\"é\"",
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        Just("99.995".to_owned()),
    ];
    let value = leaf.prop_recursive(6, 40, 4, move |inner| {
        let members = prop::collection::vec((keys.clone(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            members.prop_map(|members| {
                let members: String = members
                    .iter()
                    .map(|(key, value)| format!("{key} = {value}\n"))
                    .collect();
                format!("{{ {members} }}")
            }),
        ]
    });
    let kinds = prop::sample::select(vec![
        "service-router",
        "service-splitter",
        "service-resolver",
        "ingress-gateway",
        "service-intentions",
        "service-defaults",
        "proxy-defaults",
        "jwt-provider",
        "mesh",
        "mesh-policy",
    ]);
    let fields = prop::sample::select(vec![
        "Name",
        "Routes",
        "Splits",
        "Subsets",
        "Failover",
        "Redirect",
        "LoadBalancer",
        "Listeners",
        "Sources",
        "Meta",
        "Config",
        "TLS",
        "UpstreamConfig",
        "JSONWebKeySet",
        "Retries",
        "service",
    ]);
    (kinds, prop::collection::vec((fields, value), 0..5)).prop_map(|(kind, members)| {
        let members: String = members
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        format!("Kind = \"{kind}\"\n{members}")
    })
}

proptest! {
    #[test]
    fn canonical_json_is_read_back(entry in prop_oneof![router(), splitter(), resolver(), intentions()]) {
        let json = entry.to_json();
        match read_entry(Source::new("x.json", json.to_string())) {
            Ok((again, _)) => {
                prop_assert_eq!(&again, &entry);
                prop_assert_eq!(again.to_json(), json);
            }
            Err(problems) => prop_assert!(false, "{}", render(&problems, false)),
        }
    }

    #[test]
    fn no_text_makes_loading_panic(text in "\\PC{0,120}", name in prop_oneof![Just("x.hcl"), Just("mesh.hcl")]) {
        let loaded = load(vec![Source::new(name, text)]);
        let _ = render(&loaded.diagnostics, true);
    }

    #[test]
    fn no_combination_of_values_makes_loading_panic(text in soup()) {
        let loaded = load(vec![Source::new("x.hcl", text)]);
        prop_assert!(loaded.entries.len() == 1 || loaded.has_errors());
        let _ = render(&loaded.diagnostics, true);
    }

    #[test]
    fn what_a_text_becomes_does_not_depend_on_its_syntax(entry in prop_oneof![router(), resolver()]) {
        let json = entry.to_json();
        let members = json.as_object().unwrap().iter();
        let hcl: String = members.map(|(key, value)| format!("{key} = {}\n", print(value))).collect();
        let read = read_entry(Source::new("x.hcl", hcl.as_str()));
        prop_assert!(read.is_ok(), "{hcl}");
        prop_assert_eq!(read.unwrap().0, entry);
    }
}

fn print(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(object) => {
            let members = object
                .iter()
                .map(|(key, value)| format!("{} = {}\n", quote(key), print(value)));
            format!("{{\n{}}}", members.collect::<String>())
        }
        serde_json::Value::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(print).collect::<Vec<_>>().join(", ")
            )
        }
        serde_json::Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

/// Go's escapes; `${` is broken up because what follows it is kept as it is.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '$' | '"' | '\\') || c < ' ' {
            quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            quoted.push(c);
        }
    }
    quoted.push('"');
    quoted
}
