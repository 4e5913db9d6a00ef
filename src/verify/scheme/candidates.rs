//! From the text that carries signatures to the signatures in it. Pure.
//!
//! Not extraction: where the text stands is `extract`'s and `whole`'s business. Invariants: at most
//! [`MAX_CANDIDATES`] in all; an item that can't be a signature is skipped and spoils no other.

use smallvec::SmallVec;

use super::extract::MAX_CANDIDATES;
use super::{Form, Scheme};
use crate::credential::CredentialFault;
use crate::credential::grammar::{DECODE_BUFFER, Line, tagged, trim_ows};
use crate::verify::mac::Tag;

/// The longest signature of a public key: that of RSA with 8192 bits.
const LONGEST_SIGNATURE: usize = 1024;

/// Signatures that one request offers.
#[derive(Default)]
pub(super) struct Candidates {
    /// Of MACs, hashes and tokens.
    pub(super) tags: SmallVec<[Tag; 1]>,
    /// Of public keys.
    pub(super) signatures: Vec<Vec<u8>>,
    seen: usize,
}

impl Candidates {
    pub(super) fn len(&self) -> usize {
        self.tags.len() + self.signatures.len()
    }

    /// The candidates, or why there are none to try.
    pub(super) fn checked(self) -> Result<Self, CredentialFault> {
        if self.seen > MAX_CANDIDATES {
            return Err(CredentialFault::Malformed("there are more signatures than 16"));
        }
        if self.len() == 0 {
            return Err(CredentialFault::Malformed("the signature header holds no signature of this scheme"));
        }
        Ok(self)
    }

    /// Adds those of one text.
    pub(super) fn read(&mut self, scheme: &Scheme, value: &[u8]) {
        match &scheme.reader.form {
            Form::Plain { prefix, optional } => match value.strip_prefix(prefix.as_bytes()) {
                Some(candidate) => self.take(scheme, candidate),
                None if *optional => self.take(scheme, value),
                None => {}
            },
            Form::List { separator, tag_separator, tag, group: None } => {
                tagged(value, *separator, *tag_separator, tag.as_bytes())
                    .for_each(|candidate| self.take(scheme, candidate));
            }
            Form::List { separator, tag_separator, tag, group: Some(group) } => value
                .split(|byte| byte == group)
                .flat_map(|group| tagged(group, *separator, *tag_separator, tag.as_bytes()))
                .for_each(|candidate| self.take(scheme, candidate)),
            Form::Items { prefix, separator, first } => {
                let Some(value) = value.strip_prefix(prefix.as_bytes()) else { return };
                value
                    .split(|byte| byte == separator)
                    .skip(*first)
                    .for_each(|candidate| self.take(scheme, trim_ows(candidate)));
            }
        }
    }

    fn take(&mut self, scheme: &Scheme, candidate: &[u8]) {
        self.seen += 1;
        if self.seen > MAX_CANDIDATES {
            return;
        }
        let spec = &scheme.spec;
        match (spec.algorithm.tag_len(), spec.encoding) {
            (Some(length), Some(encoding)) => {
                let mut buffer = [0; DECODE_BUFFER];
                self.tags.extend(encoding.decode(candidate, length, &mut buffer).and_then(Tag::new));
            }
            (None, Some(encoding)) => {
                self.signatures.extend(encoding.decode_any(candidate, LONGEST_SIGNATURE));
            }
            (_, None) if candidate.is_empty() => {}
            (_, None) => self.tags.push(Tag::of_token(candidate)),
        }
    }
}

impl Form {
    /// The item of a list that has this key or position; with groups, what all of them agree on.
    pub(super) fn field<'v>(&self, value: &'v [u8], field: &'v str) -> Line<'v> {
        match self {
            Self::Plain { .. } => Line::None,
            Self::List { separator, tag_separator, group, .. } => {
                let in_group = |group: &'v [u8]| {
                    let mut items = tagged(group, *separator, *tag_separator, field.as_bytes());
                    match (items.next(), items.next()) {
                        (None, _) => Line::None,
                        (Some(text), None) => Line::One(text),
                        (Some(_), Some(_)) => Line::Many,
                    }
                };
                let Some(group) = group else { return in_group(value) };
                let mut groups = value.split(|byte| byte == group).filter(|group| !group.is_empty());
                let first = groups.next().map_or(Line::None, in_group);
                if groups.all(|group| in_group(group) == first) { first } else { Line::Many }
            }
            Self::Items { prefix, separator, .. } => {
                let items = value.strip_prefix(prefix.as_bytes()).unwrap_or_default();
                let item = field.parse().ok().and_then(|at| items.split(|byte| byte == separator).nth(at));
                item.map_or(Line::None, |item| Line::One(trim_ows(item)))
            }
        }
    }
}
