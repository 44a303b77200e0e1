//! The contract of [`tower_service::Service`], as a suite that every layer passes.
//!
//! [`Probe`] is an inner service that knows whether it was readied before it was called. [`check`] wraps it in the
//! layer under test and drives the laws that tower's documentation states: readiness is forwarded and so are its
//! errors, the readied instance is the one that is called, a clone is not ready, a waiting caller is woken.

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tower_layer::Layer;
use tower_service::Service;

use crate::error::BoxError;

/// A service whose readiness a test controls and that notes every breach of the contract.
pub struct Probe<Res> {
    shared: Arc<Shared>,
    respond: Arc<dyn Fn() -> Res + Send + Sync>,
    readied: bool,
}

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    broken: AtomicBool,
    calls: AtomicUsize,
    unready_calls: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
}

impl<Res> Probe<Res> {
    /// A ready service that answers with `respond`.
    pub fn new(respond: impl Fn() -> Res + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared::default()),
            respond: Arc::new(respond),
            readied: false,
        }
    }

    /// Makes readiness pending until [`Probe::open`].
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
    }

    /// Makes the service ready and wakes whoever waits.
    pub fn open(&self) {
        self.shared.closed.store(false, Ordering::SeqCst);
        for waker in self
            .shared
            .wakers
            .lock()
            .expect("no test panics while holding it")
            .drain(..)
        {
            waker.wake();
        }
    }

    /// Makes `poll_ready` fail from now on.
    pub fn break_it(&self) {
        self.shared.broken.store(true, Ordering::SeqCst);
    }

    /// How often the service was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// How often an instance was called that had not been polled ready.
    #[must_use]
    pub fn unready_calls(&self) -> usize {
        self.shared.unready_calls.load(Ordering::SeqCst)
    }
}

impl<Res> Clone for Probe<Res> {
    /// The clone is not ready.
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            respond: Arc::clone(&self.respond),
            readied: false,
        }
    }
}

impl<Res> std::fmt::Debug for Probe<Res> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe")
            .field("readied", &self.readied)
            .finish_non_exhaustive()
    }
}

impl<Req, Res> Service<Req> for Probe<Res> {
    type Response = Res;
    type Error = BoxError;
    type Future = Ready<Result<Res, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.shared.broken.load(Ordering::SeqCst) {
            return Poll::Ready(Err("the inner service is broken".into()));
        }
        if self.shared.closed.load(Ordering::SeqCst) {
            self.shared
                .wakers
                .lock()
                .expect("no test panics while holding it")
                .push(cx.waker().clone());
            return Poll::Pending;
        }
        self.readied = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Req) -> Self::Future {
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        if !std::mem::take(&mut self.readied) {
            self.shared.unready_calls.fetch_add(1, Ordering::SeqCst);
        }
        ready(Ok((self.respond)()))
    }
}

/// Drives the contract over `layer`. `request` makes a request that the layer passes on to the inner service.
///
/// # Panics
/// When a law is broken; the message names it.
pub async fn check<L, Req, Res>(layer: &L, probe: Probe<Res>, request: impl Fn() -> Req)
where
    L: Layer<Probe<Res>>,
    L::Service: Service<Req> + Clone,
    <L::Service as Service<Req>>::Error: std::fmt::Debug,
{
    let mut service = layer.layer(probe.clone());

    probe.close();
    {
        let mut waiting = std::pin::pin!(std::future::poll_fn(|cx| service.poll_ready(cx)));
        let pending = futures::poll!(waiting.as_mut()).is_pending();
        assert!(
            pending,
            "readiness is forwarded: the inner service is not ready, so the layer is not"
        );
        probe.open();
        let woken = waiting.await;
        assert!(
            woken.is_ok(),
            "a waiting caller is woken and finds the service ready"
        );
    }
    let answered = service.call(request()).await;
    assert!(answered.is_ok(), "a readied service answers");
    assert!(probe.calls() >= 1, "the request reached the inner service");
    assert_eq!(
        probe.unready_calls(),
        0,
        "the instance that was polled ready is the one that is called"
    );

    let mut first = service.clone();
    let ready = std::future::poll_fn(|cx| first.poll_ready(cx)).await;
    assert!(ready.is_ok(), "a clone can be readied");
    let mut second = first.clone();
    let ready = std::future::poll_fn(|cx| second.poll_ready(cx)).await;
    assert!(ready.is_ok(), "a clone of a ready service is readied anew");
    assert!(second.call(request()).await.is_ok(), "the clone answers");
    assert_eq!(
        probe.unready_calls(),
        0,
        "a clone does not inherit readiness"
    );

    probe.break_it();
    let broken = std::future::poll_fn(|cx| first.poll_ready(cx)).await;
    assert!(
        broken.is_err(),
        "an inner service that fails to become ready is reported"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Forward<S>(S);

    impl<S: Service<u32>> Service<u32> for Forward<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: u32) -> S::Future {
            self.0.call(request)
        }
    }

    #[derive(Clone)]
    struct CallsAClone<S>(S);

    impl<S: Service<u32> + Clone> Service<u32> for CallsAClone<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: u32) -> S::Future {
            self.0.clone().call(request)
        }
    }

    #[tokio::test]
    async fn a_forwarding_layer_passes() {
        check(&tower_layer::layer_fn(Forward), Probe::new(|| ()), || 1u32).await;
    }

    #[tokio::test]
    #[should_panic(expected = "the instance that was polled ready")]
    async fn a_layer_that_calls_a_fresh_clone_fails() {
        check(
            &tower_layer::layer_fn(CallsAClone),
            Probe::new(|| ()),
            || 1u32,
        )
        .await;
    }
}
