//! What is tried together, and what is told of the time.

use http::{HeaderMap, Method};

use super::{Effort, Hint, Kind, hints, holds_but_for_time, other_unit};
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::offline::{Captured, Terms};
use crate::verify::scheme::{CUSTOM, Scheme, SchemeSpec, preset};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// A request that was signed by a scheme at a time, and is judged by `right`.
struct Signed<'s> {
    scheme: &'s Scheme,
    at: UnixMillis,
    secret: &'s str,
    body: &'s str,
}

impl Signed<'_> {
    /// Asks something of the request that came with another body.
    fn ask<T>(&self, came: &[u8], judge: &Scheme, ask: impl FnOnce(&Terms<'_>, &Captured<'_>) -> T) -> T {
        let key = self.scheme.prepare(&Secret::from_text(self.secret)).unwrap();
        let empty = HeaderMap::new();
        let head = Head { method: &Method::POST, target: "/hook", headers: &empty, url: None };
        let headers = self.scheme.sign(&key, &head, &[self.body.as_bytes()], self.at, None);
        let headers: HeaderMap = headers.into_iter().collect();
        let secrets = [Secret::from_text("right")];
        let terms = Terms { scheme: judge, secrets: &secrets, now: NOW, tolerance_seconds: None };
        ask(&terms, &Captured { head: Head { headers: &headers, ..head }, body: came })
    }
}

fn timed(unit: &str) -> Scheme {
    let spec: SchemeSpec = toml::from_str(&format!(
        "signed = '{{timestamp}}.{{body}}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n\
         [sig]\nheader = 'X-Sig'\n[timestamp]\nheader = 'X-Time'\nunit = '{unit}'"
    ))
    .unwrap();
    Scheme::compile(&spec, CUSTOM).unwrap()
}

#[test]
fn two_mistakes_are_found_only_where_two_are_tried() {
    let github = preset("github").unwrap();
    let signed = Signed { scheme: github, at: NOW, secret: "right\n", body: "a" };
    let found = |effort| signed.ask(b"a\n", github, |terms, request| hints(terms, request, effort));
    assert_eq!(found(Effort::Singles), []);
    let text = "the body without the line feed at its end (something on the way, or an editor, added it), and \
                a line feed after the secret (the sender has one in its configuration)";
    assert!(found(Effort::Pairs).contains(&Hint { kind: Kind::Body, text: text.to_owned() }));
}

#[test]
fn a_signature_holds_but_for_time_or_does_not_hold() {
    let scheme = timed("s");
    let long_ago = UnixMillis(1_000_000_000_000);
    for (secret, holds) in [("right", true), ("wrong", false)] {
        let signed = Signed { scheme: &scheme, at: long_ago, secret, body: "a" };
        assert_eq!(signed.ask(b"a", &scheme, holds_but_for_time), holds, "{secret}");
    }
}

#[test]
fn a_time_in_another_unit_is_named_where_it_is_within_the_window() {
    let (seconds, millis) = (timed("s"), timed("ms"));
    let signed = Signed { scheme: &millis, at: NOW, secret: "right", body: "a" };
    assert_eq!(signed.ask(b"a", &seconds, other_unit), Some("ms"));
    assert_eq!(signed.ask(b"a", &millis, other_unit), None, "its own unit is no other one");
    let old = Signed { at: UnixMillis(1_000_000_000_000), ..signed };
    assert_eq!(old.ask(b"a", &seconds, other_unit), None);
}
