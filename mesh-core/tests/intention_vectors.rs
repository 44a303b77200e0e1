//! The conformance vectors about intentions.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use http::header::HeaderMap;
use mesh_core::config::{
    Diagnostic, Entry, EntrySet, IntentionHttp, IntentionSource, Permission, ServiceIntentions,
    Source, read_entry,
};
use mesh_core::identity::TrustDomain;
use mesh_core::intention::{By, Context, Decision, PeerCluster, RequestFacts, Table, evaluate};
use mesh_core::testing::vectors::intention::{Outcome, context, entries, outcome, read};
use mesh_core::testing::vectors::{CaseKind, Vectors};
use serde_json::Value;

fn file() -> Vectors {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/security-open.json"
    );
    Vectors::read(Path::new(path)).unwrap()
}

fn judge_all(kind: CaseKind) {
    let file = file();
    let judged = file.of_kind(kind);
    let judged: Vec<_> = judged.map(|case| (case.id(), case.judge())).collect();
    assert!(!judged.is_empty());
    let failures = judged.iter().filter(|(_, outcome)| outcome.is_err());
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

fn judge(file: &Vectors, case: &Value) -> Outcome {
    outcome(&file.document()["environment"], case).unwrap()
}

#[test]
fn every_caller_is_judged_as_the_vectors_say() {
    judge_all(CaseKind::Authorize);
}

#[test]
fn entries_are_accepted_and_refused_as_the_vectors_say() {
    judge_all(CaseKind::Validate);
}

#[test]
fn a_verdict_can_be_read() {
    let text = "Kind = \"service-intentions\"\nName = \"api\"\nSources = [\n  { Name = \"web\", Action = \"allow\" },\n  \
                { Name = \"*\", Permissions = [\n    { Action = \"deny\", HTTP { PathPrefix = \"/admin\" } }\n  ] },\n  \
                { Name = \"pay\", Peer = \"east\", Action = \"deny\" }\n]\n";
    let (entry, _) = read_entry(Source::new("intentions.hcl", text)).unwrap();
    let entries: EntrySet = [entry].into_iter().collect();
    let east = PeerCluster {
        trust_domain: TrustDomain::new("east").unwrap(),
        exported_partition: String::new(),
    };
    let mut context = Context {
        trust_domain: TrustDomain::new("td").unwrap(),
        default: Decision::Deny,
        http: true,
        peers: BTreeMap::from([(Arc::from("east"), east)]),
    };
    let headers = HeaderMap::new();
    let judge = |context: &Context, caller: &str, path: &str| {
        let table = Table::compile("api", &entries, context).unwrap();
        let facts = RequestFacts {
            method: "GET",
            path,
            authority: "",
            headers: &headers,
            xfcc: None,
            claims: None,
        };
        let caller = format!("spiffe://{caller}").parse().unwrap();
        evaluate(&table, &caller, Some(&facts)).to_string()
    };
    let (web, cron) = (
        "td/ns/default/dc/dc1/svc/web",
        "td/ns/default/dc/dc1/svc/cron",
    );
    assert_eq!(
        judge(&context, web, "/"),
        "allowed by intention web => api (precedence 9) at intentions.hcl:4"
    );
    assert_eq!(
        judge(&context, cron, "/admin"),
        "denied by permission 0 of intention * => api (precedence 8) at intentions.hcl:6"
    );
    assert_eq!(
        judge(&context, cron, "/"),
        "denied by the default policy: no permission matches of intention * => api (precedence 8) at intentions.hcl:5"
    );
    assert_eq!(
        judge(&context, "td/gateway/mesh/dc/dc1", "/"),
        "denied by the default policy: no intention matches the caller"
    );
    context.http = false;
    assert_eq!(
        judge(&context, "east/ns/default/dc/dc1/svc/pay", "/"),
        "denied by intention east/pay => api (precedence 9) at intentions.hcl:8"
    );
    assert_eq!(
        judge(&context, cron, "/"),
        "denied by lack of HTTP, which the permissions need, in intention * => api (precedence 8) at intentions.hcl:5"
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
        &entries(&value).unwrap(),
        &context(&file.document()["environment"], &value).unwrap(),
    )
    .unwrap();
    assert_eq!(
        table.problems()[0].field.as_deref().unwrap(),
        "JWT.Providers[0].Name"
    );
    let Outcome::Verdict(verdict, _) = judge(&file, &value) else {
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
    for pattern in ["(", "a)|(b", "(?=x)", "a{1001}"] {
        let http = IntentionHttp {
            path_regex: pattern.into(),
            ..IntentionHttp::default()
        };
        let permission = Permission {
            action: "allow".into(),
            http: Some(http),
            ..Permission::default()
        };
        let source = IntentionSource {
            name: "web".into(),
            permissions: vec![permission],
            ..IntentionSource::default()
        };
        let entry = ServiceIntentions {
            name: "api".into(),
            sources: vec![source],
            ..ServiceIntentions::default()
        };
        let context = Context {
            trust_domain: TrustDomain::new("td").unwrap(),
            default: Decision::Deny,
            http: true,
            peers: BTreeMap::new(),
        };
        let entries: EntrySet = [Entry::from(entry)].into_iter().collect();
        let problems = Table::compile("api", &entries, &context).unwrap_err();
        let field = problems[0].field.as_deref();
        assert_eq!(
            field,
            Some("Sources[0].Permissions[0].HTTP.PathRegex"),
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
    let Outcome::Verdict(verdict, _) = judge(&file(), &value) else {
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
        let Outcome::Verdict(verdict, _) = judge(&file(), &value) else {
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
        let Outcome::Verdict(verdict, _) = judge(&file(), &value) else {
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
        let Outcome::Verdict(verdict, _) = judge(&file(), &value) else {
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
        let Outcome::Verdict(verdict, _) = judge(&file(), &value) else {
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

fn check_refused(value: &Value, wording: &str) {
    let problems = read("service-intentions", value).expect_err("accepted");
    let said = |problem: &Diagnostic| problem.is_error() && problem.message.contains(wording);
    assert!(
        problems.iter().any(said),
        "{wording} is not in {problems:#?}"
    );
}

#[test]
fn every_refusal_has_consuls_wording() {
    let source = |source: &str| format!(r#"{{"Name": "api", "Sources": [{source}]}}"#);
    let http = |http: &str| {
        source(&format!(
            r#"{{"Name": "web", "Permissions": [{{"Action": "allow", "HTTP": {http}}}]}}"#
        ))
    };
    let at = "Sources[0].Permissions[0].HTTP";
    for (entry, wording) in [
        (r#"{"Sources": [{"Name": "web", "Action": "allow"}]}"#.into(), "Name is required".into()),
        (
            r#"{"Name": "a*", "Sources": [{"Name": "web", "Action": "allow"}]}"#.into(),
            "Name: wildcard character '*' cannot be used with partial values".into(),
        ),
        (r#"{"Name": "api"}"#.into(), "At least one source is required".into()),
        (
            r#"{"Name": "api", "JWT": {"Providers": [{}]}, "Sources": [{"Name": "web", "Action": "allow"}]}"#.into(),
            "JWT provider name is required".into(),
        ),
        (source(r#"{"Action": "allow"}"#), "Sources[0].Name is required".into()),
        (
            source(r#"{"Name": "w*", "Action": "allow"}"#),
            "Sources[0].Name: wildcard character '*' cannot be used with partial values".into(),
        ),
        (
            source(r#"{"Name": "web", "Peer": "*", "Action": "allow"}"#),
            "Sources[0].Peer: cannot use wildcard '*' in peer".into(),
        ),
        (
            source(r#"{"Name": "web", "SamenessGroup": "g", "Action": "allow"}"#),
            "Sources[0].SamenessGroup: Sameness groups are a Consul Enterprise feature.".into(),
        ),
        (
            source(&format!(r#"{{"Name": "web", "Action": "allow", "Description": "{}"}}"#, "x".repeat(513))),
            "Sources[0].Description exceeds maximum length 512".into(),
        ),
        (
            source(r#"{"Name": "web", "Action": "allow", "LegacyMeta": {"a": "b"}}"#),
            "Sources[0].LegacyMeta must be omitted".into(),
        ),
        (source(r#"{"Name": "web"}"#), "Sources[0].Action must be set to 'allow' or 'deny'".into()),
        (
            source(r#"{"Name": "web", "Action": "allow", "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/"}}]}"#),
            "Sources[0].Action must be omitted if Permissions are specified".into(),
        ),
        (
            source(r#"{"Name": "web", "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/"}}]}"#)
                .replace(r#""api""#, r#""*""#),
            "Sources[0].Permissions cannot be specified on intentions with wildcarded destinations".into(),
        ),
        (
            source(r#"{"Name": "web", "Action": "allow", "Type": "other"}"#),
            "Sources[0].Type must be set to 'consul'".into(),
        ),
        (
            source(r#"{"Name": "web", "Permissions": [{"Action": "allow"}]}"#),
            "Sources[0].Permissions[0].HTTP is required".into(),
        ),
        (http(r#"{"PathExact": "x"}"#), format!("{at}.PathExact doesn't start with '/': \"x\"")),
        (http(r#"{"PathPrefix": "x"}"#), format!("{at}.PathPrefix doesn't start with '/': \"x\"")),
        (
            http(r#"{"PathPrefix": "/", "PathExact": "/"}"#),
            format!("{at} should only contain at most one of PathExact, PathPrefix, or PathRegex"),
        ),
        (http(r#"{"Header": [{"Exact": "x"}]}"#), format!("{at}.Header[0] missing required Name field")),
        (
            http(r#"{"Header": [{"Name": "x"}]}"#),
            format!("{at}.Header[0] should only contain one of Present, Exact, Prefix, Suffix, Contains, or Regex"),
        ),
        (
            http(r#"{"Header": [{"Name": "x", "Regex": "a", "IgnoreCase": true}]}"#),
            format!("{at}.Header[0] should set one of Exact, Prefix, Suffix, or Contains when using IgnoreCase"),
        ),
        (http(r#"{"Methods": ["FETCH"]}"#), format!("{at}.Methods contains an invalid method \"FETCH\"")),
        (http(r#"{"Methods": ["GET", "get"]}"#), format!("{at}.Methods contains \"GET\" more than once")),
        (http("{}"), format!("{at} should not be empty")),
        (
            source(r#"{"Name": "web", "Action": "allow"}, {"Name": "web", "Action": "deny"}"#),
            "Sources[1] defines \"web\" more than once".into(),
        ),
        (
            source(r#"{"Name": "web", "Peer": "p", "Action": "allow"}, {"Name": "web", "Peer": "p", "Action": "deny"}"#),
            "Sources[1] defines peer(\"p\") \"web\" more than once".into(),
        ),
        (
            source(r#"{"Name": "web", "Namespace": "default", "Action": "allow"}"#),
            "namespaces are a consul enterprise feature".into(),
        ),
        (source(r#"{"Name": "web", "Partition": "default", "Action": "allow"}"#), "invalid config key".into()),
    ] {
        let entry: String = entry;
        let wording: String = wording;
        check_refused(&serde_json::from_str(&entry).unwrap(), &wording);
    }
    for (index, limit) in [
        "Meta exceeds maximum element count 64",
        "exceeds maximum length 128",
        "exceeds maximum length 512",
    ]
    .into_iter()
    .enumerate()
    {
        let meta: BTreeMap<String, String> = match index {
            0 => (0..65).map(|n| (n.to_string(), String::new())).collect(),
            1 => BTreeMap::from([("k".repeat(129), String::new())]),
            _ => BTreeMap::from([("k".to_owned(), "v".repeat(513))]),
        };
        let entry = serde_json::json!({"Name": "api", "Meta": meta, "Sources": [{"Name": "web", "Action": "allow"}]});
        check_refused(&entry, limit);
    }
    for pattern in [
        r#"{"PathRegex": "("}"#,
        r#"{"Header": [{"Name": "x", "Regex": "a)|(b"}]}"#,
    ] {
        assert!(
            read(
                "service-intentions",
                &serde_json::from_str(&http(pattern)).unwrap()
            )
            .is_err(),
            "{pattern}"
        );
    }
}
