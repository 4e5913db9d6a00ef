//! The log: its tail, over a connection of its own, because a blocking read holds up whatever shares one.
//!
//! Not what becomes of the entries. Redis documentation: XREAD (BLOCK), XRANGE, ROLE. Invariants:
//! - an entry is given only if it names the audit head before it as its predecessor, so that a trimmed, rolled
//!   back or replaced log is a gap, whatever positions say; the first of a life names none, so there the epoch is
//!   looked at as well;
//! - an empty answer is given only when the head of the namespace is the one applied last, the server is
//!   still the master, and named so by whoever names it, and the epoch the same: it is good for a sign of life;
//! - a connection whose answer did not come, or whose caller went away, is dropped.

use redis::Value;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use super::connection::Connection;
use super::forms::{self, Entry, damaged};
use super::link::{Link, run};
use super::{read, server};
use crate::store::{AuditMac, Epoch, Followed, HEARTBEAT, Head, LogEntry, Position, StoreError};

/// Entries that one read gives at most: each may hold hundreds of records.
const BATCH: usize = 100;

/// Entries of the log that are read first where the latest are wanted.
const FIRST_PAGE: usize = 10;

/// The connection that follows, and where it is.
pub(super) struct Tail {
    connection: Connection,
    at: Head,
    /// When role and epoch were last looked at.
    checked: Instant,
    /// Whether it was only just resumed: its first answer is given without a wait, so that a server that is
    /// back counts as heard of at once.
    resumed: bool,
}

/// Entries after `after`, waiting for one heartbeat if there are none.
pub(super) async fn follow(
    link: &Link,
    slot: &Mutex<Option<Tail>>,
    epoch: Epoch,
    after: Position,
    mac: AuditMac,
) -> Result<Followed, StoreError> {
    let mut slot = slot.lock().await;
    let at = Head { epoch, position: after, mac };
    // Taken out: put back only after a whole answer.
    let mut tail = match slot.take() {
        Some(tail) if tail.at == at => tail,
        other => match resume(link, other, at).await? {
            Some(tail) => tail,
            None => return Ok(Followed::Gap),
        },
    };
    let Some(entries) = tail.news(link).await? else { return Ok(Followed::Gap) };
    if let Some(last) = entries.last() {
        tail.at = Head { epoch, position: last.position, mac: last.mac };
    }
    *slot = Some(tail);
    Ok(Followed::Entries(entries))
}

/// A tail at this place; `None` where the entry that stands there is not the one that was applied.
async fn resume(link: &Link, former: Option<Tail>, at: Head) -> Result<Option<Tail>, StoreError> {
    let mut connection = match former {
        Some(tail) => tail.connection,
        None => link.open(longest_silence(link)).await?,
    };
    same_epoch(at.epoch, read::head_over(link, &mut connection).await?)?;
    let checked = Instant::now();
    if at.position != Position::default() {
        let key = &link.names.log;
        let place = forms::position_text(at.position);
        let mut range = redis::cmd("XRANGE");
        range.arg(key).arg(&place).arg(&place);
        let found = forms::entries(run(link, &mut connection, key, &range).await?);
        let found = found.ok_or_else(|| damaged(key))?;
        if found.first().and_then(|entry| entry.mac("m")) != Some(at.mac) {
            return Ok(None);
        }
    }
    Ok(Some(Tail { connection, at, checked, resumed: true }))
}

/// The latest entries with at least `limit` changes, oldest first.
pub(super) async fn latest(link: &Link, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
    read::head(link).await?;
    let key = &link.names.log;
    let mut entries: Vec<LogEntry> = Vec::new();
    let (mut changes, mut page) = (0, FIRST_PAGE);
    let mut next = None;
    while changes < limit {
        let end = match entries.last() {
            Some(oldest) => format!("({}", forms::position_text(oldest.position)),
            None => "+".to_owned(),
        };
        let mut range = redis::cmd("XREVRANGE");
        range.arg(key).arg(end).arg("-").arg("COUNT").arg(page);
        let found = forms::entries(link.read(key, &range).await?).ok_or_else(|| damaged(key))?;
        let is_last = found.len() < page;
        for entry in found {
            // Backwards: each must be what the one after it says that it follows on.
            let read = entry.mac("p").and_then(|before| Some((before, read_entry(&entry, before)?)));
            let Some((before, read)) = read.filter(|(_, read)| next.is_none_or(|next| next == read.mac))
            else {
                changes = limit;
                break;
            };
            if changes >= limit {
                break;
            }
            next = Some(before);
            changes += read.changes.len().max(1);
            entries.push(read);
        }
        if is_last {
            break;
        }
        // Entries of a bulk change are large: no more are asked for than are wanted, as far as can be guessed.
        page = (limit.saturating_sub(changes) * entries.len()).div_ceil(changes.max(1));
    }
    entries.reverse();
    Ok(entries)
}

impl Tail {
    /// The next entries; `None` where they do not follow on what was applied.
    async fn news(&mut self, link: &Link) -> Result<Option<Vec<LogEntry>>, StoreError> {
        let wait = (!std::mem::take(&mut self.resumed)).then_some(HEARTBEAT);
        let mut found = self.read(link, wait).await?;
        let is_first = self.at.mac == AuditMac::default();
        if found.is_empty() || is_first || self.checked.elapsed() >= HEARTBEAT {
            let head = self.check(link).await?;
            if found.is_empty() && head.mac != self.at.mac {
                // A commit came between the two looks, or the log is not the one that the head is of.
                found = self.read(link, None).await?;
                if found.is_empty() {
                    return Ok(None);
                }
            }
        }
        let empty = found.is_empty();
        let mut entries = Vec::with_capacity(found.len());
        let mut previous = self.at.mac;
        for entry in found {
            // What cannot be read is a gap as well: the snapshot has what it would have said.
            let Some(entry) = read_entry(&entry, previous) else { break };
            previous = entry.mac;
            entries.push(entry);
        }
        Ok((empty || !entries.is_empty()).then_some(entries))
    }

    async fn read(&mut self, link: &Link, wait: Option<Duration>) -> Result<Vec<Entry>, StoreError> {
        let key = &link.names.log;
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(BATCH);
        if let Some(wait) = wait {
            read.arg("BLOCK").arg(wait.as_millis().to_string());
        }
        read.arg("STREAMS").arg(key).arg(forms::position_text(self.at.position));
        let reply = run(link, &mut self.connection, key, &read).await?;
        if reply == Value::Nil {
            return Ok(Vec::new());
        }
        let entries = forms::fixed::<1>(reply)
            .and_then(|[stream]| forms::fixed::<2>(stream))
            .and_then(|[_key, entries]| forms::entries(entries));
        entries.ok_or_else(|| damaged(key))
    }

    /// Role and epoch as they are now.
    async fn check(&mut self, link: &Link) -> Result<Head, StoreError> {
        link.whereabouts.confirm(self.connection.address()).await?;
        let head = same_epoch(self.at.epoch, read::head_over(link, &mut self.connection).await?)?;
        // After what it answered, so that this vouches for it. In a Cluster the head may be elsewhere by now.
        link.saw_replicas(server::check_again(link, &mut self.connection.there().await).await?);
        self.checked = Instant::now();
        Ok(head)
    }
}

/// For an answer of the connection that follows: beyond the blocking read's own wait, half of what an ordinary
/// answer may take.
fn longest_silence(link: &Link) -> Duration {
    HEARTBEAT + link.answer() / 2
}

/// The entry, if it follows on `previous`.
fn read_entry(entry: &Entry, previous: AuditMac) -> Option<LogEntry> {
    let (before, mac) = entry.mac("p").zip(entry.mac("m"))?;
    let changes = forms::logged(entry.field("c")?)?;
    (before == previous).then_some(LogEntry { position: entry.position, mac, changes })
}

fn same_epoch(expected: Epoch, head: Head) -> Result<Head, StoreError> {
    if head.epoch == expected {
        return Ok(head);
    }
    Err(StoreError::OtherEpoch { found: head.epoch.0, expected: expected.0 })
}
