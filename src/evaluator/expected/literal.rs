//! Where the literal at the start of a text ends: numbers, quoted text, balanced brackets, constants.
//! The forms are those that most programming languages share; none is parsed further.

/// Pairs of quotation marks, opening and closing.
pub(super) const QUOTES: [(char, char); 9] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('„', '“'),
    ('‘', '’'),
    ('«', '»'),
    ('「', '」'),
    ('『', '』'),
];

const CONSTANTS: [&str; 12] = [
    "true",
    "false",
    "none",
    "null",
    "nil",
    "undefined",
    "nan",
    "inf",
    "infinity",
    "nothing",
    "na",
    "nullptr",
];

/// The length in bytes of the literal that `text` starts with.
pub(super) fn literal_end(text: &str) -> Option<usize> {
    quoted_end(text)
        .or_else(|| bracket_end(text))
        .or_else(|| number_end(text))
        .or_else(|| word_end(text))
}

/// The length of literals with blanks, or a comma and blanks, between them.
pub(super) fn literals_end(text: &str) -> Option<usize> {
    literal_ends(text).last()
}

/// Where each of those literals ends, in order.
pub(super) fn literal_ends(text: &str) -> impl Iterator<Item = usize> + '_ {
    std::iter::successors(literal_end(text), move |end| {
        let end = *end;
        let rest = &text[end..];
        let gap = rest
            .strip_prefix(',')
            .unwrap_or(rest)
            .trim_start_matches([' ', '\t']);
        let start = text.len() - gap.len();
        if start == end || (rest.starts_with(',') && start == end + 1) || is_remark(gap) {
            return None;
        }
        literal_end(gap).map(|length| start + length)
    })
}

/// A parenthesis of words, which explains what stands before it: `(the factorial of 10)`.
fn is_remark(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('(') else {
        return false;
    };
    let words = inner.trim_start_matches(|c: char| c.is_alphabetic() || c == '\'');
    words.len() < inner.len()
        && words.starts_with(' ')
        && words
            .trim_start()
            .starts_with(|c: char| c.is_alphanumeric())
}

/// The length of the text in quotation marks that `text` starts with, marks included.
pub(super) fn quoted_end(text: &str) -> Option<usize> {
    let open = text.chars().next()?;
    let closes: Vec<char> = QUOTES
        .iter()
        .filter(|(o, _)| *o == open)
        .map(|(_, c)| *c)
        .collect();
    if closes.is_empty() {
        return None;
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if open == '"' || open == '\'' => escaped = true,
            '\n' => return None,
            _ if closes.contains(&c) && !apostrophe(text, at, c) => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// The length of the balanced brackets that `text` starts with; text in quotes inside does not count.
pub(super) fn bracket_end(text: &str) -> Option<usize> {
    if !text.starts_with(['(', '[', '{']) {
        return None;
    }
    let mut open = Vec::new();
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if let Some(mark) = quote {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == mark && !apostrophe(text, at, c) => quote = None,
                _ => {}
            }
            continue;
        }
        match c {
            '"' | '\'' if !apostrophe(text, at, c) => quote = Some(c),
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' => {
                if open.pop() != Some(c) {
                    return None;
                }
                if open.is_empty() {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// A single mark between two letters is an apostrophe, not a quotation mark.
fn apostrophe(text: &str, at: usize, mark: char) -> bool {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    matches!(mark, '\'' | '’')
        && letter(text[..at].chars().next_back())
        && letter(text[at + mark.len_utf8()..].chars().next())
}

fn number_end(text: &str) -> Option<usize> {
    let digits = text.trim_start_matches(['+', '-', '−', '$', '€', '£', '¥', '.', '#']);
    let signs = text.len() - digits.len();
    if signs > 4 || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let tail = digits.trim_start_matches(|c: char| {
        c.is_alphanumeric() && c.is_ascii()
            || matches!(
                c,
                '.' | ',' | '_' | ':' | '/' | '%' | '°' | '+' | '-' | '*' | '^'
            )
    });
    let number = &text[..text.len() - tail.len()];
    Some(
        number
            .trim_end_matches(['.', ',', ':', '-', '_', '/', '+', '*'])
            .len(),
    )
}

/// A constant, or a name with its arguments: `Some(3)`, `vec![1]`, `Point { x: 1 }`, `set()`, `:ok`.
fn word_end(text: &str) -> Option<usize> {
    let name = text.trim_start_matches(['&', '%', '#', '@', ':', '-']);
    let sigils = text.len() - name.len();
    if sigils > 2 {
        return None;
    }
    if sigils > 0
        && let Some(length) = bracket_end(name)
    {
        return Some(sigils + length);
    }
    let name = name.strip_prefix("new ").unwrap_or(name);
    let rest = name
        .trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '!'));
    let word = name[..name.len() - rest.len()].trim_end_matches(['.', ':', '!']);
    if word.is_empty() || word.len() > 60 || word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let start = text.len() - name.len();
    if let Some(length) = bracket_end(rest).or_else(|| prefixed_string(word, rest)) {
        return Some(text.len() - rest.len() + length);
    }
    if word.starts_with(char::is_uppercase)
        && let Some(braces) = rest.strip_prefix(' ').filter(|r| r.starts_with('{'))
    {
        return bracket_end(braces).map(|length| text.len() - braces.len() + length);
    }
    let symbol = text.starts_with(':');
    let constant = CONSTANTS
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known));
    (symbol || constant).then_some(start + word.len())
}

/// `b"…"`, `r'…'`.
fn prefixed_string(word: &str, rest: &str) -> Option<usize> {
    if word.len() > 2 || rest.starts_with('`') {
        return None;
    }
    quoted_end(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_ends_where_its_form_ends() {
        for (text, want) in [
            ("15 (for x)", "15"),
            ("1e-09.", "1e-09"),
            ("-7, then", "-7"),
            ("\"a b\" is", "\"a b\""),
            ("'it\\'s' x", "'it\\'s'"),
            ("[1, (2, ']')] and", "[1, (2, ']')]"),
            ("{\"a\": [1]}.", "{\"a\": [1]}"),
            ("Some(3), x", "Some(3)"),
            ("Point { x: 1 } y", "Point { x: 1 }"),
            ("vec![1, 2];", "vec![1, 2]"),
            ("None.", "None"),
            ("true if", "true"),
            (":ok, 1", ":ok"),
            ("b'x' y", "b'x'"),
            ("2)", "2"),
        ] {
            assert_eq!(
                literal_end(text).map(|end| &text[..end]),
                Some(want),
                "{text}"
            );
        }
        for text in ["a list", "the 3", "[1, 2", "\"open", "x**10", "i32", ""] {
            assert_eq!(literal_end(text), None, "{text}");
        }
    }

    #[test]
    fn several_literals_may_follow_one_another() {
        for (text, want) in [
            ("3 1 2 for x", "3 1 2"),
            ("1, 2, 3.", "1, 2, 3"),
            ("'a' 'b', then", "'a' 'b'"),
            ("4", "4"),
            ("24 (the factorial of 4)", "24"),
            ("1 (2, 3)", "1 (2, 3)"),
        ] {
            assert_eq!(
                literals_end(text).map(|end| &text[..end]),
                Some(want),
                "{text}"
            );
        }
    }
}
