//! The generic URL reading that Consul does before it looks at an identity: lenient, and without any copy of the input.

use percent_encoding::percent_decode_str;

/// What of a URL matters for an identity. User-info, query and fragment are checked and dropped.
#[derive(Debug, PartialEq)]
pub(super) struct Url<'a> {
    /// Lower-cased by the caller's comparison only; as written here.
    pub(super) scheme: &'a str,
    /// The host with its port, decoded.
    pub(super) host: String,
    /// The path in its encoded form.
    pub(super) path: &'a str,
}

/// Splits a URL; `None` where a generic parser gives up.
pub(super) fn split(text: &str) -> Option<Url<'_>> {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) || !escapes_are_whole(fragment) {
        return None;
    }
    let (scheme, rest) = scheme(text)?;
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    if !rest.starts_with('/') {
        if scheme.is_empty()
            && rest
                .split('/')
                .next()
                .is_some_and(|first| first.contains(':'))
        {
            return None;
        }
        // With a scheme this is an opaque URL: neither host nor path.
        return Some(Url {
            scheme,
            host: String::new(),
            path: if scheme.is_empty() { rest } else { "" },
        });
    }
    let (host, path) = match rest.strip_prefix("//") {
        Some(after) if !scheme.is_empty() || !after.starts_with('/') => {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            (authority_host(authority)?, path)
        }
        _ => (String::new(), rest),
    };
    escapes_are_whole(path).then_some(Url { scheme, host, path })
}

/// Percent-decodes one part; `None` if the result is not UTF-8.
pub(super) fn decode(part: &str) -> Option<String> {
    percent_decode_str(part)
        .decode_utf8()
        .ok()
        .map(String::from)
}

fn scheme(text: &str) -> Option<(&str, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return Some((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Some(("", text))
}

fn authority_host(authority: &str) -> Option<String> {
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some((user, host)) => {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
            if !user.bytes().all(good) || !escapes_are_whole(user) {
                return None;
            }
            host
        }
    };
    let port = if host.starts_with('[') {
        &host[host.rfind(']')? + 1..]
    } else {
        host.rfind(':').map_or("", |at| &host[at..])
    };
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    if !(port.is_empty() || port.strip_prefix(':').is_some_and(digits)) {
        return None;
    }
    host_bytes_are_good(host).then(|| decode(host))?
}

/// Only octets above 0x7f, and the percent sign itself, may be escaped in a host.
fn host_bytes_are_good(host: &str) -> bool {
    let bytes = host.as_bytes();
    escapes_are_whole(host)
        && bytes.iter().enumerate().all(|(at, &byte)| match byte {
            b'%' => bytes[at + 1] >= b'8' || &bytes[at..at + 3] == b"%25",
            0x80.. => true,
            _ => byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte),
        })
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| matches!(after.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_generic_parser_refuses_is_refused() {
        for text in [
            ":x",
            "spiffe://td/%zz",
            "spiffe://td/%2",
            "spiffe://td:port/x",
            "spiffe://t d/x",
            "spiffe://t%41/x",
            "spiffe://td/\u{1}",
            "spiffe://a b@td/x",
            "spiffe://[::1/x",
            "a b:c",
        ] {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn what_it_ignores_is_dropped() {
        let url = split("spiffe://u:p@td:80/a%20b?q=%zz#f").unwrap();
        assert_eq!((url.host.as_str(), url.path), ("td:80", "/a%20b"));
        assert_eq!(split("spiffe:td/x").unwrap().path, "");
        assert_eq!(split("spiffe:///x").unwrap().host, "");
    }
}
