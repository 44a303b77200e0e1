//! The boolean expression language of resolver subsets.
//!
//! The language is that of Consul's `filter` parameter, in the version that Consul uses for subsets (see "Filtering" in
//! Consul's API documentation). A text is read in two stages: [`Filter::parse`] knows the grammar only, [`Filter::bind`]
//! knows the data. After binding, evaluation cannot fail.
//!
//! ```
//! use mesh_core::catalog::Instance;
//! use mesh_core::filter::Filter;
//!
//! let stable = Filter::parse(r#"Service.Meta.version == v1 and "canary" not in Service.Tags"#)?.bind()?;
//! let mut instance = Instance::default();
//! assert!(!stable.matches(&instance, &[]));
//! instance.meta.insert("version".into(), "v1".into());
//! assert!(stable.matches(&instance, &[]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bind;
mod data;
mod literal;
mod parse;

use std::fmt;
use std::ops::Range;

use crate::catalog::{CheckRecord, Instance};

pub use bind::{BindError, BindErrorKind};

/// A filter that is in the grammar. The empty text is no filter and matches everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    text: String,
    root: Option<Expr>,
}

impl Filter {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// The text is not in the grammar, or nests deeper than 200 levels.
    pub fn parse(text: &str) -> Result<Filter, ParseError> {
        let root = if text.is_empty() {
            None
        } else {
            Some(parse::parse(text)?)
        };
        Ok(Filter {
            text: text.to_owned(),
            root,
        })
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Checks the whole expression against the data of an instance: selectors, operators, values, patterns.
    ///
    /// # Errors
    ///
    /// The first part from the left that does not fit, whether or not evaluation would ever reach it.
    pub fn bind(&self) -> Result<Bound, BindError> {
        let mut warnings = Vec::new();
        let root = self
            .root
            .as_ref()
            .map(|root| bind::bind(root, &mut warnings))
            .transpose()?;
        Ok(Bound { root, warnings })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A filter that fits the data.
#[derive(Clone, Debug)]
pub struct Bound {
    root: Option<bind::Node>,
    warnings: Vec<Warning>,
}

impl Bound {
    /// Whether the instance, with its own checks and those of its node, is in the subset.
    pub fn matches(&self, instance: &Instance, checks: &[CheckRecord]) -> bool {
        let data = data::Record { instance, checks };
        self.root.as_ref().is_none_or(|root| root.eval(data))
    }

    /// Parts that do what Consul does, which is likely not what was meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// A part of a filter that is likely not meant as it is evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// What happens.
    pub message: String,
}

/// The text is not in the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter: {message} at offset {offset}")]
pub struct ParseError {
    /// Where, in bytes from the start of the text.
    pub offset: usize,
    /// What was expected.
    pub message: String,
    /// What may have been meant.
    pub hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Match(Match),
}

#[derive(Clone, Debug, PartialEq)]
struct Match {
    selector: Selector,
    op: Op,
    negated: bool,
    value: Option<Text>,
}

#[derive(Clone, Debug, PartialEq)]
struct Selector {
    /// Field names and map keys. Escapes can make any bytes.
    path: Vec<Vec<u8>>,
    span: Range<usize>,
}

/// A value, whatever it was written as.
#[derive(Clone, Debug, PartialEq)]
struct Text {
    bytes: Vec<u8>,
    span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    In,
    Empty,
    Matches,
}

impl Op {
    fn word(self, negated: bool) -> &'static str {
        match (self, negated) {
            (Op::Equal, false) => "==",
            (Op::Equal, true) => "!=",
            (Op::In, false) => "in",
            (Op::In, true) => "not in",
            (Op::Empty, false) => "is empty",
            (Op::Empty, true) => "is not empty",
            (Op::Matches, false) => "matches",
            (Op::Matches, true) => "not matches",
        }
    }
}
