//! In any order: the items of a list, else lines, else words, as multisets.

use std::collections::HashMap;

use super::{Of, Verdict, text};

pub(super) fn compare(actual: &str, expected: &str, of: Option<Of>) -> Verdict {
    let of = of.unwrap_or_else(|| guess(actual, expected));
    let (actual, expected) = (split(actual, of), split(expected, of));
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for item in &expected {
        *counts.entry(item).or_default() += 1;
    }
    for item in &actual {
        *counts.entry(item).or_default() -= 1;
    }
    let missing = expected.iter().find(|item| counts[item.as_str()] > 0);
    let surplus = actual.iter().find(|item| counts[item.as_str()] < 0);
    match (missing, surplus) {
        (None, None) => Verdict::Holds,
        (Some(missing), Some(surplus)) => Verdict::Fails(format!(
            "{} is missing, {} is one too many",
            text::shown(missing),
            text::shown(surplus)
        )),
        (Some(missing), None) => Verdict::Fails(format!("{} is missing", text::shown(missing))),
        (None, Some(surplus)) => {
            Verdict::Fails(format!("{} is one too many", text::shown(surplus)))
        }
    }
}

fn guess(actual: &str, expected: &str) -> Of {
    let listed = |text: &str| brackets(text).is_some();
    if listed(expected) && listed(actual) {
        Of::Items
    } else if expected.contains('\n') || actual.contains('\n') {
        Of::Lines
    } else if expected.contains(',') && brackets(expected).is_some() {
        Of::Items
    } else {
        Of::Tokens
    }
}

fn brackets(text: &str) -> Option<&str> {
    let inner = |open, close| {
        text.strip_prefix(open)
            .and_then(|rest: &str| rest.strip_suffix(close))
    };
    inner('[', ']')
        .or_else(|| inner('(', ')'))
        .or_else(|| inner('{', '}'))
}

fn split(text: &str, of: Of) -> Vec<String> {
    match of {
        Of::Lines => text
            .split('\n')
            .map(|line| line.trim_end().to_owned())
            .filter(|line| !line.is_empty())
            .collect(),
        Of::Tokens => text.split_whitespace().map(str::to_owned).collect(),
        Of::Items => items(brackets(text).unwrap_or(text)),
    }
}

/// Splits at commas outside brackets and quotes.
fn items(text: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for letter in text.chars() {
        match (letter, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            (letter, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(letter),
            ('[' | '(' | '{', None) => depth += 1,
            (']' | ')' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                items.push(item.trim().to_owned());
                item.clear();
                continue;
            }
            _ => {}
        }
        item.push(letter);
    }
    if !item.trim().is_empty() {
        items.push(item.trim().to_owned());
    }
    items
}
