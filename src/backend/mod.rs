//! Runs programs. Knows nothing of expectations, replies or rewards.

pub mod e2b;
pub mod interpreter;
pub mod local;
mod output;
mod runs;

use crate::execution::{InfrastructureError, JobResult};
use crate::program::Job;
use e2b::E2b;
use local::Local;

/// Where programs run. A closed set: `match` shows every place where backends differ.
#[derive(Debug, Clone, Copy)]
pub enum Backend<'a> {
    /// This machine.
    Local(&'a Local),
    /// E2B's cloud.
    E2b(&'a E2b),
}

impl Backend<'_> {
    /// Runs a job: its build, then its runs.
    ///
    /// # Errors
    /// When the machine or the cloud fails; a program's failure is an execution.
    pub async fn execute(&self, job: &Job) -> Result<JobResult, InfrastructureError> {
        match self {
            Backend::Local(local) => local.execute(job).await,
            Backend::E2b(e2b) => e2b.execute(job).await,
        }
    }
}
