//! [`Cancellation`]: how spawned work learns that nobody waits any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// Why a request is over before its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The deadline passed.
    Deadline,
    /// The caller left: the response was dropped before it was complete.
    CallerLeft,
}

/// Tells work that outlives its handler when nobody waits for the answer any more. Clones tell the same.
///
/// A request that is answered in time never cancels: what was spawned may go on.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    reason: AtomicU8,
    notify: Notify,
}

const DEADLINE: u8 = 1;
const CALLER_LEFT: u8 = 2;

impl Cancellation {
    /// Why the request was cancelled, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.shared.reason.load(Ordering::Acquire) {
            DEADLINE => Some(Reason::Deadline),
            CALLER_LEFT => Some(Reason::CallerLeft),
            _ => None,
        }
    }

    /// Whether the request was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Waits until the request is cancelled; for ever if it is answered in time.
    pub async fn cancelled(&self) -> Reason {
        loop {
            let mut notified = std::pin::pin!(self.shared.notify.notified());
            // Registered before the look, so that no signal falls between the two.
            notified.as_mut().enable();
            if let Some(reason) = self.reason() {
                return reason;
            }
            notified.await;
        }
    }

    fn signal(&self, reason: Reason) {
        let bits = match reason {
            Reason::Deadline => DEADLINE,
            Reason::CallerLeft => CALLER_LEFT,
        };
        if self
            .shared
            .reason
            .compare_exchange(0, bits, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            self.shared.notify.notify_waiters();
        }
    }
}

/// Held while the request is under way; dropped armed, it cancels.
#[derive(Debug)]
pub(super) struct Guard(Option<Cancellation>);

impl Guard {
    pub(super) fn new(cancellation: Cancellation) -> Self {
        Self(Some(cancellation))
    }

    pub(super) fn answered(&mut self) {
        self.0 = None;
    }

    pub(super) fn late(&mut self) {
        if let Some(cancellation) = self.0.take() {
            cancellation.signal(Reason::Deadline);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(cancellation) = self.0.take() {
            cancellation.signal(Reason::CallerLeft);
        }
    }
}
