//! Conformance: entries of the vectors, read, checked and compiled, give the chain or the error that Consul gives.

#![allow(clippy::unwrap_used, missing_docs)]

use mesh_core::testing::vectors::{CaseKind, Vectors, chain};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../tests/vectors/traffic-open.json");

#[test]
fn every_chain_vector_holds() {
    let file = Vectors::parse(VECTORS, "").unwrap();
    let judged = file.of_kind(CaseKind::Chain);
    let judged: Vec<_> = judged.map(|case| (case.id(), case.judge())).collect();
    assert_eq!(
        Some(judged.len() as u64),
        file.document()["count"]["chain"].as_u64()
    );
    let failures = judged.iter().filter(|(_, outcome)| outcome.is_err());
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_comparison_sees_differences() {
    let differ = |got: Value, wanted: Value| {
        let mut differences = Vec::new();
        chain::compare("", &got, &wanted, &mut differences);
        differences.len()
    };
    assert_eq!(differ(json!({"a": 1}), json!({"a": 1, "b": ""})), 0);
    assert_eq!(differ(json!({"a": 1}), json!({"a": 2, "b": "x"})), 2);
    assert_eq!(differ(json!([1, 2]), json!([2, 1])), 2);
    assert_eq!(differ(json!([1]), json!([1, 2])), 1);
    assert_eq!(
        differ(json!({"weight": 33.33}), json!({"weight": 33.34})),
        0
    );
    assert_eq!(
        differ(json!({"weight": 33.33}), json!({"weight": 33.35})),
        1
    );
    assert_eq!(
        differ(
            json!({"connect_timeout": "90s"}),
            json!({"connect_timeout": "1m30s"})
        ),
        0
    );
    assert_eq!(
        differ(
            json!({"connect_timeout": "5s"}),
            json!({"connect_timeout": "6s"})
        ),
        1
    );
}
