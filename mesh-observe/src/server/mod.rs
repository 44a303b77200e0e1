//! Observe incoming requests: outermost on the server side, around the whole application.
//!
//! 1. A request is counted once, when its response body was sent, failed, or the caller went away. Its source is the
//!    caller's verified identity; what has none is `unknown`.
//! 2. The server span is current whenever the inner service is polled, for OpenTelemetry and for
//!    [`RequestTrace::current`](crate::trace::RequestTrace::current), so that calls made in the handler's task find their
//!    parent. The headers that the handler sees name the server span.
//! 3. Requests that are not traced keep their context and pass it on; what they cost besides is the `x-request-id`.
//! 4. A handler that panics is counted and its span is marked, whether or not [`catch_panic`] turns the panic into a
//!    response further in.
//!
//! `S::Error` passes through, so the layer fits around an axum router.

mod future;
mod layer;
mod panic;
mod record;
mod service;

pub use self::future::ResponseFuture;
pub use self::layer::ObserveServerLayer;
pub use self::panic::{PanicResponse, catch_panic, sensitive_headers};
pub(crate) use self::record::ServerRecord;
pub use self::service::ObserveServer;
