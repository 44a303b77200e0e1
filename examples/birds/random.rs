//! Random draws that a test can foresee.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A shared, lock-free source of draws (the SplitMix64 generator). Clones share its state.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Arc<AtomicU64>);

impl Dice {
    /// The same seed gives the same draws.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// Different draws in every process.
    pub(crate) fn from_entropy() -> Self {
        Self::seeded(RandomState::new().hash_one("dice"))
    }

    /// Draws one of the 101 whole numbers from 0 to 100.
    pub(crate) fn percent(&self) -> u8 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self
            .0
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let scaled = (u128::from(z) * 101) >> 64;
        u8::try_from(scaled).expect("101 * z / 2^64 is at most 100")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_cover_zero_to_a_hundred_and_repeat_with_their_seed() {
        let (a, b) = (Dice::seeded(7), Dice::seeded(7));
        let mut seen = [false; 101];
        for _ in 0..5_000 {
            let draw = a.percent();
            assert_eq!(draw, b.percent());
            seen[usize::from(draw)] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
