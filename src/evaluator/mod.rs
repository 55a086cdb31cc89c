//! From a reply to a reward; pure, no I/O.
//!
//! An [`Evaluator`] is one compiled case: nothing is left to look up, nothing changes. It is a
//! step function: [`Evaluator::attempt`] turns a reply into an [`Attempt`], and
//! [`Evaluator::step`] turns the executions so far into more jobs or the reward. Whoever runs
//! the jobs knows nothing of expectations.

pub mod aggregate;
mod apart;
mod checks;
pub mod code;
pub mod compare;
mod expect;
pub mod expected;
mod job;
mod judge;
mod language;
mod lazy_regex;
mod reference;
pub mod rule_error;
mod samples;
mod score;
mod test_code;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use minijinja::value::Value;

pub use apart::Channel;
pub use checks::{Check, CheckAnswer, CheckCommand, CheckRule, CheckedText, TextRule};
pub use expect::{
    Against, Credit, Expectation, ExpectedText, FoundBy, InputCase, InputCases, Matcher, Origin,
};
pub use language::{Beside, CommandError, CommandTemplate, FileNameRule, Language};
pub use lazy_regex::{LazyRegex, ReadPattern};
pub use reference::Reference;
pub use samples::Need;
pub use score::{ScoreRule, Wanted};
pub use test_code::{Call, Outcome, Place, TestCode, Value as CallValue};

use crate::escape::visible_line;
use crate::execution::{Isolation, JobResult, Status};
use crate::program::{Cloud, Job, Limits, SourceFile};
use crate::reward::{Fault, Judged, Metric, Reward};
use crate::source::{Line, Span};
use crate::template::{TemplateId, Templates};
use code::{CodeExtractor, Extraction, LanguageTags};

/// Names a case: `suite::case`, and `suite::case[python,small]` where a matrix multiplies it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseId {
    /// The suite file's stem.
    pub suite: String,
    /// The case's name, or its number.
    pub case: String,
    /// The values of its cell of the matrix, as they stand in the brackets.
    pub cell: Option<Arc<str>>,
}

impl CaseId {
    /// The name inside the suite: the case, and its cell in brackets.
    pub fn name(&self) -> String {
        match &self.cell {
            Some(cell) => format!("{}[{cell}]", self.case),
            None => self.case.clone(),
        }
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}::{}", self.suite, self.name())
    }
}

/// What begins the reason of a case that its author has skipped.
pub const SKIP: &str = "skip: ";
/// What begins the reason of a case that is left aside while others are looked at.
pub const ONLY: &str = "only: ";

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
    /// The model that is asked, or the label of the replies.
    pub model: Option<String>,
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
    /// A trusted program whose output is expected.
    pub reference: Option<Reference>,
    /// How metrics become a score.
    pub score: ScoreRule,
    /// What an execution may use.
    pub limits: Limits,
    /// Wall time of all executions together.
    pub total: Option<Duration>,
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
    /// Why others of its suite are run and it is not.
    pub aside: Option<String>,
    /// What it uses that this version does not have, with its place: it cannot be scored.
    pub later: Option<String>,
    /// Where the case is written.
    pub written_at: Span,
    /// The line there.
    pub line: Line,
    /// Whether its suite is judged as a whole, so that its own verdict decides nothing.
    pub is_judged_whole: bool,
    /// The row of the dataset it was made from: file and 1-based line.
    pub row: Option<(String, usize)>,
    /// Whether its suite leaves rows out that are bad.
    pub leaves_out_bad_rows: bool,
}

/// A reply on its way to a reward.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The reply.
    pub reply: String,
    /// What was found in the reply; `None` when the code itself was given.
    pub extraction: Option<Extraction>,
    /// The code, if there is some.
    pub code: Option<String>,
    /// The program's text, if there is code.
    pub program: Option<String>,
    job: Option<Job>,
    nonce: Nonce,
}

/// What is known on the way to a reward.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What came of the reference.
    pub reference: Option<Arc<JobResult>>,
    /// What came of the program.
    pub result: Option<JobResult>,
    /// What the author's checkers said, in the order asked.
    pub answers: Option<Vec<CheckAnswer>>,
}

/// What comes next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Find out what the reference leaves: a trusted program, whose result may be kept.
    Reference(Job),
    /// Run the program.
    Run(Job),
    /// Ask the author's checkers.
    Ask(Vec<CheckCommand>),
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
                let mut extraction = self
                    .extractor
                    .extract(text, &self.language.tags, &self.known);
                self.keep_own_files(&mut extraction);
                let code = extraction.code.clone();
                (Some(extraction), code)
            }
        };
        let program = code
            .as_ref()
            .map(|code| self.program_text(code))
            .transpose()?;
        let files = extraction.as_ref().map_or(&[][..], |found| &found.files);
        let job = program
            .as_ref()
            .map(|program| self.job(program, files, &nonce))
            .transpose()?;
        Ok(Attempt {
            reply: reply.text().to_owned(),
            extraction,
            code,
            program,
            job,
            nonce,
        })
    }

    /// What to do with what is known so far.
    ///
    /// # Errors
    /// A fault that is not the model's, such as tests that assert nothing or a reference that fails.
    pub fn step(&self, attempt: &Attempt, known: &Known) -> Result<Step, Fault> {
        let Some(job) = &attempt.job else {
            let metrics = self.metrics_before(attempt, &self.expectations);
            return Ok(Step::Done(self.score.reward_without_code(metrics, self)));
        };
        let settled = match (&self.reference, &known.reference) {
            (None, _) => Cow::Borrowed(&self.expectations[..]),
            (Some(reference), None) => return Ok(Step::Reference(reference.job(self)?)),
            (Some(_), Some(result)) => Cow::Owned(reference::settled(self, result)?),
        };
        let Some(result) = &known.result else {
            let ending = self.ending(&settled);
            return Ok(Step::Run(Job {
                ending,
                ..job.clone()
            }));
        };
        let commands = self.commands();
        let is_built = result
            .build
            .as_ref()
            .is_none_or(|build| build.status == Status::Ok);
        if !commands.is_empty() && known.answers.is_none() && is_built {
            return Ok(Step::Ask(commands));
        }
        let mut metrics = self.metrics_before(attempt, &settled);
        let judgement = judge::judge(&judge::Evidence {
            evaluator: self,
            attempt,
            expectations: &settled,
            result,
            answers: known.answers.as_deref().unwrap_or_default(),
        })?;
        metrics.extend(judgement.metrics);
        Ok(Step::Done(Reward {
            judged: self.judged(),
            ..self.score.reward(metrics, judgement.cause)
        }))
    }

    /// Where its tests are judged; `None` without tests.
    pub fn judged(&self) -> Option<Judged> {
        self.expectations
            .iter()
            .find_map(|expectation| match expectation {
                Expectation::Tests(tests) => Some(tests.place.judged()),
                _ => None,
            })
    }

    /// The author's checkers, in the order of the expectations.
    fn commands(&self) -> Vec<CheckCommand> {
        let checks = self.expectations.iter().filter_map(|expectation| {
            let Expectation::Check(check) = expectation else {
                return None;
            };
            match &check.rule {
                CheckRule::Command(command) => Some(command.clone()),
                CheckRule::Text(_) => None,
            }
        });
        checks.collect()
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

    /// The metrics that are known before anything runs.
    fn metrics_before(
        &self,
        attempt: &Attempt,
        expectations: &[Expectation],
    ) -> Vec<(String, Metric)> {
        let mut metrics = Vec::new();
        let (found, reason) = match &attempt.extraction {
            Some(extraction) => (extraction.code.is_some(), extraction.reason.clone()),
            None => (true, "the code was given".to_owned()),
        };
        metrics.push(("extracted_code".to_owned(), Metric::of(found, reason)));
        for expectation in expectations {
            if let Expectation::Output(matcher) = expectation {
                metrics.push((
                    "expected_output".to_owned(),
                    Metric::of(true, matcher.provenance()),
                ));
            }
        }
        metrics
    }

    /// Why it is listed and not run, if its author wants it so.
    pub fn ignored(&self) -> Option<String> {
        let reason = match (&self.skip, &self.aside) {
            (Some(reason), _) => format!("{SKIP}{reason}"),
            (None, Some(reason)) => format!("{ONLY}other cases are looked at ({reason})"),
            (None, None) => return None,
        };
        Some(visible_line(&reason))
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
