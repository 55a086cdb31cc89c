//! A rule pack as written: languages, extractors, comparators, presets, each by name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::Deserializer;

use super::form::{Form, Never};
use super::model::ModelSpec;
use super::node::{self, Kind, Node};
use super::structure::{Mistake, PACK};
use super::suite::{Choice, LimitsSpec};
use super::value::Content;
use super::{decode, wrong_alone};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::evaluator::code::{CodeRule, Grammar};
use crate::evaluator::compare::ComparatorRule;
use crate::evaluator::expected::ExpectedRule;
use crate::source::{SourceId, Spanned};

/// A rule of a pack, with its tree for the places inside it.
#[derive(Debug, Clone)]
pub struct Named<T> {
    /// Its name.
    pub name: Spanned<String>,
    /// What it says.
    pub rule: T,
    /// Its tree.
    pub node: Node,
}

/// A rule pack file.
#[derive(Debug, Clone, Default)]
pub struct RulePack {
    /// The path under `rules/` without its ending.
    pub name: String,
    /// Whether it is compiled in, and its patterns are known to be right.
    pub is_standard: bool,
    /// Languages.
    pub languages: Vec<Named<LanguageRule>>,
    /// Code extractors.
    pub code: Vec<Named<CodeRule>>,
    /// Expected-output extractors: ordered patterns. Where a later pack has an extractor of the same name,
    /// its patterns come first, and one with the name of an earlier pattern takes its place.
    pub expected_output: Vec<Named<Vec<ExpectedRule>>>,
    /// Comparators.
    pub comparators: Vec<Named<ComparatorRule>>,
    /// Presets: layers of case keys.
    pub presets: Vec<Named<()>>,
    /// Models.
    pub models: Vec<Named<ModelSpec>>,
    /// Replies that try to earn points without solving anything.
    pub hacks: Vec<Named<HackRule>>,
}

/// A rule of any kind.
#[derive(Debug, Clone, Copy)]
pub struct AnyRule<'a> {
    /// Its kind, as commands say it: `language`, `code`, `expected-output`, `compare`, `preset`,
    /// `model`, `hack`.
    pub kind: &'static str,
    /// Its kind, as messages say it.
    pub noun: &'static str,
    /// Its name.
    pub name: &'a Spanned<String>,
}

impl RulePack {
    /// Every rule, kind by kind.
    pub fn rules(&self) -> Vec<AnyRule<'_>> {
        fn all<'a, T>(
            kind: &'static str,
            noun: &'static str,
            rules: &'a [Named<T>],
        ) -> impl Iterator<Item = AnyRule<'a>> {
            let names = rules.iter().map(|rule| &rule.name);
            names.map(move |name| AnyRule { kind, noun, name })
        }
        let expected = "expected-output extractor";
        all("language", "language", &self.languages)
            .chain(all("code", "code extractor", &self.code))
            .chain(all("expected-output", expected, &self.expected_output))
            .chain(all("compare", "comparator", &self.comparators))
            .chain(all("preset", "preset", &self.presets))
            .chain(all("model", "model", &self.models))
            .chain(all("hack", "hack", &self.hacks))
            .collect()
    }
}

/// A reply that tries to earn points without solving anything.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hack", title = "a map with `reply` and `why`")]
pub struct HackRule {
    /// The language it is written in; absent, any.
    #[schemars(example = &"python")]
    pub language: Option<Choice>,
    /// The reply.
    #[schemars(example = &"import os; os._exit(0)")]
    pub reply: Spanned<String>,
    /// Which graders it fools.
    #[schemars(example = &"passes graders that trust the exit status")]
    pub why: String,
}

/// A programming language.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Language")]
#[schemars(title = "a map with `file`, `find` and `run`")]
pub struct LanguageRule {
    /// Other names, as code fences use them.
    #[schemars(example = serde_json::json!(["rb"]))]
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The file the program is put into.
    #[schemars(example = &"main.rb")]
    pub file: FileName,
    /// How its interpreter or compiler is found.
    #[schemars(example = serde_json::json!({"command": "ruby", "version": ["--version"]}))]
    pub find: FindRule,
    /// The build command; absent for interpreted languages.
    #[schemars(example = serde_json::json!(["javac", "{{ file }}"]))]
    pub build: Option<Vec<Spanned<String>>>,
    /// The command that runs it; arguments of a case follow.
    #[schemars(example = serde_json::json!(["{{ interpreter }}", "{{ file }}"]))]
    pub run: Vec<Spanned<String>>,
    /// Limits of this language, where a suite sets none.
    #[schemars(example = serde_json::json!({"processes": 16}))]
    #[serde(default)]
    pub limits: LimitsSpec,
    /// Files put beside the program.
    #[schemars(example = serde_json::json!({"prelude.rb": {"file": "prelude.rb"}}))]
    #[serde(default)]
    pub helpers: BTreeMap<String, Spanned<Content>>,
    /// The compiled-in grammar that says whether an untagged block parses.
    #[schemars(example = &"python")]
    pub grammar: Option<Grammar>,
    /// Patterns that say so where there is no grammar.
    #[schemars(example = serde_json::json!(["(?m)^def "]))]
    #[serde(default)]
    pub looks_like: Vec<Spanned<String>>,
    /// Patterns for what code declares, where there is no grammar: of each, the first group that takes
    /// part is the name. A block that uses what another declares is joined to it.
    #[schemars(example = serde_json::json!(["(?m)^def (\\w+)"]))]
    #[serde(default)]
    pub declares: Vec<Spanned<String>>,
    /// A pattern with the groups `name` and `message` that finds the exception on standard
    /// error; its last match counts.
    #[schemars(example = &"(?m)^(?P<name>\\w+Error): (?P<message>.*)$")]
    pub exception: Option<Spanned<String>>,
    /// How tests run in the program's own interpreter.
    #[schemars(example = serde_json::json!({"file": "judge.rb", "code": {"file": "judge.rb"}, "run": ["{{ interpreter }}", "{{ runner }}"]}))]
    pub beside: Option<BesideRule>,
    /// The call channel that can judge its tests apart.
    #[schemars(example = &"python")]
    pub apart: Option<Spanned<Channel>>,
    /// The fork server that starts its programs.
    #[schemars(example = &"cpython")]
    pub fork_server: Option<Spanned<ForkServer>>,
    /// The command that checks syntax only.
    #[schemars(example = serde_json::json!(["{{ interpreter }}", "-c", "{{ file }}"]))]
    pub check: Option<Vec<Spanned<String>>>,
    /// How its programs run in E2B's cloud.
    #[schemars(example = serde_json::json!({"template": "base"}))]
    #[serde(default)]
    pub e2b: LanguageCloud,
    /// Programs and what they print.
    #[schemars(example = serde_json::json!([{"code": "puts 6 * 7", "output": "42"}]))]
    #[serde(default)]
    pub examples: Vec<LanguageExample>,
}

/// A call channel that can judge tests apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Python's.
    Python,
    /// JavaScript's.
    Javascript,
}

/// A fork server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForkServer {
    /// CPython's.
    Cpython,
}

/// How a language's programs run in E2B's cloud, where a suite does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "LanguageCloud")]
pub struct LanguageCloud {
    /// A template that has its tools.
    #[schemars(example = &"base")]
    pub template: Option<String>,
    /// The code interpreter's kernel for it.
    #[schemars(example = &"python")]
    pub kernel: Option<String>,
    /// As processes or as cells of a notebook.
    #[schemars(example = &"script")]
    pub mode: Option<super::suite::CloudModeName>,
}

/// The name of a program's file: fixed, or made from the class that the code declares.
#[derive(Debug, Clone, PartialEq)]
pub struct FileName {
    /// The name; a template in which `class` is the first match of the pattern.
    pub name: String,
    /// A pattern with a group.
    pub class: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Map {
            name: String,
            class: Spanned<String>,
        }
        Ok(match Form::<_, Never, Map>::deserialize(deserializer)? {
            Form::Text(name) => FileName { name, class: None },
            Form::List(never) => match never {},
            Form::Map(map) => FileName {
                name: map.name,
                class: Some(map.class),
            },
        })
    }
}

impl JsonSchema for FileName {
    fn schema_name() -> Cow<'static, str> {
        "FileName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a file name, or `{name: …, class: pattern}`",
            "type": ["string", "object"],
            "properties": {
                "name": {"type": "string", "description": "The name; `class` in it is what the pattern finds.", "examples": ["{{ class }}.java"]},
                "class": {"type": "string", "description": "A pattern, looked for in the code; the first of its groups that takes part is the class.", "examples": [r"public\s+class\s+(\w+)"]},
            },
            "required": ["name", "class"],
            "additionalProperties": false,
        })
    }
}

/// How an interpreter or compiler is found on a machine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "a map such as `{command: ruby, version: [ruby, --version]}`")]
pub struct FindRule {
    /// A command on `PATH`, or an absolute path.
    #[schemars(example = &"ruby")]
    pub command: String,
    /// Arguments that make it print the path of the real interpreter behind a version manager's
    /// shim, or the directory of its installation.
    #[schemars(example = serde_json::json!(["-e", "puts RbConfig.ruby"]))]
    #[serde(default)]
    pub locate: Vec<String>,
    /// Arguments that make it print its version; a first word equal to `command` is left out.
    #[schemars(example = serde_json::json!(["--version"]))]
    #[serde(default)]
    pub version: Vec<String>,
    /// The lowest version accepted.
    #[schemars(example = &"2.7")]
    pub at_least: Option<String>,
    /// What to type to install it.
    #[schemars(example = &"apt-get install ruby")]
    pub install: Option<String>,
}

/// How tests run in the program's own interpreter.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BesideRule {
    /// The runner's file name, put beside the program.
    #[schemars(example = &"judge.rb")]
    pub file: String,
    /// The runner. It runs the program, then reads the tests from descriptor 3, and writes its
    /// report to descriptor 4.
    #[schemars(example = serde_json::json!({"file": "judge.rb"}))]
    pub code: Spanned<Content>,
    /// The command; `{{ runner }}` is the runner's file.
    #[schemars(example = serde_json::json!(["{{ interpreter }}", "{{ runner }}"]))]
    pub run: Vec<Spanned<String>>,
}

/// A program and what it prints.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LanguageExample {
    /// The program.
    #[schemars(example = &"puts 6 * 7")]
    pub code: String,
    /// Its input.
    #[schemars(example = &"3\n")]
    #[serde(default)]
    pub stdin: String,
    /// Its standard output, compared by lines.
    #[schemars(example = &"42")]
    pub output: String,
}

/// Reads a rule pack.
///
/// # Errors
/// What is no YAML is one diagnostic. Otherwise every structural error.
pub fn parse_rules(name: &str, source: SourceId, text: &str) -> Result<RulePack, Diagnostics> {
    let root = node::parse(source, text)?;
    let mut reader = Reader::default();
    let mut pack = RulePack {
        name: name.to_owned(),
        ..RulePack::default()
    };
    if root.is_nothing() {
        return Ok(pack);
    }
    let Kind::Map(maps) = &root.kind else {
        return Err(super::told(
            &root,
            vec![wrong_alone::<&str>(&[], root.span)],
            &PACK,
        ));
    };
    for (key, value) in maps {
        match key.text.as_str() {
            "languages" => pack.languages = reader.rules("languages", value, decode),
            "code" => pack.code = reader.rules("code", value, decode),
            "expected_output" => {
                pack.expected_output = reader.rules("expected_output", value, decode)
            }
            "comparators" => pack.comparators = reader.rules("comparators", value, decode),
            "presets" => pack.presets = reader.presets(value),
            "models" => pack.models = reader.rules("models", value, decode),
            "hacks" => pack.hacks = reader.rules("hacks", value, decode),
            _ => reader.wrong.push(wrong_alone(&[&key.text], key.span)),
        }
    }
    let diagnostics = super::told(&root, reader.wrong, &PACK);
    if diagnostics.is_empty() {
        Ok(pack)
    } else {
        Err(diagnostics)
    }
}

/// The names of the rules of a pack that may be wrong: they are not unknown.
pub fn rule_names(source: SourceId, text: &str) -> Vec<String> {
    let Ok(Node {
        kind: Kind::Map(maps),
        ..
    }) = node::parse(source, text)
    else {
        return Vec::new();
    };
    let rules = maps.iter().filter_map(|(_, map)| match &map.kind {
        Kind::Map(rules) => Some(rules),
        Kind::Scalar { .. } | Kind::List(_) => None,
    });
    rules.flatten().map(|(name, _)| name.text.clone()).collect()
}

/// Reads rules and keeps what is wrong with them.
#[derive(Default)]
struct Reader {
    wrong: Vec<Mistake>,
}

impl Reader {
    fn rules<'n, T>(
        &mut self,
        map: &str,
        value: &'n Node,
        read: impl Fn(&'n Node) -> Result<T, Diagnostic>,
    ) -> Vec<Named<T>> {
        let Kind::Map(entries) = &value.kind else {
            self.wrong.push(wrong_alone(&[map], value.span));
            return Vec::new();
        };
        let mut rules = Vec::new();
        for (key, node) in entries {
            match read(node) {
                Ok(rule) => rules.push(Named {
                    name: Spanned::new(key.text.clone(), key.span),
                    rule,
                    node: node.clone(),
                }),
                Err(diagnostic) => self.wrong.push(Mistake {
                    path: vec![map.to_owned(), key.text.clone()],
                    diagnostic,
                }),
            }
        }
        rules
    }

    fn presets(&mut self, value: &Node) -> Vec<Named<()>> {
        let named = self.rules("presets", value, |_| Ok(()));
        for preset in &named {
            let path = ["presets".to_owned(), preset.name.value.clone()];
            self.wrong.extend(super::wrong_keys(&preset.node, &path));
            if let Some((key, _)) = entry(&preset.node, "use") {
                self.wrong.push(super::wrong_alone(
                    &[&path[..], &["use".to_owned()]].concat(),
                    key.span,
                ));
            }
        }
        named
    }
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n (super::Key, Node)> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().find(|(key, _)| key.text == name),
        Kind::Scalar { .. } | Kind::List(_) => None,
    }
}
