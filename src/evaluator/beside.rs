//! Tests judged beside the program, in its own interpreter, with a completion proof.
//!
//! The order (tests and a nonce) reaches the interpreter on a private descriptor that the
//! language's runner reads only after the program's top level has run; the report must carry the
//! nonce and come after the last assertion. Exit status 0 alone proves nothing. A program that
//! attacks its own interpreter can still forge this; the reason says where the tests ran.

mod call;
mod value;

use serde::{Deserialize, Serialize};

pub use call::{Call, Outcome};
pub use value::Value;

use super::Nonce;
use super::expect::Credit;
use crate::execution::{Execution, Status};
use crate::reward::{Fault, Metric};
use value::Words;

/// Test code and calls, rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCode {
    /// One text or several; each is judged by itself.
    pub texts: Vec<String>,
    /// Calls, made after the texts ran.
    pub calls: Vec<Call>,
    /// The function that a `check` in the tests is called with.
    pub entry_point: Option<String>,
    /// Trusted code that runs before the tests.
    pub prelude: Option<String>,
    /// What of them counts.
    pub credit: Credit,
    /// Whether they end at the first failure.
    pub stops_at_failure: bool,
}

#[derive(Serialize)]
struct Order<'a> {
    nonce: &'a str,
    texts: &'a [String],
    entry_point: &'a Option<String>,
    prelude: &'a Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<call::Order<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stop: bool,
}

/// What a runner reports, one line of JSON.
#[derive(Debug, Deserialize)]
struct Report {
    nonce: String,
    /// Assertions written in the tests.
    written: u64,
    /// Assertions that ran.
    ran: u64,
    /// Units of credit that passed.
    passed: u64,
    /// What failed, in order, at most a few.
    failures: Vec<String>,
    /// Units of credit in all.
    units: u64,
    /// Why the tests are no test code.
    #[serde(default)]
    broken: Option<String>,
    /// What came of each call, in order; absent where the runner makes none.
    #[serde(default)]
    calls: Option<Vec<serde_json::Value>>,
    /// How the language writes nothing, true and false.
    #[serde(default)]
    words: Option<(String, String, String)>,
}

/// What passed, of texts and calls together.
struct Tally {
    units: u64,
    passed: u64,
    first_failure: Option<String>,
}

impl TestCode {
    /// The bytes for the runner's private descriptor. What calls must do is not among them.
    pub(super) fn order(&self, nonce: &Nonce) -> Vec<u8> {
        serde_json::to_vec(&Order {
            nonce: &nonce.0,
            texts: &self.texts,
            entry_point: &self.entry_point,
            prelude: &self.prelude,
            calls: self.calls.iter().map(Call::order).collect(),
            stop: self.stops_at_failure,
        })
        .expect("texts are JSON")
    }

    /// Whether the tests ran to their end.
    pub(super) fn is_complete(&self, execution: &Execution, nonce: &Nonce) -> bool {
        report(&execution.private, nonce).is_some()
    }

    /// The metric `tests` for an execution.
    ///
    /// # Errors
    /// A configuration fault when the tests assert nothing: that is no pass and no fail.
    pub(super) fn metric(&self, execution: &Execution, nonce: &Nonce) -> Result<Metric, Fault> {
        const WHERE: &str = "judged beside the program, in its own interpreter";
        let Some(report) = report(&execution.private, nonce) else {
            let why = match execution.status {
                Status::Ok => {
                    "the program ended before its tests were done: exit status 0 alone proves nothing"
                }
                _ => "the program failed before its tests were done",
            };
            return Ok(Metric::of(false, format!("{why} ({WHERE})")));
        };
        if let Some(broken) = report.broken {
            return Err(Fault::configuration(broken));
        }
        if report.calls.is_none() && !self.calls.is_empty() {
            return Err(Fault::configuration(
                "the language's runner makes no calls: write the tests as code",
            ));
        }
        if report.written == 0 && self.calls.is_empty() {
            return Err(Fault::configuration(
                "the tests assert nothing: they hold no `assert`, no call of an assertion, and raise nothing",
            ));
        }
        if report.ran == 0 && self.calls.is_empty() {
            let first = report.failures.first();
            let why = first.map_or(String::new(), |first| format!("; first failure: {first}"));
            return Ok(Metric::of(
                false,
                format!("no assertion of the tests was reached ({WHERE}){why}"),
            ));
        }
        let tally = self.tally(&report);
        let of = self.counted(tally.units);
        let Some(first) = tally.first_failure else {
            let ran = if self.texts.is_empty() {
                String::new()
            } else {
                format!(", {}", assertions(report.ran))
            };
            return Ok(Metric::of(true, format!("{of} passed{ran} ({WHERE})")));
        };
        let early = if self.stops_at_failure {
            ", and the rest was not needed"
        } else {
            ""
        };
        let reason = format!(
            "{} of {of} passed ({WHERE}){early}; first failure: {first}",
            tally.passed
        );
        Ok(Metric {
            score: if self.credit == Credit::Fraction {
                share(tally.passed, tally.units)
            } else {
                0.0
            },
            success: false,
            reason,
        })
    }

    /// Counts what passed; there is a first failure unless everything did.
    fn tally(&self, report: &Report) -> Tally {
        let words = report.words.clone().map_or_else(Words::default, Words::of);
        let mut units = report.units;
        let mut passed = report.passed.min(units);
        let mut first_failure = report.failures.first().cloned();
        if passed < units && first_failure.is_none() {
            first_failure = Some(String::new());
        }
        if report.written > 0 && report.ran == 0 {
            units = units.max(1);
            first_failure
                .get_or_insert_with(|| "no assertion of the test code was reached".to_owned());
        }
        let reported = report.calls.as_deref().unwrap_or_default();
        for (index, call) in self.calls.iter().enumerate() {
            units += 1;
            let failure = match reported.get(index) {
                Some(reported) => call.failure(reported, &words),
                None => Some(format!("{} was not made", call.told(&words))),
            };
            match failure {
                None => passed += 1,
                Some(failure) => {
                    first_failure.get_or_insert(failure);
                }
            }
        }
        Tally {
            units,
            passed,
            first_failure,
        }
    }

    fn counted(&self, units: u64) -> String {
        if self.texts.is_empty() {
            calls(units)
        } else {
            tests(units)
        }
    }
}

/// `passed` of `units`, as a score; never 1 where one is missing.
fn share(passed: u64, units: u64) -> f64 {
    const BELOW_ONE: f64 = 1.0 - 1e-6;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count that a double cannot hold is no count of tests"
    )]
    let share = passed as f64 / units.max(1) as f64;
    share.min(BELOW_ONE)
}

fn calls(count: u64) -> String {
    if count == 1 {
        "1 call".to_owned()
    } else {
        format!("{count} calls")
    }
}

fn tests(count: u64) -> String {
    if count == 1 {
        "1 test".to_owned()
    } else {
        format!("{count} tests")
    }
}

fn assertions(ran: u64) -> String {
    if ran == 1 {
        "1 assertion ran".to_owned()
    } else {
        format!("{ran} assertions ran")
    }
}

/// The one report that carries the nonce; two of them are a forgery.
fn report(bytes: &[u8], nonce: &Nonce) -> Option<Report> {
    let mut reports = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Report>(line).ok())
        .filter(|report| report.nonce == nonce.0);
    let only = reports.next()?;
    reports.next().is_none().then_some(only)
}
