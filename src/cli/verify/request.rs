//! A captured request in a file: request line, headers, an empty line, the body to the end.
//!
//! Not the proxy's parser, and not as strict: it refuses only what leaves open what the sender sent.
//! Invariants: the body is the file's bytes after the empty line, whatever `Content-Length` says; a header
//! that occurs twice stays two.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::credential::Head;
use crate::credential::grammar::trim_ows;

/// A captured request.
#[derive(Debug)]
pub(super) struct Request {
    /// The method.
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    /// The whole URL, where the request line has it.
    pub(super) url: Option<String>,
    /// The headers, in the order of the file.
    pub(super) headers: HeaderMap,
    /// The body, byte for byte.
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub(super) fn parse(file: &[u8]) -> Result<Self, String> {
        let mut lines = Lines { rest: file, number: 0 };
        let first = lines.next_line().ok_or("line 1: there is no request line")?;
        let (method, target, url) = request_line(first).map_err(|fault| format!("line 1: {fault}"))?;
        let mut headers = HeaderMap::new();
        loop {
            let Some(line) = lines.next_line() else {
                return Err(format!(
                    "line {}: the headers don't end: an empty line must follow them, even without a body",
                    lines.number
                ));
            };
            if line.is_empty() {
                break;
            }
            let (name, value) = header(line).map_err(|fault| format!("line {}: {fault}", lines.number))?;
            headers.append(name, value);
        }
        if headers.contains_key(http::header::TRANSFER_ENCODING) {
            return Err(
                "has Transfer-Encoding: the body may hold chunk sizes, which nobody signs. Save the \
                        decoded body and remove that header"
                    .to_owned(),
            );
        }
        Ok(Self { method, target, url, headers, body: lines.rest.to_vec() })
    }

    /// Its head, as called at `url`.
    pub(super) fn head<'h>(&'h self, url: Option<&'h str>) -> Head<'h> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, url }
    }
}

/// Lines that end in LF or CRLF.
struct Lines<'f> {
    rest: &'f [u8],
    number: usize,
}

impl<'f> Lines<'f> {
    /// The next whole line; `None` where no line end follows.
    fn next_line(&mut self) -> Option<&'f [u8]> {
        self.number += 1;
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

fn request_line(line: &[u8]) -> Result<(Method, String, Option<String>), String> {
    let form = "must be a request line such as `POST /webhooks/acme HTTP/1.1`";
    let line = std::str::from_utf8(line).map_err(|_| form)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(form.to_owned()) };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| form)?;
    if words.next().is_some_and(|version| !version.starts_with("HTTP/")) || words.next().is_some() {
        return Err(form.to_owned());
    }
    if target.starts_with('/') && !target.contains(|character: char| character.is_control()) {
        return Ok((method, target.to_owned(), None));
    }
    match crate::cli::inputs::target_of(target) {
        Ok(path) => Ok((method, path, Some(target.to_owned()))),
        Err(_) => Err(form.to_owned()),
    }
}

fn header(line: &[u8]) -> Result<(HeaderName, HeaderValue), &'static str> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err("a header that goes on over several lines must be joined into one");
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or("must be a header, `Name: value`")?;
    let (name, value) = line.split_at_checked(colon).unwrap_or_default();
    let name = HeaderName::from_bytes(name).map_err(|_| "the header's name is not one")?;
    let value = trim_ows(value.get(1..).unwrap_or_default());
    let value = HeaderValue::from_bytes(value).map_err(|_| "the header's value has control characters")?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::Request;

    fn parsed(file: &[u8]) -> Request {
        Request::parse(file).unwrap()
    }

    #[test]
    fn line_ends_may_be_lf_crlf_or_both() {
        for head in ["POST /a?b HTTP/1.1\nA: 1\nB:2 \n\n", "POST /a?b HTTP/1.1\r\nA: 1\r\nB:2 \n\r\n"] {
            let file = [head.as_bytes(), b"x\r\n\r\n"].concat();
            let request = parsed(&file);
            assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/a?b"));
            assert_eq!(
                (&request.headers["a"], &request.headers["b"]),
                (&"1".parse().unwrap(), &"2".parse().unwrap())
            );
            assert_eq!(request.body, b"x\r\n\r\n");
        }
    }

    #[test]
    fn the_body_is_the_rest_whatever_its_length_is_said_to_be() {
        assert_eq!(parsed(b"POST / HTTP/1.1\nContent-Length: 1\n\nabc\n").body, b"abc\n");
        assert_eq!(parsed(b"GET / HTTP/1.1\n\n").body, b"");
        assert_eq!(parsed(b"POST / HTTP/1.1\n\n\n\xff\0").body, b"\n\xff\0");
    }

    #[test]
    fn a_whole_url_in_the_request_line_is_the_url() {
        let request = parsed(b"POST https://a.example/b?c HTTP/2\n\n");
        assert_eq!(
            (request.target.as_str(), request.url.as_deref()),
            ("/b?c", Some("https://a.example/b?c"))
        );
        assert_eq!(parsed(b"POST /b\n\n").url, None);
    }

    #[test]
    fn what_leaves_the_request_open_is_refused_with_its_line() {
        for (file, says) in [
            (&b""[..], "line 1: there is no request line"),
            (b"\n", "line 1: must be"),
            (b"POST\n\n", "line 1: must be"),
            (b"POST / FTP/1.1\n\n", "line 1: must be"),
            (b"POST / a HTTP/1.1\n\n", "line 1: must be"),
            (b"POST a HTTP/1.1\n\n", "line 1: must be"),
            (b"POST / HTTP/1.1\nA: 1\n", "line 3: the headers don't end"),
            (b"POST / HTTP/1.1\nA: 1\n{}", "line 3: the headers don't end"),
            (b"POST / HTTP/1.1\n:a: 1\n\n", "line 2: the header's name"),
            (b"POST / HTTP/1.1\nA: 1\n b\n\n", "line 3: a header that goes on"),
            (b"POST / HTTP/1.1\nA 1\n\n", "line 2: must be a header"),
            (b"POST / HTTP/1.1\nA: \x01\n\n", "line 2: the header's value"),
            (b"POST / HTTP/1.1\ntransfer-encoding: chunked\n\n", "Transfer-Encoding"),
        ] {
            let fault = Request::parse(file).unwrap_err();
            assert!(fault.contains(says), "{fault}");
        }
    }
}
