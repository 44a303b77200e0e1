//! Does a request match a route? The compiled criteria of a `Match.HTTP` block and their evaluation.
//!
//! Everything is compared raw: no percent-decoding, no normalisation ("Consul service-router reference", Envoy's route
//! matching). Nothing here allocates, except that several fields of one header are joined before a regex sees them and that a
//! criterion on `:path` joins path and query.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};
use regex::bytes::Regex;

use super::CompiledRoute;
use super::rewrite::{MatchedPath, path_len};

/// What routing may look at in a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method as sent, case kept.
    pub method: &'a str,
    /// The request target: path and query as sent.
    pub path_and_query: &'a str,
    /// The raw path up to `?` or `#`.
    pub path: &'a str,
    /// The raw text after the first `?`, empty without one.
    pub query: &'a str,
    /// The authority of the request target, empty if it had none (then the `host` header speaks).
    pub authority: &'a str,
    /// The scheme of the request target, empty if unknown.
    pub scheme: &'a str,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

impl<'a> RequestHead<'a> {
    /// A head from its parts; path and query are cut out of `path_and_query`.
    #[must_use]
    pub fn new(
        method: &'a str,
        path_and_query: &'a str,
        authority: &'a str,
        scheme: &'a str,
        headers: &'a HeaderMap,
    ) -> Self {
        let path = path_and_query
            .get(..path_len(path_and_query))
            .unwrap_or_default();
        let query = path_and_query
            .split_once('?')
            .map_or("", |(_, query)| query);
        Self {
            method,
            path_and_query,
            path,
            query,
            authority,
            scheme,
            headers,
        }
    }

    /// The head of an `http` request.
    #[must_use]
    pub fn of<B>(request: &'a http::Request<B>) -> Self {
        let uri = request.uri();
        let target = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        Self::new(
            request.method().as_str(),
            target,
            authority,
            uri.scheme_str().unwrap_or_default(),
            request.headers(),
        )
    }
}

/// The criterion on the path.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// `PathExact`: the whole path is equal.
    Exact {
        /// The path as written.
        path: Box<str>,
        /// `CaseInsensitive`: ASCII letters match in either case.
        ignore_case: bool,
    },
    /// `PathPrefix`: the path begins with this text, whatever follows.
    Prefix {
        /// The prefix as written.
        path: Box<str>,
        /// `CaseInsensitive`: ASCII letters match in either case.
        ignore_case: bool,
    },
    /// `PathRegex`: the whole path matches.
    Regex(Regex),
}

impl PathMatch {
    pub(super) fn matches(&self, path: &str) -> bool {
        let path = path.as_bytes();
        match self {
            Self::Exact {
                path: wanted,
                ignore_case: false,
            } => path == wanted.as_bytes(),
            Self::Exact {
                path: wanted,
                ignore_case: true,
            } => path.eq_ignore_ascii_case(wanted.as_bytes()),
            Self::Prefix {
                path: wanted,
                ignore_case: false,
            } => path.starts_with(wanted.as_bytes()),
            Self::Prefix {
                path: wanted,
                ignore_case: true,
            } => path
                .get(..wanted.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(wanted.as_bytes())),
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// Where the value of a header criterion comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderKey {
    /// A header field.
    Field(HeaderName),
    /// `:method`.
    Method,
    /// `:path`: path and query.
    Path,
    /// `:authority`, also under its old name `host`.
    Authority,
    /// `:scheme`.
    Scheme,
    /// A name that no header can have: always missing.
    Never,
}

impl HeaderKey {
    /// The key for a name as written, without regard to case.
    #[must_use]
    pub fn new(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":authority" | "host" => Self::Authority,
            ":scheme" => Self::Scheme,
            other => HeaderName::try_from(other).map_or(Self::Never, Self::Field),
        }
    }

    fn value<'a>(&self, head: &RequestHead<'a>) -> Option<Cow<'a, [u8]>> {
        let text = |text: &'a str| (!text.is_empty()).then_some(Cow::Borrowed(text.as_bytes()));
        match self {
            Self::Field(name) => joined(head.headers, name),
            Self::Method => text(head.method),
            Self::Path => text(head.path_and_query),
            Self::Authority => text(head.authority).or_else(|| joined(head.headers, &header::HOST)),
            Self::Scheme => text(head.scheme),
            Self::Never => None,
        }
    }
}

/// All fields of one name, joined with `,`; borrowed when there is only one.
fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter();
    let mut value = Cow::Borrowed(values.next()?.as_bytes());
    for more in values {
        let whole = value.to_mut();
        whole.push(b',');
        whole.extend_from_slice(more.as_bytes());
    }
    Some(value)
}

/// What a value has to be.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// There is one, even an empty one.
    Present,
    /// Byte for byte.
    Exact(Box<str>),
    /// It begins with these bytes.
    Prefix(Box<str>),
    /// It ends with these bytes.
    Suffix(Box<str>),
    /// The whole value matches.
    Regex(Regex),
}

impl ValueMatch {
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(wanted) => value == wanted.as_bytes(),
            Self::Prefix(wanted) => value.starts_with(wanted.as_bytes()),
            Self::Suffix(wanted) => value.ends_with(wanted.as_bytes()),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// One `Header` criterion.
#[derive(Debug, Clone)]
pub struct HeaderMatch {
    /// The header.
    pub key: HeaderKey,
    /// What its value has to be.
    pub value: ValueMatch,
    /// `Invert`: negates the outcome, except that a missing header never matches unless presence itself is asked for.
    pub invert: bool,
}

impl HeaderMatch {
    pub(super) fn matches(&self, head: &RequestHead<'_>) -> bool {
        match (self.key.value(head), &self.value) {
            (Some(value), wanted) => wanted.matches(&value) != self.invert,
            (None, ValueMatch::Present) => self.invert,
            (None, _) => false,
        }
    }
}

/// One `QueryParam` criterion.
#[derive(Debug, Clone)]
pub struct QueryMatch {
    /// The parameter's name, compared raw and with case.
    pub name: Box<str>,
    /// What its first value has to be.
    pub value: ValueMatch,
}

impl QueryMatch {
    pub(super) fn matches(&self, query: &str) -> bool {
        first_parameter(query, &self.name).is_some_and(|value| self.value.matches(value.as_bytes()))
    }
}

/// The first value of a query parameter, raw; empty for a parameter without `=`.
#[must_use]
pub fn first_parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    if query.is_empty() {
        return None;
    }
    query
        .split('&')
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The compiled criteria of one route; all have to hold. The default has none and matches every request.
#[derive(Debug, Clone, Default)]
pub struct RouteMatch {
    /// The criterion on the path.
    pub path: Option<PathMatch>,
    /// The criteria on headers, in the order written.
    pub headers: Vec<HeaderMatch>,
    /// The criteria on query parameters, in the order written.
    pub query: Vec<QueryMatch>,
    /// The methods of which one has to be the request's; empty = any. Compared with case.
    pub methods: Vec<Box<str>>,
}

impl RouteMatch {
    /// Whether the request meets every criterion.
    #[must_use]
    pub fn matches(&self, head: &RequestHead<'_>) -> bool {
        self.path
            .as_ref()
            .is_none_or(|path| path.matches(head.path))
            && self.method_matches(head.method)
            && self.headers.iter().all(|header| header.matches(head))
            && self.query.iter().all(|query| query.matches(head.query))
    }

    /// Whether there is no criterion at all.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.path.is_none()
            && self.headers.is_empty()
            && self.query.is_empty()
            && self.methods.is_empty()
    }

    /// What the path criterion matches, for [`rewrite_path`](super::rewrite::rewrite_path); a regex or no criterion matches
    /// nothing that could be replaced.
    #[must_use]
    pub fn matched_path(&self) -> Option<MatchedPath> {
        match self.path.as_ref()? {
            PathMatch::Exact { .. } => Some(MatchedPath::Exact),
            PathMatch::Prefix { path, .. } => Some(MatchedPath::Prefix(path.len())),
            PathMatch::Regex(_) => None,
        }
    }

    pub(super) fn method_matches(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|allowed| **allowed == *method)
    }
}

/// The index of the first route that matches, or `None` for a list without a catch-all in which none does.
///
/// The routes of a compiled chain always end in one that matches everything.
#[must_use]
pub fn decide(routes: &[CompiledRoute], head: &RequestHead<'_>) -> Option<usize> {
    routes.iter().position(|route| route.matcher.matches(head))
}

/// A regex that has to match the whole value, as RE2 would read it: bytes, ASCII classes, at most 1 MiB compiled.
///
/// # Errors
///
/// The syntax error, or that the compiled form is too large.
pub fn whole_regex(pattern: &str) -> Result<Regex, regex::Error> {
    let build = |pattern: &str, unicode| {
        regex::bytes::RegexBuilder::new(pattern)
            .unicode(unicode)
            .size_limit(1 << 20)
            .build()
    };
    // The pattern by itself first: anchoring could close a group that it leaves open.
    let unicode = match build(pattern, false) {
        Ok(_) => false,
        Err(error) => build(pattern, true).map(|_| true).map_err(|_| error)?,
    };
    build(&format!("^(?:{pattern})$"), unicode)
}
