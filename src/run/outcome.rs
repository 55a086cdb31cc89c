//! What came of replies, and of all replies of a case together.

use std::time::Duration;

use crate::evaluator::code::Extraction;
use crate::evaluator::{CaseId, Evaluator, Need};
use crate::execution::Execution;
use crate::reward::{Fault, FaultKind, Reward};
use crate::source::Line;

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

    /// The place of the row that it is made of, where that is bad and to be left out.
    pub fn left_out(&self) -> Option<&str> {
        self.result.as_ref().err()?.left_out.as_deref()
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

    /// A case with the outcomes of all its replies.
    pub(super) fn of_replies(evaluator: &Evaluator, outcomes: Vec<Outcome>) -> Self {
        CaseResult {
            id: evaluator.id.clone(),
            need: evaluator.need,
            outcomes,
            is_judged_whole: evaluator.is_judged_whole,
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

    /// The place of the row that it is made of, where that is bad and to be left out.
    pub fn left_out(&self) -> Option<&str> {
        self.outcomes.iter().find_map(Outcome::left_out)
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
