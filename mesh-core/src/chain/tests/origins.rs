//! Diagnostics point at the line that has to change.

use super::*;
use crate::config::{Source, load};

/// Compiles the chain of `web` out of one HCL text per entry, named `0.hcl`, `1.hcl`, …
fn outcome(texts: &[&str]) -> Result<CompiledChain, Vec<Diagnostic>> {
    let sources = texts.iter().enumerate();
    let sources =
        sources.map(|(index, text)| Source::new(format!("{index}.hcl"), text.trim_start()));
    let loaded = load(sources.collect());
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    compile(&loaded.entries, &request("web"))
}

fn place(diagnostic: &Diagnostic) -> String {
    format!(
        "{} {}:{}",
        diagnostic.category,
        diagnostic.origin.path(),
        diagnostic.origin.line()
    )
}

const HTTP: &str = "Kind = \"proxy-defaults\"\nName = \"global\"\nConfig { protocol = \"http\" }\n";

#[test]
fn errors_point_at_the_split_route_redirect_or_target_that_causes_them() {
    let resolver = r#"
Kind = "service-resolver"
Name = "web"
Subsets {
  v1 { Filter = "Service.Meta.v == v1" }
}
"#;
    let splitter = r#"
Kind = "service-splitter"
Name = "web"
Splits = [
  { Weight = 90, ServiceSubset = "v1" },
  { Weight = 10, ServiceSubset = "v2" },
]
"#;
    let router = r#"
Kind = "service-router"
Name = "web"
Routes = [
  {
    Match { HTTP { PathPrefix = "/v2" } }
    Destination { ServiceSubset = "v2" }
  },
]
"#;
    let failover = r#"
Kind = "service-resolver"
Name = "web"
Failover {
  "*" {
    Targets = [
      { Service = "spare" },
      { Service = "spare", ServiceSubset = "none" },
    ]
  }
}
"#;
    let grpc = "Kind = \"service-defaults\"\nName = \"rpc\"\nProtocol = \"grpc\"\n";
    let redirect = r#"
Kind = "service-resolver"
Name = "web"
Redirect {
  Service = "rpc"
}
"#;
    let cases = [
        (vec![HTTP, resolver, splitter], "missing-subset 2.hcl:5"),
        (vec![HTTP, resolver, router], "missing-subset 2.hcl:6"),
        (vec![HTTP, failover], "missing-subset 1.hcl:7"),
        (vec![HTTP, grpc, redirect], "protocol-mismatch 2.hcl:3"),
        (
            vec![resolver, "Kind = \"service-router\"\nName = \"web\"\n"],
            "protocol-not-l7 1.hcl:1",
        ),
    ];
    for (texts, expected) in cases {
        assert_eq!(place(&outcome(&texts).unwrap_err()[0]), expected);
    }
}

#[test]
fn a_cycle_points_at_the_split_that_closes_it() {
    let web = r#"
Kind = "service-splitter"
Name = "web"
Splits = [
  { Weight = 50 },
  { Weight = 50, Service = "next" },
]
"#;
    let next = r#"
Kind = "service-splitter"
Name = "next"
Splits = [
  { Weight = 99 },
  { Weight = 1, Service = "web" },
]
"#;
    let errors = outcome(&[HTTP, web, next]).unwrap_err();
    assert!(errors[0].message.ends_with("web -> next -> web"));
    assert_eq!(place(&errors[0]), "circular 2.hcl:5");
}

#[test]
fn warnings_and_legs_know_their_lines() {
    let router = r#"
Kind = "service-router"
Name = "web"
Routes = [
  { Match { HTTP { PathPrefix = "/" } } },
  { Match { HTTP { PathExact = "/late" } } },
]
"#;
    let splitter = r#"
Kind = "service-splitter"
Name = "web"
Splits = [
  { Weight = 90 },
  { Weight = 10, Service = "next" },
]
"#;
    let chain = outcome(&[HTTP, router, splitter]).unwrap();
    assert_eq!(place(&chain.warnings[0]), "no-effect 1.hcl:5");
    assert!(chain.warnings[0].hint.as_ref().unwrap().contains("1.hcl:4"));
    assert_eq!(chain.routes[1].origin.line(), 5);
    assert_eq!(
        (
            chain.routes[1].legs[1].origin.path(),
            chain.routes[1].legs[1].origin.line()
        ),
        ("2.hcl", 5)
    );
}
