//! [`TlsStream`]: a byte stream that knows a late refusal when it reads one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mesh_core::net::{Address, ConnectError, ConnectErrorKind};
use rustls::ClientConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream as Inner;

use crate::verify::handshake_reason;

/// A connection to a server that proved its identity.
///
/// Until the server's first byte has come, an alert means that it refused the handshake. The error of that read, or of a
/// write that fails meanwhile, is [`io::ErrorKind::ConnectionRefused`], which no other one is, and holds a
/// [`ConnectError`] of the kind [`ConnectErrorKind::Handshake`]: see [`late_refusal`](super::late_refusal). hyper hands
/// that on for HTTP/1.1; for HTTP/2 it only says that the connection broke.
#[derive(Debug)]
pub struct TlsStream<IO> {
    inner: Inner<IO>,
    address: Address,
    answered: bool,
}

impl<IO> TlsStream<IO> {
    pub(super) fn new(inner: Inner<IO>, address: Address) -> Self {
        Self {
            inner,
            address,
            answered: false,
        }
    }

    /// The session: version, suite, certificates.
    pub fn session(&self) -> &ClientConnection {
        self.inner.get_ref().1
    }

    fn explain(&self, error: io::Error) -> io::Error {
        match alert(&error).map(handshake_reason) {
            Some(reason) if !self.answered => io::Error::new(
                io::ErrorKind::ConnectionRefused,
                ConnectError {
                    kind: ConnectErrorKind::Handshake,
                    address: self.address.clone(),
                    reason,
                    source: error.into(),
                },
            ),
            _ => error,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// A server that refuses us closes the socket, so a write may fail before the alert that says why was read.
    fn explain_write(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        // The session returns an alert that it has read already from a write too.
        if self.answered || alert(&error).is_some() {
            return self.explain(error);
        }
        let mut byte = [0; 1];
        match Pin::new(&mut self.inner).poll_read(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Err(cause)) if alert(&cause).is_some() => self.explain(cause),
            _ => error,
        }
    }
}

fn alert(error: &io::Error) -> Option<&rustls::Error> {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .filter(|error| matches!(error, rustls::Error::AlertReceived(_)))
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        self.answered |= buf.filled().len() > before;
        Poll::Ready(read.map_err(|error| self.explain(error)))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf));
        Poll::Ready(written.map_err(|error| self.explain_write(cx, error)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs));
        Poll::Ready(written.map_err(|error| self.explain_write(cx, error)))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        Poll::Ready(flushed.map_err(|error| self.explain_write(cx, error)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
