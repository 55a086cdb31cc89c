//! A dataset's rows, one JSON object a line, streamed: a file is never held whole.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::compile::Row;
use crate::diagnostic::{Diagnostic, RowPlace};

/// Bytes of one row that are read.
const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Characters of a bad line that are shown.
const SHOWN_MAX: usize = 100;

/// The rows of a file.
pub struct Rows {
    reader: Option<BufReader<File>>,
    file: String,
    line: usize,
}

impl Rows {
    /// No rows.
    pub fn none() -> Rows {
        Rows {
            reader: None,
            file: String::new(),
            line: 0,
        }
    }

    pub(super) fn open(path: &Path, shown: String) -> Result<Rows, String> {
        let file = File::open(path).map_err(|error| super::why(&error))?;
        if file
            .metadata()
            .map_err(|error| super::why(&error))?
            .is_dir()
        {
            return Err("it is a directory".to_owned());
        }
        Ok(Rows {
            reader: Some(BufReader::new(file)),
            file: shown,
            line: 0,
        })
    }

    fn bad(&self, text: &str, column: usize, message: String) -> Diagnostic {
        let skipped = column.saturating_sub(SHOWN_MAX / 2);
        let shown: String = text.chars().skip(skipped).take(SHOWN_MAX).collect();
        let place = RowPlace {
            file: self.file.clone(),
            line: self.line,
            column: column.max(1),
            text: shown,
            skipped,
        };
        Diagnostic::in_row(place, message)
    }

    fn row(&self, line: &[u8]) -> Result<Row, Diagnostic> {
        let text = std::str::from_utf8(line).map_err(|error| {
            let valid = String::from_utf8_lossy(&line[..error.valid_up_to()]).into_owned();
            self.bad(
                &valid,
                valid.chars().count() + 1,
                "the row is not UTF-8".to_owned(),
            )
        })?;
        let columns = match serde_json::from_str(text) {
            Ok(serde_json::Value::Object(columns)) => columns,
            Ok(_) => return Err(self.bad(text, 1, "the row is no JSON object".to_owned())),
            Err(error) => {
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or(&message);
                return Err(self.bad(
                    text,
                    error.column(),
                    format!("the row is not JSON: {message}"),
                ));
            }
        };
        Ok(Row {
            file: self.file.clone(),
            line: self.line,
            columns,
        })
    }
}

impl Iterator for Rows {
    type Item = Result<Row, Diagnostic>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let mut line = Vec::new();
        loop {
            line.clear();
            self.line += 1;
            let mut limited = std::io::Read::take(&mut *reader, ROW_BYTES_MAX as u64 + 1);
            match limited.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.len() > ROW_BYTES_MAX => {
                    self.reader = None;
                    return Some(Err(self.bad(
                        "",
                        1,
                        format!("the row has more than {} MiB", ROW_BYTES_MAX >> 20),
                    )));
                }
                Ok(_) => {}
                Err(error) => {
                    self.reader = None;
                    return Some(Err(self.bad("", 1, format!("cannot read on: {error}"))));
                }
            }
            if self.line == 1 && line.starts_with(b"\xef\xbb\xbf") {
                line.drain(..3);
            }
            if !line.trim_ascii().is_empty() {
                return Some(self.row(line.trim_ascii_end()));
            }
        }
    }
}
