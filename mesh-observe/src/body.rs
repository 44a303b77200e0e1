//! [`ResponseBody`]: a response body that knows how it ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use crate::call::CallRecord;
use crate::head::{End, grpc_status};
use crate::server::ServerRecord;

/// The body of an observed response. Frames, hints and trailers pass through; when the body ends, fails or is dropped,
/// the request's metrics and span are completed.
#[pin_project]
#[derive(Debug)]
pub struct ResponseBody<B> {
    #[pin]
    inner: B,
    record: Option<Record>,
}

#[derive(Debug)]
pub(crate) enum Record {
    Call(CallRecord),
    Server(ServerRecord),
}

impl Record {
    fn enter(&self) -> Option<impl Drop + use<>> {
        match self {
            Self::Call(_) => None,
            Self::Server(record) => record.enter(),
        }
    }

    fn end(self, end: End) {
        match self {
            Self::Call(mut record) => record.body_ended(end),
            Self::Server(mut record) => record.body_ended(end),
        }
    }
}

impl<B: Body> ResponseBody<B> {
    pub(crate) fn new(inner: B, record: Record) -> Self {
        if inner.is_end_stream() {
            record.end(End::Done);
            return Self {
                inner,
                record: None,
            };
        }
        Self {
            inner,
            record: Some(record),
        }
    }
}

impl<B> ResponseBody<B> {
    /// The wrapped body.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = {
            // A body that is made while it is sent may make calls too.
            let _entered = this.record.as_ref().map(Record::enter);
            ready!(this.inner.as_mut().poll_frame(cx))
        };
        let end = match &frame {
            None => Some(End::Done),
            Some(Err(_)) => Some(End::Error),
            Some(Ok(frame)) => match frame.trailers_ref() {
                Some(trailers) => Some(End::Trailers(grpc_status(trailers))),
                // Whoever knows the length never polls again.
                None => this.inner.is_end_stream().then_some(End::Done),
            },
        };
        if let Some((end, record)) = end.and_then(|end| Some((end, this.record.take()?))) {
            record.end(end);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
