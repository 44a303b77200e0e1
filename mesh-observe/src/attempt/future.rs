//! [`ResponseFuture`] of an observed attempt.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use mesh_core::error::{BoxError, Error};
use pin_project::pin_project;

use super::record::AttemptRecord;
use crate::head::Head;

/// Response future of [`ObserveAttempt`](super::ObserveAttempt).
#[pin_project]
#[derive(Debug)]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    record: AttemptRecord,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, record: AttemptRecord) -> Self {
        Self { inner, record }
    }
}

impl<F, ResB, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ResB>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.inner.poll(cx)) {
            Ok(response) => {
                this.record.responded(Head::of(&response));
                Ok(response)
            }
            Err(error) => {
                let error = Error::from_boxed(error.into());
                this.record.failed(error.kind());
                Err(error)
            }
        })
    }
}
