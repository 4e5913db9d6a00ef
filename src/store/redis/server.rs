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

use super::connection::Connection;
use super::fault::{self, Fault};
use super::forms::{self, damaged};
use super::link::{Link, run};
use super::replicas;
use crate::config::{RedisDurability, RedisTls};
use crate::store::fleet::READS;
use crate::store::{AuditMac, Epoch, StoreError};

type Answers = std::vec::IntoIter<Result<Value, RedisError>>;

/// What a server said of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    /// Whether an ACL or the provider keeps us from CONFIG GET.
    pub(super) config_denied: bool,
    /// Whether an ACL keeps us from WAIT, where it would be needed.
    pub(super) wait_denied: bool,
    /// Replicas that are connected to it.
    pub(super) replicas: usize,
    appendonly: Option<String>,
    appendfsync: Option<String>,
}

impl Server {
    /// What an acknowledged change survives here, in words.
    pub(super) fn promise(&self, durability: RedisDurability) -> String {
        let persistence = match (self.appendonly.as_deref(), self.appendfsync.as_deref()) {
            (Some("yes"), Some(fsync)) => format!("appendonly yes, appendfsync {fsync}"),
            (Some("no"), _) => "appendonly no: a server that stops may lose acknowledged changes".to_owned(),
            _ => "its persistence is unknown, CONFIG GET is denied".to_owned(),
        };
        let RedisDurability::Replicas(demanded) = durability else { return persistence };
        let short = usize::try_from(demanded).is_ok_and(|demanded| self.replicas < demanded);
        let short = match (self.wait_denied, short) {
            (true, _) => ", and WAIT is denied, so changes are refused",
            (false, true) => ", so changes are refused",
            (false, false) => "",
        };
        format!("replicas connected: {}{short}; {persistence}", self.replicas)
    }
}

/// Checks a new connection's server and its namespace.
pub(super) async fn inspect(link: &Link, connection: &mut Connection) -> Result<Server, StoreError> {
    let mut read = redis::cmd("HMGET");
    read.arg(&link.names.meta).arg(&["epoch", "schema", "kek", "kek_check"]);
    // Before the check: a node of a Cluster says only now which one it is to be made of.
    let meta = match run(link, connection, &link.names.meta, &read).await {
        Err(lost @ Fault::Lost(_)) => return Err(unwelcome(link, lost)),
        answer => answer,
    };
    let server = check(link, connection).await?;
    let meta = meta?;
    let [epoch, schema, kek, check] = forms::fixed(meta).ok_or_else(|| damaged(&link.names.meta))?;
    if let Some(epoch) = forms::text(epoch) {
        check_schema(link, forms::text(schema))?;
        check_kek(link, &epoch, forms::text(kek), forms::text(check))?;
    }
    Ok(server)
}

/// A server that goes without a word at the first question: under TLS 1.3, that is how it says that it wanted
/// another certificate of ours (RFC 8446, section 4.4.2.4).
pub(super) fn unwelcome(link: &Link, fault: Fault) -> StoreError {
    let hint = match &link.settings.tls {
        None => "",
        Some(RedisTls { client: None, .. }) => {
            "; where it asks for a certificate, set store.cert_file and store.key_file"
        }
        Some(_) => "; it may have refused the certificate in store.cert_file",
    };
    match fault {
        Fault::Lost(why) => StoreError::Unavailable(format!("{why}{hint}")),
        answered => answered.into(),
    }
}

/// Checks that the server may be written to now: its role and settings.
pub(super) async fn check(link: &Link, connection: &mut MultiplexedConnection) -> Result<Server, Fault> {
    let mut questions = Pipeline::new();
    questions.ignore_errors();
    ask_standing(link, &mut questions);
    for setting in ["maxmemory-policy", "appendonly", "appendfsync"] {
        questions.cmd("CONFIG").arg("GET").arg(setting);
    }
    if replicas::demanded(link) > 0 {
        // For nobody: whether the user may run it is seen before a change depends on it.
        questions.cmd("WAIT").arg(0).arg(0);
    }
    let mut answers = ask(link, connection, &questions).await?;
    let replicas = check_standing(link, &mut answers)?;
    let [policy, appendonly, appendfsync] = [answers.next(), answers.next(), answers.next()].map(setting);
    let wait_denied = matches!(answers.next(), Some(Err(_)));
    let server = Server { config_denied: policy.is_none(), wait_denied, replicas, appendonly, appendfsync };
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

/// Checks that the server is what it was found to be: its role, and its place in a Cluster. Says how many replicas
/// are connected to it.
pub(super) async fn check_again(link: &Link, connection: &mut MultiplexedConnection) -> Result<usize, Fault> {
    let mut questions = Pipeline::new();
    questions.ignore_errors();
    ask_standing(link, &mut questions);
    check_standing(link, &mut ask(link, connection, &questions).await?)
}

/// The answers one by one, and the errors among them.
async fn ask(
    link: &Link,
    connection: &mut MultiplexedConnection,
    questions: &Pipeline,
) -> Result<Answers, Fault> {
    let answers: Result<Vec<Result<Value, RedisError>>, RedisError> = questions.query_async(connection).await;
    answers.map(Vec::into_iter).map_err(|error| fault::of_command(&link.place, "", &error))
}

fn ask_standing(link: &Link, questions: &mut Pipeline) {
    questions.cmd("ROLE");
    if link.whereabouts.is_cluster() {
        questions.cmd("CLUSTER").arg("INFO");
    }
}

fn check_standing(link: &Link, answers: &mut Answers) -> Result<usize, Fault> {
    let mut answer = |what: &str| {
        let answer =
            answers.next().ok_or_else(|| Fault::from(damaged(format_args!("the answer to {what}"))))?;
        answer.map_err(|error| fault::of_command(&link.place, "", &error))
    };
    let replicas = check_role(&link.place, answer("ROLE")?)?;
    if link.whereabouts.is_cluster() {
        check_state(&link.place, answer("CLUSTER INFO")?)?;
    }
    Ok(replicas)
}

/// Refuses a node of a Cluster that is cut off from the majority, or that counts the cluster as down for another
/// reason: with `cluster-allow-reads-when-down` it would go on answering reads.
fn check_state(place: &str, info: Value) -> Result<(), StoreError> {
    let info = forms::text(info).ok_or_else(|| damaged("the answer to CLUSTER INFO"))?;
    let state = info.lines().find_map(|line| line.strip_prefix("cluster_state:"));
    match state {
        Some("ok") => Ok(()),
        Some(state) => {
            Err(StoreError::Unavailable(format!("{place}: the cluster is down (cluster_state:{state})")))
        }
        None => Err(damaged("the answer to CLUSTER INFO")),
    }
}

/// Refuses every role but that of a master; says how many replicas are connected to it.
fn check_role(place: &str, role: Value) -> Result<usize, StoreError> {
    let mut role = forms::items(role).unwrap_or_default().into_iter();
    match role.next().and_then(forms::text).as_deref() {
        Some("master") => {
            let replicas = role.nth(1).and_then(forms::items);
            Ok(replicas.ok_or_else(|| damaged("the answer to ROLE"))?.len())
        }
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
