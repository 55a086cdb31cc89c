//! Text that a program, a model or a stranger's suite made, harmless where people and their tools
//! read it: what would drive a terminal, turn the direction of writing around, or command a CI
//! system is shown instead of obeyed.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

/// Whether a character drives a terminal, turns writing around, ends a line unseen or is not seen at
/// all. Those that join letters and emoji are left.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a bracket after this text would make a command of it: `##[`, `##vso[`, `##teamcity[`.
fn is_before_bracket(text: &str) -> bool {
    text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic())
        .ends_with("##")
}

/// Text for people, lines and tabs kept.
///
/// GitHub's runner obeys a line that begins with `::` after white space, and `##[` anywhere
/// (actions/runner, `ActionCommand.cs`); Azure Pipelines obeys `##vso[`, TeamCity `##teamcity[`.
pub fn visible(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut is_at_start = true;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_command = letter == ':' && is_at_start && letters.peek() == Some(&':')
            || letter == '[' && is_before_bracket(&safe);
        match letter {
            '\n' | '\t' => safe.push(letter),
            '\r' => safe.push_str("\\r"),
            _ if is_command || is_unseen(letter) => safe.extend(letter.escape_unicode()),
            _ => safe.push(letter),
        }
        is_at_start = letter == '\n' || is_at_start && letter.is_whitespace();
    }
    safe
}

/// The same on one line.
pub fn visible_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// JSON on one line, which a terminal or a CI log may show as it is: the same data, more of it as
/// `\u` escapes.
///
/// # Errors
/// When the value is no JSON.
pub fn json_line(value: &impl Serialize) -> serde_json::Result<String> {
    json(value, Escaping(CompactFormatter))
}

/// The same, indented.
///
/// # Errors
/// When the value is no JSON.
pub fn json_pretty(value: &impl Serialize) -> serde_json::Result<String> {
    json(value, Escaping(serde_json::ser::PrettyFormatter::new()))
}

fn json(value: &impl Serialize, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut bytes, formatter,
    ))?;
    Ok(String::from_utf8(bytes).expect("JSON is text"))
}

/// Writes as another formatter does, but for what stands in strings.
struct Escaping<F>(F);

/// Passes methods on to the formatter inside.
macro_rules! passed_on {
    ($($name:ident($($argument:ident: $type:ty),*);)+) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })+
    };
}

impl<F: Formatter> Formatter for Escaping<F> {
    passed_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut start = 0;
        for (at, letter) in fragment.char_indices() {
            if is_unseen(letter) || letter == '[' && is_before_bracket(&fragment[..at]) {
                writer.write_all(&fragment.as_bytes()[start..at])?;
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
                start = at + letter.len_utf8();
            }
        }
        writer.write_all(&fragment.as_bytes()[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::{json_line, json_pretty, visible, visible_line};

    #[test]
    fn a_program_cannot_drive_the_terminal() {
        for (text, shown) in [
            ("\x1b[2Jgone\r\u{202e}x", "\\u{1b}[2Jgone\\r\\u{202e}x"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("a\n\tb é 日本", "a\n\tb é 日本"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible_line("a\nb"), "a\\nb");
    }

    #[test]
    fn a_program_cannot_command_the_ci_system() {
        for (text, shown) in [
            ("::error::x", "\\u{3a}:error::x"),
            ("ok\n  ::add-mask::y", "ok\n  \\u{3a}:add-mask::y"),
            ("x ##[error]y", "x ##\\u{5b}error]y"),
            ("##vso[task.complete]y", "##vso\\u{5b}task.complete]y"),
            ("# #a[1] C##x [2]", "# #a[1] C##x [2]"),
            ("std::cout << a[::2]", "std::cout << a[::2]"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn json_keeps_its_data_and_hides_nothing() {
        let text = "\x1b[2J\u{9b}31m\u{202e}##[error]é\u{1f600}\"\\";
        for written in [json_line(&[text]).unwrap(), json_pretty(&[text]).unwrap()] {
            assert!(!written.contains(['\x1b', '\u{9b}', '\u{202e}']) && !written.contains("##["));
            let read: Vec<String> = serde_json::from_str(&written).unwrap();
            assert_eq!(read, [text]);
            assert!(written.contains("é\u{1f600}"));
        }
    }
}
