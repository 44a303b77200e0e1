//! The live handle: what an update keeps, what it replaces, and how health becomes endpoints.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mesh_core::catalog::CheckStatus;
use mesh_core::config::service::CheckDefinition;
use mesh_core::config::{
    Entry, EntrySet, GoDuration, ProxyDefaults, ServiceDefinition, ServiceResolver,
    ServiceSplitter, Settings, Split, Subset,
};
use mesh_core::identity::TrustDomain;
use mesh_core::snapshot::{Input, Mesh, Options, Scope, Target};
use tokio::net::TcpListener;

fn service(name: &str, port: u16, version: &str, check: Option<String>) -> ServiceDefinition {
    ServiceDefinition {
        name: name.into(),
        port: i64::from(port),
        meta: BTreeMap::from([("version".into(), version.into())]),
        check: check.map(|tcp| CheckDefinition {
            tcp,
            interval: GoDuration::from_secs(1),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn splitter(v1: f64, v2: f64) -> Entry {
    let split = |weight, subset: &str| Split {
        weight,
        service_subset: subset.into(),
        ..Default::default()
    };
    ServiceSplitter {
        name: "backend".into(),
        splits: vec![split(v1, "v1"), split(v2, "v2")],
        ..Default::default()
    }
    .into()
}

fn entries(v1: f64, v2: f64) -> EntrySet {
    let mut config = serde_json::Map::new();
    config.insert("protocol".into(), "http".into());
    let subset = |version: &str| Subset {
        filter: format!("Service.Meta.version == {version}"),
        ..Default::default()
    };
    let resolver = ServiceResolver {
        name: "backend".into(),
        subsets: BTreeMap::from([("v1".into(), subset("v1")), ("v2".into(), subset("v2"))]),
        ..Default::default()
    };
    [
        ProxyDefaults {
            name: "global".into(),
            config,
            ..Default::default()
        }
        .into(),
        resolver.into(),
        splitter(v1, v2),
    ]
    .into_iter()
    .collect()
}

fn input(entries: EntrySet, services: Vec<ServiceDefinition>) -> Input {
    Input {
        entries,
        services,
        settings: Settings {
            default_intention_policy: "allow".into(),
            ..Default::default()
        },
        trust_domain: TrustDomain::new("test.consul").unwrap(),
    }
}

fn leg_target(scope: &Scope, leg: usize) -> Arc<Target> {
    let snapshot = scope.snapshots().snapshot();
    Arc::clone(&snapshot.chain("backend").unwrap().routes[0].legs[leg].levels[0])
}

#[tokio::test]
async fn an_edit_keeps_the_cells_of_targets_that_did_not_change() {
    let services = || {
        vec![
            service("backend", 7000, "v1", None),
            service("backend", 7001, "v2", None),
        ]
    };
    let (mesh, update) =
        Mesh::from_memory(input(entries(100.0, 0.0), services()), Options::default()).unwrap();
    let scope = mesh.scope("frontend");
    let before = leg_target(&scope, 0);
    before.state().requests.store(5, Ordering::Relaxed);
    assert_eq!(before.endpoints().len(), 1);
    assert_eq!(
        &*before.endpoints().endpoints[0].key,
        "backend-7000@127.0.0.1:7000"
    );

    let version = update
        .publish(input(entries(50.0, 50.0), services()))
        .unwrap();
    let after = leg_target(&scope, 0);
    assert!(Arc::ptr_eq(&before, &after));
    assert_eq!((version, scope.snapshots().load().version), (2, 2));
    assert_eq!(
        scope.snapshots().load().chain("backend").unwrap().routes[0].legs[0].weight,
        5_000
    );
}

#[tokio::test]
async fn a_refused_edit_leaves_everything_as_it_was() {
    let services = || vec![service("backend", 7000, "v1", None)];
    let (mesh, update) =
        Mesh::from_memory(input(entries(100.0, 0.0), services()), Options::default()).unwrap();
    let scope = mesh.scope("frontend");
    let mut broken = entries(100.0, 0.0);
    broken.remove(&mesh_core::config::EntryKey::new(
        mesh_core::config::Kind::ServiceResolver,
        "backend",
    ));
    let problems = update.publish(input(broken, services())).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|problem| problem.category == mesh_core::config::Category::MissingSubset)
    );
    assert_eq!(
        (scope.snapshots().load().version, mesh.status().refused),
        (1, 1)
    );
    assert_eq!(leg_target(&scope, 0).endpoints().len(), 1);
}

#[tokio::test]
async fn an_instance_leaves_when_its_port_closes_and_returns_when_it_opens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let services = vec![service(
        "backend",
        address.port(),
        "v1",
        Some(address.to_string()),
    )];
    let (mesh, _update) =
        Mesh::from_memory(input(entries(100.0, 0.0), services), Options::default()).unwrap();
    let scope = mesh.scope("frontend");
    let target = leg_target(&scope, 0);
    tokio::time::timeout(Duration::from_secs(5), mesh.ready())
        .await
        .unwrap();
    assert_eq!(target.endpoints().len(), 1, "probed at once");

    let mut changed = target.changed();
    drop(listener);
    tokio::time::timeout(Duration::from_secs(5), changed.changed())
        .await
        .unwrap()
        .unwrap();
    assert!(target.endpoints().is_empty());
    assert_eq!(mesh.health()[0].1, CheckStatus::Critical);

    let _listener = TcpListener::bind(address).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), changed.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(target.endpoints().len(), 1);
}

#[tokio::test]
async fn two_local_services_see_the_same_chain_with_their_own_counters() {
    let services = vec![service("backend", 7000, "v1", None)];
    let (mesh, _update) =
        Mesh::from_memory(input(entries(100.0, 0.0), services), Options::default()).unwrap();
    let (frontend, gateway) = (mesh.scope("frontend"), mesh.scope("gateway"));
    let (ours, theirs) = (leg_target(&frontend, 0), leg_target(&gateway, 0));
    assert!(!Arc::ptr_eq(ours.state(), theirs.state()));
    let compiled =
        |scope: &Scope| Arc::clone(&scope.snapshots().load().chain("backend").unwrap().compiled);
    assert!(Arc::ptr_eq(&compiled(&frontend), &compiled(&gateway)));
}

#[tokio::test]
async fn the_expected_identity_names_the_instances_service() {
    let services = vec![service("backend", 7000, "v1", None)];
    let (mesh, _update) =
        Mesh::from_memory(input(entries(100.0, 0.0), services), Options::default()).unwrap();
    let target = leg_target(&mesh.scope("frontend"), 0);
    let set = target.endpoints();
    let expected = set.endpoints[0].expected.as_ref().unwrap();
    assert_eq!(
        expected.as_str(),
        "spiffe://test.consul/ns/default/dc/dc1/svc/backend"
    );
    assert_eq!(
        &*set.endpoints[0].server_name,
        "v1.backend.default.dc1.internal.test.consul"
    );
}

#[tokio::test]
async fn a_target_that_two_chains_reach_with_different_settings_is_kept_up_in_both() {
    let mut config = serde_json::Map::new();
    config.insert("protocol".into(), "http".into());
    let failover = mesh_core::config::Failover {
        service: "backend".into(),
        ..Default::default()
    };
    let api = ServiceResolver {
        name: "api".into(),
        connect_timeout: GoDuration::from_secs(1),
        failover: BTreeMap::from([("*".into(), failover)]),
        ..Default::default()
    };
    let defaults = ProxyDefaults {
        name: "global".into(),
        config,
        ..Default::default()
    };
    let entries: EntrySet = [defaults.into(), api.into()].into_iter().collect();
    let services = |port| {
        vec![
            service("backend", port, "v1", None),
            service("api", 6000, "v1", None),
        ]
    };
    let (mesh, update) =
        Mesh::from_memory(input(entries.clone(), services(7000)), Options::default()).unwrap();
    let scope = mesh.scope("frontend");
    update.publish(input(entries, services(7001))).unwrap();
    let snapshot = scope.snapshots().snapshot();
    let level = |service: &str, level: usize| {
        let target = Arc::clone(&snapshot.chain(service).unwrap().routes[0].legs[0].levels[level]);
        let set = target.endpoints();
        (
            target.policy().connect_timeout.as_secs(),
            set.endpoints[0].address.port(),
        )
    };
    assert_eq!(
        (level("api", 1), level("backend", 0)),
        ((1, 7001), (5, 7001))
    );
}
