//! A path that two parsers read differently opens nothing, least of all an open route.

use super::{open, status};

#[test]
fn an_ambiguous_path_is_refused_on_every_route() {
    let (sidecar, key) = open();
    for path in [
        "/public/../secret",
        "/public/%2e%2e/secret",
        "/public/.%2e/secret",
        "/public/%2E./secret",
        "/public/..",
        "/public/.",
        "/public/./a",
        "/./public/a",
        "/public/%2e/a",
        "/public/%252e%252e/secret",
        "/public/%25252e%25252e/secret",
        "/public/..%2fsecret",
        "/public/%2e%2e%2fsecret",
        "/public/a%2fb",
        "/public/a%2Fb",
        "/public%2fa",
        "/public/a%252fb",
        "/public//secret",
        "//public/a",
        "/public/a//",
        "/public/..;/secret",
        "/public/;a=b/secret",
        "/public/a;b",
        "/public/a%3bb",
        "/public\\..\\secret",
        "/public/..\\secret",
        "/public/%5c..%5csecret",
        "/public/a%00",
        "/public/%00/../secret",
        "/public/a%0d%0aX:1",
        "/public/a%0a",
        "/public/a%7f",
        "/public/a%c2%85b",
        "/public/%",
        "/public/%2",
        "/public/%zz",
        "/public/%c0%ae%c0%ae/secret",
        "/public/%e0%80%ae/secret",
        "/public/%ff",
        "/public/..%20/secret",
        "/public/\u{e4}",
        "/public/<a>",
    ] {
        for credential in [String::new(), format!("X-API-Key: {}\r\n", key.api_key)] {
            let bytes = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{credential}\r\n");
            assert_eq!(status(&sidecar, bytes), 400, "{path}");
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_raw_control_character_in_a_path_is_refused() {
    let (sidecar, key) = open();
    for byte in [0_u8, 1, 9, 11, 12, 27, 127, 0x80, 0xff] {
        let mut bytes = b"GET /public/a".to_vec();
        bytes.push(byte);
        bytes.extend(format!("b HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", key.api_key).bytes());
        assert_eq!(status(&sidecar, bytes), 400, "{byte:#x}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn p08_a_query_never_chooses_a_route() {
    let (sidecar, _) = open();
    for target in ["/secret?/public/a", "/?path=/public/a", "/secret?/../public/a", "/secret%3f/public/a"] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(matches!(status(&sidecar, bytes), 400 | 401), "{target}");
    }
    for target in ["/Public/a", "/publi%63s/a", "/publicity", "/x/public/a"] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(status(&sidecar, bytes), 401, "{target}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn p10_a_path_and_query_that_pass_go_up_byte_by_byte() {
    let (sidecar, key) = open();
    for target in [
        "/public/%41%62c?x=%2f..%2f&y=//&z=;\\",
        "/public/a%20b+c",
        "/public/",
        "/public",
        "/public/%F0%9F%98%80?%zz",
        "/public/a:b@c!$&'()*,=~-_.x",
        "/public/a?",
        "/public/a??b?c",
        "/public/...",
        "/public/a..b",
        "/public/.hidden",
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(status(&sidecar, bytes), 200, "{target}");
        assert_eq!(sidecar.upstream.only().target, target);
        assert!(sidecar.upstream.raw().contains(&format!("get {} http/1.1", target.to_lowercase())));
    }
    let long = format!("/{}", "a".repeat(8000));
    let bytes = format!("GET {long} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", key.api_key);
    assert_eq!(status(&sidecar, bytes), 200);
    assert_eq!(sidecar.upstream.only().target, long);
}
