//! A body against its description: every required field, and none that is not described.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The schemas of a description, and which of them were met.
pub(crate) struct Schemas {
    named: BTreeMap<String, Value>,
    pub(crate) met: BTreeSet<String>,
}

impl Schemas {
    pub(crate) fn new(description: &Value) -> Self {
        let named = description["components"]["schemas"].as_object().unwrap();
        Self { named: named.clone().into_iter().collect(), met: BTreeSet::new() }
    }

    /// The schemas that these descriptions name, and those that they name.
    pub(crate) fn named_by<'d>(&self, described: impl Iterator<Item = &'d Value>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&Value> = described.collect();
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => open.extend(fields.values()),
                Value::Array(items) => open.extend(items),
                Value::String(text) => {
                    let name = text.strip_prefix("#/components/schemas/");
                    if let Some(name) = name.filter(|name| found.insert((*name).to_owned())) {
                        open.push(&self.named[name]);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        found
    }

    /// Panics with the place where `value` is not what `schema` says.
    pub(crate) fn assert_is(&mut self, schema: &Value, value: &Value, at: &str) {
        let schema = self.resolved(schema);
        if let Some(alternatives) = schema.get("oneOf") {
            let null = |alternative: &&Value| alternative["type"] == "null";
            let mut alternatives = alternatives.as_array().unwrap().iter();
            assert!(!value.is_null() || alternatives.clone().any(|one| null(&one)), "{at} may not be null");
            if !value.is_null() {
                let only = alternatives.find(|alternative| !null(alternative)).unwrap();
                self.assert_is(&only.clone(), value, at);
            }
            return;
        }
        if let Some(words) = schema.get("enum") {
            assert!(words.as_array().unwrap().contains(value), "{at}: {value} is not one of {words}");
        }
        let (fields, required) = self.fields(&schema);
        if fields.is_empty() {
            assert_type(&schema, value, at);
        } else {
            self.assert_object(&fields, &required, value, at);
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for (index, value) in values.iter().enumerate() {
                self.assert_is(items, value, &format!("{at}/{index}"));
            }
        }
    }

    fn assert_object(
        &mut self,
        fields: &BTreeMap<String, Value>,
        required: &BTreeSet<String>,
        value: &Value,
        at: &str,
    ) {
        let object = value.as_object().unwrap_or_else(|| panic!("{at} is no object: {value}"));
        for name in required {
            assert!(object.contains_key(name), "{at} lacks the required {name}: {value}");
        }
        for (name, value) in object {
            let field = fields.get(name).unwrap_or_else(|| panic!("{at}/{name} is not described: {value}"));
            self.assert_is(field, value, &format!("{at}/{name}"));
        }
    }

    /// A schema itself, if it is only named.
    fn resolved(&mut self, schema: &Value) -> Value {
        let Some(reference) = schema["$ref"].as_str() else { return schema.clone() };
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        self.met.insert(name.to_owned());
        self.named.get(name).unwrap_or_else(|| panic!("{name} is named, but not described")).clone()
    }

    /// The fields of an object and those that are required, with those of all its parts.
    fn fields(&mut self, schema: &Value) -> (BTreeMap<String, Value>, BTreeSet<String>) {
        let mut fields: BTreeMap<String, Value> = BTreeMap::new();
        let mut required = BTreeSet::new();
        if let Some(own) = schema["properties"].as_object() {
            fields.extend(own.clone());
        }
        let names = schema["required"].as_array().into_iter().flatten();
        required.extend(names.map(|name| name.as_str().unwrap().to_owned()));
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let part = self.resolved(part);
            let (more, needed) = self.fields(&part);
            fields.extend(more);
            required.extend(needed);
        }
        (fields, required)
    }
}

fn assert_type(schema: &Value, value: &Value, at: &str) {
    let own = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let lawful = match &schema["type"] {
        Value::Array(types) => types.iter().any(|lawful| lawful == own),
        lawful => lawful == own,
    };
    assert!(lawful, "{at}: {value} is not {}", schema["type"]);
}
