//! One request and its answer on a connection of HTTP/1.1: how far they are.
//!
//! It reads and writes nothing: `connection` does. Invariants: an answer ends where its framing says; a request is given back
//! only where nothing at all of an answer has come.

use std::io;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;

use super::answer::{self, Framing, Head, Parsed};
use super::chunked::{self, Chunked};
use super::fault::Fault;
use super::message::Message;
use super::slot::{Answered, Delivery};
use super::upload::Upload;
use crate::listener::BoxError;
use crate::upstream::MOST_INTERIM;

/// Pieces of a body that wait to be taken: small chunks are dear.
const MAX_PIECES: usize = 64;

/// A request and its answer.
#[derive(Debug)]
pub(super) struct Exchange<B> {
    /// `None` once it is written whole and will not be repeated.
    pub(super) upload: Option<Upload<B>>,
    pub(super) sending: Sending,
    to_head: bool,
    /// Something of an answer has come.
    pub(super) is_begun: bool,
    interim: u8,
    pub(super) reading: Reading,
    /// Nothing may follow it.
    pub(super) is_last: bool,
}

#[derive(Debug)]
pub(super) enum Sending {
    Going,
    Done,
    /// The answer may have come nevertheless.
    Failed(io::Error),
}

#[derive(Debug)]
pub(super) enum Reading {
    Head,
    Length(u64),
    Chunked(Chunked),
    /// Until the connection ends.
    Close,
    /// All of it has come.
    Over,
}

/// What was made of the bytes that are there.
pub(super) enum Progress {
    More,
    Enough,
    Over,
    Switched(Head),
}

impl<B> Exchange<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    pub(super) fn of(message: Box<Message<B>>) -> Self {
        Self {
            to_head: message.to_head,
            upload: Some(Upload::of(message)),
            sending: Sending::Going,
            is_begun: false,
            interim: 0,
            reading: Reading::Head,
            is_last: false,
        }
    }

    /// Makes what it can of `buffer`.
    pub(super) fn take(&mut self, buffer: &mut BytesMut, delivery: &mut Delivery) -> Result<Progress, Fault> {
        loop {
            match &mut self.reading {
                Reading::Head if buffer.is_empty() => return Ok(Progress::More),
                Reading::Head => match answer::parse(buffer, self.to_head)? {
                    Parsed::More => return Ok(Progress::More),
                    Parsed::Interim => self.count()?,
                    Parsed::Answer(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        (self.reading, self.is_last) = (Reading::Over, true);
                        return Ok(Progress::Switched(head));
                    }
                    Parsed::Answer(head) => {
                        (self.reading, self.is_last) = (Reading::of(head.framing), head.is_last);
                        self.forget();
                        delivery.answered = Some(Answered { head, switched: None });
                    }
                },
                Reading::Length(0) => self.reading = Reading::Over,
                Reading::Over => return Ok(Progress::Over),
                _ if delivery.chunks.len() >= MAX_PIECES => return Ok(Progress::Enough),
                Reading::Length(_) | Reading::Close if buffer.is_empty() => return Ok(more(delivery)),
                Reading::Length(left) => {
                    let taken = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left = left.saturating_sub(u64::try_from(taken).unwrap_or(*left));
                    delivery.chunks.push_back(buffer.split_to(taken).freeze());
                }
                Reading::Close => delivery.chunks.push_back(buffer.split().freeze()),
                Reading::Chunked(chunked) => match chunked.next(buffer)? {
                    chunked::Piece::More => return Ok(more(delivery)),
                    chunked::Piece::Data(data) => delivery.chunks.push_back(data),
                    chunked::Piece::Trailers(trailers) => {
                        delivery.trailers = (!trailers.is_empty()).then_some(trailers);
                        self.reading = Reading::Over;
                    }
                },
            }
        }
    }
}

impl<B> Exchange<B> {
    /// The request is written.
    pub(super) fn sent(&mut self) {
        self.sending = Sending::Done;
        if self.upload.as_ref().is_some_and(|upload| !upload.is_repeatable()) {
            self.upload = None;
        }
    }

    /// The answer has begun: nothing is repeated any more.
    fn forget(&mut self) {
        if !matches!(self.sending, Sending::Going) {
            self.upload = None;
        }
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.interim = self.interim.saturating_add(1);
        if self.interim > MOST_INTERIM { Err(Fault::Interim) } else { Ok(()) }
    }

    /// The request, where it may be sent once more: its connection ended, and nothing at all had come.
    pub(super) fn into_repeatable(self, fault: &Fault) -> Option<Box<Message<B>>> {
        match fault {
            Fault::Ended | Fault::Io(_) if !self.is_begun => self.upload?.into_repeatable(),
            _ => None,
        }
    }
}

impl Reading {
    fn of(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::default()),
            Framing::Close => Self::Close,
        }
    }
}

/// What has come is handed over before more is read.
fn more(delivery: &Delivery) -> Progress {
    if delivery.chunks.is_empty() { Progress::More } else { Progress::Enough }
}
