//! HTTP/2 and HPACK frame by frame: what RFC 9113 and RFC 7541 require of whoever receives. By section.

mod frames;
mod hpack;
mod requests;
mod streams;

use crate::support::frames::{Frame, Frames, GOAWAY, PROTOCOL_ERROR, RST_STREAM, block, request};
use crate::support::sidecar::Sidecar;

/// A sidecar with an open route.
fn open() -> Sidecar {
    Sidecar::builder()
        .config(
            "[[routes]]\nname = 'open'\npath = '/{*rest}'\nverify = 'none'\n[limits]\nlinger_time = '100ms'",
        )
        .start()
}

/// The block of a request that is in order.
fn get() -> Vec<u8> {
    block(&request("GET", "/in", &[]))
}

/// What h2 says where RFC 9113 (§4.2, §4.3, §6) names a code of its own: a deviation, named in docs/http.md. Each of these
/// errors ends what it must end.
const COARSE: u32 = PROTOCOL_ERROR;

/// Sends bytes on a new connection; it must end with this error (RFC 9113 §5.4.1).
fn assert_ends(sidecar: &Sidecar, what: &str, code: u32, bytes: &[u8]) {
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(bytes);
    connection.finish();
    let told = connection.rest().into_iter().find(|frame| frame.kind == GOAWAY);
    assert_eq!(told.map(|frame| frame.code()), Some(code), "{what}");
}

/// Sends bytes on a new connection; stream 1 must end with this error (RFC 9113 §5.4.2), or all of it with the same.
fn assert_resets(sidecar: &Sidecar, what: &str, code: u32, bytes: &[u8]) {
    let mut connection = Frames::open(sidecar.traffic());
    connection.write(bytes);
    let wanted = |frame: &Frame| frame.kind == GOAWAY || frame.kind == RST_STREAM && frame.stream == 1;
    assert_eq!(connection.find(wanted).map(|frame| frame.code()), Some(code), "{what}");
}
