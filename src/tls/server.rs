//! What a port is served by: certificates by name, and whether clients show theirs.
//!
//! Not who may do what: a client certificate is an identity for the application, and proves no credential of a
//! sender. Invariants: one set of rules for every name that a client may ask for; where clients show certificates, no
//! session is resumed, because a resumed one is not verified again (RFC 8446 §2.2), so an authority that was taken
//! out is believed in no new connection; elsewhere tickets are sealed with a key that each reload makes anew.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use super::by_name::ByName;
use super::files::{Content, MaterialFault, Named, PairFiles};
use super::followed::{Built, Followed, Material};
use super::pair::{Pair, authorities};
use super::{VERSIONS, provider};

/// HTTP/2 first, as it costs a sender with many requests fewer handshakes (RFC 7301, RFC 9113 §3.2).
pub const HTTP_2_AND_1: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Towards an application that is to speak nothing else.
pub const HTTP_2: [&[u8]; 1] = [b"h2"];
/// For ports that speak nothing else.
pub const HTTP_1: [&[u8]; 1] = [b"http/1.1"];

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    Off,
    /// Who shows one is verified; one that is not good ends the handshake.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// The files of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// At least one. The first is for whoever asks for no name, or for none of these.
    pub certificates: Vec<PairFiles>,
    /// PEM: the authorities that a client's certificate must lead to. There with any other `client_auth` than off.
    pub client_ca_file: Option<PathBuf>,
    /// Default off.
    pub client_auth: ClientAuth,
}

/// A port's TLS, in force and followed.
pub type ServerTls = Followed<ServerConfig>;

impl ServerTls {
    /// Reads the files. `section` names the options (`listener.tls`), `alpn` what is spoken.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub fn open(
        section: &'static str,
        files: &ServerFiles,
        alpn: &'static [&'static [u8]],
        now: i64,
    ) -> Result<Self, MaterialFault> {
        Self::start(section, Box::new(Port { section, files: files.clone(), alpn }), now)
    }
}

struct Port {
    section: &'static str,
    files: ServerFiles,
    alpn: &'static [&'static [u8]],
}

impl Material<ServerConfig> for Port {
    fn files(&self) -> Vec<Named> {
        let mut named = Vec::new();
        for (place, pair) in self.files.certificates.iter().enumerate() {
            let option = |key: &str| format!("{}.certificates[{place}].{key}", self.section);
            named.push(Named::new(option("cert_file"), &pair.cert_file));
            named.push(Named::secret(option("key_file"), &pair.key_file));
        }
        let authorities = self.files.client_ca_file.iter();
        named.extend(authorities.map(|path| Named::new(format!("{}.client_ca_file", self.section), path)));
        named
    }

    fn build(&self, contents: &[Content]) -> Result<Built<ServerConfig>, MaterialFault> {
        let (of_pairs, rest) = contents.split_at(self.files.certificates.len().saturating_mul(2));
        let pairs = of_pairs.chunks_exact(2).filter_map(|two| match two {
            [cert, key] => Some(Pair::of(cert, key)),
            _ => None,
        });
        let pairs: Vec<Pair> = pairs.collect::<Result<_, _>>()?;
        let expires = pairs.iter().map(|pair| pair.expires).collect();
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&VERSIONS);
        let unusable = |error: &dyn std::error::Error| MaterialFault {
            option: self.section.to_owned(),
            path: PathBuf::new(),
            what: error.to_string(),
        };
        let builder = builder.map_err(|error| unusable(&error))?;
        let ask = self.files.client_auth != ClientAuth::Off;
        let builder = match rest.first().filter(|_| ask) {
            Some(content) => {
                let roots = Arc::new(authorities(content)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = match self.files.client_auth {
                    ClientAuth::Required => verifier,
                    ClientAuth::Optional | ClientAuth::Off => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|error| content.fault(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName::new(pairs)));
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        // Our order of ciphers: a client's may put a weaker one first.
        config.ignore_client_order = true;
        config.max_early_data_size = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if ask {
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| unusable(&error))?;
        }
        Ok(Built { config, expires })
    }
}
