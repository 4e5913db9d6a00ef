//! What was acknowledged, held against what a file says: records, log and audit, each in full.
//!
//! Every audit event says what its change did, so that the records can be told from the audit alone: a record
//! that no event explains is unaudited, and an event without its record is a lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::EmbeddedStore;
use super::disk::Random;
use crate::keys::record::RecordKey;
use crate::store::seal::Keyring;
use crate::store::{AuditLink, AuditMac, Change, Followed, Logged, Op, Position, Store, StoreError};

/// Largest record, bytes: some span several pages.
const LARGEST: usize = 12_000;

type Records = BTreeMap<RecordKey, (u64, String)>;

/// A writer that remembers every answer.
#[derive(Clone)]
pub(super) struct Model {
    keyring: Arc<Keyring>,
    random: Random,
    records: Records,
    heads: Vec<AuditMac>,
    next_id: u128,
    /// A change without a good answer: its head, and the records if it was made.
    doubt: Option<(AuditMac, Records)>,
}

impl Model {
    pub(super) fn new(keyring: Arc<Keyring>, seed: u64) -> Self {
        let random = Random::new(seed);
        Self { keyring, random, records: Records::new(), heads: Vec::new(), next_id: 1, doubt: None }
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.heads.len()
    }

    /// One change of one to three records, drawn.
    pub(super) async fn commit(&mut self, store: &EmbeddedStore) -> Result<(), StoreError> {
        let mut after = self.records.clone();
        let mut ops = Vec::new();
        for _ in 0..=self.random.below(3) {
            let op = self.op(&after);
            let (Op::Put { key, revision, .. } | Op::Delete { key, revision, .. }) = &op;
            if ops.iter().any(|(other, _)| other == key) {
                continue;
            }
            match &op {
                Op::Put { envelope, .. } => after.insert(*key, (*revision, digest(envelope))),
                Op::Delete { .. } => after.remove(key),
            };
            ops.push((*key, op));
        }
        let ops: Vec<Op> = ops.into_iter().map(|(_, op)| op).collect();
        let said: Vec<Value> = ops.iter().map(said).collect();
        let event = json!({ "kek": self.keyring.seal_with(), "ops": said }).to_string().into_bytes();
        let previous = self.heads.last().copied().unwrap_or_default();
        let mac = self.keyring.audit_mac(&previous, &event);
        self.doubt = Some((mac, after));
        let link = AuditLink { previous, mac, event: Arc::from(event) };
        store.commit(Change { ops, requires: Vec::new(), answered: None, trim: None }, link).await?;
        self.settle(true);
        Ok(())
    }

    fn op(&mut self, records: &Records) -> Op {
        let choice = if records.len() < 5 { 0 } else { self.random.below(10) };
        let known = records.iter().nth(self.random.below(records.len()));
        let known = known.map(|(key, (revision, _))| (*key, *revision)).filter(|_| choice > 3);
        let (key, before) = match known {
            Some((key, revision)) if choice > 8 || records.len() > 40 => {
                return Op::Delete {
                    key,
                    revision: revision + 1,
                    expected: revision,
                    releases: vec![claim(&key)],
                };
            }
            Some((key, revision)) => (key, revision),
            None => {
                self.next_id += 1;
                (super::key(self.next_id), 0)
            }
        };
        let length = 100 + self.random.below(if choice == 7 { LARGEST } else { 400 });
        let byte = u8::try_from(self.random.below(256)).unwrap();
        let claims = if before == 0 { vec![claim(&key)] } else { Vec::new() };
        Op::Put {
            key,
            revision: before + 1,
            expected: (before > 0).then_some(before),
            envelope: Arc::from(vec![byte; length]),
            claims,
            releases: Vec::new(),
        }
    }

    fn settle(&mut self, made: bool) {
        if let Some((head, records)) = self.doubt.take().filter(|_| made) {
            self.heads.push(head);
            self.records = records;
        }
    }

    /// Compares the whole file with what was acknowledged. A change in doubt may have been made, as a whole.
    pub(super) async fn check(&mut self, store: &EmbeddedStore) -> Result<(), StoreError> {
        let head = store.head().await?;
        let events = store.audit(Position::default(), usize::MAX).await?;
        let made = events.len() == self.heads.len() + 1;
        assert!(
            made || events.len() == self.heads.len(),
            "{} events, {} acknowledged",
            events.len(),
            self.heads.len()
        );
        let told = self.told(&events);
        self.settle(made);
        self.doubt = None;

        let heads: Vec<AuditMac> = events.iter().map(|(_, mac, _)| *mac).collect();
        assert!(heads == self.heads, "the audit is not that of the acknowledged changes");
        assert_eq!(head.mac, self.heads.last().copied().unwrap_or_default());
        assert_eq!(told, self.records, "the audit tells of other records");
        let mut stored = BTreeMap::new();
        store.snapshot(&mut |key, envelope| assert!(stored.insert(key, digest(&envelope)).is_none())).await?;
        let expected: BTreeMap<_, _> =
            self.records.iter().map(|(key, (_, digest))| (*key, digest.clone())).collect();
        assert!(stored == expected, "the records are not those that were acknowledged");
        self.check_log(store).await
    }

    /// The records that the audit tells of; its chain must hold.
    fn told(&self, events: &[crate::store::AuditEntry]) -> Records {
        let (mut records, mut previous) = (Records::new(), AuditMac::default());
        for (number, (position, mac, event)) in events.iter().enumerate() {
            assert_eq!(position.major, number as u64 + 1);
            let said: Value = serde_json::from_slice(event).unwrap();
            let kek = said["kek"].as_str().unwrap();
            assert_eq!(self.keyring.audit_mac_with(kek, &previous, event), Some(*mac), "the chain is broken");
            previous = *mac;
            for op in said["ops"].as_array().unwrap() {
                let key = super::key(op["id"].as_str().unwrap().parse().unwrap());
                match op["digest"].as_str() {
                    Some(digest) => {
                        records.insert(key, (op["revision"].as_u64().unwrap(), digest.to_owned()))
                    }
                    None => records.remove(&key),
                };
            }
        }
        records
    }

    /// The log ends where the records do, and its last entry is that of the last event.
    async fn check_log(&self, store: &EmbeddedStore) -> Result<(), StoreError> {
        let epoch = store.head().await?.epoch;
        let (mut place, mut mac, mut stored) = (Position::default(), AuditMac::default(), BTreeMap::new());
        while mac != self.heads.last().copied().unwrap_or_default() {
            let Followed::Entries(entries) = store.follow(epoch, place, mac).await? else { panic!("a gap") };
            assert!(!entries.is_empty(), "the log ends before the audit");
            for entry in entries {
                assert_eq!(
                    self.heads.get(usize::try_from(entry.position.major).unwrap() - 1),
                    Some(&entry.mac)
                );
                (place, mac) = (entry.position, entry.mac);
                for change in entry.changes {
                    match change {
                        Logged::Put { key, envelope } => stored.insert(key, digest(&envelope)),
                        Logged::Deleted { key, .. } => stored.remove(&key),
                    };
                }
            }
        }
        let expected: BTreeMap<_, _> =
            self.records.iter().map(|(key, (_, digest))| (*key, digest.clone())).collect();
        assert!(stored == expected, "the log tells of other records");
        Ok(())
    }
}

fn said(op: &Op) -> Value {
    match op {
        Op::Put { key, revision, envelope, .. } => {
            json!({ "id": key.id.as_u128().to_string(), "revision": revision, "digest": digest(envelope) })
        }
        Op::Delete { key, .. } => json!({ "id": key.id.as_u128().to_string() }),
    }
}

fn digest(envelope: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(envelope))
}

fn claim(key: &RecordKey) -> String {
    format!("name/{}", key.id)
}
