//! Tries each layer by itself, by doing it: versions and settings promise what a container's
//! profile then refuses.
//!
//! Runs in a process of its own, one thread, which forks for each try.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::pipe::PipeFlags;
use serde::{Deserialize, Serialize};

use super::super::containment::{Layer, LayerName};
use super::cgroup::Group;
use super::filter::{Filters, Grants, Landlocked, Openings};
use super::slot::map_ids;
use super::sys::{self, Cloned};
use super::{InStep, LANDLOCK_ABSENT, LANDLOCK_IN_PART, root};

/// Tries of each layer, for the median of its cost.
const TRIES: usize = 5;

/// What was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in super::super) struct Probed {
    pub(in super::super) layers: Vec<Layer>,
    /// Why programs cannot be confined without namespaces; absent where they can be.
    pub(in super::super) unconfined: Option<String>,
}

/// Tries all layers and writes what was found to standard output. `user` is one for programs, when
/// this process is root.
pub(in super::super) fn probe(user: Option<u32>) -> ! {
    let probed = Prober { user }.all();
    let text = serde_json::to_string(&probed).unwrap_or_default();
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stdout().flush();
    sys::exit(0)
}

struct Prober {
    user: Option<u32>,
}

impl Prober {
    fn all(&self) -> Probed {
        use LayerName as Name;
        let mut layers = vec![
            self.layer(Name::UserNamespace, || self.namespaces(libc::CLONE_NEWUSER)),
            self.layer(Name::MountNamespace, || self.namespaces(libc::CLONE_NEWNS)),
            self.layer(Name::ProcessNamespace, || {
                self.namespaces(libc::CLONE_NEWPID)?;
                in_child(|| match rustix::process::getpid().as_raw_nonzero().get() {
                    1 => Ok(()),
                    _ => Err("a process in a new namespace is not its first".to_owned()),
                })
            }),
            self.layer(Name::NetworkNamespace, || {
                self.namespaces(libc::CLONE_NEWNET)?;
                match TcpStream::connect(("127.0.0.1", 9)) {
                    Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => Ok(()),
                    _ => Err("loopback answers in a new namespace".to_owned()),
                }
            }),
            self.layer(Name::IpcNamespace, || self.namespaces(libc::CLONE_NEWIPC)),
            self.layer(Name::UtsNamespace, || {
                self.namespaces(libc::CLONE_NEWUTS)?;
                rustix::system::sethostname(b"box").in_step("name the host")
            }),
            self.layer(Name::PrivateRoot, || {
                self.namespaces(libc::CLONE_NEWNS)?;
                root::enter(&root::Places::new(), false)?;
                refused(
                    fs::metadata("/sys"),
                    "a directory of the machine is in sight",
                )
            }),
            self.layer(Name::Scratch, || self.scratch()),
            self.layer(Name::OwnProc, || self.own_proc()),
        ];
        if self.user.is_some() {
            layers.push(self.layer(Name::OtherUser, || self.become_other()));
        }
        layers.extend([
            self.layer(Name::NoCapabilities, || {
                sys::drop_capabilities().in_step("drop capabilities")?;
                let status = fs::read_to_string("/proc/self/status").in_step("read own status")?;
                let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
                match line.map(|line| line.trim().trim_start_matches('0')) {
                    Some("") => Ok(()),
                    _ => Err("capabilities are left".to_owned()),
                }
            }),
            self.layer(Name::SystemCallFilter, || {
                no_new_privileges()?;
                let filters = Filters::new(&Openings {
                    network: false,
                    unix_sockets: false,
                    unseen_memory: false,
                    shared: false,
                    ownership: false,
                });
                filters
                    .and_then(|filters| filters.install())
                    .in_step("filter system calls")?;
                refused(TcpStream::connect(("127.0.0.1", 9)), "a socket was made")?;
                refused(sys::unshare(libc::CLONE_NEWUSER), "a namespace was made")
            }),
            self.layer(Name::Landlock, || {
                restrict()?;
                refused(
                    File::open("/etc/passwd"),
                    "a file that was not granted was opened",
                )
            }),
            self.layer(Name::LandlockScopes, || match restrict()? {
                Landlocked::Whole => {
                    let parent = rustix::process::getppid().ok_or("a process has no parent")?;
                    refused(
                        rustix::process::test_kill_process(parent),
                        "a signal came through",
                    )
                }
                _ => Err(LANDLOCK_IN_PART.to_owned()),
            }),
            self.layer(Name::ResourceLimits, || {
                sys::set_limit(libc::RLIMIT_NOFILE, 3, 3).in_step("limit descriptors")?;
                refused(
                    File::open("/dev/null"),
                    "a descriptor beyond the limit was opened",
                )
            }),
            self.layer(Name::TaskLimit, || {
                if self.user.is_some() {
                    self.become_other()?;
                }
                sys::set_limit(libc::RLIMIT_NPROC, 1, 1).in_step("limit processes")?;
                match sys::fork() {
                    Ok(Cloned::Child) => sys::exit(0),
                    Ok(Cloned::Parent(pid)) => {
                        let _ = sys::wait(pid);
                        Err("a process beyond the limit was made".to_owned())
                    }
                    Err(_) => Ok(()),
                }
            }),
            self.group(Name::MemoryGroup),
            self.group(Name::TaskGroup),
            self.layer(Name::TreeEnd, || {
                let own = rustix::process::getpid();
                rustix::process::set_child_subreaper(Some(own)).in_step("adopt orphans")?;
                rustix::process::set_parent_process_death_signal(Some(
                    rustix::process::Signal::KILL,
                ))
                .in_step("be bound to a parent")?;
                rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty())
                    .map(drop)
                    .in_step("hold a process")
            }),
        ]);
        let needed = match self.user {
            Some(_) => [Name::OtherUser, Name::Landlock, Name::SystemCallFilter],
            None => [Name::LandlockScopes, Name::Landlock, Name::SystemCallFilter],
        };
        let missing: Vec<String> = needed
            .iter()
            .filter_map(|needed| {
                let layer = layers.iter().find(|layer| layer.name == needed.text().0)?;
                let why = layer.missing.as_ref()?;
                Some(format!("{}: {why}", layer.name))
            })
            .collect();
        Probed {
            layers,
            unconfined: (!missing.is_empty()).then(|| missing.join("; ")),
        }
    }

    /// Tries a layer some times, in a process each.
    fn layer(&self, name: LayerName, attempt: impl Fn() -> Result<(), String>) -> Layer {
        let mut taken = Vec::new();
        for _ in 0..TRIES {
            match timed_in_child(&attempt) {
                Ok(microseconds) => taken.push(microseconds),
                Err(why) => return layer(name, Err(why)),
            }
        }
        layer(name, Ok(median(taken)))
    }

    /// Control groups are made by the supervisor, not by what joins them.
    fn group(&self, name: LayerName) -> Layer {
        let mut taken = Vec::new();
        for attempt in 0..TRIES {
            let started = Instant::now();
            let group = Group::new(&format!(
                "rewardspec-{}-probe-{attempt}",
                std::process::id()
            ));
            let tried = group.and_then(|group| {
                let limits = group.limit(64 << 20, 16);
                let joined = in_child(|| {
                    group
                        .join(std::process::id())
                        .in_step("put a process into its control group")
                });
                limits
                    .in_step("set the limits of a control group")
                    .and(joined)
            });
            match tried {
                Ok(()) => taken.push(micros(started.elapsed())),
                Err(why) => return layer(name, Err(why)),
            }
        }
        layer(name, Ok(median(taken)))
    }

    /// Makes namespaces, in the way that a slot does.
    fn namespaces(&self, flags: i32) -> Result<(), String> {
        let user = rustix::process::getuid().as_raw();
        let group = rustix::process::getgid().as_raw();
        let flags = if self.user.is_some() {
            flags
        } else {
            flags | libc::CLONE_NEWUSER
        };
        sys::unshare(flags).in_step("make it")?;
        if flags & libc::CLONE_NEWUSER != 0 {
            map_ids(user, group)?;
        }
        Ok(())
    }

    fn scratch(&self) -> Result<(), String> {
        self.namespaces(libc::CLONE_NEWNS)?;
        make_private()?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount(
            "tmpfs",
            "/tmp",
            "tmpfs",
            flags,
            Some(c"size=64k,nr_inodes=4"),
        )
        .in_step("mount it")?;
        refused(
            fs::write("/tmp/large", vec![0; 1 << 20]),
            "more than its size was written",
        )
    }

    fn own_proc(&self) -> Result<(), String> {
        self.namespaces(libc::CLONE_NEWPID | libc::CLONE_NEWNS)?;
        make_private()?;
        in_child(|| {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            rustix::mount::mount("proc", "/proc", "proc", flags, Some(c"subset=pid"))
                .in_step("mount it")?;
            match fs::read_link("/proc/self") {
                Ok(own) if own.as_os_str() == "1" => Ok(()),
                _ => Err("it shows other processes".to_owned()),
            }
        })
    }

    fn become_other(&self) -> Result<(), String> {
        let user = self.user.ok_or("there is no other user")?;
        sys::drop_groups().in_step("leave all groups")?;
        sys::set_group(user).in_step("become another group")?;
        sys::set_user(user).in_step("become another user")?;
        refused(sys::set_user(0), "it became root again")
    }
}

fn layer(name: LayerName, tried: Result<f64, String>) -> Layer {
    let (text, purpose) = name.text();
    Layer {
        name: text.to_owned(),
        purpose: purpose.to_owned(),
        help: tried.is_err().then(|| name.help().to_owned()),
        microseconds: tried.as_ref().ok().copied(),
        missing: tried.err(),
    }
}

fn micros(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e7).round() / 10.0
}

fn median(mut taken: Vec<f64>) -> f64 {
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}

fn make_private() -> Result<(), String> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).in_step("make the mounts private")
}

fn no_new_privileges() -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).in_step("give up privileges")
}

fn restrict() -> Result<Landlocked, String> {
    no_new_privileges()?;
    let grants = Grants {
        read: vec!["/usr".to_owned()],
        ..Grants::default()
    };
    match super::filter::landlock(&grants).in_step("restrict files")? {
        Landlocked::Absent => Err(LANDLOCK_ABSENT.to_owned()),
        other => Ok(other),
    }
}

fn refused<T, E>(tried: Result<T, E>, otherwise: &str) -> Result<(), String> {
    match tried {
        Ok(_) => Err(format!("it was set up, but {otherwise}")),
        Err(_) => Ok(()),
    }
}

fn in_child(attempt: impl Fn() -> Result<(), String>) -> Result<(), String> {
    timed_in_child(&attempt).map(drop)
}

/// Tries something in a process of its own; what it took, in microseconds.
fn timed_in_child(attempt: &impl Fn() -> Result<(), String>) -> Result<f64, String> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).in_step("make a pipe")?;
    let pid = match sys::fork().in_step("start a process")? {
        Cloned::Child => {
            drop(read);
            let started = Instant::now();
            let tried = attempt().map(|()| micros(started.elapsed()));
            let text = serde_json::to_vec(&tried).unwrap_or_default();
            let _ = File::from(write).write_all(&text);
            sys::exit(0)
        }
        Cloned::Parent(pid) => pid,
    };
    drop(write);
    let mut text = Vec::new();
    File::from(read)
        .read_to_end(&mut text)
        .in_step("hear a process")?;
    let _ = sys::wait(pid);
    serde_json::from_slice(&text)
        .unwrap_or_else(|_| Err("a process that tried it was ended".to_owned()))
}
