//! Values that are written in several forms: which kind of YAML stands there decides.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::decode::FORM;

/// A value whose kind decides how it is decoded.
pub(super) enum Form<T, L, M> {
    /// A scalar.
    Text(T),
    /// A list.
    List(L),
    /// A map.
    Map(M),
}

/// A form that is not taken.
pub(super) enum Never {}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("no such value is expected here"))
    }
}

impl<'de, T, L, M> Deserialize<'de> for Form<T, L, M>
where
    T: Deserialize<'de>,
    L: Deserialize<'de>,
    M: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FORM, Parts(PhantomData))
    }
}

/// The decoder gives the kind, then the value.
struct Parts<T, L, M>(PhantomData<(T, L, M)>);

impl<'de, T, L, M> Visitor<'de> for Parts<T, L, M>
where
    T: Deserialize<'de>,
    L: Deserialize<'de>,
    M: Deserialize<'de>,
{
    type Value = Form<T, L, M>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let missing = || de::Error::custom("a form has two parts");
        Ok(match parts.next_element::<u8>()?.ok_or_else(missing)? {
            0 => Form::Text(parts.next_element()?.ok_or_else(missing)?),
            1 => Form::List(parts.next_element()?.ok_or_else(missing)?),
            _ => Form::Map(parts.next_element()?.ok_or_else(missing)?),
        })
    }
}
