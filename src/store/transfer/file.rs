//! The form of an exported file.
//!
//! Not what is done with its records. Lines end with a line feed; what a line announces follows it:
//!
//! ```text
//! countersign-export 1
//! {"namespace": …}                         FileHead, one line of JSON
//! webhook-key/0190163d-… 812               kind, id and length in bytes
//! v1.2026-01.<hex>\n{…}                    the envelope as stored, and a line feed
//! …                                        as many as the head says, ascending by kind and id
//! mac <64 hex characters>                  over every byte before this line
//! ```
//!
//! Invariants: a file has one reading; nothing follows the MAC; lengths are bounded before memory is taken.

use std::io::{self, BufRead, Read, Write};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TransferError;
use crate::clock::UnixMillis;
use crate::keys::record::{Kind, RecordKey};
use crate::store::seal::{FileMac, Keyring};

/// What a file begins with, before its version.
const MAGIC: &str = "countersign-export ";
/// The version of the form above.
pub(super) const VERSION: &str = "1";
/// Longest first line and longest line before a record, bytes.
const SHORT_LINE: u64 = 256;
/// Longest head, bytes: the ids of thousands of KEKs.
const LONGEST_HEAD: u64 = 1 << 20;
/// Largest envelope, bytes: far above what the admin port takes.
const LARGEST_ENVELOPE: usize = 16 << 20;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileHead {
    /// The namespace that its records are sealed for.
    pub namespace: String,
    /// The life of the namespace that it comes from.
    pub epoch: Uuid,
    /// The audit head that it stands at, hex.
    pub audit_head: String,
    /// How many records it holds.
    pub records: u64,
    /// When it was written, wall time.
    pub exported_at: UnixMillis,
    /// The program that wrote it.
    pub exported_by: String,
    /// Id of the KEK that its MAC is made with.
    pub kek: String,
    /// Ids of every KEK that is needed to read it, ascending.
    pub keks: Vec<String>,
}

/// Writes a file.
pub(super) struct Writer<W> {
    output: W,
    mac: FileMac,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(output: W, head: &FileHead, mac: FileMac) -> Result<Self, TransferError> {
        let mut file = Self { output, mac };
        file.put(format!("{MAGIC}{VERSION}\n").as_bytes())?;
        let mut line = serde_json::to_vec(head).map_err(io::Error::from)?;
        line.push(b'\n');
        file.put(&line)?;
        Ok(file)
    }

    pub(super) fn record(&mut self, key: RecordKey, envelope: &[u8]) -> Result<(), TransferError> {
        self.put(format!("{key} {}\n", envelope.len()).as_bytes())?;
        self.put(envelope)?;
        self.put(b"\n")
    }

    pub(super) fn finish(mut self) -> Result<W, TransferError> {
        let mac = HEXLOWER.encode(&self.mac.finish());
        self.output.write_all(format!("mac {mac}\n").as_bytes())?;
        Ok(self.output)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.mac.update(bytes);
        Ok(self.output.write_all(bytes)?)
    }
}

/// Reads a file. What it gives counts only once it has come to the end.
pub(super) struct Reader<R> {
    input: R,
    head: FileHead,
    mac: Option<FileMac>,
    /// Where the keys are, for errors.
    place: String,
    last: Option<RecordKey>,
    records: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the head. The keys are those of the source; `place` says where they are.
    pub(super) fn begin(mut input: R, keys: &Keyring, place: &str) -> Result<Self, TransferError> {
        let first = line(&mut input, SHORT_LINE)?;
        let version = first.strip_prefix(MAGIC.as_bytes()).and_then(|rest| rest.strip_suffix(b"\n"));
        let Some(version) = version else { return Err(TransferError::NotAnExport) };
        if version != VERSION.as_bytes() {
            let found = String::from_utf8_lossy(version).into_owned();
            return Err(TransferError::Version { found, known: VERSION });
        }
        let second = line(&mut input, LONGEST_HEAD)?;
        let head: FileHead =
            serde_json::from_slice(&second).map_err(|_| TransferError::Damaged("its head"))?;
        let missing =
            std::iter::once(&head.kek).chain(&head.keks).find(|id| !keys.ids().any(|held| held == *id));
        let mac = keys.file_mac(&head.kek);
        let (None, Some(mut mac)) = (missing, mac) else {
            let id = missing.unwrap_or(&head.kek).clone();
            return Err(TransferError::MissingKek {
                id,
                place: place.to_owned(),
                needed: head.keks.join(", "),
            });
        };
        mac.update(&first);
        mac.update(&second);
        Ok(Self { input, head, mac: Some(mac), place: place.to_owned(), last: None, records: 0 })
    }

    pub(super) fn head(&self) -> &FileHead {
        &self.head
    }

    /// The next record; `None` at the end of a file whose MAC holds.
    pub(super) fn next(&mut self) -> Result<Option<(RecordKey, Vec<u8>)>, TransferError> {
        let line = line(&mut self.input, SHORT_LINE)?;
        if let Some(mac) = line.strip_prefix(b"mac ") {
            self.end(mac)?;
            return Ok(None);
        }
        let (key, length) = announced(&line)?;
        if self.last.is_some_and(|last| last >= key) {
            return Err(TransferError::Damaged("its records are out of order"));
        }
        let mut envelope = vec![0; length + 1];
        self.input
            .read_exact(&mut envelope)
            .map_err(|_| TransferError::Damaged("it ends inside a record"))?;
        if let Some(mac) = &mut self.mac {
            mac.update(&line);
            mac.update(&envelope);
        }
        if envelope.pop() != Some(b'\n') {
            return Err(TransferError::Damaged("a record is longer than it says"));
        }
        self.last = Some(key);
        self.records += 1;
        Ok(Some((key, envelope)))
    }

    fn end(&mut self, hex: &[u8]) -> Result<(), TransferError> {
        let hex = hex.strip_suffix(b"\n").ok_or(TransferError::Damaged("its last line"))?;
        let stated: Option<[u8; 32]> = HEXLOWER.decode(hex).ok().and_then(|bytes| bytes.try_into().ok());
        let (Some(stated), Some(mac)) = (stated, self.mac.take()) else {
            return Err(TransferError::Damaged("its last line"));
        };
        if !mac.verify(&stated) {
            return Err(TransferError::Altered { id: self.head.kek.clone(), place: self.place.clone() });
        }
        if self.input.read(&mut [0])? != 0 {
            return Err(TransferError::Damaged("something follows its end"));
        }
        if self.records != self.head.records {
            return Err(TransferError::Damaged("it holds another number of records than it says"));
        }
        Ok(())
    }
}

/// A line with its line feed, or what is left where there is none.
fn line(input: &mut impl BufRead, longest: u64) -> Result<Vec<u8>, TransferError> {
    let mut bytes = Vec::new();
    input.take(longest).read_until(b'\n', &mut bytes)?;
    Ok(bytes)
}

fn announced(line: &[u8]) -> Result<(RecordKey, usize), TransferError> {
    if line.is_empty() {
        return Err(TransferError::Damaged("it has no end"));
    }
    let damaged = TransferError::Damaged("a line before a record");
    let text = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix('\n'));
    let fields = text.and_then(|text| text.split_once(' ')).and_then(|(name, length)| {
        let (kind, id) = name.split_once('/')?;
        Some((kind, Uuid::try_parse(id).ok()?, length.parse::<usize>().ok()?))
    });
    let Some((kind, id, length)) = fields.filter(|(_, _, length)| *length <= LARGEST_ENVELOPE) else {
        return Err(damaged);
    };
    match Kind::from_name(kind) {
        Some(kind) => Ok((RecordKey { kind, id }, length)),
        None => Err(TransferError::UnknownKind(kind.to_owned())),
    }
}
