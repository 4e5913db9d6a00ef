//! What must be true of a server before its answers count: a master, that evicts nothing, with our namespace.
//!
//! Not how it is reached. Redis documentation: ROLE, CONFIG GET, "Key eviction", "Redis persistence". Nothing
//! of the server is ever set by us. Invariants: a replica's answers are never taken for the store's; a server
//! that may evict keys is refused by name of the setting; a namespace that was initialised under a
//! key-encryption key that we lack is refused by name of the key.

use data_encoding::HEXLOWER;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, Value};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::fault::{self, Fault};
use super::forms::{self, damaged};
use super::link::Link;
use crate::config::RedisDurability;
use crate::store::fleet::READS;
use crate::store::{AuditMac, Epoch, StoreError};

/// What a server said of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    /// Whether an ACL or the provider keeps us from CONFIG GET.
    pub(super) config_denied: bool,
    appendonly: Option<String>,
    appendfsync: Option<String>,
}

impl Server {
    /// What an acknowledged change survives here, in words.
    pub(super) fn promise(&self) -> String {
        match (self.appendonly.as_deref(), self.appendfsync.as_deref()) {
            (Some("yes"), Some(fsync)) => format!("appendonly yes, appendfsync {fsync}"),
            (Some("no"), _) => "appendonly no: a server that stops may lose acknowledged changes".to_owned(),
            _ => "its persistence is unknown, CONFIG GET is denied".to_owned(),
        }
    }
}

/// Checks a new connection's server and its namespace.
pub(super) async fn inspect(
    link: &Link,
    connection: &mut MultiplexedConnection,
) -> Result<Server, StoreError> {
    let server = check(link, connection).await?;
    let mut read = redis::cmd("HMGET");
    read.arg(&link.names.meta).arg(&["epoch", "schema", "kek", "kek_check"]);
    let meta = super::link::run(&link.place, connection, &link.names.meta, &read).await?;
    let [epoch, schema, kek, check] = forms::fixed(meta).ok_or_else(|| damaged(&link.names.meta))?;
    if let Some(epoch) = forms::text(epoch) {
        check_schema(link, forms::text(schema))?;
        check_kek(link, &epoch, forms::text(kek), forms::text(check))?;
    }
    Ok(server)
}

/// Checks that the server may be written to now: its role and settings.
pub(super) async fn check(link: &Link, connection: &mut MultiplexedConnection) -> Result<Server, Fault> {
    let mut questions = Pipeline::new();
    questions.ignore_errors().cmd("ROLE");
    for setting in ["maxmemory-policy", "appendonly", "appendfsync"] {
        questions.cmd("CONFIG").arg("GET").arg(setting);
    }
    let answers: Vec<Result<Value, RedisError>> = questions
        .query_async(connection)
        .await
        .map_err(|error| fault::of_command(&link.place, "", &error))?;
    let mut answers = answers.into_iter();
    let role = answers.next().ok_or_else(|| damaged("the answer to ROLE"))?;
    let role = role.map_err(|error| fault::of_command(&link.place, "", &error))?;
    check_role(&link.place, role)?;
    let [policy, appendonly, appendfsync] = [answers.next(), answers.next(), answers.next()].map(setting);
    let server = Server { config_denied: policy.is_none(), appendonly, appendfsync };
    if let Some(policy) = policy.filter(|policy| policy != "noeviction") {
        return Err(StoreError::Unavailable(format!(
            "{} has maxmemory-policy {policy}, which may evict keys; set it to noeviction",
            link.place
        ))
        .into());
    }
    if link.settings.durability == RedisDurability::Fsync {
        check_fsync(link, &server)?;
    }
    Ok(server)
}

/// Refuses every role but that of a master.
pub(super) fn check_role(place: &str, role: Value) -> Result<(), StoreError> {
    let role = forms::items(role).and_then(|role| role.into_iter().next()).and_then(forms::text);
    match role.as_deref() {
        Some("master") => Ok(()),
        Some("slave" | "replica") => Err(StoreError::Unavailable(format!("{place} is a replica"))),
        Some(other) => Err(StoreError::Unavailable(format!("{place} has the role {other:?}, not master"))),
        None => Err(damaged("the answer to ROLE")),
    }
}

fn setting(answer: Option<Result<Value, RedisError>>) -> Option<String> {
    let [_name, value] = forms::fixed(answer?.ok()?)?;
    forms::text(value)
}

fn check_fsync(link: &Link, server: &Server) -> Result<(), StoreError> {
    let found = match (server.appendonly.as_deref(), server.appendfsync.as_deref()) {
        (Some("yes"), Some("always")) => return Ok(()),
        (Some(appendonly), Some(fsync)) => format!("has appendonly {appendonly}, appendfsync {fsync}"),
        _ => "denies CONFIG GET, so nobody can tell".to_owned(),
    };
    Err(StoreError::Unavailable(format!(
        "store.durability = \"fsync\" needs appendonly yes and appendfsync always; {} {found}",
        link.place
    )))
}

fn check_schema(link: &Link, schema: Option<String>) -> Result<(), StoreError> {
    let schema: Option<u32> = schema.and_then(|schema| schema.parse().ok());
    match schema {
        Some(schema) if schema <= READS => Ok(()),
        Some(schema) => Err(StoreError::Unavailable(format!(
            "{} has schema {schema}, this version reads up to {READS}: use the newer version",
            link.names.meta
        ))),
        None => Err(damaged(format_args!("schema in {}", link.names.meta))),
    }
}

fn check_kek(link: &Link, epoch: &str, id: Option<String>, check: Option<String>) -> Result<(), StoreError> {
    let (Some(id), Some(check)) = (id, check) else {
        return Err(damaged(format_args!("kek_check in {}", link.names.meta)));
    };
    let epoch = Uuid::try_parse(epoch).map_err(|_| damaged(format_args!("epoch in {}", link.names.meta)))?;
    let Some(expected) = kek_check(link, &id, Epoch(epoch)) else {
        return Err(StoreError::WrongKek { id, why: "it is not in keys.kek_dir" });
    };
    if bool::from(expected.as_bytes().ct_eq(check.as_bytes())) {
        return Ok(());
    }
    Err(StoreError::WrongKek { id, why: "the key of that id in keys.kek_dir is another one" })
}

/// What proves that a key-encryption key is the one that the namespace was initialised under: a MAC over
/// namespace and epoch under its audit key. No audit event can have this MAC, since events are JSON.
pub(super) fn kek_check(link: &Link, id: &str, epoch: Epoch) -> Option<String> {
    let covered = format!("countersign/v1/kek-check/{}/{}", link.namespace, epoch.0);
    let mac = link.keyring.audit_mac_with(id, &AuditMac::default(), covered.as_bytes())?;
    Some(HEXLOWER.encode(&mac.0))
}
