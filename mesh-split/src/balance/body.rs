//! The response body that keeps its endpoint loaded.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::load::Load;

/// Forwards a body unchanged; the endpoint counts as loaded until it ends, fails or is dropped.
#[pin_project]
#[derive(Debug)]
pub struct ResponseBody<B> {
    #[pin]
    inner: B,
    load: Option<Load>,
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn new(inner: B, load: Load) -> Self {
        let load = (!inner.is_end_stream()).then_some(load);
        Self { inner, load }
    }
}

impl<B> ResponseBody<B> {
    /// The body inside.
    pub fn inner(&self) -> &B {
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
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        let more = matches!(&frame, Some(Ok(_))) && !this.inner.is_end_stream();
        if let Some(load) = this.load {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(trailers) = frame.trailers_ref() {
                        load.trailed(trailers);
                    }
                }
                Some(Err(_)) => load.broken(),
                None => {}
            }
        }
        if !more {
            this.load.take();
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
