//! Paths: none panics; what is admitted has no dot segment however often it is decoded, and what is plain keeps its
//! number of segments.
#![no_main]

use countersign::proxy::path::Path;
use libfuzzer_sys::fuzz_target;

fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            at += 3;
        } else {
            bytes.push(*byte);
            at += 1;
        }
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(path) = Path::parse(text, true) else { return };
    assert_eq!(path.as_str(), text);
    let mut layer = text.as_bytes().to_vec();
    for _ in 0..16 {
        let mut segments = layer.split(|byte| matches!(byte, b'/' | b'\\'));
        assert!(!segments.any(|segment| {
            let end = segment.iter().position(|byte| matches!(byte, b';' | b'?' | b'#' | 0)).unwrap_or(segment.len());
            matches!(segment[..end].trim_ascii(), b"." | b"..")
        }));
        if let Path::Plain(plain) = &path {
            let inner = layer.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).count();
            assert_eq!(plain.segments().count(), inner);
        }
        layer = decoded(&layer);
    }
});
