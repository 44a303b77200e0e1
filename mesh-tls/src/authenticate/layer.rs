//! [`AuthenticateLayer`].

use tower_layer::Layer;

use super::service::Authenticate;

/// Makes [`Authenticate`]; see the [module](super).
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a layer does nothing until it is applied"]
pub struct AuthenticateLayer {
    optional: bool,
}

impl AuthenticateLayer {
    /// Refuses requests without verified peer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets requests without verified peer through: handlers have to look at [`Peer`](super::Peer) themselves.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate::new(inner, self.optional)
    }
}
