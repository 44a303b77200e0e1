//! `mesh check`: everything that is wrong with a directory, and what is in it.

use std::fmt::Write as _;
use std::path::Path;

use mesh_core::config::{Diagnostic, Severity, render};
use mesh_core::snapshot::World;
use mesh_core::source::dir::{self, Checked};
use serde_json::{Value, json};

use super::args::{Args, Flag, switch};
use super::{Answer, Misuse, colour, fields};

pub(crate) const FLAGS: &[Flag] = &[
    switch("--json", ""),
    switch("--color", "--colour"),
    switch("--no-color", ""),
    switch("--fields", ""),
    switch("--markdown", ""),
    switch("--help", "-h"),
];

const HELP: &str = "\
mesh check DIR [--json] [--color | --no-color]

Reads and compiles DIR exactly as a live mesh does, and tells everything that is wrong:
the place, the line, the field, and what to write instead. Errors of all stages come at
once; what only follows from another error is left out. Warnings and notes do not hinder.

  --json      for programs: {\"ok\", \"summary\", \"diagnostics\": [{severity, category,
              path, line, column, field, message, hint}], \"contents\"}
  --color     in colours even when nobody looks; --no-color never

mesh check --fields [--json | --markdown]

What each field of each kind does here: honoured (and the test that shows it), without
effect, refused, or planned.
";

pub(crate) fn run(args: &Args) -> Result<Answer, Misuse> {
    if args.has("--help") {
        return Ok(Answer::new(HELP, true));
    }
    if args.has("--fields") {
        return fields::run(args);
    }
    let [directory] = args.words.as_slice() else {
        return Err("check needs one directory: `mesh check DIR`".into());
    };
    let checked = dir::check(Path::new(directory));
    let good = checked.world.is_some();
    if args.has("--json") {
        return Ok(Answer::new(
            format!("{:#}\n", to_json(directory, &checked)),
            good,
        ));
    }
    let mut text = String::new();
    for diagnostic in &checked.diagnostics {
        text.push_str(&diagnostic.render(colour(args)));
        text.push('\n');
    }
    text.push_str(&summary(directory, &checked));
    if let Some(world) = &checked.world {
        text.push('\n');
        text.push_str(&contents(world));
    }
    Ok(Answer::new(text, good))
}

/// The errors of a directory that cannot be used, for the other commands.
pub(crate) fn refusal(directory: &str, checked: &Checked, args: &Args) -> Answer {
    let errors: Vec<Diagnostic> = checked
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .cloned()
        .collect();
    let text = render(&errors, colour(args));
    Answer::new(
        format!("{text}{directory} cannot be used as it is\n"),
        false,
    )
}

fn plural(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

fn summary(directory: &str, checked: &Checked) -> String {
    let count = |severity: Severity| {
        let found = checked.diagnostics.iter();
        found
            .filter(|diagnostic| diagnostic.severity == severity)
            .count()
    };
    let counts = format!(
        "{}, {}, {}",
        plural(count(Severity::Error), "error"),
        plural(count(Severity::Warning), "warning"),
        plural(count(Severity::Note), "note")
    );
    let verdict = if checked.world.is_some() {
        "can come into force"
    } else {
        "would be refused; a running mesh keeps its last good configuration"
    };
    let files = plural(checked.files, "file");
    format!("{directory}: {files}, {counts}: it {verdict}\n")
}

/// What is in a good directory: services with their instances, entries by kind.
fn contents(world: &World) -> String {
    let mut text = String::new();
    let mut names: Vec<_> = world.chains.values().collect();
    names.sort_by(|one, other| one.service.cmp(&other.service));
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let longest = width(&mut names.iter().map(|chain| chain.service.chars().count()));
    let _ = writeln!(text, "services");
    for chain in names {
        let instances = world.catalog.instances(&chain.service);
        let places: Vec<String> = instances
            .iter()
            .map(|instance| format!("{}:{}", shown(&instance.address), instance.port))
            .collect();
        let places = if places.is_empty() {
            "no instance".to_owned()
        } else {
            places.join(" ")
        };
        let start = if chain.default_chain {
            ""
        } else {
            chain.start.as_str()
        };
        let _ = writeln!(
            text,
            "  {:longest$}  {:5}  {start:8}  {places}",
            &*chain.service, &*chain.protocol
        );
    }
    let _ = writeln!(text, "entries");
    let entries: Vec<_> = world.entries.iter().collect();
    let longest = width(&mut entries.iter().map(|entry| entry.kind().as_str().len()));
    for entry in entries {
        let _ = writeln!(
            text,
            "  {:longest$}  {}  ({})",
            entry.kind().as_str(),
            entry.name(),
            entry.origin().path()
        );
    }
    let policy = &world.settings.default_intention_policy;
    let _ = writeln!(text, "where no intention matches: {policy}");
    text
}

fn shown(address: &str) -> &str {
    if address.is_empty() {
        "127.0.0.1"
    } else {
        address
    }
}

fn to_json(directory: &str, checked: &Checked) -> Value {
    let diagnostics: Vec<Value> = checked
        .diagnostics
        .iter()
        .map(Diagnostic::to_json)
        .collect();
    json!({
        "ok": checked.world.is_some(),
        "summary": summary(directory, checked).trim_end(),
        "diagnostics": diagnostics,
        "contents": checked.world.as_ref().map(|world| contents_json(world)),
    })
}

fn contents_json(world: &World) -> Value {
    let services = world.chains.iter().map(|(name, chain)| {
        let instances = world.catalog.instances(name).iter();
        let instances = instances.map(|instance| {
            json!({"id": &*instance.id, "address": shown(&instance.address), "port": instance.port})
        });
        let service = json!({
            "protocol": &*chain.protocol,
            "start": chain.start.as_str(),
            "default_chain": chain.default_chain,
            "instances": instances.collect::<Vec<_>>(),
        });
        (name.to_string(), service)
    });
    let entries = world.entries.iter().map(|entry| {
        json!({"kind": entry.kind().as_str(), "name": entry.name(), "path": entry.origin().path()})
    });
    json!({
        "services": services.collect::<serde_json::Map<_, _>>(),
        "entries": entries.collect::<Vec<_>>(),
        "default_intention_policy": world.settings.default_intention_policy,
    })
}
