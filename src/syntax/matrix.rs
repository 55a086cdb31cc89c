//! `matrix` as written: axes that multiply a case.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::matcher::Pairs;
use super::model::ModelChoice;
use super::suite::Choice;
use super::value::Typed;
use crate::source::Spanned;

/// Axes, and cells added to and taken from their product, as in GitHub Actions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MatrixSpec {
    /// Languages.
    pub languages: Option<Spanned<Vec<Choice>>>,
    /// Models.
    pub models: Option<Spanned<Vec<ModelChoice>>>,
    /// Variables with their values.
    pub variables: Vec<(Spanned<String>, Spanned<Vec<Typed>>)>,
    /// Cells that are added, or more variables for cells that fit.
    pub include: Vec<Cell>,
    /// Cells that are left out.
    pub exclude: Vec<Cell>,
}

/// Values by axis.
pub type Cell = Pairs<Spanned<String>, Spanned<Typed>>;

impl<'de> Deserialize<'de> for MatrixSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Axes;

        impl<'de> Visitor<'de> for Axes {
            type Value = MatrixSpec;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of axes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MatrixSpec, A::Error> {
                let mut matrix = MatrixSpec::default();
                while let Some(axis) = map.next_key::<Spanned<String>>()? {
                    match axis.value.as_str() {
                        "language" => matrix.languages = Some(map.next_value()?),
                        "model" => matrix.models = Some(map.next_value()?),
                        "include" => matrix.include = map.next_value()?,
                        "exclude" => matrix.exclude = map.next_value()?,
                        _ => matrix.variables.push((axis, map.next_value()?)),
                    }
                }
                Ok(matrix)
            }
        }

        deserializer.deserialize_map(Axes)
    }
}

impl JsonSchema for MatrixSpec {
    fn schema_name() -> Cow<'static, str> {
        "Matrix".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let language = generator.subschema_for::<Choice>();
        let model = generator.subschema_for::<ModelChoice>();
        let cells = |description: &str| {
            serde_json::json!({
                "title": "a list of maps", "type": "array", "items": {"title": "a map from axes to values", "type": "object"},
                "description": description, "examples": [[{"language": "python", "size": 100}]],
            })
        };
        json_schema!({
            "title": "a map of axes, each a list",
            "type": "object",
            "properties": {
                "language": {"title": "a list of languages", "type": "array", "items": language, "description": "Languages.", "examples": [["python", "javascript"]]},
                "model": {"title": "a list of models", "type": "array", "items": model, "description": "Models.", "examples": [["small", "large"]]},
                "include": cells("Cells that are added, or more variables for the cells that fit."),
                "exclude": cells("Cells that are left out."),
            },
            "additionalProperties": {"title": "a list of values", "type": "array"},
        })
    }
}
