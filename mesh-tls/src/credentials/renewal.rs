//! When a leaf is renewed: a function of its life, the date and a draw.

use std::time::{Duration, SystemTime};

use mesh_core::random::unit;

/// A leaf with a shorter life is renewed at once.
const SHORT_LIFE: Duration = Duration::from_secs(600);
const SOFT: f64 = 0.6;
const HARD: f64 = 0.9;

/// When to renew a leaf, as Consul's agent does it.
///
/// Between six and nine tenths of the life the instant is drawn uniformly, so that services that started together do
/// not ask together; later than that it is now. A 72 h leaf is renewed after 43 h to 65 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Start of the leaf's validity.
    pub not_before: SystemTime,
    /// End of the leaf's validity.
    pub not_after: SystemTime,
}

impl Renewal {
    /// How long to wait from `now`; zero means at once. `draw` is 64 uniformly random bits.
    #[must_use]
    pub fn wait(&self, now: SystemTime, draw: u64) -> Duration {
        let life = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or_default();
        if life < SHORT_LIFE {
            return Duration::ZERO;
        }
        let hard = self.not_before + life.mul_f64(HARD);
        let soft = (self.not_before + life.mul_f64(SOFT)).max(now);
        let Ok(span) = hard.duration_since(soft) else {
            return Duration::ZERO;
        };
        let due = soft + span.mul_f64(unit(draw));
        due.duration_since(now).unwrap_or_default()
    }
}

/// How long to wait after so many failures in a row: doubling from one second, at most a minute, and between half and
/// all of that by `draw`.
#[must_use]
pub(crate) fn back_off(failures: u32, draw: u64) -> Duration {
    let full =
        Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(Duration::from_secs(60));
    full.mul_f64(0.5 + unit(draw) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3600;

    fn hours(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(hours * HOUR)
    }

    fn leaf(life: u64) -> Renewal {
        Renewal {
            not_before: hours(0),
            not_after: hours(life),
        }
    }

    #[test]
    fn a_fresh_leaf_waits_between_six_and_nine_tenths_of_its_life() {
        let at = |draw| leaf(100).wait(hours(0), draw).as_secs() / HOUR;
        assert_eq!((at(0), at(u64::MAX / 2), at(u64::MAX)), (60, 75, 90));
    }

    #[test]
    fn a_leaf_past_the_soft_limit_is_renewed_between_now_and_the_hard_one() {
        let at = |draw| leaf(100).wait(hours(80), draw).as_secs() / HOUR;
        assert_eq!((at(0), at(u64::MAX)), (0, 10));
    }

    #[test]
    fn a_late_or_short_leaf_is_renewed_at_once() {
        assert_eq!(leaf(100).wait(hours(91), 0), Duration::ZERO);
        assert_eq!(leaf(100).wait(hours(500), u64::MAX), Duration::ZERO);
        let short = Renewal {
            not_before: hours(0),
            not_after: hours(0) + Duration::from_secs(599),
        };
        assert_eq!(short.wait(hours(0), u64::MAX), Duration::ZERO);
    }

    #[test]
    fn back_off_doubles_up_to_a_minute() {
        let full: Vec<u64> = (1..=8).map(|n| back_off(n, u64::MAX).as_secs()).collect();
        assert_eq!(full, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(back_off(1, 0), Duration::from_millis(500));
        assert!(back_off(u32::MAX, u64::MAX) <= Duration::from_secs(60));
    }

    proptest! {
        #[test]
        fn nobody_renews_after_nine_tenths_of_the_life(life in 1u64..10_000, now in 0u64..10_000, draw in any::<u64>()) {
            let wait = leaf(life).wait(hours(now), draw);
            let hard = Duration::from_secs(life * HOUR).mul_f64(HARD);
            prop_assert!(wait.is_zero() || Duration::from_secs(now * HOUR) + wait <= hard);
        }
    }
}
