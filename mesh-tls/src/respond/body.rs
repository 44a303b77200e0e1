//! [`ResponseBody`]: the inner body, or a refusal's text.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

/// The body of a response that may be a refusal. The inner body is passed through with its hints and trailers.
#[pin_project]
#[derive(Debug)]
pub struct ResponseBody<B> {
    #[pin]
    kind: Kind<B>,
}

#[pin_project(project = KindProj)]
#[derive(Debug)]
enum Kind<B> {
    Inner(#[pin] B),
    Text(Bytes),
}

impl<B> ResponseBody<B> {
    pub(super) fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner(body),
        }
    }

    pub(super) fn text(text: Bytes) -> Self {
        Self {
            kind: Kind::Text(text),
        }
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
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
            KindProj::Inner(body) => body.poll_frame(cx),
            KindProj::Text(text) if text.is_empty() => Poll::Ready(None),
            KindProj::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner(body) => body.is_end_stream(),
            Kind::Text(text) => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner(body) => body.size_hint(),
            Kind::Text(text) => SizeHint::with_exact(text.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn a_text_is_sent_once_and_hinted() {
        let body = ResponseBody::<Full<Bytes>>::text(Bytes::from_static(b"no"));
        assert_eq!(
            (body.size_hint().exact(), body.is_end_stream()),
            (Some(2), false)
        );
        assert_eq!(body.collect().await.unwrap().to_bytes(), "no");
        let nothing = ResponseBody::<Full<Bytes>>::text(Bytes::new());
        assert!(nothing.is_end_stream());
    }

    #[tokio::test]
    async fn an_inner_body_keeps_hints_and_trailers() {
        let trailers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        )]);
        let sent = trailers.clone();
        let inner = Full::from("data").with_trailers(async move { Some(Ok(sent)) });
        let body = ResponseBody::inner(Box::pin(inner));
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        let body = ResponseBody::inner(Full::<Bytes>::from("data"));
        assert_eq!(body.size_hint().exact(), Some(4));
    }
}
