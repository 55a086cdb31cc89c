//! System calls that only Linux has, and those that only its sandbox makes.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_long};

use super::Used;

/// The user and group that programs have inside their namespaces.
pub(in super::super::super) const INSIDE_ID: u32 = 65534;

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Which side of a clone this is.
pub(in super::super::super) enum Cloned {
    /// The new process.
    Child,
    /// The process that asked, with the new one's id as it sees it.
    Parent(i32),
}

/// clone3(2) without a new stack: like fork, into new namespaces, as a sibling if `CLONE_PARENT` is
/// among the flags. A sibling tells its end to its parent as its maker does.
///
/// The caller must be single-threaded.
pub(in super::super::super) fn clone3(flags: c_int) -> io::Result<Cloned> {
    // SAFETY: an all-zero clone_args is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(flags.cast_unsigned());
    if flags & libc::CLONE_PARENT == 0 {
        arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    }
    // SAFETY: the structure is live and of the size given. Without a stack and CLONE_VM the child
    // goes on with a copy of this process, which has one thread: no lock is held by another.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut arguments,
            size_of::<libc::clone_args>(),
        )
    };
    Ok(match check(result)? {
        0 => Cloned::Child,
        pid => Cloned::Parent(i32::try_from(pid).expect("process ids fit 32 bits")),
    })
}

/// fork(2). The caller must be single-threaded.
///
/// Not clone3(2), which containers' filters refuse.
pub(in super::super::super) fn fork() -> io::Result<Cloned> {
    // SAFETY: this process has one thread: no lock is held by another.
    let result = unsafe { libc::fork() };
    Ok(match check(c_long::from(result))? {
        0 => Cloned::Child,
        _ => Cloned::Parent(result),
    })
}

/// unshare(2).
pub(in super::super::super) fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: plain call; CLONE_FILES and CLONE_VM, which could surprise, are never among the flags.
    check(c_long::from(unsafe { libc::unshare(flags) })).map(drop)
}

/// setns(2) with a pidfd: several namespaces of a process at once.
pub(in super::super::super) fn setns(pidfd: BorrowedFd<'_>, flags: c_int) -> io::Result<()> {
    // SAFETY: plain call on a live descriptor.
    check(c_long::from(unsafe {
        libc::setns(pidfd.as_raw_fd(), flags)
    }))
    .map(drop)
}

/// setresuid(2) for this (single-threaded) process.
pub(in super::super::super) fn set_user(id: u32) -> io::Result<()> {
    // SAFETY: plain call.
    check(c_long::from(unsafe { libc::setresuid(id, id, id) })).map(drop)
}

/// setresgid(2) for this (single-threaded) process.
pub(in super::super::super) fn set_group(id: u32) -> io::Result<()> {
    // SAFETY: plain call.
    check(c_long::from(unsafe { libc::setresgid(id, id, id) })).map(drop)
}

/// setgroups(2) with none.
pub(in super::super::super) fn drop_groups() -> io::Result<()> {
    // SAFETY: a length of 0 reads nothing from the pointer.
    check(c_long::from(unsafe {
        libc::setgroups(0, std::ptr::null())
    }))
    .map(drop)
}

/// mount_setattr(2): sets attributes on a mount and all below it.
pub(in super::super::super) fn set_mount_attributes(
    tree: BorrowedFd<'_>,
    attributes: u64,
) -> io::Result<()> {
    let wanted = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the structure is live and of the size given; the path is the empty string.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// capset(2) with nothing.
pub(in super::super::super) fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    /// _LINUX_CAPABILITY_VERSION_3 of linux/capability.h.
    const VERSION: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION,
        pid: 0,
    };
    let none = [[0_u32; 3]; 2];
    // SAFETY: version 3 reads the header and two blocks of three words; all are live.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// close_range(2): marks every descriptor from `first` on for closing at exec.
pub(in super::super::super) fn close_at_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: closes nothing now.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first.cast_unsigned(),
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    })
    .map(drop)
}

/// close_range(2): closes every descriptor from `first` on. Only for a process that uses none of
/// them again and never returns.
pub(in super::super::super) fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: the caller promises that no owner of a closed descriptor runs again.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first.cast_unsigned(),
            libc::c_uint::MAX,
            0,
        )
    })
    .map(drop)
}

/// fcntl(2) F_ADD_SEALS: a memory file that nobody can change any more.
pub(in super::super::super) fn seal(file: &impl AsRawFd) -> io::Result<()> {
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: plain call on a live descriptor.
    check(c_long::from(unsafe {
        libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals)
    }))
    .map(drop)
}

/// fcntl(2) F_DUPFD_CLOEXEC: a copy with a number of at least `least`.
pub(in super::super::super) fn duplicate_above(
    fd: BorrowedFd<'_>,
    least: RawFd,
) -> io::Result<OwnedFd> {
    // SAFETY: plain call on a live descriptor; the result is new and owned by nobody else.
    unsafe {
        let copy = check(c_long::from(libc::fcntl(
            fd.as_raw_fd(),
            libc::F_DUPFD_CLOEXEC,
            least,
        )))?;
        Ok(OwnedFd::from_raw_fd(
            RawFd::try_from(copy).expect("descriptors fit"),
        ))
    }
}

/// dup2(2) onto a number whose present owner, if any, is not used again.
pub(in super::super::super) fn put_at(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: the caller is about to exec and uses no owner of `number`.
    check(c_long::from(unsafe { libc::dup2(fd.as_raw_fd(), number) })).map(drop)
}

/// setrlimit(2), soft and hard.
pub(in super::super::super) fn set_limit(
    resource: libc::__rlimit_resource_t,
    soft: u64,
    hard: u64,
) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the pointer is to a live value of the right type.
    check(c_long::from(unsafe {
        libc::setrlimit(resource, &raw const limit)
    }))
    .map(drop)
}

/// sigprocmask(2): an empty mask, or one that blocks only SIGCHLD.
pub(in super::super::super) fn set_mask(blocks_child: bool) -> io::Result<()> {
    // SAFETY: the set is a live local value, initialised by sigemptyset.
    check(c_long::from(unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        if blocks_child {
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    }))
    .map(drop)
}

/// sigwaitinfo(2) for SIGCHLD, which must be blocked.
pub(in super::super::super) fn await_child_signal() {
    // SAFETY: the set is a live local value; no information is asked for.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::sigwaitinfo(&raw const set, std::ptr::null_mut());
    }
}

/// signal(2): the default action.
pub(in super::super::super) fn default_action(signal: c_int) {
    // SAFETY: SIG_DFL is a valid action for every signal that has one.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
    }
}

/// How a waited-for process ended, and what it and the children it waited for used.
#[derive(Debug, Clone, Copy)]
pub(in super::super::super) struct Waited {
    pub(in super::super::super) exit_code: Option<i32>,
    pub(in super::super::super) signal: Option<i32>,
    pub(in super::super::super) used: Used,
}

/// wait4(2) for a child of this process, whichever thread made it. Blocks.
pub(in super::super::super) fn wait(pid: i32) -> io::Result<Waited> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is valid; both pointers are to live values.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        loop {
            if libc::wait4(pid, &raw mut status, libc::__WALL, &raw mut usage) >= 0 {
                break;
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        usage
    };
    Ok(Waited {
        exit_code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        used: Used::of(&usage),
    })
}

/// execve(2). Returns only when it fails.
pub(in super::super::super) fn execute(
    program: &CString,
    arguments: &[CString],
    environment: &[CString],
) -> io::Error {
    let pointers = |list: &[CString]| {
        let mut pointers: Vec<_> = list.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        pointers
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end with a null pointer, and the texts outlive the call.
    unsafe {
        libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
    }
    io::Error::last_os_error()
}

/// Takes descriptor 0 of this process, which the supervisor put there.
pub(in super::super::super) fn take_control() -> OwnedFd {
    // SAFETY: called once, at the start of a process whose descriptor 0 nothing else owns.
    unsafe { OwnedFd::from_raw_fd(0) }
}

/// kill(2) with -1: SIGKILL to every process that this one may signal, but itself.
pub(in super::super::super) fn kill_all() -> io::Result<()> {
    // SAFETY: plain call.
    check(c_long::from(unsafe { libc::kill(-1, libc::SIGKILL) })).map(drop)
}

/// waitid(2) with WNOWAIT: a child that has ended and was not waited for; it still is not.
pub(in super::super::super) fn ended_child() -> Option<i32> {
    // SAFETY: an all-zero siginfo_t is valid; the call fills it in, and leaves a pid of 0 where no
    // child has ended.
    let pid = unsafe {
        let mut information: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
        check(c_long::from(libc::waitid(
            libc::P_ALL,
            0,
            &raw mut information,
            flags,
        )))
        .ok()?;
        information.si_pid()
    };
    (pid != 0).then_some(pid)
}
