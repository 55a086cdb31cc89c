//! Something in a text: plain texts, words, patterns.

use regex::Regex;

use super::{Verdict, text};
use crate::evaluator::rule_error::RuleError;

/// A text up to this length is folded to see whether only its case differs.
const FOLDED_MAX: usize = 1 << 20;
/// Places that are looked at one by one before all are found in one pass.
const TRIES_MAX: usize = 32;

/// Whether the text stands somewhere.
pub(super) fn contains(actual: &str, expected: &str) -> Verdict {
    Verdict::of(actual.contains(expected), || lacks(actual, expected))
}

/// Whether the text stands somewhere with no letter, digit or underscore touching it, asked on the
/// sides where the text itself has one.
pub(super) fn contains_word(actual: &str, expected: &str) -> Verdict {
    let is_word = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    let (first, last) = (
        is_word(expected.chars().next()),
        is_word(expected.chars().next_back()),
    );
    let stands_alone = |start: usize| {
        !(first && is_word(actual[..start].chars().next_back())
            || last && is_word(actual[start + expected.len()..].chars().next()))
    };
    let mut touched = None;
    let mut from = 0;
    for _ in 0..TRIES_MAX {
        let Some(found) = actual[from..].find(expected) else {
            return Verdict::Fails(match touched {
                Some(start) => is_touched(actual, expected, start),
                None => lacks(actual, expected),
            });
        };
        let start = from + found;
        if stands_alone(start) {
            return Verdict::Holds;
        }
        touched.get_or_insert(start);
        from = start + actual[start..].chars().next().map_or(1, char::len_utf8);
    }
    let found = places(&actual.as_bytes()[from..], expected.as_bytes())
        .any(|found| stands_alone(from + found));
    Verdict::of(found, || is_touched(actual, expected, touched.unwrap_or(0)))
}

/// Every place of a text in another, overlapping ones too, in time linear in both: Knuth, Morris
/// and Pratt, "Fast pattern matching in strings" (1977).
fn places<'t>(text: &'t [u8], wanted: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    // For each place in `wanted`, how long a beginning of it ends there.
    let mut borders = vec![0_u32; wanted.len()];
    let mut length = 0_usize;
    for at in 1..wanted.len() {
        while length > 0 && wanted[at] != wanted[length] {
            length = borders[length - 1] as usize;
        }
        length += usize::from(wanted[at] == wanted[length]);
        borders[at] = u32::try_from(length).unwrap_or(u32::MAX);
    }
    let mut length = 0;
    text.iter().enumerate().filter_map(move |(at, byte)| {
        while length > 0 && (length == wanted.len() || wanted[length] != *byte) {
            length = borders[length - 1] as usize;
        }
        length += usize::from(wanted[length] == *byte);
        (length == wanted.len()).then(|| at + 1 - length)
    })
}

fn lacks(actual: &str, expected: &str) -> String {
    let mut told = format!("{} stands nowhere in ", text::shown(expected));
    told.push_str(&if actual.is_empty() {
        "the output, which is empty".to_owned()
    } else {
        format!("the output {}", text::shown(actual))
    });
    // A usual mistake, which is not worth folding megabytes for.
    if actual.len() <= FOLDED_MAX && actual.to_lowercase().contains(&expected.to_lowercase()) {
        told.push_str("; it does in other upper and lower case");
    }
    told
}

fn is_touched(actual: &str, expected: &str, start: usize) -> String {
    let (line, column) = text::place(actual, start);
    let before = actual[..start].chars().rev().take(20).map(char::len_utf8);
    let from = start - before.sum::<usize>();
    let end = start + expected.len();
    let after = actual[end..].chars().take(20).map(char::len_utf8);
    let until = end + after.sum::<usize>();
    format!(
        "{} stands in the output only inside longer words, first at line {line}, column {column}: {}",
        text::shown(expected),
        text::shown(&actual[from..until])
    )
}

/// A regular expression, for the whole text or somewhere in it.
pub(super) fn pattern(text: &str, whole: bool) -> Result<Regex, RuleError> {
    let text = if whole { trimmed(text) } else { text };
    let written = if whole {
        format!(r"\A(?:{text})\z")
    } else {
        text.to_owned()
    };
    match Regex::new(&written) {
        // `a)(b` is balanced only inside the group around it.
        Ok(regex) if Regex::new(text).is_ok() => Ok(regex),
        Ok(_) => Err(RuleError {
            path: Vec::new(),
            at: None,
            message: "not a regular expression: unopened group".to_owned(),
            help: None,
        }),
        Err(error) => Err(RuleError::of_pattern(text, &error, &[])),
    }
}

/// The end of a block of YAML is no part of a pattern.
fn trimmed(pattern: &str) -> &str {
    pattern.trim_end_matches(['\r', '\n'])
}

/// Whether a pattern matches, and where it comes close.
pub(super) fn matches(pattern: &Regex, written: &str, actual: &str, whole: bool) -> Verdict {
    Verdict::of(pattern.is_match(actual), || {
        let told = match trimmed(written) {
            "" => "the output does not match the empty pattern".to_owned(),
            written => format!("the output does not match `{written}`"),
        };
        let part = Regex::new(trimmed(written))
            .ok()
            .filter(|_| whole)
            .and_then(|part| {
                let found = part.find(actual).filter(|found| !found.is_empty())?;
                let (line, column) = text::place(actual, found.start());
                let found = text::shown(found.as_str());
                Some(format!(
                    ": {found} at line {line}, column {column} does, the whole does not: {}",
                    text::shown(actual)
                ))
            });
        let nowhere = || format!(", nor does any part of it: {}", text::shown(actual));
        told + &part.unwrap_or_else(nowhere)
    })
}
