//! What the launcher asks of Linux: the program as a child under pidfd, confined where that was
//! ordered, and the end of its tree.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::super::clock::Thread;
use super::super::sandbox::sys::{self, Cloned, Waited};
use super::super::sandbox::{
    Becoming, Confined, Filters, Grants, InStep, Openings, ProcessLimits, devices, readable,
    written_devices,
};
use super::super::usage::Usage;
use super::super::wire::{Confinement, EndedBy, Full, Order};
use super::super::{directory, tree};

/// The disk is looked at every so many samples: it takes longer than the rest.
const DISK_EVERY: u32 = 5;
/// What of `/proc` a confined program reads besides its own directory there.
const MACHINE: &[&str] = &[
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/version",
    "/proc/filesystems",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
];

/// Numbers of descriptors that must stay free: none here, where the program is a fork.
pub(super) struct Reserved;

impl Reserved {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on other systems")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Reserved)
    }
}

/// Makes this process the parent of processes whose parents are gone, whatever session or group
/// they made for themselves. Keeps it from processes of its own user, too.
pub(super) fn adopt_orphans() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(rustix::process::set_child_subreaper(Some(
        rustix::process::getpid(),
    ))?)
}

/// Bytes as a file without a name, read-only and at its beginning.
pub(super) fn memory_file(reader: &mut impl Read, bytes: usize) -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create(c"input", flags)?;
    let mut file = File::from(memory);
    // Written, and not spliced: pages that the kernel holds meanwhile cannot be sealed (EBUSY).
    let mut chunk = [0; 64 * 1024];
    let mut missing = bytes;
    while missing > 0 {
        let wanted = missing.min(chunk.len());
        let count = match reader.read(&mut chunk[..wanted]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        file.write_all(&chunk[..count])?;
        missing -= count;
    }
    sys::seal(&file)?;
    // Another user may read it only if it says so; opened anew, at its beginning and for reading.
    rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o444))?;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A program that was started.
pub(super) struct Program {
    pid: i32,
    pidfd: OwnedFd,
    user: Option<u32>,
    /// Processes and threads of a user it shares, above which somebody has a crowd of them.
    crowd: Option<u64>,
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
        _: &mut Reserved,
    ) -> Result<Program, String> {
        let confinement = order.confinement.as_ref();
        let shared = confinement.filter(|confinement| confinement.user.is_none());
        let most = shared.map(|confinement| 2 * tasks_of_user() + confinement.processes);
        let processes = most.or(confinement.map(|confinement| confinement.processes));
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).in_step("make a pipe")?;
        let pid = match sys::fork().in_step("start a process")? {
            Cloned::Child => {
                drop(read);
                be_program(order, processes, stdin, private, write)
            }
            Cloned::Parent(pid) => pid,
        };
        drop((write, stdin, private));
        let mut message = String::new();
        // Ends when the program is executed.
        File::from(read)
            .read_to_string(&mut message)
            .in_step("hear a process")?;
        if !message.is_empty() {
            let _ = sys::wait(pid);
            return Err(message);
        }
        let id = Pid::from_raw(pid).ok_or("a process has the id 0")?;
        let pidfd =
            rustix::process::pidfd_open(id, PidfdFlags::empty()).in_step("hold a process")?;
        Ok(Program {
            pid,
            pidfd,
            user: confinement.and_then(|confinement| confinement.user),
            crowd: most.map(|most| most / 2),
        })
    }

    /// Whether its user has so many processes now that it may have been refused one.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowd.is_some_and(|count| !is_forking_below(count))
    }

    /// Becomes readable when the program ends.
    pub(super) fn end_descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.pidfd.as_fd())
    }

    /// How soon to ask again whether it ended.
    pub(super) fn look_again_within(&self) -> Duration {
        Duration::MAX
    }

    pub(super) fn has_ended(&mut self) -> bool {
        let end = rustix::process::WaitIdOptions::EXITED
            | rustix::process::WaitIdOptions::NOHANG
            | rustix::process::WaitIdOptions::NOWAIT;
        let id = rustix::process::WaitId::PidFd(self.pidfd.as_fd());
        !matches!(rustix::process::waitid(id, end), Ok(None))
    }

    /// What its tree uses now. Orphans that ended are waited for, so that they count no more.
    pub(super) fn used_now(&self) -> Usage {
        tree::reap_all_but(self.pid);
        tree::usage()
    }

    /// The threads of its tree, and those of the tree of the launcher beside; and whether that has none
    /// that live.
    pub(super) fn threads(&self, beside: Option<u32>) -> (Vec<Vec<Thread>>, bool) {
        let beside = beside.and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let launchers = [rustix::process::getpid()].into_iter().chain(beside);
        let trees = launchers.map(tree::threads_below).collect();
        (trees, beside.is_some_and(tree::is_childless))
    }

    /// Memory of its tree with what processes share counted once, where it can be told.
    pub(super) fn proportional_bytes(&self) -> Option<u64> {
        Some(tree::proportional_bytes())
    }

    /// How the program ended; with `kill`, it is ended now.
    pub(super) fn end(&mut self, kill: bool) -> io::Result<Waited> {
        if kill {
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        }
        sys::wait(self.pid)
    }

    /// Ends all that came of it.
    pub(super) fn end_tree(&mut self, within: Duration) {
        let Some(user) = self.user else {
            return tree::end_all(within);
        };
        let deadline = Instant::now() + within;
        loop {
            // At once, whatever they make meanwhile: a walk through a tree that grows is late.
            if matches!(sys::fork(), Ok(Cloned::Child)) {
                end_user(user)
            }
            tree::end_all(Duration::from_millis(50));
            let nobody_left = matches!(
                rustix::process::wait(rustix::process::WaitOptions::NOHANG),
                Err(rustix::io::Errno::CHILD)
            );
            if nobody_left || Instant::now() >= deadline {
                return;
            }
        }
    }
}

/// Becomes a user, ends every process of that user, and this one.
pub(in super::super) fn end_user(user: u32) -> ! {
    let became = sys::drop_groups()
        .and_then(|()| sys::set_group(user))
        .and_then(|()| sys::set_user(user));
    if became.is_ok() {
        // All that it may signal: those of this user and no other.
        let _ = sys::kill_all();
    }
    sys::exit(0)
}

fn be_program(
    order: &Order,
    processes: Option<u64>,
    stdin: File,
    private: Option<(OwnedFd, OwnedFd)>,
    report: OwnedFd,
) -> ! {
    let Ok(report) = sys::duplicate_above(report.as_fd(), 16) else {
        sys::exit(1)
    };
    let message = match become_program(order, processes, stdin, private) {
        Ok(never) => match never {},
        Err(message) => message,
    };
    let _ = File::from(report).write_all(message.as_bytes());
    sys::exit(1)
}

fn become_program(
    order: &Order,
    processes: Option<u64>,
    stdin: File,
    private: Option<(OwnedFd, OwnedFd)>,
) -> Result<std::convert::Infallible, String> {
    let confinement = order.confinement.as_ref();
    rustix::process::setsid().in_step("start a session")?;
    std::env::set_current_dir(&order.directory).in_step("enter the program's directory")?;
    let outputs = [rustix::stdio::stdout(), rustix::stdio::stderr()].map(|output| {
        // Programs open them by name too, which asks who they belong to.
        let _ = rustix::fs::fchmod(output, rustix::fs::Mode::from_raw_mode(0o222));
        output.try_clone_to_owned().in_step("copy a descriptor")
    });
    let [stdout, stderr] = outputs;
    let mut descriptors = vec![OwnedFd::from(stdin), stdout?, stderr?];
    if let Some((input, output)) = private {
        descriptors.extend([input, output]);
    }
    if let Some(user) = confinement.and_then(|confinement| confinement.user) {
        become_user(user)?;
    }
    // After the change of user, which clears it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .in_step("be bound to the launcher")?;
    let walls = confinement.map(walls).transpose()?;
    let becoming = Becoming {
        command: &order.command,
        environment: &order.environment,
        descriptors,
        limits: Some(ProcessLimits {
            cpu_seconds: order.cpu_ms.div_ceil(1000) + 1,
            file_bytes: confinement.map(|confinement| confinement.disk_bytes),
            // A backstop behind the sampled sum; more, because an allocation is not yet use.
            data_bytes: confinement.map(|_| order.memory_bytes.saturating_mul(2)),
            open_files: order.open_files,
            processes,
        }),
        confined: walls.as_ref().map_or(Confined::No, |(grants, filters)| {
            Confined::Program(grants, filters)
        }),
    };
    becoming.become_program()
}

fn become_user(user: u32) -> Result<(), String> {
    sys::drop_groups().in_step("leave all groups")?;
    sys::set_group(user).in_step("become the program's group")?;
    sys::set_user(user).in_step("become the program's user")
}

/// A number of processes and threads that this process's user does not reach now, found by
/// trying: those of other containers count too, and are not seen.
fn tasks_of_user() -> u64 {
    const MOST: u64 = 1 << 20;
    let mut count = 64;
    while count < MOST && !is_forking_below(count) {
        count *= 2;
    }
    count
}

fn is_forking_below(count: u64) -> bool {
    let tried = sys::fork().map(|cloned| match cloned {
        Cloned::Child => {
            let forked =
                sys::set_limit(libc::RLIMIT_NPROC, count, count).and_then(|()| sys::fork());
            if let Ok(Cloned::Parent(pid)) = &forked {
                let _ = sys::wait(*pid);
            }
            sys::exit(i32::from(forked.is_err()))
        }
        Cloned::Parent(pid) => pid,
    });
    tried
        .and_then(sys::wait)
        .is_ok_and(|end| end.exit_code == Some(0))
}

/// What stands around a confined program in place of namespaces.
fn walls(confinement: &Confinement) -> Result<(Grants, Filters), String> {
    let places = confinement.places.iter().cloned().collect();
    let mut read = readable(&places, confinement.network);
    read.extend(MACHINE.iter().map(|path| (*path).to_owned()));
    let mut write = vec![".".to_owned()];
    write.extend(written_devices());
    read.extend(devices());
    let grants = Grants {
        list: Vec::new(),
        read,
        write,
        network: confinement.network,
    };
    let openings = Openings {
        network: confinement.network,
        // The machine's own, by path or abstract name, are in reach.
        unix_sockets: false,
        unseen_memory: false,
        shared: false,
        ownership: confinement.user.is_some(),
    };
    let filters = Filters::new(&openings).in_step("compile the system call filter")?;
    Ok((grants, filters))
}

/// What a program that ended had used up of its directory.
pub(super) fn full(order: &Order) -> Option<Full> {
    /// What is left may be too little for the file that was to be written.
    const BLOCK_BYTES: u64 = 4096;
    let confinement = order.confinement.as_ref()?;
    let (bytes, files) = directory::extent(&order.directory, confinement.inodes);
    if bytes + BLOCK_BYTES > confinement.disk_bytes {
        Some(Full::Disk)
    } else if files >= confinement.inodes {
        Some(Full::Inodes)
    } else {
        None
    }
}

/// The limit of a confinement that the tree is beyond.
pub(super) fn beyond_confinement(order: &Order, used: Usage, samples: u32) -> Option<EndedBy> {
    let confinement = order.confinement.as_ref()?;
    if used.tasks > confinement.processes {
        return Some(EndedBy::Tasks);
    }
    if !samples.is_multiple_of(DISK_EVERY) {
        return None;
    }
    let (bytes, files) = directory::extent(&order.directory, confinement.inodes);
    (bytes > confinement.disk_bytes || files > confinement.inodes).then_some(EndedBy::Disk)
}
