//! Expression to evaluator: selectors, operators and values checked against the type of the data.

use std::ops::Range;

use regex::bytes::Regex;

use super::data::{Fields, ROOT, Record, Type, Value};
use super::{Expr, Match, Op, Selector, Text, Warning, literal};
use crate::pattern;

/// The expression does not fit the data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter: {message}")]
pub struct BindError {
    /// What kind of misfit.
    pub kind: BindErrorKind,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// What does not fit.
    pub message: String,
    /// What may have been meant.
    pub hint: Option<String>,
}

/// The kinds of misfit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindErrorKind {
    /// No such field.
    Selector,
    /// The operator is not allowed for the type of the field.
    Operator,
    /// The value cannot be read as the type of the field.
    Value,
    /// The pattern is not a regular expression.
    Regex,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

#[derive(Clone, Debug)]
pub(super) struct Test {
    path: Vec<Box<str>>,
    negated: bool,
    operand: Operand,
}

#[derive(Clone, Debug)]
enum Operand {
    EqualText(Vec<u8>),
    EqualInteger(i64),
    EqualBoolean(bool),
    In(Vec<u8>),
    Empty,
    Matches(Regex),
}

pub(super) fn bind(expr: &Expr, warnings: &mut Vec<Warning>) -> Result<Node, BindError> {
    let mut all = |parts: &[Expr]| {
        parts
            .iter()
            .map(|part| bind(part, warnings))
            .collect::<Result<_, _>>()
    };
    Ok(match expr {
        Expr::Or(parts) => Node::Or(all(parts)?),
        Expr::And(parts) => Node::And(all(parts)?),
        Expr::Not(inner) => Node::Not(Box::new(bind(inner, warnings)?)),
        Expr::Match(found) => Node::Test(bind_match(found, warnings)?),
    })
}

fn bind_match(found: &Match, warnings: &mut Vec<Warning>) -> Result<Test, BindError> {
    let (path, selected, is_key) = resolve(&found.selector)?;
    let operand = operand(found, selected)?;
    if is_key && !found.negated && found.op == Op::Matches {
        warnings.push(Warning {
            span: found.selector.span.clone(),
            message: "\"matches\" is true for instances that lack this key".to_owned(),
        });
    }
    Ok(Test {
        path,
        negated: found.negated,
        operand,
    })
}

/// Walks the type. The flag says whether the last step is the key of a map.
fn resolve(selector: &Selector) -> Result<(Vec<Box<str>>, Type, bool), BindError> {
    let mut at = ROOT;
    let mut is_key = false;
    let mut path = Vec::with_capacity(selector.path.len());
    for step in &selector.path {
        let name = std::str::from_utf8(step).unwrap_or("\u{fffd}");
        is_key = matches!(at, Type::TextMap | Type::ObjectMap(_));
        at = match at {
            Type::Object(fields) | Type::ObjectList(fields) => fields
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, field)| *field)
                .ok_or_else(|| unknown(selector, name, fields))?,
            Type::TextMap => Type::Text,
            Type::ObjectMap(fields) => Type::Object(fields),
            Type::Text | Type::Integer | Type::Boolean | Type::TextList => {
                return Err(unknown(selector, name, &[]));
            }
        };
        path.push(Box::from(name));
    }
    Ok((path, at, is_key))
}

fn unknown(selector: &Selector, name: &str, fields: &[(&str, Type)]) -> BindError {
    let same = fields
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    let hint = match (same, name) {
        (Some((known, _)), _) => Some(format!("names are case-sensitive: {known}")),
        (None, "ServiceMeta") => Some("for subsets this is Service.Meta".to_owned()),
        (None, "Meta" | "Tags") => Some(format!("for subsets this is Service.{name}")),
        (None, "Name") => Some(
            "the name of the service is Service.Service, that of the node Node.Node".to_owned(),
        ),
        _ => None,
    };
    BindError {
        kind: BindErrorKind::Selector,
        span: selector.span.clone(),
        message: format!("selector has no field {name:?}"),
        hint,
    }
}

fn operand(found: &Match, selected: Type) -> Result<Operand, BindError> {
    let Some(value) = &found.value else {
        return match selected {
            Type::TextMap | Type::TextList | Type::ObjectMap(_) | Type::ObjectList(_) => {
                Ok(Operand::Empty)
            }
            Type::Text | Type::Integer | Type::Boolean | Type::Object(_) => {
                Err(wrong_operator(found, selected))
            }
        };
    };
    match (found.op, selected) {
        (Op::Equal, Type::Text) => Ok(Operand::EqualText(value.bytes.clone())),
        (Op::Equal, Type::Integer) => literal::integer(&value.bytes)
            .map(Operand::EqualInteger)
            .ok_or_else(|| wrong_value(value, "an integer")),
        (Op::Equal, Type::Boolean) => literal::boolean(&value.bytes)
            .map(Operand::EqualBoolean)
            .ok_or_else(|| wrong_value(value, "a boolean")),
        (Op::In, Type::Text | Type::TextMap | Type::TextList | Type::ObjectMap(_)) => {
            Ok(Operand::In(value.bytes.clone()))
        }
        (Op::Matches, Type::Text) => regex(value).map(Operand::Matches),
        _ => Err(wrong_operator(found, selected)),
    }
}

fn regex(value: &Text) -> Result<Regex, BindError> {
    let text = std::str::from_utf8(&value.bytes).map_err(|_| "not UTF-8".to_owned());
    text.and_then(pattern::search).map_err(|message| BindError {
        kind: BindErrorKind::Regex,
        span: value.span.clone(),
        message: format!("bad regular expression: {message}"),
        hint: None,
    })
}

fn wrong_value(value: &Text, wanted: &str) -> BindError {
    BindError {
        kind: BindErrorKind::Value,
        span: value.span.clone(),
        message: format!(
            "{:?} is not {wanted}",
            String::from_utf8_lossy(&value.bytes)
        ),
        hint: None,
    }
}

fn wrong_operator(found: &Match, selected: Type) -> BindError {
    let (kind, hint) = match (selected, found.op) {
        (Type::Text, Op::Empty) => ("a string", Some("write == \"\"")),
        (Type::Text, _) => ("a string", None),
        (Type::Integer, _) => ("an integer", None),
        (Type::Boolean, _) => ("a boolean", None),
        (Type::TextMap | Type::ObjectMap(_), _) => ("a map", Some("select one of its keys")),
        (Type::TextList, Op::Equal) => ("a list", Some("write \"in\" or \"contains\"")),
        (Type::TextList | Type::ObjectList(_), _) => ("a list", None),
        (Type::Object(_), _) => ("an object", Some("select one of its fields")),
    };
    BindError {
        kind: BindErrorKind::Operator,
        span: found.selector.span.clone(),
        message: format!(
            "\"{}\" is not allowed for {kind}",
            found.op.word(found.negated)
        ),
        hint: hint.map(str::to_owned),
    }
}

impl Node {
    pub(super) fn eval(&self, record: Record<'_>) -> bool {
        match self {
            Node::Or(parts) => parts.iter().any(|part| part.eval(record)),
            Node::And(parts) => parts.iter().all(|part| part.eval(record)),
            Node::Not(inner) => !inner.eval(record),
            Node::Test(test) => test.eval(&test.path, Value::Object(Fields::Root(record))),
        }
    }
}

impl Test {
    /// Lists on the way are true if any of their elements is, also for negated operators.
    fn eval(&self, path: &[Box<str>], value: Value<'_>) -> bool {
        let Some((step, rest)) = path.split_first() else {
            return self.operand.holds(value) != self.negated;
        };
        match value {
            Value::Object(object) => object
                .field(step)
                .is_some_and(|field| self.eval(rest, field)),
            Value::TextMap(map) => match map.get(&**step) {
                Some(text) => self.eval(rest, Value::Text(text)),
                None => self.missing(),
            },
            Value::Addresses(map) => match map.get(&**step) {
                Some(address) => self.eval(rest, Value::Object(Fields::Address(address))),
                None => self.missing(),
            },
            Value::Checks(list) => list
                .iter()
                .any(|it| self.eval(path, Value::Object(Fields::Check(it)))),
            Value::Upstreams(list) => list
                .iter()
                .any(|it| self.eval(path, Value::Object(Fields::Upstream(it)))),
            Value::Paths(list) => list
                .iter()
                .any(|it| self.eval(path, Value::Object(Fields::Path(it)))),
            Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::TextList(_) => false,
        }
    }

    /// The answer for a key that a map lacks. `matches` is true then, as in Consul.
    fn missing(&self) -> bool {
        match self.operand {
            Operand::Matches(_) => true,
            Operand::EqualText(_)
            | Operand::EqualInteger(_)
            | Operand::EqualBoolean(_)
            | Operand::In(_) => self.negated,
            Operand::Empty => !self.negated,
        }
    }
}

impl Operand {
    fn holds(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Operand::EqualText(wanted), Value::Text(text)) => text.as_bytes() == wanted,
            (Operand::EqualInteger(wanted), Value::Integer(number)) => number == *wanted,
            (Operand::EqualBoolean(wanted), Value::Boolean(flag)) => flag == *wanted,
            (Operand::In(wanted), Value::Text(text)) => contains(text.as_bytes(), wanted),
            (Operand::In(wanted), Value::TextList(list)) => {
                list.iter().any(|text| text.as_bytes() == wanted)
            }
            (Operand::In(wanted), Value::TextMap(map)) => {
                has_key(wanted, |key| map.contains_key(key))
            }
            (Operand::In(wanted), Value::Addresses(map)) => {
                has_key(wanted, |key| map.contains_key(key))
            }
            (Operand::Matches(regex), Value::Text(text)) => regex.is_match(text.as_bytes()),
            (Operand::Empty, Value::TextList(list)) => list.is_empty(),
            (Operand::Empty, Value::TextMap(map)) => map.is_empty(),
            (Operand::Empty, Value::Addresses(map)) => map.is_empty(),
            (Operand::Empty, Value::Checks(list)) => list.is_empty(),
            (Operand::Empty, Value::Upstreams(list)) => list.is_empty(),
            (Operand::Empty, Value::Paths(list)) => list.is_empty(),
            _ => false,
        }
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
}

fn has_key(wanted: &[u8], known: impl Fn(&str) -> bool) -> bool {
    std::str::from_utf8(wanted).is_ok_and(known)
}
