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
