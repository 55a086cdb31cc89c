//! Fenced blocks with their lines, as models write them: of backticks and tildes, indented, in
//! quotes and lists, opened after prose on the same line, closed at the end of the last code line,
//! never closed.

use std::ops::Range;

/// A fenced block.
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
    /// Whether a closing fence was found.
    pub(super) is_closed: bool,
}

/// A line of the reply: where it begins, and its text without the line end.
#[derive(Clone, Copy)]
struct Line<'r> {
    at: usize,
    text: &'r str,
}

struct Opening {
    letter: char,
    length: usize,
    tag: String,
    /// What stood before the fence on its line: blanks and quote marks.
    indent: usize,
    quoted: bool,
    /// Code on the opening line itself.
    glued: Option<String>,
}

/// Every fence outside the removed sections.
pub(super) fn find(reply: &str, removed: &[Range<usize>]) -> Vec<Fence> {
    let mut at = 0;
    let lines: Vec<Line<'_>> = reply
        .split('\n')
        .map(|text| {
            let line = Line {
                at,
                text: text.trim_end_matches('\r'),
            };
            at += text.len() + 1;
            line
        })
        .collect();
    let is_removed = |line: &Line<'_>| removed.iter().any(|range| range.contains(&line.at));
    let mut fences = Vec::new();
    let mut index = 0;
    while index < lines.len() {
        let line = lines[index];
        let Some(opening) = (!is_removed(&line)).then(|| opening(line.text)).flatten() else {
            index += 1;
            continue;
        };
        let (fence, next) = read(&lines, index, opening);
        fences.push(fence);
        index = next;
    }
    fences
}

/// The block that a line opens, and the line to go on with.
fn read(lines: &[Line<'_>], open_at: usize, opening: Opening) -> (Fence, usize) {
    let mut code: Vec<String> = opening.glued.iter().cloned().collect();
    let mut start_line = open_at + 2;
    if opening.glued.is_some() {
        start_line = open_at + 1;
    }
    let mut index = open_at + 1;
    let mut is_closed = false;
    while index < lines.len() {
        let text = unquoted(lines[index].text, opening.quoted);
        if closes(text, &opening) {
            is_closed = true;
            index += 1;
            break;
        }
        // Another opening fence with a tag: this one was forgotten.
        if opens_anew(text, &opening) {
            return (
                finish(lines, open_at, start_line, code, opening.tag, false),
                index,
            );
        }
        if let Some(last) = glued_close(text, &opening) {
            code.push(last.to_owned());
            is_closed = true;
            index += 1;
            let fence = finish(
                lines,
                open_at,
                start_line,
                dedent(code, opening.indent),
                opening.tag,
                is_closed,
            );
            return (fence, index);
        }
        code.push(text.to_owned());
        index += 1;
    }
    let indent = opening.indent;
    let fence = finish(
        lines,
        open_at,
        start_line,
        dedent(code, indent),
        opening.tag,
        is_closed,
    );
    (fence, index)
}

fn finish(
    lines: &[Line<'_>],
    open_at: usize,
    start_line: usize,
    code: Vec<String>,
    tag: String,
    is_closed: bool,
) -> Fence {
    let end_line = (start_line + code.len()).saturating_sub(1);
    let mut text = code.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Fence {
        tag,
        code: text,
        start_line,
        end_line,
        at: lines[open_at].at,
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
        .map(|line| line.len() - line.trim_start_matches(' ').len())
        .min();
    let remove = indent.min(own.unwrap_or(0));
    code.into_iter()
        .map(|line| line.get(remove..).map_or_else(String::new, str::to_owned))
        .collect()
}

fn unquoted(text: &str, quoted: bool) -> &str {
    if !quoted {
        return text;
    }
    let trimmed = text.trim_start_matches(' ');
    trimmed
        .strip_prefix("> ")
        .or_else(|| trimmed.strip_prefix('>'))
        .unwrap_or(text)
}

fn opening(line: &str) -> Option<Opening> {
    let quoted = line.trim_start_matches(' ').starts_with('>');
    let text = unquoted(line, quoted);
    let trimmed = text.trim_start_matches([' ', '\t']);
    // A fence may be the first thing of a list's item.
    let marker = ["- ", "* ", "+ "]
        .iter()
        .find(|marker| trimmed.starts_with(**marker))
        .map_or(0, |marker| marker.len());
    let numbered = trimmed.split_once(['.', ')']).filter(|(number, _)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    let skipped = match numbered {
        Some((number, rest)) if rest.starts_with(' ') => number.len() + 2,
        _ => marker,
    };
    let candidates = [trimmed, trimmed.get(skipped..).unwrap_or("").trim_start()];
    for candidate in candidates {
        if let Some(mut opening) = fence_at(candidate) {
            opening.indent = text.len() - candidate.len();
            opening.quoted = quoted;
            return Some(opening);
        }
    }
    after_prose(text, quoted)
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
    let info = text[length..].trim();
    if letter == '`' && info.contains('`') {
        return None;
    }
    let (tag, glued) = tag_of(info);
    Some(Opening {
        letter,
        length,
        tag,
        indent: 0,
        quoted: false,
        glued,
    })
}

/// The language of an info string: `python`, `{.python}`, `python title="x"`, `language-python`.
/// Text that cannot be one is code on the fence's own line.
fn tag_of(info: &str) -> (String, Option<String>) {
    let plain = info.trim_start_matches(['{', '.', ' ']);
    let word: String = plain
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || "+#._-/".contains(*letter))
        .collect();
    let rest = plain[word.len()..].trim();
    let is_attribute = rest.is_empty()
        || rest.contains('=') && !rest.contains("==") && !rest.contains('(')
        || info.starts_with('{')
        || rest.starts_with([':', ',', '{', '[']);
    if word.is_empty() && !info.is_empty()
        || !is_attribute
            && (rest.contains(['(', '=', ';', ':', '.'])
                || matches!(
                    word.as_str(),
                    "def" | "import" | "from" | "const" | "let" | "var" | "function" | "class"
                ))
    {
        return (String::new(), Some(info.to_owned()));
    }
    (
        word.strip_prefix("language-").unwrap_or(&word).to_owned(),
        None,
    )
}

/// `Here it is: ```python` at the end of a line of prose.
fn after_prose(text: &str, quoted: bool) -> Option<Opening> {
    let at = text.find("```")?;
    let (before, fence) = text.split_at(at);
    let info = fence.trim_start_matches('`').trim();
    let is_tag = !info.is_empty()
        && info.len() <= 20
        && info
            .chars()
            .all(|letter| letter.is_alphanumeric() || "+#.-".contains(letter));
    let is_prose = before.trim_end().ends_with([':', '.', '!', '>']);
    let mut opening = (is_prose && (is_tag || info.is_empty()))
        .then(|| fence_at(fence))
        .flatten()?;
    opening.quoted = quoted;
    Some(opening)
}

fn closes(text: &str, opening: &Opening) -> bool {
    let trimmed = text.trim();
    let length = trimmed
        .chars()
        .take_while(|letter| *letter == opening.letter)
        .count();
    if length < opening.length {
        return false;
    }
    let rest = trimmed[length..].trim();
    // Junk after the close: prose, not a tag.
    rest.is_empty() || rest.contains(' ') && !rest.contains('=') && !rest.starts_with('{')
}

/// A tagged fence of the same kind inside a block: the block was never closed. Inside a longer
/// fence it is nesting.
fn opens_anew(text: &str, opening: &Opening) -> bool {
    let trimmed = text.trim_start();
    let indent = text.len() - trimmed.len();
    let length = trimmed
        .chars()
        .take_while(|letter| *letter == opening.letter)
        .count();
    let info = trimmed[length..].trim();
    let is_tag = !info.is_empty()
        && info
            .chars()
            .all(|letter| letter.is_alphanumeric() || "+#-".contains(letter));
    length == opening.length && indent <= opening.indent && is_tag
}

/// `    return x```` `: the code of a last line before a fence that closes on it.
fn glued_close<'l>(text: &'l str, opening: &Opening) -> Option<&'l str> {
    let fence: String = std::iter::repeat_n(opening.letter, opening.length).collect();
    let trimmed = text.trim_end();
    let before = trimmed.strip_suffix(fence.as_str())?;
    let is_code = !before.trim().is_empty()
        && !before.contains(fence.as_str())
        && !before.ends_with(opening.letter);
    (opening.letter == '`' && is_code).then_some(before)
}
