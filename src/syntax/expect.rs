//! `expect`, `compare` and `score` as written.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::value::{Content, Typed};
use crate::reward::Cause;
use crate::source::Spanned;

/// What is expected of a program; one entry, one metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// Standard output.
    pub output: Option<Spanned<Matcher>>,
    /// Several inputs, one execution each.
    pub stdin_cases: Option<Spanned<StdinCases>>,
    /// Test code.
    pub tests: Option<Spanned<Tests>>,
    /// Only that it ran without error.
    pub runs: Option<Spanned<bool>>,
    /// The exit status.
    pub exit_code: Option<Spanned<Matcher>>,
    /// The exception that ends it.
    pub error: Option<Spanned<Matcher>>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ExpectKey {
    Output,
    StdinCases,
    Tests,
    Runs,
    ExitCode,
    Error,
    Text,
    Expr,
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Result<Expect, Content>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "the expected output, or a map such as `{output: …}` or `{tests: …}`",
                )
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Err(Content::Template(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut expect = Expect::default();
                let mut short = None;
                while let Some(key) = map.next_key()? {
                    match key {
                        ExpectKey::Output => expect.output = Some(map.next_value()?),
                        ExpectKey::StdinCases => expect.stdin_cases = Some(map.next_value()?),
                        ExpectKey::Tests => expect.tests = Some(map.next_value()?),
                        ExpectKey::Runs => expect.runs = Some(map.next_value()?),
                        ExpectKey::ExitCode => expect.exit_code = Some(map.next_value()?),
                        ExpectKey::Error => expect.error = Some(map.next_value()?),
                        ExpectKey::Text => short = Some(Content::Literal(map.next_value()?)),
                        ExpectKey::Expr => short = Some(Content::Expression(map.next_value()?)),
                    }
                }
                match short {
                    None if expect == Expect::default() => Err(de::Error::custom(
                        "`expect` names nothing\nwrite the expected output, or `{runs: true}` if running is enough",
                    )),
                    None => Ok(Ok(expect)),
                    Some(content) if expect == Expect::default() => Ok(Err(content)),
                    Some(_) => Err(de::Error::custom(
                        "`text` and `expr` stand for the whole expected output\nput it under `output`",
                    )),
                }
            }
        }

        struct Form(Result<Expect, Content>);

        impl<'de> Deserialize<'de> for Form {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const KEYS: &[&str] = &[
                    "output",
                    "stdin_cases",
                    "tests",
                    "runs",
                    "exit_code",
                    "error",
                    "text",
                    "expr",
                ];
                deserializer
                    .deserialize_struct("Expect?", KEYS, Forms)
                    .map(Form)
            }
        }

        let form = Spanned::<Form>::deserialize(deserializer)?;
        Ok(match form.value.0 {
            Ok(expect) => expect,
            Err(content) => {
                let matcher = Matcher::Value(Spanned::new(content, form.span));
                Expect {
                    output: Some(Spanned::new(matcher, form.span)),
                    ..Expect::default()
                }
            }
        })
    }
}

/// How a text is judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Matcher {
    /// Compared by the case's `compare`.
    Value(Spanned<Content>),
    /// `{from: prompt}`.
    From(Spanned<Origin>),
    /// `{not: {contains: Traceback}}`.
    Not(Box<Spanned<Matcher>>),
    /// `{numeric: 3.14}`, `{numeric: {value: 3.14, abs: 0.01}}`.
    Named {
        /// The comparator's name.
        comparator: Spanned<String>,
        /// What it is compared with.
        value: Spanned<Operand>,
        /// The comparator's parameters.
        params: Vec<(Spanned<String>, Typed)>,
    },
}

/// What a comparator compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Text.
    Content(Content),
    /// A list: alternatives, items, or JSON.
    List(Vec<Typed>),
    /// A map: JSON.
    Map(Typed),
}

/// Where an expectation comes from when it is not written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The output that the prompt states.
    Prompt,
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "prompt" => Ok(Origin::Prompt),
            "reference" => Err(de::Error::custom(
                "`from: reference` is not in this version",
            )),
            other => Err(de::Error::custom(format!(
                "expected `prompt`, found `{other}`"
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Result<Matcher, Content>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value or one matcher such as `{contains: …}`")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Err(Content::Template(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(key) = map.next_key::<Spanned<String>>()? else {
                    return Err(de::Error::custom(
                        "expected one matcher such as `{contains: …}`, found none",
                    ));
                };
                let matcher = match key.value.as_str() {
                    "text" => Err(Content::Literal(map.next_value()?)),
                    "expr" => Err(Content::Expression(map.next_value()?)),
                    "file" => Err(Content::File(map.next_value()?)),
                    "from" => Ok(Matcher::From(map.next_value()?)),
                    "not" => Ok(Matcher::Not(Box::new(map.next_value()?))),
                    _ => {
                        let operand: Spanned<LongForm> = map.next_value()?;
                        Ok(Matcher::Named {
                            comparator: key,
                            value: Spanned::new(
                                operand.value.value,
                                operand.value.span.unwrap_or(operand.span),
                            ),
                            params: operand.value.params,
                        })
                    }
                };
                match map.next_key::<Spanned<String>>()? {
                    None => Ok(matcher),
                    Some(second) => Err(de::Error::custom(format!(
                        "one matcher stands here, and `{}` is a second\nparameters stand beside `value`: {{numeric: {{value: 3.14, abs: 0.01}}}}",
                        second.value
                    ))),
                }
            }
        }

        struct Form(Result<Matcher, Content>);

        impl<'de> Deserialize<'de> for Form {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Forms).map(Form)
            }
        }

        let form = Spanned::<Form>::deserialize(deserializer)?;
        Ok(match form.value.0 {
            Ok(matcher) => matcher,
            Err(content) => Matcher::Value(Spanned::new(content, form.span)),
        })
    }
}

/// What stands behind a comparator's name: the operand, or a map with `value` and parameters.
struct LongForm {
    value: Operand,
    span: Option<crate::source::Span>,
    params: Vec<(Spanned<String>, Typed)>,
}

impl<'de> Deserialize<'de> for LongForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        fn short(value: Operand) -> LongForm {
            LongForm {
                value,
                span: None,
                params: Vec::new(),
            }
        }

        impl<'de> Visitor<'de> for Forms {
            type Value = LongForm;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value, or a map with `value` and parameters")
            }

            fn visit_str<E>(self, text: &str) -> Result<LongForm, E> {
                Ok(short(Operand::Content(Content::Template(text.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<LongForm, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(short(Operand::List(items)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LongForm, A::Error> {
                let mut value: Option<Spanned<Operand>> = None;
                let mut params = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.value.as_str() {
                        "value" => value = Some(map.next_value()?),
                        "text" => value = Some(operand(&key, Content::Literal(map.next_value()?))),
                        "expr" => {
                            value = Some(operand(&key, Content::Expression(map.next_value()?)))
                        }
                        "file" => value = Some(operand(&key, Content::File(map.next_value()?))),
                        _ => params.push((key, map.next_value()?)),
                    }
                }
                match value {
                    Some(value) => Ok(LongForm {
                        value: value.value,
                        span: Some(value.span),
                        params,
                    }),
                    None => Err(de::Error::custom(
                        "the long form of a matcher needs the key `value`",
                    )),
                }
            }
        }

        fn operand(key: &Spanned<String>, content: Content) -> Spanned<Operand> {
            Spanned::new(Operand::Content(content), key.span)
        }

        deserializer.deserialize_any(Forms)
    }
}

impl<'de> Deserialize<'de> for Operand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Operand;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text, a list or a map")
            }

            fn visit_str<E>(self, text: &str) -> Result<Operand, E> {
                Ok(Operand::Content(Content::Template(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Operand, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Operand::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Operand, A::Error> {
                let mut entries = serde_json::Map::new();
                while let Some((key, Typed(value))) = map.next_entry::<String, Typed>()? {
                    entries.insert(key, value);
                }
                let only = (entries.len() == 1)
                    .then(|| entries.iter().next())
                    .flatten();
                Ok(match only {
                    Some((key, serde_json::Value::String(text))) if key == "expr" => {
                        Operand::Content(Content::Expression(Spanned::new(
                            text.clone(),
                            crate::source::Span::default(),
                        )))
                    }
                    Some((key, serde_json::Value::String(text))) if key == "text" => {
                        Operand::Content(Content::Literal(Spanned::new(
                            text.clone(),
                            crate::source::Span::default(),
                        )))
                    }
                    _ => Operand::Map(Typed(entries.into())),
                })
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

/// Inputs and what is expected of each.
#[derive(Debug, Clone, PartialEq)]
pub enum StdinCases {
    /// Written here.
    List(Vec<StdinCase>),
    /// One for each item of a list: `{each: {expr: row.tests}, stdin: "{{ item.input }}", …}`.
    Each {
        /// The list.
        each: Spanned<Content>,
        /// What is done with an item.
        case: Box<StdinCase>,
    },
}

/// One input and what is expected of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StdinCase {
    /// Standard input.
    pub stdin: Option<Spanned<Content>>,
    /// Arguments.
    #[serde(default)]
    pub args: Vec<Spanned<Content>>,
    /// Standard output.
    pub output: Spanned<Matcher>,
}

impl<'de> Deserialize<'de> for StdinCases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Key {
            Each,
            Stdin,
            Args,
            Output,
        }

        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = StdinCases;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of `{stdin: …, output: …}`, or a map with `each`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<StdinCases, A::Error> {
                let mut cases = Vec::new();
                while let Some(case) = list.next_element()? {
                    cases.push(case);
                }
                if cases.is_empty() {
                    return Err(de::Error::custom(
                        "`stdin_cases` is empty: nothing would be tested",
                    ));
                }
                Ok(StdinCases::List(cases))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StdinCases, A::Error> {
                let (mut each, mut stdin, mut args, mut output) = (None, None, Vec::new(), None);
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Each => each = Some(map.next_value()?),
                        Key::Stdin => stdin = Some(map.next_value()?),
                        Key::Args => args = map.next_value()?,
                        Key::Output => output = Some(map.next_value()?),
                    }
                }
                let each = each.ok_or_else(|| de::Error::missing_field("each"))?;
                let output = output.ok_or_else(|| de::Error::missing_field("output"))?;
                Ok(StdinCases::Each {
                    each,
                    case: Box::new(StdinCase {
                        stdin,
                        args,
                        output,
                    }),
                })
            }
        }

        deserializer.deserialize_struct("StdinCases?", &["each", "stdin", "args", "output"], Forms)
    }
}

/// Test code and how it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Tests {
    /// One text or several.
    pub code: Vec<Spanned<Content>>,
    /// The function under test, which a `check` function in the code is called with.
    pub entry_point: Option<Spanned<Content>>,
    /// Trusted code before the tests.
    pub prelude: Option<Spanned<Content>>,
    /// Where the tests run.
    pub judged: Option<Judged>,
}

/// Where tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// In the program's own interpreter.
    Beside,
}

impl<'de> Deserialize<'de> for Tests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Key {
            Code,
            EntryPoint,
            Prelude,
            Judged,
            Text,
            Expr,
            File,
        }

        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Result<Tests, Content>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("test code, a list of tests, or a map with `code`")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Err(Content::Template(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut code = Vec::new();
                while let Some(test) = list.next_element()? {
                    code.push(test);
                }
                if code.is_empty() {
                    return Err(de::Error::custom(
                        "`tests` is empty: nothing would be tested",
                    ));
                }
                Ok(Ok(Tests {
                    code,
                    entry_point: None,
                    prelude: None,
                    judged: None,
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut code, mut entry_point, mut prelude, mut judged) = (None, None, None, None);
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Code => code = Some(map.next_value::<super::value::OneOrMany<_>>()?.0),
                        Key::EntryPoint => entry_point = Some(map.next_value()?),
                        Key::Prelude => prelude = Some(map.next_value()?),
                        Key::Judged => judged = Some(map.next_value()?),
                        Key::Text => return Ok(Err(Content::Literal(map.next_value()?))),
                        Key::Expr => return Ok(Err(Content::Expression(map.next_value()?))),
                        Key::File => return Ok(Err(Content::File(map.next_value()?))),
                    }
                }
                let code = code.ok_or_else(|| de::Error::missing_field("code"))?;
                Ok(Ok(Tests {
                    code,
                    entry_point,
                    prelude,
                    judged,
                }))
            }
        }

        struct Form(Result<Tests, Content>);

        impl<'de> Deserialize<'de> for Form {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const KEYS: &[&str] = &[
                    "code",
                    "entry_point",
                    "prelude",
                    "judged",
                    "text",
                    "expr",
                    "file",
                ];
                deserializer
                    .deserialize_struct("Tests?", KEYS, Forms)
                    .map(Form)
            }
        }

        let form = Spanned::<Form>::deserialize(deserializer)?;
        Ok(match form.value.0 {
            Ok(tests) => tests,
            Err(content) => Tests {
                code: vec![Spanned::new(content, form.span)],
                entry_point: None,
                prelude: None,
                judged: None,
            },
        })
    }
}

/// The comparator of plain expectations.
#[derive(Debug, Clone, PartialEq)]
pub enum CompareSpec {
    /// By name.
    Name(String),
    /// By name, with parameters: `{numeric: {abs: 0.01}}`.
    With {
        /// The comparator's name.
        comparator: Spanned<String>,
        /// Its parameters.
        params: Vec<(Spanned<String>, Typed)>,
    },
    /// `{expr: row.comparator}`.
    Expression(Spanned<String>),
}

impl<'de> Deserialize<'de> for CompareSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        struct Params(Vec<(Spanned<String>, Typed)>);

        impl<'de> Deserialize<'de> for Params {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Pairs;
                impl<'de> Visitor<'de> for Pairs {
                    type Value = Params;
                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str("a map of the comparator's parameters")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                        let mut params = Vec::new();
                        while let Some(entry) = map.next_entry()? {
                            params.push(entry);
                        }
                        Ok(Params(params))
                    }
                }
                deserializer.deserialize_map(Pairs)
            }
        }

        impl<'de> Visitor<'de> for Forms {
            type Value = CompareSpec;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .write_str("a comparator's name, or a map such as `{numeric: {abs: 0.01}}`")
            }

            fn visit_str<E>(self, name: &str) -> Result<CompareSpec, E> {
                Ok(CompareSpec::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CompareSpec, A::Error> {
                let Some(key) = map.next_key::<Spanned<String>>()? else {
                    return Err(de::Error::custom(
                        "expected a comparator's name, found none",
                    ));
                };
                let compare = if key.value == "expr" {
                    CompareSpec::Expression(map.next_value()?)
                } else {
                    CompareSpec::With {
                        comparator: key,
                        params: map.next_value::<Params>()?.0,
                    }
                };
                match map.next_key::<String>()? {
                    None => Ok(compare),
                    Some(second) => Err(de::Error::custom(format!(
                        "one comparator stands here, and `{second}` is a second"
                    ))),
                }
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

/// How metrics become a score, and which score is wanted.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreSpec {
    /// How much each metric counts; the unnamed count 0.
    pub weights: Option<Pairs<Spanned<f64>>>,
    /// Below its floor the score is 0.
    pub gates: Option<Gates>,
    /// The case passes from this score on.
    pub at_least: Option<Spanned<f64>>,
    /// The case passes up to this score.
    pub at_most: Option<Spanned<f64>>,
    /// The zero must have this cause.
    pub cause: Option<Spanned<Cause>>,
}

/// A map in the order written, keys with their places.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs<T>(pub Vec<(Spanned<String>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Pairs<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map from metrics to numbers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    pairs.push(entry);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(InOrder(std::marker::PhantomData))
    }
}

/// Metrics below which the score is 0, with their floors; a list means 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Gates(pub Vec<(Spanned<String>, f64)>);

impl<'de> Deserialize<'de> for Gates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = Gates;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of metrics, or a map from metrics to floors")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Gates, A::Error> {
                let mut gates = Vec::new();
                while let Some(metric) = list.next_element()? {
                    gates.push((metric, 1.0));
                }
                Ok(Gates(gates))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Gates, A::Error> {
                let mut gates = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    gates.push(entry);
                }
                Ok(Gates(gates))
            }
        }
        deserializer.deserialize_any(Forms)
    }
}
