//! Which scheme an integration has: by `scheme`, or by its type with the four `signature…` fields.
//!
//! Not the scheme engine. Invariants: never both ways in one body; a change of one `signature…` field keeps
//! the other three, and is refused where the present scheme cannot be said in those fields, because rebuilding
//! it from them would silently drop what they cannot say.

use std::sync::Arc;

use serde_json::Value;

use crate::admin::fields::{Change, Fields};
use crate::admin::formats::{self, Checked, Wrong, wrong};
use crate::admin::problem::Fault;
use crate::keys::record::Integration;
use crate::verify::scheme::kind::{Overrides, effective, type_defaults};
use crate::verify::scheme::{self, Scheme, SchemeChoice, SchemeFault, SchemeSpec};

/// Types that are no preset's name.
const TYPES: [&str; 4] = ["datadog", "newrelic", "pagerduty", "generic"];

const OVERRIDES: [&str; 4] = ["signatureHeader", "signatureAlgorithm", "signatureFormat", "signaturePrefix"];

/// What a body says of the scheme.
#[derive(Debug)]
pub(super) struct SchemeInput {
    scheme: Change<SchemeChoice>,
    header: Change<String>,
    algorithm: Change<String>,
    format: Change<String>,
    prefix: Change<String>,
}

impl SchemeInput {
    /// Takes the five fields; both ways at once is a fault.
    pub(super) fn of(fields: &mut Fields) -> Self {
        let both = fields.has("scheme") && OVERRIDES.iter().any(|name| fields.has(name));
        let input = Self {
            scheme: fields.nullable("scheme", choice),
            header: fields.nullable("signatureHeader", formats::text),
            algorithm: fields.nullable("signatureAlgorithm", formats::text),
            format: fields.nullable("signatureFormat", formats::text),
            prefix: fields.nullable("signaturePrefix", formats::text),
        };
        if both {
            let detail = "cannot be given together with signatureHeader, signatureAlgorithm, signatureFormat \
                          or signaturePrefix";
            fields.fault(Fault::at("/scheme", "exclusive", detail));
        }
        input
    }

    /// Whether the body says anything of the scheme.
    pub(super) fn is_named(&self) -> bool {
        self.scheme.is_named() || self.overrides_named()
    }

    fn overrides_named(&self) -> bool {
        [&self.header, &self.algorithm, &self.format, &self.prefix].into_iter().any(Change::is_named)
    }

    /// The scheme of a new integration, or of one whose type changes.
    pub(super) fn for_type(&self, kind: &str) -> Result<SchemeChoice, Vec<Fault>> {
        let scheme = self.scheme.of(None);
        // Both at once is a fault of the body already, and said once.
        let overrides = match scheme {
            Some(_) => Overrides::default(),
            None => self.over(Overrides::default()),
        };
        effective(kind, scheme, &overrides).map_err(faults)
    }

    /// The scheme after a change of an integration that keeps its type.
    pub(super) fn for_change(
        &self,
        before: &Integration,
        present: &Scheme,
    ) -> Result<SchemeChoice, Vec<Fault>> {
        if self.scheme.is_named() {
            return self.for_type(&before.kind);
        }
        let carried = carried(before, present).ok_or_else(|| {
            let named = OVERRIDES
                .into_iter()
                .zip([&self.header, &self.algorithm, &self.format, &self.prefix])
                .filter(|(_, change)| change.is_named());
            let detail = "the present scheme was given as `scheme` and says more than the signature fields \
                          can; change it there";
            named.map(|(name, _)| Fault::at(format!("/{name}"), "exclusive", detail)).collect::<Vec<_>>()
        })?;
        effective(&before.kind, None, &self.over(carried)).map_err(faults)
    }

    fn over(&self, carried: Overrides) -> Overrides {
        Overrides {
            header: self.header.of(carried.header),
            algorithm: self.algorithm.of(carried.algorithm),
            format: self.format.of(carried.format),
            prefix: self.prefix.of(carried.prefix),
        }
    }
}

/// The fewest overrides that make the present scheme out of the type's; `None` where none do.
fn carried(before: &Integration, present: &Scheme) -> Option<Overrides> {
    let mut subsets: Vec<u32> = (0..1 << OVERRIDES.len()).collect();
    subsets.sort_by_key(|subset| subset.count_ones());
    subsets
        .into_iter()
        .map(|subset| said_by(subset, present))
        .find(|overrides| effective(&before.kind, None, overrides).is_ok_and(|made| made == before.scheme))
}

/// The overrides of a subset of the four fields, in the order of [`OVERRIDES`], as the scheme has them.
fn said_by(subset: u32, scheme: &Scheme) -> Overrides {
    let has = |place: u32| subset & (1 << place) != 0;
    Overrides {
        header: has(0).then(|| header_as_written(scheme).to_owned()),
        algorithm: has(1).then(|| scheme.algorithm().to_owned()),
        format: scheme.encoding().filter(|_| has(2)).map(str::to_owned),
        prefix: has(3).then(|| scheme.prefix().to_owned()),
    }
}

/// The signature header in the spelling in which it was given; the first where there are aliases.
pub(super) fn header_as_written(scheme: &Scheme) -> &str {
    scheme.spec().sig.header.names().first().map_or_else(|| scheme.header(), String::as_str)
}

/// A type's name, checked against those that exist.
pub(super) fn kind(value: Value) -> Checked<String> {
    let name = formats::text(value)?;
    if type_defaults(&name).is_some() {
        return Ok(name);
    }
    let presets = scheme::presets().map(|preset| preset.label()).filter(|label| !TYPES.contains(label));
    let known: Vec<&str> = TYPES.into_iter().chain(presets).collect();
    wrong("unknown", format!("must be one of {}", known.join(", ")))
}

/// A preset's name, or a scheme written out.
fn choice(value: Value) -> Checked<SchemeChoice> {
    let choice = match value {
        Value::String(name) if scheme::preset(&name).is_none() => {
            let known: Vec<&str> = scheme::presets().map(|preset| preset.label()).collect();
            return wrong("unknown", format!("must be a scheme object or one of {}", known.join(", ")));
        }
        Value::String(name) => SchemeChoice::Preset(name),
        value @ Value::Object(_) => match serde_json::from_value::<SchemeSpec>(value) {
            Ok(spec) => SchemeChoice::Inline(Box::new(spec)),
            Err(error) => return wrong("format", error.to_string()),
        },
        _ => return wrong("type", "must be a preset's name or a scheme object"),
    };
    match scheme::resolve(&choice) {
        Ok(_) => Ok(choice),
        Err(faults) => Err(faults.into_iter().map(inline_wrong).collect()),
    }
}

fn inline_wrong(fault: SchemeFault) -> Wrong {
    Wrong { at: below(&fault.path), code: "scheme", detail: fault.message }
}

/// `sig.header` → `/sig/header`; what is about the whole has no path below it.
fn below(path: &str) -> String {
    match path {
        "" | "scheme" => String::new(),
        path => format!("/{}", path.replace('.', "/")),
    }
}

/// Faults of an effective scheme, at the fields that the admin used.
fn faults(found: Vec<SchemeFault>) -> Vec<Fault> {
    let pointer = |path: &str| match path {
        "type" => "/type".to_owned(),
        path if OVERRIDES.contains(&path) => format!("/{path}"),
        path => format!("/scheme{}", below(path)),
    };
    found.into_iter().map(|fault| Fault::at(pointer(&fault.path), "scheme", fault.message)).collect()
}

/// The scheme, resolved. A choice that was checked before resolves again.
pub(super) fn resolved(choice: &SchemeChoice) -> Result<Arc<Scheme>, Vec<Fault>> {
    scheme::resolve(choice).map_err(faults)
}
