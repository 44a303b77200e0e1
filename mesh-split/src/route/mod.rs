//! [`RouteLayer`]: which chain and route a request takes, and on which leg of its split.
//!
//! For each logical request, once, however many attempts follow:
//!
//! 1. The newest [`Snapshot`](mesh_core::snapshot::Snapshot) is loaded; the request stays with what it found there.
//! 2. The host of the request's authority, or of its `Host` field, names the service; its port does not matter. A name
//!    that is no service of the mesh is answered with [`ErrorKind::UnknownService`](mesh_core::error::ErrorKind).
//! 3. The first route whose criteria hold is taken ("Consul service-router reference", `Match.HTTP`).
//! 4. One leg is drawn from the route's split, over the sum of the weights ("Consul service-splitter reference").
//! 5. The leg's header edits are applied, then the route's, so that the outer one has the last word; then
//!    `PrefixRewrite` replaces the path and leaves the old one in `x-envoy-original-path`.
//! 6. The response's headers are edited in the same order.
//!
//! What was decided is noted in the request's [`Outbound`](mesh_core::context::Outbound) context. Routes that let a
//! retry draw another leg (`redraw_leg`) leave the request's header edits to [`Select`](crate::select::Select),
//! because they then belong to the attempt.

mod apply;
mod future;
mod layer;
mod service;

pub use apply::ORIGINAL_PATH;
pub(crate) use apply::edit_request;
pub use future::ResponseFuture;
pub use layer::RouteLayer;
pub use service::Route;
