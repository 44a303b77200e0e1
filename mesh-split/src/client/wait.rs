//! What is counted about connections, and who waits for one. All of it off the hot path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mesh_core::endpoint::TargetState;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::policy::Limits;
use mesh_core::snapshot::Target;
use tokio::sync::Notify;

/// Wakes requests that wait at a target's connection limit when some connection was closed.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Requests that wait now, over all pools of one local identity.
    pub(super) count: AtomicU32,
    pub(super) closed: Notify,
}

impl Waiting {
    pub(super) fn is_anybody(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }
}

/// Counts in something until it is dropped.
pub(super) struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    pub(super) fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Adds one unless that would exceed `limit`.
fn add_within(count: &AtomicU32, limit: u32) -> bool {
    count
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
            (now < limit).then(|| now + 1)
        })
        .is_ok()
}

/// A request that waits for a connection counts as pending until it has one.
///
/// # Errors
/// `max_pending_requests` is reached.
pub(super) fn pending(target: Option<&Target>) -> Result<Option<Counted<'_>>, Error> {
    let Some(target) = target else {
        return Ok(None);
    };
    let pending = &target.state().pending;
    if add_within(pending, target.policy().limits.max_pending_requests) {
        Ok(Some(Counted(pending)))
    } else {
        Err(overloaded("max_pending_requests"))
    }
}

pub(super) fn overloaded(limit: &'static str) -> Error {
    Error::new(ErrorKind::Overloaded).with_subject(limit)
}

/// A connection that is open or being opened.
#[derive(Debug)]
pub(super) struct Open {
    target: Option<Arc<TargetState>>,
    pool: Arc<AtomicU32>,
    waiting: Arc<Waiting>,
}

impl Open {
    /// `None` where the target's `max_connections` is reached.
    pub(super) fn reserve(
        target: Option<&Arc<TargetState>>,
        limits: &Limits,
        pool: &Arc<AtomicU32>,
        waiting: &Arc<Waiting>,
    ) -> Option<Self> {
        if let Some(target) = target
            && !add_within(&target.connections, limits.max_connections)
        {
            return None;
        }
        pool.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            target: target.cloned(),
            pool: Arc::clone(pool),
            waiting: Arc::clone(waiting),
        })
    }

    pub(super) fn target(&self) -> Option<&Arc<TargetState>> {
        self.target.as_ref()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.pool.fetch_sub(1, Ordering::Relaxed);
        if let Some(target) = &self.target {
            target.connections.fetch_sub(1, Ordering::SeqCst);
        }
        if self.waiting.is_anybody() {
            self.waiting.closed.notify_waiters();
        }
    }
}
