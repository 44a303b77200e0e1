//! [`ResponseFuture`] of an observed request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use mesh_core::error::ErrorKind;
use pin_project::pin_project;

use super::record::ServerRecord;
use crate::body::{Record, ResponseBody};
use crate::head::Head;
use crate::metrics::Outcome;

/// Response future of [`ObserveServer`](super::ObserveServer).
#[pin_project]
#[derive(Debug)]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    record: Option<ServerRecord>,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, record: ServerRecord) -> Self {
        Self {
            inner,
            record: Some(record),
        }
    }
}

impl<F, ResB, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    ResB: Body,
{
    type Output = Result<Response<ResponseBody<ResB>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = {
            let _entered = this.record.as_ref().map(ServerRecord::enter);
            ready!(this.inner.poll(cx))
        };
        let mut record = this
            .record
            .take()
            .expect("a future is not polled after it has completed");
        Poll::Ready(match result {
            Ok(response) => {
                record.headed(Head::of(&response));
                Ok(response.map(|body| ResponseBody::new(body, Record::Server(record))))
            }
            Err(error) => {
                record.end(Outcome::Failed(ErrorKind::Other));
                Err(error)
            }
        })
    }
}
