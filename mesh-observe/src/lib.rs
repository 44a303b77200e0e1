//! mesh-observe
pub mod attempt;
mod body;
pub mod call;
mod head;
pub mod metrics;
mod observers;
pub mod server;
pub mod trace;

pub use self::attempt::{ObserveAttempt, ObserveAttemptLayer};
pub use self::body::ResponseBody;
pub use self::call::{ObserveCall, ObserveCallLayer};
pub use self::metrics::Metrics;
pub use self::observers::Observers;
pub use self::server::{ObserveServer, ObserveServerLayer};
pub use self::trace::{TraceConfig, Tracing};
