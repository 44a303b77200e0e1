//! [`ObserveAttemptLayer`].

use tower_layer::Layer;

use super::service::ObserveAttempt;
use crate::observers::Observers;

/// Observes single attempts: see the [module](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ObserveAttemptLayer {
    observers: Observers,
}

impl ObserveAttemptLayer {
    /// A layer that reports to `observers`.
    pub fn new(observers: impl Into<Observers>) -> Self {
        Self {
            observers: observers.into(),
        }
    }
}

impl<S> Layer<S> for ObserveAttemptLayer {
    type Service = ObserveAttempt<S>;

    fn layer(&self, inner: S) -> ObserveAttempt<S> {
        ObserveAttempt::new(inner, self.observers.clone())
    }
}
