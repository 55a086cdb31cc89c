//! What the supervisor and a slot say to each other: messages of JSON with descriptors, over a
//! socket that keeps messages apart.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use super::InStep;

/// The longest message; what may be longer goes into a memory file.
const MESSAGE_MAX: usize = 64 * 1024;
/// The most descriptors of a message.
const FDS_MAX: usize = 10;

/// How a slot prepares itself: the first message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Setup {
    /// The user of the slot when the supervisor is root; absent, that of the supervisor.
    pub(super) user: Option<u32>,
    /// What programs see besides the system.
    pub(super) places: Vec<PathBuf>,
    /// Whether programs keep the host's network.
    pub(super) network: bool,
    /// Whether the kernel counts the memory of programs; without, what the sampled sum does not
    /// see is refused.
    pub(super) counted: bool,
}

/// What a slot answers to its set-up: the layers that are missing, or why it cannot work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ready {
    /// Layers that this kernel has not, each with its reason.
    pub(super) missing: Vec<(String, String)>,
}

/// What a slot is asked, once it is set up.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Request {
    /// To start a fork server under this number; its [`ServerOrder`] is in the descriptor that comes
    /// along. Answered.
    Serve(u32),
    /// To close the fork server of this number.
    Close(u32),
    /// To start a program: by itself, or as a fork of the server of this number.
    Run(Option<u32>),
}

/// A fork server to start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ServerOrder {
    /// The interpreter's absolute path, and its options.
    pub(super) command: Vec<String>,
    /// The whole environment.
    pub(super) environment: Vec<(String, String)>,
    /// Modules to import.
    pub(super) preload: Vec<String>,
    /// Scripts to compile: path below the scratch directory, text.
    pub(super) scripts: Vec<(String, String)>,
}

/// A fork server that is ready.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Serving {
    /// The process, a child of the supervisor.
    pub(super) pid: i32,
    /// Modules that are loaded already: no file of a program may have one of these names.
    pub(super) names: Vec<String>,
}

/// Why there is no fork server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NotServing {
    /// What went wrong.
    pub(super) message: String,
    /// Whether what was to be preloaded cannot be; else programs can be started without a server.
    pub(super) is_refusal: bool,
    /// The process that was started for it, a child of the supervisor.
    pub(super) pid: Option<i32>,
}

/// A program to start. Comes in a memory file, followed by the bytes of its files.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Absolute path and arguments.
    pub(super) command: Vec<String>,
    /// The whole environment.
    pub(super) environment: Vec<(String, String)>,
    /// Path below the scratch directory, bytes, and mode of each file that follows.
    pub(super) files: Vec<(String, usize, u32)>,
    /// Whether descriptors 3 and 4 are wanted.
    pub(super) private: bool,
    /// Those of its files that the fork server has compiled ahead.
    pub(super) known: Vec<String>,
    pub(super) disk_bytes: u64,
    pub(super) inodes: u64,
    pub(super) cpu_seconds: u64,
    pub(super) memory_bytes: u64,
    pub(super) processes: u64,
    pub(super) open_files: u64,
}

/// What the init of a program's namespaces says once all is in its place. The ruleset of Landlock, where
/// there is one, comes along.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// Whether the program's files were larger, or more, than it may have.
    pub(super) is_full: bool,
}

/// What comes back over a run's report pipe, a line each. Its end without an error means that the
/// program was executed; of a fork that is not waited for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The init of the run, as the supervisor sees it.
    Init(i32),
    /// A helper that is over at once and must be waited for.
    Helper(i32),
    /// The program, which is started.
    Program(i32),
    /// The program, a fork: it goes on once it is let go. Where it fails to become the program after that,
    /// it still says so, which is read when it has ended.
    Forked(i32),
    /// What could not be done.
    Failed(String),
}

/// Two sockets, connected with each other.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), String> {
    rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .in_step("make a socket")
}

/// Sends a message.
pub(super) fn send(
    socket: &OwnedFd,
    message: &impl Serialize,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MESSAGE_MAX {
        return Err(io::Error::other("a message to a slot is too long"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors for a message"));
    }
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(&bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives a message; `None` when the other side is gone.
pub(super) fn receive<T: for<'de> Deserialize<'de>>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let Some(length) = next_length(socket.as_fd())? else {
        return Ok(None);
    };
    // Not for the longest: a slot shares its pages with what it starts, and each that it writes is a copy.
    let mut bytes = vec![0; length.min(MESSAGE_MAX)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let received = rustix::net::recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        );
        match received {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("a message of a slot was cut off"));
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok(Some((
        serde_json::from_slice(&bytes[..received.bytes])?,
        fds,
    )))
}

/// How long the message is that comes next; `None` when the other side is gone.
fn next_length(socket: BorrowedFd<'_>) -> io::Result<Option<usize>> {
    let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
    loop {
        match rustix::net::recv(socket, &mut [0_u8; 1][..], flags) {
            Err(rustix::io::Errno::INTR) => {}
            Ok((_, length)) => return Ok((length > 0).then_some(length)),
            Err(error) => return Err(error.into()),
        }
    }
}
