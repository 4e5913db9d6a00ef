//! `serve`: stands in front of an application until it is told to stop.
//!
//! Not the composition, which is `app`. Invariants: the whole configuration and the admin token are checked
//! before anything is bound; SIGTERM and SIGINT drain, SIGINT without the delay, for whoever presses Ctrl-C balances no
//! load; a second one of either ends at once; SIGHUP, and a change of its files, has the configuration read again, and
//! nothing that is wrong with it ends the process.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use super::follow::{Follow, POLL};
use super::{Exit, ServeArgs};
use crate::app::{self, Running};
use crate::clock::SystemClock;
use crate::config::{self, Config, Faults, Loaded, Sources, StoreBackend};
use crate::secret::Secret;
use crate::telemetry::log;

const NO_TOKEN: &str = "\
no admin token: the admin port is never open. Make one and pass it in the environment:
  export COUNTERSIGN_ADMIN_TOKEN=$(openssl rand -hex 32)
or keep it in a file that only its owner can read, named by admin.token_file (--config).";

/// Shortest admin token, bytes. One that `openssl rand -hex 32` makes has 64.
const MIN_TOKEN: usize = 16;

/// The variable that may hold the password of the store.
const STORE_URL: &str = "COUNTERSIGN_STORE__URL";

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
    let sources = args.sources();
    let config = loaded.config.clone();
    log::init(config.log.format, config.log.level);
    serve(&config, token, Some((&sources, &loaded)), |running| {
        tracing::info!(
            role = config.role.name(),
            traffic = running.traffic.as_ref().map(display),
            admin = running.admin.map(display),
            ops = %running.ops,
            upstream = running.traffic.as_ref().map(|_| display(&config.upstream.target)),
            version = env!("CARGO_PKG_VERSION"),
            "countersign is up"
        );
        for (variable, option) in secrets_in_the_environment(&sources, &loaded) {
            tracing::warn!(
                variable,
                "a secret comes from the environment, which container tools show and child processes inherit; \
                 {option} reads it from a file"
            );
        }
        true
    })
}

/// The variables that hold a secret, and the option that keeps each out of them.
fn secrets_in_the_environment(
    sources: &Sources,
    loaded: &Loaded,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_store = match &loaded.config.store.backend {
        StoreBackend::Redis(redis) => redis.password.is_some() && sources.env.contains_key(STORE_URL),
        StoreBackend::Embedded { .. } => false,
    };
    let token = loaded.admin_token.is_some().then_some(("COUNTERSIGN_ADMIN_TOKEN", "admin.token_file"));
    token.into_iter().chain(of_store.then_some((STORE_URL, "store.password_file")))
}

/// Runs a sidecar until a signal, then drains it. `started` is called once its sockets are bound, and says
/// whether to go on. `read`: where the configuration came from and what it was, where changes of it are to be taken.
pub(super) fn serve(
    config: &Config,
    token: Option<Secret>,
    read: Option<(&Sources, &Loaded)>,
    started: impl FnOnce(&Running) -> bool,
) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            super::complain(&error.to_string());
            return Exit::Failed;
        }
    };
    let signals = {
        let _entered = runtime.enter();
        Signals::new(read.is_some())
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
    let signal = runtime.block_on(watch(&running, &mut signals, read));
    tracing::info!(signal = signal.name(), "draining; a second signal ends at once");
    let stopped = std::thread::spawn(move || match signal {
        Stop::Terminate => running.leave(),
        Stop::Interrupt => running.stop(),
    });
    runtime.block_on(async {
        let finished = tokio::task::spawn_blocking(move || stopped.join().is_ok());
        tokio::select! {
            finished = finished => if matches!(finished, Ok(true)) { Exit::Ok } else { Exit::Failed },
            _second = signals.stop() => {
                tracing::warn!("ended at once; requests in flight are cut");
                // The runtime would wait for the thread that joins: leave without it.
                std::process::exit(1)
            }
        }
    })
}

/// Until somebody asks it to stop, takes what changes.
async fn watch(running: &Running, signals: &mut Signals, read: Option<(&Sources, &Loaded)>) -> Stop {
    let Some((sources, loaded)) = read else { return signals.stop().await };
    running.reloader().begin_with(loaded);
    let files = sources.file.iter().chain(loaded.config.admin.token_file.iter());
    let mut files = Follow::new(files.cloned().collect());
    loop {
        let is_asked = tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop(stop) => return stop,
                Asked::Reload => true,
            },
            () = tokio::time::sleep(POLL) => false,
        };
        if is_asked {
            files.judged();
            running.look_at_certificates();
        } else if !files.has_changed() {
            continue;
        }
        running.reloader().take(read_again(sources));
    }
}

/// The configuration and the admin token as they are now, or every reason why not.
fn read_again(sources: &Sources) -> Result<(Loaded, Option<Secret>), Vec<String>> {
    let faults = |Faults(faults): Faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    let loaded = config::load(sources).map_err(faults)?;
    let token = loaded.config.role.serves_admin().then(|| admin_token(&loaded)).transpose();
    let token = token.map_err(|problem| vec![problem])?;
    Ok((loaded, token))
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

/// What a signal asks for.
enum Asked {
    Stop(Stop),
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// `None`: SIGHUP ends the process, as the end of a terminal does.
    hangup: Option<Signal>,
}

impl Signals {
    fn new(reloads: bool) -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: reloads.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    async fn next(&mut self) -> Asked {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop(Stop::Terminate),
            _ = self.interrupt.recv() => Asked::Stop(Stop::Interrupt),
            _ = hangup => Asked::Reload,
        }
    }

    async fn stop(&mut self) -> Stop {
        loop {
            if let Asked::Stop(stop) = self.next().await {
                return stop;
            }
        }
    }
}
