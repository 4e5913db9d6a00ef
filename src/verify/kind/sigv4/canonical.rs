//! The canonical request of SigV4, but for its last line, which is the hash of the body. Pure.
//!
//! Not a normaliser: a path with empty or dot segments, which a signer may have normalised, is encoded as it is and
//! so does not verify. Invariants: every signed header is there; what two requests share a canonical request in is
//! only what SigV4 itself leaves open (the order of parameters, escapes of the query that stand for the same bytes,
//! runs of spaces in a header).
//! Spec: AWS IAM User Guide, "Create a signed AWS API request", step 1.

use data_encoding::HEXUPPER_PERMISSIVE;
use http::HeaderName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::Encode;
use crate::credential::Head;
use crate::credential::grammar::trim_ows;
use crate::verify::kind::target;

/// All but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The lines before the hash of the body; `None` where a signed header is not there or the query can't be read in one
/// way.
pub(super) fn request(head: &Head<'_>, signed: &[&str], path: Encode) -> Option<Vec<u8>> {
    let at = target::path(head.target);
    let at = match path {
        Encode::Once => at.to_owned(),
        Encode::Twice => percent_encode(at.as_bytes(), RESERVED_IN_PATH).to_string(),
    };
    let query = query(target::query(head.target).unwrap_or_default())?;
    let mut lines = format!("{}\n{at}\n{query}\n", head.method).into_bytes();
    for name in signed {
        lines.extend_from_slice(name.as_bytes());
        lines.push(b':');
        header(head, name, &mut lines)?;
        lines.push(b'\n');
    }
    lines.push(b'\n');
    lines.extend_from_slice(signed.join(";").as_bytes());
    lines.push(b'\n');
    Some(lines)
}

/// The parameters, encoded in one way and sorted by name and value.
fn query(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    let mut pairs = text
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((encoded(name)?, encoded(value)?))
        })
        .collect::<Option<Vec<_>>>()?;
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(pairs.join("&"))
}

/// One spelling of a name or value. `+` and `;` are refused: some applications read a space in the one, the end of a
/// parameter in the other, so that they would not be the same as their escapes.
fn encoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' | b';' => return None,
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                bytes.extend_from_slice(&HEXUPPER_PERMISSIVE.decode(digits).ok()?);
                rest = after;
            }
            byte => bytes.push(*byte),
        }
    }
    Some(percent_encode(&bytes, RESERVED).to_string())
}

/// The lines of a header, joined by commas, with spaces around them removed and runs within them made one.
fn header(head: &Head<'_>, name: &str, lines: &mut Vec<u8>) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut found = false;
    for value in head.headers.get_all(&name) {
        if found {
            lines.push(b',');
        }
        found = true;
        let mut last = 0;
        for byte in trim_ows(value.as_bytes()) {
            if !(*byte == b' ' && last == b' ') {
                lines.push(*byte);
            }
            last = *byte;
        }
    }
    if !found && name == http::header::HOST {
        // HTTP/2 has no such header; the sender signed the name that it called.
        let host = head.url?.split_once("://")?.1.split(['/', '?']).next()?;
        lines.extend_from_slice(host.as_bytes());
        found = true;
    }
    found.then_some(())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};
    use proptest::prelude::{any, proptest};

    use super::{encoded, query, request};
    use crate::credential::Head;
    use crate::verify::kind::sigv4::Encode;

    fn canonical(target: &str, path: Encode, url: Option<&str>, signed: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_static("  x   y  "));
        headers.append("a", HeaderValue::from_static("\tz"));
        let head = Head { method: &Method::GET, target, headers: &headers, url };
        request(&head, signed, path).map(|lines| String::from_utf8(lines).unwrap())
    }

    #[test]
    fn each_part_has_its_line() {
        let once = canonical("/p%20q/r+s?b=1&a", Encode::Once, None, &["a"]);
        assert_eq!(once.as_deref(), Some("GET\n/p%20q/r+s\na=&b=1\na:x y,z\n\na\n"));
        let twice = canonical("/p%20q/r+s/", Encode::Twice, None, &["a"]);
        assert_eq!(twice.as_deref(), Some("GET\n/p%2520q/r%2Bs/\n\na:x y,z\n\na\n"));
        let url = Some("https://h.example:8443/p?x");
        let host = canonical("/", Encode::Once, url, &["a", "host"]).unwrap();
        assert!(host.ends_with("\nhost:h.example:8443\n\na;host\n"), "{host}");
        assert_eq!(canonical("/", Encode::Once, None, &["host"]), None);
        assert_eq!(canonical("/", Encode::Once, None, &["b"]), None);
        assert_eq!(canonical("/", Encode::Once, None, &["a b"]), None);
    }

    #[test]
    fn a_query_is_sorted_by_name_and_then_by_value() {
        let sorted = |text: &str| query(text).unwrap();
        assert_eq!(sorted("Param2=v&Param1=v"), "Param1=v&Param2=v");
        assert_eq!(sorted("a-b=1&a=2&a=1&a"), "a=&a=1&a=2&a-b=1", "by the name alone, not with its `=`");
        assert_eq!(sorted("a=b=c&d=/"), "a=b%3Dc&d=%2F");
        assert_eq!(sorted("%e1%88%b4=%41"), "%E1%88%B4=A");
        assert_eq!(sorted(""), "");
        for ambiguous in ["a=1+2", "a=1;b=2", "a=%", "a=%2", "a=%zz", "%+1"] {
            assert_eq!(query(ambiguous), None, "{ambiguous}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_an_encoded_text_stays_as_it_is(text in any::<String>()) {
            let _ = query(&text);
            if let Some(once) = encoded(&text) {
                assert_eq!(encoded(&once), Some(once.clone()));
            }
        }
    }
}
