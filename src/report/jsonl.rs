//! One JSON object a case, written as soon as the case is done.

use std::io::{self, Write};

use serde_json::Value;

use super::{Reporter, Sink, Summary, wire};
use crate::escape::json_line;
use crate::run::Outcome;

/// The reporter `jsonl`.
pub struct Jsonl {
    writer: Box<dyn Write>,
}

impl Jsonl {
    /// A reporter that writes there.
    pub fn new(sink: Sink) -> Self {
        Jsonl {
            writer: sink.writer,
        }
    }
}

impl Reporter for Jsonl {
    fn started(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn reply(&mut self, outcome: &Outcome) -> io::Result<()> {
        let mut object = wire::outcome(Value::from(outcome.name()), outcome);
        object.insert("suite".to_owned(), outcome.id.suite.as_str().into());
        object.insert("case".to_owned(), outcome.id.case.as_str().into());
        if let Some(cell) = outcome.id.cell.as_deref() {
            object.insert("cell".to_owned(), cell.into());
        }
        object.insert("language".to_owned(), outcome.language.as_str().into());
        object.insert("model".to_owned(), outcome.model.as_deref().into());
        writeln!(self.writer, "{}", json_line(&object)?)?;
        self.writer.flush()
    }

    fn shows_summary(&self) -> bool {
        false
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        self.writer.flush()
    }
}
