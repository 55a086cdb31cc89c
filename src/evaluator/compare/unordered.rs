//! In any order: the items of a list, else lines, else words, as multisets.

use std::collections::HashMap;

use super::normalise::is_blank;
use super::{Of, Verdict, literal, text};

/// Places that are made ready for counting; more come as they are needed.
const CAPACITY_MAX: usize = 1 << 16;

/// `of` says of what; else two lists in brackets are lists, texts of several lines are lines, and
/// everything else is words.
pub(super) fn compare(actual: &str, expected: &str, of: Option<Of>) -> Verdict {
    if actual == expected {
        return Verdict::Holds;
    }
    let texts = [actual, expected].map(|text| text.trim_matches(is_blank));
    // Nothing at all is not an empty list.
    if texts[0].is_empty() != texts[1].is_empty() {
        return Verdict::Fails(text::difference(texts[0], texts[1]));
    }
    let enclosed = texts.map(brackets);
    let of = of.unwrap_or_else(|| guess(texts, enclosed));
    let (actual, expected) = (
        split(actual, enclosed[0], of),
        split(expected, enclosed[1], of),
    );
    let alike = actual.iter().zip(&expected);
    let start = alike.take_while(|(left, right)| left == right).count();
    let (mut left, mut right) = without_partners(&actual[start..], &expected[start..]);
    if of == Of::Items && !left.is_empty() && !right.is_empty() {
        (left, right) = by_value(&left, &right);
    }
    told(&left, &right, of, actual.len(), expected.len())
}

/// What stands in one of the two only, or more often, each in its order.
fn without_partners<'t>(left: &[&'t str], right: &[&'t str]) -> (Vec<&'t str>, Vec<&'t str>) {
    let mut counts: HashMap<&str, usize> = HashMap::with_capacity(right.len().min(CAPACITY_MAX));
    for item in right {
        *counts.entry(item).or_default() += 1;
    }
    let taken = |count: Option<&mut usize>| match count {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    let rest = left.iter().filter(|item| !taken(counts.get_mut(**item)));
    let left: Vec<&str> = rest.copied().collect();
    let rest = right.iter().filter(|item| taken(counts.get_mut(**item)));
    (left, rest.copied().collect())
}

/// What is left when items that are written differently but have one value are taken off:
/// `'a'` and `"a"`, `1` and `1.0`.
fn by_value<'t>(left: &[&'t str], right: &[&'t str]) -> (Vec<&'t str>, Vec<&'t str>) {
    let values: Vec<Option<u64>> = right
        .iter()
        .map(|item| literal::fingerprint(item))
        .collect();
    let mut counts: HashMap<u64, usize> = HashMap::with_capacity(values.len().min(CAPACITY_MAX));
    for value in values.iter().flatten() {
        *counts.entry(*value).or_default() += 1;
    }
    let mut is_taken = |value: Option<u64>| {
        let count = value.and_then(|value| counts.get_mut(&value));
        count
            .filter(|count| **count > 0)
            .map(|count| *count -= 1)
            .is_some()
    };
    let rest = left
        .iter()
        .filter(|item| !is_taken(literal::fingerprint(item)));
    let left: Vec<&str> = rest.copied().collect();
    let rest = right.iter().zip(values);
    // What no item took is left, and so is what has no value.
    let rest = rest.filter(|(_, value)| value.is_none() || is_taken(*value));
    (left, rest.map(|(item, _)| *item).collect())
}

fn told(surplus: &[&str], missing: &[&str], of: Of, actual: usize, expected: usize) -> Verdict {
    let shown = |items: &[&str]| {
        let first = match items[0] {
            "" => "an empty line".to_owned(),
            item => text::shown(item),
        };
        match items.len() - 1 {
            0 => format!("{first} is"),
            1 => format!("{first} and one more are"),
            more => format!("{first} and {more} more are"),
        }
    };
    let why = match (missing, surplus) {
        ([], []) => return Verdict::Holds,
        (missing, []) => format!("{} missing", shown(missing)),
        ([], surplus) => format!("{} too many", shown(surplus)),
        (missing, surplus) => format!("{} missing, {} too many", shown(missing), shown(surplus)),
    };
    let of = match of {
        Of::Items => "item",
        Of::Lines => "line",
        Of::Tokens => "word",
    };
    let plural = if expected == 1 { "" } else { "s" };
    Verdict::Fails(format!(
        "in any order, {why} (expected {expected} {of}{plural}, got {actual})"
    ))
}

fn guess(texts: [&str; 2], enclosed: [Option<&str>; 2]) -> Of {
    let has_lines = texts.iter().any(|text| text.contains('\n'));
    match enclosed {
        [Some(_), Some(_)] => Of::Items,
        _ if has_lines => Of::Lines,
        [None, None] => Of::Tokens,
        _ => Of::Items,
    }
}

/// What one pair of brackets around the whole text encloses.
fn brackets(text: &str) -> Option<&str> {
    let close = match text.bytes().next()? {
        b'[' => ']',
        b'(' => ')',
        b'{' => '}',
        _ => return None,
    };
    let inner = text[1..].strip_suffix(close)?;
    // `[1] [2]` is not in one pair.
    let mut scan = Scan::default();
    let closes = inner.char_indices().all(|(_, letter)| {
        scan.read(letter);
        !scan.has_closed_too_much
    });
    closes.then_some(inner)
}

/// Depth of brackets and quotes while a text is read.
#[derive(Default)]
struct Scan {
    depth: usize,
    quote: Option<char>,
    escaped: bool,
    /// What came before, white space apart.
    before: Option<char>,
    has_closed_too_much: bool,
}

impl Scan {
    /// Reads a letter; whether it divides items.
    fn read(&mut self, letter: char) -> bool {
        if let Some(open) = self.quote {
            match letter {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                letter if letter == open => self.quote = None,
                _ => {}
            }
            return false;
        }
        // `it's` has no quote in it.
        let begins = self.before.is_none_or(|before| "[({,:=b".contains(before));
        match letter {
            '"' | '\'' if begins => self.quote = Some(letter),
            '[' | '(' | '{' => self.depth += 1,
            ']' | ')' | '}' => {
                self.has_closed_too_much |= self.depth == 0;
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            self.before = Some(letter);
        }
        letter == ',' && self.depth == 0
    }
}

fn split<'t>(text: &'t str, enclosed: Option<&'t str>, of: Of) -> Vec<&'t str> {
    match of {
        Of::Lines => {
            let text = text
                .trim_start_matches('\u{feff}')
                .trim_end_matches(is_blank);
            if text.is_empty() {
                return Vec::new();
            }
            let lines = text.split('\n');
            lines.map(|line| line.trim_end_matches(is_blank)).collect()
        }
        Of::Tokens => text.trim_matches(is_blank).split_whitespace().collect(),
        Of::Items => items(enclosed.unwrap_or_else(|| text.trim_matches(is_blank))),
    }
}

/// Splits at commas outside brackets and quotes.
fn items(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut scan = Scan::default();
    let mut start = 0;
    for (at, letter) in text.char_indices() {
        if scan.read(letter) {
            items.push(text[start..at].trim());
            start = at + 1;
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        items.push(last);
    }
    items
}
