//! Literals: what Python's `print`, node's `console.log` and JSON show of a value, compared by
//! value.

use std::iter::Peekable;
use std::str::Chars;

use super::number::{Number, Tolerance};
use super::{Verdict, text};

/// Nesting beyond which a text is no literal here.
const DEPTH_MAX: usize = 200;
/// Items of a set whose order of comparison is quadratic.
const UNORDERED_MAX: usize = 2000;

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    /// `None`, `null`, `undefined`.
    Nothing,
    Bool(bool),
    Number(Number),
    Text(String),
    Bytes(String),
    List(Vec<Literal>),
    Tuple(Vec<Literal>),
    Set(Vec<Literal>),
    Map(Vec<(Literal, Literal)>),
}

/// Equal values; undecided where a side is no literal.
pub(super) fn compare(
    actual: &str,
    expected: &str,
    tolerance: Tolerance,
    strict_types: bool,
) -> Verdict {
    if actual == expected {
        return Verdict::Holds;
    }
    let (Some(left), Some(right)) = (read(actual), read(expected)) else {
        return Verdict::Undecided;
    };
    let rules = Rules {
        tolerance,
        strict_types,
    };
    Verdict::of(rules.equal(&left, &right), || {
        format!(
            "expected the value {}, got {}",
            text::shown(expected),
            text::shown(actual)
        )
    })
}

struct Rules {
    tolerance: Tolerance,
    strict_types: bool,
}

impl Rules {
    fn equal(&self, left: &Literal, right: &Literal) -> bool {
        match (left, right) {
            (Literal::Number(left), Literal::Number(right)) => {
                let same_kind = matches!(
                    (left, right),
                    (Number::Integer(_), Number::Integer(_)) | (Number::Float(_), Number::Float(_))
                );
                (same_kind || !self.strict_types) && left.equals(right, self.tolerance)
            }
            (Literal::List(left), Literal::List(right))
            | (Literal::Tuple(left), Literal::Tuple(right)) => self.equal_items(left, right),
            (Literal::List(left), Literal::Tuple(right))
            | (Literal::Tuple(left), Literal::List(right)) => {
                !self.strict_types && self.equal_items(left, right)
            }
            (Literal::Set(left), Literal::Set(right)) => {
                self.equal_unordered(left, right, |left, right| self.equal(left, right))
            }
            (Literal::Map(left), Literal::Map(right)) => {
                self.equal_unordered(left, right, |left, right| {
                    self.equal(&left.0, &right.0) && self.equal(&left.1, &right.1)
                })
            }
            _ => left == right,
        }
    }

    fn equal_items(&self, left: &[Literal], right: &[Literal]) -> bool {
        left.len() == right.len()
            && left
                .iter()
                .zip(right)
                .all(|(left, right)| self.equal(left, right))
    }

    fn equal_unordered<T>(&self, left: &[T], right: &[T], equal: impl Fn(&T, &T) -> bool) -> bool {
        if left.len() != right.len() {
            return false;
        }
        // In the same order most of the time: then nothing has to be searched.
        let rest: Vec<(&T, &T)> = left
            .iter()
            .zip(right)
            .filter(|(left, right)| !equal(left, right))
            .collect();
        if rest.len() > UNORDERED_MAX {
            return false;
        }
        let mut open: Vec<&T> = rest.iter().map(|(_, right)| *right).collect();
        rest.iter().all(
            |(left, _)| match open.iter().position(|right| equal(left, right)) {
                Some(at) => {
                    open.swap_remove(at);
                    true
                }
                None => false,
            },
        )
    }
}

fn read(text: &str) -> Option<Literal> {
    let mut reader = Reader {
        letters: text.chars().peekable(),
    };
    let literal = reader.value(0)?;
    reader.blank();
    reader.letters.next().is_none().then_some(literal)
}

struct Reader<'t> {
    letters: Peekable<Chars<'t>>,
}

impl Reader<'_> {
    fn blank(&mut self) {
        while self
            .letters
            .next_if(|letter| letter.is_whitespace())
            .is_some()
        {}
    }

    fn take(&mut self, wanted: char) -> bool {
        self.blank();
        self.letters.next_if_eq(&wanted).is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blank();
        match *self.letters.peek()? {
            '[' => {
                self.letters.next();
                self.items(']', depth)
                    .map(|(items, _)| Literal::List(items))
            }
            '(' => {
                self.letters.next();
                let (mut items, has_comma) = self.items(')', depth)?;
                // `(1)` is 1, `(1,)` is a tuple.
                if items.len() == 1 && !has_comma {
                    items.pop()
                } else {
                    Some(Literal::Tuple(items))
                }
            }
            '{' => {
                self.letters.next();
                self.braces(depth)
            }
            '"' | '\'' | '`' => self.quoted().map(Literal::Text),
            letter if letter.is_ascii_digit() || "+-.".contains(letter) => self.number(),
            letter if letter.is_alphabetic() || letter == '_' || letter == '$' => self.word(depth),
            _ => None,
        }
    }

    /// Items up to a closing bracket, and whether a comma stood after the last or between.
    fn items(&mut self, close: char, depth: usize) -> Option<(Vec<Literal>, bool)> {
        let mut items = Vec::new();
        let mut has_comma = false;
        loop {
            if self.take(close) {
                return Some((items, has_comma));
            }
            items.push(self.value(depth + 1)?);
            if self.take(',') {
                has_comma = true;
            } else if self.take(close) {
                return Some((items, has_comma));
            } else {
                return None;
            }
        }
    }

    /// A map or a set, after the opening brace.
    fn braces(&mut self, depth: usize) -> Option<Literal> {
        if self.take('}') {
            return Some(Literal::Map(Vec::new()));
        }
        let first = self.key(depth)?;
        if !self.colon() {
            let mut items = vec![first];
            while self.take(',') {
                if self.take('}') {
                    return Some(Literal::Set(items));
                }
                items.push(self.value(depth + 1)?);
            }
            return self.take('}').then_some(Literal::Set(items));
        }
        let mut entries = vec![(first, self.value(depth + 1)?)];
        while self.take(',') {
            if self.take('}') {
                return Some(Literal::Map(entries));
            }
            let key = self.key(depth)?;
            if !self.colon() {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
        }
        self.take('}').then_some(Literal::Map(entries))
    }

    /// `:` of Python, JSON and objects, `=>` of node's maps.
    fn colon(&mut self) -> bool {
        if self.take(':') {
            return true;
        }
        self.take('=') && self.letters.next_if_eq(&'>').is_some()
    }

    /// A value, or a bare word as node prints keys: `{ name: 'x' }`.
    fn key(&mut self, depth: usize) -> Option<Literal> {
        self.blank();
        let mut ahead = self.letters.clone();
        let word: String = std::iter::from_fn(|| {
            ahead.next_if(|letter| letter.is_alphanumeric() || *letter == '_' || *letter == '$')
        })
        .collect();
        while ahead.next_if(|letter| letter.is_whitespace()).is_some() {}
        let is_bare = word
            .starts_with(|letter: char| letter.is_alphabetic() || letter == '_' || letter == '$')
            && ahead.peek() == Some(&':');
        if is_bare && !matches!(word.as_str(), "None" | "True" | "False") {
            self.letters = ahead;
            return Some(Literal::Text(word));
        }
        self.value(depth + 1)
    }

    fn word(&mut self, depth: usize) -> Option<Literal> {
        let mut word = String::new();
        while let Some(letter) = self
            .letters
            .next_if(|letter| letter.is_alphanumeric() || *letter == '_')
        {
            word.push(letter);
        }
        match word.as_str() {
            "None" | "null" | "undefined" => Some(Literal::Nothing),
            "True" | "true" => Some(Literal::Bool(true)),
            "False" | "false" => Some(Literal::Bool(false)),
            "nan" | "NaN" | "inf" | "Infinity" => Number::read(&word).map(Literal::Number),
            "b" if self
                .letters
                .peek()
                .is_some_and(|letter| "'\"".contains(*letter)) =>
            {
                self.quoted().map(Literal::Bytes)
            }
            "set" | "frozenset" => {
                if !self.take('(') {
                    return None;
                }
                if self.take(')') {
                    return Some(Literal::Set(Vec::new()));
                }
                let inner = self.value(depth + 1)?;
                let items = match inner {
                    Literal::Set(items) | Literal::List(items) => items,
                    Literal::Map(entries) if entries.is_empty() => Vec::new(),
                    _ => return None,
                };
                self.take(')').then_some(Literal::Set(items))
            }
            // Node: `Set(2) { 1, 2 }`, `Map(1) { 'a' => 1 }`.
            "Set" | "Map" => {
                if self.take('(') {
                    while self.letters.next_if(char::is_ascii_digit).is_some() {}
                    if !self.take(')') {
                        return None;
                    }
                }
                if !self.take('{') {
                    return None;
                }
                match (word.as_str(), self.braces(depth)?) {
                    ("Set", Literal::Map(entries)) if entries.is_empty() => {
                        Some(Literal::Set(Vec::new()))
                    }
                    (_, literal) => Some(literal),
                }
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Literal> {
        let mut token = String::new();
        while let Some(letter) = self
            .letters
            .next_if(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(*letter))
        {
            token.push(letter);
        }
        // JavaScript's big integers end with `n`.
        let digits = token
            .strip_suffix('n')
            .filter(|digits| {
                digits
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'-')
            })
            .unwrap_or(&token);
        Number::read(digits).map(Literal::Number)
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.letters.next()?;
        let mut text = String::new();
        loop {
            match self.letters.next()? {
                letter if letter == quote => return Some(text),
                '\\' => match self.letters.next()? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    '0' => text.push('\0'),
                    'x' => text.push(self.code(2)?),
                    'u' => text.push(self.unicode()?),
                    'U' => text.push(self.code(8)?),
                    other => text.push(other),
                },
                letter => text.push(letter),
            }
        }
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..digits {
            value = value * 16 + self.letters.next()?.to_digit(16)?;
        }
        Some(value)
    }

    fn code(&mut self, digits: usize) -> Option<char> {
        char::from_u32(self.hexadecimal(digits)?)
    }

    /// `\u00e9`, or two of them for a letter beyond the first plane.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hexadecimal(4)?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if self.letters.next()? != '\\' || self.letters.next()? != 'u' {
            return None;
        }
        let second = self.hexadecimal(4)?;
        (0xdc00..0xe000)
            .contains(&second)
            .then(|| char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)))?
    }
}
