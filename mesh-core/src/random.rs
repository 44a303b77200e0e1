//! One seedable source of randomness.
//!
//! Decisions take their draws as arguments; what carries them out draws here. Each thread has its own generator, so
//! that no draw waits for another thread and no two callers share jitter. Not for secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};

/// SplitMix64: small, fast, and any seed is a good seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose draws depend on `seed` only.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        scale(self.next_u64(), bound)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Maps 64 random bits into `0..bound` without division; 0 when `bound` is 0.
#[must_use]
pub fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// Maps 64 random bits into `[0, 1)`.
#[must_use]
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(entropy());
}

fn entropy() -> u64 {
    // The keys of a fresh `RandomState` come from the operating system, once per thread.
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// The next 64 bits of this thread's generator.
#[must_use]
pub fn draw() -> u64 {
    STATE.with(|state| {
        let mut rng = Rng(state.get());
        let bits = rng.next_u64();
        state.set(rng.0);
        bits
    })
}

/// Makes this thread's draws depend on `seed` only, for tests and the simulator.
pub fn seed(seed: u64) {
    STATE.with(|state| state.set(seed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        seed(7);
        let first: Vec<u64> = (0..4).map(|_| draw()).collect();
        seed(7);
        let again: Vec<u64> = (0..4).map(|_| draw()).collect();
        assert_eq!(first, again);
    }

    #[test]
    fn scaled_draws_stay_below_their_bound_and_cover_it() {
        let mut rng = Rng::new(1);
        let mut seen = [0u32; 5];
        for _ in 0..5_000 {
            seen[rng.below(5) as usize] += 1;
        }
        assert!(
            seen.iter().all(|count| (900..1_100).contains(count)),
            "{seen:?}"
        );
        assert_eq!(rng.below(0), 0);
        assert!(unit(u64::MAX) < 1.0);
    }
}
