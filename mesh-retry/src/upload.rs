//! How far the body of a request is, seen from whoever waits for the answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mesh_core::context::Outbound;
use tokio::time::Instant;

/// Marks set by the task that sends a body and read by the one that waits; nobody is woken.
#[derive(Debug)]
pub(crate) struct Upload {
    base: Instant,
    begun: AtomicBool,
    /// Nanoseconds from `base` plus one; 0 while under way.
    ended: AtomicU64,
    moved: AtomicU64,
    at_end: Option<AtEnd>,
}

/// What is noted when the body has ended: only then is the deadline of the call known.
#[derive(Debug)]
pub(crate) struct AtEnd {
    pub(crate) outbound: Outbound,
    pub(crate) hard: Option<Instant>,
    pub(crate) limit: Option<Duration>,
}

impl Upload {
    pub(crate) fn new(base: Instant, at_end: Option<AtEnd>) -> Self {
        Self {
            base,
            begun: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            at_end,
        }
    }

    /// Somebody asked for the body.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// A frame was sent.
    pub(crate) fn move_on(&self) {
        self.moved
            .store(self.nanos(Instant::now()), Ordering::Relaxed);
    }

    /// All was sent, or nobody sends any more. Only the first call counts.
    pub(crate) fn end(&self) {
        let now = Instant::now();
        let mark = self.nanos(now).saturating_add(1);
        let first = self
            .ended
            .compare_exchange(0, mark, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if let (true, Some(at_end)) = (first, &self.at_end) {
            let own = at_end.limit.and_then(|limit| now.checked_add(limit));
            if let Some(deadline) = earliest(at_end.hard, own) {
                at_end.outbound.set_deadline(deadline);
            }
        }
    }

    /// When the wait for the answer began. Before anybody asks for the body that was with the call, as then the way
    /// to the callee is what takes long; while it is under way it is not before `now`.
    pub(crate) fn waiting_since(&self, now: Instant) -> Instant {
        match self.ended.load(Ordering::Acquire) {
            0 if self.begun.load(Ordering::Relaxed) => now,
            0 => self.base,
            mark => self.base + Duration::from_nanos(mark - 1),
        }
    }

    /// When the last frame was sent.
    pub(crate) fn moved(&self) -> Instant {
        self.base + Duration::from_nanos(self.moved.load(Ordering::Relaxed))
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The earlier of two instants that may be absent.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
