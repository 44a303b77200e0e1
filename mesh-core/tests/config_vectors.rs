//! Config entries as Consul reads them: every vector is accepted in its canonical form, or refused for its reason.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use mesh_core::config::{Source, read_entry};
use mesh_core::testing::vectors::{CaseKind, Vectors};

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/vectors/config-entries"
);

fn index() -> Vectors {
    Vectors::read(&Path::new(VECTORS).join("index.json")).unwrap()
}

#[test]
fn every_vector_is_judged_as_consul_judges_it() {
    let index = index();
    let judged = index.of_kind(CaseKind::Entry);
    let judged: Vec<_> = judged.map(|case| (case.id(), case.judge())).collect();
    assert_eq!(
        Some(judged.len() as u64),
        index.document()["count"].as_u64()
    );
    let failures = judged.iter().filter(|(_, outcome)| outcome.is_err());
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_is_accepted_is_read_back_from_its_canonical_form() {
    let index = index();
    let cases = index.of_kind(CaseKind::Entry);
    for case in cases.filter(|case| case.value["expect"] == "accept") {
        let file = case.id();
        let text = fs::read_to_string(Path::new(VECTORS).join(file)).unwrap();
        let (entry, _) = read_entry(Source::new(file, text)).unwrap();
        let (again, _) = read_entry(Source::new(file, entry.to_json().to_string())).unwrap();
        assert_eq!(entry, again, "{file}");
    }
}
