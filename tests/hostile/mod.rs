//! Requests that two parsers could read in two ways, byte by byte.

mod expect;
mod forwarded;
mod frames;
mod framing;
mod h2;
mod head;
mod identity;
mod keys;
mod last_hop;
mod paths;
mod pipelining;
mod raw_paths;
mod smuggling;

use serde_json::json;

use crate::support::http::{Answer, Connection};
use crate::support::sidecar::{Key, Sidecar};

/// An open route beside the default ones.
const OPEN: &str = "
[[routes]]
name = 'public'
path = '/public/{*rest}'
verify = 'none'
[[routes]]
name = 'webhooks'
path = '/webhooks/{integration}'
verify = ['integration']
[[routes]]
name = 'default'
path = '/{*rest}'
verify = ['signature', 'api-key']
bearer = true
";

fn open() -> (Sidecar, Key) {
    let sidecar = Sidecar::builder().config(OPEN).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({}));
    (sidecar, key)
}

/// Writes bytes and reads the first answer, if there is one.
fn raw(sidecar: &Sidecar, bytes: impl AsRef<[u8]>) -> (Option<Answer>, Connection) {
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(bytes.as_ref());
    let answer = connection.try_answer("GET");
    (answer, connection)
}

/// Writes bytes, ends our side, and reads every answer: their statuses, and what went up meanwhile, in lower case.
fn exchange(sidecar: &Sidecar, bytes: impl AsRef<[u8]>) -> (Vec<u16>, String) {
    let from = sidecar.upstream.raw().len();
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(bytes.as_ref());
    connection.finish();
    let mut statuses = Vec::new();
    while let Some(answer) = connection.try_answer("GET") {
        statuses.push(answer.status);
    }
    (statuses, sidecar.upstream.raw().split_off(from))
}

/// How many requests went up in these bytes.
fn requests(sent: &str) -> usize {
    sent.matches(" http/1.1\r\n").count()
}

/// The status of the first answer to these bytes; 0 where there is none.
fn status(sidecar: &Sidecar, bytes: impl AsRef<[u8]>) -> u16 {
    raw(sidecar, bytes).0.map_or(0, |answer| answer.status)
}
