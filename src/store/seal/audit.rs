//! The MACs that chain audit events: each covers the one before it and its own event. And that of a checkpoint, which
//! stands for events that retention has removed.
//!
//! Not where events are kept or what they say. The event names the KEK whose key made its MAC, so a chain
//! goes on across a change of KEK. Invariant: without a KEK nobody can add, change, reorder or drop an event
//! in the middle of the chain; that its end was cut off shows only against a head that was noted elsewhere.

use hmac::Mac;

use super::Keyring;
use super::kek::Kek;
use crate::store::AuditMac;

const LABEL: &[u8] = b"countersign/v1/audit";
/// The first part of what a MAC covers: no event is ever taken for a checkpoint, nor the other way round.
const CHECKPOINT_LABEL: &[u8] = b"countersign/v1/audit-checkpoint";

impl Keyring {
    /// The head after `event` (its JSON, which must name [`Keyring::seal_with`]), under the KEK that seals.
    #[must_use]
    pub fn audit_mac(&self, previous: &AuditMac, event: &[u8]) -> AuditMac {
        chained(&self.sealing, previous, event)
    }

    /// The head after `event` under the KEK that the event names; `None` where the keyring lacks it.
    #[must_use]
    pub fn audit_mac_with(&self, kek_id: &str, previous: &AuditMac, event: &[u8]) -> Option<AuditMac> {
        self.keks.get(kek_id).map(|kek| chained(kek, previous, event))
    }

    /// The MAC of a checkpoint (its JSON, which must name this KEK); `None` where the keyring lacks it.
    #[must_use]
    pub fn checkpoint_mac(&self, kek_id: &str, checkpoint: &[u8]) -> Option<[u8; 32]> {
        let kek = self.keks.get(kek_id)?;
        Some(kek.audit_mac(&[CHECKPOINT_LABEL, checkpoint]).finalize().into_bytes().into())
    }
}

fn chained(kek: &Kek, previous: &AuditMac, event: &[u8]) -> AuditMac {
    AuditMac(kek.audit_mac(&[LABEL, &previous.0, event]).finalize().into_bytes().into())
}
