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
    /// Where its tests were judged; `None` without tests.
    pub judged: Option<Judged>,
    /// In the order they were measured; names are unique.
    pub metrics: Vec<(String, Metric)>,
    /// One sentence: how the score and the verdict came about.
    pub reason: String,
}

/// Where tests are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// In a process of their own, which calls the program's functions.
    Apart,
    /// In the program's own interpreter.
    Beside,
}

impl Judged {
    /// The word used in YAML, JSON and messages.
    pub fn word(self) -> &'static str {
        match self {
            Judged::Apart => "apart",
            Judged::Beside => "beside",
        }
    }
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

impl Metric {
    /// A metric that either holds or does not.
    pub fn of(holds: bool, reason: impl Into<String>) -> Self {
        Metric {
            score: if holds { 1.0 } else { 0.0 },
            success: holds,
            reason: reason.into(),
        }
    }
}

/// Why there is no reward. None of these is the model's fault, and none is ever a score of 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Whose it is.
    pub kind: FaultKind,
    /// What is wrong and what to do.
    pub message: String,
    /// File and line of the dataset's row whose fault it is, where the suite leaves bad rows out.
    #[serde(skip)]
    pub left_out: Option<String>,
}

/// Whose fault it is that there is no reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The suite's or the rules'.
    Configuration,
    /// The machine's or the network's.
    Infrastructure,
    /// The row's that was to be scored.
    Input,
}

impl Fault {
    /// A fault of the suite or the rules.
    pub fn configuration(message: impl Into<String>) -> Self {
        Fault {
            kind: FaultKind::Configuration,
            message: message.into(),
            left_out: None,
        }
    }

    /// A fault of the machine or the network.
    pub fn infrastructure(message: impl Into<String>) -> Self {
        Fault {
            kind: FaultKind::Infrastructure,
            message: message.into(),
            left_out: None,
        }
    }

    /// A fault of an input row.
    pub fn input(message: impl Into<String>) -> Self {
        Fault {
            kind: FaultKind::Input,
            message: message.into(),
            left_out: None,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}
