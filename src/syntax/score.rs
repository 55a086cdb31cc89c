//! `score` as written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::Deserializer;

use super::form::{Form, Never};
use super::matcher::Pairs;
use crate::reward::Cause;
use crate::source::Spanned;

/// How metrics become a score, and which score is wanted.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Score", title = "a map such as `{weights: {tests: 3}}`")]
pub struct ScoreSpec {
    /// How much each metric counts; the unnamed count 0. Absent, all that are expected count 1.
    #[schemars(example = serde_json::json!({"tests": 3, "output_match": 1}))]
    pub weights: Option<Spanned<Pairs<Spanned<String>, Spanned<f64>>>>,
    /// Below its floor the score is 0; a list means 1. Added to the gate on `execution_result`.
    #[schemars(example = serde_json::json!({"no_eval": 1}))]
    pub gates: Option<Gates>,
    /// The case passes from this score on.
    #[schemars(example = 0.8, extend("default" = 1))]
    pub at_least: Option<Spanned<f64>>,
    /// The case passes up to this score, for replies known to be bad.
    #[schemars(example = 0)]
    pub at_most: Option<Spanned<f64>>,
    /// With `at_most`: the zero must have this cause.
    #[schemars(example = &"timeout")]
    pub cause: Option<Spanned<Cause>>,
}

/// Metrics below which the score is 0, with their floors; a list means 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Gates(pub Vec<(Spanned<String>, f64)>);

impl<'de> Deserialize<'de> for Gates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Gates(
            match Form::<Never, Vec<_>, Pairs<_, _>>::deserialize(deserializer)? {
                Form::Text(never) => match never {},
                Form::List(metrics) => metrics.into_iter().map(|metric| (metric, 1.0)).collect(),
                Form::Map(Pairs(gates)) => gates,
            },
        ))
    }
}

impl JsonSchema for Gates {
    fn schema_name() -> Cow<'static, str> {
        "Gates".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a list of metrics, or a map from metrics to floors",
            "type": ["array", "object"],
            "items": {"type": "string"},
            "additionalProperties": {"title": "a number", "type": "number"},
        })
    }
}
