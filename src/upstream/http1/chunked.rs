//! The chunked coding of an answer, taken apart (RFC 9112 §7.1).
//!
//! Invariants: data stays the bytes that arrived; whatever is not the grammar is a flaw, so that nobody behind us finds an
//! end where the application made none; extensions are dropped, and they and trailers are bounded.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::answer::{MAX_FIELDS, MAX_HEAD};
use super::fault::Flaw;

/// Bytes of one line that says a size, and of all extensions of an answer together.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// Hexadecimal digits of a size: what 64 bits take.
const MAX_DIGITS: usize = 16;

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    at: At,
    extensions: usize,
}

#[derive(Debug, Default, Clone, Copy)]
enum At {
    /// Before a size.
    #[default]
    Size,
    /// Among so many bytes of data.
    Data(u64),
    /// Behind the data of a chunk.
    DataEnd,
    Trailers,
    Over,
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Data(Bytes),
    /// The end. Empty where there are none.
    Trailers(HeaderMap),
    /// Not to be told from what is there.
    More,
}

impl Chunked {
    /// Takes the next piece out of `buffer`.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Piece, Flaw> {
        loop {
            match self.at {
                At::Size => match self.size(buffer)? {
                    None => return Ok(Piece::More),
                    Some(0) => self.at = At::Trailers,
                    Some(size) => self.at = At::Data(size),
                },
                At::Data(_) if buffer.is_empty() => return Ok(Piece::More),
                At::Data(left) => {
                    let taken = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left.saturating_sub(u64::try_from(taken).unwrap_or(left));
                    self.at = if left == 0 { At::DataEnd } else { At::Data(left) };
                    return Ok(Piece::Data(buffer.split_to(taken).freeze()));
                }
                At::DataEnd => match buffer.as_ref() {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        self.at = At::Size;
                    }
                    [] | [b'\r'] => return Ok(Piece::More),
                    _ => return Err(Flaw::Chunk),
                },
                At::Trailers => {
                    let Some(trailers) = trailers(buffer)? else { return Ok(Piece::More) };
                    self.at = At::Over;
                    return Ok(Piece::Trailers(trailers));
                }
                At::Over => return Ok(Piece::More),
            }
        }
    }

    /// The size of the next chunk, where its line is there.
    fn size(&mut self, buffer: &mut BytesMut) -> Result<Option<u64>, Flaw> {
        let Some(end) = memchr::memchr(b'\n', buffer) else {
            return if buffer.len() > MAX_EXTENSIONS { Err(Flaw::Chunk) } else { Ok(None) };
        };
        let line = buffer.split_to(end + 1);
        let line = line.strip_suffix(b"\r\n").ok_or(Flaw::Chunk)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at_checked(digits).ok_or(Flaw::Chunk)?;
        self.extensions = self.extensions.saturating_add(extension.len());
        let is_extension = matches!(extension.trim_ascii_start(), [] | [b';', ..]);
        if digits.len() > MAX_DIGITS
            || !is_extension
            || extension.contains(&b'\r')
            || self.extensions > MAX_EXTENSIONS
        {
            return Err(Flaw::Chunk);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| Flaw::Chunk)?;
        // No digit at all is none.
        u64::from_str_radix(digits, 16).map(Some).map_err(|_| Flaw::Chunk)
    }
}

/// The fields behind the last chunk, where all of them are there.
fn trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, Flaw> {
    if buffer.starts_with(b"\r\n") {
        buffer.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let (length, trailers) = match httparse::parse_headers(buffer, &mut fields).map_err(Flaw::Head)? {
        httparse::Status::Partial if buffer.len() > MAX_HEAD => return Err(Flaw::TooLarge),
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete((length, fields)) => {
            let mut trailers = HeaderMap::with_capacity(fields.len());
            for field in fields {
                let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Flaw::Field)?;
                trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| Flaw::Field)?);
            }
            (length, trailers)
        }
    };
    buffer.advance(length);
    Ok(Some(trailers))
}
