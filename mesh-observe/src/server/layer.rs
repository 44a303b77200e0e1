//! [`ObserveServerLayer`].

use tower_layer::Layer;

use super::service::ObserveServer;
use crate::observers::Observers;

/// Observes incoming requests: see the [module](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct ObserveServerLayer {
    observers: Observers,
}

impl ObserveServerLayer {
    /// A layer that reports to `observers`.
    pub fn new(observers: impl Into<Observers>) -> Self {
        Self {
            observers: observers.into(),
        }
    }
}

impl<S> Layer<S> for ObserveServerLayer {
    type Service = ObserveServer<S>;

    fn layer(&self, inner: S) -> ObserveServer<S> {
        ObserveServer::new(inner, self.observers.clone())
    }
}
