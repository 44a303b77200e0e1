//! What an edit leaves alone is taken over from the world before; what it may concern is compiled anew.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use mesh_core::config::{self, Source};
use mesh_core::identity::TrustDomain;
use mesh_core::snapshot::{Input, World};

const FILES: [(&str, &str); 6] = [
    ("mesh.hcl", "default_intention_policy = \"deny\""),
    (
        "defaults.hcl",
        "Kind = \"proxy-defaults\"\nConfig { protocol = \"http\" }",
    ),
    (
        "api.hcl",
        "Kind = \"service-intentions\"\nName = \"api\"\nSources = [{ Name = \"web\", Action = \"allow\" }]",
    ),
    (
        "web.hcl",
        "Kind = \"service-intentions\"\nName = \"web\"\nSources = [{ Name = \"door\", Action = \"allow\" }]",
    ),
    (
        "resolver.hcl",
        "Kind = \"service-resolver\"\nName = \"api\"\nConnectTimeout = \"1s\"",
    ),
    (
        "web-defaults.hcl",
        "Kind = \"service-defaults\"\nName = \"web\"\nProtocol = \"http\"",
    ),
];

fn compile(change: (&str, &str), previous: Option<&World>) -> World {
    let text = |(path, text): (&str, &str)| {
        if path == change.0 {
            change.1.to_owned()
        } else {
            text.to_owned()
        }
    };
    let mut files: Vec<Source> = FILES
        .iter()
        .map(|file| Source::new(file.0, text(*file)))
        .collect();
    if FILES.iter().all(|(path, _)| *path != change.0) {
        files.push(Source::new(change.0, change.1));
    }
    let loaded = config::load(files);
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    let input = Input {
        entries: loaded.entries,
        services: loaded.services,
        settings: loaded.settings.unwrap(),
        trust_domain: TrustDomain::new("test.consul").unwrap(),
    };
    World::compile(
        previous.map_or(1, |world| world.version + 1),
        input,
        previous,
    )
    .unwrap()
}

/// Whether the chain and the intentions of a service were kept.
fn kept(change: (&str, &str), service: &str) -> (bool, bool) {
    let before = compile(FILES[0], None);
    let after = compile(change, Some(&before));
    let chain = Arc::ptr_eq(&before.chains[service], &after.chains[service]);
    (
        chain,
        Arc::ptr_eq(&before.intentions[service], &after.intentions[service]),
    )
}

#[test]
fn an_edit_elsewhere_keeps_everything() {
    let resolver = (
        "resolver.hcl",
        "Kind = \"service-resolver\"\nName = \"api\"\nConnectTimeout = \"2s\"",
    );
    assert_eq!(kept(resolver, "web"), (true, true));
    assert_eq!(kept(resolver, "api"), (false, true));
    let intentions = (
        "web.hcl",
        "Kind = \"service-intentions\"\nName = \"web\"\nSources = [{ Name = \"door\", Action = \"deny\" }]",
    );
    assert_eq!(kept(intentions, "web"), (true, false));
    assert_eq!(kept(intentions, "api"), (true, true));
}

#[test]
fn what_may_concern_a_service_is_compiled_anew() {
    let wildcard = (
        "any.hcl",
        "Kind = \"service-intentions\"\nName = \"*\"\nSources = [{ Name = \"*\", Action = \"deny\" }]",
    );
    assert_eq!(kept(wildcard, "api"), (true, false));
    assert_eq!(
        kept(("mesh.hcl", "default_intention_policy = \"allow\""), "api"),
        (true, false)
    );
    let protocol = (
        "web-defaults.hcl",
        "Kind = \"service-defaults\"\nName = \"web\"\nProtocol = \"grpc\"",
    );
    assert_eq!(kept(protocol, "web"), (false, false));
    assert_eq!(
        kept(
            (
                "defaults.hcl",
                "Kind = \"proxy-defaults\"\nConfig { protocol = \"http2\" }"
            ),
            "api"
        ),
        (false, false)
    );
    assert_eq!(
        kept(
            (
                "mesh.hcl",
                "default_intention_policy = \"deny\"\ndatacenter = \"dc2\""
            ),
            "api"
        ),
        (false, false)
    );
}

#[test]
fn an_entry_that_moved_within_its_file_is_told_at_its_new_line() {
    let moved = format!("# A comment.\n\n{}", FILES[2].1);
    assert_eq!(kept(("api.hcl", &moved), "api"), (true, false));
}
