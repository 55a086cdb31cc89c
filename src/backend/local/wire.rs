//! What the supervisor and the launcher say to each other over the control socket.
//!
//! Supervisor: a byte that carries descriptors, one line of JSON ([`Order`]), then the bytes it
//! announces; later perhaps [`TALK_OVER`] or [`KILL`]. Launcher: one line ([`Answer`]) once the program runs or cannot, one once it is over,
//! then the bytes that announces. A closed socket means that the other side is gone.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};

use super::channel::End;

/// The byte that asks the launcher to end the program now.
pub(super) const KILL: u8 = b'K';
/// The byte that says that the program's judge has ended.
pub(super) const TALK_OVER: u8 = b'T';
/// How long a program may then take to end by itself. Long enough for what it has still to write on a
/// machine with too much to do: none that means to end takes it up.
pub(super) const TALK_OVER_GRACE: Duration = Duration::from_secs(1);

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
    /// Bytes for descriptor 3 that follow; `None` leaves descriptors 3 and 4 closed, unless they are
    /// a channel.
    pub(super) private_bytes: Option<usize>,
    /// Whose end of a channel the descriptors are that came before.
    pub(super) channel: Option<Side>,
    /// The process of the launcher that serves the one that it talks with.
    pub(super) beside: Option<u32>,
    pub(super) wall_ms: u64,
    pub(super) cpu_ms: u64,
    pub(super) memory_bytes: u64,
    pub(super) open_files: u64,
    /// How the program is kept to itself; absent, it may do what its user may.
    pub(super) confinement: Option<Confinement>,
    /// What to remove if the supervisor goes away.
    pub(super) remove: PathBuf,
}

/// The two that talk over a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    /// Has it as descriptors 3 and 4.
    Program,
    /// Has it as standard input and output.
    Judge,
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
    /// What of it was not charged.
    pub(super) excused_us: u64,
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
    /// Its judge had ended, whether or not it then ended by itself.
    Judge,
    /// The supervisor asked.
    Supervisor,
}

/// Gives the launcher an end of a channel, or says that there is none.
pub(super) fn send_channel(socket: impl AsFd, end: Option<&End>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = end.map(|end| [end.read.as_fd(), end.write.as_fd()]);
    if let Some(fds) = &fds
        && !ancillary.push(SendAncillaryMessage::ScmRights(fds))
    {
        return Err(io::Error::other("too many descriptors for a message"));
    }
    let byte = [IoSlice::new(b"+")];
    rustix::net::sendmsg(socket, &byte, &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// Takes what [`send_channel`] gave. Called before anything else is read.
pub(super) fn receive_channel(socket: impl AsFd) -> io::Result<Option<End>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut ancillary,
        RecvFlags::empty(),
    )?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    // Not every system closes them by itself when another program is executed.
    for fd in &fds {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(<[OwnedFd; 2]>::try_from(fds)
        .ok()
        .map(|[read, write]| End { read, write }))
}
