//! Runs programs. Knows nothing of expectations, replies or rewards.

pub mod interpreter;
pub mod local;

use crate::execution::{InfrastructureError, Isolation, JobResult};
use crate::program::Job;
use local::Local;

/// Where programs run. A closed set: `match` shows every place where backends differ.
#[derive(Debug)]
pub enum Backend {
    /// This machine.
    Local(Local),
}

impl Backend {
    /// Runs a job: its build, then its runs.
    ///
    /// # Errors
    /// When the machine fails; a program's failure is an execution.
    pub async fn execute(&self, job: &Job) -> Result<JobResult, InfrastructureError> {
        match self {
            Backend::Local(local) => local.execute(job).await,
        }
    }

    /// Programs that run at once.
    pub fn slots(&self) -> usize {
        match self {
            Backend::Local(local) => local.slots(),
        }
    }

    /// How well programs are contained.
    pub fn isolation(&self) -> Isolation {
        match self {
            Backend::Local(local) => local.isolation(),
        }
    }

    /// Ends everything that is kept.
    pub async fn close(&self) {
        match self {
            Backend::Local(local) => local.close().await,
        }
    }
}
