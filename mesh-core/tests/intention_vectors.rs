//! The conformance vectors about intentions.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use mesh_core::config::mesh::{MeshHttp, MeshHttpIncoming, RequestNormalization};
use mesh_core::config::{
    Entry, EntrySet, IntentionHeader, IntentionHttp, IntentionJwt, IntentionJwtClaim,
    IntentionJwtProvider, IntentionSource, JwtProvider, MeshEntry, Permission, ServiceIntentions,
};
use mesh_core::identity::{TrustDomain, leaf_identity};
use mesh_core::intention::{
    By, Claims, Context, Decision, PeerCluster, Permitted, RequestFacts, Table, Verdict, evaluate,
};
use mesh_core::normalize::{self, HeaderFate, Normalization, Normalized};
use serde_json::Value;

fn file() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/security-open.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn flag(value: &Value, key: &str) -> bool {
    value[key].as_bool().unwrap_or_default()
}

fn list<T>(value: &Value, key: &str, each: impl Fn(&Value) -> T) -> Vec<T> {
    value[key]
        .as_array()
        .into_iter()
        .flatten()
        .map(each)
        .collect()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    list(value, key, |item| item.as_str().unwrap().to_owned())
}

fn object<T>(value: &Value, key: &str, read: impl Fn(&Value) -> T) -> Option<T> {
    value.get(key).filter(|value| value.is_object()).map(read)
}

fn jwt(value: &Value) -> IntentionJwt {
    let claim = |value: &Value| IntentionJwtClaim {
        path: texts(value, "Path"),
        value: text(value, "Value"),
        ..IntentionJwtClaim::default()
    };
    IntentionJwt {
        providers: list(value, "Providers", |value| IntentionJwtProvider {
            name: text(value, "Name").into(),
            verify_claims: list(value, "VerifyClaims", claim),
            ..IntentionJwtProvider::default()
        }),
        ..IntentionJwt::default()
    }
}

fn header(value: &Value) -> IntentionHeader {
    IntentionHeader {
        name: text(value, "Name"),
        present: flag(value, "Present"),
        exact: text(value, "Exact"),
        prefix: text(value, "Prefix"),
        suffix: text(value, "Suffix"),
        contains: text(value, "Contains"),
        regex: text(value, "Regex"),
        invert: flag(value, "Invert"),
        ignore_case: flag(value, "IgnoreCase"),
        ..IntentionHeader::default()
    }
}

fn permission(value: &Value) -> Permission {
    Permission {
        action: text(value, "Action"),
        http: object(value, "HTTP", |value| IntentionHttp {
            path_exact: text(value, "PathExact"),
            path_prefix: text(value, "PathPrefix"),
            path_regex: text(value, "PathRegex"),
            header: list(value, "Header", header),
            methods: texts(value, "Methods"),
            ..IntentionHttp::default()
        }),
        jwt: object(value, "JWT", jwt),
        ..Permission::default()
    }
}

fn intentions(value: &Value) -> ServiceIntentions {
    ServiceIntentions {
        name: text(value, "Name").into(),
        jwt: object(value, "JWT", jwt),
        sources: list(value, "Sources", |value| IntentionSource {
            name: text(value, "Name").into(),
            peer: text(value, "Peer").into(),
            action: text(value, "Action"),
            permissions: list(value, "Permissions", permission),
            ..IntentionSource::default()
        }),
        ..ServiceIntentions::default()
    }
}

fn mesh(value: &Value) -> MeshEntry {
    let given = &value["HTTP"]["Incoming"]["RequestNormalization"];
    let normalization = RequestNormalization {
        insecure_disable_path_normalization: flag(given, "InsecureDisablePathNormalization"),
        merge_slashes: flag(given, "MergeSlashes"),
        path_with_escaped_slashes_action: text(given, "PathWithEscapedSlashesAction"),
        headers_with_underscores_action: text(given, "HeadersWithUnderscoresAction"),
        ..RequestNormalization::default()
    };
    MeshEntry {
        http: Some(MeshHttp {
            incoming: Some(MeshHttpIncoming {
                request_normalization: Some(normalization),
                ..MeshHttpIncoming::default()
            }),
            ..MeshHttp::default()
        }),
        ..MeshEntry::default()
    }
}

fn entries(vector: &Value) -> EntrySet {
    let mut entries: EntrySet = list(vector, "entries", |value| Entry::from(intentions(value)))
        .into_iter()
        .collect();
    for provider in list(vector, "jwt_providers", |value| JwtProvider {
        name: text(value, "Name").into(),
        issuer: text(value, "Issuer"),
        ..JwtProvider::default()
    }) {
        entries.insert(provider.into());
    }
    if let Some(mesh) = object(vector, "mesh", mesh) {
        entries.insert(mesh.into());
    }
    entries
}

fn context(environment: &Value, vector: &Value) -> Context {
    let peers = list(environment, "peers", |peer| {
        let cluster = PeerCluster {
            trust_domain: TrustDomain::new(&text(peer, "trust_domain")).unwrap(),
            exported_partition: text(peer, "exported_partition"),
        };
        (Arc::from(text(peer, "name")), cluster)
    });
    Context {
        trust_domain: TrustDomain::new(&text(environment, "trust_domain")).unwrap(),
        default: match vector["default_policy"].as_str().unwrap() {
            "allow" => Decision::Allow,
            _ => Decision::Deny,
        },
        http: matches!(
            vector["request"]["protocol"].as_str(),
            Some("http" | "http2" | "grpc")
        ),
        peers: peers.into_iter().collect(),
    }
}

enum Outcome {
    Verdict(Verdict, Option<String>),
    Reject(u16),
    Redirect,
}

/// Headers after the rule about underscores, and the authority; `None` if the request is refused.
fn headers(settings: &Normalization, request: &Value) -> Option<(HeaderMap, String)> {
    let mut headers = HeaderMap::new();
    let mut authority = text(request, "authority");
    for pair in request["headers"].as_array().into_iter().flatten() {
        let (name, value) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        match normalize::header(settings, name) {
            HeaderFate::Reject => return None,
            HeaderFate::Drop => {}
            HeaderFate::Keep if name.eq_ignore_ascii_case("host") || name == ":authority" => {
                value.clone_into(&mut authority);
            }
            HeaderFate::Keep => {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
        }
    }
    Some((headers, authority))
}

fn judge(environment: &Value, vector: &Value) -> Outcome {
    let (entries, context, request) = (
        entries(vector),
        context(environment, vector),
        &vector["request"],
    );
    let table = Table::compile(&text(request, "destination"), &entries, &context).unwrap();
    let caller = text(&request["source"], "spiffe_id");
    let caller = leaf_identity(std::iter::once(caller.as_bytes()))
        .unwrap()
        .id;
    if !context.http {
        return Outcome::Verdict(evaluate(&table, &caller, None), None);
    }
    let settings = Normalization::of(entries.mesh().map(|mesh| &**mesh));
    let Some((headers, authority)) = headers(&settings, request) else {
        return Outcome::Reject(400);
    };
    let (method, raw) = (text(request, "method"), text(request, "path"));
    let path = match normalize::target(&settings, &method.parse().unwrap(), &raw) {
        Normalized::Unchanged => raw,
        Normalized::Changed(path) => path,
        Normalized::Reject(status) => return Outcome::Reject(status),
        Normalized::Redirect(_) => return Outcome::Redirect,
    };
    let claims: Option<Claims> = object(request, "jwt", |claims| {
        serde_json::from_value(claims.clone()).unwrap()
    });
    let facts = RequestFacts {
        method: &method,
        path: &path,
        authority: &authority,
        headers: &headers,
        xfcc: request["xfcc"].as_str(),
        claims: claims.as_ref(),
    };
    Outcome::Verdict(evaluate(&table, &caller, Some(&facts)), Some(path.clone()))
}

fn check_matched(id: &str, matched: &Value, verdict: &Verdict) {
    if matched == "default" {
        assert_eq!(verdict.by, By::Default, "{id}");
        return;
    }
    let By::Rule {
        rule,
        permitted,
        jwt_unsatisfied,
    } = &verdict.by
    else {
        panic!("{id}: the default policy decided");
    };
    assert_eq!(*rule.entry, *text(matched, "entry"), "{id}");
    assert_eq!(*rule.source, *text(matched, "source"), "{id}");
    assert_eq!(rule.peer.as_deref(), matched["peer"].as_str(), "{id}");
    assert_eq!(
        Some(u64::from(rule.precedence)),
        matched["precedence"].as_u64(),
        "{id}"
    );
    assert_eq!(*jwt_unsatisfied, matched["jwt"] == "unsatisfied", "{id}");
    match matched.get("permission") {
        None => assert!(
            matches!(permitted, Permitted::Plain | Permitted::NotJudged),
            "{id}"
        ),
        Some(Value::Null) => assert!(
            matches!(permitted, Permitted::NoneMatched | Permitted::NotJudged),
            "{id}"
        ),
        Some(index) => {
            let index = usize::try_from(index.as_u64().unwrap()).unwrap();
            assert_eq!(*permitted, Permitted::By(index), "{id}");
        }
    }
}

#[test]
fn every_caller_is_judged_as_the_vectors_say() {
    let file = file();
    let vectors: Vec<&Value> = file["intentions"].as_array().unwrap().iter().collect();
    let mut judged = 0;
    for vector in vectors
        .into_iter()
        .filter(|vector| vector["kind"] == "authorize")
    {
        judged += 1;
        let (id, expect) = (text(vector, "id"), &vector["expect"]);
        let decision = text(expect, "decision");
        match judge(&file["environment"], vector) {
            Outcome::Reject(status) => {
                assert_eq!(decision, "reject", "{id}");
                assert_eq!(
                    Some(u64::from(status)),
                    expect["http_status"].as_u64(),
                    "{id}"
                );
            }
            Outcome::Redirect => assert_eq!(decision, "redirect", "{id}"),
            Outcome::Verdict(verdict, path) => {
                assert_eq!(decision, verdict.decision.as_str(), "{id}: {verdict}");
                check_matched(&id, &expect["matched"], &verdict);
                if let Some(expected) = expect["path_after_normalization"].as_str() {
                    let path = path.unwrap();
                    assert_eq!(
                        normalize::without_query(&path),
                        normalize::without_query(expected),
                        "{id}"
                    );
                }
            }
        }
    }
    assert!(judged > 0);
}

#[test]
fn a_verdict_can_be_read() {
    let value = serde_json::json!({
        "default_policy": "deny",
        "entries": [{"Name": "api", "Sources": [
            {"Name": "web", "Action": "allow"},
            {"Name": "*", "Permissions": [{"Action": "deny", "HTTP": {"PathPrefix": "/admin"}}]},
            {"Name": "pay", "Peer": "peer2", "Action": "deny"}
        ]}],
        "request": {"destination": "api", "protocol": "http"}
    });
    let file = file();
    let (entries, context) = (entries(&value), context(&file["environment"], &value));
    let table = Table::compile("api", &entries, &context).unwrap();
    let headers = HeaderMap::new();
    let judge = |service: &str, path: &str| {
        let caller = format!(
            "spiffe://{}/ns/default/dc/dc1/svc/{service}",
            context.trust_domain
        );
        let facts = RequestFacts {
            method: "GET",
            path,
            authority: "",
            headers: &headers,
            xfcc: None,
            claims: None,
        };
        evaluate(&table, &caller.parse().unwrap(), Some(&facts)).to_string()
    };
    assert_eq!(
        judge("web", "/"),
        "allowed by intention web => api (precedence 9)"
    );
    assert_eq!(
        judge("cron", "/admin"),
        "denied by permission 0 of intention * => api (precedence 8)"
    );
    assert_eq!(
        judge("cron", "/"),
        "denied by the default policy: no permission matches of intention * => api (precedence 8)"
    );
}

#[test]
fn a_provider_without_an_entry_is_a_problem_and_satisfies_nothing() {
    let value = serde_json::json!({
        "default_policy": "allow",
        "entries": [{"Name": "api", "JWT": {"Providers": [{"Name": "gone"}]}, "Sources": [{"Name": "*", "Action": "allow"}]}],
        "request": {
            "source": {"spiffe_id": "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/web"},
            "destination": "api", "protocol": "http", "method": "GET", "path": "/", "headers": [],
            "jwt": {"gone": {"iss": ""}}
        }
    });
    let file = file();
    let table = Table::compile(
        "api",
        &entries(&value),
        &context(&file["environment"], &value),
    )
    .unwrap();
    assert_eq!(
        table.problems()[0].field.as_deref().unwrap(),
        "JWT.Providers[0].Name"
    );
    let Outcome::Verdict(verdict, _) = judge(&file["environment"], &value) else {
        panic!("no verdict");
    };
    assert_eq!(verdict.decision, Decision::Deny);
    assert!(
        verdict
            .to_string()
            .ends_with("no token satisfies its JWT requirement")
    );
}

#[test]
fn a_pattern_that_does_not_compile_fails_the_table() {
    for pattern in ["(", "a)|(b", "(?=x)", "a{1001}{1001}"] {
        let value = serde_json::json!({
            "default_policy": "deny",
            "entries": [{"Name": "api", "Sources": [
                {"Name": "web", "Permissions": [{"Action": "allow", "HTTP": {"PathRegex": pattern}}]}
            ]}],
            "request": {"protocol": "http"}
        });
        let file = file();
        let problems = Table::compile(
            "api",
            &entries(&value),
            &context(&file["environment"], &value),
        )
        .unwrap_err();
        assert_eq!(
            problems[0].field.as_deref().unwrap(),
            "Sources[0].Permissions[0].HTTP.PathRegex",
            "{pattern}"
        );
    }
}

#[test]
fn sources_of_unknown_peers_are_dropped() {
    let value = serde_json::json!({
        "default_policy": "deny",
        "entries": [{"Name": "api", "Sources": [{"Name": "*", "Peer": "nobody", "Action": "allow"}]}],
        "request": {
            "source": {"spiffe_id": "spiffe://nobody.consul/ns/default/dc/dc1/svc/web"},
            "destination": "api", "protocol": "tcp"
        }
    });
    let Outcome::Verdict(verdict, _) = judge(&file()["environment"], &value) else {
        panic!("no verdict");
    };
    assert_eq!(verdict.by, By::Default);
}

#[test]
fn a_peered_caller_over_http_comes_through_the_own_gateway() {
    let own = "11111111-2222-3333-4444-555555555555.consul";
    let pay = "spiffe://22222222-3333-4444-5555-666666666666.consul/ns/default/dc/dc1/svc/pay";
    let decide = |caller: &str, xfcc: &str| {
        let value = serde_json::json!({
            "default_policy": "deny",
            "entries": [{"Name": "api", "Sources": [
                {"Name": "pay", "Peer": "peer2", "Action": "allow"},
                {"Name": "bill", "Peer": "peer1", "Action": "allow"}
            ]}],
            "request": {
                "source": {"spiffe_id": caller}, "destination": "api", "protocol": "http", "method": "GET",
                "path": "/", "headers": [], "xfcc": xfcc
            }
        });
        let Outcome::Verdict(verdict, _) = judge(&file()["environment"], &value) else {
            panic!("no verdict");
        };
        verdict.is_allowed()
    };
    let gateway = format!("spiffe://{own}/gateway/mesh/dc/dc9");
    assert!(decide(&gateway, &format!("By=x;Hash=1;URI={pay}")));
    assert!(decide(
        &gateway,
        &format!("By=x;URI={pay},By=y;URI=spiffe://z")
    ));
    assert!(decide(
        &gateway,
        "By=x;URI=spiffe://peer1.domain/ap/part1/ns/default/dc/d/svc/bill"
    ));
    assert!(!decide(
        &gateway,
        "By=x;URI=spiffe://peer1.domain/ns/default/dc/d/svc/bill"
    ));
    assert!(!decide(
        &gateway,
        &format!("By=x;URI=spiffe://{own}/ns/default/dc/d/svc/pay")
    ));
    assert!(!decide(&gateway, &format!("By=x;URI={pay};DNS=d")));
    assert!(!decide(&gateway, ""));
    assert!(!decide(pay, &format!("By=x;URI={pay}")));
    let foreign = "spiffe://22222222-3333-4444-5555-666666666666.consul/gateway/mesh/dc/dc1";
    assert!(!decide(foreign, &format!("By=x;URI={pay}")));
    let service = format!("spiffe://{own}/ns/default/dc/dc1/svc/web");
    assert!(!decide(&service, &format!("By=x;URI={pay}")));
}

#[test]
fn identities_of_another_kind_match_no_local_source() {
    let own = "11111111-2222-3333-4444-555555555555.consul";
    let any = |caller: &str| {
        let value = serde_json::json!({
            "default_policy": "deny",
            "entries": [{"Name": "*", "Sources": [{"Name": "*", "Action": "allow"}]}],
            "request": {"source": {"spiffe_id": caller}, "destination": "api", "protocol": "tcp"}
        });
        let Outcome::Verdict(verdict, _) = judge(&file()["environment"], &value) else {
            panic!("no verdict");
        };
        verdict.is_allowed()
    };
    assert!(any(&format!(
        "spiffe://{own}/ns/default/dc/anywhere/svc/web"
    )));
    for other in [
        format!("spiffe://{own}/ap/part/ns/default/dc/dc1/svc/web"),
        format!("spiffe://{own}/ap/default/ns/default/dc/dc1/svc/web"),
        format!("spiffe://{own}/ns/other/dc/dc1/svc/web"),
        format!("spiffe://{own}/gateway/mesh/dc/dc1"),
        format!("spiffe://{own}/agent/server/dc/dc1"),
        format!("spiffe://{own}/agent/client/dc/dc1/id/n"),
        "spiffe://elsewhere.consul/ns/default/dc/dc1/svc/web".to_owned(),
    ] {
        assert!(!any(&other), "{other}");
    }
}

#[test]
fn headers_are_compared_as_documented() {
    let holds = |criterion: Value, headers: &[(&str, &str)]| {
        let value = serde_json::json!({
            "default_policy": "deny",
            "entries": [{"Name": "api", "Sources": [
                {"Name": "*", "Permissions": [{"Action": "allow", "HTTP": {"Header": [criterion]}}]}
            ]}],
            "request": {
                "source": {"spiffe_id": "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/d/svc/web"},
                "destination": "api", "protocol": "http", "method": "GET", "path": "/", "headers": headers
            }
        });
        let Outcome::Verdict(verdict, _) = judge(&file()["environment"], &value) else {
            panic!("no verdict");
        };
        verdict.is_allowed()
    };
    let json = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    for (criterion, headers, expect) in [
        (r#"{"Name":"X-A","Present":true}"#, &[("x-a", "")][..], true),
        (r#"{"Name":"x-a","Present":true}"#, &[], false),
        (r#"{"Name":"x-a","Present":true,"Invert":true}"#, &[], true),
        (r#"{"Name":"x-a","Exact":"b","Invert":true}"#, &[], false),
        (
            r#"{"Name":"x-a","Exact":"b","Invert":true}"#,
            &[("x-a", "c")],
            true,
        ),
        (r#"{"Name":"x-a","Exact":"B"}"#, &[("x-a", "b")], false),
        (
            r#"{"Name":"x-a","Exact":"B","IgnoreCase":true}"#,
            &[("x-a", "b")],
            true,
        ),
        (
            r#"{"Name":"x-a","Exact":"b"}"#,
            &[("x-a", "b"), ("x-a", "b")],
            false,
        ),
        (
            r#"{"Name":"x-a","Exact":"b,c"}"#,
            &[("x-a", "b"), ("x-a", "c")],
            true,
        ),
        (
            r#"{"Name":"x-a","Prefix":"ab","IgnoreCase":true}"#,
            &[("x-a", "ABc")],
            true,
        ),
        (r#"{"Name":"x-a","Prefix":"ab"}"#, &[("x-a", "a")], false),
        (r#"{"Name":"x-a","Suffix":"bc"}"#, &[("x-a", "abc")], true),
        (
            r#"{"Name":"x-a","Suffix":"abcd"}"#,
            &[("x-a", "bcd")],
            false,
        ),
        (
            r#"{"Name":"x-a","Contains":"B","IgnoreCase":true}"#,
            &[("x-a", "abc")],
            true,
        ),
        (r#"{"Name":"x-a","Regex":"b"}"#, &[("x-a", "abc")], false),
        (r#"{"Name":"x-a","Regex":"a|abc"}"#, &[("x-a", "abc")], true),
        (
            r#"{"Name":"HOST","Exact":"api.test"}"#,
            &[("host", "api.test")],
            true,
        ),
        (
            r#"{"Name":"not a name","Present":true,"Invert":true}"#,
            &[],
            true,
        ),
    ] {
        assert_eq!(
            holds(json(criterion), headers),
            expect,
            "{criterion} {headers:?}"
        );
    }
}

#[test]
fn claims_are_walked_by_key_and_lists_may_contain_the_value() {
    let holds = |claims: Value| {
        let value = serde_json::json!({
            "default_policy": "deny",
            "jwt_providers": [{"Name": "okta", "Issuer": "o"}, {"Name": "auth0", "Issuer": "a"}],
            "entries": [{
                "Name": "api",
                "JWT": {"Providers": [{"Name": "okta", "VerifyClaims": [{"Path": ["perms", "role"], "Value": "admin"}]}, {"Name": "auth0"}]},
                "Sources": [{"Name": "*", "Action": "allow"}]
            }],
            "request": {
                "source": {"spiffe_id": "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/d/svc/web"},
                "destination": "api", "protocol": "http", "method": "GET", "path": "/", "headers": [], "jwt": claims
            }
        });
        let Outcome::Verdict(verdict, _) = judge(&file()["environment"], &value) else {
            panic!("no verdict");
        };
        verdict.is_allowed()
    };
    for (claims, expect) in [
        (r#"{"okta":{"iss":"o","perms":{"role":"admin"}}}"#, true),
        (
            r#"{"okta":{"iss":"o","perms":{"role":["user","admin"]}}}"#,
            true,
        ),
        (r#"{"okta":{"iss":"o","perms":{"role":["user"]}}}"#, false),
        (r#"{"okta":{"iss":"o","perms":{"role":true}}}"#, false),
        (r#"{"okta":{"iss":"o"}}"#, false),
        (r#"{"okta":{"iss":"x","perms":{"role":"admin"}}}"#, false),
        (r#"{"okta":{"perms":{"role":"admin"}}}"#, false),
        (r#"{"auth0":{"iss":"a"}}"#, true),
        (r#"{"okta":{"iss":"a"}}"#, false),
        (r"{}", false),
    ] {
        let claims: BTreeMap<String, Value> = serde_json::from_str(claims).unwrap();
        assert_eq!(
            holds(serde_json::to_value(&claims).unwrap()),
            expect,
            "{claims:?}"
        );
    }
}
