//! Many cases at once: taken apart into replies, scored, and put together again.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{CaseResult, Outcome, Planned, Runner};
use crate::evaluator::{CaseId, Evaluator};
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
    let in_flight_max = runner.at_once();
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
                        runner.evaluate_sample(&evaluator, sample).await
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
    evaluator: Arc<Evaluator>,
    outcomes: Vec<Option<Outcome>>,
}

impl<I: Iterator<Item = Planned>> Queue<I> {
    fn next(&mut self) -> Option<Work> {
        if let Some(work) = self.replies.pop_front() {
            return Some(work);
        }
        let case = self.cases;
        self.cases += 1;
        loop {
            match self.planned.next()? {
                // Who hands cases over has told of it.
                Planned::BadRow(_) => {}
                Planned::Fault(outcome) => {
                    return Some(Work {
                        case,
                        index: 0,
                        what: What::Known(outcome),
                    });
                }
                Planned::Case(evaluator) => {
                    // A case without a reply has one outcome, which says so.
                    let count = evaluator.replies.len().max(1);
                    self.replies.extend((0..count).map(|index| Work {
                        case,
                        index,
                        what: What::Reply(Arc::clone(&evaluator), index),
                    }));
                    let outcomes = vec![None; count];
                    self.open.insert(
                        case,
                        OpenCase {
                            evaluator,
                            outcomes,
                        },
                    );
                    return self.replies.pop_front();
                }
            }
        }
    }

    /// Notes an outcome; the case, if that was its last.
    fn finish(&mut self, case: usize, index: usize, outcome: Outcome) -> Option<CaseResult> {
        let Some(open) = self.open.get_mut(&case) else {
            // It was known before anything ran, and is all there is.
            return Some(CaseResult::of(outcome));
        };
        open.outcomes[index] = Some(outcome);
        if open.outcomes.iter().any(Option::is_none) {
            return None;
        }
        let open = self.open.remove(&case)?;
        let outcomes = open.outcomes.into_iter().flatten().collect();
        Some(CaseResult::of_replies(&open.evaluator, outcomes))
    }
}
