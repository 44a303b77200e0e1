//! [`ObserveCallLayer`].

use tower_layer::Layer;

use super::service::ObserveCall;
use crate::observers::Observers;

/// Observes logical calls: see the [module](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ObserveCallLayer {
    observers: Observers,
}

impl ObserveCallLayer {
    /// A layer that reports to `observers`.
    pub fn new(observers: impl Into<Observers>) -> Self {
        Self {
            observers: observers.into(),
        }
    }
}

impl<S> Layer<S> for ObserveCallLayer {
    type Service = ObserveCall<S>;

    fn layer(&self, inner: S) -> ObserveCall<S> {
        ObserveCall::new(inner, self.observers.clone())
    }
}
