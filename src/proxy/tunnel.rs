//! Two connections that have become one: bytes pass both ways as they come.
//!
//! It reads none of them. Invariants: what one side does not take is not read from the other, so that at most two small
//! buffers are held; an end of one side is passed on and the other may go on; a tunnel ends when nothing has moved for
//! `idle`, when its key is no longer good, and with the drain.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::sleep;

use super::oversight::Oversight;
use crate::upstream::http1::Switched;

/// How often in `idle` it is looked whether something moved.
const LOOKS: u32 = 8;

/// Passes bytes until the tunnel ends. Both sides are closed then.
pub(super) async fn run(
    client: OnUpgrade,
    mut application: Box<Switched>,
    mut oversight: Option<Oversight>,
    idle: Duration,
) {
    let client = match client.await {
        Ok(client) => client,
        Err(error) => return tracing::debug!(%error, "a tunnel that was agreed on did not come about"),
    };
    let moved = Arc::new(AtomicBool::new(false));
    let mut client = Noted { stream: TokioIo::new(client), moved: Arc::clone(&moved) };
    let over = poll_fn(|cx| match &mut oversight {
        Some(oversight) => oversight.poll_over(cx),
        None => Poll::Pending,
    });
    tokio::select! {
        copied = copy_bidirectional(&mut client, application.stream()) => match copied {
            Ok((up, down)) => tracing::debug!(up, down, "a tunnel has ended"),
            Err(error) => tracing::debug!(%error, "a tunnel broke"),
        },
        // Logged where it is found out.
        _over = pin!(over) => {}
        () = stillness(&moved, idle) => tracing::debug!("a tunnel was idle and is closed"),
    }
}

/// Returns when nothing has moved for `idle`, or a little longer.
async fn stillness(moved: &AtomicBool, idle: Duration) {
    let mut still = 0;
    while still < LOOKS {
        sleep(idle / LOOKS).await;
        still = if moved.swap(false, Ordering::Relaxed) { 0 } else { still + 1 };
    }
}

/// A stream that notes when bytes move on it.
struct Noted<S> {
    stream: S,
    moved: Arc<AtomicBool>,
}

impl<S> Noted<S> {
    fn note(&self, moved: bool) {
        if moved {
            self.moved.store(true, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.note(read.is_ready());
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note(written.is_ready());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
