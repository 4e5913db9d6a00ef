//! Certificates that clients show.

use data_encoding::{BASE64, HEXLOWER};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::builder;
use crate::support::certificates::{Authority, Pair};
use crate::support::http::Call;
use crate::support::sidecar::{Sidecar, until};
use crate::support::tls::Client;

struct Mutual {
    sidecar: Sidecar,
    servers: Authority,
    clients: Authority,
}

impl Mutual {
    fn start(auth: &str) -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let pair = servers.vouch("server", &["app.example"]);
        let rules = format!("client_auth = '{auth}'\nclient_ca_file = '{}'", clients.file().display());
        Self { sidecar: builder(&[&pair], &rules).start(), servers, clients }
    }

    fn client(&self, pair: Option<&Pair>) -> Client {
        Client::new(&self.servers.file(), pair)
    }

    fn send(&self, pair: Option<&Pair>) -> Result<u16, String> {
        let call = Call::get("/a").header("Client-Cert", ":Zm9yZ2Vk:").header("client_cert", ":Zm9yZ2Vk:");
        let call =
            call.header("Countersign-Client-Cert-Sha256", "00").header("Client-Cert-Chain", ":Zm9yZ2Vk:");
        let answer = self.client(pair).send(self.sidecar.traffic(), "app.example", &call);
        answer.map(|answer| answer.status)
    }
}

#[test]
fn a_verified_certificate_is_told_to_the_application_and_nobody_elses_copy() {
    let mutual = Mutual::start("optional");
    let known = mutual.clients.vouch("known", &["sender.example"]);
    assert_eq!(mutual.send(Some(&known)), Ok(200));
    assert_eq!(mutual.send(None), Ok(200));
    let seen = mutual.sidecar.upstream.take();
    let der = CertificateDer::from_pem_file(&known.cert).unwrap();
    let names = ["client-cert", "countersign-client-cert-sha256", "client_cert", "client-cert-chain"];
    let told = |place: usize| names.map(|name| seen[place].all(name).join(","));
    let shown = [format!(":{}:", BASE64.encode(&der)), HEXLOWER.encode(&Sha256::digest(&der))];
    assert_eq!(told(0), [shown[0].clone(), shown[1].clone(), String::new(), String::new()]);
    assert_eq!(told(1), [const { String::new() }; 4]);
}

#[test]
fn without_tls_a_clients_copy_is_taken_out_too() {
    let sidecar = Sidecar::builder().config(super::OPEN).start();
    let call = Call::get("/a").header("Client-Cert", ":Zm9yZ2Vk:").header("Client.Cert", "x");
    assert_eq!(sidecar.send(&call).status, 200);
    let seen = sidecar.upstream.only();
    assert_eq!((seen.all("client-cert").len(), seen.all("client.cert").len()), (0, 0));
}

#[test]
fn a_certificate_that_is_not_good_ends_the_handshake() {
    let mutual = Mutual::start("optional");
    let strangers = Authority::new("clients");
    let stranger = strangers.vouch("stranger", &["sender.example"]);
    let expired = mutual.clients.vouch_expired("expired", &["sender.example"]);
    let for_servers = mutual.clients.vouch_with("server", &["sender.example"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (what, pair) in [("stranger", &stranger), ("expired", &expired), ("not for clients", &for_servers)] {
        let answer = mutual.send(Some(pair));
        assert!(answer.is_err(), "{what}: {answer:?}");
    }
    mutual.sidecar.upstream.saw_nothing();
    let cause = "countersign_tls_handshake_failures_total{cause=\"client_certificate\"}";
    until("they are counted", || mutual.sidecar.metrics(cause) == [format!("{cause} 3")]);
}

#[test]
fn required_means_that_nobody_without_gets_in() {
    let mutual = Mutual::start("required");
    assert!(mutual.send(None).is_err());
    mutual.sidecar.upstream.saw_nothing();
    let known = mutual.clients.vouch("known", &["sender.example"]);
    assert_eq!(mutual.send(Some(&known)), Ok(200));
}

#[test]
fn t05_an_authority_that_was_taken_out_is_believed_in_no_new_connection() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mutual = Mutual::start("required");
        let known = mutual.clients.vouch("known", &["sender.example"]);
        let mut client = mutual.client(Some(&known));
        client.config = only(version, &mutual, &known);
        let address = mutual.sidecar.traffic();
        for _ in 0..2 {
            let mut session = client.open(address, "app.example").unwrap();
            assert_eq!(session.exchange(&Call::get("/a").header("Connection", "close")).unwrap().status, 200);
            // Not even while it is believed: each connection is verified anew.
            assert_ne!(session.tls().handshake_kind(), Some(rustls::HandshakeKind::Resumed));
            let _ticket = session.rest();
        }
        let others = Authority::new("others");
        std::fs::copy(others.file(), mutual.clients.file()).unwrap();
        mutual.sidecar.running().look_at_certificates();
        let answer = client.send(address, "app.example", &Call::get("/a"));
        assert!(answer.is_err(), "{version:?}: {answer:?}");
        let other = others.vouch("other", &["sender.example"]);
        assert_eq!(mutual.send(Some(&other)), Ok(200));
    }
}

fn only(
    version: &'static rustls::SupportedProtocolVersion,
    mutual: &Mutual,
    pair: &Pair,
) -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(mutual.servers.file()).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(&pair.cert).unwrap()];
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(&pair.key).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
    builder.unwrap().with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap()
}
