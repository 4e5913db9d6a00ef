//! The forms of a URL that a sender may have signed. Pure.
//!
//! Not a URL parser: the URL is the configured one with the target as received. Invariant: only the port, the
//! query as a whole, or the escapes that HubSpot names, ever differ from what was received.

use std::borrow::Cow;

use super::spec::UrlForm;

/// The escapes that HubSpot decodes before it signs.
const DECODED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

impl UrlForm {
    /// The URL in this form.
    pub(super) fn apply(self, url: &str) -> Cow<'_, str> {
        match self {
            Self::AsIs => Cow::Borrowed(url),
            Self::StripQuery => Cow::Borrowed(url.split('?').next().unwrap_or_default()),
            Self::StripPort => Cow::Owned(with_port(url, |_, host, _| host.to_owned())),
            Self::DefaultPort => Cow::Owned(with_port(url, |scheme, host, port| match (port, scheme) {
                (Some(port), _) => format!("{host}:{port}"),
                (None, "https") => format!("{host}:443"),
                (None, _) => format!("{host}:80"),
            })),
            Self::Decoded => Cow::Owned(DECODED.iter().fold(url.to_owned(), |url, (escape, plain)| {
                url.replace(escape, plain).replace(&escape.to_ascii_lowercase(), plain)
            })),
        }
    }
}

/// Rewrites host and port; what stands before `@` and after the authority stays.
fn with_port(url: &str, rewrite: impl Fn(&str, &str, Option<&str>) -> String) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), authority),
    };
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (host, None),
    };
    format!("{scheme}://{user}{}{tail}", rewrite(scheme, host, port))
}

#[cfg(test)]
mod tests {
    use super::UrlForm;

    #[test]
    fn only_the_port_differs() {
        for (form, url, expected) in [
            (UrlForm::StripPort, "https://u:p@h.example:1234/a:1?b=c:2", "https://u:p@h.example/a:1?b=c:2"),
            (UrlForm::StripPort, "https://[::1]:8080", "https://[::1]"),
            (UrlForm::StripPort, "https://[::1]/", "https://[::1]/"),
            (UrlForm::DefaultPort, "https://h.example/a", "https://h.example:443/a"),
            (UrlForm::DefaultPort, "http://u@h.example?x", "http://u@h.example:80?x"),
            (UrlForm::DefaultPort, "https://h.example:1234/a", "https://h.example:1234/a"),
            (UrlForm::AsIs, "https://h.example:1/%3A", "https://h.example:1/%3A"),
            (UrlForm::Decoded, "https://h.example/%3a%20?x=%40", "https://h.example/:%20?x=@"),
        ] {
            assert_eq!(form.apply(url), expected);
        }
    }
}
