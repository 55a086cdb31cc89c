//! What a stock container takes away: a thread under such a profile, and all that it starts.

use std::collections::BTreeMap;

use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The user and group `nobody` of most systems.
pub(crate) const NOBODY: u32 = 65534;

/// What the machine allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// All that it has.
    Machine,
    /// What a stock container has.
    Container,
    /// The same on a kernel without Landlock.
    Bare,
}

/// Runs something on a thread of its own under a profile, `as_nobody` if this process may become
/// that.
pub(crate) fn on_thread<T: Send>(
    as_nobody: bool,
    profile: Profile,
    work: impl FnOnce() -> T + Send,
) -> T {
    let ended = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                if profile != Profile::Machine {
                    drop_capabilities();
                }
                if as_nobody && rustix::process::geteuid().is_root() {
                    become_nobody();
                }
                if profile != Profile::Machine {
                    refuse_namespaces_and_mounts(profile == Profile::Bare);
                }
                work()
            })
            .join()
    });
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Those that Docker leaves to root.
fn drop_capabilities() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let kept = CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FOWNER
        | CapabilitySet::FSETID
        | CapabilitySet::KILL
        | CapabilitySet::SETGID
        | CapabilitySet::SETUID
        | CapabilitySet::SETPCAP
        | CapabilitySet::NET_BIND_SERVICE
        | CapabilitySet::NET_RAW
        | CapabilitySet::SYS_CHROOT
        | CapabilitySet::MKNOD
        | CapabilitySet::AUDIT_WRITE
        | CapabilitySet::SETFCAP;
    for capability in CapabilitySet::all().iter() {
        if !kept.contains(capability) {
            // Some of the newest the kernel may not know.
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
    }
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).unwrap();
}

fn become_nobody() {
    let (user, group) = (
        rustix::thread::Uid::from_raw(NOBODY),
        rustix::thread::Gid::from_raw(NOBODY),
    );
    rustix::thread::set_thread_groups(&[]).unwrap();
    rustix::thread::set_thread_res_gid(group, group, group).unwrap();
    rustix::thread::set_thread_res_uid(user, user, user).unwrap();
}

/// The calls of Docker's default profile (moby/profiles, seccomp/default.json) that isolation
/// would use: those that need SYS_ADMIN there fail with EPERM, clone3 with ENOSYS.
fn refuse_namespaces_and_mounts(landlock_too: bool) {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = [
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_mount_setattr,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect();
    let namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let rules = namespaces.map(|flag| {
        let flag = flag as u64;
        let has_flag = SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(flag),
            flag,
        );
        SeccompRule::new(vec![has_flag.unwrap()]).unwrap()
    });
    refused.insert(libc::SYS_clone, rules.to_vec());
    let mut absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    if landlock_too {
        absent.insert(libc::SYS_landlock_create_ruleset, Vec::new());
    }
    for (calls, error) in [(absent, libc::ENOSYS), (refused, libc::EPERM)] {
        let filter = SeccompFilter::new(
            calls,
            SeccompAction::Allow,
            SeccompAction::Errno(error as u32),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let program: BpfProgram = filter.unwrap().try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
    }
}
