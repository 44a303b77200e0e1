//! Does a request match a route?

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::chain::matching::whole_regex;
use crate::config::{QueryMatch, RouteHeader};

fn compiled(http: HttpMatch) -> RouteMatch {
    let set = Set::http(&["web"]).with(router(
        "web",
        vec![http_route(http, RouteDestination::default())],
    ));
    set.compile("web").routes[0].matcher.clone()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

fn at(matcher: &RouteMatch, target: &str) -> bool {
    matcher.matches(&RequestHead::new(
        "GET",
        target,
        "web",
        "http",
        &HeaderMap::new(),
    ))
}

fn with(matcher: &RouteMatch, pairs: &[(&str, &str)]) -> bool {
    matcher.matches(&RequestHead::new(
        "GET",
        "/",
        "web",
        "http",
        &headers(pairs),
    ))
}

fn exact(path: &str) -> HttpMatch {
    HttpMatch {
        path_exact: path.into(),
        ..HttpMatch::default()
    }
}

fn prefix(path: &str) -> HttpMatch {
    HttpMatch {
        path_prefix: path.into(),
        ..HttpMatch::default()
    }
}

fn regex(path: &str) -> HttpMatch {
    HttpMatch {
        path_regex: path.into(),
        ..HttpMatch::default()
    }
}

fn header(header: RouteHeader) -> RouteMatch {
    compiled(HttpMatch {
        header: vec![header],
        ..HttpMatch::default()
    })
}

fn query(query: QueryMatch) -> RouteMatch {
    compiled(HttpMatch {
        query_param: vec![query],
        ..HttpMatch::default()
    })
}

#[test]
fn paths_are_compared_raw_up_to_the_query() {
    let insensitive = |http: HttpMatch| HttpMatch {
        case_insensitive: true,
        ..http
    };
    let cases = [
        (prefix("/foo"), "/foobar", true),
        (prefix("/foo"), "/fo", false),
        (prefix("/foo/"), "/foo", false),
        (prefix("/foo"), "/FOO", false),
        (prefix("/foo"), "/%66oo", false),
        (prefix("/foo"), "/./foo", false),
        (exact("/foo"), "/foo?x=1", true),
        (exact("/foo"), "/foo#x", true),
        (exact("/foo"), "/foo/", false),
        (exact("/foo"), "/FOO", false),
        (insensitive(exact("/foo")), "/FoO", true),
        (insensitive(prefix("/foo")), "/FOO/a", true),
        (insensitive(prefix("/foo")), "/FO", false),
        (insensitive(prefix("/FÜ")), "/fü", false),
        (regex("/v1/users"), "/v1/users/7", false),
        (regex("/v1/users/.*"), "/v1/users/7", true),
        (regex("/a|/b"), "/b", true),
        (regex("/a|/b"), "/bc", false),
        (regex("/a|/b"), "x/a", false),
        (insensitive(regex("/foo")), "/FOO", false),
        (regex("(?i)/foo"), "/FOO", true),
        (regex("/x"), "/x?/y", true),
        (regex("/[0-9]+$"), "/12", true),
    ];
    for (http, target, expected) in cases {
        assert_eq!(
            at(&compiled(http.clone()), target),
            expected,
            "{http:?} on {target}"
        );
    }
}

#[test]
fn a_regex_cannot_break_out_of_its_anchors() {
    assert!(whole_regex("a)|(b").is_err());
    assert!(whole_regex("(").is_err());
    assert!(
        whole_regex(&"(a{1000}){1000}".repeat(2)).is_err(),
        "too large"
    );
    let multi_line = compiled(regex("(?m)/a$"));
    assert!(at(&multi_line, "/a"));
    assert!(!at(&multi_line, "/a\n/b"));
}

#[test]
fn a_regex_may_name_letters_beyond_ascii() {
    assert!(at(&compiled(regex("/ü+")), "/üü"));
    assert!(at(&compiled(regex("/[äöü]")), "/ö"));
}

#[test]
fn header_criteria_follow_the_table_of_missing_headers() {
    let rule = |rule: RouteHeader, invert| RouteHeader {
        name: "X-V".into(),
        invert,
        ..rule
    };
    let present = RouteHeader {
        present: true,
        ..RouteHeader::default()
    };
    let exact = RouteHeader {
        exact: "1".into(),
        ..RouteHeader::default()
    };
    let prefix = RouteHeader {
        prefix: "1".into(),
        ..RouteHeader::default()
    };
    let suffix = RouteHeader {
        suffix: "1".into(),
        ..RouteHeader::default()
    };
    let regex = RouteHeader {
        regex: "[0-9]".into(),
        ..RouteHeader::default()
    };
    for kind in [exact, prefix, suffix, regex] {
        assert!(with(&header(rule(kind.clone(), false)), &[("x-v", "1")]));
        assert!(!with(&header(rule(kind.clone(), true)), &[("x-v", "1")]));
        assert!(!with(&header(rule(kind.clone(), false)), &[("x-v", "no")]));
        assert!(with(&header(rule(kind.clone(), true)), &[("x-v", "no")]));
        assert!(!with(&header(rule(kind.clone(), false)), &[]));
        assert!(
            !with(&header(rule(kind, true)), &[]),
            "missing never matches, inverted or not"
        );
    }
    assert!(with(&header(rule(present.clone(), false)), &[("x-v", "")]));
    assert!(!with(&header(rule(present.clone(), true)), &[("x-v", "")]));
    assert!(!with(&header(rule(present.clone(), false)), &[]));
    assert!(with(&header(rule(present, true)), &[]));
}

#[test]
fn fields_of_one_name_are_joined_and_values_keep_their_case() {
    let exact = |value: &str| {
        header(RouteHeader {
            name: "x-v".into(),
            exact: value.into(),
            ..RouteHeader::default()
        })
    };
    assert!(with(&exact("1,2"), &[("x-v", "1"), ("X-V", "2")]));
    assert!(!with(&exact("1"), &[("x-v", "1"), ("x-v", "2")]));
    assert!(!with(&exact("Yes"), &[("x-v", "yes")]));
    let whole = header(RouteHeader {
        name: "x-v".into(),
        regex: "a.c".into(),
        ..RouteHeader::default()
    });
    assert!(with(&whole, &[("x-v", "abc")]));
    assert!(!with(&whole, &[("x-v", "abcd")]));
    assert!(
        with(&whole, &[("x-v", "a"), ("x-v", "c")]),
        "the comma counts"
    );
}

#[test]
fn pseudo_headers_can_be_named() {
    let exact = |name: &str, value: &str| {
        header(RouteHeader {
            name: name.into(),
            exact: value.into(),
            ..RouteHeader::default()
        })
    };
    let map = headers(&[("host", "by-host")]);
    let head = RequestHead::new("POST", "/p?q=1", "by-uri:80", "https", &map);
    assert!(exact(":method", "POST").matches(&head));
    assert!(exact(":path", "/p?q=1").matches(&head));
    assert!(exact(":Authority", "by-uri:80").matches(&head));
    assert!(exact("Host", "by-uri:80").matches(&head));
    assert!(exact(":scheme", "https").matches(&head));
    let plain = RequestHead {
        authority: "",
        scheme: "",
        ..head
    };
    assert!(exact(":authority", "by-host").matches(&plain));
    let scheme = RouteHeader {
        name: ":scheme".into(),
        present: true,
        ..RouteHeader::default()
    };
    assert!(!header(scheme).matches(&plain));
    let impossible = RouteHeader {
        name: "x y".into(),
        present: true,
        ..RouteHeader::default()
    };
    assert!(!header(impossible).matches(&plain));
}

#[test]
fn query_parameters_are_compared_raw_and_the_first_counts() {
    let exact = |value: &str| {
        query(QueryMatch {
            name: "canary".into(),
            exact: value.into(),
            ..QueryMatch::default()
        })
    };
    assert!(at(&exact("true"), "/a?canary=true&canary=false"));
    assert!(!at(&exact("true"), "/a?canary=false&canary=true"));
    assert!(!at(&exact("true"), "/a?canary=tru%65"));
    assert!(at(&exact("a+b"), "/a?x=1&canary=a+b"));
    assert!(!at(&exact("true"), "/a?Canary=true"));
    assert!(at(&exact("a=b"), "/?canary=a=b"));
    assert!(!at(&exact("true"), "/canary=true"));
    assert!(at(&exact("x?y"), "/?canary=x?y"));
    let present = query(QueryMatch {
        name: "canary".into(),
        present: true,
        ..QueryMatch::default()
    });
    assert!(at(&present, "/a?canary"));
    assert!(at(&present, "/a?x&canary="));
    assert!(!at(&present, "/a?canaryx=1"));
    assert!(!at(&present, "/a"));
    let regex = query(QueryMatch {
        name: "n".into(),
        regex: "[0-9]+".into(),
        ..QueryMatch::default()
    });
    assert!(at(&regex, "/?n=12"));
    assert!(!at(&regex, "/?n=12x"));
    assert!(!at(&regex, "/?n"));
}

#[test]
fn methods_are_compared_with_case() {
    let methods = compiled(HttpMatch {
        methods: vec!["GET".into(), "PUT".into()],
        ..HttpMatch::default()
    });
    let sent = |method| methods.matches(&RequestHead::new(method, "/", "", "", &HeaderMap::new()));
    assert!(sent("GET") && sent("PUT"));
    assert!(!sent("get") && !sent("POST"));
}

#[test]
fn all_criteria_have_to_hold_and_the_explanation_says_which_did_not() {
    let http = HttpMatch {
        path_prefix: "/api".into(),
        methods: vec!["GET".into()],
        header: vec![RouteHeader {
            name: "x-debug".into(),
            present: true,
            ..RouteHeader::default()
        }],
        query_param: vec![QueryMatch {
            name: "v".into(),
            exact: "2".into(),
            ..QueryMatch::default()
        }],
        ..HttpMatch::default()
    };
    let matcher = compiled(http);
    let map = headers(&[("x-debug", "")]);
    assert!(matcher.matches(&RequestHead::new("GET", "/api?v=2", "", "", &map)));
    let head = RequestHead::new("GET", "/api?v=1", "", "", &map);
    assert!(!matcher.matches(&head));
    let steps = matcher.explain(&head);
    assert_eq!(
        steps.iter().map(|step| step.holds).collect::<Vec<_>>(),
        [true, true, true, false]
    );
    assert_eq!(steps[0].criterion, "path starts with /api");
    assert_eq!(steps[3].criterion, "query parameter v is \"2\"");
}

#[test]
fn the_first_matching_route_wins_and_the_catch_all_takes_the_rest() {
    let set = Set::http(&["web", "a", "b"])
        .with(router("web", vec![to("/x/y", "a", ""), to("/x", "b", "")]));
    let chain = set.compile("web");
    let map = HeaderMap::new();
    let decided = |path| decide(&chain.routes, &RequestHead::new("GET", path, "", "", &map));
    assert_eq!(decided("/x/y/z"), Some(0));
    assert_eq!(decided("/x/z"), Some(1));
    assert_eq!(decided("/"), Some(2));
    assert_eq!(decided("*"), Some(2));
    assert_eq!(
        decide(&[], &RequestHead::new("GET", "/", "", "", &map)),
        None
    );
}

#[test]
fn a_head_is_cut_out_of_an_http_request() {
    let request = http::Request::put("http://backend:80/a%2Fb?x=1?y")
        .header("x", "1")
        .body(())
        .unwrap();
    let head = RequestHead::of(&request);
    assert_eq!(
        (head.method, head.path, head.query),
        ("PUT", "/a%2Fb", "x=1?y")
    );
    assert_eq!((head.authority, head.scheme), ("backend:80", "http"));
}

#[test]
fn what_a_rewrite_replaces_follows_from_the_path_criterion() {
    use rewrite::MatchedPath;
    assert_eq!(
        compiled(exact("/foo")).matched_path(),
        Some(MatchedPath::Exact)
    );
    assert_eq!(
        compiled(prefix("/foo")).matched_path(),
        Some(MatchedPath::Prefix(4))
    );
    assert_eq!(compiled(regex("/foo")).matched_path(), None);
    assert_eq!(RouteMatch::default().matched_path(), None);
}
