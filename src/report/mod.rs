//! Outcomes for people and machines.

mod github;
mod human;
mod jsonl;
mod junit;
mod table;
pub mod wire;

use std::collections::BTreeMap;
use std::io::{self, Write};

pub use github::Github;
pub use human::{Human, explain_case, explain_outcome};
pub use jsonl::Jsonl;
pub use junit::Junit;
pub use table::judged_beside;

use crate::evaluator::{CaseId, ONLY, SKIP};
use crate::reward::{FaultKind, Judged, Reward};
use crate::run::{CaseResult, Fingerprint, Outcome, Rates, RequirementResult, Verdict};

/// Shows a run somewhere.
pub trait Reporter {
    /// A run begins.
    ///
    /// # Errors
    /// When it cannot be written.
    fn started(&mut self, notices: &[String]) -> io::Result<()>;

    /// A reply has its outcome; a case may have more replies.
    ///
    /// # Errors
    /// When it cannot be written.
    fn reply(&mut self, outcome: &Outcome) -> io::Result<()> {
        let _ = outcome;
        Ok(())
    }

    /// A case is not run.
    ///
    /// # Errors
    /// When it cannot be written.
    fn skipped(&mut self, id: &CaseId, reason: &str) -> io::Result<()> {
        let _ = (id, reason);
        Ok(())
    }

    /// All replies of a case have their outcomes.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finished(&mut self, case: &CaseResult) -> io::Result<()> {
        let _ = case;
        Ok(())
    }

    /// Whether it shows what a run comes to. What only that needs is not worked out for others.
    fn shows_summary(&self) -> bool {
        true
    }

    /// The run is over.
    ///
    /// # Errors
    /// When it cannot be written.
    fn summary(&mut self, summary: &Summary) -> io::Result<()>;
}

/// A format by name; help, `--format` and the documentation come from this list.
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Opens a reporter of it.
    pub open: fn(Sink) -> Box<dyn Reporter>,
}

/// Where a reporter writes.
pub struct Sink {
    /// The writer.
    pub writer: Box<dyn Write>,
    /// Whether colours are wanted.
    pub colour: bool,
    /// Whether a person watches: progress is drawn.
    pub is_terminal: bool,
}

/// Every format.
pub const FORMATS: &[Format] = &[
    Format {
        name: "human",
        about: "progress, a table, what failed and why",
        open: |sink| Box::new(Human::new(sink)),
    },
    Format {
        name: "jsonl",
        about: "one JSON object a case, as each is done",
        open: |sink| Box::new(Jsonl::new(sink)),
    },
    Format {
        name: "junit",
        about: "JUnit XML, at the end",
        open: |sink| Box::new(Junit::new(sink)),
    },
    Format {
        name: "github",
        about: "annotations and a summary for GitHub Actions",
        open: |sink| Box::new(Github::new(sink)),
    },
];

/// Bad rows that are named; the others are counted.
const BAD_ROWS_NAMED_MAX: usize = 20;

/// Rows that are left out because they are bad.
#[derive(Debug, Clone, Default)]
pub struct BadRows {
    /// How many.
    pub count: usize,
    /// The file and line of the first ones.
    named: Vec<String>,
}

impl BadRows {
    /// Counts one at this file and line.
    pub fn note(&mut self, place: &str) {
        self.count += 1;
        if self.named.len() < BAD_ROWS_NAMED_MAX {
            self.named.push(place.to_owned());
        }
    }

    /// How many there are and where: `3 (bad rows: a.jsonl:5, a.jsonl:9, a.jsonl:12)`.
    pub fn text(&self) -> String {
        let named = self.named.join(", ");
        let more = match self.count - self.named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} (bad rows: {named}{more})", self.count)
    }
}

/// The counts of a run.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Cases done, skipped ones not counted.
    pub cases: usize,
    /// As wanted.
    pub passed: usize,
    /// Not as wanted.
    pub failed: usize,
    /// Not as wanted, in suites that are judged as a whole.
    pub counted: usize,
    /// Without a reward: configuration.
    pub configuration: usize,
    /// Without a reward: infrastructure.
    pub infrastructure: usize,
    /// Whose tests were judged beside their programs, which can forge that.
    pub beside: usize,
    /// Not run, with the reason and how many.
    pub skipped: Vec<(String, usize)>,
    /// Rows that are left out because they are bad.
    pub bad_rows: BadRows,
    /// What else is to be said at the end.
    pub notes: Vec<String>,
    /// The counts of each suite.
    pub suites: BTreeMap<String, SuiteCounts>,
    /// Replies with a score of 0, by cause.
    pub causes: BTreeMap<&'static str, usize>,
    /// What suites must reach as a whole, judged.
    pub requirements: Vec<RequirementResult>,
    /// What cases with several samples reach.
    pub rates: Vec<Rates>,
    /// What this run and another must have in common to be compared.
    pub fingerprint: Option<Fingerprint>,
    /// Wall time of the run.
    pub seconds: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// The counts of a suite.
#[derive(Debug, Clone, Default)]
pub struct SuiteCounts {
    /// Cases done.
    pub cases: usize,
    /// As wanted.
    pub passed: usize,
    /// Without a reward.
    pub errors: usize,
    score_sum: f64,
}

impl SuiteCounts {
    fn count(&mut self, case: &CaseResult) {
        self.cases += 1;
        match case.verdict() {
            Verdict::Fault(_) => self.errors += 1,
            verdict => {
                self.passed += usize::from(matches!(verdict, Verdict::Passed));
                self.score_sum += case.mean().unwrap_or(0.0);
            }
        }
    }

    /// The mean score of the cases that have one.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of cases are far below 2^52"
    )]
    pub fn mean(&self) -> Option<f64> {
        let scored = self.cases - self.errors;
        (scored > 0).then(|| self.score_sum / scored as f64)
    }
}

impl Summary {
    /// Counts a case.
    pub fn count(&mut self, case: &CaseResult) {
        self.cases += 1;
        match case.verdict() {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::Counted => self.counted += 1,
            Verdict::Fault(fault) => match fault.kind {
                FaultKind::Infrastructure => self.infrastructure += 1,
                FaultKind::Configuration | FaultKind::Input => self.configuration += 1,
            },
        }
        let suite = self.suites.entry(case.id.suite.clone()).or_default();
        suite.count(case);
        let rewards = case
            .outcomes
            .iter()
            .filter_map(|outcome| outcome.result.as_ref().ok());
        let is_beside = |reward: &Reward| reward.judged == Some(Judged::Beside);
        self.beside += usize::from(rewards.clone().any(is_beside));
        for cause in rewards.filter_map(|reward| reward.cause) {
            *self.causes.entry(cause.word()).or_default() += 1;
        }
    }

    /// Whether a requirement could not be judged for a fault of this kind.
    pub fn has_unjudged(&self, kind: FaultKind) -> bool {
        self.requirements
            .iter()
            .any(|result| result.fault() == Some(kind))
    }

    /// Why nothing ran at all, though something was to: interpreters that are missing.
    pub fn nothing_ran(&self) -> Option<String> {
        let is_meant = |reason: &str| reason.starts_with(SKIP) || reason.starts_with(ONLY);
        let mut wanted = self.skipped.iter().filter(|(reason, _)| !is_meant(reason));
        let (reason, _) = wanted.next()?;
        (self.cases == 0 && !self.interrupted).then(|| format!("no case could run: {reason}"))
    }

    /// Whether there was no case at all, not even one that is not run.
    pub fn is_empty(&self) -> bool {
        self.cases == 0 && self.skipped.is_empty() && !self.interrupted
    }

    /// Whether there were rows, and none of them made a case.
    pub fn has_bad_rows_alone(&self) -> bool {
        self.is_empty() && self.bad_rows.count > 0
    }

    /// Counts a case that is not run.
    pub fn skip(&mut self, reason: &str) {
        match self.skipped.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => self.skipped.push((reason.to_owned(), 1)),
        }
    }
}
