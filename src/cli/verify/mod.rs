//! `verify`: judges a captured request, or a file of vectors, offline.
//!
//! Not the proxy: nothing is listened on, looked up or forwarded, and the proxy's target rule is not applied.
//! Invariants: stdout has the verdict alone, one JSON line; what helps a person to find a fault goes to
//! stderr; a hint is never a verdict; no secret is printed.

mod diagnose;
mod handshake;
mod request;
mod vectors;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::inputs::{self, InputFault};
use super::{Exit, complain, say};
use crate::clock::{Clock, SystemClock, UnixMillis};
use crate::keys::entry::Which;
use crate::proxy::rejection::Rejection;
use crate::secret::Secret;
use crate::telemetry::reason::Reason;
use crate::verify::offline::{Captured, Refused, Terms, judge};
use crate::verify::scheme::Scheme;
use request::Request;

/// The end of `verify --help`.
pub const EXAMPLES: &str = "\
REQUEST.http is what the sender sent: request line, headers, an empty line, and the body to the
end of the file, byte for byte. Content-Length is ignored; a request with Transfer-Encoding must be
saved decoded.

Prints {\"verdict\", \"scheme\", \"reason\", \"secret\", \"bodyBound\"}; exit code 0 valid, 1 refused,
2 usage, 78 a fault in the scheme's file. The scheme's rules apply; the proxy's rule about methods
and empty bodies does not.

Examples:
  countersign verify --scheme github --secret-file github.secret delivery.http
  countersign verify --scheme stripe --secret-file new --secret-file old --at 1700000000 event.http
  countersign verify --scheme square --secret-file s --url https://example.com/hooks event.http
  countersign verify --scheme acme.toml --secret-file s --explain - < event.http
  countersign verify --vectors webhook-vectors.json --json";

/// `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The request; `-` reads standard input.
    #[arg(value_name = "REQUEST.http", required_unless_present = "vectors", conflicts_with = "vectors")]
    request: Option<PathBuf>,
    /// A preset's name, or the file of a scheme of your own (ends in .toml).
    #[arg(long, value_name = "SCHEME", required_unless_present = "vectors", conflicts_with = "vectors")]
    scheme: Option<String>,
    /// File with the secret; one line end at its end is removed. Repeatable: first the current secret, then
    /// previous ones.
    #[arg(
        long = "secret-file",
        value_name = "FILE",
        required_unless_present = "vectors",
        conflicts_with = "vectors"
    )]
    secret_files: Vec<PathBuf>,
    /// Judge as of this time, in seconds since 1970. Default: now.
    #[arg(long, value_name = "UNIX", value_parser = inputs::at, conflicts_with = "vectors")]
    at: Option<UnixMillis>,
    /// The URL that the sender called, for schemes that sign it.
    #[arg(long, value_name = "URL", conflicts_with = "vectors")]
    url: Option<String>,
    /// On refusal, also show the expected signature: keep it from others.
    #[arg(long, conflicts_with = "vectors")]
    explain: bool,
    /// Judge every vector of this file instead, and print the wrongly judged ones and the counts.
    #[arg(long, value_name = "FILE.json")]
    vectors: Option<PathBuf>,
    /// With --vectors: print one JSON object instead of text. A single verdict is JSON anyway.
    #[arg(long)]
    json: bool,
}

/// The answer for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    verdict: &'static str,
    scheme: &'static str,
    reason: Option<&'static str>,
    secret: Option<&'static str>,
    body_bound: bool,
}

/// Judges, prints the verdict, and on refusal what may be wrong.
#[must_use]
pub fn run(args: &VerifyArgs) -> Exit {
    let ended = match (&args.vectors, &args.scheme, &args.request) {
        (Some(file), _, _) => vectors::run(file, args.json),
        (None, Some(scheme), Some(request)) => one(args, scheme, request),
        _ => Err(InputFault::usage("needs --scheme, --secret-file and REQUEST.http, or --vectors")),
    };
    ended.unwrap_or_else(|fault| fault.report())
}

fn one(args: &VerifyArgs, scheme: &str, file: &Path) -> Result<Exit, InputFault> {
    let scheme = inputs::scheme(scheme)?;
    let secrets: Vec<Secret> =
        args.secret_files.iter().map(|file| inputs::secret(file)).collect::<Result<_, _>>()?;
    let request = Request::parse(&inputs::bytes(file)?)
        .map_err(|fault| InputFault::usage(format!("{}: {fault}", file.display())))?;
    if let Some(url) = &args.url {
        inputs::target_of(url)?;
    }
    let url = args.url.as_deref().or(request.url.as_deref());
    if scheme.needs_url() && url.is_none() {
        return Err(InputFault::usage(format!(
            "the scheme `{}` signs the URL that the sender called: give it with --url",
            scheme.label()
        )));
    }
    let now = args.at.unwrap_or_else(|| SystemClock.now());
    let terms = Terms { scheme: &scheme, secrets: &secrets, now, tolerance_seconds: None };
    let captured = Captured { head: request.head(url), body: &request.body };
    let verdict = judge(&terms, &captured);
    say(&serde_json::to_string(&Answer::of(&scheme, verdict)).unwrap_or_default());
    Ok(match verdict {
        Ok(_) => Exit::Ok,
        Err(refused) => {
            complain(&diagnose::text(&terms, &captured, refused, args.explain));
            Exit::Failed
        }
    })
}

impl Answer {
    fn of(scheme: &Scheme, verdict: Result<Which, Refused>) -> Self {
        Self {
            verdict: if verdict.is_ok() { "valid" } else { "refused" },
            scheme: scheme.label(),
            reason: verdict.err().map(|refused| reason(refused).name()),
            secret: verdict.ok().map(Which::name),
            body_bound: scheme.binds_body(),
        }
    }
}

/// The reason that the proxy would record.
fn reason(refused: Refused) -> Reason {
    let rejection = match refused {
        Refused::Absent => Rejection::Absent,
        Refused::Credential(fault) => Rejection::Credential(fault),
        Refused::Verify(refusal) => Rejection::Verify(refusal),
    };
    rejection.reason().unwrap_or(Reason::Internal)
}
