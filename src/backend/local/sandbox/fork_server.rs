//! A warmed interpreter in a slot, of which programs are forks: how it is started, and asked.
//!
//! The script is CPython's; it makes its system calls through `ctypes`, so that nothing is linked to
//! the interpreter and none of its versions is built for. Between the interpreter's own preparations
//! for a fork stands a raw clone(2) that makes the program a child of the supervisor.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::PipeFlags;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::filter::{Filters, Openings};
use super::program::{Becoming, Confined, ProcessLimit};
use super::sys::Cloned;
use super::wire::{NotServing, Order, ServerOrder, Serving};
use super::{InStep, root, sys, wire};

const SCRIPT: &str = include_str!("fork_server.py");

/// How long an interpreter may take to load what is preloaded.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How much of what a server complains of is told.
const COMPLAINT_BYTES: usize = 2000;

/// A fork server that waits for orders. Ends when this is dropped.
pub(super) struct ForkServer {
    control: OwnedFd,
}

/// What the script needs to know: all that depends on the machine and the slot.
#[derive(Serialize)]
struct Setup<'a> {
    calls: Calls,
    scratch: &'static str,
    preload: &'a [String],
    scripts: &'a [(String, String)],
    /// The code of the filter that each fork adds, in hexadecimal.
    filter: String,
    /// What one says whose files have no room.
    no_room: String,
}

/// Numbers of system calls.
#[derive(Serialize)]
struct Calls {
    clone: libc::c_long,
    capset: libc::c_long,
    close_range: libc::c_long,
    landlock_restrict_self: libc::c_long,
}

/// What the script says once: the names of what is loaded, or why it cannot serve.
#[derive(Deserialize)]
enum Ready {
    Ok { names: Vec<String> },
    Err { message: String, is_refusal: bool },
}

/// A program to fork.
#[derive(Serialize)]
struct Fork<'a> {
    /// The whole command, as a start would have it.
    command: &'a [String],
    /// The file that is run, and what follows it.
    script: &'a str,
    args: &'a [String],
    /// Those of its files that were compiled ahead.
    known: &'a [String],
    limits: Vec<(u32, [u64; 2])>,
}

impl ForkServer {
    /// Starts a server as a child of the supervisor and waits until it is ready.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn start(
        order: &ServerOrder,
        openings: &Openings,
    ) -> Result<(Self, Serving), NotServing> {
        let failed = |message: String| NotServing {
            message,
            is_refusal: false,
            pid: None,
        };
        let filters = Filters::of_server(openings).in_step("compile a filter");
        let filters = filters.map_err(failed)?;
        let (control, pid, complaints) = launch(order, &filters).map_err(failed)?;
        let (message, is_refusal) = match hear(&control) {
            Some(Ready::Ok { names }) => {
                return Ok((ForkServer { control }, Serving { pid, names }));
            }
            Some(Ready::Err {
                message,
                is_refusal,
            }) => (message, is_refusal),
            None => (complaint(complaints), false),
        };
        Err(NotServing {
            message,
            is_refusal,
            pid: Some(pid),
        })
    }

    /// Has a program forked. `fds`: the process that heads its namespaces, the socket to it, the
    /// report, the socket on which it is let go, and its descriptors from 0 on.
    ///
    /// # Errors
    /// When the server is gone.
    pub(super) fn fork(
        &self,
        order: &Order,
        limits: &[ProcessLimit],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), String> {
        let script = order.command.iter().skip(1);
        let options = script.take_while(|word| word.starts_with('-')).count();
        let (script, args) = order.command[1 + options..]
            .split_first()
            .ok_or("a command has no script")?;
        let fork = Fork {
            command: &order.command,
            script,
            args,
            known: &order.known,
            limits: limits
                .iter()
                .map(|(resource, _, soft, hard)| (*resource, [*soft, *hard]))
                .collect(),
        };
        wire::send(&self.control, &fork, fds).in_step("ask a fork server")
    }
}

/// The socket to a new server, its process, and where it complains.
fn launch(order: &ServerOrder, filters: &Filters) -> Result<(OwnedFd, i32, File), String> {
    let (control, theirs) = wire::pair()?;
    let forks = Filters::of_its_forks().in_step("compile a filter")?.code();
    let setup = Setup {
        calls: Calls {
            clone: libc::SYS_clone,
            capset: libc::SYS_capset,
            close_range: libc::SYS_close_range,
            landlock_restrict_self: libc::SYS_landlock_restrict_self,
        },
        scratch: root::SCRATCH,
        preload: &order.preload,
        scripts: &order.scripts,
        no_room: format!("rewardspec: {}\n", super::program::FILES_TOO_LARGE),
        filter: forks.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let setup = serde_json::to_vec(&setup).map_err(|error| error.to_string())?;
    let setup = super::memory_file([setup.as_slice()]).in_step("write a set-up")?;
    // Of the same kinds as a program's, since the interpreter asks what they are once.
    let stdin = super::memory_file([]).in_step("make an input")?;
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).in_step("make a pipe");
    let ((_stdout_read, stdout), (complaints, stderr)) = (pipe()?, pipe()?);
    let mut command = order.command.clone();
    command.extend(["-c".to_owned(), SCRIPT.to_owned()]);
    let pid = match sys::clone3(libc::CLONE_PARENT).in_step("start a process")? {
        Cloned::Parent(pid) => pid,
        Cloned::Child => {
            let report = sys::duplicate_above(stderr.as_fd(), 16);
            let becoming = Becoming {
                command: &command,
                environment: &order.environment,
                descriptors: vec![stdin.into(), stdout, stderr, theirs, setup.into()],
                limits: None,
                confined: Confined::Server(filters),
            };
            let Err(message) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                .in_step("be bound to the supervisor")
                .and_then(|()| becoming.become_program());
            if let Ok(report) = report {
                let _ = rustix::io::write(report, message.as_bytes());
            }
            sys::exit(1)
        }
    };
    Ok((control, pid, File::from(complaints)))
}

/// What the server says first; none when it ends, or takes too long.
fn hear(control: &OwnedFd) -> Option<Ready> {
    let pause = Timespec {
        tv_sec: READY_WITHIN.as_secs().try_into().ok()?,
        tv_nsec: 0,
    };
    loop {
        match poll(&mut [PollFd::new(control, PollFlags::IN)], Some(&pause)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => return None,
            Ok(_) => break,
        }
    }
    wire::receive(control).ok()?.map(|(ready, _)| ready)
}

/// The end of what a server wrote before it ended.
fn complaint(mut complaints: File) -> String {
    let mut bytes = [0; COMPLAINT_BYTES];
    let _ = rustix::io::ioctl_fionbio(&complaints, true);
    let count = complaints.read(&mut bytes).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..count]);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.map_or_else(
        || "the interpreter did not become ready".to_owned(),
        |line| line.trim().to_owned(),
    )
}
