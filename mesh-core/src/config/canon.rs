//! Printing records in Consul's own form: its JSON with zero values left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::GoDuration;

/// What can be printed.
pub(crate) trait Canon {
    /// Whether it is what a field has that is not given, so that it is left out.
    fn is_zero(&self) -> bool;

    /// Its JSON.
    fn to_json(&self) -> Json;
}

/// Adds a field unless it is zero.
pub(crate) fn put(object: &mut Map<String, Json>, key: &str, value: &impl Canon) {
    if !value.is_zero() {
        object.insert(key.to_owned(), value.to_json());
    }
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl Canon for $ty {
            fn is_zero(&self) -> bool {
                *self == 0
            }

            fn to_json(&self) -> Json {
                (*self).into()
            }
        }
    )*};
}

integers!(i64, u32, u64);

impl Canon for bool {
    fn is_zero(&self) -> bool {
        !self
    }

    fn to_json(&self) -> Json {
        (*self).into()
    }
}

impl Canon for f64 {
    fn is_zero(&self) -> bool {
        *self == 0.0
    }

    /// Whole numbers have no point.
    fn to_json(&self) -> Json {
        if self.fract() == 0.0 && self.abs() < 9e15 {
            (*self as i64).into()
        } else {
            (*self).into()
        }
    }
}

impl Canon for String {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn to_json(&self) -> Json {
        self.clone().into()
    }
}

impl Canon for Arc<str> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn to_json(&self) -> Json {
        self.as_ref().into()
    }
}

impl Canon for GoDuration {
    fn is_zero(&self) -> bool {
        (*self).is_zero()
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// A value that is there is printed even when it is zero: it was given.
impl<T: Canon> Canon for Option<T> {
    fn is_zero(&self) -> bool {
        self.is_none()
    }

    fn to_json(&self) -> Json {
        self.as_ref().map_or(Json::Null, Canon::to_json)
    }
}

impl<T: Canon> Canon for Vec<T> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn to_json(&self) -> Json {
        self.iter().map(Canon::to_json).collect()
    }
}

impl<K: AsRef<str>, T: Canon> Canon for BTreeMap<K, T> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn to_json(&self) -> Json {
        self.iter()
            .map(|(key, value)| (key.as_ref().to_owned(), value.to_json()))
            .collect()
    }
}

impl Canon for Map<String, Json> {
    fn is_zero(&self) -> bool {
        self.is_empty()
    }

    fn to_json(&self) -> Json {
        Json::Object(self.clone())
    }
}
