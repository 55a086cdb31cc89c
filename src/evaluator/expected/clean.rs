//! Taking away from a value what belongs to the sentence around it: full stops, quotes, explanations.
//! Cleaners narrow a range of the text, so that the place of the value stays known.

use std::ops::Range;

use regex::Regex;

use super::literal::{QUOTES, bracket_end, literal_end, literals_end, quoted_end};

/// A cleaner with its pattern compiled.
#[derive(Debug, Clone)]
pub(super) enum Clean {
    Cut(Regex),
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
            Self::Cut(pattern) => cut(pattern, value),
            Self::FullStop => full_stop(value),
            Self::Emphasis => emphasis(value),
            Self::Code => return Some(shift(code(value), start)),
            Self::Quotes => quotes(value),
            Self::Quoted => 0..quoted_end(value).unwrap_or(value.len()),
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

/// `\n` and `\t` as what they stand for.
pub(super) fn unescape(value: &str) -> String {
    value.replace("\\n", "\n").replace("\\t", "\t")
}

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

fn cut(pattern: &Regex, value: &str) -> Range<usize> {
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

fn code(value: &str) -> Range<usize> {
    let ticks = value.len() - value.trim_start_matches('`').len();
    let close = match ticks {
        0 => None,
        _ => value[ticks..].find(&value[..ticks]),
    };
    close.map_or(0..value.len(), |length| ticks..ticks + length)
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
    fn each_cleaner_takes_away_only_its_own() {
        let parenthesis = Clean::Cut(Regex::new(r"\s+\((?:for|given)\b.*$").expect("valid"));
        for (clean, text, want) in [
            (parenthesis.clone(), "15 (for [1, 2])", "15"),
            (parenthesis.clone(), "Alice (30)", "Alice (30)"),
            (
                parenthesis.clone(),
                "\"x (for y)\" (for z)",
                "\"x (for y)\"",
            ),
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
