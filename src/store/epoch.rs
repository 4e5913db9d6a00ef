//! Which life of a namespace this is, and who began it.
//!
//! Not where it is kept (the backends) nor what becomes of it (`keys/adoption.rs`). Invariant: what is not known
//! to have been decided by a person counts as not decided.

use uuid::Uuid;

/// Which life of the namespace this is: written when it is initialised, never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(pub Uuid);

/// How an epoch came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A sidecar found an empty namespace at its start (`store.init = "if-empty"`). Nobody has said that the
    /// keys of before are to go. Also what a namespace reads as that does not say, or says what this version
    /// does not know.
    Start,
    /// Somebody ran `countersign store init`: the key set begins anew.
    Command,
    /// Somebody imported a key set. Written only once every record of it is there.
    Import {
        /// The epoch that the key set was exported from, where the export says so.
        continues: Option<Epoch>,
    },
}

/// An epoch and how it came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Which one.
    pub epoch: Epoch,
    /// Who began it.
    pub origin: Origin,
}

impl Origin {
    /// The stable name, as stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Command => "command",
            Self::Import { .. } => "import",
        }
    }

    /// The epoch that it continues.
    #[must_use]
    pub fn continues(self) -> Option<Epoch> {
        match self {
            Self::Import { continues } => continues,
            Self::Start | Self::Command => None,
        }
    }

    /// Reads what is stored.
    #[must_use]
    pub fn from_stored(name: Option<&str>, continues: Option<Epoch>) -> Self {
        match name {
            Some("command") => Self::Command,
            Some("import") => Self::Import { continues },
            _ => Self::Start,
        }
    }
}
