//! [`DeadlineHeaderLayer`]: tells the callee how long its answer is waited for.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body::Body;
use mesh_core::context::{Inbound, Outbound};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::header;

/// Longest body of known length that is taken to be sent at once with its head.
const SHORT_BODY: u64 = 64 * 1024;

/// Makes [`DeadlineHeader`] services. Place: innermost, so that each attempt states what remains for it.
#[derive(Clone, Debug)]
#[must_use]
pub struct DeadlineHeaderLayer {
    header: HeaderName,
}

impl DeadlineHeaderLayer {
    /// Writes the remaining milliseconds into that header.
    pub fn new(header: HeaderName) -> Self {
        Self { header }
    }
}

impl Default for DeadlineHeaderLayer {
    /// Writes `x-mesh-deadline-ms`.
    fn default() -> Self {
        Self::new(header::DEADLINE_MS)
    }
}

impl<S> Layer<S> for DeadlineHeaderLayer {
    type Service = DeadlineHeader<S>;

    fn layer(&self, inner: S) -> DeadlineHeader<S> {
        DeadlineHeader {
            inner,
            header: self.header.clone(),
        }
    }
}

/// Writes the remaining time into the headers of an attempt.
///
/// A header of that name which the application set is replaced; a `grpc-timeout` is only ever shortened. Without any
/// known deadline nothing is written, and the header of an earlier hop is removed, as what it states is outdated.
#[derive(Clone, Debug)]
pub struct DeadlineHeader<S> {
    inner: S,
    header: HeaderName,
}

impl<S, B> Service<Request<B>> for DeadlineHeader<S>
where
    S: Service<Request<B>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        match remaining(&request, Instant::now()) {
            Some(remaining) => write(request.headers_mut(), &self.header, remaining),
            None => drop(request.headers_mut().remove(&self.header)),
        }
        self.inner.call(request)
    }
}

/// What remains for an attempt. While a short request body is on its way its limit has not begun; then the whole
/// limit remains, which is what Envoy states in the same case.
fn remaining<B: Body>(request: &Request<B>, now: Instant) -> Option<Duration> {
    let outbound = request.extensions().get::<Outbound>();
    let deadline = match outbound {
        Some(outbound) => outbound.deadline(),
        None => Inbound::current().and_then(|inbound| inbound.deadline()),
    };
    if let Some(deadline) = deadline {
        return Some(deadline.saturating_duration_since(now));
    }
    let short = request
        .body()
        .size_hint()
        .upper()
        .is_some_and(|most| most <= SHORT_BODY);
    outbound?.route()?.timeout.request.filter(|_| short)
}

/// Writes the time that remains at `now` until the call's deadline into an attempt's headers: milliseconds, rounded
/// down, into `header`, and into `grpc-timeout` where that is present and longer, or the call is gRPC. Does nothing
/// while no deadline is known.
pub fn inject(outbound: &Outbound, header: &HeaderName, headers: &mut HeaderMap, now: Instant) {
    if let Some(deadline) = outbound.deadline() {
        write(headers, header, deadline.saturating_duration_since(now));
    }
}

fn write(headers: &mut HeaderMap, header: &HeaderName, remaining: Duration) {
    let millis = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
    headers.insert(header, HeaderValue::from(millis));
    let narrow = match headers.get(header::GRPC_TIMEOUT) {
        Some(asked) => header::grpc_timeout(asked.as_bytes()).is_none_or(|asked| asked > remaining),
        None => header::is_grpc(headers),
    };
    if narrow {
        headers.insert(header::GRPC_TIMEOUT, header::write_grpc_timeout(remaining));
    }
}
