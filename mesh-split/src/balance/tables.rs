//! What is worked out once per endpoint set: sums of weights, the order of turns, ring and table.

use std::sync::{Arc, OnceLock};

use mesh_core::chain::split::Sequence;
use mesh_core::endpoint::EndpointSet;
use mesh_core::random::Rng;

use super::maglev::Maglev;
use super::ring::Ring;

pub(super) struct Tables {
    /// Sum of the weights up to and including each endpoint.
    cumulative: Vec<u32>,
    total: u32,
    turns: Sequence,
    ring: OnceLock<Ring>,
    maglev: OnceLock<Maglev>,
}

impl Tables {
    pub(super) fn of(set: &EndpointSet) -> Arc<Self> {
        set.derived(|set| Arc::new(Self::new(set)))
    }

    fn new(set: &EndpointSet) -> Self {
        let mut total = 0_u32;
        let cumulative = set
            .endpoints
            .iter()
            .map(|endpoint| {
                total = total.saturating_add(endpoint.weight);
                total
            })
            .collect();
        Self {
            cumulative,
            total,
            turns: Sequence::new(total, 0),
            ring: OnceLock::new(),
            maglev: OnceLock::new(),
        }
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// An endpoint drawn by weight; `None` where no endpoint has a weight.
    pub(super) fn draw(&self, rng: &mut Rng) -> Option<usize> {
        self.at(u32::try_from(rng.below(u64::from(self.total))).unwrap_or(0))
    }

    /// The endpoint whose turn it is: each has its exact share in every `total` turns, spread evenly.
    pub(super) fn turn(&self, turn: u64) -> Option<usize> {
        self.at(self.turns.draw(turn))
    }

    fn at(&self, position: u32) -> Option<usize> {
        let index = self.cumulative.partition_point(|&upto| upto <= position);
        (index < self.cumulative.len()).then_some(index)
    }

    /// The ring. The sizes of the first policy that asks for it are the ones it has while the set lives.
    pub(super) fn ring(&self, set: &EndpointSet, minimum: u64, maximum: u64) -> &Ring {
        self.ring.get_or_init(|| Ring::new(set, minimum, maximum))
    }

    pub(super) fn maglev(&self, set: &EndpointSet) -> &Maglev {
        self.maglev.get_or_init(|| Maglev::new(set))
    }
}
