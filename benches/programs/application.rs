//! The application behind every proxy: reads each body to its end, counts requests and body bytes, and says
//! `ok`. `GET /__counts` answers with both counts and is not counted itself.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::http::{content_length, head_len, header, target};
use super::readiness::{Poller, listen, prepare, unless_blocked};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
const SCRATCH: usize = 256 * 1024;
/// Longest head, or line of a chunked body.
const LONGEST: usize = 64 * 1024;
const LISTENER: usize = usize::MAX;

#[derive(Default)]
struct Counts {
    requests: u64,
    bytes: usize,
}

struct Connection {
    stream: TcpStream,
    /// A head or line of which the end has not arrived.
    partial: Vec<u8>,
    stage: Stage,
    wants_counts: bool,
}

#[derive(Clone, Copy)]
enum Stage {
    Head,
    Body(usize),
    ChunkSize,
    /// What is left of a chunk, with the line end after it.
    Chunk(usize),
    Trailer,
}

pub(crate) fn run(address: SocketAddr) -> io::Result<()> {
    let listener = listen(address)?;
    let mut poller = Poller::new()?;
    poller.add(&listener, LISTENER)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut counts = Counts::default();
    let mut scratch = vec![0; SCRATCH];
    loop {
        let ready: Vec<usize> = poller.wait()?.collect();
        for token in ready {
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    prepare(&stream)?;
                    let free = connections.iter().position(Option::is_none).unwrap_or(connections.len());
                    poller.add(&stream, free)?;
                    if free == connections.len() {
                        connections.push(None);
                    }
                    if let Some(place) = connections.get_mut(free) {
                        *place = Some(Connection::new(stream));
                    }
                }
            } else if let Some(place) = connections.get_mut(token)
                && let Some(connection) = place
                && !connection.serve(&mut scratch, &mut counts).unwrap_or(false)
            {
                *place = None;
            }
        }
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream, partial: Vec::new(), stage: Stage::Head, wants_counts: false }
    }

    /// Reads once and answers each request that is whole. `false`: the peer has closed.
    fn serve(&mut self, scratch: &mut [u8], counts: &mut Counts) -> io::Result<bool> {
        let Some(read) = unless_blocked(self.stream.read(scratch))? else { return Ok(true) };
        let mut input = scratch.get(..read).unwrap_or_default();
        while !input.is_empty() {
            let Some((rest, done)) = self.take(input, counts)? else { return Ok(true) };
            input = rest;
            if done {
                self.stage = Stage::Head;
                self.answer(counts)?;
            }
        }
        Ok(read > 0)
    }

    /// Takes what belongs to the current stage; returns the rest, and whether a request has ended with it.
    /// `None`: the stage needs more.
    fn take<'i>(&mut self, input: &'i [u8], counts: &mut Counts) -> io::Result<Option<(&'i [u8], bool)>> {
        match self.stage {
            Stage::Head => {
                let Some((head, rest)) = self.whole(input, head_len)? else { return Ok(None) };
                self.wants_counts = target(&head) == b"/__counts";
                let chunked = header(&head, b"transfer-encoding").is_some();
                let length = content_length(&head);
                self.stage = if chunked { Stage::ChunkSize } else { Stage::Body(length) };
                Ok(Some((rest, !chunked && length == 0)))
            }
            Stage::Body(left) => {
                let (taken, rest) = input.split_at(left.min(input.len()));
                counts.bytes += taken.len();
                self.stage = Stage::Body(left - taken.len());
                Ok(Some((rest, taken.len() == left)))
            }
            Stage::ChunkSize => {
                let Some((line, rest)) = self.whole(input, line_len)? else { return Ok(None) };
                let size = std::str::from_utf8(line.trim_ascii()).ok();
                let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
                let size = size.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
                self.stage = if size == 0 { Stage::Trailer } else { Stage::Chunk(size + 2) };
                Ok(Some((rest, false)))
            }
            Stage::Chunk(left) => {
                let (taken, rest) = input.split_at(left.min(input.len()));
                let left_after = left - taken.len();
                // The line end is no part of the body.
                counts.bytes += left.saturating_sub(2) - left_after.saturating_sub(2);
                self.stage = if left_after == 0 { Stage::ChunkSize } else { Stage::Chunk(left_after) };
                Ok(Some((rest, false)))
            }
            Stage::Trailer => {
                let Some((line, rest)) = self.whole(input, line_len)? else { return Ok(None) };
                Ok(Some((rest, line.trim_ascii().is_empty())))
            }
        }
    }

    /// A head or line, joined with what arrived of it before, and what follows it.
    fn whole<'i>(
        &mut self,
        input: &'i [u8],
        len: fn(&[u8]) -> Option<usize>,
    ) -> io::Result<Option<(Vec<u8>, &'i [u8])>> {
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let Some(end) = len(&self.partial) else {
            let too_long = self.partial.len() > LONGEST;
            return if too_long { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) };
        };
        let mut whole = std::mem::take(&mut self.partial);
        whole.truncate(end);
        Ok(Some((whole, input.get(end - before..).unwrap_or_default())))
    }

    fn answer(&mut self, counts: &mut Counts) -> io::Result<()> {
        if !self.wants_counts {
            counts.requests += 1;
            return self.stream.write_all(OK);
        }
        let text = format!("{} {}\n", counts.requests, counts.bytes);
        write!(self.stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    }
}

fn line_len(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1)
}
