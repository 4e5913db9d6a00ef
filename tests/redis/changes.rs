//! Many admins at once, on several sidecars over one Redis: what was acknowledged is in the store, in the audit log and
//! in every mirror, once.
//!
//! How many changes there are is COUNTERSIGN_TEST_CHANGES, 96 unless set; `tests/run --scale` sets more.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use countersign::keys::record::{Kind, RecordKey};
use countersign::store::Store;
use countersign::store::audit::chain;
use countersign::store::seal::Keyring;
use serde_json::{Value, json};

use super::sidecar::{RECOVERY, Sidecar, TOKEN};
use crate::support::http::{Answer, Call};
use crate::support::redis::{Server, soon};

const SIDECARS: usize = 4;
const CLIENTS: usize = 16;

/// Changes in all.
fn changes() -> usize {
    let set = std::env::var_os("COUNTERSIGN_TEST_CHANGES");
    set.map_or(96, |count| count.to_str().unwrap().parse().expect("COUNTERSIGN_TEST_CHANGES is a number"))
}

/// One admin, who asks one sidecar, and another where that one cannot tell.
struct Client {
    number: usize,
    ports: Vec<SocketAddr>,
    asked: usize,
    /// Changes that were acknowledged.
    made: usize,
    /// Changes that were refused, because another came first.
    refused: usize,
}

impl Client {
    fn ask(&mut self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        self.asked += 1;
        let key = format!("{}-{}", self.number, self.asked);
        let mut port = self.number;
        loop {
            let mut call = Call::new(method, target)
                .header("Authorization", format!("Bearer {TOKEN}"))
                .header("Idempotency-Key", key.clone());
            if let Some(body) = body {
                call = call.header("Content-Type", "application/json");
                call.body = body.to_string().into_bytes();
            }
            let answer = call.ask(self.ports[port % self.ports.len()]);
            // Too many others were faster. The next sidecar knows by the key whether it was made.
            if answer.status != 503 || method != "POST" {
                return answer;
            }
            port += 1;
        }
    }

    fn change(&mut self, method: &str, target: &str, body: Option<&Value>) -> Option<Value> {
        let answer = self.ask(method, target, body);
        match answer.status {
            200 | 201 => {
                self.made += 1;
                Some(answer.json())
            }
            204 => {
                self.made += 1;
                None
            }
            404 | 409 => {
                self.refused += 1;
                None
            }
            status => panic!("{method} {target}: {status}: {}", answer.text()),
        }
    }

    /// Creates, updates, rotates and deletes until there were `count` changes; one of four is of what all share.
    fn work(mut self, workspace: &str, count: usize) -> Self {
        let mut round = 0;
        while self.made + self.refused < count {
            round += 1;
            let name = format!("c{}-{round}", self.number);
            let integration = format!("/api/integrations/{name}");
            self.change("POST", "/api/integrations", Some(&json!({ "name": name })));
            self.change("POST", "/api/integrations/shared/rotate-secret", Some(&json!({ "force": true })));
            let keys = format!("/api/workspaces/{workspace}/webhook-keys");
            if let Some(key) =
                self.change("POST", &keys, Some(&json!({ "name": name, "requireKeyId": true })))
            {
                let key = format!("/api/webhook-keys/{}", key["id"].as_str().unwrap());
                self.change("PATCH", &key, Some(&json!({ "isActive": false })));
                self.change("POST", &format!("{key}/rotate"), Some(&json!({ "what": "secret" })));
                if round % 2 == 0 {
                    self.change("DELETE", &key, None);
                }
            }
            self.change("POST", &format!("{integration}/rotate-secret"), None);
            if round % 2 == 0 {
                self.change("DELETE", &integration, None);
            }
        }
        self
    }
}

/// Every record as the store has it.
async fn stored(store: &dyn Store) -> BTreeMap<RecordKey, Value> {
    let mut records = BTreeMap::new();
    let mut sink = |key: RecordKey, envelope: Arc<[u8]>| {
        let payload = Keyring::payload_unverified(&envelope).unwrap();
        records.insert(key, serde_json::from_slice(payload).unwrap());
    };
    store.snapshot(&mut sink).await.unwrap();
    records
}

/// Every record as a sidecar has it in memory.
fn mirrored(sidecar: &Sidecar) -> BTreeMap<RecordKey, Value> {
    let mirror = sidecar.running.keys.mirror();
    let of_kind = |kind| mirror.list(kind, None, usize::MAX, |_| true);
    let all = Kind::ALL.into_iter().flat_map(of_kind);
    let shown = |(key, decoded): (RecordKey, countersign::keys::decode::Decoded)| {
        let record = decoded.record().unwrap_or_else(|| panic!("{key} is damaged"));
        (key, serde_json::from_slice(&record.encode().unwrap()).unwrap())
    };
    all.map(shown).collect()
}

#[tokio::test]
async fn many_changes_at_once_are_each_made_once_and_audited_once() {
    let server = Server::start(&[]);
    let mut sidecars = Vec::new();
    for _ in 0..SIDECARS {
        sidecars.push(Sidecar::start(server.port, "ns").ready().await);
    }
    let ports: Vec<SocketAddr> = sidecars.iter().map(|sidecar| sidecar.running.admin.unwrap()).collect();
    let client = |number| Client { number, ports: ports.clone(), asked: 0, made: 0, refused: 0 };
    let mut first = client(CLIENTS);
    let workspace = first.change("POST", "/api/workspaces", Some(&json!({ "name": "shared" }))).unwrap();
    let workspace = workspace["id"].as_str().unwrap().to_owned();
    first.change("POST", "/api/integrations", Some(&json!({ "name": "shared" }))).unwrap();
    let store = Arc::clone(sidecars[0].running.writer.store());
    let caught_up = async || {
        let head = store.head().await.unwrap().position;
        let at =
            |sidecar: &Sidecar| sidecar.running.keys.mirror().applied().is_some_and(|at| at.position >= head);
        soon("every mirror is there", RECOVERY, || sidecars.iter().all(at)).await;
    };
    caught_up().await;

    let started = crate::support::redis::now();
    let workers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (client, workspace) = (client(number), workspace.clone());
            std::thread::spawn(move || client.work(&workspace, changes().div_ceil(CLIENTS)))
        })
        .collect();
    let ended = tokio::task::spawn_blocking(|| {
        workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    let clients = ended.await.unwrap();
    let took = started.elapsed();
    let made = first.made + clients.iter().map(|client| client.made).sum::<usize>();
    let refused: usize = clients.iter().map(|client| client.refused).sum();

    assert_eq!(store.audit_count().await.unwrap(), made as u64);
    let keyring = sidecars[0].running.writer.keyring();
    let (mut from, mut checked) = (None, 0);
    loop {
        let piece = chain::walk(&*store, ("ns", keyring), from, None, 500).await.unwrap();
        assert_eq!((piece.broken, &piece.unverified), (0, &BTreeMap::new()), "{:?}", piece.findings);
        checked += piece.checked;
        from = piece.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(checked, made as u64);
    caught_up().await;
    let stored = stored(&*store).await;
    for sidecar in &sidecars {
        assert_eq!(mirrored(sidecar), stored);
    }
    println!(
        "{made} changes of {CLIENTS} clients at {SIDECARS} sidecars in {took:?}, {refused} refused since another came \
         first; {} records",
        stored.len()
    );
}
