//! Writes what lies in several places with the cheapest system call.
//!
//! `writev` costs more than `send`: the kernel takes it through the way of files. So one piece is sent as it is, and a few
//! small ones, a head and a short body, are put side by side first. It keeps nothing between two writes.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Bytes that are sooner copied than gathered by the kernel. On the stack, so not many.
const SMALL: usize = 1024;

/// Writes `slices`, or the first bytes of them.
pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let mut stream = Pin::new(stream);
    if let [one] = slices {
        return stream.poll_write(cx, one);
    }
    let mut together = [0; SMALL];
    let mut length = 0;
    for slice in slices {
        match together.get_mut(length..length + slice.len()) {
            Some(room) => room.copy_from_slice(slice),
            None => return stream.poll_write_vectored(cx, slices),
        }
        length += slice.len();
    }
    stream.as_mut().poll_write(cx, together.get(..length).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, and how.
    #[derive(Default)]
    struct Sink {
        bytes: Vec<u8>,
        gathered: bool,
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.bytes.extend(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.gathered = true;
            slices.iter().for_each(|slice| self.bytes.extend(&**slice));
            Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn pieces_are_written_in_their_order_and_the_kernel_gathers_only_large_ones() {
        for (lengths, gathered) in [
            (&[5_usize][..], false),
            (&[SMALL + 1], false),
            (&[0, 3, 0, 4], false),
            (&[SMALL - 1, 1], false),
            (&[SMALL, 1], true),
            (&[1, 100_000, 1], true),
            (&[], false),
        ] {
            let pieces: Vec<_> = (1_u8..).zip(lengths).map(|(byte, length)| vec![byte; *length]).collect();
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut sink = Sink::default();
            let written = poll_write(&mut sink, &mut Context::from_waker(std::task::Waker::noop()), &slices);
            assert!(matches!(written, Poll::Ready(Ok(length)) if length == sink.bytes.len()), "{lengths:?}");
            assert_eq!(sink.bytes, pieces.concat(), "{lengths:?}");
            assert_eq!(sink.gathered, gathered, "{lengths:?}");
        }
    }
}
