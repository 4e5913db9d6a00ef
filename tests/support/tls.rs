//! A client and an application that speak TLS, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::certificates::Pair;
use super::http::{Answer, Call, DEADLINE};

/// What a client is set up with.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) config: ClientConfig,
}

/// A connection under TLS.
pub(crate) struct Session(StreamOwned<ClientConnection, TcpStream>);

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With `close_notify`.
    Told,
    /// Without a word.
    Cut,
    /// By an alert or a reset.
    Refused(String),
}

fn chain(file: &std::path::Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).unwrap().collect::<Result<_, _>>().unwrap()
}

impl Client {
    /// One that believes this authority, and shows this certificate.
    pub(crate) fn new(authority: &std::path::Path, pair: Option<&Pair>) -> Self {
        let mut roots = RootCertStore::empty();
        chain(authority).into_iter().for_each(|certificate| roots.add(certificate).unwrap());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(roots);
        let config = match pair {
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
                builder.with_client_auth_cert(chain(&pair.cert), key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Self { config }
    }

    /// Finishes a handshake as `name`; why not, where it does not.
    pub(crate) fn open(&self, to: SocketAddr, name: &str) -> Result<Session, String> {
        self.open_over(TcpStream::connect(to).unwrap(), name)
    }

    /// The same over a stream that is open already.
    pub(crate) fn open_over(&self, mut stream: TcpStream, name: &str) -> Result<Session, String> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(self.config.clone()), name).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
        }
        Ok(Session(StreamOwned::new(connection, stream)))
    }

    /// One request, of which each piece of the handshake is a segment of its own: a byte, with `slowly`.
    pub(crate) fn send_in_pieces(
        &self,
        to: SocketAddr,
        name: &str,
        call: &Call,
        slowly: bool,
    ) -> Result<Answer, String> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(self.config.clone()), name).unwrap();
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        while connection.is_handshaking() {
            let mut pieces = Vec::new();
            while connection.wants_write() {
                connection.write_tls(&mut pieces).unwrap();
            }
            for piece in pieces.chunks(if slowly { 1 } else { usize::MAX }) {
                stream.write_all(piece).map_err(|error| error.to_string())?;
            }
            if connection.is_handshaking() {
                match connection.read_tls(&mut stream) {
                    Ok(0) => return Err("it was closed".to_owned()),
                    Ok(_) => connection.process_new_packets().map_err(|error| error.to_string())?,
                    Err(error) => return Err(error.to_string()),
                };
            }
        }
        Session(StreamOwned::new(connection, stream)).exchange(&call.clone().header("Connection", "close"))
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, to: SocketAddr, name: &str, call: &Call) -> Result<Answer, String> {
        self.open(to, name)?.exchange(&call.clone().header("Connection", "close"))
    }

    /// The same to a port that answers under names of this machine only.
    pub(crate) fn send_to_admin(&self, to: SocketAddr, name: &str, call: &Call) -> Result<Answer, String> {
        let mut session = self.open(to, name)?;
        session.write(&call.clone().header("Connection", "close").bytes_for("localhost"));
        session.answer()
    }
}

impl Session {
    pub(crate) fn tls(&self) -> &ClientConnection {
        &self.0.conn
    }

    /// The certificate that was shown.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().unwrap()[0].to_vec()
    }

    /// The connection below.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.0.sock
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
        self.0.flush().unwrap();
    }

    /// What comes until the connection ends, and how that was.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        let end = match self.0.read_to_end(&mut bytes) {
            Ok(_) => End::Told,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => End::Cut,
            Err(error) => End::Refused(error.to_string()),
        };
        (bytes, end)
    }

    /// One answer with a length.
    pub(crate) fn answer(&mut self) -> Result<Answer, String> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte) {
                Ok(1) => bytes.push(byte[0]),
                Ok(_) => return Err("it was closed".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
        let head = String::from_utf8(bytes).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        self.0.read_exact(&mut body).map_err(|error| error.to_string())?;
        Ok(Answer { status, headers, body })
    }

    pub(crate) fn exchange(&mut self, call: &Call) -> Result<Answer, String> {
        self.write(&call.bytes());
        self.answer()
    }
}

/// An application under TLS, which answers 200 to everything.
pub(crate) struct Application {
    pub(crate) address: SocketAddr,
    /// Heads of requests, one connection after the other.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    /// Server names that were asked for.
    pub(crate) asked: Arc<Mutex<Vec<Option<String>>>>,
}

impl Application {
    /// With this certificate, and asking for one of this authority where there is one.
    pub(crate) fn start(pair: &Pair, clients: Option<&std::path::Path>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                chain(authority).into_iter().for_each(|certificate| roots.add(certificate).unwrap());
                let verifier =
                    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
        let config = Arc::new(builder.with_single_cert(chain(&pair.cert), key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let application =
            Self { address: listener.local_addr().unwrap(), seen: Arc::default(), asked: Arc::default() };
        let (seen, asked) = (Arc::clone(&application.seen), Arc::clone(&application.asked));
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let (seen, asked) = (Arc::clone(&seen), Arc::clone(&asked));
                std::thread::spawn(move || answer_all(StreamOwned::new(connection, stream), &seen, &asked));
            }
        });
        application
    }
}

fn answer_all(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    seen: &Mutex<Vec<String>>,
    asked: &Mutex<Vec<Option<String>>>,
) {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            asked.lock().push(stream.conn.server_name().map(str::to_owned));
            seen.lock().push(String::from_utf8_lossy(&bytes).into_owned());
            bytes.clear();
            let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    }
}
