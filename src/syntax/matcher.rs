//! How a text is judged: matchers and comparators as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::json;

use super::form::{Form, Never};
use super::schema::names;
use super::value::{Content, Typed};
use crate::source::{Span, Spanned};

/// How a text is judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Matcher {
    /// Compared by the case's `compare`.
    Value(Spanned<Content>),
    /// `{from: prompt}`, `{from: prompt, rule: house-style}`.
    From(Source),
    /// `{not: {contains: Traceback}}`.
    Not(Box<Spanned<Matcher>>),
    /// `{numeric: 3.14}`, `{numeric: {value: 3.14, abs: 0.01}}`.
    Named(Box<NamedMatcher>),
}

/// A comparator and what it compares with.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedMatcher {
    /// The comparator's name.
    pub comparator: Spanned<String>,
    /// What it is compared with.
    pub value: Spanned<Operand>,
    /// The comparator's parameters.
    pub params: Params,
}

/// The parameters of a comparator, by name.
pub type Params = Vec<(Spanned<String>, Typed)>;

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

/// Where an expectation comes from, and how it is found there.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Where it comes from.
    pub origin: Spanned<Origin>,
    /// The expected-output extractor that finds it in the prompt; absent, `standard`.
    pub rule: Option<Spanned<String>>,
}

/// Where an expectation comes from when it is not written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The output that the prompt states.
    Prompt,
    /// The output of the case's `reference`.
    Reference,
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Spanned::<Form<String, Never, Only>>::deserialize(deserializer)?;
        let value = |content| Matcher::Value(Spanned::new(content, form.span));
        Ok(match form.value {
            Form::Text(text) => value(Content::Template(text)),
            Form::List(never) => match never {},
            Form::Map(Only(Entry::Content(content))) => value(content),
            Form::Map(Only(Entry::Matcher(matcher))) => matcher,
        })
    }
}

impl JsonSchema for Matcher {
    fn schema_name() -> Cow<'static, str> {
        "Matcher".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = super::value::content_keys();
        let mut schema = json_schema!({
            "title": "a value or one matcher such as `{contains: …}`",
            "type": ["string", "object"],
            "properties": text,
            "additionalProperties": generator.subschema_for::<Compared>(),
            "minProperties": 1,
            "allOf": [{
                "if": {"type": "object", "properties": {"rule": false}},
                "then": {"maxProperties": 1},
                "errorMessage": "only one matcher may stand here\nparameters stand beside `value`: {numeric: {value: 3.14, abs: 0.01}}",
            }, {
                "if": {"type": "object", "required": ["rule"]},
                "then": {"required": ["from"], "maxProperties": 2},
                "errorMessage": RULE_ALONE,
            }, {
                "if": {"type": "object", "required": ["rule"], "properties": {"from": {"const": "reference"}}},
                "then": {"maxProperties": 1},
                "errorMessage": RULE_ALONE,
            }],
        });
        super::schema::add_property(
            &mut schema,
            "from",
            "Compared with what stands there: the output that the prompt states, or that of the reference.",
            json!("prompt"),
            generator.subschema_for::<Origin>(),
        );
        super::schema::add_property(
            &mut schema,
            "not",
            "The opposite of a matcher.",
            json!({"contains": "Traceback"}),
            generator.subschema_for::<Matcher>(),
        );
        let rule = json_schema!({"title": "an extractor's name", "type": "string"});
        super::schema::add_property(
            &mut schema,
            "rule",
            "Beside `from: prompt`: the expected-output extractor that finds it; absent, `standard`.",
            json!("house-style"),
            names("expected_output", rule),
        );
        names("comparators", schema)
    }
}

/// Where a name of an extractor cannot stand.
const RULE_ALONE: &str =
    "`rule` stands beside `from: prompt` alone\nwrite `{from: prompt, rule: NAME}`";

/// The only entry of a matcher's map.
struct Only(Entry);

enum Entry {
    Content(Content),
    Matcher(Matcher),
}

impl<'de> Deserialize<'de> for Only {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Only;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("one matcher such as `{contains: …}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Only, A::Error> {
                let mut entry = None;
                let mut rule = None;
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    if key.value == "rule" {
                        rule = Some(map.next_value()?);
                        continue;
                    }
                    if entry.is_some() {
                        return Err(de::Error::custom(format!(
                            "one matcher stands here, and `{}` is a second",
                            key.value
                        )));
                    }
                    entry = Some(match key.value.as_str() {
                        "text" => Entry::Content(Content::Literal(map.next_value()?)),
                        "expr" => Entry::Content(Content::Expression(map.next_value()?)),
                        "file" => Entry::Content(Content::File(map.next_value()?)),
                        "from" => Entry::Matcher(Matcher::From(Source {
                            origin: map.next_value()?,
                            rule: None,
                        })),
                        "not" => Entry::Matcher(Matcher::Not(Box::new(map.next_value()?))),
                        _ => {
                            let compared = map.next_value()?;
                            Entry::Matcher(named(key, compared))
                        }
                    });
                }
                match (entry, rule) {
                    (Some(entry), None) => Ok(Only(entry)),
                    (Some(Entry::Matcher(Matcher::From(source))), rule)
                        if source.origin.value == Origin::Prompt =>
                    {
                        Ok(Only(Entry::Matcher(Matcher::From(Source {
                            rule,
                            ..source
                        }))))
                    }
                    (_, Some(_)) => Err(de::Error::custom(RULE_ALONE)),
                    (None, None) => Err(de::Error::custom("expected one matcher, found none")),
                }
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// A comparator with what stands behind its name.
pub(super) fn named(comparator: Spanned<String>, compared: Spanned<Compared>) -> Matcher {
    Matcher::Named(Box::new(NamedMatcher {
        comparator,
        value: Spanned::new(
            compared.value.value,
            compared.value.span.unwrap_or(compared.span),
        ),
        params: compared.value.params,
    }))
}

/// What stands behind a comparator's name: the operand, or a map with `value` and parameters.
pub(super) struct Compared {
    value: Operand,
    span: Option<Span>,
    params: Params,
}

impl<'de> Deserialize<'de> for Compared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let short = |value| Compared {
            value,
            span: None,
            params: Vec::new(),
        };
        Ok(match Form::<_, _, LongForm>::deserialize(deserializer)? {
            Form::Text(text) => short(Operand::Content(Content::Template(text))),
            Form::List(items) => short(Operand::List(items)),
            Form::Map(LongForm(compared)) => compared,
        })
    }
}

impl JsonSchema for Compared {
    fn schema_name() -> Cow<'static, str> {
        "Compared".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = super::value::content_keys();
        let mut schema = json_schema!({
            "title": "a value, or a map with `value` and parameters",
            "type": ["string", "array", "object"],
            "properties": text,
            "minProperties": 1,
        });
        let texts = ["value", "text", "expr", "file"];
        let mut rules = super::schema::exclusive(&texts);
        rules.push(
            json!({"if": {"type": "object"}, "then": super::schema::any_key(
                &texts,
                "the long form of a matcher needs the key `value`\nwrite one such as `{numeric: {value: 3.14, abs: 0.01}}`",
            )}),
        );
        schema.insert("allOf".to_owned(), rules.into());
        super::schema::add_property(
            &mut schema,
            "value",
            "What is compared with; parameters stand beside it.",
            json!(2.5),
            json_schema!({}),
        );
        for (name, description, example) in [
            (
                "rel",
                "The relative difference that is forgiven (`numeric`, `literal`).",
                json!(1e-6),
            ),
            (
                "abs",
                "The absolute difference that is forgiven (`numeric`, `literal`).",
                json!(0.01),
            ),
            (
                "strict_types",
                "Whether `1` and `1.0` differ (`literal`).",
                json!(true),
            ),
            (
                "align",
                "How lines are paired (`lines_partial`): by `position`, or as `lcs`.",
                json!("lcs"),
            ),
            (
                "of",
                "What has no order (`unordered`): `items`, `lines` or `tokens`.",
                json!("lines"),
            ),
        ] {
            super::schema::add_property(&mut schema, name, description, example, json_schema!({}));
        }
        schema
    }
}

struct LongForm(Compared);

impl<'de> Deserialize<'de> for LongForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = LongForm;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map with `value` and parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LongForm, A::Error> {
                let mut values: Vec<Spanned<Operand>> = Vec::new();
                let mut params = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let at = |content| Spanned::new(Operand::Content(content), key.span);
                    match key.value.as_str() {
                        "value" => values.push(map.next_value()?),
                        "text" => values.push(at(Content::Literal(map.next_value()?))),
                        "expr" => values.push(at(Content::Expression(map.next_value()?))),
                        "file" => values.push(at(Content::File(map.next_value()?))),
                        _ => params.push((key, map.next_value()?)),
                    }
                }
                let (Some(value), None) = (values.pop(), values.pop()) else {
                    return Err(de::Error::custom(
                        "the long form of a matcher needs the key `value`\nwrite one such as `{numeric: {value: 3.14, abs: 0.01}}`",
                    ));
                };
                Ok(LongForm(Compared {
                    value: value.value,
                    span: Some(value.span),
                    params,
                }))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for Operand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, map) = match Form::<_, _, Typed>::deserialize(deserializer)? {
            Form::Text(text) => return Ok(Operand::Content(Content::Template(text))),
            Form::List(items) => return Ok(Operand::List(items)),
            Form::Map(Typed(json)) => {
                let only = json
                    .as_object()
                    .filter(|entries| entries.len() == 1)
                    .and_then(|entries| entries.iter().next());
                let text = only.and_then(|(key, value)| {
                    let text = Spanned::new(value.as_str()?.to_owned(), Span::default());
                    match key.as_str() {
                        "expr" => Some(Content::Expression(text)),
                        "text" => Some(Content::Literal(text)),
                        _ => None,
                    }
                });
                (text, json)
            }
        };
        Ok(text.map_or(Operand::Map(Typed(map)), Operand::Content))
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
        params: Params,
    },
    /// `{expr: row.comparator}`.
    Expression(Spanned<String>),
}

impl<'de> Deserialize<'de> for CompareSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map(CompareSpec);

        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Map;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map such as `{numeric: {abs: 0.01}}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map, A::Error> {
                let Some(comparator) = map.next_key::<Spanned<String>>()? else {
                    return Err(de::Error::custom(
                        "expected a comparator's name, found none",
                    ));
                };
                let compare = if comparator.value == "expr" {
                    CompareSpec::Expression(map.next_value()?)
                } else {
                    let Pairs(params) = map.next_value()?;
                    CompareSpec::With { comparator, params }
                };
                match map.next_key::<String>()? {
                    None => Ok(Map(compare)),
                    Some(second) => Err(de::Error::custom(format!(
                        "one comparator stands here, and `{second}` is a second"
                    ))),
                }
            }
        }

        impl<'de> Deserialize<'de> for Map {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(Entries)
            }
        }

        Ok(match Form::<_, Never, Map>::deserialize(deserializer)? {
            Form::Text(name) => CompareSpec::Name(name),
            Form::List(never) => match never {},
            Form::Map(Map(compare)) => compare,
        })
    }
}

impl JsonSchema for CompareSpec {
    fn schema_name() -> Cow<'static, str> {
        "Compare".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let schema = json_schema!({
            "title": "a comparator's name, or a map such as `{numeric: {abs: 0.01}}`",
            "type": ["string", "object"],
            "properties": {
                "expr": {"type": "string", "description": "A column of the row that names it.", "examples": ["row.comparator"]},
            },
            "additionalProperties": {
                "title": "a map of the comparator's parameters",
                "type": "object",
            },
            "minProperties": 1,
            "maxProperties": 1,
        });
        names("comparators", schema)
    }
}

/// A map in the order written, keys with their places.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs<K, T>(pub Vec<(K, T)>);

impl<'de, K: Deserialize<'de>, T: Deserialize<'de>> Deserialize<'de> for Pairs<K, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        pairs(deserializer).map(Pairs)
    }
}

/// The entries of a map in the order written.
pub(super) fn pairs<'de, K, T, D>(deserializer: D) -> Result<Vec<(K, T)>, D::Error>
where
    K: Deserialize<'de>,
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct InOrder<K, T>(std::marker::PhantomData<(K, T)>);
    impl<'de, K: Deserialize<'de>, T: Deserialize<'de>> Visitor<'de> for InOrder<K, T> {
        type Value = Vec<(K, T)>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(entry) = map.next_entry()? {
                pairs.push(entry);
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(InOrder(std::marker::PhantomData))
}

impl<K, T: JsonSchema> JsonSchema for Pairs<K, T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a map",
            "type": "object",
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}
