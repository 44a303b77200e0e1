//! mesh-observe
#[cfg(feature = "prometheus")]
pub mod admin;
pub mod attempt;
mod body;
pub mod call;
mod head;
pub mod metrics;
mod observers;
pub mod server;
pub mod trace;
#[cfg(feature = "zipkin")]
pub mod zipkin;

#[cfg(feature = "prometheus")]
pub use self::admin::MetricsService;
pub use self::attempt::{ObserveAttempt, ObserveAttemptLayer};
pub use self::body::ResponseBody;
pub use self::call::{ObserveCall, ObserveCallLayer};
pub use self::metrics::Metrics;
pub use self::observers::Observers;
pub use self::server::{ObserveServer, ObserveServerLayer};
pub use self::trace::{TraceConfig, Tracing};
