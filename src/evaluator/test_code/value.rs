//! Values that calls take and return: how they cross to a language's runner and back, when two are
//! one, and how they are told.
//!
//! Every value crosses with the kind of its exact type, so that nothing a program's object says of
//! itself decides what it equals. A level of a value is a level of JSON, which reads 128 of them.

use serde_json::{Value as Json, json};

/// A value with its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`, `null`.
    Nothing,
    /// JavaScript's `undefined`.
    Undefined,
    /// A boolean.
    Bool(bool),
    /// A whole number, with all its digits.
    Integer(String),
    /// A floating-point number as its language writes it; `nan` and `inf` are among them.
    Float(String),
    /// A text.
    Text(String),
    /// Bytes, in hexadecimal digits.
    Bytes(String),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A set.
    Set(Vec<Value>),
    /// Keys and their values.
    Map(Vec<(Value, Value)>),
    /// Anything else, by the name of its type.
    Other(String),
    /// What was too deep, too long or too large to be read.
    TooLarge,
}

/// How a language writes what has no value and what is true or false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) nothing: String,
    pub(super) yes: String,
    pub(super) no: String,
}

impl Words {
    /// The words of a runner, which are only shown.
    pub(super) fn of((nothing, yes, no): (String, String, String)) -> Self {
        const LETTERS_MAX: usize = 20;
        let short = |word: String| word.chars().take(LETTERS_MAX).collect();
        Words {
            nothing: short(nothing),
            yes: short(yes),
            no: short(no),
        }
    }
}

impl Default for Words {
    fn default() -> Self {
        Words {
            nothing: "null".to_owned(),
            yes: "true".to_owned(),
            no: "false".to_owned(),
        }
    }
}

impl Value {
    /// A value of JSON; numbers keep their digits.
    pub(crate) fn of_json(json: &Json) -> Self {
        match json {
            Json::Null => Value::Nothing,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::number(&number.to_string()),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Value::of_json).collect()),
            Json::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| (Value::Text(key.clone()), Value::of_json(value)))
                    .collect(),
            ),
        }
    }

    /// A number as JSON writes it.
    pub(crate) fn number(token: &str) -> Self {
        if token.contains(['.', 'e', 'E']) {
            Value::Float(token.to_owned())
        } else {
            Value::Integer(token.to_owned())
        }
    }

    /// As it crosses to a runner.
    pub(super) fn tagged(&self) -> Json {
        let many = |tag: &str, items: &mut dyn Iterator<Item = &Value>| {
            let mut all = vec![Json::from(tag)];
            all.extend(items.map(Value::tagged));
            Json::from(all)
        };
        match self {
            Value::Nothing => json!(["none"]),
            Value::Undefined => json!(["undefined"]),
            Value::Bool(value) => json!(["bool", value]),
            Value::Integer(digits) => json!(["int", digits]),
            Value::Float(token) => json!(["float", token]),
            Value::Text(text) => json!(["str", text]),
            Value::Bytes(digits) => json!(["bytes", digits]),
            Value::List(items) => many("list", &mut items.iter()),
            Value::Tuple(items) => many("tuple", &mut items.iter()),
            Value::Set(items) => many("set", &mut items.iter()),
            Value::Map(entries) => many(
                "dict",
                &mut entries.iter().flat_map(|(key, value)| [key, value]),
            ),
            Value::Other(name) => json!(["other", name]),
            Value::TooLarge => json!(["large"]),
        }
    }

    /// What a runner reports; none for what is no such value.
    pub(super) fn read(tagged: &Json) -> Option<Self> {
        let (tag, rest) = tagged.as_array()?.split_first()?;
        let text = || match rest {
            [Json::String(text)] => Some(text.clone()),
            _ => None,
        };
        let items = || rest.iter().map(Value::read).collect::<Option<Vec<_>>>();
        Some(match (tag.as_str()?, rest) {
            ("none", []) => Value::Nothing,
            ("undefined", []) => Value::Undefined,
            ("bool", [Json::Bool(value)]) => Value::Bool(*value),
            ("int", _) => Value::Integer(text().filter(|digits| is_integer(digits))?),
            ("float", _) => Value::Float(text().filter(|token| double(token).is_some())?),
            ("str", _) => Value::Text(text()?),
            ("bytes", _) => Value::Bytes(text()?),
            ("list", _) => Value::List(items()?),
            ("tuple", _) => Value::Tuple(items()?),
            ("set", _) => Value::Set(items()?),
            ("dict", _) => {
                let (pairs, left) = rest.as_chunks::<2>();
                if !left.is_empty() {
                    return None;
                }
                let pair =
                    |[key, value]: &[Json; 2]| Some((Value::read(key)?, Value::read(value)?));
                Value::Map(pairs.iter().map(pair).collect::<Option<_>>()?)
            }
            ("other", _) => Value::Other(text()?),
            ("large", []) => Value::TooLarge,
            _ => return None,
        })
    }

    /// Whether what a call returned is what is expected: a list is a list or a tuple, a map has keys
    /// by their text, numbers are equal by value and without tolerance, and a boolean is no number.
    pub(super) fn is_met_by(&self, actual: &Value) -> bool {
        match (self, actual) {
            (Value::Nothing, Value::Nothing | Value::Undefined) => true,
            (Value::Bool(wanted), Value::Bool(actual)) => wanted == actual,
            (Value::Text(wanted), Value::Text(actual)) => wanted == actual,
            (Value::Integer(_) | Value::Float(_), Value::Integer(_) | Value::Float(_)) => {
                is_same_number(self, actual)
            }
            (Value::List(wanted), Value::List(actual) | Value::Tuple(actual)) => {
                wanted.len() == actual.len()
                    && wanted
                        .iter()
                        .zip(actual)
                        .all(|(wanted, actual)| wanted.is_met_by(actual))
            }
            (Value::Map(wanted), Value::Map(actual)) => has_entries(wanted, actual),
            _ => false,
        }
    }

    /// As people write it, up to about this many letters.
    pub(super) fn told(&self, words: &Words, letters_max: usize) -> String {
        let mut text = String::new();
        self.write(words, letters_max, &mut text);
        match text.char_indices().nth(letters_max) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    /// Writes until the text is long enough: what is cut off later need not be written.
    fn write(&self, words: &Words, enough: usize, text: &mut String) {
        if text.len() > enough.saturating_mul(4) {
            return;
        }
        let mut many = |open: &str, items: &[Value], close: &str| {
            text.push_str(open);
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                item.write(words, enough, text);
                if text.len() > enough.saturating_mul(4) {
                    return;
                }
            }
            text.push_str(close);
        };
        match self {
            Value::List(items) => many("[", items, "]"),
            Value::Tuple(items) if items.len() == 1 => many("(", items, ",)"),
            Value::Tuple(items) => many("(", items, ")"),
            Value::Set(items) if items.is_empty() => text.push_str("an empty set"),
            Value::Set(items) => many("{", items, "}"),
            Value::Map(entries) => {
                text.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        text.push_str(", ");
                    }
                    key.write(words, enough, text);
                    text.push_str(": ");
                    value.write(words, enough, text);
                    if text.len() > enough.saturating_mul(4) {
                        return;
                    }
                }
                text.push('}');
            }
            Value::Nothing => text.push_str(&words.nothing),
            Value::Undefined => text.push_str("undefined"),
            Value::Bool(true) => text.push_str(&words.yes),
            Value::Bool(false) => text.push_str(&words.no),
            Value::Integer(token) | Value::Float(token) => text.push_str(token),
            Value::Text(value) => text.push_str(&Json::from(value.as_str()).to_string()),
            Value::Bytes(digits) => {
                text.push_str("the bytes ");
                text.push_str(digits);
            }
            Value::Other(name) => {
                text.push_str("an object of type ");
                text.push_str(name);
            }
            Value::TooLarge => text.push_str("a value too large to compare"),
        }
    }
}

/// Whether each expected entry has its own entry, and none is left.
fn has_entries(wanted: &[(Value, Value)], actual: &[(Value, Value)]) -> bool {
    if wanted.len() != actual.len() {
        return false;
    }
    let mut by_text = std::collections::HashMap::new();
    for (key, value) in actual {
        let Some(text) = key_text(key) else {
            return false;
        };
        // Two keys of one text cannot be told apart by text.
        if by_text.insert(text, value).is_some() {
            return false;
        }
    }
    wanted.iter().all(|(key, wanted)| {
        key_text(key)
            .and_then(|text| by_text.get(text))
            .is_some_and(|actual| wanted.is_met_by(actual))
    })
}

/// A key as JSON would write it.
fn key_text(key: &Value) -> Option<&str> {
    match key {
        Value::Text(text) | Value::Integer(text) | Value::Float(text) => Some(text),
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        _ => None,
    }
}

/// Whether two numbers are one, by their exact values.
fn is_same_number(wanted: &Value, actual: &Value) -> bool {
    match (wanted, actual) {
        (Value::Integer(wanted), Value::Integer(actual)) => digits(wanted) == digits(actual),
        (Value::Float(wanted), Value::Float(actual)) => match (double(wanted), double(actual)) {
            (Some(wanted), Some(actual)) => wanted == actual || wanted.is_nan() && actual.is_nan(),
            _ => false,
        },
        (Value::Integer(integer), Value::Float(float))
        | (Value::Float(float), Value::Integer(integer)) => double(float)
            .filter(|float| float.is_finite() && float.fract() == 0.0)
            // Without a fraction, all digits of a double are its exact value.
            .is_some_and(|float| digits(&format!("{float:.0}")) == digits(integer)),
        _ => false,
    }
}

/// Whether it is negative, and its digits from the first that counts.
fn digits(integer: &str) -> (bool, &str) {
    let (negative, digits) = match integer.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, integer),
    };
    let digits = digits.trim_start_matches('0');
    (negative && !digits.is_empty(), digits)
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A floating-point number as YAML, Python and JavaScript write it.
fn double(token: &str) -> Option<f64> {
    token.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Value, Words};

    fn wanted(json: &serde_json::Value) -> Value {
        Value::of_json(json)
    }

    #[test]
    fn what_equals_what() {
        let deep = (0..60).fold(json!(["list"]), |inner, _| json!(["list", inner]));
        let deep_wanted = (0..60).fold(json!([]), |inner, _| json!([inner]));
        // What is expected, what the runner reports, and whether they are one.
        for (expected, tagged, equal) in [
            (json!(null), json!(["none"]), true),
            (json!(null), json!(["undefined"]), true),
            (json!(null), json!(["bool", false]), false),
            (json!(null), json!(["int", "0"]), false),
            (json!(true), json!(["bool", true]), true),
            (json!(true), json!(["int", "1"]), false),
            (json!(1), json!(["bool", true]), false),
            (json!(0), json!(["bool", false]), false),
            (json!(1), json!(["int", "1"]), true),
            (json!(1), json!(["float", "1.0"]), true),
            (json!(1.0), json!(["int", "1"]), true),
            (json!(1), json!(["float", "1.0000000001"]), false),
            (json!(0.3), json!(["float", "0.30000000000000004"]), false),
            (json!(0.1), json!(["float", "0.1"]), true),
            (json!(-0.0), json!(["int", "0"]), true),
            (json!(0), json!(["float", "-0.0"]), true),
            (json!(1), json!(["str", "1"]), false),
            (json!("1"), json!(["int", "1"]), false),
            (json!("a"), json!(["str", "a"]), true),
            (json!("a"), json!(["str", "a "]), false),
            (json!("a"), json!(["bytes", "61"]), false),
            (json!("a"), json!(["other", "Liar"]), false),
            (
                json!([1, 2]),
                json!(["list", ["int", "1"], ["int", "2"]]),
                true,
            ),
            (
                json!([1, 2]),
                json!(["tuple", ["int", "1"], ["int", "2"]]),
                true,
            ),
            (
                json!([1, 2]),
                json!(["set", ["int", "1"], ["int", "2"]]),
                false,
            ),
            (
                json!([1, 2]),
                json!(["list", ["int", "2"], ["int", "1"]]),
                false,
            ),
            (
                json!([1]),
                json!(["list", ["int", "1"], ["int", "2"]]),
                false,
            ),
            (json!([]), json!(["list"]), true),
            (json!([]), json!(["dict"]), false),
            (json!({}), json!(["dict"]), true),
            (json!({}), json!(["set"]), false),
            (
                json!({"a": 1}),
                json!(["dict", ["str", "a"], ["int", "1"]]),
                true,
            ),
            (
                json!({"1": 1}),
                json!(["dict", ["int", "1"], ["int", "1"]]),
                true,
            ),
            (
                json!({"1.5": 1}),
                json!(["dict", ["float", "1.5"], ["int", "1"]]),
                true,
            ),
            (
                json!({"true": 1}),
                json!(["dict", ["bool", true], ["int", "1"]]),
                true,
            ),
            (
                json!({"null": 1}),
                json!(["dict", ["none"], ["int", "1"]]),
                false,
            ),
            (
                json!({"a": 1}),
                json!(["dict", ["tuple", ["str", "a"]], ["int", "1"]]),
                false,
            ),
            (json!({"a": 1}), json!(["dict"]), false),
            (
                json!({"a": 1, "b": [2.0]}),
                json!([
                    "dict",
                    ["str", "b"],
                    ["tuple", ["int", "2"]],
                    ["str", "a"],
                    ["int", "1"]
                ]),
                true,
            ),
            // Two keys of one text.
            (
                json!({"1": 1, "2": 1}),
                json!([
                    "dict",
                    ["int", "1"],
                    ["int", "1"],
                    ["str", "1"],
                    ["int", "1"]
                ]),
                false,
            ),
            (json!([1]), json!(["large"]), false),
            (deep_wanted, deep, true),
        ] {
            let actual = Value::read(&tagged).unwrap();
            assert_eq!(
                wanted(&expected).is_met_by(&actual),
                equal,
                "{expected} and {tagged}"
            );
        }
    }

    #[test]
    fn numbers_are_equal_by_all_their_digits() {
        for (expected, tagged, equal) in [
            (
                "12345678901234567890123",
                json!(["int", "12345678901234567890123"]),
                true,
            ),
            (
                "12345678901234567890123",
                json!(["int", "12345678901234567890124"]),
                false,
            ),
            (
                "9007199254740993",
                json!(["float", "9007199254740992.0"]),
                false,
            ),
            (
                "9007199254740992",
                json!(["float", "9007199254740992.0"]),
                true,
            ),
            ("1e23", json!(["float", "1e+23"]), true),
            ("100000000000000000000000", json!(["float", "1e+23"]), false),
            ("99999999999999991611392", json!(["float", "1e+23"]), true),
            ("1e2", json!(["int", "100"]), true),
            ("-1", json!(["int", "1"]), false),
            ("007", json!(["int", "7"]), true),
        ] {
            let actual = Value::read(&tagged).unwrap();
            assert_eq!(
                Value::number(expected).is_met_by(&actual),
                equal,
                "{expected} and {tagged}"
            );
        }
        let nan = Value::Float("nan".to_owned());
        for (tagged, equal) in [
            (json!(["float", "nan"]), true),
            (json!(["float", "NaN"]), true),
            (json!(["float", "inf"]), false),
            (json!(["str", "nan"]), false),
        ] {
            assert_eq!(
                nan.is_met_by(&Value::read(&tagged).unwrap()),
                equal,
                "{tagged}"
            );
        }
        let infinite = Value::Float("-inf".to_owned());
        for (token, equal) in [("-inf", true), ("-Infinity", true), ("inf", false)] {
            let actual = Value::read(&json!(["float", token])).unwrap();
            assert_eq!(infinite.is_met_by(&actual), equal, "{token}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for tagged in [
            json!(null),
            json!([]),
            json!(["int"]),
            json!(["int", 1]),
            json!(["int", "1.0"]),
            json!(["int", "--1"]),
            json!(["float", "one"]),
            json!(["bool", "true"]),
            json!(["dict", ["str", "a"]]),
            json!(["list", 1]),
            json!(["none", 1]),
            json!(["unknown"]),
        ] {
            assert_eq!(Value::read(&tagged), None, "{tagged}");
        }
    }

    #[test]
    fn values_are_told_as_people_write_them() {
        let python = Words {
            nothing: "None".to_owned(),
            yes: "True".to_owned(),
            no: "False".to_owned(),
        };
        for (tagged, told) in [
            (json!(["none"]), "None"),
            (json!(["bool", true]), "True"),
            (json!(["str", "a\"b\n"]), r#""a\"b\n""#),
            (json!(["tuple", ["int", "1"]]), "(1,)"),
            (json!(["tuple", ["int", "1"], ["float", "2.0"]]), "(1, 2.0)"),
            (json!(["set"]), "an empty set"),
            (
                json!(["dict", ["int", "1"], ["list", ["bool", false]]]),
                "{1: [False]}",
            ),
            (json!(["bytes", "6162"]), "the bytes 6162"),
            (json!(["other", "Liar"]), "an object of type Liar"),
            (
                json!(["str", "x".repeat(50)]),
                "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
            ),
        ] {
            assert_eq!(Value::read(&tagged).unwrap().told(&python, 30), told);
        }
    }
}
