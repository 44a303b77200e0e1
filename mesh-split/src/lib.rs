//! Where a request goes: route, select a leg, balance over endpoints, pooled connections, fail-over.
//!
//! Three tower layers and the service that they end in. Each decides one thing, purely, and notes it in the request's
//! [`Outbound`](mesh_core::context::Outbound) context, so that none needs another one:
//!
//! | | decides | how often | without a note of the one before |
//! |---|---|---|---|
//! | [`route::RouteLayer`] | chain, route, leg, headers, path | once per request | is the first |
//! | [`select::SelectLayer`] | level: primary or fail-over target | once per attempt | passes through, or uses its own chain |
//! | [`balance::BalanceLayer`] | endpoint | once per attempt | uses its own target |
//! | [`client::EndpointClient`] | connection | once per attempt | uses its own endpoint |
//!
//! # Rules
//!
//! 1. A request stays with the configuration it began with; an edit acts on the next request.
//! 2. Routes, splits, fail-over and hash policies mean what the Consul references of `service-router`,
//!    `service-splitter` and `service-resolver` say.
//! 3. Traffic fails over only when a level has no ready endpoint at all, and returns as soon as it has one.
//! 4. Whoever has no endpoint is told so at once. There is no panic mode, and nothing waits for ever.
//! 5. A failure counts as a slow answer, and load lasts until the end of the response body.
//! 6. A connection carries requests only as the local identity that made it, and only to the server identity, name
//!    and protocol it was made for.
//! 7. `poll_ready` forwards and reserves nothing; everything is admitted or refused in `call`.
//!
//! # Place in the stack
//!
//! Outermost first: `Observe(call) → Route → Timeout → Retry → Select → Limit → Balance → Eject → Observe(attempt) →
//! EndpointClient`. `Route` stands outside `Retry`, so that a request is routed and its headers are edited once; the
//! others stand inside, so that a further attempt may go elsewhere.
//!
//! # The stack
//!
//! ```
//! use http::{Request, Response};
//! use mesh_core::body::Body;
//! use mesh_core::context::Outbound;
//! use mesh_core::error::BoxError;
//! use mesh_split::balance::BalanceLayer;
//! use mesh_split::route::RouteLayer;
//! use mesh_split::select::SelectLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//! # use mesh_core::config::{EntrySet, ServiceDefinition, Settings, Source, read_entry};
//! # use mesh_core::snapshot::{Input, Mesh, Options};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let defaults = r#"
//!     Kind = "proxy-defaults"
//!     Name = "global"
//!     Config { protocol = "http" }
//! "#;
//! let splitter = r#"
//!     Kind = "service-splitter"
//!     Name = "backend"
//!     Splits = [
//!       { Weight = 90 },
//!       { Weight = 10 Service = "backend-next" },
//!     ]
//! "#;
//! # let read = |text| read_entry(Source::new("entry.hcl", text)).map(|(entry, _)| entry);
//! # let entries: Result<EntrySet, _> = [defaults, splitter].into_iter().map(read).collect();
//! # let service = |name: &str, port| ServiceDefinition { name: name.into(), port, ..Default::default() };
//! # let input = Input {
//! #     entries: entries.map_err(|problems| format!("{problems:?}"))?,
//! #     services: vec![service("backend", 7000), service("backend-next", 7001)],
//! #     settings: Settings { default_intention_policy: "allow".into(), ..Default::default() },
//! #     trust_domain: mesh_core::identity::TrustDomain::new("test.consul")?,
//! # };
//! # let (mesh, _update) = Mesh::from_memory(input, Options::default()).map_err(|problems| format!("{problems:?}"))?;
//! let scope = mesh.scope("frontend");
//! let client = ServiceBuilder::new()
//!     .layer(RouteLayer::new(scope.snapshots().clone()))
//!     .layer(SelectLayer::new())
//!     .layer(BalanceLayer::new())
//!     // In place of the endpoint client: tells the target.
//!     .service_fn(|request: Request<Body>| async move {
//!         let outbound = request.extensions().get::<Outbound>().expect("noted by the route");
//!         let target = outbound.attempt().target().expect("selected");
//!         Ok::<_, BoxError>(Response::new(target.id().to_string()))
//!     });
//!
//! let mut next = 0;
//! for _ in 0..1_000 {
//!     let request = Request::get("http://backend/birds").body(Body::empty())?;
//!     let target = client.clone().oneshot(request).await?.into_body().inner().clone();
//!     next += u32::from(target.starts_with("backend-next."));
//! }
//! assert_eq!(next, 100);
//! # Ok(())
//! # }
//! ```
//!
//! # One layer alone
//!
//! Every layer works in anybody's `ServiceBuilder`. This balances over a fixed target:
//!
//! ```
//! use http::{Request, Response};
//! use mesh_core::body::Body;
//! use mesh_core::context::Outbound;
//! use mesh_core::error::BoxError;
//! use mesh_core::policy::{BalanceAlgorithm, BalancePolicy};
//! use mesh_split::balance::BalanceLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//! # use mesh_core::{net::Address, snapshot::TargetPolicy, testing::fixtures};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let endpoints = (1..=3).map(|n| fixtures::endpoint(&format!("backend-{n}"), Address::new("127.0.0.1", n)));
//! # let target = fixtures::target("backend", TargetPolicy::default(), endpoints.collect());
//! let in_turn = BalancePolicy { algorithm: BalanceAlgorithm::RoundRobin, hash: Vec::new() };
//! let service = ServiceBuilder::new()
//!     .layer(BalanceLayer::fixed(target).policy(in_turn))
//!     .service_fn(|request: Request<Body>| async move {
//!         let outbound = request.extensions().get::<Outbound>().expect("noted by the layer");
//!         let endpoint = outbound.attempt().endpoint().expect("picked by the layer");
//!         Ok::<_, BoxError>(Response::new(Body::from(endpoint.key.to_string())))
//!     });
//! for _ in 0..3 {
//!     service.clone().oneshot(Request::new(Body::empty())).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! None. Types of other crates in the API: `http`, `http-body`, `bytes`, `tower-layer`, `tower-service`, `mesh-core`,
//! and of `tokio` the clock's `Instant`.

pub mod balance;
pub mod client;
mod refuse;
pub mod route;
pub mod select;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
