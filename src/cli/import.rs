//! `import`: an exported key set into an empty store. Not the work itself (`store/transfer/`).

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{ConfigArgs, Exit, progress, store};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, StoreBackend};
use crate::store::StoreError;
use crate::store::open::{OpenError, kek_dir, open_store};
use crate::store::seal::Keyring;
use crate::store::transfer::{self, Imported, Source, TransferError};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign import --config redis.toml keys.export          the keys of the file are in keys.kek_dir
  countersign import --config redis.toml --keks countersign.redb.keks keys.export
                                                              from an embedded store with a key of its own
After a FLUSHALL: import the last export. Revocations that a running sidecar has seen since stay in force.";

/// `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Into which store.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The file that `export` wrote.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Directory of the key files that the file needs, where they are not in keys.kek_dir.
    #[arg(long, value_name = "DIR")]
    pub keks: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Imports the file and says what came of it.
#[must_use]
pub fn run(args: &ImportArgs) -> Exit {
    let loaded = match super::load(&args.config.sources()) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let config = &loaded.config;
    match import(config, args) {
        Ok(imported) => {
            say(&imported, config, args);
            Exit::Ok
        }
        Err(Failure::Open(OpenError::Store(error)) | Failure::Transfer(TransferError::Store(error))) => {
            super::complain(&with_hint(&error, config));
            store::exit_of(&error, config)
        }
        Err(Failure::Open(error)) => {
            super::complain(&error.to_string());
            Exit::Failed
        }
        Err(Failure::Transfer(error)) => {
            super::complain(&format!("{}: {error}; nothing was imported", args.file.display()));
            Exit::Failed
        }
    }
}

enum Failure {
    Open(OpenError),
    Transfer(TransferError),
}

impl<E: Into<OpenError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Open(error.into())
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self::Transfer(error)
    }
}

fn import(config: &Config, args: &ImportArgs) -> Result<Imported, Failure> {
    // Before the store, which opening may make.
    let file = File::open(&args.file).map_err(TransferError::File)?;
    let source = args.keks.as_deref().map(Keyring::load_to_open).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (store, keyring) = open_store(config)?;
    let place = args.keks.clone().unwrap_or_else(|| kek_dir(config));
    let source = Source {
        file: &file,
        keyring: source.as_ref().unwrap_or(&keyring),
        place: &place.display().to_string(),
    };
    let target = (config.store.namespace.as_str(), keyring.as_ref());
    let mut progress = progress::on_terminal("imported");
    let work = transfer::import(store.as_ref(), source, target, SystemClock.now(), &mut progress);
    Ok(runtime.block_on(work)?)
}

fn with_hint(error: &StoreError, config: &Config) -> String {
    let hint = match (error, &config.store.backend) {
        (StoreError::Occupied { .. }, StoreBackend::Embedded { path }) => format!(
            "; it was left as it is: move {} away, or name another store.path, and import again",
            path.display()
        ),
        (StoreError::Occupied { namespace, .. }, StoreBackend::Redis(_)) => format!(
            "; it was left as it is: name another store.namespace, or delete the keys {{{namespace}}}:* if nobody \
             needs them, and import again"
        ),
        (StoreError::Overtaken, _) => "; this one has changed nothing".to_owned(),
        _ => String::new(),
    };
    format!("{error}{hint}")
}

fn say(imported: &Imported, config: &Config, args: &ImportArgs) {
    let (head, namespace) = (&imported.head, &config.store.namespace);
    if args.json {
        super::say(
            &json!({
                "records": head.records, "namespace": namespace, "epoch": imported.epoch.0, "export": head,
            })
            .to_string(),
        );
        return;
    }
    super::say(&format!(
        "imported {} records of the namespace {:?} into {namespace:?}\nepoch {}",
        head.records, head.namespace, imported.epoch.0
    ));
}
