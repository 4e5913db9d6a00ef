//! `export`: a key set as one file. Not the work itself (`store/transfer/`).

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{ConfigArgs, Exit, progress, store};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::open::{OpenError, open_store};
use crate::store::transfer::{self, FileHead, TransferError};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign export --config countersign.toml --out keys.export
  countersign export --config countersign.toml --out keys-$(date +%F).export --json | jq .records

A Redis store is read while sidecars run on it. The file of an embedded store is open in one process at a time: stop
the sidecar for the moment of the export.";

/// `export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Which store.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where to write; an existing file is never overwritten.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Writes the file and says what is in it.
#[must_use]
pub fn run(args: &ExportArgs) -> Exit {
    let loaded = match super::load(&args.config.sources()) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    match export(&loaded.config, args) {
        Ok(head) => {
            say(&head, args);
            Exit::Ok
        }
        Err(Failure::Open(OpenError::Store(error)) | Failure::Transfer(TransferError::Store(error))) => {
            super::complain(&error.to_string());
            store::exit_of(&error, &loaded.config)
        }
        Err(Failure::Open(error)) => {
            super::complain(&error.to_string());
            Exit::Failed
        }
        Err(Failure::Transfer(error)) => {
            super::complain(&match &error {
                TransferError::File(_) => format!("{}: {error}", args.out.display()),
                TransferError::Record { .. } => {
                    format!(
                        "{error}; nothing was written: delete that record, or provide the key that opens it"
                    )
                }
                _ => error.to_string(),
            });
            Exit::Failed
        }
    }
}

enum Failure {
    Open(OpenError),
    Transfer(TransferError),
}

fn export(config: &Config, args: &ExportArgs) -> Result<FileHead, Failure> {
    let opened = || -> Result<_, OpenError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok((runtime, open_store(config)?))
    };
    let (runtime, (store, keyring)) = opened().map_err(Failure::Open)?;
    let exported = runtime.block_on(transfer::collect(store.as_ref())).map_err(Failure::Transfer)?;
    let side = (config.store.namespace.as_str(), keyring.as_ref());
    let mut progress = progress::on_terminal("checked");
    transfer::write(&exported, &args.out, side, SystemClock.now(), &mut progress).map_err(Failure::Transfer)
}

fn say(head: &FileHead, args: &ExportArgs) {
    let file = args.out.display().to_string();
    if args.json {
        super::say(&json!({ "file": file, "export": head }).to_string());
        return;
    }
    super::say(&format!(
        "exported {} records of the namespace {:?} to {file}\nit opens with the key-encryption keys: {} (keep them \
         too, elsewhere)",
        head.records,
        head.namespace,
        head.keks.join(", ")
    ));
}
