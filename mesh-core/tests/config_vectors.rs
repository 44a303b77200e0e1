//! Config entries as Consul reads them: every vector is accepted in its canonical form, or refused for its reason.
#![allow(clippy::unwrap_used)]

use std::fs;

use mesh_core::config::{Source, read_entry};
use serde_json::Value as Json;

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/vectors/config-entries"
);

/// Leaves out what a reader of Consul's JSON takes as not given.
fn prune(value: &Json) -> Json {
    match value {
        Json::Object(object) => {
            let kept = object
                .iter()
                .map(|(key, value)| (key.clone(), prune(value)));
            Json::Object(kept.filter(|(_, value)| !is_zero(value)).collect())
        }
        Json::Array(items) => items.iter().map(prune).collect(),
        other => other.clone(),
    }
}

fn is_zero(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(flag) => !flag,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(object) => object.is_empty(),
    }
}

fn check(vector: &Json) -> Result<(), String> {
    let file = vector["file"].as_str().unwrap();
    let text = fs::read_to_string(format!("{VECTORS}/{file}")).unwrap();
    let read = read_entry(Source::new(file, text));
    match (vector["expect"].as_str().unwrap(), read) {
        ("accept", Ok((entry, _))) => {
            let (got, wanted) = (prune(&entry.to_json()), prune(&vector["canonical"]));
            if got != wanted {
                return Err(format!("{file}: got {got}, wanted {wanted}"));
            }
            assert_eq!(
                entry.kind().as_str(),
                vector["kind"].as_str().unwrap(),
                "{file}"
            );
            assert_eq!(entry.name(), vector["name"].as_str().unwrap(), "{file}");
            Ok(())
        }
        ("reject", Err(problems)) => {
            let first = problems.iter().find(|problem| problem.is_error()).unwrap();
            let wanted = vector["category"].as_str().unwrap();
            if first.category.as_str() == wanted {
                Ok(())
            } else {
                Err(format!("{file}: wanted {wanted}, got {first}"))
            }
        }
        ("accept", Err(problems)) => Err(format!("{file}: refused: {}", problems[0])),
        (_, Ok((entry, _))) => Err(format!("{file}: accepted: {}", entry.to_json())),
        (other, Err(_)) => Err(format!("{file}: unknown expectation {other}")),
    }
}

#[test]
fn every_vector_is_judged_as_consul_judges_it() {
    let index: Json =
        serde_json::from_str(&fs::read_to_string(format!("{VECTORS}/index.json")).unwrap())
            .unwrap();
    let vectors = index["files"].as_array().unwrap();
    assert_eq!(vectors.len() as u64, index["count"].as_u64().unwrap());
    let failures: Vec<String> = vectors
        .iter()
        .filter_map(|vector| check(vector).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_is_accepted_is_read_back_from_its_canonical_form() {
    let index: Json =
        serde_json::from_str(&fs::read_to_string(format!("{VECTORS}/index.json")).unwrap())
            .unwrap();
    let accepted = index["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["expect"] == "accept");
    for vector in accepted {
        let file = vector["file"].as_str().unwrap();
        let text = fs::read_to_string(format!("{VECTORS}/{file}")).unwrap();
        let (entry, _) = read_entry(Source::new(file, text)).unwrap();
        let (again, _) = read_entry(Source::new(file, entry.to_json().to_string())).unwrap();
        assert_eq!(entry, again, "{file}");
    }
}
