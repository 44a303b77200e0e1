//! What happened: request metrics, spans, trace context, and where they go.
//!
//! Three layers report to one [`Observers`]: [`ObserveCallLayer`] around a logical call, [`ObserveAttemptLayer`] around
//! each attempt of it, [`ObserveServerLayer`] around an application. [`Metrics`] and [`Tracing`] may each be absent.
//!
//! # Rules
//!
//! 1. Nothing that is observed can fail, wait or grow because of it: spans are dropped and counted when their collector
//!    does not keep up, label sets are bounded, and there is no lock on the path of a request.
//! 2. A request is counted once and its span ends once, when the response body ended, failed or was dropped, or when
//!    there is no response. Nothing is lost when a timeout or a caller drops the future.
//! 3. Labels come from finite sets: configuration, verified identities, registered status codes, error kinds.
//! 4. What the mesh sees counts. A handler that answers 200 although its backend failed shows the failure on the edge
//!    to the backend, not on its own door.
//! 5. Untraced requests make no spans. They still pass their context on, so that one trace stays one trace.
//!
//! # Place in the stack
//!
//! ```text
//! app ─► ObserveCall ─► Route ─► Timeout ─► Retry ─► Select ─► Limit ─► Balance ─► Eject ─► ObserveAttempt ─► endpoint client
//! accept ─► ObserveServer ─► Normalize ─► Deadline ─► Authorize ─► Limit ─► app
//! ```
//!
//! Each layer works alone as well. What it does not find in the request's context is labelled `none` or `unknown`.
//!
//! # A server
//!
//! ```
//! # #[cfg(feature = "prometheus")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use mesh_observe::{Metrics, ObserveServerLayer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! let metrics = Metrics::new("frontend");
//! let app = ServiceBuilder::new()
//!     .layer(ObserveServerLayer::new(metrics.clone()))
//!     .layer(mesh_observe::server::catch_panic(Some(metrics.clone())))
//!     .service(service_fn(|_: Request<()>| async {
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("a bird")))
//!     }));
//!
//! let response = app.oneshot(Request::new(())).await.unwrap();
//! response.into_body().collect().await.unwrap();
//! assert!(metrics.render().contains("mesh_server_requests_total{source=\"unknown\""));
//! # }
//! # #[cfg(not(feature = "prometheus"))]
//! # fn main() {}
//! ```
//!
//! # A client whose calls are traced
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use mesh_observe::{ObserveCallLayer, TraceConfig, Tracing};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! // With an exporter this is `Tracing::new(config, exporter.provider())`.
//! let tracing = Tracing::propagation_only(TraceConfig::new("frontend"))?;
//! let client = ServiceBuilder::new()
//!     .layer(ObserveCallLayer::new(tracing))
//!     .service(service_fn(|request: Request<()>| async move {
//!         assert!(request.headers().contains_key("traceparent"));
//!         assert!(request.headers().contains_key("x-request-id"));
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
//!     }));
//! client.oneshot(Request::get("http://backend/bird").body(())?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! * `prometheus` (default): [`Metrics::new`], its exposition, and [`MetricsService`]. Without it, bring a recorder of the
//!   `metrics` crate to [`Metrics::with_recorder`].
//! * `zipkin`: [`zipkin::Exporter`].
#![cfg_attr(
    not(all(feature = "prometheus", feature = "zipkin")),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "the guide names items of every feature"
    )
)]

#[cfg(feature = "prometheus")]
pub mod admin;
pub mod attempt;
mod body;
pub mod call;
mod head;
pub mod metrics;
mod observers;
pub mod server;
pub mod trace;
#[cfg(feature = "zipkin")]
pub mod zipkin;

#[cfg(feature = "prometheus")]
pub use self::admin::MetricsService;
pub use self::attempt::{ObserveAttempt, ObserveAttemptLayer};
pub use self::body::ResponseBody;
pub use self::call::{ObserveCall, ObserveCallLayer};
pub use self::metrics::Metrics;
pub use self::observers::Observers;
pub use self::server::{ObserveServer, ObserveServerLayer};
pub use self::trace::{TraceConfig, Tracing};

#[cfg(all(doctest, feature = "prometheus"))]
#[doc = include_str!("../README.md")]
struct Readme;
