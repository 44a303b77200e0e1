//! The command `mesh` on directories of files.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Runs the command among the test data, so that no path of this machine is in what it says.
fn mesh(arguments: &[&str]) -> (String, Option<i32>) {
    let Output {
        stdout,
        stderr,
        status,
    } = Command::new(env!("CARGO_BIN_EXE_mesh"))
        .args(arguments)
        .current_dir(data())
        .output()
        .unwrap();
    let text = [stdout, stderr].concat();
    (String::from_utf8(text).unwrap(), status.code())
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn good(arguments: &[&str]) -> String {
    let (text, status) = mesh(arguments);
    assert_eq!(status, Some(0), "{text}");
    text
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&mesh(arguments).0).unwrap()
}

#[test]
fn twenty_mistakes_give_twenty_helpful_errors() {
    let (text, status) = mesh(&["check", "twenty-mistakes"]);
    assert_eq!(status, Some(1));
    let expected = data().join("twenty-mistakes/expected.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(expected).unwrap());

    let checked = json(&["check", "--json", "twenty-mistakes"]);
    let diagnostics = checked["diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), 20);
    assert_eq!(checked["ok"], false);
    let mut files: Vec<&str> = Vec::new();
    for diagnostic in diagnostics {
        assert_eq!(diagnostic["severity"], "error", "{diagnostic}");
        files.push(diagnostic["path"].as_str().unwrap());
        assert!(
            diagnostic["line"].as_u64().unwrap() > 0 && diagnostic["column"].as_u64().unwrap() > 0
        );
        // Where there is no field yet, there is at least the word that is wrong.
        let has_field = diagnostic["field"].is_string();
        let early = ["syntax", "bad-kind"].contains(&diagnostic["category"].as_str().unwrap());
        assert!(has_field || early, "{diagnostic}");
        let said = diagnostic["message"].as_str().unwrap();
        let instead = diagnostic["hint"].is_string()
            || said.contains("such as")
            || said.contains("must be set to");
        assert!(instead, "says not what to write: {diagnostic}");
    }
    files.sort_unstable();
    files.dedup();
    assert_eq!(files.len(), 20, "one mistake in each file");
}

#[test]
fn a_directory_as_consul_users_write_it_loads_unchanged() {
    let text = good(&["check", "aviary"]);
    assert!(text.contains("0 errors, 0 warnings"), "{text}");
    for part in [
        "backend     http   router    127.0.0.1:7000 127.0.0.1:7001",
        "service-splitter    backend",
        "where no intention matches: allow",
        "configuration of a Consul agent, which is not read here",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("8082"), "a file of another ending was read");
    let checked = json(&["check", "aviary", "--json"]);
    assert_eq!(
        checked["contents"]["services"]["backend"]["instances"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_request_for_the_canary_leads_to_its_subset() {
    let text = good(&[
        "explain",
        "aviary",
        "--from",
        "frontend",
        "--to",
        "backend",
        "/bird?canary=true",
    ]);
    for (part, place) in [
        (
            "taken: route 0: query parameter canary is \"true\"",
            "aviary/entries/router.hcl:4",
        ),
        (
            "100 % to subset v2 of backend",
            "aviary/entries/router.hcl:4",
        ),
        (
            "v2.backend.default.default.dc1: Service.Meta.version == v2",
            "aviary/entries/resolver.hcl:8",
        ),
        (
            "not selected: backend-one at 127.0.0.1:7000",
            "aviary/backend.hcl:1",
        ),
        (
            " selected: backend-two at 127.0.0.1:7001",
            "aviary/backend.hcl:16",
        ),
        ("/bird?canary=true, as it was sent", "default"),
        (
            "allowed by the default policy: no intention matches the caller",
            "aviary/mesh.hcl:1",
        ),
    ] {
        let line = text.lines().find(|line| line.contains(part));
        let line = line.unwrap_or_else(|| panic!("{part} is not in\n{text}"));
        assert!(
            line.trim_end().ends_with(place),
            "{line} does not end with {place}"
        );
    }
    // Nothing but exactly `true` is the canary; everything else takes its share.
    let text = good(&[
        "explain",
        "aviary",
        "--from",
        "frontend",
        "--to",
        "backend",
        "GET",
        "/bird?canary=TRUE",
    ]);
    for part in [
        "fails: query parameter canary is \"true\"",
        "taken: otherwise",
        "100 % to subset v1",
        "0 % to subset v2",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(
        !text.contains("v2.backend"),
        "a share of nothing has no instances to tell: {text}"
    );
}

#[test]
fn an_explanation_names_the_permission_that_decides() {
    let text = good(&[
        "explain",
        "aviary",
        "--from",
        "front-gate",
        "--to",
        "frontend",
        "GET",
        "/x/../admin?a=b",
    ]);
    assert!(
        text.contains("/admin?a=b, sent as /x/../admin?a=b"),
        "{text}"
    );
    let line = text
        .lines()
        .find(|line| line.contains("denied by permission 0"))
        .unwrap();
    assert!(line.ends_with("aviary/entries/intentions.json:8"), "{line}");
}

#[test]
fn a_chain_is_shown_with_the_places_of_its_values() {
    let text = good(&["show", "aviary", "backend"]);
    for (part, place) in [
        ("protocol http", "aviary/entries/proxy-defaults.hcl:5"),
        (
            "route 0: query parameter canary",
            "aviary/entries/router.hcl:4",
        ),
        ("100 % to v1.backend", "aviary/entries/splitter.hcl:4"),
        ("0 % to v2.backend", "aviary/entries/splitter.hcl:8"),
        (
            "instances where Service.Meta.version == v1",
            "aviary/entries/resolver.hcl:5",
        ),
        ("request timeout 15s", "default"),
        ("everybody else: allow", "aviary/mesh.hcl:1"),
    ] {
        let line = text
            .lines()
            .find(|line| line.contains(part) && line.trim_end().ends_with(place));
        assert!(line.is_some(), "{part} at {place} is not in\n{text}");
    }
    let chain = json(&["show", "aviary", "backend", "--json"]);
    assert_eq!(chain["start"], "router");
    assert_eq!(chain["routes"][1]["leaves"][0]["weight"], 100.0);
    let v2 = &chain["effective"]["targets"]["v2.backend.default.default.dc1"];
    assert_eq!(v2["instances"], serde_json::json!(["backend-two"]));
    assert_eq!(
        chain["effective"]["routes"][0]["place"],
        "aviary/entries/router.hcl:4"
    );
    let all = json(&["show", "aviary", "--json"]);
    assert_eq!(all.as_array().unwrap().len(), 3);
}

#[test]
fn colours_come_on_demand_only() {
    assert!(!good(&["show", "aviary"]).contains('\u{1b}'));
    assert!(good(&["show", "aviary", "--color"]).contains('\u{1b}'));
    assert!(
        mesh(&["check", "twenty-mistakes", "--color"])
            .0
            .contains("\u{1b}[1;31merror")
    );
    assert!(!mesh(&["check", "twenty-mistakes"]).0.contains('\u{1b}'));
}

#[test]
fn a_wrong_command_says_what_would_be_right() {
    for (arguments, part) in [
        (
            &["chekc", "aviary"][..],
            "the commands are check, show and explain",
        ),
        (&["check"], "mesh check DIR"),
        (
            &["show", "aviary", "bakend"],
            "there are backend, front-gate, frontend",
        ),
        (&["show", "aviary", "--jsn"], "knows --from, --json"),
        (&["explain", "aviary", "/x"], "--from SERVICE"),
        (
            &["explain", "aviary", "--from", "a", "--to", "backend", "x"],
            "a path starts with `/`",
        ),
        (
            &[
                "explain", "aviary", "--from", "a", "--to", "backend", "/x", "-H", "y",
            ],
            "`name: value`",
        ),
    ] {
        let (text, status) = mesh(arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let (text, status) = mesh(&["check", "nowhere"]);
    assert!(
        status == Some(1)
            && text.contains("cannot read nowhere")
            && text.contains("existing directory"),
        "{text}"
    );
    let (text, status) = mesh(&["show", "twenty-mistakes"]);
    assert!(status == Some(1) && text.contains("20 errors"), "{text}");
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["show", "-h"],
        &["explain", "-h"],
    ] {
        assert!(
            good(arguments).contains("mesh check DIR") || good(arguments).contains("mesh "),
            "{arguments:?}"
        );
    }
}
