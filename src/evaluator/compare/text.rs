//! Texts in reasons: where two first differ, and how a text is shown so that nothing in it is
//! invisible.

use super::normalise::is_blank;

/// Characters of a text that a reason shows.
const SHOWN_MAX: usize = 120;
/// Characters before the first difference that are shown of a longer line.
const BEFORE_MAX: usize = 40;

/// Where two texts first differ: line, column, and both lines, shortened around the difference.
pub(super) fn difference(actual: &str, expected: &str) -> String {
    let at = common_start(actual, expected);
    let (actual_rest, expected_rest) = (&actual[at..], &expected[at..]);
    let (line, column) = place(actual, at);
    if actual.is_empty() {
        return format!(
            "the output is empty: expected {}",
            shown(first_line(expected))
        );
    }
    // A line more or less, and not just the end of the last line.
    if actual_rest.is_empty()
        && let Some(more) = next_line(expected_rest)
    {
        return format!(
            "the output ends before line {}: expected {}",
            line + 1,
            shown_line(more)
        );
    }
    if expected_rest.is_empty()
        && !expected.is_empty()
        && let Some(more) = next_line(actual_rest)
    {
        return format!("line {} is one too many: {}", line + 1, shown_line(more));
    }
    let (left, right) = (actual_rest.chars().next(), expected_rest.chars().next());
    let is_about_blanks = [left, right].into_iter().flatten().any(is_invisible);
    // Only the end of the last line differs: it is shown.
    let shows_end = left.is_none() || right.is_none();
    let around = |text: &str| around(text, at, is_about_blanks, shows_end);
    format!(
        "line {line}, column {column}: expected {}, got {}{}",
        around(expected),
        around(actual),
        code_points(left, right)
    )
}

/// What follows a line break, where there is one and something follows.
fn next_line(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix('\n').filter(|rest| !rest.is_empty())?;
    Some(first_line(rest))
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

fn shown_line(line: &str) -> String {
    if line.is_empty() {
        "an empty line".to_owned()
    } else {
        shown(line)
    }
}

/// Bytes that two texts have in common at their beginning, whole characters.
pub(super) fn common_start(left: &str, right: &str) -> usize {
    let mut at = common_bytes(left.as_bytes(), right.as_bytes());
    while !(left.is_char_boundary(at) && right.is_char_boundary(at)) {
        at -= 1;
    }
    at
}

fn common_bytes(left: &[u8], right: &[u8]) -> usize {
    const BLOCK: usize = 4096;
    let shorter = left.len().min(right.len());
    let mut at = 0;
    while at + BLOCK <= shorter && left[at..at + BLOCK] == right[at..at + BLOCK] {
        at += BLOCK;
    }
    let rest = left[at..shorter].iter().zip(&right[at..shorter]);
    at + rest.take_while(|(left, right)| left == right).count()
}

/// Line and column of a byte, both from 1; columns are characters.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |found| found + 1);
    (line, before[start..].chars().count() + 1)
}

/// The line around a byte between backticks, shortened on both sides.
fn around(text: &str, at: usize, all_blanks: bool, shows_end: bool) -> String {
    let start = text[..at].rfind('\n').map_or(0, |found| found + 1);
    let end = text[at..].find('\n').map_or(text.len(), |found| at + found);
    let mark = if shows_end && end == at && at < text.len() {
        "␊"
    } else {
        ""
    };
    let mut from = start;
    // Not the whole line is counted: it may be huge.
    if text[start..end].chars().nth(SHOWN_MAX).is_some() {
        let mut before = text[start..at].char_indices().rev();
        from = start + before.nth(BEFORE_MAX - 1).map_or(0, |(offset, _)| offset);
    }
    let shown: &str = match text[from..end].char_indices().nth(SHOWN_MAX) {
        Some((offset, _)) => &text[from..from + offset],
        None => &text[from..end],
    };
    if shown.is_empty() && mark.is_empty() {
        return if text.contains('\n') {
            "an empty line".to_owned()
        } else {
            "nothing".to_owned()
        };
    }
    format!(
        "`{}{}{mark}{}`",
        if from > start { "…" } else { "" },
        visible(shown, all_blanks),
        if from + shown.len() < end { "…" } else { "" },
    )
}

/// The code points of two characters that may look alike.
fn code_points(left: Option<char>, right: Option<char>) -> String {
    let told = |letter: Option<char>| {
        letter.map_or_else(
            || "nothing".to_owned(),
            |letter| format!("U+{:04X}", letter as u32),
        )
    };
    if [left, right]
        .into_iter()
        .flatten()
        .all(|letter| letter.is_ascii())
    {
        return String::new();
    }
    format!(" ({}, got {})", told(right), told(left))
}

fn is_invisible(letter: char) -> bool {
    is_blank(letter) || letter.is_control()
}

/// A text whose white space and control characters can be seen. A single blank between words stays
/// one unless blanks are what it is about.
fn visible(text: &str, all_blanks: bool) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' => {
                let is_between = |letter: Option<char>| letter.is_some_and(|letter| letter != ' ');
                let stays = is_between(before) && is_between(letters.peek().copied());
                seen.push(if stays && !all_blanks { ' ' } else { '·' });
            }
            '\t' => seen.push('→'),
            '\n' => seen.push('␊'),
            '\u{7f}' => seen.push('␡'),
            '\u{a0}' => seen.push('⍽'),
            letter if (letter as u32) < 0x20 => {
                seen.push(char::from_u32(0x2400 + letter as u32).unwrap_or('�'));
            }
            letter if is_invisible(letter) || is_formatting(letter) => {
                seen.push_str(&format!("‹U+{:04X}›", letter as u32));
            }
            letter => seen.push(letter),
        }
        before = Some(letter);
    }
    seen
}

/// Characters that take no room of their own and can turn what is around them.
fn is_formatting(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// A value between backticks, shortened.
pub(super) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "nothing".to_owned();
    }
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!(
            "`{}…` ({} characters)",
            visible(&text[..end], false),
            text.chars().count()
        ),
        None => format!("`{}`", visible(text, false)),
    }
}
