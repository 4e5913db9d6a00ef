//! What a whole body says, and the signed bytes put together from it. Pure.
//!
//! Not a verdict: that is `whole`'s. Invariants: what is missing, ambiguous or can't be read is `None`, never
//! nothing; the bytes are handed on where they lie, but for small ones, of which some are handed on at once.

use std::borrow::Cow;

use md5::{Digest as _, Md5};
use serde_json::Value;
use sha2::Sha256;
use smallvec::SmallVec;

use super::body::json;
use super::candidates::Candidates;
use super::extract::message_id;
use super::form::{Fields, Pair};
use super::template::Part;
use super::{IdPlace, Place, Scheme, TimestampPlace};
use crate::credential::grammar::Encoding;
use crate::verify::kind::{Finding, Times};

/// Items that one body may carry. Senders batch tens.
const MOST_ITEMS: usize = 1000;
/// Bytes that are gathered before they are handed on.
const GATHERED: usize = 1024;

/// What is read from a body.
pub(super) struct Document<'b> {
    body: &'b [u8],
    json: Option<Value>,
    form: Option<Fields<'b>>,
    /// Its fields in the order in which they are signed, where they are and the body is a form.
    sorted: Option<Fields<'b>>,
}

/// What the signed bytes are put together from, besides the body as a whole.
pub(super) struct Source<'s> {
    pub(super) rendered: &'s [Option<Vec<u8>>],
    /// In the form that is tried.
    pub(super) url: Option<&'s str>,
    pub(super) item: Option<&'s Value>,
    pub(super) said: &'s Said<'s>,
}

/// What one item says of itself.
#[derive(Default)]
pub(super) struct Said<'d> {
    timestamp: Option<Cow<'d, [u8]>>,
    id: Option<Cow<'d, [u8]>>,
}

/// Gathers small fields: a hash takes each piece as dearly as many of them in one.
struct Gathered<S> {
    bytes: [u8; GATHERED],
    len: usize,
    sink: S,
}

impl<'b> Document<'b> {
    /// Reads what the scheme names; `None` where that can't be read, or nothing would cover the body. Fields whose
    /// escapes are decoded lie in `room`.
    pub(super) fn read(
        scheme: &Scheme,
        body: &'b [u8],
        is_form: bool,
        room: &'b mut Vec<u8>,
    ) -> Option<Self> {
        let reads = scheme.reads;
        let json = if reads.json { Some(json(body)?) } else { None };
        if reads.sorted && !is_form && !body.is_empty() && scheme.spec.bind.is_none() {
            // Nothing would cover such a body.
            return None;
        }
        let sorts = reads.sorted && is_form;
        let mut form = if reads.fields || sorts { Some(Fields::parse(body, room)?) } else { None };
        let sorted = match (sorts, reads.fields) {
            (false, _) => None,
            (true, false) => form.take(),
            (true, true) => form.clone(),
        };
        let sorted = sorted.map(Fields::sorted);
        Some(Self { body, json, form, sorted })
    }

    /// The items that carry a signature each; the whole body where there is one signature.
    pub(super) fn items(&self, scheme: &Scheme) -> Option<SmallVec<[Option<&Value>; 1]>> {
        let Some(path) = &scheme.each else { return Some(SmallVec::from_buf([self.json.as_ref()])) };
        let items = path.find(self.json.as_ref()?)?.as_array()?;
        if items.is_empty() || items.len() > MOST_ITEMS {
            return None;
        }
        Some(items.iter().map(Some).collect())
    }

    /// Reads time and id where they are in the body; `None` where one is missing or is none.
    pub(super) fn said<'d>(
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
    pub(super) fn candidates(&self, scheme: &Scheme, item: Option<&Value>) -> Option<Option<Candidates>> {
        let text = match &scheme.reader.place {
            Place::Json(path) => path.text(item?)?,
            Place::Form(field) => Cow::Borrowed(self.form.as_ref()?.only(field)?),
            Place::Header | Place::EachHeader | Place::Query(_) => return Some(None),
        };
        let mut candidates = Candidates::default();
        candidates.read(scheme, &text);
        candidates.checked().ok().map(Some)
    }

    /// The signed bytes.
    pub(super) fn message(&self, scheme: &Scheme, source: &Source<'_>) -> Option<Vec<u8>> {
        let mut message = Vec::with_capacity(self.body.len() + 128);
        self.feed(scheme, source, |bytes| message.extend_from_slice(bytes))?;
        Some(message)
    }

    /// Hands every piece of the signed bytes to `sink`, in order; `None` as soon as one is missing.
    pub(super) fn feed(
        &self,
        scheme: &Scheme,
        source: &Source<'_>,
        mut sink: impl FnMut(&[u8]),
    ) -> Option<()> {
        let template = scheme.template.as_ref()?;
        for (at, part) in template.parts().enumerate() {
            if at == template.before.len() && template.body {
                sink(self.body);
            }
            match (source.rendered.get(at)?, part) {
                (Some(bytes), _) => sink(bytes),
                (None, Part::FormSorted) => {
                    let mut gathered = Gathered::new(&mut sink);
                    for pair in self.sorted.iter().flat_map(Fields::pairs) {
                        gathered.push(*pair);
                    }
                    gathered.flush();
                }
                (None, part) => sink(&self.late(part, source)?),
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
            Part::Md5Base64 => Cow::Owned(Encoding::Base64.encode(&Md5::digest(self.body)).into_bytes()),
            Part::Crc32 => Cow::Owned(crc32fast::hash(self.body).to_string().into_bytes()),
            Part::Sha256Hex => Cow::Owned(Encoding::Hex.encode(&Sha256::digest(self.body)).into_bytes()),
            _ => return None,
        })
    }
}

impl<S: FnMut(&[u8])> Gathered<S> {
    fn new(sink: S) -> Self {
        Self { bytes: [0; GATHERED], len: 0, sink }
    }

    fn push(&mut self, (name, value): Pair<'_>) {
        let len = name.len() + value.len();
        if len > GATHERED - self.len {
            self.flush();
        }
        let place = self.bytes.get_mut(self.len..self.len + len);
        match place.and_then(|place| place.split_at_mut_checked(name.len())) {
            Some((first, second)) => {
                first.copy_from_slice(name);
                second.copy_from_slice(value);
                self.len += len;
            }
            None => {
                (self.sink)(name);
                (self.sink)(value);
            }
        }
    }

    fn flush(&mut self) {
        if self.len > 0 {
            (self.sink)(self.bytes.get(..self.len).unwrap_or_default());
            self.len = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Gathered;

    #[test]
    fn small_fields_are_handed_on_together_and_none_is_lost_or_moved() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(8000).collect();
        for lengths in [
            [(3, 5), (0, 0), (7, 43), (1, 0)],
            [(1000, 23), (1, 0), (1, 0), (2, 1022)],
            [(1024, 0), (0, 1024), (512, 512), (0, 1)],
            [(1, 1), (7, 1018), (1, 1), (1025, 0)],
            [(7, 5000), (2, 2), (3, 1500), (3, 3)],
        ] {
            let (mut handed, mut pieces, mut rest) = (Vec::new(), 0, bytes.as_slice());
            let mut gathered = Gathered::new(|piece: &[u8]| {
                handed.extend_from_slice(piece);
                pieces += 1;
            });
            for (name, value) in lengths {
                let (name, after) = rest.split_at(name);
                let (value, after) = after.split_at(value);
                gathered.push((name, value));
                rest = after;
            }
            gathered.flush();
            assert_eq!(handed, bytes[..bytes.len() - rest.len()], "{lengths:?}");
            assert!(pieces <= 6, "{lengths:?}: {pieces}");
        }
    }
}
