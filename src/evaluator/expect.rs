//! Expectations: one function for each thing of an execution that is looked at.

use std::sync::Arc;

use super::beside::TestCode;
use super::compare::Prepared;
use super::expected::ExpectedExtractor;
use super::{Evaluator, Nonce};
use crate::execution::{Execution, JobResult, Status};
use crate::reward::{Cause, Fault, Metric};

/// Something expected of a program; each yields one metric.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// Standard output.
    Output(Matcher),
    /// Several inputs, one execution each.
    StdinCases(Vec<InputCase>),
    /// Test code.
    Tests(TestCode),
    /// Only that it ran without error.
    Runs,
    /// The exit status.
    ExitCode(Matcher),
    /// The exception that ends it.
    Error(Matcher),
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
    pub prepared: Prepared,
    /// Whether a match is what must not be.
    pub negated: bool,
    /// What is expected, for people.
    pub expected: ExpectedText,
}

/// What is expected, and where that was written.
#[derive(Debug, Clone)]
pub struct ExpectedText {
    /// The text.
    pub text: String,
    /// What found it in the prompt, if it was found there.
    pub found_by: Option<FoundBy>,
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
    pub fn metric(&self) -> &'static str {
        match self {
            Expectation::Output(_) => "output_match",
            Expectation::StdinCases(_) => "stdin_cases",
            Expectation::Tests(_) => "tests",
            Expectation::Runs => "execution_result",
            Expectation::ExitCode(_) => "exit_code",
            Expectation::Error(_) => "error",
        }
    }

    /// Whether it looks at a run with the case's own input and arguments.
    pub(super) fn needs_own_run(&self) -> bool {
        match self {
            Expectation::Output(_)
            | Expectation::Runs
            | Expectation::ExitCode(_)
            | Expectation::Error(_) => true,
            Expectation::StdinCases(_) | Expectation::Tests(_) => false,
        }
    }
}

impl Matcher {
    /// Judges a text: score and reason.
    fn judge(&self, actual: &str) -> Metric {
        let comparison = self.prepared.compare(actual);
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
        match &self.expected.found_by {
            Some(FoundBy { rule, .. }) => {
                format!("expected {text}, found in the prompt by the rule `{rule}`")
            }
            None => format!("expected {text}, as the suite says"),
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

/// The metrics of the executions, and what went wrong with them.
pub(super) struct Judgement {
    pub(super) metrics: Vec<(String, Metric)>,
    pub(super) cause: Option<Cause>,
}

/// Judges the executions of a case's one job.
pub(super) fn judge(
    evaluator: &Evaluator,
    result: &JobResult,
    nonce: &Nonce,
) -> Result<Judgement, Fault> {
    if let Some(build) = result
        .build
        .as_ref()
        .filter(|build| build.status != Status::Ok)
    {
        return Ok(not_built(evaluator, build));
    }
    let mut metrics = Vec::new();
    let mut runs = result.runs.iter();
    let own = evaluator
        .expectations
        .iter()
        .any(Expectation::needs_own_run)
        .then(|| runs.next())
        .flatten();
    let mut tests_done = true;
    for expectation in &evaluator.expectations {
        let metric = match expectation {
            Expectation::Output(matcher) => own.map(|run| output(matcher, run)),
            Expectation::Runs => None,
            Expectation::ExitCode(matcher) => own.map(|run| exit_code(matcher, run)),
            Expectation::Error(matcher) => own.map(|run| error(evaluator, matcher, run)),
            Expectation::StdinCases(cases) => {
                Some(stdin_cases(cases, runs.by_ref().take(cases.len())))
            }
            Expectation::Tests(tests) => match runs.next() {
                Some(run) => {
                    let metric = tests.metric(run, nonce)?;
                    tests_done = metric.success || tests.is_complete(run, nonce);
                    Some(metric)
                }
                None => None,
            },
        };
        if let Some(metric) = metric {
            metrics.push((expectation.metric().to_owned(), metric));
        }
    }
    let failed = result
        .runs
        .iter()
        .enumerate()
        .find(|(_, run)| run.status != Status::Ok);
    let execution = match failed {
        Some((index, run)) => Metric::of(
            false,
            how_it_ended(
                evaluator,
                run,
                (result.runs.len() > 1).then_some((index, result.runs.len())),
            ),
        ),
        None if !tests_done => Metric::of(
            false,
            "the program ended before its tests were done".to_owned(),
        ),
        None => Metric::of(true, "ran without error".to_owned()),
    };
    let wants_failure = evaluator.expectations.iter().any(|expectation| {
        matches!(
            expectation,
            Expectation::ExitCode(_) | Expectation::Error(_)
        )
    });
    let cause = match failed {
        Some((_, run)) => trouble(run.status, wants_failure),
        None => (!tests_done).then_some(Cause::Error),
    };
    metrics.insert(0, ("execution_result".to_owned(), execution));
    Ok(Judgement { metrics, cause })
}

fn not_built(evaluator: &Evaluator, build: &Execution) -> Judgement {
    let why = format!(
        "the build failed: {}",
        first_lines(&build.stderr.text, &build.stdout.text)
    );
    let mut metrics = vec![("execution_result".to_owned(), Metric::of(false, why))];
    for expectation in &evaluator.expectations {
        if expectation.metric() != "execution_result" {
            metrics.push((
                expectation.metric().to_owned(),
                Metric::of(false, "nothing ran: the build failed".to_owned()),
            ));
        }
    }
    Judgement {
        metrics,
        cause: Some(Cause::Compile),
    }
}

/// Why a zero is a zero when an execution ended like this.
fn trouble(status: Status, wants_failure: bool) -> Option<Cause> {
    match status {
        Status::Ok => None,
        Status::CompileError => Some(Cause::Compile),
        Status::Timeout => Some(Cause::Timeout),
        Status::MemoryLimit => Some(Cause::Memory),
        Status::OutputLimit => Some(Cause::OutputLimit),
        Status::RuntimeError | Status::Killed | Status::ProcessLimit => {
            (!wants_failure).then_some(Cause::Error)
        }
    }
}

fn how_it_ended(evaluator: &Evaluator, run: &Execution, which: Option<(usize, usize)>) -> String {
    let reason = run
        .reason
        .as_deref()
        .map_or(String::new(), |reason| format!(" ({reason})"));
    let told = exception(evaluator, &run.stderr.text).map(|(name, message)| match message {
        Some(message) if !message.is_empty() => format!("{name}: {message}"),
        _ => name,
    });
    let told = told.unwrap_or_else(|| first_lines(&run.stderr.text, ""));
    let told = if told.is_empty() {
        told
    } else {
        format!(": {}", shorten(&told))
    };
    let limits = &evaluator.limits;
    let what = match run.status {
        Status::Ok => "ran without error".to_owned(),
        Status::RuntimeError => format!(
            "ended with exit status {}{reason}{told}",
            run.exit_code.unwrap_or(-1)
        ),
        Status::CompileError => format!("did not compile{told}"),
        Status::Killed => format!("was ended by {}{reason}{told}", signal(run.signal)),
        Status::Timeout if run.reason.as_deref() == Some("cpu") => {
            format!("used more than {:?} of CPU time", limits.cpu)
        }
        Status::Timeout => format!("ran longer than {:?}", limits.wall),
        Status::MemoryLimit => format!("used more than {} of memory{reason}", size(limits.memory)),
        Status::OutputLimit => {
            let stream = match (run.stdout.truncated, run.stderr.truncated) {
                (false, true) => "standard error",
                _ => "standard output",
            };
            format!("wrote more than {} to {stream}", size(limits.output))
        }
        Status::ProcessLimit => format!(
            "wanted more than {} processes and threads{reason}{told}",
            limits.processes
        ),
    };
    match which {
        Some((index, of)) => format!("the program {what} (run {} of {of})", index + 1),
        None => format!("the program {what}"),
    }
}

/// A number of bytes in the largest unit that keeps it whole.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    match bytes {
        _ if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ if bytes >= KIB && bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} bytes"),
    }
}

/// A signal by number, and by name where programs end by it of themselves (signal(7), x86 and ARM).
fn signal(number: Option<i32>) -> String {
    let number = number.unwrap_or(-1);
    let name = match number {
        2 => " (SIGINT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        24 => " (SIGXCPU)",
        25 => " (SIGXFSZ)",
        31 => " (SIGSYS)",
        _ => "",
    };
    format!("signal {number}{name}")
}

fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 300;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The last line that says something, of the first stream that does.
fn first_lines(stderr: &str, stdout: &str) -> String {
    let line = |text: &str| {
        text.lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map(str::to_owned)
    };
    line(stderr).or_else(|| line(stdout)).unwrap_or_default()
}

fn output(matcher: &Matcher, run: &Execution) -> Metric {
    if run.stdout.truncated {
        return Metric::of(
            false,
            "the output was cut off, and what is cut off is not compared".to_owned(),
        );
    }
    matcher.judge(&run.stdout.text)
}

fn stdin_cases<'a>(cases: &[InputCase], runs: impl Iterator<Item = &'a Execution>) -> Metric {
    let metrics: Vec<Metric> = cases
        .iter()
        .zip(runs)
        .map(|(case, run)| {
            let metric = output(&case.output, run);
            match run.status {
                Status::Ok => metric,
                status => Metric::of(
                    false,
                    format!("the program did not end well: {}", status.word()),
                ),
            }
        })
        .collect();
    let passed = metrics.iter().filter(|metric| metric.success).count();
    let first = metrics
        .iter()
        .enumerate()
        .find(|(_, metric)| !metric.success);
    let count = format!("{passed} of {} inputs pass", cases.len());
    match first {
        None if metrics.len() == cases.len() => Metric::of(true, count),
        None => Metric::of(false, format!("{count}; not all were run")),
        Some((index, metric)) => Metric::of(
            false,
            format!(
                "{count}; input {} ({}): {}",
                index + 1,
                quoted(cases[index].stdin.trim_end()),
                metric.reason
            ),
        ),
    }
}

fn exit_code(matcher: &Matcher, run: &Execution) -> Metric {
    match run.exit_code {
        Some(code) => matcher.judge(&code.to_string()),
        None => Metric::of(
            false,
            format!("there is no exit status: {}", run.status.word()),
        ),
    }
}

/// The exception by name, or by name and message where the matcher is more than a name.
fn error(evaluator: &Evaluator, matcher: &Matcher, run: &Execution) -> Metric {
    if run.status == Status::Ok {
        return Metric::of(
            false,
            format!(
                "expected the error {}, but it ran without error",
                quoted(&matcher.expected.text)
            ),
        );
    }
    let Some((name, message)) = exception(evaluator, &run.stderr.text) else {
        return Metric::of(
            false,
            format!(
                "expected the error {}, but standard error shows no exception",
                quoted(&matcher.expected.text)
            ),
        );
    };
    let told = match message {
        Some(message) if !message.is_empty() => format!("{name}: {message}"),
        _ => name.clone(),
    };
    let short = name.rsplit(['.', ':']).next().unwrap_or(&name);
    let candidates = [name.as_str(), short, told.as_str()];
    let judged = candidates.map(|candidate| matcher.judge(candidate));
    let success = if matcher.negated {
        judged.iter().all(|metric| metric.success)
    } else {
        judged.iter().any(|metric| metric.success)
    };
    if success {
        return Metric::of(true, format!("ended with {}", quoted(&told)));
    }
    Metric::of(
        false,
        format!(
            "expected the error {}, got {}",
            quoted(&matcher.expected.text),
            quoted(&told)
        ),
    )
}

/// Name and message of the exception that standard error ends with.
fn exception(evaluator: &Evaluator, stderr: &str) -> Option<(String, Option<String>)> {
    let pattern = evaluator.language.exception.as_ref()?;
    let last = pattern.captures_iter(stderr).last()?;
    let name = last.name("name")?.as_str().to_owned();
    Some((
        name,
        last.name("message")
            .map(|message| message.as_str().trim().to_owned()),
    ))
}
