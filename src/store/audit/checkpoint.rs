//! The checkpoint that retention leaves: how many events were removed, and the MAC that the rest of the chain follows on.
//!
//! Not the removal (`store/retention.rs`). As stored: its MAC in hex, a line feed, and its JSON. Invariants: without a KEK
//! nobody can make one, or move one from another namespace or another life of this one; an older one put back shows,
//! because the events that are left do not follow on it; what a later version adds is passed over, and its MAC covers it.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::UnixMillis;
use crate::store::seal::Keyring;
use crate::store::{AuditMac, Epoch, Position};

/// The action of the event that a run of the retention is committed with.
pub const TRIMMED: &str = "audit.trimmed";
/// In its metadata: [`Checkpoint::removed`] of the checkpoint that it left.
pub const REMOVED: &str = "removedInAll";

/// What stands for the events that were removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The namespace that the log is of.
    pub namespace: String,
    /// Its life.
    pub epoch: Uuid,
    /// Events that were removed since that began: the number of the last of them, counted from 1.
    pub removed: u64,
    /// The place of the last of them.
    pub major: u64,
    /// The rest of it.
    pub minor: u64,
    /// Its MAC, hex: the head that the log had there.
    pub head: String,
    /// When it was made, by its own word.
    pub last_at: UnixMillis,
    /// When it was removed.
    pub at: UnixMillis,
    /// What the log began with, where that was an import: it is among what was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    /// Id of the KEK that the checkpoint's own MAC is made with.
    pub kek: String,
}

/// A stored checkpoint, judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// There is none: the log goes back to its first event.
    Absent,
    /// Its MAC holds.
    Holds(Box<Checkpoint>),
    /// The KEK that it names is not at hand.
    Unverified(Box<Checkpoint>),
    /// It is not what retention left here.
    Wrong(&'static str),
}

impl Checkpoint {
    /// The stored form; `None` where the keyring lacks [`Checkpoint::kek`].
    #[must_use]
    pub fn sealed(&self, keyring: &Keyring) -> Option<Arc<[u8]>> {
        let json = serde_json::to_vec(self).ok()?;
        let mac = HEXLOWER.encode(&keyring.checkpoint_mac(&self.kek, &json)?);
        Some(Arc::from([mac.as_bytes(), b"\n", &json].concat()))
    }

    /// The place of the last event that was removed.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { major: self.major, minor: self.minor }
    }

    /// The MAC that the first event that is left follows on; `None` where it has no reading.
    #[must_use]
    pub fn mac(&self) -> Option<AuditMac> {
        HEXLOWER.decode(self.head.as_bytes()).ok()?.try_into().ok().map(AuditMac)
    }
}

impl Judged {
    /// Judges what stands in the store of this namespace, in this life.
    #[must_use]
    pub fn of(stored: Option<&[u8]>, (namespace, keyring): (&str, &Keyring), epoch: Epoch) -> Self {
        let Some(stored) = stored else { return Self::Absent };
        let Some((mac, json, checkpoint)) = read(stored) else { return Self::Wrong("it has no reading") };
        match keyring.checkpoint_mac(&checkpoint.kek, json) {
            None => return Self::Unverified(Box::new(checkpoint)),
            Some(expected) if expected != mac => return Self::Wrong("its MAC does not hold"),
            Some(_) => {}
        }
        if checkpoint.namespace != namespace || checkpoint.epoch != epoch.0 {
            return Self::Wrong("it is of another namespace, or of another life of this one");
        }
        Self::Holds(Box::new(checkpoint))
    }

    /// The checkpoint, unless it is wrong.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match self {
            Self::Holds(checkpoint) | Self::Unverified(checkpoint) => Some(checkpoint),
            Self::Absent | Self::Wrong(_) => None,
        }
    }
}

fn read(stored: &[u8]) -> Option<([u8; 32], &[u8], Checkpoint)> {
    let (mac, json) = stored.split_at_checked(64)?;
    let mac = HEXLOWER.decode(mac).ok()?.try_into().ok()?;
    let json = json.strip_prefix(b"\n")?;
    let checkpoint: Checkpoint = serde_json::from_slice(json).ok()?;
    checkpoint.mac()?;
    Some((mac, json, checkpoint))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use uuid::Uuid;

    use super::{Checkpoint, Judged};
    use crate::clock::UnixMillis;
    use crate::store::Epoch;
    use crate::store::seal::Keyring;

    const EPOCH: Epoch = Epoch(Uuid::from_u128(5));

    fn keyring(keks: &[(&str, &str)]) -> Keyring {
        let dir = tempfile::TempDir::new().unwrap();
        for (id, digit) in keks {
            let path = dir.path().join(format!("{id}.key"));
            fs::write(&path, digit.repeat(64)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        Keyring::load(dir.path(), Some(keks[0].0)).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            namespace: "ns".to_owned(),
            epoch: EPOCH.0,
            removed: 3,
            major: 3,
            minor: 0,
            head: "ab".repeat(32),
            last_at: UnixMillis(1),
            at: UnixMillis(2),
            source: None,
            kek: "a".to_owned(),
        }
    }

    #[test]
    fn a_checkpoint_holds_where_it_was_made_and_nowhere_else() {
        let ring = keyring(&[("a", "a"), ("b", "b")]);
        let sealed = checkpoint().sealed(&ring).unwrap();
        let judged = |namespace, epoch| Judged::of(Some(&sealed), (namespace, &ring), epoch);
        assert_eq!(judged("ns", EPOCH), Judged::Holds(Box::new(checkpoint())));
        for elsewhere in [judged("other", EPOCH), judged("ns", Epoch(Uuid::from_u128(6)))] {
            assert!(matches!(elsewhere, Judged::Wrong(why) if why.contains("another namespace")));
        }
        assert_eq!(Judged::of(None, ("ns", &ring), EPOCH), Judged::Absent);
    }

    #[test]
    fn a_changed_byte_anywhere_is_refused() {
        let ring = keyring(&[("a", "a")]);
        let sealed = checkpoint().sealed(&ring).unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[place] ^= 1;
            let judged = Judged::of(Some(&changed), ("ns", &ring), EPOCH);
            // Another id of a KEK cannot be told from one that is not at hand.
            assert!(matches!(judged, Judged::Wrong(_) | Judged::Unverified(_)), "byte {place}");
        }
    }

    #[test]
    fn a_checkpoint_under_another_key_is_named_or_refused() {
        let sealed = checkpoint().sealed(&keyring(&[("a", "a")])).unwrap();
        let without = Judged::of(Some(&sealed), ("ns", &keyring(&[("b", "b")])), EPOCH);
        assert_eq!(without, Judged::Unverified(Box::new(checkpoint())));
        let other = Judged::of(Some(&sealed), ("ns", &keyring(&[("a", "c")])), EPOCH);
        assert!(matches!(other, Judged::Wrong(why) if why.contains("MAC")));
        assert_eq!(checkpoint().sealed(&keyring(&[("b", "b")])), None);
    }

    #[test]
    fn an_event_is_never_taken_for_a_checkpoint() {
        let ring = keyring(&[("a", "a")]);
        let json = serde_json::to_vec(&checkpoint()).unwrap();
        let event = ring.audit_mac(&crate::store::AuditMac::default(), &json);
        let forged = [data_encoding::HEXLOWER.encode(&event.0).as_bytes(), b"\n", &json].concat();
        assert!(matches!(Judged::of(Some(&forged), ("ns", &ring), EPOCH), Judged::Wrong(_)));
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over_and_covered() {
        let ring = keyring(&[("a", "a")]);
        let mut value = serde_json::to_value(checkpoint()).unwrap();
        value["later"] = true.into();
        let json = value.to_string();
        let mac = ring.checkpoint_mac("a", json.as_bytes()).unwrap();
        let stored = format!("{}\n{json}", data_encoding::HEXLOWER.encode(&mac));
        let judged = Judged::of(Some(stored.as_bytes()), ("ns", &ring), EPOCH);
        assert_eq!(judged, Judged::Holds(Box::new(checkpoint())));
        let altered = stored.replace("true", "null");
        assert!(matches!(Judged::of(Some(altered.as_bytes()), ("ns", &ring), EPOCH), Judged::Wrong(_)));
    }
}
