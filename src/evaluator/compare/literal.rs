//! Literals: what Python's `print`, node's `console.log` and JSON show of a value, compared by
//! value.

use super::number::Tolerance;
use super::value::{self, Kind, Rules, Value};
use super::{Verdict, text};

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
    let (left, right) = match (read(actual), read(expected)) {
        (Ok(left), Ok(right)) => (left, right),
        (_, Err(_)) => return Verdict::Undecided(None),
        (Err(at), _) => {
            let (line, column) = text::place(actual, at);
            return Verdict::Undecided(Some(format!(
                "compared as text, since the output is no literal from line {line}, column {column} on"
            )));
        }
    };
    let rules = Rules {
        tolerance: Some(tolerance),
        strict_types,
    };
    value::compare(&left, &right, rules)
}

/// A number that literals of one value share, whatever the types of their numbers and sequences.
pub(super) fn fingerprint(text: &str) -> Option<u64> {
    let rules = Rules {
        tolerance: None,
        strict_types: false,
    };
    read(text).ok().map(|value| value.fingerprint(rules))
}

/// Reads a literal; the error is the byte where it is none.
fn read(text: &str) -> Result<Value<'_>, usize> {
    // What opens a bracket must end with one: a quick no to what is cut off.
    let opens = text.starts_with(['[', '(', '{']);
    if opens && !text.ends_with([']', ')', '}']) {
        return Err(text.len());
    }
    let mut reader = Reader {
        text,
        at: 0,
        value: Value::of(text).ok_or(0_usize)?,
        open: Vec::new(),
    };
    match reader.document() {
        Some(()) => Ok(reader.value),
        None => Err(reader.at),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    value: Value<'t>,
    open: Vec<Open>,
}

/// Something in brackets that is not closed yet.
struct Open {
    node: u32,
    what: What,
    children: u32,
    /// A comma stood in it.
    has_comma: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    List,
    Parentheses,
    /// In braces, before it is known whether of what.
    Braces,
    Set,
    /// In a map, a key comes next.
    Key,
    /// In a map, the value of a key comes next.
    Entry,
    /// Arguments of a call.
    Arguments,
    /// What follows a name ends with its one child: `Point { x: 1 }`.
    Named,
    /// `set([1])`: the child becomes a set.
    Made(Kind),
}

impl What {
    fn close(self) -> Option<char> {
        match self {
            What::List => Some(']'),
            What::Parentheses | What::Arguments | What::Made(_) => Some(')'),
            What::Braces | What::Set | What::Key => Some('}'),
            What::Entry | What::Named => None,
        }
    }
}

impl Reader<'_> {
    fn document(&mut self) -> Option<()> {
        loop {
            self.blank();
            let closes = self.open.last().and_then(|around| around.what.close());
            if closes.is_some() && closes == self.peek() {
                self.end()?;
            } else if !self.begin()? {
                continue;
            }
            // After a value.
            loop {
                let Some(around) = self.open.last_mut() else {
                    self.blank();
                    return (self.at == self.text.len()).then_some(());
                };
                if around.what == What::Named {
                    self.finish(self.at)?;
                    continue;
                }
                self.blank();
                if self.divided()? {
                    break;
                }
                self.end()?;
            }
        }
    }

    /// Whether the value is followed by a comma, or a key by its colon, and another can follow.
    fn divided(&mut self) -> Option<bool> {
        let letter = self.peek()?;
        let is_arrow = self.text[self.at..].starts_with("=>");
        let around = self.open.last_mut()?;
        match around.what {
            What::Braces | What::Key if letter == ':' || is_arrow => {
                around.what = What::Entry;
                self.value.set_kind(around.node, Kind::Map);
                self.at += if is_arrow { 2 } else { 1 };
                return Some(true);
            }
            What::Braces => {
                around.what = What::Set;
                self.value.set_kind(around.node, Kind::Set);
            }
            What::Key => return None,
            What::Entry => around.what = What::Key,
            _ => {}
        }
        if letter == ',' {
            around.has_comma = true;
            self.at += 1;
        }
        Some(letter == ',')
    }

    fn peek(&self) -> Option<char> {
        let byte = *self.text.as_bytes().get(self.at)?;
        if byte.is_ascii() {
            return Some(char::from(byte));
        }
        self.text[self.at..].chars().next()
    }

    fn blank(&mut self) {
        while let Some(letter) = self.peek().filter(|letter| letter.is_whitespace()) {
            self.at += letter.len_utf8();
        }
    }

    fn open(&mut self, kind: Kind, what: What, start: usize) {
        let node = self.value.open(kind, start);
        self.open.push(Open {
            node,
            what,
            children: 0,
            has_comma: false,
        });
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.value.push(kind, start, end);
        self.count();
    }

    fn count(&mut self) {
        if let Some(around) = self.open.last_mut() {
            around.children += 1;
        }
    }

    /// Reads a closing bracket.
    fn end(&mut self) -> Option<()> {
        let close = self.open.last()?.what.close()?;
        if self.peek() != Some(close) {
            return None;
        }
        self.at += 1;
        self.finish(self.at)
    }

    fn finish(&mut self, end: usize) -> Option<()> {
        let open = self.open.pop()?;
        match open.what {
            // `(1)` is 1, `(1,)` is a tuple.
            What::Parentheses if open.children == 1 && !open.has_comma => {
                self.value.set_kind(open.node, Kind::Group);
            }
            What::Made(kind) if open.children == 0 => self.value.set_kind(open.node, kind),
            What::Made(kind) => {
                let inner = self.value.inside(open.node + 1);
                let is_empty_map = self.value.children_of(inner) == 0;
                match self.value.kind(inner) {
                    _ if open.children > 1 => return None,
                    Kind::Map if !is_empty_map => return None,
                    Kind::Map | Kind::List | Kind::Tuple | Kind::Set => {
                        self.value.set_kind(inner, kind);
                    }
                    _ => return None,
                }
            }
            _ => {}
        }
        self.value.close(open.node, open.children, end);
        self.count();
        Some(())
    }

    /// Begins a value; whether it is whole, and not only opened.
    fn begin(&mut self) -> Option<bool> {
        let start = self.at;
        let letter = self.peek()?;
        let (kind, what) = match letter {
            '[' => (Kind::List, What::List),
            '(' => (Kind::Tuple, What::Parentheses),
            '{' => (Kind::Map, What::Braces),
            '"' | '\'' | '`' => return self.quoted(false),
            letter if letter.is_ascii_digit() || "+-.".contains(letter) => return self.number(),
            letter if letter.is_alphabetic() || letter == '_' || letter == '$' => {
                return self.word();
            }
            _ => return None,
        };
        self.at += 1;
        self.open(kind, what, start);
        Some(false)
    }

    fn word(&mut self) -> Option<bool> {
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '$'))
            .unwrap_or(rest.len());
        let (word, end) = (&rest[..length], start + length);
        if matches!(word, "b" | "u" | "B" | "U") && rest[length..].starts_with(['"', '\'']) {
            self.at = end;
            return self.quoted(word.eq_ignore_ascii_case("b"));
        }
        let around = self.open.last().map(|around| around.what);
        self.at = end;
        self.blank();
        let after = &self.text[self.at..];
        // Node prints keys without quotes.
        let is_key = matches!(around, Some(What::Braces | What::Key)) && after.starts_with(':');
        if is_key && !matches!(word, "None" | "True" | "False") {
            self.push(Kind::Text { escaped: false }, start, end);
            return Some(true);
        }
        // A named argument: the name is a child of its own.
        let is_argument = around == Some(What::Arguments);
        if is_argument && after.starts_with('=') && !after.starts_with("=>") {
            self.push(Kind::Word, start, end);
            self.at += 1;
            return Some(false);
        }
        let scalar = match word {
            "None" | "null" => Some(Kind::Nothing),
            "undefined" => Some(Kind::Undefined),
            "True" | "true" => Some(Kind::True),
            "False" | "false" => Some(Kind::False),
            "Ellipsis" => Some(Kind::Ellipsis),
            "nan" | "NaN" | "inf" | "Infinity" => {
                self.at = start;
                return self.number();
            }
            _ => None,
        };
        if let Some(kind) = scalar {
            self.at = end;
            self.push(kind, start, end);
            return Some(true);
        }
        self.named(word, start, end, is_argument)
    }

    /// What follows a name: arguments, or a value that node prints with its class.
    fn named(&mut self, word: &str, start: usize, end: usize, is_argument: bool) -> Option<bool> {
        if let Some(after) = self.size()
            && let Some(open) = self.text[after..].chars().next()
            && (open == '{' || open == '[' && after > end)
        {
            match (word, open) {
                ("Set", '{') => self.open(Kind::Set, What::Set, start),
                ("Map", '{') => self.open(Kind::Map, What::Key, start),
                _ => {
                    self.open(Kind::Call, What::Named, start);
                    self.push(Kind::Word, start, end);
                    self.at = after;
                    return Some(false);
                }
            }
            self.at = after + 1;
            return Some(false);
        }
        if self.text[end..].starts_with('(') {
            self.at = end + 1;
            match word {
                "set" => self.open(Kind::Group, What::Made(Kind::Set), start),
                "frozenset" => self.open(Kind::Group, What::Made(Kind::FrozenSet), start),
                _ => {
                    self.open(Kind::Call, What::Arguments, start);
                    self.push(Kind::Word, start, end);
                }
            }
            return Some(false);
        }
        // `Symbol(a)`.
        self.at = if is_argument { end } else { start };
        is_argument.then(|| self.push(Kind::Word, start, end))?;
        Some(true)
    }

    /// Where a bracket stands after a name and perhaps a size: `Set(2) {`.
    fn size(&self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let after = match rest.strip_prefix('(') {
            Some(digits) => {
                let rest = digits.trim_start_matches(|letter: char| letter.is_ascii_digit());
                rest.strip_prefix(')')
                    .filter(|_| rest.len() < digits.len())?
            }
            None => rest,
        };
        Some(self.text.len() - after.trim_start().len())
    }

    fn number(&mut self) -> Option<bool> {
        let start = self.at;
        let bytes = &self.text.as_bytes()[start..];
        let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        let end = start + bytes.iter().take_while(|byte| belongs(byte)).count();
        let token = &self.text[start..end];
        let kind = if token == "..." {
            Kind::Ellipsis
        } else if value::is_number(token) {
            Kind::Number
        } else if value::is_complex(token) {
            Kind::Complex
        } else {
            return None;
        };
        self.push(kind, start, end);
        self.at = end;
        Some(true)
    }

    fn quoted(&mut self, of_bytes: bool) -> Option<bool> {
        let quote = self.peek()?;
        let bytes = self.text.as_bytes();
        let mark = quote as u8;
        let is_triple = bytes[self.at..].starts_with(&[mark; 3]) && mark != b'`';
        let marks = if is_triple { 3 } else { 1 };
        let start = self.at + marks;
        let mut end = start;
        let mut escaped = false;
        loop {
            match *bytes.get(end)? {
                b'\\' => {
                    escaped = true;
                    end += 2;
                }
                byte if byte == mark && (!is_triple || bytes[end..].starts_with(&[mark; 3])) => {
                    break;
                }
                _ => end += 1,
            }
        }
        let kind = if of_bytes {
            Kind::Bytes { escaped }
        } else {
            Kind::Text { escaped }
        };
        self.push(kind, start, end);
        self.at = end + marks;
        Some(true)
    }
}
