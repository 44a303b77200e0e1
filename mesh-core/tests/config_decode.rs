//! How keys are matched and values are decoded.
#![allow(clippy::unwrap_used)]

use mesh_core::config::{Diagnostic, Entry, GoDuration, Source, read_entry};
use serde_json::{Value as Json, json};

fn accepted(text: &str) -> Json {
    let (entry, _) = read_entry(Source::new("x.hcl", text))
        .unwrap_or_else(|problems| panic!("{text}: {}", problems[0]));
    entry.to_json()
}

/// The first error, as category and path.
fn refused(text: &str) -> (&'static str, String) {
    let problems = read_entry(Source::new("x.hcl", text))
        .err()
        .unwrap_or_else(|| panic!("{text} is accepted"));
    let first = problems.into_iter().find(Diagnostic::is_error).unwrap();
    (first.category.as_str(), first.field.unwrap_or_default())
}

#[test]
fn kind_has_two_spellings_and_known_values() {
    let good = [
        "Kind = \"service-router\" Name = \"a\"",
        "kind = \"service-router\" Name = \"a\"",
        "Kind = \"service-router\" kind = \"service-router\" Name = \"a\"",
    ];
    for text in good {
        assert_eq!(
            accepted(text),
            json!({"Kind": "service-router", "Name": "a"}),
            "{text}"
        );
    }
    let bad = [
        "KIND = \"service-router\" Name = \"a\"",
        "Name = \"a\"",
        "Kind = 1",
        "Kind = {}",
        "Kind = [\"service-router\"]",
        "Kind = \"Service-Router\"",
        "Kind = \"service-routre\"",
        "Kind = \"exported-services\"",
        "",
    ];
    for text in bad {
        assert_eq!(refused(text).0, "bad-kind", "{text}");
    }
    assert_eq!(refused("Kind = \"sameness-group\"").0, "enterprise-only");
}

#[test]
fn keys_match_by_name_and_alias_without_case() {
    let keys = [
        "PrefixRewrite",
        "prefix_rewrite",
        "prefixrewrite",
        "PREFIX_REWRITE",
        "Prefix_Rewrite",
        "PREFIXREWRITE",
    ];
    for key in keys {
        let text = format!(
            "Kind = \"service-router\" name = \"a\" routes {{ match {{ http {{ path_prefix = \"/\" }} }} \
             destination {{ {key} = \"/b\" }} }}"
        );
        assert_eq!(
            accepted(&text)["Routes"][0]["Destination"]["PrefixRewrite"],
            "/b",
            "{key}"
        );
    }
    let text =
        "Kind = \"service-router\" Name = \"a\" Routes { Destination { prefix-rewrite = \"/b\" } }";
    assert_eq!(
        refused(text),
        (
            "unknown-key",
            "Routes[0].Destination.prefix-rewrite".to_owned()
        )
    );
}

#[test]
fn unknown_keys_are_found_at_any_depth_with_their_path_and_a_hint() {
    let text = "Kind = \"service-router\" Name = \"a\" Routes { Match { HTTP { Header = [{ Name = \"x\" Contains = \"y\" }] } } }";
    let problems = read_entry(Source::new("x.hcl", text)).unwrap_err();
    assert_eq!(
        problems[0].field.as_deref(),
        Some("Routes[0].Match.HTTP.Header[0].Contains")
    );
    assert_eq!(
        problems[0].origin.column(),
        text.find("Contains").unwrap() + 1
    );
    assert!(
        problems[0]
            .hint
            .as_deref()
            .unwrap()
            .contains("only intentions")
    );

    let cases = [
        (
            "Kind = \"service-defaults\" Name = \"a\" max_request_headers_kb = 1",
            "max_request_headers_kb",
        ),
        (
            "Kind = \"service-defaults\" Name = \"a\" Partition = \"default\"",
            "Partition",
        ),
        (
            "Kind = \"ingress-gateway\" Name = \"a\" Defaults { max_connections = 1 }",
            "Defaults.max_connections",
        ),
        (
            "Kind = \"service-resolver\" Name = \"a\" Redirect { sameness_group = \"g\" }",
            "Redirect.sameness_group",
        ),
        ("Kind = \"mesh\" Name = \"a\"", "Name"),
        (
            "Kind = \"service-intentions\" Name = \"a\" Sources { Name = \"b\" Partition = \"default\" Action = \"allow\" }",
            "Sources[0].Partition",
        ),
        (
            "Kind = \"service-resolver\" Name = \"a\" Subsets { \"v 1\" { filter = \"\" filtre = \"\" } }",
            "Subsets[\"v 1\"].filtre",
        ),
    ];
    for (text, path) in cases {
        assert_eq!(refused(text), ("unknown-key", path.to_owned()), "{text}");
    }
}

#[test]
fn both_spellings_of_one_field_leave_one_unknown() {
    let text =
        "Kind = \"service-resolver\" Name = \"a\" ConnectTimeout = \"1s\" connect_timeout = \"2s\"";
    assert_eq!(refused(text), ("unknown-key", "connect_timeout".to_owned()));
}

#[test]
fn namespaces_belong_to_enterprise() {
    let texts = [
        "Kind = \"service-router\" Name = \"a\" Namespace = \"default\"",
        "Kind = \"service-intentions\" Name = \"a\" Sources { Name = \"b\" Namespace = \"default\" Action = \"allow\" }",
        "Kind = \"service-resolver\" Name = \"a\" Redirect { Service = \"b\" Namespace = \"default\" }",
        "Kind = \"service-resolver\" Name = \"a\" Failover { \"*\" { Service = \"b\" SamenessGroup = \"g\" } }",
        "Kind = \"service-resolver\" Name = \"a\" Failover { \"*\" { Targets = [{ Partition = \"p\" }] } }",
        "Kind = \"service-router\" Name = \"a\" Routes { Destination { Namespace = \"other\" } }",
        "Kind = \"service-splitter\" Name = \"a\" Splits { Weight = 100 Partition = \"other\" }",
    ];
    for text in texts {
        assert_eq!(refused(text).0, "enterprise-only", "{text}");
    }
    accepted(
        "Kind = \"service-router\" Name = \"a\" Routes { Destination { Namespace = \"default\" Partition = \"default\" } }",
    );
}

#[test]
fn what_the_api_adds_is_tolerated_at_the_top_only() {
    accepted(
        r#"{"Kind": "service-router", "Name": "a", "CreateIndex": 1, "modifyindex": 2, "Hash": 3}"#,
    );
    let text = r#"{"Kind": "service-router", "Name": "a", "Routes": [{"CreateIndex": 1}]}"#;
    assert_eq!(
        refused(text),
        ("unknown-key", "Routes[0].CreateIndex".to_owned())
    );
}

#[test]
fn user_keyed_maps_keep_their_keys() {
    let text =
        "Kind = \"service-resolver\" Name = \"a\" Meta { fooBar = 1 foo_bar = true Foo = false }";
    assert_eq!(
        accepted(text)["Meta"],
        json!({"fooBar": "1", "foo_bar": "1", "Foo": "0"})
    );
    let text = "Kind = \"service-resolver\" Name = \"a\" Subsets \"v1\" { OnlyPassing = true } Subsets \"v2\" { filter = \"\" }";
    assert_eq!(
        accepted(text)["Subsets"],
        json!({"v1": {"OnlyPassing": true}, "v2": {}})
    );
    let text = "Kind = \"proxy-defaults\" Config { Nested { a = [1] b = <<X\nt\nX\n } envoy_dogstatsd_url = \"x\" }";
    assert_eq!(
        accepted(text)["Config"],
        json!({"Nested": {"a": [1], "b": "t\n"}, "envoy_dogstatsd_url": "x"})
    );
}

#[test]
fn one_stands_for_a_list_and_a_list_of_one_for_it() {
    let text = "Kind = \"service-router\" Name = [\"a\"] Routes = { Match = [{ HTTP = [{ Methods = \"get\" }] }] }";
    assert_eq!(
        accepted(text)["Routes"],
        json!([{"Match": {"HTTP": {"Methods": ["GET"]}}}])
    );
    let text = "Kind = \"service-router\" Name = \"a\" Routes { Destination { Service = \"b\" } } Routes { Destination { Service = \"c\" } }";
    assert_eq!(accepted(text)["Routes"].as_array().unwrap().len(), 2);
    let text = "Kind = \"service-router\" Name = \"a\" Routes { Match { HTTP { PathExact = \"/a\" } HTTP { PathExact = \"/b\" } } }";
    assert_eq!(
        refused(text),
        ("bad-type", "Routes[0].Match.HTTP".to_owned())
    );
    assert_eq!(
        refused("Kind = \"service-router\" Name = [\"a\", \"b\"]"),
        ("bad-type", "Name".to_owned())
    );
}

fn number(value: &str) -> Result<Json, String> {
    let text = format!("Kind = \"service-defaults\" Name = \"a\" MaxInboundConnections = {value}");
    match read_entry(Source::new("x.hcl", text)) {
        Ok((entry, _)) => Ok(entry.to_json()["MaxInboundConnections"].clone()),
        Err(problems) => Err(problems[0].category.as_str().to_owned()),
    }
}

#[test]
fn integers_are_read_from_much() {
    let cases = [
        ("25", 25),
        ("\"25\"", 25),
        ("\"0x10\"", 16),
        ("\"010\"", 8),
        ("25.9", 25),
        ("-25.9", -25),
        ("[3]", 3),
        ("true", 1),
        ("\"-4\"", -4),
    ];
    for (text, wanted) in cases {
        assert_eq!(number(text), Ok(json!(wanted)), "{text}");
    }
    assert_eq!(number("\"\""), Ok(Json::Null));
    for text in [
        "\"x\"",
        "\"1.5\"",
        "\" 1\"",
        "{}",
        "[1, 2]",
        "\"99999999999999999999\"",
    ] {
        assert_eq!(number(text), Err("bad-type".to_owned()), "{text}");
    }
}

#[test]
fn unsigned_integers_refuse_what_is_below_zero_or_too_large() {
    for value in ["-1", "\"-1\"", "4294967296"] {
        let text = format!(
            "Kind = \"service-router\" Name = \"a\" Routes {{ Destination {{ NumRetries = {value} }} }}"
        );
        assert_eq!(
            refused(&text),
            ("bad-type", "Routes[0].Destination.NumRetries".to_owned()),
            "{value}"
        );
    }
}

#[test]
fn booleans_are_read_from_much() {
    let read = |value: &str| {
        let text = format!("Kind = \"mesh\" ValidateClusters = {value}");
        read_entry(Source::new("x.hcl", text))
            .ok()
            .map(|(entry, _)| entry.to_json()["ValidateClusters"] == true)
    };
    for value in [
        "true", "\"true\"", "\"t\"", "\"T\"", "\"TRUE\"", "\"True\"", "\"1\"", "1", "-3", "0.5",
    ] {
        assert_eq!(read(value), Some(true), "{value}");
    }
    for value in [
        "false",
        "\"false\"",
        "\"f\"",
        "\"F\"",
        "\"False\"",
        "\"0\"",
        "\"\"",
        "0",
    ] {
        assert_eq!(read(value), Some(false), "{value}");
    }
    for value in ["\"yes\"", "\"tRuE\"", "{}", "[true, true]"] {
        assert_eq!(read(value), None, "{value}");
    }
}

#[test]
fn strings_are_read_from_booleans_and_numbers() {
    for (value, wanted) in [
        ("true", "1"),
        ("false", "0"),
        ("12", "12"),
        ("1.5", "1.5"),
        ("1e3", "1000"),
    ] {
        let text = format!("Kind = \"service-resolver\" Name = {value}");
        assert_eq!(accepted(&text)["Name"], wanted, "{value}");
    }
    assert_eq!(
        refused("Kind = \"service-resolver\" Name = {}"),
        ("bad-type", "Name".to_owned())
    );
}

#[test]
fn durations_are_gos_strings_or_nanoseconds() {
    let read = |value: &str| {
        let text = format!("Kind = \"service-resolver\" Name = \"a\" ConnectTimeout = {value}");
        match read_entry(Source::new("x.hcl", text)) {
            Ok((Entry::ServiceResolver(resolver), _)) => Ok(resolver.connect_timeout),
            Ok(_) => unreachable!("another kind"),
            Err(problems) => Err(problems[0].category.as_str()),
        }
    };
    assert_eq!(read("\"1m30s\""), Ok(GoDuration::from_secs(90)));
    assert_eq!(read("1500000000"), Ok(GoDuration::from_millis(1500)));
    assert_eq!(read("\"0\""), Ok(GoDuration::ZERO));
    for value in ["\"5\"", "\"\"", "\"soon\"", "true", "{}"] {
        assert_eq!(read(value), Err("bad-type"), "{value}");
    }
    assert_eq!(read("\"-1s\""), Err("bad-timeout"));
}

#[test]
fn null_is_absent() {
    let text = r#"{"Kind": "service-resolver", "Name": "a", "Redirect": null, "ConnectTimeout": null, "Subsets": null}"#;
    assert_eq!(
        accepted(text),
        json!({"Kind": "service-resolver", "Name": "a"})
    );
}

#[test]
fn an_explicit_zero_is_kept_where_it_differs_from_absence() {
    let text = "Kind = \"service-defaults\" Name = \"a\" UpstreamConfig { Defaults { Limits { MaxConnections = 0 } \
                PassiveHealthCheck { EnforcingConsecutive5xx = 0 } } }";
    let json = accepted(text);
    assert_eq!(
        json["UpstreamConfig"]["Defaults"]["Limits"]["MaxConnections"],
        0
    );
    assert_eq!(
        json["UpstreamConfig"]["Defaults"]["PassiveHealthCheck"]["EnforcingConsecutive5xx"],
        0
    );
}

#[test]
fn all_problems_of_a_text_are_reported() {
    let text = "Kind = \"service-router\" Nmae = \"a\" Routes = [{ Destination { NumRetries = \"x\" RequestTimeout = \"5\" } }]";
    let problems = read_entry(Source::new("x.hcl", text)).unwrap_err();
    let found: Vec<&str> = problems
        .iter()
        .map(|problem| problem.field.as_deref().unwrap())
        .collect();
    assert_eq!(
        found,
        [
            "Routes[0].Destination.RequestTimeout",
            "Routes[0].Destination.NumRetries",
            "Nmae"
        ]
    );
    assert_eq!(problems[2].hint.as_deref(), Some("did you mean `Name`?"));
}

#[test]
fn a_scalar_given_twice_is_a_warning() {
    let (entry, notes) = read_entry(Source::new(
        "x.hcl",
        "Kind = \"service-router\"\nName = \"a\"\nName = \"b\"\n",
    ))
    .unwrap();
    assert_eq!(entry.name(), "b");
    assert_eq!(
        (notes[0].category.as_str(), notes[0].origin.line()),
        ("duplicate-key", 3)
    );
}
