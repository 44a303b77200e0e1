//! [`BalanceLayer`].

use std::sync::Arc;

use mesh_core::policy::BalancePolicy;
use mesh_core::snapshot::Target;
use tower_layer::Layer;

use super::Balance;

/// Adds [`Balance`] to a service.
#[derive(Clone, Debug, Default)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct BalanceLayer {
    fixed: Option<Arc<Target>>,
    policy: Arc<BalancePolicy>,
}

impl BalanceLayer {
    /// Balances over the target that an outer layer noted in the attempt.
    pub fn new() -> Self {
        Self::default()
    }

    /// Balances over `target` where no outer layer noted one, which makes the layer usable alone.
    pub fn fixed(target: Arc<Target>) -> Self {
        Self {
            fixed: Some(target),
            ..Self::default()
        }
    }

    /// The policy for requests without a leg, whose policy would count. Default: [`BalancePolicy::default`].
    pub fn policy(mut self, policy: BalancePolicy) -> Self {
        self.policy = Arc::new(policy);
        self
    }
}

impl<S> Layer<S> for BalanceLayer {
    type Service = Balance<S>;

    fn layer(&self, inner: S) -> Balance<S> {
        Balance::new(inner, self.fixed.clone(), Arc::clone(&self.policy))
    }
}
