//! From a reply to a reward; pure, no I/O.
//!
//! An [`Evaluator`] is one compiled case: nothing is left to look up, nothing changes. It is a
//! step function: [`Evaluator::attempt`] turns a reply into an [`Attempt`], and
//! [`Evaluator::step`] turns the executions so far into more jobs or the reward. Whoever runs
//! the jobs knows nothing of expectations.

mod beside;
pub mod code;
pub mod compare;
mod expect;
pub mod expected;
mod language;
pub mod rule_error;
mod samples;
mod score;

use std::fmt;
use std::sync::Arc;

use minijinja::value::Value;

pub use beside::TestCode;
pub use expect::{Expectation, ExpectedText, FoundBy, InputCase, Matcher};
pub use language::{Beside, CommandError, CommandTemplate, FileNameRule, Language};
pub use samples::Need;
pub use score::{ScoreRule, Wanted};

use crate::execution::{Isolation, JobResult};
use crate::program::{Cloud, Job, Limits, Program, Run, SourceFile};
use crate::reward::{Fault, Metric, Reward};
use crate::source::Span;
use crate::template::{TemplateId, Templates};
use code::{CodeExtractor, Extraction, LanguageTags};

/// Names a case: `suite::case`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseId {
    /// The suite file's stem.
    pub suite: String,
    /// The case's name, or its number.
    pub case: String,
}

impl fmt::Display for CaseId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}::{}", self.suite, self.case)
    }
}

/// One message of a chat, rendered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What is said.
    pub content: String,
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A reply, from which the code is extracted.
    Text(String),
    /// The code itself: nothing is extracted.
    Code(String),
}

impl Reply {
    /// The text, whichever it is.
    pub fn text(&self) -> &str {
        match self {
            Reply::Text(text) | Reply::Code(text) => text,
        }
    }
}

/// Where a case may run, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChoice {
    /// This machine.
    Local,
    /// E2B's cloud.
    E2b,
}

/// A text that proves that a report comes from a run that we ordered. Made by whoever runs the
/// jobs; evaluators make no randomness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(pub String);

/// How the program's text is made from the code.
#[derive(Debug, Clone)]
pub enum ProgramText {
    /// The code is the program.
    Code,
    /// A template in which `code` stands.
    Template {
        /// The templates of the suite.
        templates: Templates,
        /// The program's.
        id: TemplateId,
        /// Everything but `code`.
        scope: Value,
    },
}

/// A compiled case. Immutable; shared by all who evaluate.
#[derive(Debug, Clone)]
pub struct Evaluator {
    /// Its name.
    pub id: CaseId,
    /// Words to select by.
    pub tags: Vec<String>,
    /// What the model was asked, rendered.
    pub messages: Vec<Message>,
    /// What the model said, if that is written; several are samples of one question.
    pub replies: Vec<Reply>,
    /// How many of the replies must pass.
    pub need: Need,
    /// The language of the program.
    pub language: Arc<Language>,
    /// Finds the code.
    pub extractor: Arc<CodeExtractor>,
    /// All languages, so that a block of another language is known for one.
    pub known: Arc<[LanguageTags]>,
    /// How the program is made from the code.
    pub program: ProgramText,
    /// Standard input of the program's own run.
    pub stdin: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Files beside the program.
    pub files: Vec<SourceFile>,
    /// What is expected, in the order written.
    pub expectations: Vec<Expectation>,
    /// How metrics become a score.
    pub score: ScoreRule,
    /// What an execution may use.
    pub limits: Limits,
    /// Whether it may use the network.
    pub network: bool,
    /// How it runs in E2B's cloud.
    pub cloud: Cloud,
    /// The least isolation that it accepts, where it states one.
    pub isolation: Option<Isolation>,
    /// Where it may run, in order of preference.
    pub backends: Vec<BackendChoice>,
    /// Why it is not run.
    pub skip: Option<String>,
    /// What it uses that this version does not have, with its place: it cannot be scored.
    pub later: Option<String>,
    /// Where the case is written.
    pub written_at: Span,
    /// The row of the dataset it was made from: file and 1-based line.
    pub row: Option<(String, usize)>,
}

/// A reply on its way to a reward.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What was found in the reply; `None` when the code itself was given.
    pub extraction: Option<Extraction>,
    /// The program's text, if there is code.
    pub program: Option<String>,
    job: Option<Job>,
    nonce: Nonce,
}

/// What comes next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Run these, and come back with their results appended.
    Run(Vec<Job>),
    /// Done.
    Done(Reward),
}

impl Evaluator {
    /// Finds the code in a reply and makes the program.
    ///
    /// # Errors
    /// A configuration fault when the program's template or file name fails.
    pub fn attempt(&self, reply: &Reply, nonce: Nonce) -> Result<Attempt, Fault> {
        let (extraction, code) = match reply {
            Reply::Code(code) => (None, Some(code.clone())),
            Reply::Text(text) => {
                let extraction = self
                    .extractor
                    .extract(text, &self.language.tags, &self.known);
                let code = extraction.code.clone();
                (Some(extraction), code)
            }
        };
        let Some(code) = code else {
            return Ok(Attempt {
                extraction,
                program: None,
                job: None,
                nonce,
            });
        };
        let program = self.program_text(&code)?;
        let job = self.job(&program, &nonce)?;
        Ok(Attempt {
            extraction,
            program: Some(program),
            job: Some(job),
            nonce,
        })
    }

    /// What to do after these results, one for each job ordered so far.
    ///
    /// # Errors
    /// A fault that is not the model's, such as tests that assert nothing.
    pub fn step(&self, attempt: &Attempt, results: &[JobResult]) -> Result<Step, Fault> {
        let Some(job) = &attempt.job else {
            return Ok(Step::Done(
                self.score
                    .reward_without_code(self.metrics_before(attempt), self),
            ));
        };
        let Some(result) = results.first() else {
            return Ok(Step::Run(vec![job.clone()]));
        };
        let mut metrics = self.metrics_before(attempt);
        let judgement = expect::judge(self, result, &attempt.nonce)?;
        metrics.extend(judgement.metrics);
        Ok(Step::Done(self.score.reward(metrics, judgement.cause)))
    }

    fn program_text(&self, code: &str) -> Result<String, Fault> {
        match &self.program {
            ProgramText::Code => Ok(code.to_owned()),
            ProgramText::Template {
                templates,
                id,
                scope,
            } => {
                let scope = minijinja::context! { code => code, ..scope.clone() };
                templates.text(id, &scope).map_err(|error| {
                    Fault::configuration(format!(
                        "`program` could not be rendered: {}",
                        error.message
                    ))
                })
            }
        }
    }

    /// The one job of a case: its own run if an expectation looks at it, then one run for each
    /// input, then the tests.
    fn job(&self, program: &str, nonce: &Nonce) -> Result<Job, Fault> {
        let language = &self.language;
        let file = language.file.name(program).map_err(Fault::configuration)?;
        let mut files = vec![SourceFile {
            path: file.clone(),
            bytes: program.as_bytes().to_vec(),
        }];
        files.extend(language.helpers.iter().cloned());
        let run = |args: &[String], stdin: &str| {
            let mut command = language.run.words(&file);
            command.extend(
                args.iter()
                    .map(|arg| crate::program::Word::Text(arg.clone())),
            );
            Run {
                command,
                stdin: stdin.as_bytes().to_vec(),
                private: None,
            }
        };
        let mut runs = Vec::new();
        if self.expectations.iter().any(Expectation::needs_own_run) {
            runs.push(run(&self.args, &self.stdin));
        }
        for expectation in &self.expectations {
            match expectation {
                Expectation::StdinCases(cases) => {
                    runs.extend(cases.iter().map(|case| run(&case.args, &case.stdin)))
                }
                Expectation::Tests(tests) => {
                    let Some(beside) = &language.beside else {
                        let message = format!(
                            "`tests` cannot run in {}: its rule has no `beside`",
                            language.name
                        );
                        return Err(Fault::configuration(message));
                    };
                    files.push(SourceFile {
                        path: beside.file.clone(),
                        bytes: beside.code.clone(),
                    });
                    let mut command = beside.run.words(&file);
                    command.extend(
                        self.args
                            .iter()
                            .map(|arg| crate::program::Word::Text(arg.clone())),
                    );
                    let private = Some(tests.order(nonce));
                    runs.push(Run {
                        command,
                        stdin: self.stdin.as_bytes().to_vec(),
                        private,
                    });
                }
                Expectation::Output(_)
                | Expectation::Runs
                | Expectation::ExitCode(_)
                | Expectation::Error(_) => {}
            }
        }
        files.extend(self.files.iter().cloned());
        let program = Program {
            interpreter: Arc::clone(&language.interpreter),
            files,
            build: language.build.as_ref().map(|build| build.words(&file)),
            limits: self.limits,
            network: self.network,
            cloud: self.cloud.clone(),
        };
        Ok(Job {
            program: Arc::new(program),
            runs,
        })
    }

    /// The metrics that are known before anything runs.
    fn metrics_before(&self, attempt: &Attempt) -> Vec<(String, Metric)> {
        let mut metrics = Vec::new();
        let (found, reason) = match &attempt.extraction {
            Some(extraction) => (extraction.code.is_some(), extraction.reason.clone()),
            None => (true, "the code was given".to_owned()),
        };
        metrics.push(("extracted_code".to_owned(), Metric::of(found, reason)));
        for expectation in &self.expectations {
            if let Expectation::Output(matcher) = expectation {
                metrics.push((
                    "expected_output".to_owned(),
                    Metric::of(true, matcher.provenance()),
                ));
            }
        }
        metrics
    }

    /// The prompt as one text, for people.
    pub fn prompt(&self) -> String {
        match self.messages.as_slice() {
            [only] => only.content.clone(),
            messages => messages
                .iter()
                .map(|message| format!("{}: {}", message.role, message.content))
                .collect::<Vec<_>>()
                .join("\n\n"),
        }
    }
}
