//! Goes through a dataset's file: the bytes of the row at hand, and the place of each.

use std::io::{BufRead, BufReader, Seek, SeekFrom};

use super::input::Input;
use crate::diagnostic::{Diagnostic, RowPlace};

/// Bytes of one row that are read.
const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that are asked for at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Characters of a bad line that are shown.
const SHOWN_MAX: usize = 100;

/// Where a row begins. Of a shuffled file there is one of these for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::project) struct Start {
    offset: u64,
    line: u32,
    column: u32,
    /// What names the row where nothing else does.
    pub(super) number: u32,
}

impl Start {
    /// 1-based.
    pub(in crate::project) fn line(self) -> usize {
        self.line as usize
    }

    /// 1-based, in characters.
    pub(super) fn column(self) -> usize {
        self.column as usize
    }
}

/// A file and how far it is read.
#[derive(Debug)]
pub(super) struct Cursor {
    reader: BufReader<Input>,
    /// As it is shown to people.
    file: String,
    here: Start,
    row: Start,
    /// The bytes of the row at hand.
    pub(super) raw: Vec<u8>,
}

impl Cursor {
    pub(super) fn new(input: Input, file: String) -> Cursor {
        let here = Start {
            offset: 0,
            line: 1,
            column: 1,
            number: 0,
        };
        Cursor {
            reader: BufReader::with_capacity(BUFFER_BYTES, input),
            file,
            here,
            row: here,
            raw: Vec::new(),
        }
    }

    /// The file, as it is shown to people.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Some bytes from here on; none at the end of the file.
    pub(super) fn fill(&mut self) -> Result<&[u8], Diagnostic> {
        if let Err(error) = self.reader.fill_buf() {
            return Err(self.bad_here(format!("cannot read on: {error}")));
        }
        let is_at_start = self.here.offset == 0;
        if is_at_start && self.reader.buffer().starts_with(b"\xef\xbb\xbf") {
            self.reader.consume(3);
            self.here.offset = 3;
            return self.fill();
        }
        Ok(self.reader.buffer())
    }

    /// A row begins here, and the line names it.
    pub(super) fn begin_at_line(&mut self) {
        self.begin(self.here.line);
    }

    /// A row begins here.
    pub(super) fn begin(&mut self, number: u32) {
        self.raw.clear();
        self.row = Start {
            number,
            ..self.here
        };
    }

    /// Where the row at hand begins.
    pub(super) fn row(&self) -> Start {
        self.row
    }

    /// Goes past bytes that belong to no row.
    pub(super) fn skip(&mut self, count: usize) {
        let (line, column) = after(&self.reader.buffer()[..count], self.here);
        self.here = Start {
            offset: self.here.offset + count as u64,
            line,
            column,
            ..self.here
        };
        self.reader.consume(count);
    }

    /// Goes past bytes of the row at hand.
    pub(super) fn keep(&mut self, count: usize) -> Result<(), Diagnostic> {
        if self.raw.len() + count > ROW_BYTES_MAX {
            self.raw.clear();
            let message = format!("the row has more than {} MiB", ROW_BYTES_MAX >> 20);
            return Err(self.bad(0, message));
        }
        self.raw.extend_from_slice(&self.reader.buffer()[..count]);
        self.skip(count);
        Ok(())
    }

    /// Goes to where a row begins.
    pub(super) fn seek(&mut self, to: Start) -> Result<(), Diagnostic> {
        self.here = to;
        match self.reader.seek(SeekFrom::Start(to.offset)) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.bad_here(format!("cannot go to this row: {error}"))),
        }
    }

    /// Something is wrong where the file is read at.
    pub(super) fn bad_here(&self, message: impl Into<String>) -> Diagnostic {
        let rest = self.reader.buffer();
        let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        let text = String::from_utf8_lossy(line);
        let place = RowPlace {
            file: self.file.clone(),
            line: self.here.line as usize,
            column: self.here.column(),
            text: text.trim_end().chars().take(SHOWN_MAX).collect(),
            skipped: self.here.column() - 1,
        };
        Diagnostic::in_row(place, message)
    }

    /// Something is wrong at a byte of the row at hand.
    pub(super) fn bad(&self, at: usize, message: impl Into<String>) -> Diagnostic {
        let at = at.min(self.raw.len());
        let (line, column) = after(&self.raw[..at], self.row);
        let begin = memchr::memrchr(b'\n', &self.raw[..at]).map_or(0, |newline| newline + 1);
        let end = memchr::memchr(b'\n', &self.raw[at..]).map_or(self.raw.len(), |more| at + more);
        // Of the row's first line, what stands before the row is not known.
        let before = if begin == 0 { self.row.column() - 1 } else { 0 };
        let inside = column as usize - 1 - before;
        let hidden = inside.saturating_sub(SHOWN_MAX / 2);
        let text = String::from_utf8_lossy(&self.raw[begin..end]);
        let place = RowPlace {
            file: self.file.clone(),
            line: line as usize,
            column: column as usize,
            text: text
                .trim_end()
                .chars()
                .skip(hidden)
                .take(SHOWN_MAX)
                .collect(),
            skipped: before + hidden,
        };
        Diagnostic::in_row(place, message)
    }

    /// The row at hand as text.
    pub(super) fn text(&self) -> Result<&str, Diagnostic> {
        std::str::from_utf8(&self.raw)
            .map_err(|error| self.bad(error.valid_up_to(), "the row is not UTF-8"))
    }
}

/// The line and column after some bytes.
fn after(bytes: &[u8], from: Start) -> (u32, u32) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    // Every byte of a character but the first has these two bits.
    let characters =
        |bytes: &[u8]| count(bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count());
    match memchr::memrchr(b'\n', bytes) {
        None => (from.line, from.column.saturating_add(characters(bytes))),
        Some(last) => {
            let newlines = count(memchr::memchr_iter(b'\n', bytes).count());
            let line = from.line.saturating_add(newlines);
            (line, characters(&bytes[last + 1..]).saturating_add(1))
        }
    }
}
