//! What a reply is worth: a score in 0..=1 and named metrics, each with a reason.

use serde::{Deserialize, Serialize};

/// The worth of one reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Reward {
    /// 0..=1.
    pub score: f64,
    /// Whether the case is as wanted: at least its `at_least`, at most its `at_most`, with
    /// the cause that it names.
    pub passed: bool,
    /// Why the score is 0; `None` when it is not.
    pub cause: Option<Cause>,
    /// In the order they were measured; names are unique.
    pub metrics: Vec<(String, Metric)>,
    /// One sentence: how the score and the verdict came about.
    pub reason: String,
}

/// One measured thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// 0..=1.
    pub score: f64,
    /// Whether what was wanted holds entirely.
    pub success: bool,
    /// A sentence a person can act on.
    pub reason: String,
}

/// Why a reward is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The reply holds no code to run.
    NoCode,
    /// The build failed.
    Compile,
    /// The program ended with an error or a signal.
    Error,
    /// The program ran out of wall or CPU time.
    Timeout,
    /// The program used more memory, or more processes, than allowed.
    Memory,
    /// The program wrote more than allowed.
    OutputLimit,
    /// The program ran and what it left is wrong.
    Wrong,
    /// A gate other than the execution's was below its floor.
    Gate,
}

impl Cause {
    /// The word used in YAML, JSON and messages.
    pub fn word(self) -> &'static str {
        match self {
            Cause::NoCode => "no_code",
            Cause::Compile => "compile",
            Cause::Error => "error",
            Cause::Timeout => "timeout",
            Cause::Memory => "memory",
            Cause::OutputLimit => "output_limit",
            Cause::Wrong => "wrong",
            Cause::Gate => "gate",
        }
    }
}
