//! What the path check admits and refuses: a table of hostile cases, and properties over random ones.

use proptest::prelude::*;

use super::{CheckedPath, MAX_SEGMENTS, Path, PathFault, RawPath};

fn segments(path: &str) -> Result<Vec<String>, PathFault> {
    Ok(CheckedPath::parse(path)?.segments().map(str::to_owned).collect())
}

const HOSTILE: &[(&str, PathFault)] = &[
    ("", PathFault::NotAbsolute),
    ("*", PathFault::NotAbsolute),
    ("abc", PathFault::NotAbsolute),
    ("http://host/a", PathFault::NotAbsolute),
    ("%2fa", PathFault::NotAbsolute),
    ("/a b", PathFault::NotInPath),
    ("/a?b", PathFault::NotInPath),
    ("/a#b", PathFault::NotInPath),
    ("/caf\u{e9}", PathFault::NotInPath),
    ("/<script>", PathFault::NotInPath),
    ("/\u{ff0f}etc", PathFault::NotInPath),
    ("/.", PathFault::DotSegment),
    ("/..", PathFault::DotSegment),
    ("/../", PathFault::DotSegment),
    ("/a/./b", PathFault::DotSegment),
    ("/a/../b", PathFault::DotSegment),
    ("/a/..", PathFault::DotSegment),
    ("/a/..%20/b", PathFault::DotSegment),
    ("/a/%20./b", PathFault::DotSegment),
    ("/a/%C2%A0../b", PathFault::DotSegment),
    ("/a/..%3Fb", PathFault::DotSegment),
    ("/a/.%23/b", PathFault::DotSegment),
    ("/a/..%2520/b", PathFault::DotSegment),
    ("/a/%2520../b", PathFault::DotSegment),
    ("/a/..%25C2%25A0", PathFault::DotSegment),
    ("/a/..%253Fb", PathFault::DotSegment),
    ("/a/.%252523/b", PathFault::DotSegment),
    ("/o+/.%25252520%252520", PathFault::DotSegment),
    ("//", PathFault::EmptySegment),
    ("//a", PathFault::EmptySegment),
    ("/a//b", PathFault::EmptySegment),
    ("/a//", PathFault::EmptySegment),
    ("/a///", PathFault::EmptySegment),
    ("/a\\b", PathFault::Backslash),
    ("/a/..\\b", PathFault::Backslash),
    ("/a;b", PathFault::Parameters),
    ("/a/..;/b", PathFault::Parameters),
    ("/a;jsessionid=1/b", PathFault::Parameters),
    ("/%2e", PathFault::EncodedDelimiter),
    ("/a/%2e%2e/b", PathFault::EncodedDelimiter),
    ("/a/.%2E/b", PathFault::EncodedDelimiter),
    ("/a%2Eb", PathFault::EncodedDelimiter),
    ("/a%2fb", PathFault::EncodedDelimiter),
    ("/a%2Fb", PathFault::EncodedDelimiter),
    ("/a%5cb", PathFault::EncodedDelimiter),
    ("/a%3Bb", PathFault::EncodedDelimiter),
    ("/a%252fb", PathFault::EncodedDelimiter),
    ("/a%252e%252e/b", PathFault::EncodedDelimiter),
    ("/a%255Cb", PathFault::EncodedDelimiter),
    ("/a%25252fb", PathFault::EncodedDelimiter),
    ("/a%25%32%66b", PathFault::EncodedDelimiter),
    ("/a%252%66b", PathFault::EncodedDelimiter),
    ("/a%2525%2532%2566b", PathFault::EncodedDelimiter),
    ("/a%00", PathFault::Control),
    ("/a%0d%0aX:1", PathFault::Control),
    ("/a%09b", PathFault::Control),
    ("/a%7f", PathFault::Control),
    ("/a%C2%85b", PathFault::Control),
    ("/a%2500", PathFault::Control),
    ("/a\u{0}b", PathFault::Control),
    ("/a\tb", PathFault::Control),
    ("/%", PathFault::BadEscape),
    ("/a%2", PathFault::BadEscape),
    ("/a%zz", PathFault::BadEscape),
    ("/a%u002fb", PathFault::BadEscape),
    ("/a%+1b", PathFault::BadEscape),
    ("/%c0%ae%c0%ae/", PathFault::NotUtf8),
    ("/%c0%af", PathFault::NotUtf8),
    ("/%e0%80%af", PathFault::NotUtf8),
    ("/%f0%80%80%af", PathFault::NotUtf8),
    ("/%ff", PathFault::NotUtf8),
    ("/%ed%a0%80", PathFault::NotUtf8),
    ("/a%2525252525b", PathFault::TooManyLayers),
];

#[test]
fn hostile_paths_are_refused_for_the_reason_they_deserve() {
    for (path, fault) in HOSTILE {
        assert_eq!(segments(path), Err(*fault), "{path:?}");
    }
}

#[test]
fn honest_paths_pass_and_are_split_after_decoding() {
    let cases: &[(&str, &[&str])] = &[
        ("/", &[]),
        ("/a", &["a"]),
        ("/a/", &["a"]),
        ("/a/b.json", &["a", "b.json"]),
        ("/...", &["..."]),
        ("/.well-known/x", &[".well-known", "x"]),
        ("/a%20b/caf%C3%A9", &["a b", "caf\u{e9}"]),
        ("/a+b@c:d!$&'()*,=~_-", &["a+b@c:d!$&'()*,=~_-"]),
        ("/100%25", &["100%"]),
        ("/100%25/x", &["100%", "x"]),
        ("/a%2520b", &["a%20b"]),
        ("/a%3Fb%23c", &["a?b#c"]),
        ("/{x}|y^z", &["{x}|y^z"]),
    ];
    for (path, expected) in cases {
        assert_eq!(
            segments(path).as_deref(),
            Ok(&expected.iter().map(|s| s.to_string()).collect::<Vec<_>>()[..])
        );
    }
}

#[test]
fn the_number_of_segments_is_bounded() {
    assert!(CheckedPath::parse(&"/a".repeat(MAX_SEGMENTS)).is_ok());
    assert_eq!(CheckedPath::parse(&"/a".repeat(MAX_SEGMENTS + 1)), Err(PathFault::TooManySegments));
}

#[test]
fn a_path_without_escapes_is_borrowed() {
    let path = CheckedPath::parse("/a/b").unwrap();
    assert!(matches!(path.decoded, std::borrow::Cow::Borrowed(_)));
}

#[test]
fn a_raw_path_has_no_dot_segment_however_it_is_read() {
    for path in
        ["/a//b", "/a%2fb", "/a;b", "/a\\b", "/%zz", "/%", "/%00", "/%ff", "/a%2Eb", "/..a//", "/...//"]
    {
        assert!(matches!(Path::parse(path, true), Ok(Path::Raw(..))), "{path}");
        assert!(Path::parse(path, false).is_err(), "{path}");
        assert_eq!(Path::parse(path, true).unwrap().as_str(), path);
    }
    for path in
        ["/..", "/a/..;x/b", "/%2e%2e", "/%252e%252e", "/..%2f", "/..\\a", "/%c0%ae%c0%ae/", "/%u002e%u002e/"]
    {
        assert_eq!(RawPath::parse(path), Err(PathFault::DotSegment), "{path}");
    }
    assert_eq!(RawPath::parse("a"), Err(PathFault::NotAbsolute));
    assert_eq!(RawPath::parse("/a b"), Err(PathFault::NotInPath));
}

/// Decodes again and again, as a chain of careless servers would.
fn decode_fully(text: &str) -> String {
    let mut now = text.to_owned();
    loop {
        let next = percent_encoding::percent_decode_str(&now).decode_utf8_lossy().into_owned();
        if next == now {
            return now;
        }
        now = next;
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_check_panic(path in "\\PC*") {
        let _ = CheckedPath::parse(&path);
        let _ = CheckedPath::parse(&format!("/{path}"));
    }

    #[test]
    fn no_raw_path_ever_decodes_to_a_dot_segment(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "/", "a", ".", "..", "%2e", "%2E", "%2f", "%5c", "%25", "25", "2e", "2f", "%252e", "%32", "%65",
                "%", "2", "e", "f", ";", "\\", "%20", "%c0%ae", "%00", "b", "%3f", "%u002e", "%09",
            ]),
            0..12,
        )
    ) {
        let path = format!("/{}", parts.concat());
        if RawPath::parse(&path).is_ok() {
            let fully = decode_fully(&path);
            let dotted = fully.split(['/', '\\']).map(|part| part.split([';', '\0', '?']).next().unwrap_or(""));
            prop_assert!(!dotted.map(str::trim).any(|part| matches!(part, "." | "..")), "{} {}", path, fully);
        }
    }

    #[test]
    fn no_admitted_path_ever_decodes_to_another_shape(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "/", "a", ".", "..", "%2e", "%2E", "%2f", "%5c", "%25", "25", "2e", "2f", "%252e", "%32", "%65",
                "%", "2", "e", "f", ";", "\\", "%20", "%c0%ae", "%00", "b",
                "/..", "/.", "%2520", "%252520", "%253f", "%2523",
            ]),
            0..12,
        )
    ) {
        let path = format!("/{}", parts.concat());
        if let Ok(checked) = CheckedPath::parse(&path) {
            let count = checked.segments().count();
            let fully = decode_fully(&path);
            let parts: Vec<&str> =
                fully.trim_start_matches('/').split('/').filter(|part| !part.is_empty()).collect();
            prop_assert_eq!(parts.len(), count);
            let read = |part: &&str| part.split(['?', '#']).next().unwrap_or("").trim().to_owned();
            prop_assert!(!parts.iter().map(read).any(|part| matches!(&*part, "." | "..")), "{} {}", path, fully);
            prop_assert!(!fully.contains(['\\', ';', '\0']));
        }
    }
}
