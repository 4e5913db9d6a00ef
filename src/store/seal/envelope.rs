//! The stored form of a record: its JSON behind a MAC. `v1.<kek id>.<hex mac>\n<payload>`.
//!
//! Not encryption: whoever reads the store reads the records, but not the secrets in them (`secrets.rs`).
//! The MAC keeps a writer of the store that has no KEK from forging a record or changing a field. It covers
//! namespace, kind, id, KEK id and payload; the payload holds the revision. It does not stop such a
//! writer from putting an older envelope back: the change log and its positions are there for that.
//! Invariants: a payload leaves [`Keyring::unwrap`] only after the MAC was compared, in constant time; the
//! grammar has one form for each envelope (lower-case hex, no white space).

use data_encoding::HEXLOWER;
use hmac::Mac;

use super::Keyring;
use super::files::is_id;
use crate::keys::record::RecordKey;

const LABEL: &[u8] = b"countersign/v1/record";
const VERSION: &str = "v1";
const MAC_BYTES: usize = 32;

impl Keyring {
    /// The stored form of a record's payload, under the KEK that seals.
    #[must_use]
    pub fn wrap(&self, namespace: &str, key: &RecordKey, payload: &[u8]) -> Vec<u8> {
        let covered = covered(namespace, key, &self.seal_with, payload);
        let mac = self.sealing.record_mac(&covered).finalize().into_bytes();
        let mut envelope = format!("{VERSION}.{}.{}\n", self.seal_with, HEXLOWER.encode(&mac)).into_bytes();
        envelope.extend_from_slice(payload);
        envelope
    }

    /// The payload of an envelope that was made for this record in this namespace.
    ///
    /// # Errors
    /// See [`EnvelopeError`]. None of them is a reason to answer a sender with a 4xx.
    pub fn unwrap<'e>(
        &self,
        namespace: &str,
        key: &RecordKey,
        envelope: &'e [u8],
    ) -> Result<&'e [u8], EnvelopeError> {
        let parts = Parts::of(envelope).ok_or(EnvelopeError::Malformed)?;
        let kek =
            self.keks.get(parts.kek_id).ok_or_else(|| EnvelopeError::UnknownKek(parts.kek_id.to_owned()))?;
        kek.record_mac(&covered(namespace, key, parts.kek_id, parts.payload))
            .verify_slice(&parts.mac)
            .map_err(|_| EnvelopeError::BadMac)?;
        Ok(parts.payload)
    }

    /// Id of the KEK that an envelope names, whose MAC nobody has checked: good for counting.
    #[must_use]
    pub fn kek_unverified(envelope: &[u8]) -> Option<&str> {
        Parts::of(envelope).map(|parts| parts.kek_id)
    }

    /// The payload of an envelope whose MAC nobody has checked, or `None` where there is no payload to find.
    ///
    /// Good for one thing only: to learn whose record is damaged, so that its callers get 503 and not 401.
    #[must_use]
    pub fn payload_unverified(envelope: &[u8]) -> Option<&[u8]> {
        let end = envelope.iter().position(|byte| *byte == b'\n')?;
        envelope.get(end + 1..)
    }
}

/// Why an envelope does not yield its payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The KEK that it names is not in the keyring.
    #[error("the key-encryption key {0:?} is not in keys.kek_dir")]
    UnknownKek(String),
    /// The MAC does not hold: altered, another record's, another namespace's, or another key of that id.
    #[error("the record's MAC does not hold")]
    BadMac,
    /// It is not an envelope.
    #[error("the record's envelope is malformed")]
    Malformed,
}

struct Parts<'e> {
    kek_id: &'e str,
    mac: [u8; MAC_BYTES],
    payload: &'e [u8],
}

impl<'e> Parts<'e> {
    fn of(envelope: &'e [u8]) -> Option<Self> {
        let payload = Keyring::payload_unverified(envelope)?;
        let head = envelope.get(..envelope.len() - payload.len() - 1)?;
        let mut fields = std::str::from_utf8(head).ok()?.split('.');
        let (version, kek_id, hex) = (fields.next()?, fields.next()?, fields.next()?);
        if version != VERSION || !is_id(kek_id) || fields.next().is_some() {
            return None;
        }
        let mac = HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?;
        Some(Self { kek_id, mac, payload })
    }
}

fn covered<'p>(namespace: &'p str, key: &'p RecordKey, kek_id: &'p str, payload: &'p [u8]) -> [&'p [u8]; 6] {
    [LABEL, namespace.as_bytes(), key.kind.name().as_bytes(), key.id.as_bytes(), kek_id.as_bytes(), payload]
}
