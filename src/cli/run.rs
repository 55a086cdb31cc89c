//! `run` and `try`: evaluate suites, or one reply.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::{BackendArguments, Exit, colour, compile, open, refuse, report, runtime};
use crate::compile::SuitePlan;
use crate::diagnostic::did_you_mean;
use crate::escape::{json_line, visible};
use crate::evaluator::{CaseId, Evaluator, Reply};
use crate::project::Project;
use crate::report::{FORMATS, Reporter, Sink, Summary, explain_outcome};
use crate::reward::FaultKind;
use crate::run::{
    Event, Extent, Fingerprinting, GivenReplies, Interrupts, Outcome, Planned, RequirementResult,
    Runner, Selection, Tally, Verdict, run_all,
};

#[derive(Debug, clap::Args)]
pub(super) struct RunArguments {
    /// Suite files or directories [default: the project's suites/]
    paths: Vec<PathBuf>,
    #[arg(long, value_name = "FORMAT[=PATH]", default_value = "human", help = formats())]
    format: Vec<String>,
    /// Only cases whose id contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Only cases with this tag, several times if wanted
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only cases in this language, several times if wanted
    #[arg(long, value_name = "NAME")]
    language: Vec<String>,
    /// At most so many cases
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Replies in place of those that suites name: rows of `{"id", "reply"}`, or saved samples
    #[arg(long, value_name = "FILE")]
    replies: Option<PathBuf>,
    /// The column of `--replies` that names the case [default: id]
    #[arg(long, value_name = "NAME", requires = "replies")]
    replies_key: Option<String>,
    /// The column of `--replies` that has the reply [default: reply]
    #[arg(long, value_name = "NAME", requires = "replies")]
    replies_field: Option<String>,
    /// Stop at the first case that is not as wanted; zeros of a suite with `require` count and do not stop
    #[arg(long)]
    fail_fast: bool,
    #[command(flatten)]
    backend: BackendArguments,
}

#[derive(Debug, clap::Args)]
pub(super) struct TryArguments {
    /// The suite file
    suite: PathBuf,
    /// The case, where the suite has more than one
    case: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(super) fn run(arguments: &RunArguments) -> Exit {
    let mut project = open(&arguments.paths);
    let suites = match compile(&mut project, &arguments.paths) {
        Ok(suites) => suites,
        Err(exit) => return exit,
    };
    let languages = match languages(&arguments.language, &mut project) {
        Ok(languages) => languages,
        Err(exit) => return exit,
    };
    let selection = Selection {
        filter: arguments.filter.clone(),
        tags: arguments.tag.clone(),
        languages,
        limit: arguments.limit,
        replies: match &arguments.replies {
            Some(path) => match replies(path, arguments, &project, &suites) {
                Ok(replies) => Some(replies),
                Err(exit) => return exit,
            },
            None => None,
        },
    };
    let mut reporters = match reporters(&arguments.format) {
        Ok(reporters) => reporters,
        Err(exit) => return exit,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return trouble(&error),
    };
    let runner = {
        let _entered = runtime.enter();
        match arguments.backend.runner(&project) {
            Ok(runner) => Arc::new(runner),
            Err(exit) => return exit,
        }
    };
    let cases = suites.iter().flat_map(|suite| &suite.cases);
    let stated: Vec<_> = cases
        .filter(|case| !case.is_ignored())
        .map(|case| (case.backends(), case.isolation()))
        .collect();
    let stated = stated
        .iter()
        .map(|(backends, least)| (backends.as_slice(), *least));
    match runner.refusal(stated) {
        Some((paragraph, true)) => {
            eprintln!("error: programs are not run: {paragraph}");
            return Exit::Infrastructure;
        }
        Some((paragraph, false)) => eprintln!("error: some cases are not run: {paragraph}"),
        None => {}
    }
    let evaluation = Evaluation {
        project: &project,
        suites: &suites,
        selection: &selection,
        runner: &runner,
        fail_fast: arguments.fail_fast,
        has_human: arguments
            .format
            .iter()
            .any(|format| format.split('=').next() == Some("human")),
    };
    match runtime.block_on(evaluation.run(&mut reporters)) {
        Ok(summary) => {
            if let Some(why) = summary.nothing_ran() {
                eprintln!("error: {}", visible(&why));
            }
            if summary.has_bad_rows_alone() {
                return refuse("no row makes a case: all of them are bad", None);
            }
            if summary.is_empty() {
                return nothing_selected(&selection, &suites);
            }
            exit_of(&summary)
        }
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Passed,
        Err(error) => trouble(&error),
    }
}

/// A run without a case is a mistake: nobody asks for nothing.
fn nothing_selected(selection: &Selection, suites: &[SuitePlan]) -> Exit {
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let tags = || cases().flat_map(|case| case.tags.iter().map(String::as_str));
    let unknown = selection
        .tags
        .iter()
        .find(|tag| !tags().any(|known| known == *tag));
    let (message, help) = if let Some(tag) = unknown {
        (
            format!("no case has the tag `{tag}`"),
            did_you_mean(tag, tags().collect::<BTreeSet<_>>()),
        )
    } else if let Some(filter) = &selection.filter {
        let help = "`rewardspec list` shows the ids of all cases".to_owned();
        (
            format!("no case that is selected has `{filter}` in its id"),
            Some(help),
        )
    } else if let Some(language) = selection.languages.first() {
        let message = format!("no case that is selected is in `{language}`");
        (message, None)
    } else {
        ("no case is selected".to_owned(), None)
    };
    refuse(&message, help.as_deref())
}

fn trouble(error: &io::Error) -> Exit {
    eprintln!("error: {error}");
    Exit::Infrastructure
}

fn exit_of(summary: &Summary) -> Exit {
    if summary.interrupted {
        Exit::Interrupted
    } else if summary.configuration > 0 || summary.has_unjudged(FaultKind::Configuration) {
        Exit::Configuration
    } else if summary.infrastructure > 0
        || summary.has_unjudged(FaultKind::Infrastructure)
        || summary.nothing_ran().is_some()
    {
        Exit::Infrastructure
    } else if summary.failed > 0
        || summary
            .requirements
            .iter()
            .any(RequirementResult::is_missed)
    {
        Exit::Below
    } else {
        Exit::Passed
    }
}

/// The languages that these names or aliases mean.
pub(super) fn languages(names: &[String], project: &mut Project) -> Result<Vec<String>, Exit> {
    let rules = project.rules();
    names
        .iter()
        .map(|name| match rules.language(name) {
            Ok(language) => Ok(language.name.clone()),
            Err(unknown) => Err(refuse(&unknown.message, unknown.help.as_deref())),
        })
        .collect()
}

/// Replies that a file has by the ids of cases, unless all suites join it with their rows.
fn replies(
    path: &Path,
    arguments: &RunArguments,
    project: &Project,
    suites: &[SuitePlan],
) -> Result<GivenReplies, Exit> {
    let mut cases = suites.iter().flat_map(|suite| &suite.cases);
    let (key, field) = (&arguments.replies_key, &arguments.replies_field);
    let by_id = if cases.any(|case| case.saved.is_none()) {
        let key = key.as_deref().unwrap_or("id");
        let saved = project.saved_replies(path, key, field.as_deref().unwrap_or("reply"));
        let saved = saved.map_err(|diagnostic| report(&diagnostic.into(), project))?;
        Some(Rc::new(RefCell::new(saved)))
    } else if key.is_some() || field.is_some() {
        let help =
            "leave `--replies-key` and `--replies-field` out, or write the columns in the suite";
        return Err(refuse(
            "every suite names the columns of its samples itself, under `join` and `field`",
            Some(help),
        ));
    } else {
        None
    };
    Ok(GivenReplies {
        path: path.to_owned(),
        by_id,
    })
}

/// The help of `--format`.
fn formats() -> String {
    let formats = FORMATS
        .iter()
        .map(|format| format!("{} ({})", format.name, format.about));
    let formats: Vec<String> = formats.collect();
    format!(
        "FORMAT or FORMAT=PATH, several times if wanted: {}",
        formats.join("; ")
    )
}

/// One of the formats may own standard output; then `human` goes to standard error.
fn reporters(formats: &[String]) -> Result<Vec<Box<dyn Reporter>>, Exit> {
    let machine_owns_stdout = formats
        .iter()
        .any(|format| format != "human" && !format.contains('='));
    let mut stdout_owner: Option<&str> = None;
    let mut reporters = Vec::new();
    for format in formats {
        let (name, path) = match format.split_once('=') {
            Some((name, path)) => (name, Some(path)),
            None => (format.as_str(), None),
        };
        let Some(known) = FORMATS.iter().find(|format| format.name == name) else {
            let help = did_you_mean(name, FORMATS.iter().map(|format| format.name));
            return Err(refuse(&format!("unknown format `{name}`"), help.as_deref()));
        };
        let sink = match path {
            Some(path) => match File::create(path) {
                Ok(file) => Sink {
                    writer: Box::new(file),
                    colour: false,
                    is_terminal: false,
                },
                Err(error) => return Err(refuse(&format!("cannot write `{path}`: {error}"), None)),
            },
            None if name == "human" && machine_owns_stdout => Sink {
                writer: Box::new(io::stderr()),
                colour: colour(&io::stderr()),
                is_terminal: io::stderr().is_terminal(),
            },
            None => {
                if let Some(owner) = stdout_owner.replace(name) {
                    return Err(refuse(
                        &format!("`{owner}` and `{name}` both want standard output"),
                        Some("give one a file: jsonl=results.jsonl"),
                    ));
                }
                Sink {
                    writer: Box::new(io::stdout()),
                    colour: colour(&io::stdout()),
                    is_terminal: io::stdout().is_terminal(),
                }
            }
        };
        reporters.push((known.open)(sink));
    }
    Ok(reporters)
}

struct Evaluation<'a> {
    project: &'a Project,
    suites: &'a [SuitePlan],
    selection: &'a Selection,
    runner: &'a Arc<Runner>,
    fail_fast: bool,
    /// Whether a reporter tells notices; else they go to standard error.
    has_human: bool,
}

/// What hears of everything that happens in a run.
struct Listeners<'a> {
    reporters: &'a mut [Box<dyn Reporter>],
    summary: Summary,
    tally: Tally<'a>,
    /// Where somebody is shown it: all data is read for it.
    fingerprinting: Option<Fingerprinting>,
    fail_fast: bool,
    /// Whether a case ended the run.
    is_stopped: bool,
    written: io::Result<()>,
}

impl Listeners<'_> {
    fn skip(&mut self, id: &CaseId, reason: &str) {
        self.summary.skip(reason);
        self.tally.skip(id);
        self.write(|reporter| reporter.skipped(id, reason));
    }

    fn hear(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Reply(outcome) => {
                if let Some(fingerprinting) = &mut self.fingerprinting {
                    fingerprinting.note(outcome);
                }
                self.write(|reporter| reporter.reply(outcome));
            }
            Event::Case(case) => {
                self.summary.count(case);
                self.tally.count(case);
                let is_bad = matches!(case.verdict(), Verdict::Failed | Verdict::Fault(_));
                self.is_stopped |= self.fail_fast && is_bad;
                self.write(|reporter| reporter.finished(case));
            }
            Event::BadRow(place) => self.summary.bad_rows.note(place),
        }
        if self.is_stopped || self.written.is_err() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Tells every reporter, until one cannot write.
    fn write(&mut self, tell: impl FnMut(&mut Box<dyn Reporter>) -> io::Result<()>) {
        if self.written.is_ok() {
            self.written = self.reporters.iter_mut().try_for_each(tell);
        }
    }
}

impl Evaluation<'_> {
    async fn run(&self, reporters: &mut [Box<dyn Reporter>]) -> io::Result<Summary> {
        let started = Instant::now();
        let notices = self.notices();
        if !self.has_human {
            for notice in &notices {
                eprintln!("note: {notice}");
            }
        }
        for reporter in reporters.iter_mut() {
            reporter.started(&notices)?;
        }
        let is_shown = reporters.iter().any(|reporter| reporter.shows_summary());
        let fingerprinting =
            is_shown.then(|| Fingerprinting::begin(self.project, self.suites, self.selection));
        let listeners = RefCell::new(Listeners {
            reporters,
            summary: Summary::default(),
            tally: Tally::new(self.suites),
            fingerprinting,
            fail_fast: self.fail_fast,
            is_stopped: false,
            written: Ok(()),
        });
        let mut plan = self.selection.plan(self.suites, self.project);
        let planned = plan.by_ref().filter(|planned| match planned {
            Planned::BadRow(place) => {
                listeners.borrow_mut().summary.bad_rows.note(place);
                false
            }
            Planned::Fault(_) => true,
            Planned::Case(evaluator) => match not_run(evaluator, self.runner) {
                Some(reason) => {
                    listeners.borrow_mut().skip(&evaluator.id, &reason);
                    false
                }
                None => true,
            },
        });
        let work = run_all(self.runner, planned, |event| {
            listeners.borrow_mut().hear(&event)
        });
        let mut interrupts = Interrupts::listen();
        let interrupted = tokio::select! {
            () = work => false,
            () = interrupts.next() => true,
        };
        super::close(self.runner, &mut interrupts).await;
        let Listeners {
            reporters,
            mut summary,
            tally,
            fingerprinting,
            is_stopped,
            written,
            ..
        } = listeners.into_inner();
        written?;
        summary.seconds = started.elapsed().as_secs_f64();
        summary.requirements = tally.requirements(self.extent(is_stopped, interrupted));
        summary.rates = tally.rates();
        summary.fingerprint =
            fingerprinting.map(|fingerprinting| fingerprinting.finish(self.runner, interrupted));
        summary.interrupted = interrupted;
        summary.notes = plan.notes();
        if !self.has_human {
            for note in &summary.notes {
                eprintln!("note: {}", visible(note));
            }
            if summary.bad_rows.count > 0 {
                eprintln!("not run: {}", visible(&summary.bad_rows.text()));
            }
        }
        for reporter in reporters.iter_mut() {
            reporter.summary(&summary)?;
        }
        Ok(summary)
    }

    fn extent(&self, is_stopped: bool, interrupted: bool) -> Extent {
        if interrupted {
            Extent::Interrupted
        } else if is_stopped {
            Extent::Stopped
        } else if self.selection.is_narrowed() {
            Extent::Selected
        } else {
            Extent::All
        }
    }

    fn notices(&self) -> Vec<String> {
        let cases = self.suites.iter().flat_map(|suite| &suite.cases);
        let backends: Vec<_> = cases.map(crate::compile::CasePlan::backends).collect();
        self.runner
            .notices(backends.iter().map(Vec::as_slice))
            .into_iter()
            .collect()
    }
}

/// Why a case is listed and not run.
fn not_run(evaluator: &Evaluator, runner: &Runner) -> Option<String> {
    evaluator.ignored().or_else(|| runner.missing(evaluator))
}

pub(super) fn attempt(arguments: &TryArguments) -> Exit {
    let mut project = open(std::slice::from_ref(&arguments.suite));
    let suites = match compile(&mut project, std::slice::from_ref(&arguments.suite)) {
        Ok(suites) => suites,
        Err(exit) => return exit,
    };
    let evaluator = match one_case(&project, &suites, arguments.case.as_deref()) {
        Ok(evaluator) => evaluator,
        Err(exit) => return exit,
    };
    let mut bytes = Vec::new();
    if let Err(error) = io::stdin().read_to_end(&mut bytes) {
        return refuse(
            &format!("cannot read the reply from standard input: {error}"),
            None,
        );
    }
    let reply = Reply::Text(String::from_utf8_lossy(&bytes).into_owned());
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return trouble(&error),
    };
    let ready =
        arguments
            .backend
            .ready(&project, &runtime, evaluator.isolation, &evaluator.backends);
    let runner = match ready {
        Ok(runner) => runner,
        Err(exit) => return exit,
    };
    let evaluated = runtime.block_on(super::evaluate(&runner, &evaluator, Some(&reply)));
    let Some(outcome) = evaluated else {
        return Exit::Interrupted;
    };
    let text = if arguments.json {
        let object = crate::report::wire::outcome(outcome.id.to_string().into(), &outcome);
        json_line(&object).unwrap_or_default()
    } else {
        format!("{}\n{}", outcome.id, explain_outcome(&outcome))
    };
    if writeln!(io::stdout(), "{text}").is_err() {
        return Exit::Passed;
    }
    exit_of_one(&outcome)
}

pub(super) fn exit_of_one(outcome: &Outcome) -> Exit {
    match &outcome.result {
        Ok(reward) if reward.passed => Exit::Passed,
        Ok(_) => Exit::Below,
        Err(fault) => match fault.kind {
            FaultKind::Infrastructure => Exit::Infrastructure,
            FaultKind::Configuration | FaultKind::Input => Exit::Configuration,
        },
    }
}

/// Whether a name is that of a case without the cell.
fn is_cell_of(id: &CaseId, name: &str) -> bool {
    let case = match name.split_once("::") {
        Some((suite, case)) if suite == id.suite => case,
        _ => name,
    };
    id.cell.is_some() && id.case == case
}

/// The one case that is meant: by its name or id, or the only one. Where a matrix multiplies it, its
/// cell belongs to the name.
pub(super) fn one_case(
    project: &Project,
    suites: &[SuitePlan],
    name: Option<&str>,
) -> Result<Arc<Evaluator>, Exit> {
    let selection = Selection::default();
    let mut names = Vec::new();
    let mut first = None;
    let mut cells = Vec::new();
    for planned in selection.plan(suites, project) {
        let evaluator = match planned {
            Planned::Case(evaluator) => evaluator,
            Planned::Fault(outcome) => match &outcome.result {
                Err(fault) => return Err(refuse(&fault.message, None)),
                Ok(_) => continue,
            },
            Planned::BadRow(_) => continue,
        };
        match name {
            Some(name) if evaluator.id.name() == name || evaluator.id.to_string() == name => {
                return Ok(evaluator);
            }
            Some(name) if is_cell_of(&evaluator.id, name) => cells.push(Arc::clone(&evaluator)),
            Some(_) => {}
            None if first.is_some() => {
                return Err(refuse(
                    "the suite has more than one case",
                    Some("name one: `rewardspec list` shows them"),
                ));
            }
            None => first = Some(Arc::clone(&evaluator)),
        }
        names.push(evaluator.id.name());
    }
    match &cells[..] {
        [] => {}
        [only] => return Ok(Arc::clone(only)),
        cells => {
            let ids: Vec<String> = cells.iter().map(|cell| cell.id.to_string()).collect();
            let message = format!(
                "`{}` is several cells of a matrix",
                name.unwrap_or_default()
            );
            return Err(refuse(
                &message,
                Some(&format!("name one: {}", ids.join(", "))),
            ));
        }
    }
    match (name, first) {
        (None, Some(evaluator)) => Ok(evaluator),
        (Some(name), _) => {
            let help = crate::diagnostic::nearest(name, names.iter().map(String::as_str))
                .map(|nearest| format!("did you mean `{nearest}`?"));
            Err(refuse(
                &format!("no case is named `{name}`"),
                help.as_deref().or(Some("`rewardspec list` shows them")),
            ))
        }
        (None, None) => Err(refuse("the suite has no cases", None)),
    }
}
