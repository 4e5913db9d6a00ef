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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::{changes, joined, paths, urls};
    use crate::credential::Head;
    use crate::verify::scheme::preset;

    fn owned(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        pairs.iter().map(|(what, text)| (*what, (*text).to_owned())).collect()
    }

    #[test]
    fn a_path_ends_otherwise_lacks_its_query_or_is_decoded() {
        for (target, found) in [
            ("/a", &[("with a slash at its end", "/a/")][..]),
            ("/a?", &[("without its query", "/a"), ("with a slash at its end", "/a/?")]),
            ("/a%2", &[("with a slash at its end", "/a%2/")]),
            (
                "/a/?b=c%20d",
                &[
                    ("without its query", "/a/"),
                    ("without the slash at its end", "/a?b=c%20d"),
                    ("with its percent-escapes decoded", "/a/?b=c d"),
                ],
            ),
        ] {
            assert_eq!(paths(target), owned(found), "{target}");
        }
    }

    #[test]
    fn a_url_has_the_other_scheme_or_lacks_its_port() {
        let beside = |url: &str| urls(url).split_off(paths(url).len());
        let (http, https) = ("with http (a proxy ended TLS)", "with https (a proxy ended TLS)");
        for (url, found) in [
            ("https://h:8443/a?b", &[(http, "http://h:8443/a?b"), ("without its port", "https://h/a?b")][..]),
            ("http://h:80?b", &[(https, "https://h:80?b"), ("without its port", "http://h?b")]),
            ("http://h:80", &[(https, "https://h:80"), ("without its port", "http://h")]),
            ("http://h/a:1", &[(https, "https://h/a:1")]),
            ("https://[2001:db8::a]/", &[(http, "http://[2001:db8::a]/")]),
            ("h:80/a", &[]),
        ] {
            assert_eq!(beside(url), owned(found), "{url}");
        }
    }

    #[test]
    fn the_target_of_the_request_stands_behind_the_host_of_the_url() {
        assert_eq!(joined("https://h:1/a?b", "/c?d").as_deref(), Some("https://h:1/c?d"));
        assert_eq!(joined("https://h?b", "/").as_deref(), Some("https://h/"));
        assert_eq!(joined("https://h/a", "/a"), None, "as it is");
        assert_eq!(joined("h/a", "/c"), None);
    }

    #[test]
    fn the_head_changes_in_one_thing_and_only_where_an_address_is_signed() {
        let headers = HeaderMap::new();
        let url = Some("https://h/a");
        let head = Head { method: &Method::POST, target: "/b", headers: &headers, url };
        assert_eq!(changes(preset("github").unwrap(), &head).len(), 1);
        let [own, others @ ..] = &changes(preset("square").unwrap(), &head)[..] else { panic!("nothing") };
        assert!(own.what.is_none());
        let mut shown: Vec<(String, [Option<String>; 3])> = Vec::new();
        for change in others {
            let value = &change.value;
            let method = value.method.as_ref().map(ToString::to_string);
            shown.push((change.what.clone().unwrap().1, [method, value.target.clone(), value.url.clone()]));
        }
        let wanted = [
            ("the method PUT", 0, "PUT"),
            ("the method PATCH", 0, "PATCH"),
            ("the method GET", 0, "GET"),
            ("the method DELETE", 0, "DELETE"),
            ("the target with a slash at its end", 1, "/b/"),
            ("the URL with a slash at its end", 2, "https://h/a/"),
            ("the URL with http (a proxy ended TLS)", 2, "http://h/a"),
            ("the request line's target in the URL (--url names another)", 2, "https://h/b"),
        ]
        .map(|(what, at, value)| {
            let mut parts = [None, None, None];
            parts[at] = Some(value.to_owned());
            (what.to_owned(), parts)
        });
        assert_eq!(shown, wanted);
    }
}
