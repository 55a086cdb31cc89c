//! The examples of rules: each is a trial.

use std::sync::Arc;

use super::RuleSet;
use crate::evaluator::Language;
use crate::source::Span;
use crate::syntax::rules::RulePack;
use crate::syntax::{Kind, Node};

/// An example of a rule, which runs as a trial.
#[derive(Debug, Clone)]
pub struct RuleExample {
    /// `PACK::RULE::N`.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// What is checked.
    pub check: ExampleCheck,
}

/// What an example checks.
#[derive(Debug, Clone)]
pub enum ExampleCheck {
    /// A program of a language prints this.
    Language {
        /// The language.
        language: Arc<Language>,
        /// The program.
        code: String,
        /// Its input.
        stdin: String,
        /// What it prints.
        output: String,
    },
    /// Something that needs no execution; the error says what it gave instead.
    Pure(Result<(), String>),
}

/// The examples of a pack's rules, applied where that needs no execution.
pub fn rule_examples(pack: &RulePack, rules: &RuleSet) -> Vec<RuleExample> {
    let mut examples = Vec::new();
    let mut add = |rule: &str, number: usize, span: Span, check: ExampleCheck| {
        examples.push(RuleExample {
            name: format!("{}::{rule}::{number}", pack.name),
            span,
            check,
        });
    };
    for named in &pack.languages {
        let Ok(language) = rules.language(&named.name.value) else {
            continue;
        };
        for (index, example) in named.rule.examples.iter().enumerate() {
            let check = ExampleCheck::Language {
                language: Arc::clone(language),
                code: example.code.clone(),
                stdin: example.stdin.clone(),
                output: example.output.clone(),
            };
            let span = example_at(&named.node, index, named.name.span);
            add(&named.name.value, index + 1, span, check);
        }
    }
    for named in &pack.code {
        let Ok(extractor) = rules.extractor(&named.name.value) else {
            continue;
        };
        for (index, example) in named.rule.examples.iter().enumerate() {
            let result = rules
                .language(&example.language)
                .map_err(|unknown| unknown.message)
                .and_then(|language| {
                    let found = extractor
                        .extract(&example.reply, &language.tags, &rules.tags())
                        .code;
                    same(found.as_deref(), example.code.as_deref())
                });
            add(
                &named.name.value,
                index + 1,
                example_at(&named.node, index, named.name.span),
                ExampleCheck::Pure(result),
            );
        }
    }
    for named in &pack.expected_output {
        let Ok(extractor) = rules.expected(&named.name.value) else {
            continue;
        };
        for (at, rule) in named.rule.iter().enumerate() {
            let node = match &named.node.kind {
                Kind::List(rules) => rules.get(at),
                Kind::Scalar { .. } | Kind::Map(_) => None,
            };
            for (index, example) in rule.examples.iter().enumerate() {
                let found = extractor
                    .find_with_rule(&rule.name, &example.text)
                    .map(|stated| stated.value);
                add(
                    &rule.name,
                    index + 1,
                    node.map_or(named.name.span, |node| {
                        example_at(node, index, named.name.span)
                    }),
                    ExampleCheck::Pure(same(found.as_deref(), example.value.as_deref())),
                );
            }
        }
    }
    for named in &pack.comparators {
        let Ok(comparator) = rules.comparator(&named.name.value) else {
            continue;
        };
        for (index, example) in named.rule.examples.iter().enumerate() {
            add(
                &named.name.value,
                index + 1,
                example_at(&named.node, index, named.name.span),
                ExampleCheck::Pure(example.check(comparator)),
            );
        }
    }
    examples
}

/// Where an example of a rule stands.
fn example_at(rule: &Node, index: usize, or: Span) -> Span {
    let examples = rule.get("examples").map(|examples| &examples.kind);
    match examples {
        Some(Kind::List(examples)) => examples.get(index).map_or(or, |example| example.span),
        _ => or,
    }
}

fn same(found: Option<&str>, wanted: Option<&str>) -> Result<(), String> {
    let trimmed = |text: Option<&str>| text.map(|text| text.trim_end().to_owned());
    if trimmed(found) == trimmed(wanted) {
        return Ok(());
    }
    let shown =
        |text: Option<&str>| text.map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"));
    Err(format!("expected {}, got {}", shown(wanted), shown(found)))
}
