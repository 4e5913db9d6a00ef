//! The seed file: workspaces, webhook keys and integrations that a mounted file declares, for GitOps.
//!
//! Not a second admin API: a file's entry becomes the body of a create, is judged by the same field rules, and what
//! it changes goes through the same writer. Invariants:
//! - a file with any fault changes nothing: every fault that can be found is found before the first write, and all
//!   that a file changes is one commit with one audit event, so there is no half of a file;
//! - what is declared is found by its name (a key by workspace and name), never by an id, and planned against the
//!   head that it commits to, so several sidecars with one file make each record once;
//! - a record that was made over the admin port is never taken over, changed or deleted;
//! - no secret stands in the file, in a fault or in the log: the file names files.
//!
//! `source` reads the files → `parse` makes values with lines → `judge` reads each entry and `entries` all of them →
//! `plan` compares them with what is stored (`records`, `removals`, `clashes`) → `task` applies, now and whenever the
//! content changes.

mod clashes;
mod entries;
mod fault;
mod judge;
mod parse;
mod plan;
mod records;
mod removals;
mod source;
mod stored;
mod task;
mod values;

use std::path::PathBuf;

pub use fault::SeedFault;
pub use task::{POLL, SeedTask};

use crate::config::Config;

/// Who changes what the file declares, in audit events.
pub const ACTOR: &str = "seed";

/// What the file is judged by besides what is stored.
#[derive(Debug, Clone)]
pub struct SeedSettings {
    /// `seed.file`.
    pub file: PathBuf,
    /// `seed.prune`: whether records that the file no longer declares are deleted.
    pub prune: bool,
    /// Names of the configured routes.
    pub route_names: Vec<String>,
    /// `listener.public_url`.
    pub public_url: Option<String>,
    /// `limits.candidate_secrets`.
    pub candidate_secrets: usize,
}

impl SeedSettings {
    /// As configured; `None` where there is no file, or this process writes nothing.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let file = config.seed.file.clone().filter(|_| config.role.serves_admin())?;
        Some(Self {
            file,
            prune: config.seed.prune,
            route_names: config.routes.iter().map(|route| route.name.clone()).collect(),
            public_url: config.listener.public_url.clone(),
            candidate_secrets: config.limits.candidate_secrets,
        })
    }
}

/// What an offline check of a file found.
#[derive(Debug)]
pub struct Checked {
    /// Records that it declares.
    pub records: usize,
    /// Secret files that are not there, and may well be where the file will be used.
    pub absent: Vec<PathBuf>,
}

/// Judges the file without a store: everything but whether its names are free there.
///
/// # Errors
/// Every fault that was found.
pub fn check(settings: &SeedSettings) -> Result<Checked, Vec<SeedFault>> {
    let read = source::read(&settings.file);
    let seed = entries::Seed::of(&read, settings, entries::Absent::Allowed)?;
    Ok(Checked { records: seed.len(), absent: read.absent() })
}
