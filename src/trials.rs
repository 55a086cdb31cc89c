//! Every case as a libtest-mimic trial, for `cargo test`, `cargo nextest run` and
//! `rewardspec test`.
//!
//! Listing runs nothing and keeps stdout clean. `--exact suite::case` compiles only that suite. A
//! suite that does not compile is one failing trial with the diagnostics, so listing never fails.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use similar::TextDiff;

use crate::backend::e2b::E2b;
use crate::backend::interpreter::{self, Interpreters, Whose};
use crate::backend::local::{Local, LocalOptions};
use crate::compile::{CasePlan, ExampleCheck, RuleExample, SuitePlan};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::evaluator::{CaseId, Evaluator, Expectation, Language};
use crate::execution::Status;
use crate::program::{Ending, Interpreter, Job, Run};
use crate::project::{Project, stem};
use crate::report::{explain_case, judged_beside, wire};
use crate::reward::{self, FaultKind};
use crate::run::{
    CaseResult, Event, Extent, Interrupts, Made, Outcome, Planned, Policy, RowCases, Runner,
    Selection, Tally, Verdict, forced_backend, run_all,
};

/// Rows of a dataset that are a trial each; a longer dataset is one trial for each
/// [`CHUNK_ROWS`] rows.
const ROW_TRIALS_MAX: usize = 5000;
/// Rows of one trial of a long dataset.
const CHUNK_ROWS: usize = 1000;
/// The exit status after an interrupt, as shells have it.
const INTERRUPTED: i32 = 130;
/// Zeros of a suite that is judged as a whole whose reasons are told.
const ZEROS_TOLD: usize = 5;
/// The name after `::` of the trial of a suite that is judged as a whole.
const REQUIRE: &str = "require";
/// The name before `::` of the trials that are rules' examples.
const RULES: &str = "rules";

/// The entry point of a test target with `harness = false`: runs the suites and rule examples of
/// the cargo project as tests.
pub fn main() -> ExitCode {
    crate::backend::local::enter();
    let start =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    run(&Arguments::from_args(), &start)
}

/// Runs the trials of the project that `start` lies in.
pub fn run(arguments: &Arguments, start: &Path) -> ExitCode {
    let mut project = Project::open(start);
    let jobs = arguments.test_threads.or(project.config().jobs);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return said(&format!("cannot start: {error}"), 3),
    };
    let policy = match Policy::new(None, project.config().isolation) {
        Ok(policy) => policy,
        Err(message) => return said(&message, 2),
    };
    let local = Local::new(LocalOptions {
        jobs,
        ..LocalOptions::default()
    });
    let forced = match forced_backend() {
        Ok(forced) => forced,
        Err(message) => return said(&message, 2),
    };
    let e2b = match E2b::from_environment(arguments.test_threads) {
        Ok(e2b) => e2b,
        Err(error) => return said(&error.message, 3),
    };
    let shared = Arc::new(Shared {
        handle: runtime.handle().clone(),
        runner: Arc::new(Runner::new(local, e2b, forced, policy)),
        project: OnceLock::new(),
        interpreters: Interpreters::default(),
        missing: Mutex::default(),
        beside: AtomicUsize::new(0),
        notices: Mutex::default(),
    });
    if shared.runner.keeps_sandboxes() {
        let entered = runtime.enter();
        let interrupts = Interrupts::listen();
        drop(entered);
        runtime.spawn(end_when_asked(Arc::clone(&shared), interrupts));
    }
    let trials = trials(&mut project, arguments, &shared);
    shared
        .project
        .set(project)
        .expect("nobody else sets the project");
    let mut arguments = arguments.clone();
    // Trials wait for programs; how many run at once is the backend's to decide.
    arguments
        .test_threads
        .get_or_insert(shared.runner.slots().max(1) * 2);
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(left) = runtime.block_on(shared.runner.close()) {
        shared.note(left);
    }
    if !arguments.list {
        shared.tell();
    }
    conclusion.exit_code()
}

#[expect(clippy::print_stderr, reason = "a test target's own entry point")]
fn said(message: &str, code: u8) -> ExitCode {
    eprintln!("rewardspec: {message}");
    ExitCode::from(code)
}

/// Ends the sandboxes of the cloud, and then this process, when it is asked to end.
#[expect(
    clippy::exit,
    reason = "the trials run on the main thread, which hears no signals"
)]
async fn end_when_asked(shared: Arc<Shared>, mut interrupts: Interrupts) {
    interrupts.next().await;
    let _ = shared.runner.close().await;
    std::process::exit(INTERRUPTED);
}

/// What trials share.
struct Shared {
    handle: tokio::runtime::Handle,
    runner: Arc<Runner>,
    /// Whose rows are read when they are to run; set before the first trial runs.
    project: OnceLock<Project>,
    /// Asked after an infrastructure error: listing runs nothing, so what is on `PATH` and cannot be
    /// used shows when it is to run.
    interpreters: Interpreters,
    /// Interpreters that are missing, with the number of trials that need them.
    missing: Mutex<BTreeMap<String, usize>>,
    /// How many cases were judged in their programs' own interpreters.
    beside: AtomicUsize,
    /// What to say once after the run.
    notices: Mutex<std::collections::BTreeSet<String>>,
}

impl Shared {
    /// Something to say once, after the run.
    fn note(&self, notice: String) {
        self.notices
            .lock()
            .expect("no trial panics while it notes")
            .insert(notice);
    }

    fn note_missing(&self, why: String) {
        *self
            .missing
            .lock()
            .expect("no trial panics while it counts")
            .entry(why)
            .or_default() += 1;
    }

    /// A trial that came to this infrastructure error; ignored where it is that the interpreter is too
    /// old or broken, which is as good as none.
    fn not_run(
        &self,
        interpreter: &Interpreter,
        error: &str,
        told: Failed,
    ) -> Result<Completion, Failed> {
        match self.interpreters.find(interpreter, Whose::Ours) {
            Err(why) if error == why => {
                self.note_missing(why.clone());
                Ok(Completion::ignored_with(why))
            }
            _ => Err(told),
        }
    }

    #[expect(
        clippy::print_stderr,
        reason = "reasons are told after the run, on stderr: stdout is the test protocol"
    )]
    fn tell(&self) {
        for notice in self
            .notices
            .lock()
            .expect("no trial panics while it notes")
            .iter()
        {
            eprintln!("note: {notice}");
        }
        if let Some(line) = judged_beside(self.beside.load(Ordering::Relaxed)) {
            eprintln!("{line}");
        }
        for (why, count) in self
            .missing
            .lock()
            .expect("no trial panics while it counts")
            .iter()
        {
            eprintln!("ignored: {count} ({why})");
        }
    }
}

fn trials(project: &mut Project, arguments: &Arguments, shared: &Arc<Shared>) -> Vec<Trial> {
    let exact = arguments.filter.as_deref().filter(|_| arguments.exact);
    let wanted = exact.map(suite_of);
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    if !project.diagnostics.is_empty() {
        return vec![broken("rewardspec", &project.diagnostics, project)];
    }
    let files = match project.suite_files() {
        Ok(files) => files,
        Err(diagnostics) => return vec![broken("rewardspec", &diagnostics, project)],
    };
    let mut trials = Vec::new();
    for file in files {
        let name = stem(&file);
        if is_wanted(&name) {
            trials.extend(suite_trials(project, &file, &name, exact, shared));
        }
    }
    if is_wanted(RULES) {
        trials.extend(
            project
                .rule_examples()
                .into_iter()
                .map(|example| example_trial(example, shared)),
        );
    }
    trials
}

/// The suite that alone can hold a trial.
fn suite_of(trial: &str) -> &str {
    trial.split_once("::").map_or(trial, |(suite, _)| suite)
}

/// Whether a trial may be that of many rows, or of a bad one: those are named after no case.
fn is_of_rows(trial: &str) -> bool {
    trial
        .split_once("::")
        .is_some_and(|(_, name)| name.starts_with("row"))
}

fn broken(name: &str, diagnostics: &Diagnostics, project: &Project) -> Trial {
    let text = diagnostics.render(&project.sources, false);
    Trial::test(name, move || Err(Failed::from(text)))
}

/// The trials of a suite; of the one whose exact name is wanted no other is made that need not be.
fn suite_trials(
    project: &mut Project,
    file: &Path,
    name: &str,
    exact: Option<&str>,
    shared: &Arc<Shared>,
) -> Vec<Trial> {
    let suite = match project.suite(file) {
        Ok(suite) => suite,
        Err(diagnostics) => return vec![broken(name, &diagnostics, project)],
    };
    if !suite.requirements.is_empty() {
        return vec![whole_trial(suite, shared)];
    }
    let is_wanted = |id: &CaseId| exact.is_none_or(|exact| exact == id.to_string());
    let one_row = exact.filter(|exact| !is_of_rows(exact));
    let mut trials = Vec::new();
    for case in &suite.cases {
        let read = match Read::rows(case, project, |id| one_row.is_none() || is_wanted(id)) {
            // Whether each row is a trial depends on how many of them are good.
            Ok(Some(read)) if one_row.is_some() && read.seen > ROW_TRIALS_MAX => {
                Read::rows(case, project, |_| true)
            }
            read => read,
        };
        let read = match read {
            Ok(Some(read)) => read,
            Ok(None) if !is_wanted(&case.id) => continue,
            Ok(None) => {
                match case.evaluator(None, &project.sources) {
                    Ok(evaluator) => trials.push(case_trial(Arc::new(evaluator), project, shared)),
                    Err(diagnostic) => {
                        trials.push(broken(&case.id.to_string(), &diagnostic.into(), project))
                    }
                }
                continue;
            }
            Err(diagnostic) => {
                trials.push(broken(&case.id.to_string(), &diagnostic.into(), project));
                continue;
            }
        };
        trials.extend(read.aside);
        if let Some(note) = read.left_over {
            shared.note(note);
        }
        let evaluators = read.evaluators;
        if evaluators.len() <= ROW_TRIALS_MAX {
            trials.extend(
                evaluators
                    .into_iter()
                    .map(|evaluator| case_trial(evaluator, project, shared)),
            );
        } else {
            trials.extend(chunk_trials(case, &evaluators, project, shared));
        }
    }
    trials
}

/// What a dataset's rows make.
struct Read {
    evaluators: Vec<Arc<Evaluator>>,
    /// Trials of rows that make no case.
    aside: Vec<Trial>,
    /// Rows that have an id, wanted or not.
    seen: usize,
    /// What is to be said of saved samples, where all rows were wanted.
    left_over: Option<String>,
}

impl Read {
    /// Reads the rows of a case's dataset, if it has one; those whose id is not wanted are not rendered.
    fn rows(
        case: &CasePlan,
        project: &Project,
        is_wanted: impl Fn(&CaseId) -> bool,
    ) -> Result<Option<Read>, Diagnostic> {
        let Some(mut rows) = RowCases::open(case, project, None)? else {
            return Ok(None);
        };
        let (seen, wanted) = (Cell::new(0), Cell::new(0));
        let wants = |id: &CaseId| {
            let is_wanted = is_wanted(id);
            seen.set(seen.get() + 1);
            wanted.set(wanted.get() + usize::from(is_wanted));
            is_wanted
        };
        let (mut evaluators, mut aside) = (Vec::new(), Vec::new());
        while let Some((_, made)) = rows.next(wants) {
            match made {
                Made::Case(evaluator) => evaluators.push(Arc::from(evaluator)),
                Made::Skipped(place) => aside.push(left_out(case, place.line)),
                Made::Bad(diagnostic) => aside.push(bad_row(case, diagnostic, project)),
            }
        }
        let is_all = wanted == seen;
        Ok(Some(Read {
            evaluators,
            aside,
            seen: seen.get(),
            left_over: rows.left_over().filter(|_| is_all),
        }))
    }
}

/// A bad row that the suite leaves out: listed as ignored, and failing never.
fn left_out(case: &CasePlan, line: usize) -> Trial {
    let name = name_in(case, format!("row {line}"));
    Trial::test(name, || Ok(())).with_ignored_flag(true)
}

fn bad_row(case: &CasePlan, diagnostic: Diagnostic, project: &Project) -> Trial {
    let line = diagnostic.row.as_ref().map_or(0, |row| row.line);
    let name = name_in(case, format!("row {line}"));
    broken(&name, &diagnostic.into(), project)
}

/// A name beside those of rows: of the suite, and of the cell of the matrix where there is one.
fn name_in(case: &CasePlan, name: String) -> String {
    let id = CaseId {
        case: name,
        ..case.id.clone()
    };
    id.to_string()
}

fn case_trial(evaluator: Arc<Evaluator>, project: &Project, shared: &Arc<Shared>) -> Trial {
    let name = evaluator.id.to_string();
    let missing = shared.runner.missing(&evaluator);
    let ignored = evaluator.ignored().is_some() || missing.is_some();
    if let Some(why) = aside(&evaluator).or_else(|| missing.clone()) {
        shared.note_missing(why);
    }
    let place = project.sources.place(evaluator.written_at);
    let shared = Arc::clone(shared);
    Trial::ignorable_test(name, move || match missing {
        Some(why) => Err(Failed::from(why)),
        None => shared.judge(&evaluator, &place).map(|judged| match judged {
            Judged::Passed => Completion::Completed,
            Judged::LeftOut(row) => Completion::ignored_with(format!("bad row: {row}")),
            Judged::NotRun(completion) => completion,
        }),
    })
    .with_ignored_flag(ignored)
}

/// Why a case is left aside, which is easily forgotten and so is told after the run.
fn aside(evaluator: &Evaluator) -> Option<String> {
    let reason = evaluator.ignored();
    reason.filter(|_| evaluator.skip.is_none())
}

/// A suite that is judged as a whole, as one trial; ignored when none of its cases can run.
fn whole_trial(suite: SuitePlan, shared: &Arc<Shared>) -> Trial {
    let name = format!("{}::{REQUIRE}", suite.name);
    let missing = |case: &CasePlan| {
        let language = case.fixed_language()?;
        let backends = case.backends();
        shared.runner.missing_for(&backends, &language.interpreter)
    };
    let cases = || suite.cases.iter().filter(|case| case.skip.is_none());
    let is_ignored = cases().all(|case| missing(case).is_some());
    let missing: Vec<String> = if is_ignored {
        cases().filter_map(missing).collect()
    } else {
        Vec::new()
    };
    for why in &missing {
        shared.note_missing(why.clone());
    }
    let shared = Arc::clone(shared);
    let judge = move || match missing.first() {
        Some(why) => Err(Failed::from(why)),
        None => shared.judge_whole(&suite),
    };
    Trial::ignorable_test(name, judge).with_ignored_flag(is_ignored)
}

/// Many rows as one trial: it fails when one of them does, and names the first few.
fn chunk_trials(
    case: &CasePlan,
    evaluators: &[Arc<Evaluator>],
    project: &Project,
    shared: &Arc<Shared>,
) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (index, chunk) in evaluators.chunks(CHUNK_ROWS).enumerate() {
        let first = index * CHUNK_ROWS + 1;
        let name = name_in(case, format!("rows {first}-{}", first + chunk.len() - 1));
        let missing = chunk
            .iter()
            .find_map(|evaluator| shared.runner.missing(evaluator));
        if let Some(why) = &missing {
            shared.note_missing(why.clone());
        }
        let place = project.sources.place(chunk[0].written_at);
        let chunk: Vec<_> = chunk.to_vec();
        let shared = Arc::clone(shared);
        for why in chunk.iter().filter_map(|evaluator| aside(evaluator)) {
            shared.note_missing(why);
        }
        let is_ignored = |evaluator: &Arc<Evaluator>| evaluator.ignored().is_some();
        let ignored = missing.is_some() || chunk.iter().all(is_ignored);
        let trial = Trial::ignorable_test(name, move || {
            if let Some(why) = missing {
                return Err(Failed::from(why));
            }
            let mut failures = Vec::new();
            for evaluator in chunk.iter().filter(|evaluator| !is_ignored(evaluator)) {
                match shared.judge(evaluator, &place) {
                    Ok(Judged::Passed | Judged::LeftOut(_)) => {}
                    Ok(Judged::NotRun(completion)) => return Ok(completion),
                    Err(failed) => failures.push(failed.message().unwrap_or_default().to_owned()),
                }
            }
            match failures.len() {
                0 => Ok(Completion::Completed),
                count => {
                    let shown = failures
                        .into_iter()
                        .take(5)
                        .collect::<Vec<_>>()
                        .join("\n\n");
                    Err(Failed::from(format!(
                        "{count} of {} rows are not as wanted; the first:\n\n{shown}",
                        chunk.len()
                    )))
                }
            }
        });
        trials.push(trial.with_ignored_flag(ignored));
    }
    trials
}

fn missing_interpreter(language: &Language) -> Option<String> {
    interpreter::missing(&language.interpreter)
}

impl Shared {
    /// Notes where a case's programs run, or why they do not.
    fn note_place(&self, evaluator: &Evaluator) {
        match self
            .runner
            .refusal([(evaluator.backends.as_slice(), evaluator.isolation)])
        {
            Some((paragraph, _)) => self.note(format!("programs are not run: {paragraph}")),
            None => {
                let backends = [evaluator.backends.as_slice()];
                for notice in self.runner.notices(backends) {
                    self.note(notice);
                }
            }
        }
        if evaluator.judged() == Some(reward::Judged::Beside) {
            self.beside.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Runs all cases of a suite, many at once, and judges them together.
    fn judge_whole(&self, suite: &SuitePlan) -> Result<Completion, Failed> {
        let project = self.project.get().expect("it is set before trials run");
        let ran = RefCell::new(Ran::of(suite));
        let selection = Selection::default();
        let planned = selection.plan(std::slice::from_ref(suite), project);
        let planned = planned.filter(|planned| match planned {
            Planned::Fault(_) => true,
            Planned::BadRow(_) => false,
            Planned::Case(evaluator) => self.is_to_run(evaluator, &mut ran.borrow_mut()),
        });
        let tell = |event: Event<'_>| {
            if let Event::Case(case) = event {
                ran.borrow_mut().count(&case);
            }
            ControlFlow::Continue(())
        };
        self.handle.block_on(run_all(&self.runner, planned, tell));
        let ran = ran.into_inner();
        match ran.fault {
            Some((FaultKind::Infrastructure, why, told)) => {
                for interpreter in &ran.interpreters {
                    if let Ok(ignored) = self.not_run(interpreter, &why, Failed::without_message())
                    {
                        return Ok(ignored);
                    }
                }
                Err(Failed::from(told))
            }
            Some((_, _, told)) => Err(Failed::from(told)),
            None => ran.conclusion(),
        }
    }

    fn is_to_run(&self, evaluator: &Evaluator, ran: &mut Ran<'_>) -> bool {
        let missing = self.runner.missing(evaluator);
        if let Some(why) = &missing {
            self.note_missing(why.clone());
        }
        if evaluator.skip.is_some() || missing.is_some() {
            ran.tally.skip(&evaluator.id);
            return false;
        }
        self.note_place(evaluator);
        let interpreter = &evaluator.language.interpreter;
        if !ran.interpreters.contains(interpreter) {
            ran.interpreters.push(Arc::clone(interpreter));
        }
        true
    }

    fn judge(&self, evaluator: &Evaluator, place: &str) -> Result<Judged, Failed> {
        self.note_place(evaluator);
        let case = self.handle.block_on(self.runner.evaluate_all(evaluator));
        if case.passed() {
            return Ok(Judged::Passed);
        }
        if let Some(row) = case.left_out() {
            return Ok(Judged::LeftOut(row.to_owned()));
        }
        let told = Failed::from(failure(evaluator, &case, place));
        match case.fault() {
            Some(fault) if fault.kind == FaultKind::Infrastructure => {
                let interpreter = &evaluator.language.interpreter;
                self.not_run(interpreter, &fault.message, told)
                    .map(Judged::NotRun)
            }
            _ => Err(told),
        }
    }
}

/// What comes of a case that is not wrong.
enum Judged {
    /// It is as wanted.
    Passed,
    /// The row at this file and line is bad, and its suite leaves such rows out.
    LeftOut(String),
    /// This machine cannot run it.
    NotRun(Completion),
}

/// What comes of a suite that is judged as a whole.
struct Ran<'a> {
    tally: Tally<'a>,
    interpreters: Vec<Arc<Interpreter>>,
    /// The fault that decides: its kind, its message, and what is told of it.
    fault: Option<(FaultKind, String, String)>,
    zeros: Vec<String>,
    zeros_more: usize,
}

impl<'a> Ran<'a> {
    fn of(suite: &'a SuitePlan) -> Self {
        Ran {
            tally: Tally::new(std::slice::from_ref(suite)),
            interpreters: Vec::new(),
            fault: None,
            zeros: Vec::new(),
            zeros_more: 0,
        }
    }

    fn count(&mut self, case: &CaseResult) {
        self.tally.count(case);
        match case.verdict() {
            Verdict::Passed => {}
            Verdict::Fault(fault) => {
                let known = self.fault.as_ref().map(|(kind, ..)| *kind);
                let is_worse = known == Some(FaultKind::Infrastructure)
                    && fault.kind != FaultKind::Infrastructure;
                if known.is_none() || is_worse {
                    let told = format!("{}: {}{}", case.id, whose(fault.kind), explain_case(case));
                    self.fault = Some((fault.kind, fault.message.clone(), told));
                }
            }
            Verdict::Failed | Verdict::Counted if self.zeros.len() < ZEROS_TOLD => {
                let told = format!("{}\n{}", case.id, explain_case(case));
                self.zeros.push(told);
            }
            Verdict::Failed | Verdict::Counted => self.zeros_more += 1,
        }
    }

    fn conclusion(&self) -> Result<Completion, Failed> {
        let results = self.tally.requirements(Extent::All);
        if !results
            .iter()
            .any(|result| result.is_missed() || result.fault().is_some())
        {
            let unjudged = results.iter().find(|result| result.is_unjudged());
            return Ok(unjudged.map_or(Completion::Completed, |result| {
                Completion::ignored_with(result.to_string())
            }));
        }
        let lines = results
            .iter()
            .map(|result| format!("require {}: {result}", result.whole));
        let mut parts = vec![lines.collect::<Vec<_>>().join("\n")];
        parts.extend(self.zeros.iter().cloned());
        if self.zeros_more > 0 {
            let more = self.zeros_more;
            parts.push(format!("… and {more} more that are not as wanted"));
        }
        Err(Failed::from(parts.join("\n\n")))
    }
}

/// What a fault's message begins with.
fn whose(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Infrastructure => "infrastructure error: ",
        FaultKind::Configuration | FaultKind::Input => "configuration error: ",
    }
}

/// What a failing trial prints: the reasons, the difference, the place, the command that repeats
/// it.
fn failure(evaluator: &Evaluator, case: &CaseResult, place: &str) -> String {
    let mut text = case
        .fault()
        .map_or("", |fault| whose(fault.kind))
        .to_owned();
    text.push_str(&explain_case(case));
    let first = case.outcomes.iter().find(|outcome| !outcome.passed());
    if let Some(difference) = first.and_then(|outcome| difference(evaluator, outcome)) {
        text.push_str("\n\nexpected against actual output:\n");
        text.push_str(&difference);
    }
    let row = evaluator
        .row
        .as_ref()
        .map_or(String::new(), |(file, line)| format!(", row {file}:{line}"));
    let id = evaluator.id.to_string();
    text.push_str(&format!(
        "\n\nwritten at {place}{row}\nrepeat with: rewardspec run --filter {}\n",
        shell_word(&id)
    ));
    text
}

fn shell_word(text: &str) -> String {
    let is_plain = text
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "-_./:,=@".contains(letter));
    if is_plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn difference(evaluator: &Evaluator, outcome: &Outcome) -> Option<String> {
    let reward = outcome.result.as_ref().ok()?;
    let wrong = reward
        .metrics
        .iter()
        .any(|(name, metric)| name == "output_match" && !metric.success);
    let matcher = evaluator
        .expectations
        .iter()
        .find_map(|expectation| match expectation {
            Expectation::Output(matcher) if !matcher.negated => Some(matcher),
            _ => None,
        })?;
    let execution = wire::shown(&outcome.executions)?;
    if !wrong || matcher.expected.text.len() + execution.stdout.text.len() > 20_000 {
        return None;
    }
    let expected = format!("{}\n", matcher.expected.text.trim_end_matches('\n'));
    let actual = format!("{}\n", execution.stdout.text.trim_end_matches('\n'));
    let diff = TextDiff::from_lines(&expected, &actual);
    let lines: Vec<String> = diff
        .iter_all_changes()
        .map(|change| {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => "-",
                similar::ChangeTag::Insert => "+",
                similar::ChangeTag::Equal => " ",
            };
            format!(
                "{sign}{}",
                crate::escape::visible(change.value().trim_end_matches('\n'))
            )
        })
        .collect();
    Some(lines.join("\n"))
}

fn example_trial(example: RuleExample, shared: &Arc<Shared>) -> Trial {
    let name = format!("{RULES}::{}", example.name);
    match example.check {
        ExampleCheck::Pure(result) => Trial::test(name, move || result.map_err(Failed::from)),
        ExampleCheck::Language {
            language,
            code,
            stdin,
            output,
        } => {
            let missing = missing_interpreter(&language);
            if let Some(why) = &missing {
                shared.note_missing(why.clone());
            }
            let ignored = missing.is_some();
            let shared = Arc::clone(shared);
            Trial::ignorable_test(name, move || match missing {
                Some(why) => Err(Failed::from(why)),
                None => shared.run_example(&language, &code, &stdin, &output),
            })
            .with_ignored_flag(ignored)
        }
    }
}

impl Shared {
    fn run_example(
        &self,
        language: &Language,
        code: &str,
        stdin: &str,
        output: &str,
    ) -> Result<Completion, Failed> {
        let file = language.file.name(code)?;
        let run = Run {
            command: language.run.words(&file),
            stdin: stdin.as_bytes().to_vec(),
            ..Run::default()
        };
        let job = Job {
            program: Arc::new(language.program(&file, code)),
            runs: [run].into(),
            ending: Ending::default(),
        };
        let result = match self.handle.block_on(self.runner.execute(&job)) {
            Ok(result) => result,
            Err(error) => {
                let error = error.to_string();
                let told = Failed::from(&error);
                return self.not_run(&language.interpreter, &error, told);
            }
        };
        let execution = result
            .runs
            .first()
            .or(result.build.as_ref())
            .ok_or("nothing ran")?;
        if execution.status != Status::Ok {
            return Err(Failed::from(format!(
                "the example ended with `{}`:\n{}",
                execution.status.word(),
                execution.stderr.text
            )));
        }
        if execution.stdout.text.trim_end() != output.trim_end() {
            return Err(Failed::from(format!(
                "the example printed `{}`, not `{}`",
                execution.stdout.text.trim_end(),
                output.trim_end()
            )));
        }
        Ok(Completion::Completed)
    }
}
