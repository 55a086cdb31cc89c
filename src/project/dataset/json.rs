//! Rows of a JSON file: one list of objects, of which one at a time is held.

use super::cursor::{Cursor, Start};
use super::{Columns, Reader, object};
use crate::diagnostic::Diagnostic;

#[derive(Debug)]
pub(super) struct Json {
    cursor: Cursor,
    next: Next,
    /// Rows so far.
    count: u32,
}

/// What comes next in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The list.
    List,
    /// Its first row, or its end.
    FirstRow,
    /// A row, after a comma.
    Row,
    /// A comma, or the list's end.
    Comma,
    /// Nothing.
    Nothing,
}

impl Json {
    pub(super) fn new(cursor: Cursor) -> Json {
        Json {
            cursor,
            next: Next::List,
            count: 0,
        }
    }

    /// The next byte that is no white space, which is not passed; none at the end of the file.
    fn peek(&mut self) -> Result<Option<u8>, Diagnostic> {
        loop {
            let bytes = self.cursor.fill()?;
            let count = bytes.len() - bytes.trim_ascii_start().len();
            let Some(byte) = bytes.get(count).copied() else {
                if count == 0 {
                    return Ok(None);
                }
                self.cursor.skip(count);
                continue;
            };
            self.cursor.skip(count);
            return Ok(Some(byte));
        }
    }

    /// Reads a value's bytes. Whether they are JSON is seen when they are parsed.
    fn element(&mut self) -> Result<Start, Diagnostic> {
        self.count = self.count.saturating_add(1);
        self.cursor.begin(self.count);
        let mut shape = Shape::default();
        loop {
            let bytes = self.cursor.fill()?;
            if bytes.is_empty() {
                // What is not closed is no JSON; the words of the parser say what is missing.
                self.columns()?;
                break;
            }
            let length = bytes.len();
            let ends = bytes.iter().position(|byte| shape.ends_before(*byte));
            self.cursor.keep(ends.unwrap_or(length))?;
            if ends.is_some() {
                break;
            }
        }
        self.next = Next::Comma;
        Ok(self.cursor.row())
    }

    /// Goes past the list's end, after which there may be nothing.
    fn end(&mut self) -> Result<Option<Start>, Diagnostic> {
        self.cursor.skip(1);
        self.next = Next::Nothing;
        match self.peek()? {
            None => Ok(None),
            Some(_) => Err(self.cursor.bad_here("something stands after the list")),
        }
    }
}

impl Reader for Json {
    fn advance(&mut self) -> Result<Option<Start>, Diagnostic> {
        loop {
            if self.next == Next::Nothing {
                return Ok(None);
            }
            let byte = self.peek()?;
            let here = |message: &str| Err(self.cursor.bad_here(message));
            match (self.next, byte) {
                (Next::List, Some(b'[')) => self.next = Next::FirstRow,
                (Next::List, _) => {
                    let help =
                        "write one list of objects, or an object a line with `format: jsonl`";
                    let wrong = self.cursor.bad_here("expected a JSON list: `[`");
                    return Err(wrong.help(help));
                }
                (_, None) => return here("the list is not closed: expected `]`"),
                (Next::FirstRow | Next::Comma, Some(b']')) => return self.end(),
                (Next::Comma, Some(b',')) => self.next = Next::Row,
                (Next::Comma, _) => return here("expected `,` or `]` after the row"),
                (Next::Row, Some(b']')) => return here("expected a row after the comma"),
                (Next::FirstRow | Next::Row, Some(b',')) => return here("expected a row"),
                _ => return self.element().map(Some),
            }
            self.cursor.skip(1);
        }
    }

    fn columns(&self) -> Result<Columns, Diagnostic> {
        object::columns(&self.cursor)
    }

    fn seek(&mut self, to: Start) -> Result<(), Diagnostic> {
        self.next = Next::Row;
        self.count = to.number - 1;
        self.cursor.seek(to)
    }

    fn cursor(&mut self) -> &mut Cursor {
        &mut self.cursor
    }
}

/// How far a value is read: brackets outside of strings, and strings.
#[derive(Debug, Default)]
struct Shape {
    depth: usize,
    is_string: bool,
    is_escaped: bool,
    /// Whether the last byte ended the value.
    is_complete: bool,
}

impl Shape {
    /// Whether the value ends before this byte, which comes next.
    fn ends_before(&mut self, byte: u8) -> bool {
        if self.is_complete {
            return true;
        }
        if self.is_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => {
                    self.is_string = false;
                    self.is_complete = self.depth == 0;
                }
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.is_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                self.is_complete = self.depth == 0;
            }
            b',' | b']' if self.depth == 0 => return true,
            _ => return self.depth == 0 && byte.is_ascii_whitespace(),
        }
        false
    }
}
