//! Shorthands for what the compiler has to say about an entry.

use crate::config::{Category, Diagnostic, Origin};

/// An error at a place.
pub(super) fn problem(
    category: Category,
    origin: &Origin,
    message: impl Into<String>,
) -> Diagnostic {
    Diagnostic::error(category, origin.clone(), message)
}

/// An error at a place, with what to do about it.
pub(super) fn hinted(
    category: Category,
    origin: &Origin,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Diagnostic {
    problem(category, origin, message).with_hint(hint)
}

/// Something that is accepted and does nothing, with what to do about it.
pub(super) fn warning(
    origin: &Origin,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Diagnostic {
    Diagnostic::warning(Category::NoEffect, origin.clone(), message).with_hint(hint)
}

/// The name that was probably meant: the nearest one, if at most two letters away.
pub(super) fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    let near = names.iter().map(|name| (distance(wanted, name), *name));
    near.filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, name)| name)
}

/// The number of letters to insert, delete or replace to get from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
