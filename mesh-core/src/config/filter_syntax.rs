//! Whether a text is in the grammar of subset filters. What a filter means is not known here.

/// Expressions nested deeper than this are refused.
const MAX_DEPTH: usize = 64;

/// Checks the grammar; an empty text is no filter and passes.
///
/// # Errors
/// What was expected, and where.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    parser.space();
    parser.or()?;
    parser.space();
    if parser.at == text.len() {
        Ok(())
    } else {
        parser.expected("`and`, `or` or the end")
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

type Checked = Result<(), String>;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn expected(&self, what: &str) -> Checked {
        let found = self.rest().chars().next();
        let found = found.map_or("the end".to_owned(), |c| format!("{c:?}"));
        Err(format!(
            "expected {what} at byte {}, found {found}",
            self.at
        ))
    }

    fn space(&mut self) -> bool {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at += length;
        length > 0
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Words with white space before, between and after them; nothing is taken unless all are there.
    fn words(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        let found = words.iter().all(|word| self.space() && self.take(word)) && self.space();
        if !found {
            self.at = start;
        }
        found
    }

    fn or(&mut self) -> Checked {
        self.chain("or", |parser| parser.chain("and", Self::not))
    }

    fn chain(&mut self, word: &str, part: impl Fn(&mut Self) -> Checked) -> Checked {
        loop {
            part(self)?;
            if !self.words(&[word]) {
                return Ok(());
            }
        }
    }

    fn not(&mut self) -> Checked {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        self.unary()?;
        self.depth -= 1;
        Ok(())
    }

    fn unary(&mut self) -> Checked {
        let start = self.at;
        if self.take("not") && self.space() {
            // `not` may also be a selector of that name.
            let negated = self.at;
            if self.not().is_ok() {
                return Ok(());
            }
            self.at = negated;
        }
        self.at = start;
        if self.take("(") {
            self.space();
            self.or()?;
            self.space();
            return if self.take(")") {
                Ok(())
            } else {
                self.expected("`)`")
            };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Checked {
        let start = self.at;
        if self.selector().is_ok() && self.operator()? {
            return Ok(());
        }
        self.at = start;
        self.value()?;
        if self.words(&["in"]) || self.words(&["not", "in"]) {
            return self.selector();
        }
        self.expected("an operator: `==`, `!=`, `in`, `contains`, `matches`, `is empty`")
    }

    /// What follows a selector on the left; `false` when it may be a value after all.
    fn operator(&mut self) -> Result<bool, String> {
        let start = self.at;
        self.space();
        if self.take("==") || self.take("!=") {
            self.space();
            return self.value().map(|()| true);
        }
        self.at = start;
        for words in [["is", "empty"].as_slice(), &["is", "not", "empty"]] {
            if words.iter().all(|word| self.space() && self.take(word)) && self.at_boundary() {
                return Ok(true);
            }
            self.at = start;
        }
        for words in [
            ["contains"].as_slice(),
            &["not", "contains"],
            &["matches"],
            &["not", "matches"],
        ] {
            if self.words(words) {
                return self.value().map(|()| true);
            }
        }
        Ok(false)
    }

    fn at_boundary(&self) -> bool {
        !self
            .rest()
            .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    }

    fn selector(&mut self) -> Checked {
        self.identifier()?;
        loop {
            if self.take(".") {
                self.identifier()?;
            } else if self.take("[") {
                self.space();
                self.string()?;
                self.space();
                if !self.take("]") {
                    return self.expected("`]`");
                }
            } else {
                return Ok(());
            }
        }
    }

    fn identifier(&mut self) -> Checked {
        if !self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            return self.expected("a name");
        }
        let rest = self.rest();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.at += rest.find(|c| !word(c)).unwrap_or(rest.len());
        Ok(())
    }

    fn value(&mut self) -> Checked {
        match self.rest().as_bytes().first() {
            Some(b'"' | b'`') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.selector(),
        }
    }

    fn number(&mut self) -> Checked {
        let start = self.at;
        self.take("-");
        let whole = self.digits();
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            self.at = start;
            return self.expected("a number");
        }
        if self.take(".") && self.digits().is_empty() {
            return self.expected("a digit");
        }
        let ends = self.rest().is_empty() || self.rest().starts_with([' ', '\t', '\r', '\n', ')']);
        if ends {
            Ok(())
        } else {
            self.expected("the end of a number; other values need quotes")
        }
    }

    fn digits(&mut self) -> &'a str {
        let rest = self.rest();
        let length = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn string(&mut self) -> Checked {
        let rest = self.rest();
        let (quote, ends): (char, &[char]) = match rest.chars().next() {
            Some('"') => ('"', &['"', '\n']),
            Some('`') => ('`', &['`']),
            _ => return self.expected("a string"),
        };
        match rest[1..].find(ends) {
            Some(length) if rest[1 + length..].starts_with(quote) => {
                self.at += length + 2;
                Ok(())
            }
            _ => Err(format!("the string at byte {} is not closed", self.at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
