//! Tests judged beside the program, in its own interpreter, with a completion proof.
//!
//! The order (tests and a nonce) reaches the interpreter on a private descriptor that the
//! language's runner reads only after the program's top level has run; the report must carry the
//! nonce and come after the last assertion. Exit status 0 alone proves nothing. A program that
//! attacks its own interpreter can still forge this; the reason says where the tests ran.

use serde::{Deserialize, Serialize};

use super::Nonce;
use crate::execution::{Execution, Status};
use crate::reward::{Fault, Metric};

/// Test code, rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestCode {
    /// One text or several; each is judged by itself.
    pub texts: Vec<String>,
    /// The function that a `check` in the tests is called with.
    pub entry_point: Option<String>,
    /// Trusted code that runs before the tests.
    pub prelude: Option<String>,
}

#[derive(Serialize)]
struct Order<'a> {
    nonce: &'a str,
    #[serde(flatten)]
    tests: &'a TestCode,
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
}

impl TestCode {
    /// The bytes for the runner's private descriptor.
    pub(super) fn order(&self, nonce: &Nonce) -> Vec<u8> {
        serde_json::to_vec(&Order {
            nonce: &nonce.0,
            tests: self,
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
        if report.written == 0 {
            return Err(Fault::configuration(
                "the tests assert nothing: they hold no `assert`, no call of an assertion, and raise nothing",
            ));
        }
        if report.ran == 0 {
            let first = report.failures.first();
            let why = first.map_or(String::new(), |first| format!("; first failure: {first}"));
            return Ok(Metric::of(
                false,
                format!("no assertion of the tests was reached ({WHERE}){why}"),
            ));
        }
        if report.passed == report.units && report.failures.is_empty() {
            return Ok(Metric::of(
                true,
                format!(
                    "{} passed, {} ({WHERE})",
                    tests(report.units),
                    assertions(report.ran)
                ),
            ));
        }
        let first = report.failures.first().map_or("", String::as_str);
        Ok(Metric::of(
            false,
            format!(
                "{} of {} passed ({WHERE}); first failure: {first}",
                report.passed,
                tests(report.units)
            ),
        ))
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
