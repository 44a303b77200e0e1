//! [`RequestBody`] tells when the upload moves and ends; [`ResponseBody`] ends with the call's time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use mesh_core::error::{BoxError, Error};
use pin_project::{pin_project, pinned_drop};
use tokio::time::{Instant, Sleep};

use super::clock::Clock;
use crate::upload::Upload;

/// A request body whose end starts the time limit.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
pub struct RequestBody<B> {
    #[pin]
    inner: B,
    upload: Option<Arc<Upload>>,
    /// Bytes to come, where the head says how many.
    left: Option<u64>,
}

impl<B> RequestBody<B> {
    pub(super) fn new(inner: B, upload: Option<Arc<Upload>>, length: Option<u64>) -> Self {
        Self {
            inner,
            upload,
            left: length,
        }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = this.inner.as_mut().poll_frame(cx);
        let Some(upload) = &this.upload else {
            return polled;
        };
        upload.begin();
        if let Poll::Ready(frame) = &polled {
            upload.move_on();
            // A sender that knows the length does not ask for more than that.
            let data = match frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.remaining() as u64),
                _ => 0,
            };
            *this.left = this.left.map(|left| left.saturating_sub(data));
            let full = *this.left == Some(0) || this.inner.size_hint().exact() == Some(0);
            if full || !matches!(frame, Some(Ok(_))) || this.inner.is_end_stream() {
                upload.end();
                *this.upload = None;
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// A body that nobody sends any further has ended too.
#[pinned_drop]
impl<B> PinnedDrop for RequestBody<B> {
    fn drop(self: Pin<&mut Self>) {
        if let Some(upload) = self.project().upload.take() {
            upload.end();
        }
    }
}

/// A response body that fails when the call's time is up.
#[pin_project]
#[derive(Debug)]
pub struct ResponseBody<B> {
    #[pin]
    inner: Option<B>,
    #[pin]
    timer: Option<Sleep>,
    clock: Option<Clock>,
    moved: bool,
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn new(inner: B, clock: Clock) -> Self {
        let clock = (!inner.is_end_stream()).then_some(clock);
        Self {
            inner: Some(inner),
            timer: None,
            clock,
            moved: true,
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = inner.poll_frame(cx) {
            *this.moved = true;
            if frame.is_none() {
                *this.clock = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(|e| Error::from_boxed(e.into()))));
        }
        let Some(clock) = this.clock.as_mut() else {
            return Poll::Pending;
        };
        // Silence begins when there is nothing to read, so that a slow reader is not taken for a silent callee.
        if std::mem::take(this.moved) {
            clock.heard = Instant::now();
        }
        match clock.poll(this.timer, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(elapsed) => {
                this.inner.set(None);
                Poll::Ready(Some(Err(Error::new(elapsed.kind))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
