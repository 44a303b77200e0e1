//! The tree of values that both syntaxes are read into, with the place of every key and value.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Span;

/// Objects and lists deeper than this are refused, so that no text can exhaust the stack.
pub(crate) const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value<'a> {
    pub(crate) span: Span,
    pub(crate) data: Data<'a>,
}

/// What a value holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Object(Vec<Member<'a>>),
}

/// A key of an object and its value; after [`fold`] each key occurs once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) key_span: Span,
    pub(crate) value: Value<'a>,
    /// Whether an earlier value under the same key was dropped.
    pub(crate) repeated: bool,
}

/// A text that is neither HCL nor JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyntaxError {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

impl SyntaxError {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl Data<'_> {
    /// What it is, for messages.
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    const fn is_collection(&self) -> bool {
        matches!(self, Self::List(_) | Self::Object(_))
    }
}

impl<'a> Value<'a> {
    pub(crate) const fn new(span: Span, data: Data<'a>) -> Self {
        Self { span, data }
    }

    /// The value itself, or the only item of a list of one: what a field that holds one value takes.
    pub(crate) fn single(&self) -> &Self {
        match &self.data {
            Data::List(items) => match items.as_slice() {
                [only] => only,
                _ => self,
            },
            _ => self,
        }
    }

    /// The members of an object (or of the only object of a list).
    pub(crate) fn members(&self) -> Option<&[Member<'a>]> {
        match &self.single().data {
            Data::Object(members) => Some(members),
            _ => None,
        }
    }
}

/// How a key that is given twice is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// HCL: blocks and lists are strung together, of scalars the last one wins.
    Gather,
    /// JSON: the last one wins.
    LastWins,
}

/// Leaves each key once.
pub(crate) fn fold<'a>(members: Vec<Member<'a>>, repeats: Repeats) -> Vec<Member<'a>> {
    let mut folded: Vec<Member<'a>> = Vec::with_capacity(members.len());
    let mut places: HashMap<Cow<'a, str>, usize> = HashMap::with_capacity(members.len());
    for member in members {
        match places.get(&member.key) {
            Some(&place) => merge(&mut folded[place], member, repeats),
            None => {
                places.insert(member.key.clone(), folded.len());
                folded.push(member);
            }
        }
    }
    folded
}

fn merge<'a>(old: &mut Member<'a>, new: Member<'a>, repeats: Repeats) {
    let gather = repeats == Repeats::Gather
        && old.value.data.is_collection()
        && new.value.data.is_collection();
    if !gather {
        *old = Member {
            repeated: true,
            ..new
        };
        return;
    }
    let span = old.value.span;
    let mut items = match std::mem::replace(&mut old.value.data, Data::Null) {
        Data::List(items) => items,
        block => vec![Value::new(span, block)],
    };
    old.value.span = span.to(new.value.span);
    match new.value.data {
        Data::List(more) => items.extend(more),
        block => items.push(Value::new(new.value.span, block)),
    }
    old.value.data = Data::List(items);
}
