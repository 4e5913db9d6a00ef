//! `key update`: changes everything of a webhook key but its values, which `rotate` replaces.
//!
//! Not the rules of the fields: the sidecar that is asked has them. Invariant: what is not named stays.

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Map, Value};

use super::{BoundArgs, CHANGED, KeyArgs};
use crate::cli::records::{ChangeArgs, cleared, print, set, show};
use crate::cli::{Exit, complain};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign key update ci --workspace Acme --name deploy
  countersign key update ci --expires-at 2027-01-31T00:00:00Z --route orders --route refunds
  countersign key update ci --cidr 10.0.0.0/8              the only range from now on
  countersign key update ci --clear cidr --clear expires-at
  countersign key update ci --active false --if-match 3    only where nobody has changed it since";

/// `key update`.
#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Which.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Another name.
    #[arg(long = "name", value_name = "NEW NAME")]
    pub renamed: Option<String>,
    /// How it signs from now on: workspace or signed-request.
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<String>,
    /// Whether it is let in: true or false. `disable` and `enable` say the same.
    #[arg(long, value_name = "BOOL")]
    pub active: Option<bool>,
    /// What it is good for from now on.
    #[command(flatten)]
    pub bounds: BoundArgs,
    /// Whether its signatures are tried only when X-Webhook-Key-Id names it: true or false.
    #[arg(long, value_name = "BOOL")]
    pub require_key_id: Option<bool>,
    /// Go back to the default of this. Repeatable.
    #[arg(long = "clear", value_name = "WHAT", value_enum)]
    pub clear: Vec<Clearable>,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// What can go back to its default.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Clearable {
    /// The end: never.
    ExpiresAt,
    /// The addresses: any.
    Cidr,
    /// The routes: all.
    Route,
}

impl Clearable {
    /// The field that it is.
    fn field(self) -> &'static str {
        match self {
            Self::ExpiresAt => "expiresAt",
            Self::Cidr => "allowedCidrs",
            Self::Route => "routes",
        }
    }
}

/// Asks for the change and prints what it came to.
pub(super) fn update(args: &UpdateArgs) -> Result<(), Exit> {
    let mut body = Map::<String, Value>::new();
    set(&mut body, "name", args.renamed.as_deref());
    set(&mut body, "scheme", args.scheme.as_deref());
    set(&mut body, "isActive", args.active);
    args.bounds.add(&mut body);
    set(&mut body, "requireKeyId", args.require_key_id);
    cleared(&mut body, args.clear.iter().map(|what| what.field()))?;
    if body.is_empty() {
        complain("nothing to change: name a field, as in --active false; --help lists them");
        return Err(Exit::Usage);
    }
    let ask = &args.change.ask;
    let remote = ask.remote.connect()?;
    let path = args.key.path(&remote)?;
    let changed = args.change.ask(&remote, Method::PATCH, &path, Some(body))?;
    show(ask, &changed, |changed| print::brief(changed, &CHANGED));
    if !ask.json {
        print::note(&changed);
    }
    Ok(())
}
