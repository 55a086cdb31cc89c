//! JSON: equal values, whatever the order of keys and the spelling of numbers.

use serde_json::Value;

use super::number::{Number, Tolerance};
use super::{Verdict, text};

pub(super) fn compare(actual: &str, expected: &str) -> Verdict {
    let right: Value = match serde_json::from_str(expected) {
        Ok(value) => value,
        Err(error) => return Verdict::Fails(format!("what is expected is not JSON: {error}")),
    };
    match serde_json::from_str::<Value>(actual) {
        Err(error) => Verdict::Fails(format!("the output is not JSON: {error}")),
        Ok(left) => match differs(&left, &right, &mut String::from("$")) {
            None => Verdict::Holds,
            Some(why) => Verdict::Fails(why),
        },
    }
}

/// Why a text is not JSON.
pub(super) fn why_not(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .err()
        .map(|error| error.to_string())
}

/// Where and how two values differ. `serde_json` bounds their depth.
fn differs(left: &Value, right: &Value, path: &mut String) -> Option<String> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            (!numbers_equal(&left.to_string(), &right.to_string())).then(|| told(path, left, right))
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                return Some(format!(
                    "at `{path}`: expected {} items, got {}",
                    right.len(),
                    left.len()
                ));
            }
            left.iter()
                .zip(right)
                .enumerate()
                .find_map(|(index, (left, right))| inside(path, &format!("[{index}]"), left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            if let Some(key) = right.keys().find(|key| !left.contains_key(*key)) {
                return Some(format!("at `{path}`: the key `{key}` is missing"));
            }
            if let Some(key) = left.keys().find(|key| !right.contains_key(*key)) {
                return Some(format!("at `{path}`: the key `{key}` is one too many"));
            }
            right
                .iter()
                .find_map(|(key, value)| inside(path, &format!(".{key}"), &left[key], value))
        }
        _ if left == right => None,
        _ => Some(told(path, left, right)),
    }
}

fn inside(path: &mut String, step: &str, left: &Value, right: &Value) -> Option<String> {
    let length = path.len();
    path.push_str(step);
    let found = differs(left, right, path);
    path.truncate(length);
    found
}

fn told(path: &str, left: &impl ToString, right: &impl ToString) -> String {
    format!(
        "at `{path}`: expected {}, got {}",
        text::shown(&right.to_string()),
        text::shown(&left.to_string())
    )
}

fn numbers_equal(left: &str, right: &str) -> bool {
    match (Number::read(left), Number::read(right)) {
        (Some(left), Some(right)) => {
            left.equals(&right, Tolerance::new(Some(0.0), None)) && same_integers(&left, &right)
        }
        _ => left == right,
    }
}

/// Integers beyond a double's precision are equal only digit by digit.
fn same_integers(left: &Number, right: &Number) -> bool {
    match (left, right) {
        (Number::Integer(left), Number::Integer(right)) => left == right,
        _ => true,
    }
}
