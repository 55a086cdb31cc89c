//! The state of the machine: what programs could leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the users of programs begin when rewardspec is root, and what they are else.
const FIRST_USER: u32 = 0x4000_0000;
const NOBODY: u32 = 65534;
/// How long what is left may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// Where programs would leave files if they could.
const PLACES: &[&str] = &[
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/dev/mqueue",
    "/",
    "/root",
    "/home",
];

/// Processes, mounts, control groups, shared memory and files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    things: BTreeSet<String>,
}

impl State {
    pub(crate) fn now() -> Self {
        let mut things = BTreeSet::new();
        for entry in entries(Path::new("/proc")) {
            let Some(pid) = entry.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if !pid.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            // Only what descends from rewardspec or a program: others come and go.
            let line = command_line(pid);
            let name = fs::read_to_string(entry.join("comm")).unwrap_or_default();
            let is_ours = ["rewardspec", "/proc/self/exe", "main.py", "main.js", "/box"]
                .iter()
                .any(|word| line.contains(word) || name.contains(word));
            let status = fs::read_to_string(entry.join("status")).unwrap_or_default();
            let field = |name: &str| {
                let value = status.lines().find_map(|line| line.strip_prefix(name))?;
                value.split_whitespace().next()
            };
            // What ended and was left to the machine's init is that one's to wait for.
            if field("State:") == Some("Z") && field("PPid:") == Some("1") {
                continue;
            }
            let owner = field("Uid:")
                .and_then(|user| user.parse().ok())
                .unwrap_or(0_u32);
            if is_ours && !line.contains("cargo") || owner >= FIRST_USER {
                things.insert(format!("process {pid}: {line}"));
            }
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        things.extend(mounts.lines().map(|line| format!("mount {line}")));
        for table in [
            "/proc/sysvipc/shm",
            "/proc/sysvipc/msg",
            "/proc/sysvipc/sem",
        ] {
            let text = fs::read_to_string(table).unwrap_or_default();
            things.extend(text.lines().skip(1).filter_map(|line| {
                let id = line.split_whitespace().nth(1)?;
                Some(format!("{table} {id}"))
            }));
        }
        groups(Path::new("/sys/fs/cgroup"), &mut things);
        for place in PLACES {
            let is_common = place.ends_with("tmp");
            things.extend(
                entries(Path::new(place))
                    .iter()
                    .filter(|path| !is_common || is_ours(path))
                    .map(|path| format!("file {}", path.display())),
            );
        }
        State { things }
    }

    /// The state once it is as before, or the time for that is over.
    pub(crate) fn now_as_before(before: &State) -> Self {
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            let now = State::now();
            if before.left_in(&now).is_empty() || Instant::now() >= deadline {
                return now;
            }
            std::thread::yield_now();
        }
    }

    /// What is there later and was not before.
    pub(crate) fn left_in(&self, later: &State) -> Vec<String> {
        later.things.difference(&self.things).cloned().collect()
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Whether a file where everybody puts theirs is of rewardspec or of a user of its programs.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let owner = fs::symlink_metadata(path).map_or(0, |data| data.uid());
    name.starts_with("rewardspec") || owner == NOBODY || owner >= FIRST_USER
}

/// Those of rewardspec: programs cannot make any, and services make theirs all the time.
fn groups(directory: &Path, things: &mut BTreeSet<String>) {
    for path in entries(directory) {
        if path.is_dir() && !path.is_symlink() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("rewardspec") {
                things.insert(format!("control group {}", path.display()));
            }
            groups(&path, things);
        }
    }
}

fn command_line(pid: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Whether a process has this word in its command line or as its name.
pub(crate) fn is_named(word: &str) -> bool {
    entries(Path::new("/proc")).iter().any(|process| {
        ["cmdline", "comm"].iter().any(|file| {
            let text = fs::read(process.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(word)
        })
    })
}

/// Paths that a pattern with `*` in its parts matches.
pub(crate) fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found
            .iter()
            .flat_map(|directory| entries(directory))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                match part.split_once('*') {
                    None => name == part,
                    Some((start, end)) => name.starts_with(start) && name.ends_with(end),
                }
            })
            .collect();
    }
    found
}
