//! Which of a reply's blocks is the program.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::super::LazyRegex;

use super::compiled::Compiled;
use super::fences::Fence;
use super::names::Names;
use super::parses::{Piece, errors, parses};
use super::rule::{Join, Pick, Preference, Spans, Unclosed, Untagged};
use super::{LanguageTags, any_match, mend};

/// Why a block of another language is not taken.
pub const OTHER_TAG: &str = "it has another tag";
/// Blocks that are joined at most: each join is parsed.
const JOINED_MAX: usize = 48;
/// Blocks among which one is chosen by what they hold.
const LOOKED_AT_MAX: usize = 512;
/// How much of the text before a block is asked what it says of it, in bytes.
const LEAD_MAX: usize = 400;

/// What a choice among blocks needs.
pub(super) struct Search<'a> {
    pub(super) compiled: &'a Compiled,
    pub(super) pick: Pick,
    pub(super) reply: &'a str,
    pub(super) wanted: &'a LanguageTags,
    pub(super) known: &'a [LanguageTags],
}

/// The blocks that are the program.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) code: Option<String>,
    /// Indexes of blocks, in the order in which they are joined.
    pub(super) chosen: Vec<usize>,
    pub(super) reason: String,
    /// Why each block is no part of it, by its index; the last word counts.
    pub(super) lost: Vec<Option<&'static str>>,
}

/// A block that could be the program.
struct Candidate<'c> {
    index: usize,
    piece: &'c Piece<'c>,
    /// Whether its tag names the wanted language.
    is_tagged: bool,
    /// What the text before it says.
    lead: &'c str,
}

impl Candidate<'_> {
    fn names(&self) -> &Names {
        self.piece.names()
    }
}

/// The blocks of a reply while one is chosen.
struct Blocks<'c, 'l> {
    all: &'c [Fence],
    /// The code of each, mended.
    pieces: Vec<OnceCell<Piece<'l>>>,
    lost: Vec<Option<&'static str>>,
}

impl<'a> Search<'a> {
    pub(super) fn choose(&self, all: &[Fence]) -> Choice {
        let mut blocks = Blocks {
            all,
            pieces: all.iter().map(|_| OnceCell::new()).collect(),
            lost: vec![None; all.len()],
        };
        let (found, kind) = self.candidates(&mut blocks);
        let Blocks {
            pieces, mut lost, ..
        } = blocks;
        let list: Vec<Candidate<'_>> = found
            .iter()
            .map(|index| Candidate {
                index: *index,
                piece: self.piece(&pieces[*index], &all[*index]),
                is_tagged: self.is_tagged(&all[*index].tag),
                lead: self.lead(all, *index),
            })
            .collect();
        if list.is_empty() {
            return Choice {
                lost,
                ..Choice::default()
            };
        }
        let chosen: Vec<usize> = match self.pick {
            Pick::First => vec![0],
            Pick::Last => vec![list.len() - 1],
            Pick::Longest => (0..list.len())
                .max_by_key(|at| (list[*at].piece.code.len(), std::cmp::Reverse(*at)))
                .into_iter()
                .collect(),
            Pick::All => (0..list.len()).collect(),
            Pick::Policy | Pick::Whole => self.by_policy(&list, &mut lost),
        };
        let why = match self.pick {
            Pick::First => "an earlier block is taken",
            Pick::Last => "a later block is taken",
            Pick::Longest => "a longer block is taken",
            Pick::All | Pick::Policy | Pick::Whole => "another block is taken",
        };
        for candidate in &list {
            lost[candidate.index].get_or_insert(why);
        }
        let mut code = String::new();
        for at in &chosen {
            if !code.is_empty() && !code.ends_with('\n') {
                code.push('\n');
            }
            code.push_str(&list[*at].piece.code);
        }
        let of = list.len();
        let chosen: Vec<usize> = chosen.iter().map(|at| list[*at].index).collect();
        if chosen.is_empty() {
            return Choice {
                lost,
                ..Choice::default()
            };
        }
        Choice {
            code: Some(code),
            reason: self.told(all, &chosen, of, kind),
            chosen,
            lost,
        }
    }

    fn piece<'p>(&self, cell: &'p OnceCell<Piece<'a>>, block: &Fence) -> &'p Piece<'a> {
        cell.get_or_init(|| {
            let mends = &self.compiled.rule.mend;
            let noise = &self.compiled.remove_inside;
            mend::mended(&block.code, mends, noise, self.wanted)
        })
    }

    /// The blocks that can be the program, of the first kind that the rule prefers.
    fn candidates(&self, blocks: &mut Blocks<'_, 'a>) -> (Vec<usize>, Preference) {
        let rule = &self.compiled.rule;
        let mut usable = Vec::new();
        for index in 0..blocks.all.len() {
            blocks.lost[index] = self.why_unusable(blocks, index);
            if blocks.lost[index].is_none() {
                usable.push(index);
            }
        }
        let (mut found, mut kind) = (Vec::new(), Preference::Language);
        let rounds = [false, true].into_iter();
        for (may_be_output, preference) in rounds.flat_map(|may_be| {
            rule.tags
                .iter()
                .map(move |preference| (may_be, *preference))
        }) {
            let is_one = |index: &usize| {
                self.is_of_kind(blocks, *index, preference)
                    && (may_be_output || !self.is_shown_output(blocks, *index))
            };
            found = usable.iter().copied().filter(is_one).collect();
            kind = preference;
            if !found.is_empty() {
                break;
            }
        }
        if kind == Preference::Language
            && self.pick == Pick::Policy
            && rule.tags.contains(&Preference::Untagged)
            && rule.untagged == Untagged::WhenItParses
            && !found.is_empty()
        {
            // Beside a tagged block, an untagged one may be its usage.
            let first = found[0];
            let more = usable.iter().copied().filter(|index| {
                *index > first && self.is_of_kind(blocks, *index, Preference::Untagged)
            });
            found.extend(more.collect::<Vec<_>>());
            found.sort_unstable();
        }
        for index in usable {
            if found.binary_search(&index).is_err() {
                let tag = &blocks.all[index].tag;
                let why = if self.is_tagged(tag) || found.is_empty() && tag.is_empty() {
                    "it is no code of the wanted language"
                } else if tag.is_empty() {
                    "a tagged block is preferred"
                } else {
                    OTHER_TAG
                };
                blocks.lost[index] = Some(why);
            }
        }
        (found, kind)
    }

    /// The last of the text between a block and the one before.
    pub(super) fn lead(&self, blocks: &[Fence], index: usize) -> &'a str {
        let from = index.checked_sub(1).map_or(0, |before| blocks[before].end);
        let text = self.reply.get(from..blocks[index].at).unwrap_or("");
        let start = text.len().saturating_sub(LEAD_MAX);
        let start = (start..=text.len())
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        &text[start..]
    }

    /// A block that does not parse and that the text calls output, whatever its tag.
    fn is_shown_output(&self, blocks: &Blocks<'_, 'a>, index: usize) -> bool {
        let words = &self.compiled.words.output;
        self.wanted.grammar.is_some()
            && any_match(words, self.lead(blocks.all, index))
            && self.piece_of(blocks, index).errors() > 0
    }

    fn piece_of<'b>(&self, blocks: &'b Blocks<'_, 'a>, index: usize) -> &'b Piece<'a> {
        self.piece(&blocks.pieces[index], &blocks.all[index])
    }

    fn is_tagged(&self, tag: &str) -> bool {
        if self.compiled.rule.aliases {
            self.wanted.is_tagged(tag)
        } else {
            tag.eq_ignore_ascii_case(&self.wanted.name)
        }
    }

    fn why_unusable(&self, blocks: &Blocks<'_, 'a>, index: usize) -> Option<&'static str> {
        let rule = &self.compiled.rule;
        let block = &blocks.all[index];
        if !block.is_closed && rule.unclosed == Unclosed::Refuse {
            return Some("it is never closed");
        }
        let is_blank = block.code.trim().is_empty();
        if is_blank && !self.compiled.takes_empty() {
            return Some("it is empty");
        }
        let is_listed = |tag: &str| {
            rule.ignore
                .tags
                .iter()
                .any(|known| known.eq_ignore_ascii_case(tag))
        };
        // A tag that names what is no program, where the content is not the wanted language.
        if is_listed(&block.tag)
            && !self.wanted.is_tagged(&block.tag)
            && !(rule.tags.contains(&Preference::Mistagged)
                && self.piece_of(blocks, index).parses())
        {
            return Some("its tag says that it is no program");
        }
        let ignores = self
            .compiled
            .ignore_when
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(&block.code));
        if ignores && !(self.wanted.grammar.is_some() && self.piece_of(blocks, index).parses()) {
            return Some("its content is no program: a session, a diff or the like");
        }
        let is_shell = is_listed(&self.wanted.name)
            || self.wanted.aliases.iter().any(|alias| is_listed(alias));
        let commands = &self.compiled.commands;
        if !is_shell && !commands.is_empty() && is_all_commands(&block.code, commands) {
            return Some("it holds commands for a shell");
        }
        None
    }

    fn is_of_kind(&self, blocks: &Blocks<'_, 'a>, index: usize, preference: Preference) -> bool {
        let block = &blocks.all[index];
        let untagged = || {
            block.tag.is_empty()
                && match self.compiled.rule.untagged {
                    Untagged::Always => true,
                    Untagged::Never => false,
                    Untagged::WhenItParses => self.piece_of(blocks, index).parses(),
                }
        };
        match preference {
            Preference::Any => true,
            Preference::Language => {
                self.is_tagged(&block.tag) && !self.is_other_language(blocks, index)
            }
            Preference::LanguageOrUntagged => self.is_tagged(&block.tag) || untagged(),
            Preference::Untagged => untagged(),
            Preference::Mistagged => {
                // Some languages' code parses as another's: a tag that is right for itself stays.
                !block.tag.is_empty()
                    && self.piece_of(blocks, index).parses()
                    && self.piece_of(blocks, index).acts()
                    && !self
                        .language_of(&block.tag)
                        .is_some_and(|other| parses(&block.code, other))
            }
        }
    }

    fn language_of(&self, tag: &str) -> Option<&'a LanguageTags> {
        self.known.iter().find(|language| language.is_tagged(tag))
    }

    /// A wrong tag yields to the content: tagged with the wanted language, code of another one.
    fn is_other_language(&self, blocks: &Blocks<'_, 'a>, index: usize) -> bool {
        if !self.compiled.rule.tags.contains(&Preference::Mistagged)
            || self.wanted.grammar.is_none()
            || self.piece_of(blocks, index).begins_plainly()
            || self.piece_of(blocks, index).errors() == 0
        {
            return false;
        }
        self.known.iter().any(|other| {
            let is_other = other.name != self.wanted.name && other.grammar.is_some();
            is_other && {
                let piece = Piece::new(blocks.all[index].code.clone(), other);
                let has_names = || {
                    let names = piece.names();
                    !names.declared.is_empty() || !names.once.is_empty()
                };
                piece.parses() && has_names()
            }
        })
    }

    fn by_policy(&self, list: &[Candidate<'_>], lost: &mut [Option<&'static str>]) -> Vec<usize> {
        let words = &self.compiled.words;
        let says = |patterns: &[LazyRegex], at: usize| any_match(patterns, list[at].lead);
        let all: Vec<usize> = (0..list.len().min(LOOKED_AT_MAX)).collect();
        // A bare literal, such as a table that an explanation quotes, is no program; so is what the
        // text calls output.
        let mut kept = self.keep(
            &all,
            list,
            lost,
            "it does nothing: a value or words",
            |at| list[at].piece.does_something(),
        );
        if kept.is_empty() {
            let is_output = |at: &usize| says(&words.output, *at) || list[*at].piece.errors() == 0;
            if all.iter().all(is_output) && self.wanted.grammar.is_some() {
                return Vec::new();
            }
            for candidate in list {
                lost[candidate.index] = None;
            }
            kept = all;
        }
        if kept.len() == 1 {
            // Nothing is there to be joined with it, or to take its place, whatever the text calls it.
            return kept;
        }
        for (why, patterns) in [
            ("the text calls it output", &words.output),
            (
                "the text calls it the code that was asked about",
                &words.quoted,
            ),
            ("the text calls it a sketch", &words.sketch),
        ] {
            let is_output = std::ptr::eq(patterns, &words.output);
            // What only this block declares is no repetition of anything.
            let is_only = |at: usize| {
                let declared = &list[at].names().declared;
                let mut others = kept.iter().filter(|other| **other != at);
                !declared.is_empty()
                    && !others.any(|other| !declared.is_disjoint(&list[*other].names().declared))
            };
            let rest = self.keep(&kept, list, lost, why, |at| {
                let is_sound = || list[at].is_tagged && list[at].piece.errors() == 0;
                !says(patterns, at) || is_output && is_sound() || !is_output && is_only(at)
            });
            if rest.is_empty() {
                for at in &kept {
                    lost[list[*at].index] = None;
                }
            } else {
                kept = rest;
            }
        }
        if kept.len() == 1 {
            return kept;
        }
        let base = self.base(&kept, list, lost, &says);
        self.joined(base, &kept, list, lost, &says)
    }

    fn keep(
        &self,
        of: &[usize],
        list: &[Candidate<'_>],
        lost: &mut [Option<&'static str>],
        why: &'static str,
        holds: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let (kept, gone): (Vec<usize>, Vec<usize>) = of.iter().partition(|at| holds(**at));
        for at in gone {
            lost[list[at].index] = Some(why);
        }
        kept
    }

    /// The block that the program begins with: the first, unless a later one is called the
    /// correction, or holds again all that several before it declare.
    fn base(
        &self,
        kept: &[usize],
        list: &[Candidate<'_>],
        lost: &mut [Option<&'static str>],
        says: &impl Fn(&[LazyRegex], usize) -> bool,
    ) -> usize {
        let words = &self.compiled.words;
        let mut base = 0;
        let mut before = BTreeSet::new();
        let mut declaring = 0;
        for (position, at) in kept.iter().enumerate() {
            let names = list[*at].names();
            let own: BTreeSet<&String> = names
                .declared
                .iter()
                .chain(&names.once)
                .chain(&names.set)
                .collect();
            if position > 0 {
                let first = &list[kept[base]];
                let earlier = first.names();
                let shares = own.iter().any(|name| before.contains(*name));
                let is_other = says(&words.alternative, *at);
                // What needs what is there is its usage.
                let uses = !shares && names.needed.iter().any(|name| before.contains(name));
                let says_so = says(&words.correction, *at)
                    && !is_other
                    && !uses
                    && (shares
                        || earlier.declared.is_empty() && earlier.once.is_empty()
                        || list[*at].piece.code.len() >= first.piece.code.len());
                let declared: BTreeSet<&String> =
                    names.declared.iter().chain(&names.once).collect();
                let is_whole = !is_other
                    && declaring > 1
                    && before.len() > 1
                    && before.len() <= declared.len()
                    && before.is_subset(&declared);
                if says_so || is_whole {
                    for gone in &kept[base..position] {
                        lost[list[*gone].index] =
                            Some("a later block is the correction or the whole of it");
                    }
                    base = position;
                }
            }
            declaring += usize::from(!names.declared.is_empty() || !names.once.is_empty());
            before.extend(names.declared.iter().chain(&names.once));
        }
        base
    }

    /// The base, with the blocks that it needs and those that go on from it.
    fn joined(
        &self,
        base: usize,
        kept: &[usize],
        list: &[Candidate<'_>],
        lost: &mut [Option<&'static str>],
        says: &impl Fn(&[LazyRegex], usize) -> bool,
    ) -> Vec<usize> {
        if self.compiled.rule.join == Join::Never {
            return vec![kept[base]];
        }
        // An example of use that stands before what it uses is taken where no other follows.
        let example = kept[base];
        let base = self.definition_behind(base, kept, list, says);
        let first = kept[base];
        let mut join = Joined {
            search: self,
            list,
            chosen: vec![first],
            given: list[first].names().clone(),
            errors: list[first].piece.errors(),
        };
        // What the base needs and a block before or behind it gives.
        self.complete(&mut join, kept, lost, says);
        for at in &kept[base + 1..] {
            if join.chosen.len() >= JOINED_MAX {
                break;
            }
            if join.chosen.contains(at) {
                continue;
            }
            let names = list[*at].names();
            let uses = join.given.gives(&names.needed);
            match join.conflict(*at) {
                Some(why) => lost[list[*at].index] = Some(why),
                None if says(&self.compiled.words.alternative, *at) => {
                    lost[list[*at].index] = Some("the text calls it an alternative");
                }
                None if !uses => {}
                None => lost[list[*at].index] = join.push(*at),
            }
        }
        self.complete(&mut join, kept, lost, says);
        let repeats = |code: &str| {
            let lines: BTreeSet<&str> = list[first].piece.code.lines().map(str::trim).collect();
            code.lines().all(|line| lines.contains(line.trim()))
        };
        if example != first && join.chosen.len() == 1 {
            let piece = list[example].piece;
            if piece.errors() == 0 && !repeats(&piece.code) {
                join.push(example);
            }
        }
        let chosen = join.chosen;
        for at in kept {
            lost[list[*at].index].get_or_insert("it uses nothing of the program");
        }
        for at in &chosen {
            lost[list[*at].index] = None;
        }
        chosen
    }

    /// The block with the definitions that a block uses which defines nothing itself.
    fn definition_behind(
        &self,
        base: usize,
        kept: &[usize],
        list: &[Candidate<'_>],
        says: &impl Fn(&[LazyRegex], usize) -> bool,
    ) -> usize {
        let names = list[kept[base]].names();
        if !names.declared.is_empty() || !names.imported.is_empty() || base + 1 == kept.len() {
            return base;
        }
        let defines = |position: &usize| {
            let other = list[kept[*position]].names();
            names
                .needed
                .iter()
                .any(|name| other.declared.contains(name))
        };
        (base + 1..kept.len())
            .find(defines)
            .filter(|position| !says(&self.compiled.words.alternative, kept[*position]))
            .unwrap_or(base)
    }

    /// Takes in the blocks that give what the chosen ones need and do not have.
    fn complete(
        &self,
        join: &mut Joined<'_, '_>,
        kept: &[usize],
        lost: &mut [Option<&'static str>],
        says: &impl Fn(&[LazyRegex], usize) -> bool,
    ) {
        for _ in 0..JOINED_MAX {
            let missing: BTreeSet<String> = join
                .chosen
                .iter()
                .flat_map(|at| &join.list[*at].names().needed)
                .filter(|name| !join.given.has(name))
                .cloned()
                .collect();
            if missing.is_empty() {
                return;
            }
            let more = kept.iter().copied().rev().find(|at| {
                !join.chosen.contains(at)
                    && lost[join.list[*at].index].is_none()
                    && join.list[*at].names().gives(&missing)
                    // What stands behind and merely sets a variable is another try.
                    && (join.chosen.iter().all(|chosen| at < chosen)
                        || join.list[*at].names().declares(&missing))
                    && join.conflict(*at).is_none()
                    && !says(&self.compiled.words.alternative, *at)
            });
            let Some(at) = more else { return };
            if join.insert(at).is_some() {
                return;
            }
        }
    }

    fn errors(&self, code: &str) -> usize {
        self.wanted
            .grammar
            .map_or(0, |grammar| errors(code, grammar))
    }

    /// The code of a reply in which no block is the program.
    pub(super) fn without_block(&self, blocks: &[Fence], text: &str, spans: &[&str]) -> Choice {
        let rule = &self.compiled.rule;
        let is_whole = rule.no_fence == super::NoFence::Whole;
        if is_whole && blocks.is_empty() && !text.trim().is_empty() {
            return Choice {
                code: Some(text.to_owned()),
                reason: "the whole reply is the code: it has no fenced block".to_owned(),
                ..Choice::default()
            };
        }
        if rule.spans == Spans::WhenItParses {
            let mut codes: Vec<&str> = spans
                .iter()
                .copied()
                .filter(|span| parses(span, self.wanted))
                .collect();
            codes.dedup();
            if let [code] = codes.as_slice() {
                return Choice {
                    code: Some((*code).to_owned()),
                    reason: format!(
                        "no fenced block; the only inline code that parses as {}",
                        self.wanted.name
                    ),
                    ..Choice::default()
                };
            }
        }
        Choice {
            reason: self.why_none(blocks),
            ..Choice::default()
        }
    }

    fn why_none(&self, blocks: &[Fence]) -> String {
        if blocks.is_empty() {
            return match self.compiled.rule.no_fence {
                super::NoFence::Nothing => "the reply holds no fenced block".to_owned(),
                super::NoFence::Whole => "the reply is empty".to_owned(),
                super::NoFence::WholeWhenItParses => format!(
                    "the reply holds no fenced block, and its text is no {}",
                    self.wanted.name
                ),
            };
        }
        let tags: BTreeSet<String> = blocks
            .iter()
            .map(|block| {
                if block.tag.is_empty() {
                    "untagged".to_owned()
                } else {
                    format!("`{}`", block.tag)
                }
            })
            .collect();
        let tags: Vec<String> = tags.into_iter().collect();
        let count = if blocks.len() == 1 {
            "one fenced block".to_owned()
        } else {
            format!("{} fenced blocks", blocks.len())
        };
        format!(
            "the reply holds {count} ({}), none of it {} to run",
            tags.join(", "),
            self.wanted.name
        )
    }

    fn told(&self, blocks: &[Fence], chosen: &[usize], of: usize, kind: Preference) -> String {
        let lines: Vec<String> = chosen
            .iter()
            .map(|index| {
                let block = &blocks[*index];
                let unclosed = if block.is_closed {
                    ""
                } else {
                    " (never closed)"
                };
                let (from, to) = (block.start_line, block.end_line);
                if from == to {
                    format!("line {from}{unclosed}")
                } else {
                    format!("lines {from}-{to}{unclosed}")
                }
            })
            .collect();
        let tag = &blocks[chosen[0]].tag;
        let how = match kind {
            Preference::Language | Preference::LanguageOrUntagged | Preference::Any
                if !tag.is_empty() =>
            {
                format!("tagged `{tag}`")
            }
            Preference::Untagged if self.compiled.rule.untagged == Untagged::WhenItParses => {
                format!("untagged, it parses as {}", self.wanted.name)
            }
            Preference::Mistagged => format!("tagged `{tag}`, but it is {}", self.wanted.name),
            _ => "untagged".to_owned(),
        };
        match lines.as_slice() {
            [one] if of == 1 => format!("the block in {one}, {how}"),
            [one] => format!("the block in {one}, {how}, of {of} that could be it"),
            several => format!("joined the blocks in {}, {how}", several.join(" and ")),
        }
    }
}

/// Whether every line but comments is a command, and there is one.
fn is_all_commands(code: &str, commands: &[LazyRegex]) -> bool {
    let mut lines = code
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    lines.peek().is_some() && lines.all(|line| any_match(commands, line))
}

/// Blocks joined so far.
struct Joined<'s, 'c> {
    search: &'s Search<'s>,
    list: &'s [Candidate<'c>],
    chosen: Vec<usize>,
    given: Names,
    errors: usize,
}

impl Joined<'_, '_> {
    /// Why a block cannot stand beside those: it declares again what they declare.
    fn conflict(&self, at: usize) -> Option<&'static str> {
        let names = self.list[at].names();
        let again = names
            .declared
            .iter()
            .any(|name| self.given.declared.contains(name) || self.given.once.contains(name))
            || names.once.iter().any(|name| self.given.has(name));
        again.then_some("it declares again what the program declares")
    }

    /// Joins a block at the end; why not, where that adds syntax errors.
    fn push(&mut self, at: usize) -> Option<&'static str> {
        let mut order = self.chosen.clone();
        order.push(at);
        self.take(at, order)
    }

    /// Joins a block where it stands in the reply; before all others where it gives what the first
    /// needs.
    fn insert(&mut self, at: usize) -> Option<&'static str> {
        let mut order = self.chosen.clone();
        let given = self.list[at].names();
        let user = order
            .iter()
            .position(|chosen| {
                let needed = &self.list[*chosen].names().needed;
                given.gives(needed)
            })
            .unwrap_or(order.len());
        let by_place = order
            .iter()
            .position(|chosen| *chosen > at)
            .unwrap_or(order.len());
        order.insert(user.min(by_place), at);
        self.take(at, order)
    }

    fn take(&mut self, at: usize, order: Vec<usize>) -> Option<&'static str> {
        let piece = self.list[at].piece;
        if piece.is_fragment() {
            return Some("it is a part of a function");
        }
        let mut code = String::new();
        for at in &order {
            code.push_str(&self.list[*at].piece.code);
            if !code.ends_with('\n') {
                code.push('\n');
            }
        }
        let errors = self.search.errors(&code);
        if errors > self.errors || piece.errors() > 0 && self.errors == 0 {
            return Some("joined, it would be a syntax error");
        }
        self.errors = errors;
        self.given.extend(self.list[at].names());
        self.chosen = order;
        None
    }
}
