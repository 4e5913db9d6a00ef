//! Which certificate a client is shown, by the name that it asks for (SNI, RFC 6066 §3).
//!
//! Not a choice of anything else: who must show a certificate, which versions and which protocols are the same for
//! every name, so that asking for another name, or none, is never a way to weaker rules. A name's own certificate comes
//! before a wildcard's, which stands for one label (RFC 9525 §6.3); among several, the first that fits what the
//! client can verify. Without a name, or with one that is nobody's: the first certificate of all.

use std::sync::Arc;

use hashbrown::HashMap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::pair::Pair;

/// Certificates by name.
#[derive(Debug)]
pub(super) struct ByName {
    all: Vec<Arc<CertifiedKey>>,
    /// Places in `all`, in the order of the configuration. Wildcards by what follows `*.`.
    exact: HashMap<String, Vec<usize>>,
    wildcard: HashMap<String, Vec<usize>>,
}

impl ByName {
    /// In the order of the configuration.
    pub(super) fn new(pairs: Vec<Pair>) -> Self {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for (place, pair) in pairs.iter().enumerate() {
            for name in &pair.names {
                let (names, name): (&mut HashMap<String, Vec<usize>>, &str) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut wildcard, parent),
                    None => (&mut exact, name),
                };
                names.entry(name.to_owned()).or_default().push(place);
            }
        }
        Self { all: pairs.into_iter().map(|pair| Arc::new(pair.certified)).collect(), exact, wildcard }
    }

    /// Places of those for a name, which is in lower case.
    fn places(&self, name: &str) -> &[usize] {
        let by_wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(by_wildcard).map(Vec::as_slice).unwrap_or_default()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let fits = |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(schemes).is_some();
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let places = name.as_deref().map(|name| self.places(name)).unwrap_or_default();
        let named = || places.iter().filter_map(|place| self.all.get(*place));
        // One that does not fit is still the one for the name: the handshake then fails with an alert that says why.
        let chosen = named().find(fits).or_else(|| named().next());
        chosen.or_else(|| self.all.iter().find(fits)).or_else(|| self.all.first()).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::sign::CertifiedKey;

    use super::super::pair::Pair;
    use super::super::provider;
    use super::ByName;

    fn pair(names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(names.clone()).unwrap().self_signed(&key).unwrap();
        let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let certified = CertifiedKey::from_der(vec![cert.der().clone()], private, &provider()).unwrap();
        Pair { certified, names, expires: 0 }
    }

    #[test]
    fn a_name_finds_its_own_certificate_then_the_wildcard_of_one_label() {
        let names = ByName::new(vec![
            pair(&["first.example"]),
            pair(&["*.hooks.example", "hooks.example"]),
            pair(&["own.hooks.example"]),
        ]);
        for (name, places) in [
            ("first.example", &[0][..]),
            ("hooks.example", &[1]),
            ("any.hooks.example", &[1]),
            ("own.hooks.example", &[2]),
            ("a.b.hooks.example", &[]),
            ("*.hooks.example", &[1]),
            (".hooks.example", &[1]),
            ("other.example", &[]),
            ("", &[]),
        ] {
            assert_eq!(names.places(name), places, "{name}");
        }
    }
}
