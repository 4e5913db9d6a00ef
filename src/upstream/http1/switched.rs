//! A connection that has gone over to another protocol (RFC 9110 §7.8): bytes, and no longer ours to read.
//!
//! Invariants: what came with the answer comes first; it counts as a connection to the application until it is dropped.

use std::io::Cursor;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadHalf, WriteHalf, join, split};

use crate::upstream::cap::Place;
use crate::upstream::connect::Stream;

type Bytewise = tokio::io::Join<tokio::io::Chain<Cursor<Bytes>, ReadHalf<Stream>>, WriteHalf<Stream>>;

/// The connection.
#[derive(Debug)]
pub struct Switched {
    stream: Bytewise,
    _place: Place,
}

impl Switched {
    pub(super) fn new(stream: Stream, before: Bytes, place: Place) -> Self {
        let (reading, writing) = split(stream);
        Self { stream: join(Cursor::new(before).chain(reading), writing), _place: place }
    }

    /// What passes over it.
    pub fn stream(&mut self) -> &mut (impl AsyncRead + AsyncWrite + Unpin) {
        &mut self.stream
    }
}
