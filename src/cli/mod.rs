//! The command line: arguments, dispatch, and the exit statuses.

#![expect(
    clippy::print_stderr,
    reason = "the command line is where things are printed"
)]

mod doctor;
mod explain;
mod inspect;
mod parity;
mod rules;
mod run;
mod schema;
mod score;
mod window;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::backend::e2b::E2b;
use crate::backend::local::{Local, LocalOptions};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::escape::visible;
use crate::evaluator::{BackendChoice, Evaluator, Reply};
use crate::execution::Isolation;
use crate::project::Project;
use crate::run::{Interrupts, Outcome, Policy, Runner, forced_backend};

/// How the command ends. The first that applies, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Interrupted; what is done is written.
    Interrupted = 130,
    /// A mistake in a suite, a rule, a row or an argument.
    Configuration = 2,
    /// A backend could not be reached, a sandbox could not start.
    Infrastructure = 3,
    /// A case is not as wanted.
    Below = 1,
    /// Everything is as wanted.
    Passed = 0,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

#[derive(Debug, Parser)]
#[command(
    name = "rewardspec",
    version,
    about = "Score code that language models write: YAML suites in, rewards out"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Evaluate suites: live progress, then a table, causes of zeros, the slowest cases
    Run(run::RunArguments),
    /// Score one reply from standard input, at once, with the explanation
    Try(run::TryArguments),
    /// Validate suites and rules without running anything
    Check(inspect::CheckArguments),
    /// Print what would run
    List(inspect::ListArguments),
    /// Show a compiled case: prompt, extraction, program, comparison, score
    Explain(explain::ExplainArguments),
    /// Score JSONL rows from standard input to standard output
    Score(score::ScoreArguments),
    /// Run every case and rule example as a test, as `cargo test` does
    Test(TestArguments),
    /// Say what this machine offers: interpreters, layers of isolation, and what to do
    Doctor(doctor::DoctorArguments),
    /// List, show and try rules
    Rules(rules::RulesArguments),
    /// Print or write the JSON Schemas of suites and rule packs, for editors
    Schema(schema::SchemaArguments),
}

#[derive(Debug, clap::Args)]
struct TestArguments {
    /// Arguments of the test harness, such as a filter, --list, --exact, --ignored
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments).into(),
        Command::Try(arguments) => run::attempt(&arguments).into(),
        Command::Check(arguments) => inspect::check(&arguments).into(),
        Command::List(arguments) => inspect::list(&arguments).into(),
        Command::Explain(arguments) => explain::explain(&arguments).into(),
        Command::Score(arguments) => score::score(&arguments).into(),
        Command::Doctor(arguments) => doctor::doctor(&arguments).into(),
        Command::Rules(arguments) => rules::rules(&arguments).into(),
        Command::Schema(arguments) => schema::schema(&arguments).into(),
        Command::Test(arguments) => {
            let words = std::iter::once("rewardspec test".to_owned()).chain(arguments.arguments);
            crate::trials::run(&libtest_mimic::Arguments::from_iter(words), Path::new("."))
        }
    }
}

/// Options that say where programs run.
#[derive(Debug, Clone, Default, clap::Args)]
struct BackendArguments {
    /// Programs that run at once [default: one for each core, 16 in E2B's cloud]
    #[arg(long, short = 'j', value_name = "N")]
    jobs: Option<usize>,
    /// The only backend to use, whatever a case prefers; `auto` is E2B if its key is set, else this
    /// machine [default: REWARDSPEC_BACKEND, else what cases say]
    #[arg(long, value_name = "NAME")]
    backend: Option<BackendArgument>,
    /// The least isolation that is accepted, whatever a suite states; below it nothing runs
    /// [default: what suites state, else reduced]
    #[arg(long, value_name = "RUNG")]
    isolation: Option<IsolationArgument>,
    /// Start an interpreter for every program; none is a fork of one that is warm
    #[arg(long)]
    cold: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum IsolationArgument {
    /// Every layer
    Full,
    /// Files, network, identity, secrets and the whole tree are contained; what is missing is named
    Reduced,
    /// A separate process with your rights
    None,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum BackendArgument {
    /// E2B if its key is set, else this machine
    Auto,
    /// This machine
    Local,
    /// E2B's cloud
    E2b,
}

impl BackendArguments {
    /// A runner for cases that all state the same; what a user must know of it is said.
    fn ready(
        &self,
        project: &Project,
        runtime: &tokio::runtime::Runtime,
        stated: Option<Isolation>,
        backends: &[BackendChoice],
    ) -> Result<Runner, Exit> {
        let _entered = runtime.enter();
        let runner = self.runner(project)?;
        if let Some((paragraph, _)) = runner.refusal([(backends, stated)]) {
            eprintln!("error: programs are not run: {paragraph}");
            return Err(Exit::Infrastructure);
        }
        for notice in runner.notices([backends]) {
            eprintln!("note: {notice}");
        }
        Ok(runner)
    }

    fn runner(&self, project: &Project) -> Result<Runner, Exit> {
        let isolation = self.isolation.map(|isolation| match isolation {
            IsolationArgument::Full => Isolation::Full,
            IsolationArgument::Reduced => Isolation::Reduced,
            IsolationArgument::None => Isolation::None,
        });
        let policy = Policy::new(isolation, project.config().isolation)
            .map_err(|message| refuse(&message, None))?;
        let jobs = self.jobs.or(project.config().jobs);
        let forced = match self.backend {
            None => forced_backend().map_err(|message| refuse(&message, None))?,
            Some(BackendArgument::Auto) => None,
            Some(BackendArgument::Local) => Some(BackendChoice::Local),
            Some(BackendArgument::E2b) => Some(BackendChoice::E2b),
        };
        let local = Local::new(LocalOptions {
            jobs,
            cold: self.cold,
            ..LocalOptions::default()
        });
        let e2b = E2b::from_environment(self.jobs).map_err(|error| {
            eprintln!("error: {error}");
            Exit::Infrastructure
        })?;
        Ok(Runner::new(local, e2b, forced, policy))
    }
}

/// Scores one reply; nothing when this process was asked to end meanwhile. Ends the backends.
async fn evaluate(
    runner: &Runner,
    evaluator: &Evaluator,
    reply: Option<&Reply>,
) -> Option<Outcome> {
    let mut interrupts = Interrupts::listen();
    let outcome = tokio::select! {
        outcome = runner.evaluate(evaluator, reply) => Some(outcome),
        () = interrupts.next() => None,
    };
    close(runner, &mut interrupts).await;
    outcome
}

/// Ends what the backends keep, and says what could not be ended. A second interrupt ends the wait.
async fn close(runner: &Runner, interrupts: &mut Interrupts) {
    let left = tokio::select! {
        left = runner.close() => left,
        () = interrupts.next() => Some("interrupted while ending what runs elsewhere".to_owned()),
    };
    if let Some(left) = left {
        eprintln!("warning: {left}");
    }
}

/// The runtime that waits for programs.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// The project of the first path, or of the working directory.
fn open(paths: &[PathBuf]) -> Project {
    match paths.first() {
        Some(path) if path.is_dir() => Project::open(path),
        Some(path) => Project::open(
            path.parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        ),
        None => Project::open(Path::new(".")),
    }
}

/// Says what is wrong, all of it.
fn report(diagnostics: &Diagnostics, project: &Project) -> Exit {
    eprintln!(
        "{}",
        diagnostics.render(&project.sources, colour(&std::io::stderr()))
    );
    let count = diagnostics.list.len();
    eprintln!(
        "\n{count} configuration {}",
        if count == 1 { "error" } else { "errors" }
    );
    Exit::Configuration
}

/// A mistake that is in no file.
fn refuse(message: &str, help: Option<&str>) -> Exit {
    eprintln!("error: {}", visible(message));
    if let Some(help) = help {
        eprintln!("  = help: {}", visible(help));
    }
    Exit::Configuration
}

/// Whether a stream wants colours: a terminal, and no `NO_COLOR` (<https://no-color.org>).
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The suite files that arguments name, or all of the project.
fn suite_files(project: &Project, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostics> {
    if paths.is_empty() {
        return project.suite_files();
    }
    let places: Vec<PathBuf> = paths
        .iter()
        .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        .collect();
    project.suite_files_at(&places)
}

/// Compiles the suites that arguments name; everything wrong with all of them is said at once.
fn compile(
    project: &mut Project,
    paths: &[PathBuf],
) -> Result<Vec<crate::compile::SuitePlan>, Exit> {
    let suites = compiled(project, paths).map_err(|diagnostics| report(&diagnostics, project))?;
    if suites.is_empty() {
        let diagnostic = no_suites(project);
        return Err(refuse(&diagnostic.message, diagnostic.help.as_deref()));
    }
    Ok(suites)
}

/// That there is nothing to compile.
fn no_suites(project: &Project) -> Diagnostic {
    let message = format!("no suites in {}", project.root().display());
    Diagnostic::nowhere(message)
        .help("write one under suites/, or name a file: rewardspec run my-suite.yaml")
}

/// The same with what is wrong; there may be no suites.
fn compiled(
    project: &mut Project,
    paths: &[PathBuf],
) -> Result<Vec<crate::compile::SuitePlan>, Diagnostics> {
    let (suites, diagnostics) = compiled_so_far(project, paths);
    if diagnostics.is_empty() {
        Ok(suites)
    } else {
        Err(diagnostics)
    }
}

/// The suites that compile, and everything that is wrong with the others and the rules.
fn compiled_so_far(
    project: &mut Project,
    paths: &[PathBuf],
) -> (Vec<crate::compile::SuitePlan>, Diagnostics) {
    let mut diagnostics = std::mem::take(&mut project.diagnostics);
    let mut suites = Vec::new();
    match suite_files(project, paths) {
        Ok(files) => {
            for file in files {
                match project.suite(&file) {
                    Ok(suite) => suites.push(suite),
                    Err(found) => diagnostics.extend(found),
                }
            }
        }
        Err(found) => diagnostics.extend(found),
    }
    (suites, diagnostics)
}

/// Writes a line to standard output; a reader that went away ends the command quietly.
fn put_line(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")
}
