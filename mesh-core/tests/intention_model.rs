//! Intentions against a slow evaluator that follows the text of the rules.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use mesh_core::config::{
    Entry, EntrySet, IntentionHeader, IntentionHttp, IntentionSource, Permission, ServiceIntentions,
};
use mesh_core::identity::{SpiffeId, TrustDomain};
use mesh_core::intention::{Context, Decision, PeerCluster, RequestFacts, Table, evaluate};
use proptest::prelude::*;

const NAMES: [&str; 4] = ["web", "api", "a.b", "*"];
const PEERS: [&str; 3] = ["", "east", "unknown"];
const PATHS: [&str; 5] = ["/", "/a", "/a/b", "/admin", "/adm"];
const METHODS: [&str; 3] = ["GET", "POST", "get"];
const VALUES: [&str; 3] = ["x", "y", "xy"];

fn one_of<T: Clone + std::fmt::Debug + 'static>(items: &[T]) -> impl Strategy<Value = T> + use<T> {
    proptest::sample::select(items.to_vec())
}

fn header() -> impl Strategy<Value = IntentionHeader> {
    (0..4_u8, one_of(&VALUES), any::<bool>()).prop_map(|(kind, value, invert)| {
        let mut header = IntentionHeader {
            name: "X-H".into(),
            invert,
            ..IntentionHeader::default()
        };
        match kind {
            0 => header.present = true,
            1 => header.exact = value.into(),
            2 => header.contains = value.into(),
            _ => header.suffix = value.into(),
        }
        header
    })
}

fn permission() -> impl Strategy<Value = Permission> {
    let path = (0..4_u8, one_of(&PATHS));
    let methods = proptest::collection::vec(one_of(&["GET", "POST"]), 0..2);
    let headers = proptest::collection::vec(header(), 0..2);
    (any::<bool>(), path, methods, headers).prop_map(|(allow, (kind, path), methods, header)| {
        let mut http = IntentionHttp {
            methods: methods.into_iter().map(str::to_owned).collect(),
            header,
            ..IntentionHttp::default()
        };
        match kind {
            0 => {}
            1 => http.path_exact = path.into(),
            2 => http.path_prefix = path.into(),
            _ => http.path_regex = format!("{path}.?"),
        }
        Permission {
            action: action(allow),
            http: Some(http),
            ..Permission::default()
        }
    })
}

fn action(allow: bool) -> String {
    if allow { "allow" } else { "deny" }.to_owned()
}

fn source(with_permissions: bool) -> impl Strategy<Value = IntentionSource> {
    let permissions =
        proptest::collection::vec(permission(), 0..if with_permissions { 4 } else { 1 });
    (one_of(&NAMES), one_of(&PEERS), any::<bool>(), permissions).prop_map(
        |(name, peer, allow, permissions)| IntentionSource {
            name: name.into(),
            peer: peer.into(),
            action: if permissions.is_empty() {
                action(allow)
            } else {
                String::new()
            },
            permissions,
            ..IntentionSource::default()
        },
    )
}

/// At most one source per name and peer, as validation demands.
fn entry(name: &'static str) -> impl Strategy<Value = ServiceIntentions> {
    proptest::collection::vec(source(name != "*"), 1..6).prop_map(move |sources| {
        let mut unique: Vec<IntentionSource> = Vec::new();
        for source in sources {
            if !unique
                .iter()
                .any(|it| (&it.name, &it.peer) == (&source.name, &source.peer))
            {
                unique.push(source);
            }
        }
        ServiceIntentions {
            name: name.into(),
            sources: unique,
            ..ServiceIntentions::default()
        }
    })
}

fn entries() -> impl Strategy<Value = Vec<ServiceIntentions>> {
    let optional = |name| proptest::option::of(entry(name));
    (optional("api"), optional("*"), optional("other"))
        .prop_map(|(exact, any, other)| [exact, any, other].into_iter().flatten().collect())
}

#[derive(Clone, Debug)]
struct Request {
    caller: String,
    xfcc: Option<String>,
    method: &'static str,
    path: String,
    headers: Vec<&'static str>,
}

fn request() -> impl Strategy<Value = Request> {
    let own = one_of(&["web", "api", "a.b", "axb", "cron", "*"]);
    let headers = proptest::collection::vec(one_of(&VALUES), 0..3);
    let path = (one_of(&PATHS), one_of(&["", "?q", "#f", "x"]));
    (own, 0..5_u8, one_of(&METHODS), path, headers).prop_map(
        |(name, kind, method, (path, after), headers)| {
            let peer = format!("spiffe://east.consul/ap/p1/ns/default/dc/dc2/svc/{name}");
            let (caller, xfcc) = match kind {
                0 | 1 => (
                    format!("spiffe://own.consul/ns/default/dc/dc7/svc/{name}"),
                    None,
                ),
                2 => (peer, None),
                3 => (
                    "spiffe://own.consul/gateway/mesh/dc/dc1".to_owned(),
                    Some(format!("By=x;URI={peer}")),
                ),
                _ => (
                    format!("spiffe://own.consul/ap/p1/ns/default/dc/dc1/svc/{name}"),
                    None,
                ),
            };
            Request {
                // `*` is no name that a certificate can have; it must not be taken for the wildcard.
                caller: caller.replace("svc/*", "svc/-"),
                xfcc,
                method,
                path: format!("{path}{after}"),
                headers,
            }
        },
    )
}

/// The rules word by word: all candidates, the highest precedence first, the first that matches.
fn slow(entries: &[ServiceIntentions], http: bool, default: bool, request: &Request) -> bool {
    let mut candidates: Vec<(u8, &IntentionSource)> = Vec::new();
    for entry in entries
        .iter()
        .filter(|entry| matches!(&*entry.name, "api" | "*"))
    {
        for source in &entry.sources {
            let precedence = match (&*entry.name, &*source.name) {
                ("*", "*") => 5,
                ("*", _) => 6,
                (_, "*") => 8,
                _ => 9,
            };
            candidates.push((precedence, source));
        }
    }
    candidates.sort_by_key(|(precedence, _)| std::cmp::Reverse(*precedence));
    let matching = candidates
        .iter()
        .find(|(_, source)| slow_source(source, http, request));
    let Some((_, source)) = matching else {
        return default;
    };
    if source.permissions.is_empty() {
        return source.action == "allow";
    }
    if !http {
        return false;
    }
    let first = source
        .permissions
        .iter()
        .find(|permission| slow_permission(permission, request));
    first.map_or(default, |permission| permission.action == "allow")
}

fn slow_source(source: &IntentionSource, http: bool, request: &Request) -> bool {
    let name = if &*source.name == "*" {
        "[^/]+".to_owned()
    } else {
        source.name.replace('.', "[.]")
    };
    let matches = |pattern: &str, text: &str| regex::Regex::new(pattern).unwrap().is_match(text);
    let peer = format!("spiffe://east[.]consul/ap/p1/ns/default/dc/[^/]+/svc/{name}");
    match &*source.peer {
        "" => matches(
            &format!("^spiffe://own[.]consul/ns/default/dc/[^/]+/svc/{name}$"),
            &request.caller,
        ),
        "east" if http => {
            matches(
                "^spiffe://own[.]consul/gateway/mesh/dc/[^/]+$",
                &request.caller,
            ) && request
                .xfcc
                .as_ref()
                .is_some_and(|header| matches(&format!("^[^,]+;URI={peer}(?:,.*)?$"), header))
        }
        "east" => matches(&format!("^{peer}$"), &request.caller),
        _ => false,
    }
}

fn slow_permission(permission: &Permission, request: &Request) -> bool {
    let http = permission.http.as_ref().unwrap();
    let path = request.path.split(['?', '#']).next().unwrap();
    let regex = regex::Regex::new(&format!("^(?:{})$", http.path_regex)).unwrap();
    let path_holds = (http.path_exact.is_empty() || path == http.path_exact)
        && path.starts_with(&http.path_prefix)
        && (http.path_regex.is_empty() || regex.is_match(path));
    let method_holds =
        http.methods.is_empty() || http.methods.iter().any(|method| method == request.method);
    path_holds
        && method_holds
        && http
            .header
            .iter()
            .all(|header| slow_header(header, &request.headers))
}

fn slow_header(header: &IntentionHeader, values: &[&str]) -> bool {
    let joined = values.join(",");
    if header.present {
        return values.is_empty() == header.invert;
    }
    if values.is_empty() {
        return false;
    }
    let holds = (header.exact.is_empty() || joined == header.exact)
        && joined.contains(&header.contains)
        && joined.ends_with(&header.suffix);
    holds != header.invert
}

fn table(entries: &[ServiceIntentions], http: bool, default: bool) -> Table {
    let set: EntrySet = entries.iter().cloned().map(Entry::from).collect();
    let east = PeerCluster {
        trust_domain: TrustDomain::new("east.consul").unwrap(),
        exported_partition: "p1".into(),
    };
    let context = Context {
        trust_domain: TrustDomain::new("own.consul").unwrap(),
        default: if default {
            Decision::Allow
        } else {
            Decision::Deny
        },
        http,
        peers: BTreeMap::from([(Arc::from("east"), east)]),
    };
    Table::compile("api", &set, &context).unwrap()
}

fn fast(table: &Table, request: &Request) -> bool {
    let mut headers = HeaderMap::new();
    for value in &request.headers {
        headers.append(
            HeaderName::from_static("x-h"),
            HeaderValue::from_static(value),
        );
    }
    let facts = RequestFacts {
        method: request.method,
        path: &request.path,
        authority: "api",
        headers: &headers,
        xfcc: request.xfcc.as_deref(),
        claims: None,
    };
    let caller: SpiffeId = request.caller.parse().unwrap();
    evaluate(table, &caller, Some(&facts)).is_allowed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_table_agrees_with_the_rules_read_word_by_word(
        entries in entries(),
        http in any::<bool>(),
        default in any::<bool>(),
        requests in proptest::collection::vec(request(), 1..8),
    ) {
        let table = table(&entries, http, default);
        for request in &requests {
            prop_assert_eq!(fast(&table, request), slow(&entries, http, default, request), "{:?}", request);
        }
    }

    #[test]
    fn the_order_of_sources_does_not_matter(
        entries in entries(),
        http in any::<bool>(),
        turn in 0..6_usize,
        request in request(),
    ) {
        let mut turned = entries.clone();
        for entry in &mut turned {
            let len = entry.sources.len();
            entry.sources.rotate_left(turn % len);
        }
        prop_assert_eq!(fast(&table(&entries, http, false), &request), fast(&table(&turned, http, false), &request));
    }

    #[test]
    fn a_further_exact_allow_never_shuts_out_anybody(
        entries in entries(),
        http in any::<bool>(),
        default in any::<bool>(),
        name in one_of(&["cron", "axb"]),
        request in request(),
    ) {
        let mut more = entries.clone();
        let allow = IntentionSource { name: name.into(), action: "allow".into(), ..IntentionSource::default() };
        match more.iter_mut().find(|entry| &*entry.name == "api") {
            Some(entry) => entry.sources.push(allow),
            None => more.push(ServiceIntentions {
                name: "api".into(),
                sources: vec![allow],
                ..ServiceIntentions::default()
            }),
        }
        if fast(&table(&entries, http, default), &request) {
            prop_assert!(fast(&table(&more, http, default), &request));
        }
    }
}
