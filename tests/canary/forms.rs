//! The forms in which a secret may be left, and the search for them.

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use memchr::memmem;
use serde_json::json;

use super::{GIVEN, TOKEN_SECRET, VERIFY_TOKEN};

/// Characters that no URL needs to encode.
const UNRESERVED: &[u8] = b"-._~";

/// Every form of a secret, by name.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let percent = |all: bool, upper: bool| -> Vec<u8> {
        let encoded = bytes.iter().map(|byte| match byte {
            byte if !all && (byte.is_ascii_alphanumeric() || UNRESERVED.contains(byte)) => {
                char::from(*byte).to_string()
            }
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        });
        encoded.collect::<String>().into_bytes()
    };
    let json = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
    let once = json(secret);
    let mut forms = vec![
        ("raw", bytes.to_vec()),
        ("hex", HEXLOWER.encode(bytes).into_bytes()),
        ("upper-case hex", HEXUPPER.encode(bytes).into_bytes()),
        ("percent", percent(false, true)),
        ("lower-case percent", percent(false, false)),
        ("percent throughout", percent(true, true)),
        ("form", String::from_utf8(percent(false, true)).unwrap().replace("%20", "+").into_bytes()),
        ("JSON in JSON", json(&once).into_bytes()),
        ("JSON", once.into_bytes()),
        ("debug", format!("{secret:?}").trim_matches('"').as_bytes().to_vec()),
    ];
    for offset in 0..3 {
        for (name, encoding) in [("base64", &BASE64), ("base64url", &BASE64URL)] {
            let shifted = [&vec![0; offset][..], bytes].concat();
            let text = encoding.encode(&shifted[..shifted.len() / 3 * 3]);
            // What stands before shares a character or two with it.
            let own = (offset * 4).div_ceil(3);
            forms.push((name, text.as_bytes()[own..].to_vec()));
        }
    }
    forms
}

/// The whole secret, and its last 16 bytes: what a log that shortens may show.
fn parts(secret: &str) -> [&str; 2] {
    let mut start = secret.len().saturating_sub(16);
    while !secret.is_char_boundary(start) {
        start += 1;
    }
    [secret, &secret[start..]]
}

/// Which secret was found in which form, without saying it.
pub(super) fn found(secrets: &[(String, String)], haystack: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, secret) in secrets {
        for part in parts(secret) {
            for (form, needle) in forms(part) {
                if let Some(at) = memmem::find(haystack, &needle) {
                    let before = String::from_utf8_lossy(&haystack[at.saturating_sub(200)..at]);
                    found.push(format!("{name} ({form}) after {before:?}"));
                }
            }
        }
    }
    found
}

#[test]
fn the_searcher_finds_what_is_planted_in_every_form() {
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for secret in [GIVEN, VERIFY_TOKEN, TOKEN_SECRET] {
        let secrets = [("it".to_owned(), secret.to_owned())];
        assert_eq!(found(&secrets, &noise), Vec::<String>::new());
        for part in parts(secret) {
            for (form, needle) in forms(part) {
                let planted = [&noise[..100], &needle, &noise[100..]].concat();
                let found = found(&secrets, &planted);
                assert!(found.iter().any(|found| found.contains(form)), "{form}: {found:?}");
            }
        }
        // As others would write it: in the middle of more, at any alignment.
        for before in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{secret}tail");
            for planted in
                [BASE64.encode(text.as_bytes()), json!({ "a": json!({ "b": text }).to_string() }).to_string()]
            {
                assert_ne!(found(&secrets, planted.as_bytes()), Vec::<String>::new(), "{before:?}");
            }
        }
    }
}
