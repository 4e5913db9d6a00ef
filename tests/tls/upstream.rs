//! An application under TLS.

use crate::support::certificates::{Authority, Pair};
use crate::support::http::Call;
use crate::support::log;
use crate::support::refusal::assert_problem;
use crate::support::sidecar::Sidecar;
use crate::support::tls::{Application, Client};

fn sidecar(application: &Application, name: &str, ca: &std::path::Path, more: &str) -> Sidecar {
    let url = format!("https://{name}:{}", application.address.port());
    let toml = format!("[upstream]\nca_file = '{}'\n{more}\n{}", ca.display(), super::OPEN);
    Sidecar::builder().config(&toml).upstream(&url).start()
}

#[test]
fn an_application_with_a_good_certificate_gets_the_request() {
    let authority = Authority::new("applications");
    let application = Application::start(&authority.vouch("app", &["localhost"]), None);
    let sidecar = sidecar(&application, "localhost", &authority.file(), "");
    for _ in 0..3 {
        let answer = sidecar.send(&Call::get("/a"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    assert_eq!(*application.asked.lock(), vec![Some("localhost".to_owned()); 3]);
    assert!(application.seen.lock().iter().all(|head| head.starts_with("GET /a HTTP/1.1\r\n")));
    // What the client spoke with us is another matter.
    assert!(application.seen.lock()[0].contains("x-forwarded-proto: http\r\n"));
}

#[test]
fn the_name_may_be_another_than_the_hosts() {
    let authority = Authority::new("applications");
    let application = Application::start(&authority.vouch("app", &["app.internal"]), None);
    let sidecar = sidecar(&application, "127.0.0.1", &authority.file(), "server_name = 'app.internal'");
    assert_eq!(sidecar.send(&Call::get("/a")).status, 200);
    assert_eq!(*application.asked.lock(), [Some("app.internal".to_owned())]);
}

#[test]
fn t06_an_application_that_is_not_proven_gets_nothing() {
    log::keep();
    let (authority, strangers) = (Authority::new("applications"), Authority::new("strangers"));
    let self_signed = {
        let key = rcgen::KeyPair::generate().unwrap();
        let cert =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let dir = authority.dir();
        let pair = Pair { cert: dir.join("self.pem"), key: dir.join("self.key") };
        std::fs::write(&pair.cert, cert.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    };
    for (what, pair) in [
        ("bad name", authority.vouch("other", &["other.example"])),
        ("expired", authority.vouch_expired("expired", &["localhost"])),
        ("stranger", strangers.vouch("stranger", &["localhost"])),
        ("self-signed", self_signed),
        (
            "for clients only",
            authority.vouch_with("client", &["localhost"], |params| {
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            }),
        ),
    ] {
        let application = Application::start(&pair, None);
        let sidecar = sidecar(&application, "localhost", &authority.file(), "");
        for call in [Call::get("/a"), Call::post("/a", "canary-body-of-t06")] {
            assert_problem(&sidecar.send(&call), 502, what);
        }
        let counted = sidecar.metrics("countersign_upstream_errors_total");
        assert_eq!(counted, ["countersign_upstream_errors_total{cause=\"tls\"} 2"], "{what}");
        assert!(application.seen.lock().is_empty(), "{what}");
    }
    assert!(log::kept().contains("cannot agree on TLS with the application"));
    assert!(!log::kept().contains("canary-body-of-t06"));
}

#[test]
fn an_application_without_tls_gets_nothing() {
    let authority = Authority::new("applications");
    let plain = Sidecar::start();
    let url = format!("https://{}", plain.upstream.url.strip_prefix("http://").unwrap());
    let toml = format!("[upstream]\nca_file = '{}'\n{}", authority.file().display(), super::OPEN);
    let sidecar = Sidecar::builder().config(&toml).upstream(&url).start();
    assert_problem(&sidecar.send(&Call::get("/a")), 502, "no TLS");
    // Bytes of a handshake, and no request.
    assert_eq!(plain.upstream.count(), 0);
    assert!(!plain.upstream.raw().contains("get /a"));
}

#[test]
fn p19_an_application_that_asks_for_our_certificate_hears_of_an_identity_from_us_alone() {
    let (authority, clients) = (Authority::new("applications"), Authority::new("sidecars"));
    let application = Application::start(&authority.vouch("app", &["localhost"]), Some(&clients.file()));
    let ours = clients.vouch("sidecar", &["sidecar.internal"]);
    let files = format!("cert_file = '{}'\nkey_file = '{}'", ours.cert.display(), ours.key.display());
    let with = sidecar(&application, "localhost", &authority.file(), &files);
    assert_eq!(with.send(&Call::get("/a")).status, 200);
    // A neighbour that forges what we would say.
    let forged = Call::get("/forged").header("Countersign-Verified", "api-key");
    for pair in [None, Some(Authority::new("others").vouch("other", &["sidecar.internal"]))] {
        let neighbour = Client::new(&authority.file(), pair.as_ref());
        assert!(neighbour.send(application.address, "localhost", &forged).is_err());
    }
    let without = sidecar(&application, "localhost", &authority.file(), "");
    assert_problem(&without.send(&Call::get("/a")), 502, "no certificate of ours");
    assert_eq!(application.seen.lock().len(), 1);
    // Ours is renewed: the next connection shows the new one.
    let renewed = clients.vouch("renewed", &["sidecar.internal"]);
    std::fs::copy(&renewed.cert, &ours.cert).unwrap();
    std::fs::copy(&renewed.key, &ours.key).unwrap();
    with.running().look_at_certificates();
    assert_eq!(with.send(&Call::get("/a")).status, 200);
}
