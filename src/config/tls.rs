//! TLS of a port, and to the application: which files there are. Reading them is `tls`'s work.
//!
//! Invariants: what a client's certificate must lead to is named, never the system's authorities; an option that would
//! do nothing is a fault.

use figment::value::Value;

use super::fault::Expected;
use super::reader::{Reader, Section};
use super::units;
use crate::tls::{ClientAuth, PairFiles, ServerFiles};

const PAIRS: &str = "a list of tables, such as [{ cert_file = \"tls.crt\", key_file = \"tls.key\" }]";

/// The table `tls` of a port. `Some(None)`: the port is without. `None`: faulty.
pub(super) fn server(reader: &Reader, port: &mut Section<'_>) -> Option<Option<ServerFiles>> {
    let mut section = port.section("tls");
    let places = ["client_ca_file", "client_auth"].map(|key| section.place(key));
    let pairs_at = section.place("certificates");
    let pairs = section.take("certificates");
    let ca = section.optional("client_ca_file", units::path);
    let words =
        &[("off", ClientAuth::Off), ("optional", ClientAuth::Optional), ("required", ClientAuth::Required)];
    let auth = section.optional("client_auth", units::word(words));
    section.finish();
    let [ca_at, auth_at] = places;
    let Some(value) = pairs else {
        for (at, is_set) in [(&ca_at, ca.is_some()), (&auth_at, auth.is_some())] {
            if is_set {
                reader.fault(at, format!("{pairs_at} beside it: without, the port is not under TLS"), None);
            }
        }
        return Some(None);
    };
    let certificates = certificates(reader, &pairs_at, value)?;
    let asks = auth.is_some_and(|auth| auth != ClientAuth::Off);
    if asks && ca.is_none() {
        reader.fault(&auth_at, format!("{ca_at} beside it: who vouches for clients"), None);
        return None;
    }
    if ca.is_some() && !asks {
        let hint = "\"optional\" verifies the certificate of whoever shows one".to_owned();
        reader.fault(&ca_at, format!("{auth_at} = \"optional\" or \"required\" beside it"), Some(hint));
        return None;
    }
    Some(Some(ServerFiles { certificates, client_ca_file: ca, client_auth: auth.unwrap_or(ClientAuth::Off) }))
}

fn certificates(reader: &Reader, at: &str, value: Value) -> Option<Vec<PairFiles>> {
    let Value::Array(_, items) = value else {
        reader.judge(at, &value, |_| -> Result<(), Expected> {
            Err(Expected::new(PAIRS).hint("it is set in the config file only"))
        });
        return None;
    };
    if items.is_empty() {
        reader.fault(
            at,
            "at least one certificate",
            Some("leave the table out for a port without TLS".to_owned()),
        );
        return None;
    }
    let pairs: Vec<Option<PairFiles>> = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            let mut section = Section::of(reader, format!("{at}[{index}]"), Some(item));
            let cert = section.required("cert_file", units::path);
            let key = section.required("key_file", units::path);
            section.finish();
            Some(PairFiles { cert_file: cert?, key_file: key? })
        })
        .collect();
    pairs.into_iter().collect()
}
