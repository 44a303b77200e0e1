//! The HTTP criteria of permissions.

use std::borrow::Cow;

use http::header::HeaderName;
use regex::bytes::Regex;

use super::jwt::Requirement;
use super::{Decision, RequestFacts};
use crate::normalize::without_query;

#[derive(Clone, Debug)]
pub(super) struct Permission {
    pub(super) action: Decision,
    pub(super) path: PathRule,
    /// Empty means any.
    pub(super) methods: Vec<String>,
    pub(super) headers: Vec<HeaderRule>,
    pub(super) jwt: Option<Requirement>,
}

#[derive(Clone, Debug)]
pub(super) enum PathRule {
    Any,
    Exact(String),
    Prefix(String),
    Regex(Regex),
}

#[derive(Clone, Debug)]
pub(super) struct HeaderRule {
    pub(super) name: Name,
    pub(super) condition: Condition,
    pub(super) invert: bool,
    pub(super) ignore_case: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Name {
    /// The authority of the request.
    Host,
    Header(HeaderName),
    /// Not a name that a header can have; it is always missing.
    Impossible,
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Present,
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Regex(Regex),
}

impl Permission {
    /// Whether all criteria hold.
    pub(super) fn applies(&self, request: &RequestFacts<'_>) -> bool {
        self.path.holds(without_query(request.path))
            && (self.methods.is_empty()
                || self.methods.iter().any(|method| method == request.method))
            && self.headers.iter().all(|header| header.holds(request))
    }
}

impl PathRule {
    fn holds(&self, path: &str) -> bool {
        match self {
            PathRule::Any => true,
            PathRule::Exact(wanted) => path == wanted,
            PathRule::Prefix(wanted) => path.starts_with(wanted.as_str()),
            PathRule::Regex(regex) => regex.is_match(path.as_bytes()),
        }
    }
}

impl HeaderRule {
    /// A condition on the value of a missing header never holds, inverted or not.
    fn holds(&self, request: &RequestFacts<'_>) -> bool {
        let value = self.name.value(request);
        match (&self.condition, value) {
            (Condition::Present, value) => value.is_some() != self.invert,
            (_, None) => false,
            (condition, Some(value)) => condition.holds(&value, self.ignore_case) != self.invert,
        }
    }
}

impl Name {
    /// The value; several are joined by commas. Allocates only then.
    fn value<'a>(&self, request: &RequestFacts<'a>) -> Option<Cow<'a, [u8]>> {
        let name = match self {
            Name::Impossible => return None,
            Name::Host => {
                let authority = request.authority;
                return (!authority.is_empty()).then_some(Cow::Borrowed(authority.as_bytes()));
            }
            Name::Header(name) => name,
        };
        let mut values = request.headers.get_all(name).iter();
        let first = values.next()?.as_bytes();
        let Some(second) = values.next() else {
            return Some(Cow::Borrowed(first));
        };
        let mut joined = first.to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.push(b',');
            joined.extend_from_slice(value.as_bytes());
        }
        Some(Cow::Owned(joined))
    }
}

impl Condition {
    fn holds(&self, value: &[u8], ignore_case: bool) -> bool {
        let same = |part: &[u8], wanted: &str| {
            if ignore_case {
                part.eq_ignore_ascii_case(wanted.as_bytes())
            } else {
                part == wanted.as_bytes()
            }
        };
        match self {
            Condition::Present => true,
            Condition::Exact(wanted) => same(value, wanted),
            Condition::Prefix(wanted) => value
                .get(..wanted.len())
                .is_some_and(|part| same(part, wanted)),
            Condition::Suffix(wanted) => {
                let start = value.len().checked_sub(wanted.len());
                start.is_some_and(|start| same(&value[start..], wanted))
            }
            Condition::Contains(wanted) => {
                wanted.is_empty() || value.windows(wanted.len()).any(|part| same(part, wanted))
            }
            Condition::Regex(regex) => regex.is_match(value),
        }
    }
}
