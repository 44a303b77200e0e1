//! [`RetryLayer`].

use std::sync::Arc;

use mesh_core::endpoint::ServiceState;
use mesh_core::policy::{BudgetPolicy, RetryPolicy, TimeoutPolicy};
use tower_layer::Layer;

use super::Retry;

/// What a request that is not routed is retried by.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) policy: Option<RetryPolicy>,
    pub(super) timeout: Option<TimeoutPolicy>,
    pub(super) budget: BudgetPolicy,
    pub(super) state: ServiceState,
}

/// Makes [`Retry`] services; see the [module](super). All services of one layer share one budget for requests that
/// are not routed.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RetryLayer {
    own: Arc<Own>,
}

impl RetryLayer {
    /// Retries by the route's policy, and by `policy` where there is none. The default has none of its own.
    pub fn new(policy: RetryPolicy) -> Self {
        Self::with(Some(policy), BudgetPolicy::default(), None)
    }

    /// Bounds the retries of requests that are not routed; 10 % of requests plus 10 in 10 s by default. The budget
    /// starts anew.
    pub fn budget(self, budget: BudgetPolicy) -> Self {
        Self::with(self.own.policy.clone(), budget, self.own.timeout)
    }

    /// Takes `per_try` of these limits for requests that are not routed; none by default. The budget starts anew.
    pub fn timeout(self, timeout: TimeoutPolicy) -> Self {
        Self::with(self.own.policy.clone(), self.own.budget, Some(timeout))
    }

    fn with(
        policy: Option<RetryPolicy>,
        budget: BudgetPolicy,
        timeout: Option<TimeoutPolicy>,
    ) -> Self {
        Self {
            own: Arc::new(Own {
                policy,
                timeout,
                budget,
                state: ServiceState::default(),
            }),
        }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry::new(inner, Arc::clone(&self.own))
    }
}
