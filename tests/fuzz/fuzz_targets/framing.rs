//! Whether a head can be read in one way: what the check admits has one framing, one host and one target, judged here by
//! rules written down a second time.
#![no_main]

use countersign::proxy::head;
use countersign_fuzz::{head_of, lines};
use http::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(parts) = head_of(data) else { return };
    let Ok(checked) = head::check(&parts) else { return };
    let codings = lines(&parts.headers, "transfer-encoding");
    let lengths = lines(&parts.headers, "content-length");
    let hosts = lines(&parts.headers, "host");
    assert!(codings.len() < 2 && lengths.len() < 2 && hosts.len() < 2);
    assert!(codings.iter().all(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked")));
    assert!(codings.is_empty() || parts.version == Version::HTTP_11);
    assert!(lengths.iter().all(|length| !length.is_empty() && length.iter().all(u8::is_ascii_digit)));
    assert!(parts.uri.path().starts_with('/'));
    assert!(!matches!(parts.method.as_str(), "CONNECT" | "TRACE"));
    let host = checked.host.as_bytes();
    assert!(!host.is_empty() && !host.iter().any(|byte| matches!(byte, b' ' | b',' | b'@' | b'/' | b'\\' | b'"')));
    if let Some(authority) = parts.uri.authority() {
        assert!(hosts.iter().all(|host| host.eq_ignore_ascii_case(authority.as_str().as_bytes())));
    }
});
