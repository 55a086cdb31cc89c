//! The one job of a case: what is built, which executions are wanted, and when they end early.

use std::ops::Range;
use std::sync::Arc;

use super::code::files::is_in_the_way;
use super::code::{CodeFile, Extraction};
use super::expect::InputCases;
use super::{Channel, CommandTemplate, Evaluator, Expectation, Language, Nonce, Place, judge};
use crate::program::{Ending, Job, Program, Run, SourceFile, Word};
use crate::reward::Fault;

/// Which execution of a job is which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The case's own input and arguments.
    pub(super) own: Option<usize>,
    /// The tests.
    pub(super) tests: Option<usize>,
    /// One for each input; last, because these may end early.
    pub(super) inputs: Range<usize>,
}

impl Layout {
    pub(super) fn of(expectations: &[Expectation]) -> Self {
        let has_tests = expectations
            .iter()
            .any(|expectation| matches!(expectation, Expectation::Tests(_)));
        let inputs = inputs(expectations).map_or(0, |inputs| inputs.cases.len());
        // Something runs always, so that what fails at once earns nothing.
        let needs_own =
            expectations.iter().any(Expectation::needs_own_run) || !has_tests && inputs == 0;
        let own = usize::from(needs_own);
        let before = own + usize::from(has_tests);
        Layout {
            own: needs_own.then_some(0),
            tests: has_tests.then_some(own),
            inputs: before..before + inputs,
        }
    }
}

/// The inputs among expectations.
fn inputs(expectations: &[Expectation]) -> Option<&InputCases> {
    expectations
        .iter()
        .find_map(|expectation| match expectation {
            Expectation::StdinCases(inputs) => Some(inputs),
            _ => None,
        })
}

/// The files that expectations look at when the program has ended.
pub(super) fn collected(expectations: &[Expectation]) -> Vec<String> {
    expectations
        .iter()
        .flat_map(|expectation| match expectation {
            Expectation::Files(files) => files.as_slice(),
            _ => &[],
        })
        .map(|(path, _)| path.clone())
        .collect()
}

/// The words of a command with arguments behind them.
pub(super) fn command(template: &CommandTemplate, file: &str, args: &[String]) -> Vec<Word> {
    let mut command = template.words(file);
    command.extend(args.iter().map(|arg| Word::Text(arg.clone())));
    command
}

impl Evaluator {
    /// The case's own run if an expectation looks at it, then the tests, then one run for each input.
    /// `others` are the reply's other files.
    pub(super) fn job(
        &self,
        program: &str,
        others: &[CodeFile],
        nonce: &Nonce,
    ) -> Result<Job, Fault> {
        let language = &self.language;
        let file = match self.extractor.main() {
            Some(main) => main.to_owned(),
            None => language.file.name(program).map_err(Fault::configuration)?,
        };
        let mut program = self.program(language, &file, program);
        let run = |args: &[String], stdin: &str| Run {
            command: command(&language.run, &file, args),
            stdin: stdin.as_bytes().to_vec(),
            ..Run::default()
        };
        let mut runs = Vec::new();
        if Layout::of(&self.expectations).own.is_some() {
            runs.push(Run {
                collect: collected(&self.expectations),
                ..run(&self.args, &self.stdin)
            });
        }
        for expectation in &self.expectations {
            let Expectation::Tests(tests) = expectation else {
                continue;
            };
            let order = tests.order(nonce, &file, others);
            let own = run(&self.args, &self.stdin);
            if let Place::Apart(channel) = tests.place {
                program.files.push(channel.server());
                runs.push(Run {
                    command: channel.command(&file, &self.args),
                    judge: Some(Arc::new(channel.judge(order, &self.files, &self.limits))),
                    ..own
                });
                continue;
            }
            let Some(beside) = &language.beside else {
                let message = format!(
                    "`tests` cannot run in {}: its rule has no `beside`",
                    language.name
                );
                return Err(Fault::configuration(message));
            };
            program.files.push(SourceFile {
                path: beside.file.clone(),
                bytes: Arc::clone(&beside.code),
            });
            runs.push(Run {
                command: command(&beside.run, &file, &self.args),
                private: Some(order),
                ..own
            });
        }
        if let Some(inputs) = inputs(&self.expectations) {
            let cases = inputs.cases.iter();
            runs.extend(cases.map(|case| run(&case.args, &case.stdin)));
        }
        program.files.extend(self.files.iter().cloned());
        let others = others.iter().filter(|other| other.path != file);
        program.files.extend(others.map(|other| SourceFile {
            path: other.path.clone(),
            bytes: Arc::from(other.text.as_bytes()),
        }));
        Ok(Job {
            program: Arc::new(program),
            runs: runs.into(),
            ending: Ending::default(),
        })
    }

    /// A program of this language as the case has its programs run; the case's files are not in it yet.
    pub(super) fn program(&self, language: &Language, file: &str, code: &str) -> Program {
        Program {
            limits: self.limits,
            network: self.network,
            cloud: self.cloud.clone(),
            ..language.program(file, code)
        }
    }

    /// Takes from the reply's files those that the suite or the language's rule gives.
    pub(super) fn keep_own_files(&self, extraction: &mut Extraction) {
        let runner = self.language.beside.as_ref().map(|beside| &beside.file);
        let server = self.language.apart.map(Channel::server);
        let given = self.files.iter().chain(&self.language.helpers);
        let given = given.chain(&server).map(|file| &file.path);
        let own: Vec<&String> = given.chain(runner).collect();
        let main = self.extractor.main();
        let reason = &mut extraction.reason;
        extraction.files.retain(|file| {
            let is_free = own.iter().all(|own| {
                **own != file.path && !is_in_the_way(own, &file.path)
            });
            if !is_free && Some(file.path.as_str()) != main {
                reason.push_str("; `");
                reason.push_str(&file.path);
                reason.push_str("` of the reply gives way to the file that the suite or the language's rule puts there");
            }
            is_free || Some(file.path.as_str()) == main
        });
    }

    /// When the executions end early, by these expectations.
    pub(super) fn ending(&self, expectations: &[Expectation]) -> Ending {
        let stopping = inputs(expectations).filter(|inputs| inputs.stops_at_failure);
        let layout = Layout::of(expectations);
        Ending {
            total: self.total,
            after: stopping.map(|inputs| {
                let (cases, range) = (Arc::clone(&inputs.cases), layout.inputs);
                Arc::new(move |index: usize, run: &_| {
                    let case = index.checked_sub(range.start).and_then(|at| cases.get(at));
                    case.is_some_and(|case| !judge::input(case, run).success)
                }) as _
            }),
        }
    }
}
