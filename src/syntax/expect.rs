//! `expect` as written: what is looked at, and what it must be.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::json;

use super::checks::CheckSpec;
use super::form::{Form, Never};
use super::matcher::{Matcher, Pairs};
use super::test_code::Tests;
use super::value::{Content, Size, Time};
use crate::source::Spanned;

/// What is expected of a program; one entry, one metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// What is looked at.
    pub subjects: Subjects,
}

/// The subjects that can be looked at.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    /// Standard output; the metric `output_match`.
    #[schemars(example = serde_json::json!({"contains": "42"}))]
    pub output: Option<Spanned<Matcher>>,
    /// Standard error.
    #[schemars(example = serde_json::json!({"not": {"contains": "Warning"}}))]
    pub stderr: Option<Spanned<Matcher>>,
    /// The exit status.
    #[schemars(example = 3)]
    pub exit_code: Option<Spanned<Matcher>>,
    /// The exception that ends it, by name.
    #[schemars(example = &"ValueError")]
    pub error: Option<Spanned<Matcher>>,
    /// Files that it leaves, by path.
    #[schemars(example = serde_json::json!({"out.txt": "42"}))]
    pub files: Option<Spanned<Pairs<Spanned<String>, Spanned<Matcher>>>>,
    /// Several inputs, one execution each.
    #[schemars(example = serde_json::json!([{"stdin": "3", "output": "9"}]))]
    pub stdin_cases: Option<Spanned<StdinCases>>,
    /// Tests of the program's functions.
    #[schemars(example = &"assert add(1, 2) == 3")]
    pub tests: Option<Spanned<Tests>>,
    /// Only that it ran without error; the metric `execution_result`.
    #[schemars(example = true)]
    pub runs: Option<Spanned<bool>>,
    /// How long it took.
    #[schemars(example = serde_json::json!({"under": "2s"}))]
    pub duration: Option<Spanned<Under<Time>>>,
    /// How much memory it took.
    #[schemars(example = serde_json::json!({"under": "64MiB"}))]
    pub memory: Option<Spanned<Under<Size>>>,
    /// Rules that the code, the reply or the output must keep; each is a metric of its own name.
    #[schemars(example = serde_json::json!({"short": {"of": "code", "max_lines": 40}}))]
    pub checks: Option<Spanned<Pairs<Spanned<String>, Spanned<CheckSpec>>>>,
    /// What of `stdin_cases` and `tests` counts: all or nothing, or the fraction that passes.
    #[schemars(example = &"fraction", extend("default" = "all"))]
    pub credit: Option<Spanned<Credit>>,
    /// When `stdin_cases` and `tests` end early.
    #[schemars(example = &"first_failure")]
    pub stop: Option<Spanned<Stop>>,
    /// The expected output, literally: braces stay braces.
    #[schemars(example = &"{{ not a template }}")]
    text: Option<Spanned<String>>,
    /// The expected output, from a column of the row.
    #[schemars(example = &"row.answer")]
    expr: Option<Spanned<String>>,
}

/// An upper bound.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "Under{T}",
    title = "a map such as `{under: …}`",
    bound = "T: JsonSchema + Measured"
)]
pub struct Under<T> {
    /// It must be less.
    #[schemars(example = T::BOUND)]
    pub under: Spanned<T>,
}

/// What an upper bound is of.
pub trait Measured {
    /// One such bound.
    const BOUND: &str;
}

impl Measured for Time {
    const BOUND: &str = "2s";
}

impl Measured for Size {
    const BOUND: &str = "64MiB";
}

/// What of several units counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Credit {
    /// All must pass.
    All,
    /// The fraction that passes.
    Fraction,
}

/// When several units end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// At the first that fails.
    FirstFailure,
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Spanned::<Form<String, Never, Subjects>>::deserialize(deserializer)?;
        let mut subjects = match form.value {
            Form::Text(text) => {
                return Ok(Expect::output(Spanned::new(
                    Content::Template(text),
                    form.span,
                )));
            }
            Form::List(never) => match never {},
            Form::Map(subjects) => subjects,
        };
        let literal = subjects.text.take().map(Content::Literal);
        let expression = subjects.expr.take().map(Content::Expression);
        match (literal, expression) {
            (None, None) if subjects.is_empty() => Err(de::Error::custom("`expect` names nothing")),
            (None, None) => Ok(Expect { subjects }),
            (Some(content), None) | (None, Some(content)) if subjects == Subjects::default() => {
                Ok(Expect::output(Spanned::new(content, form.span)))
            }
            _ => Err(de::Error::custom(
                "`text` and `expr` stand for the whole expected output",
            )),
        }
    }
}

impl Expect {
    fn output(content: Spanned<Content>) -> Expect {
        let span = content.span;
        Expect {
            subjects: Subjects {
                output: Some(Spanned::new(Matcher::Value(content), span)),
                ..Subjects::default()
            },
        }
    }
}

impl Subjects {
    /// Whether nothing is looked at.
    fn is_empty(&self) -> bool {
        Subjects {
            credit: None,
            stop: None,
            ..self.clone()
        } == Subjects::default()
    }
}

impl JsonSchema for Expect {
    fn schema_name() -> Cow<'static, str> {
        "Expect".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Subjects::json_schema(generator);
        super::schema::add_type(&mut schema, "string");
        schema.insert(
            "title".to_owned(),
            json!("an output, or a map such as `{output: …}` or `{tests: …}`"),
        );
        // `text` and `expr` are the whole of it; `credit` and `stop` are nothing by themselves.
        let names: Vec<String> = schema
            .get("properties")
            .and_then(serde_json::Value::as_object)
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default();
        let subjects = names
            .iter()
            .map(String::as_str)
            .filter(|name| !matches!(*name, "credit" | "stop"));
        let subjects: Vec<&str> = subjects.collect();
        let alone = |name: &str| {
            json!({
                "if": {"type": "object", "required": [name]},
                "then": {"maxProperties": 1},
                "errorMessage": "`text` and `expr` stand for the whole expected output\nput it under `output`",
            })
        };
        schema.insert("allOf".to_owned(), json!([
            alone("text"),
            alone("expr"),
            {
                "if": {"type": "object"},
                "then": super::schema::any_key(
                    &subjects,
                    "`expect` names nothing\nwrite the expected output, or `{runs: true}` if running is enough",
                ),
            },
        ]));
        schema
    }
}

/// Inputs and what is expected of each.
#[derive(Debug, Clone, PartialEq)]
pub enum StdinCases {
    /// Written here.
    List(Vec<StdinCase>),
    /// One for each item of a list: `{each: {expr: row.tests}, stdin: "{{ item.input }}", …}`.
    Each(Box<EachInput>),
}

/// One input and what is expected of it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "an input: `{stdin: …, output: …}`")]
pub struct StdinCase {
    /// Standard input.
    #[schemars(example = &"3\n")]
    pub stdin: Option<Spanned<Content>>,
    /// Arguments.
    #[schemars(example = serde_json::json!(["--fast"]))]
    #[serde(default)]
    pub args: Vec<Spanned<Content>>,
    /// Standard output.
    #[schemars(example = &"9")]
    pub output: Spanned<Matcher>,
}

/// An input made of each item of a list.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EachInput {
    /// The list; in the other keys, `item` is one of it.
    #[schemars(example = serde_json::json!({"expr": "row.tests"}))]
    pub each: Spanned<Content>,
    /// Standard input.
    #[schemars(example = &"{{ item.input }}")]
    pub stdin: Option<Spanned<Content>>,
    /// Arguments.
    #[schemars(example = serde_json::json!(["{{ item.size }}"]))]
    #[serde(default)]
    pub args: Vec<Spanned<Content>>,
    /// Standard output.
    #[schemars(example = &"{{ item.output }}")]
    pub output: Spanned<Matcher>,
    /// All or nothing, or the fraction that passes.
    #[schemars(example = &"fraction", extend("default" = "all"))]
    pub credit: Option<Spanned<Credit>>,
    /// When it ends early.
    #[schemars(example = &"first_failure")]
    pub stop: Option<Spanned<Stop>>,
}

impl<'de> Deserialize<'de> for StdinCases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::<Never, Vec<StdinCase>, EachInput>::deserialize(deserializer)? {
            Form::Text(never) => match never {},
            Form::List(cases) if cases.is_empty() => Err(de::Error::custom(
                "`stdin_cases` is empty: nothing would be tested",
            )),
            Form::List(cases) => Ok(StdinCases::List(cases)),
            Form::Map(each) => Ok(StdinCases::Each(Box::new(each))),
        }
    }
}

impl JsonSchema for StdinCases {
    fn schema_name() -> Cow<'static, str> {
        "StdinCases".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = EachInput::json_schema(generator);
        super::schema::add_list(&mut schema, &generator.subschema_for::<StdinCase>());
        schema.insert(
            "title".to_owned(),
            json!("a list of `{stdin: …, output: …}`, or a map with `each`"),
        );
        schema.insert("minItems".to_owned(), json!(1));
        schema
    }
}
