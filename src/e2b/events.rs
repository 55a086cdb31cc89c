//! What the code interpreter says while it executes: one JSON object a line.
//!
//! Unknown types and fields, and blank lines, are passed over. A stream is whole only when it said
//! `end_of_execution`: the official SDKs take one that breaks off cleanly for a success.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Error, ErrorKind};

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// How often the context has executed something.
    NumberOfExecutions {
        /// The count.
        execution_count: u64,
    },
    /// A piece of standard output.
    Stdout {
        /// The piece.
        text: String,
    },
    /// A piece of standard error.
    Stderr {
        /// The piece.
        text: String,
    },
    /// A value that was displayed.
    Result(Box<Display>),
    /// An exception that nobody caught, or the end of the kernel.
    Error(Exception),
    /// Nothing happened for some seconds.
    Keepalive,
    /// The last event of a whole stream.
    EndOfExecution,
    /// Something of a newer server.
    #[serde(other)]
    Unknown,
}

/// A value that was displayed, in the representations that the kernel gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Display {
    /// Whether it is the value of the last expression, not of a call of `display`.
    #[serde(default)]
    pub is_main_result: bool,
    /// Plain text. Python strings come without their quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Everything else by its short name: `html`, `png` (base64), `json`, `chart`, …
    #[serde(flatten)]
    pub others: BTreeMap<String, Value>,
}

/// An exception that nobody caught.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Its type.
    #[serde(default)]
    pub name: String,
    /// Its message.
    #[serde(default)]
    pub value: String,
    /// The traceback, perhaps empty.
    #[serde(default)]
    pub traceback: String,
}

impl Exception {
    /// Whether the server made it, because the kernel ended or was ended.
    pub fn is_of_the_server(&self) -> bool {
        matches!(
            self.name.as_str(),
            "ContextRestarting"
                | "WebSocketError"
                | "UnexpectedEndOfExecution"
                | "ExecutionAborted"
        )
    }
}

/// Takes a stream of lines apart, however its bytes are cut.
#[derive(Debug)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Up to where no line end was found.
    searched: usize,
    bytes_max: usize,
}

impl Lines {
    /// Refuses lines of more than `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Lines {
            bytes: Vec::new(),
            searched: 0,
            bytes_max,
        }
    }

    /// Takes more bytes and gives the events of the lines that they end.
    ///
    /// # Errors
    /// A line that is not JSON, has not the fields of its type, or is too long.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Error> {
        self.bytes.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.bytes[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n')
        {
            let end = self.searched + length;
            events.extend(event(&self.bytes[begin..end])?);
            begin = end + 1;
            self.searched = begin;
        }
        self.bytes.drain(..begin);
        self.searched = self.bytes.len();
        if self.bytes.len() > self.bytes_max {
            return Err(Error::new(
                ErrorKind::TooLong,
                super::EXECUTE,
                format!("a line of more than {} bytes", self.bytes_max),
            ));
        }
        Ok(events)
    }
}

fn event(line: &[u8]) -> Result<Option<Event>, Error> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(line)
        .map(Some)
        .map_err(|error| Error::broken(super::EXECUTE, &error))
}

/// All that an execution said.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Transcript {
    /// The pieces of standard output.
    pub stdout: Vec<String>,
    /// The pieces of standard error.
    pub stderr: Vec<String>,
    /// The values that were displayed.
    pub results: Vec<Display>,
    /// The last exception.
    pub error: Option<Exception>,
    /// How often the context has executed something.
    pub execution_count: Option<u64>,
    /// Whether the stream is whole.
    #[serde(skip)]
    pub is_whole: bool,
}

impl Transcript {
    /// Adds an event.
    pub fn add(&mut self, event: Event) {
        match event {
            Event::NumberOfExecutions { execution_count } => {
                self.execution_count = Some(execution_count);
            }
            Event::Stdout { text } => self.stdout.push(text),
            Event::Stderr { text } => self.stderr.push(text),
            Event::Result(display) => self.results.push(*display),
            Event::Error(exception) => self.error = Some(exception),
            Event::EndOfExecution => self.is_whole = true,
            Event::Keepalive | Event::Unknown => {}
        }
    }

    /// The text of the last expression's value.
    pub fn main_text(&self) -> Option<&str> {
        let main = self.results.iter().find(|result| result.is_main_result)?;
        main.text.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Lines, Transcript};

    fn read(stream: &str, size: usize) -> Transcript {
        let mut lines = Lines::new(1000);
        let mut transcript = Transcript::default();
        for chunk in stream.as_bytes().chunks(size) {
            for event in lines.push(chunk).unwrap() {
                transcript.add(event);
            }
        }
        transcript
    }

    #[test]
    fn a_stream_is_read_however_it_is_cut_and_whatever_is_new_in_it() {
        let stream = "{\"type\":\"number_of_executions\",\"execution_count\":3}\n\n\
            {\"type\":\"brand_new\",\"x\":1}\n{\"type\":\"keepalive\"}\n\
            {\"type\":\"stdout\",\"text\":\"café\\n\",\"timestamp\":\"2026\"}\n\
            {\"type\":\"result\",\"text\":\"42\",\"extra\":{},\"is_main_result\":true}\n\
            {\"type\":\"unexpected_end_of_execution\"}\n{\"type\":\"end_of_execution\"}\n";
        for size in 1..stream.len() {
            let transcript = read(stream, size);
            assert_eq!(transcript.stdout, ["café\n"]);
            assert_eq!(transcript.main_text(), Some("42"));
            assert_eq!(transcript.execution_count, Some(3));
            assert!(transcript.is_whole);
        }
        assert!(!read("{\"type\":\"stdout\",\"text\":\"\"}\n", 5).is_whole);
    }

    #[test]
    fn an_exception_may_lack_its_fields() {
        let read = read(
            "{\"type\":\"error\",\"name\":\"\",\"value\":\"3\"}\n{\"type\":\"error\"}\n",
            7,
        );
        assert_eq!(read.error.unwrap().value, "");
    }

    #[test]
    fn what_is_no_line_is_an_error_at_once() {
        let mut lines = Lines::new(10);
        assert!(lines.push(b"{oops}\n").is_err());
        let mut lines = Lines::new(10);
        assert!(lines.push(&[b'x'; 11]).is_err());
        let mut lines = Lines::new(10);
        assert_eq!(lines.push(b"").unwrap(), Vec::<Event>::new());
    }
}
