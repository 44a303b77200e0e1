//! How layers speak: [`Outbound`] on the client side, [`Inbound`] on the server side.
//!
//! Each is one handle in the request's extensions. Slots are written once; a layer that finds a slot empty uses the
//! policy it was built with, so that no layer needs another one. An outer layer keeps a clone of the handle and still
//! knows which endpoint was tried when the inner future timed out, failed or was dropped. The endpoint client removes
//! both before anything is sent, so that a forwarded request inherits nothing.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Extensions;
use pin_project::pin_project;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::ErrorKind;
use crate::identity::PeerIdentity;
use crate::intention::Verdict;
use crate::snapshot::{Chain, Leg, Route, Target};

/// The context of one logical outgoing request, seen from one of its attempts.
#[derive(Clone, Debug)]
pub struct Outbound {
    call: Arc<Call>,
    attempt: u32,
}

#[derive(Debug)]
struct Call {
    started: Instant,
    chain: OnceLock<Arc<Chain>>,
    route: OnceLock<usize>,
    leg: AtomicU32,
    deadline: OnceLock<Instant>,
    first: Attempt,
    more: OnceLock<Box<Node>>,
}

#[derive(Debug)]
struct Node {
    attempt: Attempt,
    next: OnceLock<Box<Node>>,
}

const NO_LEG: u32 = u32::MAX;

/// What is known of one attempt.
#[derive(Debug)]
pub struct Attempt {
    /// When it began.
    pub started: Instant,
    target: OnceLock<Arc<Target>>,
    endpoint: OnceLock<Arc<Endpoint>>,
    outcome: OnceLock<AttemptOutcome>,
}

/// How an attempt ended, as far as its response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// A response head arrived.
    Response {
        /// HTTP status.
        status: u16,
        /// `grpc-status`, when it stood in the head.
        grpc: Option<u8>,
        /// Time to the head.
        after: Duration,
    },
    /// There is no response.
    Failed {
        /// Why.
        kind: ErrorKind,
        /// Time to the failure.
        after: Duration,
    },
}

impl Attempt {
    fn new(started: Instant) -> Self {
        Self {
            started,
            target: OnceLock::new(),
            endpoint: OnceLock::new(),
            outcome: OnceLock::new(),
        }
    }

    /// The target, once selected.
    pub fn target(&self) -> Option<&Arc<Target>> {
        self.target.get()
    }

    /// The endpoint, once picked.
    pub fn endpoint(&self) -> Option<&Arc<Endpoint>> {
        self.endpoint.get()
    }

    /// The outcome, once known. An attempt that was dropped has none.
    pub fn outcome(&self) -> Option<AttemptOutcome> {
        self.outcome.get().copied()
    }

    /// Notes the target. The first note stays.
    pub fn set_target(&self, target: Arc<Target>) {
        let _ = self.target.set(target);
    }

    /// Notes the endpoint. The first note stays.
    pub fn set_endpoint(&self, endpoint: Arc<Endpoint>) {
        let _ = self.endpoint.set(endpoint);
    }

    /// Notes the outcome. The first note stays.
    pub fn set_outcome(&self, outcome: AttemptOutcome) {
        let _ = self.outcome.set(outcome);
    }
}

impl Outbound {
    /// Begins a fresh context, replacing any that is there, and leaves a clone in the extensions.
    pub fn begin(extensions: &mut Extensions) -> Self {
        let started = Instant::now();
        let outbound = Self {
            call: Arc::new(Call {
                started,
                chain: OnceLock::new(),
                route: OnceLock::new(),
                leg: AtomicU32::new(NO_LEG),
                deadline: OnceLock::new(),
                first: Attempt::new(started),
                more: OnceLock::new(),
            }),
            attempt: 0,
        };
        extensions.insert(outbound.clone());
        outbound
    }

    /// The context in the extensions if it was not routed yet, else a fresh one. A forwarded request that carries
    /// the context of an earlier call thus inherits nothing.
    pub fn claim(extensions: &mut Extensions) -> Self {
        match extensions.get::<Self>() {
            Some(present) if present.call.chain.get().is_none() => present.clone(),
            _ => Self::begin(extensions),
        }
    }

    /// The context in the extensions, or a fresh one.
    pub fn of(extensions: &mut Extensions) -> Self {
        match extensions.get::<Self>() {
            Some(present) => present.clone(),
            None => Self::begin(extensions),
        }
    }

    /// When the logical request began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.call.started
    }

    /// Pins the chain and the route for all attempts. The first note stays; `route` is an index into the chain.
    pub fn set_route(&self, chain: Arc<Chain>, route: usize) {
        if self.call.chain.set(chain).is_ok() {
            let _ = self.call.route.set(route);
        }
    }

    /// The chain that the request is pinned to.
    pub fn chain(&self) -> Option<&Arc<Chain>> {
        self.call.chain.get()
    }

    /// The route that matched.
    pub fn route(&self) -> Option<&Route> {
        self.chain()?.routes.get(*self.call.route.get()?)
    }

    /// Notes the leg; a later note (a re-drawn leg) replaces it.
    pub fn set_leg(&self, leg: usize) {
        self.call
            .leg
            .store(u32::try_from(leg).unwrap_or(NO_LEG), Ordering::Relaxed);
    }

    /// The leg of the split that was drawn.
    pub fn leg(&self) -> Option<&Leg> {
        self.route()?
            .legs
            .get(self.call.leg.load(Ordering::Relaxed) as usize)
    }

    /// Sets the instant at which the caller stops waiting. The first note stays.
    pub fn set_deadline(&self, deadline: Instant) {
        let _ = self.call.deadline.set(deadline);
    }

    /// The instant at which the caller stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.call.deadline.get().copied()
    }

    /// Begins a further attempt; the handle returned sees it, this one still sees its own.
    #[must_use]
    pub fn next_attempt(&self) -> Self {
        let mut index = 1;
        let mut slot = &self.call.more;
        let mut node = Box::new(Node {
            attempt: Attempt::new(Instant::now()),
            next: OnceLock::new(),
        });
        // Two hedged attempts may append at once; whoever loses the slot tries the next one.
        while let Err(back) = slot.set(node) {
            node = back;
            slot = &slot
                .get()
                .expect("a slot that could not be set is set")
                .next;
            index += 1;
        }
        Self {
            call: Arc::clone(&self.call),
            attempt: index,
        }
    }

    /// Number of this handle's attempt, from 0.
    #[must_use]
    pub fn attempt_index(&self) -> u32 {
        self.attempt
    }

    /// This handle's attempt.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        self.attempts()
            .nth(self.attempt as usize)
            .unwrap_or(&self.call.first)
    }

    /// All attempts so far, in order.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        let mut next = self.call.more.get();
        std::iter::once(&self.call.first).chain(std::iter::from_fn(move || {
            let node = next?;
            next = node.next.get();
            Some(&node.attempt)
        }))
    }

    /// Whether an attempt before this one went to that endpoint.
    #[must_use]
    pub fn has_tried(&self, endpoint: &Endpoint) -> bool {
        self.attempts().take(self.attempt as usize).any(|attempt| {
            attempt
                .endpoint()
                .is_some_and(|tried| tried.key == endpoint.key)
        })
    }
}

/// What the accepting side knows about a connection.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Address of the peer's socket.
    pub remote: Option<SocketAddr>,
    /// Address the connection was accepted on.
    pub local: Option<SocketAddr>,
    /// The peer's verified identity; `None` on plaintext connections.
    pub peer: Option<PeerIdentity>,
}

/// The context of one incoming request.
#[derive(Clone, Debug)]
pub struct Inbound {
    shared: Arc<InboundShared>,
}

#[derive(Debug)]
struct InboundShared {
    started: Instant,
    connection: Option<Arc<ConnectionInfo>>,
    verdict: OnceLock<Verdict>,
    deadline: OnceLock<Instant>,
}

impl Inbound {
    /// Begins a fresh context, replacing any that is there, and leaves a clone in the extensions.
    pub fn begin(extensions: &mut Extensions, connection: Option<Arc<ConnectionInfo>>) -> Self {
        let inbound = Self {
            shared: Arc::new(InboundShared {
                started: Instant::now(),
                connection,
                verdict: OnceLock::new(),
                deadline: OnceLock::new(),
            }),
        };
        extensions.insert(inbound.clone());
        inbound
    }

    /// The context in the extensions, or a fresh one without connection.
    pub fn of(extensions: &mut Extensions) -> Self {
        match extensions.get::<Self>() {
            Some(present) => present.clone(),
            None => Self::begin(extensions, None),
        }
    }

    /// When the request's head had arrived.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.shared.started
    }

    /// The connection, where the server was ours.
    pub fn connection(&self) -> Option<&Arc<ConnectionInfo>> {
        self.shared.connection.as_ref()
    }

    /// The verified identity of the caller.
    pub fn peer(&self) -> Option<&PeerIdentity> {
        self.connection()?.peer.as_ref()
    }

    /// Notes the verdict. The first note stays.
    pub fn set_verdict(&self, verdict: Verdict) {
        let _ = self.shared.verdict.set(verdict);
    }

    /// The verdict on this request.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.shared.verdict.get()
    }

    /// Sets the instant at which the caller stops waiting. The first note stays.
    pub fn set_deadline(&self, deadline: Instant) {
        let _ = self.shared.deadline.set(deadline);
    }

    /// The instant at which the caller stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.deadline.get().copied()
    }

    /// The request that the running task serves, if its server stack said so with [`Inbound::scope`]. An outgoing
    /// call made inside a handler finds its caller's deadline here.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Makes this the [`Inbound::current`] one whenever `future` is polled.
    pub fn scope<F: Future>(self, future: F) -> Scoped<F> {
        Scoped {
            future,
            inbound: Some(self),
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Inbound>> = const { RefCell::new(None) };
}

/// Future of [`Inbound::scope`].
#[pin_project]
#[derive(Debug)]
pub struct Scoped<F> {
    #[pin]
    future: F,
    inbound: Option<Inbound>,
}

// Puts the former value back even when the inner poll panics.
struct Restore<'a> {
    own: &'a mut Option<Inbound>,
    former: Option<Inbound>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        *self.own = CURRENT.replace(self.former.take());
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let former = CURRENT.replace(this.inbound.take());
        let _restore = Restore {
            own: this.inbound,
            former,
        };
        this.future.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attempts_are_kept_in_order_and_each_handle_sees_its_own() {
        let first = Outbound::begin(&mut Extensions::new());
        let second = first.next_attempt();
        let third = first.next_attempt();
        assert_eq!(
            (
                first.attempt_index(),
                second.attempt_index(),
                third.attempt_index()
            ),
            (0, 1, 2)
        );
        second.attempt().set_outcome(AttemptOutcome::Failed {
            kind: ErrorKind::Reset,
            after: Duration::ZERO,
        });
        assert_eq!(
            first
                .attempts()
                .map(|a| a.outcome().is_some())
                .collect::<Vec<_>>(),
            [false, true, false]
        );
    }

    #[tokio::test]
    async fn the_current_request_is_the_one_being_polled() {
        let outer = Inbound::begin(&mut Extensions::new(), None);
        let inner = Inbound::begin(&mut Extensions::new(), None);
        outer.set_deadline(Instant::now());
        let nested = outer.scope(async move {
            let seen_inside = inner
                .scope(async { Inbound::current().and_then(|i| i.deadline()) })
                .await;
            tokio::task::yield_now().await;
            (seen_inside, Inbound::current().and_then(|i| i.deadline()))
        });
        let (inside, after) = nested.await;
        assert!(inside.is_none() && after.is_some());
        assert!(Inbound::current().is_none());
    }

    #[tokio::test]
    async fn claiming_takes_only_a_context_that_was_not_routed() {
        let mut extensions = Extensions::new();
        let begun = Outbound::begin(&mut extensions);
        let claimed = Outbound::claim(&mut extensions);
        assert!(Arc::ptr_eq(&begun.call, &claimed.call));
    }
}
