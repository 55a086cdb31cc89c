//! Programs of several files: which block of a reply is which file.
//!
//! A block's name stands in its info string, else alone on the line before it, else in its first
//! comment; the patterns of these are the rule's. A path that leads out of the program's directory
//! is no file, and what was passed over is said.

use std::collections::BTreeMap;

use super::super::LazyRegex;

use super::fences::Fence;
use super::policy::{Choice, Search};
use super::rule::Unclosed;
use super::{CodeFile, any_match};

const UNNAMED: &str = "it has no file's name";
const OUTSIDE: &str = "its name leads out of the program's directory";
const TWICE: &str = "another block of its name is the file";
const UNCLOSED: &str = "it is not closed";
const IN_THE_WAY: &str = "another file's directory has its name, or its directory another file's";

/// The files of a reply, and which blocks they are.
pub(super) fn by_name(
    search: &Search<'_>,
    shape: &str,
    blocks: &[Fence],
    main: &str,
) -> (Choice, Vec<CodeFile>) {
    let mut taken: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut choice = Choice {
        lost: vec![None; blocks.len()],
        ..Choice::default()
    };
    let mut notes = Vec::new();
    let mut is_named = false;
    for (index, block) in blocks.iter().enumerate() {
        if !block.is_closed && search.compiled.rule.unclosed == Unclosed::Refuse {
            choice.lost[index] = Some(UNCLOSED);
            continue;
        }
        let Some((written, code)) = named(search, shape, blocks, index) else {
            choice.lost[index] = Some(UNNAMED);
            continue;
        };
        is_named = true;
        let Some(path) = normal(&written) else {
            choice.lost[index] = Some(OUTSIDE);
            notes.push(format!(
                "the name `{written}` of line {} leads out of the program's directory",
                block.start_line
            ));
            continue;
        };
        if let Some((earlier, _)) = taken.get(&path) {
            let is_kept = is_aside(search, blocks, index);
            let (lost, which) = if is_kept {
                (index, "the earlier one, as the text says")
            } else {
                (*earlier, "the last one")
            };
            choice.lost[lost] = Some(TWICE);
            notes.push(format!("`{path}` is given more than once: {which} counts"));
            if is_kept {
                continue;
            }
        } else if taken.keys().any(|other| is_in_the_way(other, &path)) {
            choice.lost[index] = Some(IN_THE_WAY);
            notes.push(format!("`{path}` cannot lie beside the others"));
            continue;
        }
        taken.insert(path, (index, code));
    }
    if let ([_], false) = (blocks, is_named) {
        let only = search.choose(blocks);
        let files = only.code.iter().map(|code| CodeFile {
            path: main.to_owned(),
            text: code.clone(),
        });
        let files = files.collect();
        return (only, files);
    }
    choice.chosen = taken.values().map(|(index, _)| *index).collect();
    choice.chosen.sort_unstable();
    choice.code = taken.get(main).map(|(_, code)| code.clone());
    let paths: Vec<String> = taken.keys().map(|path| format!("`{path}`")).collect();
    let found = match paths.as_slice() {
        [] => "no block is named".to_owned(),
        [only] => format!("the file {only}"),
        paths => format!("{} files: {}", paths.len(), paths.join(", ")),
    };
    choice.reason = match choice.code {
        Some(_) => found,
        None if paths.is_empty() => format!("no block is named `{main}`: {found}"),
        None => format!("no block is named `{main}`; found are {}", paths.join(", ")),
    };
    for note in notes {
        choice.reason.push_str("; ");
        choice.reason.push_str(&note);
    }
    let files = taken.into_iter().map(|(path, (_, text))| CodeFile {
        // What is read by lines ends with one.
        text: if path == main || text.is_empty() || text.ends_with('\n') {
            text
        } else {
            text + "\n"
        },
        path,
    });
    (choice, files.collect())
}

/// Whether two paths cannot both be files: one is a directory of the other.
pub(crate) fn is_in_the_way(left: &str, right: &str) -> bool {
    let is_directory = |directory: &str, path: &str| {
        path.strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    is_directory(left, right) || is_directory(right, left)
}

/// A path as it lies in the program's directory; none where it leads elsewhere.
pub(crate) fn normal(written: &str) -> Option<String> {
    const BYTES_MAX: usize = 200;
    let is_bad = written.len() > BYTES_MAX
        || written.starts_with('/')
        || written.ends_with('/')
        || written.contains('\\')
        || written.chars().any(char::is_control)
        || written.chars().nth(1) == Some(':');
    if is_bad {
        return None;
    }
    let parts: Vec<&str> = written
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let is_inside = !parts.is_empty() && !parts.contains(&"..");
    is_inside.then(|| parts.join("/"))
}

/// The name of a block, and its code.
fn named(
    search: &Search<'_>,
    shape: &str,
    blocks: &[Fence],
    index: usize,
) -> Option<(String, String)> {
    let names = &search.compiled.names;
    let block = &blocks[index];
    let opening = shape.get(block.at..)?.lines().next().unwrap_or_default();
    let fence = opening.find("```").into_iter().chain(opening.find("~~~"));
    let (prefix, info) = match fence.min() {
        Some(at) => opening.split_at(at),
        None => ("", ""),
    };
    let info = info.trim_start_matches(['`', '~']).trim();
    if let Some(name) = first(&names.info, info) {
        // An info string that no tag is made of counts as code.
        let code = match block.code.split_once('\n') {
            Some((first, rest)) if first.trim() == info => rest,
            _ => &block.code,
        };
        return Some((name.to_owned(), code.to_owned()));
    }
    let from = index.checked_sub(1).map_or(0, |before| blocks[before].end);
    let between = shape.get(from..block.at).unwrap_or_default();
    let line = between.lines().rev().find(|line| !line.trim().is_empty());
    let lead = [Some(prefix), line].into_iter().flatten();
    let shebang = block.code.starts_with("#!");
    let comment = block.code.lines().nth(usize::from(shebang));
    lead.filter_map(|line| first(&names.before, line.trim()))
        .chain(comment.and_then(|line| first(&names.comment, line.trim())))
        .next()
        .map(|name| (name.to_owned(), block.code.clone()))
}

/// What the first pattern that matches captures: the first of its groups that takes part.
fn first<'t>(patterns: &[LazyRegex], text: &'t str) -> Option<&'t str> {
    let captures = patterns.iter().find_map(|pattern| pattern.captures(text))?;
    let group = captures.iter().skip(1).flatten().next()?;
    Some(group.as_str().trim()).filter(|name| !name.is_empty())
}

/// Whether the text before a block says that it is not the one to use.
fn is_aside(search: &Search<'_>, blocks: &[Fence], index: usize) -> bool {
    let words = &search.compiled.words;
    let lead = search.lead(blocks, index);
    [
        &words.alternative,
        &words.quoted,
        &words.output,
        &words.sketch,
    ]
    .iter()
    .any(|patterns| any_match(patterns, lead))
}
