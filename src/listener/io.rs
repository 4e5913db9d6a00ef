//! A connection's bytes as hyper sees them: sniffed bytes first, and a close that lets the peer read.
//!
//! It judges no time: `deadline` does, from what this notes. Closing a socket that holds unread input makes
//! the kernel send a reset, which destroys an answer that the peer has not read yet. So shutting down
//! closes the write side only, and discards input until the peer closes too (RFC 9112 §9.6), within
//! limits.
//!
//! While an answer is slow, it also looks whether the peer still waits for it. Over TCP one that leaves looks like one
//! that has only ended its side (RFC 9112 §9.6), unless it resets the connection; the latter comes right after the
//! request, so an end that comes later is a leave. It reads ahead only while nobody else reads, or a body that is on its
//! way would come in the few bytes that this takes. Invariant: nothing is allocated or copied for a read or a write but
//! the few bytes that were read ahead.

use std::io;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::activity::Activity;
use super::frames::FrameMeter;
use super::sniff::Replay;
use crate::gather;

/// Bytes discarded by one read while lingering. On the stack, so not larger.
const SCRATCH: usize = 8 * 1024;

/// An end within this after an answer has proved slow may belong to the request.
const HALF_CLOSE: Duration = Duration::from_millis(100);

/// A stream, plain or TLS, with what surrounds it.
#[derive(Debug)]
pub(super) struct Conversation<S> {
    stream: S,
    replay: Replay,
    activity: Arc<Activity>,
    /// HTTP/2 only.
    meter: Option<FrameMeter>,
    /// The peer will send no more.
    ended: bool,
    /// Bytes still to be discarded at most, once the write side was shut down.
    lingering: Option<u64>,
    linger_bytes: u64,
    /// Since when the peer was looked after.
    watched_since: Option<Instant>,
    /// What was read since it was flushed last.
    read: Read,
}

/// Whether somebody reads, and so finds out by itself that the peer has left.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// Nobody does.
    #[default]
    Nothing,
    /// Perhaps: it did.
    Something,
    /// It waits for more.
    Awaited,
}

impl<S> Conversation<S> {
    pub(super) fn new(
        stream: S,
        replay: Replay,
        activity: Arc<Activity>,
        meter: Option<FrameMeter>,
        linger_bytes: u64,
    ) -> Self {
        let (ended, lingering, watched_since, read) = (false, None, None, Read::Nothing);
        Self { stream, replay, activity, meter, ended, lingering, linger_bytes, watched_since, read }
    }

    fn note_write(&mut self, written: &Poll<io::Result<usize>>) {
        self.activity.note_write(written.is_pending());
        if let (Some(meter), Poll::Ready(Ok(bytes))) = (&mut self.meter, written) {
            meter.note_sent(*bytes);
        }
    }
}

impl<S: AsyncRead + Unpin> Conversation<S> {
    /// Discards input until the peer closes or the limit is reached.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(left) = self.lingering.filter(|left| *left > 0) {
            let mut scratch = [MaybeUninit::uninit(); SCRATCH];
            let mut buffer = ReadBuf::uninit(&mut scratch);
            let result = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            let read = buffer.filled().len();
            if result.is_err() || read == 0 {
                break;
            }
            self.lingering = Some(left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads ahead a little, to learn whether the peer is still there, and to be woken when it leaves.
    fn look(&mut self, cx: &mut Context<'_>) {
        if self.ended || self.lingering.is_some() || !self.replay.is_empty() {
            return;
        }
        let since = *self.watched_since.get_or_insert_with(Instant::now);
        match self.replay.poll_fill(&mut self.stream, cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(0)) => {
                self.ended = true;
                if since.elapsed() >= HALF_CLOSE {
                    self.activity.set_left();
                }
            }
            // Whoever reads has to be asked again: it may wait for what was just read.
            Poll::Ready(Ok(_)) => cx.waker().wake_by_ref(),
            Poll::Ready(Err(_)) => self.activity.set_left(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Conversation<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.read = Read::Something;
        if this.replay.read(buffer) {
            this.activity.note_read();
            return Poll::Ready(Ok(()));
        }
        if this.activity.is_flooded() {
            // Whoever polled this looks for it next; nobody needs waking.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let room = buffer.remaining() > 0;
        let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) else {
            this.read = Read::Awaited;
            return Poll::Pending;
        };
        read?;
        if buffer.filled().len() > before {
            this.activity.note_read();
            if buffer.remaining() == 0 {
                this.activity.set_more();
            }
            let read = buffer.filled().get(before..).unwrap_or_default();
            if this.meter.as_mut().is_some_and(|meter| !meter.take(read, Instant::now)) {
                this.activity.set_flooded();
            }
        } else if room {
            this.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Conversation<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note_write(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = gather::poll_write(&mut this.stream, cx, slices);
        this.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper flushes whenever it is polled, so this is where an answer that is awaited passes by.
        // A client of HTTP/2 says by itself that it leaves.
        let read = std::mem::take(&mut this.read);
        if this.meter.is_some() || !this.activity.is_watched() {
            this.watched_since = None;
        } else {
            match read {
                Read::Nothing => this.look(cx),
                Read::Something => cx.waker().wake_by_ref(),
                Read::Awaited => {}
            }
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if this.ended || this.activity.is_abrupt() {
                return Poll::Ready(Ok(()));
            }
            this.activity.set_lingering();
            this.lingering = Some(this.linger_bytes);
        }
        this.poll_discard(cx)
    }
}
