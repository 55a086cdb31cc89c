//! What is expected of a program, compiled.

use std::sync::Arc;
use std::time::Duration;

use super::checks::Check;
use super::compare::{Comparator, Expected, Prepared};
use super::expected::ExpectedExtractor;
use super::test_code::TestCode;
use crate::reward::{Fault, Metric};

/// Something expected of a program; each yields one metric.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// Standard output.
    Output(Matcher),
    /// Standard error.
    Stderr(Matcher),
    /// Several inputs, one execution each.
    StdinCases(InputCases),
    /// Test code.
    Tests(TestCode),
    /// Only that it ran without error.
    Runs,
    /// The exit status.
    ExitCode(Matcher),
    /// The exception that ends it.
    Error(Matcher),
    /// Files that it leaves, by path.
    Files(Vec<(String, Matcher)>),
    /// The wall time of its longest execution is less.
    Duration(Duration),
    /// The memory of its largest execution is less, in bytes.
    Memory(u64),
    /// A rule that a text must keep, or the author's own checker.
    Check(Check),
}

/// Inputs and what is expected of each.
#[derive(Debug, Clone)]
pub struct InputCases {
    /// At least one.
    pub cases: Arc<[InputCase]>,
    /// What of them counts.
    pub credit: Credit,
    /// Whether what follows the first that fails is not run.
    pub stops_at_failure: bool,
}

/// What of several units counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Credit {
    /// All must pass.
    #[default]
    All,
    /// The fraction that passes.
    Fraction,
}

impl Credit {
    /// The score of `passed` of `all` units, 0..=1; of none it is 0.
    #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
    pub fn of(self, passed: usize, all: usize) -> f64 {
        match self {
            Credit::All if all > 0 && passed == all => 1.0,
            Credit::Fraction if all > 0 => passed as f64 / all as f64,
            Credit::All | Credit::Fraction => 0.0,
        }
    }
}

/// One input and what is expected of it.
#[derive(Debug, Clone)]
pub struct InputCase {
    /// Standard input.
    pub stdin: String,
    /// Arguments.
    pub args: Vec<String>,
    /// Standard output.
    pub output: Matcher,
}

/// A comparator with what it compares with.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The comparison.
    pub against: Against,
    /// Whether a match is what must not be.
    pub negated: bool,
    /// What is expected, for people.
    pub expected: ExpectedText,
}

/// What a text is compared with.
#[derive(Debug, Clone)]
pub enum Against {
    /// Something known.
    Known(Prepared),
    /// What the reference leaves, once it has run.
    Reference(Arc<Comparator>),
}

/// What is expected, and where that was written.
#[derive(Debug, Clone)]
pub struct ExpectedText {
    /// The text; empty while only the reference knows it.
    pub text: String,
    /// Who says so.
    pub origin: Origin,
}

/// Who says what is expected.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The suite.
    Suite,
    /// The prompt.
    Prompt(FoundBy),
    /// The reference, by what it leaves.
    Reference,
}

/// What found an expectation in a prompt.
#[derive(Debug, Clone)]
pub struct FoundBy {
    /// The rule that decided.
    pub rule: String,
    /// The extractor that it is of, which can tell what lost.
    pub extractor: Arc<ExpectedExtractor>,
}

impl Expectation {
    /// The metric it yields.
    pub fn metric(&self) -> &str {
        match self {
            Expectation::Output(_) => "output_match",
            Expectation::Stderr(_) => "stderr",
            Expectation::StdinCases(_) => "stdin_cases",
            Expectation::Tests(_) => "tests",
            Expectation::Runs => "execution_result",
            Expectation::ExitCode(_) => "exit_code",
            Expectation::Error(_) => "error",
            Expectation::Files(_) => "files",
            Expectation::Duration(_) => "duration",
            Expectation::Memory(_) => "memory",
            Expectation::Check(check) => &check.name,
        }
    }

    /// Whether it looks at a run with the case's own input and arguments.
    pub(super) fn needs_own_run(&self) -> bool {
        match self {
            Expectation::Output(_)
            | Expectation::Stderr(_)
            | Expectation::Runs
            | Expectation::ExitCode(_)
            | Expectation::Error(_)
            | Expectation::Files(_) => true,
            Expectation::Check(check) => check.needs_own_run(),
            Expectation::StdinCases(_)
            | Expectation::Tests(_)
            | Expectation::Duration(_)
            | Expectation::Memory(_) => false,
        }
    }

    /// Whether a program that fails may be what is wanted.
    pub(super) fn may_want_failure(&self) -> bool {
        matches!(
            self,
            Expectation::ExitCode(_) | Expectation::Error(_) | Expectation::Stderr(_)
        )
    }
}

impl Matcher {
    /// The comparator's name.
    pub fn comparator(&self) -> &str {
        match &self.against {
            Against::Known(prepared) => prepared.name(),
            Against::Reference(comparator) => comparator.name(),
        }
    }

    /// Whether it compares with what the reference leaves.
    pub fn is_from_reference(&self) -> bool {
        matches!(self.expected.origin, Origin::Reference)
    }

    /// The same, comparing with what the reference left.
    ///
    /// # Errors
    /// A configuration fault where the comparator takes no such text.
    pub(super) fn settled(&self, left: &str) -> Result<Matcher, Fault> {
        let Against::Reference(comparator) = &self.against else {
            return Ok(self.clone());
        };
        let prepared = comparator
            .prepare(&Expected::Text(left.to_owned()))
            .map_err(|errors| {
                let why = errors.first().map_or("", |error| error.message.as_str());
                Fault::configuration(format!(
                    "what the reference left cannot be compared with (`{}`): {why}",
                    comparator.name()
                ))
            })?;
        Ok(Matcher {
            against: Against::Known(prepared),
            negated: self.negated,
            expected: ExpectedText {
                text: left.to_owned(),
                origin: Origin::Reference,
            },
        })
    }

    /// Judges a text: score and reason.
    pub(super) fn judge(&self, actual: &str) -> Metric {
        let Against::Known(prepared) = &self.against else {
            return Metric::of(false, "the reference has not run".to_owned());
        };
        let comparison = prepared.compare(actual);
        if !self.negated {
            return Metric {
                score: comparison.score,
                success: comparison.matched,
                reason: comparison.reason,
            };
        }
        let reason = if comparison.matched {
            "it matches what it must not match"
        } else {
            "it does not match, as wanted"
        };
        Metric::of(
            !comparison.matched,
            format!("{reason} ({})", comparison.rule),
        )
    }

    /// Where the expectation comes from.
    pub(super) fn provenance(&self) -> String {
        let text = quoted(&self.expected.text);
        match (&self.expected.origin, &self.against) {
            (Origin::Prompt(FoundBy { rule, .. }), _) => {
                format!("expected {text}, found in the prompt by the rule `{rule}`")
            }
            (Origin::Suite, _) => format!("expected {text}, as the suite says"),
            (Origin::Reference, Against::Known(_)) => {
                format!("expected {text}, as the reference prints")
            }
            (Origin::Reference, Against::Reference(_)) => {
                "expected what the reference prints".to_owned()
            }
        }
    }
}

/// A text between backticks, shortened when it is long.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 200;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("`{}…` ({} bytes)", &text[..end], text.len()),
        None => format!("`{text}`"),
    }
}
