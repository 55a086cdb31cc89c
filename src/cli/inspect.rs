//! `check` and `list`: what would run, and whether it is well-formed; nothing is executed.

use std::path::PathBuf;

use super::{Exit, colour, compile, compiled_so_far, no_suites, open, put_line, report};
use crate::compile::{SuitePlan, later_warnings, nothing_bad};
use crate::diagnostic::{Diagnostic, Diagnostics, PlacedDiagnostic, Severity};
use crate::escape::{json_line, visible};
use crate::project::Project;
use crate::report::BadRows;
use crate::run::{Made, Planned, RowCases, Selection};

#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// Suite files or directories [default: the project's suites/]
    paths: Vec<PathBuf>,
    /// How what is wrong is told
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: CheckFormat,
}

/// How what is wrong is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CheckFormat {
    /// For people, on standard error
    Human,
    /// An object a line: file, line, column, message, expected, help
    Json,
    /// Commands that GitHub shows beside the lines meant
    Github,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// Suite files or directories [default: the project's suites/]
    paths: Vec<PathBuf>,
    /// Only cases whose id contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Only cases with this tag, several times if wanted
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only cases in this language, several times if wanted
    #[arg(long, value_name = "NAME")]
    language: Vec<String>,
}

/// Bad rows of one dataset that are shown.
const BAD_ROWS_SHOWN_MAX: usize = 20;

pub(super) fn check(arguments: &CheckArguments) -> Exit {
    let mut project = open(&arguments.paths);
    let (suites, mut diagnostics) = compiled_so_far(&mut project, &arguments.paths);
    if suites.is_empty() && diagnostics.is_empty() {
        diagnostics.push(no_suites(&project));
    }
    // The rows of good suites are looked at even where other files are wrong.
    let mut count = 0;
    let mut bad_rows = BadRows::default();
    for case in suites.iter().flat_map(|suite| &suite.cases) {
        let rows = match RowCases::open(case, &project, None) {
            Ok(Some(rows)) => rows,
            Ok(None) => {
                count += 1;
                continue;
            }
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                continue;
            }
        };
        let seen = check_rows(rows, &mut bad_rows, &mut diagnostics);
        let dataset = case.dataset.as_ref();
        let file = dataset.map_or("", |dataset| dataset.written.value.as_str());
        if let (0, Some(dataset)) = (seen.cases + seen.bad, dataset) {
            let message = if dataset.is_narrowed() {
                format!("no row of `{file}` counts by `where`: nothing would be tested")
            } else {
                format!("`{file}` has no rows: nothing would be tested")
            };
            diagnostics.push(Diagnostic::at(dataset.written.span, message));
        }
        if seen.bad > BAD_ROWS_SHOWN_MAX {
            diagnostics.push(Diagnostic::nowhere(format!(
                "{} more bad rows in `{file}`",
                seen.bad - BAD_ROWS_SHOWN_MAX
            )));
        }
        count += seen.cases;
    }
    for diagnostic in failing_examples(&mut project) {
        diagnostics.push(diagnostic);
    }
    if !diagnostics.is_empty() {
        return tell(&diagnostics, arguments.format, &project);
    }
    let warnings = warnings(&suites, &project, arguments.paths.is_empty());
    if arguments.format != CheckFormat::Human {
        tell(&warnings, arguments.format, &project);
        return Exit::Passed;
    }
    if let Some(example) = example(&suites, &project) {
        let _ = put_line(&example);
    }
    let told = match warnings.list.len() {
        0 => String::new(),
        count => {
            eprintln!(
                "{}\n",
                warnings.render(&project.sources, colour(&std::io::stderr()))
            );
            format!(", {count} {}", plural(count, "warning"))
        }
    };
    if bad_rows.count > 0 {
        let _ = put_line(&format!("not run: {}", visible(&bad_rows.text())));
    }
    let suites = suites.len();
    let _ = put_line(&format!(
        "{suites} {}, {count} {}: no errors{told}",
        plural(suites, "suite"),
        plural(count, "case")
    ));
    Exit::Passed
}

/// Rows that were looked at.
#[derive(Debug, Default)]
struct Seen {
    /// Those that make a case.
    cases: usize,
    /// Those that are an error.
    bad: usize,
}

/// Looks at every row of a dataset.
fn check_rows(
    mut rows: RowCases<'_>,
    left_out: &mut BadRows,
    diagnostics: &mut Diagnostics,
) -> Seen {
    let mut seen = Seen::default();
    while let Some((_, made)) = rows.next(|_| true) {
        match made {
            Made::Case(_) => seen.cases += 1,
            Made::Skipped(place) => left_out.note(&format!("{}:{}", place.file, place.line)),
            Made::Bad(diagnostic) => {
                seen.bad += 1;
                if seen.bad <= BAD_ROWS_SHOWN_MAX {
                    diagnostics.push(diagnostic);
                }
            }
        }
    }
    seen
}

/// What is probably not meant.
fn warnings(suites: &[SuitePlan], project: &Project, are_all: bool) -> Diagnostics {
    let mut warnings = Diagnostics::default();
    warnings.list.extend(nothing_bad(suites));
    for suite in suites {
        warnings.extend(suite.warnings.clone());
        warnings.extend(later_warnings(suite));
    }
    warnings.extend(project.pack_warnings(suites, are_all));
    warnings.sort();
    warnings
}

/// One case as it is rendered: a row of a dataset, where there is one.
fn example(suites: &[SuitePlan], project: &Project) -> Option<String> {
    let mut cases = suites.iter().flat_map(|suite| &suite.cases);
    let first = cases.clone().next()?;
    let case = cases.find(|case| case.dataset.is_some()).unwrap_or(first);
    let evaluator = match RowCases::open(case, project, None).ok()? {
        None => case.evaluator(None, &project.sources).ok()?,
        Some(mut rows) => loop {
            if let (_, Made::Case(evaluator)) = rows.next(|_| true)? {
                break *evaluator;
            }
        },
    };
    Some(super::explain::in_short(&evaluator))
}

/// The examples of the project's rules that need no execution and do not hold.
fn failing_examples(project: &mut Project) -> Vec<Diagnostic> {
    project
        .rule_examples()
        .into_iter()
        .filter_map(|example| match example.check {
            crate::compile::ExampleCheck::Pure(Err(why)) => Some(Diagnostic::at(
                example.span,
                format!("the example `{}` does not hold: {why}", example.name),
            )),
            _ => None,
        })
        .collect()
}

/// Says what is wrong, all of it.
fn tell(diagnostics: &Diagnostics, format: CheckFormat, project: &Project) -> Exit {
    for diagnostic in &diagnostics.list {
        let placed = diagnostic.placed(&project.sources);
        let line = match format {
            CheckFormat::Human => return report(diagnostics, project),
            CheckFormat::Json => json_line(&placed).unwrap_or_default(),
            CheckFormat::Github => github(&placed),
        };
        if put_line(&line).is_err() {
            break;
        }
    }
    Exit::Configuration
}

/// A command of GitHub's runner (actions/toolkit, `command.ts`, which also says what is escaped).
fn github(placed: &PlacedDiagnostic<'_>) -> String {
    let value = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let property = |text: &str| value(text).replace(':', "%3A").replace(',', "%2C");
    let mut place = Vec::new();
    if let Some(file) = placed.file {
        place.push(format!("file={}", property(&visible(file))));
    }
    for (name, number) in [("line", placed.line), ("col", placed.column)] {
        place.extend(number.map(|number| format!("{name}={number}")));
    }
    let help = placed
        .help
        .map_or(String::new(), |help| format!("\nhelp: {help}"));
    let message = visible(&format!("{}{help}", placed.message));
    let level = match placed.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!("::{level} {}::{}", place.join(","), value(&message))
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        noun.to_owned()
    } else {
        format!("{noun}s")
    }
}

pub(super) fn list(arguments: &ListArguments) -> Exit {
    let mut project = open(&arguments.paths);
    let suites = match compile(&mut project, &arguments.paths) {
        Ok(suites) => suites,
        Err(exit) => return exit,
    };
    let languages = match super::run::languages(&arguments.language, &mut project) {
        Ok(languages) => languages,
        Err(exit) => return exit,
    };
    let selection = Selection {
        filter: arguments.filter.clone(),
        tags: arguments.tag.clone(),
        languages,
        limit: None,
        replies: None,
    };
    let mut exit = Exit::Passed;
    for planned in selection.plan(&suites, &project) {
        let line = match planned {
            Planned::Case(evaluator) => match evaluator.ignored() {
                Some(reason) => format!("{} ({reason})", evaluator.id),
                None => evaluator.id.to_string(),
            },
            Planned::BadRow(place) => format!("{place} (a bad row, left out)"),
            Planned::Fault(outcome) => {
                if let Err(fault) = &outcome.result {
                    eprintln!("error: {}", fault.message);
                }
                exit = Exit::Configuration;
                continue;
            }
        };
        if put_line(&crate::escape::visible(&line)).is_err() {
            return exit;
        }
    }
    exit
}
