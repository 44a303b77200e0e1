//! What retries of one hop tell the next, so that those of several hops do not multiply.
//!
//! Inwards: a caller with retries numbers its attempts in `x-envoy-attempt-count`. While a request that is a retry
//! itself is served, clients of this crate make no further retries. Outwards: a request that failed although, or
//! because, retries of the calls made for it were used up is answered with `x-mesh-retries-spent`, and its caller
//! passes that on rather than have the same retries made again. Either way each failure is retried at one hop.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use pin_project::pin_project;

use crate::header;

/// The request that is being served.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Serving {
    /// It is a retry of its caller.
    retry: bool,
    /// A call made for it has used up its retries.
    spent: bool,
}

thread_local! {
    static SERVING: Cell<Serving> = const { Cell::new(Serving { retry: false, spent: false }) };
}

/// Whether what runs now serves a request that is a retry.
pub(crate) fn is_retry() -> bool {
    SERVING.get().retry
}

/// Notes that a call has used up its retries.
pub(crate) fn spent() {
    SERVING.set(Serving {
        spent: true,
        ..SERVING.get()
    });
}

impl Serving {
    /// The request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let count = headers
            .get(header::ENVOY_ATTEMPT_COUNT)
            .and_then(|value| header::millis(value.as_bytes()));
        Self {
            retry: count.is_some_and(|count| count.as_millis() > 1),
            spent: false,
        }
    }

    /// Runs `act` as part of the request.
    pub(crate) fn enter<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let former = SERVING.replace(*self);
        let _leave = Leave { own: self, former };
        act()
    }
}

// Puts the former value back even on a panic.
struct Leave<'a> {
    own: &'a mut Serving,
    former: Serving,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        *self.own = SERVING.replace(self.former);
    }
}

/// A future that is polled as part of a request.
#[pin_project]
#[derive(Debug)]
pub(crate) struct Within<F> {
    #[pin]
    inner: F,
    serving: Serving,
}

impl<F> Within<F> {
    pub(crate) fn new(inner: F, serving: Serving) -> Self {
        Self { inner, serving }
    }

    /// Whether a call made so far has used up its retries.
    pub(crate) fn has_spent(&self) -> bool {
        self.serving.spent
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.serving.enter(|| this.inner.poll(cx))
    }
}
