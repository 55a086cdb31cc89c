//! What the supervisor and the launcher say to each other over the control socket.
//!
//! Supervisor: one line of JSON ([`Order`]), then the bytes it announces; later perhaps
//! [`KILL`]. Launcher: one line ([`Answer`]) once the program runs or cannot, one once it is over,
//! then the bytes that announces. A closed socket means that the other side is gone.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The byte that asks the launcher to end the program now.
pub(super) const KILL: u8 = b'K';

/// What to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Absolute path and arguments.
    pub(super) command: Vec<String>,
    /// The program's private directory.
    pub(super) directory: PathBuf,
    /// The whole environment.
    pub(super) environment: Vec<(String, String)>,
    /// Bytes of standard input that follow.
    pub(super) stdin_bytes: usize,
    /// Bytes for descriptor 3 that follow; `None` leaves descriptors 3 and 4 closed.
    pub(super) private_bytes: Option<usize>,
    pub(super) wall_ms: u64,
    pub(super) cpu_ms: u64,
    pub(super) memory_bytes: u64,
    pub(super) open_files: u64,
    /// How the program is kept to itself; absent, it may do what its user may.
    pub(super) confinement: Option<Confinement>,
    /// What to remove if the supervisor goes away.
    pub(super) remove: PathBuf,
}

/// How a program is kept to itself where it has no namespaces of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confinement {
    /// The user and group that it becomes; absent, it stays the supervisor's.
    pub(super) user: Option<u32>,
    /// What it may read besides the system.
    pub(super) places: Vec<PathBuf>,
    /// Whether it may use the network.
    pub(super) network: bool,
    pub(super) processes: u64,
    pub(super) disk_bytes: u64,
    pub(super) inodes: u64,
}

/// What the launcher answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The program was executed; its clock runs.
    Started,
    /// It could not be.
    Failed(String),
    /// It is over, and so is everything it left.
    Ended(Ended),
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Who ended it, if it did not end by itself.
    pub(super) by: Option<EndedBy>,
    /// Whether a program of the same user may have kept it from starting processes.
    pub(super) crowded: bool,
    pub(super) wall_us: u64,
    /// Of the whole tree.
    pub(super) cpu_us: u64,
    /// The highest sampled sum of the tree, or the largest process, whichever is more.
    pub(super) peak_bytes: u64,
    /// What of its directory was used up when it ended: its disk, or the number of its files.
    pub(super) full: Option<Full>,
    /// Bytes from descriptor 4 that follow.
    pub(super) private_bytes: usize,
}

/// What a program used up of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Full {
    /// Bytes.
    Disk,
    /// Files.
    Inodes,
}

/// Who ended a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndedBy {
    /// The wall clock.
    Wall,
    /// CPU accounting.
    Cpu,
    /// Memory accounting.
    Memory,
    /// A count of its processes and threads.
    Tasks,
    /// A look at the files that it wrote.
    Disk,
    /// The supervisor asked.
    Supervisor,
}
