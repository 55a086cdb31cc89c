//! Drives evaluators: asks a backend to run their jobs until there is a reward or a fault.

mod checker;
mod fingerprint;
mod isolation;
mod outcome;
mod plan;
mod queue;
mod references;
mod require;
mod rows;
mod signals;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

pub use fingerprint::{Fingerprint, Fingerprinting};
pub use isolation::{ISOLATION, Policy};
pub use outcome::{CaseResult, Outcome, Verdict};
pub use plan::{GivenReplies, Plan, Planned, Selection};
pub use queue::{Event, run_all};
pub use require::{Extent, Judgement, Rates, RequirementResult, Tally, Whole};
pub use rows::{Made, RowCases};
pub use signals::Interrupts;

use crate::backend::Backend;
use crate::backend::e2b::E2b;
use crate::backend::interpreter;
use crate::backend::local::Local;
use crate::evaluator::code::Extraction;
use crate::evaluator::{Attempt, BackendChoice, Evaluator, Known, Nonce, Reply, Step};
use crate::execution::{Execution, InfrastructureError, Isolation, JobResult};
use crate::program::{CloudMode, Interpreter, Job};
use crate::reward::{Fault, Reward};
use references::References;

/// Runs evaluators on the backends there are.
#[derive(Debug)]
pub struct Runner {
    local: Local,
    /// Present when it can be used.
    e2b: Option<E2b>,
    /// The only backend to use, whatever a case prefers.
    forced: Option<BackendChoice>,
    policy: Policy,
    references: References,
}

/// The variable that says where programs run where a command line cannot: `local` or `e2b`.
const BACKEND: &str = "REWARDSPEC_BACKEND";

/// The backend that the variable `REWARDSPEC_BACKEND` forces, if it says one.
///
/// # Errors
/// When it says something else.
pub fn forced_backend() -> Result<Option<BackendChoice>, String> {
    match std::env::var(BACKEND).unwrap_or_default().as_str() {
        "" | "auto" => Ok(None),
        "local" => Ok(Some(BackendChoice::Local)),
        "e2b" => Ok(Some(BackendChoice::E2b)),
        other => Err(format!(
            "{BACKEND} is `{other}`, not one of auto, local, e2b"
        )),
    }
}

/// The variable whose presence says that E2B can be used.
pub const E2B_KEY: &str = "E2B_API_KEY";

impl Runner {
    /// A runner on this machine, and on E2B where it can be used.
    pub fn new(
        local: Local,
        e2b: Option<E2b>,
        forced: Option<BackendChoice>,
        policy: Policy,
    ) -> Self {
        Runner {
            local,
            e2b,
            forced,
            policy,
            references: References::default(),
        }
    }

    /// Programs that run at once.
    pub fn slots(&self) -> usize {
        self.local.slots() + self.e2b.as_ref().map_or(0, E2b::slots)
    }

    /// Evaluations to begin at once. Those that wait for a slot are few: what is read ahead is memory.
    pub fn at_once(&self) -> usize {
        self.slots() * 2 + 2
    }

    /// The backend that cases with this preference get; none when they can run nowhere.
    pub fn choice(&self, wanted: &[BackendChoice]) -> Option<BackendChoice> {
        let wanted = self.forced.as_ref().map_or(wanted, std::slice::from_ref);
        let can_be_had = |choice: &&BackendChoice| match choice {
            BackendChoice::Local => true,
            BackendChoice::E2b => self.e2b.is_some(),
        };
        wanted.iter().find(can_be_had).copied()
    }

    /// The interpreters of this machine that ran programs so far, each command with its version.
    pub fn interpreters(&self) -> BTreeMap<String, String> {
        self.local.interpreters()
    }

    /// Why a case cannot run for want of an interpreter; the cloud has its own.
    pub fn missing(&self, evaluator: &Evaluator) -> Option<String> {
        self.missing_for(&evaluator.backends, &evaluator.language.interpreter)
    }

    /// Why cases that prefer these backends cannot run for want of this interpreter.
    pub fn missing_for(
        &self,
        backends: &[BackendChoice],
        interpreter: &Interpreter,
    ) -> Option<String> {
        match self.choice(backends) {
            Some(BackendChoice::Local) => interpreter::missing(interpreter),
            Some(BackendChoice::E2b) | None => None,
        }
    }

    /// Scores a reply; absent, the first that the case carries.
    pub async fn evaluate(&self, evaluator: &Evaluator, reply: Option<&Reply>) -> Outcome {
        let started = Instant::now();
        let mut outcome = Outcome::fault(
            evaluator.id.clone(),
            evaluator.language.name.clone(),
            Fault::input("nothing was tried"),
        );
        outcome.model.clone_from(&evaluator.model);
        outcome.result = self
            .attempt(
                evaluator,
                reply,
                &mut outcome.extraction,
                &mut outcome.program,
                &mut outcome.executions,
            )
            .await;
        outcome.elapsed = started.elapsed();
        outcome.written_at = Some(evaluator.line.clone());
        outcome
    }

    /// Scores one of the replies that a case carries.
    async fn evaluate_sample(&self, evaluator: &Evaluator, sample: usize) -> Outcome {
        let mut outcome = self
            .evaluate(evaluator, evaluator.replies.get(sample))
            .await;
        outcome.sample = (evaluator.replies.len() > 1).then_some(sample);
        outcome
    }

    /// Scores all replies that a case carries, one after the other.
    pub async fn evaluate_all(&self, evaluator: &Evaluator) -> CaseResult {
        let mut outcomes = Vec::new();
        for sample in 0..evaluator.replies.len().max(1) {
            outcomes.push(self.evaluate_sample(evaluator, sample).await);
        }
        CaseResult::of_replies(evaluator, outcomes)
    }

    async fn attempt(
        &self,
        evaluator: &Evaluator,
        reply: Option<&Reply>,
        extraction: &mut Option<Extraction>,
        program: &mut Option<String>,
        executions: &mut Vec<Execution>,
    ) -> Result<Reward, Fault> {
        if let Some(later) = &evaluator.later {
            return Err(Fault::configuration(later.clone()));
        }
        let Some(reply) = reply.or(evaluator.replies.first()) else {
            return Err(Fault::configuration(
                "the case has no reply: write one under `reply`, or give one to `rewardspec try` or `rewardspec score` (asking models is not in this version)",
            ));
        };
        let backend = self.backend(evaluator)?;
        let attempt = evaluator.attempt(reply, nonce())?;
        let mut known = Known::default();
        let result = self.steps(evaluator, &attempt, &backend, &mut known).await;
        (*extraction, *program) = (attempt.extraction, attempt.program);
        if let Some(ran) = known.result {
            *executions = ran.build.into_iter().chain(ran.runs).collect();
        }
        result
    }

    /// Finds out what the evaluator asks for, until it has a reward.
    async fn steps(
        &self,
        evaluator: &Evaluator,
        attempt: &Attempt,
        backend: &Backend<'_>,
        known: &mut Known,
    ) -> Result<Reward, Fault> {
        let failed = |error: InfrastructureError| Fault::infrastructure(error.message);
        loop {
            match evaluator.step(attempt, known)? {
                Step::Done(reward) => return Ok(reward),
                Step::Reference(job) => {
                    let result = self.references.result(backend, &job).await;
                    known.reference = Some(result.map_err(failed)?);
                }
                Step::Run(job) => {
                    known.result = Some(backend.execute(&job).await.map_err(failed)?);
                }
                Step::Ask(commands) => {
                    let ran = known.result.iter();
                    let ran = ran.flat_map(|ran| ran.build.iter().chain(&ran.runs));
                    let executions: Vec<Execution> = ran.cloned().collect();
                    let answers = checker::ask(&commands, evaluator, attempt, &executions);
                    known.answers = Some(answers.await);
                }
            }
        }
    }

    /// Whether a case that states this isolation may run here.
    fn accept(&self, stated: Option<Isolation>) -> Result<(), Fault> {
        let containment = self
            .local
            .containment()
            .map_err(|error| Fault::infrastructure(error.message.clone()))?;
        match isolation::shortfall(containment, self.policy.least(stated)) {
            None => Ok(()),
            Some(why) => Err(Fault::infrastructure(why)),
        }
    }

    /// What isolation this machine lacks for cases that state these: in one paragraph what is
    /// missing, why and what to do, and whether none of the cases can run. A machine where nothing
    /// can be started is told of by each case.
    pub fn refusal<'a>(
        &self,
        stated: impl IntoIterator<Item = (&'a [BackendChoice], Option<Isolation>)>,
    ) -> Option<(String, bool)> {
        let (mut worst, mut runs) = (None, false);
        for (backends, stated) in stated {
            if self.choice(backends) != Some(BackendChoice::Local) {
                runs = true;
                continue;
            }
            let containment = self.local.containment().ok()?;
            let least = self.policy.least(stated);
            if containment.isolation.is_at_least(least) {
                runs = true;
            } else {
                worst = worst
                    .or(Some(least))
                    .filter(|worst| worst.is_at_least(least))
                    .or(Some(least));
            }
        }
        let containment = self.local.containment().ok()?;
        Some((isolation::explanation(containment, worst?)?, !runs))
    }

    fn backend(&self, evaluator: &Evaluator) -> Result<Backend<'_>, Fault> {
        match (self.choice(&evaluator.backends), &self.e2b) {
            // Its code is written for what this machine has not: the score would be another.
            (Some(BackendChoice::Local), _) if evaluator.cloud.mode == CloudMode::Notebook => {
                Err(Fault::infrastructure(format!(
                    "mode `notebook` runs in E2B's cloud only, which needs {E2B_KEY} and a `backend` that allows it"
                )))
            }
            (Some(BackendChoice::Local), _) => {
                self.accept(evaluator.isolation)?;
                Ok(Backend::Local(&self.local))
            }
            (Some(BackendChoice::E2b), Some(e2b)) => Ok(Backend::E2b(e2b)),
            _ => Err(Fault::infrastructure(format!(
                "{E2B_KEY} is not set, and the backend `e2b` needs it: get a key at https://e2b.dev/dashboard, or write `backend: [e2b, local]` to fall back to this machine"
            ))),
        }
    }

    /// Runs a job that belongs to no case, such as a rule's example.
    ///
    /// # Errors
    /// When the machine fails.
    pub async fn execute(&self, job: &Job) -> Result<JobResult, InfrastructureError> {
        self.accept(None)
            .map_err(|fault| InfrastructureError::new(fault.message))?;
        self.local.execute(job).await
    }

    /// What a user must be told once about where programs run.
    pub fn notices<'a>(
        &self,
        evaluators: impl IntoIterator<Item = &'a [BackendChoice]>,
    ) -> BTreeSet<String> {
        let mut notices = BTreeSet::new();
        for wanted in evaluators {
            match self.choice(wanted) {
                Some(BackendChoice::E2b) => {
                    let domain = self.e2b.as_ref().map(E2b::place);
                    notices.insert(format!(
                        "running in E2B's cloud, {}",
                        domain.unwrap_or_default()
                    ));
                }
                Some(BackendChoice::Local) => {
                    notices.extend(self.containment_notice());
                    let wanted = self.forced.as_ref().map_or(wanted, std::slice::from_ref);
                    if wanted.first() == Some(&BackendChoice::E2b) {
                        notices.insert(format!("{E2B_KEY} is not set: running locally"));
                    }
                }
                // Each case tells why it cannot run.
                None => {}
            }
        }
        notices
    }

    /// What this machine does not keep from programs; a machine that fails is told of by each case.
    fn containment_notice(&self) -> Option<String> {
        let containment = self.local.containment().ok()?;
        let missing = containment.missing_text();
        match containment.isolation {
            Isolation::Full => None,
            Isolation::Reduced => Some(format!(
                "isolation is reduced on this machine; missing: {missing}"
            )),
            Isolation::None => Some(format!(
                "programs run as separate processes that are not isolated from this machine: score only code that you would run yourself ({missing})"
            )),
        }
    }

    /// Whether anything is kept that does not end with this process.
    pub fn keeps_sandboxes(&self) -> bool {
        self.e2b.is_some()
    }

    /// Ends everything that the backends keep.
    /// What must be said of what could not be ended.
    pub async fn close(&self) -> Option<String> {
        self.local.close().await;
        match &self.e2b {
            Some(e2b) => e2b.close().await,
            None => None,
        }
    }
}

/// 128 random bits from the kernel.
fn nonce() -> Nonce {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    Nonce(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
