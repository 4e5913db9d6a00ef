//! `dev`: the whole thing in one command, for someone who has just cloned.
//!
//! Not a mode of `serve`: it is `serve` with a store of its own, an echo application behind it and records
//! made through the admin port as any admin would make them. Invariants: nothing is written outside `--dir`;
//! everything listens on loopback unless asked otherwise; Ctrl-C ends it with exit code 0.

pub mod addresses;
mod echo;
mod print;
mod provision;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use addresses::Addresses;
use print::Places;

use super::client::Client;
use super::{DevArgs, Exit, serve};
use crate::config::{Config, Sources};
use crate::secret::Secret;
use crate::store::seal::random;
use crate::telemetry::log;

/// Runs the demo until told to stop.
#[must_use]
pub fn run(args: &DevArgs) -> Exit {
    match start(args) {
        Ok(exit) => exit,
        Err(problem) => {
            super::complain(&problem);
            Exit::Failed
        }
    }
}

fn start(args: &DevArgs) -> Result<Exit, String> {
    let token = make_token(&args.dir)?;
    let echo = echo::start().map_err(|error| format!("the echo application cannot be started: {error}"))?;
    let overrides = [
        ("listener.address", args.listener.clone()),
        ("admin.address", args.admin.clone()),
        ("ops.address", args.ops.clone()),
        ("upstream.url", format!("http://{echo}")),
        ("store.path", args.dir.join("dev.redb").display().to_string()),
        ("log.level", "warn".to_owned()),
    ];
    let overrides = overrides.map(|(option, value)| (option.to_owned(), value)).to_vec();
    // The demo is the same for everybody: only flags shape it, not the environment.
    let sources = Sources { overrides, ..Sources::default() };
    let loaded = match super::load(&sources) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let config: Config = loaded.config;
    log::init(config.log.format, config.log.level);
    let mut provisioned = Ok(());
    let exit = serve::serve(&config, Some(token.clone()), None, |running| {
        // The demo has every port.
        let (Some(traffic), Some(admin)) = (&running.traffic, running.admin) else { return false };
        let places = Places { dir: &args.dir, traffic, admin, ops: running.ops };
        let client = Client::new(admin.to_string(), token);
        provisioned = provision::demo(running, &client).and_then(|demo| {
            let url = |address| format!("http://{address}");
            let addresses = Addresses { admin: url(admin), traffic: traffic.tcp().map(url) };
            let written = addresses.write(&args.dir);
            written.map_err(|error| format!("{}: {error}", args.dir.display()))?;
            print::all(&places, &demo);
            Ok(())
        });
        provisioned.is_ok()
    });
    addresses::remove(&args.dir);
    provisioned.map(|()| exit)
}

/// A fresh admin token for this run, where the admin commands look for it.
fn make_token(dir: &Path) -> Result<Secret, String> {
    let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", dir.display());
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| fault(&error))?;
    let random = random::<32>().map_err(|error| fault(&error))?;
    let token = data_encoding::HEXLOWER.encode(&random);
    addresses::put(dir, addresses::TOKEN, token.as_bytes()).map_err(|error| fault(&error))?;
    Ok(Secret::from_text(&token))
}
