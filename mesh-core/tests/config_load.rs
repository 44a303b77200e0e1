//! Loading the texts of a directory.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use mesh_core::config::{
    Category, Diagnostic, EntryKey, GoDuration, Kind, Loaded, ProxyDefaults, ServiceDefaults,
    ServiceRouter, Severity, Source, load, prepare, render, tracing_collector,
};
use serde_json::json;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/config/shop");

fn shop() -> Vec<Source> {
    let mut files = Vec::new();
    for directory in [SHOP.to_owned(), format!("{SHOP}/entries")] {
        for file in fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let name = path
                    .strip_prefix(SHOP)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                files.push(Source::new(name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

fn texts(files: &[(&str, &str)]) -> Loaded {
    load(
        files
            .iter()
            .map(|(path, text)| Source::new(*path, *text))
            .collect(),
    )
}

fn lines(loaded: &Loaded) -> Vec<String> {
    loaded
        .diagnostics
        .iter()
        .map(Diagnostic::to_string)
        .collect()
}

#[test]
fn a_directory_of_consul_is_read_as_it_is() {
    let loaded = load(shop());
    assert!(
        !loaded.has_errors(),
        "{}",
        render(&loaded.diagnostics, false)
    );
    assert_eq!(loaded.entries.len(), 7);
    let entries = &loaded.entries;
    assert_eq!(entries.router("stock").unwrap().routes.len(), 1);
    assert_eq!(
        entries.splitter("stock").unwrap().splits[1].hundredths(),
        500
    );
    assert_eq!(
        entries.resolver("stock").unwrap().subsets["v1"].filter,
        "Service.Meta.version == v1"
    );
    assert_eq!(
        entries.ingress_gateway("door").unwrap().listeners[0].port,
        8443
    );
    assert_eq!(
        entries
            .proxy_defaults()
            .unwrap()
            .proxy_config()
            .protocol
            .as_deref(),
        Some("http")
    );
    assert_eq!(
        entries.intentions("stock").unwrap().sources[0].precedence,
        9
    );
    assert_eq!(
        entries
            .policy("stock")
            .unwrap()
            .retries
            .as_ref()
            .unwrap()
            .max,
        Some(2)
    );
    assert_eq!(
        entries.service_names().into_iter().collect::<Vec<_>>(),
        ["stock".into()]
    );
    let settings = loaded.settings.unwrap();
    assert_eq!(
        (
            settings.default_intention_policy.as_str(),
            settings.datacenter.as_str()
        ),
        ("deny", "east")
    );
    assert_eq!(settings.certificates.source, "dev-ca");
}

#[test]
fn every_record_knows_where_it_stands() {
    let loaded = load(shop());
    let entries = &loaded.entries;
    assert_eq!(
        entries.router("stock").unwrap().routes[0]
            .origin
            .to_string(),
        "entries/stock-router.hcl:4:11"
    );
    assert_eq!(
        entries.splitter("stock").unwrap().splits[1].origin.line(),
        8
    );
    assert_eq!(
        entries.resolver("stock").unwrap().subsets["v2"]
            .origin
            .line(),
        7
    );
    assert_eq!(
        entries.intentions("stock").unwrap().sources[0].permissions[0]
            .origin
            .line(),
        4
    );
    let checkout = loaded
        .services
        .iter()
        .find(|service| &*service.name == "checkout")
        .unwrap();
    assert_eq!(checkout.checks[0].origin.to_string(), "checkout.hcl:5:15");
}

#[test]
fn services_are_read_in_either_form() {
    let loaded = load(shop());
    let ids: Vec<&str> = loaded.services.iter().map(|service| &*service.id).collect();
    assert_eq!(ids, ["checkout", "door", "stock-1", "stock-2"]);
    let [checkout, door, first, second] = loaded.services.as_slice() else {
        unreachable!("four services")
    };
    assert_eq!(&*checkout.upstreams()[0].destination_name, "stock");
    assert_eq!(checkout.upstreams()[0].local_bind_port, 9701);
    assert_eq!(
        checkout.checks[0].interval,
        GoDuration::from_secs(1),
        "less than a second is raised"
    );
    assert!(checkout.in_mesh());
    assert_eq!(door.kind, "ingress-gateway");
    assert_eq!(
        door.effective_proxy().unwrap().config["envoy_prometheus_bind_addr"],
        "0.0.0.0:20302"
    );
    assert!(first.connect.as_ref().unwrap().native);
    assert_eq!(first.weights.as_ref().unwrap().passing, Some(10));
    assert_eq!(first.all_checks().next().unwrap().header["x-probe"], ["1"]);
    assert!(second.enable_tag_override);
    assert_eq!(
        second.checks[0].deregister_critical_service_after,
        GoDuration::from_secs(600)
    );
    assert!(!second.in_mesh());
}

#[test]
fn what_has_no_effect_is_noted_once_per_key() {
    let loaded = load(shop());
    let notes: Vec<(&str, &str)> = loaded
        .diagnostics
        .iter()
        .map(|note| {
            assert_eq!(note.severity, Severity::Note, "{note}");
            (note.origin.path(), note.field.as_deref().unwrap_or(""))
        })
        .collect();
    let wanted = [
        ("agent.hcl", ""),
        ("checkout.hcl", "connect.sidecar_service.port"),
        ("door.hcl", "proxy.config.envoy_stats_flush_interval"),
        ("entries/proxy-defaults.hcl", "Config.envoy_dogstatsd_url"),
    ];
    assert_eq!(notes, wanted);
}

#[test]
fn the_collector_of_spans_is_read_from_envoys_terms() {
    let loaded = load(shop());
    let collector = tracing_collector(loaded.entries.proxy_defaults().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            collector.cluster.as_str(),
            collector.host.as_str(),
            collector.port
        ),
        ("spans", "localhost", 9411)
    );
    assert_eq!(collector.path, "/api/v2/spans");
    assert_eq!(collector.connect_timeout, Duration::from_secs(3));
    assert!(!collector.shared_span_context);
    assert_eq!(
        (
            collector.dns_lookup_family.as_str(),
            collector.lb_policy.as_str()
        ),
        ("V4_ONLY", "ROUND_ROBIN")
    );

    let mut broken = ProxyDefaults::default();
    broken
        .config
        .insert("envoy_tracing_json".into(), json!("{"));
    let problem = tracing_collector(&broken).unwrap_err();
    assert_eq!(problem.field.as_deref(), Some("Config.envoy_tracing_json"));
}

#[test]
fn the_order_of_texts_does_not_matter() {
    let (forwards, mut files) = (load(shop()), shop());
    files.reverse();
    let backwards = load(files);
    assert_eq!(forwards.entries, backwards.entries);
    assert_eq!(forwards.services, backwards.services);
    assert_eq!(lines(&forwards), lines(&backwards));
}

#[test]
fn all_problems_of_all_texts_come_in_one_run_in_order() {
    let loaded = texts(&[
        (
            "b.hcl",
            "Kind = \"service-resolver\"\nName = \"a\"\nConnectTimeout = \"-1s\"\nDefaultSubset = \"v\"\n",
        ),
        ("a.hcl", "Kind = \"service-router\"\nNmae = \"a\"\n"),
        ("c.json", "{\"Kind\": \"mesh\",}"),
    ]);
    let wanted = [
        "a.hcl:2:1: error[unknown-key]: Nmae: invalid config key \"Nmae\"",
        "b.hcl:3:18: error[bad-timeout]: ConnectTimeout: ConnectTimeout is below 0",
        "b.hcl:4:17: error[bad-subset]: DefaultSubset: subset \"v\" is not defined",
        "c.json:1:17: error[syntax]: expected a key in double quotes",
    ];
    assert_eq!(lines(&loaded), wanted);
    assert!(loaded.entries.is_empty());
    assert!(render(&loaded.diagnostics, false).ends_with("\n4 errors\n"));
}

#[test]
fn two_entries_of_one_kind_and_name_name_both_places() {
    let loaded = texts(&[
        ("a.hcl", "Kind = \"service-router\"\nName = \"web\"\n"),
        (
            "b.json",
            "{\"Kind\": \"service-router\", \"Name\": \"web\"}",
        ),
        (
            "c.hcl",
            "Kind = \"service-splitter\"\nName = \"web\"\nSplits { Weight = 100 }\n",
        ),
    ]);
    assert_eq!(loaded.diagnostics.len(), 1);
    let expected = "\
error[duplicate-entry]: service-router/web is defined twice
 --> b.json:1:36
  |
1 | {\"Kind\": \"service-router\", \"Name\": \"web\"}
  |                                    ^^^^^
  ::: a.hcl:2:8: first defined here
";
    assert_eq!(loaded.diagnostics[0].render(false), expected);
}

#[test]
fn two_services_of_one_identifier_are_refused() {
    let loaded = texts(&[
        (
            "a.hcl",
            "service { name = \"web\" }\nservice { name = \"web\" id = \"web-2\" }",
        ),
        ("b.hcl", "service { name = \"api\" id = \"web-2\" }"),
    ]);
    assert_eq!(loaded.services.len(), 2);
    assert_eq!(
        lines(&loaded),
        ["b.hcl:1:29: error[duplicate-entry]: service \"web-2\" is defined twice"]
    );
}

#[test]
fn texts_are_told_apart_by_their_content() {
    let cases = [
        (
            "x.hcl",
            "server = true",
            Category::AgentConfiguration,
            Severity::Note,
        ),
        (
            "x.hcl",
            "server = true\nsrever = 1",
            Category::BadKind,
            Severity::Error,
        ),
        ("x.hcl", "", Category::BadKind, Severity::Error),
        ("x.hcl", "Name = \"a\"", Category::BadKind, Severity::Error),
        (
            "x.hcl",
            "service { name = \"a\" }\nports { grpc = 1 }",
            Category::AgentConfiguration,
            Severity::Note,
        ),
        (
            "x.hcl",
            "service { name = \"a\" }\nprots { grpc = 1 }",
            Category::UnknownKey,
            Severity::Error,
        ),
        (
            "d/mesh.hcl",
            "server = true",
            Category::UnknownKey,
            Severity::Error,
        ),
    ];
    for (path, text, category, severity) in cases {
        let loaded = texts(&[(path, text)]);
        let first = &loaded.diagnostics[0];
        assert_eq!(
            (first.category, first.severity),
            (category, severity),
            "{text}"
        );
    }
    let loaded = texts(&[("mesh.hcl", "Kind = \"mesh\"")]);
    assert!(
        loaded.entries.mesh().is_some() && loaded.settings.is_none(),
        "a Kind makes it an entry"
    );
}

#[test]
fn a_service_may_have_a_kind_of_its_own() {
    let loaded = texts(&[(
        "x.hcl",
        "service { name = \"a\" kind = \"ingress-gateway\" port = 1 }",
    )]);
    assert_eq!(lines(&loaded), [""; 0]);
    assert_eq!(loaded.services[0].kind, "ingress-gateway");
}

#[test]
fn bad_services_are_refused() {
    let cases = [
        ("", "missing-name", "name"),
        ("name = \"a\" kind = \"x\"", "bad-service", "kind"),
        ("name = \"a\" port = 70000", "bad-service", "port"),
        (
            "name = \"a\" weights { passing = 0 }",
            "bad-service",
            "weights.passing",
        ),
        ("name = \"a\" prot = 1", "unknown-key", "prot"),
        (
            "name = \"a\" namespace = \"default\"",
            "enterprise-only",
            "namespace",
        ),
        ("name = \"a\" check {}", "bad-check", "check"),
        (
            "name = \"a\" check { tcp = \"x:1\" }",
            "bad-check",
            "check.interval",
        ),
        (
            "name = \"a\" check { tcp = \"x:1\" ttl = \"1s\" }",
            "bad-check",
            "check",
        ),
        (
            "name = \"a\" check { ttl = \"1s\" interval = \"1s\" }",
            "bad-check",
            "check.interval",
        ),
        (
            "name = \"a\" checks = [{ ttl = \"1s\" status = \"fine\" }]",
            "bad-check",
            "checks[0].status",
        ),
        (
            "name = \"a\" check { ttl = \"1s\" failures_before_warning = 2 failures_before_critical = 1 }",
            "bad-check",
            "check.failures_before_warning",
        ),
        (
            "name = \"a\" connect { sidecar_service { proxy { upstreams = [{ local_bind_port = 1 }] } } }",
            "bad-service",
            "connect.sidecar_service.proxy.upstreams[0].destination_name",
        ),
        (
            "name = \"a\" proxy { upstreams = [{ destination_name = \"b\" }] }",
            "bad-service",
            "proxy.upstreams[0].local_bind_port",
        ),
        (
            "name = \"a\" proxy { upstreams = [{ destination_name = \"b\" local_bind_port = 1 }, { destination_name = \"c\" local_bind_port = 1 }] }",
            "bad-service",
            "proxy.upstreams[1].local_bind_port",
        ),
    ];
    for (body, category, path) in cases {
        let loaded = texts(&[("x.hcl", &format!("service {{ {body} }}"))]);
        let first = loaded
            .diagnostics
            .iter()
            .find(|diagnostic| diagnostic.is_error())
            .unwrap();
        assert_eq!(
            (
                first.category.as_str(),
                first.field.as_deref().unwrap_or("")
            ),
            (category, path),
            "{body}"
        );
        assert!(loaded.services.is_empty());
    }
}

#[test]
fn settings_have_no_default_policy() {
    let loaded = texts(&[("mesh.hcl", "datacenter = \"x\"\n")]);
    let expected = "\
error[bad-settings]: default_intention_policy is required and has no default
 --> mesh.hcl:1:1
  |
1 | datacenter = \"x\"
  | ^^^^^^^^^^
  = field: default_intention_policy
  = help: write `default_intention_policy = \"deny\"`: only calls with an intention are allowed; or \"allow\"
";
    assert_eq!(loaded.diagnostics[0].render(false), expected);
}

#[test]
fn settings_are_filled_and_checked() {
    let loaded = texts(&[("mesh.json", "{\"default_intention_policy\": \"allow\"}")]);
    let settings = loaded.settings.unwrap();
    assert_eq!(settings.datacenter, "dc1");
    assert_eq!(settings.certificates.source, "dev-ca");
    assert_eq!(settings.admin.bind, "127.0.0.1:0");

    let files = "certificates { files { cert = \"c\" key = \"k\" bundles = [\"b\"] } }";
    let loaded = texts(&[(
        "mesh.hcl",
        &format!("default_intention_policy = \"deny\"\n{files}"),
    )]);
    assert_eq!(loaded.settings.unwrap().certificates.source, "files");

    let cases = [
        (
            "default_intention_policy = \"maybe\"",
            "bad-settings",
            "default_intention_policy",
        ),
        (
            "certificates { source = \"spire\" }",
            "not-supported",
            "certificates.source",
        ),
        (
            "certificates { spire { socket = \"/s\" } }",
            "not-supported",
            "certificates.source",
        ),
        (
            "certificates { source = \"consul\" }",
            "not-supported",
            "certificates.source",
        ),
        (
            "certificates { source = \"vault\" }",
            "bad-settings",
            "certificates.source",
        ),
        (
            "certificates { source = \"files\" }",
            "bad-settings",
            "certificates.files",
        ),
        (
            "certificates { files { cert = \"c\" key = \"k\" } }",
            "bad-settings",
            "certificates.files.bundles",
        ),
        (
            "certificates { source = \"dev-ca\" files {} }",
            "bad-settings",
            "certificates.files",
        ),
        ("admin { bind = \"nowhere\" }", "bad-settings", "admin.bind"),
        ("trust_domain = \"A B\"", "bad-settings", "trust_domain"),
        (
            "tracing { zipkin = \"/x\" }",
            "bad-settings",
            "tracing.zipkin",
        ),
        ("tracing { zipkn = \"\" }", "unknown-key", "tracing.zipkn"),
    ];
    for (body, category, path) in cases {
        let text = format!("default_intention_policy = \"deny\"\n{body}");
        let loaded = texts(&[("mesh.hcl", &text)]);
        let first = loaded
            .diagnostics
            .iter()
            .find(|diagnostic| diagnostic.is_error())
            .unwrap();
        assert_eq!(
            (
                first.category.as_str(),
                first.field.as_deref().unwrap_or("")
            ),
            (category, path),
            "{body}"
        );
        assert!(loaded.settings.is_none());
    }
}

#[test]
fn a_directory_has_one_file_of_settings() {
    let text = "default_intention_policy = \"deny\"";
    let loaded = texts(&[
        ("a/mesh.hcl", text),
        ("b/mesh.json", "{\"default_intention_policy\": \"deny\"}"),
    ]);
    assert_eq!(loaded.diagnostics[0].category, Category::DuplicateEntry);
    assert_eq!(loaded.diagnostics[0].origin.path(), "b/mesh.json");
}

#[test]
fn permissive_tls_needs_the_mesh_entrys_consent() {
    let defaults = (
        "a.hcl",
        "Kind = \"service-defaults\" Name = \"web\" MutualTLSMode = \"permissive\"",
    );
    let loaded = texts(&[defaults]);
    assert_eq!(loaded.diagnostics[0].category, Category::BadMutualTls);
    assert_eq!(loaded.diagnostics[0].origin.to_string(), "a.hcl:1:56");
    let mesh = (
        "b.hcl",
        "Kind = \"mesh\" AllowEnablingPermissiveMutualTLS = true",
    );
    assert!(!texts(&[defaults, mesh]).has_errors());
}

#[test]
fn entries_made_in_memory_are_normalised_and_checked_too() {
    let problems = prepare(ServiceRouter::default().into()).unwrap_err();
    assert_eq!(problems[0].category, Category::MissingName);
    assert_eq!(
        problems[0].render(false),
        "error[missing-name]: Name is required\n  = field: Name\n"
    );
    let wanted = json!({
        "severity": "error", "category": "missing-name", "message": "Name is required", "field": "Name"
    });
    assert_eq!(problems[0].to_json(), wanted);

    let defaults = ServiceDefaults {
        name: "web".into(),
        protocol: "HTTP".to_owned(),
        ..Default::default()
    };
    let (entry, notes) = prepare(defaults.into()).unwrap();
    assert_eq!(notes, []);
    assert_eq!(entry.to_json()["Protocol"], "http");
}

#[test]
fn a_set_of_entries_replaces_and_removes_by_key() {
    let mut set = load(shop()).entries;
    let before = set.clone();
    let key = EntryKey::new(Kind::ServiceRouter, "stock");
    assert_eq!(key.to_string(), "service-router/stock");
    let router = set.get(&key).unwrap();
    assert_eq!(set.insert(router.clone()), Some(router.clone()));
    assert_eq!(set, before);
    assert_eq!(set.remove(&key), Some(router));
    assert_eq!((set.len(), set.get(&key)), (before.len() - 1, None));
    assert_eq!(
        before.iter().collect::<mesh_core::config::EntrySet>(),
        before
    );
}
