//! Texts that were read, and places in them.

use std::sync::Arc;

/// A text with the path it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path of the file, or any name that tells a reader where the text is from.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A text under a name.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// Line and column (both from 1, the column in characters) of a byte offset; an offset past the end means the end.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (
            before.matches('\n').count() + 1,
            before[start..].chars().count() + 1,
        )
    }

    /// The text of a line (from 1) without its line end; empty for a line that does not exist.
    #[must_use]
    pub fn line_text(&self, line: usize) -> &str {
        self.text.lines().nth(line.saturating_sub(1)).unwrap_or("")
    }
}

/// A range of bytes of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// Where a record was read from. Records made in memory have the default, which names no source.
///
/// Two origins always compare equal, so that records compare by what they say and not by where they stand.
#[derive(Clone, Default)]
pub struct Origin {
    source: Option<Arc<Source>>,
    span: Span,
}

impl Origin {
    /// A span of a source.
    #[must_use]
    pub const fn new(source: Arc<Source>, span: Span) -> Self {
        Self {
            source: Some(source),
            span,
        }
    }

    /// The source, unless the record was made in memory.
    #[must_use]
    pub const fn source(&self) -> Option<&Arc<Source>> {
        self.source.as_ref()
    }

    /// The bytes of the source that the record spans.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// The line, from 1; 0 without a source.
    #[must_use]
    pub fn line(&self) -> usize {
        self.source
            .as_ref()
            .map_or(0, |source| source.line_column(self.span.start).0)
    }

    /// The column in characters, from 1; 0 without a source.
    #[must_use]
    pub fn column(&self) -> usize {
        self.source
            .as_ref()
            .map_or(0, |source| source.line_column(self.span.start).1)
    }

    /// Path of the source; empty without one.
    #[must_use]
    pub fn path(&self) -> &str {
        self.source.as_ref().map_or("", |source| &source.path)
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl std::fmt::Display for Origin {
    /// `path:line:column`, or `memory` without a source.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.source {
            None => f.write_str("memory"),
            Some(source) => {
                let (line, column) = source.line_column(self.span.start);
                write!(f, "{}:{line}:{column}", source.path)
            }
        }
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Origin({self})")
    }
}
