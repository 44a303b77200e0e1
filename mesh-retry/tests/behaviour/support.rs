//! Inner services and routed requests for the tests.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use mesh_core::body::Body;
use mesh_core::context::Outbound;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::policy::{RetryPolicy, TimeoutPolicy};
use mesh_core::snapshot::Chain;
use mesh_core::testing::fixtures;
use tokio::time::Instant;
use tower_service::Service;

/// What the scripted service does with one call.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer(u16),
    Head(u16, Vec<(&'static str, &'static str)>),
    Fail(ErrorKind),
    Hang,
    After(Duration, u16),
}

/// What the scripted service saw of one call.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) attempt: Option<u32>,
}

/// A service that follows a script, whose last act repeats, and remembers what it saw.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    acts: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    pub(crate) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self {
            acts: Arc::new(Mutex::new(acts.into_iter().collect())),
            seen: Arc::default(),
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn next(&self) -> Act {
        let mut acts = self.acts.lock().unwrap();
        if acts.len() > 1 {
            acts.pop_front().unwrap()
        } else {
            acts.front().unwrap().clone()
        }
    }
}

impl<B> Service<Request<B>> for Script
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<mesh_core::error::BoxError>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let act = self.next();
        let seen = Arc::clone(&self.seen);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let at = Instant::now();
            let body = Body::new(body).collect().await?;
            seen.lock().unwrap().push(Seen {
                at,
                attempt: head
                    .extensions
                    .get::<Outbound>()
                    .map(Outbound::attempt_index),
                headers: head.headers,
                trailers: body.trailers().cloned(),
                body: body.to_bytes(),
            });
            match act {
                Act::Answer(status) => Ok(respond(status, &[])),
                Act::Head(status, headers) => Ok(respond(status, &headers)),
                Act::Fail(kind) => Err(Error::new(kind)),
                Act::Hang => std::future::pending().await,
                Act::After(wait, status) => {
                    tokio::time::sleep(wait).await;
                    Ok(respond(status, &[]))
                }
            }
        })
    }
}

pub(crate) fn respond(status: u16, headers: &[(&'static str, &'static str)]) -> Response<Body> {
    let mut response = Response::new(Body::from("body"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

pub(crate) fn get() -> Request<Body> {
    Request::new(Body::empty())
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A chain whose one route has these policies.
pub(crate) fn chain(timeout: TimeoutPolicy, retry: Option<RetryPolicy>) -> Arc<Chain> {
    let mut route = fixtures::route(Vec::new());
    route.timeout = timeout;
    route.retry = retry;
    fixtures::chain(fixtures::compiled("backend"), vec![route])
}

/// A request that is routed to the chain's first route, with its context.
pub(crate) fn routed(chain: &Arc<Chain>, mut request: Request<Body>) -> (Request<Body>, Outbound) {
    let (extensions, outbound) = fixtures::routed(chain);
    *request.extensions_mut() = extensions;
    (request, outbound)
}

/// A body that yields what is sent to it.
#[derive(Debug)]
pub(crate) struct Channel(tokio::sync::mpsc::UnboundedReceiver<Frame<Bytes>>);

pub(crate) type Feed = tokio::sync::mpsc::UnboundedSender<Frame<Bytes>>;

pub(crate) fn channel() -> (Feed, Channel) {
    let (feed, frames) = tokio::sync::mpsc::unbounded_channel();
    (feed, Channel(frames))
}

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

pub(crate) fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}
