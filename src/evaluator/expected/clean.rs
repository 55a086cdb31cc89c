//! Taking away from a value what belongs to the sentence around it: full stops, quotes, explanations.
//! Cleaners narrow a range of the text, so that the place of the value stays known.

use std::ops::Range;
use std::sync::LazyLock;

use super::super::LazyRegex;
use regex::Regex;

use super::literal::{QUOTES, bracket_end, literal_end, literal_ends, literals_end, quoted_end};
use super::{BRACKET_CONTEXT, LINE_CONTEXT, boundary_before};

/// A cleaner with its pattern compiled.
#[derive(Debug, Clone)]
pub(super) enum Clean {
    Cut(LazyRegex),
    AfterLiteral(LazyRegex),
    FullStop,
    Emphasis,
    Code,
    Quotes,
    Quoted,
    Literal,
    Literals,
    /// Works on the final text, not on the range.
    Escapes,
}

impl Clean {
    /// The part of `range` that is left; `None` when there is no value in it.
    pub(super) fn narrow(&self, text: &str, range: Range<usize>) -> Option<Range<usize>> {
        let value = &text[range.clone()];
        let start = range.start;
        let kept = match self {
            Self::Cut(pattern) => {
                Some(cut(pattern, value)).filter(|kept| !kept.is_empty() || value.is_empty())?
            }
            Self::AfterLiteral(pattern) => {
                let mut ends = literal_ends(value).take(LITERALS_MAX);
                let end = ends.find(|end| pattern.is_match(following(&value[*end..])));
                0..end.unwrap_or(value.len())
            }
            Self::FullStop => full_stop(value),
            Self::Emphasis => emphasis(value),
            Self::Code => return Some(shift(code(value), start)),
            Self::Quotes => quotes(value),
            Self::Quoted => 0..quoted(value),
            Self::Literal => 0..literal_end(value)?,
            Self::Literals => 0..literals_end(value)?,
            Self::Escapes => 0..value.len(),
        };
        Some(trim(text, shift(kept, start)))
    }
}

/// `range` without the white space at both of its ends.
pub(super) fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let value = &text[range.clone()];
    let start = range.end - value.trim_start().len();
    start..start + value.trim().len()
}

/// `\n` and `\t` as what they stand for, but not in a path such as `C:\temp`.
pub(super) fn unescape(value: &str) -> String {
    if value.contains(":\\") {
        return value.to_owned();
    }
    value.replace("\\n", "\n").replace("\\t", "\t")
}

/// A value that opens a bracket and does not close it on its line goes on to the line where it closes, before
/// any blank line. Also how far was read.
pub(super) fn whole_bracket(
    text: &str,
    value: Range<usize>,
    read_to: usize,
) -> (Range<usize>, usize) {
    let line = &text[value.clone()];
    if !line.starts_with(['(', '[', '{'])
        || !text[value.end..]
            .trim_start_matches([' ', '\t', '\r'])
            .starts_with('\n')
        || bracket_end(line).is_some()
    {
        return (value, read_to);
    }
    let to = boundary_before(text, (value.start + BRACKET_CONTEXT).min(text.len()));
    let rest = text.get(value.start..to).unwrap_or(line);
    let rest = BLANK_LINE
        .find(rest)
        .map_or(rest, |blank| &rest[..blank.start()]);
    let read_to = read_to.max(value.start + rest.len());
    match bracket_end(rest) {
        Some(end) => {
            let line = rest[end..].find('\n').map_or(rest.len(), |at| end + at);
            (trim(text, value.start..value.start + line), read_to)
        }
        None => (value, read_to),
    }
}

/// A value without the closing bracket, quotation mark or emphasis that opened on its line before it, and
/// what follows that.
pub(super) fn within_its_brackets(text: &str, value: Range<usize>) -> Range<usize> {
    let from = boundary_before(text, value.start.saturating_sub(LINE_CONTEXT));
    let before = &text[from..value.start];
    let before = before.rsplit('\n').next().unwrap_or(before);
    let mut open = Vec::new();
    for c in before.chars() {
        follow(&mut open, c);
    }
    let mut end = value.end;
    if let Some(outer) = open.last() {
        end = closing_of(&text[value.clone()], *outer).map_or(value.end, |at| value.start + at);
    }
    let mut kept = &text[value.start..end];
    for mark in ["**", "__", "`", "\"", "*", "_"] {
        let is_odd = |text: &str| text.matches(mark).count() % 2 == 1;
        let bare = kept.trim_end_matches(['.', ',', ';']);
        if let Some(inner) = bare.strip_suffix(mark)
            && is_odd(kept)
            && is_odd(before)
        {
            kept = inner;
        }
    }
    if let Some(tag) = open_tag(before)
        && let Some(close) = kept.find(&format!("</{tag}>"))
    {
        kept = &kept[..close];
    }
    trim(text, value.start..value.start + kept.len())
}

/// The name of the innermost HTML tag that is open at the end of a text.
fn open_tag(before: &str) -> Option<&str> {
    let mut open: Vec<&str> = Vec::new();
    for (at, _) in before.match_indices('<') {
        let Some((name, _)) = before[at + 1..].split_once('>') else {
            continue;
        };
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        match name.strip_prefix('/') {
            Some(name) if open.last() == Some(&name) => drop(open.pop()),
            None if is_name(name) => open.push(name),
            _ => {}
        }
    }
    open.pop()
}

/// Follows a letter into a bracket or out of the innermost one of `open`, which holds what closes each;
/// whether it was a bracket.
fn follow(open: &mut Vec<char>, letter: char) -> bool {
    match letter {
        '(' => open.push(')'),
        '[' => open.push(']'),
        '{' => open.push('}'),
        '（' => open.push('）'),
        _ if open.last() == Some(&letter) => drop(open.pop()),
        _ => return false,
    }
    true
}

/// Where the bracket stands that closes one before the text.
fn closing_of(text: &str, outer: char) -> Option<usize> {
    let mut open = Vec::new();
    let mut in_quotes = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_quotes = !in_quotes,
            _ if in_quotes || follow(&mut open, c) => {}
            _ if open.is_empty() && c == outer => return Some(at),
            _ => {}
        }
    }
    None
}

static BLANK_LINE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\n[ \t\r]*\n").expect("the pattern is right"));

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

fn cut(pattern: &LazyRegex, value: &str) -> Range<usize> {
    let protected = quoted_end(value)
        .or_else(|| bracket_end(value))
        .unwrap_or(0);
    // A pattern may want a blank before it, so the search itself starts where the literal ends.
    0..pattern
        .find_at(value, protected)
        .map_or(value.len(), |found| found.start())
}

fn full_stop(value: &str) -> Range<usize> {
    let end = value
        .strip_suffix(['.', '。', '．', '।'])
        .filter(|rest| !rest.ends_with('.'))
        .map_or(value.len(), str::len);
    0..end
}

fn emphasis(value: &str) -> Range<usize> {
    for mark in ["**", "__", "*", "_"] {
        let inner = value
            .strip_prefix(mark)
            .and_then(|rest| rest.strip_suffix(mark));
        if inner.is_some_and(|inner| {
            !inner.is_empty() && !inner.contains(mark) && inner.trim() == inner
        }) {
            return mark.len()..value.len() - mark.len();
        }
    }
    0..value.len()
}

/// How many literals something may follow that is looked at.
const LITERALS_MAX: usize = 40;
/// How much of what follows a literal is looked at, in bytes.
const AFTER_LITERAL: usize = 200;

/// What of a text after a literal is looked at.
fn following(rest: &str) -> &str {
    &rest[..boundary_before(rest, AFTER_LITERAL.min(rest.len()))]
}

fn code(value: &str) -> Range<usize> {
    if let Some(rest) = value.strip_prefix("<code>")
        && let Some(length) = rest.find("</code>")
    {
        return "<code>".len().."<code>".len() + length;
    }
    let ticks = value.len() - value.trim_start_matches('`').len();
    let close = match ticks {
        0 => None,
        _ => value[ticks..].find(&value[..ticks]),
    };
    close.map_or(0..value.len(), |length| ticks..ticks + length)
}

/// Where the text in quotes at the start ends, unless all of the value is several such texts.
fn quoted(value: &str) -> usize {
    let Some(end) = quoted_end(value) else {
        return value.len();
    };
    let rest = value[end..].trim_start().trim_start_matches(',');
    let rest = [" and ", " or "]
        .iter()
        .find_map(|word| value[end..].strip_prefix(word))
        .unwrap_or(rest)
        .trim_start();
    let is_all = quoted_end(rest).is_some_and(|length| length == rest.trim_end_matches('.').len());
    if is_all { value.len() } else { end }
}

fn quotes(value: &str) -> Range<usize> {
    for (open, close) in QUOTES {
        let inner = value
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close));
        if inner.is_some_and(|inner| {
            quoted_end(value) == Some(value.len()) || !inner.contains([open, close])
        }) {
            return open.len_utf8()..value.len() - close.len_utf8();
        }
    }
    0..value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opened_before_a_value_ends_it() {
        for (text, value, want) in [
            ("(output: 15)", "15)", "15"),
            ("[output: [1, 2]].", "[1, 2]].", "[1, 2]"),
            (
                "(output: f(x) and so on) then",
                "f(x) and so on) then",
                "f(x) and so on",
            ),
            ("output: a)", "a)", "a)"),
            ("**output: abc**", "abc**", "abc"),
            ("**output:** 2**3", "2**3", "2**3"),
            ("say \"output: 5\".", "5\".", "5"),
            ("<p>output: <b>hi</b></p>", "<b>hi</b></p>", "<b>hi</b>"),
        ] {
            let start = text.len() - value.len();
            let found = within_its_brackets(text, start..text.len());
            assert_eq!(&text[found], want, "{text}");
        }
        let text = "[[1,\n  2]] end\nmore\n\n]";
        assert_eq!(whole_bracket(text, 0..4, 4), (0..14, 19));
        let text = "[1,\n\n2]";
        assert_eq!(whole_bracket(text, 0..3, 3).0, 0..3);
    }

    #[test]
    fn each_cleaner_takes_away_only_its_own() {
        let parenthesis = Clean::Cut(LazyRegex::new(r"\s+\((?:for|given)\b.*$").expect("valid"));
        for (clean, text, want) in [
            (parenthesis.clone(), "15 (for [1, 2])", "15"),
            (parenthesis.clone(), "Alice (30)", "Alice (30)"),
            (
                parenthesis.clone(),
                "\"x (for y)\" (for z)",
                "\"x (for y)\"",
            ),
            (
                Clean::AfterLiteral(LazyRegex::new("^ for").expect("valid")),
                "1 2 for x",
                "1 2",
            ),
            (
                Clean::AfterLiteral(LazyRegex::new("^ for").expect("valid")),
                "wait for it",
                "wait for it",
            ),
            (Clean::Quoted, "\"a\" and \"b\"", "\"a\" and \"b\""),
            (Clean::FullStop, "1024.", "1024"),
            (Clean::FullStop, "wait...", "wait..."),
            (Clean::Emphasis, "**5**", "5"),
            (Clean::Emphasis, "*a* and *b*", "*a* and *b*"),
            (Clean::Code, "`a b`, then", "a b"),
            (Clean::Code, "``a`b``", "a`b"),
            (Clean::Quotes, "\"a\"", "a"),
            (Clean::Quotes, "“a”", "a"),
            (Clean::Quotes, "\"a\" \"b\"", "\"a\" \"b\""),
            (Clean::Quotes, "it's fine", "it's fine"),
            (Clean::Quoted, "\"Hi\" when run", "\"Hi\""),
        ] {
            let range = clean.narrow(text, 0..text.len()).expect("these never veto");
            assert_eq!(&text[range], want, "{clean:?} {text}");
        }
    }
}
