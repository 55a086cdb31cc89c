//! What executions are worth: one function for each thing that is looked at.

use std::time::Duration;

use super::checks::{CheckAnswer, CheckRule, CheckedText, TextRule};
use super::expect::{Credit, InputCase, InputCases, Matcher, quoted};
use super::job::Layout;
use super::test_code::Ended as TestsEnded;
use super::{Attempt, Evaluator, Expectation};
use crate::execution::{Execution, JobResult, Status};
use crate::reward::{Cause, Fault, Metric};

/// What a score is made of.
pub(super) struct Evidence<'a> {
    pub(super) evaluator: &'a Evaluator,
    pub(super) attempt: &'a Attempt,
    /// With what the reference left in them.
    pub(super) expectations: &'a [Expectation],
    pub(super) result: &'a JobResult,
    /// What the author's checkers said, in the order of the expectations.
    pub(super) answers: &'a [CheckAnswer],
}

/// The metrics of the executions, and what went wrong with them.
pub(super) struct Judgement {
    pub(super) metrics: Vec<(String, Metric)>,
    pub(super) cause: Option<Cause>,
}

/// Judges the executions of a case's one job.
pub(super) fn judge(evidence: &Evidence<'_>) -> Result<Judgement, Fault> {
    let Evidence {
        evaluator,
        attempt,
        expectations,
        result,
        ..
    } = *evidence;
    if let Some(build) = result
        .build
        .as_ref()
        .filter(|build| build.status != Status::Ok)
    {
        return Ok(not_built(expectations, build));
    }
    let layout = Layout::of(expectations);
    let runs = &result.runs;
    let own = layout.own.and_then(|own| runs.get(own));
    let tests = layout.tests.and_then(|tests| runs.get(tests));
    let inputs = &runs[layout.inputs.start.min(runs.len())..];
    let mut answers = evidence.answers.iter();
    let mut metrics = Vec::new();
    let mut tests_ended = TestsEnded::Well;
    for expectation in expectations {
        let own = |judge: &dyn Fn(&Execution) -> Metric| own.map_or_else(not_begun, judge);
        let metric = match expectation {
            Expectation::Runs => continue,
            Expectation::Output(matcher) => own(&|run| output(matcher, run)),
            Expectation::Stderr(matcher) => own(&|run| stderr(matcher, run)),
            Expectation::ExitCode(matcher) => own(&|run| exit_code(matcher, run)),
            Expectation::Error(matcher) => own(&|run| error(evaluator, matcher, run)),
            Expectation::Files(files) => own(&|run| left(files, run)),
            Expectation::StdinCases(cases) => stdin_cases(cases, inputs),
            Expectation::Tests(code) => match tests {
                Some(run) => {
                    let (metric, ended) = code.verdict(run, &attempt.nonce)?;
                    tests_ended = ended;
                    metric
                }
                None => not_begun(),
            },
            Expectation::Duration(under) => duration(*under, runs),
            Expectation::Memory(under) => memory(*under, runs),
            Expectation::Check(check) => match &check.rule {
                CheckRule::Text(rule) => text(rule, attempt, own),
                CheckRule::Command(_) => match answers.next() {
                    Some(answer) => answered(&check.name, answer)?,
                    None => not_begun(),
                },
            },
        };
        metrics.push((expectation.metric().to_owned(), metric));
    }
    let (execution, cause) = ended(evidence, &layout, tests_ended);
    metrics.insert(0, ("execution_result".to_owned(), execution));
    Ok(Judgement { metrics, cause })
}

/// How the executions ended, and why a zero would be one.
fn ended(
    evidence: &Evidence<'_>,
    layout: &Layout,
    tests_ended: TestsEnded,
) -> (Metric, Option<Cause>) {
    let runs = &evidence.result.runs;
    let wanted = layout.inputs.end;
    // Where the fraction of the inputs counts, those that fail are not the end of the others.
    let by_fraction = evidence.expectations.iter().any(|expectation| {
        matches!(expectation, Expectation::StdinCases(inputs) if inputs.credit == Credit::Fraction)
    });
    let some_input = runs
        .iter()
        .skip(layout.inputs.start)
        .any(|run| run.status == Status::Ok);
    let is_excused = |index: usize| by_fraction && some_input && index >= layout.inputs.start;
    let failed = runs
        .iter()
        .enumerate()
        .find(|(index, run)| run.status != Status::Ok && !is_excused(*index));
    let wants_failure = evidence
        .expectations
        .iter()
        .any(Expectation::may_want_failure);
    if let Some((index, run)) = failed {
        let which = (wanted > 1).then_some((index, wanted));
        let how = how_it_ended(evidence.evaluator, run, which);
        return (Metric::of(false, how), trouble(run.status, wants_failure));
    }
    let unfinished = match tests_ended {
        TestsEnded::Well => None,
        TestsEnded::Early => {
            let why = "the program ended before its tests were done";
            Some((why.to_owned(), Some(Cause::Error)))
        }
        TestsEnded::Judge(status) => {
            let why = format!("its tests ended without a verdict: {}", status.word());
            Some((why, trouble(status, false).or(Some(Cause::Error))))
        }
    };
    if let Some((why, cause)) = unfinished {
        return (Metric::of(false, why), cause);
    }
    let excused = runs.iter().find(|run| run.status != Status::Ok);
    let cause = excused.and_then(|run| trouble(run.status, wants_failure));
    let reason = match excused {
        Some(_) => "ran without error, but not for every input",
        None => "ran without error",
    };
    (Metric::of(true, reason.to_owned()), cause)
}

fn not_begun() -> Metric {
    let why = "not run: the case's total time was used up, or an earlier failure ended it";
    Metric::of(false, why.to_owned())
}

fn not_built(expectations: &[Expectation], build: &Execution) -> Judgement {
    let why = format!(
        "the build failed: {}",
        last_line(&build.stderr.text, &build.stdout.text)
    );
    let mut metrics = vec![("execution_result".to_owned(), Metric::of(false, why))];
    for expectation in expectations {
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
    let told = told.unwrap_or_else(|| last_line(&run.stderr.text, ""));
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
        Status::Timeout if run.reason.as_deref() == Some("total") => format!(
            "ran when all executions together had taken {:?}, which is `limits.total`",
            evaluator.total.unwrap_or_default()
        ),
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
pub(super) fn last_line(stderr: &str, stdout: &str) -> String {
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
        return cut_off("the output");
    }
    matcher.judge(&run.stdout.text)
}

fn stderr(matcher: &Matcher, run: &Execution) -> Metric {
    if run.stderr.truncated {
        return cut_off("standard error");
    }
    matcher.judge(&run.stderr.text)
}

fn cut_off(what: &str) -> Metric {
    Metric::of(
        false,
        format!("{what} was cut off, and what is cut off is not compared"),
    )
}

/// Files by path: all must be as wanted.
fn left(files: &[(String, Matcher)], run: &Execution) -> Metric {
    let mut reasons = Vec::new();
    let mut worst = 1.0_f64;
    for (path, matcher) in files {
        let left = run.files.iter().find(|left| left.path == *path);
        let metric = match left.and_then(|left| left.content.as_ref()) {
            None => Metric::of(false, "there is no such file".to_owned()),
            Some(content) if content.truncated => cut_off("the file"),
            Some(content) => matcher.judge(&content.text),
        };
        worst = worst.min(metric.score);
        if !metric.success {
            reasons.push(format!("{}: {}", quoted(path), metric.reason));
        }
    }
    if reasons.is_empty() {
        let what = match files.len() {
            1 => "the file is as expected".to_owned(),
            count => format!("all {count} files are as expected"),
        };
        return Metric::of(true, what);
    }
    Metric {
        score: worst,
        success: false,
        reason: reasons.join("; "),
    }
}

fn duration(under: Duration, runs: &[Execution]) -> Metric {
    let Some(longest) = runs.iter().map(|run| run.wall).max() else {
        return not_begun();
    };
    let what = if runs.len() == 1 {
        "it"
    } else {
        "the longest run"
    };
    Metric::of(
        longest < under,
        format!("{what} took {longest:.0?}, less than {under:?} is wanted"),
    )
}

fn memory(under: u64, runs: &[Execution]) -> Metric {
    let Some(largest) = runs.iter().map(|run| run.peak_memory).max() else {
        return not_begun();
    };
    let what = if runs.len() == 1 {
        "it"
    } else {
        "the largest run"
    };
    Metric::of(
        largest < under,
        format!(
            "{what} took {}, less than {} is wanted",
            size(largest),
            size(under)
        ),
    )
}

fn text(
    rule: &TextRule,
    attempt: &Attempt,
    own: impl Fn(&dyn Fn(&Execution) -> Metric) -> Metric,
) -> Metric {
    match rule.of {
        CheckedText::Code => rule.judge(attempt.code.as_deref().unwrap_or_default()),
        CheckedText::Reply => rule.judge(&attempt.reply),
        CheckedText::Stdout => own(&|run| match run.stdout.truncated {
            true => cut_off("the output"),
            false => rule.judge(&run.stdout.text),
        }),
        CheckedText::Stderr => own(&|run| match run.stderr.truncated {
            true => cut_off("standard error"),
            false => rule.judge(&run.stderr.text),
        }),
    }
}

fn answered(name: &str, answer: &CheckAnswer) -> Result<Metric, Fault> {
    match answer {
        Ok((score, reason)) => Ok(Metric {
            score: *score,
            success: *score >= 1.0,
            reason: reason.clone(),
        }),
        Err(why) => Err(Fault::configuration(format!("the check `{name}`: {why}"))),
    }
}

/// What an execution for one input is worth.
pub(super) fn input(case: &InputCase, run: &Execution) -> Metric {
    match run.status {
        Status::Ok => output(&case.output, run),
        status => Metric::of(
            false,
            format!("the program did not end well: {}", status.word()),
        ),
    }
}

fn stdin_cases(inputs: &InputCases, runs: &[Execution]) -> Metric {
    let cases = &inputs.cases;
    let metrics: Vec<Metric> = cases
        .iter()
        .zip(runs)
        .map(|(case, run)| input(case, run))
        .collect();
    let passed = metrics.iter().filter(|metric| metric.success).count();
    let first = metrics
        .iter()
        .enumerate()
        .find(|(_, metric)| !metric.success);
    let count = format!("{passed} of {} inputs pass", cases.len());
    let not_run = match cases.len() - metrics.len() {
        0 => String::new(),
        left => format!("; {left} were not run"),
    };
    let success = passed == cases.len();
    let reason = match first {
        None => format!("{count}{not_run}"),
        Some((index, metric)) => format!(
            "{count}{not_run}; input {} ({}): {}",
            index + 1,
            quoted(cases[index].stdin.trim_end()),
            metric.reason
        ),
    };
    Metric {
        score: inputs.credit.of(passed, cases.len()),
        success,
        reason,
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
