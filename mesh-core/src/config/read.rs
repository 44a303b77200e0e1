//! Reading one text: what kind it is of, its record, and all that is wrong with it.

use std::sync::Arc;

use super::check::{Checker, Rules};
use super::decode::{Decode, Decoder};
use super::path::{Path, Segment, squeeze};
use super::value::{Data, Member, Value};
use super::{
    Category, Diagnostic, Entry, IngressGateway, JwtProvider, Kind, MeshEntry, MeshPolicy, Origin,
    ProxyDefaults, ServiceDefaults, ServiceIntentions, ServiceResolver, ServiceRouter,
    ServiceSplitter, Source, Span, hcl, json, suggest,
};

/// Reads one config entry, from a file or from Consul's API. Besides the entry, all that is worth knowing about it.
///
/// # Errors
/// Everything that is wrong with it; the first is what Consul would report.
pub fn read_entry(source: Source) -> Result<(Entry, Vec<Diagnostic>), Vec<Diagnostic>> {
    let source = Arc::new(source);
    let value = parse(&source).map_err(|error| vec![error])?;
    let (entry, diagnostics) = entry(&source, &value);
    match entry {
        Some(entry) => Ok((entry, diagnostics)),
        None => Err(diagnostics),
    }
}

/// Normalises and checks an entry that was made in memory, as if it had been read. Besides the entry, all that is worth
/// knowing about it.
///
/// # Errors
/// Everything that is wrong with it; the first is what Consul would report.
pub fn prepare(mut entry: Entry) -> Result<(Entry, Vec<Diagnostic>), Vec<Diagnostic>> {
    let origin = entry.origin().clone();
    let rules = entry.rules_mut();
    rules.normalize();
    let mut checker = Checker::default();
    rules.check(&mut checker);
    rules.settle();
    let problems = checker.finish().into_iter();
    let found: Vec<Diagnostic> = problems
        .map(|problem| problem.diagnostic(&origin, None))
        .collect();
    if found.iter().any(Diagnostic::is_error) {
        Err(found)
    } else {
        Ok((entry, found))
    }
}

/// Where the text of a record has a field; the record itself when it was made in memory.
pub(crate) fn locate(record: &Origin, field: &'static str) -> Origin {
    let Some(source) = record.source() else {
        return record.clone();
    };
    match parse(source) {
        Ok(value) => Origin::new(
            Arc::clone(source),
            Path(vec![Segment::Field(field)]).locate(&value),
        ),
        Err(_) => record.clone(),
    }
}

/// Where exactly the text of a record has one of its fields. `steps` begin at the outermost object of the text, such as
/// `["Routes", "0", "Destination", "RequestTimeout"]`. The record itself where that cannot be told.
#[must_use]
pub fn place_of(record: &Origin, steps: &[&str]) -> Origin {
    let found = record.source().and_then(|source| {
        let value = parse(source).ok()?;
        let span = super::path::find(&value, steps)?;
        Some(Origin::new(Arc::clone(source), span))
    });
    found.unwrap_or_else(|| record.clone())
}

/// Reads a text into values.
pub(crate) fn parse(source: &Arc<Source>) -> Result<Value<'_>, Diagnostic> {
    let text = source.text.as_str();
    let parsed = if text.trim_start().starts_with('{') {
        json::parse(text)
    } else {
        hcl::parse(text)
    };
    let parsed = parsed.map(|mut value| {
        // Comments before the first key are not what a reader looks for.
        let first = value.members().and_then(<[_]>::first);
        if let Some(start) = first.map(|member| member.key_span.start) {
            value.span.start = start;
        }
        value
    });
    parsed.map_err(|error| {
        let origin = Origin::new(Arc::clone(source), error.span);
        let mut diagnostic = Diagnostic::error(Category::Syntax, origin, error.message);
        diagnostic.hint = error.hint.map(str::to_owned);
        diagnostic
    })
}

/// Keys of an entry's outermost object that are no fields: the kind, and what Consul's API adds.
const TOLERATED: &[&str] = &["Kind", "CreateIndex", "ModifyIndex", "Hash"];

pub(crate) fn top<'v, 'a>(value: &'v Value<'a>, key: &str) -> Option<&'v Member<'a>> {
    value.members()?.iter().find(|member| member.key == key)
}

pub(crate) fn at_start(source: &Arc<Source>, value: &Value<'_>) -> Origin {
    let span = value
        .members()
        .and_then(<[_]>::first)
        .map_or(Span::default(), |member| member.key_span);
    Origin::new(Arc::clone(source), span)
}

/// Decodes the value of a whole text or of a block in it, normalises and checks it. `None` when anything is wrong.
pub(crate) fn read<T: Decode + Rules>(
    source: &Arc<Source>,
    value: &Value<'_>,
    tolerated: &'static [&'static str],
    origin: impl Fn(&T) -> &Origin,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    let mut decoder = Decoder::new(source, tolerated);
    let mut record = T::decode(value, &mut decoder);
    let found = decoder.finish();
    let fits = !found.iter().any(Diagnostic::is_error);
    diagnostics.extend(found);
    if !fits {
        return None;
    }
    record.normalize();
    let mut checker = Checker::default();
    record.check(&mut checker);
    let place = origin(&record).clone();
    let found = checker
        .finish()
        .into_iter()
        .map(|problem| problem.diagnostic(&place, Some(value)));
    let mut right = true;
    for diagnostic in found {
        right &= !diagnostic.is_error();
        diagnostics.push(diagnostic);
    }
    record.settle();
    right.then_some(record)
}

fn kind(source: &Arc<Source>, value: &Value<'_>) -> Result<Kind, Diagnostic> {
    let Some(member) = top(value, "Kind").or_else(|| top(value, "kind")) else {
        let mut missing = Diagnostic::error(
            Category::BadKind,
            at_start(source, value),
            "the entry has no Kind",
        );
        let other = value
            .members()
            .unwrap_or_default()
            .iter()
            .find(|member| squeeze(&member.key).eq("kind".chars()));
        if let Some(other) = other {
            missing.origin = Origin::new(Arc::clone(source), other.key_span);
            missing.hint = Some("`Kind` is spelt `Kind` or `kind`".to_owned());
        }
        return Err(missing);
    };
    let value = &member.value;
    let origin = Origin::new(Arc::clone(source), value.span);
    let bad = |message: String| {
        Diagnostic::error(Category::BadKind, origin.clone(), message).with_field("Kind")
    };
    let Data::Text(text) = &value.data else {
        return Err(bad(format!(
            "Kind must be a string, not {}",
            value.data.describe()
        )));
    };
    Kind::parse(text).ok_or_else(|| unknown_kind(text, &bad))
}

fn unknown_kind(text: &str, bad: &dyn Fn(String) -> Diagnostic) -> Diagnostic {
    const ELSEWHERE: [&str; 10] = [
        "api-gateway",
        "bound-api-gateway",
        "control-plane-request-limit",
        "exported-services",
        "file-system-certificate",
        "http-route",
        "inline-certificate",
        "rate-limit-ip",
        "tcp-route",
        "terminating-gateway",
    ];
    if text == "sameness-group" {
        let mut refused = bad("sameness groups are a feature of Consul Enterprise".to_owned());
        refused.category = Category::EnterpriseOnly;
        return refused;
    }
    if ELSEWHERE.contains(&text) {
        return bad(format!(
            "entries of kind {text:?} are not supported in process"
        ));
    }
    let unknown = bad(format!("unknown kind {text:?}"));
    match suggest::nearest(text, Kind::ALL.iter().map(|kind| kind.as_str())) {
        Some(near) => unknown.with_hint(format!("did you mean {near:?}?")),
        None => unknown,
    }
}

pub(crate) fn entry(source: &Arc<Source>, value: &Value<'_>) -> (Option<Entry>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let kind = match kind(source, value) {
        Ok(kind) => kind,
        Err(diagnostic) => return (None, vec![diagnostic]),
    };
    macro_rules! read_as {
        ($ty:ty) => {
            read::<$ty>(
                source,
                value,
                TOLERATED,
                |record| &record.origin,
                &mut found,
            )
            .map(Entry::from)
        };
    }
    let entry = match kind {
        Kind::ServiceDefaults => read_as!(ServiceDefaults),
        Kind::ProxyDefaults => read_as!(ProxyDefaults),
        Kind::ServiceRouter => read_as!(ServiceRouter),
        Kind::ServiceSplitter => read_as!(ServiceSplitter),
        Kind::ServiceResolver => read_as!(ServiceResolver),
        Kind::ServiceIntentions => read_as!(ServiceIntentions),
        Kind::IngressGateway => read_as!(IngressGateway),
        Kind::JwtProvider => read_as!(JwtProvider),
        Kind::Mesh => read_as!(MeshEntry),
        Kind::MeshPolicy => read_as!(MeshPolicy),
    };
    (entry, found)
}
