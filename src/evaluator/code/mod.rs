//! Finds the code in a reply: its fenced blocks, and which of them is the program.
//!
//! What is looked for and which block is chosen is data (`rules/code.yaml`); this folder has the
//! few mechanisms the rules name. Pure and linear in the reply's length.

mod calls;
mod compiled;
mod fences;
pub(crate) mod files;
mod lines;
mod markdown;
mod mend;
mod names;
mod parses;
mod patterns;
mod policy;
mod prelude;
mod rule;
mod sections;
mod unfenced;

use super::{LazyRegex, ReadPattern};
use schemars::JsonSchema;
use serde::Deserialize;

pub use rule::{
    BlockPattern, CodeExample, CodeRule, FilesBy, IgnoreRule, Join, Mend, NameRule, NoFence, Pick,
    Preference, Spans, Unclosed, Untagged, WordRule,
};

use super::rule_error::RuleError;
use compiled::Compiled;
use fences::{Blocks, Fence};
pub use policy::OTHER_TAG;
use policy::{Choice, Search};
pub use prelude::prelude;

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
    pub looks_like: Vec<LazyRegex>,
    /// Patterns whose first group that takes part is a name that code declares, where there is no
    /// grammar.
    pub declares: Vec<LazyRegex>,
}

impl LanguageTags {
    /// A language of which no more than the name is known.
    pub fn by_name(name: &str) -> LanguageTags {
        LanguageTags {
            name: name.to_owned(),
            aliases: Vec::new(),
            grammar: None,
            looks_like: Vec::new(),
            declares: Vec::new(),
        }
    }

    /// Whether a fence's tag names this language: letters' case, version numbers, and a file's name
    /// before its ending do not count.
    pub fn is_tagged(&self, tag: &str) -> bool {
        let is = |tag: &str| {
            !tag.is_empty()
                && (tag.eq_ignore_ascii_case(&self.name)
                    || self
                        .aliases
                        .iter()
                        .any(|alias| tag.eq_ignore_ascii_case(alias)))
        };
        let without_version = tag
            .trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.')
            .trim_end_matches(['-', '_']);
        is(tag)
            || is(without_version)
            || tag
                .rsplit_once('.')
                .is_some_and(|(file, ending)| is_path(file) && is(ending))
    }
}

fn is_path(text: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || "_-./".contains(letter);
    !text.is_empty() && text.chars().all(is_part)
}

/// A compiled extractor.
#[derive(Debug, Clone)]
pub struct CodeExtractor {
    name: String,
    compiled: Compiled,
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
    /// The files of a program of several, the one that runs among them; empty where the code is all.
    pub files: Vec<CodeFile>,
}

/// A file of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFile {
    /// Where it lies in the program's directory.
    pub path: String,
    /// Its text.
    pub text: String,
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
    /// Why it is not.
    pub lost: Option<&'static str>,
}

impl CodeRule {
    /// Compiles the rule.
    ///
    /// # Errors
    /// Every pattern that is none, with its place.
    pub fn compile(&self, name: &str, read: ReadPattern) -> Result<CodeExtractor, Vec<RuleError>> {
        Ok(CodeExtractor {
            name: name.to_owned(),
            compiled: Compiled::new(self, read)?,
        })
    }
}

impl CodeExtractor {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that runs, where the rule is for programs of several files.
    pub fn main(&self) -> Option<&str> {
        let rule = &self.compiled.rule;
        rule.files.and(rule.main.as_deref())
    }

    /// What a rule for several files leaves out is as another says: how names are written, what is no
    /// part of the answer, what is said of blocks.
    pub fn over(self, base: &CodeExtractor) -> CodeExtractor {
        if self.compiled.rule.files.is_none() {
            return self;
        }
        CodeExtractor {
            name: self.name,
            compiled: self.compiled.over(&base.compiled),
        }
    }

    /// Finds the code of a language.
    pub fn extract(
        &self,
        reply: &str,
        wanted: &LanguageTags,
        known: &[LanguageTags],
    ) -> Extraction {
        self.read(reply, wanted, known, true)
    }

    /// The same; what a tool was handed holds no further call.
    fn read(
        &self,
        reply: &str,
        wanted: &LanguageTags,
        known: &[LanguageTags],
        may_call: bool,
    ) -> Extraction {
        let rule = &self.compiled.rule;
        if rule.pick == Pick::Whole {
            let has_code = !reply.trim().is_empty();
            let reason = if has_code {
                "the whole reply is the code"
            } else {
                "the reply is empty"
            };
            let choice = Choice {
                code: has_code.then(|| reply.to_owned()),
                reason: reason.to_owned(),
                ..Choice::default()
            };
            return self.found(choice, wanted, &[]);
        }
        if !rule.blocks.is_empty() {
            let (blocks, pick) = patterns::blocks(reply, &self.compiled.blocks);
            let search = self.search(pick.unwrap_or(rule.pick), reply, wanted, known);
            let mut choice = search.choose(&blocks);
            if choice.code.is_none() {
                let lost = choice.lost;
                choice = search.without_block(&blocks, reply, &[]);
                choice.lost = lost;
            }
            return self.found(choice, wanted, &blocks);
        }
        let reply = self.turn(reply);
        let removed = sections::removed(reply, &rule.remove);
        let shape = fences::shape(reply, &removed);
        let is_broken = |block: &Fence| {
            wanted.grammar.is_some()
                && wanted.is_tagged(&block.tag)
                && parses::Piece::new(block.code.clone(), wanted).errors() > 0
        };
        let mut blocks = fences::find(reply, &shape, &is_broken);
        let search = self.search(rule.pick, reply, wanted, known);
        self.take_marked(reply, &mut blocks);
        if let Some(main) = self.main() {
            let (choice, files) = files::by_name(&search, &shape, &blocks.fenced, main);
            return Extraction {
                files,
                ..self.found(choice, wanted, &blocks.fenced)
            };
        }
        let all = blocks.fenced.clone();
        let mut outside = self.take_elements(&shape, reply, &mut blocks);
        let mut choice = search.choose(&blocks.fenced);
        if choice.code.is_none() && !outside.is_empty() {
            // The element holds no program: it is not where the answer stands.
            blocks.fenced = all;
            outside.clear();
            choice = search.choose(&blocks.fenced);
        }
        for index in &outside {
            choice.lost[*index] = Some("it stands outside the answer's element");
        }
        if choice.code.is_none() {
            choice = self.elsewhere(&search, &shape, &mut blocks, choice, may_call);
        }
        self.found(choice, wanted, &blocks.fenced)
    }

    /// The reply up to where another turn begins.
    fn turn<'r>(&self, reply: &'r str) -> &'r str {
        // A mark begins its line or ends it: in the middle it is text of a program.
        let is_mark = |found: &regex::Match<'_>| {
            let before = &reply[..found.start()];
            let mut behind = reply[found.end()..].chars().take(20);
            let begins_line = before.ends_with('\n') || before.is_empty();
            let ends_line = behind
                .find(|letter| !letter.is_alphanumeric() && *letter != ' ')
                .is_none_or(|letter| letter == '\n' || letter == '\r');
            !before.trim_start().is_empty() && (begins_line || ends_line)
        };
        let ends = self.compiled.end.iter().filter_map(|pattern| {
            let mut found = pattern.find_iter(reply).filter(is_mark);
            found.next().map(|found| found.start())
        });
        &reply[..ends.min().unwrap_or(reply.len())]
    }

    fn search<'a>(
        &'a self,
        pick: Pick,
        reply: &'a str,
        wanted: &'a LanguageTags,
        known: &'a [LanguageTags],
    ) -> Search<'a> {
        Search {
            compiled: &self.compiled,
            pick,
            reply,
            wanted,
            known,
        }
    }

    /// Blocks with marks of their own, outside of the others.
    fn take_marked(&self, reply: &str, blocks: &mut Blocks) {
        for pattern in &self.compiled.marks {
            let (found, _) = patterns::blocks(reply, std::slice::from_ref(pattern));
            for block in found {
                let is_free = fences::is_outside(&blocks.fenced, block.at)
                    && fences::is_outside(&blocks.fenced, block.end.saturating_sub(1));
                if is_free {
                    blocks.insert(block);
                }
            }
        }
    }

    /// Elements that hold the answer: where fences stand in them, only those count; else what stands
    /// in them is a block. Returns the blocks that do not count; they are emptied.
    fn take_elements(&self, shape: &str, reply: &str, blocks: &mut Blocks) -> Vec<usize> {
        let elements = sections::elements(shape, &self.compiled.rule.inside, &blocks.fenced);
        if elements.is_empty() {
            return Vec::new();
        }
        let holds = |block: &Fence| {
            elements.iter().any(|element| {
                element.range.start <= block.at && block.end <= element.range.end + 1
            })
        };
        let mut outside = Vec::new();
        if blocks.fenced.iter().any(holds) {
            for (index, block) in blocks.fenced.iter_mut().enumerate() {
                if !holds(block) {
                    block.code.clear();
                    outside.push(index);
                }
            }
            return outside;
        }
        let lines = lines::Lines::of(shape);
        for element in elements {
            let inner = &reply[element.inner.clone()];
            let code = mend::unescaped(&inner.replace("\r\n", "\n"));
            let text = code.strip_prefix('\n').unwrap_or(&code);
            let start_line =
                lines.number(element.inner.start) + usize::from(text.len() < code.len());
            // `<code>` and `<answer>` name no language.
            let is_plain = self
                .compiled
                .rule
                .inside
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&element.tag));
            let count = text.trim_end().lines().count();
            let block = Fence {
                tag: if is_plain {
                    String::new()
                } else {
                    element.tag.clone()
                },
                code: text.to_owned(),
                start_line,
                end_line: (start_line + count).saturating_sub(1),
                at: element.range.start,
                end: element.range.end,
                is_closed: true,
            };
            blocks.insert(block);
        }
        outside
    }

    /// The code of a reply none of whose fences is the program: handed to a tool, indented, without
    /// any mark, or inline.
    fn elsewhere(
        &self,
        search: &Search<'_>,
        shape: &str,
        blocks: &mut Blocks,
        failed: Choice,
        may_call: bool,
    ) -> Choice {
        let rule = &self.compiled.rule;
        let visible = visible(search.reply, shape, &[]);
        let is_code = |text: &str| {
            search.wanted.grammar.is_none()
                || text.contains("```")
                || parses::parses(text, search.wanted)
        };
        let code = may_call
            .then(|| calls::code(&visible, &rule.json, &is_code))
            .flatten();
        if let Some(code) = code {
            let inner = self.read(&code, search.wanted, search.known, false);
            let is_fenced = !inner.blocks.is_empty() && inner.code.is_some();
            return Choice {
                code: if is_fenced { inner.code } else { Some(code) },
                reason: "the argument of a tool's call".to_owned(),
                lost: failed.lost,
                ..Choice::default()
            };
        }
        if let Some(inner) = self.nested(search, &blocks.fenced) {
            blocks.fenced = inner.1;
            return inner.0;
        }
        let is_whole = rule.no_fence == NoFence::WholeWhenItParses && blocks.fenced.is_empty();
        if is_whole && !blocks.indented.is_empty() && !parses::parses(&visible, search.wanted) {
            let choice = search.choose(&blocks.indented);
            if choice.code.is_some() {
                blocks.fenced = std::mem::take(&mut blocks.indented);
                return choice;
            }
        }
        let text = match blocks.fenced.as_slice() {
            [] => visible,
            fenced => self::visible(search.reply, shape, fenced),
        };
        if rule.no_fence == NoFence::WholeWhenItParses {
            let segments = unfenced::segments(&text, search.wanted);
            let choice = Search {
                reply: &text,
                ..*search
            }
            .choose(&segments);
            if choice.code.is_some() {
                return Choice {
                    reason: format!("no fenced block; the text parses as {}", search.wanted.name),
                    lost: failed.lost,
                    code: choice.code,
                    ..Choice::default()
                };
            }
        }
        let spans: Vec<&str> = blocks
            .spans
            .iter()
            .filter_map(|span| span_code(search, span.clone()))
            .collect();
        Choice {
            lost: failed.lost,
            ..search.without_block(&blocks.fenced, &text, &spans)
        }
    }

    /// The program in a block that is a document of its own, with fences in it.
    fn nested(&self, search: &Search<'_>, blocks: &[Fence]) -> Option<(Choice, Vec<Fence>)> {
        let document = blocks
            .iter()
            .find(|block| block.code.contains("```") || block.code.contains("~~~"))?;
        let is_broken = |_: &Fence| false;
        let shape = fences::shape(&document.code, &[]);
        let inner = fences::find(&document.code, &shape, &is_broken);
        let choice = Search {
            reply: &document.code,
            ..*search
        }
        .choose(&inner.fenced);
        choice.code.as_ref()?;
        let moved = inner.fenced.into_iter().map(|block| Fence {
            start_line: block.start_line + document.start_line - 1,
            end_line: block.end_line + document.start_line - 1,
            ..block
        });
        Some((choice, moved.collect()))
    }

    fn found(&self, choice: Choice, wanted: &LanguageTags, blocks: &[Fence]) -> Extraction {
        let code = choice.code.map(|mut code| {
            if !self.compiled.rule.mend.contains(&Mend::Noise) {
                code = mend::without(&code, &self.compiled.remove_inside);
            }
            if self.compiled.rule.trim {
                code = code.trim().to_owned();
            }
            code
        });
        let mut is_chosen = vec![false; blocks.len()];
        for index in &choice.chosen {
            is_chosen[*index] = true;
        }
        let blocks = blocks
            .iter()
            .enumerate()
            .map(|(index, block)| {
                let chosen = is_chosen[index];
                let lost = choice.lost.get(index).copied().flatten();
                Block {
                    lang: block.tag.clone(),
                    start_line: block.start_line,
                    end_line: block.end_line,
                    chosen,
                    lost: lost.filter(|_| !chosen),
                }
            })
            .collect();
        Extraction {
            code,
            language: Some(wanted.name.clone()),
            rule: self.name.clone(),
            reason: choice.reason,
            blocks,
            files: Vec::new(),
        }
    }
}

/// Whether a letter of the reply is blank in its layout: it stands in a removed section.
fn is_blanked(shape: &str, at: usize, letter: char) -> bool {
    shape
        .get(at..at + letter.len_utf8())
        .is_none_or(|shaped| shaped.bytes().all(|byte| byte == b' '))
}

/// Whether one of these patterns matches.
fn any_match(patterns: &[LazyRegex], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(text))
}

/// Inline code that may be the program: of three backticks and a tag, or the last of its line. What is
/// named in the middle of a sentence is no program.
fn span_code<'r>(search: &Search<'r>, span: std::ops::Range<usize>) -> Option<&'r str> {
    let code = search.reply.get(span.clone())?;
    let is_fence = search.reply[..span.start].ends_with("```");
    if let Some((tag, rest)) = code.split_once(' ').filter(|_| is_fence)
        && search.wanted.is_tagged(tag)
    {
        return Some(rest);
    }
    let mut rest = search.reply[span.end..]
        .chars()
        .take(200)
        .take_while(|letter| *letter != '\n');
    (!rest.any(char::is_alphanumeric)).then_some(code)
}

/// The text of a reply without its removed sections and these blocks.
fn visible(reply: &str, shape: &str, blocks: &[Fence]) -> String {
    let is_kept = |(at, letter): &(usize, char)| {
        fences::is_outside(blocks, *at)
            && (letter.is_whitespace() || !is_blanked(shape, *at, *letter))
    };
    let kept = reply.char_indices().filter(is_kept);
    kept.map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests;
