//! Code that a model hands to a tool: `{"name": "run", "arguments": {"code": "print(1)"}}`.

use serde_json::Value;

/// How deep objects are searched for the argument.
const DEPTH_MAX: usize = 8;
/// JSON values in a text that are tried.
const TRIES_MAX: usize = 64;

/// The texts under one of these keys in the JSON values of a text, several calls joined by a line
/// break; of keys other than `code`, those that `is_code`. The values may stand alone, one a line, or
/// between prose and tags.
pub(super) fn code(text: &str, keys: &[String], is_code: &dyn Fn(&str) -> bool) -> Option<String> {
    if keys.is_empty() || !text.contains('"') {
        return None;
    }
    let mut found = Vec::new();
    let mut from = 0;
    let mut tries = 0;
    while tries < TRIES_MAX
        && let Some(start) = text[from..].find(['{', '[']).map(|at| from + at)
    {
        tries += 1;
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                collect(&value, keys, is_code, DEPTH_MAX, &mut found);
                from = start + values.byte_offset().max(1);
            }
            _ => from = start + 1,
        }
    }
    (!found.is_empty()).then(|| found.join("\n"))
}

fn collect(
    value: &Value,
    keys: &[String],
    is_code: &dyn Fn(&str) -> bool,
    depth: usize,
    found: &mut Vec<String>,
) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                collect(item, keys, is_code, depth - 1, found);
            }
        }
        Value::Object(map) => {
            let code = keys.iter().find_map(|key| {
                let text = map.get(key)?.as_str()?;
                (key == "code" || is_code(text)).then_some(text)
            });
            if let Some(code) = code {
                found.push(code.to_owned());
                return;
            }
            for item in map.values() {
                match item {
                    // Arguments are often JSON in a text.
                    Value::String(text) if text.trim_start().starts_with('{') => {
                        if let Ok(inner) = serde_json::from_str(text) {
                            collect(&inner, keys, is_code, depth - 1, found);
                        }
                    }
                    item => collect(item, keys, is_code, depth - 1, found),
                }
            }
        }
        _ => {}
    }
}
