//! [`Client`]: calls to other services of the mesh.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use mesh_core::net::BoxConnect;
use mesh_core::{Body, BoxError, Error};
use mesh_observe::{ObserveAttempt, ObserveAttemptLayer, ObserveCall, ObserveCallLayer};
use mesh_retry::deadline::{DeadlineHeader, DeadlineHeaderLayer};
use mesh_retry::eject::{Eject, EjectLayer};
use mesh_retry::limit::{Limit, LimitLayer};
use mesh_retry::retry::{Retry, RetryLayer};
use mesh_retry::timeout::{Timeout, TimeoutLayer};
use mesh_split::balance::{Balance, BalanceLayer};
use mesh_split::client::EndpointClient;
use mesh_split::route::{Route, RouteLayer};
use mesh_split::select::{Select, SelectLayer};
use pin_project::pin_project;
use tower::ServiceBuilder;
use tower_service::Service;

use crate::Identity;

/// One attempt: from the level of a leg to a connection.
type Attempt =
    Select<Limit<Balance<Eject<ObserveAttempt<DeadlineHeader<EndpointClient<BoxConnect>>>>>>>;
/// One logical call.
type Stack = ObserveCall<Route<Timeout<Retry<Attempt>>>>;

/// A tower service that takes requests for services of the mesh: `http://backend/bird`.
///
/// The authority of the request's URI names the service. The order of its layers is written down once, here:
///
/// ```text
/// ObserveCall ─► Route ─► Timeout ─► Retry ─► Select ─► Limit ─► Balance ─► Eject ─► ObserveAttempt ─► endpoint
/// ```
///
/// `Clone`, `Send` and `Sync`; a clone is one reference count. It is always ready: admission happens when it is
/// called, so that no reservation is ever held. It takes any body.
#[derive(Clone)]
pub struct Client {
    stack: Arc<Stack>,
}

/// The client of a service. Its calls are made with the certificate, the connections and the counters of `me`.
#[must_use]
pub fn client(me: &Identity) -> Client {
    let stack = ServiceBuilder::new()
        .layer(ObserveCallLayer::new(me.observers().clone()))
        .layer(RouteLayer::new(me.scope().snapshots().clone()))
        .layer(TimeoutLayer::default())
        .layer(RetryLayer::default())
        .layer(SelectLayer::new())
        .layer(LimitLayer::default())
        .layer(BalanceLayer::new())
        .layer(EjectLayer::default())
        .layer(ObserveAttemptLayer::new(me.observers().clone()))
        .layer(DeadlineHeaderLayer::default())
        .service(EndpointClient::new(me.pools().clone()));
    Client {
        stack: Arc::new(stack),
    }
}

impl<B> Service<Request<B>> for Client
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        // No layer of the stack reserves anything in `poll_ready`, so a fresh clone is as ready as the original.
        let mut stack = Stack::clone(&self.stack);
        ResponseFuture {
            inner: stack.call(request.map(Body::new)),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

type StackFuture = <Stack as Service<Request<Body>>>::Future;
type StackResponse = <Stack as Service<Request<Body>>>::Response;

/// Names the body type of a response type.
trait Answer {
    type Body;
}

impl<B> Answer for Response<B> {
    type Body = B;
}

/// Future of [`Client`]. Dropping it cancels the call.
#[pin_project]
pub struct ResponseFuture {
    #[pin]
    inner: StackFuture,
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(self.project().inner.poll(cx));
        Poll::Ready(answer.map(|response| response.map(|inner| ResponseBody { inner })))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Body of a response of [`Client`]: it streams, carries trailers, and ends with [`Error`] when a time limit passes.
#[pin_project]
pub struct ResponseBody {
    #[pin]
    inner: <StackResponse as Answer>::Body,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().inner.poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
