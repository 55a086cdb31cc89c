//! System calls that no safe binding offers, one a function.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
mod linux;

use std::time::Duration;

use libc::c_int;

#[cfg(target_os = "linux")]
pub(in super::super) use linux::*;

/// What processes used.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Used {
    pub(in super::super) cpu: Duration,
    /// The largest resident set of any of them, in bytes.
    pub(in super::super) largest_bytes: u64,
}

impl Used {
    fn of(usage: &libc::rusage) -> Self {
        let time = |time: libc::timeval| {
            Duration::from_secs(time.tv_sec.try_into().unwrap_or(0))
                + Duration::from_micros(time.tv_usec.try_into().unwrap_or(0))
        };
        // getrusage(2): kibibytes, but bytes on Apple's systems.
        let unit = if cfg!(target_vendor = "apple") {
            1
        } else {
            1024
        };
        Used {
            cpu: time(usage.ru_utime) + time(usage.ru_stime),
            largest_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * unit,
        }
    }
}

/// getrusage(2): what all waited-for descendants used.
pub(in super::super) fn used_by_children() -> Used {
    // SAFETY: an all-zero rusage is valid, and the call fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    Used::of(&usage)
}

/// _exit(2): ends this process without running anything more.
pub(in super::super) fn exit(status: c_int) -> ! {
    // SAFETY: always sound; nothing runs after it.
    unsafe { libc::_exit(status) }
}
