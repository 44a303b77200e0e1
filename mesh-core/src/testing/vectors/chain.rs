//! Vectors of discovery chains: entries, read, checked and compiled, give the chain or the error that Consul gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Mismatch, list, text};
use crate::chain::{CompileRequest, Locality, Overrides, compile, to_json};
use crate::config::{Entry, EntrySet, GoDuration, Source, read_entry};

/// Differences that are told; more add nothing.
const TOLD: usize = 8;

/// Compiles and compares.
///
/// # Errors
/// The first differences.
pub fn judge(environment: &Value, case: &Value) -> Result<(), Mismatch> {
    let request = request(environment, &case["request"])?;
    let expected = &case["expect"];
    let outcome = read(case).and_then(|entries| {
        let compiled = compile(&entries, &request);
        compiled.map_err(|errors| {
            let first = errors.first();
            first.map_or_else(String::new, |e| e.category.as_str().to_owned())
        })
    });
    match (outcome, expected["error_contains"].as_str()) {
        (Err(category), Some(wanted)) if category == wanted => Ok(()),
        (Err(category), Some(wanted)) => Err(Mismatch::new(
            format_args!("the error {wanted}"),
            format_args!("the error {category}"),
        )),
        (Err(category), None) => Err(Mismatch::new(
            "a chain",
            format_args!("the error {category}"),
        )),
        (Ok(chain), Some(wanted)) => Err(Mismatch::new(
            format_args!("the error {wanted}"),
            format_args!("a chain of protocol {}", chain.protocol),
        )),
        (Ok(_), None) if !expected.is_object() => Err(Mismatch::unclear("no `expect`")),
        (Ok(chain), None) => {
            let mut differences = Vec::new();
            compare("", &to_json(&chain), expected, &mut differences);
            told(&differences)
        }
    }
}

fn told(differences: &[Difference]) -> Result<(), Mismatch> {
    if differences.is_empty() {
        return Ok(());
    }
    let all = |which: fn(&Difference) -> &Value| {
        let of = |difference: &Difference| format!("{} {}", difference.path, which(difference));
        let told: Vec<String> = differences.iter().take(TOLD).map(of).collect();
        told.join(", ")
    };
    Err(Mismatch::new(all(|d| &d.wanted), all(|d| &d.got)))
}

/// Reads and checks the entries one by one; the first error's category if one is wrong.
fn read(case: &Value) -> Result<EntrySet, String> {
    let read = |entry: &Value| -> Result<Entry, String> {
        let problems = match read_entry(Source::new("vector", entry.to_string())) {
            Ok((entry, _)) => return Ok(entry),
            Err(problems) => problems,
        };
        let first = problems.iter().find(|problem| problem.is_error());
        Err(first.map_or_else(String::new, |first| first.category.as_str().to_owned()))
    };
    let entries = case["entries"].as_array().into_iter().flatten();
    entries.map(read).collect()
}

fn request(environment: &Value, request: &Value) -> Result<CompileRequest, Mismatch> {
    let Some(trust_domain) = environment["trust_domain"].as_str() else {
        return Err(Mismatch::unclear("no `environment.trust_domain`"));
    };
    let connect_timeout = match request["override_connect_timeout"].as_str() {
        None => None,
        Some(text) => {
            let read = text.parse::<GoDuration>();
            read.map_err(Mismatch::unclear)?.positive()
        }
    };
    let peers = list(request, "peers", |peer| {
        let locality = Locality {
            region: text(peer, "region"),
            zone: text(peer, "zone"),
        };
        Ok((Arc::from(text(peer, "name")), locality))
    })?;
    Ok(CompileRequest {
        service: text(request, "service").into(),
        datacenter: text(request, "datacenter").into(),
        trust_domain: trust_domain.into(),
        overrides: Overrides {
            protocol: text(request, "override_protocol"),
            mesh_gateway: text(request, "override_mesh_gateway"),
            connect_timeout,
        },
        peers: BTreeMap::from_iter(peers),
    })
}

/// Two values that should be equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where they stand, such as `.routes[0].leaves[1].weight`.
    pub path: String,
    /// What the case wants.
    pub wanted: Value,
    /// What there was.
    pub got: Value,
}

/// Compares as the vectors' format says: absent and empty are equal, weights within 0.01, durations as durations.
pub fn compare(path: &str, got: &Value, wanted: &Value, differences: &mut Vec<Difference>) {
    match (got, wanted) {
        (Value::Object(got), Value::Object(wanted)) => {
            let keys: BTreeSet<&String> = got.keys().chain(wanted.keys()).collect();
            for key in keys {
                let path = format!("{path}.{key}");
                let (got, wanted) = (got.get(key), wanted.get(key));
                let (got, wanted) = (got.unwrap_or(&Value::Null), wanted.unwrap_or(&Value::Null));
                compare(&path, got, wanted, differences);
            }
        }
        (Value::Array(got), Value::Array(wanted)) if got.len() == wanted.len() => {
            for (index, (got, wanted)) in got.iter().zip(wanted).enumerate() {
                compare(&format!("{path}[{index}]"), got, wanted, differences);
            }
        }
        _ if equal(path, got, wanted) => {}
        _ => differences.push(Difference {
            path: path.to_owned(),
            wanted: wanted.clone(),
            got: got.clone(),
        }),
    }
}

fn equal(path: &str, got: &Value, wanted: &Value) -> bool {
    if got == wanted || (is_empty(got) && is_empty(wanted)) {
        return true;
    }
    let duration = |value: &Value| value.as_str()?.parse::<GoDuration>().ok();
    if path.ends_with("timeout") || path.ends_with("ttl") {
        return duration(got).is_some_and(|got| duration(wanted) == Some(got));
    }
    match (got.as_f64(), wanted.as_f64()) {
        // Half a step of rounding on either side.
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
