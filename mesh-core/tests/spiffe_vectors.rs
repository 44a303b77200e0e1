//! The conformance vectors about SPIFFE identities.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use mesh_core::testing::vectors::{CaseKind, Vectors};

/// Judges all cases of a kind; there must be some.
fn judge(kind: CaseKind) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/security-open.json"
    );
    let file = Vectors::read(Path::new(path)).unwrap();
    let judged = file.of_kind(kind);
    let judged: Vec<_> = judged.map(|case| (case.id(), case.judge())).collect();
    assert!(!judged.is_empty(), "no vector of kind {kind:?}");
    let failures = judged.iter().filter(|(_, outcome)| outcome.is_err());
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn both_parsers_agree_and_what_only_consul_accepts_is_no_peer() {
    judge(CaseKind::Parse);
}

#[test]
fn identities_are_built_as_the_community_edition_builds_them() {
    judge(CaseKind::Build);
}

#[test]
fn an_authority_signs_for_its_own_trust_domain_only() {
    judge(CaseKind::CanSign);
}

#[test]
fn a_server_is_matched_exactly() {
    judge(CaseKind::ServerMatch);
}
