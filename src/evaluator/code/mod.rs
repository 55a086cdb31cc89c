//! Finds the code in a reply: its fenced blocks, and which of them is the program.
//!
//! What is looked for and which block is chosen is data (`rules/code.yaml`); this folder has the
//! few mechanisms the rules name. Pure and linear in the reply's length.

mod fences;
mod parses;
mod policy;
mod rule;
mod sections;

use std::sync::Arc;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

pub use rule::{
    CodeExample, CodeRule, IgnoreRule, Join, NoFence, Pick, Preference, Unclosed, Untagged,
};

use super::rule_error::RuleError;
use fences::Fence;

/// A grammar that is compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// Python 3.
    Python,
    /// JavaScript.
    Javascript,
}

/// How the code of a language is known in a reply.
#[derive(Debug, Clone)]
pub struct LanguageTags {
    /// Its name.
    pub name: String,
    /// Other tags of its fences.
    pub aliases: Vec<String>,
    /// The grammar that says whether a text is its code.
    pub grammar: Option<Grammar>,
    /// Patterns that say so where there is no grammar.
    pub looks_like: Vec<Regex>,
}

impl LanguageTags {
    /// Whether a fence's tag names this language, version numbers left out.
    pub fn is_tagged(&self, tag: &str) -> bool {
        let is = |tag: &str| {
            tag.eq_ignore_ascii_case(&self.name)
                || self
                    .aliases
                    .iter()
                    .any(|alias| tag.eq_ignore_ascii_case(alias))
        };
        is(tag) || is(tag.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.'))
    }
}

/// A compiled extractor.
#[derive(Debug, Clone)]
pub struct CodeExtractor {
    name: String,
    rule: Arc<CodeRule>,
    ignore_when: Option<Regex>,
}

/// What was found in a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extraction {
    /// The code; `None` when there is nothing to run.
    pub code: Option<String>,
    /// The wanted language.
    pub language: Option<String>,
    /// The extractor.
    pub rule: String,
    /// A sentence a person can act on.
    pub reason: String,
    /// Every fenced block.
    pub blocks: Vec<Block>,
}

/// A fenced block of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The tag as written; empty without one.
    pub lang: String,
    /// First line of the code itself, 1-based.
    pub start_line: usize,
    /// Last line of the code; before `start_line` when the block is empty.
    pub end_line: usize,
    /// Whether it is part of the program.
    pub chosen: bool,
}

impl CodeRule {
    /// Compiles the rule.
    ///
    /// # Errors
    /// A pattern that is none, with its place.
    pub fn compile(&self, name: &str) -> Result<CodeExtractor, Vec<RuleError>> {
        let ignore_when = match &self.ignore.when {
            None => None,
            Some(pattern) => Some(Regex::new(pattern).map_err(|error| {
                vec![RuleError::of_pattern(pattern, &error, &["ignore", "when"])]
            })?),
        };
        Ok(CodeExtractor {
            name: name.to_owned(),
            rule: Arc::new(self.clone()),
            ignore_when,
        })
    }
}

impl CodeExtractor {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Finds the code of a language.
    pub fn extract(
        &self,
        reply: &str,
        wanted: &LanguageTags,
        known: &[LanguageTags],
    ) -> Extraction {
        if self.rule.pick == Pick::Whole {
            let has_code = !reply.trim().is_empty();
            let reason = if has_code {
                "the whole reply is the code"
            } else {
                "the reply is empty"
            };
            return self.found(
                has_code.then(|| reply.to_owned()),
                reason.to_owned(),
                wanted,
                Vec::new(),
                &[],
            );
        }
        let removed = sections::removed(reply, &self.rule.remove);
        let fences = fences::find(reply, &removed);
        let search = policy::Search {
            rule: &self.rule,
            ignore_when: self.ignore_when.as_ref(),
            reply,
            removed: &removed,
            wanted,
            known,
        };
        let choice = search.choose(&fences);
        self.found(choice.code, choice.reason, wanted, fences, &choice.chosen)
    }

    fn found(
        &self,
        code: Option<String>,
        reason: String,
        wanted: &LanguageTags,
        fences: Vec<Fence>,
        chosen: &[usize],
    ) -> Extraction {
        let blocks = fences
            .iter()
            .enumerate()
            .map(|(index, fence)| Block {
                lang: fence.tag.clone(),
                start_line: fence.start_line,
                end_line: fence.end_line,
                chosen: chosen.contains(&index),
            })
            .collect();
        Extraction {
            code,
            language: Some(wanted.name.clone()),
            rule: self.name.clone(),
            reason,
            blocks,
        }
    }
}

#[cfg(test)]
mod tests;
