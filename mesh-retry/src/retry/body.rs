//! [`ReplayBody`]: keeps what the first attempt sends, up to a cap, so that it can be sent again.
//!
//! An attempt owns the request's body while it is sent and hands it back, with what was kept, when it has sent all
//! of it or is dropped. So an attempt that failed half-way is followed by one that replays the kept half and goes on
//! with the rest, and only one attempt ever reads the application's body. Data is kept as the same reference-counted
//! `Bytes` that is sent; nothing is copied.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::upload::Upload;

/// Most frames that are kept, so that tiny ones can not cost many times their size.
const MOST_FRAMES: usize = 1024;

/// The body of an attempt.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
pub struct ReplayBody<B> {
    #[pin]
    kind: Kind<B>,
    /// Told when the attempt has sent its request.
    upload: Option<Arc<Upload>>,
}

#[pin_project(project = KindProj)]
#[derive(Debug)]
enum Kind<B> {
    /// Sent once and not kept.
    Once(#[pin] B),
    Empty,
    Kept(Box<Sending<B>>),
}

/// What was read of a body so far, and the rest of it.
#[derive(Debug)]
pub(super) struct Tape<B> {
    frames: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    bytes: usize,
    limit: usize,
    /// The application's body until it has ended.
    rest: Option<Pin<Box<B>>>,
}

/// What an attempt hands back: the tape, or nothing if the body is over the cap.
type Back<B> = Option<Box<Tape<B>>>;

#[derive(Debug)]
struct Sending<B> {
    /// `None` once handed back.
    tape: Option<Box<Tape<B>>>,
    /// The body alone, once over the cap.
    over: Option<Pin<Box<B>>>,
    next: usize,
    trailers_sent: bool,
    back: Option<oneshot::Sender<Back<B>>>,
}

/// The holder's side: how the body of the next attempt is got.
#[derive(Debug)]
pub(super) enum Repeat<B> {
    Empty,
    /// With the attempt.
    Away(oneshot::Receiver<Back<B>>),
    Here(Box<Tape<B>>),
    /// Over the cap, or failed.
    Gone,
}

impl<B: Body<Data = Bytes>> ReplayBody<B> {
    /// A body that is sent once and not kept.
    pub(super) fn once(body: B) -> Self {
        Self {
            kind: Kind::Once(body),
            upload: None,
        }
    }

    /// A body that keeps up to `limit` bytes of itself. One that says that it is longer is not kept at all.
    pub(super) fn keep(body: B, limit: usize) -> (Self, Repeat<B>) {
        if body.is_end_stream() {
            return (Self::empty(), Repeat::Empty);
        }
        if body.size_hint().lower() > limit as u64 {
            return (Self::once(body), Repeat::Gone);
        }
        Self::play(Box::new(Tape {
            frames: Vec::new(),
            trailers: None,
            bytes: 0,
            limit,
            rest: Some(Box::pin(body)),
        }))
    }

    fn play(tape: Box<Tape<B>>) -> (Self, Repeat<B>) {
        let (back, away) = oneshot::channel();
        let kind = Kind::Kept(Box::new(Sending {
            tape: Some(tape),
            over: None,
            next: 0,
            trailers_sent: false,
            back: Some(back),
        }));
        let body = Self { kind, upload: None };
        (body, Repeat::Away(away))
    }

    fn empty() -> Self {
        Self {
            kind: Kind::Empty,
            upload: None,
        }
    }

    /// Something to ask how far the body is, unless it is at its end already.
    pub(super) fn watch(&mut self) -> Option<Arc<Upload>> {
        if self.is_end_stream() {
            return None;
        }
        self.upload = Some(Arc::new(Upload::new(Instant::now(), None)));
        self.upload.clone()
    }
}

impl<B: Body<Data = Bytes>> Repeat<B> {
    /// Whether the body can, as far as is known now, be sent again.
    pub(super) fn is_possible(&mut self) -> bool {
        if let Self::Away(away) = self {
            match away.try_recv() {
                Ok(Some(tape)) => *self = Self::Here(tape),
                Err(oneshot::error::TryRecvError::Empty) => {}
                Ok(None) | Err(oneshot::error::TryRecvError::Closed) => *self = Self::Gone,
            }
        }
        !matches!(self, Self::Gone)
    }

    /// The body of another attempt, as soon as the one before has let go of it. `None` if there is none.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<ReplayBody<B>>> {
        if let Self::Away(away) = self {
            *self = match std::task::ready!(Pin::new(away).poll(cx)) {
                Ok(Some(tape)) => Self::Here(tape),
                _ => Self::Gone,
            };
        }
        match std::mem::replace(self, Self::Gone) {
            Self::Here(tape) => {
                let (body, repeat) = ReplayBody::play(tape);
                *self = repeat;
                Poll::Ready(Some(body))
            }
            Self::Empty => {
                *self = Self::Empty;
                Poll::Ready(Some(ReplayBody::empty()))
            }
            Self::Away(_) | Self::Gone => Poll::Ready(None),
        }
    }
}

impl<B: Body<Data = Bytes>> Tape<B> {
    fn has_ended(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }
}

impl<B: Body<Data = Bytes>> Sending<B> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(tape) = &mut self.tape else {
            return match &mut self.over {
                Some(body) => body.as_mut().poll_frame(cx),
                None => Poll::Ready(None),
            };
        };
        let frame = if let Some(data) = tape.frames.get(self.next) {
            self.next += 1;
            Some(Ok(Frame::data(data.clone())))
        } else if let (Some(trailers), false) = (&tape.trailers, self.trailers_sent) {
            self.trailers_sent = true;
            Some(Ok(Frame::trailers(trailers.clone())))
        } else if let Some(rest) = &mut tape.rest {
            let frame = std::task::ready!(rest.as_mut().poll_frame(cx));
            self.keep(&frame);
            frame
        } else {
            None
        };
        if self.is_sent() {
            self.hand_back();
        }
        Poll::Ready(frame)
    }

    /// Keeps a frame that was just read.
    fn keep(&mut self, frame: &Option<Result<Frame<Bytes>, B::Error>>) {
        let Some(tape) = &mut self.tape else {
            return;
        };
        match frame {
            None => tape.rest = None,
            Some(Err(_)) => self.give_up(),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    tape.trailers = Some(trailers.clone());
                    tape.rest = None;
                    self.trailers_sent = true;
                } else if let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) {
                    if data.len() > tape.limit - tape.bytes || tape.frames.len() >= MOST_FRAMES {
                        self.give_up();
                    } else {
                        tape.bytes += data.len();
                        tape.frames.push(data.clone());
                        self.next += 1;
                    }
                }
            }
        }
    }

    fn is_sent(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| {
            self.next == tape.frames.len()
                && (self.trailers_sent || tape.trailers.is_none())
                && tape.has_ended()
        })
    }

    fn hand_back(&mut self) {
        if let (Some(tape), Some(back)) = (self.tape.take(), self.back.take()) {
            // Nobody to take it: there will be no further attempt.
            let _ = back.send(Some(tape));
        }
    }

    /// Goes on without keeping anything.
    fn give_up(&mut self) {
        self.over = self.tape.take().and_then(|tape| tape.rest);
        if let Some(back) = self.back.take() {
            let _ = back.send(None);
        }
    }
}

impl<B: Body<Data = Bytes>> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = match self.as_mut().project().kind.project() {
            KindProj::Once(body) => body.poll_frame(cx),
            KindProj::Empty => Poll::Ready(None),
            KindProj::Kept(sending) => sending.poll_frame(cx),
        };
        if let Some(upload) = &self.upload {
            upload.begin();
            if let Poll::Ready(frame) = &polled
                && (!matches!(frame, Some(Ok(_))) || self.is_end_stream())
            {
                upload.end();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Once(body) => body.is_end_stream(),
            Kind::Empty => true,
            Kind::Kept(sending) => match (&sending.tape, &sending.over) {
                (Some(_), _) => sending.is_sent(),
                (None, Some(body)) => body.is_end_stream(),
                (None, None) => true,
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        let sending = match &self.kind {
            Kind::Once(body) => return body.size_hint(),
            Kind::Empty => return SizeHint::with_exact(0),
            Kind::Kept(sending) => sending,
        };
        let Some(tape) = &sending.tape else {
            return sending
                .over
                .as_ref()
                .map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint());
        };
        let kept: usize = tape.frames[sending.next..].iter().map(Bytes::len).sum();
        let rest = tape
            .rest
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |rest| rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(kept as u64));
        if let Some(upper) = rest
            .upper()
            .and_then(|upper| upper.checked_add(kept as u64))
        {
            hint.set_upper(upper);
        }
        hint
    }
}

#[pinned_drop]
impl<B> PinnedDrop for ReplayBody<B> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if let Some(upload) = this.upload {
            upload.end();
        }
        if let KindProj::Kept(sending) = this.kind.project()
            && let (Some(tape), Some(back)) = (sending.tape.take(), sending.back.take())
        {
            let _ = back.send(Some(tape));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    /// A body of given chunks, with trailers if there are any.
    #[derive(Debug)]
    struct Chunks(VecDeque<Bytes>, Option<HeaderMap>);

    impl Chunks {
        fn of(chunks: &[Vec<u8>], trailers: bool) -> Self {
            let mut fields = HeaderMap::new();
            fields.insert("x-sum", http::HeaderValue::from_static("42"));
            let chunks = chunks.iter().cloned().map(Bytes::from).collect();
            Self(chunks, trailers.then_some(fields))
        }
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let frame = match self.0.pop_front() {
                Some(data) => Some(Frame::data(data)),
                None => self.1.take().map(Frame::trailers),
            };
            Poll::Ready(frame.map(Ok))
        }
    }

    async fn next(repeat: &mut Repeat<Chunks>) -> Option<ReplayBody<Chunks>> {
        std::future::poll_fn(|cx| repeat.poll_next(cx)).await
    }

    async fn read(body: &mut ReplayBody<Chunks>, frames: usize) -> (Vec<u8>, Option<HeaderMap>) {
        let (mut bytes, mut trailers) = (Vec::new(), None);
        for _ in 0..frames {
            match body.frame().await {
                None => break,
                Some(frame) => match frame.unwrap().into_data() {
                    Ok(data) => bytes.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
            }
        }
        (bytes, trailers)
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn a_body_over_the_cap_is_sent_whole_and_not_again() {
        block_on(async {
            let chunks = vec![vec![1; 6], vec![2; 6], vec![3; 6]];
            let (mut body, mut repeat) = ReplayBody::keep(Chunks::of(&chunks, true), 10);
            let (bytes, trailers) = read(&mut body, usize::MAX).await;
            assert_eq!(bytes, chunks.concat());
            assert!(trailers.is_some());
            assert!(!repeat.is_possible());
        });
    }

    #[test]
    fn a_body_that_says_it_is_too_long_is_not_kept() {
        let body = http_body_util::Full::new(Bytes::from_static(b"eleven byte"));
        let (body, mut repeat) = ReplayBody::keep(body, 10);
        assert!(matches!(body.kind, Kind::Once(_)));
        assert!(!repeat.is_possible());
    }

    #[test]
    fn hints_count_what_is_kept_and_what_is_left() {
        block_on(async {
            let body = http_body_util::Full::new(Bytes::from_static(b"ten bytes!"));
            let (mut body, mut repeat) = ReplayBody::keep(body, 10);
            assert_eq!(body.size_hint().exact(), Some(10));
            assert!(!body.is_end_stream());
            assert!(body.frame().await.is_some());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(body.is_end_stream());
            let again = std::future::poll_fn(|cx| repeat.poll_next(cx))
                .await
                .unwrap();
            assert_eq!(again.size_hint().exact(), Some(10));
            assert!(!again.is_end_stream());
        });
    }

    proptest! {
        #[test]
        fn a_replay_is_byte_for_byte_with_trailers_wherever_attempts_broke_off(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..12),
            trailers in any::<bool>(),
            breaks in proptest::collection::vec(0usize..14, 0..4),
            spare in 0usize..3,
        ) {
            let all = chunks.concat();
            block_on(async {
                let (mut body, mut repeat) = ReplayBody::keep(Chunks::of(&chunks, trailers), all.len() + spare);
                for frames in breaks {
                    read(&mut body, frames).await;
                    drop(body);
                    prop_assert!(repeat.is_possible());
                    body = next(&mut repeat).await.unwrap();
                }
                let (bytes, sent) = read(&mut body, usize::MAX).await;
                prop_assert_eq!(bytes, all);
                prop_assert_eq!(sent.is_some(), trailers);
                Ok(())
            })?;
        }

        #[test]
        fn the_cap_is_never_exceeded_and_the_first_attempt_never_harmed(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..12),
            limit in 0usize..120,
        ) {
            let all = chunks.concat();
            block_on(async {
                let (mut body, mut repeat) = ReplayBody::keep(Chunks::of(&chunks, false), limit);
                let mut bytes = Vec::new();
                while let Some(frame) = body.frame().await {
                    bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
                    if let Kind::Kept(sending) = &body.kind {
                        let kept = sending.tape.as_ref().map_or(0, |tape| tape.frames.iter().map(Bytes::len).sum());
                        prop_assert!(kept <= limit);
                    }
                }
                prop_assert_eq!(&bytes, &all);
                prop_assert_eq!(repeat.is_possible(), all.len() <= limit);
                Ok(())
            })?;
        }
    }
}
