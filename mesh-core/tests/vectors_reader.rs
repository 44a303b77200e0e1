//! The reader of conformance vectors: it finds every case, and a wrong expectation never passes.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use mesh_core::testing::vectors::{CaseKind, Vectors};
use serde_json::{Value, json};

fn open(name: &str) -> Vectors {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors");
    Vectors::read(&Path::new(folder).join(name)).unwrap()
}

fn parse(document: &Value) -> Vectors {
    Vectors::parse(&document.to_string(), "").unwrap()
}

/// Whether the case passes with something about it changed.
fn passes(file: &Vectors, id: &str, change: impl FnOnce(&mut Value)) -> bool {
    let mut case = file
        .cases()
        .find(|case| case.id() == id)
        .unwrap()
        .value
        .clone();
    change(&mut case);
    let mut document = file.document().clone();
    document
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_array());
    document["cases"] = json!([case]);
    let changed = parse(&document);
    let outcome = changed.cases().next().unwrap().judge();
    outcome.is_ok()
}

#[test]
fn the_name_of_a_list_does_not_matter() {
    let (traffic, security) = (open("traffic-open.json"), open("security-open.json"));
    let mixed: Vec<&Value> = traffic
        .cases()
        .chain(security.cases())
        .map(|case| case.value)
        .collect();
    let kinds = |name: &str| {
        let mut document = json!({"instances": traffic.document()["instances"]});
        document[name] = json!(mixed);
        parse(&document)
            .cases()
            .map(|case| case.kind().unwrap())
            .collect::<Vec<_>>()
    };
    let wanted = kinds("vectors");
    assert_eq!(wanted.len(), 76);
    for name in [
        "chain",
        "filter",
        "intentions",
        "spiffe",
        "cases",
        "files",
        "anything",
    ] {
        assert_eq!(kinds(name), wanted, "{name}");
    }
    for kind in [
        CaseKind::Chain,
        CaseKind::Filter,
        CaseKind::Authorize,
        CaseKind::Validate,
        CaseKind::Parse,
    ] {
        assert!(wanted.contains(&kind), "{kind:?}");
    }
}

#[test]
fn a_case_like_no_other_fails() {
    let file = parse(&json!({"cases": [{"id": "x", "what": "ever"}]}));
    assert!(file.cases().next().unwrap().judge().is_err());
    assert_eq!(
        parse(&json!({"title": "x", "count": [1, 2]}))
            .cases()
            .count(),
        0
    );
}

#[test]
fn a_wrong_expectation_of_a_chain_is_seen() {
    let file = open("traffic-open.json");
    let id = "open-chain-01";
    assert!(passes(&file, id, |_| {}));
    assert!(!passes(&file, id, |case| case["expect"]["protocol"] = json!("grpc")));
    assert!(!passes(
        &file,
        id,
        |case| case["expect"]["routes"][0]["leaves"][0]["weight"] = json!(99.9)
    ));
    assert!(!passes(&file, id, |case| case["expect"]["service_meta"] =
        json!({"a": "b"})));
    assert!(!passes(&file, id, |case| case["expect"] =
        json!({"error_contains": "circular"})));
    assert!(!passes(&file, id, |case| case["expect"] = json!(null)));
}

#[test]
fn a_wrong_expectation_of_a_filter_is_seen() {
    let file = open("traffic-open.json");
    let id = "open-bexpr-001";
    assert!(passes(&file, id, |_| {}));
    assert!(!passes(&file, id, |case| case["expect"] = json!(true)));
    assert!(!passes(&file, id, |case| case["expect"] = json!("error")));
    assert!(!passes(&file, id, |case| case["instance"] = json!("nobody")));
    assert!(passes(&file, "open-bexpr-015", |_| {}));
    assert!(!passes(
        &file,
        "open-bexpr-015",
        |case| case["error_stage"] = json!("parse")
    ));
}

#[test]
fn a_wrong_expectation_of_an_intention_is_seen() {
    let file = open("security-open.json");
    let id = "IO-007";
    assert!(passes(&file, id, |_| {}));
    for (field, value) in [
        ("decision", json!("deny")),
        ("http_status", json!(403)),
        ("matched", json!("default")),
    ] {
        assert!(
            !passes(&file, id, |case| case["expect"][field] = value),
            "{field}"
        );
    }
    for (field, value) in [
        ("entry", json!("*")),
        ("source", json!("*")),
        ("precedence", json!(8)),
        ("permission", json!(1)),
        ("permission", json!(null)),
        ("peer", json!("p")),
        ("jwt", json!("unsatisfied")),
    ] {
        assert!(
            !passes(&file, id, |case| case["expect"]["matched"][field] = value),
            "{field}"
        );
    }
    assert!(!passes(&file, id, |case| {
        case["expect"]["matched"]
            .as_object_mut()
            .unwrap()
            .remove("permission");
    }));
    assert!(!passes(
        &file,
        "IO-012",
        |case| case["expect"]["path_after_normalization"] = json!("/a")
    ));
    assert!(!passes(&file, "IO-016", |case| case["expect"] =
        json!({"valid": true})));
    assert!(!passes(
        &file,
        "IO-016",
        |case| case["expect"]["consul_message_contains"] = json!("nonsense")
    ));
    assert!(!passes(&file, "IO-020", |case| case["expect"]["valid"] =
        json!(false)));
}

#[test]
fn a_request_that_is_refused_or_sent_elsewhere_has_a_status() {
    let file = open("security-open.json");
    let with = |action: &str, decision: &str, status: u16| {
        passes(&file, "IO-013", |case| {
            let normalization = json!({"PathWithEscapedSlashesAction": action});
            case["mesh"] = json!({"HTTP": {"Incoming": {"RequestNormalization": normalization}}});
            case["request"]["path"] = json!("/a%2Fb");
            case["expect"] = json!({"decision": decision, "http_status": status});
        })
    };
    assert!(with("REJECT_REQUEST", "reject", 400));
    assert!(with("UNESCAPE_AND_REDIRECT", "redirect", 307));
    assert!(!with("REJECT_REQUEST", "reject", 403));
    assert!(!with("UNESCAPE_AND_REDIRECT", "reject", 400));
}

#[test]
fn a_wrong_expectation_of_an_identity_is_seen() {
    let file = open("security-open.json");
    assert!(passes(&file, "SO-001", |_| {}));
    assert!(!passes(&file, "SO-001", |case| case["standard"]["path"] =
        json!("/x")));
    assert!(!passes(
        &file,
        "SO-001",
        |case| case["standard"]["leaf_allowed"] = json!(false)
    ));
    assert!(!passes(
        &file,
        "SO-001",
        |case| case["consul"]["partition"] = json!("x")
    ));
    assert!(!passes(&file, "SO-001", |case| case["tags"] = json!(["lenient"])));
    assert!(passes(&file, "SO-001", |case| case["standard"] =
        json!({"valid": null})));
    assert!(!passes(&file, "SO-007", |case| case["consul"]["reason"] =
        json!("format")));
    assert!(!passes(&file, "SO-018", |case| case["uri"] = json!("spiffe://x")));
    assert!(!passes(&file, "SO-019", |case| case["expect"] = json!(true)));
    assert!(!passes(&file, "SO-020", |case| case["expect"]["sidecar"] =
        json!(true)));
}

#[test]
fn a_wrong_expectation_of_an_entry_is_seen() {
    let index = open("config-entries/index.json");
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/config-entries"
    );
    let judge = |file: &str, field: &str, value: Value| {
        let mut document = index.document().clone();
        let cases = document["files"].as_array_mut().unwrap();
        cases.retain(|case| case["file"] == file);
        cases[0][field] = value;
        let changed = Vectors::parse(&document.to_string(), folder).unwrap();
        changed.cases().next().unwrap().judge().is_ok()
    };
    assert!(judge("splitter-two.hcl", "expect", json!("accept")));
    assert!(!judge("splitter-two.hcl", "expect", json!("reject")));
    assert!(!judge("splitter-two.hcl", "name", json!("other")));
    assert!(!judge("splitter-two.hcl", "kind", json!("service-router")));
    assert!(!judge(
        "splitter-two.hcl",
        "canonical",
        json!({"Kind": "service-splitter"})
    ));
    assert!(!judge("sd-rate-limits.hcl", "category", json!("bad-limit")));
    assert!(!judge("sd-rate-limits.hcl", "expect", json!("accept")));
}
