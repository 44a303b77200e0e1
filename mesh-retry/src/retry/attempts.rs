//! The attempts of one request: call, judge, wait, call again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::random;
use pin_project::pin_project;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

use super::body::Repeat;
use super::future::{Limit, Try};
use super::rules::Rules;
use super::verdict::{Asked, Idempotent, Outcome, Stop, Verdict, verdict};
use super::{Attempts, ReplayBody};
use crate::{depth, header};

/// A request that may be tried several times.
#[pin_project]
pub(super) struct Many<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    #[pin]
    phase: Phase<S::Future>,
    service: S,
    head: Parts,
    repeat: Repeat<B>,
    rules: Rules,
    attempt: Option<Outbound>,
    retries: u32,
    /// Kept while it may still have to be passed on.
    last: Option<Result<S::Response, Error>>,
    nested: bool,
}

#[pin_project(project = PhaseProj)]
enum Phase<F> {
    Trying(#[pin] Try<F>),
    Waiting(#[pin] Sleep),
    /// For the attempt before to let go of the body.
    Fetching,
}

impl<S, B> Many<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    pub(super) fn new(
        future: S::Future,
        limit: Option<Limit>,
        service: S,
        head: Parts,
        repeat: Repeat<B>,
        rules: Rules,
    ) -> Self {
        let attempt = rules.outbound().cloned();
        Self {
            phase: Phase::Trying(Try::new(future, limit, attempt.clone())),
            service,
            head,
            repeat,
            rules,
            attempt,
            retries: 0,
            last: None,
            nested: depth::is_retry(),
        }
    }
}

impl<S, B, ResB> Future for Many<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResB>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project().phase.project() {
                PhaseProj::Trying(attempt) => {
                    let result = ready!(attempt.poll(cx));
                    if let Some(result) = self.as_mut().judge(result) {
                        return Poll::Ready(result);
                    }
                }
                PhaseProj::Waiting(timer) => {
                    ready!(timer.poll(cx));
                    if let Some(result) = self.as_mut().prepare(cx) {
                        return Poll::Ready(result);
                    }
                }
                PhaseProj::Fetching => {
                    let this = self.as_mut().project();
                    let Some(body) = ready!(this.repeat.poll_next(cx)) else {
                        let error = Error::new(ErrorKind::RequestBody);
                        return Poll::Ready(Err(error.with_subject("can not be sent again")));
                    };
                    self.as_mut().again(body);
                }
            }
        }
    }
}

impl<S, B, ResB> Many<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    /// Passes a result on, or keeps it and waits for another attempt.
    fn judge(
        self: Pin<&mut Self>,
        result: Result<Response<ResB>, Error>,
    ) -> Option<Result<Response<ResB>, Error>> {
        let mut this = self.project();
        let now = Instant::now();
        let outcome = match &result {
            Ok(response) => Outcome::of_response(response.status().as_u16(), response.headers()),
            Err(error) => Outcome::of_error(error),
        };
        if let Some(attempt) = this.attempt.as_ref().map(Outbound::attempt) {
            let after = now.saturating_duration_since(attempt.started);
            attempt.set_outcome(outcome.noted(after));
        }
        let Some(policy) = this.rules.policy() else {
            return Some(result);
        };
        let asked = Asked {
            method: &this.head.method,
            idempotent: idempotent(this.head),
            replayable: this.repeat.is_possible(),
            retries: *this.retries,
            remaining: this
                .rules
                .deadline()
                .map(|deadline| deadline.saturating_duration_since(now)),
        };
        let stop = match verdict(policy, &asked, &outcome, random::draw()) {
            Verdict::Stop(stop) => stop,
            Verdict::Retry { .. } if *this.nested => Stop::Depth,
            Verdict::Retry { .. } if !this.rules.withdraw(now) => Stop::Budget,
            Verdict::Retry { reason, wait } => {
                tracing::debug!(?reason, ?wait, retry = *this.retries + 1, "trying again");
                *this.last = Some(result);
                this.phase.set(Phase::Waiting(tokio::time::sleep(wait)));
                return None;
            }
        };
        Some(finish(result, *this.retries, stop))
    }

    /// Readies another attempt, or passes the last result on.
    fn prepare(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Result<Response<ResB>, Error>> {
        let mut this = self.project();
        let stop = match this.service.poll_ready(cx) {
            Poll::Ready(Ok(())) if this.repeat.is_possible() => {
                // Dropped now: a connection that still sends the body lets go of it when its response is dropped.
                *this.last = None;
                this.phase.set(Phase::Fetching);
                return None;
            }
            Poll::Ready(Ok(())) => Stop::Body,
            Poll::Ready(Err(_)) | Poll::Pending => Stop::NotReady,
        };
        let last = this.last.take().expect("kept since the verdict");
        Some(finish(last, *this.retries, stop))
    }

    fn again(self: Pin<&mut Self>, mut body: ReplayBody<B>) {
        let mut this = self.project();
        *this.retries += 1;
        *this.attempt = this.rules.outbound().map(Outbound::next_attempt);
        let mut head = this.head.clone();
        head.headers.insert(
            header::ENVOY_ATTEMPT_COUNT,
            HeaderValue::from(this.retries.saturating_add(1)),
        );
        if let Some(attempt) = this.attempt.as_ref() {
            head.extensions.insert(attempt.clone());
        }
        let limit = Limit::on(&mut body, this.rules.per_try());
        let future = this.service.call(Request::from_parts(head, body));
        let attempt = Try::new(future, limit, this.attempt.clone());
        this.phase.set(Phase::Trying(attempt));
    }
}

/// What the application says about repeating the request.
fn idempotent(head: &Parts) -> Option<bool> {
    match head.extensions.get::<Idempotent>() {
        Some(Idempotent(said)) => Some(*said),
        None => head
            .headers
            .contains_key(header::IDEMPOTENCY_KEY)
            .then_some(true),
    }
}

fn finish<ResB>(
    mut result: Result<Response<ResB>, Error>,
    retries: u32,
    stop: Stop,
) -> Result<Response<ResB>, Error> {
    if matches!(stop, Stop::Exhausted | Stop::Budget | Stop::Pushback) {
        depth::spent();
    }
    if let (Ok(response), true) = (&mut result, retries > 0 || stop != Stop::Answered) {
        response.extensions_mut().insert(Attempts { retries, stop });
    }
    result
}
