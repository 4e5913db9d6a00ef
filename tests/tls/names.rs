//! Which certificate is shown to whom.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::builder;
use crate::support::certificates::Authority;
use crate::support::http::Call;
use crate::support::tls::Client;

fn der(file: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(file).unwrap().to_vec()
}

#[test]
fn a_name_gets_its_own_certificate_and_no_name_the_first() {
    let authority = Authority::new("servers");
    let first =
        authority.vouch("first", &["first.example", "127.0.0.1", "other.example", "a.b.hooks.example"]);
    let wild = authority.vouch("wild", &["*.hooks.example"]);
    let own = authority.vouch("own", &["own.hooks.example"]);
    let sidecar = builder(&[&first, &wild, &own], "").start();
    let mut client = Client::new(&authority.file(), None);
    for (name, pair) in [
        ("first.example", &first),
        ("any.hooks.example", &wild),
        ("ANY.Hooks.Example", &wild),
        ("own.hooks.example", &own),
        ("OWN.hooks.example", &own),
        // A wildcard stands for one label; names of nobody, and none at all (an address is never sent).
        ("a.b.hooks.example", &first),
        ("other.example", &first),
        ("127.0.0.1", &first),
    ] {
        let session = client.open(sidecar.traffic(), name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(session.certificate(), der(&pair.cert), "{name}");
    }
    client.config.enable_sni = false;
    let session = client.open(sidecar.traffic(), "first.example").unwrap();
    assert_eq!(session.certificate(), der(&first.cert), "no name at all");
}

#[test]
fn t07_no_name_is_a_way_around_client_certificates() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let first = authority.vouch("first", &["first.example", "unknown.example"]);
    let wild = authority.vouch("wild", &["*.hooks.example"]);
    let rules = format!("client_auth = 'required'\nclient_ca_file = '{}'", clients.file().display());
    let sidecar = builder(&[&first, &wild], &rules).start();
    let known = Client::new(&authority.file(), Some(&clients.vouch("known", &["sender.example"])));
    let mut without = Client::new(&authority.file(), None);
    for sni in [true, false] {
        without.config.enable_sni = sni;
        for name in ["first.example", "unknown.example", "any.hooks.example", "ANY.HOOKS.example"] {
            let answer = without.send(sidecar.traffic(), name, &Call::get("/a"));
            assert!(answer.is_err(), "{name}, SNI {sni}: {answer:?}");
        }
    }
    sidecar.upstream.saw_nothing();
    for name in ["first.example", "unknown.example", "any.hooks.example"] {
        assert_eq!(known.send(sidecar.traffic(), name, &Call::get("/a")).unwrap().status, 200, "{name}");
    }
}
