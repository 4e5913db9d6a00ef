//! [`Deliveries`] in the file: their JSON list by list, and an index by id.
//!
//! Invariant: what is in one table is in the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError};
use uuid::Uuid;

use super::EmbeddedStore;
use super::commit::durable;
use super::fault::Fault;
use super::tables::damaged;
use crate::clock::UnixMillis;
use crate::store::StoreFuture;
use crate::store::deliveries::{Deliveries, Found, Kept, Side, Wanted, cutoff, first_id_at};
use crate::store::uses::Counted;

/// List and id → JSON.
const DELIVERIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("deliveries");
/// Id → list.
const IDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("delivery-ids");
/// Deliveries that are too old and go with one write at most.
const GOING: usize = 1000;

/// Which list: its integration and its side.
type List = [u8; 17];
type Bytes<'t> = Table<'t, &'static [u8], &'static [u8]>;

impl Deliveries for EmbeddedStore {
    fn keep_deliveries<'a>(
        &'a self,
        batch: &'a [Kept],
        most: u32,
        now: UnixMillis,
    ) -> StoreFuture<'a, Counted> {
        let batch = batch.to_vec();
        Box::pin(self.blocking(move |inner| inner.file.run(|database| keep(database, &batch, most, now))))
    }

    fn deliveries(&self, wanted: Wanted) -> StoreFuture<'_, Found> {
        Box::pin(self.blocking(move |inner| inner.file.run(|database| recent(database, wanted))))
    }

    fn delivery(&self, id: Uuid) -> StoreFuture<'_, Option<Arc<[u8]>>> {
        Box::pin(self.blocking(move |inner| inner.file.run(|database| one(database, id))))
    }
}

fn keep(database: &Database, batch: &[Kept], most: u32, now: UnixMillis) -> Result<Counted, Fault> {
    let writing = durable(database)?;
    {
        let mut deliveries = writing.open_table(DELIVERIES)?;
        let mut ids = writing.open_table(IDS)?;
        let mut touched = BTreeSet::new();
        for kept in batch {
            let list = list(kept.integration, kept.side);
            deliveries.insert(place(&list, kept.id).as_slice(), &*kept.json)?;
            ids.insert(kept.id.as_bytes().as_slice(), list.as_slice())?;
            touched.insert(list);
        }
        for list in touched {
            shorten(&mut deliveries, &mut ids, &list, most)?;
        }
        let oldest = first_id_at(cutoff(now));
        for _ in 0..GOING {
            let Some((id, list)) = first(&ids)?.filter(|(id, _)| *id < oldest) else { break };
            ids.remove(id.as_bytes().as_slice())?;
            deliveries.remove(place(&list, id).as_slice())?;
        }
    }
    writing.commit()?;
    Ok(Counted::Added)
}

fn shorten(deliveries: &mut Bytes<'_>, ids: &mut Bytes<'_>, list: &List, most: u32) -> Result<(), Fault> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let (from, to) = (place(list, Uuid::nil()), place(list, Uuid::max()));
    let mut going = Vec::new();
    for stored in deliveries.range(from.as_slice()..=to.as_slice())?.rev().skip(most) {
        going.push(id_of(stored?.0.value())?);
    }
    for id in going {
        deliveries.remove(place(list, id).as_slice())?;
        ids.remove(id.as_bytes().as_slice())?;
    }
    Ok(())
}

fn first(ids: &Bytes<'_>) -> Result<Option<(Uuid, List)>, Fault> {
    let Some((id, list)) = ids.first()? else { return Ok(None) };
    Ok(Some((id_of(id.value())?, list_of(list.value())?)))
}

fn recent(database: &Database, wanted: Wanted) -> Result<Found, Fault> {
    let reading = database.begin_read()?;
    let sides = Side::ALL.into_iter().filter(|side| wanted.side.is_none_or(|wanted| wanted == *side));
    match wanted.integration {
        Some(integration) => {
            let mut found = Found::new();
            for side in sides {
                found.extend(of_list(&reading, &list(integration, side), wanted)?);
            }
            found.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
            found.truncate(wanted.limit);
            Ok(found)
        }
        None => of_all(&reading, wanted),
    }
}

fn of_list(reading: &ReadTransaction, list: &List, wanted: Wanted) -> Result<Found, Fault> {
    let deliveries = match reading.open_table(DELIVERIES) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Found::new()),
        Err(fault) => return Err(fault.into()),
    };
    let from = place(list, Uuid::nil());
    let to = place(list, wanted.before.unwrap_or(Uuid::max()));
    let mut found = Found::new();
    for stored in deliveries.range(from.as_slice()..to.as_slice())?.rev().take(wanted.limit) {
        let (place, json) = stored?;
        found.push((id_of(place.value())?, Arc::from(json.value())));
    }
    Ok(found)
}

fn of_all(reading: &ReadTransaction, wanted: Wanted) -> Result<Found, Fault> {
    let (ids, deliveries) = match (reading.open_table(IDS), reading.open_table(DELIVERIES)) {
        (Ok(ids), Ok(deliveries)) => (ids, deliveries),
        (Err(TableError::TableDoesNotExist(_)), _) | (_, Err(TableError::TableDoesNotExist(_))) => {
            return Ok(Found::new());
        }
        (Err(fault), _) | (_, Err(fault)) => return Err(fault.into()),
    };
    let to = wanted.before.unwrap_or(Uuid::max());
    let mut found = Found::new();
    for stored in ids.range(..to.as_bytes().as_slice())?.rev() {
        let (id, list) = stored?;
        let (id, list) = (id_of(id.value())?, list_of(list.value())?);
        if wanted.side.is_some_and(|side| list.last() != Some(&side_byte(side))) {
            continue;
        }
        if let Some(json) = deliveries.get(place(&list, id).as_slice())? {
            found.push((id, Arc::from(json.value())));
        }
        if found.len() == wanted.limit {
            break;
        }
    }
    Ok(found)
}

fn one(database: &Database, id: Uuid) -> Result<Option<Arc<[u8]>>, Fault> {
    let reading = database.begin_read()?;
    let ids = match reading.open_table(IDS) {
        Ok(ids) => ids,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    let Some(list) = ids.get(id.as_bytes().as_slice())? else { return Ok(None) };
    let place = place(&list_of(list.value())?, id);
    let json = reading.open_table(DELIVERIES)?.get(place.as_slice())?;
    Ok(json.map(|json| Arc::from(json.value())))
}

fn side_byte(side: Side) -> u8 {
    match side {
        Side::Verified => 1,
        Side::Refused => 2,
    }
}

fn list(integration: Uuid, side: Side) -> List {
    let mut list = [side_byte(side); 17];
    if let Some(first) = list.first_chunk_mut::<16>() {
        *first = *integration.as_bytes();
    }
    list
}

fn place(list: &List, id: Uuid) -> Vec<u8> {
    [list.as_slice(), id.as_bytes()].concat()
}

/// The id at the end.
fn id_of(place: &[u8]) -> Result<Uuid, Fault> {
    let id = place.last_chunk::<16>().ok_or_else(|| damaged("a delivery"))?;
    Ok(Uuid::from_bytes(*id))
}

fn list_of(stored: &[u8]) -> Result<List, Fault> {
    Ok(stored.try_into().map_err(|_| damaged("a delivery's list"))?)
}
