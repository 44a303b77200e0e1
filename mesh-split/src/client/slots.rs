//! [`Slots`]: a bounded, lock-free store of idle connections.
//!
//! The lowest occupied slot is handed out first, so that after a burst the upper ones stay unused and expire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

/// Whoever clears a bit, in `full` or in `free`, owns that slot until it sets the slot's bit in the other one.
struct Page<T> {
    full: AtomicU64,
    free: AtomicU64,
    slots: [ArcSwapOption<T>; 64],
}

impl<T> Page<T> {
    fn new() -> Self {
        Self {
            full: AtomicU64::new(0),
            free: AtomicU64::new(u64::MAX),
            slots: std::array::from_fn(|_| ArcSwapOption::const_empty()),
        }
    }

    fn take(&self) -> Option<Arc<T>> {
        let index = claim(&self.full)?;
        let taken = self.slots[index].swap(None);
        self.free.fetch_or(1 << index, Ordering::Release);
        taken
    }

    fn put(&self, value: Arc<T>) -> Result<(), Arc<T>> {
        let Some(index) = claim(&self.free) else {
            return Err(value);
        };
        self.slots[index].store(Some(value));
        self.full.fetch_or(1 << index, Ordering::SeqCst);
        Ok(())
    }
}

/// Clears the lowest bit that is set and tells which one it was.
fn claim(bits: &AtomicU64) -> Option<usize> {
    let mut seen = bits.load(Ordering::SeqCst);
    while seen != 0 {
        let index = seen.trailing_zeros();
        match bits.compare_exchange_weak(
            seen,
            seen & !(1 << index),
            Ordering::Acquire,
            Ordering::Relaxed,
        ) {
            Ok(_) => return Some(index as usize),
            Err(newer) => seen = newer,
        }
    }
    None
}

/// Idle values. Each is handed out to one taker.
///
/// Putting and looking are sequentially consistent, so that of somebody who puts and then looks for waiters, and somebody
/// who waits and then looks for values, one sees the other.
pub(super) struct Slots<T> {
    pages: Box<[Page<T>]>,
}

impl<T> Slots<T> {
    /// Room for at least `capacity` values.
    pub(super) fn new(capacity: usize) -> Self {
        let pages = capacity.div_ceil(64);
        Self {
            pages: (0..pages).map(|_| Page::new()).collect(),
        }
    }

    pub(super) fn take(&self) -> Option<Arc<T>> {
        self.pages.iter().find_map(Page::take)
    }

    /// Gives the value back when there is no room.
    pub(super) fn put(&self, value: Arc<T>) -> Result<(), Arc<T>> {
        self.pages
            .iter()
            .try_fold(value, |value, page| match page.put(value) {
                Ok(()) => Err(()),
                Err(value) => Ok(value),
            })
            .map_or(Ok(()), Err)
    }

    pub(super) fn len(&self) -> usize {
        self.pages
            .iter()
            .map(|page| page.full.load(Ordering::Relaxed).count_ones() as usize)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_first_is_taken_first_and_room_is_bounded() {
        let slots = Slots::new(65);
        for value in 0..128 {
            slots.put(Arc::new(value)).unwrap();
        }
        assert_eq!(slots.put(Arc::new(128)).err().as_deref(), Some(&128));
        assert_eq!(slots.take().as_deref(), Some(&0));
        slots.put(Arc::new(200)).unwrap();
        assert_eq!(slots.take().as_deref(), Some(&200));
        assert_eq!(slots.take().as_deref(), Some(&1));
        assert_eq!(slots.len(), 126);
    }

    #[test]
    fn a_value_is_handed_out_once_and_unshared_under_contention() {
        let slots = Slots::new(64);
        for value in 0..32_u32 {
            slots.put(Arc::new(value)).unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Some(mut value) = slots.take() {
                            assert!(Arc::get_mut(&mut value).is_some());
                            slots.put(value).unwrap();
                        }
                    }
                });
            }
        });
        let mut left: Vec<u32> = std::iter::from_fn(|| slots.take()).map(|v| *v).collect();
        left.sort_unstable();
        assert_eq!(left, (0..32).collect::<Vec<_>>());
    }
}
