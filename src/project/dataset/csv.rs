//! Rows of CSV as RFC 4180 has it: the first line names the columns, all values are text.

use std::collections::HashMap;

use csv_core::ReadRecordResult;

use super::cursor::{Cursor, Start};
use super::{Columns, Reader};
use crate::diagnostic::Diagnostic;

pub(super) struct Csv {
    cursor: Cursor,
    parser: csv_core::Reader,
    /// The names of the columns, once they are read.
    header: Option<Vec<String>>,
    /// The fields of the row at hand, one after the other without their quotes.
    fields: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// How many there are.
    count: usize,
}

impl Csv {
    pub(super) fn new(cursor: Cursor) -> Csv {
        Csv {
            cursor,
            parser: csv_core::Reader::new(),
            header: None,
            fields: vec![0; 1024],
            ends: vec![0; 32],
            count: 0,
        }
    }

    /// Reads the next record, the header's too.
    fn record(&mut self) -> Result<Option<Start>, Diagnostic> {
        if !self.begin()? {
            return Ok(None);
        }
        self.parser.reset();
        self.count = 0;
        let mut length = 0;
        loop {
            let bytes = self.cursor.fill()?;
            let is_end = bytes.is_empty();
            // The end of the file ends a row, unless it stands in a quote.
            let bytes = if is_end { b"\n" } else { bytes };
            let (result, read, written, ended) = self.parser.read_record(
                bytes,
                &mut self.fields[length..],
                &mut self.ends[self.count..],
            );
            length += written;
            self.count += ended;
            if !is_end {
                self.cursor.keep(read)?;
            }
            match result {
                ReadRecordResult::Record => return Ok(Some(self.cursor.row())),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::InputEmpty if is_end => {
                    return Err(self.cursor.bad(0, "a quote in this row is not closed"));
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    /// Goes past empty lines to where a record begins; false at the end of the file.
    fn begin(&mut self) -> Result<bool, Diagnostic> {
        loop {
            let bytes = self.cursor.fill()?;
            let is_end = bytes.is_empty();
            let is_empty = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let count = bytes.iter().take_while(is_empty).count();
            if count == 0 {
                self.cursor.begin_at_line();
                return Ok(!is_end);
            }
            self.cursor.skip(count);
        }
    }

    /// The fields of the record at hand.
    fn texts(&self) -> Result<impl Iterator<Item = &str>, Diagnostic> {
        // Quotes are one byte, so fields are text where the whole row is.
        self.cursor.text()?;
        let mut begin = 0;
        Ok(self.ends[..self.count].iter().map(move |end| {
            let field = &self.fields[begin..*end];
            begin = *end;
            std::str::from_utf8(field).expect("a part between commas of a text is text")
        }))
    }

    fn read_header(&mut self) -> Result<(), Diagnostic> {
        if self.record()?.is_none() {
            self.header = Some(Vec::new());
            return Ok(());
        }
        let names: Vec<String> = self.texts()?.map(str::to_owned).collect();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            if let Some(first) = known.insert(name, index) {
                let message = format!("two columns are named `{name}`");
                let help = format!("they are the columns {} and {}", first + 1, index + 1);
                return Err(self.cursor.bad(self.offset(index), message).help(help));
            }
        }
        self.header = Some(names);
        Ok(())
    }

    /// The byte of the record at which a field begins; where quotes make that hard to say, the first.
    fn offset(&self, field: usize) -> usize {
        let is_plain = !self.cursor.raw.contains(&b'"');
        match field.checked_sub(1) {
            Some(before) if is_plain => self.ends[before] + field,
            _ => 0,
        }
    }
}

impl Reader for Csv {
    fn advance(&mut self) -> Result<Option<Start>, Diagnostic> {
        if self.header.is_none() {
            self.read_header()?;
        }
        self.record()
    }

    fn columns(&self) -> Result<Columns, Diagnostic> {
        let header = self.header.as_deref().unwrap_or_default();
        if self.count != header.len() {
            let (fields, names) = (self.count, header.len());
            let noun = if fields == 1 { "field" } else { "fields" };
            let message = format!("the row has {fields} {noun}, and the first line names {names}");
            let surplus = if fields > names {
                self.offset(names)
            } else {
                self.cursor.raw.trim_ascii_end().len()
            };
            return Err(self.cursor.bad(surplus, message));
        }
        let texts = self.texts()?;
        let named = header.iter().cloned();
        Ok(named.zip(texts.map(serde_json::Value::from)).collect())
    }

    fn cursor(&mut self) -> &mut Cursor {
        &mut self.cursor
    }
}
