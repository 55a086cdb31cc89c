//! Runs programs. Knows nothing of expectations, replies or rewards.

pub mod interpreter;
pub mod local;

use crate::execution::{InfrastructureError, JobResult};
use crate::program::Job;
use local::{Containment, Local};

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

    /// How well programs are contained here.
    ///
    /// # Errors
    /// When no program can be started at all.
    pub fn containment(&self) -> Result<&Containment, InfrastructureError> {
        match self {
            Backend::Local(local) => local.containment(),
        }
    }

    /// Ends everything that is kept.
    pub async fn close(&self) {
        match self {
            Backend::Local(local) => local.close().await,
        }
    }
}
