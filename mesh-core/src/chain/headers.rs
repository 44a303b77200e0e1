//! Header modifiers of routes and splits, compiled to plain edit lists.
//!
//! Within one level `Remove` comes first, then `Set`, then `Add`, as current Envoy applies them; an entry with an empty value is
//! skipped. Envoy's `%…%` variables are not supported and refused by name; `%%` is a percent sign.

use http::header::HeaderValue;
use http::{HeaderMap, HeaderName};

use super::problem::problem;
use crate::config::{Category, Diagnostic, HeaderModifiers};

/// What one level of header modifiers does to a message's headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Names to delete; done first.
    pub remove: Vec<HeaderName>,
    /// Values that replace all present ones; done second.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Values to append; done last.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderEdits {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Carries out the edits. A map that is full (32 768 fields) keeps what it has.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            let _ = headers.try_insert(name, value.clone());
        }
        for (name, value) in &self.add {
            let _ = headers.try_append(name, value.clone());
        }
    }

    /// Compiles modifiers as written; absent ones do nothing.
    ///
    /// # Errors
    ///
    /// `bad-headers` for everything that no message can carry out: `Remove` of `host` or of a pseudo-header, a name or value
    /// that is not valid in HTTP, a `%…%` variable.
    pub fn compile(modifiers: Option<&HeaderModifiers>) -> Result<Self, Vec<Diagnostic>> {
        let mut edits = Self::default();
        let Some(modifiers) = modifiers else {
            return Ok(edits);
        };
        let mut problems = Vec::new();
        let mut keep = |result: Result<(), String>| {
            if let Err(message) = result {
                problems.push(problem(Category::BadHeaders, &modifiers.origin, message));
            }
        };
        for name in &modifiers.remove {
            keep(removable(name).map(|name| edits.remove.push(name)));
        }
        for (list, written) in [
            (&mut edits.set, &modifiers.set),
            (&mut edits.add, &modifiers.add),
        ] {
            for (name, value) in written.iter().filter(|(_, value)| !value.is_empty()) {
                keep(header(name, value).map(|pair| list.push(pair)));
            }
        }
        if problems.is_empty() {
            Ok(edits)
        } else {
            Err(problems)
        }
    }

    /// One set out of two: where both set or add a name, `over` wins; removals are united without repeats, `base` first.
    #[must_use]
    pub fn merged(base: &Self, over: &Self) -> Self {
        let mut remove = base.remove.clone();
        remove.extend(
            over.remove
                .iter()
                .filter(|&name| !base.remove.contains(name))
                .cloned(),
        );
        Self {
            remove,
            set: replaced(&base.set, &over.set),
            add: replaced(&base.add, &over.add),
        }
    }
}

type Pairs = Vec<(HeaderName, HeaderValue)>;

fn replaced(base: &Pairs, over: &Pairs) -> Pairs {
    let kept = base
        .iter()
        .filter(|(name, _)| over.iter().all(|(other, _)| other != name));
    kept.chain(over).cloned().collect()
}

/// Two sets of modifiers as written, merged as [`HeaderEdits::merged`] does.
pub(super) fn merged_as_written(
    base: Option<&HeaderModifiers>,
    over: Option<&HeaderModifiers>,
) -> Option<HeaderModifiers> {
    let (Some(base), Some(over)) = (base, over) else {
        return base.or(over).cloned();
    };
    let mut merged = over.clone();
    for (name, value) in &base.add {
        merged
            .add
            .entry(name.clone())
            .or_insert_with(|| value.clone());
    }
    for (name, value) in &base.set {
        merged
            .set
            .entry(name.clone())
            .or_insert_with(|| value.clone());
    }
    merged.remove.clear();
    for name in base.remove.iter().chain(&over.remove) {
        if !merged.remove.contains(name) {
            merged.remove.push(name.clone());
        }
    }
    Some(merged)
}

fn removable(name: &str) -> Result<HeaderName, String> {
    if name.eq_ignore_ascii_case("host") || name.starts_with(':') {
        return Err(format!("header {name:?} cannot be removed"));
    }
    header_name(name)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name = header_name(name)?;
    let text = literal(value).map_err(|problem| format!("value of header {name}: {problem}"))?;
    let value = HeaderValue::from_str(&text)
        .map_err(|_| format!("value of header {name} is not valid in HTTP: {value:?}"))?;
    Ok((name, value))
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a header name"))
}

/// The text with `%%` read as `%`; anything else between percent signs is a variable.
fn literal(value: &str) -> Result<String, String> {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        match after.split_once('%') {
            Some(("", after)) => {
                text.push('%');
                rest = after;
            }
            Some((variable, _)) => {
                return Err(format!(
                    "the variable %{variable}% is not supported; `%%` is a percent sign"
                ));
            }
            None => {
                return Err(
                    "a single `%` begins a variable; write `%%` for a percent sign".to_owned(),
                );
            }
        }
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modifiers(add: &[(&str, &str)], set: &[(&str, &str)], remove: &[&str]) -> HeaderModifiers {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        HeaderModifiers {
            add: pairs(add),
            set: pairs(set),
            remove: remove.iter().map(|&name| name.to_owned()).collect(),
            ..HeaderModifiers::default()
        }
    }

    fn compiled(add: &[(&str, &str)], set: &[(&str, &str)], remove: &[&str]) -> HeaderEdits {
        HeaderEdits::compile(Some(&modifiers(add, set, remove))).unwrap()
    }

    fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn edits_remove_then_set_then_add() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-b", "1"),
            ("x-c", "1"),
            ("x-c", "2"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        compiled(
            &[("x-a", "added"), ("x-b", "added")],
            &[("X-A", "set"), ("x-new", "set")],
            &["X-B", "x-none"],
        )
        .apply(&mut headers);
        assert_eq!(values(&headers, "x-a"), ["set", "added"]);
        assert_eq!(values(&headers, "x-b"), ["added"]);
        assert_eq!(values(&headers, "x-c"), ["1", "2"]);
        assert_eq!(values(&headers, "x-new"), ["set"]);
    }

    #[test]
    fn an_outer_level_wins_over_an_inner_one() {
        let mut headers = HeaderMap::new();
        compiled(&[("x-gone", "split")], &[("x-who", "split")], &[]).apply(&mut headers);
        compiled(&[], &[("x-who", "route")], &["x-gone"]).apply(&mut headers);
        assert_eq!(values(&headers, "x-who"), ["route"]);
        assert!(values(&headers, "x-gone").is_empty());
    }

    #[test]
    fn empty_values_are_skipped_and_percent_signs_are_literal() {
        let edits = compiled(
            &[("x-a", ""), ("not a name", "")],
            &[("x-b", "100%% of %%x%%")],
            &[],
        );
        assert!(edits.add.is_empty());
        assert_eq!(edits.set[0].1, "100% of %x%");
        assert!(HeaderEdits::compile(None).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_by_name() {
        let cases = [
            (
                modifiers(&[], &[("x-ip", "%DOWNSTREAM_REMOTE_ADDRESS%")], &[]),
                "%DOWNSTREAM_REMOTE_ADDRESS%",
            ),
            (
                modifiers(&[("x-r", "a%REQ(x-id)%")], &[], &[]),
                "%REQ(x-id)%",
            ),
            (modifiers(&[("x-r", "50%")], &[], &[]), "%%"),
            (modifiers(&[], &[], &["Host"]), "\"Host\""),
            (modifiers(&[], &[], &[":path"]), "\":path\""),
            (modifiers(&[], &[("a b", "1")], &[]), "\"a b\""),
            (modifiers(&[], &[("x-a", "1\n2")], &[]), "x-a"),
        ];
        for (modifiers, named) in cases {
            let problems = HeaderEdits::compile(Some(&modifiers)).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].category, Category::BadHeaders);
            assert!(
                problems[0].message.contains(named),
                "{}",
                problems[0].message
            );
        }
    }

    #[test]
    fn every_problem_is_reported() {
        let wrong = modifiers(&[("x", "%A%")], &[("y", "%B%")], &["host", ":status"]);
        assert_eq!(HeaderEdits::compile(Some(&wrong)).unwrap_err().len(), 4);
    }

    #[test]
    fn merging_replaces_equal_names_and_unites_removals() {
        let base = modifiers(
            &[("x-a", "b")],
            &[("x-s", "b"), ("x-b", "b")],
            &["x-1", "x-2"],
        );
        let over = modifiers(&[("x-a", "o")], &[("x-s", "o")], &["x-2", "x-3"]);
        let merged = merged_as_written(Some(&base), Some(&over)).unwrap();
        assert_eq!(
            merged,
            modifiers(
                &[("x-a", "o")],
                &[("x-s", "o"), ("x-b", "b")],
                &["x-1", "x-2", "x-3"]
            )
        );
        let edits = |modifiers| HeaderEdits::compile(Some(modifiers)).unwrap();
        let (mut both, written) = (
            HeaderEdits::merged(&edits(&base), &edits(&over)),
            edits(&merged),
        );
        both.set.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        assert_eq!(both, written);
        assert_eq!(merged_as_written(None, Some(&over)), Some(over));
        assert_eq!(merged_as_written(None, None), None);
    }

    #[test]
    fn names_that_differ_in_case_only_are_merged_as_one() {
        let base = compiled(&[], &[("X-From", "outer")], &["X-Drop"]);
        let over = compiled(&[], &[("x-from", "inner")], &["x-drop"]);
        let merged = HeaderEdits::merged(&base, &over);
        assert_eq!(merged.set.len(), 1);
        assert_eq!(merged.set[0].1, "inner");
        assert_eq!(merged.remove.len(), 1);
    }
}
