//! Normalisation of an inbound request's path and headers.
//!
//! What `HTTP.Incoming.RequestNormalization` of Consul's `mesh` config entry asks for, with Envoy's path normalisation
//! underneath. It has to run before anything looks at the path: whoever authorises, routes or serves the request must
//! see the same one.

use std::fmt::Write as _;

use crate::config::MeshEntry;

/// What to do with `%2F` and `%5C` in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EscapedSlashes {
    /// Keep them.
    #[default]
    Keep,
    /// Refuse the request.
    Reject,
    /// Send the caller to the path with them unescaped.
    UnescapeAndRedirect,
    /// Unescape them and go on.
    UnescapeAndForward,
}

/// What to do with headers whose name has an underscore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Underscores {
    /// Keep them.
    #[default]
    Allow,
    /// Refuse the request.
    Reject,
    /// Remove them.
    Drop,
}

/// The settings; the default is Consul's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Normalization {
    /// Leave dots, backslashes and escapes as they are. Makes rules about paths easy to circumvent.
    pub disable_path_normalization: bool,
    /// Collapse runs of slashes.
    pub merge_slashes: bool,
    /// Slashes in escaped form.
    pub escaped_slashes: EscapedSlashes,
    /// Underscores in names of headers.
    pub underscores: Underscores,
}

impl Normalization {
    /// The settings of the `mesh` entry, whose absence means the defaults.
    ///
    /// Actions that its validation does not know count as the default.
    pub fn of(mesh: Option<&MeshEntry>) -> Normalization {
        let incoming = mesh.and_then(|mesh| mesh.http.as_ref()?.incoming.as_ref());
        let Some(given) = incoming.and_then(|incoming| incoming.request_normalization.as_ref())
        else {
            return Normalization::default();
        };
        Normalization {
            disable_path_normalization: given.insecure_disable_path_normalization,
            merge_slashes: given.merge_slashes,
            escaped_slashes: match given.path_with_escaped_slashes_action.as_str() {
                "REJECT_REQUEST" => EscapedSlashes::Reject,
                "UNESCAPE_AND_REDIRECT" => EscapedSlashes::UnescapeAndRedirect,
                "UNESCAPE_AND_FORWARD" => EscapedSlashes::UnescapeAndForward,
                _ => EscapedSlashes::Keep,
            },
            underscores: match given.headers_with_underscores_action.as_str() {
                "REJECT_REQUEST" => Underscores::Reject,
                "DROP_HEADER" => Underscores::Drop,
                _ => Underscores::Allow,
            },
        }
    }
}

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Normalized {
    /// It stays.
    Unchanged,
    /// It is replaced by this path and query.
    Changed(String),
    /// The request is refused with this HTTP status and an empty body.
    Reject(u16),
    /// The caller is sent to this path and query with 307. A gRPC call is refused instead, as by 400.
    Redirect(String),
}

/// What becomes of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFate {
    /// It stays.
    Keep,
    /// It is removed before anything sees it.
    Drop,
    /// The request is refused: 400 with HTTP/1, a stream reset with HTTP/2.
    Reject,
}

/// Judges the name of a header. This comes before [`target`].
pub fn header(settings: &Normalization, name: &str) -> HeaderFate {
    match settings.underscores {
        _ if !name.contains('_') => HeaderFate::Keep,
        Underscores::Allow => HeaderFate::Keep,
        Underscores::Reject => HeaderFate::Reject,
        Underscores::Drop => HeaderFate::Drop,
    }
}

/// Normalises the target of a request: as [`path`], but `CONNECT` and `OPTIONS *` have none and stay as they are.
pub fn target(settings: &Normalization, method: &http::Method, raw: &str) -> Normalized {
    // An origin-form CONNECT has a path, which is then judged and served like any other.
    let without_path = method == http::Method::CONNECT && !raw.starts_with('/');
    if without_path || (method == http::Method::OPTIONS && raw == "*") {
        return Normalized::Unchanged;
    }
    path(settings, raw)
}

/// Normalises a path with its query, exactly as received. The query is never touched.
///
/// An incomplete or invalid escape is left as it is, so that what stands before it can make it an escape: `/%%32e` becomes
/// `/%2e`. For all other paths a second normalisation changes nothing.
pub fn path(settings: &Normalization, raw: &str) -> Normalized {
    if !raw.starts_with('/') {
        return Normalized::Reject(404);
    }
    if raw.contains('#') {
        return Normalized::Reject(400);
    }
    let (path, query) = raw.split_at(raw.find('?').unwrap_or(raw.len()));
    let unescaped = match settings.escaped_slashes {
        EscapedSlashes::Keep => None,
        EscapedSlashes::Reject if unescape_slashes(path).is_some() => {
            return Normalized::Reject(400);
        }
        EscapedSlashes::Reject => None,
        EscapedSlashes::UnescapeAndRedirect | EscapedSlashes::UnescapeAndForward => {
            unescape_slashes(path)
        }
    };
    let redirect =
        unescaped.is_some() && settings.escaped_slashes == EscapedSlashes::UnescapeAndRedirect;
    let mut changed = unescaped;
    let current = changed.as_deref().unwrap_or(path);
    if !settings.disable_path_normalization && needs_work(current) {
        let Some(canonical) = canonical(current) else {
            return Normalized::Reject(400);
        };
        changed = Some(canonical);
    }
    let current = changed.as_deref().unwrap_or(path);
    if settings.merge_slashes && current.contains("//") {
        changed = Some(merge_slashes(current));
    }
    match changed {
        Some(path) if redirect => Normalized::Redirect(path + query),
        Some(changed) if changed != path => Normalized::Changed(changed + query),
        _ => Normalized::Unchanged,
    }
}

/// The part of a path and query that rules about paths are compared with: what stands before the first `?` or `#`.
pub fn without_query(target: &str) -> &str {
    &target[..target.find(['?', '#']).unwrap_or(target.len())]
}

fn unescape_slashes(path: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = path;
    let mut found = false;
    while let Some(at) = rest.find('%') {
        let slash = match rest.as_bytes().get(at + 1..at + 3) {
            Some(b"2F" | b"2f") => "/",
            Some(b"5C" | b"5c") => "\\",
            _ => {
                out.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
                continue;
            }
        };
        found = true;
        out.push_str(&rest[..at]);
        out.push_str(slash);
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    found.then_some(out)
}

/// Whether a path has anything that [`canonical`] might change. Most have not.
fn needs_work(path: &str) -> bool {
    path.contains("/.")
        || path
            .bytes()
            .any(|b| b == b'%' || b == b'\\' || must_be_escaped(b))
}

fn must_be_escaped(byte: u8) -> bool {
    !(0x21..=0x7e).contains(&byte) || b"\"<>^`{|}".contains(&byte)
}

/// Decodes what needs no escape, encodes what does, resolves dots. `None` for an escaped NUL.
fn canonical(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let mut plain = String::with_capacity(path.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\\' => plain.push('/'),
            b'%' => match escape(bytes.get(at..at + 2)) {
                Some(0) => return None,
                Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                    plain.push(char::from(byte));
                    at += 2;
                }
                Some(_) => {
                    plain.push_str(&path[at - 1..at + 2]);
                    at += 2;
                }
                None => plain.push('%'),
            },
            byte if must_be_escaped(byte) => {
                let _ = write!(plain, "%{byte:02X}");
            }
            byte => plain.push(char::from(byte)),
        }
    }
    Some(remove_dots(&plain))
}

fn escape(hex: Option<&[u8]>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match hex {
        Some([high, low]) => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    }
}

fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => {
                kept.push(other);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in kept {
        out.push('/');
        out.push_str(segment);
    }
    out
}

/// As Envoy does it: the slash at the start and the one at the end both stay, so that a path of slashes only becomes `//`.
fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    out.push('/');
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if out.len() > 1 {
            out.push('/');
        }
        out.push_str(part);
    }
    if path.ends_with('/') {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use proptest::prelude::*;

    fn changed(settings: &Normalization, raw: &str) -> String {
        match path(settings, raw) {
            Normalized::Unchanged => raw.to_owned(),
            Normalized::Changed(path) => {
                assert_ne!(path, raw);
                path
            }
            Normalized::Reject(status) => format!("{status}"),
            Normalized::Redirect(location) => format!("307 {location}"),
        }
    }

    #[test]
    fn the_default_resolves_dots_and_decodes_what_needs_no_escape() {
        for (raw, expect) in [
            ("/", "/"),
            ("/a/b?x=%2e%2e/..", "/a/b?x=%2e%2e/.."),
            ("/public/../admin", "/admin"),
            ("/public/%2e%2e/admin?q", "/admin?q"),
            ("/public/%2E./admin", "/admin"),
            ("/public/./admin", "/public/admin"),
            ("/public\\..\\admin", "/admin"),
            ("/a/../../../etc", "/etc"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/..", "/"),
            ("/a//../b", "/a/b"),
            ("/a/..b/.c/...", "/a/..b/.c/..."),
            ("//admin", "//admin"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2fb", "/a%2fb"),
            ("/x/..%2fadmin", "/x/..%2fadmin"),
            ("/x/%2e%2e%2fadmin", "/x/..%2fadmin"),
            ("/%61%7E%3b", "/a~%3b"),
            ("/%252e", "/%252e"),
            ("/%", "/%"),
            ("/%zz%4", "/%zz%4"),
            ("/%00", "400"),
            ("/a#b", "400"),
            ("/a?b#c", "400"),
            ("", "404"),
            ("admin", "404"),
            ("*", "404"),
            ("/a b<é", "/a%20b%3C%C3%A9"),
            ("/ADMIN", "/ADMIN"),
        ] {
            assert_eq!(changed(&Normalization::default(), raw), expect, "{raw}");
        }
    }

    #[test]
    fn slashes_are_merged_where_asked() {
        let settings = Normalization {
            merge_slashes: true,
            ..Normalization::default()
        };
        for (raw, expect) in [
            ("//admin", "/admin"),
            ("/a///b//?x=//", "/a/b/?x=//"),
            ("/a/b", "/a/b"),
            ("/a\\\\b", "/a/b"),
            ("/a//../b", "/a/b"),
        ] {
            assert_eq!(changed(&settings, raw), expect, "{raw}");
        }
        let only = Normalization {
            disable_path_normalization: true,
            ..settings
        };
        assert_eq!(changed(&only, "//a/../%00\\"), "/a/../%00\\");
    }

    #[test]
    fn escaped_slashes_are_treated_as_asked() {
        let with = |escaped_slashes| Normalization {
            escaped_slashes,
            ..Normalization::default()
        };
        let reject = with(EscapedSlashes::Reject);
        assert_eq!(changed(&reject, "/a%2Fb"), "400");
        assert_eq!(changed(&reject, "/a%5c"), "400");
        assert_eq!(changed(&reject, "/a%2eb?x=%2F"), "/a.b?x=%2F");
        let forward = with(EscapedSlashes::UnescapeAndForward);
        assert_eq!(changed(&forward, "/x/%2e%2e%2Fadmin"), "/admin");
        assert_eq!(changed(&forward, "/x/..%5Cadmin?y=%2f"), "/admin?y=%2f");
        let redirect = with(EscapedSlashes::UnescapeAndRedirect);
        assert_eq!(changed(&redirect, "/x%2F..%2fadmin?q"), "307 /admin?q");
        assert_eq!(changed(&redirect, "/x/../admin"), "/admin");
    }

    #[test]
    fn targets_without_a_path_stay() {
        let settings = Normalization::default();
        assert_eq!(
            target(&settings, &Method::OPTIONS, "*"),
            Normalized::Unchanged
        );
        assert_eq!(
            target(&settings, &Method::CONNECT, "host:1"),
            Normalized::Unchanged
        );
        assert_eq!(
            target(&settings, &Method::CONNECT, "/public/%2e%2e/admin"),
            Normalized::Changed("/admin".to_owned())
        );
        assert_eq!(
            target(&settings, &Method::GET, "*"),
            Normalized::Reject(404)
        );
    }

    #[test]
    fn headers_with_underscores_are_treated_as_asked() {
        let with = |underscores| Normalization {
            underscores,
            ..Normalization::default()
        };
        assert_eq!(header(&with(Underscores::Allow), "x_a"), HeaderFate::Keep);
        assert_eq!(
            header(&with(Underscores::Reject), "x_a"),
            HeaderFate::Reject
        );
        assert_eq!(header(&with(Underscores::Drop), "x_a"), HeaderFate::Drop);
        assert_eq!(header(&with(Underscores::Drop), "x-a"), HeaderFate::Keep);
    }

    #[test]
    fn rules_see_the_path_without_its_query() {
        assert_eq!(without_query("/a?b#c"), "/a");
        assert_eq!(without_query("/a#b?c"), "/a");
        assert_eq!(without_query("/a"), "/a");
    }

    fn settings() -> impl Strategy<Value = Normalization> {
        let slashes = proptest::sample::select(vec![
            EscapedSlashes::Keep,
            EscapedSlashes::Reject,
            EscapedSlashes::UnescapeAndForward,
        ]);
        (any::<bool>(), any::<bool>(), slashes).prop_map(
            |(disable, merge_slashes, escaped_slashes)| Normalization {
                disable_path_normalization: disable,
                merge_slashes,
                escaped_slashes,
                underscores: Underscores::Allow,
            },
        )
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_more(
            settings in settings(),
            raw in r"/([/.a\\é ]|%2[eEfF]|%5[cC]|%41|%25){0,12}([?][/.%]{0,3})?",
        ) {
            if let Normalized::Changed(once) = path(&settings, &raw) {
                // Unescaping may only be repeated where it made no new escape, and `%25` is never decoded.
                prop_assert_eq!(path(&settings, &once), Normalized::Unchanged, "{} then {}", raw, once);
            }
        }

        #[test]
        fn no_parent_segment_is_left(raw in r"/([/.a\\]|%2[eE]){0,14}") {
            let out = changed(&Normalization::default(), &raw);
            prop_assert!(out.starts_with('/'));
            prop_assert!(out.split('/').all(|segment| segment != "." && segment != ".."), "{}", out);
        }

        #[test]
        fn no_text_makes_it_panic(settings in settings(), raw in any::<String>()) {
            let _ = path(&settings, &raw);
        }
    }
}
