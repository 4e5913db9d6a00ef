//! The members of a body, taken one by one, with every fault kept until the end.
//!
//! Not the rules of single values (`formats.rs`). Invariants: a member that nobody took is a fault, so
//! nothing is accepted silently; no fault's text repeats the value that was sent; nothing comes out of a
//! body with a fault, because [`Fields::finish`] is the only way on. A change follows JSON Merge Patch
//! (RFC 7396): what is absent stays, `null` clears.

use serde_json::{Map, Value};
use zeroize::Zeroize;

use super::formats::Wrong;
use super::problem::{Fault, Problem};

/// Faults that one answer lists. A body of nothing but faults must not be answered with megabytes.
const FAULTS: usize = 100;
/// Characters of an unknown member's name that an answer repeats.
const NAME_SHOWN: usize = 64;

/// What a change says of a field that can be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Change<T> {
    /// Nothing: it stays.
    #[default]
    Keep,
    /// `null`: it becomes empty.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T: Clone> Change<T> {
    /// The field's next value.
    pub(super) fn of(&self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        }
    }

    /// Whether the body names the field.
    pub(super) fn is_named(&self) -> bool {
        !matches!(self, Self::Keep)
    }
}

/// A body's members that are still to be taken, and the faults found so far.
pub(super) struct Fields {
    members: Map<String, Value>,
    faults: Vec<Fault>,
    digest: [u8; 32],
}

impl Drop for Fields {
    /// A member that nobody took may be a secret under a wrong name.
    fn drop(&mut self) {
        self.members.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

impl Fields {
    /// The members of a JSON object.
    pub(super) fn of(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Object(members) => Ok(Self { members, faults: Vec::new(), digest: [0; 32] }),
            _ => Err(Problem::invalid(vec![Fault::at("", "type", "the body must be a JSON object")])),
        }
    }

    /// The same, of the body with this SHA-256.
    pub(super) fn of_body(value: Value, digest: [u8; 32]) -> Result<Self, Problem> {
        let mut fields = Self::of(value)?;
        fields.digest = digest;
        Ok(fields)
    }

    /// SHA-256 of the body that they came in; zeros where they came in none.
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether the body names a member that was not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A member as it was sent, whatever it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// A member in the place of one that was taken.
    pub(super) fn put(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    /// A member that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(Value) -> Result<T, Vec<Wrong>>,
    ) -> Option<T> {
        match self.members.remove(name) {
            None | Some(Value::Null) => {
                self.fault(Fault::at(format!("/{name}"), "required", format!("{name} is required")));
                None
            }
            Some(value) => self.parsed(name, parse(value)),
        }
    }

    /// A member that may be left out and cannot be `null`.
    pub(super) fn plain<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(Value) -> Result<T, Vec<Wrong>>,
    ) -> Option<T> {
        match self.members.remove(name)? {
            Value::Null => {
                self.fault(Fault::at(format!("/{name}"), "type", format!("{name} cannot be null")));
                None
            }
            value => self.parsed(name, parse(value)),
        }
    }

    /// A member that may be left out, and is cleared by `null`.
    pub(super) fn nullable<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(Value) -> Result<T, Vec<Wrong>>,
    ) -> Change<T> {
        match self.members.remove(name) {
            None => Change::Keep,
            Some(Value::Null) => Change::Clear,
            Some(value) => self.parsed(name, parse(value)).map_or(Change::Keep, Change::Set),
        }
    }

    /// Members that the server sets, with what to do instead.
    pub(super) fn read_only(&mut self, names: &[&'static str], instead: &str) {
        for name in names {
            if self.members.remove(*name).is_some() {
                self.fault(Fault::at(format!("/{name}"), "read_only", format!("{name} {instead}")));
            }
        }
    }

    /// Notes a fault that the caller found.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// What was made of the fields, if there is no fault in any of them. `None` means that a required one
    /// is missing, which is a fault already.
    pub(super) fn finish<T>(mut self, made: Option<T>) -> Result<T, Problem> {
        let unknown = self.members.keys().map(|name| {
            let shown: String = name.chars().take(NAME_SHOWN).collect();
            let pointer = shown.replace('~', "~0").replace('/', "~1");
            Fault::at(format!("/{pointer}"), "unknown", "there is no such field")
        });
        self.faults.extend(unknown.take(FAULTS));
        self.faults.truncate(FAULTS);
        match made {
            Some(made) if self.faults.is_empty() => Ok(made),
            _ => Err(Problem::invalid(std::mem::take(&mut self.faults))),
        }
    }

    fn parsed<T>(&mut self, name: &'static str, parsed: Result<T, Vec<Wrong>>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(wrongs) => {
                self.faults.extend(
                    wrongs
                        .into_iter()
                        .map(|wrong| Fault::at(format!("/{name}{}", wrong.at), wrong.code, wrong.detail)),
                );
                None
            }
        }
    }
}
