//! Code that was damaged on its way into a reply, where mending makes it parse.

use super::super::LazyRegex;

use super::LanguageTags;
use super::parses::Piece;
use super::rule::Mend;

/// The code mended by each of these, one after the other, that leaves fewer syntax errors.
pub(super) fn mended<'l>(
    code: &str,
    mends: &[Mend],
    noise: &[LazyRegex],
    language: &'l LanguageTags,
) -> Piece<'l> {
    let mut best = Piece::new(code.to_owned(), language);
    for mend in mends {
        let Some(tried) = apply(&best.code, *mend, noise, language) else {
            continue;
        };
        let tried = Piece::new(tried, language);
        let is_better = match (mend, language.grammar) {
            (Mend::RepeatedTag, _) => {
                tried.errors() <= best.errors() && !tried.code.trim().is_empty()
            }
            (_, Some(_)) => tried.errors() < best.errors(),
            (Mend::NoBreakSpaces | Mend::HtmlEntities, None) => true,
            (Mend::Prompts | Mend::Noise, None) => false,
        };
        if is_better {
            best = tried;
        }
    }
    best
}

/// The code without what the patterns find, but for what their groups `keep` hold.
pub(super) fn without(code: &str, noise: &[LazyRegex]) -> String {
    let mut rest = code.to_owned();
    for pattern in noise {
        rest = pattern.replace_all(&rest, "${keep}").into_owned();
    }
    rest
}

fn apply(code: &str, mend: Mend, noise: &[LazyRegex], language: &LanguageTags) -> Option<String> {
    match mend {
        Mend::Noise => Some(without(code, noise)).filter(|text| text != code),
        Mend::RepeatedTag => {
            let (first, rest) = code.split_once('\n')?;
            let word = first.trim().trim_end_matches(':');
            (!word.contains('.') && language.is_tagged(word)).then(|| rest.to_owned())
        }
        Mend::HtmlEntities => code
            .contains('&')
            .then(|| unescaped(code))
            .filter(|text| text != code),
        Mend::NoBreakSpaces => code
            .contains([
                '\u{a0}', '\u{200b}', '\u{feff}', '\u{3000}', '\u{202f}', '\u{2060}',
            ])
            .then(|| {
                code.replace(['\u{a0}', '\u{202f}', '\u{3000}'], " ")
                    .replace(['\u{200b}', '\u{feff}', '\u{2060}'], "")
            }),
        Mend::Prompts => without_prompts(code),
    }
}

/// The named entities that replies hold, and numeric ones.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest
            .char_indices()
            .take(12)
            .find(|(_, letter)| *letter == ';');
        let decoded = end.and_then(|(end, _)| entity(&rest[1..end]).map(|letter| (letter, end)));
        match decoded {
            Some((letter, end)) => {
                plain.push(letter);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// The input of an interactive session: what stands behind `>>> ` and `... `.
fn without_prompts(code: &str) -> Option<String> {
    let first = code.lines().find(|line| !line.trim().is_empty())?;
    let indent = first.len() - first.trim_start().len();
    if !first.trim_start().starts_with(">>>") {
        return None;
    }
    let mut plain = String::new();
    for line in code.lines() {
        let line = line.get(indent..).unwrap_or("");
        let input = line
            .strip_prefix(">>>")
            .or_else(|| line.strip_prefix("..."));
        if let Some(input) = input {
            plain.push_str(input.strip_prefix(' ').unwrap_or(input));
            plain.push('\n');
        }
    }
    Some(plain)
}
