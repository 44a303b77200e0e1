//! The future of a layer that either passes a request on or refuses it at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use mesh_core::error::{BoxError, Error};
use pin_project::pin_project;

/// The inner future, or a refusal.
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
    Passed(#[pin] F),
    Refused(Option<Error>),
}

impl<F> ResponseFuture<F> {
    pub(crate) fn passed(inner: F) -> Self {
        Self {
            state: State::Passed(inner),
        }
    }

    pub(crate) fn refused(error: Error) -> Self {
        Self {
            state: State::Refused(Some(error)),
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Passed(inner) => inner
                .poll(cx)
                .map_err(|error| Error::from_boxed(error.into())),
            StateProj::Refused(error) => {
                Poll::Ready(Err(error.take().expect("not polled after completion")))
            }
        }
    }
}
