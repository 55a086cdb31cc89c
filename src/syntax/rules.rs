//! A rule pack as written: languages, extractors, comparators, presets, each by name.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::node::{self, Kind, Node};
use super::suite::LimitsSpec;
use super::value::Content;
use super::{collect, decode};
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
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
    /// Languages.
    pub languages: Vec<Named<LanguageRule>>,
    /// Code extractors.
    pub code: Vec<Named<CodeRule>>,
    /// Expected-output extractors: ordered patterns.
    pub expected_output: Vec<Named<Vec<ExpectedRule>>>,
    /// Comparators.
    pub comparators: Vec<Named<ComparatorRule>>,
    /// Presets: layers of case keys.
    pub presets: Vec<Named<()>>,
}

/// A programming language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename = "Language")]
pub struct LanguageRule {
    /// Other names, as code fences use them.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The file the program is put into.
    pub file: FileName,
    /// How its interpreter or compiler is found.
    pub find: FindRule,
    /// The build command; absent for interpreted languages.
    pub build: Option<Vec<Spanned<String>>>,
    /// The command that runs it; arguments of a case follow.
    pub run: Vec<Spanned<String>>,
    /// Limits of this language, where a suite sets none.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// Files put beside the program.
    #[serde(default)]
    pub helpers: BTreeMap<String, Spanned<Content>>,
    /// The compiled-in grammar that says whether an untagged block parses.
    pub grammar: Option<Grammar>,
    /// Patterns that say so where there is no grammar.
    #[serde(default)]
    pub looks_like: Vec<Spanned<String>>,
    /// A pattern with the groups `name` and `message` that finds the exception on standard
    /// error; its last match counts.
    pub exception: Option<Spanned<String>>,
    /// How tests run in the program's own interpreter.
    pub beside: Option<BesideRule>,
    /// How its programs run in E2B's cloud.
    #[serde(default)]
    pub e2b: LanguageCloud,
    /// Programs and what they print.
    #[serde(default)]
    pub examples: Vec<LanguageExample>,
}

/// How a language's programs run in E2B's cloud, where a suite does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename = "LanguageCloud")]
pub struct LanguageCloud {
    /// A template that has its tools.
    pub template: Option<String>,
    /// The code interpreter's kernel for it.
    pub kernel: Option<String>,
    /// As processes or as cells of a notebook.
    pub mode: Option<super::suite::CloudModeName>,
}

/// The name of a program's file: fixed, or made from the class that the code declares.
#[derive(Debug, Clone, PartialEq)]
pub struct FileName {
    /// The name; a template in which `class` is the first match of the pattern.
    pub name: String,
    /// A pattern with one group.
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

        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = FileName;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a file name, or `{name: …, class: pattern}`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<FileName, E> {
                Ok(FileName {
                    name: name.to_owned(),
                    class: None,
                })
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                map: D,
            ) -> Result<FileName, D::Error> {
                let map = Map::deserialize(map)?;
                Ok(FileName {
                    name: map.name,
                    class: Some(map.class),
                })
            }
        }

        deserializer.deserialize_newtype_struct(super::decode::TEXT_OR_MAP, Forms)
    }
}

/// How an interpreter or compiler is found on a machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindRule {
    /// A command on `PATH`, or an absolute path.
    pub command: String,
    /// Arguments that make it print the path of the real interpreter behind a version manager's
    /// shim.
    #[serde(default)]
    pub locate: Vec<String>,
    /// Arguments that make it print its version; a first word equal to `command` is left out.
    #[serde(default)]
    pub version: Vec<String>,
    /// The lowest version accepted.
    pub at_least: Option<String>,
    /// What to type to install it.
    pub install: Option<String>,
}

/// How tests run in the program's own interpreter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BesideRule {
    /// The runner's file name, put beside the program.
    pub file: String,
    /// The runner. It runs the program, then reads the tests from descriptor 3, and writes its
    /// report to descriptor 4.
    pub code: Spanned<Content>,
    /// The command; `{{ runner }}` is the runner's file.
    pub run: Vec<Spanned<String>>,
}

/// A program and what it prints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageExample {
    /// The program.
    pub code: String,
    /// Its input.
    #[serde(default)]
    pub stdin: String,
    /// Its standard output, compared by lines.
    pub output: String,
}

/// Reads a rule pack.
///
/// # Errors
/// What is no YAML is one diagnostic. Otherwise the first structural error of each rule.
pub fn parse_rules(name: &str, source: SourceId, text: &str) -> Result<RulePack, Diagnostics> {
    const MAPS: &[&str] = &[
        "languages",
        "code",
        "expected_output",
        "comparators",
        "presets",
    ];
    let root = node::parse(source, text)?;
    let Kind::Map(entries) = &root.kind else {
        let label = "a rule pack is a map with keys such as `languages` and `comparators`";
        return Err(
            Diagnostic::at(root.span, format!("expected a map, found {}", root.noun()))
                .label(label)
                .into(),
        );
    };
    let mut diagnostics = Diagnostics::default();
    let mut pack = RulePack {
        name: name.to_owned(),
        ..RulePack::default()
    };
    for (key, value) in entries {
        let found = &mut diagnostics;
        match key.text.as_str() {
            "languages" => pack.languages = rules(value, found, decode),
            "code" => pack.code = rules(value, found, decode),
            "expected_output" => pack.expected_output = rules(value, found, decode),
            "comparators" => pack.comparators = rules(value, found, decode),
            "presets" => pack.presets = presets(value, found),
            other => found.push(match super::later::key("RulePack", other) {
                Some(message) => Diagnostic::at(key.span, message),
                None => Diagnostic::at(key.span, format!("unknown key `{other}`"))
                    .maybe_help(did_you_mean(other, MAPS.iter().copied())),
            }),
        }
    }
    if diagnostics.is_empty() {
        Ok(pack)
    } else {
        Err(diagnostics)
    }
}

fn rules<'n, T>(
    value: &'n Node,
    diagnostics: &mut Diagnostics,
    read: impl Fn(&'n Node) -> Result<T, Diagnostic>,
) -> Vec<Named<T>> {
    let Kind::Map(entries) = &value.kind else {
        diagnostics.push(Diagnostic::at(
            value.span,
            format!("expected a map of rules by name, found {}", value.noun()),
        ));
        return Vec::new();
    };
    entries
        .iter()
        .filter_map(|(key, node)| {
            let rule = collect(read(node), diagnostics)?;
            Some(Named {
                name: Spanned::new(key.text.clone(), key.span),
                rule,
                node: node.clone(),
            })
        })
        .collect()
}

fn presets(value: &Node, diagnostics: &mut Diagnostics) -> Vec<Named<()>> {
    let named = rules(value, diagnostics, |_| Ok(()));
    for preset in &named {
        super::check_layer(&preset.node, &[], diagnostics);
        if let Some((key, _)) = entry(&preset.node, "use") {
            diagnostics.push(Diagnostic::at(
                key.span,
                "a preset cannot use another preset",
            ));
        }
    }
    named
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n (super::Key, Node)> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().find(|(key, _)| key.text == name),
        Kind::Scalar { .. } | Kind::List(_) => None,
    }
}
