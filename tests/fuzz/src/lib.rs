//! What the targets share: an input as a request, and a secret that nobody has signed with.
//!
//! An input is the name of a scheme on a line of its own, and below it a request: request line, headers, an empty
//! line, the body. Whatever is not like that is taken for what it is nearest to, so that no input is wasted. A
//! header line without a name is the value of the next header that the scheme reads.

use countersign::clock::UnixMillis;
use countersign::credential::Head;
use countersign::secret::Secret;
use countersign::verify::offline::{Captured, Terms, judge};
use countersign::verify::scheme::{CUSTOM, Scheme, SchemeSpec};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

/// Public keys for schemes whose key can't be generated: Ed25519 (RFC 9421, B.1.4) as PEM, base64 and hex, P-256
/// (B.1.3), and an RSA key whose private half is gone.
const PUBLIC_KEYS: [&str; 5] = [
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n",
    "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
    "26b40b8f93fff3d897112f7ebc582b232dbd72517d082fe83cfb30ddce43d1bb",
    "-----BEGIN PUBLIC KEY-----\n\
     MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdld\
     kkDXZCnTNnoXQ==\n-----END PUBLIC KEY-----\n",
    include_str!("rsa.pem"),
];

/// A request.
pub struct Request {
    method: Method,
    target: String,
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    /// The scheme that an input names, and its request.
    pub fn read<'s, S: AsRef<Scheme>>(data: &[u8], schemes: &'s [S]) -> Option<(&'s Scheme, Self)> {
        let (name, rest) = line(data);
        let named = schemes.iter().position(|scheme| scheme.as_ref().label().as_bytes() == name);
        let sum: usize = name.iter().map(|byte| usize::from(*byte)).sum();
        let scheme = schemes.get(named.unwrap_or(sum % schemes.len().max(1)))?.as_ref();

        let (first, mut rest) = line(rest);
        let mut words = first.splitn(2, |byte| *byte == b' ');
        let method = Method::from_bytes(words.next()?).unwrap_or(Method::POST);
        let target = String::from_utf8_lossy(words.next().unwrap_or(b"/hooks")).into_owned();
        let mut headers = HeaderMap::new();
        let mut read = scheme.read_headers().into_iter();
        loop {
            let (header, after) = line(rest);
            rest = after;
            if header.is_empty() {
                break;
            }
            let named = header.iter().position(|byte| *byte == b':').and_then(|at| {
                let name = HeaderName::from_bytes(header.get(..at)?).ok()?;
                Some((name, header.get(at + 1..)?))
            });
            let Some((name, value)) = named.or_else(|| Some((read.next()?.clone(), header))) else { break };
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.append(name, value);
            }
        }
        let url = format!("https://hooks.example{target}");
        Some((scheme, Self { method, target, url, headers, body: rest.to_vec() }))
    }

    /// Its head.
    pub fn head(&self) -> Head<'_> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, url: Some(&self.url) }
    }

    /// Asserts that a scheme refuses it.
    pub fn is_refused(&self, scheme: &Scheme) {
        let Some(secret) = secret(scheme) else { return };
        let secrets = [secret];
        let terms =
            Terms { scheme, secrets: &secrets, now: UnixMillis(1_700_000_000_000), tolerance_seconds: None };
        let verdict = judge(&terms, &Captured { head: self.head(), body: &self.body });
        assert!(verdict.is_err(), "{} lets in what nobody signed", scheme.label());
    }
}

/// A secret that the scheme can use; `None` where it asks for a kind of key that is not here.
pub fn secret(scheme: &Scheme) -> Option<Secret> {
    if scheme.generates_secrets() {
        return Some(scheme.generate_secret(&[0x5a; 32]));
    }
    PUBLIC_KEYS.iter().map(|text| Secret::from_text(text)).find(|key| scheme.prepare(key).is_ok())
}

/// A scheme written out.
pub fn compiled(text: &str) -> Box<Scheme> {
    let spec: SchemeSpec = toml::from_str(text).expect("a scheme of a fuzz target is well-formed");
    Box::new(Scheme::compile(&spec, CUSTOM).expect("a scheme of a fuzz target has no fault"))
}

/// The first line, and what follows it.
fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let (line, rest) = data.split_at(end);
            (line.strip_suffix(b"\r").unwrap_or(line), &rest[1..])
        }
        None => (data, b""),
    }
}

/// An input as the head that a parser would hand over: request line, headers, as far as they are legal. The version is
/// HTTP/1.1 unless the request line says `1.0` or `2`.
pub fn head_of(data: &[u8]) -> Option<http::request::Parts> {
    let (first, mut rest) = line(data);
    let mut words = first.splitn(3, |byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let uri = http::Uri::try_from(words.next()?).ok()?;
    let version = match words.next() {
        Some(b"1.0") => Version::HTTP_10,
        Some(b"2") => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    let mut headers = HeaderMap::new();
    while !rest.is_empty() {
        let (header, after) = line(rest);
        rest = after;
        let Some(at) = header.iter().position(|byte| *byte == b':') else { break };
        let (name, value) = header.split_at(at);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let mut request = http::Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    Some(request.into_parts().0)
}

/// The lines of a header.
pub fn lines<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}
