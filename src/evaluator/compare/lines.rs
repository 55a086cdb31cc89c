//! Partial credit for lines.

use std::collections::HashMap;

use super::lcs::{self, Common};
use super::{Align, Verdict, text};

/// Matching lines divided by the larger number of lines. Lines are paired by position, or by their
/// longest common subsequence; where there are too many lines for that ([`lcs::WORDS_MAX`]), only
/// what both texts begin and end with counts, and the reason says so.
pub(super) fn compare(actual: &str, expected: &str, align: Align) -> Verdict {
    if actual == expected {
        return Verdict::Holds;
    }
    let most = lines(actual).count().max(lines(expected).count());
    let mut note = "";
    let matching = match align {
        Align::Position => lines(actual)
            .zip(lines(expected))
            .filter(|(left, right)| left == right)
            .count(),
        Align::Lcs => {
            let mut numbers = HashMap::new();
            let alike = lines(actual).zip(lines(expected));
            let start = alike.take_while(|(left, right)| left == right).count();
            let left = numbered(lines(actual).skip(start), &mut numbers);
            let right = numbered(lines(expected).skip(start), &mut numbers);
            match lcs::longest_common(&left, &right, &mut lcs::WORDS_MAX.clone()) {
                Common::Exactly(matching) => start + matching,
                Common::AtLeast(matching) => {
                    note =
                        " (too many lines to align: only those that both begin and end with count)";
                    start + matching
                }
            }
        }
    };
    if matching == most {
        return Verdict::Holds;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of lines are far below 2^52"
    )]
    let score = matching as f64 / most as f64;
    let verb = if matching == 1 { "matches" } else { "match" };
    Verdict::Partly(
        score,
        format!(
            "{matching} of {most} lines {verb}{note}; {}",
            text::difference(actual, expected)
        ),
    )
}

/// An empty text has no line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|_| !text.is_empty())
}

/// Lines as numbers: equal lines have one.
fn numbered<'t>(
    lines: impl Iterator<Item = &'t str>,
    numbers: &mut HashMap<&'t str, u32>,
) -> Vec<u32> {
    lines
        .map(|line| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(line).or_insert(next)
        })
        .collect()
}
