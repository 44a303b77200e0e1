//! [`AuthorizeLayer`].

use tower_layer::Layer;

use super::service::Authorize;

/// Makes [`Authorize`]; see the [module](super).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct AuthorizeLayer<J> {
    judge: J,
}

impl<J> AuthorizeLayer<J> {
    /// Judges by a `Live<Table>`, a table that never changes, or anything else that is a [`Judge`](super::Judge).
    pub fn new(judge: J) -> Self {
        Self { judge }
    }
}

impl<S, J: Clone> Layer<S> for AuthorizeLayer<J> {
    type Service = Authorize<S, J>;

    fn layer(&self, inner: S) -> Authorize<S, J> {
        Authorize::new(inner, self.judge.clone())
    }
}
