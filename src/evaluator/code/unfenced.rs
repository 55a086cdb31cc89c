//! Code in a reply that has no block: all of it, or the pieces between prose.

use std::sync::LazyLock;

use regex::Regex;

use super::fences::Fence;
use super::parses::parses;
use super::{LanguageTags, any_match};

/// Ends of a piece that are tried.
const ENDS_MAX: usize = 32;
/// Pieces that are looked for.
const SEGMENTS_MAX: usize = 16;
/// Pieces that are parsed to find those of one text.
const TRIES_MAX: usize = 64;
/// How often the bytes of a text are parsed for that.
const READS_MAX: usize = 8;

static STARTS_CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^\s*(?:def |class |import |from \w|async |@\w|function\b|const |let |var |print\(|console\.|for |while |if |try\b|with |#!|#include|'use strict'|"use strict"|"""|package |use |using |public |fn |func |int |void |struct |select |create |insert |module |[A-Za-z_$][\w$.\[\]'"]* *(?:[-+*/]?=[^=]|\())"#).expect("the pattern is right")
});

static DECLARES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s*(?:def |class \w|import \w|from \w+ import |async |function\b|const |let |var |export |'use strict')").expect("the pattern is right")
});

/// A line of prose: a heading, a label with a value, or several words that begin with a capital letter
/// or the mark of a list.
static PROSE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:[#>*\d-]+[.)]?\s+)?(?:\p{Lu}|\p{Lo})[\p{L}'’-]*(?:,?\s+[\p{L}\d`'’()*_.-]+){2,}.*$|^\p{Lu}\p{L}*(?:\s\p{L}+)*[:!.]$|^#{2,6}\s|^\p{Lu}[\p{L} ]*:\s+\S").expect("the pattern is right")
});

/// The pieces of code in a text, between prose. All of it, where all of it parses.
pub(super) fn segments(text: &str, wanted: &LanguageTags) -> Vec<Fence> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    let mut found: Vec<Fence> = Vec::new();
    let at = |line: usize| {
        lines[..line]
            .iter()
            .map(|line| line.len() + 1)
            .sum::<usize>()
    };
    let block = |start: usize, end: usize| Fence {
        tag: String::new(),
        code: lines[start..end].join("\n") + "\n",
        start_line: start + 1,
        end_line: end,
        at: at(start),
        end: at(end),
        is_closed: true,
    };
    let has_prose = lines.iter().any(|line| is_prose(line));
    if !has_prose && parses(&text, wanted) {
        return vec![block(0, lines.len())];
    }
    if !has_prose && is_cut_short(&lines, wanted) {
        // As good as tagged: it does not parse, and is the program all the same.
        return vec![Fence {
            tag: wanted.name.clone(),
            is_closed: false,
            ..block(0, lines.len())
        }];
    }
    let mut from = 0;
    let mut budget = Budget {
        tries: TRIES_MAX,
        bytes: READS_MAX * text.len() + 16 * 1024,
    };
    while from < lines.len() && found.len() < SEGMENTS_MAX && budget.tries > 0 {
        let Some(start) = (from..lines.len()).find(|line| starts(lines[*line], wanted)) else {
            break;
        };
        match segment(&lines, start, from, wanted, &mut budget) {
            Some((start, end)) => {
                found.push(block(start, end));
                from = end;
            }
            None => from = start + 1,
        }
    }
    if found.is_empty() && parses(&text, wanted) {
        found.push(block(0, lines.len()));
    }
    found
}

fn starts(line: &str, wanted: &LanguageTags) -> bool {
    if is_prose(line) {
        return false;
    }
    match wanted.grammar {
        Some(_) => STARTS_CODE.is_match(line),
        None => any_match(&wanted.looks_like, line),
    }
}

fn is_prose(line: &str) -> bool {
    PROSE.is_match(line) && !line.trim_end().ends_with([';', '{', '}'])
}

/// Code without any prose that ends in the middle of something.
fn is_cut_short(lines: &[&str], wanted: &LanguageTags) -> bool {
    let first = lines.iter().find(|line| !line.trim().is_empty());
    wanted.grammar.is_some() && first.is_some_and(|line| DECLARES.is_match(line))
}

/// What may still be parsed.
struct Budget {
    tries: usize,
    bytes: usize,
}

/// The lines of code around `start`, not before `from`.
fn segment(
    lines: &[&str],
    start: usize,
    from: usize,
    wanted: &LanguageTags,
    budget: &mut Budget,
) -> Option<(usize, usize)> {
    let mut start = start;
    let is_comment = |line: &str| {
        let line = line.trim_start();
        line.len() > 2 && line.starts_with(['#', '/', '@', '*']) && !line.starts_with("##")
    };
    // Comments right before it belong to it.
    while start > from && is_comment(lines[start - 1]) {
        start -= 1;
    }
    let mut is_right = |end: &usize| {
        let code = lines[start..*end].join("\n") + "\n";
        if budget.tries == 0 || budget.bytes < code.len() {
            budget.tries = 0;
            return false;
        }
        budget.tries -= 1;
        budget.bytes -= code.len();
        parses(&code, wanted)
    };
    // Up to the first line of prose; where that is in the middle of something, such as a text in
    // quotes, up to a later one; else as far as it parses, paragraph by paragraph.
    let before_prose = (start + 1..=lines.len())
        .filter(|end| lines.get(*end).is_none_or(|line| is_prose(line)))
        .take(ENDS_MAX);
    let before_blank = (start + 1..=lines.len())
        .rev()
        .filter(|end| lines.get(*end).is_none_or(|line| line.trim().is_empty()))
        .take(ENDS_MAX);
    before_prose
        .chain(before_blank)
        .find(|end| is_right(end))
        .map(|end| (start, end))
}
