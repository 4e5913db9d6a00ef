//! Requests that two parsers could read in two ways, byte by byte.

mod expect;
mod forwarded;
mod framing;
mod h2;
mod head;
mod identity;
mod paths;
mod pipelining;

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

/// The status of the first answer to these bytes; 0 where there is none.
fn status(sidecar: &Sidecar, bytes: impl AsRef<[u8]>) -> u16 {
    raw(sidecar, bytes).0.map_or(0, |answer| answer.status)
}
