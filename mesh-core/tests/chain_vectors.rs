//! Conformance: entries of the vectors, read, checked and compiled, give the chain or the error that Consul gives.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mesh_core::chain::{CompileRequest, Locality, Overrides, compile, to_json};
use mesh_core::config::{EntrySet, GoDuration, Source, read_entry};
use serde_json::{Map, Value};

const VECTORS: &str = include_str!("../../tests/vectors/traffic-open.json");

#[test]
fn every_chain_vector_holds() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let trust_domain = vectors["environment"]["trust_domain"].as_str().unwrap();
    let chains = vectors["chain"].as_array().unwrap();
    assert_eq!(
        Some(chains.len() as u64),
        vectors["count"]["chain"].as_u64()
    );
    let failures: Vec<String> = chains
        .iter()
        .filter_map(|vector| check(vector, trust_domain).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn check(vector: &Value, trust_domain: &str) -> Result<(), String> {
    let outcome = read(&vector["entries"]).and_then(|entries| {
        let compiled = compile(&entries, &request(&vector["request"], trust_domain));
        compiled.map_err(|errors| errors[0].category.as_str().to_owned())
    });
    let expected = &vector["expect"];
    let mut differences = Vec::new();
    match (outcome, expected["error_contains"].as_str()) {
        (Err(category), Some(wanted)) if category == wanted => {}
        (Err(category), Some(wanted)) => {
            differences.push(format!("error {category}, expected {wanted}"));
        }
        (Err(category), None) => differences.push(format!("error {category}, expected a chain")),
        (Ok(_), Some(wanted)) => differences.push(format!("a chain, expected the error {wanted}")),
        (Ok(chain), None) => compare("", &to_json(&chain), expected, &mut differences),
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} ({}):\n  {}",
        vector["id"],
        vector["name"],
        differences.join("\n  ")
    ))
}

/// Reads and checks the entries one by one; the first error's category if one is wrong.
fn read(entries: &Value) -> Result<EntrySet, String> {
    let entries = entries.as_array().unwrap().iter();
    let read = entries.map(|entry| {
        let problems = match read_entry(Source::new("vector", entry.to_string())) {
            Ok((entry, _)) => return Ok(entry),
            Err(problems) => problems,
        };
        let first = problems.iter().find(|problem| problem.is_error()).unwrap();
        Err(first.category.as_str().to_owned())
    });
    read.collect()
}

fn request(request: &Value, trust_domain: &str) -> CompileRequest {
    let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
    let connect_timeout = request["override_connect_timeout"]
        .as_str()
        .map(|text| text.parse::<GoDuration>().unwrap());
    let peers: BTreeMap<Arc<str>, Locality> = request["peers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|peer| {
            let text = |key: &str| peer[key].as_str().unwrap_or_default().to_owned();
            (
                text("name").into(),
                Locality {
                    region: text("region"),
                    zone: text("zone"),
                },
            )
        })
        .collect();
    CompileRequest {
        service: text("service").into(),
        datacenter: text("datacenter").into(),
        trust_domain: trust_domain.into(),
        overrides: Overrides {
            protocol: text("override_protocol"),
            mesh_gateway: text("override_mesh_gateway"),
            connect_timeout: connect_timeout.and_then(GoDuration::positive),
        },
        peers,
    }
}

/// Compares as the vectors' format says: absent and empty are equal, weights within 0.01, durations as durations.
fn compare(path: &str, got: &Value, wanted: &Value, differences: &mut Vec<String>) {
    match (got, wanted) {
        (Value::Object(got_fields), Value::Object(wanted_fields)) => {
            let keys: BTreeSet<&String> = got_fields.keys().chain(wanted_fields.keys()).collect();
            for key in keys {
                let field =
                    |fields: &Map<String, Value>| fields.get(key).cloned().unwrap_or(Value::Null);
                compare(
                    &format!("{path}.{key}"),
                    &field(got_fields),
                    &field(wanted_fields),
                    differences,
                );
            }
        }
        (Value::Array(got_items), Value::Array(wanted_items))
            if got_items.len() == wanted_items.len() =>
        {
            for (index, (got, wanted)) in got_items.iter().zip(wanted_items).enumerate() {
                compare(&format!("{path}[{index}]"), got, wanted, differences);
            }
        }
        _ if equal(path, got, wanted) => {}
        _ => differences.push(format!("{path}: {got}, expected {wanted}")),
    }
}

fn equal(path: &str, got: &Value, wanted: &Value) -> bool {
    if got == wanted || (is_empty(got) && is_empty(wanted)) {
        return true;
    }
    let duration = |value: &Value| {
        value
            .as_str()
            .and_then(|text| text.parse::<GoDuration>().ok())
    };
    if path.ends_with("timeout") || path.ends_with("ttl") {
        return duration(got).is_some_and(|got| duration(wanted) == Some(got));
    }
    match (got.as_f64(), wanted.as_f64()) {
        (Some(got), Some(wanted)) if path.ends_with(".weight") => (got - wanted).abs() <= 0.0101,
        (Some(got), Some(wanted)) => got == wanted,
        _ => false,
    }
}

/// Nothing, in any of the forms in which it is written.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

#[test]
fn the_comparison_sees_differences() {
    let differ = |got: Value, wanted: Value| {
        let mut differences = Vec::new();
        compare("", &got, &wanted, &mut differences);
        differences.len()
    };
    use serde_json::json;
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
