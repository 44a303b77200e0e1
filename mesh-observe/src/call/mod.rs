//! Observe logical calls: outermost on the client side.
//!
//! 1. Each request begins a fresh [`Outbound`](mesh_core::context::Outbound), of which a clone is kept: when an inner
//!    layer fails, times out or is dropped, it is still known which route, target and endpoints were tried.
//! 2. A request is counted once, when its response body ended, however many attempts it took. Its latency is the time
//!    until then.
//! 3. The client span is the child of the innermost span of the running task. Its identifiers go out in the headers.
//!    It ends with the body, marked when the call failed, was given up, or answered with a status from 400.
//! 4. Attempts beyond the first get spans of their own below it, from
//!    [`ObserveAttemptLayer`](crate::ObserveAttemptLayer); once there is a second attempt, the first is recorded too.
//!
//! Near-namesake: `tower_http::trace` emits `tracing` events and knows nothing of routes, targets or retries.

mod future;
mod layer;
mod record;
mod service;

pub use self::future::ResponseFuture;
pub use self::layer::ObserveCallLayer;
pub(crate) use self::record::CallRecord;
pub use self::service::ObserveCall;
