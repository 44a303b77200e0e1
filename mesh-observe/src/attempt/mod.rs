//! Observe single attempts: innermost on the client side, just around the endpoint client.
//!
//! 1. Each attempt is counted when its response head arrived, when it failed, or when it was dropped.
//! 2. Its outcome is noted in the attempt's record, unless a layer further in has done so.
//! 3. An attempt beyond the first gets a span below its call's, and its identifiers go out in place of the call's.
//!    Without an [`ObserveCallLayer`](crate::ObserveCallLayer) outside there is no call to be below of, and only
//!    metrics are kept.

mod future;
mod layer;
mod record;
mod service;

pub use self::future::ResponseFuture;
pub use self::layer::ObserveAttemptLayer;
pub use self::service::ObserveAttempt;
