//! What may have become of a body between the sender and here. Not a JSON library: spaces are moved, and
//! values stay as they are written.

use std::borrow::Cow;

use super::{Bytes, Change, Kind};

/// The body as it is, and as it may have been.
pub(super) fn changes(body: &[u8]) -> Vec<Change<Bytes<'_>>> {
    let mut changes = vec![Change::none(Cow::Borrowed(body))];
    let mut add = |what: &str, value: Bytes<'_>| {
        if changes.iter().all(|change| *change.value != *value) {
            changes.push(Change::to(Kind::Body, what, Cow::Owned(value.into_owned())));
        }
    };
    if let Some(rest) = body.strip_suffix(b"\r\n") {
        add(
            "the body without the CRLF at its end (something on the way, or an editor, added it)",
            Cow::Borrowed(rest),
        );
    }
    if let Some(rest) = body.strip_suffix(b"\n") {
        add(
            "the body without the line feed at its end (something on the way, or an editor, added it)",
            Cow::Borrowed(rest),
        );
    }
    add("a line feed after the body (it was lost on the way)", Cow::Owned([body, b"\n"].concat()));
    add("a CRLF after the body (it was lost on the way)", Cow::Owned([body, b"\r\n"].concat()));
    if let Some(rest) = body.strip_prefix(b"\xef\xbb\xbf") {
        add("the body without the byte order mark before it", Cow::Borrowed(rest));
    }
    add("LF for every CRLF of the body (its line ends were changed)", Cow::Owned(lf(body)));
    add("CRLF for every LF of the body (its line ends were changed)", Cow::Owned(crlf(body)));
    if !body.is_empty() {
        add("an empty body: what was captured is not what was sent", Cow::Borrowed(b""));
    }
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        let compact = spaced(body, b":", b",");
        let escaped = slashes(&compact, true);
        add("the JSON of the body without spaces (it was parsed and written anew)", Cow::Borrowed(&compact));
        add(
            "a space after each `:` and `,` of the body's JSON (it was parsed and written anew)",
            Cow::Owned(spaced(body, b": ", b", ")),
        );
        add("`\\/` for `/` in the body's JSON, without spaces (as PHP writes it)", Cow::Owned(escaped));
        add("`/` for `\\/` in the body's JSON, without spaces", Cow::Owned(slashes(&compact, false)));
        add(
            "the keys of the body's JSON sorted, without spaces (it was parsed and written anew)",
            Cow::Owned(value.to_string().into_bytes()),
        );
    }
    changes
}

fn lf(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if !(byte == b'\r' && rest.peek() == Some(&b'\n')) {
            out.push(byte);
        }
    }
    out
}

fn crlf(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for byte in lf(body) {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// Valid JSON with other spaces between its tokens.
fn spaced(json: &[u8], colon: &[u8], comma: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for byte in json {
        if in_string {
            out.push(*byte);
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b':' => out.extend_from_slice(colon),
            b',' => out.extend_from_slice(comma),
            _ => {
                in_string = *byte == b'"';
                out.push(*byte);
            }
        }
    }
    out
}

/// Valid JSON with each `/` escaped or not; outside strings there is none.
fn slashes(json: &[u8], escape: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json.iter().copied();
    while let Some(byte) = rest.next() {
        let (escaped, byte) =
            if byte == b'\\' { (true, rest.next().unwrap_or(b'\\')) } else { (false, byte) };
        if (byte == b'/' && escape) || (byte != b'/' && escaped) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{changes, crlf, lf, slashes, spaced};

    #[test]
    fn spaces_move_and_strings_stay() {
        let json = br#"{ "a : \", b\\" : [1 , 2 ],"c":"d,:\n" }"#;
        assert_eq!(spaced(json, b":", b","), br#"{"a : \", b\\":[1,2],"c":"d,:\n"}"#);
        assert_eq!(spaced(json, b": ", b", "), br#"{"a : \", b\\": [1, 2], "c": "d,:\n"}"#);
    }

    #[test]
    fn slashes_are_escaped_once() {
        assert_eq!(slashes(br#"{"a":"b/c\/d\"\\"}"#, true), br#"{"a":"b\/c\/d\"\\"}"#);
        assert_eq!(slashes(br#"{"a":"b/c\/d\"\\"}"#, false), br#"{"a":"b/c/d\"\\"}"#);
    }

    #[test]
    fn line_ends_are_changed_alone() {
        assert_eq!(lf(b"a\r\nb\rc\n"), b"a\nb\rc\n");
        assert_eq!(crlf(b"a\r\nb\n"), b"a\r\nb\r\n");
    }

    /// What is tried beside the body as it is, by the first words of what is said of it.
    fn tried(body: &[u8]) -> Vec<(String, Vec<u8>)> {
        let [own, others @ ..] = &changes(body)[..] else { panic!("nothing") };
        assert!(own.what.is_none() && *own.value == *body);
        others.iter().map(|change| (change.what.clone().unwrap().1, change.value.to_vec())).collect()
    }

    #[test]
    fn each_repair_is_named_with_the_bytes_that_it_makes() {
        let holds = |body: &[u8], what: &str, repaired: &[u8]| {
            let tried = tried(body);
            assert!(
                tried.iter().any(|(said, bytes)| said.starts_with(what) && bytes == repaired),
                "{what}: {tried:?}"
            );
        };
        holds(b"a\r\n", "the body without the CRLF", b"a");
        holds(b"a\r\n", "the body without the line feed", b"a\r");
        holds(b"a", "a line feed after", b"a\n");
        holds(b"a", "a CRLF after", b"a\r\n");
        holds(b"\xef\xbb\xbfa", "the body without the byte order mark", b"a");
        holds(b"a\r\nb", "LF for every CRLF", b"a\nb");
        holds(b"a\nb", "CRLF for every LF", b"a\r\nb");
        holds(b"a", "an empty body", b"");
        let json = br#"{"b": "/", "a":1}"#;
        holds(json, "the JSON of the body without spaces", br#"{"b":"/","a":1}"#);
        holds(json, "a space after each", br#"{"b": "/", "a": 1}"#);
        holds(json, "`\\/` for `/`", br#"{"b":"\/","a":1}"#);
        holds(br#"{"b": "\/"}"#, "`/` for `\\/`", br#"{"b":"/"}"#);
        holds(json, "the keys of the body's JSON sorted", br#"{"a":1,"b":"/"}"#);
    }

    #[test]
    fn what_is_no_json_is_not_written_anew_and_nothing_is_not_emptied() {
        let about_json = |(said, _): &(String, Vec<u8>)| said.contains("JSON");
        assert!(!tried(b"a: b, c").iter().any(about_json));
        assert_eq!(
            tried(b"").iter().map(|(_, bytes)| bytes.as_slice()).collect::<Vec<_>>(),
            [&b"\n"[..], b"\r\n"]
        );
    }

    #[test]
    fn the_same_bytes_are_tried_once() {
        let changes = changes(b"{}");
        for (index, change) in changes.iter().enumerate() {
            assert!(changes.iter().skip(index + 1).all(|other| other.value != change.value));
        }
    }
}
