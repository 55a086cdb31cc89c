//! Finds the output that a prompt states, by an ordered list of named patterns that are data.
//! Leaves the patterns themselves to rule packs, and the comparison with what was printed to `compare`.

mod block;
mod clean;
mod literal;
mod rule;

pub use rule::{Block, Cleaner, ExpectedExample, ExpectedRule};

use std::ops::Range;

use regex::Regex;

use super::rule_error::RuleError;
use clean::Clean;

/// How far `unless` looks to each side of a match, in bytes.
const LINE_CONTEXT: usize = 200;
/// How far `followed_by` looks, in bytes.
const FOLLOWING_CONTEXT: usize = 80;

/// What a prompt states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The output, the first one when there are several.
    pub value: String,
    /// Every output that the rule found, in order; `value` is its first.
    pub all: Vec<String>,
    /// The name of the rule that decided.
    pub rule: String,
    /// Where `value` stands in the text, in characters.
    pub span: Range<usize>,
}

/// Rules ready to be applied, in order.
#[derive(Debug, Clone)]
pub struct ExpectedExtractor {
    name: String,
    rules: Vec<Meant>,
}

#[derive(Debug, Clone)]
struct Meant {
    name: String,
    pattern: Regex,
    block: Vec<Block>,
    stop: Option<Regex>,
    clean: Vec<Clean>,
    followed_by: Option<Regex>,
    not: Option<Regex>,
    unless: Option<Regex>,
}

/// A stated output and the bytes it stands in.
struct Candidate {
    /// For a block, dedented.
    value: String,
    span: Range<usize>,
}

/// A match that states nothing, and how far the text was read to know that.
#[derive(Clone, Copy)]
struct NoValue {
    read_to: usize,
}

impl ExpectedExtractor {
    /// Compiles the rules of the extractor `name`. Paths of errors start with the rule's index.
    ///
    /// # Errors
    /// Every pattern that is not a regular expression or lacks the group `value`, and every name used twice.
    pub fn compile(name: &str, rules: &[ExpectedRule]) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut meant = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            if rules[..index]
                .iter()
                .any(|earlier| earlier.name == rule.name)
            {
                errors.push(RuleError {
                    path: vec![index.to_string(), "name".to_owned()],
                    at: None,
                    message: format!("there is an earlier rule `{}` in `{name}`", rule.name),
                    help: Some("give each rule of an extractor a name of its own".to_owned()),
                });
            }
            meant.extend(Meant::compile(index, rule, &mut errors));
        }
        if errors.is_empty() {
            Ok(Self {
                name: name.to_owned(),
                rules: meant,
            })
        } else {
            Err(errors)
        }
    }

    /// The extractor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the rules, in the order in which they are tried.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// What `text` states, by the first rule that finds something in it.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Stated> {
        self.rules.iter().find_map(|rule| rule.find(text))
    }

    /// What the rule named `rule` alone finds in `text`; nothing when there is no such rule.
    #[must_use]
    pub fn find_with_rule(&self, rule: &str, text: &str) -> Option<Stated> {
        self.rules
            .iter()
            .find(|known| known.name == rule)?
            .find(text)
    }
}

impl Meant {
    fn compile(index: usize, rule: &ExpectedRule, errors: &mut Vec<RuleError>) -> Option<Self> {
        let mut regex = |keys: &[&str], pattern: &str| {
            let path = std::iter::once(index.to_string())
                .chain(keys.iter().map(|key| (*key).to_owned()))
                .collect();
            compile_pattern(pattern, path)
                .map_err(|error| errors.push(error))
                .ok()
        };
        let pattern = regex(&["pattern"], &rule.pattern);
        let mut optional =
            |key: &str, pattern: &Option<String>| pattern.as_deref().and_then(|p| regex(&[key], p));
        let stop = optional("stop", &rule.stop);
        let followed_by = optional("followed_by", &rule.followed_by);
        let not = optional("not", &rule.not);
        let unless = optional("unless", &rule.unless);
        let clean = rule.clean.iter().enumerate();
        let clean = clean
            .filter_map(|(at, cleaner)| match cleaner {
                Cleaner::Cut(pattern) => {
                    regex(&["clean", &at.to_string(), "cut"], pattern).map(Clean::Cut)
                }
                Cleaner::FullStop => Some(Clean::FullStop),
                Cleaner::Emphasis => Some(Clean::Emphasis),
                Cleaner::Code => Some(Clean::Code),
                Cleaner::Quotes => Some(Clean::Quotes),
                Cleaner::Quoted => Some(Clean::Quoted),
                Cleaner::Literal => Some(Clean::Literal),
                Cleaner::Literals => Some(Clean::Literals),
                Cleaner::Escapes => Some(Clean::Escapes),
            })
            .collect();
        let pattern = pattern?;
        if !pattern
            .capture_names()
            .flatten()
            .any(|group| group == "value")
        {
            errors.push(RuleError {
                path: vec![index.to_string(), "pattern".to_owned()],
                at: None,
                message: format!("the pattern of `{}` has no group `value`", rule.name),
                help: Some("put `(?P<value>…)` around the output".to_owned()),
            });
        }
        let (name, block) = (rule.name.clone(), rule.block.clone());
        Some(Self {
            name,
            pattern,
            block,
            stop,
            clean,
            followed_by,
            not,
            unless,
        })
    }

    fn find(&self, text: &str) -> Option<Stated> {
        let found = self.candidates(text);
        let first = found.first()?;
        let start = text[..first.span.start].chars().count();
        let length = text[first.span.clone()].chars().count();
        Some(Stated {
            value: first.value.clone(),
            rule: self.name.clone(),
            span: start..start + length,
            all: found.into_iter().map(|candidate| candidate.value).collect(),
        })
    }

    /// Every value in order. The search goes on right after a value, not after the match that held it, since
    /// a line may state several; what is read again that way is bounded by the length of the text.
    fn candidates(&self, text: &str) -> Vec<Candidate> {
        let mut found = Vec::new();
        let mut at = 0;
        let mut rereading_left = 2 * text.len();
        let closing = if self.block.contains(&Block::Fence) {
            block::closing_fences(text)
        } else {
            Vec::new()
        };
        while at <= text.len() {
            let Some(groups) = self.pattern.captures_at(text, at) else {
                break;
            };
            let matched = groups.get(0).expect("group 0 is the match").range();
            let value = groups
                .name("value")
                .map_or(matched.end..matched.end, |value| value.range());
            let (next, read_to) = match self.candidate(text, &closing, &matched, value.clone()) {
                Ok(candidate) => {
                    let end = candidate.span.end;
                    found.push(candidate);
                    (end, matched.end)
                }
                Err(NoValue { read_to }) => (value.start, read_to),
            };
            // Judging a match costs about its length, so what is read again is paid for.
            let again = read_to.max(matched.end).saturating_sub(next);
            if next > at && again <= rereading_left {
                rereading_left -= again;
                at = next;
            } else {
                at = after_one(text, read_to.max(matched.end));
            }
        }
        found
    }

    fn candidate(
        &self,
        text: &str,
        closing: &[usize],
        matched: &Range<usize>,
        value: Range<usize>,
    ) -> Result<Candidate, NoValue> {
        let mut no_value = NoValue {
            read_to: matched.end,
        };
        let context = line_around(text, matched);
        if self
            .unless
            .as_ref()
            .is_some_and(|unless| unless.is_match(context))
        {
            return Err(no_value);
        }
        let value = clean::trim(text, value);
        let candidate = if value.is_empty() && !self.block.is_empty() {
            let stop = self.stop.as_ref();
            self.block
                .iter()
                .find_map(|kind| block::after(text, value.start, *kind, closing, stop))
        } else {
            self.inline(text, value)
        };
        let candidate = candidate.ok_or(no_value)?;
        no_value.read_to = candidate.span.end.max(matched.end);
        let description = self
            .not
            .as_ref()
            .is_some_and(|not| not.is_match(&candidate.value));
        if description {
            Err(no_value)
        } else {
            Ok(candidate)
        }
    }

    fn inline(&self, text: &str, value: Range<usize>) -> Option<Candidate> {
        let span = self
            .clean
            .iter()
            .try_fold(value, |range, clean| clean.narrow(text, range))?;
        if self
            .followed_by
            .as_ref()
            .is_some_and(|pattern| !pattern.is_match(line_after(text, span.end)))
        {
            return None;
        }
        let escapes = self
            .clean
            .iter()
            .any(|clean| matches!(clean, Clean::Escapes));
        let value = &text[span.clone()];
        let value = if escapes {
            clean::unescape(value)
        } else {
            value.to_owned()
        };
        Some(Candidate { value, span })
    }
}

fn compile_pattern(pattern: &str, path: Vec<String>) -> Result<Regex, RuleError> {
    Regex::new(pattern).map_err(|error| RuleError {
        path,
        ..RuleError::of_pattern(pattern, &error, &[])
    })
}

/// The position after the character at `at`, so that a search goes on after an empty match.
fn after_one(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(1, char::len_utf8)
}

/// `at`, or where the character starts that holds it.
fn boundary_before(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

fn line_around<'t>(text: &'t str, matched: &Range<usize>) -> &'t str {
    let from = boundary_before(text, matched.start.saturating_sub(LINE_CONTEXT));
    let start = text[from..matched.start]
        .rfind('\n')
        .map_or(from, |at| from + at + 1);
    let shown = boundary_before(text, matched.end.min(matched.start + 2 * LINE_CONTEXT));
    let to = boundary_before(text, (shown + LINE_CONTEXT).min(text.len()));
    let end = text[shown..to].find('\n').map_or(to, |at| shown + at);
    &text[start..end]
}

fn line_after(text: &str, at: usize) -> &str {
    let to = boundary_before(text, (at + FOLLOWING_CONTEXT).min(text.len()));
    let rest = &text[at..to];
    rest.split_once('\n').map_or(rest, |(line, _)| line)
}

#[cfg(test)]
mod tests;
