//! `score`: JSONL rows in, results out, in order inside a window, as soon as they are known.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::window::Window;
use super::{BackendArguments, Exit, open, refuse, runtime};
use crate::compile::{CasePlan, Row, SuitePlan};
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::escape::json_line;
use crate::evaluator::{BackendChoice, Evaluator, Reply};
use crate::project::{Project, stem};
use crate::report::wire;
use crate::reward::Fault;
use crate::run::{Interrupts, Runner};

#[derive(Debug, clap::Args)]
pub(super) struct ScoreArguments {
    /// Write results as they are done, not in the order of rows
    #[arg(long)]
    unordered: bool,
    /// End with a non-zero status when a row could not be scored
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    backend: BackendArguments,
}

/// Rows whose results wait for one before them; with more, that one comes out when it is there.
const WINDOW_ROWS: usize = 4096;
/// Bytes of the results that wait.
const WINDOW_BYTES: usize = 64 * 1024 * 1024;
/// Lines read ahead of what is scored.
const LINES_AHEAD: usize = 4;
/// Bytes of one row.
const ROW_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Keys of a row that are not a case's.
const ROW_KEYS: &[&str] = &[
    "id",
    "suite",
    "case",
    "cell",
    "row",
    "reply",
    "replies",
    "code",
    "extractor",
];

pub(super) fn score(arguments: &ScoreArguments) -> Exit {
    let project = open(&[]);
    if !project.diagnostics.is_empty() {
        return super::report(&project.diagnostics, &project);
    }
    let Ok(runtime) = runtime() else {
        return refuse("cannot start the runtime", None);
    };
    // Each row may state more; the usual is what holds for all.
    let auto = [BackendChoice::E2b, BackendChoice::Local];
    let runner = match arguments.backend.ready(&project, &runtime, None, &auto) {
        Ok(runner) => Arc::new(runner),
        Err(exit) => return exit,
    };
    let mut scorer = Scorer {
        project,
        runner,
        suites: HashMap::new(),
        faults: Faults::default(),
    };
    let result = runtime.block_on(async {
        let mut interrupts = Interrupts::listen();
        let written = scorer.stream(arguments.unordered, &mut interrupts).await;
        super::close(&scorer.runner, &mut interrupts).await;
        written
    });
    match result {
        Ok(End::Interrupted) => Exit::Interrupted,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Passed,
        Err(error) => refuse(&error.to_string(), None),
        Ok(End::OfRows) if arguments.strict && scorer.faults.of_rows => Exit::Configuration,
        Ok(End::OfRows) if arguments.strict && scorer.faults.of_machine => Exit::Infrastructure,
        Ok(End::OfRows) => Exit::Passed,
    }
}

#[derive(Debug, Default)]
struct Faults {
    of_rows: bool,
    of_machine: bool,
}

struct Scorer {
    project: Project,
    runner: Arc<Runner>,
    suites: HashMap<String, Arc<SuitePlan>>,
    faults: Faults,
}

/// Why a stream of rows ended.
enum End {
    OfRows,
    Interrupted,
}

/// The lines of one row's result.
type Results = Vec<Map<String, Value>>;

impl Scorer {
    async fn stream(&mut self, unordered: bool, interrupts: &mut Interrupts) -> io::Result<End> {
        let (sender, mut lines) = tokio::sync::mpsc::channel(LINES_AHEAD);
        std::thread::spawn(move || {
            let mut input = io::stdin().lock();
            while let Some(line) = next_line(&mut input).transpose() {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        let rows_at_once = self.runner.at_once();
        let mut window = Window::new(WINDOW_ROWS, WINDOW_BYTES);
        // Ended with the set, should this future be dropped.
        let mut scoring: JoinSet<(usize, Results)> = JoinSet::new();
        let mut number = 0;
        let mut open = true;
        while open || !scoring.is_empty() {
            tokio::select! {
                line = lines.recv(), if open && scoring.len() < rows_at_once => match line {
                    None => open = false,
                    Some(line) => {
                        number += 1;
                        let line = line?;
                        if line.trim_ascii().is_empty() {
                            continue;
                        }
                        let work = self.row(&line, number);
                        let row = window.enter();
                        scoring.spawn(async move { (row, work.await) });
                    }
                },
                Some(scored) = scoring.join_next() => {
                    let (row, results) = match scored {
                        Ok((row, results)) => (Some(row).filter(|_| !unordered), results),
                        Err(error) => (None, panicked(&error)),
                    };
                    self.note(&results);
                    let lines = lines_of(&results)?;
                    let bytes = lines.len();
                    let out = match row {
                        Some(row) => window.finish(row, lines, bytes),
                        None => vec![lines],
                    };
                    out.iter().try_for_each(|lines| put(lines))?;
                }
                () = interrupts.next() => return Ok(End::Interrupted),
            }
        }
        window.rest().try_for_each(|lines| put(&lines))?;
        Ok(End::OfRows)
    }

    /// Remembers what could not be scored.
    fn note(&mut self, results: &Results) {
        for result in results {
            match result
                .get("error")
                .and_then(|error| error.get("kind"))
                .and_then(Value::as_str)
            {
                Some("infrastructure") => self.faults.of_machine = true,
                Some(_) => self.faults.of_rows = true,
                None => {}
            }
        }
    }

    /// Compiles a row now and scores it later.
    fn row(
        &mut self,
        line: &[u8],
        number: usize,
    ) -> impl Future<Output = Results> + Send + 'static {
        let (id, compiled) = self.compile(line, number);
        let runner = Arc::clone(&self.runner);
        async move {
            let (evaluator, replies, is_group) = match compiled {
                Ok(compiled) => compiled,
                Err(fault) => return vec![wire::fault(id, number, &fault)],
            };
            // A group may be large, and each reply that is begun takes memory.
            let at_once = runner.at_once();
            let mut replies = replies.into_iter().enumerate();
            // Ended with this future, should it be dropped.
            let mut samples = JoinSet::new();
            let mut outcomes = BTreeMap::new();
            let mut results = Vec::new();
            loop {
                for (index, reply) in replies.by_ref().take(at_once - samples.len()) {
                    let (runner, evaluator) = (Arc::clone(&runner), Arc::clone(&evaluator));
                    samples.spawn(async move {
                        let mut outcome = runner.evaluate(&evaluator, Some(&reply)).await;
                        outcome.sample = is_group.then_some(index);
                        (index, outcome)
                    });
                }
                let Some(joined) = samples.join_next().await else {
                    break;
                };
                match joined {
                    Ok((index, outcome)) => drop(outcomes.insert(index, outcome)),
                    Err(error) => {
                        let message = format!("an evaluation panicked: {error}");
                        let fault = Fault::infrastructure(message);
                        results.push(wire::fault(id.clone(), number, &fault));
                    }
                }
            }
            results.extend(
                outcomes
                    .values()
                    .map(|outcome| wire::outcome(id.clone(), outcome)),
            );
            results
        }
    }

    fn compile(&mut self, line: &[u8], number: usize) -> (Value, Result<Compiled, Fault>) {
        let mut columns = match serde_json::from_slice(line) {
            Ok(Value::Object(columns)) => columns,
            Ok(_) => return (Value::Null, Err(Fault::input("the row is no JSON object"))),
            Err(error) => {
                return (
                    Value::Null,
                    Err(Fault::input(format!("the row is not JSON: {error}"))),
                );
            }
        };
        let id = columns.shift_remove("id").unwrap_or(Value::Null);
        (id, self.compile_row(columns, number))
    }

    fn compile_row(
        &mut self,
        mut columns: Map<String, Value>,
        number: usize,
    ) -> Result<Compiled, Fault> {
        let (replies, is_group) = replies(&mut columns)?;
        let evaluator = match columns.shift_remove("suite") {
            Some(Value::String(suite)) => self.of_suite(&suite, columns, number)?,
            Some(_) => return Err(Fault::input("`suite` is no text")),
            None => {
                if let Some(extractor) = columns.shift_remove("extractor") {
                    columns.insert("code".to_owned(), extractor);
                }
                self.project
                    .inline(&columns)
                    .map_err(|diagnostics| fault(&diagnostics, &self.project))?
            }
        };
        Ok((Arc::new(evaluator), replies, is_group))
    }

    /// A suite as a function: of one of its cases, or of a row.
    fn of_suite(
        &mut self,
        name: &str,
        mut columns: Map<String, Value>,
        number: usize,
    ) -> Result<Evaluator, Fault> {
        let suite = self.suite(name)?;
        let (case, row) = (columns.shift_remove("case"), columns.shift_remove("row"));
        let cell = match columns.shift_remove("cell") {
            Some(Value::String(cell)) => Some(cell),
            Some(_) => return Err(Fault::input("`cell` is no text")),
            None => None,
        };
        if let Some(key) = columns.keys().next() {
            let help = did_you_mean(key, ROW_KEYS.iter().copied()).unwrap_or_default();
            return Err(Fault::input(format!(
                "unknown key `{key}` beside `suite`; {help}"
            )));
        }
        let case = match case {
            Some(Value::String(case)) => Some(case),
            Some(_) => return Err(Fault::input("`case` is no text")),
            None => None,
        };
        let row = match row {
            Some(Value::Object(columns)) => Some(Row {
                file: "<row>".to_owned(),
                line: number,
                column: 1,
                number,
                columns,
            }),
            Some(_) => return Err(Fault::input("`row` is no object")),
            None if case.is_none() => {
                return Err(Fault::input("`suite` needs `case` or `row` beside it"));
            }
            None => None,
        };
        let cells = meant(&suite, case.as_deref(), row.is_some())?;
        let what = match &case {
            Some(case) => format!("the case `{case}`"),
            None => format!("the suite `{name}`"),
        };
        let plan = of_cell(&cells, cell.as_deref(), &what)?;
        let evaluator = plan.evaluator(row.as_ref(), &self.project.sources);
        evaluator.map_err(|diagnostic| fault_of(&diagnostic, &self.project))
    }

    fn suite(&mut self, name: &str) -> Result<Arc<SuitePlan>, Fault> {
        if let Some(suite) = self.suites.get(name) {
            return Ok(Arc::clone(suite));
        }
        let files = self
            .project
            .suite_files()
            .map_err(|diagnostics| fault(&diagnostics, &self.project))?;
        let file = files
            .iter()
            .find(|file| stem(file) == name || file.as_path() == Path::new(name));
        let Some(file) = file else {
            let stems: Vec<String> = files.iter().map(|file| stem(file)).collect();
            let help = did_you_mean(name, stems.iter().map(String::as_str)).unwrap_or_default();
            return Err(Fault::input(format!("no suite is named `{name}`; {help}")));
        };
        let suite = Arc::new(
            self.project
                .suite(file)
                .map_err(|diagnostics| fault(&diagnostics, &self.project))?,
        );
        self.suites.insert(name.to_owned(), Arc::clone(&suite));
        Ok(suite)
    }
}

/// The cell that is meant, of the cells of one case.
fn of_cell<'c>(
    cells: &[&'c CasePlan],
    wanted: Option<&str>,
    of: &str,
) -> Result<&'c CasePlan, Fault> {
    let shown = || {
        let cells = cells.iter().filter_map(|case| case.id.cell.as_deref());
        let cells: Vec<String> = cells.map(|cell| format!("`{cell}`")).collect();
        cells.join(", ")
    };
    match (wanted, cells) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Fault::input(format!(
            "{of} has several cells, and the row has no `cell`: write one of {}",
            shown()
        ))),
        (Some(wanted), cells) => {
            let mut found = cells.iter();
            let found = found.find(|case| case.id.cell.as_deref() == Some(wanted));
            found.copied().ok_or_else(|| match shown() {
                none if none.is_empty() => {
                    Fault::input(format!("{of} has no matrix, and so no cell `{wanted}`"))
                }
                shown => Fault::input(format!("{of} has no cell `{wanted}`; it has {shown}")),
            })
        }
    }
}

/// The next line without its end; nothing at the end of the input. Of a line that is too long only the
/// beginning is kept, which is no JSON then and told as such.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = io::Read::take(&mut *input, ROW_BYTES_MAX).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

fn lines_of(results: &Results) -> io::Result<String> {
    let mut lines = String::new();
    for result in results {
        lines.push_str(&json_line(result)?);
        lines.push('\n');
    }
    Ok(lines)
}

fn put(lines: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()
}

/// The cells of the case that is meant: one of those that are functions of a row, where there is one.
fn meant<'s>(
    suite: &'s SuitePlan,
    case: Option<&str>,
    has_row: bool,
) -> Result<Vec<&'s CasePlan>, Fault> {
    let name = &suite.name;
    let takes_row = |plan: &&CasePlan| plan.dataset.is_some();
    let mut known: Vec<&str> = suite
        .cases
        .iter()
        .filter(|plan| takes_row(plan) == has_row)
        .map(|plan| plan.id.case.as_str())
        .collect();
    known.dedup();
    if known.is_empty() {
        return Err(Fault::input(if has_row {
            format!("the suite `{name}` has no `dataset`, so it is no function of a row")
        } else {
            format!("the suite `{name}` makes its cases of rows: give one under `row`")
        }));
    }
    let wanted = match (case, &known[..]) {
        (Some(case), _) => case,
        (None, [only]) => only,
        (None, _) => {
            return Err(Fault::input(format!(
                "the suite `{name}` has several cases: name one under `case`: `{}`",
                known.join("`, `")
            )));
        }
    };
    if !known.contains(&wanted) {
        let help = did_you_mean(wanted, known.iter().copied()).unwrap_or_default();
        return Err(Fault::input(format!(
            "the suite `{name}` has no case `{wanted}`; {help}"
        )));
    }
    let cells = suite.cases.iter();
    Ok(cells
        .filter(|plan| takes_row(plan) == has_row && plan.id.case == wanted)
        .collect())
}

/// A row made ready: what judges it, its replies, and whether they are a group.
type Compiled = (Arc<Evaluator>, Vec<Reply>, bool);

/// The replies of a row, and whether they are a group.
fn replies(columns: &mut Map<String, Value>) -> Result<(Vec<Reply>, bool), Fault> {
    let given = (
        columns.shift_remove("reply"),
        columns.shift_remove("replies"),
        columns.shift_remove("code"),
    );
    match given {
        (Some(Value::String(reply)), None, None) => Ok((vec![Reply::Text(reply)], false)),
        (None, None, Some(Value::String(code))) => Ok((vec![Reply::Code(code)], false)),
        (None, Some(Value::Array(replies)), None) if replies.is_empty() => {
            Err(Fault::input("`replies` is empty: nothing would be scored"))
        }
        (None, Some(Value::Array(replies)), None) => {
            let texts: Option<Vec<Reply>> = replies
                .iter()
                .map(|reply| reply.as_str().map(|text| Reply::Text(text.to_owned())))
                .collect();
            texts
                .map(|replies| (replies, true))
                .ok_or_else(|| Fault::input("`replies` is no list of texts"))
        }
        (None, None, None) => Err(Fault::input(
            "the row has none of `reply`, `replies` and `code`",
        )),
        (Some(_), None, None) => Err(Fault::input("`reply` is no text")),
        (None, Some(_), None) => Err(Fault::input("`replies` is no list")),
        (None, None, Some(_)) => Err(Fault::input(
            "`code` is no text; an extractor's name stands under `extractor`",
        )),
        _ => Err(Fault::input(
            "the row has more than one of `reply`, `replies` and `code`",
        )),
    }
}

fn fault(diagnostics: &Diagnostics, project: &Project) -> Fault {
    let told: Vec<String> = diagnostics
        .list
        .iter()
        .map(|diagnostic| fault_of(diagnostic, project).message)
        .collect();
    Fault::configuration(told.join("\n"))
}

fn fault_of(diagnostic: &Diagnostic, project: &Project) -> Fault {
    let mut message = diagnostic.one_line(&project.sources);
    if let Some(help) = &diagnostic.help {
        message.push_str("; ");
        message.push_str(help);
    }
    Fault::configuration(message)
}

fn panicked(error: &tokio::task::JoinError) -> Results {
    vec![wire::fault(
        Value::Null,
        0,
        &Fault::infrastructure(format!("an evaluation panicked: {error}")),
    )]
}
