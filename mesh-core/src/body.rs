//! [`Body`], the one boxed body of the client side.
//!
//! `mesh::Client` is one concrete type, so somewhere the application's body type must be erased: here, once. A body
//! that already is a [`Body`] is passed through and not boxed again.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

use crate::error::BoxError;

/// A streaming body of any origin, with trailers.
///
/// `Send` but not `Sync`, because nobody polls a body from two threads.
#[derive(Debug)]
pub struct Body(UnsyncBoxBody<Bytes, BoxError>);

impl Body {
    /// Erases a body's type. A [`Body`] passes through unboxed.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        match downcast::<B, Self>(body) {
            Ok(own) => own,
            Err(other) => Self(other.map_err(Into::into).boxed_unsync()),
        }
    }

    /// A body without data.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Empty::new())
    }
}

/// Moves a `T` out as a `U` when they are one type.
fn downcast<T: 'static, U: 'static>(value: T) -> Result<U, T> {
    let mut slot = Some(value);
    match (&mut slot as &mut dyn Any)
        .downcast_mut::<Option<U>>()
        .and_then(Option::take)
    {
        Some(same) => Ok(same),
        None => Err(slot.expect("taken only when the types are one")),
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

macro_rules! from_bytes {
    ($($from:ty),*) => {$(
        impl From<$from> for Body {
            fn from(data: $from) -> Self {
                Self::new(Full::new(Bytes::from(data)))
            }
        }
    )*};
}
from_bytes!(Bytes, String, Vec<u8>, &'static str, &'static [u8]);

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    #[test]
    fn hints_of_the_inner_body_are_kept() {
        let body = Body::from("twelve bytes");
        assert_eq!(body.size_hint().exact(), Some(12));
        assert!(!body.is_end_stream());
        assert!(Body::empty().is_end_stream());
    }

    #[test]
    fn a_body_is_not_boxed_twice() {
        let body = Body::from("x");
        assert!(downcast::<Body, Body>(body).is_ok());
        assert!(downcast::<Full<Bytes>, Body>(Full::default()).is_err());
    }
}
