//! The description of the API, and whether an answer is as it says: the part of JSON Schema that it uses, and no more.

use serde_json::{Map, Value};

use super::http::Answer;

/// What a schema of ours may say; anything else must be taught to [`Description::mismatches`] first.
const KNOWN_WORDS: &[&str] = &[
    "$ref",
    "additionalProperties",
    "allOf",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "minimum",
    "oneOf",
    "allOf",
    "properties",
    "required",
    "type",
];

/// An OpenAPI document.
#[derive(Debug)]
pub(crate) struct Description(Value);

/// One path with one method.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// As it is described, with `{names}`.
    pub(crate) path: String,
    /// In capital letters.
    pub(crate) method: String,
    described: Value,
    /// Whether it is served without a token.
    pub(crate) open: bool,
}

impl Operation {
    /// The success statuses that it describes.
    pub(crate) fn successes(&self) -> Vec<u16> {
        let statuses = self.described["responses"].as_object().unwrap().keys().filter_map(|key| key.parse().ok());
        statuses.filter(|status| (200..300).contains(status)).collect()
    }

    /// What is described for a status: the status itself, or its class.
    fn response(&self, status: u16) -> Option<&Map<String, Value>> {
        let responses = &self.described["responses"];
        [status.to_string(), format!("{}XX", status / 100)].iter().find_map(|key| responses[key].as_object())
    }
}

impl Description {
    pub(crate) fn new(document: Value) -> Self {
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
        Self(document)
    }

    /// Everything that it describes.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let needs = described.get("security").unwrap_or(&self.0["security"]).as_array().unwrap();
                let open = needs.iter().all(|need| need.as_object().unwrap().is_empty());
                let (path, method, described) = (path.clone(), method.to_ascii_uppercase(), described.clone());
                operations.push(Operation { path, method, described, open });
            }
        }
        operations
    }

    pub(crate) fn operation(&self, method: &str, path: &str) -> Operation {
        let mut operations = self.operations().into_iter();
        let found = operations.find(|operation| operation.path == path && operation.method == method);
        found.unwrap_or_else(|| panic!("{method} {path} is not described"))
    }

    /// The schemes that a need for security may name.
    pub(crate) fn security_schemes(&self) -> &Value {
        &self.0["components"]["securitySchemes"]
    }

    /// Fails unless an answer is as it is described.
    pub(crate) fn check(&self, operation: &Operation, answer: &Answer) {
        let at = format!("{} {}: {}", operation.method, operation.path, answer.status);
        let response = operation.response(answer.status).unwrap_or_else(|| panic!("{at} is not described"));
        let content = response.get("content").and_then(|content| content.get(answer.media_type()));
        let content = content.unwrap_or_else(|| panic!("{at}: {} is not described", answer.media_type()));
        if answer.media_type().ends_with("json") {
            let mismatches = self.mismatches(&content["schema"], &answer.json(), "");
            assert_eq!(mismatches, Vec::<String>::new(), "{at}: {}", answer.text);
        }
    }

    /// Where a value is not as its schema says.
    pub(crate) fn mismatches(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let schema = schema.as_object().unwrap_or_else(|| panic!("no schema for {at}: {schema}"));
        if let Some(unknown) = schema.keys().find(|word| !KNOWN_WORDS.contains(&word.as_str())) {
            return vec![format!("{at}: the schema says {unknown}")];
        }
        if let Some(reference) = schema.get("$ref") {
            let pointer = reference.as_str().unwrap().trim_start_matches('#');
            let target = self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} is not there"));
            return self.mismatches(target, value, at);
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.mismatches(&self.joined(parts), value, at);
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let fitting = choices.iter().filter(|choice| self.mismatches(choice, value, at).is_empty()).count();
            return if fitting == 1 { vec![] } else { vec![format!("{at}: fits {fitting} of {choices:?}: {value}")] };
        }
        let mut found = Vec::new();
        if !is_of_type(&schema["type"], value) {
            found.push(format!("{at}: {value} is not of type {}", schema["type"]));
        }
        if schema.get("enum").is_some_and(|words| !words.as_array().unwrap().contains(value)) {
            found.push(format!("{at}: {value} is not one of {}", schema["enum"]));
        }
        if let (Some(least), Some(number)) = (schema.get("minimum").and_then(Value::as_i64), value.as_i64()) {
            found.extend((number < least).then(|| format!("{at}: {number} is below {least}")));
        }
        if let Some(fields) = value.as_object() {
            found.extend(self.field_mismatches(schema, fields, at));
        }
        for (number, item) in value.as_array().into_iter().flatten().enumerate() {
            found.extend(self.mismatches(&schema["items"], item, &format!("{at}/{number}")));
        }
        found
    }

    /// Objects whose fields stand side by side in one.
    fn joined(&self, parts: &[Value]) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for part in parts {
            let target = part.get("$ref").map(|reference| reference.as_str().unwrap().trim_start_matches('#'));
            let part = target.map_or(part, |pointer| self.0.pointer(pointer).expect("a reference that is there"));
            properties.extend(part["properties"].as_object().unwrap().clone());
            required.extend(part["required"].as_array().into_iter().flatten().cloned());
        }
        serde_json::json!({"type": "object", "properties": properties, "required": required})
    }

    fn field_mismatches(&self, schema: &Map<String, Value>, fields: &Map<String, Value>, at: &str) -> Vec<String> {
        // An object without described fields may hold anything.
        let Some(described) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let missing = required.map(|name| name.as_str().unwrap()).filter(|name| !fields.contains_key(*name));
        let mut found: Vec<_> = missing.map(|name| format!("{at}/{name} is missing")).collect();
        for (name, field) in fields {
            match described.get(name) {
                Some(schema) => found.extend(self.mismatches(schema, field, &format!("{at}/{name}"))),
                None => found.push(format!("{at}/{name} is not described")),
            }
        }
        found
    }
}

fn is_of_type(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema says type {other}"),
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}
