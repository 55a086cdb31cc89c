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
//! | program | no | descriptors 0 to 2, perhaps 3 and 4 |
//!
//! Facts behind the order of calls: namespaces(7), user_namespaces(7), pid_namespaces(7),
//! seccomp(2), landlock(7).

mod cgroup;
mod filter;
mod root;
mod slot;
mod supervise;
mod sys;
mod wire;

use std::io;

pub(super) use cgroup::{Group, tidy_up};
use root::Places;
pub(super) use root::{SCRATCH, places_of};
pub(super) use slot::{USERS_EACH, range_of_users, serve};
pub(super) use supervise::{Cancel, Ran, RunOf, Slot, SlotOrder};

/// Names the step in which a call failed: what a user is told when a layer is missing.
trait InStep<T> {
    /// The value, or the step and the error as text.
    fn in_step(self, step: &str) -> Result<T, String>;
}

impl<T, E: Into<io::Error>> InStep<T> for Result<T, E> {
    fn in_step(self, step: &str) -> Result<T, String> {
        self.map_err(|error| format!("could not {step}: {}", error.into()))
    }
}
