//! mesh-retry
pub mod deadline;
mod depth;
pub mod eject;
pub mod header;
pub mod limit;
mod refusal;
pub mod retry;
pub mod timeout;

pub use deadline::{DeadlineHeaderLayer, DeadlineLayer};
pub use eject::EjectLayer;
pub use limit::{InboundLimitLayer, LimitLayer};
pub use retry::RetryLayer;
pub use timeout::TimeoutLayer;
