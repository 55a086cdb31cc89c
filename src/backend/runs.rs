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

    /// One has ended.
    pub(super) fn push(&mut self, mut execution: Execution) {
        if let Some(left) = &mut self.left {
            if execution.status == Status::Timeout && *left < self.limits.wall {
                execution.reason = Some("total".to_owned());
            }
            *left = left.saturating_sub(execution.wall);
        }
        self.done.push(execution);
    }

    /// All that ended, in order.
    pub(super) fn finish(self) -> Vec<Execution> {
        self.done
    }
}
