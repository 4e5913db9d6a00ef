//! Behaviour of Contentful's signatures.

use super::{signed_head, signed_path};
use crate::clock::UnixMillis;
use crate::verify::kind::testing::{NOW, Sent, compile, faults};
use crate::verify::scheme::{Scheme, preset};

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn named() -> &'static Scheme {
    preset("contentful").unwrap()
}

fn sent() -> Sent {
    Sent::post("/hook?q=1&w=a%20b", b"{\"a\":1}")
}

/// Known answers of Node's `encodeURI` and `querystring.escape`.
#[test]
fn path_and_query_are_escaped_as_contentful_does() {
    let path = |target: &str| signed_path(target).unwrap();
    assert_eq!(path("/api/a-b_c.!~*'();/:@&=+$,#"), "/api/a-b_c.!~*'();/:@&=+$,#");
    assert_eq!(path("/a%20b[1]{}\"^"), "/a%2520b%5B1%5D%7B%7D%22%5E");
    assert_eq!(path("/hook?q=1&w=a%20b"), "/hook?q%253D1%2526w%253Da%252520b");
    assert_eq!(path("/é"), "/%C3%A9");
    assert!(signed_path("/a?").is_none(), "signed as /a");
    assert!(signed_path("/a?b?c").is_none(), "signed as /a?b");
}

#[test]
fn what_is_signed_verifies_and_no_part_of_it_can_change() {
    let sent = sent().signed(named(), SECRET);
    assert!(sent.passes(named(), SECRET));
    assert!(!sent.passes(named(), "another"));
    for change in 0..8 {
        let mut changed = sent.clone();
        match change {
            0 => changed.body.push(b' '),
            1 => changed.target.push('1'),
            2 => changed.method = http::Method::PUT,
            3 => changed.set("x-contentful-timestamp", "1700000000001"),
            4 => changed.set("x-contentful-signed-headers", "x-contentful-timestamp"),
            5 => changed.target = "/hook".to_owned(),
            6 => changed.set(
                "x-contentful-signed-headers",
                "host,x-contentful-signed-headers,x-contentful-timestamp",
            ),
            _ => changed.body.clear(),
        }
        assert!(!changed.passes(named(), SECRET), "{change}");
    }
    for header in ["x-contentful-signature", "x-contentful-timestamp", "x-contentful-signed-headers"] {
        let mut doubled = sent.clone();
        doubled.add(header, &sent.get(header));
        assert!(!doubled.passes(named(), SECRET), "{header} twice");
    }
}

#[test]
fn a_request_is_fresh_for_thirty_seconds() {
    let sent = sent().signed(named(), SECRET);
    let after = |millis: i64| sent.judged(named(), SECRET, UnixMillis(NOW.0 + millis)).is_ok();
    assert!(after(30_000) && after(-30_000));
    assert!(!after(31_000) && !after(-31_000));
}

#[test]
fn the_list_decides_what_is_covered() {
    let list = "x-contentful-crn,x-contentful-signed-headers,x-contentful-timestamp";
    let mut sent = sent();
    sent.set("x-contentful-crn", "  crn:contentful ");
    sent.set("x-contentful-timestamp", "1700000000000");
    sent.set("x-contentful-signed-headers", list);
    let text = format!(
        "POST\n/hook?q%253D1%2526w%253Da%252520b\nx-contentful-crn:crn:contentful;\
         x-contentful-signed-headers:{list};x-contentful-timestamp:1700000000000\n"
    );
    assert_eq!(signed_head(&sent.head()), Ok(text.into_bytes()));
    for list in [
        "",
        "x-contentful-signed-headers",
        "x-contentful-timestamp",
        "X-Contentful-Signed-Headers,x-contentful-timestamp",
        "x-contentful-signed-headers, x-contentful-timestamp",
        "x-contentful-signed-headers,x-contentful-timestamp,x-contentful-timestamp",
        "x-contentful-signed-headers,x-contentful-timestamp,x-absent",
        "x-contentful-signed-headers,x-contentful-timestamp,",
    ] {
        sent.set("x-contentful-signed-headers", list);
        assert!(signed_head(&sent.head()).is_err(), "{list}");
    }
}

#[test]
fn parameters_are_checked() {
    assert_eq!(faults("kind = 'contentful'\nparams = { tolerance = 0 }"), ["params.tolerance"]);
    assert_eq!(faults("kind = 'contentful'\nparams = { ttl = 1 }"), ["params"]);
    assert_eq!(compile("kind = 'contentful'").tolerance_seconds(), Some(30));
}
