//! Vectors of the filter language of subsets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Mismatch, list, text};
use crate::catalog::{CheckRecord, CheckStatus, Instance, Node, TaggedAddress, Weights};
use crate::filter::Filter;

/// Evaluates the case's expression on the instance it names, or brings.
///
/// # Errors
/// The difference.
pub fn judge(instances: &Value, case: &Value) -> Result<(), Mismatch> {
    let data = match &case["instance"] {
        Value::String(name) => &instances[name],
        own => own,
    };
    if !data.is_object() {
        return Err(Mismatch::unclear(format_args!(
            "no instance {}",
            case["instance"]
        )));
    }
    let (instance, checks) = instance(data)?;
    let (expect, stage) = (&case["expect"], case["error_stage"].as_str());
    let got = answer(&text(case, "expression"), &instance, &checks);
    let holds = match (got, expect.as_bool()) {
        (Ok(got), Some(wanted)) => got == wanted,
        (Err(got), None) => stage.is_none_or(|stage| stage == got) && expect == "error",
        (Ok(_), None) | (Err(_), Some(_)) => false,
    };
    if holds {
        return Ok(());
    }
    let wanted = match (expect.as_bool(), stage) {
        (Some(wanted), _) => wanted.to_string(),
        (None, Some(stage)) => format!("an error at stage {stage}"),
        (None, None) => expect.to_string(),
    };
    let got = match got {
        Ok(got) => got.to_string(),
        Err(stage) => format!("an error at stage {stage}"),
    };
    Err(Mismatch::new(wanted, got))
}

/// What an expression says of an instance.
///
/// # Errors
/// `parse` or `bind`, the stage that refused it.
pub fn answer(
    expression: &str,
    instance: &Instance,
    checks: &[CheckRecord],
) -> Result<bool, &'static str> {
    let filter = Filter::parse(expression).map_err(|_| "parse")?;
    let bound = filter.bind().map_err(|_| "bind")?;
    Ok(bound.matches(instance, checks))
}

/// Reads an instance as the vectors write it.
///
/// # Errors
/// What cannot be read.
pub fn instance(value: &Value) -> Result<(Instance, Vec<CheckRecord>), Mismatch> {
    let (service, node) = (&value["service"], &value["node"]);
    let node = Node {
        id: text(node, "id"),
        name: text(node, "name"),
        address: text(node, "address"),
        datacenter: text(node, "datacenter"),
        meta: map(&node["meta"]),
        tagged_addresses: map(&node["tagged_addresses"]),
        ..Node::default()
    };
    let instance = Instance {
        id: text(service, "id").into(),
        service: text(service, "name").into(),
        address: text(service, "address"),
        port: number(&service["port"]),
        tags: texts(&service["tags"]),
        meta: map(&service["meta"]),
        kind: text(service, "kind"),
        weights: Weights {
            passing: number(&service["weights"]["passing"]),
            warning: number(&service["weights"]["warning"]),
        },
        tagged_addresses: tagged(&service["tagged_addresses"]),
        enable_tag_override: service["enable_tag_override"].as_bool().unwrap_or_default(),
        node: Arc::new(node),
        ..Instance::default()
    };
    Ok((instance, list(value, "checks", check)?))
}

fn check(check: &Value) -> Result<CheckRecord, Mismatch> {
    let status = text(check, "status");
    let Some(status) = CheckStatus::from_name(&status) else {
        return Err(Mismatch::unclear(format_args!("the status {status:?}")));
    };
    Ok(CheckRecord {
        check_id: text(check, "check_id"),
        name: text(check, "name"),
        node: text(check, "node"),
        status,
        notes: text(check, "notes"),
        output: text(check, "output"),
        service_id: text(check, "service_id"),
        service_name: text(check, "service_name"),
        service_tags: texts(&check["service_tags"]),
        kind: text(check, "type"),
        ..CheckRecord::default()
    })
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items
        .map(|item| item.as_str().unwrap_or_default().to_owned())
        .collect()
}

fn map(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn number<T: TryFrom<u64> + Default>(value: &Value) -> T {
    value
        .as_u64()
        .and_then(|number| T::try_from(number).ok())
        .unwrap_or_default()
}

fn tagged(value: &Value) -> BTreeMap<String, TaggedAddress> {
    let pairs = value.as_object().into_iter().flatten();
    let address = |value: &Value| TaggedAddress {
        address: text(value, "address"),
        port: number(&value["port"]),
    };
    pairs
        .map(|(key, value)| (key.clone(), address(value)))
        .collect()
}
