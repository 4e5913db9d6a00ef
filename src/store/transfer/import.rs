//! From a file to a store.
//!
//! Invariants: the file is read twice, and its MAC must hold both times: before anything is staged, and before what
//! was staged counts; every record is sealed and signed anew for where it goes; revisions are kept, so that a
//! sidecar which has seen a later one knows it.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::file::{FileHead, Reader};
use super::reseal::{self, Side};
use super::{Progress, TransferError};
use crate::clock::UnixMillis;
use crate::store::seal::{Keyring, random};
use crate::store::staging::{Installed, Staged, Staging};
use crate::store::writer::Severity;
use crate::store::{AuditLink, AuditMac, Epoch, Store};

/// Records that are staged at a time: a few hundred kilobytes.
const BATCH: usize = 500;
/// Who imports, in the audit event.
const ACTOR: &str = "countersign import";

/// The file, and the keys of the store that it comes from.
pub struct Source<'s> {
    /// The file, open for reading.
    pub file: &'s File,
    /// The keys.
    pub keyring: &'s Keyring,
    /// Where they are, for errors.
    pub place: &'s str,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The file.
    pub head: FileHead,
    /// The new life of the namespace.
    pub epoch: Epoch,
}

/// Puts the set of a file into a namespace that is free.
///
/// # Errors
/// See [`TransferError`]; the namespace is as empty as before then, or, where the outcome of the last step is
/// unknown, holds the whole set.
pub async fn import(
    store: &dyn Store,
    source: Source<'_>,
    (namespace, keyring): (&str, &Keyring),
    now: UnixMillis,
    progress: Progress<'_>,
) -> Result<Imported, TransferError> {
    let mut checked = source.begin()?;
    while checked.next()?.is_some() {}
    drop(checked);

    let mark = Uuid::new_v4();
    store.stage(mark, Staging::Begin).await?;
    let mut reader = source.begin()?;
    let head = reader.head().clone();
    let from = Side { namespace: &head.namespace, keyring: source.keyring };
    let to = Side { namespace, keyring };
    let (mut batch, mut done) = (Vec::with_capacity(BATCH), 0);
    while let Some((key, envelope)) = reader.next()? {
        let staged = moved(from, to, key, &envelope).map_err(|why| TransferError::Record { key, why })?;
        batch.push(staged);
        done += 1;
        if batch.len() == BATCH {
            store.stage(mark, Staging::Add(std::mem::take(&mut batch))).await?;
            progress(done, head.records);
        }
    }
    store.stage(mark, Staging::Add(batch)).await?;
    progress(done, head.records);

    let epoch = Epoch(uuid::Builder::from_random_bytes(random()?).into_uuid());
    let audit = first_event(&head, epoch, to, now)?;
    let installed = Installed { records: done, epoch, continues: Epoch(head.epoch), audit };
    store.stage(mark, Staging::Install(installed)).await?;
    Ok(Imported { head, epoch })
}

impl<'s> Source<'s> {
    fn begin(&self) -> Result<Reader<BufReader<&'s File>>, TransferError> {
        let mut file = self.file;
        file.seek(SeekFrom::Start(0))?;
        Reader::begin(BufReader::new(file), self.keyring, self.place)
    }
}

fn moved(
    from: Side<'_>,
    to: Side<'_>,
    key: crate::keys::record::RecordKey,
    envelope: &[u8],
) -> Result<Staged, String> {
    let opened = reseal::open(key, envelope, from)?;
    let (revision, claims) = (opened.revision(), opened.claims());
    Ok(Staged { key, revision, envelope: Arc::from(opened.reseal(from, to)?), claims })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FirstEvent<'e> {
    id: Uuid,
    at: UnixMillis,
    actor: &'static str,
    action: &'static str,
    severity: Severity,
    resource_type: &'static str,
    resource_id: Uuid,
    request_id: Uuid,
    metadata: serde_json::Value,
    namespace: &'e str,
    epoch: Uuid,
    kek: &'e str,
}

/// The old chain ends where the file says; this event begins the new one.
fn first_event(
    head: &FileHead,
    epoch: Epoch,
    Side { namespace, keyring }: Side<'_>,
    now: UnixMillis,
) -> Result<AuditLink, TransferError> {
    let event = FirstEvent {
        id: Uuid::now_v7(),
        at: now,
        actor: ACTOR,
        action: "store.imported",
        severity: Severity::High,
        resource_type: "store",
        resource_id: epoch.0,
        request_id: Uuid::now_v7(),
        metadata: json!({
            "records": head.records, "sourceNamespace": head.namespace, "sourceEpoch": head.epoch,
            "sourceAuditHead": head.audit_head, "exportedAt": head.exported_at,
        }),
        namespace,
        epoch: epoch.0,
        kek: keyring.seal_with(),
    };
    let event = serde_json::to_vec(&event).map_err(std::io::Error::from)?;
    let previous = AuditMac::default();
    let mac = keyring.audit_mac(&previous, &event);
    Ok(AuditLink { previous, mac, event: Arc::from(event) })
}
