//! A request without a body, as it was written, so that it can be sent once more.
//!
//! hyper keeps nothing of a request that it has begun to write, and to copy every head beforehand would cost more than to
//! write it. So the bytes are noted as they go out, into memory that the connection keeps, and read back only where a
//! request is repeated: by httparse, which is hyper's own parser too. Not the decision to repeat, which is `pool`'s.
//! Invariants: what is read back is the request that was sent last, or nothing; nothing is noted unless it is asked for.

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
pub(super) struct Noted {
    is_wanted: AtomicBool,
    head: Mutex<Vec<u8>>,
}

pub(super) type Notes = Arc<Noted>;

impl Noted {
    /// A request is about to be sent; `wanted`: it may have to be sent again.
    pub(super) fn begin(&self, wanted: bool) {
        self.is_wanted.store(wanted, Relaxed);
        if wanted {
            let mut head = self.head.lock();
            head.clear();
            head.shrink_to(KEPT);
        }
    }

    /// These bytes are about to be written. hyper offers a head in one piece, so the first are all.
    pub(super) fn take(&self, slices: &[IoSlice<'_>]) {
        if self.is_wanted.load(Relaxed) {
            self.is_wanted.store(false, Relaxed);
            let mut head = self.head.lock();
            slices.iter().for_each(|slice| head.extend_from_slice(slice));
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
}

impl std::fmt::Debug for Noted {
    /// Without the bytes: a cookie may be among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Noted").field("is_wanted", &self.is_wanted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"GET /a%2Fb?c=d HTTP/1.1\r\nhost: a:80\r\naccept: x\r\ncookie: \xe9=1\r\naccept: y\r\n\r\n";

    #[test]
    fn what_was_written_is_read_back_in_its_order_and_nothing_older() {
        let noted = Noted::default();
        noted.begin(true);
        assert!(noted.request(()).is_none(), "nothing was written");
        let (one, two) = HEAD.split_at(30);
        noted.take(&[IoSlice::new(one), IoSlice::new(two)]);
        noted.take(&[IoSlice::new(b"more")]);
        let request = noted.request(()).unwrap();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::GET, "/a%2Fb?c=d"));
        assert_eq!(request.headers().get_all("accept").iter().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(
            (&request.headers()["host"], request.headers()["cookie"].as_bytes()),
            (&"a:80".parse().unwrap(), &b"\xe9=1"[..])
        );
        assert_eq!(request.headers().len(), 4);
        // The next is not written, or not wanted.
        noted.begin(true);
        assert!(noted.request(()).is_none());
        noted.begin(false);
        noted.take(&[IoSlice::new(HEAD)]);
        assert!(noted.request(()).is_none());
    }

    #[test]
    fn a_large_head_is_not_kept_for_long() {
        let noted = Noted::default();
        noted.begin(true);
        noted.take(&[IoSlice::new(&[b'a'; 100_000])]);
        assert!(noted.head.lock().capacity() >= 100_000);
        noted.begin(true);
        assert!(noted.head.lock().capacity() <= KEPT);
    }
}
