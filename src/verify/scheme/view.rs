//! A scheme as it is shown: on the command line and on the admin API. Pure.
//!
//! Not what is loaded: that is the spec within. Invariant: both show the same.

use serde::Serialize;

use super::spec::Proof;
use super::{Scheme, SchemeSpec};

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemeSummary<'s> {
    /// The preset's name.
    pub name: &'static str,
    /// The sender, for people.
    pub title: Option<&'s str>,
    /// The header that carries the signature, or the place elsewhere.
    pub header: String,
    /// Name of the algorithm.
    pub algorithm: &'static str,
    /// Whether every signature covers the body.
    pub binds_body: bool,
    /// Whether it covers a time.
    pub binds_timestamp: bool,
    /// Whether it covers a message id.
    pub binds_id: bool,
    /// Whether it covers where the request goes.
    pub binds_target: bool,
    /// Whether the public URL must be configured.
    pub needs_public_url: bool,
    /// What shows that the scheme is right.
    pub proof: Option<Proof>,
}

/// One scheme in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemeDetail<'s> {
    /// What the list says of it.
    #[serde(flatten)]
    pub summary: SchemeSummary<'s>,
    /// URL of the sender's own description.
    pub documentation: Option<&'s str>,
    /// What an admin pastes where.
    pub setup: Option<&'s str>,
    /// How far a signed time may be from now, in seconds.
    pub tolerance_seconds: Option<u32>,
    /// The scheme as written.
    pub scheme: &'s SchemeSpec,
}

impl Scheme {
    /// One line about it.
    #[must_use]
    pub fn summary(&self) -> SchemeSummary<'_> {
        SchemeSummary {
            name: self.label(),
            title: self.spec.title.as_deref(),
            header: self.place_name(),
            algorithm: self.algorithm(),
            binds_body: self.binds_body(),
            binds_timestamp: self.signs_time(),
            binds_id: self.signs_id(),
            binds_target: self.binds_target(),
            needs_public_url: self.needs_url(),
            proof: self.spec.proof,
        }
    }

    /// All about it.
    #[must_use]
    pub fn detail(&self) -> SchemeDetail<'_> {
        SchemeDetail {
            summary: self.summary(),
            documentation: self.spec.documentation.as_deref(),
            setup: self.spec.setup.as_deref(),
            tolerance_seconds: self.tolerance_seconds(),
            scheme: &self.spec,
        }
    }

    fn place_name(&self) -> String {
        let sig = &self.spec.sig;
        if let Some(numbered) = &sig.numbered {
            return format!("{numbered}1..100");
        }
        if self.header().is_empty() && self.about().is_some_and(|about| about.whole_body) {
            return "body".to_owned();
        }
        let elsewhere = [("json", &sig.json), ("form", &sig.form), ("query", &sig.query)];
        let found = elsewhere.iter().find_map(|(what, name)| Some(format!("{what}: {}", name.as_ref()?)));
        found.unwrap_or_else(|| {
            let written = sig.header.names().first().or_else(|| sig.headers.first());
            match (written, self.header()) {
                (Some(written), _) => written.clone(),
                (None, "") => "in the body".to_owned(),
                (None, header) => header.to_owned(),
            }
        })
    }
}

impl Proof {
    /// The name in the scheme language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Shape => "shape",
            Self::None => "none",
        }
    }
}
