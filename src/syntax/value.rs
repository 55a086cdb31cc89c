//! Scalars with a meaning of their own: times, sizes, typed values, templates.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::form::{Form, Never};
use crate::source::Spanned;

/// A value typed as YAML types it; numbers keep their digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed(pub serde_json::Value);

/// A time: a bare number is seconds; `500ms`, `2s`, `1.5m`, `1h` have their unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

/// A size in bytes: `256MiB`, `1GB`. The unit is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let seconds_per_unit = match unit {
            "" | "s" => 1.0,
            "ms" => 0.001,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => {
                return Err(format!(
                    "expected a time such as `5`, `500ms` or `2m`, found `{text}`"
                ));
            }
        };
        let seconds: f64 = number
            .parse()
            .map_err(|_| format!("expected a time such as `5`, `500ms` or `2m`, found `{text}`"))?;
        if !(seconds > 0.0 && seconds * seconds_per_unit <= 86_400.0) {
            return Err(format!(
                "expected a time above 0 and up to a day, found `{text}`"
            ));
        }
        Ok(Time(Duration::from_secs_f64(seconds * seconds_per_unit)))
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let wrong =
            || format!("expected a size with a unit such as `256MiB` or `1GB`, found `{text}`");
        let bytes_per_unit: f64 = match unit {
            "B" => 1.0,
            "kB" | "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            _ => return Err(wrong()),
        };
        let bytes = number.parse::<f64>().map_err(|_| wrong())? * bytes_per_unit;
        if !(1.0..=1e15).contains(&bytes) {
            return Err(format!(
                "expected a size of at least a byte and up to 1000000GB, found `{text}`"
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked above"
        )]
        Ok(Size(bytes as u64))
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    (text[..end].trim(), text[end..].trim())
}

macro_rules! from_text {
    ($type:ty, $expecting:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

from_text!(Time, "a time such as `5`, `500ms` or `2m`");
from_text!(Size, "a size with a unit such as `256MiB`");

/// Text that may be computed: a template, literal text, an expression, or a file's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A template: `"{{ row.prompt }}"`.
    Template(String),
    /// `{text: …}`: as it stands, braces and all.
    Literal(Spanned<String>),
    /// `{expr: row.tests}`: a typed value.
    Expression(Spanned<String>),
    /// `{file: path}`: the content of a file.
    File(Spanned<String>),
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Map {
            Text(Spanned<String>),
            Expr(Spanned<String>),
            File(Spanned<String>),
        }
        Ok(
            match Form::<String, Never, Map>::deserialize(deserializer)? {
                Form::Text(text) => Content::Template(text),
                Form::List(never) => match never {},
                Form::Map(Map::Text(text)) => Content::Literal(text),
                Form::Map(Map::Expr(expression)) => Content::Expression(expression),
                Form::Map(Map::File(path)) => Content::File(path),
            },
        )
    }
}

impl JsonSchema for Content {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "text, `{text: …}`, `{expr: …}` or `{file: …}`",
            "type": ["string", "object"],
            "properties": content_keys(),
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

/// The keys of text that is computed.
pub(super) fn content_keys() -> serde_json::Value {
    serde_json::json!({
        "text": {"type": "string", "description": "Literal text: braces stay braces.", "examples": ["{{ not a template }}"]},
        "expr": {"type": "string", "description": "An expression that yields a typed value, such as a column of the row.", "examples": ["row.tests"]},
        "file": {"type": "string", "description": "A file whose content it is, relative to this file.", "examples": ["data/input.txt"]},
    })
}

/// One value or a list of them.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(OneOrMany(
            match Form::<T, Vec<T>, T>::deserialize(deserializer)? {
                Form::Text(one) | Form::Map(one) => vec![one],
                Form::List(list) => list,
            },
        ))
    }
}

/// One value or a list of at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct AtLeastOne<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AtLeastOne<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let OneOrMany(values) = OneOrMany::deserialize(deserializer)?;
        if values.is_empty() {
            return Err(de::Error::custom("the list is empty"));
        }
        Ok(AtLeastOne(values))
    }
}

impl<T: JsonSchema> JsonSchema for AtLeastOne<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrSome", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = OneOrMany::<T>::json_schema(generator);
        schema.insert("minItems".to_owned(), 1.into());
        schema
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrList", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// The schema of one, which also takes a list of such.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        let mut either = T::json_schema(generator);
        super::schema::add_list(&mut either, &one);
        either
    }
}

impl JsonSchema for Typed {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a time such as `5`, `500ms` or `2m`",
            "type": ["number", "string"],
            "exclusiveMinimum": 0,
            "maximum": 86400,
            "pattern": r"^\s*(?=[0-9.]*[1-9])([0-9]+\.?[0-9]*|\.[0-9]+)\s*(ms|s|m|min|h)?\s*$",
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a size with a unit such as `256MiB` or `1GB`",
            "type": "string",
            "pattern": r"^\s*(?=[0-9.]*[1-9])([0-9]+\.?[0-9]*|\.[0-9]+)\s*(B|[kK]B|MB|GB|KiB|MiB|GiB)\s*$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Size, Time};

    #[test]
    fn times_have_units_or_are_seconds() {
        for (text, milliseconds) in [
            ("5", 5000),
            ("0.5", 500),
            ("500ms", 500),
            ("2s", 2000),
            ("1m", 60_000),
        ] {
            assert_eq!(
                text.parse::<Time>().unwrap().0.as_millis(),
                milliseconds,
                "{text}"
            );
        }
        for text in ["", "-1", "0", "5 parsecs", "1e9", "nan"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        for (text, bytes) in [
            ("256MiB", 256 << 20),
            ("1 GB", 1_000_000_000),
            ("512B", 512),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().0, bytes, "{text}");
        }
        for text in ["256", "MiB", "-1MiB", "1XB", ""] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
