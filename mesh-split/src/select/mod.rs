//! [`SelectLayer`]: which target an attempt goes to.
//!
//! 1. The leg is the one that [`Route`](crate::route::Route) noted. Where none was noted, one is drawn here.
//! 2. The leg's levels are its primary target and the targets to fail over to ("Consul service-resolver reference",
//!    `Failover`). An attempt goes to the first level with an endpoint that is healthy and not ejected, so that traffic
//!    returns to the primary as soon as one of its endpoints is ready.
//! 3. Where no level has one the primary is noted; [`Balance`](crate::balance::Balance) then answers that it has no
//!    healthy endpoint.
//! 4. A further attempt stays on its leg, unless the route's retry policy says `redraw_leg`.
//!
//! The choice is per attempt and is noted in the attempt of the request's
//! [`Outbound`](mesh_core::context::Outbound) context. No future of its own: only a refusal differs from the inner one.

mod layer;
mod pick;
mod service;

pub use crate::refuse::ResponseFuture;
pub use layer::SelectLayer;
pub use pick::{pick_leg, pick_level};
pub use service::Select;
