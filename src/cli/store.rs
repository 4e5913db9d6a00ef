//! `store init`: gives a new store its epoch. Not the store itself (`store/`).

use super::{ConfigArgs, Exit};
use crate::config::{Config, StoreBackend};
use crate::store::open::{OpenError, open_store};
use crate::store::{Epoch, Origin, StoreError};

/// Opens the store that the configuration names, initialises it and prints its epoch.
#[must_use]
pub fn init(args: &ConfigArgs) -> Exit {
    let loaded = match super::load(&args.sources()) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    match epoch(&loaded.config) {
        Ok(epoch) => {
            super::say(&format!("epoch {}", epoch.0));
            Exit::Ok
        }
        Err(error) => {
            super::complain(&error.to_string());
            match error {
                OpenError::Store(error) => exit_of(&error, &loaded.config),
                _ => Exit::Failed,
            }
        }
    }
}

/// How a command ends that its store has failed.
pub(super) fn exit_of(error: &StoreError, config: &Config) -> Exit {
    match (error, &config.store.backend) {
        (StoreError::Unavailable(_), StoreBackend::Redis(_)) => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

fn epoch(config: &Config) -> Result<Epoch, OpenError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (store, _keys) = open_store(config)?;
    Ok(runtime.block_on(async { store.initialise(Origin::Command).await })?)
}
