//! [`ForwardClientCertLayer`].

use mesh_core::identity::SpiffeId;
use tower_layer::Layer;

use super::Forward;
use super::service::{Elements, ForwardClientCert};

/// Makes [`ForwardClientCert`]; see the [module](super).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct ForwardClientCertLayer<N = Forward> {
    elements: Elements,
    settings: N,
}

impl ForwardClientCertLayer {
    /// Appends elements on behalf of this identity.
    pub fn append(own: &SpiffeId) -> Self {
        Self::new(own, Forward::Append)
    }

    /// Removes the header.
    pub fn remove(own: &SpiffeId) -> Self {
        Self::new(own, Forward::Remove)
    }
}

impl<N> ForwardClientCertLayer<N> {
    /// Appends or removes, as the settings say at each request.
    pub fn new(own: &SpiffeId, settings: N) -> Self {
        Self {
            elements: Elements::new(own),
            settings,
        }
    }
}

impl<S, N: Clone> Layer<S> for ForwardClientCertLayer<N> {
    type Service = ForwardClientCert<S, N>;

    fn layer(&self, inner: S) -> ForwardClientCert<S, N> {
        ForwardClientCert::new(inner, self.elements.clone(), self.settings.clone())
    }
}
