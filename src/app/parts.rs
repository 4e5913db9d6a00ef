//! What the threads share, and the threads.
//!
//! Not a place for logic: it hands each thread what it needs and starts it.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use super::reload::{Live, Reloader};
use super::secure::Security;
use super::{StartError, mapping};
use crate::admin::seed::{SeedSettings, SeedTask};
use crate::admin::{self, AdminState, Denied, Logins, Refused, Token};
use crate::clock::Clock;
use crate::config::{Config, InitPolicy};
use crate::deliveries::{Deliveries, DeliveryTask};
use crate::drain::Watcher;
use crate::keys::decode::Decoder;
use crate::keys::mirror::Mirror;
use crate::keys::ring::KeyRing;
use crate::keys::sync::Sync;
use crate::listener::{self, Connections, LiveTuning, Socket};
use crate::ops::{self, Ops};
use crate::proxy::budget::Budget;
use crate::proxy::pipeline::{Proxy, Shared};
use crate::proxy::rehearsal::Rehearsal;
use crate::proxy::route::Table;
use crate::proxy::settings::LiveSettings;
use crate::proxy::via::Via;
use crate::readiness::Readiness;
use crate::store::Store;
use crate::store::audit::note::note_heads;
use crate::store::capture::{CaptureTask, Captures, captures};
use crate::store::fleet::{self, Presence};
use crate::store::restore::RestoreTask;
use crate::store::retention::RetentionTask;
use crate::store::seal::Keyring;
use crate::store::uses::UseBook;
use crate::store::writer::Writer;
use crate::telemetry::decision::Decisions;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::tls::TlsMeters;
use crate::upstream::limits::Limits;

/// How often histogram samples are folded into buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Tasks that a thread polls before it asks the kernel again what has happened. Each request takes four or five turns, and
/// each question costs as much as a quarter of one: so under load many requests share it. Until then timers wait too, for
/// some milliseconds at most.
const TASKS_BETWEEN_EVENTS: u32 = 256;

/// What the threads share.
pub(super) struct Parts {
    store: Arc<dyn Store>,
    decoder: Decoder,
    pub(super) writer: Arc<Writer>,
    uses: Arc<UseBook>,
    pub(super) ring: Arc<KeyRing>,
    pub(super) readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    connections: Arc<Connections>,
    budget: Arc<Budget>,
    clock: Arc<dyn Clock>,
    captures: Captures,
    deliveries: Deliveries,
    refused: Arc<Refused>,
    settings: Arc<LiveSettings>,
    tuning: LiveTuning,
    security: Security,
    presence: Presence,
    shared: OnceLock<Arc<Shared>>,
    /// Connections to the application.
    limits: Arc<Limits>,
}

/// What only a process that changes records has.
pub(super) struct Writing {
    pub(super) socket: std::net::TcpListener,
    pub(super) state: Arc<AdminState>,
    pub(super) captures: CaptureTask,
    pub(super) seed: Option<SeedTask>,
    pub(super) restores: RestoreTask,
    pub(super) retention: Option<RetentionTask>,
}

impl Parts {
    pub(super) fn new(
        config: &Config,
        (routes, security): (Table, Security),
        (store, keyring): (Arc<dyn Store>, Arc<Keyring>),
        clock: Arc<dyn Clock>,
    ) -> (Self, CaptureTask, DeliveryTask) {
        let mirror = Arc::new(Mirror::new());
        let ring = KeyRing::new(
            Arc::clone(&mirror),
            Arc::clone(&clock),
            config.keys.max_stale,
            config.limits.candidate_secrets,
        );
        let presence = Presence::of(config.role, &keyring);
        let decoder = Decoder::new(keyring, &config.store.namespace).within(config.scope.clone());
        let uses = Arc::new(UseBook::new(Arc::clone(&store), Arc::clone(&mirror)));
        let decoder = if config.role.serves_admin() { decoder } else { decoder.without_admins() };
        let writer = Writer::new(Arc::clone(&store), decoder.clone(), mirror, Arc::clone(&clock));
        let writer = Arc::new(writer);
        let (captures, capture_task) = captures(Arc::clone(&writer));
        let most = config.deliveries.per_integration;
        let (deliveries, queues) = Deliveries::channel(most > 0);
        let delivery_task = DeliveryTask::new(queues, deliveries.clone(), Arc::clone(&writer), most);
        let metrics = Arc::new(Metrics::new());
        let settings = mapping::settings(config, routes, &metrics);
        let parts = Self {
            store,
            decoder,
            writer,
            uses,
            captures,
            deliveries,
            refused: Arc::default(),
            ring: Arc::new(ring),
            readiness: Arc::new(Readiness::default()),
            metrics,
            connections: Arc::new(Connections::default()),
            budget: Budget::new(config.limits.body_budget),
            clock,
            settings: Arc::new(LiveSettings::from_pointee(settings)),
            tuning: LiveTuning::new(mapping::listener(config)).with_tls(security.listener.clone()),
            security,
            presence,
            shared: OnceLock::new(),
            limits: Limits::new(mapping::pool(config)),
        };
        (parts, capture_task, delivery_task)
    }

    pub(super) fn admin_state(&self, config: &Config, token: Token) -> Arc<AdminState> {
        let rehearsal = || {
            Rehearsal::new(
                self.shared(),
                mapping::upstream(config, self.security.upstream.clone(), Arc::clone(&self.limits)),
            )
        };
        Arc::new(AdminState {
            rehearsal: config.role.serves_traffic().then(rehearsal),
            writer: Arc::clone(&self.writer),
            uses: Arc::clone(&self.uses),
            ring: Arc::clone(&self.ring),
            token,
            refused: Arc::clone(&self.refused),
            settings: Arc::clone(&self.settings),
            logins: Logins::default(),
            denied: Denied::default(),
            hosts: config.admin.hosts.clone(),
        })
    }

    pub(super) fn reloader(&self, config: &Config, token: Option<Token>) -> Reloader {
        let live = Live {
            settings: Arc::clone(&self.settings),
            tuning: self.tuning.clone(),
            ring: Arc::clone(&self.ring),
            budget: Arc::clone(&self.budget),
            upstream: Arc::clone(&self.limits),
            drain_delay: Mutex::new(config.drain.delay),
            token,
        };
        Reloader::new(live, Arc::clone(&self.metrics), Arc::clone(&self.readiness))
    }

    pub(super) fn seed_task(&self, config: &Config) -> Option<SeedTask> {
        let settings = SeedSettings::of(config)?;
        let (writer, ring) = (Arc::clone(&self.writer), Arc::clone(&self.ring));
        let task = SeedTask::new(settings, writer, ring, Arc::clone(&self.readiness));
        Some(task.under(Arc::clone(&self.settings)))
    }

    pub(super) fn restores(&self) -> RestoreTask {
        RestoreTask::new(Arc::clone(&self.writer), Arc::clone(&self.ring))
    }

    pub(super) fn retention(&self, config: &Config) -> Option<RetentionTask> {
        config.audit.keep.map(|keep| RetentionTask::new(Arc::clone(&self.writer), keep))
    }

    pub(super) fn spawn_sync(&self, init: InitPolicy, end: Watcher) -> Result<JoinHandle<()>, StartError> {
        let mut sync = Sync::new(
            Arc::clone(&self.store),
            self.decoder.clone(),
            Arc::clone(&self.ring),
            Arc::clone(&self.readiness),
        );
        if init == InitPolicy::IfEmpty {
            sync = sync.initialising_an_empty_store();
        }
        let attend = fleet::attend(Arc::clone(&self.store), self.presence.clone(), end.clone());
        Ok(spawn("store-sync", async move {
            tokio::join!(sync.run(end), attend);
        })?)
    }

    /// What is written behind the traffic, by a thread that no request waits for.
    pub(super) fn spawn_behind(
        &self,
        deliveries: DeliveryTask,
        end: Watcher,
    ) -> Result<JoinHandle<()>, StartError> {
        let uses = Arc::clone(&self.uses);
        Ok(spawn("behind", async move {
            tokio::join!(uses.run(end.clone()), deliveries.run(end));
        })?)
    }

    pub(super) fn spawn_side_ports(
        &self,
        writing: Option<Writing>,
        ops: std::net::TcpListener,
        end: Watcher,
    ) -> Result<JoinHandle<()>, StartError> {
        let state = Arc::new(Ops {
            readiness: Arc::clone(&self.readiness),
            keys: Arc::clone(&self.ring),
            metrics: Arc::clone(&self.metrics),
            connections: Arc::clone(&self.connections),
            budget: Arc::clone(&self.budget),
            store: Arc::clone(&self.store),
            refused: Arc::clone(&self.refused),
            tls: TlsMeters::new(&self.metrics, self.security.followed()),
            clock: Arc::clone(&self.clock),
            deliveries: self.deliveries.clone(),
        });
        let security = self.security.clone();
        let metrics = Arc::clone(&self.metrics);
        Ok(spawn("admin", async move {
            drop(tokio::spawn(security.clone().follow(end.clone())));
            let admin = async {
                let Some(Writing { socket, state, captures, seed, restores, retention }) = writing else {
                    return Ok(());
                };
                // Ends with this runtime: whoever hands in a secret is answered, or gone, before that.
                drop(tokio::spawn(captures.run()));
                drop(tokio::spawn(restores.run()));
                drop(tokio::spawn(note_heads(Arc::clone(&state.writer))));
                if let Some(retention) = retention {
                    drop(tokio::spawn(retention.run()));
                }
                let refused = Arc::clone(&state.refused);
                drop(tokio::spawn(async move { refused.tell().await }));
                if let Some(seed) = seed {
                    drop(tokio::spawn(seed.run()));
                }
                admin::serve(listen(socket)?, admin::router(state), security.admin.clone(), end.clone()).await
            };
            let ports = async { tokio::try_join!(admin, ops::serve(listen(ops)?, state, end.clone())) };
            tokio::select! {
                served = ports => if let Err(error) = served {
                    tracing::error!(%error, "the admin and ops ports have stopped");
                },
                () = keep_up(&metrics) => {}
            }
        })?)
    }

    /// What every runtime shares that judges requests.
    fn shared(&self) -> Arc<Shared> {
        let make = || {
            Arc::new(Shared {
                settings: Arc::clone(&self.settings),
                keys: Arc::clone(&self.ring),
                clock: Arc::clone(&self.clock),
                budget: Arc::clone(&self.budget),
                via: Via::new(Uuid::new_v4().as_fields().0),
                captures: self.captures.clone(),
                decisions: Arc::new(Decisions::new(Arc::clone(&self.metrics))),
                readiness: Arc::clone(&self.readiness),
                deliveries: self.deliveries.clone(),
            })
        };
        Arc::clone(self.shared.get_or_init(make))
    }

    pub(super) fn spawn_traffic(
        &self,
        config: &Config,
        sockets: Vec<Socket>,
        drain: &Watcher,
    ) -> Result<Vec<JoinHandle<()>>, StartError> {
        let mut threads = Vec::new();
        for (index, socket) in sockets.into_iter().enumerate() {
            let security = self.security.upstream.clone();
            let proxy =
                Proxy::new(self.shared(), mapping::upstream(config, security, Arc::clone(&self.limits)));
            let (tuning, drain, connections) =
                (self.tuning.clone(), drain.clone(), Arc::clone(&self.connections));
            threads.push(spawn(&format!("traffic-{index}"), async move {
                if let Err(error) = listener::serve(socket, tuning, proxy, drain, connections).await {
                    tracing::error!(%error, "a traffic socket cannot be served");
                }
            })?);
        }
        Ok(threads)
    }
}

async fn keep_up(metrics: &Metrics) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.upkeep();
    }
}

fn spawn(
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(TASKS_BETWEEN_EVENTS)
        .build()?;
    std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(work))
}

fn listen(socket: std::net::TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::from_std(socket)
}
