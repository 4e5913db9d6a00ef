//! Where an answer ends, however its bytes are cut.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};

use super::answer::{Framing, Head, MAX_HEAD, Parsed, parse};
use super::chunked::{Chunked, Piece};
use super::fault::Flaw;

/// The head that a text is.
fn head(text: &str, to_head: bool) -> Result<Head, Flaw> {
    let mut buffer = BytesMut::from(text);
    match parse(&mut buffer, to_head)? {
        Parsed::Answer(head) => Ok(head),
        other => panic!("{other:?}: {text}"),
    }
}

fn framing(fields: &str) -> Result<Framing, Flaw> {
    head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), false).map(|head| head.framing)
}

#[test]
fn an_answer_ends_where_its_fields_say() {
    for (fields, expected) in [
        ("", Framing::Close),
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("content-length: 7\r\n", Framing::Length(7)),
        ("Content-Length: 18446744073709551615\r\n", Framing::Length(u64::MAX)),
        ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
    ] {
        assert_eq!(framing(fields), Ok(expected), "{fields}");
    }
    for status in ["204 No Content", "304 Not Modified"] {
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\n\r\n");
        assert_eq!(head(&text, false).map(|head| head.framing), Ok(Framing::Length(0)), "{status}");
    }
    let to_head = head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true).unwrap();
    assert_eq!(to_head.framing, Framing::Length(0));
}

#[test]
fn h21_an_answer_that_could_end_in_two_places_is_a_flaw() {
    for (fields, flaw) in [
        ("Content-Length: 7\r\nContent-Length: 8\r\n", Flaw::Length),
        ("Content-Length: 7\r\nContent-Length: 7\r\n", Flaw::Length),
        ("Content-Length: 7, 7\r\n", Flaw::Length),
        ("Content-Length: +7\r\n", Flaw::Length),
        ("Content-Length: 0x7\r\n", Flaw::Length),
        ("Content-Length: 7 7\r\n", Flaw::Length),
        ("Content-Length:\r\n", Flaw::Length),
        ("Content-Length: 18446744073709551616\r\n", Flaw::Length),
        ("Transfer-Encoding: chunked\r\nContent-Length: 7\r\n", Flaw::Coding),
        ("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", Flaw::Coding),
        ("Transfer-Encoding: gzip, chunked\r\n", Flaw::Coding),
        ("Transfer-Encoding: chunked, chunked\r\n", Flaw::Coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Flaw::Coding),
        ("Transfer-Encoding: identity\r\n", Flaw::Coding),
        ("Transfer-Encoding:\r\n", Flaw::Coding),
    ] {
        assert_eq!(framing(fields), Err(flaw), "{fields}");
    }
    let old = head("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    assert_eq!(old.map(|head| head.framing), Err(Flaw::Coding));
}

#[test]
fn an_answer_says_whether_another_may_follow() {
    for (text, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, CLOSE\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true),
    ] {
        assert_eq!(head(text, false).map(|head| head.is_last), Ok(expected), "{text}");
    }
}

#[test]
fn fields_come_as_they_arrived_and_what_follows_stays() {
    let mut buffer = BytesMut::from(
        &b"HTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 404 \r\nX-Two: a\r\nETag: \"\xe9\"\r\nx-two:  b \r\n\r\nrest"[..],
    );
    assert!(matches!(parse(&mut buffer, false), Ok(Parsed::Interim)));
    let Ok(Parsed::Answer(head)) = parse(&mut buffer, false) else { panic!("no answer") };
    assert_eq!((head.status.as_u16(), head.headers.len()), (404, 3));
    assert_eq!(head.headers.get_all("x-two").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(head.headers["etag"].as_bytes(), b"\"\xe9\"");
    assert_eq!(buffer, "rest");
}

#[test]
fn a_head_has_an_end() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
    for text in [endless.clone(), endless + "\r\n\r\n"] {
        assert!(matches!(parse(&mut BytesMut::from(text.as_str()), false), Err(Flaw::TooLarge)));
    }
    let many = "x: y\r\n".repeat(super::answer::MAX_FIELDS + 1);
    assert!(matches!(framing(&many), Err(Flaw::Head(_))));
}

/// What comes apart: the data, the trailers, and what is left behind them.
fn apart(text: &[u8], size: usize) -> Result<(Vec<u8>, Option<HeaderMap>, Bytes), Flaw> {
    let (mut chunked, mut buffer) = (Chunked::default(), BytesMut::new());
    let (mut data, mut trailers) = (Vec::new(), None);
    for piece in text.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            match chunked.next(&mut buffer)? {
                Piece::More => break,
                Piece::Data(more) => data.extend(more),
                Piece::Trailers(fields) => trailers = Some(fields),
            }
        }
    }
    Ok((data, trailers, buffer.freeze()))
}

#[test]
fn chunks_come_apart() {
    // RFC 9112 §7.1: sizes in any case, leading zeros, extensions; §7.1.2: trailers.
    let text =
        b"4\r\nWiki\r\n005;a=\"b\"\r\npedia\r\nE \t;x\r\n in\r\n\r\nchunks.\r\n0\r\nX-Sum: 1\r\n\r\nrest";
    for size in [1, 2, 3, 7, text.len()] {
        let (data, trailers, rest) = apart(text, size).unwrap();
        assert_eq!((data.as_slice(), rest.as_ref()), (&b"Wikipedia in\r\n\r\nchunks."[..], &b"rest"[..]));
        assert_eq!(trailers.unwrap()["x-sum"], "1");
    }
    assert_eq!(apart(b"0\r\n\r\n", 1), Ok((Vec::new(), Some(HeaderMap::new()), Bytes::new())));
}

#[test]
fn chunks_that_are_none_are_a_flaw() {
    for text in [
        b"\r\n".as_slice(),
        b";a\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\na\r\n",
        b"0x1\r\na\r\n",
        b" 1\r\na\r\n",
        b"1 1\r\na\r\n",
        b"1\na\n0\n\n",
        b"1\r\nab",
        b"1\r\na\n0\r\n\r\n",
        b"1\r\na\r0\r\n\r\n",
        b"1;a\rb\r\na\r\n",
        b"10000000000000000\r\n",
        b"00000000000000001\r\na\r\n",
    ] {
        let what = String::from_utf8_lossy(text).into_owned();
        assert_eq!(apart(text, 1), Err(Flaw::Chunk), "{what}");
        assert_eq!(apart(text, text.len()), Err(Flaw::Chunk), "{what}");
    }
    assert!(matches!(apart(b"0\r\nno colon\r\n\r\n", 1), Err(Flaw::Head(_))));
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let endless = format!("1;{}", "x".repeat(100_000));
    assert_eq!(apart(endless.as_bytes(), 1000), Err(Flaw::Chunk));
    let many = format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(20);
    assert_eq!(apart(many.as_bytes(), 1000), Err(Flaw::Chunk));
    let trailers = format!("0\r\nx: {}", "y".repeat(100_000));
    assert_eq!(apart(trailers.as_bytes(), 1000), Err(Flaw::TooLarge));
}

fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(0_u8.., 1..40), 0..20)
}

proptest! {
    #[test]
    fn it_does_not_matter_how_chunks_are_cut(chunks in chunks(), size in 1_usize..50) {
        let mut text = Vec::new();
        for chunk in &chunks {
            text.extend(format!("{:x}\r\n", chunk.len()).bytes());
            text.extend(chunk);
            text.extend(b"\r\n");
        }
        text.extend(b"0\r\n\r\n");
        prop_assert_eq!(apart(&text, size), Ok((chunks.concat(), Some(HeaderMap::new()), Bytes::new())));
    }

    #[test]
    fn no_bytes_make_it_panic(text in prop::collection::vec(0_u8.., 0..200), size in 1_usize..50) {
        let _any = apart(&text, size);
        let _any = parse(&mut BytesMut::from(text.as_slice()), false);
    }
}
