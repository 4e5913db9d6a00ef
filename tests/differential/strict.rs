//! A reader that takes only what RFC 9112 spells out, with nothing that a recipient may let pass, and no trailers or
//! chunk extensions, which we never send.

use sha2::{Digest, Sha256};

/// What a parser makes of one request, in words that every peer can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// Method and target, in hexadecimal.
    pub(super) line: String,
    /// `none`, `length` or `chunked`.
    pub(super) framing: String,
    /// Bytes of the body and its SHA-256, in hexadecimal.
    pub(super) body: String,
}

/// How far the bytes lead.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// No fault so far, and no end.
    Partial,
    /// A request, and how many bytes it took.
    Whole(Reading, usize),
    /// What is wrong.
    Fault(&'static str),
}

impl Reading {
    pub(super) fn new(line: &[u8], framing: &str, body: &[u8]) -> Self {
        let body = format!("{} {}", body.len(), hex(&Sha256::digest(body)));
        Self { line: hex(line), framing: framing.to_owned(), body }
    }

    /// As peers report it.
    pub(super) fn report(&self) -> String {
        format!("{} {} {}", self.line, self.framing, self.body)
    }

    /// What a peer reported.
    pub(super) fn of_report(report: &str) -> Option<Self> {
        let (line, rest) = report.split_once(' ')?;
        let (framing, body) = rest.split_once(' ')?;
        Some(Self { line: line.to_owned(), framing: framing.to_owned(), body: body.to_owned() })
    }
}

/// Reads the first request.
pub(super) fn first(bytes: &[u8]) -> Read {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Read::Partial };
    match head(&bytes[..end]) {
        Ok((line, framing)) => body(&bytes[end + 4..], end + 4, line, framing),
        Err(fault) => Read::Fault(fault),
    }
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

/// The request line without its version, and the framing.
fn head(head: &[u8]) -> Result<(&[u8], Framing), &'static str> {
    let mut lines = lines(head)?.into_iter();
    let line = lines.next().and_then(|line| line.strip_suffix(b" HTTP/1.1")).ok_or("the version")?;
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if words.next().is_some() || method.is_empty() || !method.iter().all(is_token) {
        return Err("the request line");
    }
    if target.is_empty() || !target.iter().all(|byte| *byte > b' ' && *byte != 0x7f) {
        return Err("the target");
    }
    let (mut hosts, mut framing) = (0, Framing::None);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a line without a colon")?;
        let (name, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(is_token) {
            return Err("a name");
        }
        if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err("a value");
        }
        match name.as_slice() {
            b"host" => hosts += 1,
            b"content-length" | b"transfer-encoding" if !matches!(framing, Framing::None) => {
                return Err("two framings");
            }
            b"content-length" => framing = Framing::Length(digits(value).ok_or("a length")?),
            b"transfer-encoding" if value == b"chunked" => framing = Framing::Chunked,
            b"transfer-encoding" => return Err("a transfer coding"),
            _ => {}
        }
    }
    if hosts == 1 { Ok((line, framing)) } else { Err("not one Host") }
}

/// Lines that end with CRLF, without CR or LF elsewhere.
fn lines(head: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    let plain = |line: &&[u8]| !line.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    if lines.iter().all(plain) { Ok(lines) } else { Err("a bare CR or LF") }
}

fn body(bytes: &[u8], before: usize, line: &[u8], framing: Framing) -> Read {
    match framing {
        Framing::None => Read::Whole(Reading::new(line, "none", b""), before),
        Framing::Length(length) => match bytes.get(..length) {
            Some(body) => Read::Whole(Reading::new(line, "length", body), before + length),
            None => Read::Partial,
        },
        Framing::Chunked => match chunks(bytes) {
            Ok(Some((body, used))) => Read::Whole(Reading::new(line, "chunked", &body), before + used),
            Ok(None) => Read::Partial,
            Err(fault) => Read::Fault(fault),
        },
    }
}

fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size = &bytes[at..at + end];
        if size.is_empty() || size.len() > 8 || !size.iter().all(u8::is_ascii_hexdigit) {
            return Err("a chunk size");
        }
        let size =
            size.iter().fold(0, |sum, digit| sum * 16 + char::from(*digit).to_digit(16).unwrap() as usize);
        at += end + 2;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err(if size == 0 { "a trailer" } else { "the end of a chunk" });
        }
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

fn digits(value: &[u8]) -> Option<usize> {
    let plain = value == b"0" || (value.iter().all(u8::is_ascii_digit) && !value.starts_with(b"0"));
    if plain { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_strict_reader_takes_one_reading_only() {
    let whole = |bytes: &[u8]| matches!(first(bytes), Read::Whole(_, used) if used == bytes.len());
    assert!(whole(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(whole(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"));
    assert!(whole(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"));
    for fault in [
        "GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\nhello",
        "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nhi\r\n0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
    ] {
        assert!(matches!(first(fault.as_bytes()), Read::Fault(_)), "{fault:?}");
    }
    assert_eq!(first(b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh"), Read::Partial);
}
