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
    pub(in super::super) limits: ProcessLimits,
    /// What it may reach; absent, what its user may.
    pub(in super::super) confined: Option<(&'a Grants, &'a Filters)>,
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
        if let Some((grants, _)) = self.confined {
            rustix::thread::set_no_new_privs(true).in_step("give up privileges")?;
            sys::drop_capabilities().in_step("drop capabilities")?;
            super::filter::landlock(grants).in_step("restrict files")?;
        }
        // After what needs descriptors of its own.
        self.limits.set()?;
        if let Some((_, filters)) = self.confined {
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

impl ProcessLimits {
    fn set(&self) -> Result<(), String> {
        let limit = |name: &str, resource, soft, hard| {
            sys::set_limit(resource, soft, hard).in_step(&format!("limit {name}"))
        };
        limit("core files", libc::RLIMIT_CORE, 0, 0)?;
        limit(
            "processor time",
            libc::RLIMIT_CPU,
            self.cpu_seconds,
            self.cpu_seconds + 1,
        )?;
        limit("locked memory", libc::RLIMIT_MEMLOCK, 65536, 65536)?;
        limit("message queues", libc::RLIMIT_MSGQUEUE, 0, 0)?;
        if let Some(bytes) = self.file_bytes {
            limit("file size", libc::RLIMIT_FSIZE, bytes, bytes)?;
        }
        if let Some(bytes) = self.data_bytes {
            limit("data", libc::RLIMIT_DATA, bytes, bytes)?;
        }
        if let Some(count) = self.processes {
            limit("processes", libc::RLIMIT_NPROC, count, count)?;
        }
        // No more than the machine allows.
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let count = most.map_or(self.open_files, |most| most.min(self.open_files));
        limit("open files", libc::RLIMIT_NOFILE, count, count)
    }
}
