//! [`ResponseFuture`] of an observed call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use mesh_core::error::{BoxError, Error};
use pin_project::pin_project;

use super::record::CallRecord;
use crate::body::{Record, ResponseBody};
use crate::head::Head;
use crate::metrics::Outcome;

/// Response future of [`ObserveCall`](super::ObserveCall).
#[pin_project]
#[derive(Debug)]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    record: Option<CallRecord>,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, record: CallRecord) -> Self {
        Self {
            inner,
            record: Some(record),
        }
    }
}

impl<F, ResB, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    E: Into<BoxError>,
    ResB: Body,
{
    type Output = Result<Response<ResponseBody<ResB>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        let mut record = this
            .record
            .take()
            .expect("a future is not polled after it has completed");
        Poll::Ready(match result {
            Ok(response) => {
                record.headed(Head::of(&response));
                Ok(response.map(|body| ResponseBody::new(body, Record::Call(record))))
            }
            Err(error) => {
                let error = Error::from_boxed(error.into());
                record.end(Outcome::Failed(error.kind()));
                Err(error)
            }
        })
    }
}
