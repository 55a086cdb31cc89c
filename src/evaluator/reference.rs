//! A trusted program whose output is the expectation.

use std::sync::Arc;

use super::expect::{InputCase, InputCases, Matcher};
use super::{Evaluator, Expectation, Language};
use crate::execution::{Execution, JobResult, Status};
use crate::program::{Ending, Job, Run};
use crate::reward::Fault;

/// A trusted program.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its language.
    pub language: Arc<Language>,
    /// Its text.
    pub code: String,
}

/// Which executions of a reference are wanted, in the order of its job.
struct Wanted<'e> {
    own: bool,
    inputs: Vec<&'e InputCase>,
}

impl Wanted<'_> {
    fn of(evaluator: &Evaluator) -> Wanted<'_> {
        let mut wanted = Wanted {
            own: false,
            inputs: Vec::new(),
        };
        for expectation in &evaluator.expectations {
            match expectation {
                Expectation::Output(matcher)
                | Expectation::Stderr(matcher)
                | Expectation::ExitCode(matcher)
                | Expectation::Error(matcher) => wanted.own |= matcher.is_from_reference(),
                Expectation::Files(files) => {
                    wanted.own |= files.iter().any(|(_, matcher)| matcher.is_from_reference());
                }
                Expectation::StdinCases(inputs) => {
                    let cases = inputs.cases.iter();
                    let cases = cases.filter(|case| case.output.is_from_reference());
                    wanted.inputs.extend(cases);
                }
                _ => {}
            }
        }
        wanted
    }
}

impl Reference {
    /// The job that finds out what it leaves: with the case's files, inputs and arguments.
    ///
    /// # Errors
    /// A configuration fault when its file has no name.
    pub(super) fn job(&self, evaluator: &Evaluator) -> Result<Job, Fault> {
        let language = &self.language;
        let file = language
            .file
            .name(&self.code)
            .map_err(|why| Fault::configuration(format!("the reference: {why}")))?;
        let mut program = evaluator.program(language, &file, &self.code);
        program.files.extend(evaluator.files.iter().cloned());
        let run = |args: &[String], stdin: &str, collect| Run {
            command: super::job::command(&language.run, &file, args),
            stdin: stdin.as_bytes().to_vec(),
            private: None,
            judge: None,
            collect,
        };
        let wanted = Wanted::of(evaluator);
        let mut runs = Vec::new();
        if wanted.own {
            let collect = super::job::collected(&evaluator.expectations);
            runs.push(run(&evaluator.args, &evaluator.stdin, collect));
        }
        let inputs = wanted.inputs.iter();
        runs.extend(inputs.map(|case| run(&case.args, &case.stdin, Vec::new())));
        Ok(Job {
            program: Arc::new(program),
            runs: runs.into(),
            ending: Ending::default(),
        })
    }
}

/// The expectations with what the reference left in them.
///
/// # Errors
/// A configuration fault when the reference failed.
pub(super) fn settled(
    evaluator: &Evaluator,
    result: &JobResult,
) -> Result<Vec<Expectation>, Fault> {
    // What is cut off, or is no text, nothing can be compared with.
    let is_unfit = |execution: &Execution| {
        let files = execution.files.iter().flat_map(|file| &file.content);
        let streams = [&execution.stdout, &execution.stderr];
        let mut texts = streams.into_iter().chain(files);
        texts.any(|text| text.truncated || text.lossy)
    };
    let failed = result
        .build
        .iter()
        .chain(&result.runs)
        .find(|execution| execution.status != Status::Ok || is_unfit(execution));
    if let Some(failed) = failed {
        let said = super::judge::last_line(&failed.stderr.text, &failed.stdout.text);
        let how = match failed.status {
            Status::Ok => "what it leaves is more than `limits.output`, or no UTF-8".to_owned(),
            status if said.is_empty() => status.word().to_owned(),
            status => format!("{}: {said}", status.word()),
        };
        return Err(of_row(
            evaluator,
            &format!("the reference did not end well: {how}"),
        ));
    }
    let mut runs = result.runs.iter();
    let own = Wanted::of(evaluator).own.then(|| runs.next()).flatten();
    evaluator
        .expectations
        .iter()
        .map(|expectation| settle(evaluator, expectation, own, &mut runs))
        .collect()
}

/// The fault of a reference, which is that of the row that it was made for.
fn of_row(evaluator: &Evaluator, message: &str) -> Fault {
    let Some((file, line)) = &evaluator.row else {
        return Fault::configuration(message);
    };
    let place = format!("{file}:{line}");
    Fault {
        left_out: evaluator.leaves_out_bad_rows.then(|| place.clone()),
        ..Fault::configuration(format!("{place}: {message}"))
    }
}

fn settle<'r>(
    evaluator: &Evaluator,
    expectation: &Expectation,
    own: Option<&Execution>,
    inputs: &mut impl Iterator<Item = &'r Execution>,
) -> Result<Expectation, Fault> {
    let settle = |matcher: &Matcher, left: fn(&Execution) -> String| match own {
        Some(own) => matcher.settled(&left(own)),
        None => Ok(matcher.clone()),
    };
    Ok(match expectation {
        Expectation::Output(matcher) => {
            Expectation::Output(settle(matcher, |own| own.stdout.text.clone())?)
        }
        Expectation::Stderr(matcher) => {
            Expectation::Stderr(settle(matcher, |own| own.stderr.text.clone())?)
        }
        Expectation::ExitCode(matcher) => Expectation::ExitCode(settle(matcher, |own| {
            own.exit_code.map_or(String::new(), |code| code.to_string())
        })?),
        Expectation::Files(files) => {
            let settled = files.iter().map(|(path, matcher)| {
                let left = own.and_then(|own| own.files.iter().find(|file| file.path == *path));
                let content = left.and_then(|file| file.content.as_ref());
                let matcher = match content {
                    Some(content) => matcher.settled(&content.text)?,
                    None if matcher.is_from_reference() => {
                        return Err(of_row(
                            evaluator,
                            &format!("the reference leaves no file `{path}`"),
                        ));
                    }
                    None => matcher.clone(),
                };
                Ok((path.clone(), matcher))
            });
            Expectation::Files(settled.collect::<Result<_, Fault>>()?)
        }
        Expectation::StdinCases(cases) => {
            let settled = cases.cases.iter().map(|case| {
                if !case.output.is_from_reference() {
                    return Ok(case.clone());
                }
                let left = inputs.next().map_or("", |run| run.stdout.text.as_str());
                Ok(InputCase {
                    output: case.output.settled(left)?,
                    ..case.clone()
                })
            });
            Expectation::StdinCases(InputCases {
                cases: settled.collect::<Result<_, Fault>>()?,
                ..cases.clone()
            })
        }
        other => other.clone(),
    })
}
