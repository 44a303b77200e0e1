//! The criteria and settings of one route, compiled.

use super::effective::RetryOn;
use super::headers::HeaderEdits;
use super::matching::{
    HeaderKey, HeaderMatch, PathMatch, QueryMatch, RouteMatch, ValueMatch, whole_regex,
};
use super::problem::{hinted, problem};
use super::{CompiledRoute, RouteSettings};
use crate::config::{
    self, Category, Diagnostic, HttpMatch, Origin, Route, RouteDestination, RouteHeader,
};

/// Whether HTTP criteria ask for anything at all.
pub(super) fn has_criteria(http: &HttpMatch) -> bool {
    let paths = [&http.path_exact, &http.path_prefix, &http.path_regex];
    paths.iter().any(|path| !path.is_empty())
        || !http.header.is_empty()
        || !http.query_param.is_empty()
        || !http.methods.is_empty()
}

/// Criteria, settings and header edits of a route; its legs are left empty.
pub(super) fn compile(route: Option<&Route>) -> Result<CompiledRoute, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut compiled = CompiledRoute::default();
    let http = route
        .and_then(|route| route.matches.as_ref())
        .and_then(|matches| matches.http.as_ref());
    if let Some(http) = http {
        compiled.matcher = criteria(http, &mut problems);
    }
    if let Some(destination) = route.and_then(|route| route.destination.as_ref()) {
        compiled.settings = settings(destination, &mut problems);
        let mut edits = |modifiers| {
            HeaderEdits::compile(modifiers).unwrap_or_else(|found| {
                problems.extend(found);
                HeaderEdits::default()
            })
        };
        compiled.request_headers = edits(destination.request_headers.as_ref());
        compiled.response_headers = edits(destination.response_headers.as_ref());
    }
    if problems.is_empty() {
        Ok(compiled)
    } else {
        Err(problems)
    }
}

fn criteria(http: &HttpMatch, problems: &mut Vec<Diagnostic>) -> RouteMatch {
    RouteMatch {
        path: path(http, problems),
        headers: http
            .header
            .iter()
            .filter_map(|header| header_match(header, problems))
            .collect(),
        query: http
            .query_param
            .iter()
            .filter_map(|query| query_match(query, problems))
            .collect(),
        methods: http
            .methods
            .iter()
            .map(|method| method.to_uppercase().into())
            .collect(),
    }
}

fn path(http: &HttpMatch, problems: &mut Vec<Diagnostic>) -> Option<PathMatch> {
    let ignore_case = http.case_insensitive;
    if !http.path_exact.is_empty() {
        return Some(PathMatch::Exact {
            path: http.path_exact.as_str().into(),
            ignore_case,
        });
    }
    if !http.path_prefix.is_empty() {
        return Some(PathMatch::Prefix {
            path: http.path_prefix.as_str().into(),
            ignore_case,
        });
    }
    if http.path_regex.is_empty() {
        return None;
    }
    regex(&http.path_regex, "PathRegex", &http.origin, problems).map(PathMatch::Regex)
}

fn header_match(header: &RouteHeader, problems: &mut Vec<Diagnostic>) -> Option<HeaderMatch> {
    let texts = [
        (
            &header.exact,
            ValueMatch::Exact as fn(Box<str>) -> ValueMatch,
        ),
        (&header.prefix, ValueMatch::Prefix),
        (&header.suffix, ValueMatch::Suffix),
    ];
    let text = texts.into_iter().find(|(text, _)| !text.is_empty());
    let value = if let Some((text, kind)) = text {
        kind(text.as_str().into())
    } else if header.regex.is_empty() {
        ValueMatch::Present
    } else {
        let what = format!("the regex of header {}", header.name);
        ValueMatch::Regex(regex(&header.regex, &what, &header.origin, problems)?)
    };
    Some(HeaderMatch {
        key: HeaderKey::new(&header.name),
        value,
        invert: header.invert,
    })
}

fn query_match(query: &config::QueryMatch, problems: &mut Vec<Diagnostic>) -> Option<QueryMatch> {
    let value = if !query.exact.is_empty() {
        ValueMatch::Exact(query.exact.as_str().into())
    } else if query.regex.is_empty() {
        ValueMatch::Present
    } else {
        let what = format!("the regex of query parameter {}", query.name);
        ValueMatch::Regex(regex(&query.regex, &what, &query.origin, problems)?)
    };
    Some(QueryMatch {
        name: query.name.as_str().into(),
        value,
    })
}

fn regex(
    pattern: &str,
    what: &str,
    origin: &Origin,
    problems: &mut Vec<Diagnostic>,
) -> Option<regex::bytes::Regex> {
    whole_regex(pattern)
        .inspect_err(|error| {
            problems.push(problem(
                Category::BadMatch,
                origin,
                format!("{what}: {error}"),
            ));
        })
        .ok()
}

fn settings(destination: &RouteDestination, problems: &mut Vec<Diagnostic>) -> RouteSettings {
    let rewrite = &destination.prefix_rewrite;
    RouteSettings {
        prefix_rewrite: (!rewrite.is_empty()).then(|| rewrite.clone()),
        request_timeout: Some(destination.request_timeout).filter(|time| !time.is_zero()),
        idle_timeout: Some(destination.idle_timeout).filter(|time| !time.is_zero()),
        num_retries: destination.num_retries,
        retry_on_connect_failure: destination.retry_on_connect_failure,
        retry_on: destination
            .retry_on
            .iter()
            .filter_map(|text| condition(text, &destination.origin, problems))
            .collect(),
        retry_on_status_codes: status_codes(destination, problems),
    }
}

fn condition(text: &str, origin: &Origin, problems: &mut Vec<Diagnostic>) -> Option<RetryOn> {
    let condition = RetryOn::parse(text);
    if condition.is_none() {
        let known: Vec<_> = RetryOn::ALL
            .iter()
            .map(|condition| condition.as_str())
            .collect();
        let message = format!("{text:?} is no condition of `RetryOn`");
        problems.push(hinted(
            Category::BadRetry,
            origin,
            message,
            format!("known are {}", known.join(", ")),
        ));
    }
    condition
}

fn status_codes(destination: &RouteDestination, problems: &mut Vec<Diagnostic>) -> Vec<u16> {
    let (valid, invalid): (Vec<u32>, Vec<u32>) = destination
        .retry_on_status_codes
        .iter()
        .partition(|code| (100..600).contains(*code));
    for code in invalid {
        let message = format!("{code} in `RetryOnStatusCodes` is not a status code (100 to 599)");
        problems.push(problem(Category::BadRetry, &destination.origin, message));
    }
    valid
        .into_iter()
        .filter_map(|code| u16::try_from(code).ok())
        .collect()
}
