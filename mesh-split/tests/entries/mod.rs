//! Snapshots compiled from config entries, as a source would publish them.
#![allow(dead_code)]

use std::collections::BTreeMap;

use mesh_core::config::{EntrySet, ServiceDefinition, Settings, Source, read_entry};
use mesh_core::identity::TrustDomain;
use mesh_core::live::Live;
use mesh_core::snapshot::{Input, Mesh, Options, Scope, Snapshot, Update};

/// `backend` has an instance of version `v1` at 7000 and one of `v2` at 7001; `other` one at 7100.
pub(crate) fn input(entries: &[&str]) -> Input {
    let defaults = r#"
        Kind = "proxy-defaults"
        Name = "global"
        Config { protocol = "http" }
    "#;
    let subsets = r#"
        Kind = "service-resolver"
        Name = "backend"
        Subsets = {
          v1 = { Filter = "Service.Meta.version == v1" }
          v2 = { Filter = "Service.Meta.version == v2" }
        }
    "#;
    let all = [defaults, subsets]
        .into_iter()
        .chain(entries.iter().copied());
    let entries: EntrySet = all
        .map(|text| read_entry(Source::new("entry.hcl", text)).unwrap().0)
        .collect();
    Input {
        entries,
        services: vec![
            service("backend", 7000, "v1"),
            service("backend", 7001, "v2"),
            service("other", 7100, "v1"),
        ],
        settings: Settings {
            default_intention_policy: "allow".into(),
            ..Settings::default()
        },
        trust_domain: TrustDomain::new("test.consul").unwrap(),
    }
}

fn service(name: &str, port: u16, version: &str) -> ServiceDefinition {
    ServiceDefinition {
        name: name.into(),
        port: i64::from(port),
        meta: BTreeMap::from([("version".into(), version.into())]),
        ..ServiceDefinition::default()
    }
}

pub(crate) struct World {
    pub(crate) mesh: Mesh,
    pub(crate) update: Update,
    pub(crate) scope: Scope,
}

impl World {
    pub(crate) fn new(entries: &[&str]) -> Self {
        let (mesh, update) = Mesh::from_memory(input(entries), Options::default()).unwrap();
        let scope = mesh.scope("web");
        Self {
            mesh,
            update,
            scope,
        }
    }

    pub(crate) fn snapshots(&self) -> Live<Snapshot> {
        self.scope.snapshots().clone()
    }

    pub(crate) fn publish(&self, entries: &[&str]) {
        self.update.publish(input(entries)).unwrap();
    }
}
