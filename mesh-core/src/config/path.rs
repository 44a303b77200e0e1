//! Paths of fields, and where a text has them.

use std::fmt;

use super::Span;
use super::value::{Data, Value};

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Segment {
    /// A field, by Consul's name.
    Field(&'static str),
    /// An item of a list.
    Index(usize),
    /// A key of a map, or a key that no field has.
    Key(String),
}

impl From<&'static str> for Segment {
    fn from(name: &'static str) -> Self {
        Self::Field(name)
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A path, shown as `Routes[0].Match.HTTP` and `Subsets["v 1"].Filter`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            match segment {
                Segment::Field(name) => write!(f, "{dot}{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if is_plain(key) => write!(f, "{dot}{key}")?,
                Segment::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '*'))
}

impl Path {
    /// The path as a field of a diagnostic; `None` for the entry itself.
    pub(crate) fn field(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.to_string())
    }

    /// The place in a text: that of the value, or of the key of the innermost object that is there.
    pub(crate) fn locate(&self, root: &Value<'_>) -> Span {
        let mut here = root;
        let mut fallback = None;
        for (place, segment) in self.0.iter().enumerate() {
            let last = place + 1 == self.0.len();
            let found = match segment {
                Segment::Index(index) => item(here, *index).map(|value| (None, value)),
                Segment::Field(name) => member(here, |key| same_field(key, name)),
                Segment::Key(name) => member(here, |key| key == name),
            };
            let Some((key_span, value)) = found else {
                return fallback.unwrap_or_else(|| first_key(root));
            };
            if last {
                // A bad key of a map is the key's fault as much as the value's; the key is shorter.
                return key_span.filter(|_| is_wide(value)).unwrap_or(value.span);
            }
            fallback = key_span.or(Some(value.span));
            here = value;
        }
        first_key(root)
    }
}

/// Where a text has what stands at the end of `steps`: names of fields, keys of maps, or decimal indexes of lists. `None`
/// when it has no such place.
pub(crate) fn find(root: &Value<'_>, steps: &[&str]) -> Option<Span> {
    let mut here = root;
    let mut span = None;
    for step in steps {
        let (key_span, value) = match step.parse::<usize>() {
            Ok(index) => (None, item(here, index)?),
            Err(_) => member(here, |key| key == *step)
                .or_else(|| member(here, |key| same_field(key, step)))?,
        };
        span = key_span.or(Some(value.span));
        here = value;
    }
    span
}

/// Collections are shown by their key.
fn is_wide(value: &Value<'_>) -> bool {
    matches!(value.data, Data::Object(_) | Data::List(_))
}

/// The first key of a text stands for the whole.
fn first_key(root: &Value<'_>) -> Span {
    root.members()
        .and_then(<[_]>::first)
        .map_or(Span::new(root.span.start, root.span.start), |member| {
            member.key_span
        })
}

fn item<'v, 'a>(value: &'v Value<'a>, index: usize) -> Option<&'v Value<'a>> {
    match &value.data {
        Data::List(items) => items.get(index),
        _ => (index == 0).then_some(value),
    }
}

fn member<'v, 'a>(
    value: &'v Value<'a>,
    is: impl Fn(&str) -> bool,
) -> Option<(Option<Span>, &'v Value<'a>)> {
    let objects = match &value.data {
        Data::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let members = objects.iter().filter_map(|object| match &object.data {
        Data::Object(members) => Some(members),
        _ => None,
    });
    // Of blocks that are merged the last one counts.
    let found = members.flatten().filter(|member| is(&member.key)).last()?;
    Some((Some(found.key_span), &found.value))
}

/// Whether a key names a field, in whichever spelling.
fn same_field(key: &str, name: &str) -> bool {
    squeeze(key).eq(squeeze(name))
}

/// A key without case and underscores.
pub(crate) fn squeeze(key: &str) -> impl Iterator<Item = char> + '_ {
    key.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
}
