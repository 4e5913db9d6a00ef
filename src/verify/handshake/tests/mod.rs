//! The rules by which a handshake loads, and what its answers can't be made to sign.

mod answers;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::{ProptestConfig, proptest};

use super::{Asked, Fault, HandshakeSpec, Settings, Spotter, chars};
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::Refusal;
use crate::verify::offline::{Captured, Refused, Terms, judge};
use crate::verify::scheme::{CUSTOM, Scheme, SchemeSpec, preset, presets};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn head<'h>(target: &'h str, headers: &'h HeaderMap) -> Head<'h> {
    Head { method: &Method::GET, target, headers, url: None }
}

/// What a scheme answers to a GET.
fn get(scheme: &Scheme, target: &str) -> Result<Option<String>, Fault> {
    get_knowing(scheme, target, None)
}

/// The same, of an integration that knows a verify token.
fn get_knowing(scheme: &Scheme, target: &str, token: Option<&str>) -> Result<Option<String>, Fault> {
    let headers = HeaderMap::new();
    let settings = Settings { verify_token: token.map(Secret::from_text) };
    let head = head(target, &headers);
    let key = scheme.prepare(&Secret::from_text(SECRET)).unwrap();
    let asked = Asked { head: &head, scheme, key: &key, previous: None, settings: &settings };
    let answer = scheme.handshake().unwrap().by_get(&asked);
    answer.map(|answer| answer.map(|answer| answer.body))
}

/// Whether a body passes with this signature in `X-Sig`.
fn event(scheme: &Scheme, signature: &str, body: &str) -> Result<(), Refused> {
    let mut headers = HeaderMap::new();
    let name = HeaderName::from_bytes(scheme.header().as_bytes()).unwrap();
    headers.insert(name, HeaderValue::from_str(signature).unwrap());
    headers.insert("x-time", HeaderValue::from_static("1700000000"));
    let secrets = [Secret::from_text(SECRET)];
    let now = UnixMillis(1_700_000_000_000);
    let terms = Terms { scheme, secrets: &secrets, now, tolerance_seconds: None };
    let head = Head { method: &Method::POST, target: "/", headers: &headers, url: None };
    judge(&terms, &Captured { head, body: body.as_bytes() }).map(|_| ())
}

/// A scheme of one's own that MACs what it is asked.
fn asking(signed: &str, rest: &str) -> Result<Scheme, String> {
    let time = if signed.contains("{timestamp}") { "[timestamp]\nheader = 'X-Time'\n" } else { "" };
    let text = format!(
        "signed = '{signed}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n{time}\
         [handshake]\nshape = 'get'\nchallenge = {{ query = 'c' }}\n{rest}"
    );
    compile(&text)
}

fn compile(text: &str) -> Result<Scheme, String> {
    let spec: SchemeSpec = toml::from_str(text).map_err(|error| error.to_string())?;
    let joined = |faults: Vec<_>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    Scheme::compile(&spec, CUSTOM).map_err(joined)
}

#[test]
fn these_presets_have_a_handshake() {
    let known = [
        "asana",
        "braintree",
        "discord",
        "dropbox",
        "ebay",
        "meta",
        "notion",
        "okta",
        "slack",
        "x",
        "xero",
        "zoom",
    ];
    for name in known {
        assert!(preset(name).unwrap().handshake().is_some(), "{name}");
    }
    let macs = |spec: &HandshakeSpec| format!("{:?} {:?}", spec.text, spec.json).contains("{mac}");
    let with_mac: Vec<&str> = presets()
        .filter(|scheme| scheme.spec().handshake.as_ref().is_some_and(macs))
        .map(|scheme| scheme.label())
        .filter(|name| known.contains(name))
        .collect();
    assert_eq!(with_mac, ["braintree", "x", "zoom"], "what answers with a MAC is tried as an oracle below");
}

#[test]
fn a_challenge_with_another_verify_token_is_refused() {
    let meta = preset("meta").unwrap();
    let asks = |query: &str, token| get_knowing(meta, &format!("/hooks?hub.mode=subscribe&{query}"), token);
    let known = Some("a-verify-token-of-ours");
    let right = "hub.verify_token=a-verify-token-of-ours&hub.challenge=1158201444";
    assert_eq!(asks(right, known), Ok(Some("1158201444".to_owned())));
    assert!(asks(right, Some("a-verify-token-of-other")).is_err());
    assert!(asks(right, None).is_err(), "nobody said which token is right");
    for wrong in ["hub.verify_token=a-verify-token-of-our&", "hub.verify_token=&", ""] {
        assert!(asks(&format!("{wrong}hub.challenge=1158201444"), known).is_err(), "{wrong}");
    }
}

#[test]
fn no_challenge_has_a_character_of_an_event() {
    for byte in b" \t\r\n{}[]\"':.,;<>&%?#\\|~!$*()\0\x7f\xff" {
        assert!(!chars::holds(*byte), "{:?}", char::from(*byte));
    }
    assert!(chars::fits(b"9b4507b3-9040-4669-9ca3-6b94edb50553") && chars::fits(b"a/+_=="));
    assert!(chars::fits(&[b'a'; 128]) && !chars::fits(&[b'a'; 129]) && !chars::fits(b""));
}

#[test]
fn a_body_is_told_from_a_challenge_however_it_is_cut() {
    for (chunks, is_challenge) in [
        (&["a", "b-c"][..], true),
        (&["abc", "{"], false),
        (&["{\"a\":1}"], false),
        (&[], true),
        (&["", "abc\n"], false),
        (&["a".repeat(128).as_str()], true),
        (&["a".repeat(100).as_str(), "a".repeat(29).as_str()], false),
    ] {
        let mut spotter = Spotter::default();
        chunks.iter().for_each(|chunk| spotter.update(chunk.as_bytes()));
        assert_eq!(spotter.is_challenge(), is_challenge, "{chunks:?}");
    }
}

#[test]
fn a_handshake_that_could_sign_an_event_does_not_load() {
    let mac = "text = '{mac}'";
    for safe in ["v0:{timestamp}:{body}", "{timestamp}.{body}", "{body}", "{timestamp}{body}", "v1{body}"] {
        assert!(asking(safe, mac).is_ok(), "{safe}");
    }
    // Where text keeps events and challenges apart, no body needs to be watched.
    let watched = |signed: &str| asking(signed, mac).unwrap().handshake().unwrap().spotter().is_some();
    assert!(!watched("v0:{timestamp}:{body}") && !watched("{timestamp}.{body}"));
    assert!(watched("{body}") && watched("v1{body}"));
    for unsafe_one in
        ["{timestamp}", "{header:X-A}", "{json:a}", "v1={timestamp}{sha256hex:body}", "{method}"]
    {
        let fault = asking(unsafe_one, mac).unwrap_err();
        assert!(fault.contains("could sign an event"), "{unsafe_one}: {fault}");
        assert!(asking(unsafe_one, "text = '{challenge}'").is_ok(), "{unsafe_one}: an echo signs nothing");
    }
    let kind = "kind = 'example'\n[params]\nheader = 'X-Sig'\n[handshake]\nshape = 'get'\n\
                challenge = { query = 'c' }\ntext = '{mac}'\n";
    assert!(compile(kind).unwrap_err().contains("makes no `{mac}`"));
    let token = "algorithm = 'token'\n[sig]\nheader = 'X'\n[handshake]\nshape = 'get'\n\
                 challenge = { query = 'c' }\ntext = '{mac}'";
    assert!(compile(token).unwrap_err().contains("needs a scheme with an HMAC"));
}

#[test]
fn every_fault_of_a_handshake_is_named() {
    for (rest, fault) in [
        ("text = '{secret}'", "handshake.text: `{secret}` is none of"),
        ("text = '{mac'", "handshake.text: `{mac` lacks its"),
        ("text = 'a'\njson = { a = 1 }", "handshake: has at most one of"),
        ("json = { a = '{x}' }", "handshake.json: `{x}`"),
        ("header = 'X-Back'", "handshake.header: is for `secret`"),
        ("when = { a = 1 }", "handshake.when: has texts only"),
        ("nonsense = 1", "unknown field `nonsense`"),
    ] {
        let found = asking("{body}", rest).unwrap_err();
        assert!(found.contains(fault), "{rest}: {found}");
    }
    let scheme = |handshake: &str| {
        compile(&format!(
            "signed = '{{timestamp}}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n\
             [timestamp]\nheader = 'X-Time'\n[handshake]\n{handshake}"
        ))
    };
    for (handshake, fault) in [
        ("shape = 'get'", "handshake.challenge: is missing"),
        ("shape = 'get'\nchallenge = { json = 'a' }", "handshake.challenge: a GET has no body"),
        ("shape = 'get'\nchallenge = { query = 'a', header = 'b' }", "handshake.challenge: needs one of"),
        ("shape = 'get'\nchallenge = { query = '' }", "handshake.challenge: needs one of"),
        ("shape = 'get'\nchallenge = { header = 'a b' }", "handshake.challenge.header: is no header name"),
        (
            "shape = 'signed-post'\nwhen = { a = 1 }",
            "handshake.shape: needs a signature that covers the body",
        ),
        ("shape = 'signed-post'", "handshake.when: is missing"),
        ("shape = 'signed-post'\nwhen = { a = 1 }\ntext = '{challenge}'", "handshake.challenge: is missing"),
        ("shape = 'signed-post'\nwhen = { a = 1 }\nchallenge = { query = 'a' }", "must be `json`"),
        ("shape = 'signed-post'\nwhen = { a = 1 }\ntoken = 't'", "handshake.token: is in the query"),
        ("shape = 'secret'\nchallenge = { query = 'a' }", "a secret must not be in a URL"),
        ("shape = 'secret'\nchallenge = { json = 'a' }\ntext = 'a'", "`secret` is answered by `header`"),
        ("shape = 'secret'\nchallenge = { json = 'a..b' }", "handshake.challenge.json: is no path"),
    ] {
        let found = scheme(handshake).unwrap_err();
        assert!(found.contains(fault), "{handshake}: {found}");
    }
    let public = "signed = '{body}'\nalgorithm = 'ed25519'\nencoding = 'hex'\n[sig]\nheader = 'X'\n[secret]\n\
                  decode = 'hex'\n[handshake]\nshape = 'secret'\nchallenge = { header = 'X-Secret' }";
    assert!(compile(public).unwrap_err().contains("not a public key"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a stranger has MACed, under whichever way of signing: it is no event's signature.
    #[test]
    fn what_a_challenge_makes_us_sign_passes_as_no_event(challenge in "[A-Za-z0-9_+/=-]{1,128}", cut in 0_usize..128) {
        let query = format!("/?c={}", challenge.replace('+', "%2B"));
        for signed in ["{body}", "{timestamp}{body}", "v1{body}", "{body}{timestamp}", "{timestamp}.{body}"] {
            let scheme = asking(signed, "text = '{mac}'").unwrap();
            let mac = get(&scheme, &query).unwrap().unwrap();
            let rest = challenge.get(cut..).unwrap_or_default();
            for body in [challenge.as_str(), rest, ""] {
                assert!(event(&scheme, &mac, body).is_err(), "{signed} {body:?}");
            }
        }
    }
}

#[test]
fn a_challenge_that_begins_as_what_is_signed_does_is_still_no_event() {
    for (signed, challenge, body) in [
        ("{timestamp}{body}", "1700000000abc", "abc"),
        ("{timestamp}{body}", "1700000000", ""),
        ("v1{body}", "v1abc", "abc"),
        ("v1{body}", "v1", ""),
        ("{body}", "abc", "abc"),
    ] {
        let scheme = asking(signed, "text = '{mac}'").unwrap();
        let mac = get(&scheme, &format!("/?c={challenge}")).unwrap().unwrap();
        let refused = event(&scheme, &mac, body);
        assert_eq!(refused, Err(Refused::Verify(Refusal::Challenge)), "{signed} {challenge}");
        // The same MAC is right for these very bytes: only the rule keeps it from passing.
        let bare = asking(signed, "text = '{challenge}'").unwrap();
        assert_eq!(event(&bare, &mac, body), Ok(()), "{signed} {challenge}");
    }
}

#[test]
fn what_is_no_challenge_is_not_answered() {
    let scheme = asking("{body}", "text = '{mac}'").unwrap();
    let bad = Fault::Challenge("has characters or a length that no challenge has");
    for target in ["/", "/?", "/?d=1", "/?cc=1", "/c=1"] {
        assert_eq!(get(&scheme, target), Ok(None), "{target}");
    }
    for target in ["/?c", "/?c=", "/?c=%7B%22a%22%3A1%7D", "/?c=a.b", "/?c=a%20b", "/?c=%00"] {
        assert_eq!(get(&scheme, target), Err(bad), "{target}");
    }
    assert_eq!(get(&scheme, "/?c=a&c=b"), Err(Fault::Challenge("occurs more than once")));
    assert_eq!(get(&scheme, "/?c=%zz"), Err(Fault::Challenge("has a broken escape")));
}
