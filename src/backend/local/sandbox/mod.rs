//! Contains programs with what Linux offers: namespaces, a private root, seccomp, Landlock, limits.
//!
//! A **slot** is a process that lives as long as programs run one after the other in it. It owns an
//! identity, a control group where the machine lets us have one, and a prepared root. For each
//! program it makes an init in fresh namespaces and, beside it, the program. Both are children of
//! the supervisor, not of the slot: how a program ended and what it used comes from the kernel, and
//! a slot that were taken over could not lie about it.
//!
//! Who is what:
//!
//! | process | trusted | holds |
//! |---|---|---|
//! | supervisor | yes | expectations, keys, clocks; this library's process |
//! | slot (`slot.rs`) | yes | the sources of the program it starts, nothing else |
//! | init | yes | nothing: reaps orphans, takes all with it when it is killed |
//! | fork server (`fork_server.py`) | yes | an interpreter and what it has loaded; no program's code |
//! | program | no | descriptors 0 to 2, perhaps 3 and 4 |
//! | its judge, in another slot | no | the tests, the other end of a channel |
//!
//! Facts behind the order of calls: namespaces(7), user_namespaces(7), pid_namespaces(7),
//! seccomp(2), landlock(7).

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod fork_server;
#[cfg(target_os = "linux")]
mod forks;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod slot;
#[cfg(target_os = "linux")]
mod supervise;
pub(super) mod sys;
#[cfg(target_os = "linux")]
mod users;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
pub(super) use linux::*;

#[cfg(target_os = "linux")]
mod linux {
    //! What the rest of the backend uses.

    pub(in super::super) use super::cgroup::{Group, remove as remove_group};
    pub(in super::super) use super::filter::{Filters, Grants, Openings};
    pub(in super::super) use super::probe::{Probed, probe};
    pub(in super::super) use super::program::{Becoming, Confined, ProcessLimits};
    pub(in super::super) use super::root::{
        Places, SCRATCH, devices, places_of, readable, written_devices,
    };
    pub(in super::super) use super::slot::serve;
    pub(in super::super) use super::supervise::{
        Flag, NotRun, Pair, Private, Ran, RunOf, Slot, SlotOrder, Standard,
    };
    pub(in super::super) use super::users::Users;
}

#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

#[cfg(target_os = "linux")]
use rustix::fs::MemfdFlags;

/// Why Landlock is missing.
#[cfg(target_os = "linux")]
const LANDLOCK_IN_PART: &str = "this kernel has it only in part: scopes need Linux 6.12";
#[cfg(target_os = "linux")]
const LANDLOCK_ABSENT: &str = "this kernel has no Landlock, or it is switched off";

/// Names the step in which a call failed: what a user is told when a layer is missing.
#[cfg(target_os = "linux")]
pub(super) trait InStep<T> {
    /// The value, or the step and the error as text.
    fn in_step(self, step: &str) -> Result<T, String>;
}

#[cfg(target_os = "linux")]
impl<T, E: Into<io::Error>> InStep<T> for Result<T, E> {
    fn in_step(self, step: &str) -> Result<T, String> {
        self.map_err(|error| format!("could not {step}: {}", error.into()))
    }
}

#[cfg(target_os = "linux")]
/// Bytes as a file without a name, read-only and at its beginning.
fn memory_file<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create(c"rewardspec", flags)?);
    for part in parts {
        file.write_all(part)?;
    }
    sys::seal(&file)?;
    // Opened anew, at its beginning and for reading.
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
