//! The `x-forwarded-client-cert` header, as Envoy documents it.
//!
//! An incoming header is whatever the peer wrote. It says who called only if the TLS peer is the own mesh gateway:
//! see [`forwarded_uri`].

use std::fmt::Write as _;

use super::peer::PeerIdentity;

/// The name of the header.
pub const HEADER: &str = "x-forwarded-client-cert";

/// One element: what one hop saw of its peer. The newest element of a header stands last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// URI names of the receiving side's own leaf.
    pub by: Vec<String>,
    /// SHA-256 of the peer's leaf in lower-case hexadecimal digits.
    pub hash: Option<String>,
    /// The peer's leaf as URL-encoded PEM.
    pub cert: Option<String>,
    /// The peer's chain as URL-encoded PEM.
    pub chain: Option<String>,
    /// The peer's subject; written even if empty.
    pub subject: Option<String>,
    /// URI names of the peer's leaf.
    pub uri: Vec<String>,
    /// DNS names of the peer's leaf.
    pub dns: Vec<String>,
}

impl Element {
    /// What a server with the identity `own` says about its peer: `By`, `Hash`, `Subject`, `URI` and `DNS`.
    pub fn of_peer(own: &str, peer: &PeerIdentity) -> Element {
        let mut hash = String::with_capacity(64);
        for byte in peer.leaf_sha256() {
            let _ = write!(hash, "{byte:02x}");
        }
        Element {
            by: vec![own.to_owned()],
            hash: Some(hash),
            cert: None,
            chain: None,
            subject: Some(peer.subject().to_owned()),
            uri: vec![peer.spiffe_id().as_str().to_owned()],
            dns: peer.dns_names().to_vec(),
        }
    }

    /// Writes the element.
    ///
    /// `Cert`, `Chain` and `Subject` are quoted always, other values only where they would break the syntax. Octets
    /// that a header must not hold are percent-encoded, so that no value can end the header or begin another.
    pub fn write(&self) -> String {
        let mut out = String::new();
        for by in &self.by {
            pair(&mut out, "By", by, false);
        }
        if let Some(hash) = &self.hash {
            pair(&mut out, "Hash", hash, false);
        }
        for (key, value) in [
            ("Cert", &self.cert),
            ("Chain", &self.chain),
            ("Subject", &self.subject),
        ] {
            if let Some(value) = value {
                pair(&mut out, key, value, true);
            }
        }
        if self.uri.is_empty() {
            pair(&mut out, "URI", "", false);
        }
        for uri in &self.uri {
            pair(&mut out, "URI", uri, false);
        }
        for dns in &self.dns {
            pair(&mut out, "DNS", dns, false);
        }
        out
    }
}

/// Appends an element to what came in.
pub fn append(incoming: &str, element: &Element) -> String {
    if incoming.is_empty() {
        element.write()
    } else {
        format!("{incoming},{}", element.write())
    }
}

fn pair(out: &mut String, key: &str, value: &str, quoted: bool) {
    if !out.is_empty() {
        out.push(';');
    }
    out.push_str(key);
    out.push('=');
    let quoted = quoted || value.contains([',', ';', '"', '\\', '=', ' ']);
    if quoted {
        out.push('"');
    }
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    if quoted {
        out.push('"');
    }
}

/// Reads the first (oldest) element of a header; `None` if it is malformed.
///
/// Quotes, with `\"` and `\\` inside, are accepted around any value; keys compare without regard to case and unknown
/// ones are skipped.
pub fn first(header: &str) -> Option<Element> {
    let mut element = Element::default();
    let mut rest = header;
    loop {
        let (key, after) = rest.split_once('=')?;
        if key.contains([',', ';', '"']) {
            return None;
        }
        let (value, after) = value(after)?;
        element.set(key.trim_start(), value);
        match after.as_bytes().first() {
            None | Some(b',') => return Some(element),
            Some(_) => rest = &after[1..],
        }
    }
}

impl Element {
    fn set(&mut self, key: &str, value: String) {
        let slot = match key.to_ascii_lowercase().as_str() {
            "by" => return self.by.push(value),
            "uri" if value.is_empty() => return,
            "uri" => return self.uri.push(value),
            "dns" => return self.dns.push(value),
            "hash" => &mut self.hash,
            "cert" => &mut self.cert,
            "chain" => &mut self.chain,
            "subject" => &mut self.subject,
            _ => return,
        };
        *slot = Some(value);
    }
}

/// Reads one value; what is left starts with `;` or `,` or is empty.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (!value.contains('"')).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let rest = &quoted[at + 1..];
                return (rest.is_empty() || rest.starts_with([';', ','])).then_some((value, rest));
            }
            '\\' => match chars.next()?.1 {
                escaped @ ('"' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

/// The URI by which the own mesh gateway vouches for a caller, from the first element.
///
/// The same conditions as in the rules that Consul writes: something precedes `;URI=` and no comma is in it, and
/// nothing but a comma or the end follows the value. An element with a `DNS` after the URI, or with a quoted URI, gives
/// none. Only to be used when the TLS peer **is** the own mesh gateway.
pub fn forwarded_uri(header: &str) -> Option<&str> {
    let element = header.split(',').next()?;
    let (before, uri) = element.rsplit_once(";URI=")?;
    let clean = |b: u8| b.is_ascii_graphic() && !matches!(b, b';' | b'"');
    (!before.is_empty() && !uri.is_empty() && uri.bytes().all(clean)).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_element_is_written_in_envoys_order() {
        let element = Element {
            by: vec!["spiffe://td/ns/default/dc/dc1/svc/api".into()],
            hash: Some("ab".into()),
            cert: Some("-----BEGIN%20".into()),
            subject: Some(String::new()),
            uri: vec!["spiffe://td/ns/default/dc/dc1/svc/web".into()],
            dns: vec!["a.test".into(), "b.test".into()],
            ..Element::default()
        };
        assert_eq!(
            element.write(),
            "By=spiffe://td/ns/default/dc/dc1/svc/api;Hash=ab;Cert=\"-----BEGIN%20\";Subject=\"\";\
             URI=spiffe://td/ns/default/dc/dc1/svc/web;DNS=a.test;DNS=b.test"
        );
        assert_eq!(
            append("By=x", &element),
            format!("By=x,{}", element.write())
        );
        assert_eq!(Element::default().write(), "URI=");
    }

    #[test]
    fn quotes_are_read_around_any_value() {
        let element = first(r#"By="a";Subject="O=\"x\", CN=y;z";URI="u",By=later"#).unwrap();
        assert_eq!(element.by, ["a"]);
        assert_eq!(element.subject.as_deref(), Some("O=\"x\", CN=y;z"));
        assert_eq!(element.uri, ["u"]);
        for broken in ["", "By", "By=\"a", "By=\"a\"b", "a,By=b", "By=a\"b"] {
            assert_eq!(first(broken), None, "{broken}");
        }
    }

    #[test]
    fn only_a_bare_uri_at_the_end_of_the_first_element_is_vouched_for() {
        let id = "spiffe://td/ns/default/dc/dc1/svc/web";
        assert_eq!(forwarded_uri(&format!("By=x;Hash=1;URI={id}")), Some(id));
        assert_eq!(
            forwarded_uri(&format!("By=x;URI={id},By=y;URI=other")),
            Some(id)
        );
        for refused in [
            format!("URI={id}"),
            format!(";URI={id}"),
            format!("By=x;URI={id};DNS=d"),
            format!("By=x;Subject=\"a,b\";URI={id}"),
            format!("By=x,By=y;URI={id}"),
            format!("By=x;URI=\"{id}\""),
            format!("By=x;URI={id} "),
            String::new(),
        ] {
            assert_eq!(forwarded_uri(&refused), None, "{refused}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        "[ -~]{1,12}"
    }

    proptest! {
        #[test]
        fn an_element_survives_writing_and_reading(
            by in proptest::collection::vec(text(), 0..3),
            hash in proptest::option::of("[0-9a-f]{4}"),
            subject in proptest::option::of("[ -~]{0,12}"),
            uri in proptest::collection::vec(text(), 0..3),
            dns in proptest::collection::vec(text(), 0..3),
            older in proptest::option::of(text()),
        ) {
            let element = Element { by, hash, subject, uri, dns, ..Element::default() };
            let alone = element.write();
            prop_assert_eq!(first(&alone), Some(element.clone()));
            let newer = Element { by: older.into_iter().collect(), ..Element::default() };
            prop_assert_eq!(first(&append(&alone, &newer)), Some(element));
        }

        #[test]
        fn no_value_ends_the_header(value in any::<String>()) {
            let element = Element {
                by: vec![value.clone()],
                subject: Some(value.clone()),
                uri: vec![value.clone()],
                dns: vec![value],
                ..Element::default()
            };
            let written = element.write();
            prop_assert!(written.bytes().all(|b| (0x20..=0x7e).contains(&b)));
            prop_assert!(http::HeaderValue::from_str(&written).is_ok());
            let read = first(&written).unwrap();
            prop_assert_eq!((read.by.len(), read.dns.len()), (1, 1));
        }

        #[test]
        fn reading_never_panics(header in any::<String>()) {
            let _ = first(&header);
            let _ = forwarded_uri(&header);
        }
    }
}
