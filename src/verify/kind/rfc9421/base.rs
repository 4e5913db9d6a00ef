//! The signature base: the lines that a signature covers. Pure.
//!
//! Not a judge of which components suffice. Invariants: a component that is not there, or not known, makes no
//! base; every line begins with its component's name, so that no value can pass for another's.
//! Spec: RFC 9421 §2.1, §2.2, §2.5.

use http::HeaderName;

use super::fields::Input;
use crate::credential::Head;
use crate::credential::grammar::{Line, one_line, trim_ows};
use crate::verify::kind::target;

/// The bytes that a signature with this input covers.
pub(super) fn signature_base(head: &Head<'_>, input: &Input<'_>) -> Option<Vec<u8>> {
    let mut base = Vec::new();
    for name in &input.components {
        base.extend_from_slice(format!("\"{name}\": ").as_bytes());
        match name.strip_prefix('@') {
            Some(derived) => base.extend_from_slice(derive(head, derived)?.as_bytes()),
            None => field(head, name, &mut base)?,
        }
        base.push(b'\n');
    }
    base.extend_from_slice(b"\"@signature-params\": ");
    base.extend_from_slice(input.text.as_bytes());
    Some(base)
}

/// A component that no header carries.
fn derive(head: &Head<'_>, name: &str) -> Option<String> {
    Some(match name {
        "method" => head.method.as_str().to_owned(),
        "target-uri" => head.url?.to_owned(),
        "request-target" => head.target.to_owned(),
        "path" => target::path(head.target).to_owned(),
        "query" => format!("?{}", target::query(head.target).unwrap_or_default()),
        "scheme" => head.url?.split_once("://")?.0.to_ascii_lowercase(),
        "authority" => authority(head)?,
        _ => return None,
    })
}

/// That of the configured URL, which a client can't choose; else that of the request.
fn authority(head: &Head<'_>) -> Option<String> {
    if let Some(url) = head.url {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', '?']).next()?.to_ascii_lowercase();
        let default = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
        return Some(host.strip_suffix(default).map(str::to_owned).unwrap_or(host));
    }
    match one_line(head.headers, &[http::header::HOST]) {
        Line::One(host) => {
            let host = std::str::from_utf8(host).ok()?.to_ascii_lowercase();
            Some(
                host.strip_suffix(":443")
                    .or_else(|| host.strip_suffix(":80"))
                    .map(str::to_owned)
                    .unwrap_or(host),
            )
        }
        _ => None,
    }
}

/// All lines of a header, in their order.
fn field(head: &Head<'_>, name: &str, base: &mut Vec<u8>) -> Option<()> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut found = None;
    for value in head.headers.get_all(name) {
        if found.replace(()).is_some() {
            base.extend_from_slice(b", ");
        }
        base.extend_from_slice(trim_ows(value.as_bytes()));
    }
    found
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::signature_base;
    use crate::credential::Head;
    use crate::verify::kind::rfc9421::fields::inputs;

    fn base(url: Option<&str>, input: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("Example.com:443"));
        headers.append("x-two", HeaderValue::from_static(" a "));
        headers.append("x-two", HeaderValue::from_static("b"));
        let head = Head { method: &Method::POST, target: "/p?q=1", headers: &headers, url };
        let found = inputs(input)?;
        signature_base(&head, found.first()?).and_then(|base| String::from_utf8(base).ok())
    }

    #[test]
    fn each_component_has_its_line() {
        let text =
            "a=(\"@method\" \"@path\" \"@query\" \"@request-target\" \"@authority\" \"x-two\");created=1";
        let expected = "\"@method\": POST\n\"@path\": /p\n\"@query\": ?q=1\n\"@request-target\": /p?q=1\n\
            \"@authority\": example.com\n\"x-two\": a, b\n\"@signature-params\": ";
        assert_eq!(base(None, text), Some(format!("{expected}{}", &text[2..])));
        let url = Some("https://A.example:443/p?q=1");
        let uri = base(url, "a=(\"@target-uri\" \"@scheme\" \"@authority\")").unwrap();
        assert!(uri.starts_with(
            "\"@target-uri\": https://A.example:443/p?q=1\n\"@scheme\": https\n\"@authority\": a.example\n"
        ));
    }

    #[test]
    fn what_is_not_there_or_not_known_makes_no_base() {
        for name in ["@target-uri", "@scheme", "@status", "@signature-params", "x-none", "X-Two", "a b"] {
            assert_eq!(base(None, &format!("a=(\"{name}\")")), None, "{name}");
        }
    }
}
