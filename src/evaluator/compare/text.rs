//! Texts: what differs, what is contained, patterns, partial credit for lines.

use regex::Regex;

use super::{Align, Verdict};
use crate::evaluator::rule_error::RuleError;

/// Characters of a value that a reason shows.
const SHOWN_MAX: usize = 120;
/// Lines beyond which the longest common subsequence is not sought: its table is quadratic.
const LCS_CELLS_MAX: usize = 4_000_000;

/// A value between backticks, shortened.
pub(super) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "nothing".to_owned();
    }
    let escaped: String = text
        .chars()
        .take(SHOWN_MAX + 1)
        .flat_map(|letter| {
            if letter == '\n' {
                vec!['\\', 'n']
            } else {
                vec![letter]
            }
        })
        .collect();
    match escaped.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!(
            "`{}…` ({} characters)",
            &escaped[..end],
            text.chars().count()
        ),
        None => format!("`{escaped}`"),
    }
}

/// Where two texts first differ.
pub(super) fn difference(actual: &str, expected: &str) -> String {
    if !actual.contains('\n') && !expected.contains('\n') {
        return format!("expected {}, got {}", shown(expected), shown(actual));
    }
    let (mut actual_lines, mut expected_lines) = (actual.split('\n'), expected.split('\n'));
    let mut number = 0;
    loop {
        number += 1;
        match (actual_lines.next(), expected_lines.next()) {
            (Some(actual), Some(expected)) if actual == expected => {}
            (Some(actual), Some(expected)) => {
                return format!(
                    "line {number}: expected {}, got {}",
                    shown(expected),
                    shown(actual)
                );
            }
            (None, Some(expected)) => {
                return format!(
                    "the output ends before line {number}: expected {}",
                    shown(expected)
                );
            }
            (Some(actual), None) => {
                return format!("line {number} is one too many: {}", shown(actual));
            }
            (None, None) => return "the texts differ".to_owned(),
        }
    }
}

/// Says what is missing.
pub(super) fn lacks(actual: &str, expected: &str) -> String {
    format!(
        "expected {} somewhere in {}",
        shown(expected),
        shown(actual)
    )
}

/// Whether the text stands somewhere with no letter, digit or underscore touching it.
pub(super) fn contains_word(actual: &str, expected: &str) -> bool {
    let is_word = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    if expected.is_empty() {
        return true;
    }
    let (first, last) = (
        is_word(expected.chars().next()),
        is_word(expected.chars().next_back()),
    );
    let mut from = 0;
    while let Some(found) = actual[from..].find(expected) {
        let start = from + found;
        let end = start + expected.len();
        let touched = first && is_word(actual[..start].chars().next_back())
            || last && is_word(actual[end..].chars().next());
        if !touched {
            return true;
        }
        from = start + actual[start..].chars().next().map_or(1, char::len_utf8);
    }
    false
}

/// A regular expression, for the whole text or somewhere in it.
pub(super) fn pattern(text: &str, whole: bool) -> Result<Regex, RuleError> {
    let text = if whole {
        text.trim_end_matches(['\r', '\n'])
    } else {
        text
    };
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

/// Matching lines divided by the larger number of lines.
pub(super) fn lines_partial(actual: &str, expected: &str, align: Align) -> Verdict {
    let lines = |text: &'_ str| -> Vec<String> {
        if text.is_empty() {
            Vec::new()
        } else {
            text.split('\n').map(str::to_owned).collect()
        }
    };
    let (actual_lines, expected_lines) = (lines(actual), lines(expected));
    let most = actual_lines.len().max(expected_lines.len());
    if most == 0 {
        return Verdict::Holds;
    }
    let matching = match align {
        Align::Lcs if actual_lines.len().saturating_mul(expected_lines.len()) <= LCS_CELLS_MAX => {
            longest_common(&actual_lines, &expected_lines)
        }
        Align::Lcs | Align::Position => actual_lines
            .iter()
            .zip(&expected_lines)
            .filter(|(left, right)| left == right)
            .count(),
    };
    if matching == most {
        return Verdict::Holds;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of lines are far below 2^52"
    )]
    let score = matching as f64 / most as f64;
    Verdict::Partly(
        score,
        format!(
            "{matching} of {most} lines match; {}",
            difference(actual, expected)
        ),
    )
}

/// Length of the longest common subsequence, in two rows of the table.
pub(super) fn longest_common<T: PartialEq>(left: &[T], right: &[T]) -> usize {
    let mut row = vec![0; right.len() + 1];
    for item in left {
        let mut diagonal = 0;
        for (index, other) in right.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if item == other {
                diagonal + 1
            } else {
                above.max(row[index])
            };
            diagonal = above;
        }
    }
    row[right.len()]
}
