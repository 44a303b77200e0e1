//! [`NormalizeLayer`].

use mesh_core::normalize::Normalization;
use tower_layer::Layer;

use super::service::Normalize;

/// Makes [`Normalize`]; see the [module](super). The default has Consul's default settings.
#[derive(Clone, Copy, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct NormalizeLayer<N = Normalization> {
    settings: N,
}

impl<N> NormalizeLayer<N> {
    /// Normalizes by a `Live<Normalization>`, settings that never change, or a closure that returns them.
    pub fn new(settings: N) -> Self {
        Self { settings }
    }
}

impl Default for NormalizeLayer {
    fn default() -> Self {
        Self::new(Normalization::default())
    }
}

impl<S, N: Clone> Layer<S> for NormalizeLayer<N> {
    type Service = Normalize<S, N>;

    fn layer(&self, inner: S) -> Normalize<S, N> {
        Normalize::new(inner, self.settings.clone())
    }
}
