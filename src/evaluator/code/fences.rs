//! Fenced blocks with their lines. A reply that CommonMark reads without doubt is read so; from the
//! first doubtful line on, blocks are read as models write them: opened after prose on the same line,
//! closed at the end of the last code line or before more text, indented anyhow, never closed.

use std::ops::Range;

use super::lines::Lines;
use super::markdown;

/// A block of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    /// The tag as written.
    pub(super) tag: String,
    /// The code, its block's own indentation and quote marks taken away, line ends LF.
    pub(super) code: String,
    /// 1-based line of the first code line.
    pub(super) start_line: usize,
    /// 1-based line of the last code line.
    pub(super) end_line: usize,
    /// Where its opening line begins in the reply.
    pub(super) at: usize,
    /// Where the reply goes on behind it.
    pub(super) end: usize,
    /// Whether a closing fence was found.
    pub(super) is_closed: bool,
}

/// The blocks of a reply.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Fenced blocks, in order.
    pub(super) fenced: Vec<Fence>,
    /// Indented blocks outside of them.
    pub(super) indented: Vec<Fence>,
    /// Inline code, outside of them.
    pub(super) spans: Vec<Range<usize>>,
}

/// A line of the reply: where it begins, its layout without the line end, and what is written.
#[derive(Clone, Copy)]
struct Line<'r> {
    at: usize,
    text: &'r str,
    written: &'r str,
}

impl<'r> Line<'r> {
    /// What is written where the layout, after quote marks, is this end of the line.
    fn written(&self, rest: &str) -> &'r str {
        self.written
            .get(self.written.len().saturating_sub(rest.len())..)
            .unwrap_or(self.written)
    }
}

#[derive(Clone)]
struct Opening {
    letter: char,
    length: usize,
    tag: String,
    /// What stood before the fence on its line: blanks and list marks.
    indent: usize,
    /// How many quote marks stood before it.
    quotes: usize,
    /// Code on the opening line itself.
    glued: Option<String>,
    /// Whether that is all: the fence closes on its own line.
    is_closed: bool,
}

/// The layout of a reply, byte for byte: removed sections and blanks of other kinds are plain blanks,
/// and where carriage returns are all the line ends there are, they are line feeds.
pub(super) fn shape(reply: &str, removed: &[Range<usize>]) -> String {
    let mut shape = String::with_capacity(reply.len());
    let lone_returns = !reply.contains('\n');
    let mut ranges = removed.iter().peekable();
    for (at, letter) in reply.char_indices() {
        while ranges.peek().is_some_and(|range| range.end <= at) {
            ranges.next();
        }
        let is_removed = ranges.peek().is_some_and(|range| range.start <= at);
        match letter {
            '\n' => shape.push('\n'),
            '\r' if lone_returns => shape.push('\n'),
            '\r' => shape.push('\r'),
            '\u{a0}' | '\u{feff}' | '\u{200b}' | '\u{3000}' => {
                blanks(&mut shape, letter.len_utf8())
            }
            _ if is_removed => blanks(&mut shape, letter.len_utf8()),
            _ => shape.push(letter),
        }
    }
    shape
}

fn blanks(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n(' ', count));
}

/// Every block of a reply with this layout. A block that `is_broken` is tried with the fences behind
/// it as a part of it: text in quotes may hold some.
pub(super) fn find(reply: &str, shape: &str, is_broken: &dyn Fn(&Fence) -> bool) -> Blocks {
    let lines = Lines::of(shape);
    let mut seen = markdown::read(reply, shape, &lines);
    let all: Vec<Line<'_>> = shape
        .split('\n')
        .scan(0, |at, text| {
            let start = *at;
            *at += text.len() + 1;
            let text = text.trim_end_matches('\r');
            Some(Line {
                at: start,
                text,
                written: &reply[start..start + text.len()],
            })
        })
        .collect();
    let mut fenced = Vec::new();
    let mut tries = BROKEN_MAX;
    // Behind the last there is nothing that a block could go on to.
    let last = all.iter().rposition(|line| is_fence_like(line.text));
    let has_more = |from: usize| last.is_some_and(|last| from <= last);
    let mut index = sound(
        &all,
        &seen.fenced,
        &lines,
        &mut fenced,
        &mut |block, next| has_more(next) && may_be_longer(block, &mut tries, is_broken),
    );
    while index < all.len() {
        let Some(opening) = opening(all[index]) else {
            index += 1;
            continue;
        };
        let (mut fence, mut next) = read(&all, index, opening.clone(), &lines);
        if has_more(next)
            && may_be_longer(&fence, &mut tries, is_broken)
            && let Some(whole) = longer(&all, index, next, &opening, &lines, is_broken)
        {
            (fence, next) = whole;
        }
        fenced.push(fence);
        index = next;
    }
    seen.indented.retain(|block| is_outside(&fenced, block.at));
    seen.spans.retain(|span| is_outside(&fenced, span.start));
    Blocks {
        fenced,
        indented: seen.indented,
        spans: seen.spans,
    }
}

impl Blocks {
    /// Puts a block where it stands among the fenced ones.
    pub(super) fn insert(&mut self, block: Fence) {
        let place = self.fenced.partition_point(|other| other.at < block.at);
        self.fenced.insert(place, block);
    }
}

/// Whether a byte lies in none of the blocks, which are in order.
pub(super) fn is_outside(blocks: &[Fence], at: usize) -> bool {
    let next = blocks.partition_point(|block| block.end <= at);
    blocks.get(next).is_none_or(|block| at < block.at)
}

/// Reads the blocks that CommonMark sees up to the first line from which on that may not be what a
/// model meant; returns its index.
fn sound(
    all: &[Line<'_>],
    seen: &[markdown::Fenced],
    lines: &Lines,
    fenced: &mut Vec<Fence>,
    is_doubted: &mut dyn FnMut(&Fence, usize) -> bool,
) -> usize {
    let mut blocks = seen.iter().peekable();
    let mut index = 0;
    while index < all.len() {
        let Some(block) = blocks.next_if(|block| block.open == index + 1) else {
            if is_fence_like(all[index].text) {
                return index;
            }
            index += 1;
            continue;
        };
        let next = block.open + block.count;
        let Some(opening) = opening(all[index]).filter(|opening| opening.glued.is_none()) else {
            return index;
        };
        let inside = &all[block.open.min(all.len())..next.min(all.len())];
        if !block.is_closed || inside.iter().any(|line| is_doubtful(line.text, &opening)) {
            return index;
        }
        let code = written(inside, &opening);
        let fence = finish(all, index, opening, code, true, next + 1, lines);
        // Text in quotes may hold fences: then CommonMark closes the block too early.
        if is_doubted(&fence, next + 1) {
            return index;
        }
        fenced.push(fence);
        index = next + 1;
    }
    index
}

fn is_fence_like(text: &str) -> bool {
    text.contains("```")
        || without_quotes(text, usize::MAX)
            .trim_start()
            .starts_with("~~~")
}

/// A line inside a block that may have been meant to end it.
fn is_doubtful(text: &str, opening: &Opening) -> bool {
    let text = without_quotes(text, opening.quotes);
    let trimmed = text.trim();
    let fence = fence_of(opening);
    let is_near = indentation(text) < opening.indent + 4;
    trimmed.contains(fence.as_str())
        && (trimmed.starts_with(fence.as_str()) && is_near
            || !trimmed.starts_with(fence.as_str()) && glued_close(text, opening).is_some())
}

fn fence_of(opening: &Opening) -> String {
    std::iter::repeat_n(opening.letter, opening.length).collect()
}

fn indentation(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// The block that a line opens, and the line to go on with.
fn read(all: &[Line<'_>], open_at: usize, opening: Opening, lines: &Lines) -> (Fence, usize) {
    let mut opening = opening;
    if opening.length > 3 && !has_close(&all[open_at + 1..], &opening) {
        opening.length = 3;
    }
    let mut code: Vec<String> = Vec::new();
    let mut index = open_at + 1;
    let mut is_closed = opening.is_closed;
    while !is_closed && index < all.len() {
        let line = all[index];
        let text = without_quotes(line.text, opening.quotes);
        if closes(text, &opening) {
            is_closed = true;
            index += 1;
            break;
        }
        // A quote that ends, ends the block in it.
        let is_quoted = text.len() < line.text.len();
        if opening.quotes > 0 && !is_quoted && !line.text.trim().is_empty() {
            break;
        }
        // Another opening fence with a tag: this one was forgotten.
        if opens_anew(text, &opening) {
            break;
        }
        if let Some(last) = glued_close(text, &opening) {
            code.push(line.written(text)[..last.len()].to_owned());
            is_closed = true;
            index += 1;
            break;
        }
        code.push(line.written(text).to_owned());
        index += 1;
    }
    let index = index.max(open_at + 1);
    let fence = finish(all, open_at, opening, code, is_closed, index, lines);
    (fence, index)
}

/// Whether a long fence is closed as it should be, before another one opens.
fn has_close(rest: &[Line<'_>], opening: &Opening) -> bool {
    for line in rest.iter().take(CLOSE_DISTANCE_MAX) {
        let text = without_quotes(line.text, opening.quotes);
        if closes(text, opening) {
            return true;
        }
        let trimmed = text.trim_start();
        let length = trimmed.len() - trimmed.trim_start_matches(opening.letter).len();
        if length >= opening.length {
            return false;
        }
    }
    rest.len() > CLOSE_DISTANCE_MAX
}

/// Blocks that are tried with more lines, in one reply.
const BROKEN_MAX: usize = 8;
/// Fences behind a block that are tried as its end.
const LONGER_MAX: usize = 6;

fn may_be_longer(block: &Fence, tries: &mut usize, is_broken: &dyn Fn(&Fence) -> bool) -> bool {
    if *tries == 0 || !block.code.contains(['"', '\'', '`']) || !is_broken(block) {
        return false;
    }
    *tries -= 1;
    true
}

/// The block up to one of the next fences, where it is whole so.
fn longer(
    all: &[Line<'_>],
    open_at: usize,
    from: usize,
    opening: &Opening,
    lines: &Lines,
    is_broken: &dyn Fn(&Fence) -> bool,
) -> Option<(Fence, usize)> {
    let ends = (from..all.len()).filter(|at| {
        let text = without_quotes(all[*at].text, opening.quotes);
        closes(text, opening)
    });
    for end in ends.take(LONGER_MAX) {
        let code = written(&all[open_at + 1..end], opening);
        let fence = finish(all, open_at, opening.clone(), code, true, end + 1, lines);
        if !is_broken(&fence) {
            return Some((fence, end + 1));
        }
    }
    None
}

/// What is written on the lines of a block, its quote marks taken away.
fn written(lines: &[Line<'_>], opening: &Opening) -> Vec<String> {
    let line = |line: &Line<'_>| {
        let text = without_quotes(line.text, opening.quotes);
        line.written(text).to_owned()
    };
    lines.iter().map(line).collect()
}

/// The block of an opening and the lines after it; `next` is the line to go on with.
fn finish(
    all: &[Line<'_>],
    open_at: usize,
    opening: Opening,
    code: Vec<String>,
    is_closed: bool,
    next: usize,
    lines: &Lines,
) -> Fence {
    let start_line = open_at + 2 - usize::from(opening.glued.is_some());
    let mut code = dedent(code, opening.indent);
    code.splice(0..0, opening.glued);
    let end_line = (start_line + code.len()).saturating_sub(1);
    let mut text = code.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Fence {
        tag: opening.tag,
        code: text,
        start_line,
        end_line,
        at: all[open_at].at,
        end: lines.start(next + 1),
        is_closed,
    }
}

/// Takes away as many blanks as stood before the fence, as CommonMark does.
fn dedent(code: Vec<String>, indent: usize) -> Vec<String> {
    if indent == 0 {
        return code;
    }
    // Some models indent the fence and not the code, or less.
    let own = code
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start_matches([' ', '\t']).len())
        .min();
    let remove = indent.min(own.unwrap_or(0));
    code.into_iter()
        .map(|line| line.get(remove..).map_or_else(String::new, str::to_owned))
        .collect()
}

/// How many lines behind a long fence its end is looked for before a shorter one may end it.
const CLOSE_DISTANCE_MAX: usize = 2_000;

/// The line without its first quote marks, at most `count`; the blank behind a mark stays, and counts
/// as indentation.
fn without_quotes(text: &str, count: usize) -> &str {
    let mut rest = text;
    for _ in 0..count {
        let Some(inner) = rest.trim_start_matches(' ').strip_prefix('>') else {
            break;
        };
        rest = inner;
    }
    rest
}

fn opening(line: Line<'_>) -> Option<Opening> {
    let text = line.text;
    // A fence may stand in quotes and be the first thing of a list's item.
    let mut rest = text;
    let mut quotes = 0;
    let mut behind_quotes = text;
    for _ in 0..PREFIXES_MAX {
        let trimmed = rest.trim_start_matches([' ', '\t']);
        if let Some(mut opening) = fence_at(trimmed) {
            opening.indent = behind_quotes.len() - trimmed.len();
            opening.quotes = quotes;
            return Some(opening);
        }
        if let Some(inner) = trimmed.strip_prefix('>') {
            quotes += 1;
            rest = inner;
            behind_quotes = inner;
        } else if let Some(inner) = behind_list_mark(trimmed) {
            rest = inner;
        } else {
            break;
        }
    }
    after_prose(rest).map(|mut opening| {
        opening.quotes = quotes;
        opening
    })
}

/// How many quote marks and list marks before a fence are looked through.
const PREFIXES_MAX: usize = 8;

fn behind_list_mark(text: &str) -> Option<&str> {
    if let Some(inner) = ["- ", "* ", "+ "]
        .iter()
        .find_map(|mark| text.strip_prefix(mark))
    {
        return Some(inner);
    }
    let (number, inner) = text.split_once(['.', ')'])?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && inner.starts_with(' ')).then_some(inner)
}

fn fence_at(text: &str) -> Option<Opening> {
    let letter = text
        .chars()
        .next()
        .filter(|letter| matches!(letter, '`' | '~'))?;
    let length = text.chars().take_while(|other| *other == letter).count();
    if length < 3 {
        return None;
    }
    let mut info = text[length..].trim();
    let mut is_closed = false;
    if letter == '`' && info.contains('`') {
        // All of it on one line: ```python print(1)```
        info = info.strip_suffix(&text[..length]).map(str::trim_end)?;
        if info.contains('`') || info.is_empty() {
            return None;
        }
        is_closed = true;
    }
    let (tag, mut glued) = tag_of(info);
    if is_closed && glued.is_none() {
        let (tag, code) = info.split_once(' ')?;
        return Some(Opening {
            letter,
            length,
            tag: tag.to_owned(),
            indent: 0,
            quotes: 0,
            glued: Some(code.trim().to_owned()),
            is_closed,
        });
    }
    let mut tag = tag;
    if is_closed
        && let Some(code) = &glued
        && let Some((word, rest)) = code.split_once(' ')
        && tag.is_empty()
        && word.chars().all(char::is_alphanumeric)
        && !STATEMENT_WORDS.contains(&word)
    {
        tag = word.to_owned();
        glued = Some(rest.trim().to_owned());
    }
    Some(Opening {
        letter,
        length,
        tag,
        indent: 0,
        quotes: 0,
        glued,
        is_closed,
    })
}

/// Words that begin a statement: behind a fence they are code.
const STATEMENT_WORDS: [&str; 9] = [
    "def", "import", "from", "const", "let", "var", "function", "class", "print",
];

/// The language of an info string: `python`, `{.python}`, `python title="x"`, `language-python`,
/// `lang:python`, `python:main.py`. Text that cannot be one is code on the fence's own line.
pub(super) fn tag_of(info: &str) -> (String, Option<String>) {
    let plain = info.trim_start_matches(['{', '.', ' ', '[', '<', '(']);
    let plain = [
        "language-",
        "lang-",
        "language:",
        "lang:",
        "language=",
        "lang=",
        "lang =",
    ]
    .iter()
    .find_map(|prefix| plain.strip_prefix(prefix))
    .unwrap_or(plain)
    .trim_start_matches(['"', '\'', ' ']);
    let word: String = plain
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || "+#._-/".contains(*letter))
        .collect();
    let rest = plain[word.len()..].trim();
    let first = rest.split([' ', '(']).next().unwrap_or("");
    if !word.is_empty() && rest.len() > first.len() && STATEMENT_WORDS.contains(&first)
        || !word.is_empty() && rest.starts_with(['#', '@']) && rest.contains(' ')
    {
        return (word, Some(rest.to_owned()));
    }
    let is_attribute = rest.is_empty()
        || rest.contains('=')
            && !rest.contains("==")
            && !rest.contains('(')
            && !rest.starts_with('=')
        || info.starts_with(['{', '[', '<', '('])
        || rest.starts_with([':', ',', '{', '[', ';', '|', '}', '"', '\''])
        || word.starts_with(char::is_alphanumeric)
            && rest.starts_with('(')
            && rest.ends_with(')')
            && rest.contains(' ');
    if word.is_empty() && !info.is_empty()
        || !is_attribute
            && (rest.contains(['(', '=', ';', ':', '.'])
                || STATEMENT_WORDS.contains(&word.as_str()))
    {
        return (String::new(), Some(info.to_owned()));
    }
    (word, None)
}

/// `Here it is: ```python` at the end of a line of prose.
fn after_prose(text: &str) -> Option<Opening> {
    let at = text.find("```")?;
    let (before, fence) = text.split_at(at);
    let info = fence.trim_start_matches('`').trim();
    let is_tag = !info.is_empty()
        && info.len() <= 20
        && info
            .chars()
            .all(|letter| letter.is_alphanumeric() || "+#.-".contains(letter));
    let is_prose = before
        .trim_end()
        .ends_with([':', '.', '!', '>', '：', '。', ')']);
    (is_prose && (is_tag || info.is_empty()))
        .then(|| fence_at(fence))
        .flatten()
}

fn closes(text: &str, opening: &Opening) -> bool {
    let trimmed = text.trim();
    let length = trimmed
        .chars()
        .take_while(|letter| *letter == opening.letter)
        .count();
    if length < opening.length || indentation(text) >= opening.indent + 4 {
        return false;
    }
    let rest = trimmed[length..].trim();
    // Junk after the close: prose or a mark, not a tag.
    let is_info = rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '{')
        && (!rest.contains(' ') || rest.contains('=') || rest.starts_with('{'));
    !is_info
}

/// A tagged fence of the same kind inside a block: the block was never closed. Inside a longer
/// fence it is nesting.
fn opens_anew(text: &str, opening: &Opening) -> bool {
    let trimmed = text.trim_start();
    let length = trimmed
        .chars()
        .take_while(|letter| *letter == opening.letter)
        .count();
    let info = trimmed[length..].trim();
    let is_tag = !info.is_empty()
        && info
            .chars()
            .all(|letter| letter.is_alphanumeric() || "+#-".contains(letter));
    length == opening.length && indentation(text) <= opening.indent && is_tag
}

/// `    return x```` `: the code of a last line before a fence that closes on it.
fn glued_close<'l>(text: &'l str, opening: &Opening) -> Option<&'l str> {
    let fence = fence_of(opening);
    let at = text.find(fence.as_str())?;
    let (before, behind) = (&text[..at], text[at + fence.len()..].trim_end());
    let is_code = !before.trim().is_empty() && !before.ends_with([opening.letter, ' ']);
    let is_end = behind.is_empty()
        || behind.starts_with(' ')
            && !behind.contains(opening.letter)
            && before.ends_with(['}', ')', ';', ']']);
    (opening.letter == '`' && is_code && is_end).then_some(before)
}
