//! The future of [`Route`](super::Route).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use mesh_core::context::Outbound;
use mesh_core::error::{BoxError, Error};
use pin_project::pin_project;

use super::apply;

/// Edits the headers of the response when it comes.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    state: State<F>,
}

#[pin_project(project = StateProj)]
#[derive(Debug)]
enum State<F> {
    Routed {
        #[pin]
        inner: F,
        outbound: Outbound,
    },
    Refused(Option<Error>),
}

impl<F> ResponseFuture<F> {
    pub(super) fn routed(inner: F, outbound: Outbound) -> Self {
        Self {
            state: State::Routed { inner, outbound },
        }
    }

    pub(super) fn refused(error: Error) -> Self {
        Self {
            state: State::Refused(Some(error)),
        }
    }
}

impl<F, ResB, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ResB>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Routed { inner, outbound } => {
                let answered = ready!(inner.poll(cx));
                Poll::Ready(match answered {
                    Ok(mut response) => {
                        apply::edit_response(outbound, response.headers_mut());
                        Ok(response)
                    }
                    Err(error) => Err(Error::from_boxed(error.into())),
                })
            }
            StateProj::Refused(error) => {
                Poll::Ready(Err(error.take().expect("not polled after completion")))
            }
        }
    }
}
