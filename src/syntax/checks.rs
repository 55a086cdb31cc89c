//! `checks` as written: rules that a text must keep.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::json;

use super::matcher::{Compared, Matcher, named};
use super::schema::{add_property, names};
use crate::source::Spanned;

/// Rules that one text must keep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckSpec {
    /// The text.
    pub of: Option<Spanned<Of>>,
    /// Matchers that must hold.
    pub matchers: Vec<Spanned<Matcher>>,
    /// The most lines it may have.
    pub max_lines: Option<Spanned<u32>>,
    /// The most characters it may have.
    pub max_chars: Option<Spanned<u32>>,
    /// Whether it must be empty, or must not.
    pub empty: Option<Spanned<bool>>,
    /// The author's own checker, a command.
    pub command: Option<Spanned<Vec<Spanned<String>>>>,
}

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CheckedText")]
pub enum Of {
    /// The code in the reply.
    Code,
    /// The reply.
    Reply,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl<'de> Deserialize<'de> for CheckSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rules;

        impl<'de> Visitor<'de> for Rules {
            type Value = CheckSpec;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map such as `{of: code, max_lines: 40}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CheckSpec, A::Error> {
                let mut check = CheckSpec::default();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.value.as_str() {
                        "of" => check.of = Some(map.next_value()?),
                        "max_lines" => check.max_lines = Some(map.next_value()?),
                        "max_chars" => check.max_chars = Some(map.next_value()?),
                        "empty" => check.empty = Some(map.next_value()?),
                        "command" => check.command = Some(map.next_value()?),
                        "not" => {
                            let inner: Spanned<Matcher> = map.next_value()?;
                            let not = Matcher::Not(Box::new(inner));
                            check.matchers.push(Spanned::new(not, key.span));
                        }
                        _ => {
                            let span = key.span;
                            let compared: Spanned<Compared> = map.next_value()?;
                            check
                                .matchers
                                .push(Spanned::new(named(key, compared), span));
                        }
                    }
                }
                Ok(check)
            }
        }

        deserializer.deserialize_map(Rules)
    }
}

impl JsonSchema for CheckSpec {
    fn schema_name() -> Cow<'static, str> {
        "Check".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let count = || json_schema!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
        let mut schema = json_schema!({
            "title": "a map such as `{of: code, max_lines: 40}`",
            "type": "object",
            "additionalProperties": generator.subschema_for::<Compared>(),
        });
        let command = json_schema!({"title": "a command, as a list of words", "type": "array", "items": {"type": "string"}});
        add_property(
            &mut schema,
            "of",
            "What it looks at.",
            json!("code"),
            generator.subschema_for::<Of>(),
        );
        add_property(
            &mut schema,
            "not",
            "The opposite of a matcher.",
            json!({"search": r"\beval\("}),
            generator.subschema_for::<Matcher>(),
        );
        add_property(
            &mut schema,
            "max_lines",
            "The most lines it may have.",
            json!(40),
            count(),
        );
        add_property(
            &mut schema,
            "max_chars",
            "The most characters it may have.",
            json!(2000),
            count(),
        );
        add_property(
            &mut schema,
            "empty",
            "Whether it must be empty, or must not.",
            json!(true),
            json_schema!({"type": "boolean"}),
        );
        add_property(
            &mut schema,
            "command",
            "The author's own checker: reads the attempt as JSON, prints `{score, reason}`.",
            json!(["./check.py"]),
            command,
        );
        names("comparators", schema)
    }
}
