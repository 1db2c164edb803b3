//! As much of JSON Schema as `schema/events.json` uses; what it does not know it does not let pass.

use std::collections::BTreeSet;

use serde_json::Value;

/// Whether `value` is as `schema`, which is a part of `root`, says.
pub(crate) fn is_valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else {
        return *schema == Value::Bool(true);
    };
    let valid = |schema: &Value, value: &Value| is_valid(root, schema, value);
    keywords.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => valid(pointed(root, rule), value),
        "const" => value == rule,
        "enum" => rule.as_array().unwrap().contains(value),
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("type {other}"),
        },
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        // There is one: that of times.
        "pattern" => {
            value.as_str().is_none_or(|text| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok())
        }
        "required" => {
            let names = rule.as_array().unwrap().iter();
            value
                .as_object()
                .is_none_or(|fields| names.clone().all(|name| fields.contains_key(name.as_str().unwrap())))
        }
        "properties" => value.as_object().is_none_or(|fields| {
            let known = rule.as_object().unwrap();
            fields.iter().all(|(name, field)| known.get(name).is_none_or(|rule| valid(rule, field)))
        }),
        "additionalProperties" | "unevaluatedProperties" => {
            assert_eq!(*rule, Value::Bool(false));
            let known = properties(root, schema);
            value.as_object().is_none_or(|fields| fields.keys().all(|name| known.contains(name.as_str())))
        }
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| valid(rule, item))),
        "oneOf" => rule.as_array().unwrap().iter().filter(|rule| valid(rule, value)).count() == 1,
        other => panic!("the keyword {other} is not known here"),
    })
}

/// The names that a schema knows, those of what it refers to included.
fn properties<'a>(root: &'a Value, schema: &'a Value) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<_> = schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(|known| known.keys().map(String::as_str))
        .collect();
    if let Some(reference) = schema.get("$ref") {
        names.extend(properties(root, pointed(root, reference)));
    }
    names
}

fn pointed<'a>(root: &'a Value, reference: &Value) -> &'a Value {
    root.pointer(reference.as_str().unwrap().trim_start_matches('#')).unwrap()
}
