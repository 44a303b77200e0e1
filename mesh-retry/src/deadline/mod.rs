//! The caller's remaining time, read where a request arrives and carried on where calls leave.
//!
//! Server side, [`DeadlineLayer`]:
//!
//! 1. The deadline is the earliest of `x-mesh-deadline-ms` (remaining milliseconds), `x-envoy-expected-rq-timeout-ms`,
//!    `grpc-timeout` and the service's own limit (`LocalRequestTimeoutMs`, 15 s by default); all count from the
//!    arrival of the head. A header can shorten the service's limit, never lengthen it; unreadable ones are ignored.
//! 2. It is noted in [`Inbound`](mesh_core::context::Inbound), and the handler runs in its scope: calls that it
//!    makes inherit the deadline without being told. A spawned task does not.
//! 3. Work that is already late is refused without running the handler. When the deadline passes the handler is
//!    dropped and the caller gets 504, or `grpc-status` 4 with 200 for gRPC; a response that has begun is cut off.
//!    The typed cause, [`DeadlineExceeded`], lies in the response's extensions.
//! 4. A [`Cancellation`] in the request's extensions tells spawned work that the deadline passed or the caller left.
//!
//! Client side, [`DeadlineHeaderLayer`], innermost, writes what remains of the time into each attempt's headers.
//!
//! ```
//! use mesh_retry::deadline::{Cancellation, DeadlineLayer};
//! # use http::{Request, Response};
//! # use mesh_core::body::Body;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = ServiceBuilder::new()
//!     .layer(DeadlineLayer::default())
//!     .service(service_fn(|request: Request<Body>| async move {
//!         assert!(request.extensions().get::<Cancellation>().is_some());
//!         std::future::pending::<()>().await; // much too slow
//!         Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
//!     }));
//! let request = Request::get("/").header("x-mesh-deadline-ms", "20").body(Body::empty()).unwrap();
//! let response = app.oneshot(request).await.unwrap();
//! assert_eq!(response.status(), 504);
//! # }
//! ```

mod body;
mod cancel;
mod future;
mod header_layer;
mod layer;
mod service;

pub use body::ResponseBody;
pub use cancel::{Cancellation, Reason};
pub use future::{DeadlineExceeded, ResponseFuture};
pub use header_layer::{DeadlineHeader, DeadlineHeaderLayer, inject};
pub use layer::{DeadlineConfig, DeadlineLayer};
pub use service::{Deadline, asked};
