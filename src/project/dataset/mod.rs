//! A dataset's rows, streamed: which there are, in which order, and where each is wrong. A file is
//! never held whole; what a row says to a suite is not known here.

mod csv;
mod cursor;
mod input;
mod json;
mod jsonl;
mod object;
mod shuffle;
#[cfg(test)]
mod tests;

use std::fmt;

pub(super) use cursor::Start;

use self::csv::Csv;
use self::cursor::Cursor;
use self::input::Input;
use self::json::Json;
use self::jsonl::Jsonl;
use crate::compile::{CasePlan, DataFile, Row};
use crate::diagnostic::Diagnostic;
use crate::source::Sources;
use crate::syntax::suite::Format;

/// The values of a row by the names of their columns.
type Columns = serde_json::Map<String, serde_json::Value>;

/// Goes through the rows of a file of one format.
trait Reader {
    /// Goes past the next row; none after the last.
    ///
    /// # Errors
    /// When the file cannot be read on from here.
    fn advance(&mut self) -> Result<Option<Start>, Diagnostic>;

    /// The columns of the row that was passed last.
    ///
    /// # Errors
    /// When that row is bad.
    fn columns(&self) -> Result<Columns, Diagnostic>;

    /// Goes to where a row begins, so that it is the next.
    ///
    /// # Errors
    /// When the file has but one order.
    fn seek(&mut self, to: Start) -> Result<(), Diagnostic> {
        self.cursor().seek(to)
    }

    /// What it reads with.
    fn cursor(&mut self) -> &mut Cursor;
}

/// A file of rows that is open.
pub(super) struct RowFile(Box<dyn Reader>);

impl fmt::Debug for RowFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RowFile")
    }
}

impl RowFile {
    /// Opens a file, `shown` to people under that name.
    pub(super) fn open(file: &DataFile, shown: String) -> Result<RowFile, String> {
        let input = Input::open(&file.path, file.is_packed)?;
        Ok(RowFile::new(input, file.format, shown))
    }

    /// Opens a file so that one can seek in it, whatever that takes.
    pub(super) fn open_seekable(file: &DataFile, shown: String) -> Result<RowFile, String> {
        let input = Input::open(&file.path, file.is_packed)?;
        let input = input
            .seekable()
            .map_err(|error| format!("it cannot be unpacked: {error}"))?;
        Ok(RowFile::new(input, file.format, shown))
    }

    fn new(input: Input, format: Format, shown: String) -> RowFile {
        let cursor = Cursor::new(input, shown);
        RowFile(match format {
            Format::Jsonl => Box::new(Jsonl::new(cursor)),
            Format::Json => Box::new(Json::new(cursor)),
            Format::Csv => Box::new(Csv::new(cursor)),
        })
    }

    /// Goes past the next row; none after the last.
    pub(super) fn advance(&mut self) -> Result<Option<Start>, Diagnostic> {
        self.0.advance()
    }

    /// Goes past the row that begins there.
    pub(super) fn go_past(&mut self, start: Start) -> Result<(), Diagnostic> {
        self.0.seek(start)?;
        self.0.advance().map(|_| ())
    }

    /// The row that was passed last, and began there.
    pub(super) fn row(&mut self, start: Start) -> Result<Row, Diagnostic> {
        let columns = self.0.columns()?;
        Ok(Row {
            file: self.0.cursor().file().to_owned(),
            line: start.line(),
            column: start.column(),
            number: start.number as usize,
            columns,
        })
    }

    /// Where every row begins.
    fn index(&mut self) -> Result<Vec<Start>, Diagnostic> {
        let mut starts = Vec::new();
        while let Some(start) = self.advance()? {
            starts.push(start);
        }
        Ok(starts)
    }
}

/// What stands where a row should.
#[derive(Debug)]
pub enum Unread {
    /// A row that is bad; the others can be read.
    Row {
        /// What names it, as [`Row::number`].
        number: usize,
        /// What is wrong.
        diagnostic: Diagnostic,
    },
    /// The file cannot be read on.
    File(Diagnostic),
}

/// The rows of a case's dataset that count, in their order.
#[derive(Debug)]
pub struct Rows<'p> {
    case: &'p CasePlan,
    sources: &'p Sources,
    /// None once there is nothing more to read.
    file: Option<RowFile>,
    order: Option<std::vec::IntoIter<Start>>,
    /// How many more count.
    left: usize,
}

impl<'p> Rows<'p> {
    pub(super) fn new(
        case: &'p CasePlan,
        sources: &'p Sources,
        mut file: RowFile,
    ) -> Result<Rows<'p>, Diagnostic> {
        let dataset = case.dataset.as_ref();
        let order = match dataset.and_then(|dataset| dataset.seed) {
            None => None,
            Some(seed) => {
                let mut order = file.index()?;
                shuffle::shuffle(&mut order, seed);
                Some(order.into_iter())
            }
        };
        let limit = dataset.and_then(|dataset| dataset.limit);
        Ok(Rows {
            case,
            sources,
            file: Some(file),
            order,
            left: limit.map_or(usize::MAX, |limit| limit as usize),
        })
    }

    /// The next row of the file, or of the random order, whether or not it counts.
    fn read(&mut self) -> Result<Option<Row>, Unread> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let start = match &mut self.order {
            None => file.advance().map_err(Unread::File)?,
            Some(order) => match order.next() {
                None => None,
                Some(start) => {
                    file.go_past(start).map_err(Unread::File)?;
                    Some(start)
                }
            },
        };
        let Some(start) = start else { return Ok(None) };
        let bad = |diagnostic| Unread::Row {
            number: start.number as usize,
            diagnostic,
        };
        file.row(start).map(Some).map_err(bad)
    }

    /// The next row that counts.
    fn next_counted(&mut self) -> Result<Option<Row>, Unread> {
        while let Some(row) = self.read()? {
            let number = row.number;
            match self.case.counts(&row, self.sources) {
                Ok(true) => return Ok(Some(row)),
                Ok(false) => {}
                Err(diagnostic) => return Err(Unread::Row { number, diagnostic }),
            }
        }
        Ok(None)
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let next = self.next_counted();
        match &next {
            Ok(Some(_)) => self.left -= 1,
            Ok(None) | Err(Unread::File(_)) => self.file = None,
            Err(Unread::Row { .. }) => {}
        }
        next.transpose()
    }
}
