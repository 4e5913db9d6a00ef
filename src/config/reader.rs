//! Takes options out of the merged layers, one by one, and collects what is wrong with them.
//!
//! Not the meaning of any option: the sections' check functions say which keys there are and how to parse
//! them. Invariants: a faulty option is recorded and reading goes on; a key that nobody took is a fault;
//! each option's source and shown value are kept, so that faults between options can name both.

use std::cell::RefCell;
use std::collections::BTreeMap;

use figment::Figment;
use figment::value::{Dict, Tag, Value};

use super::fault::{Expected, Fault, closest, shown};
use super::fingerprint::{Fingerprint, digest};
use super::layers::{DEFAULT, TEXTUAL};

/// What a parser is given: a value, and whether numbers and lists may come as text.
pub(super) struct Raw<'v> {
    value: &'v Value,
    textual: bool,
}

impl Raw<'_> {
    /// Text, from any source.
    pub(super) fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// An integer; as text only from the environment and the command line.
    pub(super) fn integer(&self) -> Option<i128> {
        match self.value {
            Value::Num(_, number) => {
                number.to_i128().or_else(|| number.to_u128().and_then(|number| number.try_into().ok()))
            }
            Value::String(_, text) if self.textual => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A truth value; as text only from the environment and the command line.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Bool(_, value) => Some(*value),
            Value::String(_, text) if self.textual => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A list; as text (TOML, `["GET", "POST"]`) only from the environment and the command line.
    fn list(&self) -> Option<Vec<Value>> {
        match self.value {
            Value::Array(_, values) => Some(values.clone()),
            Value::String(tag, text) if self.textual => {
                let table: toml::Table = toml::from_str(&format!("list = {text}")).ok()?;
                let mut values = Value::serialize(table.get("list")?).ok()?.into_array()?;
                for value in &mut values {
                    if let Value::String(inner, _) = value {
                        *inner = *tag;
                    }
                }
                Some(values)
            }
            _ => None,
        }
    }
}

/// Everything that was read so far.
pub(super) struct Reader {
    figment: Figment,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    /// Every option that a check asked for, by path with `[]` for any index.
    known: Vec<String>,
    /// What was found, by exact path.
    seen: BTreeMap<String, Seen>,
    unknown: Vec<Unknown>,
    warnings: Vec<String>,
}

struct Seen {
    shown: String,
    digest: Option<[u8; 32]>,
    source: Option<String>,
}

struct Unknown {
    section: String,
    key: String,
    siblings: Vec<&'static str>,
    source: Option<String>,
}

impl Reader {
    pub(super) fn new(figment: Figment) -> Self {
        Self { figment, state: RefCell::default() }
    }

    /// The top of the tree.
    pub(super) fn root(&self) -> Section<'_> {
        let dict = self.figment.find_value("").ok().and_then(Value::into_dict).unwrap_or_default();
        Section { reader: self, path: String::new(), dict, asked: Vec::new(), usable: true }
    }

    /// Records what is wrong between options, at the place of one of them.
    pub(super) fn fault(&self, path: &str, expected: impl Into<String>, hint: Option<String>) {
        let mut state = self.state.borrow_mut();
        let seen = state.seen.get(path);
        let value = seen.map(|seen| seen.shown.clone());
        let source = seen.and_then(|seen| seen.source.clone());
        state.faults.push(Fault { path: path.to_owned(), value, expected: expected.into(), hint, source });
    }

    /// Every option that was set, not left to its default.
    pub(super) fn given(&self) -> Vec<String> {
        let state = self.state.borrow();
        let set = state.seen.iter().filter(|(_, seen)| seen.source.as_deref() != Some(DEFAULT));
        set.map(|(path, _)| path.clone()).collect()
    }

    /// Records what is allowed and yet most likely not meant.
    pub(super) fn warn(&self, path: &str, text: &str) {
        let mut state = self.state.borrow_mut();
        let source = state.seen.get(path).and_then(|seen| seen.source.as_ref());
        let set = source.filter(|source| *source != DEFAULT);
        let source = set.map(|source| format!(" ({source})")).unwrap_or_default();
        state.warnings.push(format!("{path} {text}{source}"));
    }

    /// What every option was set to.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let state = self.state.borrow();
        let leaves = state.seen.iter().filter_map(|(path, seen)| Some((path.clone(), seen.digest?)));
        Fingerprint::new(leaves)
    }

    /// Everything that was warned of.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.state.borrow().warnings.clone()
    }

    /// Parses one value at a place; records the fault if it has one.
    pub(super) fn judge<T>(
        &self,
        path: &str,
        value: &Value,
        parse: impl Fn(&Raw<'_>) -> Result<T, Expected>,
    ) -> Option<T> {
        self.see(path, value);
        match parse(&self.raw(value)) {
            Ok(parsed) => Some(parsed),
            Err(expected) => {
                self.fault(path, expected.text, expected.hint);
                None
            }
        }
    }

    /// Parses a list, item by item. `None` where it is not a list or an item is faulty.
    pub(super) fn judge_list<T>(
        &self,
        path: &str,
        value: &Value,
        expected: &str,
        parse: impl Fn(&Raw<'_>) -> Result<T, Expected>,
    ) -> Option<Vec<T>> {
        self.see(path, value);
        let Some(items) = self.raw(value).list() else {
            self.fault(path, expected, None);
            return None;
        };
        let parsed: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.judge(&format!("{path}[{index}]"), item, &parse))
            .collect();
        parsed.into_iter().collect()
    }

    /// Every fault, unknown keys last; and every option that exists.
    pub(super) fn finish(self) -> (Vec<Fault>, Vec<String>) {
        let State { mut faults, known, unknown, .. } = self.state.into_inner();
        for Unknown { section, key, siblings, source } in unknown {
            let hint = closest(&key, siblings.iter().copied())
                .map(str::to_owned)
                .or_else(|| known.iter().find(|known| known.rsplit('.').next() == Some(&key)).cloned())
                .map(|meant| format!("did you mean \"{meant}\"?"));
            let expected = format!("no such option; known here: {}", siblings.join(", "));
            let expected = if hint.is_some() { "a known option".to_owned() } else { expected };
            faults.push(Fault { path: join(&section, &key), value: None, expected, hint, source });
        }
        (faults, known)
    }

    fn raw<'v>(&self, value: &'v Value) -> Raw<'v> {
        let textual = self.figment.get_metadata(value.tag()).is_some_and(|data| data.name == TEXTUAL);
        Raw { value, textual }
    }

    fn see(&self, path: &str, value: &Value) {
        let seen = Seen { shown: shown(value), digest: digest(value), source: self.source(value.tag()) };
        self.state.borrow_mut().seen.insert(path.to_owned(), seen);
    }

    fn source(&self, tag: Tag) -> Option<String> {
        let source = self.figment.get_metadata(tag)?.source.as_ref()?;
        source.custom().map(str::to_owned)
    }
}

/// One table of the configuration.
pub(super) struct Section<'r> {
    reader: &'r Reader,
    path: String,
    dict: Dict,
    asked: Vec<&'static str>,
    /// Whether it is a table at all: otherwise what it lacks is not its keys' fault.
    usable: bool,
}

impl<'r> Section<'r> {
    /// A section for a value that should be a table, at a place such as `routes[2]`.
    pub(super) fn of(reader: &'r Reader, path: String, value: Option<Value>) -> Self {
        let mut section = Section { reader, path, dict: Dict::new(), asked: Vec::new(), usable: false };
        if let Some(value) = value {
            reader.see(&section.path, &value);
            match value.into_dict() {
                Some(dict) => (section.dict, section.usable) = (dict, true),
                None => reader.fault(&section.path, "a table", None),
            }
        }
        section
    }

    /// The table below this one.
    pub(super) fn section(&mut self, key: &'static str) -> Self {
        let value = self.ask(key);
        Self::of(self.reader, join(&self.path, key), value)
    }

    /// An option that must have a value, be it the default.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&Raw<'_>) -> Result<T, Expected>,
    ) -> Option<T> {
        let value = self.take(key);
        if value.is_none() {
            self.missing(key);
        }
        self.reader.judge(&join(&self.path, key), &value?, parse)
    }

    /// An option that may be absent. A faulty one is recorded and then like an absent one.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&Raw<'_>) -> Result<T, Expected>,
    ) -> Option<T> {
        let value = self.take(key)?;
        self.reader.judge(&join(&self.path, key), &value, parse)
    }

    /// The value of an option, for checks that parse it themselves.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        let value = self.ask(key);
        self.reader.state.borrow_mut().known.push(join(&generic(&self.path), key));
        value
    }

    /// Records that an option without a default is absent.
    pub(super) fn missing(&self, key: &str) {
        if self.usable {
            self.reader.fault(&join(&self.path, key), "a value: it has no default", None);
        }
    }

    /// Records what is wrong between an option of this section and another one.
    pub(super) fn fault(&self, key: &str, expected: impl Into<String>) {
        self.reader.fault(&join(&self.path, key), expected, None);
    }

    /// The place of an option in this section.
    pub(super) fn place(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Records the keys that nobody asked for.
    pub(super) fn finish(self) {
        for (key, value) in self.dict {
            let source = self.reader.source(value.tag());
            self.reader.state.borrow_mut().unknown.push(Unknown {
                section: self.path.clone(),
                key,
                siblings: self.asked.clone(),
                source,
            });
        }
    }

    fn ask(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.dict.remove(key)
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// The path of a section without its index: `routes[2]` is an instance of `routes[]`.
fn generic(path: &str) -> String {
    path.split_once('[').map_or_else(|| path.to_owned(), |(list, _)| format!("{list}[]"))
}
