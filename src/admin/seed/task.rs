//! The task that keeps the seed file in force: at start, when its content or that of a secret file changes, and when
//! the key set was read as a whole, since a store that began a new life or was put back may lack what was made.
//!
//! Not a watcher of the store: what is stored is compared only then, so that while a rollout shows several sidecars
//! different files, the last change counts and nobody keeps undoing it. Invariants: this process is not ready before
//! its first file was judged against its store; a file that changes is read twice alike before it counts, because an
//! editor may be half-way; what stands against a file in the store is looked at again each time, so that it needs
//! no second change; everything is said once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::entries::{Absent, Seed};
use super::plan::{self, Refused};
use super::{ACTOR, SeedSettings, source};
use crate::keys::ring::KeyRing;
use crate::proxy::settings::LiveSettings;
use crate::readiness::{Readiness, SeedHealth};
use crate::store::writer::{Actor, Edit, Event, Plan, Severity, WriteError, Writer};

/// How often the files are read.
pub const POLL: Duration = Duration::from_secs(2);
/// How often a key set that is not loaded yet is asked after.
const LOADING: Duration = Duration::from_millis(20);
/// Faults and notices that `/readyz?verbose` shows; the log has them all.
const SHOWN: usize = 20;

/// Keeps one file in force.
pub struct SeedTask {
    settings: SeedSettings,
    writer: Arc<Writer>,
    ring: Arc<KeyRing>,
    readiness: Arc<Readiness>,
    /// What the last round read.
    seen: Option<[u8; 32]>,
    /// What is dealt with, and which of the key sets that were read as a whole it was compared with.
    concluded: Option<([u8; 32], u64)>,
    said: Vec<String>,
    /// Where the routes, the public URL and the limit come from, if they may change.
    live: Option<Arc<LiveSettings>>,
}

/// What a committed plan gives back.
struct Applied {
    changes: usize,
    notices: Vec<String>,
}

enum Stop {
    Unchanged(Vec<String>),
    Refused(Refused),
}

impl SeedTask {
    /// A task whose file was not read yet: the process is not ready.
    #[must_use]
    pub fn new(
        settings: SeedSettings,
        writer: Arc<Writer>,
        ring: Arc<KeyRing>,
        readiness: Arc<Readiness>,
    ) -> Self {
        readiness.set_seed(SeedHealth { is_judged: false, lines: vec!["not applied yet".to_owned()] });
        Self { settings, writer, ring, readiness, seen: None, concluded: None, said: Vec::new(), live: None }
    }

    /// The same, judging the file by settings that may change.
    #[must_use]
    pub fn under(self, live: Arc<LiveSettings>) -> Self {
        Self { live: Some(live), ..self }
    }

    /// What the file is judged by now; where it has changed, so may the verdict.
    fn refresh(&mut self) {
        let Some(live) = self.live.as_ref().map(|live| live.load()) else { return };
        let settings = &self.settings;
        let is_same = settings.route_names == live.route_names
            && settings.public_url == live.public_url
            && settings.candidate_secrets == live.candidate_secrets;
        if !is_same {
            self.settings.route_names.clone_from(&live.route_names);
            self.settings.public_url.clone_from(&live.public_url);
            self.settings.candidate_secrets = live.candidate_secrets;
            self.concluded = None;
        }
    }

    /// Runs as long as the process does.
    pub async fn run(mut self) {
        while !self.ring.is_available() {
            tokio::time::sleep(LOADING).await;
        }
        loop {
            self.round().await;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Reads once, and applies what has settled and is not dealt with.
    pub async fn round(&mut self) {
        self.refresh();
        let file = self.settings.file.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || source::read(&file)).await else { return };
        let settled = self.seen.is_none_or(|seen| seen == read.digest);
        self.seen = Some(read.digest);
        // Before the key set is looked at: where it is swapped meanwhile, it is looked at again.
        let content = (read.digest, self.ring.alarms().generation());
        if !settled || self.concluded == Some(content) || !self.ring.is_available() {
            return;
        }
        match Seed::of(&read, &self.settings, Absent::Fault) {
            Err(faults) => {
                self.refuse(faults.iter().map(ToString::to_string).collect());
                self.concluded = Some(content);
            }
            Ok(seed) => {
                if self.apply(&seed, &read.digest).await {
                    self.concluded = Some(content);
                }
            }
        }
    }

    /// Whether the matter is settled.
    async fn apply(&mut self, seed: &Seed, digest: &[u8; 32]) -> bool {
        let actor = Actor::fixed(ACTOR, Uuid::now_v7());
        let digest = data_encoding::HEXLOWER.encode(digest);
        let (settings, writer) = (&self.settings, &self.writer);
        let plan = |mirror: &_| {
            let planned = plan::plan(seed, settings, writer, mirror).map_err(Stop::Refused)?;
            let Some(resource) = planned.edits.first().map(Edit::key) else {
                return Err(Stop::Unchanged(planned.notices));
            };
            let changes = planned.changes.len();
            Ok(Plan {
                edits: planned.edits,
                requires: planned.requires.into_iter().collect(),
                event: Event {
                    action: "seed.applied",
                    severity: Severity::High,
                    resource: resource.into(),
                    metadata: json!({ "digest": digest, "changes": planned.changes }),
                },
                output: Applied { changes, notices: planned.notices },
            })
        };
        match writer.write(&actor, plan).await {
            Ok(Applied { changes, notices }) => {
                tracing::info!(file = %self.settings.file.display(), changes, "the seed file was applied");
                self.in_force(seed.len(), notices);
                true
            }
            Err(WriteError::Refused(Stop::Unchanged(notices))) => {
                self.in_force(seed.len(), notices);
                true
            }
            Err(WriteError::Refused(Stop::Refused(Refused::Faults(faults)))) => {
                self.refuse(faults.iter().map(ToString::to_string).collect());
                false
            }
            Err(WriteError::Refused(Stop::Refused(Refused::NotMade(why)))) => {
                self.refuse(vec![why]);
                false
            }
            Err(
                error @ (WriteError::Conflict(_)
                | WriteError::OutOfScope(_)
                | WriteError::NewerSchema { .. }
                | WriteError::Answered
                | WriteError::Crowded),
            ) => {
                self.refuse(vec![format!("what it declares does not fit what is stored: {error}")]);
                false
            }
            // The writer has logged it. Until it is stored, a process that starts is not ready.
            Err(WriteError::Unavailable(why) | WriteError::Unknown(why)) => {
                let is_judged = self.readiness.seed().is_some_and(|seed| seed.is_judged);
                let lines = vec![format!("not applied yet, and tried again: {why}")];
                self.readiness.set_seed(SeedHealth { is_judged, lines });
                self.said.clear();
                false
            }
        }
    }

    fn in_force(&mut self, records: usize, notices: Vec<String>) {
        let mut lines = vec![format!("in force ({records} records)")];
        lines.extend(notices);
        if self.says(&lines) {
            tracing::info!(file = %self.settings.file.display(), records, "the seed file is in force");
            for notice in lines.iter().skip(1) {
                tracing::warn!(file = %self.settings.file.display(), notice, "the seed file");
            }
        }
    }

    fn refuse(&mut self, faults: Vec<String>) {
        let mut lines = vec![format!(
            "NOT in force as it stands, and nothing of it was applied: {} faults; what was applied before stays",
            faults.len()
        )];
        lines.extend(faults);
        if self.says(&lines) {
            for fault in lines.iter().skip(1) {
                tracing::error!(fault, "the seed file was refused, and changes nothing");
            }
        }
    }

    /// Shows it on the ops port; whether it is news.
    fn says(&mut self, lines: &[String]) -> bool {
        let shown = lines.iter().take(SHOWN).cloned().collect();
        self.readiness.set_seed(SeedHealth { is_judged: true, lines: shown });
        let news = self.said != lines;
        self.said = lines.to_vec();
        news
    }
}
