//! `serve`: stands in front of an application until it is told to stop.
//!
//! Not the composition, which is `app`. Invariants: the whole configuration and the admin token are checked
//! before anything is bound; SIGTERM and SIGINT drain, SIGINT without the delay, for whoever presses Ctrl-C balances no
//! load; a second one of either ends at once.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use super::{Exit, ServeArgs};
use crate::app::{self, Running};
use crate::clock::SystemClock;
use crate::config::{Config, Loaded};
use crate::secret::Secret;
use crate::telemetry::log;

const NO_TOKEN: &str = "\
no admin token: the admin port is never open. Make one and pass it in the environment:
  export COUNTERSIGN_ADMIN_TOKEN=$(openssl rand -hex 32)
or keep it in a file that only its owner can read, named by admin.token_file (--config).";

/// Shortest admin token, bytes. One that `openssl rand -hex 32` makes has 64.
const MIN_TOKEN: usize = 16;

/// Loads the configuration and runs until told to stop.
#[must_use]
pub fn run(args: &ServeArgs) -> Exit {
    let loaded = match super::load(&args.sources()) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let token = match loaded.config.role.serves_admin().then(|| admin_token(&loaded)).transpose() {
        Ok(token) => token,
        Err(problem) => {
            super::complain(&problem);
            return Exit::Config;
        }
    };
    let config = loaded.config;
    log::init(config.log.format, config.log.level);
    serve(&config, token, |running| {
        tracing::info!(
            role = config.role.name(),
            traffic = running.traffic.map(display),
            admin = running.admin.map(display),
            ops = %running.ops,
            upstream = running.traffic.map(|_| display(&config.upstream.target)),
            version = env!("CARGO_PKG_VERSION"),
            "countersign is up"
        );
        true
    })
}

/// Runs a sidecar until a signal, then drains it. `started` is called once its sockets are bound, and says
/// whether to go on.
pub(super) fn serve(config: &Config, token: Option<Secret>, started: impl FnOnce(&Running) -> bool) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            super::complain(&error.to_string());
            return Exit::Failed;
        }
    };
    let signals = {
        let _entered = runtime.enter();
        Signals::new()
    };
    let mut signals = match signals {
        Ok(signals) => signals,
        Err(error) => {
            super::complain(&error.to_string());
            return Exit::Failed;
        }
    };
    let running = match app::start(config, token, Arc::new(SystemClock)) {
        Ok(running) => running,
        Err(error) => {
            super::complain(&error.to_string());
            return Exit::Failed;
        }
    };
    if !started(&running) {
        running.stop();
        return Exit::Failed;
    }
    let signal = runtime.block_on(signals.next());
    tracing::info!(signal = signal.name(), "draining; a second signal ends at once");
    let stopped = std::thread::spawn(move || match signal {
        Stop::Terminate => running.leave(),
        Stop::Interrupt => running.stop(),
    });
    runtime.block_on(async {
        let finished = tokio::task::spawn_blocking(move || stopped.join().is_ok());
        tokio::select! {
            finished = finished => if matches!(finished, Ok(true)) { Exit::Ok } else { Exit::Failed },
            _second = signals.next() => {
                tracing::warn!("ended at once; requests in flight are cut");
                // The runtime would wait for the thread that joins: leave without it.
                std::process::exit(1)
            }
        }
    })
}

/// The token from the environment or the file that the configuration names.
fn admin_token(loaded: &Loaded) -> Result<Secret, String> {
    let (token, origin) = match (&loaded.admin_token, &loaded.config.admin.token_file) {
        (Some(token), _) => (token.clone(), "COUNTERSIGN_ADMIN_TOKEN".to_owned()),
        (None, Some(path)) => {
            let origin = format!("admin.token_file = {}", path.display());
            let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| format!("{origin}: {error}"))?);
            let token = bytes.trim_ascii().to_vec();
            (Secret::new(token), origin)
        }
        (None, None) => return Err(NO_TOKEN.to_owned()),
    };
    if token.len() < MIN_TOKEN {
        return Err(format!("{origin}: the admin token has fewer than {MIN_TOKEN} characters"));
    }
    Ok(token)
}

/// Who asks it to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// SIGTERM: an orchestrator, which has others send elsewhere meanwhile.
    Terminate,
    /// SIGINT: a person.
    Interrupt,
}

impl Stop {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Terminate,
            _ = self.interrupt.recv() => Stop::Interrupt,
        }
    }
}
