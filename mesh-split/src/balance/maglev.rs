//! Maglev's table (Eisenbud et al., NSDI 2016, section 3.4), with shares in proportion to the weights.

use mesh_core::endpoint::EndpointSet;

use super::hash;

/// Envoy's default size, a prime.
const SIZE: usize = 65_537;
const EMPTY: u32 = u32::MAX;

pub(super) struct Maglev {
    table: Vec<u32>,
}

struct Row {
    index: u32,
    offset: usize,
    skip: usize,
    next: usize,
    weight: f64,
    due: f64,
}

impl Row {
    /// The next place of the row's permutation.
    fn place(&mut self) -> usize {
        let place = (self.offset + self.next * self.skip) % SIZE;
        self.next = (self.next + 1) % SIZE;
        place
    }
}

impl Maglev {
    pub(super) fn new(set: &EndpointSet) -> Self {
        let mut rows = rows(set);
        if rows.is_empty() {
            return Self { table: Vec::new() };
        }
        let mut table = vec![EMPTY; SIZE];
        let mut filled = 0;
        let mut round = 1.0;
        while filled < SIZE {
            for row in &mut rows {
                if filled == SIZE {
                    break;
                }
                // A row of half the greatest weight takes a place in every other round.
                if round * row.weight < row.due {
                    continue;
                }
                row.due += 1.0;
                let mut place = row.place();
                while table[place] != EMPTY {
                    place = row.place();
                }
                table[place] = row.index;
                filled += 1;
            }
            round += 1.0;
        }
        Self { table }
    }

    /// The endpoint that owns the hash.
    pub(super) fn owner(&self, hash: u64) -> Option<usize> {
        let place = hash.checked_rem(self.table.len() as u64)?;
        Some(self.table[place as usize] as usize)
    }
}

fn rows(set: &EndpointSet) -> Vec<Row> {
    let greatest = set.endpoints.iter().map(|e| e.weight).max().unwrap_or(0);
    let weighted = set.endpoints.iter().zip(0..).filter(|(e, _)| e.weight > 0);
    weighted
        .take(SIZE)
        .map(|(endpoint, index)| {
            let own = hash::bytes(endpoint.key.as_bytes());
            Row {
                index,
                offset: (own % SIZE as u64) as usize,
                skip: (hash::combine(own, 1) % (SIZE as u64 - 1)) as usize + 1,
                next: 0,
                weight: f64::from(endpoint.weight) / f64::from(greatest),
                due: 1.0,
            }
        })
        .collect()
}
