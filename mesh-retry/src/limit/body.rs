//! [`ResponseBody`]: carries the permit to the end of the response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::permit::Permit;

/// A response body whose request counts as in flight, or the text of a refusal.
#[pin_project]
#[derive(Debug)]
pub struct ResponseBody<B> {
    #[pin]
    kind: Kind<B>,
}

#[pin_project(project = KindProj)]
#[derive(Debug)]
enum Kind<B> {
    Admitted {
        #[pin]
        inner: B,
        permit: Option<Permit>,
    },
    Refused(Bytes),
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn admitted(inner: B, permit: Option<Permit>) -> Self {
        let permit = permit.filter(|_| !inner.is_end_stream());
        Self {
            kind: Kind::Admitted { inner, permit },
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

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Admitted { mut inner, permit } => {
                let polled = inner.as_mut().poll_frame(cx);
                if let Poll::Ready(frame) = &polled
                    && (!matches!(frame, Some(Ok(_))) || inner.is_end_stream())
                {
                    *permit = None;
                }
                polled
            }
            KindProj::Refused(text) if !text.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(text)))))
            }
            KindProj::Refused(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Admitted { inner, .. } => inner.is_end_stream(),
            Kind::Refused(text) => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Admitted { inner, .. } => inner.size_hint(),
            Kind::Refused(text) => SizeHint::with_exact(text.len() as u64),
        }
    }
}
