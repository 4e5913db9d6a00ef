//! The other parsers, each made to say what it found in the bytes that it is given: `X-Report` of its answer. A proxy
//! says it through hyper behind it, so of its framing only the body is compared.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::strict::Reading;
use super::tape::Tape;
use crate::support::http::DEADLINE;
use crate::support::process::{Process, tool, tool_command};

/// Requests that a peer reads from one connection, so that it has to find where each ends.
const BATCH: usize = 32;

/// Another parser.
pub(super) struct Peer {
    pub(super) name: &'static str,
    address: String,
    /// Whether it reports itself, and not through hyper behind it.
    direct: bool,
    _process: Option<Process>,
}

/// What a peer had to say.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    /// Requests that it read as we did.
    pub(super) agreed: usize,
    /// Requests that it would not take: its own 4xx, 501 or 505.
    pub(super) refused: usize,
    /// Everything else.
    pub(super) disagreements: Vec<String>,
}

/// hyper itself.
pub(super) fn hyper() -> Peer {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(report));
                tokio::spawn(async move { drop(connection.await) });
            }
        });
    });
    Peer { name: "hyper", address, direct: true, _process: None }
}

async fn report(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(Response::builder().status(422).header("Connection", "close").body(Empty::new()).unwrap());
    };
    let framing = match parts.headers {
        ref headers if headers.contains_key("transfer-encoding") => "chunked",
        ref headers if headers.contains_key("content-length") => "length",
        _ => "none",
    };
    let line = format!("{} {}", parts.method, parts.uri);
    let reading = Reading::new(line.as_bytes(), framing, &body.to_bytes());
    Ok(Response::builder().header("X-Report", reading.report()).body(Empty::new()).unwrap())
}

/// A program that reports itself and prints its port.
fn script(name: &'static str, dir: &Path, program: &str, file: &str, text: &str) -> Peer {
    std::fs::write(dir.join(file), text).unwrap();
    let mut process = Process::start(tool_command(&tool(program), dir, &[file]));
    let port: u16 =
        process.wait_for(name, |stdout, _| stdout.split_once("port ")?.1.split_once(' ')?.0.parse().ok());
    Peer { name, address: format!("127.0.0.1:{port}"), direct: true, _process: Some(process) }
}

pub(super) fn python(dir: &Path) -> Peer {
    script("python", dir, "python3", "peer.py", include_str!("peer.py"))
}

fn node(dir: &Path) -> Peer {
    script("node", dir, "node", "peer.js", include_str!("peer.js"))
}

/// A proxy in front of `behind`, configured by a file; on an address of loopback that is its alone, and a port below
/// those that the system hands out.
fn proxy(name: &'static str, dir: &Path, behind: &Peer, args: &[&str], config: &str) -> Peer {
    let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
    let address = format!("127.{}.{}.{}:18080", a | 1, b, c | 1);
    let folder = dir.join(name);
    std::fs::create_dir(&folder).unwrap();
    let config = config.replace("{address}", &address).replace("{behind}", &behind.address);
    let config = config.replace("{folder}", &folder.display().to_string());
    std::fs::write(folder.join("conf"), config).unwrap();
    let place = folder.display().to_string();
    let args: Vec<String> = args.iter().map(|arg| arg.replace("{folder}", &place)).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut process = Process::start(tool_command(&tool(name), &folder, &args));
    process.wait_for(name, |_, _| TcpStream::connect(&address).ok());
    Peer { name, address, direct: false, _process: Some(process) }
}

/// A peer by name, in front of `hyper` where it is a proxy.
pub(super) fn named(name: &str, dir: &Path, hyper: &Peer) -> Peer {
    match name {
        "node" => node(dir),
        "nginx" => proxy("nginx", dir, hyper, &["-p", "{folder}", "-c", "conf", "-e", "stderr"], NGINX),
        "haproxy" => proxy("haproxy", dir, hyper, &["-db", "-f", "conf"], HAPROXY),
        "apache2" => proxy("apache2", dir, hyper, &["-X", "-d", "{folder}", "-f", "{folder}/conf"], APACHE),
        other => panic!("there is no peer {other}"),
    }
}

const NGINX: &str = "
daemon off; master_process off; pid nginx.pid; error_log stderr crit;
events {}
http {
    access_log off; client_max_body_size 0; merge_slashes off; underscores_in_headers on;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    upstream behind { server {behind}; keepalive 16; }
    server {
        listen {address};
        keepalive_requests 100000;
        location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ''; }
    }
}
";

const HAPROXY: &str = "
global
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend in
    bind {address}
    default_backend behind
backend behind
    server one {behind}
";

const APACHE: &str = "
ServerRoot {folder}
ServerName peer
PidFile {folder}/pid
ErrorLog /dev/stderr
LogLevel crit
Listen {address}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
MaxKeepAliveRequests 0
AllowEncodedSlashes NoDecode
MergeSlashes Off
ProxyPass / http://{behind}/ nocanon
";

impl Peer {
    /// Has it read these requests, as many at a time from one connection as it takes.
    pub(super) fn judge(&self, tapes: &[Tape]) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let mut rest = tapes;
        while !rest.is_empty() {
            let done = self.read(&rest[..rest.len().min(BATCH)], &mut verdicts);
            rest = &rest[done..];
        }
        verdicts
    }

    /// One connection; how many of the requests are done with.
    fn read(&self, tapes: &[Tape], verdicts: &mut Verdicts) -> usize {
        let address: SocketAddr = self.address.parse().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let all: Vec<u8> = tapes.iter().flat_map(|tape| tape.bytes.iter().copied()).collect();
        let _gone = stream.write_all(&all);
        let mut answers = Answers { stream, buffer: Vec::new() };
        for (index, tape) in tapes.iter().enumerate() {
            match answers.next() {
                Some((200, Some(reading))) if self.agrees(&reading, &tape.reading) => verdicts.agreed += 1,
                Some((400..=499 | 501 | 505, _)) => {
                    verdicts.refused += 1;
                    return index + 1;
                }
                // A peer may end a connection between two requests.
                None if index > 0 => return index,
                other => {
                    let shown = String::from_utf8_lossy(&tape.bytes);
                    verdicts.disagreements.push(format!("{} read {other:?} in {shown:?}", self.name));
                    return index + 1;
                }
            }
        }
        let _gone = answers.stream.shutdown(std::net::Shutdown::Write);
        if let Some(answer) = answers.next() {
            verdicts.disagreements.push(format!("{}: one answer too many: {answer:?}", self.name));
        }
        tapes.len()
    }

    fn agrees(&self, theirs: &Reading, ours: &Reading) -> bool {
        theirs.line == ours.line
            && theirs.body == ours.body
            && (!self.direct || theirs.framing == ours.framing)
    }
}

/// The answers of one connection.
struct Answers {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Answers {
    /// The next one's status and report. A refusal's body is not read: its connection is not used again.
    fn next(&mut self) -> Option<(u16, Option<Reading>)> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer in time"),
                Err(_) => return None,
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let status = head.split(' ').nth(1)?.get(..3)?.parse().ok()?;
        let report = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            if name.eq_ignore_ascii_case("x-report") { Reading::of_report(value) } else { None }
        });
        Some((status, report))
    }
}
