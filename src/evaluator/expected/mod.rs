//! Finds the output that a prompt states, by an ordered list of named patterns that are data.
//! Leaves the patterns themselves to rule packs, and the comparison with what was printed to `compare`.

mod block;
mod clean;
mod literal;
mod rule;

pub use rule::{Block, Cleaner, ExpectedExample, ExpectedRule};

use std::collections::HashMap;
use std::ops::Range;

use super::{LazyRegex, ReadPattern};

use super::rule_error::RuleError;
use clean::Clean;

/// How far `unless` looks to each side of a match, in bytes.
const LINE_CONTEXT: usize = 200;
/// How far `unless_above` looks, in bytes.
const ABOVE_CONTEXT: usize = 800;
/// How far `followed_by` looks, in bytes.
const FOLLOWING_CONTEXT: usize = 80;
/// How far a bracket that a value opens may close on later lines, in bytes.
const BRACKET_CONTEXT: usize = 2000;
/// How many losers are told.
const LOST_MAX: usize = 100;
/// Letters of a text that a reason quotes.
const QUOTE_MAX: usize = 40;

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

/// What a prompt states, and what else it might have stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What it states.
    pub stated: Option<Stated>,
    /// In the order of the rules: matches that were passed over, and of each rule after the one that
    /// decided what it would have found. At most a hundred.
    pub lost: Vec<Lost>,
}

/// Something that a prompt might have stated, and why it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The rule that matches.
    pub rule: String,
    /// The output that it would have been, if there is one.
    pub value: Option<String>,
    /// Where that stands, or else what the pattern matches, in characters.
    pub span: Range<usize>,
    /// Why it lost.
    pub reason: String,
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
    pattern: LazyRegex,
    block: Vec<Block>,
    stop: Option<LazyRegex>,
    clean: Vec<Clean>,
    clean_below: Vec<Clean>,
    followed_by: Option<LazyRegex>,
    not: Option<LazyRegex>,
    unless: Option<LazyRegex>,
    unless_above: Option<LazyRegex>,
}

/// A stated output and the bytes it stands in.
struct Candidate {
    /// For a block, dedented.
    value: String,
    span: Range<usize>,
}

/// A match that states nothing, why, and how far the text was read to know that.
struct NoValue {
    why: Why,
    /// What it would have stated.
    candidate: Option<Candidate>,
    read_to: usize,
}

/// Why a match states nothing.
enum Why {
    /// `unless` matches the line.
    Unless,
    /// `unless_above` matches the lines above.
    UnlessAbove,
    /// Nothing of `block` stands below.
    NothingBelow,
    /// A cleaner left nothing.
    NothingLeft,
    /// `followed_by` does not match what follows.
    FollowedBy,
    /// `not` matches the value.
    Description,
}

impl ExpectedExtractor {
    /// Compiles the rules of the extractor `name`. Paths of errors start with the rule's index.
    ///
    /// # Errors
    /// Every pattern that is not a regular expression or lacks the group `value`, and every name used twice.
    pub fn compile(
        name: &str,
        rules: &[ExpectedRule],
        read: ReadPattern,
    ) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut meant = Vec::new();
        let mut patterns = Patterns {
            known: HashMap::new(),
            read,
        };
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
            meant.extend(Meant::compile(index, rule, &mut patterns, &mut errors));
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

    /// These rules over those of `earlier`: a rule whose name is known there takes its place, all others
    /// come first.
    #[must_use]
    pub fn over(self, earlier: &Self) -> Self {
        let mut rules = earlier.rules.clone();
        let mut first = Vec::new();
        for rule in self.rules {
            match rules.iter_mut().find(|known| known.name == rule.name) {
                Some(known) => *known = rule,
                None => first.push(rule),
            }
        }
        first.extend(rules);
        Self {
            name: self.name,
            rules: first,
        }
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

    /// As `find`, or as `find_with_rule` with `only`, and what lost. All rules are tried for that.
    #[must_use]
    pub fn explain(&self, text: &str, only: Option<&str>) -> Explained {
        let mut explained = Explained {
            stated: None,
            lost: Vec::new(),
        };
        let rules = self.rules.iter();
        for rule in rules.filter(|rule| only.is_none_or(|only| only == rule.name)) {
            if explained.lost.len() >= LOST_MAX {
                if explained.stated.is_some() {
                    break;
                }
                explained.stated = rule.find(text);
                continue;
            }
            let mut passed = Vec::new();
            let mut keep = |lost: &dyn Fn() -> Lost| {
                if passed.len() < LOST_MAX {
                    passed.push(lost());
                }
            };
            let found = rule.stated(text, rule.candidates(text, &mut keep));
            match (&explained.stated, found) {
                (None, found) => explained.stated = found,
                (Some(decided), Some(found)) => {
                    let reason = format!("a later rule; `{}` decided first", decided.rule);
                    explained.lost.push(Lost {
                        rule: found.rule,
                        value: Some(found.value),
                        span: found.span,
                        reason,
                    });
                }
                (Some(_), None) => {}
            }
            explained.lost.extend(passed);
            explained.lost.truncate(LOST_MAX);
        }
        explained
    }
}

impl Meant {
    fn compile(
        index: usize,
        rule: &ExpectedRule,
        patterns: &mut Patterns,
        errors: &mut Vec<RuleError>,
    ) -> Option<Self> {
        let mut regex = |keys: &[&str], pattern: &str| {
            let path = std::iter::once(index.to_string())
                .chain(keys.iter().map(|key| (*key).to_owned()))
                .collect();
            compile_pattern(pattern, path, patterns)
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
        let unless_above = optional("unless_above", &rule.unless_above);
        let mut cleaners = |key: &str, cleaners: &[Cleaner]| -> Vec<Clean> {
            let cleaners = cleaners.iter().enumerate();
            cleaners
                .filter_map(|(at, cleaner)| {
                    let mut regex =
                        |word: &str, pattern: &str| regex(&[key, &at.to_string(), word], pattern);
                    match cleaner {
                        Cleaner::Cut(pattern) => regex("cut", pattern).map(Clean::Cut),
                        Cleaner::AfterLiteral(pattern) => {
                            regex("after_literal", pattern).map(Clean::AfterLiteral)
                        }
                        Cleaner::FullStop => Some(Clean::FullStop),
                        Cleaner::Emphasis => Some(Clean::Emphasis),
                        Cleaner::Code => Some(Clean::Code),
                        Cleaner::Quotes => Some(Clean::Quotes),
                        Cleaner::Quoted => Some(Clean::Quoted),
                        Cleaner::Literal => Some(Clean::Literal),
                        Cleaner::Literals => Some(Clean::Literals),
                        Cleaner::Escapes => Some(Clean::Escapes),
                    }
                })
                .collect()
        };
        let clean = cleaners("clean", &rule.clean);
        let clean_below = cleaners("clean_below", &rule.clean_below);
        let pattern = pattern?;
        if !pattern.has_group("value") {
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
            clean_below,
            followed_by,
            not,
            unless,
            unless_above,
        })
    }

    fn find(&self, text: &str) -> Option<Stated> {
        self.stated(text, self.candidates(text, &mut |_| ()))
    }

    fn stated(&self, text: &str, found: Vec<Candidate>) -> Option<Stated> {
        let first = found.first()?;
        Some(Stated {
            value: first.value.clone(),
            rule: self.name.clone(),
            span: in_characters(text, &first.span),
            all: found.into_iter().map(|candidate| candidate.value).collect(),
        })
    }

    /// Every value in order; what is passed over goes to `passed`. The search goes on right after a value,
    /// not after the match that held it, since a line may state several; what is read again that way is
    /// bounded by the length of the text.
    fn candidates(&self, text: &str, passed: &mut dyn FnMut(&dyn Fn() -> Lost)) -> Vec<Candidate> {
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
            let (next, read_to) = match self.judge(text, &closing, &matched, value.clone()) {
                Ok((candidates, read_to)) => {
                    let end = candidates.last().map_or(matched.end, |last| last.span.end);
                    found.extend(candidates);
                    (end, read_to)
                }
                Err(no_value) => {
                    passed(&|| self.lost(text, &closing, &matched, &value, &no_value));
                    (value.start, no_value.read_to)
                }
            };
            let read_to = read_to.max(matched.end);
            #[cfg(test)]
            tests::READ.set(tests::READ.get() + read_to - at);
            // Judging a match costs about its length, so what is read again is paid for.
            let again = read_to.saturating_sub(next);
            if next > at && again <= rereading_left {
                rereading_left -= again;
                at = next;
            } else {
                at = after_one(text, read_to);
            }
        }
        found
    }

    /// What a match states, and how far the text was read to know it.
    fn judge(
        &self,
        text: &str,
        closing: &[usize],
        matched: &Range<usize>,
        value: Range<usize>,
    ) -> Result<(Vec<Candidate>, usize), NoValue> {
        let context = line_around(text, matched);
        if self
            .unless
            .as_ref()
            .is_some_and(|unless| unless.is_match(context))
        {
            return Err(NoValue {
                why: Why::Unless,
                candidate: None,
                read_to: matched.end,
            });
        }
        let above = self.unless_above.as_ref();
        if above.is_some_and(|unless| unless.is_match(lines_above(text, matched.start))) {
            return Err(NoValue {
                why: Why::UnlessAbove,
                candidate: None,
                read_to: matched.end,
            });
        }
        self.values(text, closing, matched.end, value)
    }

    /// What a match states that `unless` says nothing against.
    fn values(
        &self,
        text: &str,
        closing: &[usize],
        read_to: usize,
        value: Range<usize>,
    ) -> Result<(Vec<Candidate>, usize), NoValue> {
        let value = clean::trim(text, value);
        let mut candidates = if value.is_empty() && !self.block.is_empty() {
            self.below(text, value.start, closing)
                .map_err(|why| NoValue {
                    why,
                    candidate: None,
                    read_to,
                })?
        } else {
            vec![self.inline(text, value, read_to)?]
        };
        let end = candidates.last().map_or(0, |last| last.span.end);
        let read_to = read_to.max(end);
        // A text in double quotes on one line is what it is, whatever words it begins with.
        let is_quoted = candidates.len() == 1 && is_between_quotes(text, &candidates[0].span);
        if let Some(not) = self.not.as_ref().filter(|_| !is_quoted) {
            if not.is_match(&candidates[0].value) {
                return Err(NoValue {
                    why: Why::Description,
                    candidate: Some(candidates.swap_remove(0)),
                    read_to,
                });
            }
            candidates.retain(|candidate| !not.is_match(&candidate.value));
        }
        Ok((candidates, read_to))
    }

    /// What stands below a label; never empty.
    fn below(&self, text: &str, label: usize, closing: &[usize]) -> Result<Vec<Candidate>, Why> {
        let stop = self.stop.as_ref();
        for kind in &self.block {
            if *kind == Block::Table {
                let cells = block::cells(text, label);
                let cells: Vec<Candidate> = cells
                    .map_while(|cell| {
                        let span = narrow(&self.clean, text, cell)?;
                        let value = block::cell_text(&text[span.clone()]);
                        Some(Candidate { value, span })
                    })
                    .collect();
                if !cells.is_empty() {
                    return Ok(cells);
                }
                continue;
            }
            let Some(found) = block::after(text, label, *kind, closing, stop) else {
                continue;
            };
            let is_plain = matches!(kind, Block::Lines | Block::Paragraph);
            if !is_plain || self.clean_below.is_empty() || found.value.contains('\n') {
                return Ok(vec![found]);
            }
            let line = clean::trim(text, found.span.clone());
            let span = narrow(&self.clean_below, text, line.clone()).ok_or(Why::NothingLeft)?;
            return Ok(vec![if span == line {
                found
            } else {
                let value = text[span.clone()].to_owned();
                Candidate { value, span }
            }]);
        }
        Err(Why::NothingBelow)
    }

    fn inline(
        &self,
        text: &str,
        value: Range<usize>,
        read_to: usize,
    ) -> Result<Candidate, NoValue> {
        let (value, read_to) = clean::whole_bracket(text, value, read_to);
        let value = clean::within_its_brackets(text, value);
        let Some(span) = narrow(&self.clean, text, value) else {
            return Err(NoValue {
                why: Why::NothingLeft,
                candidate: None,
                read_to,
            });
        };
        let follows = self
            .followed_by
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(line_after(text, span.end)));
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
        let candidate = Candidate { value, span };
        if follows {
            Ok(candidate)
        } else {
            Err(NoValue {
                why: Why::FollowedBy,
                candidate: Some(candidate),
                read_to,
            })
        }
    }

    /// A match that was passed over, for people.
    fn lost(
        &self,
        text: &str,
        closing: &[usize],
        matched: &Range<usize>,
        value: &Range<usize>,
        no_value: &NoValue,
    ) -> Lost {
        let lost = |reason: String, candidate: Option<&Candidate>| Lost {
            rule: self.name.clone(),
            value: candidate.map(|candidate| candidate.value.clone()),
            span: in_characters(text, candidate.map_or(matched, |candidate| &candidate.span)),
            reason,
        };
        let candidate = no_value.candidate.as_ref();
        match no_value.why {
            Why::Unless | Why::UnlessAbove => {
                let (unless, context, place) = match no_value.why {
                    Why::Unless => (&self.unless, line_around(text, matched), "its line says"),
                    _ => (
                        &self.unless_above,
                        lines_above(text, matched.start),
                        "above it stands",
                    ),
                };
                let words = unless.as_ref().and_then(|unless| unless.find(context));
                let words = words.map_or("", |words| words.as_str());
                let would = self.values(text, closing, matched.end, value.clone());
                let candidate = match &would {
                    Ok((candidates, _)) => candidates.first(),
                    Err(no_value) => no_value.candidate.as_ref(),
                };
                lost(format!("{place} `{}`", quote(words.trim())), candidate)
            }
            Why::NothingBelow => lost(
                "nothing that could be a value stands below".to_owned(),
                None,
            ),
            Why::NothingLeft => lost("no value stands there".to_owned(), None),
            Why::FollowedBy => {
                let rest = candidate.map_or("", |candidate| line_after(text, candidate.span.end));
                lost(format!("it goes on with `{}`", quote(rest)), candidate)
            }
            Why::Description => lost("a description, not a value".to_owned(), candidate),
        }
    }
}

/// What all cleaners leave of a range.
fn narrow(cleaners: &[Clean], text: &str, range: Range<usize>) -> Option<Range<usize>> {
    cleaners
        .iter()
        .try_fold(range, |range, clean| clean.narrow(text, range))
}

/// A range of bytes in characters.
fn in_characters(text: &str, bytes: &Range<usize>) -> Range<usize> {
    let start = text[..bytes.start].chars().count();
    start..start + text[bytes.clone()].chars().count()
}

/// The start of a text, for a message.
fn quote(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(QUOTE_MAX) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Compiled patterns: rules share some.
struct Patterns {
    known: HashMap<String, LazyRegex>,
    read: ReadPattern,
}

/// Whether double quotes after a label stand around a place that they are not part of, and hold words.
fn is_between_quotes(text: &str, span: &Range<usize>) -> bool {
    let inner = &text[span.clone()];
    let line = text[..span.start].rsplit('\n').next().unwrap_or("");
    // In a map it may be a type or a description all the same.
    !line.contains(['{', ','])
        && line.ends_with('"')
        && text[span.end..].starts_with('"')
        && inner.starts_with(char::is_alphabetic)
        && !inner.contains(['"', '\n', '<', '{', '['])
}

fn compile_pattern(
    pattern: &str,
    path: Vec<String>,
    patterns: &mut Patterns,
) -> Result<LazyRegex, RuleError> {
    if let Some(regex) = patterns.known.get(pattern) {
        return Ok(regex.clone());
    }
    let regex = (patterns.read)(pattern).map_err(|error| RuleError {
        path,
        ..RuleError::of_pattern(pattern, &error, &[])
    })?;
    patterns.known.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
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

/// The lines above the one that holds byte `at`, back to a blank line.
fn lines_above(text: &str, at: usize) -> &str {
    let from = boundary_before(text, at.saturating_sub(ABOVE_CONTEXT));
    let end = text[from..at].rfind('\n').map_or(from, |end| from + end);
    let above = &text[from..end];
    let lines = above.rsplit('\n');
    let lines = lines.take_while(|line| !line.trim().is_empty());
    let length: usize = lines.map(|line| line.len() + 1).sum();
    &above[above.len().saturating_sub(length)..]
}

fn line_after(text: &str, at: usize) -> &str {
    let to = boundary_before(text, (at + FOLLOWING_CONTEXT).min(text.len()));
    let rest = &text[at..to];
    rest.split_once('\n').map_or(rest, |(line, _)| line)
}

#[cfg(test)]
mod tests;
