//! The last steps of every program: from a fresh process to the program, everything given up.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::filter::{Filters, Grants};
use super::{InStep, sys};

/// What a process becomes. Its directory, session and identity are set already.
pub(in super::super) struct Becoming<'a> {
    /// Absolute path and arguments.
    pub(in super::super) command: &'a [String],
    /// The whole environment.
    pub(in super::super) environment: &'a [(String, String)],
    /// Its descriptors, from 0 on; all others are closed.
    pub(in super::super) descriptors: Vec<OwnedFd>,
    /// Absent for what is trusted.
    pub(in super::super) limits: Option<ProcessLimits>,
    pub(in super::super) confined: Confined<'a>,
}

/// What a process may reach.
#[derive(Clone, Copy)]
pub(in super::super) enum Confined<'a> {
    /// What its user may.
    No,
    /// What a program may.
    Program(&'a Grants, &'a Filters),
    /// What a fork server may: it enters namespaces, and is in no others than its slot.
    Server(&'a Filters),
}

/// Limits that the kernel enforces on each process.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct ProcessLimits {
    /// A backstop behind the accounting of the whole tree.
    pub(in super::super) cpu_seconds: u64,
    pub(in super::super) file_bytes: Option<u64>,
    pub(in super::super) data_bytes: Option<u64>,
    pub(in super::super) open_files: u64,
    /// Processes and threads of its user.
    pub(in super::super) processes: Option<u64>,
}

/// The exit statuses of shells (POSIX, 2.8.2) for what cannot be executed and what is not there.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// What is said on standard error of a program that could not begin for want of room.
pub(super) const FILES_TOO_LARGE: &str =
    "the program's files are larger, or more, than it may have";

/// Ends a process that has become its program's, with a word on its standard error.
pub(super) fn end_with(stderr: impl AsFd, message: &str, status: i32) -> ! {
    let _ = rustix::io::write(stderr, format!("rewardspec: {message}\n").as_bytes());
    sys::exit(status)
}

impl Becoming<'_> {
    /// Becomes the program. Returns only when the machine fails; a program that a build left and that
    /// cannot be executed ends as it would in a shell.
    pub(in super::super) fn become_program(self) -> Result<Infallible, String> {
        // Moved up first, so that none is overwritten before it is put into its place.
        let moved: Vec<OwnedFd> = self
            .descriptors
            .iter()
            .map(|fd| sys::duplicate_above(fd.as_fd(), 16))
            .collect::<io::Result<_>>()
            .in_step("move a descriptor")?;
        for (number, fd) in (0..).zip(&moved) {
            sys::put_at(fd.as_fd(), number).in_step("place a descriptor")?;
        }
        let first_closed = i32::try_from(moved.len()).map_err(|error| error.to_string())?;
        sys::close_at_exec_from(first_closed).in_step("close descriptors")?;
        let text = |text: &str| CString::new(text).map_err(|error| error.to_string());
        let arguments: Vec<CString> = self
            .command
            .iter()
            .map(|word| text(word))
            .collect::<Result<_, _>>()?;
        let environment: Vec<CString> = self
            .environment
            .iter()
            .map(|(name, value)| text(&format!("{name}={value}")))
            .collect::<Result<_, _>>()?;
        let program = arguments.first().ok_or("a command has no words")?;
        for signal in 1..32 {
            if ![libc::SIGKILL, libc::SIGSTOP].contains(&signal) {
                sys::default_action(signal);
            }
        }
        sys::set_mask(false).in_step("clear the signal mask")?;
        match self.confined {
            Confined::No => {}
            Confined::Program(grants, _) => {
                rustix::thread::set_no_new_privs(true).in_step("give up privileges")?;
                sys::drop_capabilities().in_step("drop capabilities")?;
                super::filter::landlock(grants).in_step("restrict files")?;
            }
            Confined::Server(_) => {
                rustix::thread::set_no_new_privs(true).in_step("give up privileges")?;
                keep_entering().in_step("keep a capability")?;
            }
        }
        // After what needs descriptors of its own.
        if let Some(limits) = &self.limits {
            limits.set()?;
        }
        if let Confined::Program(_, filters) | Confined::Server(filters) = self.confined {
            filters.install().in_step("filter system calls")?;
        }
        let error = sys::execute(program, &arguments, &environment);
        let message = format!("cannot execute `{}`: {error}", self.command[0]);
        if self.command[0].starts_with('/') {
            return Err(message);
        }
        let status = match error.kind() {
            io::ErrorKind::NotFound => NOT_FOUND,
            _ => NOT_EXECUTABLE,
        };
        end_with(rustix::stdio::stderr(), &message, status)
    }
}

/// Only the capability to enter namespaces is left, and outlives exec.
fn keep_entering() -> io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets};
    let entering = CapabilitySet::SYS_ADMIN;
    let sets = CapabilitySets {
        effective: entering,
        permitted: entering,
        inheritable: entering,
    };
    rustix::thread::set_capabilities(None, sets)?;
    Ok(rustix::thread::configure_capability_in_ambient_set(
        entering, true,
    )?)
}

/// A limit of setrlimit(2): its number, what it limits, the soft and the hard value.
pub(super) type ProcessLimit = (u32, &'static str, u64, u64);

impl ProcessLimits {
    /// The limits, in the order in which they are set.
    pub(super) fn each(&self) -> Vec<ProcessLimit> {
        let mut limits = vec![
            (libc::RLIMIT_CORE, "core files", 0, 0),
            (
                libc::RLIMIT_CPU,
                "processor time",
                self.cpu_seconds,
                self.cpu_seconds + 1,
            ),
            (libc::RLIMIT_MEMLOCK, "locked memory", 65536, 65536),
            (libc::RLIMIT_MSGQUEUE, "message queues", 0, 0),
        ];
        if let Some(bytes) = self.file_bytes {
            limits.push((libc::RLIMIT_FSIZE, "file size", bytes, bytes));
        }
        if let Some(bytes) = self.data_bytes {
            limits.push((libc::RLIMIT_DATA, "data", bytes, bytes));
        }
        if let Some(count) = self.processes {
            limits.push((libc::RLIMIT_NPROC, "processes", count, count));
        }
        // No more than the machine allows.
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let count = most.map_or(self.open_files, |most| most.min(self.open_files));
        limits.push((libc::RLIMIT_NOFILE, "open files", count, count));
        limits
    }

    fn set(&self) -> Result<(), String> {
        for (resource, name, soft, hard) in self.each() {
            sys::set_limit(resource, soft, hard).in_step(&format!("limit {name}"))?;
        }
        Ok(())
    }
}
