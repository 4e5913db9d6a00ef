//! Requests that were right once: templates, changed in what parsers quarrel about. The same seed gives the same bytes.

/// A small generator (xorshift64*), so that a run can be had again.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % end
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, number: usize) -> bool {
        self.below(number) == 0
    }
}

const METHODS: [&str; 12] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "get", "FOO", "M-SEARCH", "G@T", "PROPFIND"];

const TARGETS: [&str; 22] = [
    "/public/a",
    "/public/",
    "/public/a?b=c&b=d",
    "/public/a?x=%2f..%2f;\\//",
    "/public/%41%20b",
    "/public/a:b@c!$&'()*,=~-_.x",
    "/public/a??#",
    "/public/{x}|y^z`",
    "/public/\"q\"",
    "/public/a?\"<>",
    "/public/%F0%9F%98%80",
    "http://a/public/a",
    "http://b/public/a",
    "//a/public",
    "/public/../a",
    "/public/a b",
    "/public/%2e%2e/a",
    "*",
    "public",
    "/public/a?\u{e4}",
    "/public/a\t",
    "/in",
];

const VERSIONS: [&str; 8] =
    ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/0.9", "HTTP/11"];

const LINES: [&str; 56] = [
    "X-A: a",
    "X-A:",
    "X-A:   a  ",
    "X-A:\ta\t",
    "x_a: under",
    "X.A: dot",
    "X~A!#$%&'*+-.^`|: token",
    "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "X-High: \u{e4}\u{fc}",
    "X-List: a, b,, c",
    "X-Quote: \"a\\\"b, c",
    "Accept: */*",
    "Cookie: a=1; b=2",
    "User-Agent: x (y; z)",
    "Content-Type: text/plain; charset=\"a",
    "Via: 1.0 fred, 1.1 p.example",
    "TE: trailers",
    "TE: chunked",
    "Trailer: X-T",
    "Connection: close",
    "Connection: keep-alive, x-a",
    "Connection: content-length, transfer-encoding, host",
    "Connection: countersign-verified",
    "Keep-Alive: timeout=5",
    "Upgrade: h2c",
    "Upgrade: websocket",
    "HTTP2-Settings: AAMAAABkAAQAAP__",
    "Expect: 100-continue",
    "Expect: x",
    "Forwarded: for=1.2.3.4",
    "X-Forwarded-For: 1.2.3.4",
    "Host: a",
    "Host: b",
    "Host: a, b",
    "host:a:80",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: 05",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 6",
    "Content_Length: 3",
    "Content-Length : 5",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "transfer-encoding:\tCHUNKED ",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding : chunked",
    "Transfer_Encoding: chunked",
    " X-Fold: a",
    "no colon",
    ": empty",
];

const BODIES: [&str; 16] = [
    "hello",
    "",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "5;a=b\r\nhello\r\n0\r\n\r\n",
    "05\r\nhello\r\n00\r\n\r\n",
    "5\r\nhello\r\n0\r\nX-T: t\r\nHost: b\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhelloX\r\n0\r\n\r\n",
    "FFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n",
    "0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
];

const BYTES: [&[u8]; 20] = [
    b"\r", b"\n", b"\r\n", b"\t", b" ", b"\0", b"\x0b", b"\x0c", b":", b";", b",", b"\"", b"\\", b"\x7f",
    b"\x80", b"\xff", b"a", b"0", b"-", b"_",
];

const ENDS: [&str; 8] = ["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", "\n\r"];

struct Draft {
    method: String,
    target: String,
    version: String,
    lines: Vec<Vec<u8>>,
    body: Vec<u8>,
}

impl Draft {
    fn plain(random: &mut Random, key: &str) -> Self {
        let mut lines = vec![b"Host: a".to_vec(), format!("X-API-Key: {key}").into_bytes()];
        let (method, body): (&str, &str) = match random.below(4) {
            0 => ("GET", ""),
            1 => {
                lines.push(b"Content-Length: 5".to_vec());
                ("POST", "hello")
            }
            2 => {
                lines.push(b"Transfer-Encoding: chunked".to_vec());
                ("POST", random.pick(&BODIES[2..8]))
            }
            _ => {
                lines.push(b"Content-Length: 0".to_vec());
                ("PUT", "")
            }
        };
        let (method, target) = (method.to_owned(), random.pick(&TARGETS[..11]).to_owned());
        Self { method, target, version: "HTTP/1.1".to_owned(), lines, body: body.as_bytes().to_vec() }
    }

    fn change(&mut self, random: &mut Random) {
        let at = random.below(self.lines.len());
        match random.below(14) {
            0 => self.method = random.pick(&METHODS).to_owned(),
            1 => self.target = random.pick(&TARGETS).to_owned(),
            2 if random.one_in(2) => self.version = random.pick(&VERSIONS).to_owned(),
            2..=6 => self.lines.insert(at, random.pick(&LINES).as_bytes().to_vec()),
            7 => self.lines.insert(at, random.pick(&LINES[..26]).as_bytes().to_vec()),
            8 => self.lines.push(self.lines[at].clone()),
            9 => self.lines.swap(0, at),
            10 if self.lines.len() > 1 => drop(self.lines.remove(at)),
            11 => {
                let line = &mut self.lines[at];
                let place = random.below(line.len() + 1);
                line.splice(place..place, random.pick(&BYTES).iter().copied());
            }
            12 => self.body = random.pick(&BODIES).as_bytes().to_vec(),
            _ => {
                let line = &mut self.lines[at];
                let upper = random.one_in(2);
                line.iter_mut().take_while(|byte| **byte != b':').for_each(|byte| {
                    *byte = if upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
                });
            }
        }
    }

    fn bytes(&self, random: &mut Random) -> Vec<u8> {
        let odd = random.one_in(12);
        let end = |random: &mut Random| if odd { random.pick(&ENDS) } else { "\r\n" };
        let mut bytes = format!("{} {} {}", self.method, self.target, self.version).into_bytes();
        bytes.extend_from_slice(end(random).as_bytes());
        for line in &self.lines {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(end(random).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// One to three requests behind each other, changed in up to four places.
pub(super) fn requests(random: &mut Random, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..3 {
        if n > 0 && !random.one_in(3) {
            break;
        }
        let mut draft = Draft::plain(random, key);
        for _ in 0..random.below(4) {
            draft.change(random);
        }
        bytes.extend(draft.bytes(random));
    }
    if random.one_in(6) {
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => drop(bytes.remove(at)),
            1 => drop(bytes.splice(at..at, random.pick(&BYTES).iter().copied())),
            _ => bytes[at] = random.pick(&BYTES)[0],
        }
    }
    bytes
}
