//! Scalars from whatever was given: weak typing, as Consul has it.

use std::sync::Arc;

use super::GoDuration;
use super::decode::{Decode, Decoder};
use super::value::{Data, Value};

impl Decode for String {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        match &value.single().data {
            Data::Text(text) => text.clone().into_owned(),
            Data::Bool(true) => "1".to_owned(),
            Data::Bool(false) => "0".to_owned(),
            Data::Int(number) => number.to_string(),
            Data::Float(number) => number.to_string(),
            Data::Null => Self::new(),
            Data::List(_) | Data::Object(_) => {
                cx.mismatch(value.single(), "a string");
                Self::new()
            }
        }
    }
}

impl Decode for Arc<str> {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        String::decode(value, cx).into()
    }
}

impl Decode for bool {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        let value = value.single();
        match &value.data {
            Data::Bool(flag) => *flag,
            Data::Int(number) => *number != 0,
            Data::Float(number) => *number != 0.0,
            Data::Null => false,
            Data::Text(text) => match text.as_ref() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
                "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
                other => {
                    cx.refuse(value, format!("expected a boolean, found {other:?}"));
                    false
                }
            },
            Data::List(_) | Data::Object(_) => {
                cx.mismatch(value, "a boolean");
                false
            }
        }
    }
}

impl Decode for i64 {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        let value = value.single();
        match &value.data {
            Data::Int(number) => *number,
            // Beyond the range of integers the nearest one is taken.
            Data::Float(number) => *number as Self,
            Data::Bool(flag) => Self::from(*flag),
            Data::Null => 0,
            Data::Text(text) => integer(text).unwrap_or_else(|| {
                cx.refuse(
                    value,
                    format!("expected an integer such as 3, found {text:?}"),
                );
                0
            }),
            Data::List(_) | Data::Object(_) => {
                cx.mismatch(value, "an integer");
                0
            }
        }
    }
}

/// An integer in Go's notation; nothing is 0.
fn integer(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8)];
    let (digits, radix) = prefixes
        .into_iter()
        .find_map(|(prefix, radix)| {
            lower
                .strip_prefix(prefix)
                .filter(|rest| !rest.is_empty())
                .map(|rest| (rest, radix))
        })
        .unwrap_or((lower.as_str(), 10));
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

macro_rules! unsigned {
    ($($ty:ty),*) => {$(
        impl Decode for $ty {
            fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
                let number = i64::decode(value, cx);
                Self::try_from(number).unwrap_or_else(|_| {
                    let message = if number < 0 {
                        format!("expected an integer not below 0, found {number}")
                    } else {
                        format!("{number} is too large")
                    };
                    cx.refuse(value.single(), message);
                    0
                })
            }
        }
    )*};
}

unsigned!(u32, u64);

impl Decode for f64 {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        let value = value.single();
        match &value.data {
            Data::Int(number) => *number as Self,
            Data::Float(number) => *number,
            Data::Bool(flag) => Self::from(u8::from(*flag)),
            Data::Null => 0.0,
            Data::Text(text) if text.is_empty() => 0.0,
            Data::Text(text) => match text.parse() {
                Ok(number) if Self::is_finite(number) => number,
                _ => {
                    cx.refuse(value, format!("expected a number, found {text:?}"));
                    0.0
                }
            },
            Data::List(_) | Data::Object(_) => {
                cx.mismatch(value, "a number");
                0.0
            }
        }
    }
}

impl Decode for GoDuration {
    fn decode(value: &Value<'_>, cx: &mut Decoder) -> Self {
        let value = value.single();
        match &value.data {
            Data::Int(nanos) => Self(*nanos),
            Data::Float(nanos) => Self(*nanos as i64),
            Data::Null => Self::ZERO,
            Data::Text(text) => text.parse().unwrap_or_else(|error| {
                cx.refuse(value, format!("{text:?} is {error}"));
                Self::ZERO
            }),
            Data::Bool(_) | Data::List(_) | Data::Object(_) => {
                cx.mismatch(value, "a duration");
                Self::ZERO
            }
        }
    }
}
