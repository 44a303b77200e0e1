//! A place among the requests in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mesh_core::endpoint::TargetState;

/// What is counted: requests to a target, or requests to this process.
#[derive(Debug)]
pub(super) enum Counter {
    Target {
        state: Arc<TargetState>,
        retry: bool,
    },
    Process(Arc<AtomicU32>),
}

impl Counter {
    fn requests(&self) -> &AtomicU32 {
        match self {
            Self::Target { state, .. } => &state.requests,
            Self::Process(requests) => requests,
        }
    }
}

/// Held while a request is in flight.
#[derive(Debug)]
pub(super) struct Permit(Counter);

impl Permit {
    /// Takes a place if fewer than `most` are taken.
    pub(super) fn take(counter: Counter, most: u32) -> Option<Self> {
        counter
            .requests()
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < most).then(|| taken + 1)
            })
            .ok()?;
        if let Counter::Target { state, retry: true } = &counter {
            state.retries.fetch_add(1, Ordering::Relaxed);
        }
        Some(Self(counter))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.requests().fetch_sub(1, Ordering::Relaxed);
        if let Counter::Target { state, retry: true } = &self.0 {
            state.retries.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
