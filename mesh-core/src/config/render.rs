//! Diagnostics as a compiler would show them.

use std::fmt::Write as _;

use super::{Diagnostic, Severity};

/// Columns of a source line shown around the culprit; longer lines are cut.
const LINE_WIDTH: usize = 120;

impl Severity {
    const fn colour(self) -> &'static str {
        match self {
            Self::Error => "\u{1b}[1;31m",
            Self::Warning => "\u{1b}[1;33m",
            Self::Note => "\u{1b}[1;36m",
        }
    }
}

impl Diagnostic {
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
    use crate::config::{Category, Origin, Source, Span};

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
