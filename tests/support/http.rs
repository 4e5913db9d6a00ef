//! A client that sends exactly the bytes it is given, and reads one answer at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Longer than anything a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, lower-case name; the first where there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.text()))
    }
}

/// A request to be written out as HTTP/1.1.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().to_vec(), ..Self::new("POST", target) }
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.headers.push((name.into(), value.as_ref().into()));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes_for("app.example")
    }

    /// As for a server of this name.
    pub(crate) fn bytes_for(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// The same with the body in chunks of this size (RFC 9112 §7.1).
    pub(crate) fn chunked(&self, size: usize) -> Vec<u8> {
        let bare = Self { body: Vec::new(), ..self.clone() }.header("Transfer-Encoding", "chunked");
        let mut bytes = bare.bytes();
        for chunk in self.body.chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// The same without any header of this name.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    /// Sends it on a connection of its own to an admin port, which answers under its own name only.
    pub(crate) fn ask(&self, to: SocketAddr) -> Answer {
        let mut connection = Connection::open(to);
        connection.write(&self.bytes_for(&to.to_string()));
        connection.answer_to(&self.method)
    }

    /// Sends it on a connection of its own to a Unix socket.
    pub(crate) fn send_unix(&self, to: &Path) -> Answer {
        let mut connection = Connection::open_unix(to);
        connection.write(&self.bytes());
        connection.answer_to(&self.method)
    }

    /// Sends it on a connection of its own.
    pub(crate) fn send(&self, to: SocketAddr) -> Answer {
        let mut connection = Connection::open(to);
        connection.write(&self.bytes());
        connection.answer_to(&self.method)
    }
}

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Statuses of the interim answers that came.
    pub(crate) interim: Vec<u16>,
    /// How it ended, where it has: closed in order, or by a fault.
    end: String,
}

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).unwrap())
    }

    /// From another address of the loopback network, the last byte of which is given.
    pub(crate) fn open_from(last: u8, to: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&to.into()).unwrap();
        Self::over(socket.into())
    }

    pub(crate) fn open_unix(to: &Path) -> Self {
        Self::over(unix_stream(to))
    }

    /// Over a stream that is open already.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { stream, buffer: Vec::new(), interim: Vec::new(), end: String::new() }
    }

    /// Writes bytes as they are. A server that has answered early may have stopped reading.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            self.end = format!("write: {error}");
        }
    }

    /// The same, and whether all of it could be written.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The same connection, to write from another thread.
    pub(crate) fn twin(&self) -> Self {
        Self {
            stream: self.stream.try_clone().unwrap(),
            buffer: Vec::new(),
            interim: Vec::new(),
            end: String::new(),
        }
    }

    /// Ends our side.
    pub(crate) fn finish(&self) {
        let _gone = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("POST")
    }

    /// The next answer; one to HEAD has no body.
    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        let answer = self.try_answer(method);
        answer.unwrap_or_else(|| panic!("no answer: {} after {:?}", self.end, self.buffer))
    }

    /// The next answer, or `None` where the connection ends before one is complete.
    pub(crate) fn try_answer(&mut self, method: &str) -> Option<Answer> {
        let (status, headers) = self.try_head()?;
        if (100..200).contains(&status) && status != 101 {
            self.interim.push(status);
            return self.try_answer(method);
        }
        let value = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let body = if method == "HEAD" || status == 204 || status == 304 {
            Vec::new()
        } else if value("transfer-encoding").is_some() {
            self.chunked()?
        } else if let Some(length) = value("content-length") {
            self.exactly(length.parse().ok()?)?
        } else {
            while self.more().is_some() {}
            std::mem::take(&mut self.buffer)
        };
        Some(Answer { status, headers, body })
    }

    /// The next bytes, as many as asked for.
    pub(crate) fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        self.exactly(length).expect("the connection ended")
    }

    /// The next interim answer's status.
    pub(crate) fn interim(&mut self) -> u16 {
        self.head().0
    }

    /// The head of the next answer, interim or not: status and headers.
    pub(crate) fn head(&mut self) -> (u16, Vec<(String, String)>) {
        self.try_head().expect("the connection ended without an answer")
    }

    /// Whether the other side has closed: nothing but the end comes.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.more().is_none()
    }

    fn try_head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some((status, headers))
    }

    fn more(&mut self) -> Option<()> {
        let mut chunk = [0; 16 * 1024];
        // A read with a deadline is not begun again by the kernel, after the machine was asleep for one.
        let read = loop {
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => {
                self.end = "closed".to_owned();
                None
            }
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                Some(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("nothing came within the deadline")
            }
            Err(error) => {
                self.end = error.to_string();
                None
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    fn chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                self.more()?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[..end]).ok()?, 16).ok()?;
            self.buffer.drain(..end + 2);
            let chunk = self.exactly(size + 2)?;
            if size == 0 {
                return Some(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
}

/// A stream to a Unix socket, which is a stream like any other.
pub(crate) fn unix_stream(to: &Path) -> TcpStream {
    OwnedFd::from(UnixStream::connect(to).unwrap()).into()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
