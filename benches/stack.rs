//! What single layers cost over a bare service, and what the pure decisions cost at several sizes.
//!
//! `cargo bench --bench stack`; the report with plots is `target/criterion/report/index.html`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use mesh_core::chain::RequestHead;
use mesh_core::config::{self, Source};
use mesh_core::endpoint::Endpoint;
use mesh_core::identity::{SpiffeId, TrustDomain};
use mesh_core::intention::{RequestFacts, evaluate};
use mesh_core::normalize::{self, Normalization};
use mesh_core::policy::BalancePolicy;
use mesh_core::random::Rng;
use mesh_core::snapshot::{Input, Target, TargetPolicy, World};
use mesh_core::testing::fixtures;
use mesh_retry::retry::RetryLayer;
use mesh_retry::timeout::TimeoutLayer;
use mesh_split::balance::{self, BalanceLayer};
use mesh_split::select::SelectLayer;
use tower::{Layer, Service};

const ROUTER: &str = r#"
Kind = "service-router"
Name = "backend"
Routes = [{
  Match { HTTP { QueryParam = [{ Name = "canary" Exact = "true" }] } }
  Destination { Service = "backend" RequestTimeout = "1s" }
}]
"#;

fn world(intentions: usize) -> World {
    let sources: String = (0..intentions)
        .map(|index| format!("{{ Name = \"caller-{index}\" Action = \"allow\" }},"))
        .collect();
    let intentions =
        format!("Kind = \"service-intentions\"\nName = \"backend\"\nSources = [{sources}]");
    let loaded = config::load(vec![
        Source::new("mesh.hcl", "default_intention_policy = \"deny\""),
        Source::new(
            "defaults.hcl",
            "Kind = \"proxy-defaults\"\nConfig { protocol = \"http\" }",
        ),
        Source::new("intentions.hcl", intentions),
        Source::new("router.hcl", ROUTER),
    ]);
    assert!(
        !loaded.has_errors(),
        "{}",
        config::render(&loaded.diagnostics, false)
    );
    let input = Input {
        entries: loaded.entries,
        services: loaded.services,
        settings: loaded.settings.unwrap(),
        trust_domain: TrustDomain::new("bench.consul").unwrap(),
    };
    World::compile(1, input, None).unwrap()
}

fn target(endpoints: u16) -> Arc<Target> {
    let address = |i| SocketAddr::from(([127, 0, 0, 1], i));
    let endpoints = (1..=endpoints).map(|i| fixtures::endpoint(&format!("e{i}"), address(i)));
    fixtures::target("t", TargetPolicy::default(), endpoints.collect())
}

fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    let headers = HeaderMap::new();
    let settings = Normalization::default();
    group.bench_function("normalize a clean path", |b| {
        b.iter(|| normalize::path(&settings, black_box("/bird/7?canary=true")));
    });
    for size in [10, 1_000, 100_000] {
        let world = world(size);
        let table = Arc::clone(&world.intentions["backend"]);
        let caller = SpiffeId::service(&world.trust_domain, "dc1", &format!("caller-{}", size / 2));
        let facts = RequestFacts {
            method: "GET",
            path: "/bird",
            authority: "backend",
            headers: &headers,
            xfcc: None,
            claims: None,
        };
        group.bench_function(format!("authorize among {size} intentions"), |b| {
            b.iter(|| evaluate(&table, black_box(&caller), Some(&facts)).is_allowed());
        });
    }
    let world = world(1);
    let chain = &world.chains["backend"];
    let head = RequestHead::new("GET", "/bird?canary=true", "backend", "http", &headers);
    group.bench_function("route by query parameter", |b| {
        b.iter(|| mesh_core::chain::decide(&chain.routes, black_box(&head)));
    });
    for size in [3, 1_000] {
        let target = target(size);
        let set = target.endpoints();
        let policy = BalancePolicy::default();
        let mut rng = Rng::new(1);
        let now = tokio::time::Instant::now();
        let tried = |_: &Endpoint| false;
        group.bench_function(format!("balance over {size} endpoints"), |b| {
            b.iter(|| {
                let inputs = balance::Inputs {
                    policy: &policy,
                    hash: None,
                    tried: &tried,
                    now,
                    turn: 0,
                };
                balance::pick(&set, &inputs, &mut rng)
            });
        });
    }
    group.finish();
}

#[derive(Clone)]
struct Bare;

impl<B> Service<Request<B>> for Bare {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::ready(Ok(Response::new(Full::from("bird"))))
    }
}

fn request() -> Request<Full<Bytes>> {
    Request::get("http://backend/bird")
        .body(Full::default())
        .unwrap()
}

fn layers(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    let mut group = c.benchmark_group("layer");
    macro_rules! over {
        ($name:literal, $service:expr) => {
            let service = $service;
            group.bench_function($name, |b| {
                b.to_async(&runtime).iter(|| {
                    let mut service = service.clone();
                    async move {
                        service
                            .call(request())
                            .await
                            .map(|response| response.status())
                            .ok()
                    }
                });
            });
        };
    }
    over!("baseline, bare service", Bare);
    over!("timeout", TimeoutLayer::default().layer(Bare));
    over!("retry without a policy", RetryLayer::default().layer(Bare));
    over!("balance over 3", BalanceLayer::fixed(target(3)).layer(Bare));
    let chain = fixtures::simple_chain("backend", vec![fixtures::leg(10_000, target(3))]);
    over!("select", SelectLayer::fixed(chain).layer(Bare));
    group.finish();
}

criterion_group!(benches, decisions, layers);
criterion_main!(benches);
