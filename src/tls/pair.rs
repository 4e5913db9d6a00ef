//! A certificate with its key, checked against each other, and what the certificate says of itself.
//!
//! Not its verification, which is the peer's business: we present what is configured. RFC 5280 §4.1.2.5 (validity),
//! §4.2.1.6 (names); RFC 7468. Invariant: a pair in hand belongs together.

use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};
use zeroize::Zeroize as _;

use super::files::{Content, MaterialFault};
use super::provider;

/// A certificate that can be presented.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) certified: CertifiedKey,
    /// DNS names that it is for, in lower case; `*.` before one that is a wildcard.
    pub(super) names: Vec<String>,
    /// When it stops being valid, Unix seconds.
    pub(super) expires: i64,
}

impl Pair {
    /// Takes the first certificate of a file and its chain, and the key of another.
    pub(super) fn of(cert: &Content, key: &Content) -> Result<Self, MaterialFault> {
        let chain = certificates(cert)?;
        let mut private = PrivateKeyDer::from_pem_slice(key.bytes()?)
            .map_err(|_| key.fault("has no private key in PEM (PKCS #8, PKCS #1 or SEC 1, not encrypted)"))?;
        let certified = CertifiedKey::from_der(chain, private.clone_key(), &provider());
        private.zeroize();
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                key.fault(format!("is not the key of the certificate in {}", cert.named.path.display()))
            }
            error => key.fault(format!("cannot be used: {error}")),
        })?;
        let unreadable = || cert.fault("its first certificate cannot be read");
        let leaf = certified.cert.first().ok_or_else(unreadable)?;
        let parsed = EndEntityCert::try_from(leaf).map_err(|_| unreadable())?;
        let expires = expires(&parsed).ok_or_else(unreadable)?;
        let names = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
        Ok(Self { certified, names, expires })
    }
}

/// webpki tells when a certificate expires only to those who come after that: so it is asked as of a day that no
/// certificate can name.
fn expires(certificate: &EndEntityCert<'_>) -> Option<i64> {
    let never = UnixTime::since_unix_epoch(Duration::from_secs(1 << 40));
    match certificate.verify_for_usage(&[], &[], &[], never, KeyUsage::server_auth(), None, None) {
        Err(webpki::Error::CertExpired { not_after, .. }) => i64::try_from(not_after.as_secs()).ok(),
        _ => None,
    }
}

/// Every certificate of a file; at least one.
pub(super) fn certificates(content: &Content) -> Result<Vec<CertificateDer<'static>>, MaterialFault> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content.bytes()?).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(content.fault("has no certificate in PEM")),
        Err(_) => Err(content.fault("is not PEM throughout")),
    }
}

/// The authorities of a file.
pub(super) fn authorities(content: &Content) -> Result<rustls::RootCertStore, MaterialFault> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(content)? {
        roots
            .add(certificate)
            .map_err(|error| content.fault(format!("has a certificate that is no authority: {error}")))?;
    }
    Ok(roots)
}
