//! Which of a reply's blocks is the program.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::LanguageTags;
use super::fences::Fence;
use super::parses::{errors, is_code, parses};
use super::rule::{CodeRule, Join, NoFence, Pick, Preference, Unclosed, Untagged};

/// Words before a block that call it the one to use.
static CORRECTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:correct(?:ed|ion)|fixed|(?:complete|full|final|whole|entire|revised|updated|improved) (?:\w+ ){0,3}?(?:code|program|script|version|solution|function|implementation|file|example)|final answer|put(?:ting)? (?:it|this|everything|that) (?:all )?together|here(?:'s| is) the (?:complete|full|final|whole|entire|corrected|revised|updated))\b",
    )
    .expect("the pattern is right")
});

/// What a choice among blocks needs.
pub(super) struct Search<'a> {
    pub(super) rule: &'a CodeRule,
    pub(super) ignore_when: Option<&'a Regex>,
    pub(super) reply: &'a str,
    pub(super) removed: &'a [Range<usize>],
    pub(super) wanted: &'a LanguageTags,
    pub(super) known: &'a [LanguageTags],
}

/// The blocks that are the program.
pub(super) struct Choice {
    pub(super) code: Option<String>,
    pub(super) chosen: Vec<usize>,
    pub(super) reason: String,
}

impl Search<'_> {
    pub(super) fn choose(&self, fences: &[Fence]) -> Choice {
        if fences.is_empty() {
            return self.without_fence();
        }
        let (candidates, kind) = self.candidates(fences);
        if candidates.is_empty() {
            return Choice {
                code: None,
                chosen: Vec::new(),
                reason: self.why_none(fences),
            };
        }
        let chosen = match self.rule.pick {
            Pick::First => vec![candidates[0]],
            Pick::Last => vec![candidates[candidates.len() - 1]],
            Pick::Longest => {
                let longest = candidates
                    .iter()
                    .copied()
                    .max_by_key(|index| (fences[*index].code.len(), std::cmp::Reverse(*index)));
                longest.into_iter().collect()
            }
            Pick::All => candidates.clone(),
            Pick::Policy | Pick::Whole => self.by_policy(fences, &candidates),
        };
        let code: Vec<&str> = chosen
            .iter()
            .map(|index| fences[*index].code.as_str())
            .collect();
        let reason = self.told(fences, &chosen, candidates.len(), kind);
        Choice {
            code: Some(code.concat()),
            chosen,
            reason,
        }
    }

    /// The blocks that can be the program, of the first kind that the rule prefers.
    fn candidates(&self, fences: &[Fence]) -> (Vec<usize>, Preference) {
        let mut found: Vec<usize> = Vec::new();
        let mut kind = Preference::Language;
        for preference in &self.rule.tags {
            found = (0..fences.len())
                .filter(|index| self.is_candidate(&fences[*index], *preference))
                .collect();
            kind = *preference;
            if !found.is_empty() {
                break;
            }
        }
        if kind == Preference::Language
            && self.rule.tags.contains(&Preference::Untagged)
            && self.rule.untagged == Untagged::WhenItParses
        {
            // Beside a tagged block, an untagged one may be its usage.
            let more = (0..fences.len())
                .filter(|index| self.is_candidate(&fences[*index], Preference::Untagged));
            found.extend(more.collect::<Vec<_>>());
            found.sort_unstable();
            let first_tagged = found
                .iter()
                .position(|index| !fences[*index].tag.is_empty())
                .unwrap_or(0);
            found.drain(..first_tagged);
        }
        (found, kind)
    }

    fn is_candidate(&self, fence: &Fence, preference: Preference) -> bool {
        if !fence.is_closed && self.rule.unclosed == Unclosed::Refuse
            || fence.code.trim().is_empty()
        {
            return false;
        }
        let ignored_tag = self
            .rule
            .ignore
            .tags
            .iter()
            .any(|tag| tag.eq_ignore_ascii_case(&fence.tag))
            && !self.wanted.is_tagged(&fence.tag);
        if ignored_tag
            || self
                .ignore_when
                .is_some_and(|pattern| pattern.is_match(&fence.code))
        {
            return false;
        }
        match preference {
            Preference::Language => self.wanted.is_tagged(&fence.tag),
            Preference::Untagged => {
                fence.tag.is_empty()
                    && match self.rule.untagged {
                        Untagged::Always => true,
                        Untagged::Never => false,
                        Untagged::WhenItParses => parses(&fence.code, self.wanted),
                    }
            }
            Preference::Mistagged => {
                // Some languages' code parses as another's: a tag that is right for itself stays.
                let other = self
                    .known
                    .iter()
                    .find(|language| language.is_tagged(&fence.tag));
                let is_itself = other.is_some_and(|other| parses(&fence.code, other));
                !fence.tag.is_empty() && !is_itself && parses(&fence.code, self.wanted)
            }
        }
    }

    fn by_policy(&self, fences: &[Fence], candidates: &[usize]) -> Vec<usize> {
        // A bare literal, such as a table that an explanation quotes, is no program beside one.
        let programs: Vec<usize> = candidates
            .iter()
            .copied()
            .filter(|index| self.does_something(&fences[*index].code))
            .collect();
        let candidates = if programs.is_empty() {
            candidates
        } else {
            programs.as_slice()
        };
        let mut first = 0;
        // A later block that the text calls the correction, or that defines anew all that came
        // before and more, is the program.
        for (position, index) in candidates.iter().enumerate().skip(1) {
            let before = &self.reply[fences[index - 1].at..fences[*index].at];
            let after_last = before.rfind("```").map_or(before, |at| &before[at + 3..]);
            let says_so = CORRECTION.is_match(after_last);
            let earlier = defined(&fences[candidates[first]].code);
            let here = defined(&fences[*index].code);
            if says_so
                && (earlier.is_empty()
                    || !here.is_disjoint(&earlier)
                    || fences[*index].code.len() >= fences[candidates[first]].code.len())
            {
                first = position;
            }
        }
        let mut chosen = vec![candidates[first]];
        if self.rule.join == Join::Never {
            return chosen;
        }
        let mut names = defined(&fences[candidates[first]].code);
        let mut code = fences[candidates[first]].code.clone();
        for index in &candidates[first + 1..] {
            let block = &fences[*index].code;
            let here = defined(block);
            let uses = names.iter().any(|name| has_word(block, name));
            let redefines = here.iter().any(|name| names.contains(name));
            let joined = format!("{code}{block}");
            let breaks = self
                .wanted
                .grammar
                .is_some_and(|grammar| errors(&joined, grammar) > errors(&code, grammar));
            if uses && !redefines && !breaks {
                chosen.push(*index);
                names.extend(here);
                code = joined;
            }
        }
        chosen
    }

    fn does_something(&self, code: &str) -> bool {
        self.wanted
            .grammar
            .is_none_or(|grammar| errors(code, grammar) > 0 || is_code(code, grammar))
    }

    /// A reply without a fence: all of it, or the lines between prose, where they parse.
    fn without_fence(&self) -> Choice {
        let nothing = |reason: &str| Choice {
            code: None,
            chosen: Vec::new(),
            reason: reason.to_owned(),
        };
        let mut rest = String::new();
        let mut at = 0;
        for range in self.removed {
            rest.push_str(&self.reply[at.min(range.start)..range.start]);
            at = at.max(range.end);
        }
        rest.push_str(&self.reply[at.min(self.reply.len())..]);
        match self.rule.no_fence {
            NoFence::Nothing => nothing("the reply holds no fenced block"),
            NoFence::Whole if rest.trim().is_empty() => nothing("the reply is empty"),
            NoFence::Whole => Choice {
                code: Some(rest),
                chosen: Vec::new(),
                reason: "the whole reply is the code: it has no fenced block".to_owned(),
            },
            NoFence::WholeWhenItParses => match self.between_prose(&rest) {
                Some(code) => Choice {
                    code: Some(code),
                    chosen: Vec::new(),
                    reason: format!("no fenced block; the text parses as {}", self.wanted.name),
                },
                None => nothing(&format!(
                    "the reply holds no fenced block, and its text is no {}",
                    self.wanted.name
                )),
            },
        }
    }

    fn between_prose(&self, text: &str) -> Option<String> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if parses(&text, self.wanted) {
            return Some(text);
        }
        let grammar = self.wanted.grammar?;
        let lines: Vec<&str> = text.split('\n').collect();
        let start = lines.iter().position(|line| STARTS_CODE.is_match(line))?;
        // The longest run of lines from there that parses: prose is cut from its end, by whole
        // paragraphs, so that the number of tries stays small.
        let mut ends: Vec<usize> = (start + 1..=lines.len())
            .filter(|end| {
                *end == lines.len()
                    || lines[*end].trim().is_empty()
                    || lines[*end].starts_with(|letter: char| letter.is_uppercase())
            })
            .collect();
        ends.reverse();
        ends.truncate(64);
        ends.into_iter().find_map(|end| {
            let part = lines[start..end].join("\n") + "\n";
            (errors(&part, grammar) == 0 && parses(&part, self.wanted)).then_some(part)
        })
    }

    fn why_none(&self, fences: &[Fence]) -> String {
        let tags: BTreeSet<String> = fences
            .iter()
            .map(|fence| {
                if fence.tag.is_empty() {
                    "untagged".to_owned()
                } else {
                    format!("`{}`", fence.tag)
                }
            })
            .collect();
        let tags: Vec<String> = tags.into_iter().collect();
        let blocks = if fences.len() == 1 {
            "one fenced block".to_owned()
        } else {
            format!("{} fenced blocks", fences.len())
        };
        format!(
            "the reply holds {blocks} ({}), none of it {} to run",
            tags.join(", "),
            self.wanted.name
        )
    }

    fn told(&self, fences: &[Fence], chosen: &[usize], of: usize, kind: Preference) -> String {
        let lines: Vec<String> = chosen
            .iter()
            .map(|index| {
                let fence = &fences[*index];
                let unclosed = if fence.is_closed {
                    ""
                } else {
                    " (never closed)"
                };
                let (from, to) = (fence.start_line, fence.end_line);
                if from == to {
                    format!("line {from}{unclosed}")
                } else {
                    format!("lines {from}-{to}{unclosed}")
                }
            })
            .collect();
        let how = match kind {
            Preference::Language => format!("tagged `{}`", fences[chosen[0]].tag),
            Preference::Untagged => format!("untagged, it parses as {}", self.wanted.name),
            Preference::Mistagged => format!(
                "tagged `{}`, but it is {}",
                fences[chosen[0]].tag, self.wanted.name
            ),
        };
        match lines.as_slice() {
            [one] if of == 1 => format!("the block in {one}, {how}"),
            [one] => format!("the block in {one}, {how}, of {of} that could be it"),
            several => format!("joined the blocks in {}, {how}", several.join(" and ")),
        }
    }
}

static STARTS_CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s*(?:def |class |import |from \w|async |@\w|function\b|const |let |var |print\(|console\.|for |while |if |#!|#include|'use strict'|[A-Za-z_]\w* *=[^=])").expect("the pattern is right")
});

static DEFINES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^(?:export |default |async )*(?:def|class|function\*?|const|let|var)[ \t]+([A-Za-z_$][\w$]*)|^([A-Za-z_]\w*)[ \t]*=[^=]").expect("the pattern is right")
});

/// The names that code defines at the margin.
fn defined(code: &str) -> BTreeSet<String> {
    DEFINES
        .captures_iter(code)
        .filter_map(|groups| groups.get(1).or(groups.get(2)))
        .map(|name| name.as_str().to_owned())
        .collect()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    text.match_indices(word).any(|(at, _)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next())
    })
}
