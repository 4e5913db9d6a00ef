//! A connection to the application with what sees what comes on it, on its way to hyper.
//!
//! Invariant: it changes no byte.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gather;
use crate::upstream::connect::Stream;

/// What is held.
pub(super) trait Holder: Unpin {
    /// Something has come; nothing: the end, or a fault. An error ends the connection.
    fn on_read(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// The stream.
#[derive(Debug)]
pub(super) struct Held<H> {
    stream: Stream,
    holder: H,
}

impl<H> Held<H> {
    pub(super) fn new(stream: Stream, holder: H) -> Self {
        Self { stream, holder }
    }
}

impl<H: Holder> AsyncRead for Held<H> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.holder.on_read(buffer.filled().get(before..).unwrap_or_default())?;
        Poll::Ready(read)
    }
}

impl<H: Holder> AsyncWrite for Held<H> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        gather::poll_write(&mut self.stream, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
