//! How many attempts lie before the request that is being served, so that retries of several hops do not multiply.
//!
//! A caller with retries numbers its attempts in `x-envoy-attempt-count`. While a request that is a retry itself is
//! served, clients of this crate make no further retries: the caller has a budget for them, and every hop adding its
//! own would multiply the load on whatever has failed.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use pin_project::pin_project;

use crate::header;

thread_local! {
    static SERVING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the request with these headers is a retry.
pub(crate) fn of(headers: &HeaderMap) -> bool {
    headers
        .get(header::ENVOY_ATTEMPT_COUNT)
        .and_then(|value| header::millis(value.as_bytes()))
        .is_some_and(|count| count.as_millis() > 1)
}

/// Whether what runs now serves a request that is a retry.
pub(crate) fn is_retry() -> bool {
    SERVING.get()
}

// Puts the former value back even on a panic.
struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        SERVING.set(self.0);
    }
}

/// Runs `act` as part of a request that is, or is not, a retry.
pub(crate) fn enter<T>(retry: bool, act: impl FnOnce() -> T) -> T {
    let _restore = Restore(SERVING.replace(retry));
    act()
}

/// A future that is polled as part of a request that is, or is not, a retry.
#[pin_project]
#[derive(Debug)]
pub(crate) struct Within<F> {
    #[pin]
    inner: F,
    retry: bool,
}

impl<F> Within<F> {
    pub(crate) fn new(inner: F, retry: bool) -> Self {
        Self { inner, retry }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        enter(*this.retry, || this.inner.poll(cx))
    }
}
