//! What is wrong with a text, where, and what to do about it.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value as Json, json};

use super::Origin;

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

    const fn colour(self) -> &'static str {
        match self {
            Self::Error => "\u{1b}[1;31m",
            Self::Warning => "\u{1b}[1;33m",
            Self::Note => "\u{1b}[1;36m",
        }
    }
}

macro_rules! categories {
    ($( $(#[$meta:meta])* $variant:ident = $text:literal, )*) => {
        /// What kind of problem it is; the names are stable and meant for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Category {
            $( $(#[$meta])* $variant, )*
        }

        impl Category {
            /// All categories.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// Its name, such as `bad-match`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

categories! {
    /// The text is neither HCL nor JSON.
    Syntax = "syntax",
    /// `Kind` is missing or unknown.
    BadKind = "bad-kind",
    /// A key that no field has.
    UnknownKey = "unknown-key",
    /// Consul Enterprise only.
    EnterpriseOnly = "enterprise-only",
    /// A value of the wrong type.
    BadType = "bad-type",
    /// The entry has no name.
    MissingName = "missing-name",
    /// The name is not allowed.
    BadName = "bad-name",
    /// Too much `Meta`.
    BadMeta = "bad-meta",
    /// Unknown protocol.
    BadProtocol = "bad-protocol",
    /// Unknown way to balance connections.
    BadBalance = "bad-balance",
    /// A destination outside the mesh is wrong.
    BadDestination = "bad-destination",
    /// Parameters of an upstream are wrong.
    BadUpstream = "bad-upstream",
    /// A limit is wrong.
    BadLimit = "bad-limit",
    /// A passive health check is wrong.
    BadHealthCheck = "bad-health-check",
    /// Access logs are wrong.
    BadAccessLog = "bad-access-log",
    /// Criteria are wrong.
    BadMatch = "bad-match",
    /// A method is unknown or given twice.
    BadMethod = "bad-method",
    /// A rewrite without a path to rewrite.
    BadRewrite = "bad-rewrite",
    /// A condition or status of retries is wrong.
    BadRetry = "bad-retry",
    /// Weights are wrong.
    BadWeight = "bad-weight",
    /// A splitter without splits.
    NoSplits = "no-splits",
    /// Two splits with one destination.
    DuplicateSplit = "duplicate-split",
    /// A subset is wrong or not defined.
    BadSubset = "bad-subset",
    /// A filter that does not parse.
    BadFilter = "bad-filter",
    /// A redirect is wrong.
    BadRedirect = "bad-redirect",
    /// Fail-over is wrong.
    BadFailover = "bad-failover",
    /// A time limit is wrong.
    BadTimeout = "bad-timeout",
    /// Load balancing is wrong.
    BadLb = "bad-lb",
    /// A listener is wrong.
    BadListener = "bad-listener",
    /// A host is wrong.
    BadHost = "bad-host",
    /// Header modifiers where there are no headers.
    BadHeaders = "bad-headers",
    /// TLS parameters are wrong.
    BadTls = "bad-tls",
    /// Normalization of requests is wrong.
    BadNormalization = "bad-normalization",
    /// Entries refer to each other in a circle.
    Circular = "circular",
    /// Services of one chain speak different protocols.
    ProtocolMismatch = "protocol-mismatch",
    /// A router or splitter for a service that does not speak HTTP.
    ProtocolNotL7 = "protocol-not-l7",
    /// A subset that the service does not have.
    MissingSubset = "missing-subset",
    /// Something that does not go together with `ExternalSNI`.
    ExternalSni = "external-sni",
    /// A mode of mutual TLS is wrong or not allowed.
    BadMutualTls = "bad-mutual-tls",
    /// A source of an intention is wrong.
    BadSource = "bad-source",
    /// An action is missing, wrong, or one too many.
    BadAction = "bad-action",
    /// A permission is wrong.
    BadPermission = "bad-permission",
    /// A source is given twice.
    DuplicateSource = "duplicate-source",
    /// A provider of tokens, or a requirement of one, is wrong.
    BadJwt = "bad-jwt",
    /// A policy of ours is wrong.
    BadPolicy = "bad-policy",
    /// A setting of the process is wrong.
    BadSettings = "bad-settings",
    /// A service definition is wrong.
    BadService = "bad-service",
    /// A check of a service is wrong.
    BadCheck = "bad-check",
    /// Two entries with one kind and name, or two services with one identifier.
    DuplicateEntry = "duplicate-entry",
    /// A key given twice of which only the last counts.
    DuplicateKey = "duplicate-key",
    /// Refused because it cannot be done in process.
    NotSupported = "not-supported",
    /// Accepted, but nothing happens.
    NoEffect = "no-effect",
    /// Configuration of a Consul agent, which is not read here.
    AgentConfiguration = "agent-configuration",
}

impl Category {
    /// The category of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|category| category.as_str() == text)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

/// Columns of a source line shown around the culprit; longer lines are cut.
const LINE_WIDTH: usize = 120;

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

    /// The diagnostic as a compiler would show it: message, place, source line with the culprit marked, field and help.
    /// With `colour`, in ANSI colours.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let paint = Paint { colour };
        let mut out = String::new();
        let head = format!("{}[{}]", self.severity.as_str(), self.category);
        let _ = writeln!(
            out,
            "{}{}",
            paint.with(self.severity.colour(), &head),
            paint.bold(&format!(": {}", printable(&self.message)))
        );
        let width = self.origin.line().max(1).ilog10() as usize + 1;
        self.render_place(&mut out, width, paint);
        let margin = " ".repeat(width);
        let bar = paint.blue("=");
        if let Some(field) = &self.field {
            let _ = writeln!(out, "{margin} {bar} field: {}", printable(field));
        }
        for related in &self.related {
            let _ = writeln!(
                out,
                "{margin} {} {}: {}",
                paint.blue(":::"),
                related.origin,
                related.message
            );
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "{margin} {bar} help: {}", printable(hint));
        }
        out
    }

    fn render_place(&self, out: &mut String, width: usize, paint: Paint) {
        let Some(source) = self.origin.source() else {
            return;
        };
        let span = self.origin.span();
        let (line, column) = source.line_column(span.start);
        let margin = " ".repeat(width);
        let _ = writeln!(
            out,
            "{margin}{} {}:{line}:{column}",
            paint.blue("-->"),
            printable(&source.path)
        );
        let text = source.line_text(line);
        let covered = source.text.get(span.start..span.end).unwrap_or("");
        let covered = covered.lines().next().unwrap_or("").chars().count().max(1);
        // A window of the line around the culprit: minified JSON has lines of any length.
        let first = if column > LINE_WIDTH {
            column - LINE_WIDTH / 2
        } else {
            1
        };
        let shown: String = text
            .chars()
            .skip(first - 1)
            .take(LINE_WIDTH)
            .map(visible)
            .collect();
        let end = (column + covered).min(first + LINE_WIDTH).max(column + 1);
        let bar = paint.blue("|");
        let _ = writeln!(out, "{margin} {bar}");
        let _ = writeln!(
            out,
            "{} {bar} {}",
            paint.blue(&format!("{line:width$}")),
            shown.trim_end()
        );
        let carets = "^".repeat(end - column);
        let indent = " ".repeat(column - first);
        let _ = writeln!(
            out,
            "{margin} {bar} {indent}{}",
            paint.with(self.severity.colour(), &carets)
        );
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

/// All diagnostics one after the other, and how many there are of each severity.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&diagnostic.render(colour));
        out.push('\n');
    }
    let counts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .filter_map(|severity| {
            let count = diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.severity == severity)
                .count();
            let plural = if count == 1 { "" } else { "s" };
            (count > 0).then(|| format!("{count} {}{plural}", severity.as_str()))
        })
        .collect();
    if !counts.is_empty() {
        let _ = writeln!(out, "{}", counts.join(", "));
    }
    out
}

/// Nothing that a text holds may reach a terminal as a control sequence.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

#[derive(Debug, Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("{code}{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold(self, text: &str) -> String {
        self.with("\u{1b}[1m", text)
    }

    fn blue(self, text: &str) -> String {
        self.with("\u{1b}[1;34m", text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Source, Span};

    fn sample() -> Diagnostic {
        let text = "Kind = \"service-router\"\nRoutes = [\n\t{ Match { HTTP { PathPrefix = \"foo\" } } }\n]\n";
        let start = text.find("\"foo\"").unwrap();
        let source = Arc::new(Source::new("mesh.d/web.hcl", text));
        Diagnostic::error(
            Category::BadMatch,
            Origin::new(source, Span::new(start, start + 5)),
            "PathPrefix does not start with '/'",
        )
        .with_field("Routes[0].Match.HTTP.PathPrefix")
        .with_hint("write `/foo`")
    }

    #[test]
    fn shows_the_line_with_the_culprit_marked() {
        let expected = "\
error[bad-match]: PathPrefix does not start with '/'
 --> mesh.d/web.hcl:3:32
  |
3 |  { Match { HTTP { PathPrefix = \"foo\" } } }
  |                                ^^^^^
  = field: Routes[0].Match.HTTP.PathPrefix
  = help: write `/foo`
";
        assert_eq!(sample().render(false), expected);
    }

    #[test]
    fn colours_only_on_demand() {
        assert!(!sample().render(false).contains('\u{1b}'));
        assert!(
            sample()
                .render(true)
                .starts_with("\u{1b}[1;31merror[bad-match]\u{1b}[0m")
        );
    }

    #[test]
    fn cuts_long_lines_around_the_culprit() {
        let text = format!("{}culprit{}", "a".repeat(5000), "b".repeat(5000));
        let source = Arc::new(Source::new("x.json", text));
        let origin = Origin::new(source, Span::new(5000, 5007));
        let shown = Diagnostic::note(Category::NoEffect, origin, "m").render(false);
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines[4].find('^').unwrap();
        assert_eq!(&lines[3][at..at + 7], "culprit");
        assert!(
            lines.iter().all(|line| line.chars().count() < 140),
            "{shown}"
        );
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let source = Arc::new(Source::new("x\u{1b}[2J", "\u{1b}[31mred"));
        let diagnostic = Diagnostic::error(
            Category::Syntax,
            Origin::new(source, Span::new(0, 1)),
            "\u{7}",
        );
        let shown = diagnostic.render(false);
        assert!(
            shown.chars().all(|c| c == '\n' || !c.is_control()),
            "{shown:?}"
        );
    }

    #[test]
    fn programs_get_json() {
        let json = sample().to_json();
        assert_eq!(json["category"], "bad-match");
        assert_eq!(json["severity"], "error");
        assert_eq!(json["line"], 3);
        assert_eq!(json["column"], 32);
        assert_eq!(json["path"], "mesh.d/web.hcl");
    }

    #[test]
    fn categories_are_found_by_their_names() {
        for &category in Category::ALL {
            assert_eq!(Category::parse(category.as_str()), Some(category));
        }
        assert_eq!(Category::parse("nonsense"), None);
    }
}
