//! The similarity of reward-kit 0.4.1, to reproduce published numbers; nobody should start with
//! it. White space is folded; then the first of: equal, two numbers, two JSON lists, the longest
//! common subsequence of characters divided by the longer length.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::lcs::{self, Common};
use super::value::{Kind, Value};
use super::{Verdict, json, text};

/// Nesting of lists, and of what is in an item, that is followed.
const DEPTH_MAX: usize = 50;
/// Bytes of pairs of items that are compared, and for each pair [`PAIR`] more.
const BYTES_MAX: usize = 1 << 25;
/// What a pair costs beside its bytes.
const PAIR: usize = 8;

/// The score of reward-kit. Its time is quadratic; where it would be more than
/// [`lcs::WORDS_MAX`] or [`BYTES_MAX`], the score is the part that is known: what two texts begin
/// and end with, the best of the items that were compared. So it is never more than reward-kit's,
/// and the reason says that it is a lower bound.
pub(super) fn compare(actual: &str, expected: &str) -> Verdict {
    let mut budget = Budget {
        words: lcs::WORDS_MAX,
        bytes: BYTES_MAX,
        is_short: false,
    };
    let (score, rule) = similarity(actual, expected, &mut budget, 0);
    if score >= 1.0 {
        return Verdict::Holds;
    }
    let bound = if budget.is_short {
        ", a lower bound, since the output is too long for all of it to be compared"
    } else {
        ""
    };
    Verdict::Partly(
        score,
        format!(
            "similarity {score:.4} by {rule}{bound}; {}",
            text::difference(actual, expected)
        ),
    )
}

/// What may still be computed.
struct Budget {
    words: usize,
    bytes: usize,
    /// Whether something was not computed.
    is_short: bool,
}

fn similarity(
    actual: &str,
    expected: &str,
    budget: &mut Budget,
    depth: usize,
) -> (f64, &'static str) {
    let (actual, expected) = (folded(actual), folded(expected));
    if actual == expected {
        return (1.0, "equality");
    }
    if let (Some(actual), Some(expected)) = (python_float(&actual), python_float(&expected)) {
        return (numbers(actual, expected), "the distance of two numbers");
    }
    if depth < DEPTH_MAX
        && let (Some(actual), Some(expected)) = (list(&actual), list(&expected))
    {
        let score = lists(&actual, &expected, budget, depth);
        return (score, "the best partners of a list's items");
    }
    let (left, right): (Vec<u32>, Vec<u32>) = (
        actual.chars().map(u32::from).collect(),
        expected.chars().map(u32::from).collect(),
    );
    let longer = left.len().max(right.len());
    let common = match lcs::longest_common(&left, &right, &mut budget.words) {
        Common::Exactly(common) => common,
        Common::AtLeast(common) => {
            budget.is_short = true;
            common
        }
    };
    (ratio(common, longer), "common letters")
}

/// `\s+` as Python has it becomes one blank, and the ends are trimmed.
fn folded(text: &str) -> Cow<'_, str> {
    let is_blank = |letter: char| letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter);
    let is_ready = !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("  ")
        && !text.contains(|letter| letter != ' ' && is_blank(letter));
    if is_ready {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    for word in text.split(is_blank).filter(|word| !word.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    Cow::Owned(folded)
}

#[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn numbers(actual: f64, expected: f64) -> f64 {
    if expected == 0.0 {
        return if actual == 0.0 { 1.0 } else { 0.0 };
    }
    let apart = (actual - expected).abs() / expected.abs();
    if apart.is_nan() {
        0.0
    } else if apart <= 0.001 {
        1.0
    } else if apart <= 0.01 {
        0.9
    } else if apart <= 0.1 {
        0.7
    } else {
        1.0 - apart.min(1.0)
    }
}

/// The items of a JSON list as Python's `str` shows them. A list that is nested too deeply is none,
/// as it is none to Python.
fn list(text: &str) -> Option<Vec<Cow<'_, str>>> {
    if !(text.starts_with('[') && text.ends_with(']')) {
        return None;
    }
    let list = json::read_as_python(text).ok()?;
    list.children(0)
        .map(|item| {
            let raw = list.raw(item);
            match list.kind(item) {
                Kind::Text { escaped: false } => Some(Cow::Borrowed(raw)),
                Kind::Text { escaped: true } => Some(Cow::Owned(list.text_meant(item))),
                Kind::Number if raw.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Some(Cow::Borrowed(raw))
                }
                _ => {
                    let mut shown = String::new();
                    python_repr(&list, item, 0, &mut shown)?;
                    Some(Cow::Owned(shown))
                }
            }
        })
        .collect()
}

/// 0.3 × closeness of lengths + 0.7 × mean over expected items of the best against any actual.
fn lists(actual: &[Cow<str>], expected: &[Cow<str>], budget: &mut Budget, depth: usize) -> f64 {
    if actual.is_empty() && expected.is_empty() {
        return 1.0;
    }
    // Reading lists takes longer than reading numbers.
    budget.bytes = budget.bytes.saturating_sub(4 * PAIR);
    let longer = actual.len().max(expected.len());
    let length = 1.0 - ratio(actual.len().abs_diff(expected.len()), longer);
    let mut distinct: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    distinct.extend(
        actual
            .iter()
            .map(AsRef::as_ref)
            .filter(|item: &&str| seen.insert(*item)),
    );
    // An item that is written alike has a perfect partner; equal items have equal partners.
    let mut known: HashMap<&str, f64> = HashMap::new();
    let mut sum = 0.0;
    for item in expected {
        sum += if seen.contains(item.as_ref()) {
            1.0
        } else if let Some(best) = known.get(item.as_ref()) {
            *best
        } else {
            let best = best(&distinct, item, budget, depth);
            known.insert(item, best);
            best
        };
    }
    let items = if actual.is_empty() || expected.is_empty() {
        0.0
    } else {
        sum / ratio(expected.len(), 1)
    };
    0.3 * length + 0.7 * items
}

fn best(actual: &[&str], item: &str, budget: &mut Budget, depth: usize) -> f64 {
    let mut best = 0.0_f64;
    for other in actual {
        let Some(rest) = budget.bytes.checked_sub(other.len() + item.len() + PAIR) else {
            budget.is_short = true;
            break;
        };
        budget.bytes = rest;
        best = best.max(similarity(other, item, budget, depth + 1).0);
        if best >= 1.0 {
            break;
        }
    }
    best
}

/// A JSON value as Python's `repr` shows it; `None` where it is nested too deeply.
fn python_repr(value: &Value, at: u32, depth: usize, shown: &mut String) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value.kind(at) {
        Kind::True => shown.push_str("True"),
        Kind::False => shown.push_str("False"),
        Kind::Number => shown.push_str(&python_number(value.raw(at))),
        Kind::Text { .. } => python_quoted(&value.text_meant(at), shown),
        Kind::List => {
            shown.push('[');
            for (index, item) in value.children(at).enumerate() {
                shown.push_str(if index > 0 { ", " } else { "" });
                python_repr(value, item, depth + 1, shown)?;
            }
            shown.push(']');
        }
        Kind::Map => {
            // Of a key that is written twice, the place is the first's and the value the last's.
            let mut places = HashMap::new();
            let mut entries: Vec<(String, u32)> = Vec::new();
            for (key, item) in value.entries(at) {
                let key = value.text_meant(key);
                let place = *places.entry(key.clone()).or_insert(entries.len());
                match entries.get_mut(place) {
                    Some(entry) => entry.1 = item,
                    None => entries.push((key, item)),
                }
            }
            shown.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                shown.push_str(if index > 0 { ", " } else { "" });
                python_quoted(key, shown);
                shown.push_str(": ");
                python_repr(value, *item, depth + 1, shown)?;
            }
            shown.push('}');
        }
        _ => shown.push_str("None"),
    }
    Some(())
}

/// A JSON number as Python shows it: integers as they are, others by `repr(float(…))`.
fn python_number(written: &str) -> String {
    match written {
        "NaN" => return "nan".to_owned(),
        "Infinity" => return "inf".to_owned(),
        "-Infinity" => return "-inf".to_owned(),
        _ => {}
    }
    if !written.contains(['.', 'e', 'E']) {
        return if written == "-0" { "0" } else { written }.to_owned();
    }
    let value: f64 = written.parse().unwrap_or(f64::NAN);
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // The shortest digits that are this double, written as Python does.
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{value:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn python_quoted(text: &str, shown: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    shown.push(quote);
    for letter in text.chars() {
        let code = u32::from(letter);
        let is_written = match letter {
            '\n' => shown.write_str("\\n"),
            '\r' => shown.write_str("\\r"),
            '\t' => shown.write_str("\\t"),
            '\\' => shown.write_str("\\\\"),
            letter if letter == quote => write!(shown, "\\{letter}"),
            _ if is_printable(letter) => shown.write_char(letter),
            _ if code < 0x100 => write!(shown, "\\x{code:02x}"),
            _ if code < 0x1_0000 => write!(shown, "\\u{code:04x}"),
            _ => write!(shown, "\\U{code:08x}"),
        };
        is_written.expect("a string can be written to");
    }
    shown.push(quote);
}

/// What Python's `repr` shows as it is; of letters that are not assigned, it may differ.
fn is_printable(letter: char) -> bool {
    let is_hidden = matches!(letter,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e007f}'
        | '\u{f0000}'..='\u{10ffff}');
    letter == ' ' || !(letter.is_control() || letter.is_whitespace() || is_hidden)
}

/// What Python's `float()` accepts: underscores between digits, names, digits of any script.
fn python_float(text: &str) -> Option<f64> {
    let first = text.chars().next()?;
    if !(digit(first).is_some() || "+-.iInN".contains(first)) {
        return None;
    }
    if text.is_ascii() && !text.contains('_') {
        return ascii_float(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_digit = |letter: Option<char>| letter.and_then(digit).is_some();
        match digit(letter) {
            Some(digit) => plain.push(digit),
            None if letter == '_' => {
                if !(is_digit(before) && is_digit(letters.peek().copied())) {
                    return None;
                }
            }
            None if letter.is_ascii() => plain.push(letter),
            None => return None,
        }
        before = Some(letter);
    }
    ascii_float(&plain)
}

fn ascii_float(plain: &str) -> Option<f64> {
    let name = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let is_number = name.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.');
    let is_name = ["nan", "inf", "infinity"];
    (is_number || is_name.iter().any(|other| name.eq_ignore_ascii_case(other)))
        .then(|| plain.parse().ok())
        .flatten()
}

/// The ASCII digit of a decimal digit of any script (Unicode 14, as CPython 3.11 has it).
fn digit(letter: char) -> Option<char> {
    const ZEROS: &[u32] = &[
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
        0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
        0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
        0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0,
        0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0,
        0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
    ];
    if letter.is_ascii() {
        return letter.is_ascii_digit().then_some(letter);
    }
    let code = u32::from(letter);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    char::from_digit(code - ZEROS[after - 1], 10).filter(char::is_ascii_digit)
}
