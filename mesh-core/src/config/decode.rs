//! Decoding the value tree into records: keys without case, aliases, weak types, every problem reported.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::category::Category;
use super::diagnostic::{Diagnostic, Severity};
use super::path::{Path, Segment};
use super::suggest;
use super::value::{Data, Member, Value};
use super::{Origin, Source, Span};

/// A field's name and alias (empty when there is none), its type as Rust writes it, and what it means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) alias: &'static str,
    pub(crate) ty: &'static str,
    pub(crate) doc: &'static str,
}

/// A record's table of fields, in the order of the struct.
pub(crate) trait Record {
    const NAME: &'static str;
    const FIELDS: &'static [Field];
}

/// What a value can be decoded into. A value that does not fit is reported and leaves a default.
pub(crate) trait Decode: Sized {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self;
}

/// A field that Consul knows and that is accepted here without effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ignored;

/// Collects the problems of one text while it is decoded.
#[derive(Debug)]
pub(crate) struct Decoder {
    source: Arc<Source>,
    path: Path,
    diagnostics: Vec<Diagnostic>,
    /// Keys of the outermost object that are no fields and yet accepted.
    tolerated: &'static [&'static str],
}

impl Decoder {
    pub(crate) fn new(source: &Arc<Source>, tolerated: &'static [&'static str]) -> Self {
        Self {
            source: Arc::clone(source),
            path: Path::default(),
            diagnostics: Vec::new(),
            tolerated,
        }
    }

    /// The problems in Consul's order: values that do not fit come before keys that are unknown.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| {
            (
                diagnostic.severity,
                diagnostic.category != Category::BadType,
            )
        });
        self.diagnostics
    }

    pub(crate) fn origin(&self, span: Span) -> Origin {
        Origin::new(Arc::clone(&self.source), span)
    }

    fn report(
        &mut self,
        severity: Severity,
        category: Category,
        span: Span,
        message: String,
    ) -> &mut Diagnostic {
        let mut diagnostic = Diagnostic::new(severity, category, self.origin(span), message);
        diagnostic.field = self.path.field();
        self.diagnostics.push(diagnostic);
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    pub(crate) fn mismatch(&mut self, value: &Value<'_>, wanted: &str) {
        let message = format!("expected {wanted}, found {}", value.data.describe());
        self.report(Severity::Error, Category::BadType, value.span, message);
    }

    pub(crate) fn refuse(&mut self, value: &Value<'_>, message: String) {
        self.report(Severity::Error, Category::BadType, value.span, message);
    }

    /// Runs `body` one step further down.
    pub(crate) fn within<R>(&mut self, segment: Segment, body: impl FnOnce(&mut Self) -> R) -> R {
        self.path.0.push(segment);
        let result = body(self);
        self.path.0.pop();
        result
    }

    /// Decodes a value, if there is one, into its place.
    pub(crate) fn fill<T: Decode>(
        &mut self,
        name: &'static str,
        value: Option<&Value<'_>>,
        place: &mut T,
    ) {
        if let Some(value) = value.filter(|value| value.data != Data::Null) {
            *place = self.within(Segment::Field(name), |cx| T::decode(value, cx));
        }
    }

    /// The value of each field of a record, in order; reports keys that are no field.
    pub(crate) fn slots<'v, R: Record>(
        &mut self,
        value: &'v Value<'_>,
    ) -> Vec<Option<&'v Value<'v>>> {
        let tolerated = std::mem::take(&mut self.tolerated);
        let mut slots = vec![None; R::FIELDS.len()];
        let single = value.single();
        let members = match &single.data {
            Data::Object(members) => members,
            Data::List(items) if items.len() > 1 => {
                let message = format!("expected one object, found {}", items.len());
                self.refuse(&items[1], message);
                return slots;
            }
            _ => {
                self.mismatch(single, "an object");
                return slots;
            }
        };
        for member in members {
            let lower = member.key.to_lowercase();
            let field = R::FIELDS.iter().position(|field| {
                field.name.to_lowercase() == lower
                    || (!field.alias.is_empty() && field.alias.to_lowercase() == lower)
            });
            match field {
                Some(place) if slots[place].is_none() => {
                    slots[place] = Some(&member.value);
                    self.warn_repeated(member);
                }
                Some(place) => self.second_spelling(member, R::FIELDS[place].name),
                None if tolerated.iter().any(|key| is_tolerated(key, &member.key)) => {}
                None => self.unknown::<R>(member),
            }
        }
        slots
    }

    fn warn_repeated(&mut self, member: &Member<'_>) {
        if member.repeated {
            let segment = Segment::Key(member.key.clone().into_owned());
            let message = format!(
                "`{}` is given more than once; the last one counts",
                member.key
            );
            self.within(segment, |cx| {
                cx.report(
                    Severity::Warning,
                    Category::DuplicateKey,
                    member.key_span,
                    message,
                );
            });
        }
    }

    fn second_spelling(&mut self, member: &Member<'_>, name: &str) {
        let key = member.key.clone().into_owned();
        let message = format!("`{key}` is a second spelling of `{name}` in one object");
        self.within(Segment::Key(key), |cx| {
            let report = cx.report(
                Severity::Error,
                Category::UnknownKey,
                member.key_span,
                message,
            );
            report.hint = Some("keep one of the two".to_owned());
        });
    }

    fn unknown<R: Record>(&mut self, member: &Member<'_>) {
        let key = member.key.clone().into_owned();
        let enterprise = key.to_lowercase().ends_with("namespace");
        let (category, message) = if enterprise {
            (
                Category::EnterpriseOnly,
                format!("invalid config key {key:?}, namespaces are a consul enterprise feature"),
            )
        } else {
            (Category::UnknownKey, format!("invalid config key {key:?}"))
        };
        let hint = if enterprise {
            None
        } else {
            suggest::for_key(R::NAME, R::FIELDS, &key)
        };
        self.within(Segment::Key(key), |cx| {
            cx.report(Severity::Error, category, member.key_span, message)
                .hint = hint;
        });
    }
}

/// `Kind` has exactly two spellings, all else is compared without case.
fn is_tolerated(tolerated: &str, key: &str) -> bool {
    if tolerated == "Kind" {
        matches!(key, "Kind" | "kind")
    } else {
        tolerated.eq_ignore_ascii_case(key)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        Some(T::decode(value, cx))
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        let items = match &value.data {
            Data::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let decode = |(index, item)| cx.within(Segment::Index(index), |cx| T::decode(item, cx));
        items.iter().enumerate().map(decode).collect()
    }
}

impl<K: Ord + for<'k> From<&'k str>, T: Decode> Decode for BTreeMap<K, T> {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        let blocks = match &value.data {
            Data::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let mut map = Self::new();
        for block in blocks {
            let Data::Object(members) = &block.data else {
                cx.mismatch(block, "an object");
                continue;
            };
            for member in members {
                let segment = Segment::Key(member.key.clone().into_owned());
                let item = cx.within(segment, |cx| T::decode(&member.value, cx));
                map.insert(K::from(member.key.as_ref()), item);
            }
        }
        map
    }
}

/// Free maps keep what they are given; a single block is one object, several are a list.
impl Decode for Map<String, Json> {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        let blocks = match &value.data {
            Data::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let mut map = Self::new();
        for block in blocks {
            let Data::Object(members) = &block.data else {
                cx.mismatch(block, "an object");
                continue;
            };
            for member in members {
                map.insert(member.key.clone().into_owned(), free(&member.value));
            }
        }
        map
    }
}

/// The value as plain JSON, without places.
pub(crate) fn free(value: &Value<'_>) -> Json {
    match &value.data {
        Data::Null => Json::Null,
        Data::Bool(flag) => (*flag).into(),
        Data::Int(number) => (*number).into(),
        Data::Float(number) => (*number).into(),
        Data::Text(text) => text.as_ref().into(),
        Data::List(items) => items.iter().map(free).collect(),
        Data::Object(members) => members
            .iter()
            .map(|member| (member.key.clone().into_owned(), free(&member.value)))
            .collect(),
    }
}

impl Decode for Ignored {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        let message = "accepted without effect in process".to_owned();
        cx.report(Severity::Note, Category::NoEffect, value.span, message);
        Self
    }
}

impl super::canon::Canon for Ignored {
    fn is_zero(&self) -> bool {
        true
    }

    fn to_json(&self) -> Json {
        Json::Null
    }
}
