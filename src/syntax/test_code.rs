//! `tests` as written: test code, or calls with what they return.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::json;

use super::argument::Argument;
use super::expect::{Credit, Stop};
use super::form::{Form, Never};
use super::schema::{add_list, add_type, any_key, exclusive, one_of};
use super::value::Content;
use crate::reward::Judged;
use crate::source::Spanned;

/// Tests and how they are run.
#[derive(Debug, Clone, PartialEq)]
pub struct Tests {
    /// One or several.
    pub code: Vec<Test>,
    /// The function under test, which a `check` function in the code is called with.
    pub entry_point: Option<Spanned<Content>>,
    /// Trusted code before the tests.
    pub prelude: Option<Spanned<Content>>,
    /// Where the tests run.
    pub judged: Option<Spanned<Judged>>,
    /// What counts.
    pub credit: Option<Spanned<Credit>>,
    /// When they end early.
    pub stop: Option<Spanned<Stop>>,
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Test code.
    Code(Spanned<Content>),
    /// A call, and what it returns or raises.
    Call(Box<Call>),
}

/// A call of one of the program's functions.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The function.
    pub call: Spanned<String>,
    /// What it is called with.
    pub args: Option<Spanned<Argument>>,
    /// What it is called with by name.
    pub kwargs: Option<Spanned<Argument>>,
    /// What it returns, or the exception it raises.
    pub outcome: Outcome,
}

/// What a call must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Return this.
    Returns(Spanned<Argument>),
    /// Raise the exception of that name.
    Raises(Spanned<String>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TestMap {
    /// Test code, or a list of tests.
    #[schemars(example = &"def check(candidate):\n    assert candidate(2) == 4\n")]
    code: Option<Codes>,
    /// The function under test, which a `check` function in the code is called with.
    #[schemars(example = &"solve")]
    entry_point: Option<Spanned<Content>>,
    /// Trusted code before the tests; absent, the prompt's text before the entry point.
    #[schemars(example = &"import math")]
    prelude: Option<Spanned<Content>>,
    /// Where the tests run; absent, apart.
    #[schemars(example = &"beside", extend("default" = "apart"))]
    judged: Option<Spanned<Judged>>,
    /// All or nothing, or the fraction that passes.
    #[schemars(example = &"fraction", extend("default" = "all"))]
    credit: Option<Spanned<Credit>>,
    /// When they end early.
    #[schemars(example = &"first_failure")]
    stop: Option<Spanned<Stop>>,
    /// Test code, literally: braces stay braces.
    #[schemars(example = &"assert solve({{}}) == 0")]
    text: Option<Spanned<String>>,
    /// Test code, or a list of such, from a column of the row.
    #[schemars(example = &"row.tests")]
    expr: Option<Spanned<String>>,
    /// Test code, from a file.
    #[schemars(example = &"tests/solve.py")]
    file: Option<Spanned<String>>,
}

/// Test code, or a list of tests.
struct Codes(Vec<Test>);

impl<'de> Deserialize<'de> for Codes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Codes(
            match Form::<Test, Vec<Test>, Test>::deserialize(deserializer)? {
                Form::Text(test) | Form::Map(test) => vec![test],
                Form::List(tests) if tests.is_empty() => {
                    return Err(de::Error::custom(
                        "`tests` is empty: nothing would be tested",
                    ));
                }
                Form::List(tests) => tests,
            },
        ))
    }
}

impl JsonSchema for Codes {
    fn schema_name() -> Cow<'static, str> {
        "TestList".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Test::json_schema(generator);
        add_list(&mut schema, &generator.subschema_for::<Test>());
        schema.insert("minItems".to_owned(), json!(1));
        schema.insert("title".to_owned(), json!("test code, or a list of tests"));
        schema
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneTest {
    /// Test code, literally: braces stay braces.
    #[schemars(example = &"assert solve({{}}) == 0")]
    text: Option<Spanned<String>>,
    /// Test code from a column of the row.
    #[schemars(example = &"row.test")]
    expr: Option<Spanned<String>>,
    /// Test code from a file.
    #[schemars(example = &"tests/solve.py")]
    file: Option<Spanned<String>>,
    /// The function that is called.
    #[schemars(example = &"add")]
    call: Option<Spanned<String>>,
    /// What it is called with, typed as YAML types it.
    #[schemars(example = serde_json::json!([1, 2]))]
    args: Option<Spanned<Argument>>,
    /// What it is called with by name.
    #[schemars(example = serde_json::json!({"base": 10}))]
    kwargs: Option<Spanned<Argument>>,
    /// What it returns, typed as YAML types it.
    #[schemars(example = 3)]
    #[serde(default, deserialize_with = "present")]
    #[schemars(!default)]
    returns: Option<Spanned<Argument>>,
    /// The exception that it raises.
    #[schemars(example = &"ValueError")]
    raises: Option<Spanned<String>>,
}

/// A value that is there, be it `null`: a call may return nothing.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Spanned<Argument>>, D::Error> {
    Spanned::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Spanned::<Form<String, Never, OneTest>>::deserialize(deserializer)?;
        let code = |content| Ok(Test::Code(Spanned::new(content, form.span)));
        let one = match form.value {
            Form::Text(text) => return code(Content::Template(text)),
            Form::List(never) => match never {},
            Form::Map(one) => one,
        };
        let outcome = match (one.returns, one.raises) {
            (Some(value), None) => Some(Outcome::Returns(value)),
            (None, Some(exception)) => Some(Outcome::Raises(exception)),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(de::Error::custom("a call returns or raises, not both"));
            }
        };
        let is_call = one.args.is_some() || one.kwargs.is_some() || outcome.is_some();
        match (one.call, one.text, one.expr, one.file, outcome) {
            (Some(call), None, None, None, Some(outcome)) => Ok(Test::Call(Box::new(Call {
                call,
                args: one.args,
                kwargs: one.kwargs,
                outcome,
            }))),
            (None, Some(text), None, None, None) if !is_call => code(Content::Literal(text)),
            (None, None, Some(expression), None, None) if !is_call => {
                code(Content::Expression(expression))
            }
            (None, None, None, Some(path), None) if !is_call => code(Content::File(path)),
            _ => Err(de::Error::custom(
                "expected test code or a call: `{call: …, args: …, returns: …}`",
            )),
        }
    }
}

impl JsonSchema for Test {
    fn schema_name() -> Cow<'static, str> {
        "Test".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = OneTest::json_schema(generator);
        add_type(&mut schema, "string");
        schema.insert(
            "title".to_owned(),
            json!("test code, or a call: `{call: …, args: …, returns: …}`"),
        );
        schema.insert("minProperties".to_owned(), json!(1));
        let with_call = json!(["call"]);
        schema.insert(
            "dependencies".to_owned(),
            json!({
                "args": with_call, "kwargs": with_call, "returns": with_call, "raises": with_call,
            }),
        );
        let mut rules = exclusive(&["text", "expr", "file", "call"]);
        rules.push(one_of("returns", "raises"));
        rules.push(json!({
            "if": {"type": "object", "required": ["call"]},
            "then": any_key(&["returns", "raises"], "a call needs `returns` or `raises`\nwrite one such as `{call: add, args: [1, 2], returns: 3}`"),
        }));
        schema.insert("allOf".to_owned(), rules.into());
        schema
    }
}

impl<'de> Deserialize<'de> for Tests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Spanned::<Form<String, Codes, TestMap>>::deserialize(deserializer)?;
        let plain = |code| Tests {
            code,
            entry_point: None,
            prelude: None,
            judged: None,
            credit: None,
            stop: None,
        };
        let one = |content| vec![Test::Code(Spanned::new(content, form.span))];
        let map = match form.value {
            Form::Text(text) => return Ok(plain(one(Content::Template(text)))),
            Form::List(Codes(code)) => return Ok(plain(code)),
            Form::Map(map) => map,
        };
        let code = match (map.code, map.text, map.expr, map.file) {
            (Some(Codes(code)), None, None, None) => code,
            (None, Some(text), None, None) => one(Content::Literal(text)),
            (None, None, Some(expression), None) => one(Content::Expression(expression)),
            (None, None, None, Some(path)) => one(Content::File(path)),
            (None, None, None, None) => return Err(de::Error::missing_field("code")),
            _ => {
                return Err(de::Error::custom(
                    "expected one of `code`, `text`, `expr` and `file`",
                ));
            }
        };
        Ok(Tests {
            code,
            entry_point: map.entry_point,
            prelude: map.prelude,
            judged: map.judged,
            credit: map.credit,
            stop: map.stop,
        })
    }
}

impl JsonSchema for Tests {
    fn schema_name() -> Cow<'static, str> {
        "Tests".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = TestMap::json_schema(generator);
        add_type(&mut schema, "string");
        add_list(&mut schema, &generator.subschema_for::<Test>());
        schema.insert(
            "title".to_owned(),
            json!("test code, a list of tests, or a map with `code`"),
        );
        schema.insert("minItems".to_owned(), json!(1));
        let mut rules = exclusive(&["code", "text", "expr", "file"]);
        rules.push(json!({
            "if": {"type": "object"},
            "then": any_key(&["code", "text", "expr", "file"], "the key `code` is missing"),
        }));
        schema.insert("allOf".to_owned(), rules.into());
        schema
    }
}
