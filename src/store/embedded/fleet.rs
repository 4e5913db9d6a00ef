//! [`Fleet`] of a store that one process has for itself: what it says of itself is kept in memory.
//!
//! Not a registry: a second process cannot open the file. Its keys are judged where the file is opened.

use std::time::Duration;

use redb::ReadableDatabase;
use uuid::Uuid;

use super::commit::durable;
use super::fault::Fault;
use super::tables::{META, META_SCHEMA};
use super::{EmbeddedStore, schema};
use crate::store::fleet::{Announced, Fleet, Presence, Raised, SCHEMA, Sidecar};
use crate::store::{StoreError, StoreFuture};

impl Fleet for EmbeddedStore {
    fn announce<'a>(&'a self, presence: &'a Presence) -> StoreFuture<'a, Announced> {
        *self.inner.presence.lock() = Some(presence.clone());
        Box::pin(async { Ok(Announced::Seen) })
    }

    fn sidecars(&self) -> StoreFuture<'_, Vec<Sidecar>> {
        let presence = self.inner.presence.lock().clone();
        let alone = presence.map(|presence| Sidecar { presence, age: Duration::ZERO });
        Box::pin(async { Ok(alone.into_iter().collect()) })
    }

    fn depart(&self, id: Uuid) -> StoreFuture<'_, ()> {
        let mut presence = self.inner.presence.lock();
        if presence.as_ref().is_some_and(|presence| presence.id == id) {
            *presence = None;
        }
        Box::pin(async { Ok(()) })
    }

    fn ask_for_sealing_kek(&self) -> StoreFuture<'_, ()> {
        // The last change says which one there must be.
        Box::pin(async { Ok(()) })
    }

    fn schema(&self) -> StoreFuture<'_, u32> {
        Box::pin(self.blocking(|inner| {
            inner.file.run(|database| {
                let meta = database.begin_read()?.open_table(META)?;
                Ok(schema::version(&meta)?.ok_or(StoreError::Uninitialised)?)
            })
        }))
    }

    fn raise_schema(&self) -> StoreFuture<'_, Raised> {
        Box::pin(self.blocking(|inner| inner.file.run(raise)))
    }
}

fn raise(database: &redb::Database) -> Result<Raised, Fault> {
    let writing = durable(database)?;
    let from = {
        let mut meta = writing.open_table(META)?;
        let from = schema::version(&meta)?.ok_or(StoreError::Uninitialised)?;
        if from < SCHEMA {
            meta.insert(META_SCHEMA, SCHEMA.to_be_bytes().as_slice())?;
        }
        from
    };
    if from < SCHEMA {
        writing.commit()?;
    } else {
        writing.abort()?;
    }
    Ok(Raised { from, to: from.max(SCHEMA) })
}
