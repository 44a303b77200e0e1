//! [`EndpointClient`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use mesh_core::body::Body;
use mesh_core::context::Outbound;
use mesh_core::endpoint::Endpoint;
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::net::Connect;
use mesh_core::snapshot::Target;
use tower_service::Service;

use super::{Pools, ResponseBody, error, request};

/// Sends a request to its endpoint; see the [module](crate::client). A clone is one reference count.
pub struct EndpointClient<C> {
    pools: Pools<C>,
    fixed: Option<Arc<Endpoint>>,
}

impl<C: Connect> EndpointClient<C> {
    /// Sends to the endpoint noted in the attempt.
    pub fn new(pools: Pools<C>) -> Self {
        Self { pools, fixed: None }
    }

    /// Sends to `endpoint` where none is noted in the attempt, which makes the client usable alone. No limits apply
    /// to requests without a target.
    pub fn fixed(pools: Pools<C>, endpoint: Arc<Endpoint>) -> Self {
        Self {
            pools,
            fixed: Some(endpoint),
        }
    }
}

impl<C> EndpointClient<C> {
    /// The pools that connections come from.
    pub fn pools(&self) -> &Pools<C> {
        &self.pools
    }
}

impl<C, B> Service<Request<B>> for EndpointClient<C>
where
    C: Connect,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture {
        let outbound = request.extensions_mut().remove::<Outbound>();
        let attempt = outbound.as_ref().map(Outbound::attempt);
        let picked = attempt.and_then(|attempt| attempt.endpoint());
        let Some(endpoint) = picked.or(self.fixed.as_ref()).cloned() else {
            let nowhere = Error::new(ErrorKind::NoHealthyEndpoint).with_subject("no endpoint");
            return ResponseFuture(State::Refused(Some(nowhere)));
        };
        if request.method() == Method::CONNECT {
            let refused = Error::new(ErrorKind::Other).with_subject("CONNECT is not supported");
            return ResponseFuture(State::Refused(Some(refused.unsent())));
        }
        let target = attempt.and_then(|attempt| attempt.target()).cloned();
        request::strip(&mut request);
        let pools = self.pools.clone();
        let request = request.map(Body::new);
        ResponseFuture(State::Sent(Box::pin(exchange(
            pools, endpoint, target, request,
        ))))
    }
}

/// One request, one response head.
async fn exchange<C: Connect>(
    pools: Pools<C>,
    endpoint: Arc<Endpoint>,
    target: Option<Arc<Target>>,
    mut request: Request<Body>,
) -> Result<Response<ResponseBody>, Error> {
    let mut reuse = true;
    loop {
        let mut lease = pools.acquire(&endpoint, target.as_deref(), reuse).await?;
        request::shape(&mut request, lease.version(), &endpoint)?;
        let mut failed = match lease.send(request).await {
            Ok(mut response) => {
                request::strip_fields(response.headers_mut());
                return Ok(response.map(|body| ResponseBody::new(body, lease)));
            }
            Err(failed) => failed,
        };
        match failed.take_message() {
            // The server closed the connection before the request was written to it. That is nobody's failure.
            Some(unsent) if reuse && lease.reused => {
                request = unsent;
                reuse = false;
                lease.retire();
            }
            message => {
                let unsent = message.is_some();
                return Err(error::of_request(
                    failed.into_error(),
                    unsent,
                    &endpoint.key,
                ));
            }
        }
    }
}

/// The one future that is boxed, because hyper's can not be named.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(State);

enum State {
    Sent(Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Error>> + Send>>),
    Refused(Option<Error>),
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Sent(exchange) => exchange.as_mut().poll(cx),
            State::Refused(error) => {
                Poll::Ready(Err(error.take().expect("not polled after completion")))
            }
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// A derive would ask for `C: Clone`.
impl<C> Clone for EndpointClient<C> {
    fn clone(&self) -> Self {
        Self {
            pools: self.pools.clone(),
            fixed: self.fixed.clone(),
        }
    }
}

impl<C> fmt::Debug for EndpointClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointClient")
            .field("pools", &self.pools)
            .field("fixed", &self.fixed.as_ref().map(|endpoint| &endpoint.key))
            .finish()
    }
}
