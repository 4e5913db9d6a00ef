//! The description of the admin port, and answers judged by it. Not tests.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::admin_port::Answer;

/// `/openapi.json`, as it is given out.
pub(crate) struct Description {
    pub(crate) document: Value,
}

impl Description {
    /// Every operation: method and path.
    pub(crate) fn operations(&self) -> BTreeSet<String> {
        let paths = self.document["paths"].as_object().unwrap();
        let named = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        named.collect()
    }

    /// What is stated of an operation.
    pub(crate) fn stated(&self, operation: &str) -> &Value {
        let (method, path) = operation.split_once(' ').unwrap();
        &self.document["paths"][path][method.to_lowercase()]
    }

    /// The operation that a request is for. Segments that are spelt out come before those in braces.
    pub(crate) fn operation(&self, method: &str, target: &str) -> String {
        let path = target.split('?').next().unwrap();
        let fits = |template: &&String| {
            let mut segments = template.split('/');
            let same = path.split('/').all(|segment| {
                segments.next().is_some_and(|stated| stated.starts_with('{') || stated == segment)
            });
            same && segments.next().is_none()
        };
        let methods = self.document["paths"].as_object().unwrap();
        let with_method = |template: &&String| methods[*template].get(method.to_lowercase()).is_some();
        let mut found: Vec<&String> = methods.keys().filter(fits).filter(with_method).collect();
        found.sort_by_key(|template| template.matches('{').count());
        let template = found.first().unwrap_or_else(|| panic!("{method} {path} is not described"));
        format!("{method} {template}")
    }

    /// What a reference leads to, or the value itself.
    pub(crate) fn resolved<'d>(&'d self, value: &'d Value) -> &'d Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
            None => value,
        }
    }

    /// Panics unless the value is as the schema says.
    pub(crate) fn check(&self, what: &str, schema: &Value, value: &Value) {
        let root = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{value:#}");
    }

    /// Panics unless the answer is one that the operation is said to have.
    pub(crate) fn judge(&self, operation: &str, answer: &Answer) {
        let status = answer.status.as_str();
        let what = format!("{operation}: {status}");
        let stated = self.stated(operation)["responses"].get(status);
        let stated = self.resolved(stated.unwrap_or_else(|| panic!("{what} is not stated: {}", answer.text)));
        for (name, _) in stated["headers"].as_object().unwrap() {
            // These are there only where there is something to say.
            let always = !["Link", "Idempotency-Replayed"].contains(&name.as_str());
            assert!(!always || answer.headers.contains_key(name.as_str()), "{what}: no {name}");
        }
        let Some(content) = stated["content"].as_object() else {
            assert_eq!(answer.text, "", "{what}");
            return;
        };
        let media = content.get(answer.header("content-type")).unwrap_or_else(|| {
            panic!("{what}: {} is not stated", answer.header("content-type"));
        });
        if answer.header("content-type").ends_with("json") {
            self.check(&what, &media["schema"], &answer.json);
        }
    }
}
