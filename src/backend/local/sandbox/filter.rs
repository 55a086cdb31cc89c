//! What a program may ask of the kernel: a seccomp filter, and Landlock over what files it sees.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

/// Calls that fail with EPERM whatever their arguments.
///
/// Processes of others (ptrace and its relatives), namespaces and mounts, kernel surface with a
/// history of escapes (bpf, io_uring, userfaultfd, perf, keys), and what only an administrator
/// wants (modules, clocks, swap, reboot).
const REFUSED: &[libc::c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_mount_setattr,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    // Its contexts are few and shared by the whole machine.
    libc::SYS_io_setup,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_settimeofday,
    libc::SYS_adjtimex,
    libc::SYS_personality,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_lookup_dcookie,
    libc::SYS_fanotify_init,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_set_mempolicy,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
];

/// Of Linux 6.15; the same number on every architecture (asm-generic/unistd.h).
const SYS_OPEN_TREE_ATTR: libc::c_long = 467;

/// Flags of clone(2) that make namespaces, and the one that makes a child of one's parent: nobody
/// would wait for it, and the end of its namespace would wait for that.
const CLONE_FLAGS: &[libc::c_int] = &[
    libc::CLONE_PARENT,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Memory that no directory and no resident set shows: refused where memory is sampled.
const UNSEEN_MEMORY: &[libc::c_long] = &[
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    // Their numbers can be guessed.
    libc::SYS_shmat,
    libc::SYS_shmctl,
];

/// Semaphores and queues that belong to no process and outlive them all, attributes of files, which
/// Landlock does not look at, and news of files, whose names it does not hide: refused where a
/// program has no namespaces of its own.
const SHARED: &[libc::c_long] = &[
    libc::SYS_inotify_add_watch,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SYS_SETXATTRAT,
    SYS_REMOVEXATTRAT,
    SYS_FILE_SETATTR,
];

/// What a file's owner may change of it wherever it lies, which Landlock does not look at: refused
/// where programs have the user of the supervisor.
const OF_OWNERS: &[libc::c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];
/// Of Linux 6.13 and 6.17; the same number on every architecture (asm-generic/unistd.h).
const SYS_SETXATTRAT: libc::c_long = 463;
const SYS_REMOVEXATTRAT: libc::c_long = 466;
const SYS_FILE_SETATTR: libc::c_long = 469;

/// Calls about a process by its number, which is the argument given: of those of one user each may
/// change the others'. Let through for the caller itself, whose number may be written as 0.
const BY_NUMBER: &[(libc::c_long, u8)] = &[
    (libc::SYS_prlimit64, 0),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
];

/// What the filters let through, depending on what else contains a program.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Openings {
    /// Sockets of the internet families.
    pub(in super::super) network: bool,
    /// Local sockets; pairs of them are let through always.
    pub(in super::super) unix_sockets: bool,
    /// Memory that sampling cannot see: files that no directory holds, memory shared without a file,
    /// large buffers of sockets.
    pub(in super::super) unseen_memory: bool,
    /// What namespaces keep to the program: semaphores, message queues, attributes and news of files.
    pub(in super::super) shared: bool,
    /// What a user may do to files and processes of that user, wherever they are.
    pub(in super::super) ownership: bool,
}

/// The filters of a program, in the order of their installation.
pub(in super::super) struct Filters(Vec<BpfProgram>);

/// What a fork server does and no program may: it enters the namespaces of a program, and makes
/// children of its parent.
const OF_SERVERS: (libc::c_long, libc::c_int) = (libc::SYS_setns, libc::CLONE_PARENT);

impl Filters {
    /// Compiles the filters.
    ///
    /// # Errors
    /// On an architecture that has no filter.
    pub(in super::super) fn new(openings: &Openings) -> io::Result<Self> {
        Self::compile(openings, false)
    }

    /// Those of a fork server, which its forks have too.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn of_server(openings: &Openings) -> io::Result<Self> {
        Self::compile(openings, true)
    }

    /// What a fork of a server adds to those of the server: together they are a program's.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn of_its_forks() -> io::Result<Self> {
        let (call, flag) = OF_SERVERS;
        let refused = BTreeMap::from([
            (call, Vec::new()),
            (libc::SYS_clone, vec![with_clone_flag(flag)?]),
        ]);
        let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
        Ok(Filters(vec![filter(refused, refuse, architecture()?)?]))
    }

    /// The bytes of the one filter that there is, as the kernel reads them (`struct sock_filter`).
    pub(super) fn code(&self) -> Vec<u8> {
        let instructions = self.0.iter().flatten();
        let bytes = instructions.flat_map(|one| {
            let [code_0, code_1] = one.code.to_ne_bytes();
            let [k_0, k_1, k_2, k_3] = one.k.to_ne_bytes();
            [code_0, code_1, one.jt, one.jf, k_0, k_1, k_2, k_3]
        });
        bytes.collect()
    }

    fn compile(openings: &Openings, is_server: bool) -> io::Result<Self> {
        let architecture = architecture()?;
        let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
            REFUSED.iter().map(|call| (*call, Vec::new())).collect();
        let mut refuse = |calls: &[libc::c_long]| {
            refused.extend(calls.iter().map(|call| (*call, Vec::new())));
        };
        if !openings.unseen_memory {
            refuse(UNSEEN_MEMORY);
        }
        if !openings.shared {
            refuse(SHARED);
        }
        if !openings.ownership {
            refuse(OF_OWNERS);
            for (call, argument) in BY_NUMBER {
                let is_other = condition(*argument, SeccompCmpOp::Ne, 0)?;
                let mut rules = vec![SeccompRule::new(vec![is_other]).map_err(io::Error::other)?];
                if *argument == 1 {
                    // The first argument says what the second is: a process is 0 for the one call,
                    // 1 for the other; a group or a user are beyond both.
                    let is_group = condition(0, SeccompCmpOp::Gt, 1)?;
                    rules.push(SeccompRule::new(vec![is_group]).map_err(io::Error::other)?);
                }
                refused.insert(*call, rules);
            }
        }
        let mut families = Vec::new();
        if openings.network {
            families.extend([libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK]);
        }
        if openings.unix_sockets {
            families.push(libc::AF_UNIX);
        }
        refused.insert(libc::SYS_socket, all_families_but(&families)?);
        // A pair of streams is connected to itself and to nothing else; one of datagrams sends to any
        // address, and a raw one is a datagram's.
        let mut pairs = all_families_but(&[libc::AF_UNIX])?;
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
            pairs.push(rule([(1, SeccompCmpOp::MaskedEq(0xf), kind)])?);
        }
        refused.insert(libc::SYS_socketpair, pairs);
        // Holds up whoever opens the file, be it another program's interpreter.
        let lease = rule([(1, SeccompCmpOp::Eq, libc::F_SETLEASE)])?;
        refused.insert(libc::SYS_fcntl, vec![lease]);
        if !openings.unseen_memory {
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
            let mask = SeccompCmpOp::MaskedEq(u64::from(flags.cast_unsigned()));
            refused.insert(libc::SYS_mmap, vec![rule([(3, mask, flags)])?]);
            let option = |option| {
                rule([
                    (1, SeccompCmpOp::Eq, libc::SOL_SOCKET),
                    (2, SeccompCmpOp::Eq, option),
                ])
            };
            let options = [libc::SO_SNDBUF, libc::SO_SNDBUFFORCE];
            let options = options.map(option).into_iter().collect::<Result<_, _>>()?;
            refused.insert(libc::SYS_setsockopt, options);
        }
        let clones = CLONE_FLAGS
            .iter()
            .filter(|flag| !is_server || **flag != OF_SERVERS.1)
            .map(|flag| with_clone_flag(*flag))
            .collect::<io::Result<_>>()?;
        refused.insert(libc::SYS_clone, clones);
        if is_server {
            refused.remove(&OF_SERVERS.0);
        }
        // TIOCSTI types into a terminal, TIOCLINUX pastes into a console.
        let mut controls = Vec::new();
        for request in [libc::TIOCSTI, libc::TIOCLINUX] {
            let is_request = condition(1, SeccompCmpOp::Eq, request)?;
            controls.push(SeccompRule::new(vec![is_request]).map_err(io::Error::other)?);
        }
        refused.insert(libc::SYS_ioctl, controls);
        // The flags of clone3 are behind a pointer: libc falls back to clone when it is absent.
        let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let mut programs = vec![
            filter(
                absent,
                SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
                architecture,
            )?,
            filter(
                refused,
                SeccompAction::Errno(libc::EPERM.cast_unsigned()),
                architecture,
            )?,
        ];
        if cfg!(target_arch = "x86_64") {
            programs.push(without_x32());
        }
        Ok(Filters(programs))
    }

    /// Puts the filters over this process and all that it will make. Sets no_new_privs too.
    pub(super) fn install(&self) -> io::Result<()> {
        for program in &self.0 {
            seccompiler::apply_filter(program).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

fn architecture() -> io::Result<TargetArch> {
    std::env::consts::ARCH.try_into().map_err(io::Error::other)
}

/// A rule for clone(2) with this flag.
fn with_clone_flag(flag: libc::c_int) -> io::Result<SeccompRule> {
    let mask = SeccompCmpOp::MaskedEq(u64::from(flag.cast_unsigned()));
    rule([(0, mask, flag)])
}

/// Rules that hold for every socket family but these.
fn all_families_but(families: &[libc::c_int]) -> io::Result<Vec<SeccompRule>> {
    if families.is_empty() {
        return Ok(Vec::new());
    }
    let is_other = families
        .iter()
        .map(|family| condition(0, SeccompCmpOp::Ne, family.cast_unsigned().into()))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(vec![SeccompRule::new(is_other).map_err(io::Error::other)?])
}

/// A rule whose conditions, argument by argument, all hold.
fn rule<const N: usize>(
    conditions: [(u8, SeccompCmpOp, libc::c_int); N],
) -> io::Result<SeccompRule> {
    let conditions = conditions
        .into_iter()
        .map(|(argument, operator, value)| {
            condition(argument, operator, value.cast_unsigned().into())
        })
        .collect::<io::Result<Vec<_>>>()?;
    SeccompRule::new(conditions).map_err(io::Error::other)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> io::Result<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
        .map_err(io::Error::other)
}

fn filter(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    action: SeccompAction,
    architecture: TargetArch,
) -> io::Result<BpfProgram> {
    SeccompFilter::new(calls, SeccompAction::Allow, action, architecture)
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)
}

/// Ends a process that calls by the x32 numbers, which the other filters do not know.
fn without_x32() -> BpfProgram {
    /// __X32_SYSCALL_BIT of asm/unistd.h.
    const X32: u32 = 0x4000_0000;
    // From linux/bpf_common.h: load a word, jump if at least, return.
    const LOAD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD, 0, 0, 0),
        step(JUMP_IF_AT_LEAST, 0, 1, X32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// What Landlock grants.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Grants {
    /// Listed, with all directories below.
    pub(in super::super) list: Vec<String>,
    /// Read and executed.
    pub(in super::super) read: Vec<String>,
    /// Written too.
    pub(in super::super) write: Vec<String>,
    /// Whether TCP stays open.
    pub(in super::super) network: bool,
}

/// How far Landlock reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landlocked {
    /// Files, TCP, and the scopes for signals and abstract sockets.
    Whole,
    /// An older kernel: files at least.
    InPart,
    /// Nothing.
    Absent,
}

/// The version of Landlock that is asked for: older kernels give what they have of it.
const LANDLOCK: ABI = ABI::V6;

/// Restricts this process, and all that it will make, to the grants.
pub(super) fn landlock(grants: &Grants) -> io::Result<Landlocked> {
    let mut ruleset = empty_ruleset(grants)?;
    for (path, access) in grants.each() {
        // What is not there needs no grant.
        let Ok(fd) = PathFd::new(path) else { continue };
        ruleset = ruleset
            .add_rule(PathBeneath::new(fd, access))
            .map_err(io::Error::other)?;
    }
    let status = ruleset.restrict_self().map_err(io::Error::other)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlocked::Whole,
        RulesetStatus::PartiallyEnforced => Landlocked::InPart,
        RulesetStatus::NotEnforced => Landlocked::Absent,
    })
}

/// A ruleset that grants nothing yet.
fn empty_ruleset(grants: &Grants) -> io::Result<RulesetCreated> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))
        .map_err(io::Error::other)?;
    let ruleset = if grants.network {
        ruleset
    } else {
        ruleset
            .handle_access(AccessNet::from_all(LANDLOCK))
            .map_err(io::Error::other)?
    };
    ruleset
        .scope(Scope::AbstractUnixSocket | Scope::Signal)
        .map_err(io::Error::other)?
        .create()
        .map_err(io::Error::other)
}

impl Grants {
    /// Each path, with what is granted beneath.
    fn each(&self) -> impl Iterator<Item = (&str, BitFlags<AccessFs>)> {
        let granted = [
            (&self.list, AccessFs::ReadDir.into()),
            (&self.read, AccessFs::from_read(LANDLOCK)),
            (&self.write, AccessFs::from_all(LANDLOCK)),
        ];
        granted.into_iter().flat_map(|(paths, access)| {
            paths.iter().map(move |path| {
                // A file has no use for what only directories have, and would be refused it.
                let access = if Path::new(path).is_dir() {
                    access
                } else {
                    access & AccessFs::from_file(LANDLOCK)
                };
                (path.as_str(), access)
            })
        })
    }
}

/// Grants whose files were looked up once, for programs in namespaces of their own.
pub(super) struct HeldGrants {
    grants: Grants,
    held: Vec<(PathFd, BitFlags<AccessFs>)>,
    /// Paths that lead to something else in the namespaces of each program.
    own: Vec<(String, BitFlags<AccessFs>)>,
}

impl HeldGrants {
    /// Looks up all but `own`.
    pub(super) fn of(grants: Grants, own: &[&str]) -> Self {
        let (mut held, mut owned) = (Vec::new(), Vec::new());
        for (path, access) in grants.each() {
            if own.contains(&path) {
                owned.push((path.to_owned(), access));
            } else if let Ok(fd) = PathFd::new(path) {
                held.push((fd, access));
            }
        }
        HeldGrants {
            grants,
            held,
            own: owned,
        }
    }

    /// The grants by their paths.
    pub(super) fn by_path(&self) -> &Grants {
        &self.grants
    }

    /// A ruleset for the namespaces that this process is in; none where this kernel has no Landlock.
    pub(super) fn ruleset(&self) -> io::Result<Option<OwnedFd>> {
        let mut ruleset = empty_ruleset(&self.grants)?;
        for (fd, access) in &self.held {
            ruleset = ruleset
                .add_rule(PathBeneath::new(fd, *access))
                .map_err(io::Error::other)?;
        }
        for (path, access) in &self.own {
            let fd = PathFd::new(path).map_err(io::Error::other)?;
            ruleset = ruleset
                .add_rule(PathBeneath::new(fd, *access))
                .map_err(io::Error::other)?;
        }
        Ok(ruleset.into())
    }
}
