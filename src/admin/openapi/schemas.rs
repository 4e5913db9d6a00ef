//! The schemas, read from the files beside, and made whole.
//!
//! A schema with `$with` has the properties, the required ones and the example of those it names as well. Invariant:
//! an object takes no member but those it names, unless it says otherwise: unknown fields are refused, and an answer
//! with a field that is not described is a fault that a test finds.

use serde_json::{Map, Value, json};

const FILES: [&str; 9] = [
    include_str!("schemas/common.json"),
    include_str!("schemas/workspaces.json"),
    include_str!("schemas/webhook-keys.json"),
    include_str!("schemas/integrations.json"),
    include_str!("schemas/admins.json"),
    include_str!("schemas/deliveries.json"),
    include_str!("schemas/audit.json"),
    include_str!("schemas/fleet.json"),
    include_str!("schemas/schemes.json"),
];

/// All of them, by name.
pub(super) fn all() -> Map<String, Value> {
    let mut written = Map::new();
    for file in FILES {
        // A file without a reading leaves its schemas out, which a test finds.
        written.extend(serde_json::from_str::<Map<String, Value>>(file).unwrap_or_default());
    }
    written.keys().map(|name| (name.clone(), whole(name, &written))).collect()
}

/// The schema with what those it is made of have.
fn whole(name: &str, written: &Map<String, Value>) -> Value {
    let mut schema = written.get(name).cloned().unwrap_or_default();
    let parts = schema.as_object_mut().and_then(|schema| schema.remove("$with"));
    for part in parts.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        schema = joined(whole(part, written), schema);
    }
    close(&mut schema);
    schema
}

/// The first with all of the second; the second counts where both say something.
fn joined(mut first: Value, second: Value) -> Value {
    let (Some(into), Value::Object(more)) = (first.as_object_mut(), second) else { return first };
    for (name, value) in more {
        match (name.as_str(), into.get_mut(&name), value) {
            ("required", Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
            ("properties", Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
            ("examples", Some(Value::Array(known)), Value::Array(more)) => {
                if let (Some(Value::Object(known)), Some(Value::Object(more))) =
                    (known.first_mut(), more.into_iter().next())
                {
                    known.extend(more);
                }
            }
            (_, _, value) => {
                into.insert(name, value);
            }
        }
    }
    first
}

/// Makes every object with named properties take no others.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.iter_mut().filter(|(name, _)| *name != "examples").for_each(|(_, member)| close(member));
            if members.get("properties").is_some_and(Value::is_object) {
                members.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
