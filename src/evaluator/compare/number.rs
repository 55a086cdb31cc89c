//! Numbers: integers exactly, whatever their size; others within a tolerance.

use super::{Verdict, text};

/// How far two numbers may be apart: `rel` times the larger of the two, or `abs`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tolerance {
    rel: f64,
    abs: f64,
    /// Whether an author set it: then it holds for integers too.
    explicit: bool,
}

impl Tolerance {
    /// Only the one that is given counts; without either, both are 1e-9.
    pub(super) fn new(rel: Option<f64>, abs: Option<f64>) -> Self {
        match (rel, abs) {
            (None, None) => Tolerance {
                rel: 1e-9,
                abs: 1e-9,
                explicit: false,
            },
            (rel, abs) => Tolerance {
                rel: rel.unwrap_or(0.0),
                abs: abs.unwrap_or(0.0),
                explicit: true,
            },
        }
    }

    fn holds(self, left: f64, right: f64) -> bool {
        if left.is_nan() || right.is_nan() {
            return left.is_nan() && right.is_nan();
        }
        if left.is_infinite() || right.is_infinite() {
            return left == right;
        }
        let apart = (left - right).abs();
        apart <= self.abs || apart <= self.rel * left.abs().max(right.abs())
    }
}

/// A number as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    /// Canonical digits: no plus sign, no leading zeros, `-0` is `0`.
    Integer(String),
    /// Anything with a point, an exponent, or a name.
    Float(f64),
}

impl Number {
    /// Reads a token: `15`, `+15`, `15.`, `1e3`, `nan`, `-Infinity`.
    pub(super) fn read(token: &str) -> Option<Number> {
        let (negative, digits) = match token.as_bytes().first()? {
            b'-' => (true, &token[1..]),
            b'+' => (false, &token[1..]),
            _ => (false, token),
        };
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let digits = digits.trim_start_matches('0');
            return Some(Number::Integer(match (digits, negative) {
                ("", _) => "0".to_owned(),
                (digits, true) => format!("-{digits}"),
                (digits, false) => digits.to_owned(),
            }));
        }
        let sign = if negative { -1.0 } else { 1.0 };
        match digits.to_ascii_lowercase().as_str() {
            "inf" | "infinity" => return Some(Number::Float(sign * f64::INFINITY)),
            "nan" => return Some(Number::Float(f64::NAN)),
            _ => {}
        }
        // Rust's parser also takes names; what begins like a number is one.
        let starts_as_number =
            digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.');
        let has_digit = digits.bytes().any(|byte| byte.is_ascii_digit());
        if !(starts_as_number && has_digit) {
            return None;
        }
        digits
            .parse::<f64>()
            .ok()
            .map(|value| Number::Float(sign * value))
    }

    pub(super) fn value(&self) -> f64 {
        match self {
            Number::Integer(digits) => digits.parse().unwrap_or(f64::NAN),
            Number::Float(value) => *value,
        }
    }

    pub(super) fn equals(&self, other: &Number, tolerance: Tolerance) -> bool {
        match (self, other) {
            (Number::Integer(left), Number::Integer(right)) if left == right => true,
            (Number::Integer(_), Number::Integer(_)) if !tolerance.explicit => false,
            // A float prints an integer as `15.0`: equal digits are equal, however large.
            _ => tolerance.holds(self.value(), other.value()),
        }
    }
}

/// Token by token: numbers near, other tokens equal.
pub(super) fn compare(actual: &str, expected: &str, tolerance: Tolerance) -> Verdict {
    let mut actual_tokens = actual.split_whitespace();
    let mut expected_tokens = expected.split_whitespace();
    let mut number = 0;
    loop {
        number += 1;
        let (left, right) = match (actual_tokens.next(), expected_tokens.next()) {
            (None, None) => return Verdict::Holds,
            (Some(left), Some(right)) => (left, right),
            (None, Some(right)) => {
                return Verdict::Fails(format!(
                    "the output ends before {}, value {number}",
                    text::shown(right)
                ));
            }
            (Some(left), None) => {
                return Verdict::Fails(format!(
                    "value {number} is one too many: {}",
                    text::shown(left)
                ));
            }
        };
        if left == right {
            continue;
        }
        let near = match (Number::read(left), Number::read(right)) {
            (Some(left), Some(right)) => left.equals(&right, tolerance),
            _ => false,
        };
        if !near {
            return Verdict::Fails(format!(
                "value {number}: expected {}, got {}",
                text::shown(right),
                text::shown(left)
            ));
        }
    }
}
