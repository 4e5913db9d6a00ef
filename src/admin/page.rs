//! Pages of a list: `?limit=` and `?cursor=`; of records, ascending by id.
//!
//! Not a snapshot: records made meanwhile appear where their id puts them. Invariant: following `nextCursor`
//! to the end shows every record that exists throughout exactly once, because the cursor names the last id
//! shown and not a count.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use uuid::Uuid;

use super::problem::{Fault, Problem};
use crate::keys::decode::Decoded;
use crate::keys::mirror::Mirror;
use crate::keys::record::{Kind, RecordKey};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

/// What a list request asks for. `C`: what its cursor names.
#[derive(Debug)]
pub(super) struct Page<C = Uuid> {
    /// Items at most.
    pub(super) limit: usize,
    /// Where the page before ended.
    pub(super) after: Option<C>,
    filters: Vec<(&'static str, String)>,
}

impl Page {
    /// Reads a query; `filters` are the parameters that the list takes besides.
    pub(super) fn of(query: Option<&str>, filters: &[&'static str]) -> Result<Self, Problem> {
        Self::with_cursor(query, filters, cursor_id)
    }
}

impl<C> Page<C> {
    /// The same for a list whose cursors `read` reads.
    pub(super) fn with_cursor(
        query: Option<&str>,
        filters: &[&'static str],
        read: impl Fn(&str) -> Option<C>,
    ) -> Result<Self, Problem> {
        let mut page = Self { limit: DEFAULT_LIMIT, after: None, filters: Vec::new() };
        let mut seen: Vec<String> = Vec::new();
        let mut faults = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                return Err(Problem::malformed("the query is not percent-encoded UTF-8"));
            };
            if seen.contains(&name) {
                faults.push(Fault::parameter(name, "duplicate", "may be given once"));
                continue;
            }
            seen.push(name.clone());
            if let Some(filter) = filters.iter().find(|filter| **filter == name) {
                page.filters.push((*filter, value));
            } else if let Err(fault) = page.take(name, &value, &read) {
                faults.push(fault);
            }
        }
        if faults.is_empty() { Ok(page) } else { Err(Problem::invalid(faults)) }
    }

    fn take(&mut self, name: String, value: &str, read: impl Fn(&str) -> Option<C>) -> Result<(), Fault> {
        match name.as_str() {
            "limit" => match value.parse() {
                Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => self.limit = limit,
                _ => {
                    return Err(Fault::parameter(name, "range", format!("must be from 1 to {MAX_LIMIT}")));
                }
            },
            "cursor" => match read(value) {
                Some(cursor) => self.after = Some(cursor),
                None => return Err(Fault::parameter(name, "format", "must be a nextCursor of this list")),
            },
            _ => return Err(Fault::parameter(name, "unknown", "there is no such parameter")),
        }
        Ok(())
    }

    /// A filter's value, where the query has it.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        self.filters.iter().find(|(filter, _)| *filter == name).map(|(_, value)| value.as_str())
    }
}

impl Page {
    /// The page: records that `filter` accepts, as `show` shows them. Damaged ones are shown as such.
    pub(super) fn answer(
        &self,
        mirror: &Mirror,
        kind: Kind,
        filter: impl Fn(&Decoded) -> bool,
        show: impl Fn(&Decoded) -> Option<Value>,
    ) -> Response {
        self.find(mirror, kind, filter).answer(|_, decoded| show(decoded))
    }

    /// The records of the page: those that `filter` accepts.
    pub(super) fn find(&self, mirror: &Mirror, kind: Kind, filter: impl Fn(&Decoded) -> bool) -> Found {
        let mut records = mirror.list(kind, self.after, self.limit + 1, filter);
        let more = records.len() > self.limit;
        records.truncate(self.limit);
        let next = records.last().filter(|_| more).map(|(key, _)| cursor(key.id));
        Found { records, next }
    }
}

/// The records of a page.
pub(super) struct Found {
    records: Vec<(RecordKey, Decoded)>,
    next: Option<String>,
}

impl Found {
    /// Which they are.
    pub(super) fn keys(&self) -> Vec<RecordKey> {
        self.records.iter().map(|(key, _)| *key).collect()
    }

    /// The page, each record as `show` shows it.
    pub(super) fn answer(self, show: impl Fn(&RecordKey, &Decoded) -> Option<Value>) -> Response {
        let item =
            |(key, decoded): &(RecordKey, Decoded)| show(key, decoded).unwrap_or_else(|| damaged(*key));
        let items: Vec<Value> = self.records.iter().map(item).collect();
        answer(&items, self.next)
    }
}

/// Where the page after an answer begins. `envelope.rs` makes the header `Link` of it, because it knows what was asked.
#[derive(Debug, Clone)]
pub(super) struct NextPage(String);

impl NextPage {
    /// The header: what was asked for, with another cursor (RFC 8288 §3).
    pub(super) fn link(&self, asked: &Uri) -> Option<HeaderValue> {
        let pairs = asked.query().unwrap_or_default().split('&');
        let cursor = format!("cursor={}", self.0);
        let pairs = pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
        let query: Vec<&str> = pairs.chain([cursor.as_str()]).collect();
        HeaderValue::from_str(&format!("<{}?{}>; rel=\"next\"", asked.path(), query.join("&"))).ok()
    }
}

/// A page of these items.
pub(super) fn answer(items: &[Value], next: Option<String>) -> Response {
    let mut response = axum::Json(json!({ "items": items, "nextCursor": &next })).into_response();
    if let Some(next) = next {
        response.extensions_mut().insert(NextPage(next));
    }
    response
}

fn damaged(key: RecordKey) -> Value {
    json!({ "id": key.id, "kind": key.kind.name(), "damaged": true })
}

fn cursor(id: Uuid) -> String {
    data_encoding::BASE64URL_NOPAD.encode(id.as_bytes())
}

fn cursor_id(text: &str) -> Option<Uuid> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    Uuid::from_slice(&bytes).ok()
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
