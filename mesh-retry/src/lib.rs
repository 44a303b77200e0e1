//! How a call survives: deadlines, timeouts, retries with a budget, passive health, limits.
//!
//! Seven tower layers. Each works alone in anybody's `ServiceBuilder`; together they are the resilience of the mesh.
//!
//! | layer | side | what it does |
//! | --- | --- | --- |
//! | [`TimeoutLayer`] | client | ends a call, response body included, at its limit or its caller's deadline |
//! | [`RetryLayer`] | client | repeats attempts that failed, within a budget |
//! | [`LimitLayer`] | client | refuses calls beyond a target's `max_concurrent_requests` |
//! | [`EjectLayer`] | client | takes endpoints out for a while that fail several times in a row |
//! | [`DeadlineHeaderLayer`] | client | tells the callee how much time is left |
//! | [`DeadlineLayer`] | server | reads the caller's time, stops handlers whose time is up, lets their calls inherit it |
//! | [`InboundLimitLayer`] | server | refuses requests beyond what the process takes on |
//!
//! # Rules
//!
//! 1. Every decision is a pure function of plain data, with time and randomness passed in: [`retry::verdict()`],
//!    [`retry::Budget`], [`eject::observe`]. The layers only carry it out.
//! 2. Readiness is forwarded and nothing is reserved in it; admission happens in `call`.
//! 3. Policies come from the route or target in [`Outbound`](mesh_core::context::Outbound) where a request is routed,
//!    else from the layer. Layers do not know each other; they speak through what is noted there.
//! 4. Dropping the future, or the response body, at any time cancels everything inside.
//! 5. Bodies stream, with hints and trailers. Only requests with a retry policy are kept, up to a cap.
//! 6. No lock is taken, and no cost depends on how many requests, services or endpoints there are, but for the rare
//!    moment in which an endpoint is ejected or returns.
//!
//! # Place in the stack
//!
//! Client, outermost first: routing, [`TimeoutLayer`], [`RetryLayer`], selection of a target, [`LimitLayer`], choice of
//! an endpoint, [`EjectLayer`], observation, [`DeadlineHeaderLayer`], endpoint client. Server: observation,
//! [`DeadlineLayer`], authorization, [`InboundLimitLayer`], application.
//!
//! # A client
//!
//! ```
//! use std::time::Duration;
//!
//! use http::{Request, Response};
//! use mesh_core::body::Body;
//! use mesh_core::error::{Error, ErrorKind};
//! use mesh_core::policy::{RetryOn, RetryPolicy};
//! use mesh_retry::retry::ReplayBody;
//! use mesh_retry::timeout::RequestBody;
//! use mesh_retry::{RetryLayer, TimeoutLayer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let backend = service_fn(|request: Request<ReplayBody<RequestBody<Body>>>| async move {
//!     // The first attempt fails, the second one is answered.
//!     match request.headers()["x-envoy-attempt-count"].as_bytes() {
//!         b"1" => Err(Error::new(ErrorKind::Connect)),
//!         _ => Ok(Response::new(Body::from("hello"))),
//!     }
//! });
//! let client = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(2)))
//!     .layer(RetryLayer::new(RetryPolicy {
//!         max: 1,
//!         on: RetryOn::CONNECT_FAILURE,
//!         ..RetryPolicy::default()
//!     }))
//!     .service(backend);
//! let response = client.oneshot(Request::new(Body::empty())).await.unwrap();
//! assert_eq!(response.status(), 200);
//! # }
//! ```
//!
//! # A server
//!
//! ```
//! use http::{Request, Response};
//! use mesh_core::body::Body;
//! use mesh_core::context::Inbound;
//! use mesh_retry::{DeadlineLayer, InboundLimitLayer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = ServiceBuilder::new()
//!     .layer(DeadlineLayer::default())
//!     .layer(InboundLimitLayer::new(1024))
//!     .service(service_fn(|_: Request<Body>| async {
//!         // Calls made here inherit the deadline.
//!         assert!(Inbound::current().and_then(|inbound| inbound.deadline()).is_some());
//!         Ok::<_, std::convert::Infallible>(Response::new(Body::from("hello")))
//!     }));
//! let request = Request::get("/").header("x-mesh-deadline-ms", "250").body(Body::empty()).unwrap();
//! assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
//! # }
//! ```
//!
//! # Features
//!
//! None. Everything is in.

pub mod deadline;
mod depth;
pub mod eject;
pub mod header;
pub mod limit;
mod refusal;
pub mod retry;
pub mod timeout;
mod upload;

pub use deadline::{DeadlineHeaderLayer, DeadlineLayer};
pub use eject::EjectLayer;
pub use limit::{InboundLimitLayer, LimitLayer};
pub use retry::RetryLayer;
pub use timeout::TimeoutLayer;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
