//! The conformance vectors of the filter language, and the language against a slow evaluator.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use mesh_core::catalog::{CheckRecord, Instance};
use mesh_core::filter::{BindErrorKind, Filter};
use mesh_core::testing::vectors::filter::{answer, instance};
use mesh_core::testing::vectors::{CaseKind, Vectors};
use proptest::prelude::*;

fn file() -> Vectors {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/traffic-open.json"
    );
    Vectors::read(Path::new(path)).unwrap()
}

#[test]
fn every_vector_is_answered_as_consul_does() {
    let file = file();
    let judged = file.of_kind(CaseKind::Filter);
    let judged: Vec<_> = judged.map(|case| (case.id(), case.judge())).collect();
    assert!(!judged.is_empty());
    let failures = judged.iter().filter(|(_, outcome)| outcome.is_err());
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

fn web() -> (Instance, Vec<CheckRecord>) {
    instance(&file().document()["instances"]["web-v1"]).unwrap()
}

#[test]
fn the_grammar_is_exactly_the_documented_one() {
    let (instance, checks) = web();
    for (expression, expect) in [
        ("", Ok(true)),
        (" ", Err("parse")),
        ("Service.Port", Err("parse")),
        ("Service.Port==8080", Ok(true)),
        ("\t( Service.Port\n!= 8080 )\r", Ok(false)),
        ("Service.Port == 8080)", Err("parse")),
        ("(Service.Port == 8080", Err("parse")),
        ("Service.Port == 0x1F90", Err("parse")),
        ("Service.Port == \"0x1F90\"", Ok(true)),
        ("Service.Port == `017620`", Ok(true)),
        ("Service.Port == 08080", Err("parse")),
        ("Service.Port == \"x\"", Err("bind")),
        ("Service.Port == 8080.0", Err("bind")),
        ("8080 == Service.Port", Err("parse")),
        ("x in 32", Err("parse")),
        (
            "Service.Meta.env == \"prod\"and Service.Port == 1",
            Err("parse"),
        ),
        (
            "Service.Meta.env == prod and Service.Port == 1 or Service.Port == 8080",
            Ok(true),
        ),
        (
            "Service.Port == 8080 or Service.Port == 1 and Service.Port == 2",
            Ok(true),
        ),
        (
            "(Service.Port == 8080 or Service.Port == 1) and Service.Port == 2",
            Ok(false),
        ),
        (
            "(Service.Port == 8080)and(Service.Port == 8080)",
            Err("parse"),
        ),
        (
            "(Service.Port == 8080) and (Service.Port == 8080)",
            Ok(true),
        ),
        ("not Service.Port == 1 and Service.Port == 2", Ok(false)),
        ("not not Service.Port == 8080", Ok(true)),
        ("not(Service.Port == 1)", Err("parse")),
        ("not (Service.Port == 1)", Ok(true)),
        ("not in Service.Tags", Ok(false)),
        ("not not in Service.Tags", Ok(true)),
        ("Service.Meta.env == 'prod'", Err("parse")),
        ("Service.Meta.env = prod", Err("parse")),
        (
            "Service.Meta.env == prod AND Service.Port == 1",
            Err("parse"),
        ),
        (
            "Service.Meta.env == prod && Service.Port == 1",
            Err("parse"),
        ),
        ("Service.Meta.version == 1.2.3", Err("parse")),
        ("Service.Meta.version == v1-beta", Err("parse")),
        ("Service.Meta.version == \"1.2.3\"", Ok(true)),
        ("Service.Meta[\"version\"] == `1.2.3`", Ok(true)),
        ("Service.Meta[ \"version\" ] == `1.2.3`", Ok(true)),
        ("Service.Meta[version] == `1.2.3`", Err("parse")),
        ("Service[\"Meta\"][\"Team.Name\"] == core", Ok(true)),
        ("Service.Meta.Team.Name == core", Err("bind")),
        ("Service.Meta.canary == \"\"", Ok(true)),
        ("Service.Meta.env == \"pr\\u006fd\"", Ok(true)),
        ("Service.Meta.env == \"pr\\qd\"", Err("parse")),
        ("Service.Meta.env == \"a\nb\"", Err("parse")),
        ("Service.Meta.env != `a\nb`", Ok(true)),
        ("any Checks as c { c.Name == x }", Err("parse")),
        ("Service.Meta.env is nil", Err("parse")),
        ("\"/Service/Port\" == 8080", Err("parse")),
    ] {
        assert_eq!(
            answer(expression, &instance, &checks),
            expect,
            "{expression}"
        );
    }
}

#[test]
fn operators_follow_the_type_of_the_selector() {
    let (instance, checks) = web();
    for (expression, expect) in [
        ("Service.Service contains eb", Ok(true)),
        ("eb not in Service.Service", Ok(false)),
        ("Service.Service is empty", Err("bind")),
        ("Service.Meta == x", Err("bind")),
        ("Service.Meta matches x", Err("bind")),
        ("Service.Meta is not empty", Ok(true)),
        ("Service.Meta contains env", Ok(true)),
        ("`build-id` in Service.Meta", Ok(true)),
        ("Service.Meta.absent is empty", Err("bind")),
        ("Service.Meta.absent != x", Ok(true)),
        ("Service.Meta.absent == \"\"", Ok(false)),
        ("Service.Meta.absent contains \"\"", Ok(false)),
        ("Service.Meta.absent not contains x", Ok(true)),
        ("Service.Meta.absent not matches x", Ok(true)),
        ("Service.Meta.absent matches x", Ok(true)),
        ("not Service.Meta.absent matches x", Ok(false)),
        ("Service.Tags == primary", Err("bind")),
        ("Service.Tags contains prim", Ok(false)),
        ("Service.Tags.x == y", Err("bind")),
        ("Service.Tags is empty", Ok(false)),
        ("Service.EnableTagOverride == false", Ok(true)),
        ("Service.EnableTagOverride != f", Ok(false)),
        ("Service.EnableTagOverride == no", Err("bind")),
        ("Service.EnableTagOverride in true", Err("bind")),
        ("Service.Port matches 80", Err("bind")),
        ("Service.Weights.Passing == 10", Ok(true)),
        ("Service.Weights == 10", Err("bind")),
        ("Service.TaggedAddresses.wan.Port == 80", Ok(true)),
        ("Service.TaggedAddresses.none.Port == 80", Ok(false)),
        ("Service.TaggedAddresses.none.Port != 80", Ok(true)),
        ("Service.TaggedAddresses.wan == x", Err("bind")),
        ("wan in Service.TaggedAddresses", Ok(true)),
        ("Node.TaggedAddresses.wan == `198.51.100.1`", Ok(true)),
        ("Node is empty", Err("bind")),
        ("Node.Node matches `^node-[a-z]$`", Ok(true)),
        ("Node.Node matches ode", Ok(true)),
        ("Node.Node matches NODE", Ok(false)),
        ("Node.Node matches `(?i)NODE`", Ok(true)),
        ("Node.Node matches `(`", Err("bind")),
        ("Node.Node matches `(?=x)`", Err("bind")),
        ("Node.node == x", Err("bind")),
        ("Service.Name == web", Err("bind")),
        ("ServiceMeta.version == 1", Err("bind")),
        ("Service.Port == 8080 or Nothing == x", Err("bind")),
        ("Checks is empty", Ok(false)),
        ("Checks.Status == passing", Ok(true)),
        ("Checks.Status != passing", Ok(true)),
        ("not Checks.Status != passing", Ok(false)),
        ("Checks.Output not contains alive", Ok(true)),
        ("Checks.ServiceTags is empty", Ok(true)),
        ("v1 in Checks.ServiceTags", Ok(true)),
        ("Checks.ExposedPort == 0", Ok(true)),
        ("Checks.Definition == x", Err("bind")),
        ("Service.Connect.Native == true", Ok(false)),
        ("Service.Proxy.Upstreams.DestinationName != x", Ok(false)),
        ("Service.Proxy.Upstreams is empty", Ok(true)),
        ("Service.Proxy.Mode == \"\"", Ok(true)),
    ] {
        assert_eq!(
            answer(expression, &instance, &checks),
            expect,
            "{expression}"
        );
    }
    assert_eq!(
        answer("Checks.Status != passing", &instance, &[]),
        Ok(false)
    );
    assert_eq!(answer("Checks is empty", &instance, &[]), Ok(true));
}

#[test]
fn errors_say_where_and_what_to_write_instead() {
    let error = Filter::parse("Service.Port = 1").unwrap_err();
    assert_eq!(
        (error.offset, error.hint.as_deref()),
        (13, Some("write \"==\""))
    );
    let error = Filter::parse("Service.Meta.a == b && x == y").unwrap_err();
    assert_eq!(
        (error.offset, error.hint.as_deref()),
        (20, Some("write \"and\""))
    );
    let error = Filter::parse("Service.Meta.v == 1.2.3").unwrap_err();
    assert_eq!(error.offset, 18);
    assert!(error.hint.unwrap().contains("quotes"));
    let error = Filter::parse("x == y and Service.port == 1")
        .unwrap()
        .bind()
        .unwrap_err();
    assert_eq!((error.kind, error.span), (BindErrorKind::Selector, 0..1));
    let error = Filter::parse("Service.Address is empty")
        .unwrap()
        .bind()
        .unwrap_err();
    assert_eq!(error.kind, BindErrorKind::Operator);
    assert_eq!(error.hint.as_deref(), Some("write == \"\""));
    let bound = Filter::parse("Service.Meta.v matches x")
        .unwrap()
        .bind()
        .unwrap();
    assert_eq!(bound.warnings()[0].span, 0..14);
}

#[test]
fn deep_nesting_is_refused_and_long_chains_are_not() {
    let deep = format!(
        "{}Service.Port == 1{}",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    assert!(Filter::parse(&deep).unwrap_err().message.contains("deeper"));
    let nots = format!("{}Service.Port == 1", "not ".repeat(100_000));
    assert!(Filter::parse(&nots).unwrap_err().message.contains("deeper"));
    let long = vec!["Service.Port == 1"; 10_000].join(" or ");
    assert_eq!(answer(&long, &web().0, &[]), Ok(false));
}

/// An expression with its meaning given separately from its text.
#[derive(Clone, Debug)]
enum Model {
    Leaf(&'static str, bool),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
}

impl Model {
    fn value(&self) -> bool {
        match self {
            Model::Leaf(_, value) => *value,
            Model::Not(inner) => !inner.value(),
            Model::And(left, right) => left.value() & right.value(),
            Model::Or(left, right) => left.value() | right.value(),
        }
    }

    fn binding(&self) -> u8 {
        match self {
            Model::Or(..) => 0,
            Model::And(..) => 1,
            Model::Not(_) | Model::Leaf(..) => 2,
        }
    }

    /// Parentheses only where the language needs them.
    fn text(&self, outer: u8) -> String {
        let text = match self {
            Model::Leaf(text, _) => (*text).to_owned(),
            Model::Not(inner) => format!("not {}", inner.text(2)),
            Model::And(left, right) => format!("{} and\t{}", left.text(1), right.text(1)),
            Model::Or(left, right) => format!("{}  or {}", left.text(0), right.text(0)),
        };
        if self.binding() < outer {
            format!("( {text})")
        } else {
            text
        }
    }
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = proptest::sample::select(vec![
        Model::Leaf("Service.Port == 8080", true),
        Model::Leaf("Service.Port!=8080", false),
        Model::Leaf("v1 in Service.Tags", true),
        Model::Leaf("Service.Tags not contains primary", false),
        Model::Leaf("Service.Meta.absent matches x", true),
        Model::Leaf("Service.Meta.env matches `^p.*d$`", true),
        Model::Leaf("Service.Meta is empty", false),
        Model::Leaf("Service.Meta is not empty", true),
        Model::Leaf("Checks.Status == critical", false),
        Model::Leaf("Node.Datacenter == \"dc1\"", true),
    ]);
    leaf.prop_recursive(5, 40, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| Model::Not(Box::new(it))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Model::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Model::Or(Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    #[test]
    fn a_random_expression_means_what_its_model_means(model in model()) {
        let (instance, checks) = web();
        prop_assert_eq!(answer(&model.text(0), &instance, &checks), Ok(model.value()));
    }

    #[test]
    fn no_text_makes_it_panic(
        text in r#"((Service|Checks|Node)?[.](Meta|Port|Tags|Status)|not |and | or |in |is |empty|==|!=|[(]|[)]|"|`|x|1|[.]|[\[]|[\]]| |\\|é){0,12}"#
    ) {
        let (instance, checks) = web();
        if let Ok(bound) = Filter::parse(&text).map_err(drop).and_then(|filter| filter.bind().map_err(drop)) {
            bound.matches(&instance, &checks);
        }
    }

    #[test]
    fn no_unicode_text_makes_it_panic(text in any::<String>()) {
        let _ = Filter::parse(&text).map(|filter| filter.bind().is_ok());
    }
}
