//! What a tree of processes uses.

use std::time::Duration;

/// What the live processes of a tree use.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Usage {
    /// Resident memory; pages that processes share count for each.
    pub(super) memory_bytes: u64,
    /// CPU time, that of their reaped children included.
    pub(super) cpu: Duration,
    /// Processes and threads.
    #[cfg(target_os = "linux")]
    pub(super) tasks: u64,
}
