//! Strict JSON, into the same tree as HCL.

use std::borrow::Cow;

use super::Span;
use super::value::{Data, MAX_DEPTH, Member, Repeats, SyntaxError, Value, fold};

type Parsed<T> = Result<T, SyntaxError>;

/// Reads a whole text, which is one object.
pub(crate) fn parse(text: &str) -> Parsed<Value<'_>> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    parser.blanks();
    if parser.peek() != Some(b'{') {
        return Err(SyntaxError::new(parser.here(), "expected an object"));
    }
    let value = parser.value()?;
    parser.blanks();
    if parser.at < text.len() {
        return Err(SyntaxError::new(
            parser.here(),
            "expected nothing after the object",
        ));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The character at hand.
    fn here(&self) -> Span {
        let length = self.text[self.at..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        Span::new(self.at, self.at + length)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, message: &'static str) -> Parsed<()> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(SyntaxError::new(self.here(), message))
        }
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(SyntaxError::new(self.here(), message));
        }
        Ok(())
    }

    fn value(&mut self) -> Parsed<Value<'a>> {
        self.blanks();
        let start = self.at;
        let data = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.list()?,
            Some(b'"') => Data::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Value::new(Span::new(start, self.at), data))
    }

    fn word(&mut self) -> Parsed<Data<'a>> {
        let rest = &self.text[self.at..];
        let words = [
            ("true", Data::Bool(true)),
            ("false", Data::Bool(false)),
            ("null", Data::Null),
        ];
        for (word, data) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(data);
            }
        }
        let error = SyntaxError::new(self.here(), "expected a value");
        Err(match self.peek() {
            Some(b'/' | b'#') => {
                error.hint("JSON has no comments; a file that does not start with `{` is HCL")
            }
            Some(b']' | b'}') => error.hint("JSON has no trailing commas"),
            _ => error,
        })
    }

    fn object(&mut self) -> Parsed<Data<'a>> {
        self.enter()?;
        self.at += 1;
        let mut members = Vec::new();
        if !self.take(b'}') {
            loop {
                members.push(self.member()?);
                if !self.take(b',') {
                    break;
                }
            }
            self.expect(b'}', "expected `,` or `}` after a value of an object")?;
        }
        self.depth -= 1;
        Ok(Data::Object(fold(members, Repeats::LastWins)))
    }

    fn member(&mut self) -> Parsed<Member<'a>> {
        self.blanks();
        let start = self.at;
        if self.peek() != Some(b'"') {
            let error = SyntaxError::new(self.here(), "expected a key in double quotes");
            return Err(match self.peek() {
                Some(b'}') => error.hint("JSON has no trailing commas"),
                _ => error,
            });
        }
        let key = self.string()?;
        let key_span = Span::new(start, self.at);
        self.expect(b':', "expected `:` after a key")?;
        Ok(Member {
            key,
            key_span,
            value: self.value()?,
            repeated: false,
        })
    }

    fn list(&mut self) -> Parsed<Data<'a>> {
        self.enter()?;
        self.at += 1;
        let mut items = Vec::new();
        if !self.take(b']') {
            loop {
                items.push(self.value()?);
                if !self.take(b',') {
                    break;
                }
            }
            self.expect(b']', "expected `,` or `]` after an item of a list")?;
        }
        self.depth -= 1;
        Ok(Data::List(items))
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Parsed<Data<'a>> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let mut well_formed = if self.peek() == Some(b'0') {
            self.at += 1;
            !matches!(self.peek(), Some(b'0'..=b'9'))
        } else {
            self.digits()
        };
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            well_formed &= self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            well_formed &= self.digits();
        }
        let text = &self.text[start..self.at];
        if well_formed {
            if let (true, Ok(value)) = (whole, text.parse()) {
                return Ok(Data::Int(value));
            }
            if let Some(value) = text.parse().ok().filter(|value: &f64| value.is_finite()) {
                return Ok(Data::Float(value));
            }
        }
        Err(SyntaxError::new(
            Span::new(start, self.at),
            "this is not a number, or out of range",
        ))
    }

    fn string(&mut self) -> Parsed<Cow<'a, str>> {
        let open = self.at;
        self.at += 1;
        let inner = self.at;
        let mut owned: Option<String> = None;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .find(|c| c == '"' || c == '\\' || c < ' ')
                .unwrap_or(rest.len());
            if let Some(text) = &mut owned {
                text.push_str(&rest[..plain]);
            }
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    let borrowed = &self.text[inner..self.at];
                    self.at += 1;
                    return Ok(owned.map_or(Cow::Borrowed(borrowed), Cow::Owned));
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_with(|| self.text[inner..self.at].to_owned());
                    text.push(escape(self.text, &mut self.at)?);
                }
                Some(_) => {
                    let error = SyntaxError::new(self.here(), "control character in a string");
                    return Err(error.hint("write a new line as `\\n`"));
                }
                None => {
                    let span = Span::new(open, self.at);
                    return Err(SyntaxError::new(span, "this string is not closed"));
                }
            }
        }
    }
}

/// Reads the escape at `at`.
fn escape(text: &str, at: &mut usize) -> Parsed<char> {
    let start = *at;
    let found = match text.as_bytes().get(start + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(text, at),
        _ => {
            let next = text[start + 1..].chars().next().map_or(0, char::len_utf8);
            return Err(SyntaxError::new(
                Span::new(start, start + 1 + next),
                "this is not an escape",
            ));
        }
    };
    *at += 2;
    Ok(found)
}

/// `\uXXXX`, or two of them that make one character; a lone half becomes U+FFFD, as in Go.
fn unicode(text: &str, at: &mut usize) -> Parsed<char> {
    let start = *at;
    let Some(first) = unit(text, start) else {
        let end = text[start..]
            .char_indices()
            .nth(6)
            .map_or(text.len(), |(length, _)| start + length);
        return Err(SyntaxError::new(
            Span::new(start, end),
            "`\\u` needs four hexadecimal digits",
        ));
    };
    *at += 6;
    if let Some(c) = char::from_u32(first) {
        return Ok(c);
    }
    let second = unit(text, *at).filter(|second| (0xdc00..0xe000).contains(second));
    match second {
        Some(second) if first < 0xdc00 => {
            *at += 6;
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        _ => Ok(char::REPLACEMENT_CHARACTER),
    }
}

fn unit(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;
    use crate::config::decode::free;

    #[test]
    fn agrees_with_the_standard_on_what_json_is() {
        let texts = [
            r#"{}"#,
            r#" {"a": 1, "b": -0.5e+3, "c": [true, false, null, ""], "d": {"e": "\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\"}} "#,
            r#"{"a": 1,}"#,
            r#"{"a": [1,]}"#,
            r#"{"a" 1}"#,
            r#"{a: 1}"#,
            r#"{"a": 01}"#,
            r#"{"a": +1}"#,
            r#"{"a": .5}"#,
            r#"{"a": 1.}"#,
            r#"{"a": 1e}"#,
            r#"{"a": -}"#,
            r#"{"a": 'b'}"#,
            r#"{"a": tru}"#,
            r#"{"a": nul}"#,
            r#"{"a": "\x"}"#,
            r#"{"a": "\u12"}"#,
            r#"{"a": "\u+123"}"#,
            "{\"a\": \"b\nc\"}",
            "{\"a\": \"b",
            r#"{"a": 1} x"#,
            r#"{"a": 1}}"#,
            r#"{"a": 1"#,
            "// c\n{}",
            r#"{"a": 1 /* c */}"#,
        ];
        for text in texts {
            let wanted = serde_json::from_str::<Json>(text).ok();
            assert_eq!(parse(text).ok().map(|value| free(&value)), wanted, "{text}");
        }
    }

    #[test]
    fn an_array_is_not_an_entry() {
        let error = parse("[{}]").err().unwrap();
        assert_eq!(error.message, "expected an object");
    }

    #[test]
    fn half_a_surrogate_is_replaced() {
        assert_eq!(
            free(&parse(r#"{"a": "\ud800x\udc00"}"#).unwrap())["a"],
            "\u{fffd}x\u{fffd}"
        );
    }

    #[test]
    fn of_a_key_given_twice_the_last_one_wins() {
        assert_eq!(
            free(&parse(r#"{"a": {"b": 1}, "a": {"c": 2}}"#).unwrap()),
            serde_json::json!({"a": {"c": 2}})
        );
    }

    #[test]
    fn depth_is_bounded() {
        for text in [
            "{\"a\":".repeat(100_000),
            format!("{{\"a\":{}", "[".repeat(100_000)),
        ] {
            let error = parse(&text).err().unwrap();
            assert!(error.message.contains("nested"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{]?.{0,100}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_sequence_of_tokens_makes_it_panic(tokens in prop::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("\""), Just("\\"), Just("\\u00"),
            Just("\\ud83d"), Just("1"), Just("-"), Just("."), Just("e"), Just("true"), Just("null"), Just("é"), Just(" "),
        ], 0..40)) {
            let text = format!("{{{}", tokens.concat());
            let wanted = serde_json::from_str::<Json>(&text).ok();
            if let Some(wanted) = wanted {
                prop_assert_eq!(parse(&text).ok().map(|value| free(&value)), Some(wanted));
            } else {
                let _ = parse(&text);
            }
        }
    }
}
