//! The conformance vectors about SPIFFE identities.
#![allow(clippy::unwrap_used, missing_docs)]

use mesh_core::identity::{ConsulId, SpiffeId, TrustDomain, can_sign, leaf_identity, server_match};
use serde_json::Value;

fn of_kind(kind: &str) -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/security-open.json"
    );
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vectors = all["spiffe"].as_array().unwrap();
    let found: Vec<Value> = vectors
        .iter()
        .filter(|v| v["kind"] == kind)
        .cloned()
        .collect();
    assert!(!found.is_empty(), "no vector of kind {kind}");
    found
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn the_standard_parser_agrees() {
    for vector in of_kind("parse") {
        let (id, expect) = (text(&vector, "id"), &vector["standard"]);
        let got = SpiffeId::parse(text(&vector, "uri"));
        match expect["valid"].as_bool() {
            Some(true) => {
                let got = got.unwrap();
                assert_eq!(got.trust_domain(), text(expect, "trust_domain"), "{id}");
                assert_eq!(got.path(), text(expect, "path"), "{id}");
                assert_eq!(
                    Some(!got.path().is_empty()),
                    expect["leaf_allowed"].as_bool(),
                    "{id}"
                );
            }
            Some(false) => assert_eq!(got.unwrap_err().as_str(), text(expect, "reason"), "{id}"),
            None => {}
        }
    }
}

fn part<'a>(id: &'a ConsulId, key: &str) -> Option<&'a str> {
    match (key, id) {
        ("host", _) => Some(id.host()),
        ("datacenter", _) => id.datacenter(),
        ("service", _) => id.service(),
        ("agent", ConsulId::Agent { agent, .. }) => Some(agent),
        ("namespace", ConsulId::Service { namespace, .. }) => Some(namespace),
        (
            "partition",
            ConsulId::Service { partition, .. }
            | ConsulId::Agent { partition, .. }
            | ConsulId::MeshGateway { partition, .. },
        ) => Some(partition),
        ("cluster_id", ConsulId::Signing { cluster_id, .. }) => Some(cluster_id),
        ("domain", ConsulId::Signing { domain, .. }) => Some(domain),
        _ => None,
    }
}

#[test]
fn the_consul_parser_agrees() {
    for vector in of_kind("parse") {
        let (id, expect) = (text(&vector, "id"), &vector["consul"]);
        let got = ConsulId::parse(text(&vector, "uri"));
        if expect["valid"] == false {
            assert_eq!(got.unwrap_err().as_str(), text(expect, "reason"), "{id}");
            continue;
        }
        let got = got.unwrap();
        assert_eq!(got.kind(), text(expect, "type"), "{id}");
        for (key, value) in expect.as_object().unwrap() {
            if key != "valid" && key != "type" {
                assert_eq!(part(&got, key), value.as_str(), "{id} {key}");
            }
        }
    }
}

#[test]
fn a_peer_with_a_uri_that_only_consul_accepts_is_refused() {
    for vector in of_kind("parse") {
        let tags = vector["tags"].as_array().unwrap();
        let leaf = leaf_identity(std::iter::once(text(&vector, "uri").as_bytes()));
        if tags.iter().any(|tag| tag == "lenient") {
            assert!(leaf.is_err(), "{}", text(&vector, "id"));
        } else if tags.iter().any(|tag| tag == "percent") && vector["consul"]["valid"] == true {
            assert!(leaf.is_ok(), "{}", text(&vector, "id"));
        }
    }
}

#[test]
fn identities_are_built_as_the_community_edition_builds_them() {
    for vector in of_kind("build") {
        let input = &vector["input"];
        let part = |key: &str| text(input, key).to_owned();
        let (host, partition, datacenter) = (part("host"), part("partition"), part("datacenter"));
        let id = match text(input, "type") {
            "service" => ConsulId::Service {
                host,
                partition,
                namespace: part("namespace"),
                datacenter,
                service: part("service"),
            },
            "agent" => ConsulId::Agent {
                host,
                partition,
                datacenter,
                agent: part("agent"),
            },
            "mesh_gateway" => ConsulId::MeshGateway {
                host,
                partition,
                datacenter,
            },
            "server" => ConsulId::Server { host, datacenter },
            other => panic!("{other}"),
        };
        assert_eq!(id.uri(), text(&vector, "uri"), "{}", text(&vector, "id"));
    }
}

#[test]
fn an_authority_signs_for_its_own_trust_domain_only() {
    for vector in of_kind("can_sign") {
        let trust_domain = TrustDomain::new(text(&vector, "trust_domain")).unwrap();
        let id = ConsulId::parse(text(&vector, "uri")).unwrap();
        let got = Some(can_sign(&trust_domain, &id));
        assert_eq!(got, vector["expect"].as_bool(), "{}", text(&vector, "id"));
    }
}

#[test]
fn a_server_is_matched_exactly() {
    for vector in of_kind("server_match") {
        let got = Some(server_match(
            text(&vector, "expected"),
            text(&vector, "presented"),
        ));
        assert_eq!(
            got,
            vector["expect"]["sidecar"].as_bool(),
            "{}",
            text(&vector, "id")
        );
    }
}
