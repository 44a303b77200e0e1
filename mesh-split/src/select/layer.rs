//! [`SelectLayer`].

use std::sync::Arc;

use mesh_core::snapshot::Chain;
use tower_layer::Layer;

use super::Select;

/// Adds [`Select`] to a service.
#[derive(Clone, Debug, Default)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct SelectLayer {
    fixed: Option<Arc<Chain>>,
}

impl SelectLayer {
    /// Selects by the route that an outer layer noted. A request without a route passes through untouched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects by the routes of `chain` where no outer layer noted one, which makes the layer usable alone.
    pub fn fixed(chain: Arc<Chain>) -> Self {
        Self { fixed: Some(chain) }
    }
}

impl<S> Layer<S> for SelectLayer {
    type Service = Select<S>;

    fn layer(&self, inner: S) -> Select<S> {
        Select::new(inner, self.fixed.clone())
    }
}
