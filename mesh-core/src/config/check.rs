//! Checking entries by themselves: what is wrong with them, as paths of fields that a text can be searched for.

use std::collections::BTreeMap;

use super::category::Category;
use super::diagnostic::{Diagnostic, Severity};
use super::path::{Path, Segment};
use super::value::Value;
use super::{Origin, Span};

/// What a kind does with a decoded entry. The order is Consul's: normalise, check, and only then sort or blank fields.
pub(crate) trait Rules {
    /// Puts values into their one form and fills defaults.
    fn normalize(&mut self) {}

    /// Reports what is wrong.
    fn check(&self, to: &mut Checker);

    /// What depends on a correct entry.
    fn settle(&mut self) {}
}

/// A problem of an entry.
#[derive(Debug)]
pub(crate) struct Problem {
    severity: Severity,
    category: Category,
    path: Path,
    message: String,
    hint: Option<String>,
}

impl Problem {
    /// Adds what to do about it.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }

    /// The problem as a diagnostic of the text that the entry was read from, if it was.
    pub(crate) fn diagnostic(self, entry: &Origin, root: Option<&Value<'_>>) -> Diagnostic {
        let origin = match (entry.source(), root) {
            (Some(source), Some(root)) => Origin::new(source.clone(), self.path.locate(root)),
            (Some(source), None) => Origin::new(
                source.clone(),
                Span::new(entry.span().start, entry.span().start),
            ),
            (None, _) => Origin::default(),
        };
        let mut diagnostic = Diagnostic::new(self.severity, self.category, origin, self.message);
        diagnostic.field = self.path.field();
        diagnostic.hint = self.hint;
        diagnostic
    }
}

/// Collects the problems of an entry.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    path: Path,
    problems: Vec<Problem>,
}

impl Checker {
    /// All problems, in the order in which they were found.
    pub(crate) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// Runs `body` one step further down.
    pub(crate) fn within<R>(
        &mut self,
        segment: impl Into<Segment>,
        body: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.path.0.push(segment.into());
        let result = body(self);
        self.path.0.pop();
        result
    }

    /// Runs `body` for every item of a list field.
    pub(crate) fn each<T>(
        &mut self,
        field: &'static str,
        items: &[T],
        mut body: impl FnMut(&mut Self, &T),
    ) {
        self.within(field, |to| {
            for (index, item) in items.iter().enumerate() {
                to.within(index, |to| body(to, item));
            }
        });
    }

    /// Runs `body` for every pair of a map field.
    pub(crate) fn each_key<K: AsRef<str>, T>(
        &mut self,
        field: &'static str,
        items: &BTreeMap<K, T>,
        mut body: impl FnMut(&mut Self, &str, &T),
    ) {
        self.within(field, |to| {
            for (key, item) in items {
                to.within(Segment::Key(key.as_ref().to_owned()), |to| {
                    body(to, key.as_ref(), item);
                });
            }
        });
    }

    /// Runs `body` and puts `prefix` before the messages of the errors it reports.
    pub(crate) fn prefixed(&mut self, prefix: &str, body: impl FnOnce(&mut Self)) {
        let first = self.problems.len();
        body(self);
        for problem in self.problems[first..]
            .iter_mut()
            .filter(|problem| problem.severity == Severity::Error)
        {
            problem.message.insert_str(0, prefix);
        }
    }

    fn report(&mut self, severity: Severity, category: Category, message: String) -> &mut Problem {
        let path = self.path.clone();
        self.problems.push(Problem {
            severity,
            category,
            path,
            message,
            hint: None,
        });
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// An error here.
    pub(crate) fn error(&mut self, category: Category, message: impl Into<String>) -> &mut Problem {
        self.report(Severity::Error, category, message.into())
    }

    /// A note here.
    pub(crate) fn note(&mut self, category: Category, message: impl Into<String>) -> &mut Problem {
        self.report(Severity::Note, category, message.into())
    }

    /// An error of a field.
    pub(crate) fn error_at(
        &mut self,
        field: &'static str,
        category: Category,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.report_at(Severity::Error, field, category, message.into())
    }

    /// An error here, in Consul's wording: the path and what it does wrong.
    pub(crate) fn say(&mut self, category: Category, what: &str) -> &mut Problem {
        let message = format!("{}{what}", self.path);
        self.error(category, message)
    }

    /// An error of a field, in Consul's wording: its path and what it does wrong.
    pub(crate) fn say_at(
        &mut self,
        field: &'static str,
        category: Category,
        what: &str,
    ) -> &mut Problem {
        let problem = self.error_at(field, category, "");
        problem.message = format!("{}{what}", problem.path);
        problem
    }

    /// A warning about a field.
    pub(crate) fn warn_at(
        &mut self,
        field: &'static str,
        category: Category,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.report_at(Severity::Warning, field, category, message.into())
    }

    /// A note on a field.
    pub(crate) fn note_at(
        &mut self,
        field: &'static str,
        category: Category,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.report_at(Severity::Note, field, category, message.into())
    }

    fn report_at(
        &mut self,
        severity: Severity,
        field: &'static str,
        category: Category,
        message: String,
    ) -> &mut Problem {
        let problem = self.report(severity, category, message);
        problem.path.0.push(Segment::Field(field));
        problem
    }

    /// A name that is required.
    pub(crate) fn name(&mut self, name: &str) {
        if name.is_empty() {
            self.error_at("Name", Category::MissingName, "Name is required");
        }
    }

    /// The limits of `Meta`: 64 pairs, keys of 128 bytes, values of 512.
    pub(crate) fn meta(&mut self, meta: &BTreeMap<String, String>) {
        const PAIRS: usize = 64;
        const KEY: usize = 128;
        const VALUE: usize = 512;
        if meta.len() > PAIRS {
            self.error_at(
                "Meta",
                Category::BadMeta,
                format!("Meta exceeds maximum element count {PAIRS}"),
            );
        }
        self.each_key("Meta", meta, |to, key, value| {
            if key.len() > KEY {
                to.error(
                    Category::BadMeta,
                    format!("Meta key {key:?} exceeds maximum length {KEY}"),
                );
            }
            if value.len() > VALUE {
                let message = format!("Meta value for key {key:?} exceeds maximum length {VALUE}");
                to.error(Category::BadMeta, message);
            }
        });
    }

    /// A field whose value is one of a few; empty passes.
    pub(crate) fn one_of(
        &mut self,
        field: &'static str,
        category: Category,
        value: &str,
        allowed: &[&'static str],
    ) {
        if value.is_empty() || allowed.contains(&value) {
            return;
        }
        let listed: Vec<String> = allowed.iter().map(|name| format!("{name:?}")).collect();
        let near = super::suggest::nearest(value, allowed.iter().copied());
        let problem = self.error_at(field, category, format!("{field} is {value:?}"));
        problem.hint(match near {
            Some(name) => format!("did you mean {name:?}?"),
            None => format!("one of {}", listed.join(", ")),
        });
    }

    /// A field of Enterprise that must be empty.
    pub(crate) fn enterprise(&mut self, field: &'static str, value: &str) {
        if !value.is_empty() {
            let message = format!("{field} is a feature of Consul Enterprise");
            self.error_at(field, Category::EnterpriseOnly, message)
                .hint(format!(
                    "remove `{field}`: everything is in the default one"
                ));
        }
    }

    /// A namespace or partition that may be empty or `default`.
    pub(crate) fn enterprise_default(&mut self, field: &'static str, value: &str) {
        if value != "default" {
            self.enterprise(field, value);
        }
    }

    /// A pattern in RE2's syntax; empty passes.
    pub(crate) fn pattern(&mut self, field: &'static str, pattern: &str) {
        if pattern.is_empty() {
            return;
        }
        if let Err(error) = compile_pattern(pattern) {
            self.error_at(
                field,
                Category::BadMatch,
                format!("{field} is not a pattern: {error}"),
            )
            .hint("patterns have RE2's syntax, without look-around and back-references");
        }
    }

    /// The three ways to match a path, of which at most one is set.
    pub(crate) fn paths(&mut self, exact: &str, prefix: &str, regex: &str) {
        for (field, value) in [("PathExact", exact), ("PathPrefix", prefix)] {
            if !value.is_empty() && !value.starts_with('/') {
                self.say_at(
                    field,
                    Category::BadMatch,
                    &format!(" doesn't start with '/': {value:?}"),
                )
                .hint(format!("write \"/{value}\""));
            }
        }
        let set = [exact, prefix, regex]
            .iter()
            .filter(|value| !value.is_empty())
            .count();
        if set > 1 {
            let message = " should only contain at most one of PathExact, PathPrefix, or PathRegex";
            self.say(Category::BadMatch, message);
        }
        self.pattern("PathRegex", regex);
    }

    /// Upper-cased methods: known ones, each once.
    pub(crate) fn methods(&mut self, methods: &[String]) {
        const KNOWN: [&str; 9] = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE",
        ];
        self.within("Methods", |to| {
            for (index, method) in methods.iter().enumerate() {
                let known = KNOWN.contains(&method.as_str());
                if known && !methods[..index].contains(method) {
                    continue;
                }
                let message = if known {
                    format!("{} contains {method:?} more than once", to.path)
                } else {
                    format!("{} contains an invalid method {method:?}", to.path)
                };
                to.within(index, |to| {
                    let problem = to.error(Category::BadMethod, message);
                    if !known {
                        problem.hint(format!("one of {}", KNOWN.join(", ")));
                    }
                });
            }
        });
    }
}

/// Upper-cases methods.
pub(crate) fn upper_case(methods: &mut [String]) {
    for method in methods {
        *method = method.to_uppercase();
    }
}

/// Compiles a pattern in RE2's syntax so that it matches whole values only. Classes such as `\d` are ASCII.
///
/// # Errors
/// What is wrong with the pattern, in one line.
pub fn compile_pattern(pattern: &str) -> Result<regex::bytes::Regex, String> {
    crate::pattern::whole(pattern)
}

/// Whether a text can be a DNS name, possibly with a leading wildcard label.
pub(crate) fn is_host(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
        })
}
