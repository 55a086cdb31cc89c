//! Calls of a program's functions. They are made where the program is, and judged here: what a call
//! must return never enters the process that makes it.

use serde::Serialize;
use serde_json::Value as Json;

use super::value::{Value, Words};

/// A call, and what it must do.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The function, a dotted name.
    pub name: String,
    /// What it is called with.
    pub args: Vec<Value>,
    /// What it is called with by name.
    pub kwargs: Vec<(String, Value)>,
    /// What it must do.
    pub outcome: Outcome,
}

/// What a call must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Return this.
    Returns(Value),
    /// Raise an exception of that name, or one that is derived from it.
    Raises(String),
}

/// A call as a runner is told of it.
#[derive(Serialize)]
pub(super) struct Order<'a> {
    name: &'a str,
    args: Vec<Json>,
    kwargs: Vec<(&'a str, Json)>,
}

/// What came of a call.
#[derive(Debug, PartialEq)]
enum Made {
    Returned(Value),
    /// The names of the exception's class and of those it is derived from, and its message.
    Raised(Vec<String>, String),
    /// The program has no such name.
    Missing,
}

impl Made {
    fn read(reported: &Json) -> Option<Self> {
        let text = |json: &Json| json.as_str().map(str::to_owned);
        match reported.as_array()?.as_slice() {
            [tag, value] if tag == "returned" => Value::read(value).map(Made::Returned),
            [tag, names, message] if tag == "raised" => {
                let names = names.as_array()?.iter().map(text).collect::<Option<_>>()?;
                Some(Made::Raised(names, text(message)?))
            }
            [tag] if tag == "missing" => Some(Made::Missing),
            _ => None,
        }
    }
}

const LETTERS_MAX: usize = 160;

impl Call {
    pub(super) fn order(&self) -> Order<'_> {
        Order {
            name: &self.name,
            args: self.args.iter().map(Value::tagged).collect(),
            kwargs: self
                .kwargs
                .iter()
                .map(|(name, value)| (name.as_str(), value.tagged()))
                .collect(),
        }
    }

    /// Why what came of it is not what it must do; none if it is.
    pub(super) fn failure(&self, reported: &Json, words: &Words) -> Option<String> {
        let call = self.told(words);
        let expected = match &self.outcome {
            Outcome::Returns(value) => value.told(words, LETTERS_MAX),
            Outcome::Raises(name) => name.clone(),
        };
        let came = match (Made::read(reported), &self.outcome) {
            (Some(Made::Returned(actual)), Outcome::Returns(wanted)) => {
                if wanted.is_met_by(&actual) {
                    return None;
                }
                format!("returned {}", told_beside(&actual, wanted, words))
            }
            (Some(Made::Returned(actual)), Outcome::Raises(_)) => {
                format!("returned {}", actual.told(words, LETTERS_MAX))
            }
            (Some(Made::Raised(names, _)), Outcome::Raises(wanted))
                if names.iter().any(|name| is_named(name, wanted)) =>
            {
                return None;
            }
            (Some(Made::Raised(names, message)), _) => {
                let name = names.first().map_or("something", String::as_str);
                let separator = if message.is_empty() { "" } else { ": " };
                format!("raised {name}{separator}{message}")
            }
            (Some(Made::Missing), _) => {
                return Some(format!(
                    "{call} was not made: the program has no `{}`",
                    self.name
                ));
            }
            (None, _) => return Some(format!("{call} left nothing that can be read")),
        };
        Some(format!("{call} {came}, expected {expected}"))
    }

    /// The call as people write it.
    pub(super) fn told(&self, words: &Words) -> String {
        let args = self.args.iter().map(|arg| arg.told(words, LETTERS_MAX));
        let kwargs = self
            .kwargs
            .iter()
            .map(|(name, value)| format!("{name}={}", value.told(words, LETTERS_MAX)));
        let all: Vec<String> = args.chain(kwargs).collect();
        format!("{}({})", self.name, all.join(", "))
    }
}

impl std::fmt::Display for Call {
    /// The call and what it must do, where no language says how it writes values.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = Words::default();
        let call = self.told(&words);
        match &self.outcome {
            Outcome::Returns(value) => {
                write!(
                    formatter,
                    "{call} returns {}",
                    value.told(&words, LETTERS_MAX)
                )
            }
            Outcome::Raises(name) => write!(formatter, "{call} raises {name}"),
        }
    }
}

/// A value beside the one that was expected, its kind named where both are written alike.
fn told_beside(actual: &Value, wanted: &Value, words: &Words) -> String {
    let told = actual.told(words, LETTERS_MAX);
    if told == wanted.told(words, LETTERS_MAX) {
        return format!("{told}, which differs further on");
    }
    told
}

/// Whether an exception's class is the one that is wanted, which may be written with its module.
fn is_named(name: &str, wanted: &str) -> bool {
    let last = |dotted: &str| dotted.rsplit('.').next().unwrap_or(dotted).to_owned();
    last(name) == last(wanted.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Call, Outcome};
    use crate::evaluator::test_code::value::{Value, Words};

    #[test]
    fn what_came_of_a_call_is_held_against_what_it_must_do() {
        let returns = |json: serde_json::Value| Outcome::Returns(Value::of_json(&json));
        let raises = |name: &str| Outcome::Raises(name.to_owned());
        for (outcome, reported, told) in [
            (returns(json!(3)), json!(["returned", ["int", "3"]]), None),
            (
                returns(json!(3)),
                json!(["returned", ["int", "4"]]),
                Some("add(1, b=\"x\") returned 4, expected 3"),
            ),
            (
                returns(json!(3)),
                json!(["raised", ["ValueError", "Exception"], "bad"]),
                Some("add(1, b=\"x\") raised ValueError: bad, expected 3"),
            ),
            (
                returns(json!(3)),
                json!(["returned", ["other", "int3"]]),
                Some("add(1, b=\"x\") returned an object of type int3, expected 3"),
            ),
            (
                returns(json!([1])),
                json!(["returned", ["large"]]),
                Some("add(1, b=\"x\") returned a value too large to compare, expected [1]"),
            ),
            (
                raises("ValueError"),
                json!(["raised", ["ValueError", "Exception"], ""]),
                None,
            ),
            (
                raises("Exception"),
                json!(["raised", ["ValueError", "Exception"], ""]),
                None,
            ),
            (
                raises("json.JSONDecodeError"),
                json!(["raised", ["JSONDecodeError", "ValueError"], ""]),
                None,
            ),
            (
                raises("KeyError"),
                json!(["raised", ["ValueError", "Exception"], ""]),
                Some("add(1, b=\"x\") raised ValueError, expected KeyError"),
            ),
            (
                raises("KeyError"),
                json!(["returned", ["none"]]),
                Some("add(1, b=\"x\") returned null, expected KeyError"),
            ),
            (
                raises("NameError"),
                json!(["missing"]),
                Some("add(1, b=\"x\") was not made: the program has no `add`"),
            ),
            (
                returns(json!(1)),
                json!({"returned": 1}),
                Some("add(1, b=\"x\") left nothing that can be read"),
            ),
        ] {
            let call = Call {
                name: "add".to_owned(),
                args: vec![Value::Integer("1".to_owned())],
                kwargs: vec![("b".to_owned(), Value::Text("x".to_owned()))],
                outcome,
            };
            let found = call.failure(&reported, &Words::default());
            assert_eq!(found.as_deref(), told, "{call} and {reported}");
        }
    }
}
