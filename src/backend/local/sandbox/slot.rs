//! The slot process: prepares itself once, then starts programs until the supervisor is gone.
//!
//! It has one thread, so that the processes it makes may go on with its memory as it is.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::mount::MountFlags;
use rustix::process::{DumpableBehavior, Signal};

use super::filter::{Filters, Grants, HeldGrants, Landlocked, Openings};
use super::fork_server::ForkServer;
use super::program::{Becoming, Confined, ProcessLimits};
use super::sys::{Cloned, INSIDE_ID};
use super::wire::{
    NotServing, Order, Prepared, Ready, Report, Request, ServerOrder, Serving, Setup,
};
use super::{InStep, root, sys, wire};

/// Paths that lead to something else in the namespaces of each program.
const OWN: [&str; 2] = [root::SCRATCH, "/proc"];

/// The status of a slot or a helper that could not do its work.
const FAILED: i32 = 1;

/// Serves a supervisor whose socket is descriptor 0, until it is gone.
pub(in super::super) fn serve() -> ! {
    let control = sys::take_control();
    let served = set_up(&control).and_then(|mut slot| slot.serve(&control));
    if let Err(message) = served {
        // The supervisor may be gone, and is then not to be told.
        let _ = wire::send(&control, &Err::<Ready, String>(message), &[]);
        sys::exit(FAILED);
    }
    sys::exit(0)
}

struct Slot {
    filters: Filters,
    openings: Openings,
    grants: HeldGrants,
    counted: bool,
    servers: BTreeMap<u32, ForkServer>,
}

fn set_up(control: &OwnedFd) -> Result<Slot, String> {
    let Some((setup, _)) = wire::receive::<Setup>(control).in_step("read the set-up of a slot")?
    else {
        sys::exit(0)
    };
    // Fails where the supervisor may not; a slot then dies with its socket.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let network = if setup.network { 0 } else { libc::CLONE_NEWNET };
    let others = libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | network;
    let places = setup.places.iter().cloned().collect();
    if let Some(user) = setup.user {
        sys::unshare(others).in_step("make namespaces")?;
        name_the_host()?;
        root::enter(&places, setup.network)?;
        sys::drop_groups().in_step("leave all groups")?;
        sys::set_group(user).in_step("become the slot's group")?;
        sys::set_user(user).in_step("become the slot's user")?;
        // A change of user makes /proc/self root's, and the maps below could not be written.
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
            .in_step("own /proc/self")?;
        sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).in_step("make a user namespace")?;
        map_ids(user, user)?;
    } else {
        let user = rustix::process::getuid().as_raw();
        let group = rustix::process::getgid().as_raw();
        sys::unshare(libc::CLONE_NEWUSER | others).in_step("make namespaces as a user")?;
        map_ids(user, group)?;
        name_the_host()?;
        root::enter(&places, setup.network)?;
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .in_step("be bound to the supervisor")?;
    let mut write = vec![root::SCRATCH.to_owned()];
    write.extend(root::written_devices());
    let mut read = root::readable(&places, setup.network);
    read.extend(["/proc", "/dev", "/etc", "/var"].map(str::to_owned));
    let read = outermost(read);
    let grants = Grants {
        // The root is the slot's own: what stands in it was put there.
        list: vec!["/".to_owned()],
        read,
        write,
        network: setup.network,
    };
    let missing = probe_landlock(&grants)?;
    let openings = Openings {
        network: setup.network,
        // With the host's network come its abstract sockets, unless Landlock keeps them away.
        unix_sockets: !setup.network || missing.is_empty(),
        unseen_memory: setup.counted,
        shared: true,
        ownership: true,
    };
    let slot = Slot {
        filters: Filters::new(&openings).in_step("compile the system call filter")?,
        openings,
        grants: HeldGrants::of(grants, &OWN),
        counted: setup.counted,
        servers: BTreeMap::new(),
    };
    wire::send(control, &Ok::<Ready, String>(Ready { missing }), &[])
        .in_step("answer the supervisor")?;
    Ok(slot)
}

/// Those of paths that are there and do not lie beneath another of them, wherever links lead.
fn outermost(paths: Vec<String>) -> Vec<String> {
    let real = |path: &String| fs::canonicalize(path).ok();
    let all: Vec<_> = paths.iter().filter_map(real).collect();
    let is_outermost = |path: &std::path::PathBuf| {
        let mut above = path.ancestors().skip(1);
        !above.any(|above| all.iter().any(|other| other == above))
    };
    let outermost: std::collections::BTreeSet<_> =
        all.iter().filter(|path| is_outermost(path)).collect();
    let names = outermost.into_iter();
    names
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

/// Gives the slot's namespace a name that says nothing of the machine.
fn name_the_host() -> Result<(), String> {
    rustix::system::sethostname(b"box").in_step("name the host")
}

/// One user and one group inside, for those outside.
pub(super) fn map_ids(user: u32, group: u32) -> Result<(), String> {
    // Absent before Linux 3.19 and refused when it was done already; the map then tells.
    let _ = fs::write("/proc/self/setgroups", "deny");
    fs::write("/proc/self/uid_map", format!("{INSIDE_ID} {user} 1"))
        .in_step("map the user of a user namespace")?;
    fs::write("/proc/self/gid_map", format!("{INSIDE_ID} {group} 1"))
        .in_step("map the group of a user namespace")
}

/// What Landlock cannot do here, found out by a process that tries.
fn probe_landlock(grants: &Grants) -> Result<Vec<(String, String)>, String> {
    let pid = match sys::clone3(0).in_step("start a process")? {
        Cloned::Child => {
            let status = rustix::thread::set_no_new_privs(true)
                .map_err(io::Error::from)
                .and_then(|()| super::filter::landlock(grants));
            sys::exit(match status {
                Ok(Landlocked::Whole) => 0,
                Ok(Landlocked::InPart) => 2,
                Ok(Landlocked::Absent) | Err(_) => 3,
            })
        }
        Cloned::Parent(pid) => pid,
    };
    let reason = match sys::wait(pid).in_step("wait for a process")?.exit_code {
        Some(0) => return Ok(Vec::new()),
        Some(2) => super::LANDLOCK_IN_PART,
        _ => super::LANDLOCK_ABSENT,
    };
    Ok(vec![("landlock".to_owned(), reason.to_owned())])
}

impl Slot {
    fn serve(&mut self, control: &OwnedFd) -> Result<(), String> {
        while let Some((request, fds)) =
            wire::receive::<Request>(control).in_step("hear the supervisor")?
        {
            match request {
                Request::Serve(number) => {
                    let answer = self.start_server(number, fds);
                    wire::send(control, &answer, &[]).in_step("answer the supervisor")?;
                }
                Request::Close(number) => drop(self.servers.remove(&number)),
                Request::Run(server) => {
                    let Ok(fds) = RunFds::of(fds) else {
                        return Err("an order lacks its descriptors".to_owned());
                    };
                    let report = File::from(fds.report.try_clone().in_step("copy a descriptor")?);
                    if let Err(message) = self.start(fds, server) {
                        say(&report, &Report::Failed(message));
                    }
                }
            }
        }
        Ok(())
    }

    fn start_server(&mut self, number: u32, fds: Vec<OwnedFd>) -> Result<Serving, NotServing> {
        let order = fds.into_iter().next().ok_or("an order is missing");
        let order = order.map_err(str::to_owned).and_then(|file| {
            serde_json::from_reader(File::from(file)).map_err(|error| error.to_string())
        });
        let order: ServerOrder = order.map_err(|message| NotServing {
            message,
            is_refusal: false,
            pid: None,
        })?;
        let (server, serving) = ForkServer::start(&order, &self.openings)?;
        self.servers.insert(number, server);
        Ok(serving)
    }

    fn start(&self, fds: RunFds, server: Option<u32>) -> Result<(), String> {
        let mut order_file = BufReader::new(File::from(
            fds.order.try_clone().in_step("copy a descriptor")?,
        ));
        let mut line = String::new();
        order_file.read_line(&mut line).in_step("read an order")?;
        let order: Order = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let (ours, inits) = wire::pair()?;
        let namespaces =
            libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC;
        let init = match sys::clone3(namespaces | libc::CLONE_PARENT)
            .in_step("make the namespaces of a program")?
        {
            Cloned::Child => {
                drop(ours);
                self.be_init(&order, order_file, &fds, inits)
            }
            Cloned::Parent(init) => init,
        };
        drop(inits);
        say(&fds.report, &Report::Init(init));
        let pid = rustix::process::Pid::from_raw(init).ok_or("a process has the id 0")?;
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
            .in_step("hold a process")?;
        if let Some(number) = server {
            let server = self
                .servers
                .get(&number)
                .ok_or("there is no such fork server")?;
            let limits = self.limits(&order).each();
            return server.fork(&order, &limits, &fds.of_fork(&pidfd, &ours));
        }
        let Ok(Some((Prepared { is_full }, _))) = wire::receive(&ours) else {
            // It has said why.
            return Ok(());
        };
        // The namespace of processes is entered only by the children of who enters it: so one
        // process enters and its child, again a sibling, is the program.
        match sys::clone3(libc::CLONE_PARENT).in_step("start a process")? {
            Cloned::Child => {
                let entered = sys::setns(
                    pidfd.as_fd(),
                    libc::CLONE_NEWUSER
                        | libc::CLONE_NEWNS
                        | libc::CLONE_NEWIPC
                        | libc::CLONE_NEWPID,
                )
                .and_then(|()| sys::clone3(libc::CLONE_PARENT));
                match entered {
                    Ok(Cloned::Child) => {
                        drop(pidfd);
                        self.be_program(&order, is_full, fds, ours)
                    }
                    Ok(Cloned::Parent(program)) => {
                        say(&fds.report, &Report::Program(program));
                        sys::exit(0)
                    }
                    Err(error) => {
                        say(
                            &fds.report,
                            &Report::Failed(format!("could not enter the namespaces: {error}")),
                        );
                        sys::exit(FAILED)
                    }
                }
            }
            Cloned::Parent(helper) => say(&fds.report, &Report::Helper(helper)),
        }
        Ok(())
    }

    /// Becomes the init of a program's namespaces.
    fn be_init(&self, order: &Order, files: impl Read, fds: &RunFds, program: OwnedFd) -> ! {
        let prepared = prepare_init(order, &fds.go).and_then(|()| {
            let is_full = match write_files(order, files) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => true,
                written => written
                    .in_step("write the files of a program")
                    .map(|()| false)?,
            };
            let ruleset = self.grants.ruleset().in_step("make a ruleset")?;
            let ruleset: Vec<BorrowedFd<'_>> = ruleset.iter().map(AsFd::as_fd).collect();
            wire::send(&program, &Prepared { is_full }, &ruleset).in_step("tell a program")
        });
        if let Err(message) = prepared {
            say(&fds.report, &Report::Failed(message));
            sys::exit(FAILED)
        }
        let mut program = File::from(program);
        let mut byte = [0];
        let entered = program.read_exact(&mut byte).and_then(|()| {
            rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
            sys::drop_capabilities()?;
            sys::set_mask(true)?;
            program.write_all(b"+")
        });
        if entered.is_err() || sys::close_from(0).is_err() {
            sys::exit(FAILED)
        }
        loop {
            sys::await_child_signal();
            while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        }
    }

    /// Becomes the program.
    fn be_program(&self, order: &Order, is_full: bool, fds: RunFds, init: OwnedFd) -> ! {
        let report = match sys::duplicate_above(fds.report.as_fd(), 16) {
            Ok(report) => report,
            Err(_) => sys::exit(FAILED),
        };
        let message = match self.become_program(order, is_full, fds, init) {
            Ok(never) => match never {},
            Err(message) => message,
        };
        say(&report, &Report::Failed(message));
        sys::exit(FAILED)
    }

    fn become_program(
        &self,
        order: &Order,
        is_full: bool,
        fds: RunFds,
        init: OwnedFd,
    ) -> Result<std::convert::Infallible, String> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .in_step("be bound to the supervisor")?;
        // Init may close its memory to others only once it was entered, and must have before the
        // program runs.
        let mut init = File::from(init);
        init.write_all(b"+").in_step("tell init")?;
        init.read_exact(&mut [0]).in_step("hear init")?;
        drop(init);
        rustix::process::setsid().in_step("start a session")?;
        std::env::set_current_dir(root::SCRATCH).in_step("enter the scratch directory")?;
        wire::receive::<()>(&fds.go)
            .in_step("hear the supervisor")?
            .ok_or("the supervisor is gone")?;
        if is_full {
            super::program::end_with(&fds.stderr, super::program::FILES_TOO_LARGE, FAILED);
        }
        let mut descriptors = vec![fds.stdin, fds.stdout, fds.stderr];
        descriptors.extend(
            fds.private
                .into_iter()
                .flat_map(|(input, output)| [input, output]),
        );
        let becoming = Becoming {
            command: &order.command,
            environment: &order.environment,
            descriptors,
            limits: Some(self.limits(order)),
            confined: Confined::Program(self.grants.by_path(), &self.filters),
        };
        becoming.become_program()
    }

    fn limits(&self, order: &Order) -> ProcessLimits {
        ProcessLimits {
            cpu_seconds: order.cpu_seconds,
            file_bytes: Some(order.disk_bytes),
            // A backstop behind the sampled sum; more, because an allocation is not yet use.
            data_bytes: (!self.counted).then(|| order.memory_bytes.saturating_mul(2)),
            open_files: order.open_files,
            // Init counts too. Where a control group limits them, it also tells; so it comes first.
            processes: Some(order.processes + if self.counted { 16 } else { 1 }),
        }
    }
}

/// The descriptors of an order, in the order they come.
struct RunFds {
    order: OwnedFd,
    report: OwnedFd,
    go: OwnedFd,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    private: Option<(OwnedFd, OwnedFd)>,
}

impl RunFds {
    /// What a fork server is given of them, beside the process that heads the namespaces and the
    /// socket to it.
    fn of_fork<'a>(&'a self, init: &'a OwnedFd, socket: &'a OwnedFd) -> Vec<BorrowedFd<'a>> {
        let fds = [
            init,
            socket,
            &self.report,
            &self.go,
            &self.stdin,
            &self.stdout,
            &self.stderr,
        ];
        let private = self
            .private
            .iter()
            .flat_map(|(input, output)| [input, output]);
        fds.into_iter().chain(private).map(AsFd::as_fd).collect()
    }

    fn of(fds: Vec<OwnedFd>) -> Result<Self, Vec<OwnedFd>> {
        match <[OwnedFd; 6]>::try_from(fds) {
            Ok([order, report, go, stdin, stdout, stderr]) => Ok(RunFds {
                order,
                report,
                go,
                stdin,
                stdout,
                stderr,
                private: None,
            }),
            Err(fds) => {
                let [order, report, go, stdin, stdout, stderr, input, output] =
                    <[OwnedFd; 8]>::try_from(fds)?;
                Ok(RunFds {
                    order,
                    report,
                    go,
                    stdin,
                    stdout,
                    stderr,
                    private: Some((input, output)),
                })
            }
        }
    }
}

fn say(report: impl AsFd, what: &Report) {
    let mut line = serde_json::to_vec(what).expect("a report is plain data");
    line.push(b'\n');
    // Shorter than PIPE_BUF: whole, whoever else writes. A supervisor that is gone needs no report.
    let _ = rustix::io::write(report, &line);
}

fn prepare_init(order: &Order, go: &OwnedFd) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .in_step("be bound to the supervisor")?;
    map_ids(INSIDE_ID, INSIDE_ID)?;
    let options = CString::new(format!(
        "mode=0700,uid={INSIDE_ID},gid={INSIDE_ID},size={},nr_inodes={}",
        order.disk_bytes,
        // The root of the scratch directory is one too.
        order.inodes + 1
    ))
    .map_err(|error| error.to_string())?;
    rustix::mount::mount(
        "tmpfs",
        root::SCRATCH,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        Some(options.as_c_str()),
    )
    .in_step("mount the scratch directory")?;
    let scratch = File::open(root::SCRATCH).in_step("open the scratch directory")?;
    wire::send(go, &(), &[scratch.as_fd()]).in_step("show the scratch directory")?;
    drop(scratch);
    rustix::mount::mount(
        "proc",
        "/proc",
        "proc",
        MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
        Some(c"subset=pid"),
    )
    .in_step("mount /proc")?;
    std::env::set_current_dir(root::SCRATCH).in_step("enter the scratch directory")
}

fn write_files(order: &Order, mut files: impl Read) -> io::Result<()> {
    for (path, length, mode) in &order.files {
        let path = Path::new(path);
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(path)?;
        io::copy(&mut files.by_ref().take(*length as u64), &mut file)?;
        file.set_permissions(fs::Permissions::from_mode(*mode))?;
    }
    Ok(())
}
