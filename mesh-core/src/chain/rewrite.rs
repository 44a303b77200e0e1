//! Rewriting the path of a matched request (`PrefixRewrite` of Consul's service-router reference).

/// How a route matched the path: this decides what a rewrite replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedPath {
    /// The whole path was matched (`PathExact`).
    Exact,
    /// A prefix of this many bytes was matched (`PathPrefix`).
    Prefix(usize),
}

/// The path and query of `raw` after `rewrite` replaced what the route matched.
///
/// The query string (and anything after a `#`) is kept. No slash is added or removed, with one exception: a rewrite to exactly
/// `/` replaces the prefix and one slash after it, so that `/foo/bar` becomes `/bar` and not `//bar`. A prefix longer than the
/// path counts as the whole path. The result starts with whatever `rewrite` starts with; nothing checks that it is a path.
///
/// ```
/// use mesh_core::chain::rewrite::{MatchedPath, rewrite_path};
///
/// assert_eq!(rewrite_path(MatchedPath::Prefix("/v1".len()), "/v2", "/v1/birds?page=3"), "/v2/birds?page=3");
/// ```
#[must_use]
pub fn rewrite_path(matched: MatchedPath, rewrite: &str, raw: &str) -> String {
    let (path, tail) = raw.split_at(path_len(raw));
    let rest = match matched {
        MatchedPath::Exact => "",
        MatchedPath::Prefix(length) => path.get(length..).unwrap_or_default(),
    };
    let rest = if rewrite == "/" {
        rest.strip_prefix('/').unwrap_or(rest)
    } else {
        rest
    };
    let mut rewritten = String::with_capacity(rewrite.len() + rest.len() + tail.len());
    rewritten.push_str(rewrite);
    rewritten.push_str(rest);
    rewritten.push_str(tail);
    rewritten
}

/// Where the path of a request target ends: before the first `?` or `#`.
pub(super) fn path_len(raw: &str) -> usize {
    raw.find(['?', '#']).unwrap_or(raw.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(prefix: &str, rewrite: &str, raw: &str) -> String {
        rewrite_path(MatchedPath::Prefix(prefix.len()), rewrite, raw)
    }

    #[test]
    fn a_matched_prefix_is_replaced_literally() {
        let cases = [
            ("/foo", "/bar", "/foo", "/bar"),
            ("/foo", "/bar", "/foo/x", "/bar/x"),
            ("/foo", "/bar", "/foobar", "/barbar"),
            ("/foo", "/bar/", "/foo/x", "/bar//x"),
            ("/foo/", "/bar", "/foo/x", "/barx"),
            ("/foo/", "/bar/", "/foo/x?a=1", "/bar/x?a=1"),
            ("/foo", "/bar", "/foo?a=/foo", "/bar?a=/foo"),
            ("/foo", "/bar", "/foo#frag", "/bar#frag"),
            ("/", "/v2/", "/a/b", "/v2/a/b"),
            ("/foo", "/bar", "/FOO/x", "/bar/x"),
        ];
        for (from, to, raw, want) in cases {
            assert_eq!(prefix(from, to, raw), want, "{from} -> {to} on {raw}");
        }
    }

    #[test]
    fn a_rewrite_to_the_root_swallows_one_slash() {
        let cases = [
            ("/foo", "/foo/bar", "/bar"),
            ("/foo", "/foo", "/"),
            ("/foo", "/foobar", "/bar"),
            ("/foo", "/foo//bar", "//bar"),
            ("/foo/", "/foo/bar", "/bar"),
            ("/foo", "/foo?x=1", "/?x=1"),
            ("/", "/a", "/a"),
        ];
        for (from, raw, want) in cases {
            assert_eq!(prefix(from, "/", raw), want, "{from} on {raw}");
        }
    }

    #[test]
    fn an_exact_match_is_replaced_whole() {
        assert_eq!(rewrite_path(MatchedPath::Exact, "/new", "/old"), "/new");
        assert_eq!(rewrite_path(MatchedPath::Exact, "/", "/old"), "/");
        assert_eq!(
            rewrite_path(MatchedPath::Exact, "/new", "/old?q#f"),
            "/new?q#f"
        );
    }

    #[test]
    fn a_prefix_beyond_the_path_or_inside_a_character_does_not_panic() {
        assert_eq!(prefix("/long-prefix", "/x", "/a?b=1"), "/x?b=1");
        assert_eq!(rewrite_path(MatchedPath::Prefix(2), "/x", "/ü"), "/x");
        assert_eq!(rewrite_path(MatchedPath::Prefix(0), "", ""), "");
    }
}
