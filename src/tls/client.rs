//! TLS to servers that we call: the application, and the admin port for commands.
//!
//! Not the TLS to Redis, which its client makes (`store/redis/tls.rs`). Invariants: the server's certificate must be
//! for the name that is configured and lead to the authorities that are configured, never to the system's (RFC 9525);
//! there is no way to skip that; a session is resumed only under the same files.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::files::{Content, MaterialFault, Named, PairFiles};
use super::followed::{Built, Followed, Material};
use super::pair::{Pair, authorities};
use super::{VERSIONS, provider};

/// The files of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// PEM: the authorities that the server's certificate must lead to.
    pub ca_file: PathBuf,
    /// Our certificate, where the server asks for one.
    pub pair: Option<PairFiles>,
}

/// A client's TLS, in force and followed.
pub type ClientTls = Followed<ClientConfig>;

/// There is no connection under TLS. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DialError(#[from] std::io::Error);

impl ClientTls {
    /// Reads the files. `section` names the options (`upstream`), `alpn` what is spoken.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub fn open(
        section: &'static str,
        files: &ClientFiles,
        alpn: &'static [&'static [u8]],
        now: i64,
    ) -> Result<Self, MaterialFault> {
        Self::start(section, Box::new(Caller { section, files: files.clone(), alpn }), now)
    }
}

/// Agrees on TLS with the server that is called `name`: the name in its certificate, and the one asked for (SNI),
/// or an address, which is not sent.
///
/// # Errors
/// The server's certificate is not good, or it speaks no TLS that we do.
pub async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &ClientTls,
    name: &ServerName<'static>,
    stream: S,
) -> Result<TlsStream<S>, DialError> {
    Ok(TlsConnector::from(tls.config()).connect(name.clone(), stream).await?)
}

struct Caller {
    section: &'static str,
    files: ClientFiles,
    alpn: &'static [&'static [u8]],
}

impl Material<ClientConfig> for Caller {
    fn files(&self) -> Vec<Named> {
        let option = |key: &str| format!("{}.{key}", self.section);
        let mut named = Vec::new();
        if let Some(pair) = &self.files.pair {
            named.push(Named::new(option("cert_file"), &pair.cert_file));
            named.push(Named::secret(option("key_file"), &pair.key_file));
        }
        named.push(Named::new(option("ca_file"), &self.files.ca_file));
        named
    }

    fn build(&self, contents: &[Content]) -> Result<Built<ClientConfig>, MaterialFault> {
        let (pair, roots) = match contents {
            [cert, key, roots] => (Some(Pair::of(cert, key)?), authorities(roots)?),
            [roots] => (None, authorities(roots)?),
            _ => (None, rustls::RootCertStore::empty()),
        };
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&VERSIONS);
        let builder = builder.map_err(|error| MaterialFault {
            option: self.section.to_owned(),
            path: PathBuf::new(),
            what: error.to_string(),
        })?;
        let builder = builder.with_root_certificates(roots);
        let expires = pair.iter().map(|pair| pair.expires).collect();
        let mut config = match pair {
            Some(pair) => {
                let chosen = rustls::sign::SingleCertAndKey::from(pair.certified);
                builder.with_client_cert_resolver(Arc::new(chosen))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config.enable_early_data = false;
        Ok(Built { config, expires })
    }
}
