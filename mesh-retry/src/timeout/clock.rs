//! When a call is out of time: plain arithmetic over instants, and the one timer that follows it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mesh_core::error::ErrorKind;
use tokio::time::{Instant, Sleep};

use crate::upload::{Upload, earliest};

/// The limits of one call and what it has done so far.
#[derive(Debug)]
pub(super) struct Clock {
    /// The earliest deadline that somebody else set.
    pub(super) hard: Option<Instant>,
    /// The policy's limit, counted from the end of the request body.
    pub(super) request: Option<Duration>,
    /// Longest silence.
    pub(super) idle: Option<Duration>,
    /// When the request had been received, where that was at once.
    pub(super) started: Instant,
    /// The request body on its way; `None` where there is none.
    pub(super) upload: Option<Arc<Upload>>,
    /// Last sign of life from the callee.
    pub(super) heard: Instant,
}

/// Why and whose limit ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elapsed {
    pub(super) kind: ErrorKind,
    /// Whether a limit of the policy did, rather than the deadline of a caller.
    pub(super) own: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Never,
    /// Nothing can be due before then.
    NotBefore(Instant),
    Elapsed(Elapsed),
}

impl Clock {
    /// What is due at `now`. While the request body is on its way its limit can not be known, only that it ends no
    /// earlier than a whole limit from now; asking again then makes it exact without anybody being woken.
    pub(super) fn due(&self, now: Instant) -> Due {
        let own = self.request.and_then(|limit| {
            let from = match &self.upload {
                None => self.started,
                Some(upload) => upload.waiting_since(now),
            };
            from.checked_add(limit)
        });
        let quiet = self.idle.and_then(|limit| {
            let sent = self
                .upload
                .as_ref()
                .map_or(self.heard, |upload| upload.moved());
            self.heard.max(sent).checked_add(limit)
        });
        let whole = earliest(self.hard, own);
        let elapsed = |kind, own| Due::Elapsed(Elapsed { kind, own });
        if whole.is_some_and(|at| at <= now) {
            return elapsed(ErrorKind::RequestTimeout, own.is_some_and(|at| at <= now));
        }
        if quiet.is_some_and(|at| at <= now) {
            return elapsed(ErrorKind::IdleTimeout, true);
        }
        earliest(whole, quiet).map_or(Due::Never, Due::NotBefore)
    }

    /// Waits on `timer`, which is made when it is first needed, until something is due.
    pub(super) fn poll(
        &self,
        mut timer: Pin<&mut Option<Sleep>>,
        cx: &mut Context<'_>,
    ) -> Poll<Elapsed> {
        loop {
            let at = match self.due(Instant::now()) {
                Due::Never => return Poll::Pending,
                Due::Elapsed(elapsed) => return Poll::Ready(elapsed),
                Due::NotBefore(at) => at,
            };
            match timer.as_mut().as_pin_mut() {
                None => timer.set(Some(tokio::time::sleep_until(at))),
                // A timer that rings too early is asked again; only one that would ring too late is moved.
                Some(set) if set.is_elapsed() || set.deadline() > at => set.reset(at),
                Some(_) => {}
            }
            if let Some(set) = timer.as_mut().as_pin_mut() {
                ready!(set.poll(cx));
            }
        }
    }
}
