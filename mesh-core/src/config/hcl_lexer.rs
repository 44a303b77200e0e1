//! Tokens of the first HCL.

use std::borrow::Cow;

use super::Span;
use super::value::SyntaxError;

type Scanned<T> = Result<T, SyntaxError>;

/// A token; texts without escapes are borrowed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'a> {
    Eof,
    Ident(&'a str),
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Heredoc(Cow<'a, str>),
    Assign,
    Comma,
    LBrace,
    RBrace,
    LBracket,
    RBracket,
}

impl Token<'_> {
    /// What it is, for messages.
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Eof => "the end of the text",
            Self::Ident(_) => "a name",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Heredoc(_) => "a heredoc",
            Self::Assign => "`=`",
            Self::Comma => "`,`",
            Self::LBrace => "`{`",
            Self::RBrace => "`}`",
            Self::LBracket => "`[`",
            Self::RBracket => "`]`",
        }
    }
}

/// Scans a text.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_ident(c: char) -> bool {
    is_letter(c) || c.is_numeric() || c == '-' || c == '.'
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// End of the last token.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn span(&self, start: usize) -> Span {
        Span::new(start, self.at)
    }

    fn fail<T>(&self, start: usize, message: impl Into<String>) -> Scanned<T> {
        Err(SyntaxError::new(self.span(start), message))
    }

    /// The next token.
    pub(crate) fn token(&mut self) -> Scanned<(Token<'a>, Span)> {
        self.blanks()?;
        let start = self.at;
        let Some(first) = self.peek() else {
            return Ok((Token::Eof, self.span(start)));
        };
        let token = match first {
            '"' => self.string()?,
            '<' => self.heredoc()?,
            '0'..='9' | '-' | '.' => self.number()?,
            c if is_letter(c) => match self.take_while(is_ident) {
                "true" => Token::Bool(true),
                "false" => Token::Bool(false),
                name => Token::Ident(name),
            },
            other => {
                self.bump();
                self.punctuation(other, start)?
            }
        };
        Ok((token, self.span(start)))
    }

    fn punctuation(&self, c: char, start: usize) -> Scanned<Token<'a>> {
        let hint = match c {
            '=' => return Ok(Token::Assign),
            ',' => return Ok(Token::Comma),
            '{' => return Ok(Token::LBrace),
            '}' => return Ok(Token::RBrace),
            '[' => return Ok(Token::LBracket),
            ']' => return Ok(Token::RBracket),
            ':' => Some("write `Key = value`"),
            '\'' => Some("strings take double quotes"),
            _ => None,
        };
        let error = SyntaxError::new(self.span(start), format!("unexpected character {c:?}"));
        Err(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }

    /// Skips white space and comments.
    fn blanks(&mut self) -> Scanned<()> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            let start = self.at;
            let rest = self.rest();
            if rest.starts_with('#') || rest.starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if let Some(comment) = rest.strip_prefix("/*") {
                match comment.find("*/") {
                    Some(length) => self.at += length + 4,
                    None => {
                        self.at += 2;
                        return self.fail(start, "this comment is not closed");
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn number(&mut self) -> Scanned<Token<'a>> {
        let start = self.at;
        if self.peek() == Some('-') {
            self.bump();
        }
        if let Some(hex) = self
            .rest()
            .strip_prefix("0x")
            .or_else(|| self.rest().strip_prefix("0X"))
        {
            let digits = hex
                .find(|c: char| !c.is_ascii_hexdigit())
                .unwrap_or(hex.len());
            self.at += 2 + digits;
            return self.integer(start, 16, 2);
        }
        let whole = self.take_while(|c| c.is_ascii_digit());
        let mut float = false;
        if self.peek() == Some('.') {
            float = true;
            self.bump();
            let fraction = self.take_while(|c| c.is_ascii_digit());
            if whole.is_empty() && fraction.is_empty() {
                return self.fail(start, "this is not a number");
            }
        } else if whole.is_empty() {
            return self.fail(start, "this is not a number");
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            float = true;
            self.bump();
            if matches!(self.peek(), Some('+' | '-')) {
                self.bump();
            }
            if self.take_while(|c| c.is_ascii_digit()).is_empty() {
                return self.fail(start, "this number lacks the digits of its exponent");
            }
        }
        if float {
            return match self.text[start..self.at].parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Token::Float(value)),
                _ => self.fail(start, "this number is out of range"),
            };
        }
        let octal = whole.len() > 1 && whole.starts_with('0');
        self.integer(start, if octal { 8 } else { 10 }, 0)
    }

    /// The integer from `start` to here; `skip` is the length of its prefix after the sign.
    fn integer(&self, start: usize, radix: u32, skip: usize) -> Scanned<Token<'a>> {
        let text = &self.text[start..self.at];
        let (sign, digits) = text
            .strip_prefix('-')
            .map_or(("", text), |digits| ("-", digits));
        match i64::from_str_radix(&format!("{sign}{}", &digits[skip..]), radix) {
            Ok(value) => Ok(Token::Int(value)),
            Err(_) => self.fail(start, "this is not a number, or out of range"),
        }
    }

    fn string(&mut self) -> Scanned<Token<'a>> {
        let start = self.at;
        self.bump();
        let inner = self.at;
        let mut owned: Option<String> = None;
        loop {
            let here = self.at;
            let next = self.bump();
            match next {
                None | Some('\n') => {
                    self.at = here;
                    let mut open =
                        SyntaxError::new(self.span(start), "this string is not closed on its line");
                    open.hint =
                        Some("end it with `\"`, or write a heredoc for a text of several lines");
                    return Err(open);
                }
                Some('"') => {
                    let plain = &self.text[inner..here];
                    return Ok(Token::Text(owned.map_or(Cow::Borrowed(plain), Cow::Owned)));
                }
                Some('\\') => {
                    let text = owned.get_or_insert_with(|| self.text[inner..here].to_owned());
                    text.push(escape(self.text, &mut self.at, here)?);
                }
                Some('$') if self.peek() == Some('{') => {
                    self.braces(start)?;
                    if let Some(text) = &mut owned {
                        text.push_str(&self.text[here..self.at]);
                    }
                }
                Some(other) => {
                    if let Some(text) = &mut owned {
                        text.push(other);
                    }
                }
            }
        }
    }

    /// `{…}` after a `$`: kept as it is, with whatever quotes and new lines it has.
    fn braces(&mut self, start: usize) -> Scanned<()> {
        let mut open = 0_usize;
        while let Some(next) = self.bump() {
            match next {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Ok(());
            }
        }
        self.fail(
            start,
            "this string is not closed: a `${` in it lacks its `}`",
        )
    }

    fn heredoc(&mut self) -> Scanned<Token<'a>> {
        let start = self.at;
        let Some(opening) = self.rest().strip_prefix("<<") else {
            self.bump();
            return self.fail(start, "unexpected character '<'");
        };
        let indented = opening.starts_with('-');
        self.at += 2 + usize::from(indented);
        let marker = self.take_while(|c| is_letter(c) || c.is_numeric());
        let line_end = self
            .rest()
            .strip_prefix('\r')
            .unwrap_or_else(|| self.rest());
        if marker.is_empty() || !line_end.starts_with('\n') {
            return self.fail(start, "`<<` needs a name and then a new line");
        }
        self.at += self.rest().len() - line_end.len() + 1;
        let body = self.at;
        for line in self.rest().split_inclusive('\n') {
            let content = line
                .strip_suffix('\n')
                .unwrap_or(line)
                .trim_end_matches('\r');
            let bare = content.trim_start();
            if bare == marker {
                // Like every other token it ends before its line end.
                let margin = content.len() - bare.len();
                let text = &self.text[body..self.at + margin];
                let indent = &content[..margin];
                self.at += content.len();
                let text = if indented {
                    unindent(text, indent)
                } else {
                    Cow::Borrowed(text)
                };
                return Ok(Token::Heredoc(text));
            }
            self.at += line.len();
        }
        self.at = body;
        self.fail(
            start,
            format!("this heredoc is not closed by a line `{marker}`"),
        )
    }
}

/// Takes the closing marker's indentation from every line if all lines have it. The text ends with that indentation,
/// which never counts.
fn unindent<'a>(text: &'a str, indent: &str) -> Cow<'a, str> {
    let lines = text.strip_suffix(indent).unwrap_or(text);
    if indent.is_empty()
        || !lines
            .split_inclusive('\n')
            .all(|line| line.starts_with(indent))
    {
        return Cow::Borrowed(lines);
    }
    lines
        .split_inclusive('\n')
        .map(|line| &line[indent.len()..])
        .collect::<String>()
        .into()
}

/// Reads an escape of Go's; `at` stands after the backslash at `start`.
fn escape(text: &str, at: &mut usize, start: usize) -> Scanned<char> {
    let rest = &text[*at..];
    let (length, found) = match rest.as_bytes().first() {
        Some(b'a') => (1, Some('\u{7}')),
        Some(b'b') => (1, Some('\u{8}')),
        Some(b'f') => (1, Some('\u{c}')),
        Some(b'n') => (1, Some('\n')),
        Some(b'r') => (1, Some('\r')),
        Some(b't') => (1, Some('\t')),
        Some(b'v') => (1, Some('\u{b}')),
        Some(b'\\') => (1, Some('\\')),
        Some(b'"') => (1, Some('"')),
        // Bytes above 0x7f would not be text on their own.
        Some(b'x') => (3, numeric(rest.get(1..3), 16).filter(char::is_ascii)),
        Some(b'u') => (5, numeric(rest.get(1..5), 16)),
        Some(b'U') => (9, numeric(rest.get(1..9), 16)),
        Some(b'0'..=b'7') => (3, numeric(rest.get(..3), 8).filter(char::is_ascii)),
        _ => (0, None),
    };
    match found {
        Some(c) => {
            *at += length;
            Ok(c)
        }
        None => {
            let next = rest.chars().next().map_or(0, char::len_utf8);
            let error = SyntaxError::new(Span::new(start, *at + next), "this is not an escape");
            Err(error.hint("write a backslash as `\\\\`"))
        }
    }
}

fn numeric(digits: Option<&str>, radix: u32) -> Option<char> {
    let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
}
