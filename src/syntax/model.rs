//! A model as written: where it is asked, and how.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::json;

use super::form::{Form, Never};
use super::matcher::Pairs;
use super::schema::names;
use super::value::{OneOrMany, Time, Typed};
use crate::source::Spanned;

/// A model behind an interface like OpenAI's chat completions.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Model", title = "a map with `url` and `model`")]
pub struct ModelSpec {
    /// The address before `/chat/completions`.
    #[schemars(example = &"http://localhost:8000/v1")]
    pub url: Spanned<String>,
    /// The model's name there.
    #[schemars(example = &"qwen2.5-coder")]
    pub model: Spanned<String>,
    /// The variable that has the key; never the key itself.
    #[schemars(example = &"MODEL_KEY")]
    pub key_env: Option<Spanned<String>>,
    /// What the model is told before the prompt.
    #[schemars(example = &"Answer with one code block.")]
    pub system: Option<Spanned<String>>,
    /// How random its choices are.
    #[schemars(example = 0.2)]
    pub temperature: Option<Spanned<f64>>,
    /// The share of likely words that it chooses from.
    #[schemars(example = 0.95)]
    pub top_p: Option<Spanned<f64>>,
    /// The most tokens of a reply.
    #[schemars(example = 2048)]
    pub max_tokens: Option<Spanned<u32>>,
    /// Words that end a reply.
    #[schemars(example = serde_json::json!(["\n\n\n"]))]
    pub stop: Option<OneOrMany<Spanned<String>>>,
    /// The number that makes its choices repeatable, where it can.
    #[schemars(example = 7)]
    pub seed: Option<Spanned<u64>>,
    /// How long a reply may take.
    #[schemars(example = &"2m")]
    pub timeout: Option<Spanned<Time>>,
    /// Whatever else is sent with the request.
    #[schemars(example = serde_json::json!({"top_k": 20}))]
    pub extra: Option<Pairs<Spanned<String>, Typed>>,
}

/// A model by name, or where it is.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelChoice {
    /// A name of a rule pack.
    Name(Spanned<String>),
    /// Written here.
    Inline(Box<ModelSpec>),
}

impl<'de> Deserialize<'de> for ModelChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(
            match Form::<_, Never, ModelSpec>::deserialize(deserializer)? {
                Form::Text(name) => ModelChoice::Name(name),
                Form::List(never) => match never {},
                Form::Map(model) => ModelChoice::Inline(Box::new(model)),
            },
        )
    }
}

impl JsonSchema for ModelChoice {
    fn schema_name() -> Cow<'static, str> {
        "ModelChoice".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = ModelSpec::json_schema(generator);
        super::schema::add_type(&mut schema, "string");
        schema.insert(
            "title".to_owned(),
            json!("a model's name, or a map with `url` and `model`"),
        );
        names("models", schema)
    }
}
