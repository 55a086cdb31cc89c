//! Rules that the code, the reply or the output must keep, and the author's own checkers.

use std::path::PathBuf;

use super::expect::Matcher;
use crate::reward::Metric;

/// A check; its name is that of its metric.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub rule: CheckRule,
}

/// What a check asks.
#[derive(Debug, Clone)]
pub enum CheckRule {
    /// Rules of a text, all of which must hold.
    Text(TextRule),
    /// A command of the suite's author, which is trusted: it is run outside the sandbox.
    Command(CheckCommand),
}

/// Rules that a text must keep.
#[derive(Debug, Clone)]
pub struct TextRule {
    /// The text.
    pub of: CheckedText,
    /// Matchers that must hold.
    pub matchers: Vec<Matcher>,
    /// The most lines it may have.
    pub max_lines: Option<u32>,
    /// The most characters it may have.
    pub max_chars: Option<u32>,
    /// Whether it must be empty but for white space, or must not.
    pub empty: Option<bool>,
}

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckedText {
    /// The code in the reply.
    Code,
    /// The reply.
    Reply,
    /// Standard output of the case's own run.
    Stdout,
    /// Standard error of it.
    Stderr,
}

/// The author's own checker: reads the attempt and the executions as JSON from its standard input, and
/// prints `{"score": 0..1, "reason": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckCommand {
    /// The check's name.
    pub name: String,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Where it is run: the directory of the file that it is written in.
    pub directory: PathBuf,
}

/// What a checker said: a score in 0..=1 and a reason; or why it said nothing that counts.
pub type CheckAnswer = Result<(f64, String), String>;

impl Check {
    /// Whether it looks at a run with the case's own input and arguments.
    pub(super) fn needs_own_run(&self) -> bool {
        match &self.rule {
            CheckRule::Text(rule) => {
                matches!(rule.of, CheckedText::Stdout | CheckedText::Stderr)
            }
            CheckRule::Command(_) => false,
        }
    }
}

impl TextRule {
    /// Judges the text.
    pub(super) fn judge(&self, text: &str) -> Metric {
        let what = self.of.noun();
        let mut metrics: Vec<Metric> = self
            .matchers
            .iter()
            .map(|matcher| {
                let metric = matcher.judge(text);
                Metric {
                    reason: format!("{what}: {}", metric.reason),
                    ..metric
                }
            })
            .collect();
        if let Some(most) = self.max_lines {
            let count = text.lines().count();
            metrics.push(Metric::of(
                count <= most as usize,
                format!("{what} has {count} lines, {most} are allowed"),
            ));
        }
        if let Some(most) = self.max_chars {
            let count = text.chars().count();
            metrics.push(Metric::of(
                count <= most as usize,
                format!("{what} has {count} characters, {most} are allowed"),
            ));
        }
        if let Some(wanted) = self.empty {
            let is_empty = text.trim().is_empty();
            let how = if is_empty { "is empty" } else { "is not empty" };
            metrics.push(Metric::of(is_empty == wanted, format!("{what} {how}")));
        }
        let worst = metrics
            .iter()
            .min_by(|left, right| left.score.total_cmp(&right.score));
        let reasons = || {
            let bad = metrics.iter().filter(|metric| !metric.success);
            let bad: Vec<&str> = bad.map(|metric| metric.reason.as_str()).collect();
            let all = metrics.iter().map(|metric| metric.reason.as_str());
            if bad.is_empty() { all.collect() } else { bad }.join("; ")
        };
        Metric {
            score: worst.map_or(0.0, |metric| metric.score),
            success: metrics.iter().all(|metric| metric.success),
            reason: reasons(),
        }
    }
}

impl CheckedText {
    fn noun(self) -> &'static str {
        match self {
            CheckedText::Code => "the code",
            CheckedText::Reply => "the reply",
            CheckedText::Stdout => "standard output",
            CheckedText::Stderr => "standard error",
        }
    }
}
