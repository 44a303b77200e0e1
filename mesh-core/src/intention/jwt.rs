//! Requirements of tokens, judged on claims that others verified.

use std::sync::Arc;

use serde_json::Value;

use super::Claims;

/// Any one of the providers suffices; an empty list always holds.
#[derive(Clone, Debug)]
pub(super) struct Requirement {
    pub(super) providers: Vec<Provider>,
}

#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) name: Arc<str>,
    /// `None` for a provider that is not known, or has no issuer: never satisfied.
    pub(super) issuer: Option<String>,
    pub(super) claims: Vec<Claim>,
}

#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) path: Vec<String>,
    pub(super) value: String,
}

impl Requirement {
    pub(super) fn holds(&self, claims: Option<&Claims>) -> bool {
        let satisfied = |provider: &Provider| {
            let payload = claims.and_then(|claims| claims.get(&*provider.name));
            payload.is_some_and(|payload| provider.holds(payload))
        };
        self.providers.is_empty() || self.providers.iter().any(satisfied)
    }
}

impl Provider {
    fn holds(&self, payload: &Value) -> bool {
        let issuer = payload.get("iss").and_then(Value::as_str);
        issuer.is_some()
            && issuer == self.issuer.as_deref()
            && self.claims.iter().all(|claim| claim.holds(payload))
    }
}

impl Claim {
    /// A string equals the value, or a list has such a string. Numbers and booleans never match.
    fn holds(&self, payload: &Value) -> bool {
        let found = self
            .path
            .iter()
            .try_fold(payload, |at, key| at.as_object()?.get(key));
        match found {
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Array(list)) => list.iter().any(|item| item.as_str() == Some(&self.value)),
            _ => false,
        }
    }
}
