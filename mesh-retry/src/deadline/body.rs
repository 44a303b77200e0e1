//! [`ResponseBody`] of the deadline.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use mesh_core::context::Inbound;
use mesh_core::error::{BoxError, Error, ErrorKind};
use pin_project::pin_project;
use tokio::time::{Instant, Sleep};

use super::cancel::Guard;
use super::future::poll_deadline;
use super::service::in_scope;

/// The application's body, cut off at the deadline, or the text of a refusal.
#[pin_project]
#[derive(Debug)]
pub struct ResponseBody<B> {
    #[pin]
    kind: Kind<B>,
}

#[pin_project(project = KindProj)]
#[derive(Debug)]
enum Kind<B> {
    App {
        #[pin]
        inner: B,
        #[pin]
        timer: Option<Sleep>,
        inbound: Inbound,
        deadline: Option<Instant>,
        guard: Guard,
    },
    Refused(Bytes),
    Over,
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn new(
        inner: B,
        inbound: Inbound,
        deadline: Option<Instant>,
        mut guard: Guard,
    ) -> Self {
        if inner.is_end_stream() {
            guard.answered();
        }
        Self {
            kind: Kind::App {
                inner,
                timer: None,
                inbound,
                deadline,
                guard,
            },
        }
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn refused(text: Bytes) -> Self {
        Self {
            kind: Kind::Refused(text),
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        match this.kind.as_mut().project() {
            KindProj::App {
                mut inner,
                timer,
                inbound,
                deadline,
                guard,
            } => {
                let polled = in_scope(inbound, || inner.as_mut().poll_frame(cx));
                if let Poll::Ready(frame) = polled {
                    if frame.is_none() || inner.is_end_stream() {
                        guard.answered();
                    }
                    return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
                }
                if poll_deadline(*deadline, timer, cx).is_pending() {
                    return Poll::Pending;
                }
                guard.late();
                this.kind.set(Kind::Over);
                let error = Error::new(ErrorKind::RequestTimeout);
                Poll::Ready(Some(Err(error.into())))
            }
            KindProj::Refused(text) if !text.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(text)))))
            }
            KindProj::Refused(_) | KindProj::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::App { inner, .. } => inner.is_end_stream(),
            Kind::Refused(text) => text.is_empty(),
            Kind::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::App { inner, .. } => inner.size_hint(),
            Kind::Refused(text) => SizeHint::with_exact(text.len() as u64),
            Kind::Over => SizeHint::with_exact(0),
        }
    }
}
