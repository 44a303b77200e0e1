//! Vectors of config entries: each file is accepted in its canonical form, or refused for its reason.

use std::path::Path;

use serde_json::Value;

use super::{Mismatch, text};
use crate::config::{Diagnostic, Entry, Source, read_entry};

/// Reads the file that the case names and compares.
///
/// # Errors
/// The difference.
pub fn judge(folder: &Path, case: &Value) -> Result<(), Mismatch> {
    let file = text(case, "file");
    let content = std::fs::read_to_string(folder.join(&file)).map_err(Mismatch::unclear)?;
    let read = read_entry(Source::new(file, content));
    match (text(case, "expect").as_str(), read) {
        ("accept", Ok((entry, _))) => accepted(&entry, case),
        ("reject", Err(problems)) => refused(&problems, case),
        ("accept", Err(problems)) => {
            let first = problems.first().map(ToString::to_string);
            Err(Mismatch::new(
                "an entry",
                format_args!("refused: {}", first.unwrap_or_default()),
            ))
        }
        ("reject", Ok((entry, _))) => Err(Mismatch::new(
            format_args!("refused as {}", text(case, "category")),
            format_args!("accepted as {}", entry.to_json()),
        )),
        (other, _) => Err(Mismatch::unclear(format_args!("`expect` is {other:?}"))),
    }
}

fn accepted(entry: &Entry, case: &Value) -> Result<(), Mismatch> {
    super::same("kind", &case["kind"], &entry.kind().as_str().into())?;
    super::same("name", &case["name"], &entry.name().into())?;
    let (got, wanted) = (prune(&entry.to_json()), prune(&case["canonical"]));
    super::same("canonical", &wanted, &got)
}

fn refused(problems: &[Diagnostic], case: &Value) -> Result<(), Mismatch> {
    let first = problems.iter().find(|problem| problem.is_error());
    let got = first.map(|problem| problem.category.as_str());
    super::same("category", &case["category"], &got.into())
}

/// Leaves out what a reader of Consul's JSON takes as not given.
fn prune(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object
                .iter()
                .map(|(key, value)| (key.clone(), prune(value)));
            Value::Object(kept.filter(|(_, value)| !is_zero(value)).collect())
        }
        Value::Array(items) => items.iter().map(prune).collect(),
        other => other.clone(),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}
