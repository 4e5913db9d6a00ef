//! A peer of HTTP/2 that sends exactly the frames it is given, legal or not (RFC 9113 §4.1), and header
//! blocks written by hand (RFC 7541 §6): a client, or an application that is a script.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::http::DEADLINE;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITISED: u8 = 0x20;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM, or of GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    framed(payload.len(), kind, flags, stream, payload)
}

/// The same with a length that may not be the payload's.
pub(crate) fn framed(length: usize, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Parameters of a SETTINGS frame.
pub(crate) fn settings(parameters: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in parameters {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// A header block: every field a literal that is neither indexed nor compressed (RFC 7541 §6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value.as_bytes());
    }
    block
}

/// A string literal (RFC 7541 §5.2), not compressed.
pub(crate) fn string(block: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        block.push(u8::try_from(length).unwrap());
    }
    block.extend(text);
}

/// The fields of a request, pseudo-header fields first.
pub(crate) fn request<'a>(
    method: &'a str,
    path: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut fields =
        vec![(":method", method), (":scheme", "http"), (":authority", "app.example"), (":path", path)];
    fields.extend(more);
    fields
}

/// A connection.
pub(crate) struct Frames {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Frames {
    /// With the preface and settings that keep the peer's header blocks plain.
    pub(crate) fn open(to: SocketAddr) -> Self {
        Self::with(to, &[])
    }

    /// The same with more settings.
    pub(crate) fn with(to: SocketAddr, more: &[(u16, u32)]) -> Self {
        let mut this = Self::bare(to);
        this.write(PREFACE);
        this.write(&settings(&[&[(1, 0)], more].concat()));
        this.write(&frame(SETTINGS, ACK, 0, &[]));
        this
    }

    /// Without a word.
    pub(crate) fn bare(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// The other end of one that was accepted: reads the preface, and answers with settings.
    pub(crate) fn serving(stream: TcpStream, more: &[(u16, u32)]) -> Self {
        let mut this = Self::over(stream);
        while this.buffer.len() < PREFACE.len() {
            this.more().expect("it ended before its preface");
        }
        let preface: Vec<u8> = this.buffer.drain(..PREFACE.len()).collect();
        assert_eq!(preface, PREFACE);
        // At once: whoever waits for the one has then heard the other, too.
        this.write(&[settings(more), frame(SETTINGS, ACK, 0, &[])].concat());
        this
    }

    /// Answers on `stream` with a status and a body.
    pub(crate) fn answer(&mut self, stream: u32, status: &str, body: &[u8]) {
        self.write(&frame(HEADERS, END_HEADERS, stream, &block(&[(":status", status)])));
        self.write(&frame(DATA, END_STREAM, stream, body));
    }

    /// Bytes that may be sent on `stream` beyond what might be; 0 where nothing is granted for half a second.
    pub(crate) fn granted(&mut self, stream: u32) -> usize {
        self.stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        let granted = loop {
            let mut chunk = [0; 1024];
            if self.buffer.len() < 13 {
                match self.stream.read(&mut chunk) {
                    Ok(0) | Err(_) => break 0,
                    Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
                }
                continue;
            }
            let Some(frame) = self.read() else { break 0 };
            if (frame.kind, frame.stream) == (WINDOW_UPDATE, stream) {
                break usize::try_from(u32::from_be_bytes(frame.payload.try_into().unwrap())).unwrap();
            }
        };
        self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        granted
    }

    /// The next stream that a request begins on.
    pub(crate) fn begun(&mut self) -> u32 {
        self.find(|frame| frame.kind == HEADERS).expect("the connection ended without a request").stream
    }

    /// Writes bytes. Whether the peer still took them.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Begins a request on `stream` and, with `end`, ends it.
    pub(crate) fn request(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) -> bool {
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        self.write(&frame(HEADERS, flags, stream, &block(fields)))
    }

    /// Ends our side.
    pub(crate) fn finish(&self) {
        let _gone = self.stream.shutdown(Shutdown::Write);
    }

    /// The next frame; `None` where the connection has ended.
    pub(crate) fn read(&mut self) -> Option<Frame> {
        while self.buffer.len() < 9 {
            self.more()?;
        }
        let length = usize::from(self.buffer[0]) << 16
            | usize::from(self.buffer[1]) << 8
            | usize::from(self.buffer[2]);
        while self.buffer.len() < 9 + length {
            self.more()?;
        }
        let bytes: Vec<u8> = self.buffer.drain(..9 + length).collect();
        let stream = u32::from_be_bytes(bytes[5..9].try_into().unwrap()) & 0x7fff_ffff;
        Some(Frame { kind: bytes[3], flags: bytes[4], stream, payload: bytes[9..].to_vec() })
    }

    /// The next frame that this is true of; `None` where the connection ends before.
    pub(crate) fn find(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.read()?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// The status of the answer on `stream`.
    pub(crate) fn status(&mut self, stream: u32) -> u16 {
        let of = |frame: &Frame| frame.stream == stream && [HEADERS, RST_STREAM].contains(&frame.kind);
        let frame = self.find(|frame| of(frame) || frame.kind == GOAWAY).expect("the connection ended");
        assert_eq!(frame.kind, HEADERS, "no answer on {stream}: {frame:?}");
        status(&frame.payload)
    }

    /// Every frame until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.read()).collect()
    }

    /// Whether the peer answers a ping: it still serves.
    pub(crate) fn answers(&mut self) -> bool {
        self.write(&frame(PING, 0, 0, b"stillup?"));
        self.find(|frame| frame.kind == PING && frame.flags & ACK != 0 && frame.payload == b"stillup?")
            .is_some()
    }

    fn more(&mut self) -> Option<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => None,
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                Some(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("nothing came within the deadline")
            }
            Err(_) => None,
        }
    }
}

/// The status that a header block begins with: static index 8 and following, or a literal of that name.
fn status(block: &[u8]) -> u16 {
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    let block = &block[start..];
    if let Some(index) = [0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e].iter().position(|byte| *byte == block[0])
    {
        return [200, 204, 206, 304, 400, 404, 500][index];
    }
    assert!([0x48, 0x08, 0x18].contains(&block[0]), "not a status: {block:02x?}");
    let length = usize::from(block[1] & 0x7f);
    let value = &block[2..2 + length];
    if block[1] & 0x80 == 0 {
        return std::str::from_utf8(value).unwrap().parse().unwrap();
    }
    // RFC 7541 appendix B: 0, 1 and 2 have five bits, 3 to 9 have six.
    let bits: String = value.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let five = u16::from_str_radix(&bits[at..at + 5], 2).unwrap();
        if five <= 2 {
            number = number * 10 + five;
            at += 5;
        } else {
            number = number * 10 + u16::from_str_radix(&bits[at..at + 6], 2).unwrap() - 0b01_1001 + 3;
            at += 6;
        }
    }
    number
}
