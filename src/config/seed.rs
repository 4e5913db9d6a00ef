//! The seed file: where it is, and whether what it no longer declares is deleted. Reading it is not done here.

use std::path::PathBuf;

use super::fault::Expected;
use super::reader::{Raw, Section};
use super::units;

/// The seed file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeedConfig {
    /// TOML or JSON, by its extension. Default: none.
    pub file: Option<PathBuf>,
    /// Whether records that it no longer declares are deleted. Default no.
    pub prune: bool,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<SeedConfig> {
    let mut section = root.section("seed");
    let file = section.optional("file", file);
    let prune = section.required("prune", units::boolean);
    section.finish();
    Some(SeedConfig { file, prune: prune? })
}

fn file(raw: &Raw<'_>) -> Result<PathBuf, Expected> {
    let path = units::path(raw)?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml" | "json") => Ok(path),
        _ => Err(Expected::new("a file whose name ends in .toml or .json")),
    }
}
