//! May it: [`Authorize`] judges each request by the intentions of this service.
//!
//! The rules, as in Consul's service-intentions reference:
//!
//! 1. Each request is judged by the rules that are newest when it arrives, also on connections that have been open for
//!    long. A change of intention acts on the next request.
//! 2. The caller is the verified peer of the connection. Without one the request is refused, whatever the default policy.
//! 3. A refused request gets what Consul's sidecar sends: 403, `content-type: text/plain`, the 19 bytes
//!    `RBAC: access denied`, nothing for `HEAD`; `grpc-status: 7` in the headers of a 200 for gRPC. The connection stays
//!    usable. Ours is the header `x-mesh-denied`, which names the rule that decided.
//! 4. The verdict stands in the request's [`Inbound`](mesh_core::context::Inbound), and [`Denied`] in the extensions of a
//!    refusal. Refusals are logged at `info`.
//!
//! Put it inside [`crate::normalize`] (the path that is judged has to be the path that is served) and around the
//! **whole** application, never on a router that has already matched.
//!
//! Where the rules come from is up to [`Judge`]: a [`Live`](mesh_core::live::Live) table, a closure over a whole snapshot.
//!
//! ```
//! use http::{Request, Response};
//! use mesh_core::identity::TrustDomain;
//! use mesh_core::intention::Table;
//! use mesh_core::live::Live;
//! use mesh_tls::authorize::AuthorizeLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Until rules arrive, nobody may call.
//! let nobody = Table::deny_all("backend", TrustDomain::new("birds.consul")?);
//! let (publisher, intentions) = Live::channel(nobody);
//! let service = ServiceBuilder::new()
//!     .layer(AuthorizeLayer::new(intentions))
//!     .service(service_fn(|_: Request<()>| async {
//!         Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//!     }));
//! let response = service.oneshot(Request::new(())).await?;
//! assert_eq!(response.status(), 403);
//! assert_eq!(response.headers()["x-mesh-denied"], "no verified identity");
//! # drop(publisher);
//! # Ok(())
//! # }
//! ```

mod denied;
mod judge;
mod layer;
mod service;

pub use self::denied::{DENIED_HEADER, Denied};
pub use self::judge::{Judge, VerifiedClaims};
pub use self::layer::AuthorizeLayer;
pub use self::service::Authorize;
