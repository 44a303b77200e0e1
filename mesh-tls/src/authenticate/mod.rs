//! Who is calling: [`Authenticate`] lets only verified peers through, [`Peer`] tells a handler who it is.
//!
//! The peer is a fact of the connection: [`crate::serve`] puts it into the [`Inbound`](mesh_core::context::Inbound) of
//! each request. Behind `serve` alone this layer changes nothing, because nobody gets past the handshake unverified. It
//! is for stacks that are also reached from plain listeners.
//!
//! 1. A request without verified peer is answered with 403 (`grpc-status: 16` for gRPC), and never reaches the service.
//! 2. [`AuthenticateLayer::optional`] lets it through; the handler sees no [`Peer`].
//! 3. Headers never say who is calling, whatever is in them.
//!
//! [`crate::authorize`] decides what a verified peer may do, and refuses unverified ones itself.
//!
//! ```
//! use http::{Request, Response};
//! use mesh_tls::authenticate::{AuthenticateLayer, Peer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::convert::Infallible> {
//! let service = ServiceBuilder::new()
//!     .layer(AuthenticateLayer::new())
//!     .service(service_fn(|request: Request<()>| async move {
//!         let caller = Peer::of(&request).map(|peer| peer.to_string());
//!         Ok::<_, std::convert::Infallible>(Response::new(caller.unwrap_or_default()))
//!     }));
//! let response = service.oneshot(Request::new(())).await?;
//! assert_eq!(response.status(), 403);
//! # Ok(())
//! # }
//! ```

mod layer;
mod peer;
mod service;

pub use self::layer::AuthenticateLayer;
pub use self::peer::{Peer, Unauthenticated};
pub use self::service::Authenticate;
