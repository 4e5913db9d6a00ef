//! Links: what can be asked for with the id in an answer (OpenAPI 3.1, "Link Object").
//!
//! Invariant: a link gives every parameter of the path that it leads to.

use serde_json::{Map, Value, json};

use super::operations::{Described, Gives};

/// From the answer of an operation that makes a record, to those that take its id.
pub(super) fn of(described: &Described, all: &[Described]) -> Option<Value> {
    let (_, path) = described.at.split_once(' ').filter(|_| matches!(described.gives, Gives::Made(_)))?;
    let within = format!("{path}/{{");
    // What the id is called in a path: `{workspace}` behind `/api/workspaces`.
    let deeper = all.iter().find_map(|other| other.at.split_once(' ')?.1.strip_prefix(&within));
    let (made, _) = deeper?.split_once('}')?;
    let known: Vec<&str> = names(path).collect();
    let links = all.iter().filter_map(|other| {
        let (_, target) = other.at.split_once(' ')?;
        let wanted: Vec<&str> = names(target).collect();
        let reached =
            wanted.contains(&made) && wanted.iter().all(|name| *name == made || known.contains(name));
        let parameter = |name: &&str| {
            let from =
                if *name == made { "$response.body#/id".to_owned() } else { format!("$request.path.{name}") };
            ((*name).to_owned(), Value::from(from))
        };
        let parameters: Map<String, Value> = wanted.iter().map(parameter).collect();
        let link = json!({ "operationId": other.id, "parameters": parameters });
        reached.then(|| (other.id.to_owned(), link))
    });
    Some(links.collect::<Map<String, Value>>().into())
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}
