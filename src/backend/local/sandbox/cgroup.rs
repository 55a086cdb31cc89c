//! Control groups: the kernel's own count of what a slot's programs use. Version 1 and 2, where
//! this user may make one; without, the supervisor samples.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a group may take to become empty.
const EMPTY_WITHIN: Duration = Duration::from_secs(5);

/// What may be charged to a group that nobody uses: the kernel counts in batches.
const UNUSED_BYTES: u64 = 512 * 1024;

/// A group for programs, one after the other. Removed with this value.
#[derive(Debug)]
pub(in super::super) struct Group {
    memory: Directory,
    /// Absent in version 2, where one directory has all controllers.
    tasks: Option<Directory>,
    /// Processor time; absent in version 2, and where it is not counted.
    time: Option<Directory>,
    files: Files,
    /// The limits of memory and tasks that hold.
    limits: Cell<Option<(u64, u64)>>,
}

/// What is read and written for every program, kept open: to look up their names would take more time.
#[derive(Debug)]
struct Files {
    /// Where each process of the group is written to, one in each hierarchy.
    members: Vec<File>,
    kills: File,
    refusals: File,
    statistics: File,
    /// Absent where processor time is not counted.
    time: Option<File>,
    /// Absent in version 2.
    peak: Option<File>,
}

impl Files {
    fn open(memory: &Path, tasks: Option<&Path>, time: Option<&Path>) -> Result<Files, String> {
        let open = |directory: &Path, name: &str, writes: bool| {
            let path = directory.join(name);
            let mut options = File::options();
            options
                .read(!writes)
                .write(writes)
                .open(&path)
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        let directories = [Some(memory), tasks, time].into_iter().flatten();
        let members = directories.map(|directory| open(directory, "cgroup.procs", true));
        let is_version_2 = tasks.is_none();
        let kills = if is_version_2 {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        let time = match time {
            Some(time) => Some(open(time, "cpuacct.usage", false)?),
            None if is_version_2 => Some(open(memory, "cpu.stat", false)?),
            None => None,
        };
        let peak = match is_version_2 {
            true => None,
            false => {
                let path = memory.join("memory.max_usage_in_bytes");
                File::options().read(true).write(true).open(path).ok()
            }
        };
        Ok(Files {
            members: members.collect::<Result<_, _>>()?,
            kills: open(memory, kills, false)?,
            refusals: open(tasks.unwrap_or(memory), "pids.events", false)?,
            statistics: open(memory, "memory.stat", false)?,
            time,
            peak,
        })
    }
}

/// A directory of a hierarchy. Removed with this value.
#[derive(Debug)]
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Counts since the group was made.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    /// Processes that the kernel ended for memory.
    pub(super) memory_kills: u64,
    /// Processes and threads that were refused.
    pub(super) refused_tasks: u64,
    /// Processor time of all that were ever in it.
    pub(super) cpu: Duration,
}

impl Group {
    /// Makes a group below this process's own.
    ///
    /// # Errors
    /// Why there can be none.
    pub(in super::super) fn new(name: &str) -> Result<Group, String> {
        let text =
            |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let (memberships, mounts) = (text("/proc/self/cgroup")?, text("/proc/self/mountinfo")?);
        let memory = place(&memberships, &mounts, Some("memory"));
        let tasks = place(&memberships, &mounts, Some("pids"));
        if let (Some(memory), Some(tasks)) = (memory, tasks) {
            // Times are counted beside, where they are.
            let time = place(&memberships, &mounts, Some("cpuacct"));
            let memory = made(&memory, name)?;
            let tasks = made(&tasks, name)?;
            let time = time.and_then(|time| made(&time, name).ok());
            return Group::of(memory, Some(tasks), time, "memory.limit_in_bytes");
        }
        let unified = place(&memberships, &mounts, None).ok_or(
            "no hierarchy of control groups with the controllers memory and pids is mounted",
        )?;
        let memory = made(&unified, name)?;
        if !memory.0.join("memory.max").exists() {
            // Works where this process was given a group of its own to divide.
            let _ = fs::write(unified.join("cgroup.subtree_control"), "+memory +pids");
        }
        Group::of(memory, None, None, "memory.max")
    }

    /// A group of these directories, the first of which must have `file`.
    fn of(
        memory: Directory,
        tasks: Option<Directory>,
        time: Option<Directory>,
        file: &str,
    ) -> Result<Group, String> {
        let of_tasks = tasks.as_ref().map(|tasks| tasks.0.as_path());
        let has_tasks = of_tasks.unwrap_or(&memory.0).join("pids.max").exists();
        if !memory.0.join(file).exists() || !has_tasks {
            return Err(format!(
                "the controllers memory and pids are not given to {}",
                memory.0.display()
            ));
        }
        let of_time = time.as_ref().map(|time| time.0.as_path());
        let files = Files::open(&memory.0, of_tasks, of_time)?;
        Ok(Group {
            memory,
            tasks,
            time,
            files,
            limits: Cell::new(None),
        })
    }

    fn is_version_2(&self) -> bool {
        self.tasks.is_none()
    }

    fn tasks(&self) -> &Path {
        self.tasks.as_ref().map_or(&self.memory.0, |tasks| &tasks.0)
    }

    /// The directories of the group.
    pub(in super::super) fn directories(&self) -> Vec<&Path> {
        [Some(&self.memory), self.tasks.as_ref(), self.time.as_ref()]
            .into_iter()
            .flatten()
            .map(|directory| directory.0.as_path())
            .collect()
    }

    /// Takes a process in; all that it makes later is in too.
    pub(super) fn join(&self, pid: u32) -> io::Result<()> {
        for members in &self.files.members {
            members.write_all_at(pid.to_string().as_bytes(), 0)?;
        }
        Ok(())
    }

    /// Sets the limits of the next program and begins a new peak.
    pub(in super::super) fn limit(&self, memory_bytes: u64, tasks: u64) -> io::Result<()> {
        let memory = |file: &str, value: &str| fs::write(self.memory.0.join(file), value);
        if self.limits.get() == Some((memory_bytes, tasks)) {
            self.begin_peak();
            return Ok(());
        }
        self.limits.set(None);
        let bytes = memory_bytes.to_string();
        if self.is_version_2() {
            memory("memory.max", &bytes)?;
            // Absent without swap, and in the group of version 2 only.
            let _ = memory("memory.swap.max", "0");
            let _ = memory("memory.oom.group", "0");
        } else {
            // Memory with swap may never be limited to less than memory without: the order in
            // which the two can be set depends on what was set before.
            let _ = memory("memory.memsw.limit_in_bytes", &bytes);
            memory("memory.limit_in_bytes", &bytes)?;
            let _ = memory("memory.memsw.limit_in_bytes", &bytes);
            self.begin_peak();
        }
        fs::write(self.tasks().join("pids.max"), tasks.to_string())?;
        self.limits.set(Some((memory_bytes, tasks)));
        Ok(())
    }

    fn begin_peak(&self) {
        if let Some(peak) = &self.files.peak {
            let _ = peak.write_all_at(b"0", 0);
        }
    }

    /// Whether programs that are gone still have memory here: namespaces and what was in them are
    /// given back a little later. File caches, which the kernel takes back when it needs to, do not
    /// count.
    pub(in super::super) fn is_used(&self) -> bool {
        self.used_bytes() > UNUSED_BYTES
    }

    /// Memory in use that is no file's.
    fn used_bytes(&self) -> u64 {
        let text = text(&self.files.statistics);
        // Version 1 says `rss`, version 2 `anon`.
        ["rss ", "anon ", "shmem "]
            .iter()
            .filter_map(|name| text.lines().find_map(|line| line.strip_prefix(name)))
            .filter_map(|number| number.trim().parse::<u64>().ok())
            .sum()
    }

    /// Whether the processor time of programs is counted: then nothing about them needs to be looked
    /// up, process by process.
    pub(super) fn counts_time(&self) -> bool {
        self.files.time.is_some()
    }

    /// What is in use now, where the kernel remembers no peak; else 0.
    pub(super) fn sampled_bytes(&self) -> u64 {
        if self.is_version_2() {
            self.used_bytes()
        } else {
            0
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            memory_kills: counter(&self.files.kills, "oom_kill"),
            refused_tasks: counter(&self.files.refusals, "max"),
            cpu: self.cpu(),
        }
    }

    fn cpu(&self) -> Duration {
        match &self.files.time {
            None => Duration::ZERO,
            Some(time) if self.is_version_2() => Duration::from_micros(counter(time, "usage_usec")),
            Some(time) => Duration::from_nanos(text(time).trim().parse().unwrap_or(0)),
        }
    }

    /// The highest use since the limits were set, in bytes. The group of version 2 has no such
    /// number for less than its whole life.
    pub(super) fn peak_bytes(&self) -> u64 {
        let peak = self.files.peak.as_ref();
        peak.and_then(|peak| text(peak).trim().parse().ok())
            .unwrap_or(0)
    }
}

/// The directory of this process's group in a hierarchy: of a controller, or the unified one.
fn place(memberships: &str, mounts: &str, controller: Option<&str>) -> Option<PathBuf> {
    let own = memberships.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_it = match controller {
            Some(wanted) => controllers.split(',').any(|name| name == wanted),
            None => controllers.is_empty(),
        };
        is_it.then_some(path)
    })?;
    let mount = mounts.lines().find_map(|line| {
        // proc_pid_mountinfo(5): root is field 4, the mount point 5; after the dash come the type,
        // the source and the options of the file system.
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        let mut after = after.split(' ');
        let (kind, _, options) = (after.next()?, after.next()?, after.next()?);
        let is_it = match controller {
            Some(wanted) => kind == "cgroup" && options.split(',').any(|name| name == wanted),
            None => kind == "cgroup2",
        };
        is_it.then_some(point)
    })?;
    let mount = PathBuf::from(mount);
    let own = mount.join(own.trim_start_matches('/'));
    // In a container the path may be that of the host.
    Some(if own.is_dir() { own } else { mount })
}

fn made(parent: &Path, name: &str) -> Result<Directory, String> {
    let directory = parent.join(name);
    fs::create_dir(&directory)
        .map_err(|error| format!("cannot make a group in {}: {error}", parent.display()))?;
    Ok(Directory(directory))
}

/// What a file says now; nothing when the group is gone.
fn text(file: &File) -> String {
    let mut bytes = vec![0; 8192];
    let mut length = 0;
    while let Ok(read @ 1..) = file.read_at(&mut bytes[length..], length as u64) {
        length += read;
        if length < bytes.len() {
            break;
        }
        bytes.resize(2 * length, 0);
    }
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn counter(file: &File, name: &str) -> u64 {
    text(file)
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        .unwrap_or(0)
}

/// Removes a group once the processes in it are gone; ends those that are left.
pub(in super::super) fn remove(directory: &Path) {
    let deadline = Instant::now() + EMPTY_WITHIN;
    while let Err(error) = fs::remove_dir(directory) {
        if error.kind() == io::ErrorKind::NotFound || Instant::now() >= deadline {
            return;
        }
        let left = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        for pid in left.lines().filter_map(|line| line.parse().ok()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::place;

    #[test]
    fn a_hierarchy_is_found_by_its_controller() {
        let memberships = "4:memory:/\n3:pids:/a/b\n0::/\n";
        let mounts = "30 20 0:26 / /proc/self rw - cgroup cgroup rw,memory\n\
                      31 20 0:27 / /nowhere rw shared:1 - cgroup cgroup rw,pids\n\
                      32 20 0:28 / /proc rw - cgroup2 cgroup2 rw\n";
        let found = |controller| place(memberships, mounts, controller);
        assert_eq!(
            found(Some("memory")).as_deref(),
            Some(Path::new("/proc/self/"))
        );
        // The path of the group is not below the mount: the mount is taken.
        assert_eq!(found(Some("pids")).as_deref(), Some(Path::new("/nowhere")));
        assert_eq!(found(None).as_deref(), Some(Path::new("/proc/")));
        assert_eq!(found(Some("cpu")), None);
    }
}
