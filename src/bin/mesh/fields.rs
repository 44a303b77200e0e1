//! `mesh check --fields`: what each field of each kind does here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mesh_core::config::fields::{self, FieldInfo};
use serde_json::{Value, json};

use super::args::Args;
use super::status::{self, Status};
use super::{Answer, Misuse, colour};

pub(crate) fn run(args: &Args) -> Result<Answer, Misuse> {
    if !args.words.is_empty() {
        return Err("--fields is about all kinds and takes no directory".into());
    }
    let text = if args.has("--json") {
        format!("{:#}\n", to_json())
    } else if args.has("--markdown") {
        markdown()
    } else {
        table(colour(args))
    };
    Ok(Answer::new(text, true))
}

/// The fields that hold something, with what they do.
fn rows() -> impl Iterator<Item = (FieldInfo, Status)> {
    let fields = fields::all().into_iter().filter(|field| !field.is_block);
    fields.map(|field| {
        // A test keeps the list complete.
        let status = status::of(&field.path).unwrap_or(Status::Planned("not looked at yet"));
        (field, status)
    })
}

/// The kind of a field, and its path within it. The settings' name has a dot of its own.
fn split(path: &str) -> (&str, &str) {
    match path.strip_prefix("mesh.hcl.") {
        Some(rest) => ("mesh.hcl", rest),
        None => path.split_once('.').unwrap_or((path, "")),
    }
}

fn table(colour: bool) -> String {
    let mut text = String::new();
    let mut kind = String::new();
    for (field, status) in rows() {
        let (of, path) = split(&field.path);
        if of != kind {
            let _ = writeln!(text, "{}{of}", if kind.is_empty() { "" } else { "\n" });
            of.clone_into(&mut kind);
        }
        let (start, end) = match (colour, status) {
            (false, _) | (_, Status::NoEffect(_)) => ("", ""),
            (_, Status::Honoured(_)) => ("\u{1b}[32m", "\u{1b}[0m"),
            (_, Status::Refused(_)) => ("\u{1b}[31m", "\u{1b}[0m"),
            (_, Status::Planned(_)) => ("\u{1b}[33m", "\u{1b}[0m"),
        };
        let word = status.word();
        let _ = writeln!(
            text,
            "  {path:58} {start}{word:15}{end} {}",
            status.detail()
        );
    }
    let counts: Vec<String> = counts()
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let _ = writeln!(text, "\n{}", counts.join(", "));
    text
}

fn counts() -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (_, status) in rows() {
        *counts.entry(status.word()).or_default() += 1;
    }
    counts
}

/// The page in `docs/`.
fn markdown() -> String {
    let mut text = String::from(
        "# What each field does\n\n\
         Made by `mesh check --fields --markdown` from the tables that the reader works by; a test keeps it up to date.\n\n\
         *honoured*: does what Consul's reference says, and the test that is named shows it. *no effect here*: read, and \
         nothing happens in process. *refused*: giving it is an error of the category that is named. *planned*: read, \
         without effect until the area that is named is done. `*` stands for the keys of a map; names are read in any \
         case, and under the alias where there is one.\n",
    );
    let counts: Vec<String> = counts()
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let _ = writeln!(text, "\nIn all: {}.", counts.join(", "));
    let mut kind = String::new();
    for (field, status) in rows() {
        let (of, path) = split(&field.path);
        if of != kind {
            let _ = writeln!(
                text,
                "\n## {of}\n\n| field | alias | holds | meaning | here | |\n|---|---|---|---|---|---|"
            );
            of.clone_into(&mut kind);
        }
        let alias = if field.alias.is_empty() {
            String::new()
        } else {
            format!("`{}`", field.alias)
        };
        let detail = match status {
            Status::Honoured(detail) | Status::Refused(detail) => format!("`{detail}`"),
            Status::NoEffect(detail) | Status::Planned(detail) => detail.to_owned(),
        };
        let meaning = field.meaning.replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{path}` | {alias} | {} | {meaning} | {} | {detail} |",
            field.holds,
            status.word()
        );
    }
    text
}

fn to_json() -> Value {
    let rows = rows().map(|(field, status)| {
        json!({
            "path": field.path,
            "alias": field.alias,
            "holds": field.holds,
            "meaning": field.meaning,
            "status": status.word(),
            "detail": status.detail(),
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_up_to_date() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fields.md");
        let written = std::fs::read_to_string(page).unwrap();
        assert!(
            written == markdown(),
            "write it anew: cargo run --features cli --bin mesh -- check --fields --markdown > docs/fields.md"
        );
    }
}
