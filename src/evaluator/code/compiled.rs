//! A rule with its patterns compiled.

use std::sync::Arc;

use super::super::{LazyRegex, ReadPattern};

use super::patterns::Pattern;
use super::rule::{BlockPattern, CodeRule, Preference};
use crate::evaluator::rule_error::RuleError;

/// What the text before a block says of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub(super) correction: Vec<LazyRegex>,
    pub(super) alternative: Vec<LazyRegex>,
    pub(super) quoted: Vec<LazyRegex>,
    pub(super) output: Vec<LazyRegex>,
    pub(super) sketch: Vec<LazyRegex>,
}

/// Where the name of a block's file stands.
#[derive(Debug, Clone, Default)]
pub(super) struct FileNames {
    pub(super) info: Vec<LazyRegex>,
    pub(super) before: Vec<LazyRegex>,
    pub(super) comment: Vec<LazyRegex>,
}

impl FileNames {
    fn is_empty(&self) -> bool {
        self.info.is_empty() && self.before.is_empty() && self.comment.is_empty()
    }
}

/// A rule, ready to be applied.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) rule: Arc<CodeRule>,
    pub(super) blocks: Vec<Pattern>,
    pub(super) marks: Vec<Pattern>,
    pub(super) remove_inside: Vec<LazyRegex>,
    pub(super) end: Vec<LazyRegex>,
    pub(super) ignore_when: Option<LazyRegex>,
    pub(super) commands: Vec<LazyRegex>,
    pub(super) words: Words,
    pub(super) names: FileNames,
}

impl Compiled {
    /// # Errors
    /// Every pattern that is none, and block patterns without a group `code`.
    pub(super) fn new(rule: &CodeRule, read: ReadPattern) -> Result<Compiled, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut compile = |pattern: &str, path: &[&str]| {
            read(pattern)
                .map_err(|error| errors.push(RuleError::of_pattern(pattern, &error, path)))
                .ok()
        };
        let mut all = |patterns: &[String], path: &[&str]| -> Vec<LazyRegex> {
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
        let names = FileNames {
            info: all(&rule.names.info, &["names", "info"]),
            before: all(&rule.names.before, &["names", "before"]),
            comment: all(&rule.names.comment, &["names", "comment"]),
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
            names,
        })
    }

    /// A rule for several files; what it leaves out, of names, sections and words, is another's.
    pub(super) fn over(self, base: &Compiled) -> Compiled {
        let mut rule = CodeRule::clone(&self.rule);
        if rule.remove.is_empty() {
            rule.remove.clone_from(&base.rule.remove);
        }
        if rule.ignore.tags.is_empty() {
            rule.ignore.tags.clone_from(&base.rule.ignore.tags);
        }
        let is_wordless = self.words.alternative.is_empty()
            && self.words.quoted.is_empty()
            && self.words.output.is_empty()
            && self.words.sketch.is_empty();
        Compiled {
            rule: Arc::new(rule),
            names: if self.names.is_empty() {
                base.names.clone()
            } else {
                self.names
            },
            words: if is_wordless {
                base.words.clone()
            } else {
                self.words
            },
            end: if self.end.is_empty() {
                base.end.clone()
            } else {
                self.end
            },
            ..self
        }
    }

    /// Whether an empty block may be the program, as other tools take it.
    pub(super) fn takes_empty(&self) -> bool {
        self.rule.tags.iter().any(|preference| {
            matches!(preference, Preference::Any | Preference::LanguageOrUntagged)
        })
    }
}
