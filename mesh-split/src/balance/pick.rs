//! The pure decision: which endpoint of a set.

use mesh_core::endpoint::{Endpoint, EndpointSet};
use mesh_core::policy::{BalanceAlgorithm, BalancePolicy};
use mesh_core::random::Rng;
use tokio::time::Instant;

use super::tables::Tables;
use super::{ewma, hash};

/// Draws that may hit an endpoint that can not be used before the others are looked through.
const BLIND_DRAWS: usize = 4;

/// What a pick depends on besides the endpoints and their counters.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The algorithm.
    pub policy: &'a BalancePolicy,
    /// Hash of the request, for the algorithms that balance by one.
    pub hash: Option<u64>,
    /// Whether an endpoint was tried before by this request.
    pub tried: &'a dyn Fn(&Endpoint) -> bool,
    /// The moment, for ejections and for fading latencies.
    pub now: Instant,
    /// Picks of this target so far, for round robin.
    pub turn: u64,
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("policy", &self.policy)
            .field("hash", &self.hash)
            .field("now", &self.now)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

/// The index of the endpoint to use; `None` where every endpoint is ejected or none is there.
///
/// Endpoints that were tried are picked only where no other is ready. `rng` is drawn from only by algorithms that
/// leave something to chance.
#[must_use]
pub fn pick(set: &EndpointSet, inputs: &Inputs<'_>, rng: &mut Rng) -> Option<usize> {
    let ready = |index: usize| !set.endpoints[index].state.is_ejected(inputs.now);
    if let [_] = &*set.endpoints {
        return ready(0).then_some(0);
    }
    let tables = Tables::of(set);
    let choice = Choice {
        set,
        tables: &tables,
        inputs,
    };
    let untried = |index: usize| ready(index) && !(inputs.tried)(&set.endpoints[index]);
    choice
        .pick(rng, &untried)
        .or_else(|| choice.pick(rng, &ready))
}

struct Choice<'a> {
    set: &'a EndpointSet,
    tables: &'a Tables,
    inputs: &'a Inputs<'a>,
}

type Usable<'a> = &'a dyn Fn(usize) -> bool;

impl Choice<'_> {
    fn pick(&self, rng: &mut Rng, usable: Usable<'_>) -> Option<usize> {
        let hash = self.inputs.hash;
        match (&self.inputs.policy.algorithm, hash) {
            (BalanceAlgorithm::Ewma, _) => self.cheaper_of_two(rng, usable),
            (BalanceAlgorithm::RoundRobin, _) => {
                let turn = self.tables.turn(self.inputs.turn);
                self.or_drawn(turn, rng, usable)
            }
            (BalanceAlgorithm::LeastRequest { choice_count }, _) => {
                self.least_loaded(*choice_count, rng, usable)
            }
            (BalanceAlgorithm::Random, _) => self.uniform(rng, usable),
            (BalanceAlgorithm::RingHash { minimum, maximum }, Some(hash)) => {
                let ring = self.tables.ring(self.set, *minimum, *maximum);
                self.or_nearest(ring.owner(hash), hash, usable)
            }
            (BalanceAlgorithm::Maglev, Some(hash)) => {
                let owner = self.tables.maglev(self.set).owner(hash);
                self.or_nearest(owner, hash, usable)
            }
            (BalanceAlgorithm::RingHash { .. } | BalanceAlgorithm::Maglev, None) => {
                self.drawn(rng, usable)
            }
        }
    }

    fn endpoint(&self, index: usize) -> &Endpoint {
        &self.set.endpoints[index]
    }

    fn or_drawn(&self, first: Option<usize>, rng: &mut Rng, usable: Usable<'_>) -> Option<usize> {
        match first {
            Some(index) if usable(index) => Some(index),
            _ => self.drawn(rng, usable),
        }
    }

    /// One usable endpoint, drawn by weight. A few blind draws first: mostly all are usable.
    fn drawn(&self, rng: &mut Rng, usable: Usable<'_>) -> Option<usize> {
        for _ in 0..BLIND_DRAWS {
            let index = self.tables.draw(rng)?;
            if usable(index) {
                return Some(index);
            }
        }
        let weights = || {
            (0..self.set.len())
                .filter(|&index| usable(index))
                .map(|index| (index, u64::from(self.endpoint(index).weight)))
        };
        let mut left = rng.below(weights().map(|(_, weight)| weight).sum());
        for (index, weight) in weights() {
            if left < weight {
                return Some(index);
            }
            left -= weight;
        }
        None
    }

    fn uniform(&self, rng: &mut Rng, usable: Usable<'_>) -> Option<usize> {
        let below = |bound: usize, rng: &mut Rng| rng.below(bound as u64) as usize;
        for _ in 0..BLIND_DRAWS {
            let index = below(self.set.len(), rng);
            if index < self.set.len() && usable(index) {
                return Some(index);
            }
        }
        let all = || (0..self.set.len()).filter(|&index| usable(index));
        all().nth(below(all().count(), rng))
    }

    /// The owner, else the usable endpoint nearest to the hash (rendezvous hashing), which is as stable.
    fn or_nearest(&self, owner: Option<usize>, hash: u64, usable: Usable<'_>) -> Option<usize> {
        match owner {
            Some(index) if usable(index) => Some(index),
            _ => (0..self.set.len())
                .filter(|&index| usable(index))
                .max_by_key(|&index| {
                    hash::combine(hash, hash::bytes(self.endpoint(index).key.as_bytes()))
                }),
        }
    }

    fn least_loaded(&self, count: u32, rng: &mut Rng, usable: Usable<'_>) -> Option<usize> {
        let mut best = self.drawn(rng, usable)?;
        for _ in 1..count.min(64) {
            let other = self.drawn(rng, usable)?;
            if self.is_overloaded(best, other) {
                best = other;
            }
        }
        Some(best)
    }

    fn cheaper_of_two(&self, rng: &mut Rng, usable: Usable<'_>) -> Option<usize> {
        let first = self.drawn(rng, usable)?;
        let Some(second) = self.drawn(rng, &|index| index != first && usable(index)) else {
            return Some(first);
        };
        let (a, b) = (self.expected(first), self.expected(second));
        let alike = a <= b.saturating_mul(2) && b <= a.saturating_mul(2);
        let switch = if alike {
            self.is_overloaded(first, second)
        } else {
            self.cost(second, b) < self.cost(first, a)
        };
        Some(if switch { second } else { first })
    }

    /// Whether `other` would still be less loaded than `index` is now if it got the request. Endpoints that are idle
    /// or equally loaded keep the shares by which they were drawn.
    fn is_overloaded(&self, index: usize, other: usize) -> bool {
        let (own, other) = (self.endpoint(index), self.endpoint(other));
        let in_flight = |e: &Endpoint| u64::from(in_flight(e));
        in_flight(own) * u64::from(other.weight) >= (in_flight(other) + 1) * u64::from(own.weight)
    }

    fn expected(&self, index: usize) -> u64 {
        use std::sync::atomic::Ordering::Relaxed;
        let endpoint = self.endpoint(index);
        let state = &endpoint.state;
        let seen = std::time::Duration::from_nanos(state.latency_at.load(Relaxed));
        let age = state.elapsed(self.inputs.now).saturating_sub(seen);
        ewma::expected(state.latency.load(Relaxed), age, in_flight(endpoint))
    }

    fn cost(&self, index: usize, latency: u64) -> f64 {
        let endpoint = self.endpoint(index);
        let mean = f64::from(self.tables.total()) / self.set.len() as f64;
        let load = f64::from(in_flight(endpoint)) * mean / f64::from(endpoint.weight.max(1));
        latency as f64 * (1.0 + load)
    }
}

fn in_flight(endpoint: &Endpoint) -> u32 {
    endpoint
        .state
        .in_flight
        .load(std::sync::atomic::Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
