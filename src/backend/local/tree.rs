//! A process tree, seen through `/proc`: who is in it, what it uses and waits for, and its end.
//!
//! The root is a child subreaper: processes whose parents are gone come back to it, whatever
//! session or group they made for themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use super::clock::Thread;
use super::sandbox::sys;
use super::usage::Usage;

/// Every descendant of this process.
fn descendants() -> Vec<Pid> {
    with_descendants(children(rustix::process::getpid()))
}

/// These processes and all that came of them.
fn with_descendants(mut next: Vec<Pid>) -> Vec<Pid> {
    let mut found = Vec::new();
    while let Some(pid) = next.pop() {
        next.extend(children(pid));
        found.push(pid);
    }
    found
}

fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(
            list.split_ascii_whitespace()
                .filter_map(|word| word.parse().ok())
                .filter_map(Pid::from_raw),
        );
    }
    found
}

/// What the descendants of this process use now.
pub(super) fn usage() -> Usage {
    usage_of_all(descendants())
}

/// What these processes and their descendants use now.
pub(super) fn usage_of(roots: &[Pid]) -> Usage {
    usage_of_all(with_descendants(roots.to_vec()))
}

fn usage_of_all(processes: Vec<Pid>) -> Usage {
    let page_bytes = rustix::param::page_size() as u64;
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let mut usage = Usage::default();
    for pid in processes {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
        // The command, which may hold anything, ends with the last parenthesis.
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        // A first thread that has ended may have left others, which are seen through one of them.
        let thread = rest.starts_with('Z').then(|| living_thread(pid));
        let fields: Vec<u64> = rest
            .split(' ')
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        // Counted from the state: utime, stime, cutime, cstime are 11..=14, num_threads is 17, rss is
        // 21 (proc(5)).
        let ticks: u64 = fields.get(11..15).map_or(0, |ticks| ticks.iter().sum());
        usage.cpu += Duration::from_millis(ticks * 1000 / ticks_per_second);
        let pages = match &thread {
            None => fields.get(21).copied(),
            Some(Some((_, thread))) => thread
                .split(' ')
                .nth(21)
                .and_then(|pages| pages.parse().ok()),
            // It waits to be waited for.
            Some(None) => continue,
        };
        usage.tasks += fields.get(17).copied().unwrap_or(1);
        usage.memory_bytes += pages.unwrap_or(0) * page_bytes + page_table_bytes(pid);
    }
    usage
}

/// The threads of these processes and their descendants. What a thread that gave way to others by its
/// own will waited is not told.
pub(super) fn threads_of(roots: &[Pid]) -> Vec<Thread> {
    let niceness = rustix::process::getpriority_process(None).unwrap_or(0);
    let mut threads = Vec::new();
    for pid in with_descendants(roots.to_vec()) {
        let directory = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
        let directories = directory.into_iter().flatten().flatten();
        threads.extend(directories.filter_map(|entry| thread(&entry.path(), niceness)));
    }
    threads
}

/// The same of the descendants of a process.
pub(super) fn threads_below(process: Pid) -> Vec<Thread> {
    threads_of(&children(process))
}

/// Whether a launcher is there but its program is not: not yet, or not any more.
pub(super) fn is_childless(launcher: Pid) -> bool {
    let is_there = Path::new(&format!("/proc/{}", launcher.as_raw_nonzero())).exists();
    is_there && children(launcher).into_iter().all(has_ended)
}

/// Whether a process has no thread that lives.
pub(super) fn has_ended(pid: Pid) -> bool {
    living_thread(pid).is_none()
}

/// A thread, by its directory in `/proc`.
fn thread(directory: &Path, niceness: i32) -> Option<Thread> {
    let times = fs::read_to_string(directory.join("schedstat")).ok()?;
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    // Counted from the state: nice is 16, policy 38 (proc(5)).
    let fields: Vec<&str> = rest.trim().split(' ').collect();
    let number = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<i32>().ok())
    };
    let gives_way = number(16)? > niceness || number(38) == Some(libc::SCHED_IDLE);
    // Nanoseconds on a core and in its queue, and the times that it left the queue for the core
    // (Documentation/scheduler/sched-stats.rst).
    let mut times = times.split_ascii_whitespace().map(str::parse::<u64>);
    let (ran, waited, turns) = (
        times.next()?.ok()?,
        times.next()?.ok()?,
        times.next()?.ok()?,
    );
    Some(Thread {
        id: directory.file_name()?.to_str()?.parse().ok()?,
        ran: Duration::from_nanos(ran),
        waited: Duration::from_nanos(if gives_way { 0 } else { waited }),
        turns,
        is_awake: !gives_way && fields.first() == Some(&"R"),
    })
}

/// What `smaps_rollup` says of a process or thread; nothing when that has ended.
fn read_memory(directory: &Path) -> std::io::Result<Option<String>> {
    match fs::read_to_string(directory.join("smaps_rollup")) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A thread that has not ended, and what its `stat` says from the state on.
fn living_thread(pid: Pid) -> Option<(PathBuf, String)> {
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    threads.into_iter().flatten().flatten().find_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        (!rest.starts_with('Z')).then(|| (thread.path(), rest.to_owned()))
    })
}

/// Memory that maps memory: a program can have more of it than of anything else.
fn page_table_bytes(pid: Pid) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPTE:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Memory of these processes and their descendants with what they share counted once. All that is
/// resident of those that close their memory to this process. Slow: for when the sum of the resident sets
/// is too much.
pub(super) fn proportional_bytes_of(roots: &[Pid]) -> u64 {
    let mut bytes = 0;
    for pid in with_descendants(roots.to_vec()) {
        let mut directory = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let mut text = read_memory(&directory);
        if let Ok(None) = text {
            // Its first thread is over, or all is. Another thread tells the same.
            let Some((thread, _)) = living_thread(pid) else {
                continue;
            };
            text = read_memory(&thread);
            directory = thread;
        }
        let kibibytes = |text: String| {
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        bytes += match text {
            // What it had was given back while it was read, where nothing is said.
            Ok(text) => text.and_then(kibibytes).unwrap_or(0) * 1024,
            Err(_) => resident_bytes(&directory),
        };
        bytes += page_table_bytes(pid);
    }
    bytes
}

/// What is resident of a process or thread, by its directory.
fn resident_bytes(directory: &Path) -> u64 {
    let numbers = fs::read_to_string(directory.join("statm")).unwrap_or_default();
    // The second is what is resident, in pages (proc(5)).
    let pages = numbers
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// The same of the descendants of this process.
pub(super) fn proportional_bytes() -> u64 {
    proportional_bytes_of(&children(rustix::process::getpid()))
}

/// Waits for the children of this process that have ended, but for one.
pub(super) fn reap_all_but(program: i32) {
    // Looked at first: the one may be among them.
    while let Some(pid) = sys::ended_child() {
        if pid == program || sys::wait(pid).is_err() {
            return;
        }
    }
}

/// Ends every descendant, and those that they make while they are ended. Gives up after `within`.
pub(super) fn end_all(within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let living = descendants();
        // Stopped first, so that none makes another while its parent is ended.
        for pid in &living {
            let _ = kill_process(*pid, Signal::STOP);
        }
        for pid in &living {
            let _ = kill_process(*pid, Signal::KILL);
        }
        let mut all_gone = false;
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    all_gone = true;
                    break;
                }
            }
        }
        if all_gone || Instant::now() >= deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
