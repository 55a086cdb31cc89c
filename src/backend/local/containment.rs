//! How well this machine contains programs: the rung reached, and the layers it stands on.

use serde::{Deserialize, Serialize};

use crate::execution::Isolation;

/// How well this machine contains programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containment {
    /// The rung reached.
    pub isolation: Isolation,
    /// Layers that are missing, each with the reason.
    pub missing: Vec<(String, String)>,
}

impl Containment {
    /// The missing layers and their reasons, in one line.
    pub fn missing_text(&self) -> String {
        let missing: Vec<String> = self
            .missing
            .iter()
            .map(|(layer, reason)| format!("{layer} ({reason})"))
            .collect();
        missing.join(", ")
    }
}

/// A layer of isolation, tried by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Why this machine has it not; absent where it works.
    pub missing: Option<String>,
    /// What to do about that.
    pub help: Option<String>,
    /// What setting it up takes, in microseconds: the median of a few tries.
    pub microseconds: Option<f64>,
}

/// Which layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg(target_os = "linux")]
pub(super) enum LayerName {
    UserNamespace,
    MountNamespace,
    ProcessNamespace,
    NetworkNamespace,
    IpcNamespace,
    UtsNamespace,
    PrivateRoot,
    Scratch,
    OwnProc,
    OtherUser,
    NoCapabilities,
    SystemCallFilter,
    Landlock,
    LandlockScopes,
    ResourceLimits,
    TaskLimit,
    MemoryGroup,
    TaskGroup,
    TreeEnd,
}

#[cfg(target_os = "linux")]
impl LayerName {
    /// Its name, and what it is for.
    pub(super) fn text(self) -> (&'static str, &'static str) {
        match self {
            LayerName::UserNamespace => ("user namespace", "no rights outside"),
            LayerName::MountNamespace => ("mount namespace", "a file tree of its own"),
            LayerName::ProcessNamespace => {
                ("process namespace", "no process of the machine in sight")
            }
            LayerName::NetworkNamespace => ("network namespace", "no network, not even loopback"),
            LayerName::IpcNamespace => ("ipc namespace", "no shared memory with others"),
            LayerName::UtsNamespace => ("uts namespace", "the machine's name is not told"),
            LayerName::PrivateRoot => (
                "private root",
                "only the system and the interpreter, read-only",
            ),
            LayerName::Scratch => (
                "scratch directory",
                "files in memory, their size and number limited",
            ),
            LayerName::OwnProc => ("own /proc", "only its own processes in it"),
            LayerName::OtherUser => ("user of its own", "never the user that rewardspec runs as"),
            LayerName::NoCapabilities => ("no capabilities", "nothing that an administrator may"),
            LayerName::SystemCallFilter => (
                "system call filter",
                "a smaller kernel; no sockets but local ones",
            ),
            LayerName::Landlock => ("landlock", "files, behind the private root or in its place"),
            LayerName::LandlockScopes => (
                "landlock scopes",
                "no signals, no abstract sockets to others",
            ),
            LayerName::ResourceLimits => (
                "resource limits",
                "files, descriptors, processor time of a process",
            ),
            LayerName::TaskLimit => ("task limit", "the number of processes and threads, by user"),
            LayerName::MemoryGroup => (
                "memory control group",
                "memory of the whole tree, counted by the kernel",
            ),
            LayerName::TaskGroup => (
                "pids control group",
                "processes and threads, counted by the kernel",
            ),
            LayerName::TreeEnd => (
                "end of the tree",
                "nothing is left when a program or rewardspec ends",
            ),
        }
    }

    /// What to do where it is missing.
    pub(super) fn help(self) -> &'static str {
        match self {
            LayerName::UserNamespace
            | LayerName::MountNamespace
            | LayerName::ProcessNamespace
            | LayerName::NetworkNamespace
            | LayerName::IpcNamespace
            | LayerName::UtsNamespace
            | LayerName::PrivateRoot
            | LayerName::Scratch
            | LayerName::OwnProc => {
                "a container's stock profile refuses it; `docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined --security-opt systempaths=unconfined` allows it, to everything in that container. On Ubuntu from 23.10 on, users other than root need `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; elsewhere see `sysctl user.max_user_namespaces`"
            }
            LayerName::OtherUser => {
                "start as root with the capabilities SETUID and SETGID, or not as root"
            }
            LayerName::NoCapabilities | LayerName::ResourceLimits | LayerName::TreeEnd => {
                "every Linux from 5.9 on has it; a sandbox around this process refuses it"
            }
            LayerName::SystemCallFilter => "a kernel with CONFIG_SECCOMP_FILTER",
            LayerName::Landlock => {
                "Linux 5.13 or newer with `landlock` in the boot parameter `lsm=`; a container's profile must let its three calls through"
            }
            LayerName::LandlockScopes => {
                "Linux 6.12 or newer with `landlock` in the boot parameter `lsm=`"
            }
            LayerName::TaskLimit => "run as a user that is not root, or as root with SETUID",
            LayerName::MemoryGroup | LayerName::TaskGroup => {
                "run as root with all capabilities, or in a delegated group: `systemd-run --user --scope -p Delegate=yes rewardspec …`; sampling takes its place"
            }
        }
    }
}
