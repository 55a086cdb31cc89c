//! Normalisers: what two texts may differ in.

use schemars::JsonSchema;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

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
pub(super) fn apply(steps: &[Step], text: &str) -> String {
    steps.iter().fold(text.to_owned(), |text, step| match step {
        Step::Newlines => text.replace("\r\n", "\n"),
        Step::Trim => text.trim_matches(is_blank).to_owned(),
        Step::LineEnds => line_ends(&text),
        Step::Whitespace => text
            .split(is_blank)
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
        Step::FoldCase => caseless::default_case_fold_str(&text),
        Step::Nfc => text.nfc().collect(),
        Step::Nfkc => text.nfkc().collect(),
        Step::StripAnsi => strip_ansi(&text),
        Step::Terminal => text.split('\n').map(redraw).collect::<Vec<_>>().join("\n"),
    })
}

/// White space, and the byte order mark that some programs print first.
pub(super) fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}'
}

fn line_ends(text: &str) -> String {
    let lines: Vec<&str> = text
        .split('\n')
        .map(|line| line.trim_end_matches(is_blank))
        .collect();
    lines.join("\n").trim_end_matches('\n').to_owned()
}

/// Removes CSI, OSC and two-letter escape sequences (ECMA-48).
fn strip_ansi(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\u{1b}', Some('[')) => {
                letters.next();
                for letter in letters.by_ref() {
                    if ('\u{40}'..='\u{7e}').contains(&letter) {
                        break;
                    }
                }
            }
            ('\u{1b}', Some(']')) => {
                let mut before = ' ';
                for letter in letters.by_ref() {
                    if letter == '\u{7}' || before == '\u{1b}' && letter == '\\' {
                        break;
                    }
                    before = letter;
                }
            }
            // Two letters, perhaps with intermediates: `ESC ( B`.
            ('\u{1b}', Some(_)) => {
                while letters
                    .next_if(|letter| ('\u{20}'..='\u{2f}').contains(letter))
                    .is_some()
                {}
                letters.next();
            }
            ('\u{1b}', None) => {}
            (letter, _) => plain.push(letter),
        }
    }
    plain
}

/// A line as it is seen after carriage returns and backspaces moved the cursor.
fn redraw(line: &str) -> String {
    if !line.contains(['\r', '\u{8}']) {
        return line.to_owned();
    }
    let mut cells: Vec<char> = Vec::new();
    let mut cursor = 0;
    for letter in line.chars() {
        match letter {
            '\r' => cursor = 0,
            '\u{8}' => cursor = usize::saturating_sub(cursor, 1),
            _ if cursor < cells.len() => {
                cells[cursor] = letter;
                cursor += 1;
            }
            _ => {
                cells.push(letter);
                cursor += 1;
            }
        }
    }
    cells.into_iter().collect()
}
