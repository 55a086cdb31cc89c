//! The length of the longest common subsequence, 64 cells of its table at once.

use std::collections::HashMap;

/// Words of 64 cells that are computed: about a fifth of a second, or two sequences of 90,000
/// after what they begin and end with alike is taken off.
pub(super) const WORDS_MAX: usize = 1 << 27;

/// What two sequences have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Common {
    /// The length of their longest common subsequence.
    Exactly(usize),
    /// The sequences are too long; what they begin and end with alike has this length.
    AtLeast(usize),
}

/// Compares two sequences, and takes the words it computes from what is `left_over`.
///
/// After H. Hyyrö, "Bit-parallel LCS-length computation revisited" (2004): a column of the table is
/// a number whose bits say where the length does not grow.
pub(super) fn longest_common(left: &[u32], right: &[u32], left_over: &mut usize) -> Common {
    let start = left
        .iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count();
    let (left, right) = (&left[start..], &right[start..]);
    let end = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(|(left, right)| left == right)
        .count();
    let (left, right) = (&left[..left.len() - end], &right[..right.len() - end]);
    let (rows, columns) = if left.len() < right.len() {
        (left, right)
    } else {
        (right, left)
    };
    let words = rows.len().div_ceil(64);
    match left_over.checked_sub(words.saturating_mul(columns.len())) {
        Some(rest) => *left_over = rest,
        None => return Common::AtLeast(start + end),
    }
    Common::Exactly(start + end + middle(rows, columns))
}

/// The columns of the table, one after the other.
fn middle(rows: &[u32], columns: &[u32]) -> usize {
    let words = rows.len().div_ceil(64);
    let mut places: HashMap<u32, Vec<u32>> = HashMap::new();
    for (at, item) in (0..).zip(rows) {
        places.entry(*item).or_default().push(at);
    }
    // What occurs in most words has its bits ready; there are at most 64 of those. The bits of
    // the others are set and cleared again, which takes no longer than a column.
    let set = |bits: &mut [u64], places: &[u32]| {
        for at in places {
            bits[*at as usize / 64] |= 1 << (at % 64);
        }
    };
    let ready: HashMap<u32, Vec<u64>> = places
        .iter()
        .filter(|(_, places)| places.len() >= words)
        .map(|(item, places)| {
            let mut bits = vec![0; words];
            set(&mut bits, places);
            (*item, bits)
        })
        .collect();
    let mut scratch = vec![0_u64; words];
    let mut column = vec![u64::MAX; words];
    for item in columns {
        if let Some(bits) = ready.get(item) {
            step(&mut column, bits);
        } else if let Some(places) = places.get(item) {
            set(&mut scratch, places);
            step(&mut column, &scratch);
            for at in places {
                scratch[*at as usize / 64] = 0;
            }
        }
    }
    let grows: u32 = column.iter().map(|word| word.count_zeros()).sum();
    grows as usize
}

fn step(column: &mut [u64], bits: &[u64]) {
    let mut carry = false;
    for (word, bits) in column.iter_mut().zip(bits) {
        let matching = *word & bits;
        let (sum, first) = word.overflowing_add(matching);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        carry = first || second;
        *word = sum | (*word & !bits);
    }
}
