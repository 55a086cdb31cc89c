//! What a call takes and returns, as written: typed as YAML types it, or computed.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::decode::ARGUMENT;
use crate::source::Spanned;

/// A value of a call. Texts in it are literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// `~`, `null`.
    Nothing,
    /// `true`, `false`.
    Bool(bool),
    /// A number as JSON writes it.
    Number(String),
    /// `.nan`, `.inf`, `-.inf`: numbers that JSON cannot write.
    NotFinite(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Spanned<Argument>>),
    /// A map, in the order written.
    Map(Vec<(Spanned<String>, Spanned<Argument>)>),
}

impl Argument {
    /// The expression of `{expr: …}`. It may stand for all arguments, for one of them, and for what
    /// is returned; deeper in a value such a map is a map.
    pub fn expression(&self) -> Option<Spanned<String>> {
        match self {
            Argument::Map(entries) => match entries.as_slice() {
                [(key, value)] if key.value == "expr" => match &value.value {
                    Argument::Text(text) => Some(Spanned::new(text.clone(), value.span)),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(ARGUMENT, ArgumentVisitor)
    }
}

struct ArgumentVisitor;

impl<'de> Visitor<'de> for ArgumentVisitor {
    type Value = Argument;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Argument, E> {
        Ok(Argument::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Argument, E> {
        Ok(Argument::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Argument, E> {
        Ok(Argument::NotFinite(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Argument, E> {
        Ok(Argument::Text(text.to_owned()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, number: D) -> Result<Argument, D::Error> {
        let text = String::deserialize(number)?;
        match serde_json::from_str::<serde_json::Number>(&text) {
            Ok(number) => Ok(Argument::Number(number.to_string())),
            Err(error) => Err(de::Error::custom(error)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Argument, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Argument::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Argument, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Argument::Map(entries))
    }
}

impl JsonSchema for Argument {
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
