//! Drawing one leg of a split, so that shares hold at low volume too.
//!
//! The draw is a fixed sequence over hundredths of a percent instead of independent random numbers: for the usual total of
//! 100.00 every run of 1 000 draws, wherever it starts, contains each whole percent exactly ten times, and every run of 10 000
//! contains each hundredth exactly once. Rotating the order within each ten keeps callers that alternate between kinds of
//! request from seeing one leg only.

/// Hundredths of a percent that make up a whole.
pub const WHOLE: u32 = 10_000;

/// An order of ten digits in which neighbours are far apart, and which alternates between the lower and the upper half.
const SPREAD: [u32; 10] = [0, 5, 2, 7, 4, 9, 1, 6, 3, 8];

/// A sequence of draws for one splitter: which hundredth the n-th request falls on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    total: u32,
    stride: u32,
    seed: u64,
}

impl Sequence {
    /// A sequence over `0..total`, begun at a place chosen by `seed`. A total of 0 draws 0 for ever.
    #[must_use]
    pub fn new(total: u32, seed: u64) -> Self {
        let stride = if total == WHOLE {
            1
        } else {
            golden_stride(total)
        };
        Self {
            total,
            stride,
            seed,
        }
    }

    /// The sum of the weights that this sequence is for.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The draw for the `counter`-th request, in `0..total`.
    #[must_use]
    pub fn draw(&self, counter: u64) -> u32 {
        if self.total == WHOLE {
            return spread_draw(counter, self.seed);
        }
        if self.total == 0 {
            return 0;
        }
        let total = u64::from(self.total);
        let step = counter % total * u64::from(self.stride);
        u32::try_from((step + self.seed % total) % total).unwrap_or(0)
    }
}

/// The draw for the `counter`-th request over `0..total`; [`Sequence`] remembers what this works out each time.
#[must_use]
pub fn draw(counter: u64, seed: u64, total: u32) -> u32 {
    Sequence::new(total, seed).draw(counter)
}

/// The leg on which `draw` falls, given the legs' weights in order. A leg of weight 0 is never chosen.
///
/// `draw` is taken modulo the sum of the weights; if that is 0, there is no leg to choose.
#[must_use]
pub fn pick(weights: impl IntoIterator<Item = u32, IntoIter: Clone>, draw: u32) -> Option<usize> {
    let weights = weights.into_iter();
    let total: u64 = weights.clone().map(u64::from).sum();
    let mut left = u64::from(draw).checked_rem(total)?;
    for (index, weight) in weights.enumerate() {
        let weight = u64::from(weight);
        if left < weight {
            return Some(index);
        }
        left -= weight;
    }
    None
}

/// Digits of the draw: tenth from the place within ten requests, percent from the ten, hundredths from the hundred.
fn spread_draw(counter: u64, seed: u64) -> u32 {
    let digit = |value: u64| SPREAD[usize::try_from(value % 10).unwrap_or(0)];
    let ten = counter / 10 % 100;
    let turn = 3 * ten + ten / 10 + seed % 10;
    let tenth = digit(counter % 10 + turn);
    let percent = digit(ten + u64::from(tenth) * 7 + seed / 10 % 10);
    let hundred = counter / 100 % 100;
    let fine = digit(hundred + seed / 100 % 10);
    let finest = digit(hundred / 10 + seed / 1000 % 10);
    tenth * 1000 + percent * 100 + fine * 10 + finest
}

/// The number nearest to `total` divided by the golden ratio that has no factor in common with `total`.
fn golden_stride(total: u32) -> u32 {
    let wanted = u32::try_from(u64::from(total) * 618_034 / 1_000_000)
        .unwrap_or(1)
        .max(1);
    (0..total)
        .flat_map(|distance| {
            [
                wanted.saturating_sub(distance),
                wanted.saturating_add(distance),
            ]
        })
        .find(|&stride| stride > 0 && gcd(stride, total) == 1)
        .unwrap_or(1)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(weights: &[u32], from: u64, count: u64, seed: u64) -> Vec<u64> {
        let total = weights.iter().sum();
        let sequence = Sequence::new(total, seed);
        let mut shares = vec![0; weights.len()];
        for counter in from..from + count {
            shares[pick(weights.iter().copied(), sequence.draw(counter)).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn a_thousand_draws_are_exact_wherever_they_start() {
        for from in [0, 1, 7, 499, 12_345] {
            for seed in [0, 1, 4_711, u64::MAX] {
                assert_eq!(shares(&[5_000, 5_000], from, 1_000, seed), [500, 500]);
                assert_eq!(shares(&[9_000, 1_000], from, 1_000, seed), [900, 100]);
                assert_eq!(shares(&[9_700, 100, 200], from, 1_000, seed), [970, 10, 20]);
            }
        }
    }

    #[test]
    fn a_hundred_draws_from_the_start_are_exact_for_whole_percents() {
        assert_eq!(shares(&[5_000, 5_000], 0, 100, 3), [50, 50]);
        assert_eq!(shares(&[9_900, 100], 0, 100, 3), [99, 1]);
        assert_eq!(shares(&[1_000, 2_000, 7_000], 0, 10, 3), [1, 2, 7]);
    }

    #[test]
    fn weight_zero_is_never_drawn() {
        assert_eq!(shares(&[10_000, 0], 0, 10_000, 9), [10_000, 0]);
        assert_eq!(shares(&[0, 10_000, 0], 5, 10_000, 9), [0, 10_000, 0]);
        assert_eq!(pick([0, 0], 3), None);
        assert_eq!(pick([], 3), None);
    }

    #[test]
    fn ten_thousand_draws_hit_every_hundredth_once() {
        for (total, from) in [
            (10_000, 0),
            (10_000, 777),
            (9_999, 0),
            (10_001, 5),
            (1, 0),
            (2, 1),
            (7, 3),
        ] {
            let sequence = Sequence::new(total, 42);
            let mut seen = vec![0_u32; total as usize];
            for counter in from..from + u64::from(total) {
                seen[sequence.draw(counter) as usize] += 1;
            }
            assert!(seen.iter().all(|&times| times == 1), "total {total}");
        }
    }

    #[test]
    fn every_short_run_is_near_its_share() {
        for seed in [0, 13, 8_888] {
            for from in (0..2_000).step_by(37) {
                for count in [1_u64, 2, 3, 5, 10, 33, 100, 250] {
                    let got = shares(&[5_000, 5_000], from, count, seed);
                    let off = (got[0] as f64 - count as f64 / 2.0).abs();
                    assert!(off <= 1.5, "{count} from {from}: {got:?}");
                    let got = shares(&[3_000, 7_000], from, count, seed);
                    let off = (got[0] as f64 - count as f64 * 0.3).abs();
                    assert!(off <= 3.0, "{count} from {from}: {got:?}");
                }
            }
        }
    }

    #[test]
    fn shares_hold_for_every_second_and_every_fifth_request() {
        let sequence = Sequence::new(WHOLE, 1);
        for stride in [2_u64, 3, 4, 5, 7, 10] {
            for first in 0..stride {
                let low = (0..1_000)
                    .filter(|n| sequence.draw(first + n * stride) < 5_000)
                    .count();
                assert!(
                    (450..=550).contains(&low),
                    "stride {stride} from {first}: {low}"
                );
            }
        }
    }

    #[test]
    fn totals_beside_the_whole_stay_near_their_shares() {
        for total in [9_999_u32, 10_001, 9_950] {
            let got = shares(&[total / 2, total - total / 2], 0, 1_000, 5);
            assert!(got[0].abs_diff(500) <= 3, "{got:?}");
        }
    }

    proptest! {
        #[test]
        fn a_draw_stays_below_its_total(counter: u64, seed: u64, total in 0_u32..20_000) {
            let drawn = draw(counter, seed, total);
            prop_assert!(drawn < total || (total == 0 && drawn == 0));
        }

        #[test]
        fn a_pick_has_weight(weights in proptest::collection::vec(0_u32..=10_000, 0..8), draw: u32) {
            match pick(weights.iter().copied(), draw) {
                Some(index) => prop_assert!(weights[index] > 0),
                None => prop_assert!(weights.iter().all(|&weight| weight == 0)),
            }
        }
    }
}
