//! Regular expressions of config entries: RE2's syntax on the `regex` crate.
//!
//! Consul compiles them with Go, Envoy with RE2. The crate accepts a little more and reads a few things otherwise; here
//! such patterns are rewritten or refused, so that an entry means the same as in Consul. `\d`, `\w`, `\s` and `\b` are ASCII.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::CharIndices;

use regex::bytes::{Regex, RegexBuilder};

/// The compiled form of one pattern may take this many bytes.
const SIZE_LIMIT: usize = 1 << 20;
/// RE2's limit on a counted repetition.
const MAX_REPEAT: u32 = 1000;
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Compiles a pattern that is searched for anywhere.
pub(crate) fn search(pattern: &str) -> Result<Regex, String> {
    build(&translate(pattern)?)
}

/// Compiles a pattern that has to match the whole of a value.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    let pattern = translate(pattern)?;
    // On its own first: `a)|(b` would only be well-formed between the anchors.
    build(&pattern)?;
    build(&format!("^(?:{pattern})$"))
}

/// Only a pattern that has other characters than ASCII needs to look at characters rather than bytes.
fn build(pattern: &str) -> Result<Regex, String> {
    let ascii = pattern.is_ascii();
    let built = build_with(pattern, !ascii);
    built.or_else(|error| build_with(pattern, ascii).map_err(|_| error))
}

fn build_with(pattern: &str, unicode: bool) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .unicode(unicode)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| last_line(&error.to_string()))
}

/// The crate's message draws the pattern over several lines; what is wrong stands in the last one.
fn last_line(message: &str) -> String {
    let last = message.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.unwrap_or("bad syntax").trim();
    last.trim_start_matches("error: ").to_owned()
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        pattern,
        chars: pattern.char_indices().peekable(),
        out: String::with_capacity(pattern.len()),
        repeated: false,
    };
    while let Some((at, c)) = translator.chars.next() {
        translator.step(at, c)?;
    }
    Ok(translator.out)
}

struct Translator<'a> {
    pattern: &'a str,
    chars: Peekable<CharIndices<'a>>,
    out: String,
    /// Whether what stands before is a repetition already.
    repeated: bool,
}

impl Translator<'_> {
    fn step(&mut self, at: usize, c: char) -> Result<(), String> {
        let repeated = std::mem::take(&mut self.repeated);
        match c {
            '\\' => self.escape(),
            '[' => self.class(),
            '(' => self.group(),
            '*' | '+' | '?' => {
                self.out.push(c);
                self.repetition(repeated)
            }
            '{' => match counted(&self.pattern[at + 1..])? {
                Some(len) => {
                    self.out.push_str(&self.pattern[at..=at + len]);
                    self.skip(len);
                    self.repetition(repeated)
                }
                None => {
                    self.out.push_str("\\{");
                    Ok(())
                }
            },
            c => {
                self.out.push(c);
                Ok(())
            }
        }
    }

    fn skip(&mut self, chars: usize) {
        for _ in 0..chars {
            self.chars.next();
        }
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.chars.next_if(|(_, c)| *c == wanted).is_some()
    }

    fn repetition(&mut self, repeated: bool) -> Result<(), String> {
        if repeated {
            return Err("a repetition of a repetition".to_owned());
        }
        if self.next_is('?') {
            self.out.push('?');
        }
        self.repeated = true;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some((at, c)) = self.chars.next() else {
            return Err("a backslash at the end".to_owned());
        };
        match c {
            'Q' => {
                let quoted = &self.pattern[at + 1..];
                let (text, end) = quoted
                    .find("\\E")
                    .map_or((quoted, 0), |end| (&quoted[..end], 2));
                self.skip(text.chars().count() + end);
                self.out.push_str(&regex::escape(text));
            }
            'C' => self.out.push_str("(?s:.)"),
            'u' | 'U' => return Err(format!("unknown escape \\{c}")),
            '<' | '>' => self.out.push(c),
            c => self.out.extend(['\\', c]),
        }
        Ok(())
    }

    /// Only RE2's flags may stand after `(?`.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if !self.next_is('?') {
            return Ok(());
        }
        self.out.push('?');
        let named = matches!(self.chars.peek(), Some((_, 'P' | '<')));
        while let Some((_, c)) = self
            .chars
            .next_if(|(_, c)| !named && !matches!(c, ':' | ')'))
        {
            if !matches!(c, 'i' | 'm' | 's' | 'U' | '-') {
                return Err(format!("unknown flag or look-around (?{c}"));
            }
            self.out.push(c);
        }
        Ok(())
    }

    /// A class in brackets. Sets of sets, which the crate has, are plain characters in RE2.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.next_is('^') {
            self.out.push('^');
        }
        if self.next_is(']') {
            self.out.push_str("\\]");
        }
        while let Some((at, c)) = self.chars.next() {
            match c {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => self.escape_in_class()?,
                '[' => match named_class(&self.pattern[at..])? {
                    Some(len) => {
                        self.out.push_str(&self.pattern[at..at + len]);
                        self.skip(len - 1);
                    }
                    None => self.out.push_str("\\["),
                },
                '&' | '~' => self.out.extend(['\\', c]),
                c => self.out.push(c),
            }
        }
        Err("a class that is not closed".to_owned())
    }

    fn escape_in_class(&mut self) -> Result<(), String> {
        match self.chars.next() {
            Some((_, c @ ('u' | 'U' | 'Q' | 'C'))) => {
                Err(format!("unknown escape \\{c} in a class"))
            }
            Some((_, c @ ('<' | '>'))) => {
                self.out.push(c);
                Ok(())
            }
            Some((_, c)) => {
                let _ = write!(self.out, "\\{c}");
                Ok(())
            }
            None => Err("a backslash at the end".to_owned()),
        }
    }
}

/// How long a counted repetition is after its `{`, the closing brace included; `None` where the brace is a plain character.
fn counted(text: &str) -> Result<Option<usize>, String> {
    let Some((body, _)) = text.split_once('}') else {
        return Ok(None);
    };
    let (low, high) = body
        .split_once(',')
        .map_or((body, None), |(low, high)| (low, Some(high)));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !number(low) || !high.is_none_or(|high| high.is_empty() || number(high)) {
        return Ok(None);
    }
    let value = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= MAX_REPEAT);
    let limits = (value(low), high.filter(|high| !high.is_empty()).map(value));
    match limits {
        (Some(_), None) => Ok(Some(body.len() + 1)),
        (Some(low), Some(Some(high))) if low <= high => Ok(Some(body.len() + 1)),
        _ => Err(format!(
            "bad repetition {{{body}}}: at most {MAX_REPEAT}, the smaller number first"
        )),
    }
}

/// How long `[:name:]` is; `None` where the bracket is a plain character.
fn named_class(text: &str) -> Result<Option<usize>, String> {
    let Some((name, _)) = text
        .strip_prefix("[:")
        .and_then(|rest| rest.split_once(":]"))
    else {
        return Ok(None);
    };
    if CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        Ok(Some(name.len() + 4))
    } else {
        Err(format!("unknown class [:{name}:]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_re2_refuses_is_refused() {
        for pattern in [
            "(",
            ")",
            "a)|(b",
            "[a",
            "[z-a]",
            "*",
            "a**",
            "a+*",
            "a??*",
            "a{2}{3}",
            "a{1001}",
            "a{3,2}",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?x)a",
            "(?u)a",
            "(?R)a",
            "\\1",
            "\\u0041",
            "\\",
            "[[:foo:]]",
            "(?P<n",
            "\\8",
            "[\\",
        ] {
            assert!(search(pattern).is_err(), "{pattern}");
            assert!(whole(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn what_re2_accepts_means_the_same() {
        for (pattern, text, expect) in [
            ("a*?b+?c??", "aabbc", true),
            ("^a{2,3}$", "aa", true),
            ("^a{,2}$", "a{,2}", true),
            ("^a{x}$", "a{x}", true),
            ("^{$", "{", true),
            ("^\\Qa.b\\E+$", "a.bb", true),
            ("^\\Qa.b", "a.b", true),
            ("^\\Qa.b", "axb", false),
            ("^[a&&b]+$", "a&b", true),
            ("^[[a]+$", "[a", true),
            ("^[]a]+$", "]a", true),
            ("^[^]a]+$", "b", true),
            ("^[[:alpha:]_]+$", "a_", true),
            ("^\\<a\\>$", "<a>", true),
            ("(?i)ABC", "xabcx", true),
            ("(?i:a)B", "AB", true),
            ("^(?P<n>a)(?<m>b)$", "ab", true),
            ("^\\d\\w\\s$", "1_ ", true),
            ("^.$", "a", true),
            ("", "anything", true),
            ("é", "café", true),
        ] {
            assert_eq!(
                search(pattern).unwrap().is_match(text.as_bytes()),
                expect,
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_whole_match_covers_all_alternatives() {
        let regex = whole("a|bc").unwrap();
        assert!(regex.is_match(b"bc"));
        assert!(!regex.is_match(b"abc"));
        assert!(!regex.is_match(b"a\n"));
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in r"(\\|[a-c]|[(){}?*+^$|,:=!<>&é-]|\[|\]|[0-9]|Q|E|x){0,12}") {
            let _ = search(&pattern);
            let _ = whole(&pattern);
        }

        #[test]
        fn literal_text_finds_itself(text in "[a-z0-9 /_-]{1,12}") {
            prop_assert!(whole(&text).unwrap().is_match(text.as_bytes()));
        }
    }
}
