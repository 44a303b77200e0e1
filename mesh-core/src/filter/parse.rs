//! Text to expression: recursive descent with the ordered choices of the original grammar.

use super::literal;
use super::{Expr, Match, Op, ParseError, Selector, Text};

/// Deeper nesting of parentheses and `not` is refused, so that a text cannot exhaust the stack.
const MAX_DEPTH: usize = 200;

pub(super) fn parse(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser {
        text,
        at: 0,
        furthest: 0,
        expected: "an expression",
        fatal: None,
    };
    parser.white();
    let parsed = parser.or(0);
    parser.white();
    match parsed {
        Some(expr) if parser.at == text.len() => Ok(expr),
        _ => Err(parser.error()),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    furthest: usize,
    expected: &'static str,
    fatal: Option<ParseError>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn missing(&mut self, expected: &'static str) {
        if self.at >= self.furthest {
            self.furthest = self.at;
            self.expected = expected;
        }
    }

    fn white(&mut self) -> bool {
        let start = self.at;
        let white = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        self.at += self.rest().iter().take_while(white).count();
        self.at > start
    }

    fn literal(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text.as_bytes());
        if found {
            self.at += text.len();
        }
        found
    }

    /// Words with white space before each, and after the last one unless it ends the match.
    fn words(&mut self, words: &[&str], white_after: bool) -> bool {
        let start = self.at;
        let found = words.iter().all(|word| self.white() && self.literal(word))
            && (!white_after || self.white());
        if !found {
            self.at = start;
        }
        found
    }

    fn or(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = vec![self.and(depth)?];
        loop {
            let start = self.at;
            let next = self.words(&["or"], true).then(|| self.and(depth)).flatten();
            let Some(next) = next else {
                self.at = start;
                break;
            };
            parts.push(next);
        }
        Some(single_or(parts, Expr::Or))
    }

    fn and(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = vec![self.not(depth)?];
        loop {
            let start = self.at;
            let next = self
                .words(&["and"], true)
                .then(|| self.not(depth))
                .flatten();
            let Some(next) = next else {
                self.at = start;
                break;
            };
            parts.push(next);
        }
        Some(single_or(parts, Expr::And))
    }

    fn not(&mut self, depth: usize) -> Option<Expr> {
        if depth > MAX_DEPTH {
            self.fatal.get_or_insert(ParseError {
                offset: self.at,
                message: format!("nested deeper than {MAX_DEPTH} levels"),
                hint: None,
            });
            return None;
        }
        let start = self.at;
        if self.literal("not")
            && self.white()
            && let Some(inner) = self.not(depth + 1)
        {
            return Some(Expr::Not(Box::new(inner)));
        }
        // `not` may also be the name of a field or a bare word.
        self.at = start;
        if self.literal("(") {
            self.white();
            let inner = self.or(depth + 1)?;
            self.white();
            if self.literal(")") {
                return Some(inner);
            }
            self.missing("\")\"");
            self.at = start;
            return None;
        }
        self.comparison().map(Expr::Match)
    }

    fn comparison(&mut self) -> Option<Match> {
        let start = self.at;
        let found = self.selector_first().or_else(|| {
            self.at = start;
            self.value_first()
        });
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn selector_first(&mut self) -> Option<Match> {
        let selector = self.selector()?;
        let after = self.at;
        if let Some((op, negated)) = self.operator() {
            if let Some(value) = self.value() {
                return Some(Match {
                    selector,
                    op,
                    negated,
                    value: Some(value),
                });
            }
            self.missing("a value");
            self.at = after;
        }
        let negated = if self.words(&["is", "empty"], false) {
            false
        } else if self.words(&["is", "not", "empty"], false) {
            true
        } else {
            self.missing("an operator");
            return None;
        };
        Some(Match {
            selector,
            op: Op::Empty,
            negated,
            value: None,
        })
    }

    fn operator(&mut self) -> Option<(Op, bool)> {
        let start = self.at;
        for (sign, negated) in [("==", false), ("!=", true)] {
            self.white();
            if self.literal(sign) {
                self.white();
                return Some((Op::Equal, negated));
            }
            self.at = start;
        }
        for (word, op) in [("contains", Op::In), ("matches", Op::Matches)] {
            if self.words(&[word], true) {
                return Some((op, false));
            }
            if self.words(&["not", word], true) {
                return Some((op, true));
            }
        }
        None
    }

    fn value_first(&mut self) -> Option<Match> {
        let value = self.value()?;
        let negated = if self.words(&["in"], true) {
            false
        } else if self.words(&["not", "in"], true) {
            true
        } else {
            self.missing("an operator");
            return None;
        };
        let Some(selector) = self.selector() else {
            self.missing("a selector");
            return None;
        };
        Some(Match {
            selector,
            op: Op::In,
            negated,
            value: Some(value),
        })
    }

    fn selector(&mut self) -> Option<Selector> {
        let start = self.at;
        let mut path = vec![self.ident()?];
        loop {
            let before = self.at;
            let next = if self.literal(".") {
                self.ident()
            } else if self.literal("[") {
                self.index()
            } else {
                None
            };
            let Some(next) = next else {
                self.at = before;
                break;
            };
            path.push(next);
        }
        Some(Selector {
            path,
            span: start..self.at,
        })
    }

    fn ident(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest();
        if !rest.first()?.is_ascii_alphabetic() {
            return None;
        }
        let word = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
        let len = rest.iter().take_while(word).count();
        self.at += len;
        Some(rest[..len].to_vec())
    }

    fn index(&mut self) -> Option<Vec<u8>> {
        self.white();
        let key = self.string();
        if key.is_none() {
            self.missing("a quoted key");
        }
        let key = key?;
        self.white();
        if self.literal("]") {
            return Some(key);
        }
        self.missing("\"]\"");
        None
    }

    fn value(&mut self) -> Option<Text> {
        let start = self.at;
        let bytes = match self.selector() {
            // Its text is the names joined by dots, even where a key was written in brackets.
            Some(selector) => selector.path.join(&b'.'),
            None => self.number().or_else(|| self.string())?,
        };
        Some(Text {
            bytes,
            span: start..self.at,
        })
    }

    fn number(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest();
        let digits = |from: usize| {
            rest[from..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count()
        };
        let mut len = usize::from(rest.first() == Some(&b'-'));
        len += match rest.get(len)? {
            b'0' => 1,
            b'1'..=b'9' => digits(len),
            _ => return None,
        };
        if rest.get(len) == Some(&b'.') && digits(len + 1) > 0 {
            len += 1 + digits(len + 1);
        }
        if !matches!(
            rest.get(len),
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b')')
        ) {
            self.missing("a number or a quoted value");
            return None;
        }
        self.at += len;
        Some(rest[..len].to_vec())
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let quote = *self.rest().first().filter(|b| matches!(b, b'"' | b'`'))?;
        let body = &self.text[self.at + 1..];
        let Some(len) = body.find(char::from(quote)) else {
            self.missing("a closing quote");
            return None;
        };
        let body = &body[..len];
        let value = if quote == b'`' {
            Some(body.bytes().filter(|b| *b != b'\r').collect())
        } else {
            literal::unescape(body)
        };
        if value.is_none() {
            self.missing("a string with valid escapes on one line");
        } else {
            self.at += len + 2;
        }
        value
    }

    fn error(self) -> ParseError {
        if let Some(fatal) = self.fatal {
            return fatal;
        }
        let (offset, message) = if self.at > self.furthest {
            (self.at, "expected \"and\", \"or\" or the end".to_owned())
        } else {
            (self.furthest, format!("expected {}", self.expected))
        };
        let rest = &self.text[offset..];
        let offset = offset + (rest.len() - rest.trim_start().len());
        ParseError {
            offset,
            message,
            hint: hint(&self.text[offset..]).map(str::to_owned),
        }
    }
}

fn single_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

fn hint(rest: &str) -> Option<&'static str> {
    let rest = rest.trim_start();
    let starts = |text: &str| rest.starts_with(text);
    if starts("&&") || starts("AND") {
        Some("write \"and\"")
    } else if starts("||") || starts("OR") {
        Some("write \"or\"")
    } else if starts("=") {
        Some("write \"==\"")
    } else if starts("!") || starts("NOT") {
        Some("write \"not\"")
    } else if starts("'") {
        Some("strings stand in double quotes or backquotes")
    } else if starts("<") || starts(">") {
        Some("values cannot be compared by size")
    } else if rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        Some("put the value in double quotes")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), ParseError> {
        super::super::Filter::parse(text).map(drop)
    }

    #[test]
    fn accepts_the_language() {
        let good = [
            "",
            "Service.Meta.version == v1",
            "Service.Meta.version==v1",
            "Service.Meta[\"a-b\"] != `x`",
            "not (a == b or c == d) and e is not empty",
            "\"prod\" in Service.Tags",
            "prod not in Service.Tags and 5 in x",
            "Service.Port == 8080",
            "(Service.Port == -1.5)",
            "Service.Tags contains prod",
            "Service.Tags not contains a.b",
            "Service.Meta.v matches \"^1\"",
            " Checks is empty ",
        ];
        for text in good {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_in_the_language() {
        let bad = [
            "Service.Meta.version",
            "Service.Meta.version = v1",
            "8080 == Service.Port",
            "x in 32",
            "a == 1.2.3",
            "a == v1-beta",
            "a == 2x",
            "a == 'v1'",
            "a == b AND c == d",
            "a == b && c == d",
            "(a == b",
            "a == b)",
            "\"prod\"and x == y",
            "\"prod\" == x",
            "not",
            "a == \"open",
            " ",
        ];
        for text in bad {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(check(&"(".repeat(100_000)).is_err());
        assert!(check(&format!("{}a == b", "not ".repeat(100_000))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z(.=!\"`\\[\\] \n0-9-é]{0,40}") {
            let _ = check(&text);
        }
    }
}
