//! HTTP/2 under TLS: by ALPN or not at all (RFC 9113 §3.2, RFC 7301).

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::{at, get};
use crate::support::certificates::{Authority, Pair};
use crate::support::refusal::assert_problem;

/// An application under TLS that takes these protocols, and its requests' targets and hosts.
struct Application {
    url: String,
    seen: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Application {
    fn start(pair: &Pair, alpn: &[&[u8]]) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(&pair.cert).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
        let mut config = builder
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let Ok(stream) = acceptor.accept(stream).await else { continue };
                    let told = Arc::clone(&told);
                    let service = service_fn(move |request: Request<Incoming>| {
                        told.lock().push((request.uri().to_string(), request.headers().contains_key("host")));
                        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok")))) }
                    });
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(tokio::spawn(server.serve_connection(TokioIo::new(stream), service)));
                }
            });
        });
        Self { url, seen }
    }
}

#[test]
fn an_application_that_chooses_h2_gets_it() {
    let authority = Authority::new("applications");
    let pair = authority.vouch("app", &["localhost"]);
    let application = Application::start(&pair, &[b"http/1.1", b"h2"]);
    let (sidecar, key) = at(&application.url, &format!("ca_file = '{}'", authority.file().display()));
    for _ in 0..3 {
        let answer = sidecar.send(&get(&key));
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    assert_eq!(*application.seen.lock(), vec![("https://app.example/a?b=c".to_owned(), false); 3]);
}

#[test]
fn an_application_that_chooses_another_protocol_or_none_gets_nothing() {
    let authority = Authority::new("applications");
    let pair = authority.vouch("app", &["localhost"]);
    // Without a protocol in common a server that knows ALPN ends the handshake, and one that does not goes on.
    for (alpn, cause) in [(&[b"http/1.1".as_slice()][..], "tls"), (&[][..], "protocol")] {
        let application = Application::start(&pair, alpn);
        let (sidecar, key) = at(&application.url, &format!("ca_file = '{}'", authority.file().display()));
        assert_problem(&sidecar.send(&get(&key)), 502, cause);
        let counted = sidecar.metrics("countersign_upstream_errors_total");
        assert_eq!(counted, [format!("countersign_upstream_errors_total{{cause=\"{cause}\"}} 1")]);
        assert!(application.seen.lock().is_empty());
    }
}
