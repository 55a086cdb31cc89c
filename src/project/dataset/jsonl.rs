//! Rows of JSONL: an object a line. Empty lines are none.

use super::cursor::{Cursor, Start};
use super::{Columns, Reader, object};
use crate::diagnostic::Diagnostic;

#[derive(Debug)]
pub(super) struct Jsonl {
    cursor: Cursor,
}

impl Jsonl {
    pub(super) fn new(cursor: Cursor) -> Jsonl {
        Jsonl { cursor }
    }

    /// Reads one line; false at the end of the file.
    fn line(&mut self) -> Result<bool, Diagnostic> {
        // The first bytes may be a mark that belongs to no row.
        let mut is_some = !self.cursor.fill()?.is_empty();
        self.cursor.begin_at_line();
        loop {
            let bytes = self.cursor.fill()?;
            let newline = memchr::memchr(b'\n', bytes);
            let count = newline.map_or(bytes.len(), |newline| newline + 1);
            if count == 0 {
                break;
            }
            is_some = true;
            self.cursor.keep(count)?;
            if newline.is_some() {
                break;
            }
        }
        let length = self.cursor.raw.trim_ascii_end().len();
        self.cursor.raw.truncate(length);
        Ok(is_some)
    }
}

impl Reader for Jsonl {
    fn advance(&mut self) -> Result<Option<Start>, Diagnostic> {
        while self.line()? {
            if !self.cursor.raw.trim_ascii().is_empty() {
                return Ok(Some(self.cursor.row()));
            }
        }
        Ok(None)
    }

    fn columns(&self) -> Result<Columns, Diagnostic> {
        object::columns(&self.cursor)
    }

    fn cursor(&mut self) -> &mut Cursor {
        &mut self.cursor
    }
}
