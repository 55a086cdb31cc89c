//! The similarity of reward-kit 0.4.1, to reproduce published numbers; nobody should start with
//! it. White space is folded; then the first of: equal, two numbers, two JSON lists, the longest
//! common subsequence of characters divided by the longer length.

use serde_json::Value;

use super::{Verdict, text};

/// Cells of a table that are computed; beyond it there is no verdict but 0, and it is said.
const CELLS_MAX: usize = 4_000_000;
/// Nesting of lists that is followed.
const DEPTH_MAX: usize = 50;

pub(super) fn compare(actual: &str, expected: &str) -> Verdict {
    let mut cells = CELLS_MAX;
    match similarity(actual, expected, &mut cells, 0) {
        Some(score) if score >= 1.0 => Verdict::Holds,
        Some(score) => Verdict::Partly(
            score,
            format!(
                "similarity {score:.2}: {}",
                text::difference(actual, expected)
            ),
        ),
        None => Verdict::Fails("the texts are too long for this comparator".to_owned()),
    }
}

fn similarity(actual: &str, expected: &str, cells: &mut usize, depth: usize) -> Option<f64> {
    let fold = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (actual, expected) = (fold(actual), fold(expected));
    if actual == expected {
        return Some(1.0);
    }
    if let (Some(actual), Some(expected)) = (python_float(&actual), python_float(&expected)) {
        return Some(numbers(actual, expected));
    }
    if let (Some(actual), Some(expected)) = (list(&actual), list(&expected))
        && depth < DEPTH_MAX
    {
        return lists(&actual, &expected, cells, depth);
    }
    let (left, right): (Vec<char>, Vec<char>) =
        (actual.chars().collect(), expected.chars().collect());
    let longer = left.len().max(right.len());
    if left.is_empty() || right.is_empty() {
        return Some(0.0);
    }
    *cells = cells.checked_sub(left.len().saturating_mul(right.len()))?;
    Some(ratio(text::longest_common(&left, &right), longer))
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

fn list(text: &str) -> Option<Vec<Value>> {
    if !(text.starts_with('[') && text.ends_with(']')) {
        return None;
    }
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => Some(items),
        _ => None,
    }
}

/// 0.3 × closeness of lengths + 0.7 × mean over expected items of the best against any actual.
fn lists(actual: &[Value], expected: &[Value], cells: &mut usize, depth: usize) -> Option<f64> {
    if actual.is_empty() && expected.is_empty() {
        return Some(1.0);
    }
    let longer = actual.len().max(expected.len());
    let length = 1.0 - ratio(actual.len().abs_diff(expected.len()), longer);
    let actual: Vec<String> = actual.iter().map(python_text).collect();
    let mut sum = 0.0;
    for item in expected {
        let item = python_text(item);
        let mut best = 0.0_f64;
        for other in &actual {
            *cells = cells.checked_sub(1)?;
            best = best.max(similarity(other, &item, cells, depth + 1)?);
        }
        sum += best;
    }
    let items = if actual.is_empty() || expected.is_empty() {
        0.0
    } else {
        sum / ratio(expected.len(), 1)
    };
    Some(0.3 * length + 0.7 * items)
}

/// A JSON value as Python's `str` shows it.
fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python_repr(other),
    }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(python_repr).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| {
                    format!(
                        "{}: {}",
                        python_repr(&Value::String(key.clone())),
                        python_repr(value)
                    )
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// What Python's `float()` accepts: underscores between digits, names, digits of any script.
fn python_float(text: &str) -> Option<f64> {
    let mut plain = String::with_capacity(text.len());
    let letters: Vec<char> = text.trim().chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        match letter {
            '_' => {
                let is_digit =
                    |letter: Option<&char>| letter.is_some_and(|letter| digit(*letter).is_some());
                if index == 0
                    || !is_digit(letters.get(index - 1))
                    || !is_digit(letters.get(index + 1))
                {
                    return None;
                }
            }
            letter => match digit(*letter) {
                Some(value) => plain.push(value),
                None => plain.push(*letter),
            },
        }
    }
    let name = plain.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let is_number = name.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.');
    (is_number || matches!(name.as_str(), "nan" | "inf" | "infinity"))
        .then(|| plain.parse().ok())
        .flatten()
}

/// The ASCII digit of a decimal digit of a common script.
fn digit(letter: char) -> Option<char> {
    const ZEROS: &[u32] = &[0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xe50, 0xff10];
    let code = letter as u32;
    ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code))
        .and_then(|zero| char::from_digit(code - zero, 10))
}
