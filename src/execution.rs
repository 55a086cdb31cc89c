//! What happened when a program ran, or why nothing could.
//!
//! A program's failure is an [`Execution`]; a machine's failure is an [`InfrastructureError`].
//! Neither is ever turned into the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Ended by itself with exit status 0.
    Ok,
    /// Ended by itself with another exit status.
    RuntimeError,
    /// The build failed.
    CompileError,
    /// Ended by a signal of its own making.
    Killed,
    /// The wall clock or CPU accounting ended it; the reason says which.
    Timeout,
    /// It used more memory than allowed.
    MemoryLimit,
    /// It wrote more than allowed.
    OutputLimit,
    /// It wanted more processes than allowed and did not end with 0.
    ProcessLimit,
}

impl Status {
    /// The word used in YAML, JSON and messages.
    pub fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::RuntimeError => "runtime_error",
            Status::CompileError => "compile_error",
            Status::Killed => "killed",
            Status::Timeout => "timeout",
            Status::MemoryLimit => "memory_limit",
            Status::OutputLimit => "output_limit",
            Status::ProcessLimit => "process_limit",
        }
    }
}

/// One execution of a program.
#[derive(Debug, Clone)]
pub struct Execution {
    /// How it ended.
    pub status: Status,
    /// More about the status, for example `wall` or `cpu` for a timeout.
    pub reason: Option<String>,
    /// Exit status, when it ended by itself.
    pub exit_code: Option<i32>,
    /// Signal number, when a signal ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// What the program wrote to its private descriptor; empty without one.
    pub private: Vec<u8>,
    /// The judge's own execution, where one talked with the program.
    pub judge: Option<Box<Execution>>,
    /// The files that were asked for, in that order.
    pub files: Vec<LeftFile>,
    /// Wall time from the program's start to its end.
    pub wall: Duration,
    /// CPU time (user and system) of the process tree.
    pub cpu: Duration,
    /// Highest resident memory seen, in bytes.
    pub peak_memory: u64,
    /// The backend that ran it, such as `local`.
    pub backend: String,
    /// How well it was contained: `full`, `reduced` or `none`.
    pub isolation: Isolation,
}

/// An execution as results show it. Public and stable: fields may be added, none is renamed.
#[derive(Serialize)]
struct WireExecution<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    stdout: &'a str,
    stderr: &'a str,
    wall_ms: f64,
    cpu_ms: f64,
    peak_rss_kib: u64,
    truncated: bool,
    backend: &'a str,
    isolation: &'static str,
}

impl Execution {
    /// The object that results and the author's checkers see.
    pub fn to_json(&self) -> serde_json::Value {
        let milliseconds = |duration: Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        serde_json::json!(WireExecution {
            status: self.status.word(),
            reason: self.reason.as_deref(),
            exit_code: self.exit_code,
            signal: self.signal,
            stdout: &self.stdout.text,
            stderr: &self.stderr.text,
            wall_ms: milliseconds(self.wall),
            cpu_ms: milliseconds(self.cpu),
            peak_rss_kib: self.peak_memory / 1024,
            truncated: self.stdout.truncated || self.stderr.truncated,
            backend: &self.backend,
            isolation: self.isolation.word(),
        })
    }
}

/// How well a program was contained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Every layer the backend has.
    Full,
    /// Some layers are missing on this machine.
    Reduced,
    /// A separate process and no more.
    None,
}

impl Isolation {
    /// The one that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Isolation::Full, Isolation::Reduced, Isolation::None]
            .into_iter()
            .find(|isolation| isolation.word() == word)
    }

    /// Whether it is as good as another, or better.
    pub fn is_at_least(self, least: Isolation) -> bool {
        let rank = |isolation| match isolation {
            Isolation::None => 0,
            Isolation::Reduced => 1,
            Isolation::Full => 2,
        };
        rank(self) >= rank(least)
    }

    /// The word used in YAML, JSON and messages.
    pub fn word(self) -> &'static str {
        match self {
            Isolation::Full => "full",
            Isolation::Reduced => "reduced",
            Isolation::None => "none",
        }
    }
}

/// A file that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftFile {
    /// Its path in the program's directory.
    pub path: String,
    /// Its content; none where the program left no such file. Links are not followed.
    pub content: Option<Captured>,
}

/// A captured output stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The text. Bytes that are not UTF-8 are replaced by U+FFFD. When truncated, both ends
    /// are kept around a line that says how many bytes are missing.
    pub text: String,
    /// Whether bytes are missing. Truncated output is never compared.
    pub truncated: bool,
    /// Whether bytes were replaced because they were not UTF-8.
    pub lossy: bool,
}

/// What came of a [`Job`](crate::program::Job).
#[derive(Debug, Clone)]
pub struct JobResult {
    /// The build, if there was one.
    pub build: Option<Execution>,
    /// One execution for each run of the job, in order; empty when the build failed.
    pub runs: Vec<Execution>,
}

/// The machine, not the program, failed: there is nothing to score.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct InfrastructureError {
    /// What was attempted, what went wrong and what to do.
    pub message: String,
}

impl InfrastructureError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        InfrastructureError {
            message: message.into(),
        }
    }
}
