//! A serde deserializer over [`Node`]s: typed values from YAML, every error with its place.
//!
//! Text targets get scalars as written (`1.10`, `no`, `0x10`); numbers and booleans are read
//! from plain scalars. Maps refuse unknown keys with the nearest known one. Derived types may use
//! externally tagged enums and [`Spanned`]; `flatten`, `untagged` and `tag` would lose places.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::node::{Key, Kind, Node};
use super::value::Typed;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::source::{Span, Spanned};

/// Decodes a value.
///
/// # Errors
/// The first structural error, at its place.
pub fn decode<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Diagnostic> {
    T::deserialize(Decoder { node }).map_err(|error| error.at(node.span).into_diagnostic())
}

/// What went wrong while decoding; the place is filled in by the innermost value that knows it.
#[derive(Debug)]
pub(super) struct DecodeError {
    message: String,
    label: String,
    help: Option<String>,
    span: Option<Span>,
}

impl DecodeError {
    fn new(message: impl Into<String>) -> Self {
        DecodeError {
            message: message.into(),
            label: String::new(),
            help: None,
            span: None,
        }
    }

    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    fn into_diagnostic(self) -> Diagnostic {
        Diagnostic {
            span: self.span,
            label: self.label,
            help: self.help,
            ..Diagnostic::nowhere(self.message)
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        // A second line of a custom message is its help.
        let message = message.to_string();
        match message.split_once('\n') {
            Some((first, help)) => DecodeError::new(first).help(Some(help.to_owned())),
            None => DecodeError::new(message),
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        DecodeError::new(format!("expected {expected}, found {}", found(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        DecodeError::new(format!("expected {expected}, found {}", found(unexpected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        DecodeError::new(format!("unknown word `{variant}`"))
            .help(did_you_mean(variant, expected.iter().copied()))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        DecodeError::new(format!("unknown key `{field}`"))
            .help(did_you_mean(field, expected.iter().copied()))
    }

    fn missing_field(field: &'static str) -> Self {
        DecodeError::new(format!("the key `{field}` is missing"))
    }
}

fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Str("") => "nothing".to_owned(),
        Unexpected::Str(text) if text.len() > 60 => "text".to_owned(),
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// Newtype names by which a type asks the decoder for more than serde's data model holds.
const SPANNED: &str = "$rewardspec::Spanned";
const TYPED: &str = "$rewardspec::Typed";
/// A typed value in which `.nan` and `.inf` are doubles.
pub(super) const ARGUMENT: &str = "$rewardspec::Argument";
/// The kind of a value (0 a scalar, 1 a list, 2 a map), then the value.
pub(super) const FORM: &str = "$rewardspec::Form";

/// Decodes one node.
#[derive(Clone, Copy)]
struct Decoder<'de> {
    node: &'de Node,
}

impl<'de> Decoder<'de> {
    fn scalar(self) -> Option<(&'de str, bool)> {
        match &self.node.kind {
            Kind::Scalar { text, plain } => Some((text, *plain)),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    fn unexpected(self) -> Unexpected<'de> {
        match &self.node.kind {
            Kind::Scalar { .. } if self.node.is_nothing() => Unexpected::Unit,
            Kind::Scalar { text, .. } => Unexpected::Str(text),
            Kind::List(_) => Unexpected::Seq,
            Kind::Map(_) => Unexpected::Map,
        }
    }

    fn wrong<T>(self, expected: &dyn de::Expected) -> Result<T, DecodeError> {
        Err(de::Error::invalid_type(self.unexpected(), expected))
    }

    fn no_number(self) -> DecodeError {
        DecodeError::new(format!(
            "expected a number, found {}",
            found(self.unexpected())
        ))
    }

    fn number<'a, T: std::str::FromStr, V: Visitor<'de>>(
        self,
        visitor: V,
        visit: impl FnOnce(V, T) -> Result<V::Value, DecodeError> + 'a,
    ) -> Result<V::Value, DecodeError> {
        match self.scalar() {
            Some((text, true)) => match number_of(text).unwrap_or_default().parse::<T>() {
                Ok(number) => visit(visitor, number),
                Err(_) => Err(self.no_number()),
            },
            _ => Err(self.no_number()),
        }
        .map_err(|error: DecodeError| error.at(self.node.span))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.number::<$type, V>(visitor, |visitor, number| visitor.$visit(number))
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = DecodeError;

    numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Scalar { .. } if self.node.is_nothing() => visitor.visit_unit(),
            Kind::Scalar { text, .. } => visitor.visit_borrowed_str(text),
            Kind::List(items) => visitor.visit_seq(List {
                items: items.iter(),
            }),
            Kind::Map(entries) => visitor.visit_map(Entries::new(entries)),
        }
        .map_err(|error| error.at(self.node.span))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.scalar() {
            Some(("true" | "True" | "TRUE", true)) => visitor.visit_bool(true),
            Some(("false" | "False" | "FALSE", true)) => visitor.visit_bool(false),
            _ => Err(DecodeError::new(format!(
                "expected `true` or `false`, found {}",
                found(self.unexpected())
            ))),
        }
        .map_err(|error| error.at(self.node.span))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.scalar() {
            Some((text, _)) if !self.node.is_nothing() => visitor.visit_borrowed_str(text),
            _ => Err(DecodeError::new(format!(
                "expected text, found {}",
                found(self.unexpected())
            ))),
        }
        .map_err(|error: DecodeError| error.at(self.node.span))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_nothing() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
        .map_err(|error: DecodeError| error.at(self.node.span))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_nothing() {
            visitor.visit_unit()
        } else {
            self.wrong(&visitor)
        }
        .map_err(|error: DecodeError| error.at(self.node.span))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            SPANNED => visitor.visit_seq(SpannedParts {
                node: self.node,
                part: 0,
            }),
            TYPED => self.deserialize_typed(visitor),
            ARGUMENT => match self.not_finite() {
                Some(double) => visitor.visit_f64(double),
                None => self.deserialize_typed(visitor),
            },
            FORM => visitor.visit_seq(FormParts {
                node: self.node,
                part: 0,
            }),
            _ => visitor.visit_newtype_struct(self),
        }
        .map_err(|error| error.at(self.node.span))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::List(items) => visitor.visit_seq(List {
                items: items.iter(),
            }),
            Kind::Scalar { .. } | Kind::Map(_) => Err(DecodeError::new(format!(
                "expected a list, found {}",
                found(self.unexpected())
            ))),
        }
        .map_err(|error| error.at(self.node.span))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Map(entries) => visitor.visit_map(Entries::new(entries)),
            Kind::Scalar { .. } | Kind::List(_) => {
                let keys = match fields {
                    [] => String::new(),
                    [first, ..] => format!(" with keys such as `{first}`"),
                };
                Err(DecodeError::new(format!(
                    "expected a map{keys}, found {}",
                    found(self.unexpected())
                )))
            }
        }
        .map_err(|error| error.at(self.node.span))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Scalar { text, .. } => visitor.visit_enum(StrDeserializer::new(text)),
            Kind::Map(entries) => match entries.as_slice() {
                [(key, value)] => visitor.visit_enum(Variant { key, value }),
                _ => Err(DecodeError::new(format!(
                    "expected one of the words {}, as a word or as a map's only key",
                    words(variants)
                ))),
            },
            Kind::List(_) => Err(DecodeError::new(format!(
                "expected one of the words {}, found a list",
                words(variants)
            ))),
        }
        .map_err(|error: DecodeError| error.at(self.node.span))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

impl<'de> Decoder<'de> {
    /// A plain scalar that is a number of YAML's core schema and none of JSON.
    fn not_finite(self) -> Option<f64> {
        match self.scalar()? {
            (".nan" | ".NaN" | ".NAN", true) => Some(f64::NAN),
            (".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF", true) => Some(f64::INFINITY),
            ("-.inf" | "-.Inf" | "-.INF", true) => Some(f64::NEG_INFINITY),
            _ => None,
        }
    }

    /// YAML's own types: for `vars`, `json`, call arguments, where a number is a number.
    fn deserialize_typed<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Scalar { text, plain: false } => visitor.visit_borrowed_str(text),
            Kind::Scalar { text, plain: true } => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => visitor.visit_unit(),
                "true" | "True" | "TRUE" => visitor.visit_bool(true),
                "false" | "False" | "FALSE" => visitor.visit_bool(false),
                // A number is passed on as the text that it is: `serde_json` keeps its digits.
                _ if is_json_number(text) => {
                    visitor.visit_newtype_struct(StrDeserializer::<DecodeError>::new(text))
                }
                _ => visitor.visit_borrowed_str(text),
            },
            Kind::List(items) => visitor.visit_seq(List {
                items: items.iter(),
            }),
            Kind::Map(entries) => visitor.visit_map(Entries::new(entries)),
        }
    }
}

/// A plain scalar that is a number in YAML 1.2's core schema, as JSON writes it; none for what JSON
/// cannot say. Whole numbers have no fraction, however they are written.
pub(super) fn number_of(text: &str) -> Option<String> {
    let whole = |digits: &str, radix| u64::from_str_radix(digits, radix).ok();
    if let Some(digits) = text.strip_prefix("0x") {
        return whole(digits, 16).map(|number| number.to_string());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return whole(digits, 8).map(|number| number.to_string());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = unsigned.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.')
        && unsigned.ends_with(|letter: char| letter.is_ascii_digit() || letter == '.')
        && unsigned.contains(|letter: char| letter.is_ascii_digit());
    if !is_number {
        return None;
    }
    if unsigned.bytes().all(|letter| letter.is_ascii_digit()) && unsigned.len() < 30 {
        let number: i128 = text.strip_prefix('+').unwrap_or(text).parse().ok()?;
        return Some(number.to_string());
    }
    let number: f64 = text.parse().ok()?;
    if number.is_finite() && number.fract() == 0.0 && number.abs() < 1e15 {
        return Some(format!("{number:.0}"));
    }
    number.is_finite().then(|| number.to_string())
}

/// A number as JSON writes it; YAML's other spellings (`0x10`, `1_000`, `.5`) are text here.
fn is_json_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|letter: char| letter.is_ascii_digit())
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn words(variants: &[&str]) -> String {
    variants
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl<'de> IntoDeserializer<'de, DecodeError> for Decoder<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct List<'de> {
    items: std::slice::Iter<'de, Node>,
}

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(node) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(Decoder { node })
            .map(Some)
            .map_err(|error| error.at(node.span))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, (Key, Node)>,
    value: Option<&'de Node>,
}

impl<'de> Entries<'de> {
    fn new(entries: &'de [(Key, Node)]) -> Self {
        Entries {
            entries: entries.iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(KeyDecoder { key })
            .map(Some)
            .map_err(|error| error.at(key.span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let node = self
            .value
            .take()
            .expect("serde asks for a value only after its key");
        seed.deserialize(Decoder { node })
            .map_err(|error| error.at(node.span))
    }
}

/// Decodes a map's key: text, or text with its place.
struct KeyDecoder<'de> {
    key: &'de Key,
}

impl<'de> Deserializer<'de> for KeyDecoder<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(&self.key.text)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            SPANNED => visitor.visit_seq(KeyParts {
                key: self.key,
                part: 0,
            }),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Variant<'de> {
    key: &'de Key,
    value: &'de Node,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = DecodeError;
    type Variant = Decoder<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Decoder<'de>), DecodeError> {
        let variant = seed
            .deserialize(KeyDecoder { key: self.key })
            .map_err(|error| error.at(self.key.span))?;
        Ok((variant, Decoder { node: self.value }))
    }
}

impl<'de> VariantAccess<'de> for Decoder<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match &self.node.kind {
            Kind::Map(entries) if entries.is_empty() => Ok(()),
            _ if self.node.is_nothing() => Ok(()),
            _ => Err(DecodeError::new(format!(
                "this word takes no value, found {}",
                found(self.unexpected())
            ))
            .at(self.node.span)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        let span = self.node.span;
        seed.deserialize(self).map_err(|error| error.at(span))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_struct("", fields, visitor)
    }
}

/// The four parts by which a [`Spanned`] is put together: source, start, end, value.
struct SpannedParts<'de> {
    node: &'de Node,
    part: u8,
}

impl<'de> SeqAccess<'de> for SpannedParts<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let part = self.part;
        self.part += 1;
        match span_part(self.node.span, part) {
            Some(number) => seed.deserialize(number.into_deserializer()).map(Some),
            None => seed.deserialize(Decoder { node: self.node }).map(Some),
        }
    }
}

/// The two parts by which a form is decoded.
struct FormParts<'de> {
    node: &'de Node,
    part: u8,
}

impl<'de> SeqAccess<'de> for FormParts<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let kind: u8 = match &self.node.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(_) => 1,
            Kind::Map(_) => 2,
        };
        self.part += 1;
        if self.part == 1 {
            seed.deserialize(kind.into_deserializer()).map(Some)
        } else {
            seed.deserialize(Decoder { node: self.node }).map(Some)
        }
    }
}

struct KeyParts<'de> {
    key: &'de Key,
    part: u8,
}

impl<'de> SeqAccess<'de> for KeyParts<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let part = self.part;
        self.part += 1;
        match span_part(self.key.span, part) {
            Some(number) => seed.deserialize(number.into_deserializer()).map(Some),
            None => seed.deserialize(KeyDecoder { key: self.key }).map(Some),
        }
    }
}

fn span_part(span: Span, part: u8) -> Option<u32> {
    match part {
        0 => Some(span.source.0),
        1 => Some(span.start),
        2 => Some(span.end),
        _ => None,
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Spanned<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Spanned<T>, A::Error> {
                let missing = || de::Error::custom("a span has four parts");
                let source = parts.next_element()?.ok_or_else(missing)?;
                let start = parts.next_element()?.ok_or_else(missing)?;
                let end = parts.next_element()?.ok_or_else(missing)?;
                let value = parts.next_element()?.ok_or_else(missing)?;
                Ok(Spanned::new(
                    value,
                    Span {
                        source: crate::source::SourceId(source),
                        start,
                        end,
                    },
                ))
            }
        }

        deserializer.deserialize_newtype_struct(SPANNED, Parts(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_newtype_struct(TYPED, TypedVisitor)
            .map(Typed)
    }
}

struct TypedVisitor;

impl<'de> Visitor<'de> for TypedVisitor {
    type Value = serde_json::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<serde_json::Value, E> {
        Ok(serde_json::Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<serde_json::Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<serde_json::Value, E> {
        Ok(text.into())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        number: D,
    ) -> Result<serde_json::Value, D::Error> {
        let text = String::deserialize(number)?;
        serde_json::from_str(&text).map_err(de::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<serde_json::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Typed(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<serde_json::Value, A::Error> {
        let mut entries = serde_json::Map::new();
        while let Some((key, Typed(value))) = map.next_entry::<String, Typed>()? {
            entries.insert(key, value);
        }
        Ok(entries.into())
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
