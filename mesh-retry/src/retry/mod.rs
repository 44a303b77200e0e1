//! Repeats attempts that failed, within a budget.
//!
//! 1. The route's [`RetryPolicy`](mesh_core::policy::RetryPolicy) is used where it has one, else the layer's own;
//!    where neither asks for retries, the request passes through without a copy of its head or body.
//! 2. [`verdict()`] decides, with Envoy's conditions. What may be repeated once the callee may have processed it is
//!    ours: idempotent methods and requests with an `Idempotency-Key` (or the extension [`Idempotent`]), while
//!    Consul's sidecars repeat any method. Set `methods` to `any` for that.
//! 3. Waits are drawn from `[0, min(25 ms · 2^k, 250 ms))`; a callee's `grpc-retry-pushback-ms` or `Retry-After`
//!    is kept to exactly, and a negative push-back ends it. No retry starts that the deadline would cut off.
//! 4. Retries spend a [`Budget`] that all requests to a destination share: at most a share of the requests plus a
//!    reserve in any window, so that an outage is not multiplied. It takes the place of Envoy's limit of three
//!    concurrent retries. When it is spent the last result is passed on. Only requests that may be retried count.
//! 5. Retries of several hops do not multiply, where each hop's server has a [`deadline`](crate::deadline) layer:
//!    while a request is served that is a retry itself (`x-envoy-attempt-count` above 1) its calls are not retried,
//!    and a failure whose retries were spent further down says so (`x-mesh-retries-spent`) and is passed on.
//! 6. The request's body is kept while the first attempt streams it, up to `body_limit_bytes`; above, it is sent
//!    once. A response is judged by its head; one whose body has begun is never retried.
//! 7. Each further attempt asks the inner service for readiness anew and passes the last result on if it is not.
//! 8. An attempt that exceeds `per_try`, from the end of its request to its response head, is dropped and counts as
//!    reset. The way to the callee counts, a slow upload does not.
//!
//! Every attempt carries its own handle of [`Outbound`](mesh_core::context::Outbound) and its number in
//! `x-envoy-attempt-count`. A response that was retried, or would have been, carries [`Attempts`] in its extensions.
//! Place: inside the overall timeout, outside whatever picks an endpoint.

mod attempts;
mod body;
mod budget;
mod future;
mod layer;
mod rules;
mod service;
mod verdict;

pub use body::ReplayBody;
pub use budget::{Budget, allows};
pub use future::ResponseFuture;
pub use layer::RetryLayer;
pub use service::Retry;
pub use verdict::{
    Advice, Asked, Idempotent, LONGEST_WAIT, Outcome, Reason, Stop, Verdict, backoff, is_active,
    verdict,
};

/// What retries did for a response, in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts after the first.
    pub retries: u32,
    /// Why there was no further one.
    pub stop: Stop,
}
