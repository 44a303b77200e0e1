//! A time limit over a whole call: all attempts, all waiting, until the response is complete.
//!
//! 1. The limit runs from the end of the request body, so that a slow upload does not count, to the end of the
//!    response body, so that an endless response is cut off. While nobody has asked for the request body yet, because
//!    the way to the callee takes long, it runs already. Streams need a policy without `request` limit.
//! 2. The route's [`TimeoutPolicy`](mesh_core::policy::TimeoutPolicy) is used where a request is routed, else the
//!    layer's own.
//! 3. An earlier deadline wins: one that is noted in [`Outbound`](mesh_core::context::Outbound), that of the request
//!    being served ([`Inbound::current`](mesh_core::context::Inbound::current)), or the request's `grpc-timeout`.
//!    The result is noted in `Outbound` for inner layers; where the limit depends on when the upload ends, it is
//!    noted then.
//! 4. The idle limit restarts with every frame in either direction.
//! 5. A response that is there wins over a clock that ran out. When time is up the inner future is dropped, which
//!    cancels the call, and the caller gets an [`Error`](mesh_core::error::Error) of kind `RequestTimeout` or
//!    `IdleTimeout`; once the response has begun, its body fails with the same.
//! 6. When the policy's own limit ended the call, the running attempt is noted as failed, so that passive health
//!    learns of an endpoint that hangs. A caller's shorter deadline is nobody's failure and is not noted.
//!
//! `per_try` is not this layer's: see [`retry`](crate::retry). Unlike tower's `Timeout`, which ends at the response
//! head, this one covers the body. Place: just inside routing, outside retries.

mod body;
mod clock;
mod future;
mod layer;
mod service;

pub use body::{RequestBody, ResponseBody};
pub use future::ResponseFuture;
pub use layer::{TimeoutConfig, TimeoutLayer};
pub use service::Timeout;
