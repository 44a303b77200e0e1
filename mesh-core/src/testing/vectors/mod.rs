//! Conformance vectors: data that say what Consul, or the SPIFFE standard, makes of an input, and what this crate makes of it.
//!
//! A file is a JSON object that holds one or more lists of cases, and what the cases share (`environment`, `instances`).
//! A case is told by its fields, not by the name of its list. The index of a directory of config entries (`index.json`)
//! is such a file too: its cases name files beside it.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mesh_core::testing::vectors::{self, Vectors};
//!
//! let text = r#"{
//!   "instances": {"a": {"service": {"name": "web", "meta": {"version": "v2"}}}},
//!   "filter": [{"id": "1", "instance": "a", "expression": "Service.Meta.version == v2", "expect": false}]
//! }"#;
//! let file = Vectors::parse(text, "vectors")?;
//! let judged = file.cases().map(|case| (case.id(), case.judge())).collect::<Vec<_>>();
//! let mismatch = judged[0].1.as_ref().unwrap_err();
//! assert_eq!(mismatch.to_string(), "expected false, got true");
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub mod chain;
pub mod entry;
pub mod filter;
pub mod intention;
pub mod spiffe;

/// Names under which a list of cases stands.
const LISTS: [&str; 7] = [
    "chain",
    "filter",
    "intentions",
    "spiffe",
    "vectors",
    "cases",
    "files",
];

/// What a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CaseKind {
    /// Entries compile to a chain, or to an error.
    Chain,
    /// An expression selects an instance, or is none.
    Filter,
    /// A request is judged by intentions.
    Authorize,
    /// An intention entry is accepted or refused.
    Validate,
    /// A URI is read as a SPIFFE ID.
    Parse,
    /// A SPIFFE ID is built.
    Build,
    /// An authority may sign for a URI.
    CanSign,
    /// A server is who it should be.
    ServerMatch,
    /// A file of a config entry is accepted or refused.
    Entry,
}

impl CaseKind {
    /// The kind of a case, by its fields. `None` when it is like none of them.
    #[must_use]
    pub fn of(case: &Value) -> Option<Self> {
        let has = |key: &str| case.get(key).is_some();
        // Accepted entries have a `kind` of their own, and requests with entries are of two sorts.
        if has("file") && case["expect"].is_string() {
            return Some(Self::Entry);
        }
        match case["kind"].as_str() {
            Some("authorize") => return Some(Self::Authorize),
            Some("validate") => return Some(Self::Validate),
            Some("parse") => return Some(Self::Parse),
            Some("build") => return Some(Self::Build),
            Some("can_sign") => return Some(Self::CanSign),
            Some("server_match") => return Some(Self::ServerMatch),
            _ => {}
        }
        Some(match () {
            () if has("expression") => Self::Filter,
            () if has("default_policy") && has("request") => Self::Authorize,
            () if has("entries") && has("request") => Self::Chain,
            () if has("entry") => Self::Validate,
            () if has("expected") && has("presented") => Self::ServerMatch,
            () if has("uri") && has("trust_domain") => Self::CanSign,
            () if has("uri") && has("input") => Self::Build,
            () if has("uri") => Self::Parse,
            () => return None,
        })
    }
}

/// What a case wanted and what there was instead; displayed in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What the case wants.
    pub expected: String,
    /// What there was.
    pub got: String,
}

impl Mismatch {
    pub(crate) fn new(expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self {
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    /// A case that cannot be judged, such as one that lacks a field.
    pub(crate) fn unclear(why: impl fmt::Display) -> Self {
        Self::new("a case that can be judged", why)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("expected {}, got {}", self.expected, self.got);
        f.write_str(&line.replace('\n', " "))
    }
}

/// Fails with a [`Mismatch`] naming `what` unless both are equal.
pub(crate) fn same(what: &str, expected: &Value, got: &Value) -> Result<(), Mismatch> {
    if expected == got {
        return Ok(());
    }
    Err(Mismatch::new(
        format_args!("{what} {expected}"),
        format_args!("{what} {got}"),
    ))
}

/// A file of vectors.
#[derive(Clone, Debug)]
pub struct Vectors {
    document: Value,
    folder: PathBuf,
}

impl Vectors {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not JSON.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self::parse(&text, folder)?)
    }

    /// Reads a text; files that it names lie in `folder`.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn parse(text: &str, folder: impl Into<PathBuf>) -> serde_json::Result<Self> {
        let document = serde_json::from_str(text)?;
        let folder = folder.into();
        Ok(Self { document, folder })
    }

    /// The whole document.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The cases of all lists, in the order of the file.
    pub fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        let whole = self.document.as_array();
        let lists = self.document.as_object().into_iter().flatten();
        let lists = lists.filter_map(|(name, value)| {
            let list = value.as_array()?;
            let like_cases = || list.iter().any(|case| CaseKind::of(case).is_some());
            (LISTS.contains(&name.as_str()) || like_cases()).then_some(list)
        });
        let cases = lists.chain(whole).flatten();
        cases.map(|value| Case { file: self, value })
    }

    /// The cases of one kind.
    pub fn of_kind(&self, kind: CaseKind) -> impl Iterator<Item = Case<'_>> {
        self.cases().filter(move |case| case.kind() == Some(kind))
    }

    /// Files that cases name, which are no vectors themselves.
    pub fn named_files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.of_kind(CaseKind::Entry)
            .filter_map(|case| Some(self.folder.join(case.value["file"].as_str()?)))
    }
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    file: &'a Vectors,
    /// The case as written.
    pub value: &'a Value,
}

impl<'a> Case<'a> {
    /// What it is about; `None` if that is not known.
    #[must_use]
    pub fn kind(&self) -> Option<CaseKind> {
        CaseKind::of(self.value)
    }

    /// How it is called: its `id`, else its `file` or `name`.
    #[must_use]
    pub fn id(&self) -> &'a str {
        let named = ["id", "file", "name", "title"].iter();
        named
            .filter_map(|key| self.value[key].as_str())
            .find(|name| !name.is_empty())
            .unwrap_or("a case without a name")
    }

    /// Its title, if it has one besides its [`id`](Self::id).
    #[must_use]
    pub fn title(&self) -> Option<&'a str> {
        let titles = ["name", "title", "why", "origin"].iter();
        titles
            .filter_map(|key| self.value[key].as_str())
            .find(|title| *title != self.id())
    }

    /// What the cases of its file share, unless it brings its own.
    #[must_use]
    pub fn environment(&self) -> &'a Value {
        match self.value.get("environment") {
            Some(own) => own,
            None => &self.file.document["environment"],
        }
    }

    /// Compares what it wants with what there is.
    ///
    /// # Errors
    /// The first difference.
    pub fn judge(&self) -> Result<(), Mismatch> {
        let Some(kind) = self.kind() else {
            return Err(Mismatch::unclear("fields that no format has"));
        };
        match kind {
            CaseKind::Chain => chain::judge(self.environment(), self.value),
            CaseKind::Filter => filter::judge(&self.file.document["instances"], self.value),
            CaseKind::Authorize => intention::judge(self.environment(), self.value),
            CaseKind::Validate => intention::judge_entry(self.value),
            CaseKind::Parse => spiffe::judge_parse(self.value),
            CaseKind::Build => spiffe::judge_build(self.value),
            CaseKind::CanSign => spiffe::judge_can_sign(self.value),
            CaseKind::ServerMatch => spiffe::judge_server_match(self.value),
            CaseKind::Entry => entry::judge(&self.file.folder, self.value),
        }
    }
}

/// A string field, empty when absent.
pub(crate) fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// What `each` makes of the items of a list field.
pub(crate) fn list<T>(
    value: &Value,
    key: &str,
    each: impl FnMut(&Value) -> Result<T, Mismatch>,
) -> Result<Vec<T>, Mismatch> {
    let items = value[key].as_array().into_iter().flatten();
    items.map(each).collect()
}
