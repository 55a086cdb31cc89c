//! A rule with its patterns compiled.

use std::sync::Arc;

use regex::Regex;

use super::patterns::Pattern;
use super::rule::{BlockPattern, CodeRule, Preference};
use crate::evaluator::rule_error::RuleError;

/// What the text before a block says of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub(super) correction: Vec<Regex>,
    pub(super) alternative: Vec<Regex>,
    pub(super) quoted: Vec<Regex>,
    pub(super) output: Vec<Regex>,
    pub(super) sketch: Vec<Regex>,
}

/// A rule, ready to be applied.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) rule: Arc<CodeRule>,
    pub(super) blocks: Vec<Pattern>,
    pub(super) marks: Vec<Pattern>,
    pub(super) remove_inside: Vec<Regex>,
    pub(super) end: Vec<Regex>,
    pub(super) ignore_when: Option<Regex>,
    pub(super) commands: Vec<Regex>,
    pub(super) words: Words,
}

impl Compiled {
    /// # Errors
    /// Every pattern that is none, and block patterns without a group `code`.
    pub(super) fn new(rule: &CodeRule) -> Result<Compiled, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut compile = |pattern: &str, path: &[&str]| {
            Regex::new(pattern)
                .map_err(|error| errors.push(RuleError::of_pattern(pattern, &error, path)))
                .ok()
        };
        let mut all = |patterns: &[String], path: &[&str]| -> Vec<Regex> {
            let compiled = patterns.iter().enumerate().filter_map(|(index, pattern)| {
                let index = index.to_string();
                let path: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
                compile(pattern, &path)
            });
            compiled.collect()
        };
        let words = Words {
            correction: all(&rule.words.correction, &["words", "correction"]),
            alternative: all(&rule.words.alternative, &["words", "alternative"]),
            quoted: all(&rule.words.quoted, &["words", "quoted"]),
            output: all(&rule.words.output, &["words", "output"]),
            sketch: all(&rule.words.sketch, &["words", "sketch"]),
        };
        let remove_inside = all(&rule.remove_inside, &["remove_inside"]);
        let end = all(&rule.end, &["end"]);
        let commands = all(&rule.ignore.commands, &["ignore", "commands"]);
        let ignore_when = rule
            .ignore
            .when
            .as_ref()
            .and_then(|pattern| compile(pattern, &["ignore", "when"]));
        let mut patterns = |written: &[BlockPattern], key: &str| -> Vec<Pattern> {
            let compiled = written.iter().enumerate().filter_map(|(index, block)| {
                let index = index.to_string();
                let path = [key, index.as_str(), "pattern"];
                let regex = compile(&block.pattern, &path)?;
                Some(Pattern {
                    regex,
                    pick: block.pick,
                    whole_match: block.whole_match,
                })
            });
            compiled.collect()
        };
        let blocks = patterns(&rule.blocks, "blocks");
        let marks = patterns(&rule.marks, "marks");
        for (key, written) in [("blocks", &rule.blocks), ("marks", &rule.marks)] {
            for (index, block) in written.iter().enumerate() {
                if !block.pattern.contains("?P<code>") && !block.pattern.contains("?<code>") {
                    errors.push(RuleError {
                        path: vec![key.to_owned(), index.to_string(), "pattern".to_owned()],
                        at: None,
                        message: "the pattern has no group `code`".to_owned(),
                        help: Some("put `(?P<code>…)` around the code".to_owned()),
                    });
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Compiled {
            rule: Arc::new(rule.clone()),
            blocks,
            marks,
            remove_inside,
            end,
            ignore_when,
            commands,
            words,
        })
    }

    /// Whether an empty block may be the program, as other tools take it.
    pub(super) fn takes_empty(&self) -> bool {
        self.rule.tags.iter().any(|preference| {
            matches!(preference, Preference::Any | Preference::LanguageOrUntagged)
        })
    }
}
