//! A run for people: progress, then a table of suites, what failed and why, where zeros come
//! from, and the slowest cases.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Reporter, Sink, Summary, table, wire};
use crate::escape::{visible, visible_line};
use crate::execution::Execution;
use crate::run::{CaseResult, Outcome, Verdict};

/// How many failures are shown at length.
const FAILURES_SHOWN_MAX: usize = 20;
/// How many replies of one case are shown at length.
const REPLIES_SHOWN_MAX: usize = 3;
/// How many of the slowest cases are shown.
const SLOWEST_SHOWN_MAX: usize = 3;
/// Only cases slower than this are worth a line.
const SLOW_FROM: Duration = Duration::from_millis(1000);
/// Characters of a program's output that are shown.
const OUTPUT_SHOWN_MAX: usize = 1500;

/// The reporter `human`.
pub struct Human {
    writer: Box<dyn Write>,
    colour: bool,
    progress: Option<ProgressBar>,
    failures: Vec<CaseResult>,
    failures_more: usize,
    slowest: Vec<(Duration, String)>,
}

impl Human {
    /// A reporter that writes there.
    pub fn new(sink: Sink) -> Self {
        let progress = sink.is_terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(
                ProgressStyle::with_template("{spinner} {pos} done  {msg}")
                    .expect("the template is right"),
            );
            bar
        });
        Human {
            writer: sink.writer,
            colour: sink.colour,
            progress,
            failures: Vec::new(),
            failures_more: 0,
            slowest: Vec::new(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn verdict(&self, case: &CaseResult) -> String {
        match case.verdict() {
            Verdict::Passed => self.paint("32", "pass "),
            Verdict::Failed => self.paint("31", "FAIL "),
            Verdict::Counted if case.mean() == Some(0.0) => self.paint("2", "zero "),
            Verdict::Counted => self.paint("2", "below"),
            Verdict::Fault(_) => self.paint("33", "ERROR"),
        }
    }
}

impl Reporter for Human {
    fn started(&mut self, notices: &[String]) -> io::Result<()> {
        for notice in notices {
            writeln!(self.writer, "note: {notice}")?;
        }
        Ok(())
    }

    fn finished(&mut self, case: &CaseResult) -> io::Result<()> {
        self.slowest.push((case.elapsed(), case.id.to_string()));
        self.slowest
            .sort_by_key(|(elapsed, _)| std::cmp::Reverse(*elapsed));
        self.slowest.truncate(SLOWEST_SHOWN_MAX);
        if matches!(case.verdict(), Verdict::Failed | Verdict::Fault(_)) {
            if self.failures.len() < FAILURES_SHOWN_MAX {
                self.failures.push(case.clone())
            } else {
                self.failures_more += 1
            }
        }
        if let Some(bar) = &self.progress {
            bar.inc(1);
            bar.set_message(case.id.to_string());
            return Ok(());
        }
        let samples = match case.outcomes.len() {
            1 => String::new(),
            count => format!("  {} of {count} replies", case.passes()),
        };
        let line = format!(
            "{} {}{samples}",
            self.verdict(case),
            visible_line(&case.id.to_string())
        );
        writeln!(self.writer, "{line}")?;
        self.writer.flush()
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(bar) = self.progress.take() {
            bar.finish_and_clear();
        }
        for case in &self.failures {
            let verdict = self.verdict(case);
            writeln!(
                self.writer,
                "\n{verdict} {}\n{}",
                visible_line(&case.id.to_string()),
                indent(&explain_case(case))
            )?;
        }
        if self.failures_more > 0 {
            writeln!(
                self.writer,
                "\n… and {} more; `--format jsonl` has them all",
                self.failures_more
            )?;
        }
        writeln!(self.writer, "\n{}", table::text(summary).trim_end())?;
        let mut whole = table::rates(summary);
        whole.extend(table::requirements(summary));
        if !whole.is_empty() {
            writeln!(self.writer, "\n{}", visible(&whole.join("\n")))?;
        }
        if let Some(causes) = table::causes(summary) {
            writeln!(self.writer, "\n{causes}")?;
        }
        let slow: Vec<String> = self
            .slowest
            .iter()
            .filter(|(elapsed, _)| *elapsed >= SLOW_FROM)
            .map(|(elapsed, id)| format!("{id} {:.1} s", elapsed.as_secs_f64()))
            .collect();
        if !slow.is_empty() {
            writeln!(self.writer, "slowest: {}", slow.join(", "))?;
        }
        for line in table::ending(summary) {
            writeln!(self.writer, "{}", visible_line(&line))?;
        }
        self.writer.flush()
    }
}

/// Everything about a case's replies that a person needs to act on it: of several, those that are
/// not as wanted.
pub fn explain_case(case: &CaseResult) -> String {
    if let [only] = &case.outcomes[..] {
        return explain_outcome(only);
    }
    let mut text = format!(
        "{} of {} replies are as wanted, {} must be",
        case.passes(),
        case.outcomes.len(),
        case.need.least(case.outcomes.len())
    );
    let bad = || case.outcomes.iter().filter(|outcome| !outcome.passed());
    for outcome in bad().take(REPLIES_SHOWN_MAX) {
        let _ = write!(
            text,
            "\n{}:\n{}",
            visible_line(&outcome.name()),
            indent(&explain_outcome(outcome))
        );
    }
    let more = bad().count().saturating_sub(REPLIES_SHOWN_MAX);
    if more > 0 {
        let _ = write!(text, "\n… and {more} more");
    }
    text
}

/// Everything about an outcome that a person needs to act on it.
pub fn explain_outcome(outcome: &Outcome) -> String {
    let mut text = String::new();
    match &outcome.result {
        Err(fault) => {
            let _ = writeln!(text, "{}", visible(&fault.message));
        }
        Ok(reward) => {
            let _ = writeln!(text, "{}", visible(&reward.reason));
            let width = reward
                .metrics
                .iter()
                .map(|(name, _)| name.len())
                .max()
                .unwrap_or(0);
            for (name, metric) in &reward.metrics {
                let mark = if metric.success { "+" } else { "-" };
                let reason = visible(&metric.reason);
                let reason = reason.replace('\n', &format!("\n{:1$}", "", width + 4));
                let _ = writeln!(text, "{mark} {name:<width$}  {reason}");
            }
        }
    }
    if let Some(execution) = wire::shown(&outcome.executions) {
        put_stream(&mut text, "stdout", &execution.stdout.text);
        put_stream(&mut text, "stderr", &execution.stderr.text);
        let _ = writeln!(text, "{}", how(execution));
    }
    text.trim_end().to_owned()
}

fn how(execution: &Execution) -> String {
    format!(
        "ran on {} (isolation: {}), {:.0} ms, {} MiB",
        execution.backend,
        execution.isolation.word(),
        execution.wall.as_secs_f64() * 1000.0,
        execution.peak_memory >> 20
    )
}

fn put_stream(text: &mut String, name: &str, stream: &str) {
    if stream.trim().is_empty() {
        return;
    }
    let shown: String = stream.chars().take(OUTPUT_SHOWN_MAX).collect();
    let more = if shown.len() < stream.len() {
        format!("\n… ({} bytes in all)", stream.len())
    } else {
        String::new()
    };
    let _ = writeln!(
        text,
        "{name}:\n{}",
        indent(&visible(&format!("{}{more}", shown.trim_end())))
    );
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
