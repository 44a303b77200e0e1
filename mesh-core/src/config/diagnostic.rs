//! What is wrong with a text, where, and what to do about it.

use std::fmt;

use serde_json::{Map, Value as Json, json};

use super::{Category, Origin};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The text is refused.
    Error,
    /// The text is accepted but hardly does what is meant.
    Warning,
    /// The text is accepted; some of it has no effect here.
    Note,
}

impl Severity {
    /// Its name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Another place that a diagnostic is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Related {
    /// The place.
    pub origin: Origin,
    /// What is there.
    pub message: String,
}

/// One thing that is wrong, or worth knowing, about a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of problem it is.
    pub category: Category,
    /// Where it is.
    pub origin: Origin,
    /// Path of the field, such as `Routes[0].Match.HTTP.PathPrefix`.
    pub field: Option<String>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that matter.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// A diagnostic of any severity.
    pub fn new(
        severity: Severity,
        category: Category,
        origin: Origin,
        message: impl Into<String>,
    ) -> Self {
        let message = message.into();
        Self {
            severity,
            category,
            origin,
            field: None,
            message,
            hint: None,
            related: Vec::new(),
        }
    }

    /// An error.
    pub fn error(category: Category, origin: Origin, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, category, origin, message)
    }

    /// A warning.
    pub fn warning(category: Category, origin: Origin, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, category, origin, message)
    }

    /// A note.
    pub fn note(category: Category, origin: Origin, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, category, origin, message)
    }

    /// Adds the path of the field.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn with_related(mut self, origin: Origin, message: impl Into<String>) -> Self {
        self.related.push(Related {
            origin,
            message: message.into(),
        });
        self
    }

    /// Whether it refuses the text.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The diagnostic for programs: `severity`, `category`, `message` and, where known, `path`, `line`, `column`,
    /// `field`, `hint`, `related`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut object = place(&self.origin);
        object.insert("severity".into(), self.severity.as_str().into());
        object.insert("category".into(), self.category.as_str().into());
        object.insert("message".into(), self.message.clone().into());
        if let Some(field) = &self.field {
            object.insert("field".into(), field.clone().into());
        }
        if let Some(hint) = &self.hint {
            object.insert("hint".into(), hint.clone().into());
        }
        if !self.related.is_empty() {
            let related = self.related.iter().map(|related| {
                let mut object = place(&related.origin);
                object.insert("message".into(), related.message.clone().into());
                Json::Object(object)
            });
            object.insert("related".into(), related.collect());
        }
        Json::Object(object)
    }
}

fn place(origin: &Origin) -> Map<String, Json> {
    if origin.source().is_none() {
        return Map::new();
    }
    match json!({ "path": origin.path(), "line": origin.line(), "column": origin.column() }) {
        Json::Object(object) => object,
        _ => Map::new(),
    }
}

impl fmt::Display for Diagnostic {
    /// One line: place, severity, category, field, message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}[{}]: ",
            self.origin,
            self.severity.as_str(),
            self.category
        )?;
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}
