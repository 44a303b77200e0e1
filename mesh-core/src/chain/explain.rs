//! Criteria in words, and why a request meets a route or does not.

use std::fmt;

use regex::bytes::Regex;

use super::matching::{
    HeaderKey, HeaderMatch, PathMatch, QueryMatch, RequestHead, RouteMatch, ValueMatch,
};

/// One criterion of a route and whether the request meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The criterion in words, such as `path starts with /api`.
    pub criterion: String,
    /// Whether the request meets it.
    pub holds: bool,
}

impl RouteMatch {
    /// Every criterion with its outcome for this request, in the order of evaluation.
    #[must_use]
    pub fn explain(&self, head: &RequestHead<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(path) = &self.path {
            steps.push(Step {
                criterion: path.to_string(),
                holds: path.matches(head.path),
            });
        }
        if !self.methods.is_empty() {
            let criterion = format!("method is one of {}", self.methods.join(", "));
            steps.push(Step {
                criterion,
                holds: self.method_matches(head.method),
            });
        }
        steps.extend(self.headers.iter().map(|header| Step {
            criterion: header.to_string(),
            holds: header.matches(head),
        }));
        steps.extend(self.query.iter().map(|query| Step {
            criterion: query.to_string(),
            holds: query.matches(head.query),
        }));
        steps
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = |ignore: bool| if ignore { ", ignoring case" } else { "" };
        match self {
            Self::Exact { path, ignore_case } => write!(f, "path is {path}{}", case(*ignore_case)),
            Self::Prefix { path, ignore_case } => {
                write!(f, "path starts with {path}{}", case(*ignore_case))
            }
            Self::Regex(regex) => write!(f, "path matches {}", unanchored(regex)),
        }
    }
}

impl fmt::Display for HeaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Field(name) => name.as_str(),
            Self::Method => ":method",
            Self::Path => ":path",
            Self::Authority => ":authority",
            Self::Scheme => ":scheme",
            Self::Never => "(impossible name)",
        })
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("is present"),
            Self::Exact(text) => write!(f, "is {text:?}"),
            Self::Prefix(text) => write!(f, "starts with {text:?}"),
            Self::Suffix(text) => write!(f, "ends with {text:?}"),
            Self::Regex(regex) => write!(f, "matches {}", unanchored(regex)),
        }
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.invert, &self.value) {
            (false, value) => write!(f, "header {} {value}", self.key),
            (true, ValueMatch::Present) => write!(f, "header {} is absent", self.key),
            (true, value) => write!(f, "header {} is present and not: {value}", self.key),
        }
    }
}

impl fmt::Display for QueryMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query parameter {} {}", self.name, self.value)
    }
}

/// The pattern as written, without the anchors that [`whole_regex`] adds.
fn unanchored(regex: &Regex) -> &str {
    let pattern = regex.as_str();
    pattern
        .strip_prefix("^(?:")
        .and_then(|rest| rest.strip_suffix(")$"))
        .unwrap_or(pattern)
}
