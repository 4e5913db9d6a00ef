//! Verification that needs the whole body at once: signatures, times and ids inside it, digests of it, public
//! keys, several forms of the URL. Pure.
//!
//! Not the fast path, which streams. Invariants: what the head tells is rendered when the attempt begins, what
//! the body tells when it ends; every candidate is compared under every form; of several items each must hold,
//! and there must be one; whatever is missing refuses.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use md5::{Digest as _, Md5};
use serde_json::Value;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::body::{Fields, json};
use super::bound::Bound;
use super::candidates::Candidates;
use super::extract::{SignatureCredential, message_id};
use super::key::Keyed;
use super::spec::UrlForm;
use super::template::{Facts, Part, Template};
use super::{IdPlace, Place, Scheme, TimestampPlace};
use crate::credential::Head;
use crate::credential::grammar::Encoding;
use crate::verify::kind::{Finding, Times};
use crate::verify::mac::Tag;

/// Items that one body may carry. Senders batch tens.
const MOST_ITEMS: usize = 1000;
/// The content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// A verification that waits for the whole body.
pub(super) struct Whole {
    keyed: Keyed,
    /// The parts that the head tells; `None` for those that the body tells, and for the URL.
    rendered: Vec<Option<Vec<u8>>>,
    /// The URL, where it is signed.
    url: Option<String>,
    bound: Bound,
    is_form: bool,
}

/// What is read from a body.
struct Document<'b> {
    body: &'b [u8],
    json: Option<Value>,
    form: Option<Fields<'b>>,
    /// Its fields in the order in which they are signed, where they are; empty where the body is no form.
    sorted: Vec<u8>,
}

/// What the signed bytes are put together from, besides the body as a whole.
struct Source<'s> {
    rendered: &'s [Option<Vec<u8>>],
    /// In the form that is tried.
    url: Option<&'s str>,
    item: Option<&'s Value>,
    said: &'s Said<'s>,
}

/// What one item says of itself.
#[derive(Default)]
struct Said<'d> {
    timestamp: Option<Cow<'d, [u8]>>,
    id: Option<Cow<'d, [u8]>>,
}

impl Whole {
    /// Renders what the head tells; `None` where it lacks something.
    pub(super) fn begin(
        scheme: &Scheme,
        keyed: &Keyed,
        head: &Head<'_>,
        credential: &SignatureCredential,
    ) -> Option<Self> {
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
        Some(Self { keyed: keyed.clone(), rendered, url, bound, is_form: is_form(head) })
    }

    /// The verdict.
    pub(super) fn finish(&self, scheme: &Scheme, credential: &SignatureCredential, body: &[u8]) -> Finding {
        self.conclude(scheme, credential, body).unwrap_or_else(Finding::refused)
    }

    fn conclude(&self, scheme: &Scheme, credential: &SignatureCredential, body: &[u8]) -> Option<Finding> {
        let document = Document::read(scheme, body, self.is_form)?;
        let mut finding = Finding::of(self.bound.holds(body), scheme.binds_body());
        for item in document.items(scheme)? {
            let said = document.said(scheme, item, &mut finding)?;
            let inside = document.candidates(scheme, item)?;
            let (tags, signatures) = match &inside {
                Some(inside) => (&inside.tags, &inside.signatures),
                None => (&credential.tags, &credential.signatures),
            };
            let mut any = Choice::from(0);
            if let Keyed::Token { digest, .. } = &self.keyed {
                any = tags.iter().fold(any, |any, tag| any | digest.ct_eq(tag));
            }
            for url in self.urls(scheme) {
                if scheme.template.is_none() {
                    break;
                }
                let source = Source { rendered: &self.rendered, url: url.as_deref(), item, said: &said };
                if let Keyed::Public(key) = &self.keyed {
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
        match &self.keyed {
            Keyed::Mac { key, .. } => {
                let mut mac = key.begin();
                document.feed(scheme, source, |bytes| mac.update(bytes))?;
                Some(mac.finish())
            }
            Keyed::Token { digest, .. } => Some(Tag::clone(digest)),
            _ => None,
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
        let document = Document::read(scheme, body, self.is_form)?;
        let item = document.items(scheme)?.into_iter().next()?;
        let said = document.said(scheme, item, &mut Finding::refused())?;
        let url = self.urls(scheme).next()?;
        make(&document, &Source { rendered: &self.rendered, url: url.as_deref(), item, said: &said })
    }
}

impl<'b> Document<'b> {
    fn read(scheme: &Scheme, body: &'b [u8], is_form: bool) -> Option<Self> {
        let json = if scheme.reads_json() { Some(json(body)?) } else { None };
        let sorts = scheme.signs(&Part::FormSorted);
        if sorts && !is_form && !body.is_empty() && scheme.spec.bind.is_none() {
            // Nothing would cover such a body.
            return None;
        }
        let sorts = sorts && is_form;
        let form = if scheme.reads_form() || sorts { Some(Fields::parse(body)?) } else { None };
        let sorted = form.as_ref().filter(|_| sorts).map(Fields::sorted).unwrap_or_default();
        Some(Self { body, json, form, sorted })
    }

    /// The items that carry a signature each; the whole body where there is one signature.
    fn items(&self, scheme: &Scheme) -> Option<Vec<Option<&Value>>> {
        let Some(path) = &scheme.each else { return Some(vec![self.json.as_ref()]) };
        let items = path.find(self.json.as_ref()?)?.as_array()?;
        if items.is_empty() || items.len() > MOST_ITEMS {
            return None;
        }
        Some(items.iter().map(Some).collect())
    }

    /// Reads time and id where they are in the body; `None` where one is missing or is none.
    fn said<'d>(
        &'d self,
        scheme: &Scheme,
        item: Option<&'d Value>,
        finding: &mut Finding,
    ) -> Option<Said<'d>> {
        let mut said = Said::default();
        if let Some(source) = &scheme.timestamp
            && let Some(text) = match &source.place {
                TimestampPlace::Json(path) => Some(path.text(item?)?),
                TimestampPlace::Form(field) => Some(Cow::Borrowed(self.form.as_ref()?.only(field)?)),
                TimestampPlace::Header(_) | TimestampPlace::Field(_) => None,
            }
        {
            let at = source.unit.parse(&text)?;
            finding.times = Times { at: source.enforce.then_some(at), ..Times::default() };
            said.timestamp = Some(text);
        }
        if let Some(text) = match &scheme.id {
            IdPlace::Json(path) => Some(path.text(item?)?),
            IdPlace::Form(field) => Some(Cow::Borrowed(self.form.as_ref()?.only(field)?)),
            IdPlace::Headers(_) => None,
        } {
            finding.id = Some(message_id(&text)?.into());
            said.id = Some(text);
        }
        Some(said)
    }

    /// The candidates in the body; the inner `None` where they are in the head.
    fn candidates(&self, scheme: &Scheme, item: Option<&Value>) -> Option<Option<Candidates>> {
        let text = match &scheme.reader.place {
            Place::Json(path) => path.text(item?)?,
            Place::Form(field) => Cow::Borrowed(self.form.as_ref()?.only(field)?),
            Place::Header | Place::EachHeader | Place::Query(_) => return Some(None),
        };
        let mut candidates = Candidates::default();
        candidates.read(scheme, &text);
        candidates.checked().ok().map(Some)
    }

    fn message(&self, scheme: &Scheme, source: &Source<'_>) -> Option<Vec<u8>> {
        let mut message = Vec::with_capacity(self.body.len() + 128);
        self.feed(scheme, source, |bytes| message.extend_from_slice(bytes))?;
        Some(message)
    }

    /// Hands every piece of the signed bytes to `sink`, in order; `None` as soon as one is missing.
    fn feed(&self, scheme: &Scheme, source: &Source<'_>, mut sink: impl FnMut(&[u8])) -> Option<()> {
        let template = scheme.template.as_ref()?;
        for (at, part) in template.parts().enumerate() {
            if at == template.before.len() && template.body {
                sink(self.body);
            }
            match source.rendered.get(at)? {
                Some(bytes) => sink(bytes),
                None => sink(&self.late(part, source)?),
            }
        }
        if template.after.is_empty() && template.body {
            sink(self.body);
        }
        Some(())
    }

    fn late<'d>(&'d self, part: &Part, source: &'d Source<'_>) -> Option<Cow<'d, [u8]>> {
        Some(match part {
            Part::Url => Cow::Borrowed(source.url?.as_bytes()),
            Part::Timestamp => Cow::Borrowed(source.said.timestamp.as_deref()?),
            Part::Id => Cow::Borrowed(source.said.id.as_deref()?),
            Part::Json { path, optional } => match path.find(source.item?) {
                None | Some(Value::Null) if *optional => Cow::Borrowed(b"".as_slice()),
                _ => path.text(source.item?)?,
            },
            Part::Form(field) => Cow::Borrowed(self.form.as_ref()?.only(field)?),
            Part::FormSorted => Cow::Borrowed(self.sorted.as_slice()),
            Part::Md5Base64 => Cow::Owned(Encoding::Base64.encode(&Md5::digest(self.body)).into_bytes()),
            Part::Crc32 => Cow::Owned(crc32fast::hash(self.body).to_string().into_bytes()),
            Part::Sha256Hex => Cow::Owned(Encoding::Hex.encode(&Sha256::digest(self.body)).into_bytes()),
            _ => return None,
        })
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
    let media_type = line.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(wanted)
}
