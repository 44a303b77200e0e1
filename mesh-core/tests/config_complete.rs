//! Every field of every kind, by its name and by its alias.
#![allow(clippy::unwrap_used)]

use std::fs;

use mesh_core::config::{Source, read_entry, render};
use serde_json::Value as Json;

const COMPLETE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/config/complete");

/// Names whose alias is not formed like the others, or that have none.
const IRREGULAR: [(&str, &str); 2] = [
    ("EnforcingConsecutive5xx", "enforcing_consecutive_5xx"),
    ("MaxRequestHeadersKB", "MaxRequestHeadersKB"),
];

/// The alias of a name: words in lower case, joined with underscores; a run of capitals is one word.
fn alias(name: &str) -> String {
    if let Some((_, alias)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == name) {
        return (*alias).to_owned();
    }
    let chars: Vec<char> = name.chars().collect();
    let mut alias = String::new();
    for (at, c) in chars.iter().enumerate() {
        let after_lower = at > 0 && chars[at - 1].is_ascii_lowercase();
        let before_lower = at > 0 && chars.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (after_lower || before_lower) {
            alias.push('_');
        }
        alias.push(c.to_ascii_lowercase());
    }
    alias
}

/// The document with every key replaced by its alias; an ingress gateway's `Defaults` have three keys without one.
fn by_alias(value: &Json, inside: &str) -> Json {
    match value {
        Json::Object(object) => {
            let member = |(key, value): (&String, &Json)| {
                let fixed = inside == "Defaults" && key.starts_with("Max");
                let name = if fixed { key.clone() } else { alias(key) };
                (name, by_alias(value, key))
            };
            Json::Object(object.iter().map(member).collect())
        }
        Json::Array(items) => items.iter().map(|item| by_alias(item, "")).collect(),
        other => other.clone(),
    }
}

fn read(name: &str, text: &str) -> Json {
    match read_entry(Source::new(name, text)) {
        Ok((entry, _)) => entry.to_json(),
        Err(problems) => panic!("{}", render(&problems, false)),
    }
}

#[test]
fn every_field_is_read_and_printed_by_name_and_by_alias() {
    let mut seen = 0;
    for file in fs::read_dir(COMPLETE).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let document: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(read(name, &text), document, "{name}");
        assert_eq!(
            read(name, &by_alias(&document, "").to_string()),
            document,
            "{name} by alias"
        );
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn aliases_are_formed_from_words() {
    let cases = [
        ("PathExact", "path_exact"),
        ("ExternalSNI", "external_sni"),
        ("TLSMinVersion", "tls_min_version"),
        ("JSONWebKeySet", "json_web_key_set"),
        (
            "SanitizeXForwardedClientCert",
            "sanitize_x_forwarded_client_cert",
        ),
        ("MutualTLSMode", "mutual_tls_mode"),
        ("HTTP", "http"),
    ];
    for (name, wanted) in cases {
        assert_eq!(alias(name), wanted);
    }
}
