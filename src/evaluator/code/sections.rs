//! Parts of a reply between tags: what is no answer (`<think>…</think>`), and what is the answer
//! (`<answer>…</answer>`, `<pre><code class="language-python">…`).

use std::ops::Range;

use super::fences::{Fence, is_outside};

/// The byte ranges of the sections with these tags, in order, whatever the case of their letters, in angle or square brackets. A
/// section that is not closed ends with the reply; a closing tag without an opening one closes what
/// began with the reply. A tag that begins inside a fence that is closed again is text.
pub(super) fn removed(reply: &str, tags: &[String]) -> Vec<Range<usize>> {
    if tags.is_empty() || !reply.contains(['<', '[', '◁']) {
        return Vec::new();
    }
    let lower = reply.to_ascii_lowercase();
    let last_fence = lower.rfind("\n```").unwrap_or(0);
    let mut ranges = Vec::new();
    let marks = tags.iter().flat_map(|tag| {
        let tag = tag.to_ascii_lowercase();
        match tag.split_once("...") {
            Some((open, close)) => vec![(open.to_owned(), close.to_owned(), true)],
            None => vec![
                (format!("<{tag}>"), format!("</{tag}>"), false),
                (format!("[{tag}]"), format!("[/{tag}]"), true),
            ],
        }
    });
    for (open, close, must_close) in marks {
        let mut from = 0;
        if !must_close
            && let Some(first) = closing(&lower, &close, 0)
            && !lower[..first].contains(&open)
            && ends_reasoning(&lower, first, first + close.len())
        {
            from = first + close.len();
            ranges.push(0..from);
        }
        let mut fence = FenceState::default();
        let mut told_to = from;
        while let Some(start) = lower[from..].find(&open).map(|at| from + at) {
            fence.read(&lower[told_to..start]);
            told_to = start;
            // A tag inside a line of code or prose is text: a section begins a line or ends one.
            let behind = &lower[start + open.len()..];
            let ends_line = behind.chars().take(200).find(|letter| *letter != ' ') == Some('\n');
            let is_text = before(&lower, start).is_some() && !ends_line;
            if is_text || fence.is_open && start < last_fence && fence.is_code {
                from = start + open.len();
                continue;
            }
            let closed = matching(&lower, &open, &close, start);
            if closed.is_none() && must_close {
                break;
            }
            let end = closed.unwrap_or(lower.len());
            ranges.push(start..end);
            from = end;
            told_to = end;
            fence = FenceState::default();
        }
    }
    ranges.sort_by_key(|range| range.start);
    ranges
}

/// The last letter before a place on its line that is no blank; far ones do not count.
fn before(text: &str, at: usize) -> Option<char> {
    text[..at]
        .chars()
        .rev()
        .take(200)
        .take_while(|letter| *letter != '\n')
        .find(|letter| !letter.is_whitespace())
}

/// Where the section ends that opens at `start`; sections in it end first.
fn matching(lower: &str, open: &str, close: &str, start: usize) -> Option<usize> {
    let mut from = start + open.len();
    let mut depth = 1;
    loop {
        let at = closing(lower, close, from)?;
        depth += lower[from..at].matches(open).count();
        from = at + close.len();
        depth -= 1;
        if depth == 0 || closing(lower, close, from).is_none() {
            return Some(from);
        }
    }
}

/// Whether a closing tag without an opening one closes reasoning: it ends its line, and what was
/// answered follows, or it stands alone on its line.
fn ends_reasoning(lower: &str, start: usize, end: usize) -> bool {
    let line = lower[end..].split('\n').next().unwrap_or("");
    if before(lower, start).is_none() {
        return true;
    }
    line.trim().is_empty() && !lower[end..].trim().is_empty()
}

/// Where a closing tag stands that is no quoted text.
fn closing(lower: &str, close: &str, from: usize) -> Option<usize> {
    let is_quote = |letter: Option<char>| matches!(letter, Some('"' | '\'' | '`'));
    lower[from..]
        .match_indices(close)
        .map(|(at, _)| from + at)
        .find(|at| {
            let before = &lower[..*at];
            let is_quoted = is_quote(before.chars().next_back()) && !before.ends_with("```");
            let behind = &lower[at + close.len()..];
            !is_quoted && !is_quote(behind.chars().next().filter(|_| !behind.starts_with("```")))
        })
}

/// Whether a fence is open, read line by line.
#[derive(Default)]
struct FenceState {
    is_open: bool,
    /// Whether the open one has a tag.
    is_code: bool,
}

impl FenceState {
    fn read(&mut self, text: &str) {
        for line in text.split('\n') {
            if let Some(info) = line.trim_start().strip_prefix("```") {
                self.is_open = !self.is_open;
                self.is_code = !info.trim().is_empty();
            }
        }
    }
}

/// An element that holds an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name, or the language of its `class`.
    pub(super) tag: String,
    /// All of it.
    pub(super) range: Range<usize>,
    /// What stands in it.
    pub(super) inner: Range<usize>,
}

/// The outermost elements with these names that begin a line, outside `taken`. Of elements in one
/// another, such as `<pre><code>`, the innermost is the content and each may name the language.
pub(super) fn elements(reply: &str, names: &[String], taken: &[Fence]) -> Vec<Element> {
    let mut found: Vec<Element> = Vec::new();
    if names.is_empty() || !reply.contains("</") {
        return found;
    }
    let lower = reply.to_ascii_lowercase();
    let mut from = 0;
    // Closing tags that no longer come: each is looked for once.
    let mut missing: Vec<String> = Vec::new();
    while let Some(start) = lower[from..].find('<').map(|at| from + at) {
        from = start + 1;
        let is_begin = before(&lower, start).is_none_or(|letter| [':', '>', '.'].contains(&letter));
        if !is_begin || !is_outside(taken, start) {
            continue;
        }
        let Some((name, content)) = opening_tag(&lower, start) else {
            continue;
        };
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name))
            || missing.iter().any(|gone| gone == name)
        {
            continue;
        }
        let close = format!("</{name}>");
        let Some(end) = closing(&lower, &close, content) else {
            missing.push(name.to_owned());
            continue;
        };
        let mut element = Element {
            tag: class_of(&lower[start..content]).unwrap_or(name).to_owned(),
            range: start..end + close.len(),
            inner: content..end,
        };
        narrow(&lower, names, &mut element);
        from = element.range.end;
        found.push(element);
    }
    found
}

/// Goes into an element that is all there is in another.
fn narrow(lower: &str, names: &[String], element: &mut Element) {
    loop {
        let inner = &lower[element.inner.clone()];
        let start = element.inner.start + (inner.len() - inner.trim_start().len());
        let Some((name, content)) = opening_tag(lower, start) else {
            return;
        };
        let close = format!("</{name}>");
        let is_known = names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !is_known || content > element.inner.end || !inner.trim_end().ends_with(&close) {
            return;
        }
        let end = element.inner.start + inner.trim_end().len() - close.len();
        if end < content {
            return;
        }
        if let Some(class) = class_of(&lower[start..content]) {
            element.tag = class.to_owned();
        }
        element.inner = content..end;
    }
}

/// The name of the tag that opens at `start`, and where its content begins.
fn opening_tag(lower: &str, start: usize) -> Option<(&str, usize)> {
    let rest = lower[start..].strip_prefix('<')?;
    let length = rest
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-')?;
    let name = rest.get(..length).filter(|name| !name.is_empty())?;
    // Attributes end soon, on the same line.
    let tail = &rest[length..];
    let (close, _) = tail
        .char_indices()
        .take(200)
        .take_while(|(_, letter)| *letter != '\n')
        .find(|(_, letter)| *letter == '>')?;
    let attributes = &tail[..close];
    let is_tag = attributes.is_empty() || attributes.starts_with(' ');
    is_tag.then_some((name, start + 1 + length + close + 1))
}

/// The language of a `class`, `language` or `lang` attribute.
fn class_of(tag: &str) -> Option<&str> {
    let at = ["class=", "language=", "lang="]
        .iter()
        .find_map(|name| tag.find(name).map(|at| at + name.len()))?;
    let value = tag[at..].trim_start_matches(['"', '\'']);
    let word = value.split(['"', '\'', ' ', '>']).next()?;
    let word = word
        .strip_prefix("language-")
        .or_else(|| word.strip_prefix("lang-"))
        .unwrap_or(word);
    (!word.is_empty()).then_some(word)
}
