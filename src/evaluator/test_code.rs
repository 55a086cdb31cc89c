//! Tests, and what a report of them is worth.
//!
//! Judged apart, a process of their own reports what came of them (`apart.rs`). Beside the program,
//! the language's runner does: the order (tests and a nonce) reaches the interpreter on a private
//! descriptor that is read only after the program's top level has run; the report must carry the
//! nonce and come after the last assertion. Exit status 0 alone proves nothing. A program that
//! attacks its own interpreter can still forge that report; the reward says where the tests ran.
//! Calls whose outcomes are compared here are made by that runner too, and nothing is to be forged:
//! a report can say no more than what the program could have returned.

mod call;
mod value;

use serde::{Deserialize, Serialize};

pub use call::{Call, Outcome};
pub use value::Value;

use super::apart::Channel;
use super::code::CodeFile;
use super::expect::Credit;
use super::{Language, Nonce};
use crate::execution::{Execution, Status};
use crate::reward::{Fault, Judged, Metric};
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
    /// Whether that was found in the prompt: where it fails, it is as if there were none.
    pub prelude_is_found: bool,
    /// Where they are judged.
    pub place: Place,
    /// What of them counts.
    pub credit: Credit,
    /// Whether they end at the first failure.
    pub stops_at_failure: bool,
}

/// Where tests are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Their calls are made in the program's process, and their outcomes compared here.
    Here,
    /// In a process of their own, which calls the program's functions.
    Apart(Channel),
    /// In the program's own interpreter.
    Beside,
}

impl Place {
    /// What helps tests that cannot be judged apart.
    pub const WRITE_BESIDE: &str = "write `judged: beside`, in the program's own interpreter, where a program that sets out to can forge their verdict";

    /// Where tests of a language are judged: apart, unless it is written otherwise. `has_code` says
    /// that there is test code, and not calls alone.
    ///
    /// # Errors
    /// Why they cannot be, and what to do.
    pub fn of(
        written: Option<Judged>,
        has_code: bool,
        language: &Language,
    ) -> Result<Self, (String, &'static str)> {
        let name = &language.name;
        let no_runner = || {
            (
                format!("`tests` cannot run in `{name}`: its rule has no `beside`"),
                "expect its output, with `stdin_cases` for several inputs, or give the language's rule a runner under `beside`",
            )
        };
        match (written, has_code, language.apart) {
            (Some(Judged::Beside), true, _) if language.beside.is_some() => Ok(Place::Beside),
            (_, false, _) if language.beside.is_some() => Ok(Place::Here),
            (None | Some(Judged::Apart), _, Some(channel)) => Ok(Place::Apart(channel)),
            (None | Some(Judged::Apart), true, None) if language.beside.is_some() => Err((
                format!(
                    "tests in `{name}` cannot be judged apart from the program: its rule has no `apart`"
                ),
                Place::WRITE_BESIDE,
            )),
            _ => Err(no_runner()),
        }
    }

    /// As results show it.
    pub fn judged(self) -> Judged {
        match self {
            Place::Here | Place::Apart(_) => Judged::Apart,
            Place::Beside => Judged::Beside,
        }
    }

    /// As reasons and explanations say it.
    pub fn told(self) -> &'static str {
        match self {
            Place::Here => "compared apart from the program",
            Place::Apart(_) => "judged apart from the program",
            Place::Beside => "judged beside the program, in its own interpreter",
        }
    }
}

#[derive(Serialize)]
struct Order<'a> {
    nonce: &'a str,
    /// The program's file.
    file: &'a str,
    /// Its other modules, which tests may import.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modules: Vec<String>,
    texts: &'a [String],
    entry_point: &'a Option<String>,
    prelude: &'a Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    prelude_may_fail: bool,
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
    /// Why the talk with a program apart ended before its tests were done.
    #[serde(default)]
    ended: Option<String>,
    /// Assertions that hand what they expect to the program, which then decides itself.
    #[serde(default)]
    leaks: Vec<String>,
    /// What could not be told across.
    #[serde(default)]
    uncrossed: Vec<String>,
}

/// What passed, of texts and calls together.
struct Tally {
    units: u64,
    passed: u64,
    first_failure: Option<String>,
}

impl TestCode {
    /// The bytes for the private descriptor of who runs them; `file` is the program's, `others` stand beside it.
    /// What calls must do is not among them.
    pub(super) fn order(&self, nonce: &Nonce, file: &str, others: &[CodeFile]) -> Vec<u8> {
        let stem = |other: &CodeFile| {
            let (stem, _) = other.path.rsplit_once('.')?;
            Some(stem.replace('/', "."))
        };
        serde_json::to_vec(&Order {
            nonce: &nonce.0,
            file,
            modules: others.iter().filter_map(stem).collect(),
            texts: &self.texts,
            entry_point: &self.entry_point,
            prelude: &self.prelude,
            prelude_may_fail: self.prelude_is_found,
            calls: self.calls.iter().map(Call::order).collect(),
            stop: self.stops_at_failure,
        })
        .expect("texts are JSON")
    }

    /// The execution that reports: the judge's, or the program's own.
    fn reporter<'a>(&self, execution: &'a Execution) -> Option<&'a Execution> {
        match self.place {
            Place::Apart(_) => execution.judge.as_deref(),
            Place::Here | Place::Beside => Some(execution),
        }
    }

    /// The metric `tests` for an execution, and how the tests ended. A program that ends before its tests
    /// are done has not ended well.
    ///
    /// # Errors
    /// A configuration fault when the tests assert nothing: that is no pass and no fail. An
    /// infrastructure fault where the backend ran no judge.
    pub(super) fn verdict(
        &self,
        execution: &Execution,
        nonce: &Nonce,
    ) -> Result<(Metric, Ended), Fault> {
        let Some(reporter) = self.reporter(execution) else {
            let message = "the backend ran nothing that could judge the tests apart";
            return Err(Fault::infrastructure(message));
        };
        let report = report(&reporter.private, nonce);
        let ended = match (&report, self.place) {
            (Some(report), _) if report.ended.is_none() => Ended::Well,
            (None, Place::Apart(_)) => Ended::Judge(reporter.status),
            _ => Ended::Early,
        };
        let metric = match report {
            Some(report) => self.metric(report)?,
            None => self.without_report(execution, reporter),
        };
        Ok((metric, ended))
    }

    fn without_report(&self, execution: &Execution, reporter: &Execution) -> Metric {
        let place = self.place.told();
        let why = match (execution.status, self.place) {
            (Status::Ok, Place::Apart(_)) => format!(
                "what judges the tests ended without a verdict ({})",
                reporter.status.word()
            ),
            (Status::Ok, _) => {
                "the program ended before its tests were done: exit status 0 alone proves nothing"
                    .to_owned()
            }
            _ => "the program failed before its tests were done".to_owned(),
        };
        Metric::of(false, format!("{why} ({place})"))
    }

    fn metric(&self, report: Report) -> Result<Metric, Fault> {
        let place = self.place.told();
        if let Some(broken) = report.broken {
            return Err(Fault::configuration(broken));
        }
        if report.calls.is_none() && !self.calls.is_empty() {
            return Err(Fault::configuration(
                "the language's runner makes no calls: write the tests as code",
            ));
        }
        if let (Some(ended), 0) = (&report.ended, report.ran) {
            let why = format!("{ended} before any assertion of the tests ({place})");
            return Ok(Metric::of(false, why));
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
                format!(
                    "no assertion of the tests was reached ({place}){why}{}",
                    report.notes()
                ),
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
            return Ok(Metric::of(
                true,
                format!("{of} passed{ran} ({place}){}", report.notes()),
            ));
        };
        let early = if self.stops_at_failure {
            ", and the rest was not needed"
        } else {
            ""
        };
        let reason = format!(
            "{} of {of} passed ({place}){early}; first failure: {first}{}",
            tally.passed,
            report.notes()
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
        let mut first_failure = report.failures.first().cloned().or(report.ended.clone());
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

/// How tests ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// They were all reached.
    Well,
    /// The program was gone, or talked nonsense, before they were done.
    Early,
    /// What judged them ended without a report.
    Judge(Status),
}

impl Report {
    /// What a reader of the verdict must know.
    fn notes(&self) -> String {
        let told = |what: &str, list: &[String]| match list {
            [] => String::new(),
            list => format!("; {what}: {}", list.join(", ")),
        };
        format!(
            "{}{}",
            told(
                "the program is handed what is expected of it, and decides",
                &self.leaks
            ),
            told(
                "not told across, `judged: beside` may be needed",
                &self.uncrossed
            )
        )
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
