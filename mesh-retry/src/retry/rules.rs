//! Which policy, limit and budget hold for a request: the route's, or the layer's own.

use std::sync::Arc;
use std::time::Duration;

use mesh_core::context::{Inbound, Outbound};
use mesh_core::endpoint::ServiceState;
use mesh_core::policy::{BudgetPolicy, RetryPolicy};
use tokio::time::Instant;

use super::budget::Budget;
use super::layer::Own;

#[derive(Debug)]
pub(super) struct Rules {
    own: Arc<Own>,
    outbound: Option<Outbound>,
}

impl Rules {
    pub(super) fn new(own: Arc<Own>, outbound: Option<Outbound>) -> Self {
        Self { own, outbound }
    }

    pub(super) fn with_outbound(self, outbound: Outbound) -> Self {
        Self {
            outbound: Some(outbound),
            ..self
        }
    }

    pub(super) fn into_outbound(self) -> Option<Outbound> {
        self.outbound
    }

    pub(super) fn outbound(&self) -> Option<&Outbound> {
        self.outbound.as_ref()
    }

    pub(super) fn policy(&self) -> Option<&RetryPolicy> {
        let route = self.outbound.as_ref().and_then(Outbound::route);
        route
            .and_then(|route| route.retry.as_ref())
            .or(self.own.policy.as_ref())
    }

    pub(super) fn body_limit(&self) -> usize {
        self.policy().map_or(0, |policy| policy.body_limit_bytes)
    }

    pub(super) fn per_try(&self) -> Option<Duration> {
        match self.outbound.as_ref().and_then(Outbound::route) {
            Some(route) => route.timeout.per_try,
            None => self.own.timeout.and_then(|timeout| timeout.per_try),
        }
    }

    /// The deadline that outer layers noted, or that of the request being served.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let noted = self.outbound.as_ref().and_then(Outbound::deadline);
        noted.or_else(|| Inbound::current().and_then(|inbound| inbound.deadline()))
    }

    pub(super) fn deposit(&self, now: Instant) {
        let (policy, state) = self.budget();
        Budget::new(policy, &state.budget).deposit(state.elapsed(now));
    }

    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let (policy, state) = self.budget();
        Budget::new(policy, &state.budget).withdraw(state.elapsed(now))
    }

    fn budget(&self) -> (&BudgetPolicy, &ServiceState) {
        match self.outbound.as_ref().and_then(Outbound::chain) {
            Some(chain) => (&chain.budget, &chain.state),
            None => (&self.own.budget, &self.own.state),
        }
    }
}
