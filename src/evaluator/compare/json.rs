//! JSON (RFC 8259), to the letter: equal values, whatever the order of keys and the spelling of
//! numbers.

use super::value::{Kind, Rules, Value, compare as compare_values};
use super::{Verdict, text};

pub(super) fn compare(actual: &str, expected: &str) -> Verdict {
    let right = match read(expected) {
        Ok(value) => value,
        Err(why) => return Verdict::Fails(format!("what is expected is not JSON: {why}")),
    };
    match read(actual) {
        Err(why) => Verdict::Fails(format!("the output is not JSON: {why}")),
        Ok(left) => {
            let rules = Rules {
                tolerance: None,
                strict_types: false,
            };
            compare_values(&left, &right, rules)
        }
    }
}

/// Why a text is not JSON.
pub(super) fn why_not(text: &str) -> Option<String> {
    read(text).err()
}

/// Reads a document.
fn read(text: &str) -> Result<Value<'_>, String> {
    read_with(text, false)
}

/// Reads what Python's `json.loads` reads: `NaN`, `Infinity` and `-Infinity` are numbers.
pub(super) fn read_as_python(text: &str) -> Result<Value<'_>, String> {
    read_with(text, true)
}

fn read_with(text: &str, of_python: bool) -> Result<Value<'_>, String> {
    let mut reader = Reader {
        text,
        of_python,
        bytes: text.as_bytes(),
        at: 0,
        value: Value::of(text).ok_or("the text is too long")?,
    };
    match reader.document() {
        Ok(()) => Ok(reader.value),
        Err(what) => {
            let mut at = reader.at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            if at == text.len() {
                return Err(if text.is_empty() {
                    "it is empty".to_owned()
                } else {
                    format!("{what}, and it ends")
                });
            }
            let (line, column) = text::place(text, at);
            let found: String = text[at..].chars().take(20).collect();
            let found = text::shown(found.split('\n').next().unwrap_or_default());
            Err(format!("{what} at line {line}, column {column}: {found}"))
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    of_python: bool,
    bytes: &'t [u8],
    at: usize,
    value: Value<'t>,
}

/// An array or object that is not closed yet.
struct Open {
    node: u32,
    is_map: bool,
    children: u32,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), &'static str> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            // A value begins here, or an array or object ends that has nothing in it.
            self.blank();
            let ended = match self.peek() {
                Some(byte @ (b'[' | b'{')) => {
                    let is_map = byte == b'{';
                    let kind = if is_map { Kind::Map } else { Kind::List };
                    let node = self.value.open(kind, self.at);
                    self.at += 1;
                    open.push(Open {
                        node,
                        is_map,
                        children: 0,
                    });
                    self.blank();
                    let close = if is_map { b'}' } else { b']' };
                    if self.peek() != Some(close) {
                        if is_map {
                            self.key(&mut open)?;
                        }
                        continue;
                    }
                    true
                }
                _ => {
                    self.scalar()?;
                    false
                }
            };
            if !ended && let Some(around) = open.last_mut() {
                around.children += 1;
            }
            // After a value: what is open goes on or ends.
            loop {
                let Some(around) = open.last() else {
                    self.blank();
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        Err("there is more after the value")
                    };
                };
                self.blank();
                let close = if around.is_map { b'}' } else { b']' };
                match self.peek() {
                    Some(b',') if around.children > 0 => {
                        self.at += 1;
                        if around.is_map {
                            self.blank();
                            self.key(&mut open)?;
                        }
                        break;
                    }
                    Some(byte) if byte == close => {
                        self.at += 1;
                        let children = around.children;
                        self.value.close(around.node, children, self.at);
                        open.pop();
                        if let Some(around) = open.last_mut() {
                            around.children += 1;
                        }
                    }
                    _ if around.is_map => return Err("expected `,` or `}`"),
                    _ => return Err("expected `,` or `]`"),
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// A key and the colon after it.
    fn key(&mut self, open: &mut [Open]) -> Result<(), &'static str> {
        if self.peek() != Some(b'"') {
            return Err("expected a key in double quotes");
        }
        self.quoted()?;
        if let Some(around) = open.last_mut() {
            around.children += 1;
        }
        self.blank();
        if self.peek() != Some(b':') {
            return Err("expected `:`");
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), &'static str> {
        const NAMES: [(&str, Kind); 5] = [
            ("null", Kind::Nothing),
            ("true", Kind::True),
            ("false", Kind::False),
            ("NaN", Kind::Number),
            ("Infinity", Kind::Number),
        ];
        let rest = &self.bytes[self.at..];
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'-') if self.of_python && rest.starts_with(b"-Infinity") => {
                self.value.push(Kind::Number, self.at, self.at + 9);
                self.at += 9;
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let known = if self.of_python { 5 } else { 3 };
                for (name, kind) in NAMES.into_iter().take(known) {
                    let ends = |byte: &u8| !byte.is_ascii_alphanumeric();
                    if rest.starts_with(name.as_bytes()) && rest.get(name.len()).is_none_or(ends) {
                        self.value.push(kind, self.at, self.at + name.len());
                        self.at += name.len();
                        return Ok(());
                    }
                }
                Err("expected a value")
            }
        }
    }

    fn digits(&mut self) -> Result<(), &'static str> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err("expected a digit");
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), &'static str> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err("a number begins with 0");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.value.push(Kind::Number, start, self.at);
        Ok(())
    }

    fn quoted(&mut self) -> Result<(), &'static str> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                None => return Err("a text is not closed"),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                            self.at += 1;
                        }
                        Some(b'u') => {
                            let digits = self.text.get(self.at + 1..self.at + 5);
                            let is_code =
                                |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                            if !digits.is_some_and(is_code) {
                                return Err("expected four hexadecimal digits");
                            }
                            self.at += 5;
                        }
                        _ => return Err("an escape that JSON does not have"),
                    }
                }
                Some(0..0x20) => return Err("a control character in a text"),
                Some(_) => self.at += 1,
            }
        }
        self.value.push(Kind::Text { escaped }, start, self.at);
        self.at += 1;
        Ok(())
    }
}
