//! `Forwarded` as hops (RFC 7239 §4). Pure.
//!
//! Not a judgement of who may be believed. Invariants: quotes are honoured, and a line with an open one is malformed,
//! because it would swallow what the next proxy adds; each parameter occurs once in an element.

use http::HeaderMap;
use http::header::FORWARDED;
use smallvec::SmallVec;

use super::x_forwarded::host_value;
use super::{ClientFault, Hop, Proto, node};

/// The hops, nearest last.
///
/// # Errors
/// [`ClientFault::Malformed`].
pub(super) fn hops(headers: &HeaderMap) -> Result<SmallVec<[Hop; 4]>, ClientFault> {
    let mut hops = SmallVec::new();
    for line in headers.get_all(FORWARDED) {
        for element in split(line.as_bytes(), b',')? {
            // Empty elements of a list are ignored (RFC 9110 §5.6.1).
            if !element.trim_ascii().is_empty() {
                hops.push(hop(element)?);
            }
        }
    }
    Ok(hops)
}

/// `for=192.0.2.43;proto=https;host="app.example"`, in any order; other parameters are passed over.
fn hop(element: &[u8]) -> Result<Hop, ClientFault> {
    let mut hop = Hop::default();
    let mut names: SmallVec<[Vec<u8>; 4]> = SmallVec::new();
    for pair in split(element, b';')? {
        let pair = pair.trim_ascii();
        if pair.is_empty() {
            continue;
        }
        let equals = pair.iter().position(|byte| *byte == b'=').ok_or(ClientFault::Malformed)?;
        let (name, value) = pair.split_at(equals);
        let (name, value) = (name.to_ascii_lowercase(), unquoted(value.get(1..).unwrap_or_default())?);
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) || names.contains(&name) {
            return Err(ClientFault::Malformed);
        }
        match name.as_slice() {
            b"for" => hop.address = node(&value),
            b"proto" => hop.proto = Proto::from_name(&value),
            b"host" => hop.host = host_value(&value),
            _ => {}
        }
        names.push(name);
    }
    Ok(hop)
}

/// Splits at a separator that stands outside quotes.
fn split(text: &[u8], separator: u8) -> Result<SmallVec<[&[u8]; 4]>, ClientFault> {
    let mut parts = SmallVec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (index, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if *byte == separator && !quoted => {
                parts.push(text.get(start..index).unwrap_or_default());
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    if quoted { Err(ClientFault::Malformed) } else { Ok(parts) }
}

/// A token as it stands, or what a quoted string says (RFC 9110 §5.6.4).
fn unquoted(value: &[u8]) -> Result<Vec<u8>, ClientFault> {
    let Some(rest) = value.strip_prefix(b"\"") else {
        // An IPv6 node must be quoted, and proxies forget to: what is no token is taken as far as it is legible.
        return if value.contains(&b'"') { Err(ClientFault::Malformed) } else { Ok(value.to_vec()) };
    };
    let inner = rest.strip_suffix(b"\"").ok_or(ClientFault::Malformed)?;
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => text.push(*bytes.next().ok_or(ClientFault::Malformed)?),
            b'"' => return Err(ClientFault::Malformed),
            byte => text.push(*byte),
        }
    }
    Ok(text)
}
