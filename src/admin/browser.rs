//! What keeps a web page from using an admin's browser, or its way to this port, against us.
//!
//! Not authentication: a page has no token, and these checks come before it is asked for. Invariants: a request is
//! answered only under a name of ours, so that a name which a stranger's DNS points here (DNS rebinding) reaches no
//! handler; a name is a loopback one, the address that the connection came to, or one of `admin.hosts`; a request that
//! a browser says another site made is refused; nothing is ever allowed to other origins (no CORS header exists here).
//! Spec: RFC 9112 §3.2 (Host), RFC 6454 §7 (Origin), Fetch Metadata (Sec-Fetch-Site).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::AdminState;
use super::problem::Problem;
use super::serve::Peer;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The layer of every answer: the name under which we were called.
pub(super) async fn check_host(
    State(state): State<Arc<AdminState>>,
    request: Request,
    next: Next,
) -> Response {
    match host(&state, &request) {
        Ok(_) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// The layer of what needs a token: the site that made the request, where a browser says it.
pub(super) async fn check_origin(request: Request, next: Next) -> Response {
    if is_of_another_site(request.headers()) {
        return Problem::cross_site().into_response();
    }
    next.run(request).await
}

/// The name that the request calls us by.
fn host(state: &AdminState, request: &Request) -> Result<Authority, Problem> {
    let mut lines = request.headers().get_all(HOST).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(Problem::malformed("send exactly one Host header"));
    };
    let host = authority(line).ok_or_else(|| Problem::malformed("the Host header names no host"))?;
    let reached = request.extensions().get::<Peer>().copied().unwrap_or_default().reached;
    // A target in absolute-form stands over the header; whoever sends two names gets neither.
    let named = std::iter::once(&host).chain(request.uri().authority());
    for name in named {
        if !is_ours(name.host(), reached, &state.hosts) {
            return Err(Problem::misdirected());
        }
    }
    Ok(host)
}

fn authority(line: &HeaderValue) -> Option<Authority> {
    let authority: Authority = line.to_str().ok()?.parse().ok()?;
    (!authority.host().is_empty() && !authority.as_str().contains('@')).then_some(authority)
}

fn is_ours(host: &str, reached: IpAddr, hosts: &[String]) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        return address.is_loopback() || address == reached.to_canonical();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost") || hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

fn is_of_another_site(headers: &HeaderMap) -> bool {
    let site = |value: &HeaderValue| matches!(value.as_bytes(), b"same-origin" | b"none");
    if !headers.get_all(SEC_FETCH_SITE).iter().all(site) {
        return true;
    }
    // The Host was found to be ours before this.
    let own = headers.get(HOST).and_then(authority);
    !headers.get_all(ORIGIN).iter().all(|origin| is_origin_of(origin, own.as_ref()))
}

/// Whether an origin is the one that the request goes to.
fn is_origin_of(origin: &HeaderValue, own: Option<&Authority>) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    named.zip(own).is_some_and(|(named, own)| named.eq_ignore_ascii_case(own.as_str()))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{is_of_another_site, is_ours};

    #[test]
    fn our_names_are_loopback_the_address_reached_and_the_configured() {
        let hosts = ["admin.example.com".to_owned()];
        let reached = "10.0.0.7".parse().unwrap();
        for name in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "127.0.0.1",
            "127.8.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "10.0.0.7",
            "admin.example.com",
            "Admin.Example.com.",
        ] {
            assert!(is_ours(name, reached, &hosts), "{name}");
        }
        for name in [
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "10.0.0.8",
            "0.0.0.0",
            "[::]",
            "",
            "admin.example.com.evil.test",
            "xadmin.example.com",
        ] {
            assert!(!is_ours(name, reached, &hosts), "{name}");
        }
    }

    #[test]
    fn a_browser_tells_of_another_site() {
        let another = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.append("host", "127.0.0.1:9901".parse().unwrap());
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            is_of_another_site(&headers)
        };
        assert!(!another(&[]));
        assert!(!another(&[("origin", "http://127.0.0.1:9901"), ("sec-fetch-site", "same-origin")]));
        assert!(!another(&[("sec-fetch-site", "none")]));
        for origin in
            ["null", "http://evil.test", "http://127.0.0.1", "http://127.0.0.1:9902", "127.0.0.1:9901", ""]
        {
            assert!(another(&[("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "", "same-origin, none"] {
            assert!(another(&[("sec-fetch-site", site)]), "{site}");
        }
        assert!(another(&[("origin", "http://127.0.0.1:9901"), ("origin", "null")]));
    }
}
