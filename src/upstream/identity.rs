//! What the application is told: who was verified, how, and where the request came from.
//!
//! Not a place that removes anything: `proxy/headers.rs` has taken out every client copy before. Invariant:
//! values come from records and from us, never from the request, but for the client's host.

use std::net::IpAddr;

use http::HeaderValue;
use http::header::{FORWARDED, HeaderMap, HeaderName};
use smallvec::SmallVec;

use crate::client::{Client, Proto};
use crate::guard::Admitted;
use crate::listener::ClientCertificate;
use crate::proxy::request_id::RequestId;
use crate::upstream::http1::Lines;
use crate::verify::{Authentic, AuthenticSet, Subject};

const VERIFIED: HeaderName = HeaderName::from_static("countersign-verified");
const WORKSPACE_ID: HeaderName = HeaderName::from_static("countersign-workspace-id");
const KEY_ID: HeaderName = HeaderName::from_static("countersign-key-id");
const INTEGRATION: HeaderName = HeaderName::from_static("countersign-integration");
const SCHEME: HeaderName = HeaderName::from_static("countersign-scheme");
const DELIVERY_ID: HeaderName = HeaderName::from_static("countersign-delivery-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("countersign-request-id");
const BODY_BOUND: HeaderName = HeaderName::from_static("countersign-body-bound");
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_SHA256: HeaderName = HeaderName::from_static("countersign-client-cert-sha256");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The most headers that are set for one request, `Via`, `Forwarded`, `X-Forwarded-*`, `Host` and the framing
/// included.
pub(super) const MOST: usize = 17;

/// Where fields are set: in a map, or in the lines that go up. No name that is set here is there before.
pub(super) trait Fields {
    /// Sets one.
    fn set(&mut self, name: HeaderName, value: Text<'_>);

    /// Adds a line to those of the same name.
    fn append(&mut self, name: HeaderName, value: &HeaderValue);
}

/// What one says.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    Static(&'static str),
    Value(&'a HeaderValue),
    /// Known to be a value, as parts that stand together.
    Parts(&'a [&'a [u8]]),
    /// Left out where it cannot be a value.
    Bytes(&'a [u8]),
}

impl Fields for HeaderMap {
    fn set(&mut self, name: HeaderName, value: Text<'_>) {
        let value = match value {
            Text::Static(text) => HeaderValue::from_static(text),
            Text::Value(value) => value.clone(),
            Text::Parts(parts) => return self.set(name, Text::Bytes(&parts.concat())),
            Text::Bytes(bytes) => match HeaderValue::from_bytes(bytes) {
                Ok(value) => value,
                Err(_) => return,
            },
        };
        self.insert(name, value);
    }

    fn append(&mut self, name: HeaderName, value: &HeaderValue) {
        Self::append(self, name, value.clone());
    }
}

impl Fields for Lines {
    fn set(&mut self, name: HeaderName, value: Text<'_>) {
        match value {
            Text::Static(text) => self.add(&name, &[text.as_bytes()]),
            Text::Value(value) => self.add(&name, &[value.as_bytes()]),
            Text::Parts(parts) => self.add(&name, parts),
            Text::Bytes(bytes) if bytes.iter().any(u8::is_ascii_control) => {}
            Text::Bytes(bytes) => self.add(&name, &[bytes]),
        }
    }

    fn append(&mut self, name: HeaderName, value: &HeaderValue) {
        self.add(&name, &[value.as_bytes()]);
    }
}

/// Sets the `Countersign-*` headers.
pub(super) fn set(fields: &mut impl Fields, admitted: &Admitted, id: &RequestId) {
    fields.set(REQUEST_ID, Text::Parts(&[id.as_bytes()]));
    let Some(credentials) = admitted.credentials() else {
        fields.set(VERIFIED, Text::Static("none"));
        fields.set(BODY_BOUND, Text::Static("false"));
        return;
    };
    let mut each = credentials.iter();
    match (each.next(), each.next()) {
        (Some(only), None) => set_one(fields, only, id),
        _ => set_several(fields, credentials, id),
    }
    let is_bound = credentials.iter().any(Authentic::binds_body);
    fields.set(BODY_BOUND, Text::Static(if is_bound { "true" } else { "false" }));
}

fn set_one(fields: &mut impl Fields, authentic: &Authentic, id: &RequestId) {
    fields.set(VERIFIED, Text::Static(authentic.kind().name()));
    fields.set(SCHEME, Text::Static(authentic.scheme_name()));
    match authentic.subject() {
        Subject::ApiKey(entry) | Subject::Signature(entry) => {
            let about = entry.headers();
            fields.set(WORKSPACE_ID, Text::Value(&about.workspace));
            fields.set(KEY_ID, Text::Value(&about.key));
        }
        Subject::Integration(entry) => {
            if let Some(workspace) = &entry.workspace_header {
                fields.set(WORKSPACE_ID, Text::Value(workspace));
            }
            fields.set(INTEGRATION, Text::Value(&entry.name_header));
            fields.set(DELIVERY_ID, Text::Parts(&[id.as_bytes()]));
        }
    }
}

/// Where several credentials were asked for, the headers that describe each list them in the route's order
/// (RFC 9110 §5.6.1).
fn set_several(fields: &mut impl Fields, credentials: &AuthenticSet, id: &RequestId) {
    let (mut workspace, mut integration) = (None, None);
    let mut keys: Vec<&str> = Vec::new();
    for authentic in credentials.iter() {
        match authentic.subject() {
            Subject::ApiKey(entry) | Subject::Signature(entry) => {
                let about = entry.headers();
                workspace = Some(&about.workspace);
                keys.extend(about.key.to_str().ok().filter(|key| !keys.contains(key)));
            }
            Subject::Integration(entry) => {
                workspace = entry.workspace_header.as_ref().or(workspace);
                integration = Some(&entry.name_header);
            }
        }
    }
    let kinds: Vec<&str> = credentials.iter().map(|authentic| authentic.kind().name()).collect();
    let schemes: Vec<&str> = credentials.iter().map(Authentic::scheme_name).collect();
    for (name, list) in [(VERIFIED, kinds), (SCHEME, schemes), (KEY_ID, keys)] {
        if !list.is_empty() {
            fields.set(name, Text::Bytes(list.join(", ").as_bytes()));
        }
    }
    if let Some(workspace) = workspace {
        fields.set(WORKSPACE_ID, Text::Value(workspace));
    }
    if let Some(integration) = integration {
        fields.set(INTEGRATION, Text::Value(integration));
        fields.set(DELIVERY_ID, Text::Parts(&[id.as_bytes()]));
    }
}

/// Sets what the client proved in the TLS handshake: its certificate (RFC 9440 §2.2) and the digest of that.
pub(super) fn set_client_certificate(fields: &mut impl Fields, client: &ClientCertificate) {
    fields.set(CLIENT_CERT, Text::Value(&client.certificate));
    fields.set(CLIENT_CERT_SHA256, Text::Value(&client.sha256));
}

/// Sets what a proxy says of the hop before it: `Forwarded` (RFC 7239) and `X-Forwarded-*`. They name the client
/// alone and not the proxies between, so that an application finds the same
/// address from whichever end it reads. Of a client without an address `Forwarded` says so, and there is no
/// `X-Forwarded-For`, which has no word for it.
pub(super) fn set_hop(fields: &mut impl Fields, client: &Client, host: &HeaderValue) {
    let host = client.host().unwrap_or(host);
    let address = client.address().ip().map(|ip| (ip, address_text(ip)));
    let node = address.as_ref().map(|(ip, text)| (*ip, text.as_slice()));
    set_forwarded(fields, client, node, host);
    if let Some((_, text)) = node {
        fields.set(FORWARDED_FOR, Text::Parts(&[text]));
    }
    fields.set(FORWARDED_PROTO, Text::Static(client.proto().name()));
    fields.set(FORWARDED_HOST, Text::Value(host));
}

/// `for=192.0.2.7;host="app.example:8080";proto=http` (RFC 7239 §4). An IPv6 address stands in brackets and quotes
/// (§6), and a host in quotes, for it may have a port. It has been checked: there is nothing to escape in it. Without
/// an address it is `for=unknown` (§6.2).
fn set_forwarded(
    fields: &mut impl Fields,
    client: &Client,
    node: Option<(IpAddr, &[u8])>,
    host: &HeaderValue,
) {
    let (before, address, after): (&[u8], &[u8], &[u8]) = match node {
        Some((IpAddr::V4(_), address)) => (b"for=", address, b";host=\""),
        Some((IpAddr::V6(_), address)) => (b"for=\"[", address, b"]\";host=\""),
        None => (b"for=", b"unknown", b";host=\""),
    };
    let proto: &[u8] = match client.proto() {
        Proto::Http => b"\";proto=http",
        Proto::Https => b"\";proto=https",
    };
    fields.set(FORWARDED, Text::Parts(&[before, address, after, host.as_bytes(), proto]));
}

/// An address as text. IPv4 is written by hand: this is on every request's way, and the formatter would be a
/// thirtieth of all that the request costs us.
fn address_text(address: IpAddr) -> SmallVec<[u8; 48]> {
    let mut text: SmallVec<[u8; 48]> = SmallVec::new();
    let IpAddr::V4(address) = address else {
        text.extend_from_slice(address.to_string().as_bytes());
        return text;
    };
    for octet in address.octets() {
        if !text.is_empty() {
            text.push(b'.');
        }
        if octet >= 100 {
            text.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            text.push(b'0' + octet / 10 % 10);
        }
        text.push(b'0' + octet % 10);
    }
    text
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::set_hop;
    use crate::client::{Address, Client, Proto};

    fn told(address: &str, proto: Proto) -> (String, String) {
        let mut headers = HeaderMap::new();
        let client = Client::of_peer(address.parse().unwrap(), proto);
        set_hop(&mut headers, &client, &HeaderValue::from_static("a:80"));
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(
            (text("x-forwarded-proto").as_str(), text("x-forwarded-host").as_str()),
            (proto.name(), "a:80")
        );
        (text("x-forwarded-for"), text("forwarded"))
    }

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        for text in ["0.0.0.0", "9.10.99.100", "127.0.0.1", "255.254.199.200"] {
            let forwarded = format!("for={text};host=\"a:80\";proto=http");
            assert_eq!(told(text, Proto::Http), (text.to_owned(), forwarded));
        }
        for text in ["::1", "2001:db8::a:0:1"] {
            let forwarded = format!("for=\"[{text}]\";host=\"a:80\";proto=https");
            assert_eq!(told(text, Proto::Https), (text.to_owned(), forwarded));
        }
        assert_eq!(told("::ffff:192.0.2.7", Proto::Http).0, "192.0.2.7");
    }

    #[test]
    fn a_client_without_an_address_is_given_none() {
        let mut headers = HeaderMap::new();
        set_hop(
            &mut headers,
            &Client::of_peer(Address::UNIX, Proto::Http),
            &HeaderValue::from_static("a:80"),
        );
        assert_eq!(headers["forwarded"], "for=unknown;host=\"a:80\";proto=http");
        assert!(!headers.contains_key("x-forwarded-for"));
        assert_eq!(
            (&headers["x-forwarded-proto"], &headers["x-forwarded-host"]),
            (&"http".parse().unwrap(), &"a:80".parse().unwrap())
        );
    }
}
