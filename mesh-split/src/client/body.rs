//! The response body that gives its connection back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use mesh_core::error::Error;
use pin_project::pin_project;

use super::connection::Lease;
use super::error;

/// Streams a response, trailers included. Its connection is free for the next request when it has ended.
#[pin_project]
#[derive(Debug)]
pub struct ResponseBody {
    #[pin]
    incoming: Incoming,
    lease: Option<Lease>,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> Self {
        let mut body = Self {
            incoming,
            lease: Some(lease),
        };
        if body.incoming.is_end_stream() {
            finish(&mut body.lease);
        }
        body
    }
}

fn finish(lease: &mut Option<Lease>) {
    if let Some(lease) = lease.take() {
        lease.finish();
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut this = self.project();
        let frame = ready!(this.incoming.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(_)) if !this.incoming.is_end_stream() => {}
            Some(Err(_)) => drop(this.lease.take()),
            _ => finish(this.lease),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(error::of_body)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
