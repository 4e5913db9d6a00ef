//! What is answered, and to whom: every vector of a handshake that we have, and the requests beside them.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::{SECRET, asking, compile};
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::handshake::vectors::preset_of;
use crate::verify::handshake::{Answer, Asked, Fault, Settings};
use crate::verify::offline::{Captured, Terms, judge};
use crate::verify::scheme::{Scheme, preset};

const OWN: &str = include_str!("../../../../tests/vectors/own/handshakes.json");
const PUBLISHED: &str = include_str!("../../../../tests/vectors/webhook-vectors.json");
const ASANA: &str = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81";

/// A request that may be a handshake, to a scheme under `SECRET`.
struct Request<'r> {
    method: Method,
    target: &'r str,
    headers: &'r [(&'static str, &'r str)],
    body: &'r str,
}

const GET: Request<'_> = Request { method: Method::GET, target: "/hooks", headers: &[], body: "" };
const POST: Request<'_> = Request { method: Method::POST, target: "/hooks", headers: &[], body: "{}" };

impl Request<'_> {
    fn with<T>(&self, work: impl FnOnce(&Head<'_>) -> T) -> T {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = self.headers.iter().map(pair).collect();
        work(&Head { method: &self.method, target: self.target, headers: &headers, url: None })
    }

    fn asks<T>(&self, scheme: &Scheme, previous: Option<&str>, work: impl FnOnce(&Asked<'_>) -> T) -> T {
        let key = scheme.prepare(&Secret::from_text(SECRET)).unwrap();
        let previous = previous.map(|secret| scheme.prepare(&Secret::from_text(secret)).unwrap());
        let settings = Settings::default();
        self.with(|head| {
            work(&Asked { head, scheme, key: &key, previous: previous.as_ref(), settings: &settings })
        })
    }

    /// What is answered to a GET, while `previous` is a secret too.
    fn got(&self, scheme: &Scheme, previous: Option<&str>) -> Result<Option<String>, Fault> {
        let answer = self.asks(scheme, previous, |asked| scheme.handshake().unwrap().by_get(asked));
        answer.map(|answer| answer.map(|answer| answer.body))
    }

    /// What is answered to a POST whose signature was verified.
    fn verified(&self, scheme: &Scheme) -> Result<Option<String>, Fault> {
        let body = self.body.as_bytes();
        let answer = self.asks(scheme, None, |asked| scheme.handshake().unwrap().by_signed_post(asked, body));
        answer.map(|answer| answer.map(|answer| answer.body))
    }

    /// The secret that is offered.
    fn offers(&self, scheme: &Scheme) -> Result<Option<String>, Fault> {
        let offer = self.with(|head| scheme.handshake().unwrap().offered(scheme, head, self.body.as_bytes()));
        Ok(offer?.map(|offer| String::from_utf8(offer.secret.expose().to_vec()).unwrap()))
    }
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_else(|| panic!("{}: no {key}", vector["id"]))
}

/// What is answered to a vector, verified first where its shape asks for it.
fn answer(vector: &Value) -> Option<Answer> {
    let scheme = preset(preset_of(text(vector, "scheme"))).unwrap();
    let handshake = scheme.handshake().unwrap();
    let secret = match vector["public_key"].as_str() {
        Some(public) => format!("{public}:{}", text(vector, "secret")),
        None => text(vector, "secret").to_owned(),
    };
    let secrets = [Secret::from_text(&secret)];
    let url = text(vector, "url");
    let target = url.strip_prefix("https://").and_then(|rest| Some(&rest[rest.find('/')?..])).unwrap();
    let pair = |(name, value): (&String, &Value)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.as_str().unwrap().parse().unwrap())
    };
    let headers: HeaderMap = vector["headers"].as_object().unwrap().iter().map(pair).collect();
    let method: Method = text(vector, "method").parse().unwrap();
    let head = Head { method: &method, target, headers: &headers, url: Some(url) };
    let key = scheme.prepare(&secrets[0]).unwrap();
    let settings = Settings { verify_token: vector["verify_token"].as_str().map(Secret::from_text) };
    let asked = Asked { head: &head, scheme, key: &key, previous: None, settings: &settings };
    let body = text(vector, "body").as_bytes();
    if let Some(answer) = handshake.by_get(&asked).ok()? {
        return Some(answer);
    }
    if let Some(offer) = handshake.offered(scheme, &head, body).ok()? {
        assert_eq!(vector["expect_secret"].as_str().map(str::as_bytes), Some(offer.secret.expose()));
        return Some(offer.answer);
    }
    let now = UnixMillis(0).plus_seconds(vector["at"].as_i64()?);
    let terms = Terms { scheme, secrets: &secrets, now, tolerance_seconds: None };
    judge(&terms, &Captured { head, body }).ok()?;
    handshake.by_signed_post(&asked, body).ok()?
}

#[test]
fn every_vector_is_answered_as_its_sender_expects() {
    let own: Vec<Value> = serde_json::from_str(OWN).unwrap();
    let published: Vec<Value> = serde_json::from_str(PUBLISHED).unwrap();
    let published = published.into_iter().filter(|vector| vector["kind"] == "handshake");
    let vectors: Vec<Value> = own.into_iter().chain(published).collect();
    assert!(vectors.len() >= 40, "{}", vectors.len());
    for vector in &vectors {
        let (id, answer) = (text(vector, "id"), answer(vector));
        if vector["expect"] != "valid" {
            assert_eq!(answer, None, "{id}");
            continue;
        }
        let (answer, expected) = (answer.unwrap_or_else(|| panic!("{id}")), &vector["expect_response"]);
        match (expected["text"].as_str(), expected.get("json")) {
            (Some(text), None) => {
                assert_eq!((answer.content_type, answer.body.as_str()), (Some("text/plain"), text), "{id}");
            }
            (None, Some(json)) => {
                let body: Value = serde_json::from_str(&answer.body).unwrap();
                assert_eq!((answer.content_type, &body), (Some("application/json"), json), "{id}");
            }
            _ => assert_eq!((answer.content_type, answer.body.as_str()), (None, ""), "{id}"),
        }
        let header =
            answer.header.map(|(name, value)| [name.to_string(), value.to_str().unwrap().to_owned()]);
        let wanted = expected["header"].as_array();
        let wanted = wanted.map(|pair| [text_at(pair, 0).to_lowercase(), text_at(pair, 1).to_owned()]);
        assert_eq!(header, wanted, "{id}");
    }
}

fn text_at(pair: &[Value], at: usize) -> &str {
    pair[at].as_str().unwrap()
}

#[test]
fn only_a_get_to_a_scheme_that_is_asked_by_get_is_one() {
    let challenge = "/hooks?crc_token=abc";
    let x = preset("x").unwrap();
    assert!(matches!(Request { target: challenge, ..GET }.got(x, None), Ok(Some(_))));
    for method in [Method::POST, Method::HEAD, Method::PUT] {
        assert_eq!(Request { method, target: challenge, ..GET }.got(x, None), Ok(None));
    }
    let offers = Request { headers: &[("x-hook-secret", ASANA)], ..GET };
    assert_eq!(offers.got(preset("asana").unwrap(), None), Ok(None), "a scheme that is offered a secret");
}

#[test]
fn a_challenge_with_a_static_token_shows_the_current_or_the_previous_one() {
    let okta = preset("okta").unwrap();
    let other = "fedcba9876543210fedcba9876543210";
    let shows = |token: &str, previous: Option<&str>| {
        let headers = [("x-okta-verification-challenge", "abc"), ("authorization", token)];
        Request { headers: &headers, ..GET }.got(okta, previous)
    };
    let answer = Ok(Some("{\"verification\":\"abc\"}".to_owned()));
    assert_eq!(shows(SECRET, None), answer);
    assert_eq!(shows(SECRET, Some(other)), answer);
    assert_eq!(shows(other, Some(other)), answer);
    assert_eq!(shows(SECRET, Some(SECRET)), answer, "a rotation to the same one");
    assert_eq!(shows(other, None), Err(Fault::Credential));
    assert_eq!(shows("neither", Some(other)), Err(Fault::Credential));
}

#[test]
fn only_a_post_to_a_scheme_that_is_asked_by_signed_posts_is_one() {
    let body = "{\"type\":\"url_verification\",\"challenge\":\"abc\"}";
    let slack = preset("slack").unwrap();
    let answer = Ok(Some("{\"challenge\":\"abc\"}".to_owned()));
    assert_eq!(Request { body, ..POST }.verified(slack), answer);
    for method in [Method::GET, Method::PUT] {
        assert_eq!(Request { method, body, ..POST }.verified(slack), Ok(None));
    }
    for body in ["", "no JSON", "{}", "{\"type\":\"event_callback\",\"challenge\":\"abc\"}"] {
        assert_eq!(Request { body, ..POST }.verified(slack), Ok(None), "{body}");
    }
    let lacks = Request { body: "{\"type\":\"url_verification\"}", ..POST }.verified(slack);
    assert_eq!(lacks, Err(Fault::Challenge("is missing")));
    assert_eq!(POST.verified(preset("x").unwrap()), Ok(None), "a scheme that is asked by GET");
}

#[test]
fn only_an_unsigned_post_offers_a_secret() {
    let asana = preset("asana").unwrap();
    let offers = [("x-hook-secret", ASANA)];
    let secret = Ok(Some(ASANA.to_owned()));
    assert_eq!(Request { headers: &offers, ..POST }.offers(asana), secret);
    for method in [Method::GET, Method::PUT] {
        assert_eq!(Request { method, headers: &offers, ..POST }.offers(asana), Ok(None));
    }
    assert_eq!(POST.offers(asana), Ok(None), "no header");
    let mac = "00".repeat(32);
    let signed = [("x-hook-secret", ASANA), ("x-hook-signature", mac.as_str())];
    assert_eq!(Request { headers: &signed, ..POST }.offers(asana), Ok(None), "with a signature");
    assert_eq!(POST.offers(preset("slack").unwrap()), Ok(None), "a scheme that is offered none");
    for (headers, body, may) in [
        (&offers[..], "", true),
        (&[], "", false),
        (&signed, "", false),
        (&[("x-hook-secret", "")], "any", true),
    ] {
        let request = Request { headers, body, ..POST };
        let found = request.with(|head| asana.handshake().unwrap().may_offer(asana, head));
        assert_eq!(found, may, "{headers:?}");
    }
    let body = format!("{{\"verification_token\":\"{ASANA}\"}}");
    let notion = preset("notion").unwrap();
    assert_eq!(Request { body: &body, ..POST }.offers(notion), secret);
    for body in ["", "{}", "[]", "{\"type\":\"page.created\"}"] {
        assert_eq!(Request { body, ..POST }.offers(notion), Ok(None), "{body}");
    }
}

#[test]
fn an_offered_secret_has_16_characters_at_least_and_16_bytes() {
    let short = Err(Fault::Challenge("is too short for a secret"));
    let asana = preset("asana").unwrap();
    let base64 = compile(
        "signed = '{body}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n\
         [secret]\ndecode = 'base64'\n[handshake]\nshape = 'secret'\nchallenge = { header = 'X-Hook-Secret' }",
    )
    .unwrap();
    let offers = |scheme: &Scheme, secret: &str| {
        Request { headers: &[("x-hook-secret", secret)], ..POST }.offers(scheme).map(|found| found.is_some())
    };
    assert_eq!(offers(asana, "0123456789abcde"), short.clone());
    assert_eq!(offers(asana, "0123456789abcdef"), Ok(true));
    assert_eq!(offers(asana, "0123456789abcdefg"), Ok(true));
    // 15 bytes, and 16.
    assert_eq!(offers(&base64, "AAAAAAAAAAAAAAAAAAAA"), short);
    assert_eq!(offers(&base64, "AAAAAAAAAAAAAAAAAAAAAA=="), Ok(true));
}

#[test]
fn an_answer_has_what_stands_around_its_values() {
    let scheme = asking("{body}", "text = 'a{challenge}b={challenge}c'").unwrap();
    let answer = Request { target: "/?c=xyz", ..GET }.got(&scheme, None);
    assert_eq!(answer, Ok(Some("axyzb=xyzc".to_owned())));
}

#[test]
fn a_handshake_names_what_the_integration_must_know() {
    for (name, token, url) in
        [("ebay", true, true), ("meta", true, false), ("x", false, false), ("slack", false, false)]
    {
        let handshake = preset(name).unwrap().handshake().unwrap();
        assert_eq!((handshake.needs_verify_token(), handshake.needs_url()), (token, url), "{name}");
    }
}
