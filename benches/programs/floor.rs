//! The floor: what the kernel and the hash cost, and nothing else. No valid proxy: it rewrites nothing, knows
//! no chunked body and no pipelining, bounds nothing, and has one upstream connection for each client's. A
//! request is two reads and two writes, plus the API key or the HMAC where its path asks for one.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::event::{PollFd, PollFlags, poll};
use sha2::Sha256;

use super::http::{content_length, head_len, header, target};
use super::readiness::{Poller, listen, prepare, unless_blocked};

const REFUSED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
/// Room for a head, and for a response.
const ROOM: usize = 4096;
const LISTENER: usize = usize::MAX;

/// What requests are checked against.
pub(crate) struct Checks {
    key: Vec<u8>,
    mac: Hmac<Sha256>,
}

struct Pair {
    client: TcpStream,
    upstream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    /// Bytes of the request; 0 while its head is not whole.
    whole: usize,
}

pub(crate) fn run(address: SocketAddr, upstream: SocketAddr, checks: &Checks) -> io::Result<()> {
    let listener = listen(address)?;
    let mut poller = Poller::new()?;
    poller.add(&listener, LISTENER)?;
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    let mut response = vec![0; ROOM];
    loop {
        let ready: Vec<usize> = poller.wait()?.collect();
        for token in ready {
            if token == LISTENER {
                while let Ok((client, _)) = listener.accept() {
                    let free = pairs.iter().position(Option::is_none).unwrap_or(pairs.len());
                    if free == pairs.len() {
                        pairs.push(None);
                    }
                    let pair = Pair::new(client, TcpStream::connect(upstream)?)?;
                    poller.add(&pair.client, 2 * free)?;
                    poller.add(&pair.upstream, 2 * free + 1)?;
                    if let Some(place) = pairs.get_mut(free) {
                        *place = Some(pair);
                    }
                }
            } else if let Some(place) = pairs.get_mut(token / 2)
                && let Some(pair) = place
            {
                let goes_on = if token % 2 == 0 { pair.request(checks) } else { pair.respond(&mut response) };
                if !goes_on.unwrap_or(false) {
                    *place = None;
                }
            }
        }
    }
}

impl Pair {
    fn new(client: TcpStream, upstream: TcpStream) -> io::Result<Self> {
        prepare(&client)?;
        prepare(&upstream)?;
        Ok(Self { client, upstream, buffer: vec![0; ROOM], filled: 0, whole: 0 })
    }

    fn request(&mut self, checks: &Checks) -> io::Result<bool> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let Some(read) = unless_blocked(self.client.read(room))? else { return Ok(true) };
        self.filled += read;
        let filled = self.buffer.get(..self.filled).unwrap_or_default();
        if self.whole == 0 {
            let Some(head_end) = head_len(filled) else { return Ok(read > 0 && self.filled < ROOM) };
            let head = filled.get(..head_end).unwrap_or_default();
            if header(head, b"transfer-encoding").is_some() {
                return Ok(false);
            }
            self.whole = head_end + content_length(head);
            if self.buffer.len() < self.whole {
                self.buffer.resize(self.whole, 0);
            }
        }
        if self.filled < self.whole {
            return Ok(read > 0);
        }
        let message = self.buffer.get(..self.whole).unwrap_or_default();
        if checks.accept(message) {
            write_all(&self.upstream, message)?;
        } else {
            write_all(&self.client, REFUSED)?;
        }
        (self.filled, self.whole) = (0, 0);
        Ok(true)
    }

    fn respond(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        let Some(read) = unless_blocked(self.upstream.read(scratch))? else { return Ok(true) };
        write_all(&self.client, scratch.get(..read).unwrap_or_default())?;
        Ok(read > 0)
    }
}

impl Checks {
    pub(crate) fn new(key: &str, secret: &str) -> Result<Self, hmac::digest::InvalidLength> {
        Ok(Self { key: key.as_bytes().to_vec(), mac: Hmac::new_from_slice(secret.as_bytes())? })
    }

    fn accept(&self, message: &[u8]) -> bool {
        let (head, body) = message.split_at(head_len(message).unwrap_or(0));
        if target(head).starts_with(b"/webhooks/") {
            let signature = header(head, b"x-hub-signature-256");
            let signature = signature.and_then(|value| value.strip_prefix(b"sha256="));
            let Some(signature) = signature.and_then(|hex| data_encoding::HEXLOWER.decode(hex).ok()) else {
                return false;
            };
            let mut mac = self.mac.clone();
            mac.update(body);
            mac.verify_slice(&signature).is_ok()
        } else {
            header(head, b"x-api-key").is_some_and(|key| key == self.key)
        }
    }
}

/// Waits where the socket takes no more.
fn write_all(mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match unless_blocked(stream.write(bytes))? {
            Some(written) => bytes = bytes.get(written..).unwrap_or_default(),
            None => {
                poll(&mut [PollFd::new(&stream, PollFlags::OUT)], None)?;
            }
        }
    }
    Ok(())
}
