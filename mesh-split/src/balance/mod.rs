//! [`BalanceLayer`]: which endpoint of the target an attempt goes to.
//!
//! 1. The target is the one that [`Select`](crate::select::Select) noted in the attempt, else the one the layer was
//!    built with. Its endpoints are loaded once per attempt.
//! 2. An ejected endpoint is never picked. An endpoint that this request has tried before is not picked while another
//!    is ready.
//! 3. Without a candidate the answer is [`ErrorKind::NoHealthyEndpoint`](mesh_core::error::ErrorKind) at once. Only
//!    where a target's instances have not been probed yet does an attempt wait, no longer than the connect timeout.
//! 4. The pick is noted in the attempt; the endpoint client reads it there.
//! 5. An endpoint is loaded until the *body* of its response has ended, failed or been dropped, not just until the
//!    head came.
//!
//! # Algorithms
//!
//! All respect weights, except `random`, and count from the counters of each endpoint:
//!
//! * default: two endpoints are drawn by weight, and the one that costs less is taken. Cost is the smoothed latency
//!   times the load; a failure counts as a slow answer, so that an endpoint that fails fast attracts nothing. Latencies
//!   within a factor of two count as equal, and what was not observed for 10 s is forgotten. See [`ewma`].
//! * `round_robin`: turns in proportion to the weights, spread evenly.
//! * `least_request`: the least loaded of `ChoiceCount` drawn.
//! * `ring_hash`, `maglev`: by a hash of the request ([`hash`]); the same key goes to the same endpoint while the set
//!   is unchanged. A request without a hash is drawn at random.
//! * `random`: uniform.

mod body;
pub mod ewma;
mod future;
pub mod hash;
mod layer;
mod load;
mod maglev;
mod pick;
mod ring;
mod service;
mod tables;

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use layer::BalanceLayer;
pub use pick::{Inputs, pick};
pub use service::Balance;
