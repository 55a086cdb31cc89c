//! In any order: the items of a list, else lines, else words, as multisets.

use std::collections::HashMap;

use super::normalise::is_blank;
use super::{Of, Verdict, literal, text};

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
    let mut left = surplus(&actual[start..], &expected[start..]);
    let mut right = surplus(&expected[start..], &actual[start..]);
    if of == Of::Items && !left.is_empty() && !right.is_empty() {
        (left, right) = by_value(&left, &right);
    }
    told(&left, &right, of, actual.len(), expected.len())
}

/// What the first has more often than the second, in its order.
fn surplus<'t>(of: &[&'t str], without: &[&str]) -> Vec<&'t str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for item in without {
        *counts.entry(item).or_default() += 1;
    }
    let taken = |item: &&&str| match counts.get_mut(**item) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    of.iter().filter(taken).copied().collect()
}

/// What is left when items that are written differently but have one value are taken off:
/// `'a'` and `"a"`, `1` and `1.0`.
fn by_value<'t>(left: &[&'t str], right: &[&'t str]) -> (Vec<&'t str>, Vec<&'t str>) {
    let mut partners: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, item) in right.iter().enumerate().rev() {
        if let Some(value) = literal::fingerprint(item) {
            partners.entry(value).or_default().push(at);
        }
    }
    let mut is_taken = vec![false; right.len()];
    let mut has_partner = |item: &&&str| {
        let value = literal::fingerprint(item);
        let partner = value.and_then(|value| partners.get_mut(&value)?.pop());
        partner.inspect(|at| is_taken[*at] = true).is_some()
    };
    let left = left.iter().filter(|item| !has_partner(item));
    let left: Vec<&str> = left.copied().collect();
    let right = right.iter().zip(&is_taken);
    let right = right.filter_map(|(item, is_taken)| (!is_taken).then_some(*item));
    (left, right.collect())
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
