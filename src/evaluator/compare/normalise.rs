//! Normalisers: what two texts may differ in.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

use super::terminal;

/// A normaliser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// CRLF becomes LF; a lone CR redraws a line and stays.
    Newlines,
    /// White space at both ends goes, byte order marks and no-break spaces included.
    Trim,
    /// White space at line ends and empty lines at the end go.
    LineEnds,
    /// Runs of white space, line breaks included, become one blank; the ends are trimmed.
    Whitespace,
    /// Full Unicode case folding: `STRASSE` equals `straße`.
    FoldCase,
    /// Unicode normalisation form C.
    Nfc,
    /// Unicode normalisation form KC.
    Nfkc,
    /// Terminal escape sequences go.
    StripAnsi,
    /// What a terminal shows: carriage return and backspace overwrite.
    Terminal,
}

/// Applies steps in order.
pub(super) fn apply<'t>(steps: &[Step], text: &'t str) -> Cow<'t, str> {
    let mut text = Cow::Borrowed(text);
    for step in steps {
        text = match text {
            Cow::Borrowed(text) => step.apply(text),
            Cow::Owned(text) => match step.apply(&text) {
                // The same, or a piece of it.
                Cow::Borrowed(part) if part.len() == text.len() => Cow::Owned(text),
                part => Cow::Owned(part.into_owned()),
            },
        };
    }
    text
}

impl Step {
    fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            Step::Newlines => newlines(text),
            Step::Trim => Cow::Borrowed(text.trim_matches(is_blank)),
            Step::LineEnds => line_ends(text),
            Step::Whitespace => whitespace(text),
            Step::FoldCase => Cow::Owned(fold_case(text)),
            Step::Nfc if is_nfc_quick(text.chars()) == IsNormalized::Yes => Cow::Borrowed(text),
            Step::Nfc => Cow::Owned(text.nfc().collect()),
            Step::Nfkc if is_nfkc_quick(text.chars()) == IsNormalized::Yes => Cow::Borrowed(text),
            Step::Nfkc => Cow::Owned(text.nfkc().collect()),
            Step::StripAnsi => terminal::strip(text),
            Step::Terminal => terminal::screen(text),
        }
    }
}

/// White space, and the byte order mark that some programs print first.
pub(super) fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}'
}

fn newlines(text: &str) -> Cow<'_, str> {
    if text.contains("\r\n") {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

fn line_ends(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(is_blank);
    let has_end = |line: &str| line.trim_end_matches(is_blank).len() < line.len();
    if !text.split('\n').any(has_end) {
        return Cow::Borrowed(text);
    }
    let mut ended = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            ended.push('\n');
        }
        ended.push_str(line.trim_end_matches(is_blank));
    }
    Cow::Owned(ended)
}

fn whitespace(text: &str) -> Cow<'_, str> {
    let mut folded = String::with_capacity(text.len());
    for word in text.trim_matches(is_blank).split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    Cow::Owned(folded)
}

fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    caseless::default_case_fold_str(text)
}
