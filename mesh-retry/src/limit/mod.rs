//! Limits on requests in flight: the caller's per target, the callee's over all callers.
//!
//! 1. Admission happens in `call`: readiness is never held back, and one that is refused costs the same as one that
//!    is admitted, however many wait.
//! 2. A request is in flight until its response body has ended or is dropped, not until the response head.
//! 3. [`LimitLayer`], client side, counts in [`TargetState`](mesh_core::endpoint::TargetState) against
//!    `max_concurrent_requests` (Consul's `MaxConcurrentRequests`); an explicit 0 admits none. Over it the call fails
//!    at once with an [`Error`](mesh_core::error::Error) of kind `Overloaded`, which is never retried.
//! 4. [`InboundLimitLayer`], server side, answers 503 with `x-envoy-overloaded: true`, or `grpc-status` 8 with 200 for
//!    gRPC, and leaves [`Overloaded`] in the response's extensions.
//!
//! All clones of a service share one count, unlike `RateLimit` and `ConcurrencyLimit` of tower as axum layers, which
//! count per connection or per route.
//!
//! ```
//! use mesh_retry::limit::InboundLimitLayer;
//! # use http::{Request, Response};
//! # use mesh_core::body::Body;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = ServiceBuilder::new()
//!     .layer(InboundLimitLayer::new(1))
//!     .service(service_fn(|_: Request<Body>| async {
//!         Ok::<_, std::convert::Infallible>(Response::new(Body::from("hello")))
//!     }));
//! let request = || Request::new(Body::empty());
//! let first = app.clone().oneshot(request()).await.unwrap();
//! let second = app.clone().oneshot(request()).await.unwrap();
//! assert_eq!(second.status(), 503);
//! drop(first); // its body has not been read: only now is the request over
//! assert_eq!(app.oneshot(request()).await.unwrap().status(), 200);
//! # }
//! ```

mod body;
mod inbound;
mod outbound;
mod permit;

pub use body::ResponseBody;
pub use inbound::{InboundFuture, InboundLimit, InboundLimitLayer, Overloaded};
pub use outbound::{Limit, LimitLayer, ResponseFuture};
