//! Drives evaluators: asks a backend to run their jobs until there is a reward or a fault.

mod checker;
mod fingerprint;
mod isolation;
mod plan;
mod references;
mod require;
mod rows;
mod signals;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use fingerprint::{Fingerprint, Fingerprinting};
pub use isolation::{ISOLATION, Policy};
pub use plan::{GivenReplies, Plan, Planned, Selection};
pub use require::{Extent, Judgement, Rates, RequirementResult, Tally, Whole};
pub use rows::{Made, RowCases};
pub use signals::Interrupts;

use crate::backend::Backend;
use crate::backend::e2b::E2b;
use crate::backend::interpreter;
use crate::backend::local::Local;
use crate::evaluator::code::Extraction;
use crate::evaluator::{BackendChoice, CaseId, Evaluator, Known, Need, Nonce, Reply, Step};
use crate::execution::{Execution, InfrastructureError, Isolation, JobResult};
use crate::program::{CloudMode, Interpreter, Job};
use crate::reward::{Fault, FaultKind, Reward};
use crate::source::Line;
use references::References;

/// What came of one reply: everything that reporters show.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The case.
    pub id: CaseId,
    /// Which of several replies it is, from 0; none where the case has one.
    pub sample: Option<usize>,
    /// The language of its program.
    pub language: String,
    /// The model that was asked, or the label of the replies.
    pub model: Option<String>,
    /// What was found in the reply.
    pub extraction: Option<Extraction>,
    /// The program that ran.
    pub program: Option<String>,
    /// Every execution, builds first.
    pub executions: Vec<Execution>,
    /// The reward, or why there is none.
    pub result: Result<Reward, Fault>,
    /// From the reply to the reward, waiting included.
    pub elapsed: Duration,
    /// The line where the case is written.
    pub written_at: Option<Line>,
}

impl Outcome {
    /// An outcome of something that never came to run.
    pub fn fault(id: CaseId, language: impl Into<String>, fault: Fault) -> Self {
        Outcome {
            id,
            sample: None,
            language: language.into(),
            model: None,
            extraction: None,
            program: None,
            executions: Vec::new(),
            result: Err(fault),
            elapsed: Duration::ZERO,
            written_at: None,
        }
    }

    /// Whether it is as wanted.
    pub fn passed(&self) -> bool {
        self.result.as_ref().is_ok_and(|reward| reward.passed)
    }

    /// The case's id, and which of its replies it is: `suite::case#2`.
    pub fn name(&self) -> String {
        match self.sample {
            Some(sample) => format!("{}#{sample}", self.id),
            None => self.id.to_string(),
        }
    }
}

/// What came of all replies of a case.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// The case.
    pub id: CaseId,
    /// How many of its replies must pass.
    pub need: Need,
    /// One outcome for each reply, in their order; never empty.
    pub outcomes: Vec<Outcome>,
    /// Whether its suite is judged as a whole.
    pub is_judged_whole: bool,
}

/// What a case means for its run.
#[derive(Debug, Clone, Copy)]
pub enum Verdict<'a> {
    /// It is as wanted.
    Passed,
    /// It is not.
    Failed,
    /// It is not, and its suite is judged as a whole.
    Counted,
    /// It has no reward.
    Fault(&'a Fault),
}

impl CaseResult {
    /// A case with one outcome.
    pub fn of(outcome: Outcome) -> Self {
        CaseResult {
            id: outcome.id.clone(),
            need: Need::All,
            outcomes: vec![outcome],
            is_judged_whole: false,
        }
    }

    /// Replies that are as wanted.
    pub fn passes(&self) -> usize {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.passed())
            .count()
    }

    /// Whether enough of its replies are as wanted. Without a reward for each nobody knows.
    pub fn passed(&self) -> bool {
        self.fault().is_none() && self.need.is_met(self.passes(), self.outcomes.len())
    }

    /// What it means for the run.
    pub fn verdict(&self) -> Verdict<'_> {
        match self.fault() {
            Some(fault) => Verdict::Fault(fault),
            None if self.passed() => Verdict::Passed,
            None if self.is_judged_whole => Verdict::Counted,
            None => Verdict::Failed,
        }
    }

    /// The line where it is written.
    pub fn written_at(&self) -> Option<&Line> {
        self.outcomes.first()?.written_at.as_ref()
    }

    /// Why a reply has no reward: what is wrong with the case before what is wrong with the machine.
    pub fn fault(&self) -> Option<&Fault> {
        let faults = || {
            self.outcomes
                .iter()
                .filter_map(|outcome| outcome.result.as_ref().err())
        };
        faults()
            .find(|fault| fault.kind != FaultKind::Infrastructure)
            .or_else(|| faults().next())
    }

    /// The mean score of the replies that have one.
    pub fn mean(&self) -> Option<f64> {
        let scores = self
            .outcomes
            .iter()
            .filter_map(|outcome| outcome.result.as_ref().ok())
            .map(|reward| reward.score);
        let (count, sum) =
            scores.fold((0_u32, 0.0), |(count, sum), score| (count + 1, sum + score));
        (count > 0).then(|| sum / f64::from(count))
    }

    /// The longest that one of its replies took.
    pub fn elapsed(&self) -> Duration {
        self.outcomes
            .iter()
            .map(|outcome| outcome.elapsed)
            .max()
            .unwrap_or_default()
    }
}

/// What a run tells as it goes.
#[derive(Debug)]
pub enum Event<'a> {
    /// A reply has its outcome.
    Reply(&'a Outcome),
    /// All replies of a case have theirs.
    Case(CaseResult),
}

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

    /// Scores all replies that a case carries, one after the other.
    pub async fn evaluate_all(&self, evaluator: &Evaluator) -> CaseResult {
        let mut outcomes = Vec::new();
        for sample in 0..evaluator.replies.len().max(1) {
            let reply = evaluator.replies.get(sample);
            let mut outcome = self.evaluate(evaluator, reply).await;
            outcome.sample = (evaluator.replies.len() > 1).then_some(sample);
            outcomes.push(outcome);
        }
        CaseResult {
            id: evaluator.id.clone(),
            need: evaluator.need,
            outcomes,
            is_judged_whole: evaluator.is_judged_whole,
        }
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
        extraction.clone_from(&attempt.extraction);
        program.clone_from(&attempt.program);
        let failed = |error: InfrastructureError| Fault::infrastructure(error.message);
        let mut known = Known::default();
        loop {
            match evaluator.step(&attempt, &known)? {
                Step::Done(reward) => return Ok(reward),
                Step::Reference(job) => {
                    let result = self.references.result(&backend, &job).await;
                    known.reference = Some(result.map_err(failed)?);
                }
                Step::Run(job) => {
                    let result = backend.execute(&job).await.map_err(failed)?;
                    executions.extend(result.build.iter().cloned());
                    executions.extend(result.runs.iter().cloned());
                    known.result = Some(result);
                }
                Step::Ask(commands) => {
                    let answers = checker::ask(&commands, evaluator, &attempt, executions);
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

/// Evaluates a stream of planned cases with bounded concurrency and tells of outcomes in order of
/// arrival. Stops asking for more when `tell` says so.
pub async fn run_all(
    runner: &Arc<Runner>,
    planned: impl Iterator<Item = Planned>,
    mut tell: impl FnMut(Event<'_>) -> ControlFlow<()>,
) {
    let in_flight_max = runner.slots() * 2 + 2;
    let mut tasks = tokio::task::JoinSet::new();
    let mut queue = Queue {
        planned: planned.fuse(),
        replies: VecDeque::new(),
        open: HashMap::new(),
        cases: 0,
    };
    loop {
        while tasks.len() < in_flight_max
            && let Some(work) = queue.next()
        {
            let runner = Arc::clone(runner);
            tasks.spawn(async move {
                let outcome = match work.what {
                    What::Known(outcome) => *outcome,
                    What::Reply(evaluator, sample) => {
                        let reply = evaluator.replies.get(sample);
                        let mut outcome = runner.evaluate(&evaluator, reply).await;
                        outcome.sample = (evaluator.replies.len() > 1).then_some(sample);
                        outcome
                    }
                };
                (work.case, work.index, outcome)
            });
        }
        let Some(joined) = tasks.join_next().await else {
            return;
        };
        let stop = match joined {
            Ok((case, index, outcome)) => {
                let stop = tell(Event::Reply(&outcome)).is_break();
                let finished = queue.finish(case, index, outcome);
                stop | finished.is_some_and(|case| tell(Event::Case(case)).is_break())
            }
            Err(error) => {
                let outcome = panicked(&error);
                tell(Event::Reply(&outcome)).is_break()
                    | tell(Event::Case(CaseResult::of(outcome))).is_break()
            }
        };
        if stop {
            // Dropping the tasks ends their programs.
            tasks.shutdown().await;
            return;
        }
    }
}

fn panicked(error: &tokio::task::JoinError) -> Outcome {
    let id = CaseId {
        suite: "rewardspec".to_owned(),
        case: "evaluate".to_owned(),
        cell: None,
    };
    let fault = Fault::infrastructure(format!("an evaluation panicked: {error}"));
    Outcome::fault(id, "", fault)
}

/// One reply to score, of a case by its number in this run.
struct Work {
    case: usize,
    index: usize,
    what: What,
}

enum What {
    /// Nothing is to be done.
    Known(Box<Outcome>),
    Reply(Arc<Evaluator>, usize),
}

/// Cases taken apart into replies, and put together again.
struct Queue<I> {
    planned: std::iter::Fuse<I>,
    replies: VecDeque<Work>,
    open: HashMap<usize, OpenCase>,
    cases: usize,
}

/// A case of which replies are not done.
struct OpenCase {
    id: CaseId,
    need: Need,
    is_judged_whole: bool,
    outcomes: Vec<Option<Outcome>>,
    left: usize,
}

impl<I: Iterator<Item = Planned>> Queue<I> {
    fn next(&mut self) -> Option<Work> {
        if let Some(work) = self.replies.pop_front() {
            return Some(work);
        }
        let case = self.cases;
        self.cases += 1;
        let (id, need, is_judged_whole, count) = loop {
            match self.planned.next()? {
                // Who hands cases over has told of it.
                Planned::BadRow(_) => continue,
                Planned::Case(evaluator) => {
                    // A case without a reply has one outcome, which says so.
                    let count = evaluator.replies.len().max(1);
                    let open = (
                        evaluator.id.clone(),
                        evaluator.need,
                        evaluator.is_judged_whole,
                        count,
                    );
                    self.replies.extend((0..count).map(|index| Work {
                        case,
                        index,
                        what: What::Reply(Arc::clone(&evaluator), index),
                    }));
                    break open;
                }
                Planned::Fault(outcome) => {
                    let id = outcome.id.clone();
                    let what = What::Known(outcome);
                    self.replies.push_back(Work {
                        case,
                        index: 0,
                        what,
                    });
                    break (id, Need::All, false, 1);
                }
            }
        };
        let open = OpenCase {
            id,
            need,
            is_judged_whole,
            outcomes: vec![None; count],
            left: count,
        };
        self.open.insert(case, open);
        self.replies.pop_front()
    }

    /// Notes an outcome; the case, if that was its last.
    fn finish(&mut self, case: usize, index: usize, outcome: Outcome) -> Option<CaseResult> {
        let open = self.open.get_mut(&case)?;
        open.outcomes[index] = Some(outcome);
        open.left -= 1;
        if open.left > 0 {
            return None;
        }
        let open = self.open.remove(&case)?;
        Some(CaseResult {
            id: open.id,
            need: open.need,
            outcomes: open.outcomes.into_iter().flatten().collect(),
            is_judged_whole: open.is_judged_whole,
        })
    }
}
