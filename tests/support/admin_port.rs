//! An admin port over a real embedded store, with its mirror kept in step and a clock that stands still.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use countersign::admin::{AdminState, Denied, Logins, Peer, Refused, router};
use countersign::clock::{ManualClock, UnixMillis};
use countersign::config::{self, Sources};
use countersign::drain::{Trigger, channel};
use countersign::keys::decode::Decoder;
use countersign::keys::mirror::Mirror;
use countersign::keys::record::{Kind, RecordKey};
use countersign::keys::ring::KeyRing;
use countersign::keys::sync::Sync;
use countersign::proxy::body::BodyLimits;
use countersign::proxy::forward::StreamLimits;
use countersign::proxy::route::Table;
use countersign::proxy::settings::{LiveSettings, Settings};
use countersign::proxy::size::HeadLimits;
use countersign::readiness::Readiness;
use countersign::secret::Secret;
use countersign::store::embedded::EmbeddedStore;
use countersign::store::seal::Keyring;
use countersign::store::uses::UseBook;
use countersign::store::writer::Writer;
use countersign::store::{AuditLink, AuditMac, Change, Op, Position, Store};
use countersign::telemetry::metrics::Metrics;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower_service::Service;
use uuid::Uuid;

use crate::support::redis;
use crate::support::rehearsal::rehearsal;

pub(crate) const TOKEN: &str = "an-admin-token-of-some-length";
pub(crate) const NAMESPACE: &str = "admin-tests";

/// 2026-01-01T00:00:00Z.
pub(crate) const START: UnixMillis = UnixMillis(1_767_225_600_000);

pub(crate) struct Port {
    pub(crate) router: axum::Router,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) refused: Arc<Refused>,
    keyring: Arc<Keyring>,
    namespace: String,
    _dir: TempDir,
    _trigger: Trigger,
}

/// The default routes, behind a public URL.
pub(crate) fn settings() -> Settings {
    let config = config::load(&Sources::default()).unwrap().config;
    let route_names: Vec<String> = config.routes.iter().map(|route| route.name.clone()).collect();
    Settings {
        meters: Metrics::new().routes(&route_names),
        routes: Table::new(config.routes).unwrap(),
        route_names,
        head_limits: HeadLimits { fields: 100, target: 8192 },
        body_limits: BodyLimits {
            max: config.limits.max_body,
            total: config.limits.body_timeout,
            idle: config.limits.body_idle_timeout,
            min_rate: config.limits.body_min_rate,
        },
        response_timeout: config.upstream.response_timeout,
        streams: StreamLimits { recheck: Duration::from_secs(30), websocket_idle: Duration::from_secs(300) },
        public_url: Some("https://hooks.example.com/".to_owned()),
        trusted_proxies: config.listener.trusted_proxies,
        candidate_secrets: config.limits.candidate_secrets,
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Port {
    /// A port whose keys are loaded.
    pub(crate) async fn open() -> Self {
        Self::unloaded(true).await.loaded().await
    }

    /// A port whose keys are loaded, over a store that `wrap` makes of the embedded one.
    pub(crate) async fn over(wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        Self::made(true, wrap).await.loaded().await
    }

    async fn loaded(self) -> Self {
        let port = self;
        for _ in 0..500 {
            if port.ring.is_available() {
                return port;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the keys were not loaded");
    }

    /// A port; `follow` = whether its mirror is kept in step at all.
    pub(crate) async fn unloaded(follow: bool) -> Self {
        Self::made(follow, |store| store).await
    }

    async fn made(follow: bool, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let dir = TempDir::new().unwrap();
        let keks = dir.path().join("keks");
        Keyring::create(&keks, "default").unwrap();
        let keyring = Arc::new(Keyring::load(&keks, None).unwrap());
        let store: Arc<dyn Store> =
            Arc::new(EmbeddedStore::open(&dir.path().join("store.redb"), NAMESPACE).unwrap());
        store.init().await.unwrap();
        Self::on(wrap(store), keyring, NAMESPACE, follow, dir).await
    }

    /// A port over a namespace of the shared Redis.
    pub(crate) async fn over_redis() -> Self {
        let namespace = redis::namespace();
        let store = redis::shared().store(&namespace);
        store.init().await.unwrap();
        Self::on(store, redis::keyring(), &namespace, true, TempDir::new().unwrap()).await.loaded().await
    }

    /// Another sidecar's port over the same store, with the time of this one.
    pub(crate) async fn beside(&self) -> Self {
        self.beside_with(Arc::clone(&self.keyring)).await
    }

    /// The same with other key-encryption keys.
    pub(crate) async fn beside_with(&self, keyring: Arc<Keyring>) -> Self {
        self.beside_over(Arc::clone(&self.store), keyring).await
    }

    /// The same over what stands for the store.
    pub(crate) async fn beside_over(&self, store: Arc<dyn Store>, keyring: Arc<Keyring>) -> Self {
        let beside = Self::on(store, keyring, &self.namespace, true, TempDir::new().unwrap()).await;
        beside.clock.set_wall(self.writer.now());
        beside.loaded().await
    }

    async fn on(
        store: Arc<dyn Store>,
        keyring: Arc<Keyring>,
        namespace: &str,
        follow: bool,
        dir: TempDir,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let mirror = Arc::new(Mirror::new());
        let decoder = Decoder::new(Arc::clone(&keyring), namespace);
        let max_stale = Duration::from_secs(30);
        let ring = Arc::new(KeyRing::new(Arc::clone(&mirror), clock.clone(), max_stale, 4));
        let (trigger, watcher) = channel();
        if follow {
            let readiness = Arc::new(Readiness::default());
            let sync = Sync::new(Arc::clone(&store), decoder.clone(), Arc::clone(&ring), readiness);
            tokio::spawn(sync.run(watcher));
        }
        let writer = Arc::new(Writer::new(Arc::clone(&store), decoder, mirror, clock.clone()));
        let refused = Arc::new(Refused::default());
        let settings = Arc::new(LiveSettings::from_pointee(settings()));
        let state = AdminState {
            rehearsal: Some(rehearsal(&settings, &ring, &writer, clock.clone())),
            writer: Arc::clone(&writer),
            uses: Arc::new(UseBook::new(Arc::clone(&store), Arc::clone(writer.mirror()))),
            ring: Arc::clone(&ring),
            token: Secret::from_text(TOKEN).into(),
            refused: Arc::clone(&refused),
            settings,
            logins: Logins::default(),
            denied: Denied::default(),
            hosts: vec!["admin.example.com".to_owned()],
        };
        let router = router(Arc::new(state));
        Self {
            router,
            clock,
            ring,
            writer,
            store,
            refused,
            keyring,
            namespace: namespace.to_owned(),
            _dir: dir,
            _trigger: trigger,
        }
    }

    /// The namespace of its store.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Moves time, and lets the port hear of its store at the new time.
    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.ring.record_contact();
    }

    /// As a client would: under a name of the port, and from an address of its own unless the request has one.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        static CALLERS: AtomicU32 = AtomicU32::new(0x0a00_0001);
        request.headers_mut().entry("host").or_insert("localhost:9901".parse().unwrap());
        if request.extensions().get::<Peer>().is_none() {
            let address = IpAddr::V4(Ipv4Addr::from_bits(CALLERS.fetch_add(1, Ordering::Relaxed)));
            request.extensions_mut().insert(Peer { address, reached: Ipv4Addr::LOCALHOST.into() });
        }
        let response = self.router.clone().call(request).await.unwrap();
        Answer::of(response).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.call_as(TOKEN, method, path, body, headers).await
    }

    /// With the token of an admin.
    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(serde_json::to_vec(&body).unwrap())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path, Some(body)).await
    }

    /// A new workspace's id.
    pub(crate) async fn workspace(&self, name: &str) -> String {
        let answer = self.post("/api/workspaces", serde_json::json!({ "name": name })).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.str("id").to_owned()
    }

    /// A new key of a workspace.
    pub(crate) async fn key(&self, workspace: &str, body: Value) -> Answer {
        let answer = self.post(&format!("/api/workspaces/{workspace}/webhook-keys"), body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    /// A new admin; its id and token.
    pub(crate) async fn admin(&self, body: Value) -> (String, String) {
        let answer = self.post("/api/admins", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        (answer.str("id").to_owned(), answer.str("token").to_owned())
    }

    /// A new integration.
    pub(crate) async fn integration(&self, body: Value) -> Answer {
        let answer = self.post("/api/integrations", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    /// All audit events, oldest first.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        let events = self.store.audit(Position::default(), 10_000).await.unwrap();
        events.iter().map(|(_, _, event)| serde_json::from_slice(event).unwrap()).collect()
    }

    /// Stores bytes under a key, past the writer, as whoever can write the store could.
    pub(crate) async fn plant(&self, kind: Kind, id: Uuid, envelope: &[u8], claims: Vec<String>) {
        let key = RecordKey { kind, id };
        self.put(key, 1, envelope, claims).await;
        for _ in 0..500 {
            if self.writer.mirror().get(key).is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the mirror did not follow");
    }

    /// Stores another form of a record, as whoever can write the store and has no KEK could.
    pub(crate) async fn overwrite(&self, key: RecordKey, revision: u64, payload: &[u8]) {
        let keks = tempfile::TempDir::new().unwrap();
        Keyring::create(&keks.path().join("keks"), "default").unwrap();
        let foreign = Keyring::load(&keks.path().join("keks"), None).unwrap();
        self.put(key, revision, &foreign.wrap(&self.namespace, &key, payload), Vec::new()).await;
        for _ in 0..500 {
            if self.writer.mirror().get(key).is_some_and(|known| known.revision() == revision) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the mirror did not follow");
    }

    async fn put(&self, key: RecordKey, revision: u64, envelope: &[u8], claims: Vec<String>) {
        let head = self.store.head().await.unwrap();
        let op = Op::Put {
            key,
            revision,
            expected: revision.checked_sub(1).filter(|expected| *expected > 0),
            envelope: Arc::from(envelope),
            claims,
            releases: Vec::new(),
        };
        let mac = AuditMac([7; 32]);
        let link = AuditLink { previous: head.mac, mac, event: Arc::from(b"{}".as_slice()) };
        self.store
            .commit(Change { ops: vec![op], requires: Vec::new(), answered: None, trim: None }, link)
            .await
            .unwrap();
    }
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status: parts.status, headers: parts.headers, text, json }
    }

    pub(crate) fn str(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The places and codes of a refusal's faults: `/name required`.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.json["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no errors in {}", self.text))
            .iter()
            .map(|fault| {
                let place = fault["pointer"].as_str().or_else(|| fault["parameter"].as_str()).unwrap();
                format!("{place} {}", fault["code"].as_str().unwrap())
            })
            .collect();
        faults.sort();
        faults
    }
}
