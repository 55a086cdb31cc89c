//! A suite as written: the keys of a suite and of a case, short forms expanded, nothing resolved.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::json;

use super::expect::Expect;
use super::form::{Form, Never};
use super::matcher::{CompareSpec, Pairs};
use super::matrix::MatrixSpec;
use super::model::ModelChoice;
use super::schema::{exclusive, names, one_of};
use super::score::ScoreSpec;
use super::value::{AtLeastOne, Content, OneOrMany, Size, Time, Typed};
use crate::evaluator::Need;
use crate::evaluator::aggregate::Aggregate;
use crate::evaluator::code::CodeRule;
use crate::execution::Isolation;
use crate::source::Spanned;

/// Declares the keys that may stand on a suite, a case and a preset, and lists their names.
macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:literal $field:ident: $type:ty $(, default $default:tt)?, example $example:tt;)+) => {
        /// The keys that a suite, a case and a preset share. All may be absent: what is absent is
        /// inherited.
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(title = "a map with keys such as `prompt`, `reply` and `expect`")]
        pub struct Keys {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name)]
                #[schemars(example = json!($example) $(, extend("default" = json!($default)))?)]
                pub $field: Option<$type>,
            )+
        }

        impl Keys {
            /// The names of the keys, as written in YAML.
            pub const NAMES: &[&str] = &[$($name),+];
        }
    };
}

keys! {
    /// What the suite or case is about, for people.
    "description" description: String, example "Sums of lists";
    /// Words to select by, with `--tag`.
    "tags" tags: Tags, example ["fast", "strings"];
    /// Presets of rule packs, in order: each is laid over those before it.
    "use" presets: Presets, example ["contest"];
    /// The language of the program: a name, a name with an interpreter of its own, or a list.
    "language" language: Languages, default "python", example "javascript";
    /// Axes that multiply the case: languages, models, any variable.
    "matrix" matrix: Spanned<MatrixSpec>, example {"language": ["python", "javascript"], "size": [1, 100]};
    /// Where programs run, in order of preference; the first that can be had is used.
    "backend" backend: Spanned<OneOrMany<Spanned<BackendName>>>, default "auto", example ["e2b", "local"];
    /// How programs run in E2B's cloud.
    "e2b" e2b: CloudSpec, example {"template": "base", "mode": "script"};
    /// The least isolation that is accepted; below it nothing runs.
    "isolation" isolation: Spanned<Isolation>, default "reduced", example "full";
    /// Wall time of one execution; a bare number is seconds.
    "timeout" timeout: TimeOrExpression, default "30s", example "5s";
    /// What else an execution may use.
    "limits" limits: LimitsSpec, example {"memory": "256MiB", "cpu": "10s"};
    /// Whether the program may use the network.
    "network" network: bool, default false, example true;
    /// What the model was asked; a template.
    "prompt" prompt: Spanned<Content>, example "Write a program that prints {{ row.wanted }}.";
    /// What the model was asked, as a chat. A chat that ends with an assistant's message carries the reply.
    "messages" messages: Spanned<Vec<MessageSpec>>, example [{"role": "user", "content": "Print 42."}];
    /// Variables for templates, typed as YAML types them.
    "vars" vars: BTreeMap<String, Spanned<Typed>>, example {"count": 5};
    /// What the model said: text (never a template), a file, a column, saved samples, or a list.
    "reply" reply: Spanned<ReplySpec>, example {"file": "replies/one.md"};
    /// The model that is asked where there is no reply: a name of a rule pack, or where it is.
    "model" model: Models, example "small";
    /// How many replies are asked for, and how many must pass.
    "samples" samples: Spanned<SamplesSpec>, default 1, example {"n": 5, "need": "any"};
    /// How the program is found in the reply: an extractor's name, or one written here.
    "code" code: Spanned<CodeSpec>, default "standard", example "last";
    /// What runs; a template that holds the reply's `code`.
    "program" program: Spanned<Content>, default "{{ code }}", example "{{ code }}\nprint(solve({{ row.n }}))";
    /// The program's standard input; a template.
    "stdin" stdin: Spanned<Content>, example "3\n1 2 3\n";
    /// The program's arguments; templates.
    "args" args: Vec<Spanned<Content>>, example ["--verbose", "{{ row.n }}"];
    /// Files beside the program; a reply's file never overwrites them.
    "files" files: Pairs<Spanned<String>, Spanned<Content>>, example {"data.txt": {"file": "data/input.txt"}};
    /// A trusted program whose output is the expectation, for `from: reference`.
    "reference" reference: Spanned<ReferenceSpec>, example {"code": "print(6 * 7)"};
    /// What is expected: a scalar is the standard output, a map names what is looked at. Absent, the
    /// output that the prompt states.
    "expect" expect: Spanned<Expect>, default {"output": {"from": "prompt"}}, example {"output": {"contains": "42"}};
    /// The comparator of plain expectations.
    "compare" compare: Spanned<CompareSpec>, default "lines", example {"numeric": {"abs": 0.01}};
    /// How metrics become a score, and which score is wanted.
    "score" score: ScoreSpec, example {"weights": {"tests": 3, "output_match": 1}, "at_least": 0.8};
    /// A file of rows, each of which makes a case of each case.
    "dataset" dataset: Spanned<DatasetSpec>, example {"file": "data/tasks.jsonl", "name": "{{ row.id }}"};
    /// Why the case is not run; it is listed as ignored.
    "skip" skip: Spanned<Condition>, example "needs numpy";
    /// Why nothing but such cases is run, while they are worked on.
    "only" only: Spanned<Condition>, example "looking into this one";
}

/// Declares a type that is another with a schema of its own: names of rules are offered.
macro_rules! offered {
    ($($(#[doc = $doc:literal])+ $type:ident($inner:ty): $kind:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub $inner);

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                names($kind, <$inner>::json_schema(generator))
            }
        }
    )+};
}

offered! {
    /// Presets by name.
    Presets(OneOrMany<Spanned<String>>): "presets";
    /// Languages by name, alone or in a list.
    Languages(AtLeastOne<Choice>): "languages";
    /// Models by name, alone or in a list.
    Models(AtLeastOne<ModelChoice>): "models";
}

/// A time, or an expression that yields one for each row.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeOrExpression {
    /// Written here.
    Time(Spanned<Time>),
    /// `{expr: row.timeout}`.
    Expression(Spanned<String>),
}

/// `{expr: row.column}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expression {
    /// A column of the row.
    pub(super) expr: Spanned<String>,
}

/// The schema of `{expr: …}` beside other forms.
pub(super) fn or_expression(mut schema: Schema) -> Schema {
    super::schema::add_type(&mut schema, "object");
    let expression = json!({"expr": {
        "type": "string",
        "description": "An expression that yields it for each row.",
        "examples": ["row.language"],
    }});
    schema.insert("properties".to_owned(), expression);
    schema.insert("required".to_owned(), json!(["expr"]));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

impl<'de> Deserialize<'de> for TimeOrExpression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(
            match Form::<_, Never, Expression>::deserialize(deserializer)? {
                Form::Text(time) => TimeOrExpression::Time(time),
                Form::List(never) => match never {},
                Form::Map(map) => TimeOrExpression::Expression(map.expr),
            },
        )
    }
}

impl JsonSchema for TimeOrExpression {
    fn schema_name() -> Cow<'static, str> {
        "Timeout".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_expression(Time::json_schema(generator))
    }
}

/// Words to select by, or an expression that yields them for each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Tags {
    /// Written here.
    Words(Vec<Spanned<String>>),
    /// `{expr: row.topics}`.
    Expression(Spanned<String>),
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Form::<_, _, Expression>::deserialize(deserializer)? {
            Form::Text(word) => Tags::Words(vec![word]),
            Form::List(words) => Tags::Words(words),
            Form::Map(map) => Tags::Expression(map.expr),
        })
    }
}

impl JsonSchema for Tags {
    fn schema_name() -> Cow<'static, str> {
        "Tags".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_expression(json_schema!({
            "title": "a word, a list of words, or `{expr: …}`",
            "type": ["string", "array"],
            "items": {"type": "string"},
        }))
    }
}

/// A reason, or an expression that yields one, or `false` or nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A reason.
    Reason(String),
    /// `{expr: row.skip}`.
    Expression(Spanned<String>),
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(
            match Form::<_, Never, Expression>::deserialize(deserializer)? {
                Form::Text(reason) => Condition::Reason(reason),
                Form::List(never) => match never {},
                Form::Map(map) => Condition::Expression(map.expr),
            },
        )
    }
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_expression(json_schema!({"title": "a reason, or `{expr: …}`", "type": "string"}))
    }
}

/// A name, or an expression that yields one for each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// A name.
    Name(Spanned<String>),
    /// A name with an interpreter of its own.
    With(LanguageChoice),
    /// `{expr: row.language}`.
    Expression(Spanned<String>),
}

/// A language with an interpreter of its own, or with modules to warm.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageChoice {
    /// The name.
    pub name: Option<Spanned<String>>,
    /// A path, relative to the suite, or a command on `PATH`.
    pub interpreter: Option<Spanned<String>>,
    /// Modules that are loaded before the program.
    pub preload: Option<Spanned<Vec<Spanned<String>>>>,
    /// A column that names it.
    expr: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::<Spanned<String>, Never, LanguageChoice>::deserialize(deserializer)? {
            Form::Text(name) => Ok(Choice::Name(name)),
            Form::List(never) => match never {},
            Form::Map(LanguageChoice {
                name: None,
                interpreter: None,
                preload: None,
                expr: Some(expression),
            }) => Ok(Choice::Expression(expression)),
            Form::Map(
                choice @ LanguageChoice {
                    name: Some(_),
                    expr: None,
                    ..
                },
            ) => Ok(Choice::With(choice)),
            Form::Map(_) => Err(de::Error::custom(
                "expected `name`, alone or with `interpreter` or `preload`, or `expr`",
            )),
        }
    }
}

impl JsonSchema for Choice {
    fn schema_name() -> Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = names(
            "languages",
            json_schema!({
                "type": "string", "description": "The language's name or an alias.",
            }),
        );
        let schema = json_schema!({
            "title": "a name, `{name: …, interpreter: …}` or `{expr: …}`",
            "type": ["string", "object"],
            "properties": {
                "name": name,
                "interpreter": {"type": "string", "description": "A path, relative to this file, or a command on `PATH`; a virtual environment's interpreter brings its packages.", "examples": [".venv/bin/python"]},
                "preload": {"type": "array", "items": {"type": "string"}, "description": "Modules that are loaded before the program.", "examples": [["numpy"]]},
                "expr": {"type": "string", "description": "A column of the row that names it.", "examples": ["row.language"]},
            },
            "additionalProperties": false,
            "minProperties": 1,
            "dependencies": {"interpreter": ["name"], "preload": ["name"]},
            "allOf": [one_of("name", "expr")],
        });
        names("languages", schema)
    }
}

/// Where programs may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Backend")]
pub enum BackendName {
    /// `[e2b, local]`.
    Auto,
    /// This machine.
    Local,
    /// E2B's cloud.
    E2b,
}

/// How programs run in E2B's cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Cloud")]
#[schemars(title = "a map such as `{template: base}`")]
pub struct CloudSpec {
    /// The template of their sandboxes.
    #[schemars(example = &"base")]
    pub template: Option<Spanned<String>>,
    /// As processes or as cells of a notebook.
    #[schemars(example = &"notebook", extend("default" = "script"))]
    pub mode: Option<Spanned<CloudModeName>>,
    /// Whether each has a sandbox of its own.
    #[schemars(example = &"shared", extend("default" = "fresh"))]
    pub reuse: Option<Spanned<Reuse>>,
}

/// How code is executed in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CloudMode")]
pub enum CloudModeName {
    /// A file, run as a process.
    Script,
    /// A cell of a notebook.
    Notebook,
}

/// Whether programs share sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// One program, one sandbox.
    Fresh,
    /// A user and a directory in a sandbox that others used.
    Shared,
}

/// Limits of one execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Limits")]
#[schemars(title = "a map of limits such as `memory`")]
pub struct LimitsSpec {
    /// Memory of the process tree.
    #[schemars(example = &"256MiB", extend("default" = "512MiB"))]
    pub memory: Option<Spanned<Size>>,
    /// CPU time of the process tree.
    #[schemars(example = &"10s", extend("default" = "30s"))]
    pub cpu: Option<Time>,
    /// Bytes kept of each output stream; more ends the program.
    #[schemars(example = &"64KiB", extend("default" = "1MiB"))]
    pub output: Option<Spanned<Size>>,
    /// Processes and threads of the tree.
    #[schemars(example = 16, extend("default" = 64))]
    pub processes: Option<Spanned<u32>>,
    /// Bytes of the files it writes.
    #[schemars(example = &"16MiB", extend("default" = "64MiB"))]
    pub disk: Option<Spanned<Size>>,
    /// Files it makes.
    #[schemars(example = 100, extend("default" = 4096))]
    pub inodes: Option<Spanned<u32>>,
    /// Open descriptors of one process.
    #[schemars(example = 64, extend("default" = 256))]
    pub open_files: Option<Spanned<u32>>,
    /// Wall time of the build.
    #[schemars(example = &"2m", extend("default" = "60s"))]
    pub build: Option<Time>,
    /// Wall time of all executions of a case.
    #[schemars(example = &"5m")]
    pub total: Option<Spanned<Time>>,
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Message", title = "a message: `{role: …, content: …}`")]
pub struct MessageSpec {
    /// Who speaks.
    #[schemars(example = &"user")]
    pub role: Role,
    /// What is said. The last message, if it is the assistant's, is the reply and no template.
    #[schemars(example = &"Print 42.")]
    pub content: Spanned<Content>,
}

/// Who speaks in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The instructions.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// What the model said, or where that is written.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplySpec {
    /// Text, never a template.
    Text(String),
    /// A file's whole content.
    File(Spanned<String>),
    /// A column of the row.
    Expression(Spanned<String>),
    /// Saved samples: a file of rows, joined with the dataset's.
    Samples(SavedSamples),
    /// Several.
    List(Vec<Spanned<ReplySpec>>),
}

/// Saved samples: a file with a reply a row.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedSamples {
    /// The file.
    pub file: Spanned<String>,
    /// The column that names the row of the dataset, in both files.
    pub join: Spanned<String>,
    /// The column that has the reply.
    pub field: Spanned<String>,
}

impl<'de> Deserialize<'de> for ReplySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Map {
            text: Option<String>,
            file: Option<Spanned<String>>,
            expr: Option<Spanned<String>>,
            join: Option<Spanned<String>>,
            field: Option<Spanned<String>>,
        }

        let map = match Form::<String, Vec<Spanned<ReplySpec>>, Map>::deserialize(deserializer)? {
            Form::Text(text) => return Ok(ReplySpec::Text(text)),
            Form::List(list) if list.is_empty() => {
                return Err(de::Error::custom(
                    "`reply` is an empty list: nothing would be scored",
                ));
            }
            Form::List(list) => return Ok(ReplySpec::List(list)),
            Form::Map(map) => map,
        };
        match (map.text, map.file, map.expr, map.join, map.field) {
            (Some(text), None, None, None, None) => Ok(ReplySpec::Text(text)),
            (None, Some(file), None, None, None) => Ok(ReplySpec::File(file)),
            (None, None, Some(expression), None, None) => Ok(ReplySpec::Expression(expression)),
            (None, Some(file), None, Some(join), Some(field)) => {
                Ok(ReplySpec::Samples(SavedSamples { file, join, field }))
            }
            _ => Err(de::Error::custom(
                "expected one of the keys `text`, `file` and `expr`",
            )),
        }
    }
}

impl JsonSchema for ReplySpec {
    fn schema_name() -> Cow<'static, str> {
        "Reply".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<ReplySpec>();
        json_schema!({
            "title": "the reply's text, `{file: …}`, `{expr: …}`, saved samples, or a list of such",
            "type": ["string", "array", "object"],
            "items": one,
            "minItems": 1,
            "properties": {
                "text": {"type": "string", "description": "The reply itself.", "examples": ["print(42)"]},
                "file": {"type": "string", "description": "A file whose content is the reply, relative to this file; with `join` and `field`, a file of saved samples: JSONL, JSON or CSV.", "examples": ["replies/one.md"]},
                "expr": {"type": "string", "description": "A column of the row that has it.", "examples": ["row.reply"]},
                "join": {"type": "string", "description": "The column that names the dataset's row, in both files.", "examples": ["task_id"]},
                "field": {"type": "string", "description": "The column that has the reply.", "examples": ["completion"]},
            },
            "additionalProperties": false,
            "minProperties": 1,
            "dependencies": {"join": ["file", "field"], "field": ["file", "join"]},
            "allOf": exclusive(&["text", "file", "expr"]),
        })
    }
}

/// How many replies are asked for, and how many must pass.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplesSpec {
    /// How many.
    pub n: Spanned<u32>,
    /// How many must pass; absent, all.
    pub need: Option<Spanned<Need>>,
}

impl<'de> Deserialize<'de> for SamplesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Map {
            n: Spanned<u32>,
            need: Option<Spanned<Need>>,
        }
        Ok(match Form::<_, Never, Map>::deserialize(deserializer)? {
            Form::Text(n) => SamplesSpec { n, need: None },
            Form::List(never) => match never {},
            Form::Map(Map { n, need }) => SamplesSpec { n, need },
        })
    }
}

impl JsonSchema for SamplesSpec {
    fn schema_name() -> Cow<'static, str> {
        "Samples".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a number, or `{n: …, need: …}`",
            "type": ["integer", "object"],
            "minimum": 0,
            "maximum": u32::MAX,
            "properties": {
                "n": {"type": "integer", "minimum": 0, "maximum": u32::MAX, "description": "How many replies are asked for.", "examples": [5]},
                "need": {
                    "title": "`all`, `any` or a number",
                    "type": ["integer", "string"],
                    "minimum": 0,
                    "maximum": u32::MAX,
                    "pattern": "^(all|any)$",
                    "description": "How many must pass: `all`, `any` or a number.",
                    "default": "all",
                    "examples": ["any", 3],
                },
            },
            "required": ["n"],
            "additionalProperties": false,
        })
    }
}

impl<'de> Deserialize<'de> for Need {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "all" => Ok(Need::All),
            "any" => Ok(Need::Any),
            other => super::decode::number_of(other)
                .and_then(|number| number.parse().ok())
                .map(Need::Count)
                .ok_or_else(|| de::Error::custom("expected `all`, `any` or a number")),
        }
    }
}

/// The code extractor: a name, or a rule written in place.
#[derive(Debug, Clone)]
pub enum CodeSpec {
    /// By name.
    Name(String),
    /// Written here.
    Rule(Box<CodeRule>),
}

impl<'de> Deserialize<'de> for CodeSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(
            match Form::<_, Never, CodeRule>::deserialize(deserializer)? {
                Form::Text(name) => CodeSpec::Name(name),
                Form::List(never) => match never {},
                Form::Map(rule) => CodeSpec::Rule(Box::new(rule)),
            },
        )
    }
}

impl JsonSchema for CodeSpec {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = CodeRule::json_schema(generator);
        super::schema::add_type(&mut schema, "string");
        schema.insert(
            "title".to_owned(),
            json!("an extractor's name, or a map such as `{pick: last}`"),
        );
        names("code", schema)
    }
}

/// A trusted program whose output is the expectation.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reference", title = "a map with `code`")]
pub struct ReferenceSpec {
    /// The program.
    #[schemars(example = &"print(6 * 7)")]
    pub code: Spanned<Content>,
    /// Its language; absent, the case's.
    #[schemars(example = &"python")]
    pub language: Option<Choice>,
}

/// A file of rows, each of which becomes a case.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Dataset")]
#[schemars(title = "a map with `file`")]
pub struct DatasetSpec {
    /// The file, relative to this one; unpacked where it ends in `.gz`.
    #[schemars(example = &"data/tasks.jsonl")]
    pub file: Spanned<String>,
    /// What it is; absent, its ending says so.
    #[schemars(example = &"csv")]
    pub format: Option<Spanned<Format>>,
    /// An expression: which rows count.
    #[schemars(example = &"row.difficulty == 'easy'")]
    pub r#where: Option<Spanned<String>>,
    /// How many rows count.
    #[schemars(example = 100)]
    pub limit: Option<Spanned<u32>>,
    /// Whether rows come in a random order.
    #[schemars(example = true, extend("default" = false))]
    pub shuffle: Option<Spanned<bool>>,
    /// The number that makes the random order repeatable.
    #[schemars(example = 7, extend("default" = 0))]
    pub seed: Option<Spanned<u64>>,
    /// The name of a row's case, a template; absent, its line.
    #[schemars(example = &"{{ row.task_id }}")]
    pub name: Option<Spanned<Content>>,
    /// What is done with a row that is not as the suite needs it.
    #[schemars(example = &"skip", extend("default" = "error"))]
    pub on_bad_row: Option<Spanned<BadRow>>,
}

/// What a dataset's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A JSON object a line.
    Jsonl,
    /// One JSON list of objects.
    Json,
    /// Comma-separated values, the first line names the columns.
    Csv,
}

/// What is done with a bad row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadRow {
    /// It is a configuration error.
    Error,
    /// It is left out, counted and named.
    Skip,
}

/// What a suite as a whole must reach: metrics of all its cases, each with the least that is accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct RequireSpec(pub Vec<(Spanned<Aggregate>, Spanned<f64>)>);

impl<'de> Deserialize<'de> for Aggregate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == "mean" {
            return Ok(Aggregate::Mean);
        }
        let count = name
            .strip_prefix("pass@")
            .filter(|digits| !digits.starts_with(['0', '+']));
        count
            .and_then(|digits| digits.parse().ok())
            .map(Aggregate::PassAt)
            .ok_or_else(|| de::Error::custom(format!("unknown key `{name}`")))
    }
}

impl<'de> Deserialize<'de> for RequireSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::matcher::pairs(deserializer).map(RequireSpec)
    }
}

impl JsonSchema for RequireSpec {
    fn schema_name() -> Cow<'static, str> {
        "Require".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let bound = |description: &str| json!({"title": "a number between 0 and 1", "type": "number", "description": description, "examples": [0.6]});
        json_schema!({
            "title": "a map such as `{pass@1: 0.6, mean: 0.8}`",
            "type": "object",
            "properties": {
                "mean": bound("The mean of all scores is at least this."),
                "pass@1": bound("The estimate that one sample passes is at least this."),
            },
            "patternProperties": {
                "^pass@[1-9][0-9]{0,8}$": bound("The unbiased estimate that one of K samples passes is at least this."),
            },
            "additionalProperties": false,
        })
    }
}
