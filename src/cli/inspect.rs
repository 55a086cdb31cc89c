//! `check` and `list`: what would run, and whether it is well-formed; nothing is executed.

use std::path::PathBuf;

use super::{Exit, compile, open, put_line, report};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::project::Project;
use crate::run::{Planned, Selection};

#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// Suite files or directories [default: the project's suites/]
    paths: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// Suite files or directories [default: the project's suites/]
    paths: Vec<PathBuf>,
    /// Only cases whose id contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// Bad rows of one dataset that are shown.
const BAD_ROWS_SHOWN_MAX: usize = 20;

pub(super) fn check(arguments: &CheckArguments) -> Exit {
    let mut project = open(&arguments.paths);
    let suites = match compile(&mut project, &arguments.paths) {
        Ok(suites) => suites,
        Err(exit) => return exit,
    };
    let mut diagnostics = Diagnostics::default();
    let mut count = 0;
    for case in suites.iter().flat_map(|suite| &suite.cases) {
        if case.dataset.is_none() {
            count += 1;
            continue;
        }
        let mut bad = 0;
        match project.rows(case) {
            Err(diagnostic) => diagnostics.push(diagnostic),
            Ok(rows) => {
                for row in rows {
                    count += 1;
                    if let Err(diagnostic) =
                        row.and_then(|row| case.evaluator(Some(&row), &project.sources))
                    {
                        bad += 1;
                        if bad <= BAD_ROWS_SHOWN_MAX {
                            diagnostics.push(diagnostic);
                        }
                    }
                }
            }
        }
        if bad > BAD_ROWS_SHOWN_MAX {
            let dataset = case
                .dataset
                .as_ref()
                .map_or("", |dataset| dataset.written.value.as_str());
            diagnostics.push(Diagnostic::nowhere(format!(
                "{} more bad rows in `{dataset}`",
                bad - BAD_ROWS_SHOWN_MAX
            )));
        }
    }
    if !diagnostics.is_empty() {
        return report(&diagnostics, &project);
    }
    let failing = failing_examples(&mut project);
    for failure in &failing {
        eprintln!("error: {failure}");
    }
    if !failing.is_empty() {
        return Exit::Configuration;
    }
    let suites = suites.len();
    let _ = put_line(&format!(
        "{suites} {}, {count} {}: no errors",
        plural(suites, "suite"),
        plural(count, "case")
    ));
    Exit::Passed
}

/// The examples of the project's rules that need no execution and do not hold.
fn failing_examples(project: &mut Project) -> Vec<String> {
    project
        .rule_examples()
        .into_iter()
        .filter_map(|example| match example.check {
            crate::compile::ExampleCheck::Pure(Err(why)) => Some(format!(
                "the example `{}` does not hold ({}): {why}",
                example.name,
                project.sources.place(example.span)
            )),
            _ => None,
        })
        .collect()
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
    let selection = Selection {
        filter: arguments.filter.clone(),
        ..Selection::default()
    };
    let mut exit = Exit::Passed;
    for planned in selection.plan(&suites, &project) {
        let line = match planned {
            Planned::Case(evaluator) => match &evaluator.skip {
                Some(reason) => format!("{} (skip: {reason})", evaluator.id),
                None => evaluator.id.to_string(),
            },
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
