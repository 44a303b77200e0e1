//! The first version of HCL, which Consul's files are written in.
//!
//! An HCL 2 parser would accept and reject the wrong texts: here `${…}` is plain text, labels are keys, white space and
//! not new lines separate items, and there are no expressions.

use std::borrow::Cow;

use super::Span;
use super::hcl_lexer::{Lexer, Token};
use super::value::{Data, MAX_DEPTH, Member, Repeats, SyntaxError, Value, fold};

type Parsed<T> = Result<T, SyntaxError>;

/// Reads a whole text into one object.
pub(crate) fn parse(text: &str) -> Parsed<Value<'_>> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        ahead: None,
        depth: 0,
    };
    let members = parser.members(Token::Eof)?;
    Ok(Value::new(Span::new(0, text.len()), Data::Object(members)))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: Option<(Token<'a>, Span)>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Parsed<(Token<'a>, Span)> {
        match self.ahead.take() {
            Some(token) => Ok(token),
            None => self.lexer.token(),
        }
    }

    fn peek(&mut self) -> Parsed<&(Token<'a>, Span)> {
        let token = self.next()?;
        Ok(self.ahead.insert(token))
    }

    /// Takes a comma if one is next.
    fn comma(&mut self) -> Parsed<bool> {
        let found = matches!(self.peek()?.0, Token::Comma);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn enter(&mut self, span: Span, levels: usize) -> Parsed<()> {
        self.depth += levels;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError::new(
                span,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        Ok(())
    }

    /// Items of an object up to its end, which is taken.
    fn members(&mut self, end: Token<'static>) -> Parsed<Vec<Member<'a>>> {
        let mut members = Vec::new();
        loop {
            let (token, span) = self.next()?;
            if token == end {
                return Ok(fold(members, Repeats::Gather));
            }
            members.push(self.member(token, span, &end)?);
            self.comma()?;
        }
    }

    /// One item: `key = value`, `key { … }` or `key "label" … { … }`.
    fn member(&mut self, first: Token<'a>, span: Span, end: &Token<'_>) -> Parsed<Member<'a>> {
        let mut keys = vec![(key(first, span, end)?, span)];
        loop {
            let (token, span) = self.next()?;
            match token {
                Token::Assign if keys.len() == 1 => {
                    let value = self.value()?;
                    return Ok(wrap(keys, value));
                }
                Token::Assign => {
                    return Err(
                        SyntaxError::new(span, "expected `{` after a label, found `=`")
                            .hint("write either `Key = value` or `Key \"label\" { … }`"),
                    );
                }
                Token::LBrace => {
                    let labels = keys.len() - 1;
                    self.enter(span, labels)?;
                    let value = self.object(span)?;
                    self.depth -= labels;
                    return Ok(wrap(keys, value));
                }
                Token::Ident(text) => keys.push((Cow::Borrowed(text), span)),
                Token::Text(text) => keys.push((text, span)),
                other => return Err(after_key(&other, span)),
            }
        }
    }

    fn object(&mut self, open: Span) -> Parsed<Value<'a>> {
        self.enter(open, 1)?;
        let members = self.members(Token::RBrace)?;
        self.depth -= 1;
        Ok(Value::new(
            Span::new(open.start, self.lexer.position()),
            Data::Object(members),
        ))
    }

    fn list(&mut self, open: Span) -> Parsed<Value<'a>> {
        self.enter(open, 1)?;
        let mut items = Vec::new();
        let mut separated = true;
        loop {
            let (token, span) = self.next()?;
            match token {
                Token::RBracket => break,
                Token::Comma => separated = true,
                Token::Eof => return Err(SyntaxError::new(open, "this list is not closed")),
                _ if !separated => {
                    return Err(SyntaxError::new(
                        span,
                        "expected `,` or `]` after an item of a list",
                    ));
                }
                token => {
                    items.push(self.item(token, span)?);
                    separated = false;
                }
            }
        }
        self.depth -= 1;
        Ok(Value::new(
            Span::new(open.start, self.lexer.position()),
            Data::List(items),
        ))
    }

    fn value(&mut self) -> Parsed<Value<'a>> {
        let (token, span) = self.next()?;
        self.item(token, span)
    }

    fn item(&mut self, token: Token<'a>, span: Span) -> Parsed<Value<'a>> {
        let data = match token {
            Token::Bool(value) => Data::Bool(value),
            Token::Int(value) => Data::Int(value),
            Token::Float(value) => Data::Float(value),
            Token::Text(value) | Token::Heredoc(value) => Data::Text(value),
            Token::LBrace => return self.object(span),
            Token::LBracket => return self.list(span),
            Token::Ident(name) => {
                let message = format!("`{name}` is not a value");
                return Err(SyntaxError::new(span, message).hint("strings take double quotes"));
            }
            other => {
                let message = format!("expected a value, found {}", other.describe());
                return Err(SyntaxError::new(span, message));
            }
        };
        Ok(Value::new(span, data))
    }
}

/// A token as a key; `end` is what the object could have ended with.
fn key<'a>(token: Token<'a>, span: Span, end: &Token<'_>) -> Parsed<Cow<'a, str>> {
    match token {
        Token::Ident(text) => Ok(Cow::Borrowed(text)),
        Token::Text(text) => Ok(text),
        other => {
            let message = format!(
                "expected a key or {}, found {}",
                end.describe(),
                other.describe()
            );
            Err(SyntaxError::new(span, message))
        }
    }
}

fn after_key(token: &Token<'_>, span: Span) -> SyntaxError {
    let message = format!(
        "expected `=` or `{{` after a key, found {}",
        token.describe()
    );
    SyntaxError::new(span, message).hint("write `Key = value` or `Key { … }`")
}

/// Puts a value under its labels, innermost last.
fn wrap<'a>(keys: Vec<(Cow<'a, str>, Span)>, value: Value<'a>) -> Member<'a> {
    let end = value.span.end;
    let mut keys = keys.into_iter().rev();
    let (key, key_span) = keys.next().unwrap_or_default();
    let mut member = Member {
        key,
        key_span,
        value,
        repeated: false,
    };
    for (key, key_span) in keys {
        let span = Span::new(member.key_span.start, end);
        let value = Value::new(span, Data::Object(vec![member]));
        member = Member {
            key,
            key_span,
            value,
            repeated: false,
        };
    }
    member
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::config::decode::free;

    fn read(text: &str) -> Json {
        free(&parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")))
    }

    #[test]
    fn reads_every_construct() {
        let cases = [
            ("", json!({})),
            ("a = 1", json!({"a": 1})),
            ("a = 1 b = 2", json!({"a": 1, "b": 2})),
            ("a = 1,\nb = 2,\n", json!({"a": 1, "b": 2})),
            ("\"a b\" = 1", json!({"a b": 1})),
            ("a-b.c_d = true", json!({"a-b.c_d": true})),
            ("a { b = 1 }", json!({"a": {"b": 1}})),
            ("a = { b = 1 }", json!({"a": {"b": 1}})),
            ("a \"x\" { b = 1 }", json!({"a": {"x": {"b": 1}}})),
            ("a \"x\" y { b = 1 }", json!({"a": {"x": {"y": {"b": 1}}}})),
            ("a = [1, 2,]", json!({"a": [1, 2]})),
            ("a = []", json!({"a": []})),
            (
                "a = [[1], [{ b { c = 2 } }]]",
                json!({"a": [[1], [{"b": {"c": 2}}]]}),
            ),
            (
                "a = [{ b = 1, c = 2 }, { b { c = 3 } }]",
                json!({"a": [{"b": 1, "c": 2}, {"b": {"c": 3}}]}),
            ),
            ("# c\n// c\n/* c\n c */ a = 1 # c", json!({"a": 1})),
            (
                "a = 0x1F b = 010 c = -7 d = 1.5 e = -2e3 f = .5 g = 0",
                json!({
                    "a": 31, "b": 8, "c": -7, "d": 1.5, "e": -2000.0, "f": 0.5, "g": 0
                }),
            ),
            (
                r#"a = "x\n\t\"\\\u00e9\x41\101é""#,
                json!({"a": "x\n\t\"\\éAAé"}),
            ),
            (
                r#"a = "${b("c")} %{d} $e""#,
                json!({"a": r#"${b("c")} %{d} $e"#}),
            ),
            (
                "a = <<X\n  b\nc\nX\nd = 1",
                json!({"a": "  b\nc\n", "d": 1}),
            ),
            (
                "a = <<-X\n    b\n      c\n    X\n",
                json!({"a": "b\n  c\n"}),
            ),
            (
                "a = <<-X\n  b\n      c\n    X\n",
                json!({"a": "  b\n      c\n"}),
            ),
            ("a = <<X\nX\n", json!({"a": ""})),
            ("a = [<<X\nb\nX\n, 1]", json!({"a": ["b\n", 1]})),
            ("a = <<X\r\nb\r\nX\r\n", json!({"a": "b\r\n"})),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_key_given_twice_gathers_blocks_and_lists_and_keeps_the_last_scalar() {
        let cases = [
            ("a = 1 a = 2", json!({"a": 2})),
            (
                "a { b = 1 } a { b = 2 }",
                json!({"a": [{"b": 1}, {"b": 2}]}),
            ),
            (
                "a { b = 1 } a { b = 2 } a { b = 3 }",
                json!({"a": [{"b": 1}, {"b": 2}, {"b": 3}]}),
            ),
            (
                "a \"x\" { b = 1 } a \"y\" { b = 2 }",
                json!({"a": [{"x": {"b": 1}}, {"y": {"b": 2}}]}),
            ),
            ("a = [1] a = [2]", json!({"a": [1, 2]})),
            ("a = 1 A = 2", json!({"a": 1, "A": 2})),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_hcl_1() {
        let cases = [
            ("a: 1", 1),
            ("a = 'b'", 4),
            ("a = b", 4),
            ("a = [1 2]", 7),
            ("a = [1", 4),
            ("a \"b\" = 1", 6),
            ("a", 1),
            ("a =", 3),
            ("= 1", 0),
            ("{ a = 1 }", 0),
            ("a = 1 }", 6),
            ("a {", 3),
            ("a = \"b", 4),
            ("a = \"b\nc\"", 4),
            ("a = \"${b\"", 4),
            ("a = \"\\q\"", 5),
            ("a = \"\\ud800\"", 5),
            ("a = \"\\xff\"", 5),
            ("a = <<X\nb\n", 4),
            ("a = << X\nX\n", 4),
            ("a = 09", 4),
            ("a = 0x", 4),
            ("a = 1e", 4),
            ("a = -", 4),
            ("a = 99999999999999999999", 4),
            ("a = 1 /* b", 6),
            ("a = f(1)", 4),
            ("a = true && false", 9),
            ("true = 1", 0),
            ("1 = 1", 0),
            ("a\0 = 1", 1),
        ];
        for (text, at) in cases {
            let error = parse(text)
                .err()
                .unwrap_or_else(|| panic!("{text:?} is accepted"));
            assert_eq!(error.span.start, at, "{text:?}: {error:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| format!("{}{}", "a {".repeat(levels), "}".repeat(levels));
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        for text in [
            deep(MAX_DEPTH + 1),
            "a {".repeat(100_000),
            format!("a = {}", "[".repeat(100_000)),
            format!("a {} {{}}", "b ".repeat(100_000)),
        ] {
            let error = parse(&text).err().unwrap();
            assert!(error.message.contains("nested"), "{error:?}");
        }
    }

    #[test]
    fn values_know_where_they_stand() {
        let text = "Name = \"web\"\nRoutes = [{ Match { HTTP { PathPrefix = \"/x\" } } }]";
        let value = parse(text).unwrap();
        let members = value.members().unwrap();
        assert_eq!(
            &text[members[0].value.span.start..members[0].value.span.end],
            "\"web\""
        );
        assert_eq!(
            &text[members[1].key_span.start..members[1].key_span.end],
            "Routes"
        );
        assert!(text[..members[1].value.span.end].ends_with("} } }]"));
    }

    /// Documents that HCL 1 and HCL 2 read alike.
    fn simple() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Json::from),
            any::<i32>().prop_map(Json::from),
            "[a-zA-Z0-9 _./:*=é-]{0,12}".prop_map(Json::from),
        ];
        let value = leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map("[a-z][a-z0-9_]{0,6}", inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("k[a-z0-9_]{0,6}", value, 0..5)
            .prop_map(|map| Json::Object(map.into_iter().collect()))
    }

    fn print(value: &Json, top: bool) -> String {
        match value {
            Json::Object(object) => {
                let members = object
                    .iter()
                    .map(|(key, value)| format!("{key} = {}\n", print(value, false)));
                let members: String = members.collect();
                if top {
                    members
                } else {
                    format!("{{\n{members}}}")
                }
            }
            Json::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| print(item, false)).collect();
                format!("[{}]", items.join(", "))
            }
            other => other.to_string(),
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_sequence_of_tokens_makes_it_panic(tokens in prop::collection::vec(prop_oneof![
            Just("a"), Just("="), Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just("\""), Just("\\"),
            Just("${"), Just("<<X"), Just("<<-X"), Just("X"), Just("\n"), Just("\r\n"), Just(" "), Just("0x"),
            Just("1.5e"), Just("-"), Just("/*"), Just("*/"), Just("#"), Just("é"), Just("true"), Just("\\u00"),
        ], 0..40)) {
            let _ = parse(&tokens.concat());
        }

        #[test]
        fn agrees_with_another_parser_on_simple_documents(document in simple()) {
            let text = print(&document, true);
            let other: Json = hcl::from_str(&text).unwrap();
            prop_assert_eq!(&other, &document);
            prop_assert_eq!(read(&text), document);
        }
    }
}
