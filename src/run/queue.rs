//! Many cases at once: taken apart into replies, scored, and put together again.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{CaseResult, Outcome, Planned, Runner};
use crate::evaluator::{CaseId, Evaluator, Need};
use crate::reward::Fault;

/// What a run tells as it goes.
#[derive(Debug)]
pub enum Event<'a> {
    /// A reply has its outcome.
    Reply(&'a Outcome),
    /// All replies of a case have theirs.
    Case(CaseResult),
    /// The row at this file and line turned out to be bad, and its suite leaves such rows out.
    BadRow(&'a str),
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
                let is_told = outcome.left_out().is_none();
                let stop = is_told && tell(Event::Reply(&outcome)).is_break();
                let finished = queue.finish(case, index, outcome);
                stop | finished.is_some_and(|case| {
                    let event = match case.left_out() {
                        Some(place) => tell(Event::BadRow(place)),
                        None => tell(Event::Case(case)),
                    };
                    event.is_break()
                })
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
