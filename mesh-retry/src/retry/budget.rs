//! The retry budget: retries as a share of requests, exact in thousandths, without a lock.
//!
//! The window is cut into slots, whose counts lie in a ring of atomic cells. Retries are summed over slots that cover
//! at least the window, requests over slots that lie within it; so in the window that ends with any retry
//! `retries · 1000 ≤ ratio_thousandths · requests + reserve · 1000` holds, whatever the alignment. A retry is entered
//! first and taken back if the sums then forbid it: of two that race for the last place at least one sees the other.
//!
//! tower's `TpsBudget` cuts its ratio to whole tokens and takes a mutex on every request; Envoy's budget lets three
//! concurrent retries through whatever the share is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mesh_core::endpoint::BUDGET_CELLS;
use mesh_core::policy::BudgetPolicy;

/// Slots that lie within a window, the running one included. One more covers it, and one cell is spare for a thread
/// that is a slot behind.
const SLOTS: u64 = BUDGET_CELLS as u64 - 2;

const RETRY_BITS: u32 = 20;
const REQUEST_BITS: u32 = 22;
const TAG_BITS: u32 = 64 - RETRY_BITS - REQUEST_BITS;
const MOST_RETRIES: u64 = (1 << RETRY_BITS) - 1;
const MOST_REQUESTS: u64 = (1 << REQUEST_BITS) - 1;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

/// Whether `retries`, the next one included, are within the policy for `requests`.
#[must_use]
pub fn allows(policy: &BudgetPolicy, requests: u64, retries: u64) -> bool {
    let ratio = u128::from(policy.ratio_thousandths) * u128::from(requests);
    u128::from(retries) * 1_000 <= ratio + u128::from(policy.reserve) * 1_000
}

/// A budget over the cells of a [`ServiceState`](mesh_core::endpoint::ServiceState). `elapsed` is the time since the
/// state was made.
#[derive(Clone, Copy, Debug)]
pub struct Budget<'a> {
    policy: &'a BudgetPolicy,
    cells: &'a [AtomicU64; BUDGET_CELLS],
}

impl<'a> Budget<'a> {
    /// A budget by `policy` over `cells`.
    #[must_use]
    pub fn new(policy: &'a BudgetPolicy, cells: &'a [AtomicU64; BUDGET_CELLS]) -> Self {
        Self { policy, cells }
    }

    /// Notes a request.
    pub fn deposit(&self, elapsed: Duration) {
        // A thread so late that its slot is gone leaves its request uncounted: fewer retries, never more.
        let _ = self.change(self.slot(elapsed), |cell| {
            (cell.requests < MOST_REQUESTS).then(|| Cell {
                requests: cell.requests + 1,
                ..cell
            })
        });
    }

    /// Takes a retry, if the budget has one left.
    #[must_use]
    pub fn withdraw(&self, elapsed: Duration) -> bool {
        let slot = self.slot(elapsed);
        let entered = self.change(slot, |cell| {
            (cell.retries < MOST_RETRIES).then(|| Cell {
                retries: cell.retries + 1,
                ..cell
            })
        });
        if !entered {
            return false;
        }
        let (requests, retries) = self.sums(slot);
        if allows(self.policy, requests, retries) {
            return true;
        }
        let _ = self.change(slot, |cell| {
            Some(Cell {
                retries: cell.retries.saturating_sub(1),
                ..cell
            })
        });
        false
    }

    /// Requests and retries that count at `elapsed`.
    #[must_use]
    pub fn counts(&self, elapsed: Duration) -> (u64, u64) {
        self.sums(self.slot(elapsed))
    }

    fn slot(&self, elapsed: Duration) -> u64 {
        let length = (self.policy.window.as_nanos() / u128::from(SLOTS)).max(1);
        (elapsed.as_nanos() / length) as u64
    }

    fn sums(&self, slot: u64) -> (u64, u64) {
        let mut sums = (0, 0);
        for cell in self.cells {
            let cell = Cell::unpack(cell.load(Ordering::SeqCst));
            let Some(age) = age(cell.tag, slot) else {
                continue;
            };
            if age < SLOTS as i64 {
                sums.0 += cell.requests;
            }
            if age <= SLOTS as i64 {
                sums.1 += cell.retries;
            }
        }
        sums
    }

    /// Changes the cell of a slot, emptied first if it is of an earlier turn. `false` if it is of a later one, or
    /// `change` declines.
    fn change(&self, slot: u64, change: impl Fn(Cell) -> Option<Cell>) -> bool {
        let cell = &self.cells[slot as usize % BUDGET_CELLS];
        let mut seen = cell.load(Ordering::SeqCst);
        loop {
            let mut now = Cell::unpack(seen);
            // An unused cell of tag 0 can pass for one of slot 0: both are empty.
            match age(now.tag, slot) {
                Some(0) => {}
                Some(age) if age < 0 => return false,
                _ => {
                    now = Cell {
                        tag: slot & TAG_MASK,
                        requests: 0,
                        retries: 0,
                    }
                }
            }
            let Some(next) = change(now) else {
                return false;
            };
            match cell.compare_exchange_weak(seen, next.pack(), Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => return true,
                Err(newer) => seen = newer,
            }
        }
    }
}

/// How many slots `tag` is before `slot`; negative when after. `None` when so far away that it is of no concern,
/// which is also what remains of another window length.
fn age(tag: u64, slot: u64) -> Option<i64> {
    let behind = slot.wrapping_sub(tag) & TAG_MASK;
    let cells = BUDGET_CELLS as u64;
    if behind < cells {
        Some(behind as i64)
    } else if behind > TAG_MASK - cells {
        Some(behind as i64 - (TAG_MASK as i64 + 1))
    } else {
        None
    }
}

#[derive(Clone, Copy)]
struct Cell {
    tag: u64,
    requests: u64,
    retries: u64,
}

impl Cell {
    fn pack(self) -> u64 {
        self.tag << (RETRY_BITS + REQUEST_BITS) | self.requests << RETRY_BITS | self.retries
    }

    fn unpack(bits: u64) -> Self {
        Self {
            tag: bits >> (RETRY_BITS + REQUEST_BITS),
            requests: bits >> RETRY_BITS & MOST_REQUESTS,
            retries: bits & MOST_RETRIES,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells() -> [AtomicU64; BUDGET_CELLS] {
        [const { AtomicU64::new(0) }; BUDGET_CELLS]
    }

    fn policy(ratio_thousandths: u32, reserve: u32) -> BudgetPolicy {
        BudgetPolicy {
            ratio_thousandths,
            reserve,
            window: Duration::from_secs(10),
        }
    }

    #[test]
    fn the_share_is_exact_in_thousandths() {
        for ratio in [1, 100, 300, 333, 400, 600, 900, 1_000] {
            let (policy, cells) = (policy(ratio, 0), cells());
            let budget = Budget::new(&policy, &cells);
            let mut retries = 0;
            for _ in 0..1_000 {
                budget.deposit(Duration::from_secs(1));
                retries += u32::from(budget.withdraw(Duration::from_secs(1)));
            }
            assert_eq!(retries, ratio);
        }
    }

    #[test]
    fn the_reserve_is_free_and_nothing_else_is() {
        let (policy, cells) = (policy(0, 3), cells());
        let budget = Budget::new(&policy, &cells);
        let taken = (0..10).filter(|_| budget.withdraw(Duration::ZERO)).count();
        assert_eq!(taken, 3);
        assert!(!budget.withdraw(Duration::from_secs(10)));
        let later = Duration::from_secs(11);
        assert!(
            budget.withdraw(later),
            "the reserve is back with the next window"
        );
    }

    #[test]
    fn another_window_length_starts_anew_rather_than_refuse_for_long() {
        let cells = cells();
        let short = BudgetPolicy {
            window: Duration::from_millis(100),
            ..policy(0, 1)
        };
        assert!(Budget::new(&short, &cells).withdraw(Duration::from_secs(3_600)));
        let long = policy(0, 1);
        assert!(Budget::new(&long, &cells).withdraw(Duration::from_secs(3_601)));
    }

    #[test]
    fn threads_together_never_overdraw() {
        let (policy, cells) = (policy(100, 10), cells());
        let budget = Budget::new(&policy, &cells);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(move || {
                        (0..2_500u64)
                            .filter(|turn| {
                                let now = Duration::from_micros(turn * 10);
                                budget.deposit(now);
                                budget.withdraw(now)
                            })
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert!(taken <= 1_010, "{taken} of 10 000");
        assert!(taken > 500, "{taken} of 10 000");
    }

    proptest! {
        // Every event is a request or a wish to retry, some milliseconds after the one before.
        #[test]
        fn in_any_window_retries_are_within_the_share_plus_the_reserve(
            ratio in 0u32..1_500,
            reserve in 0u32..5,
            window_ms in 14u64..3_000,
            events in proptest::collection::vec((any::<bool>(), 0u64..200), 1..300),
        ) {
            let policy = BudgetPolicy { ratio_thousandths: ratio, reserve, window: Duration::from_millis(window_ms) };
            let cells = cells();
            let budget = Budget::new(&policy, &cells);
            let (mut now, mut requests, mut retries) = (0u64, Vec::new(), Vec::new());
            for (is_request, after) in events {
                now += after;
                let elapsed = Duration::from_millis(now);
                if is_request {
                    budget.deposit(elapsed);
                    requests.push(now);
                } else if budget.withdraw(elapsed) {
                    retries.push(now);
                    let inside = |times: &[u64]| times.iter().filter(|at| now - **at < window_ms).count() as u64;
                    let (requests, retries) = (inside(&requests), inside(&retries));
                    prop_assert!(retries * 1_000 <= u64::from(ratio) * requests + u64::from(reserve) * 1_000);
                }
            }
        }

        #[test]
        fn a_jump_of_the_clock_is_harmless(jump in any::<u32>(), back in any::<u32>()) {
            let (policy, cells) = (policy(0, 1), cells());
            let budget = Budget::new(&policy, &cells);
            let there = Duration::from_millis(u64::from(jump));
            budget.deposit(there);
            let _ = budget.withdraw(Duration::from_millis(u64::from(back)));
            let _ = budget.withdraw(there);
            prop_assert!(budget.counts(there).1 <= 1);
        }
    }
}
