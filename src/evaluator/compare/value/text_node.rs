//! Texts and bytes between quotes: what their escapes mean.

use std::borrow::Cow;

/// Whether two texts, as they stand between quotes, are equal.
pub(super) fn same_text(
    left: &str,
    left_escaped: bool,
    right: &str,
    right_escaped: bool,
    of_bytes: bool,
) -> bool {
    left == right
        || (left_escaped || right_escaped)
            && meant(left, left_escaped, of_bytes) == meant(right, right_escaped, of_bytes)
}

/// The bytes that are meant, of a text in UTF-8. Half of a surrogate pair has its three bytes, so
/// that it equals itself only.
pub(super) fn meant(raw: &str, escaped: bool, of_bytes: bool) -> Cow<'_, [u8]> {
    if !escaped {
        return Cow::Borrowed(raw.as_bytes());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        rest = escape(rest, of_bytes, &mut bytes);
    }
    bytes.extend_from_slice(rest.as_bytes());
    Cow::Owned(bytes)
}

/// Reads what follows a backslash and gives the rest.
fn escape<'t>(rest: &'t str, of_bytes: bool, bytes: &mut Vec<u8>) -> &'t str {
    let Some(letter) = rest.chars().next() else {
        bytes.push(b'\\');
        return rest;
    };
    let after = &rest[letter.len_utf8()..];
    let simple = match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        'a' => '\u{7}',
        '\\' | '\'' | '"' | '`' | '/' => letter,
        '\n' => return after,
        '0'..='7' => return octal(rest, of_bytes, bytes),
        'x' | 'u' | 'U' => {
            let digits = match letter {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let Some(code) = hexadecimal(after, digits) else {
                bytes.extend([b'\\', letter as u8]);
                return after;
            };
            let after = &after[digits..];
            if of_bytes && letter == 'x' {
                bytes.push(u8::try_from(code).unwrap_or(0));
                return after;
            }
            // Two halves are one letter.
            if (0xd800..0xdc00).contains(&code)
                && let Some(low) = after.strip_prefix("\\u")
                && let Some(second) = hexadecimal(low, 4)
                && (0xdc00..0xe000).contains(&second)
            {
                push(0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00), bytes);
                return &low[4..];
            }
            push(code, bytes);
            return after;
        }
        // Python keeps the backslash before what it does not know.
        other => {
            bytes.push(b'\\');
            other
        }
    };
    let mut buffer = [0; 4];
    bytes.extend_from_slice(simple.encode_utf8(&mut buffer).as_bytes());
    after
}

fn octal<'t>(rest: &'t str, of_bytes: bool, bytes: &mut Vec<u8>) -> &'t str {
    let is_octal = |byte: &u8| (b'0'..=b'7').contains(byte);
    let length = rest.bytes().take(3).take_while(is_octal).count();
    let code = u32::from_str_radix(&rest[..length], 8).unwrap_or(0);
    if of_bytes {
        bytes.push(code.to_le_bytes()[0]);
    } else {
        push(code, bytes);
    }
    &rest[length..]
}

fn hexadecimal(text: &str, digits: usize) -> Option<u32> {
    let text = text.get(..digits)?;
    let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal.then(|| u32::from_str_radix(text, 16).ok())?
}

fn push(code: u32, bytes: &mut Vec<u8>) {
    if let Some(letter) = char::from_u32(code) {
        bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let [low, middle, high, _] =
            (code & 0x3f | (code >> 6 & 0x3f) << 8 | (code >> 12) << 16).to_le_bytes();
        bytes.extend([0xe0 | high & 0xf, 0x80 | middle, 0x80 | low]);
    }
}
