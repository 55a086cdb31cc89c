//! The executions of a job, one after the other: what the next may take, and whether there is one.

use std::time::Duration;

use crate::execution::{Execution, Status};
use crate::program::{Ending, Job, Limits};

/// The executions of a job as they end: says what the next may take, and whether there is one.
#[derive(Debug)]
pub(super) struct Runs<'j> {
    ending: &'j Ending,
    limits: Limits,
    left: Option<Duration>,
    done: Vec<Execution>,
}

impl<'j> Runs<'j> {
    /// None has ended yet.
    pub(super) fn of(job: &'j Job) -> Self {
        Runs {
            ending: &job.ending,
            limits: job.program.limits,
            left: job.ending.total,
            done: Vec::new(),
        }
    }

    /// What the next may take; none when there is to be no next.
    pub(super) fn next(&self) -> Option<Limits> {
        let over = match (&self.ending.after, self.done.last()) {
            (Some(after), Some(last)) => after(self.done.len() - 1, last),
            _ => false,
        };
        if over || self.left.is_some_and(|left| left.is_zero()) {
            return None;
        }
        let wall = self
            .left
            .map_or(self.limits.wall, |left| left.min(self.limits.wall));
        Some(Limits {
            wall,
            ..self.limits
        })
    }

    /// One has ended. What it waited for others, and is excused for, is not taken from the total.
    pub(super) fn push(&mut self, mut execution: Execution, excused: Duration) {
        if let Some(left) = &mut self.left {
            let is_by_clock = execution.reason.as_deref() == Some("wall");
            if execution.status == Status::Timeout && is_by_clock && *left < self.limits.wall {
                execution.reason = Some("total".to_owned());
            }
            let charged = execution.wall.saturating_sub(excused);
            *left = left.saturating_sub(charged);
        }
        self.done.push(execution);
    }

    /// All that ended, in order.
    pub(super) fn finish(self) -> Vec<Execution> {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Runs;
    use crate::execution::{Captured, Execution, Isolation, Status};
    use crate::program::{Cloud, Ending, Interpreter, Job, Limits, Program};

    fn job(total: Option<Duration>) -> Job {
        Job {
            program: Arc::new(Program {
                interpreter: Arc::new(Interpreter::default()),
                files: Vec::new(),
                build: None,
                limits: Limits {
                    wall: Duration::from_secs(10),
                    ..Limits::default()
                },
                network: false,
                cloud: Cloud::default(),
                fork_server: None,
            }),
            runs: Arc::default(),
            ending: Ending {
                total,
                ..Ending::default()
            },
        }
    }

    fn ended(status: Status, reason: Option<&str>, seconds: u64) -> Execution {
        Execution {
            status,
            reason: reason.map(str::to_owned),
            exit_code: None,
            signal: None,
            stdout: Captured::default(),
            stderr: Captured::default(),
            private: Vec::new(),
            judge: None,
            files: Vec::new(),
            wall: Duration::from_secs(seconds),
            cpu: Duration::ZERO,
            peak_memory: 0,
            backend: "local".to_owned(),
            isolation: Isolation::Full,
        }
    }

    #[test]
    fn what_is_left_of_the_total_is_what_the_next_may_take() {
        let job = job(Some(Duration::from_secs(14)));
        let mut runs = Runs::of(&job);
        let wall = |runs: &Runs<'_>| runs.next().map(|limits| limits.wall.as_secs());
        assert_eq!(wall(&runs), Some(10));
        runs.push(ended(Status::Timeout, Some("wall"), 10), Duration::ZERO);
        assert_eq!(wall(&runs), Some(4));
        runs.push(ended(Status::Timeout, Some("cpu"), 1), Duration::ZERO);
        assert_eq!(wall(&runs), Some(3));
        runs.push(ended(Status::Timeout, Some("wall"), 3), Duration::ZERO);
        assert_eq!(wall(&runs), None);
        let reasons = runs.finish().into_iter().map(|run| run.reason.unwrap());
        assert_eq!(reasons.collect::<Vec<_>>(), ["wall", "cpu", "total"]);
    }

    #[test]
    fn what_a_run_waited_for_others_is_not_taken_from_the_total() {
        let job = job(Some(Duration::from_secs(14)));
        let mut runs = Runs::of(&job);
        runs.push(ended(Status::Ok, None, 100), Duration::from_secs(98));
        assert_eq!(runs.next().unwrap().wall, Duration::from_secs(10));
        runs.push(ended(Status::Ok, None, 8), Duration::from_secs(1));
        assert_eq!(runs.next().unwrap().wall, Duration::from_secs(5));
    }

    #[test]
    fn without_a_total_each_may_take_its_own() {
        let job = job(None);
        let mut runs = Runs::of(&job);
        for _ in 0..3 {
            assert_eq!(runs.next().unwrap().wall, Duration::from_secs(10));
            runs.push(ended(Status::Timeout, Some("wall"), 10), Duration::ZERO);
        }
        assert_eq!(runs.finish().len(), 3);
    }
}
