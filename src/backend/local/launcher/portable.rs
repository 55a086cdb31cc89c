//! What the launcher asks of systems other than Linux: the program in a process group of its own,
//! which ends with it. A program that leaves the group is not followed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::super::clock::Thread;
use super::super::usage::Usage;
use super::super::wire::{EndedBy, Full, Order};

/// How soon a program's end is looked for again: nothing tells of it.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Descriptors that the launcher itself needs.
const OWN_FILES: u64 = 32;

/// The numbers 3 and 4, kept free for the program's private descriptors.
pub(super) struct Reserved([OwnedFd; 2]);

impl Reserved {
    /// Takes the lowest free numbers: nothing else is open yet but the standard three and the
    /// socket, which is moved on.
    pub(super) fn new() -> io::Result<Self> {
        let null = || File::open("/dev/null").map(OwnedFd::from);
        Ok(Reserved([null()?, null()?]))
    }
}

/// Orphans cannot be adopted here.
pub(super) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// Bytes as a file without a name, read-only and at its beginning.
pub(super) fn memory_file(reader: &mut impl Read, bytes: usize) -> io::Result<File> {
    let mut file = tempfile::NamedTempFile::new()?;
    let copied = io::copy(&mut reader.take(bytes as u64), &mut file)?;
    if copied != bytes as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.flush()?;
    File::open(file.path())
}

/// A program that was started.
pub(super) struct Program {
    child: Child,
    group: Option<Pid>,
}

impl Program {
    /// Starts the program; `private` becomes its descriptors 3 and 4.
    ///
    /// # Errors
    /// What could not be done.
    pub(super) fn start(
        order: &Order,
        stdin: File,
        private: Option<(OwnedFd, OwnedFd)>,
        reserved: &mut Reserved,
    ) -> Result<Program, String> {
        let (name, arguments) = order
            .command
            .split_first()
            .ok_or("a command has no words")?;
        let said = |error: io::Error| format!("cannot execute `{name}`: {error}");
        if let Some((input, output)) = private {
            // These copies, unlike their sources, stay open in the program.
            rustix::io::dup2(&input, &mut reserved.0[0]).map_err(|error| said(error.into()))?;
            rustix::io::dup2(&output, &mut reserved.0[1]).map_err(|error| said(error.into()))?;
        }
        // Of this process, and so of its children.
        let cpu_seconds = order.cpu_ms.div_ceil(1000) + 1;
        for (resource, most) in [
            (Resource::Core, 0),
            (Resource::Cpu, cpu_seconds),
            (Resource::Nofile, order.open_files.max(OWN_FILES)),
        ] {
            let limit = Rlimit {
                current: Some(most),
                maximum: Some(most),
            };
            let _ = rustix::process::setrlimit(resource, limit);
        }
        let child = Command::new(name)
            .args(arguments)
            .current_dir(&order.directory)
            .env_clear()
            .envs(order.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(stdin))
            .process_group(0)
            .spawn()
            .map_err(said)?;
        // The launcher keeps no end that would hide the program's.
        *reserved = Reserved::new().map_err(said)?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Program { child, group })
    }

    /// Nothing tells of its end.
    pub(super) fn end_descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// How soon to ask again whether it ended.
    pub(super) fn look_again_within(&self) -> Duration {
        LOOK_EVERY
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What lives is not seen here: limits of memory are not kept, that of processor time by the
    /// kernel for each process.
    pub(super) fn used_now(&self) -> Usage {
        Usage::default()
    }

    /// What they wait for is not told here.
    pub(super) fn threads(&self, _: Option<u32>) -> (Vec<Vec<Thread>>, bool) {
        (Vec::new(), false)
    }

    /// Cannot be told here.
    pub(super) fn proportional_bytes(&self) -> Option<u64> {
        None
    }

    /// Nobody is refused processes here.
    pub(super) fn is_crowded(&self) -> bool {
        false
    }

    /// How the program ended; with `kill`, it is ended now.
    pub(super) fn end(&mut self, kill: bool) -> io::Result<End> {
        if kill {
            let _ = self.child.kill();
        }
        let status = self.child.wait()?;
        Ok(End {
            exit_code: status.code(),
            signal: status.signal(),
        })
    }

    /// Ends all in its process group.
    pub(super) fn end_tree(&mut self, _: Duration) {
        if let Some(group) = self.group {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

/// How a program ended.
pub(super) struct End {
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
}

/// Directories are not limited here.
pub(super) fn full(_: &Order) -> Option<Full> {
    None
}

/// Programs are never confined here.
pub(super) fn beyond_confinement(_: &Order, _: Usage, _: u32) -> Option<EndedBy> {
    None
}
