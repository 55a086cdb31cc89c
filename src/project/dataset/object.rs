//! One row that is a JSON object: its columns, or where it is wrong.

use super::Columns;
use super::cursor::Cursor;
use crate::diagnostic::Diagnostic;

/// The columns of the row at hand.
pub(super) fn columns(cursor: &Cursor) -> Result<Columns, Diagnostic> {
    let text = cursor.text()?;
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(columns)) => Ok(columns),
        Ok(_) => Err(cursor.bad(0, "the row is no JSON object")),
        Err(error) => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            let at = offset(text, error.line(), error.column());
            Err(cursor.bad(at, format!("the row is not JSON: {message}")))
        }
    }
}

/// The byte that serde_json means by a line and a column, which it counts in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let mut begins = memchr::memchr_iter(b'\n', text.as_bytes()).map(|newline| newline + 1);
    let begin = match line.checked_sub(2) {
        None => 0,
        Some(before) => begins.nth(before).unwrap_or(text.len()),
    };
    (begin + column.saturating_sub(1)).min(text.len())
}
