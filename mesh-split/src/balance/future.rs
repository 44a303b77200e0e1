//! The future of [`Balance`](super::Balance).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error};
use mesh_core::snapshot::Target;
use pin_project::pin_project;
use tower_service::Service;

use super::load::Load;
use super::{Balance, ResponseBody};

/// Waits for the inner response and hands its load to the body.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    #[pin]
    state: State<S, B>,
}

#[pin_project(project = StateProj)]
enum State<S, B>
where
    S: Service<Request<B>>,
{
    Sent {
        #[pin]
        inner: S::Future,
        load: Option<Load>,
    },
    // Only before a target's endpoints are known, so it may cost a box and must not make the others larger.
    Waiting(Box<Waiting<S, B>>),
    Refused(Option<Error>),
}

struct Waiting<S, B> {
    settled: Pin<Box<dyn Future<Output = ()> + Send>>,
    balance: Balance<S>,
    target: Arc<Target>,
    outbound: Outbound,
    request: Option<Request<B>>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn sent(inner: S::Future, load: Load) -> Self {
        Self {
            state: State::Sent {
                inner,
                load: Some(load),
            },
        }
    }

    pub(super) fn refused(error: Error) -> Self {
        Self {
            state: State::Refused(Some(error)),
        }
    }

    pub(super) fn waiting(
        balance: Balance<S>,
        target: Arc<Target>,
        outbound: Outbound,
        request: Request<B>,
    ) -> Self {
        let waited_for = Arc::clone(&target);
        let settled = Box::pin(async move {
            let bound = waited_for.policy().connect_timeout;
            // On time-out the set is used as it is.
            let _ = tokio::time::timeout(bound, waited_for.usable()).await;
        });
        Self {
            state: State::Waiting(Box::new(Waiting {
                settled,
                balance,
                target,
                outbound,
                request: Some(request),
            })),
        }
    }
}

impl<S, B, ResB> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    ResB: Body,
{
    type Output = Result<Response<ResponseBody<ResB>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Sent { inner, load } => {
                    let answered = ready!(inner.poll(cx));
                    let load = load.take().expect("not polled after completion");
                    return Poll::Ready(finish(answered, load));
                }
                StateProj::Refused(error) => {
                    return Poll::Ready(Err(error.take().expect("not polled after completion")));
                }
                StateProj::Waiting(waiting) => {
                    ready!(waiting.settled.as_mut().poll(cx));
                    waiting.send()
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    fn send(&mut self) -> State<S, B> {
        let request = self.request.take().expect("sent once");
        let set = self.target.endpoints();
        let assigned = self
            .balance
            .assign(&request, &self.outbound, &self.target, &set);
        match assigned {
            Ok(load) => State::Sent {
                inner: self.balance.inner_mut().call(request),
                load: Some(load),
            },
            Err(error) => State::Refused(Some(error)),
        }
    }
}

fn finish<ResB: Body, E: Into<BoxError>>(
    answered: Result<Response<ResB>, E>,
    mut load: Load,
) -> Result<Response<ResponseBody<ResB>>, Error> {
    match answered {
        Ok(response) => {
            load.answered(response.status(), response.headers());
            Ok(response.map(|body| ResponseBody::new(body, load)))
        }
        Err(error) => {
            let error = Error::from_boxed(error.into());
            load.failed(error.kind());
            Err(error)
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Sent { .. } => "sent",
            State::Waiting(_) => "waiting",
            State::Refused(_) => "refused",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish()
    }
}
