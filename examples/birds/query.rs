//! Query parameters: first values only, as the services of this demo understand them.

use std::collections::HashSet;
use std::fmt::Write as _;

/// Decoded parameters in order of appearance.
pub(crate) type Pairs = Vec<(String, String)>;

/// The first value of a parameter; an empty one counts as absent.
pub(crate) fn first<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// Writes the parameters as a query again, the first value of each name only.
///
/// They come decoded and are encoded anew, so the rules of the mesh see one spelling whatever
/// the caller wrote. Empty without parameters, else with a leading `?`.
pub(crate) fn copy(pairs: &Pairs) -> String {
    let mut seen = HashSet::new();
    let mut out = String::new();
    for (key, value) in pairs {
        if seen.insert(key.as_str()) {
            out.push(if out.is_empty() { '?' } else { '&' });
            encode(&mut out, key);
            out.push('=');
            encode(&mut out, value);
        }
    }
    out
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Pairs {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn only_the_first_value_of_each_parameter_is_copied() {
        let given = pairs(&[("canary", "true"), ("delay", "1"), ("canary", "false")]);
        assert_eq!(copy(&given), "?canary=true&delay=1");
        assert_eq!(first(&given, "canary"), Some("true"));
    }

    #[test]
    fn what_has_a_meaning_in_a_query_is_encoded() {
        let given = pairs(&[("a b", "c&d=e"), ("ü", "")]);
        assert_eq!(copy(&given), "?a+b=c%26d%3De&%C3%BC=");
        assert_eq!(copy(&Vec::new()), "");
    }
}
