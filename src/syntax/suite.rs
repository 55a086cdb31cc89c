//! A suite as written: the keys of a suite and of a case, short forms expanded, nothing resolved.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::expect::{CompareSpec, Expect, ScoreSpec};
use super::value::{Content, OneOrMany, Size, Time, Typed};
use crate::execution::Isolation;
use crate::source::Spanned;

/// Declares the keys that may stand on a suite, a case and a preset, and lists their names.
macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:literal $field:ident: $type:ty,)+) => {
        /// The keys that a suite, a case and a preset share. All may be absent: what is absent is
        /// inherited.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Keys {
            $($(#[doc = $doc])+ #[serde(rename = $name)] pub $field: Option<$type>,)+
        }

        impl Keys {
            /// The names of the keys, as written in YAML.
            pub const NAMES: &[&str] = &[$($name),+];
        }
    };
}

keys! {
    /// What the suite or case is about, for people.
    "description" description: String,
    /// Words to select by.
    "tags" tags: OneOrMany<Spanned<String>>,
    /// Presets, in order.
    "use" presets: OneOrMany<Spanned<String>>,
    /// The language of the program.
    "language" language: Choice,
    /// Where programs run.
    "backend" backend: OneOrMany<Spanned<BackendName>>,
    /// How programs run in E2B's cloud.
    "e2b" e2b: CloudSpec,
    /// The least isolation that is accepted.
    "isolation" isolation: Spanned<Isolation>,
    /// Wall time of one execution.
    "timeout" timeout: Spanned<Time>,
    /// What else an execution may use.
    "limits" limits: LimitsSpec,
    /// Whether the program may use the network.
    "network" network: bool,
    /// What the model was asked.
    "prompt" prompt: Spanned<Content>,
    /// What the model was asked, as a chat.
    "messages" messages: Spanned<Vec<MessageSpec>>,
    /// Template variables.
    "vars" vars: BTreeMap<String, Spanned<Typed>>,
    /// What the model said.
    "reply" reply: Spanned<ReplySpec>,
    /// The code extractor.
    "code" code: Spanned<String>,
    /// What runs; `code` is in it.
    "program" program: Spanned<Content>,
    /// Standard input.
    "stdin" stdin: Spanned<Content>,
    /// Arguments.
    "args" args: Vec<Spanned<Content>>,
    /// Files beside the program.
    "files" files: BTreeMap<String, Spanned<Content>>,
    /// What is expected.
    "expect" expect: Spanned<Expect>,
    /// The comparator of plain expectations.
    "compare" compare: Spanned<CompareSpec>,
    /// How metrics become a score.
    "score" score: ScoreSpec,
    /// One case a row.
    "dataset" dataset: Spanned<DatasetSpec>,
    /// Why the case is not run.
    "skip" skip: Spanned<String>,
}

/// A name, or an expression that yields one for each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// A name.
    Name(Spanned<String>),
    /// A name with an interpreter of its own.
    With {
        /// The name.
        name: Spanned<String>,
        /// A path, relative to the suite, or a command on `PATH`.
        interpreter: Spanned<String>,
    },
    /// `{expr: row.language}`.
    Expression(Spanned<String>),
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "LanguageName?", deny_unknown_fields)]
        struct Map {
            name: Option<Spanned<String>>,
            interpreter: Option<Spanned<String>>,
            expr: Option<Spanned<String>>,
        }

        enum Form {
            Name(String),
            Map(Map),
        }

        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Form;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name, `{name: …, interpreter: …}` or `{expr: …}`")
            }

            fn visit_str<E>(self, name: &str) -> Result<Form, E> {
                Ok(Form::Name(name.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<Form, A::Error> {
                Err(de::Error::custom(
                    "a list of languages is not in this version",
                ))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, map: D) -> Result<Form, D::Error> {
                Map::deserialize(map).map(Form::Map)
            }
        }

        impl<'de> Deserialize<'de> for Form {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct(super::decode::TEXT_OR_MAP, Forms)
            }
        }

        let form = Spanned::<Form>::deserialize(deserializer)?;
        let named = |name| Choice::Name(Spanned::new(name, form.span));
        match form.value {
            Form::Name(name) => Ok(named(name)),
            Form::Map(Map {
                name: Some(name),
                interpreter: Some(interpreter),
                expr: None,
            }) => Ok(Choice::With { name, interpreter }),
            Form::Map(Map {
                name: Some(name),
                interpreter: None,
                expr: None,
            }) => Ok(Choice::Name(name)),
            Form::Map(Map {
                name: None,
                interpreter: None,
                expr: Some(expression),
            }) => Ok(Choice::Expression(expression)),
            Form::Map(_) => Err(de::Error::custom(
                "expected `name`, alone or with `interpreter`, or `expr`",
            )),
        }
    }
}

/// Where programs may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendName {
    /// `[e2b, local]`.
    Auto,
    /// This machine.
    Local,
    /// E2B's cloud.
    E2b,
}

/// How programs run in E2B's cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename = "Cloud")]
pub struct CloudSpec {
    /// The template of their sandboxes.
    pub template: Option<Spanned<String>>,
    /// As processes or as cells of a notebook.
    pub mode: Option<Spanned<CloudModeName>>,
    /// Whether each has a sandbox of its own.
    pub reuse: Option<Spanned<Reuse>>,
}

/// How code is executed in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudModeName {
    /// A file, run as a process.
    Script,
    /// A cell of a notebook.
    Notebook,
}

/// Whether programs share sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// One program, one sandbox.
    Fresh,
}

/// Limits of one execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename = "Limits")]
pub struct LimitsSpec {
    /// Memory of the process tree.
    pub memory: Option<Spanned<Size>>,
    /// CPU time of the process tree.
    pub cpu: Option<Time>,
    /// Bytes kept of each output stream; more ends the program.
    pub output: Option<Spanned<Size>>,
    /// Processes and threads of the tree.
    pub processes: Option<Spanned<u32>>,
    /// Bytes of the files it writes.
    pub disk: Option<Spanned<Size>>,
    /// Files it makes.
    pub inodes: Option<Spanned<u32>>,
    /// Open descriptors of one process.
    pub open_files: Option<Spanned<u32>>,
    /// Wall time of the build.
    pub build: Option<Time>,
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageSpec {
    /// Who speaks.
    pub role: Role,
    /// What is said. The last message, if it is the assistant's, is the reply and no template.
    pub content: Spanned<Content>,
}

/// Who speaks in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
}

impl<'de> Deserialize<'de> for ReplySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Reply", deny_unknown_fields)]
        struct Map {
            text: Option<String>,
            file: Option<Spanned<String>>,
            expr: Option<Spanned<String>>,
        }

        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = ReplySpec;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the reply's text, `{file: …}` or `{expr: …}`")
            }

            fn visit_str<E>(self, text: &str) -> Result<ReplySpec, E> {
                Ok(ReplySpec::Text(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<ReplySpec, A::Error> {
                Err(de::Error::custom(
                    "a list of replies is not in this version",
                ))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                map: D,
            ) -> Result<ReplySpec, D::Error> {
                match Map::deserialize(map)? {
                    Map {
                        text: Some(text),
                        file: None,
                        expr: None,
                    } => Ok(ReplySpec::Text(text)),
                    Map {
                        text: None,
                        file: Some(file),
                        expr: None,
                    } => Ok(ReplySpec::File(file)),
                    Map {
                        text: None,
                        file: None,
                        expr: Some(expression),
                    } => Ok(ReplySpec::Expression(expression)),
                    _ => Err(de::Error::custom(
                        "expected one of the keys `text`, `file` and `expr`",
                    )),
                }
            }
        }

        deserializer.deserialize_newtype_struct(super::decode::TEXT_OR_MAP, Forms)
    }
}

/// A file of rows, each of which becomes a case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename = "Dataset")]
pub struct DatasetSpec {
    /// A JSONL file.
    pub file: Spanned<String>,
    /// The name of a row's case; absent, its 1-based line.
    pub name: Option<Spanned<Content>>,
}
