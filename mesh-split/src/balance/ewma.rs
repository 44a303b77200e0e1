//! The estimator: smoothed latency of an endpoint, in which failures count as slow answers.
//!
//! Differs from tower's `PeakEwma`, which is blind to failures and so sends most calls to whoever fails fastest. All
//! functions are pure; latencies are nanoseconds, 0 where nothing is known.

use std::time::Duration;

/// After this long without an observation an endpoint's latency is forgotten.
pub const MEMORY: Duration = Duration::from_secs(10);
/// Differences below this latency do not matter to the choice: 1 ms.
pub const FLOOR: u64 = 1_000_000;
/// What an endpoint is taken for that has failed, or has not answered yet: 1 s.
pub const PENALTY: u64 = 1_000_000_000;
/// Failures do not raise a latency beyond this: 10 s.
pub const PENALTY_MAX: u64 = 10_000_000_000;

/// Least part of the way to a larger sample.
const RISE: f64 = 0.5;
/// Least part of the way to a smaller sample.
const FALL: f64 = 0.1;
/// How much a failure is worse than the latency known.
const FAILURE_FACTOR: u64 = 10;

/// The part of an observation that is left after `age`: 1 at once, 0 after [`MEMORY`].
#[must_use]
pub fn remembered(age: Duration) -> f64 {
    (1.0 - age.as_secs_f64() / MEMORY.as_secs_f64()).max(0.0)
}

/// The smoothed latency after another sample, `age` after the one before. Never 0.
///
/// It follows a rise quickly and a fall slowly, and both at once when the last sample is long ago.
#[must_use]
pub fn observe(old: u64, sample: u64, age: Duration) -> u64 {
    if old == 0 {
        return sample.max(1);
    }
    let kept = remembered(age);
    let (old, sample) = (old as f64 * kept, sample as f64);
    let least = if sample > old { RISE } else { FALL };
    let next = old + (sample - old) * (1.0 - kept).max(least);
    (next as u64).max(1)
}

/// The sample that a failure after `observed` counts as: slower than what is known, and slower with each one.
#[must_use]
pub fn failure_sample(old: u64, observed: u64) -> u64 {
    let penalty = match old {
        0 => PENALTY,
        _ => old
            .max(FLOOR)
            .saturating_mul(FAILURE_FACTOR)
            .min(PENALTY_MAX),
    };
    penalty.max(observed)
}

/// What the latency counts for when endpoints are compared, `age` after it was observed.
///
/// An idle endpoint's latency fades, so that it is tried again; it is not faded while somebody tries it.
#[must_use]
pub fn expected(latency: u64, age: Duration, in_flight: u32) -> u64 {
    let expected = match (in_flight, latency) {
        (0, _) => (latency as f64 * remembered(age)) as u64,
        (_, 0) => PENALTY,
        _ => latency,
    };
    expected.max(FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_rise_is_followed_faster_than_a_fall() {
        let age = Duration::from_millis(1);
        assert!(observe(10 * MS, 110 * MS, age) > 59 * MS);
        assert!(observe(110 * MS, 10 * MS, age) > 90 * MS);
        assert_eq!(observe(0, 7, age), 7);
    }

    #[test]
    fn failures_in_a_row_raise_the_latency_up_to_the_limit() {
        let mut latency = 2 * MS;
        for _ in 0..20 {
            let sample = failure_sample(latency, MS);
            let next = observe(latency, sample, Duration::from_millis(10));
            assert!(next > latency || next > PENALTY_MAX / 2, "{latency} {next}");
            latency = next;
        }
        assert!(latency <= PENALTY_MAX);
        assert_eq!(failure_sample(0, MS), PENALTY);
        assert_eq!(failure_sample(MS, 2 * PENALTY_MAX), 2 * PENALTY_MAX);
    }

    #[test]
    fn an_idle_endpoints_latency_is_forgotten_and_a_busy_ones_is_not() {
        assert_eq!(expected(300 * MS, Duration::ZERO, 0), 300 * MS);
        assert_eq!(expected(300 * MS, MEMORY / 2, 0), 150 * MS);
        assert_eq!(expected(300 * MS, MEMORY, 0), FLOOR);
        assert_eq!(expected(300 * MS, MEMORY, 1), 300 * MS);
        assert_eq!(expected(0, MEMORY, 1), PENALTY);
    }
}
