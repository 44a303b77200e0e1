//! What a directory allows but hardly means is said, and nothing is said about one that is as it should be.
#![allow(clippy::unwrap_used, missing_docs)]

use mesh_core::config::{Severity, Source};
use mesh_core::source::dir::{Checked, check_files};

const MESH: &str = "default_intention_policy = \"deny\"\n";
const DEFAULTS: &str = "Kind = \"proxy-defaults\"\nConfig { protocol = \"http\" }\n";
const RESOLVER: &str = "Kind = \"service-resolver\"\nName = \"web\"\nSubsets {\n  v1 { Filter = \"Service.Meta.version == v1\" }\n  \
                        v2 { Filter = \"Service.Meta.version == v2\" }\n}\n";

fn web(id: &str, port: u16, rest: &str) -> String {
    format!("service {{\n  name = \"web\"\n  id = \"{id}\"\n  port = {port}\n  {rest}\n}}\n")
}

fn splitter(v1: u32, v2: u32) -> String {
    format!(
        "Kind = \"service-splitter\"\nName = \"web\"\nSplits = [\n  {{ Weight = {v1}, ServiceSubset = \"v1\" }},\n  \
         {{ Weight = {v2}, ServiceSubset = \"v2\" }}\n]\n"
    )
}

fn check(files: &[(&str, &str)]) -> Checked {
    let own = [("mesh.hcl", MESH), ("defaults.hcl", DEFAULTS)];
    let files = own
        .iter()
        .chain(files)
        .map(|(path, text)| Source::new(*path, *text));
    check_files(files.collect(), |_| Ok(None))
}

/// One line per remark: severity, line, message, what to do.
fn remarks(files: &[(&str, &str)]) -> Vec<String> {
    let checked = check(files);
    assert!(checked.world.is_some(), "{:?}", checked.diagnostics);
    let line = |d: &mesh_core::config::Diagnostic| {
        assert_ne!(d.severity, Severity::Error);
        let (severity, hint) = (d.severity.as_str(), d.hint.clone().unwrap_or_default());
        format!(
            "{severity} {}:{} {} ({hint})",
            d.origin.path(),
            d.origin.line(),
            d.message
        )
    };
    checked.diagnostics.iter().map(line).collect()
}

fn one_remark(files: &[(&str, &str)], parts: &[&str]) {
    let remarks = remarks(files);
    assert_eq!(remarks.len(), 1, "{remarks:#?}");
    for part in parts {
        assert!(remarks[0].contains(part), "{part} is not in {}", remarks[0]);
    }
}

#[test]
fn two_services_with_one_metrics_port_are_told() {
    let at = |id: &str, port: u16, metrics: u16| {
        web(
            id,
            port,
            &format!("meta {{ prometheus_port = \"{metrics}\" }}"),
        )
    };
    let bound = |id: &str, port: u16, bind: &str| {
        web(
            id,
            port,
            &format!("proxy {{ config {{ envoy_prometheus_bind_addr = \"{bind}\" }} }}"),
        )
    };
    let parts = [
        "warning two.hcl:",
        "`one` and `two` have one metrics port, 20202",
    ];
    one_remark(
        &[
            ("one.hcl", &at("one", 1, 20_202)),
            ("two.hcl", &at("two", 2, 20_202)),
        ],
        &parts,
    );
    one_remark(
        &[
            ("one.hcl", &at("one", 1, 20_202)),
            ("two.hcl", &bound("two", 2, "0.0.0.0:20202")),
        ],
        &parts,
    );
    one_remark(
        &[
            ("one.hcl", &bound("one", 1, "127.0.0.1:20202")),
            ("two.hcl", &bound("two", 2, "[::]:20202")),
        ],
        &parts,
    );
    let apart = [
        ("one.hcl", at("one", 1, 20_202)),
        ("two.hcl", at("two", 2, 20_203)),
    ];
    assert_eq!(
        remarks(&[("one.hcl", &apart[0].1), ("two.hcl", &apart[1].1)]),
        [""; 0]
    );
    let elsewhere = at("two", 2, 20_202).replace("id =", "address = \"10.0.0.2\"\n  id =");
    assert_eq!(
        remarks(&[("one.hcl", &at("one", 1, 20_202)), ("two.hcl", &elsewhere)]),
        [""; 0]
    );
    assert_eq!(
        remarks(&[
            ("one.hcl", &bound("one", 1, "127.0.0.1:0")),
            ("two.hcl", &bound("two", 2, "127.0.0.1:0"))
        ]),
        [""; 0]
    );
}

#[test]
fn a_metrics_port_that_is_not_the_advertised_one_is_told() {
    let rest = "meta { prometheus_port = \"20200\" }\n  proxy { config { envoy_prometheus_bind_addr = \"0.0.0.0:20201\" } }";
    one_remark(
        &[("web.hcl", &web("web", 1, rest))],
        &[
            "advertises its metrics at port 20200 and listens at 20201",
            "\"20201\"",
        ],
    );
}

#[test]
fn a_check_of_another_port_is_told() {
    let checked = |tcp: &str| {
        web(
            "web",
            8081,
            &format!("checks = [{{ name = \"c\", tcp = \"{tcp}\", interval = \"10s\" }}]"),
        )
    };
    one_remark(
        &[("web.hcl", &checked("localhost:6060"))],
        &[
            "warning web.hcl:5",
            "looks at port 6060, the service is at port 8081",
            "write tcp = \"localhost:8081\"",
        ],
    );
    assert_eq!(remarks(&[("web.hcl", &checked("localhost:8081"))]), [""; 0]);
    assert_eq!(remarks(&[("web.hcl", &checked("10.9.9.9:6060"))]), [""; 0]);
}

#[test]
fn a_share_for_a_subset_without_instances_is_told() {
    let v1 = web("one", 1, "meta { version = \"v1\" }");
    let files = |splitter: &str| {
        remarks(&[
            ("web.hcl", &v1),
            ("resolver.hcl", RESOLVER),
            ("splitter.hcl", splitter),
        ])
    };
    let found = files(&splitter(90, 10));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("warning splitter.hcl:5 10 % of requests go to subset `v2` of `web`"),
        "{found:#?}"
    );
    assert_eq!(files(&splitter(100, 0)), [""; 0]);
    let unbound = RESOLVER.replace("Service.Meta.version == v2", "Service.Port contains x");
    let found = remarks(&[
        ("web.hcl", &v1),
        ("resolver.hcl", &unbound),
        ("splitter.hcl", &splitter(90, 10)),
    ]);
    assert!(
        found
            .iter()
            .any(|line| line.contains("whose filter selects nothing")),
        "{found:#?}"
    );
}

#[test]
fn entries_that_affect_nobody_are_told() {
    let own = web("web", 1, "");
    let stray = RESOLVER.replace("\"web\"", "\"wbe\"");
    one_remark(
        &[("web.hcl", &own), ("resolver.hcl", &stray)],
        &[
            "note resolver.hcl:1",
            "nothing is registered as `wbe`: its service-resolver",
            "did you mean `web`?",
        ],
    );
    let redirect = "Kind = \"service-resolver\"\nName = \"shop\"\nRedirect { Service = \"web\" }\n";
    assert_eq!(
        remarks(&[("web.hcl", &own), ("redirect.hcl", redirect)]),
        [""; 0]
    );
    // Without any registration, instances come from elsewhere.
    assert_eq!(remarks(&[("resolver.hcl", &stray)]), [""; 0]);
    let intentions = "Kind = \"service-intentions\"\nName = \"web\"\nSources = [\n  { Name = \"wep\", Action = \"allow\" },\n  \
                      { Name = \"elsewhere\", Action = \"allow\" }\n]\n";
    one_remark(
        &[("web.hcl", &own), ("intentions.hcl", intentions)],
        &[
            "note intentions.hcl:4",
            "`wep`, which may call `web`",
            "did you mean `web`?",
        ],
    );
}

#[test]
fn the_live_source_refuses_and_remarks_what_the_check_does() {
    use mesh_core::snapshot::{Mesh, World};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for (splitter, good) in [(splitter(90, 10), true), (splitter(90, 20), false)] {
        let dir = tempfile::tempdir().unwrap();
        let one = web("one", 1, "meta { version = \"v1\" }");
        for (path, text) in [
            ("mesh.hcl", MESH),
            ("defaults.hcl", DEFAULTS),
            ("resolver.hcl", RESOLVER),
            ("web.hcl", &one),
            ("splitter.hcl", &splitter),
        ] {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        let checked = mesh_core::source::dir::check(dir.path());
        let text = |world: &World| format!("{:?} {:?}", world.warnings, world.chains.keys());
        let live = runtime.block_on(async { Mesh::open(dir.path()).await });
        assert_eq!((checked.world.is_some(), live.is_ok()), (good, good));
        match (checked.world, live) {
            (Some(world), Ok(mesh)) => assert_eq!(text(&world), text(&mesh.world().load())),
            (None, Err(error)) => assert!(
                error.to_string().contains(&checked.diagnostics[0].message),
                "{error}"
            ),
            _ => unreachable!(),
        }
    }
}
