//! [`Chain`], [`Route`] and [`Leg`]: a compiled chain joined with its live targets and effective policies.

use std::sync::Arc;

use crate::chain::{CompiledChain, HeaderEdits, RequestHead};
use crate::endpoint::ServiceState;
use crate::policy::{BalancePolicy, BudgetPolicy, Protocol, RetryPolicy, TimeoutPolicy};
use crate::snapshot::Target;

/// Everything a request to one service needs.
#[derive(Debug)]
pub struct Chain {
    /// The service's name.
    pub service: Arc<str>,
    /// Protocol of the chain, after the caller's overrides.
    pub protocol: Protocol,
    /// What the entries compiled to.
    pub compiled: Arc<CompiledChain>,
    /// Routes in order; the last one matches everything.
    pub routes: Vec<Route>,
    /// Retries as a share of the requests to this service.
    pub budget: BudgetPolicy,
    /// Counters that outlive this chain.
    pub state: Arc<ServiceState>,
}

impl Chain {
    /// The first route that matches, by [`crate::chain::decide`]. `None` only for a chain that was put together by
    /// hand without a route that matches everything.
    #[must_use]
    pub fn decide(&self, head: &RequestHead<'_>) -> Option<&Route> {
        self.routes
            .get(crate::chain::decide(&self.compiled.routes, head)?)
    }

    /// The targets of all legs and their fail-over levels, repeats included.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.routes
            .iter()
            .flat_map(|route| &route.legs)
            .flat_map(|leg| &leg.levels)
    }
}

/// One route with its effective policies.
#[derive(Debug)]
pub struct Route {
    /// Position in the chain.
    pub index: usize,
    /// Label for metrics and logs, from a finite set.
    pub name: Arc<str>,
    /// Time limits.
    pub timeout: TimeoutPolicy,
    /// Retries; `None` where no entry asks for any.
    pub retry: Option<RetryPolicy>,
    /// Legs in order.
    pub legs: Vec<Leg>,
    /// Sum of the legs' weights.
    pub total_weight: u32,
}

/// One leg of a route's split.
#[derive(Debug)]
pub struct Leg {
    /// Weight in hundredths of a percent.
    pub weight: u32,
    /// The primary target, then its fail-over targets in order. Never empty.
    pub levels: Vec<Arc<Target>>,
    /// Balancing, the primary's for all levels.
    pub balance: BalancePolicy,
    /// Edits of the request's headers.
    pub request_headers: HeaderEdits,
    /// Edits of the response's headers.
    pub response_headers: HeaderEdits,
}
