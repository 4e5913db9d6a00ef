//! What a scheme's signature covers, and what verifying it needs. Pure.
//!
//! Not a promise about one request: where only some requests are covered, the finding tells. Invariant: what
//! is said to be bound is bound in every request that verifies.

use super::spec::{BodyRule, UrlForm};
use super::template::{Part, Template};
use super::{IdPlace, Place, Reads, Scheme, TimestampPlace};
use crate::verify::kind::{About, Kind};

impl Scheme {
    /// Whether the signature covers where the request goes: the target or URL, or path and query.
    ///
    /// Not where the body follows at once: its beginning could pass for the end of the target.
    #[must_use]
    pub fn binds_target(&self) -> bool {
        if let Some(about) = self.about() {
            return about.binds_target;
        }
        let signs = self.signs(&Part::Target)
            || self.signs(&Part::Url)
            || (self.signs(&Part::Path) && self.signs(&Part::Query));
        // An escape and what it stands for share a signature; so do all queries where none is signed.
        let loose = |form: &UrlForm| matches!(form, UrlForm::StripQuery | UrlForm::Decoded);
        signs
            && !self.url_forms().iter().any(loose)
            && !self.template.as_ref().is_some_and(Template::joins_target_and_body)
    }

    /// Whether the signature covers the body.
    #[must_use]
    pub fn binds_body(&self) -> bool {
        match self.about() {
            Some(about) => about.binds_body,
            None => {
                // With an exemption, the exempted bodies must be covered otherwise.
                let by_digest =
                    self.spec.bind.as_ref().is_some_and(|bind| bind.unless_content_type.is_none());
                by_digest || self.template.as_ref().is_some_and(Template::covers_body)
            }
        }
    }

    /// Whether what is signed has, whatever the request, a byte of which this holds.
    pub(in crate::verify) fn signs_literally(&self, holds: impl Fn(u8) -> bool) -> bool {
        let has = |part: &Part| matches!(part, Part::Literal(text) if text.iter().any(|byte| holds(*byte)));
        self.template.as_ref().is_some_and(|template| template.parts().any(has))
    }

    /// Whether its built-in kind makes something of a handshake's challenge; `None` where it is of no kind.
    pub(in crate::verify) fn answers_challenges(&self) -> Option<bool> {
        self.kind.as_deref().map(Kind::answers_challenges)
    }

    /// Whether the whole body is part of what is signed, byte for byte.
    pub(in crate::verify) fn signs_whole_body(&self) -> bool {
        self.template.as_ref().is_some_and(|template| template.body)
    }

    /// Whether the signature covers a time.
    #[must_use]
    pub fn signs_time(&self) -> bool {
        self.about().map_or_else(|| self.timestamp.is_some(), |about| about.tolerance.is_some())
    }

    /// Whether the signature covers the message id.
    #[must_use]
    pub fn signs_id(&self) -> bool {
        self.about().map_or_else(|| self.id.is_there(), |about| about.signs_id)
    }

    /// Whether the public URL must be configured for anything to verify.
    #[must_use]
    pub fn needs_url(&self) -> bool {
        self.about().map_or_else(|| self.signs(&Part::Url), |about| about.needs_url)
    }

    /// Whether an empty body is refused.
    #[must_use]
    pub fn requires_body(&self) -> bool {
        self.spec.body == Some(BodyRule::Required)
    }

    /// Whether [`Attempt::finish`](super::Attempt::finish) needs the body in one piece.
    #[must_use]
    pub fn needs_whole_body(&self) -> bool {
        self.about().map_or(self.whole, |about| about.whole_body)
    }

    /// Whether the key is a secret that may be generated here; else the sender makes it.
    #[must_use]
    pub fn generates_secrets(&self) -> bool {
        self.about().map_or_else(|| !self.spec.algorithm.is_asymmetric(), |about| about.symmetric)
    }

    /// The built-in kind's description of itself.
    pub(super) fn about(&self) -> Option<&About> {
        self.kind.as_deref().map(Kind::about)
    }

    pub(super) fn signs(&self, part: &Part) -> bool {
        self.template.as_ref().is_some_and(|template| template.has(part))
    }

    /// Whether only the body tells this part.
    pub(super) fn is_told_by_body(&self, part: &Part) -> bool {
        match part {
            Part::Timestamp => self.timestamp.as_ref().is_some_and(|source| source.place.is_in_body()),
            Part::Id => self.id.is_in_body(),
            part => part.is_late(),
        }
    }

    /// The forms of the URL that may have been signed.
    pub(super) fn url_forms(&self) -> &[UrlForm] {
        if self.spec.url.is_empty() { &[UrlForm::AsIs] } else { &self.spec.url }
    }

    /// What is read from a body, found when it is compiled.
    pub(super) fn reads(&self) -> Reads {
        let time = self.timestamp.as_ref().map(|source| &source.place);
        Reads {
            json: self.each.is_some()
                || matches!(self.reader.place, Place::Json(_))
                || matches!(time, Some(TimestampPlace::Json(_)))
                || matches!(self.id, IdPlace::Json(_))
                || self.has_part(|part| matches!(part, Part::Json { .. })),
            fields: matches!(self.reader.place, Place::Form(_))
                || matches!(time, Some(TimestampPlace::Form(_)))
                || matches!(self.id, IdPlace::Form(_))
                || self.has_part(|part| matches!(part, Part::Form(_))),
            sorted: self.signs(&Part::FormSorted),
        }
    }

    /// Whether the body must be there in one piece to verify.
    pub(super) fn is_whole(&self) -> bool {
        self.spec.algorithm.is_asymmetric()
            || self.spec.url.len() > 1
            || self.spec.url.first().is_some_and(|form| *form != UrlForm::AsIs)
            || self.spec.bind.is_some()
            || self.reads.json
            || self.reads.fields
            || self.has_part(Part::is_late)
    }

    fn has_part(&self, wanted: impl Fn(&Part) -> bool) -> bool {
        self.template.iter().flat_map(Template::parts).any(wanted)
    }
}

impl TimestampPlace {
    fn is_in_body(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Form(_))
    }
}

impl IdPlace {
    fn is_in_body(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Form(_))
    }

    /// Whether an id is read at all.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Self::Headers(names) if names.is_empty())
    }
}
