//! A request without a body as it was written on a connection of HTTP/1.1, so that it can be sent once more.
//!
//! hyper keeps nothing of a request that it has begun to write, and to copy every head beforehand would cost more than to
//! write it. So the bytes are noted as they go out, into memory that the connection keeps, and read back only where a
//! request is repeated: by httparse, which is hyper's own parser too. Not the decision to repeat, which is
//! `lease`'s. Invariants: what is read back is the request that was sent last, or nothing; nothing is noted unless it is
//! asked for, and nothing is kept once its answer has begun.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::{HeaderName, HeaderValue, Method, Request};
use parking_lot::Mutex;

/// Header fields of a request that is read back: more than may come in, and what is added.
const FIELDS: usize = 4096;

/// Bytes of memory that a connection keeps between two requests.
const KEPT: usize = 4 * 1024;

/// What was written, shared by who sends and who writes.
#[derive(Default)]
pub(super) struct Written {
    is_wanted: AtomicBool,
    /// At first what the request line begins with; then, where that is so, the head.
    head: Mutex<Vec<u8>>,
}

pub(super) type Record = Arc<Written>;

impl Written {
    /// A request is about to be sent that may have to be sent again, or another.
    pub(super) fn begin<B>(&self, request: &Request<B>, repeatable: bool) {
        self.is_wanted.store(repeatable, Relaxed);
        if repeatable {
            let mut head = self.head.lock();
            head.clear();
            let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
            for part in [request.method().as_str(), " ", target, " "] {
                head.extend_from_slice(part.as_bytes());
            }
        }
    }

    /// These bytes are about to be written. hyper offers a head in one piece, so the first are all; others are left of a
    /// request before, which was answered too soon.
    pub(super) fn take(&self, slices: &[IoSlice<'_>]) {
        if self.is_wanted.load(Relaxed) {
            self.is_wanted.store(false, Relaxed);
            let mut head = self.head.lock();
            let is_it = slices.first().is_some_and(|first| first.starts_with(&head));
            head.clear();
            if is_it {
                slices.iter().for_each(|slice| head.extend_from_slice(slice));
            }
        }
    }

    /// The request once more. `None` where it was not noted.
    pub(super) fn request<B>(&self, body: B) -> Option<Request<B>> {
        let head = self.head.lock();
        let mut fields = vec![httparse::EMPTY_HEADER; FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let read = parsed.parse(&head).ok()?;
        if !read.is_complete() {
            return None;
        }
        let mut request = Request::new(body);
        *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
        *request.uri_mut() = parsed.path?.parse().ok()?;
        for field in parsed.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
            request.headers_mut().append(name, HeaderValue::from_bytes(field.value).ok()?);
        }
        Some(request)
    }

    /// It will not be sent again: a cookie may be in what was noted.
    pub(super) fn forget(&self) {
        self.is_wanted.store(false, Relaxed);
        let mut head = self.head.lock();
        head.fill(0);
        head.clear();
        head.shrink_to(KEPT);
    }
}

impl std::fmt::Debug for Written {
    /// Without the bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Written").field("is_wanted", &self.is_wanted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"GET /a%2Fb?c=d HTTP/1.1\r\nhost: a:80\r\naccept: x\r\ncookie: \xe9=1\r\naccept: y\r\n\r\n";

    fn request(target: &str) -> Request<()> {
        Request::get(target).body(()).unwrap()
    }

    /// A request was sent and written.
    fn sent() -> Written {
        let written = Written::default();
        written.begin(&request("/a%2Fb?c=d"), true);
        assert!(written.request(()).is_none(), "nothing was written");
        let (one, two) = HEAD.split_at(30);
        written.take(&[IoSlice::new(one), IoSlice::new(two)]);
        written.take(&[IoSlice::new(b"more")]);
        written
    }

    #[test]
    fn what_was_written_is_read_back_in_its_order() {
        let again = sent().request(()).unwrap();
        assert_eq!((again.method(), again.uri().to_string().as_str()), (&Method::GET, "/a%2Fb?c=d"));
        assert_eq!(again.headers().get_all("accept").iter().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(again.headers()["host"], "a:80");
        assert_eq!(again.headers()["cookie"].as_bytes(), b"\xe9=1");
        assert_eq!(again.headers().len(), 4);
    }

    #[test]
    fn no_other_request_is_ever_read_back() {
        // The next was not written.
        let written = sent();
        written.begin(&request("/next"), true);
        assert!(written.request(()).is_none());
        // What was written is left of another.
        written.take(&[IoSlice::new(HEAD)]);
        assert!(written.request(()).is_none());
        // Its answer has begun.
        let written = sent();
        written.forget();
        assert!(written.request(()).is_none());
        assert!(written.head.lock().is_empty());
        // It was not to be noted.
        written.begin(&request("/a%2Fb?c=d"), false);
        written.take(&[IoSlice::new(HEAD)]);
        assert!(written.request(()).is_none());
    }

    #[test]
    fn a_large_head_is_not_kept_for_long() {
        let written = Written::default();
        written.begin(&request("/"), true);
        written.take(&[IoSlice::new(b"GET / "), IoSlice::new(&[b'a'; 100_000])]);
        assert!(written.head.lock().capacity() >= 100_000);
        written.forget();
        assert!(written.head.lock().capacity() <= KEPT);
    }
}
