//! `role`: an admin process and a data process on one Redis, the latter as a user that can only read.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use countersign::config::RedisConfig;
use countersign::secret::Secret;
use countersign::store::redis::RedisStore;
use countersign::store::{Store as _, StoreError};
use redis::Value as Reply;
use serde_json::{Value, json};

use super::processes::command;
use crate::support::http::{Answer, Call};
use crate::support::process::{Process, admin_call, text};
use crate::support::redis::{Server, kek_dir, keyring};
use crate::support::sidecar::until;
use crate::support::store_conformance::steps::{change, link, put, workspace};
use crate::support::upstream::Upstream;

const USER: &str = "countersign-data";

/// A process of one role: the port that it has, and where the other one would be.
struct Sidecar {
    process: Process,
    port: SocketAddr,
    ops: SocketAddr,
    missing: SocketAddr,
}

impl Sidecar {
    /// Started and ready.
    fn start(mut command: Command, role: &str) -> Self {
        let [has, lacks] = if role == "data" { ["traffic", "admin"] } else { ["admin", "traffic"] };
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let option = if lacks == "admin" { "ADMIN" } else { "LISTENER" };
        command.args(["--role", role]);
        command.env(format!("COUNTERSIGN_{option}__ADDRESS"), free.to_string());
        let mut process = Process::start(command);
        let line = process.is_up();
        assert_eq!((&line["role"], &line[lacks]), (&role.into(), &Value::Null), "{line}");
        let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
        let sidecar = Self { process, port: address(has), ops: address("ops"), missing: free };
        until("it is ready", || Call::get("/readyz").send(sidecar.ops).status == 200);
        sidecar
    }

    fn made(&self, target: &str, body: Value) -> Value {
        let answer = admin_call("POST", target, Some(body)).ask(self.port);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    fn asks(&self, api_key: &str) -> Answer {
        Call::get("/orders").header("X-API-Key", api_key).send(self.port)
    }
}

/// Serve on free ports but for the one that the role lacks, whose address the environment gives.
fn without(command: Command, flag: &str) -> Command {
    let mut args = command.get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect::<Vec<_>>();
    let at = args.iter().position(|arg| arg == flag).unwrap();
    args.drain(at..=at + 1);
    let mut other = Command::new(command.get_program());
    other.args(args).current_dir(command.get_current_dir().unwrap()).env_clear();
    other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other
}

/// Makes the user that the docs name, for the namespace `countersign`.
fn documented_user(server: &Server) {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redis.md")).unwrap();
    let rule = docs.lines().find_map(|line| line.strip_prefix("ACL SETUSER countersign-data ")).unwrap();
    let words = rule.split_whitespace().map(|word| if word == ">PASSWORD" { ">secret" } else { word });
    server.do_it(&["ACL", "SETUSER", USER].into_iter().chain(words).collect::<Vec<_>>());
}

fn as_user(server: &Server) -> RedisConfig {
    let password = Some(Secret::from_text("secret"));
    RedisConfig { user: Some(USER.to_owned()), password, ..server.settings() }
}

#[test]
fn a_data_process_verifies_what_an_admin_process_makes_and_can_only_read() {
    let server = Server::start(&[]);
    documented_user(&server);
    let (keks, dir, upstream) = (kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap(), Upstream::start());
    let of_role = |role: &str| {
        let command = command(dir.path(), &server, keks.path(), &upstream);
        let mut command = without(command, if role == "data" { "--admin" } else { "--listener" });
        if role == "data" {
            let url = server.url().replace("redis://", &format!("redis://{USER}:secret@"));
            command.env_remove("COUNTERSIGN_ADMIN_TOKEN").env_remove("COUNTERSIGN_STORE__INIT");
            command.env("COUNTERSIGN_STORE__URL", url);
        }
        Sidecar::start(command, role)
    };
    let admin = of_role("admin");
    let before = server.ask::<Reply>(&["DUMP", "{countersign}:meta"]);
    let data = of_role("data");
    assert_eq!(server.ask::<Reply>(&["DUMP", "{countersign}:meta"]), before);
    for sidecar in [&admin, &data] {
        assert!(TcpStream::connect(sidecar.missing).is_err(), "{} is bound", sidecar.missing);
    }
    assert_eq!(
        admin_call("GET", "/orders", None).ask(admin.port).status,
        404,
        "the admin port takes no traffic"
    );

    let workspace = text(&admin.made("/api/workspaces", json!({ "name": "w" }))["id"]);
    let made = admin.made(&format!("/api/workspaces/{workspace}/webhook-keys"), json!({ "name": "k" }));
    let (id, api_key) = (text(&made["id"]), text(&made["apiKey"]));
    until("a key made by the admin process works", || data.asks(&api_key).status == 200);
    let roles = || {
        let listed = admin_call("GET", "/api/sidecars", None).ask(admin.port).json();
        let items = listed["items"].as_array().unwrap().clone();
        items.iter().map(|sidecar| text(&sidecar["role"])).collect::<Vec<_>>()
    };
    until("the admin process sees the data process", || roles().contains(&"data".to_owned()));
    drop(upstream.take());
    let path = format!("/api/webhook-keys/{id}");
    let used = || admin_call("GET", &path, None).ask(admin.port).json()["lastUsedAt"].is_string();
    until("the admin process shows what the data process saw", used);
    let off = admin_call("PATCH", &path, Some(json!({ "isActive": false }))).ask(admin.port);
    assert_eq!(off.status, 200, "{}", off.text());
    until("a key disabled by the admin process is refused", || data.asks(&api_key).status == 401);
    drop(upstream.take());
    assert_eq!(data.asks(&api_key).status, 401);
    assert_eq!(upstream.count(), 0);
    let on = admin_call("PATCH", &path, Some(json!({ "isActive": true }))).ask(admin.port);
    assert_eq!(on.status, 200, "{}", on.text());
    until("it works again", || data.asks(&api_key).status == 200);

    // Neither the admin process nor a start is needed for that.
    drop((admin, data));
    let data = of_role("data");
    assert_eq!(data.asks(&api_key).status, 200);
    // It never even tried what its user may not do.
    assert_eq!(server.ask::<Vec<Reply>>(&["ACL", "LOG"]), [], "{}", data.process.stderr());
}

#[test]
fn a_data_process_needs_no_token_and_an_admin_process_does() {
    let (server, keks) = (Server::stopped(), kek_dir(&[("k1", 'a')]));
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let of_role = |role: &str| {
        let mut command = command(dir.path(), &server, keks.path(), &upstream);
        command.env_remove("COUNTERSIGN_ADMIN_TOKEN").args(["--role", role]);
        Process::start(command)
    };
    let ended = of_role("admin").finish();
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("no admin token"), "{}", ended.stderr);
    of_role("data").is_up();
}

#[tokio::test]
async fn the_user_of_a_data_process_cannot_write_a_record() {
    let server = Server::start(&[]);
    let owner = server.store("countersign");
    owner.init().await.unwrap();
    documented_user(&server);
    let store = RedisStore::new(as_user(&server), "countersign", keyring());
    let head = store.head().await.unwrap();
    let refused = store.commit(change([put(workspace(1), 1)]), link(head.mac)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unavailable(why) if why.contains("NoPerm")), "{refused:?}");
    assert_eq!(owner.head().await.unwrap().position, head.position);
    let refused = store.init().await.unwrap_err().to_string();
    assert!(refused.contains("NoPerm"), "{refused}");

    let client =
        redis::Client::open(server.url().replace("redis://", &format!("redis://{USER}:secret@"))).unwrap();
    let mut connection = client.get_connection().unwrap();
    for words in [
        "HSET {countersign}:records webhook-key/1 x",
        "HDEL {countersign}:meta epoch",
        "DEL {countersign}:records",
        "UNLINK {countersign}:log",
        "XADD {countersign}:log * c x",
        "XTRIM {countersign}:log MAXLEN 0",
        "RENAME {countersign}:records {countersign}:other",
        "RESTORE {countersign}:records 0 x REPLACE",
        "EXPIRE {countersign}:records 1",
        "EVAL redis.call('DEL','{countersign}:records') 0",
        "EVAL redis.call('HSET','{countersign}:records','x','y') 0",
        "EVAL redis.call('SET','{countersign}:meta','x') 1 {countersign:d}:uses",
        "CONFIG SET maxmemory-policy allkeys-lru",
        "FLUSHALL",
        "ACL SETUSER countersign-data +@all",
        "REPLICAOF 127.0.0.1 1",
        "HSCAN other 0",
        "HGETALL {countersign}:records",
        "DEL {countersign}:sidecars",
        "HSET {countersign}:meta schema 2",
        "HGETALL {countersign:d}:uses",
        "DEL {countersign:d}:uses",
    ] {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        let error = command.query::<Reply>(&mut connection).unwrap_err();
        let by_script = error.to_string().contains("The user executing the script can't");
        assert!(error.code() == Some("NOPERM") || by_script, "{:?}: {error}", command.args_iter().count());
    }
}
