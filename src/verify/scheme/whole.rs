//! Verification that needs the whole body at once: signatures, times and ids inside it, digests of it, public
//! keys, several forms of the URL. Pure.
//!
//! Not the fast path, which streams. Invariants: what the head tells is rendered when the attempt begins, what
//! the body tells when it ends; every candidate is compared under every form; of several items each must hold,
//! and there must be one; whatever is missing refuses.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use smallvec::SmallVec;
use subtle::{Choice, ConstantTimeEq};

use super::Scheme;
use super::bound::Bound;
use super::document::{Document, Source};
use super::extract::SignatureCredential;
use super::key::Keyed;
use super::spec::UrlForm;
use super::template::{Facts, Part, Template};
use crate::credential::Head;
use crate::verify::kind::Finding;
use crate::verify::mac::{Mac, Tag};
use crate::verify::verifier::PublicKey;

/// The content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// A verification that waits for the whole body.
pub(super) struct Whole {
    prover: Prover,
    /// The parts that the head tells; `None` for those that the body tells, and for the URL.
    rendered: SmallVec<[Option<Vec<u8>>; 2]>,
    /// The URL, where it is signed.
    url: Option<String>,
    bound: Bound,
    is_form: bool,
}

/// What tells whether a candidate holds.
#[expect(clippy::large_enum_variant, reason = "it is in the box of its `Whole`")]
enum Prover {
    /// A MAC that has absorbed the key, and is copied for each message.
    Mac(Mac),
    Token(Tag),
    Public(PublicKey),
}

impl Whole {
    /// Renders what the head tells; `None` where it lacks something.
    pub(super) fn begin(
        scheme: &Scheme,
        keyed: &Keyed,
        head: &Head<'_>,
        credential: &SignatureCredential,
    ) -> Option<Self> {
        let prover = match keyed {
            Keyed::Mac { key, .. } => Prover::Mac(key.begin()),
            Keyed::Token { digest, .. } => Prover::Token(Tag::clone(digest)),
            Keyed::Public(key) => Prover::Public(key.clone()),
            Keyed::Kind { .. } | Keyed::Several(_) => return None,
        };
        let facts = Facts::of(head, credential, keyed.secret());
        let signs_url = scheme.signs(&Part::Url);
        let url = head.url.filter(|_| signs_url).map(str::to_owned);
        if signs_url && url.is_none() {
            return None;
        }
        let render = |part: &Part| {
            if *part == Part::Url || scheme.is_told_by_body(part) {
                return Some(None);
            }
            part.bytes(&facts).map(|bytes| Some(bytes.to_vec()))
        };
        let rendered = scheme.template.iter().flat_map(Template::parts).map(render).collect::<Option<_>>()?;
        let bound = Bound::read(scheme.spec.bind.as_ref(), head);
        Some(Self { prover, rendered, url, bound, is_form: is_form(head) })
    }

    /// The verdict.
    pub(super) fn finish(&self, scheme: &Scheme, credential: &SignatureCredential, body: &[u8]) -> Finding {
        self.conclude(scheme, credential, body).unwrap_or_else(Finding::refused)
    }

    fn conclude(&self, scheme: &Scheme, credential: &SignatureCredential, body: &[u8]) -> Option<Finding> {
        let mut room = Vec::new();
        let document = Document::read(scheme, body, self.is_form, &mut room)?;
        let mut finding = Finding::of(self.bound.holds(body), scheme.binds_body());
        for item in document.items(scheme)? {
            let said = document.said(scheme, item, &mut finding)?;
            let inside = document.candidates(scheme, item)?;
            let (tags, signatures) = match &inside {
                Some(inside) => (&inside.tags, &inside.signatures),
                None => (&credential.tags, &credential.signatures),
            };
            let mut any = Choice::from(0);
            if let Prover::Token(digest) = &self.prover {
                any = tags.iter().fold(any, |any, tag| any | digest.ct_eq(tag));
            }
            for url in self.urls(scheme) {
                if scheme.template.is_none() {
                    break;
                }
                let source = Source { rendered: &self.rendered, url: url.as_deref(), item, said: &said };
                if let Prover::Public(key) = &self.prover {
                    let message = document.message(scheme, &source)?;
                    let holds = signatures.iter().any(|one| key.verify(&message, one));
                    any |= Choice::from(u8::from(holds));
                } else {
                    let tag = self.tag(scheme, &document, &source)?;
                    any = tags.iter().fold(any, |any, candidate| any | tag.ct_eq(candidate));
                }
            }
            finding.matched &= any;
        }
        Some(finding)
    }

    /// The forms of the URL that may have been signed, each once; one `None` where it is not signed.
    fn urls<'s>(&'s self, scheme: &'s Scheme) -> impl Iterator<Item = Option<Cow<'s, str>>> {
        let forms = if self.url.is_some() { scheme.url_forms() } else { &[UrlForm::AsIs] };
        let apply = |form: &UrlForm| self.url.as_deref().map(|url| form.apply(url));
        let earlier = move |at: usize| forms.iter().take(at).map(apply);
        forms.iter().map(apply).enumerate().filter_map(move |(at, url)| {
            let is_new = earlier(at).all(|tried| tried != url);
            is_new.then_some(url)
        })
    }

    fn tag(&self, scheme: &Scheme, document: &Document<'_>, source: &Source<'_>) -> Option<Tag> {
        match &self.prover {
            Prover::Mac(mac) => {
                let mut mac = mac.clone();
                document.feed(scheme, source, |bytes| mac.update(bytes))?;
                Some(mac.finish())
            }
            Prover::Token(_) | Prover::Public(_) => None,
        }
    }

    /// The tag of the first form and the first item, for samples and explanations.
    pub(super) fn first_tag(&self, scheme: &Scheme, body: &[u8]) -> Option<Tag> {
        self.first(scheme, body, |document, source| self.tag(scheme, document, source))
    }

    /// The signed bytes of the first form and the first item.
    pub(super) fn first_message(&self, scheme: &Scheme, body: &[u8]) -> Option<Vec<u8>> {
        self.first(scheme, body, |document, source| document.message(scheme, source))
    }

    fn first<T>(
        &self,
        scheme: &Scheme,
        body: &[u8],
        make: impl FnOnce(&Document<'_>, &Source<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut room = Vec::new();
        let document = Document::read(scheme, body, self.is_form, &mut room)?;
        let item = document.items(scheme)?.into_iter().next()?;
        let said = document.said(scheme, item, &mut Finding::refused())?;
        let url = self.urls(scheme).next()?;
        make(&document, &Source { rendered: &self.rendered, url: url.as_deref(), item, said: &said })
    }
}

/// Whether a request says that its body is a form.
pub(in crate::verify) fn is_form(head: &Head<'_>) -> bool {
    has_content_type(head, FORM)
}

/// Whether the only content type of a request is this one, whatever its parameters.
pub(super) fn has_content_type(head: &Head<'_>, wanted: &str) -> bool {
    let mut lines = head.headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    if line == wanted {
        return true;
    }
    let media_type = line.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(wanted)
}
