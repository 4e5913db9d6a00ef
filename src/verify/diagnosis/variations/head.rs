//! Which method, target or URL the sender may have signed instead. Only for schemes that sign any of them.

use http::Method;

use super::{Change, HeadChange, Kind};
use crate::credential::Head;
use crate::verify::scheme::Scheme;

/// The head as it is, and as the sender may have seen it.
pub(super) fn changes(scheme: &Scheme, head: &Head<'_>) -> Vec<Change<HeadChange>> {
    let mut changes = vec![Change::none(HeadChange::default())];
    if !scheme.signs_address() {
        return changes;
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::GET, Method::DELETE] {
        if method != *head.method {
            let what = format!("the method {method}");
            changes.push(Change::to(
                Kind::Head,
                what,
                HeadChange { method: Some(method), ..HeadChange::default() },
            ));
        }
    }
    for (what, target) in paths(head.target) {
        let what = format!("the target {what}");
        changes.push(Change::to(
            Kind::Head,
            what,
            HeadChange { target: Some(target), ..HeadChange::default() },
        ));
    }
    for (what, url) in head.url.map(urls).unwrap_or_default() {
        let what = format!("the URL {what}");
        changes.push(Change::to(Kind::Head, what, HeadChange { url: Some(url), ..HeadChange::default() }));
    }
    if let Some(url) = head.url.and_then(|url| joined(url, head.target)) {
        let what = "the request line's target in the URL (--url names another)";
        changes.push(Change::to(Kind::Head, what, HeadChange { url: Some(url), ..HeadChange::default() }));
    }
    changes
}

/// A path, perhaps after a host, with another end.
fn paths(target: &str) -> Vec<(&'static str, String)> {
    let (path, query) = target.split_once('?').map_or((target, ""), |(path, query)| (path, query));
    let mark = if target.contains('?') { "?" } else { "" };
    let mut found = Vec::new();
    if mark == "?" {
        found.push(("without its query", path.to_owned()));
    }
    match path.strip_suffix('/') {
        Some(shorter) => found.push(("without the slash at its end", format!("{shorter}{mark}{query}"))),
        None => found.push(("with a slash at its end", format!("{path}/{mark}{query}"))),
    }
    if let Ok(decoded) = percent_encoding::percent_decode_str(target).decode_utf8()
        && decoded != target
    {
        found.push(("with its percent-escapes decoded", decoded.into_owned()));
    }
    found
}

fn urls(url: &str) -> Vec<(&'static str, String)> {
    let mut found = paths(url);
    let other = match url.split_once("://") {
        Some(("https", rest)) => ("with http (a proxy ended TLS)", format!("http://{rest}")),
        Some((_, rest)) => ("with https (a proxy ended TLS)", format!("https://{rest}")),
        None => return found,
    };
    found.push(other);
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        if let Some((authority, target)) = rest.split_at_checked(end)
            && let Some((host, port)) = authority.rsplit_once(':')
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            found.push(("without its port", format!("{scheme}://{host}{target}")));
        }
    }
    found
}

/// The URL's scheme and host before another target.
fn joined(url: &str, target: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let joined = format!("{scheme}://{authority}{target}");
    if joined == url { None } else { Some(joined) }
}
