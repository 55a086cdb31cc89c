//! Numbers as they are written: exact decimals of any size, compared exactly or within a tolerance.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::{Verdict, text};

/// Digits of an exponent that are read; what has more is no number that anybody means.
const EXPONENT_DIGITS_MAX: usize = 17;

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

    /// In words, for a reason.
    fn told(self) -> String {
        match (self.abs > 0.0, self.rel > 0.0) {
            (true, true) => format!("abs {:?} and rel {:?} are allowed", self.abs, self.rel),
            (true, false) => format!("abs {:?} is allowed", self.abs),
            (false, true) => format!("rel {:?} is allowed", self.rel),
            (false, false) => "nothing is allowed".to_owned(),
        }
    }
}

/// A number as written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number<'t> {
    Finite(Decimal<'t>),
    Infinite { negative: bool },
    Nan,
}

/// A finite number as written: `whole`, a point, `fraction`, times ten to the `exponent`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'t> {
    token: &'t str,
    negative: bool,
    /// Without leading zeros.
    whole: &'t [u8],
    /// Without trailing zeros.
    fraction: &'t [u8],
    exponent: i64,
    /// Neither a point nor an exponent was written.
    is_integer: bool,
}

/// A decimal with its digits in one place, to calculate with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exact {
    negative: bool,
    /// 0..=9, the highest first, neither beginning nor ending with 0; empty is zero.
    digits: Vec<u8>,
    /// Of the last digit.
    exponent: i64,
}

impl<'t> Number<'t> {
    /// Reads a token: `15`, `+15`, `15.`, `.5`, `1e3`, `nan`, `-Infinity`.
    pub(super) fn read(token: &'t str) -> Option<Number<'t>> {
        let (negative, rest) = match token.as_bytes().first()? {
            b'-' => (true, &token[1..]),
            b'+' => (false, &token[1..]),
            _ => (false, token),
        };
        let bytes = rest.as_bytes();
        match *bytes.first()? {
            b'0'..=b'9' | b'.' => {}
            b'i' | b'I'
                if ["inf", "infinity"]
                    .iter()
                    .any(|name| rest.eq_ignore_ascii_case(name)) =>
            {
                return Some(Number::Infinite { negative });
            }
            b'n' | b'N' if rest.eq_ignore_ascii_case("nan") => return Some(Number::Nan),
            _ => return None,
        }
        let digits_end = |from: usize| {
            let length = bytes[from..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            from + length.count()
        };
        let whole_end = digits_end(0);
        let (fraction, mut at) = if bytes.get(whole_end) == Some(&b'.') {
            let end = digits_end(whole_end + 1);
            (&bytes[whole_end + 1..end], end)
        } else {
            (&bytes[..0], whole_end)
        };
        if whole_end + fraction.len() == 0 {
            return None;
        }
        let mut exponent = 0;
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            exponent = read_exponent(&rest[at + 1..])?;
            at = rest.len();
        }
        (at == rest.len()).then(|| {
            Number::Finite(Decimal {
                token,
                negative,
                whole: without_leading_zeros(&bytes[..whole_end]),
                fraction: without_trailing_zeros(fraction),
                exponent,
                is_integer: whole_end == bytes.len(),
            })
        })
    }

    /// Whether it was written with neither a point nor an exponent.
    pub(super) fn is_integer(&self) -> bool {
        matches!(self, Number::Finite(decimal) if decimal.is_integer)
    }

    /// Whether it is zero, as the imaginary part of a real number is.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self, Number::Finite(decimal) if decimal.is_zero())
    }

    /// The nearest double.
    pub(super) fn nearest(&self) -> f64 {
        match self {
            Number::Finite(decimal) => decimal.nearest(),
            Number::Infinite { negative: true } => f64::NEG_INFINITY,
            Number::Infinite { negative: false } => f64::INFINITY,
            Number::Nan => f64::NAN,
        }
    }

    /// Whether the two are near enough. Integers must be equal unless an author set a tolerance;
    /// nothing but infinity is near infinity, and what is not a number equals itself.
    pub(super) fn equals(&self, other: &Number, tolerance: Tolerance) -> bool {
        match (self, other) {
            (Number::Nan, Number::Nan) => true,
            (Number::Infinite { negative: left }, Number::Infinite { negative: right }) => {
                left == right
            }
            (Number::Finite(left), Number::Finite(right)) => {
                if left.is_integer && right.is_integer {
                    left.is_same_integer(right)
                        || tolerance.explicit && left.is_near(right, tolerance)
                } else {
                    left.is_near(right, tolerance)
                }
            }
            _ => false,
        }
    }

    /// Whether the two are one number: exactly, or as doubles where a side is no whole number.
    pub(super) fn is_same(&self, other: &Number) -> bool {
        let (Number::Finite(left), Number::Finite(right)) = (self, other) else {
            return self.equals(other, Tolerance::new(Some(0.0), None));
        };
        if left.is_integer && right.is_integer {
            return left.is_same_integer(right);
        }
        let (near_left, near_right) = (left.nearest(), right.nearest());
        let (left, right) = (left.exact(), right.exact());
        let is_whole = |exact: &Exact| exact.exponent >= 0 || exact.digits.is_empty();
        left == right
            || !(is_whole(&left) && is_whole(&right))
                && near_left.is_finite()
                && near_left.total_cmp(&near_right) == Ordering::Equal
    }

    /// How far apart the two are, in words, and what would be allowed.
    pub(super) fn apart(&self, other: &Number, tolerance: Tolerance) -> Option<String> {
        let (Number::Finite(left), Number::Finite(right)) = (self, other) else {
            return None;
        };
        let difference = bridged(&left.exact(), &right.exact(), Exact::minus);
        let exactly = left.is_integer && right.is_integer && !tolerance.explicit;
        let allowed = if exactly {
            "integers are exact".to_owned()
        } else {
            tolerance.told()
        };
        Some(format!("off by {}; {allowed}", difference.told()))
    }

    /// Numbers that are equal hash alike, however they are written.
    pub(super) fn hash_value(&self, hasher: &mut impl Hasher) {
        match self {
            Number::Nan => 0_u8.hash(hasher),
            Number::Infinite { negative } => (1_u8, negative).hash(hasher),
            Number::Finite(decimal) => {
                let exact = decimal.exact();
                (2_u8, exact.negative, exact.exponent, exact.digits).hash(hasher);
            }
        }
    }
}

fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    if digits.len() > EXPONENT_DIGITS_MAX {
        return None;
    }
    let value: i64 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -value } else { value })
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

fn without_trailing_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0');
    &digits[..digits.len() - zeros.count()]
}

impl Decimal<'_> {
    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.iter().all(|digit| *digit == b'0')
    }

    fn nearest(&self) -> f64 {
        // A sign is taken, and a point at either end.
        self.token.parse().unwrap_or(f64::NAN)
    }

    /// Digit by digit.
    fn is_same_integer(&self, other: &Decimal) -> bool {
        self.whole == other.whole && (self.negative == other.negative || self.whole.is_empty())
    }

    fn is_near(&self, other: &Decimal, tolerance: Tolerance) -> bool {
        // Doubles decide what is not near the border; the rest is calculated exactly.
        let (left, right) = (self.nearest(), other.nearest());
        let larger = left.abs().max(right.abs());
        let (apart, allowed) = (
            (left - right).abs(),
            tolerance.abs.max(tolerance.rel * larger),
        );
        let error = 4.0 * f64::EPSILON * larger + f64::MIN_POSITIVE;
        if larger.is_finite() && allowed.is_finite() {
            if apart + error < allowed * (1.0 - 1e-12) {
                return true;
            }
            if apart - error > allowed * (1.0 + 1e-12) {
                return false;
            }
        }
        let (left, right) = (self.exact(), other.exact());
        let apart = bridged(&left, &right, Exact::minus);
        let larger = if left.compare_size(&right).is_lt() {
            &right
        } else {
            &left
        };
        let is_within = |allowed: &Exact| apart.compare_size(allowed).is_le();
        is_within(&Exact::of(tolerance.abs)) || is_within(&larger.times(&Exact::of(tolerance.rel)))
    }

    fn exact(&self) -> Exact {
        let all = || self.whole.iter().chain(self.fraction);
        let leading = all().take_while(|digit| **digit == b'0').count();
        let digits = all().skip(leading).map(|digit| digit - b'0').collect();
        let places = i64::try_from(self.fraction.len()).unwrap_or(i64::MAX);
        Exact {
            negative: self.negative,
            digits,
            exponent: self.exponent - places,
        }
        .normal()
    }
}

/// Calculates with two numbers. Where one is so small that its digits do not reach those of the
/// other, one digit just below these stands for it: every comparison comes out the same, and an
/// exponent of a billion costs no billion digits.
fn bridged(left: &Exact, right: &Exact, calculate: impl Fn(&Exact, &Exact) -> Exact) -> Exact {
    const GAP: i64 = 64;
    let (large, small) = if left.compare_size(right).is_lt() {
        (right, left)
    } else {
        (left, right)
    };
    if small.digits.is_empty() || small.top() + GAP >= large.exponent {
        return calculate(large, small);
    }
    let stand_in = Exact {
        negative: small.negative,
        digits: vec![1],
        exponent: large.exponent - GAP,
    };
    calculate(large, &stand_in)
}

impl Exact {
    /// The shortest decimal that is this double.
    fn of(value: f64) -> Exact {
        match Number::read(&format!("{value:e}")) {
            Some(Number::Finite(decimal)) => decimal.exact(),
            _ => Exact {
                negative: false,
                digits: Vec::new(),
                exponent: 0,
            },
        }
    }

    fn normal(mut self) -> Exact {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.exponent += 1;
        }
        if self.digits.is_empty() {
            self.negative = false;
            self.exponent = 0;
        }
        self
    }

    /// The exponent of the first digit.
    fn top(&self) -> i64 {
        self.exponent + i64::try_from(self.digits.len()).unwrap_or(i64::MAX) - 1
    }

    fn compare_size(&self, other: &Exact) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self
                .top()
                .cmp(&other.top())
                .then_with(|| self.digits.cmp(&other.digits)),
        }
    }

    /// The distance of a number from another that is not larger in size.
    fn minus(&self, smaller: &Exact) -> Exact {
        let exponent = self.exponent.min(smaller.exponent);
        let zeros = |from: i64| usize::try_from(from - exponent).unwrap_or(0);
        let mut digits = self.digits.clone();
        digits.resize(self.digits.len() + zeros(self.exponent), 0);
        let last = digits.len() - zeros(smaller.exponent).min(digits.len());
        let below = digits[..last].iter_mut().rev();
        let mut taken = smaller.digits.iter().rev();
        let mut carry = 0;
        let subtracts = self.negative == smaller.negative;
        for digit in below {
            let other = taken.next();
            if other.is_none() && carry == 0 {
                break;
            }
            let other = other.copied().unwrap_or(0) + carry;
            let value = if subtracts {
                10 + *digit - other
            } else {
                *digit + other
            };
            carry = u8::from((value < 10) == subtracts);
            *digit = value % 10;
        }
        if carry == 1 && !subtracts {
            digits.insert(0, 1);
        }
        Exact {
            negative: false,
            digits,
            exponent,
        }
        .normal()
    }

    /// The product with a number of at most 17 digits.
    fn times(&self, other: &Exact) -> Exact {
        let factor = other
            .digits
            .iter()
            .fold(0_u64, |value, digit| value * 10 + u64::from(*digit));
        let mut digits = vec![0; self.digits.len()];
        let mut carry = 0_u64;
        for (place, digit) in digits.iter_mut().zip(&self.digits).rev() {
            let value = u64::from(*digit) * factor + carry;
            *place = u8::try_from(value % 10).unwrap_or(0);
            carry = value / 10;
        }
        let mut front: Vec<u8> = carry.to_string().bytes().map(|byte| byte - b'0').collect();
        front.append(&mut digits);
        Exact {
            negative: false,
            digits: front,
            exponent: self.exponent + other.exponent,
        }
        .normal()
    }

    /// Up to a few digits exactly, else about.
    fn told(&self) -> String {
        const DIGITS_MAX: usize = 20;
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        let digit = |digit: &u8| char::from(b'0' + digit);
        let size = i64::try_from(DIGITS_MAX).unwrap_or(0);
        if self.digits.len() > DIGITS_MAX || self.top() >= size || self.exponent < -size {
            let first: String = self.digits.iter().take(6).map(digit).collect();
            let (one, rest) = first.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let about = if self.digits.len() > 6 { "about " } else { "" };
            return format!("{about}{one}{point}{rest}e{}", self.top());
        }
        let mut told: String = self.digits.iter().map(digit).collect();
        match usize::try_from(-self.exponent) {
            Ok(places) if places >= told.len() => {
                format!("0.{}{told}", "0".repeat(places - told.len()))
            }
            Ok(places) => {
                if places > 0 {
                    told.insert(told.len() - places, '.');
                }
                told
            }
            Err(_) => told + &"0".repeat(usize::try_from(self.exponent).unwrap_or(0)),
        }
    }
}

/// Token by token: numbers near, other tokens equal.
pub(super) fn compare(actual: &str, expected: &str, tolerance: Tolerance) -> Verdict {
    // What both begin with is equal, up to the token in which they part.
    let common = text::common_start(actual, expected);
    let start = actual[..common]
        .char_indices()
        .rev()
        .find(|(_, letter)| letter.is_whitespace())
        .map_or(0, |(at, letter)| at + letter.len_utf8());
    let mut actual_tokens = actual[start..].split_whitespace();
    let mut expected_tokens = expected[start..].split_whitespace();
    let mut number = 0;
    loop {
        number += 1;
        let (left, right) = match (actual_tokens.next(), expected_tokens.next()) {
            (None, None) => return Verdict::Holds,
            (left, right) => (left, right),
        };
        if let (Some(left), Some(right)) = (left, right)
            && (left == right
                || matches!((Number::read(left), Number::read(right)),
                    (Some(left), Some(right)) if left.equals(&right, tolerance)))
        {
            continue;
        }
        let number = number + actual[..start].split_whitespace().count();
        return Verdict::Fails(told(actual, left, right, number, tolerance));
    }
}

fn told(
    actual: &str,
    left: Option<&str>,
    right: Option<&str>,
    number: usize,
    tolerance: Tolerance,
) -> String {
    let at = |token: &str| {
        let (line, column) = text::place(actual, token.as_ptr().addr() - actual.as_ptr().addr());
        format!("line {line}, column {column}: value {number}")
    };
    match (left, right) {
        (Some(left), Some(right)) => {
            let apart = match (Number::read(left), Number::read(right)) {
                (Some(left), Some(right)) => left.apart(&right, tolerance),
                (_, Some(_)) => Some("the output has no number there".to_owned()),
                _ => None,
            };
            let apart = apart.map(|apart| format!(" ({apart})")).unwrap_or_default();
            format!(
                "{}: expected {}, got {}{apart}",
                at(left),
                shown(right, left),
                shown(left, right)
            )
        }
        (Some(left), None) => format!(
            "{} is one too many: {}; expected {} in all",
            at(left),
            text::shown(left),
            number - 1
        ),
        (None, Some(right)) if number == 1 => {
            format!("the output has no value: expected {}", text::shown(right))
        }
        (None, right) => format!(
            "the output ends after {} values: expected {} as value {number}",
            number - 1,
            text::shown(right.unwrap_or_default())
        ),
    }
}

/// A token; of a long one, what is around the place where it parts from the other.
pub(super) fn shown(token: &str, other: &str) -> String {
    const SHORT_MAX: usize = 60;
    if token.len() <= SHORT_MAX {
        return text::shown(token);
    }
    let at = text::common_start(token, other);
    let from = token[..at]
        .char_indices()
        .rev()
        .nth(SHORT_MAX / 3)
        .map_or(0, |(offset, _)| offset);
    let end = token[from..]
        .char_indices()
        .nth(SHORT_MAX)
        .map_or(token.len(), |(offset, _)| from + offset);
    let (before, after) = (
        if from > 0 { "…" } else { "" },
        if end < token.len() { "…" } else { "" },
    );
    format!(
        "`{before}{}{after}` ({} characters)",
        &token[from..end],
        token.chars().count()
    )
}
