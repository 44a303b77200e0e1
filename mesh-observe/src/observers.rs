//! [`Observers`]: what a layer reports to.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::trace::Tracing;

/// The metrics and the tracing of a service, each of which may be off. A clone is one reference count.
#[derive(Clone, Debug, Default)]
pub struct Observers {
    shared: Arc<Shared>,
}

#[derive(Clone, Debug, Default)]
struct Shared {
    metrics: Option<Metrics>,
    tracing: Option<Tracing>,
}

impl Observers {
    /// Neither metrics nor tracing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// What is there of both.
    #[must_use]
    pub fn new(metrics: impl Into<Option<Metrics>>, tracing: impl Into<Option<Tracing>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                metrics: metrics.into(),
                tracing: tracing.into(),
            }),
        }
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> Option<&Metrics> {
        self.shared.metrics.as_ref()
    }

    /// The tracing.
    #[must_use]
    pub fn tracing(&self) -> Option<&Tracing> {
        self.shared.tracing.as_ref()
    }
}

impl From<Metrics> for Observers {
    fn from(metrics: Metrics) -> Self {
        Self::new(metrics, None)
    }
}

impl From<Tracing> for Observers {
    fn from(tracing: Tracing) -> Self {
        Self::new(None, tracing)
    }
}
