//! [`RouteLayer`].

use mesh_core::live::Live;
use mesh_core::snapshot::Snapshot;
use tower_layer::Layer;

use super::Route;

/// Adds [`Route`] to a service.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RouteLayer {
    source: Live<Snapshot>,
}

impl RouteLayer {
    /// Routes by the newest snapshot of `source`.
    pub fn new(source: impl Into<Live<Snapshot>>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = Route<S>;

    fn layer(&self, inner: S) -> Route<S> {
        Route::new(inner, self.source.clone())
    }
}
