//! What it costs to put a large configuration into force, and to look something up in one.
//!
//! `cargo bench --bench compile`. The large set has 1 000 services with a router, a splitter and a resolver each, 10 000
//! instances and 10 000 intentions; entries are parsed beforehand.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mesh_core::config::{
    Entry, EntryKey, EntrySet, Kind, ServiceDefinition, ServiceSplitter, Settings, Source, Split,
    read_entry,
};
use mesh_core::identity::TrustDomain;
use mesh_core::snapshot::{Input, Snapshot, World};
use serde_json::{Value, json};

const SERVICES: usize = 1_000;
const INSTANCES: usize = 10;
const SOURCES: usize = 10;

fn read(entry: &Value) -> Entry {
    read_entry(Source::new("bench.json", entry.to_string()))
        .unwrap()
        .0
}

fn entries_of(name: &str, number: usize) -> [Entry; 4] {
    let subset = |version: &str| json!({"Filter": format!("Service.Meta.version == {version}")});
    let sources = (0..SOURCES).map(|source| {
        let caller = format!("service-{}", (number + source + 1) % SERVICES);
        match source {
            0 => json!({"Name": caller, "Permissions": [
                {"Action": "deny", "HTTP": {"PathPrefix": "/admin"}},
                {"Action": "allow", "HTTP": {"PathPrefix": "/", "Methods": ["GET"]}},
            ]}),
            _ => json!({"Name": caller, "Action": "allow"}),
        }
    });
    [
        read(&json!({"Kind": "service-router", "Name": name, "Routes": [
            {"Match": {"HTTP": {"QueryParam": [{"Name": "canary", "Exact": "true"}]}}, "Destination": {"ServiceSubset": "v2"}},
            {"Match": {"HTTP": {"PathPrefix": "/slow"}}, "Destination": {"RequestTimeout": "30s", "NumRetries": 2, "RetryOn": ["5xx"]}},
        ]})),
        read(
            &json!({"Kind": "service-splitter", "Name": name, "Splits": [
                {"Weight": 90, "ServiceSubset": "v1"}, {"Weight": 10, "ServiceSubset": "v2"},
            ]}),
        ),
        read(
            &json!({"Kind": "service-resolver", "Name": name, "Subsets": {"v1": subset("v1"), "v2": subset("v2")}}),
        ),
        read(
            &json!({"Kind": "service-intentions", "Name": name, "Sources": sources.collect::<Vec<_>>()}),
        ),
    ]
}

fn instance(service: &str, number: usize, port: usize) -> ServiceDefinition {
    let version = if number == 0 { "v2" } else { "v1" };
    ServiceDefinition {
        name: service.into(),
        id: format!("{service}-{number}").into(),
        port: i64::try_from(port).unwrap(),
        meta: BTreeMap::from([("version".into(), version.into())]),
        ..ServiceDefinition::default()
    }
}

fn input(entries: EntrySet, services: Vec<ServiceDefinition>) -> Input {
    Input {
        entries,
        services,
        settings: Settings {
            default_intention_policy: "deny".into(),
            ..Settings::default()
        },
        trust_domain: TrustDomain::new("bench.consul").unwrap(),
    }
}

fn large() -> Input {
    let defaults =
        json!({"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}});
    let mut entries: EntrySet = [read(&defaults)].into_iter().collect();
    let mut services = Vec::new();
    for number in 0..SERVICES {
        let name = format!("service-{number}");
        for entry in entries_of(&name, number) {
            entries.insert(entry);
        }
        services
            .extend((0..INSTANCES).map(|instance| self::instance(&name, instance, 1024 + number)));
    }
    assert_eq!(
        (entries.len(), services.len()),
        (SERVICES * 4 + 1, SERVICES * INSTANCES)
    );
    input(entries, services)
}

fn compile(criterion: &mut Criterion) {
    let large = large();
    let mut group = criterion.benchmark_group("world");
    group.sample_size(20);
    group.bench_function("compile/1000 services", |bench| {
        let compile = |input| World::compile(1, input, None).unwrap();
        bench.iter_batched(|| large.clone(), compile, BatchSize::PerIteration);
    });
    let before = World::compile(1, large.clone(), None).unwrap();
    let mut edited = large.clone();
    let key = EntryKey::new(Kind::ServiceSplitter, "service-7");
    let split = |weight, subset: &str| Split {
        weight,
        service_subset: subset.into(),
        ..Split::default()
    };
    edited.entries.insert(
        ServiceSplitter {
            name: Arc::clone(&key.name),
            splits: vec![split(50.0, "v1"), split(50.0, "v2")],
            ..ServiceSplitter::default()
        }
        .into(),
    );
    group.bench_function("recompile/one of 1000 changed", |bench| {
        let compile = |input| World::compile(2, input, Some(&before)).unwrap();
        bench.iter_batched(|| edited.clone(), compile, BatchSize::PerIteration);
    });
    let world = Arc::new(before);
    group.bench_function("view of one caller/1000 services", |bench| {
        bench.iter_with_large_drop(|| Snapshot::of(&world, "service-0"));
    });
    group.finish();
}

fn look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    for count in [10, 1_000, 100_000] {
        let services = (0..count).map(|number| instance(&format!("service-{number}"), 0, 1024));
        let world = World::compile(1, input(EntrySet::new(), services.collect()), None).unwrap();
        let snapshot = Snapshot::of(&Arc::new(world), "service-0");
        let hot: Vec<String> = (0..10)
            .map(|number| format!("service-{}", number * count / 10))
            .collect();
        group.bench_function(format!("ten hot names/{count} services"), |bench| {
            bench.iter(|| {
                hot.iter()
                    .filter(|name| snapshot.chain(black_box(name)).is_some())
                    .count()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compile, look_up);
criterion_main!(benches);
