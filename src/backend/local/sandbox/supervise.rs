//! The supervisor's side of a slot: starts programs in it, watches them, ends them.
//!
//! Blocks: a thread of its own serves each slot, and lives as long, because the processes below
//! are bound to the thread that made the slot.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal};

use super::super::super::output::Kept;
use super::super::builds::FileOf;
use super::super::channel::End;
use super::super::clock::{Clock, Thread};
use super::super::usage::Usage;
use super::super::wire::{EndedBy, Side, TALK_OVER_GRACE};
use super::super::{left, tree};
use super::cgroup::{Counts, Group};
use super::forks::{Chosen, Forks, Unserved, held};
use super::wire::{Order, Ready, Report, Request, Setup};
use super::{InStep, Places, memory_file, sys, wire};
use crate::execution::{Captured, LeftFile};
use crate::program::{ForkServer, Limits, Streams};

/// How often the use of a program is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
/// How long the kernel may take to start a program: longer than it takes where very many want a core.
const START_WITHIN: Duration = Duration::from_secs(30);
/// Bytes read of a stream at once: what a pipe holds.
const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes kept of descriptor 4.
const PRIVATE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the kernel may take to end what was killed, each thread of which needs a core for that.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What a slot must offer; programs with the same wants share it, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct SlotOrder {
    /// What programs see besides the system.
    pub(in super::super) places: Places,
    /// Whether they keep the host's network.
    pub(in super::super) network: bool,
}

/// One program to run.
#[derive(Debug)]
pub(in super::super) struct RunOf {
    /// Absolute path and arguments.
    pub(in super::super) command: Vec<String>,
    /// The whole environment.
    pub(in super::super) environment: Vec<(String, String)>,
    /// What lies in the scratch directory.
    pub(in super::super) files: Arc<Vec<FileOf>>,
    pub(in super::super) standard: Standard,
    pub(in super::super) private: Private,
    /// Where it and the one that it talks with find each other.
    pub(in super::super) pair: Option<(Side, Arc<Pair>)>,
    pub(in super::super) limits: Limits,
    /// Whether the files that the program leaves are wanted.
    pub(in super::super) keep_files: bool,
    /// Whether what it was not charged for is wanted, however it ends.
    pub(in super::super) tell_excused: bool,
    /// Files that are read when it has ended, as in [`Run`](crate::program::Run).
    pub(in super::super) collect: Vec<String>,
    /// What it is to be a fork of; absent, it is started by itself.
    pub(in super::super) fork_server: Option<Arc<ForkServer>>,
}

/// What the standard streams of a program are.
#[derive(Debug)]
pub(in super::super) enum Standard {
    /// These bytes; what it writes is kept.
    Kept(Vec<u8>),
    /// Somebody else's.
    Attached(Streams),
    /// Those of a judge: a channel in and out; what it writes to standard error is kept.
    Channel {
        /// Kept until the judge has ended.
        end: Option<End>,
        /// Raised when the judge has ended, before its program can see that; not if the program had
        /// hung up by then.
        talk_over: Arc<Flag>,
    },
}

/// What the descriptors 3 and 4 of a program are.
#[derive(Debug)]
pub(in super::super) enum Private {
    /// Closed.
    Absent,
    /// These bytes; what it writes is kept.
    Kept(Vec<u8>),
    /// A channel to a judge.
    Channel {
        /// Kept until the program has begun.
        end: Option<End>,
        /// As the judge's.
        talk_over: Arc<Flag>,
    },
}

/// Where a program and its judge find each other's processes: one that waits for the other waits with it
/// for a core, and before for its start.
#[derive(Debug, Default)]
pub(in super::super) struct Pair {
    program: Mutex<Place>,
    judge: Mutex<Place>,
}

#[derive(Debug, Default, Clone)]
struct Place {
    /// When it began.
    at: Option<Instant>,
    /// Where its processes begin, itself at the end, until its end was told.
    roots: Vec<Pid>,
}

impl Pair {
    fn of(&self, side: Side) -> MutexGuard<'_, Place> {
        let place = match side {
            Side::Program => &self.program,
            Side::Judge => &self.judge,
        };
        place.lock().expect("no lane panics while it holds a pair")
    }
}

impl RunOf {
    /// Tells the one that it talks with, if there is one, where it is.
    fn is_at(&self, at: Instant, roots: Vec<Pid>) {
        if let Some((side, pair)) = &self.pair {
            let at = Some(at);
            *pair.of(*side) = Place { at, roots };
        }
    }

    /// Where the one is that it talks with.
    fn beside(&self) -> Option<Place> {
        let (side, pair) = self.pair.as_ref()?;
        let other = match side {
            Side::Program => Side::Judge,
            Side::Judge => Side::Program,
        };
        Some(pair.of(other).clone())
    }

    /// The program has its end of a channel: its judge is to see when it ends.
    fn has_begun(&mut self) {
        if let Private::Channel { end, .. } = &mut self.private {
            *end = None;
        }
    }

    /// The judge has ended: its program is to see that, once those who watch it know.
    fn has_ended(&mut self) {
        if let Standard::Channel { end, talk_over } = &mut self.standard
            && let Some(end) = end.take()
            && !end.is_hung_up()
        {
            talk_over.raise();
        }
    }
}

/// What came of a program.
#[derive(Debug)]
pub(in super::super) struct Ran {
    pub(in super::super) exit_code: Option<i32>,
    pub(in super::super) signal: Option<i32>,
    /// Who ended it, if it did not end by itself.
    pub(in super::super) by: Option<EndedBy>,
    /// Whether the kernel ended one of its processes for memory.
    pub(in super::super) memory_kill: bool,
    /// Whether it was refused a process or a thread.
    pub(in super::super) refused_task: bool,
    /// What of its scratch directory was used up when it ended.
    pub(in super::super) full: Option<&'static str>,
    pub(in super::super) stdout: Captured,
    pub(in super::super) stderr: Captured,
    pub(in super::super) private: Vec<u8>,
    pub(in super::super) wall: Duration,
    /// What of it was not charged, as far as that was asked.
    pub(in super::super) excused: Duration,
    pub(in super::super) cpu: Duration,
    pub(in super::super) peak_bytes: u64,
    /// The files that it left, where they were wanted.
    pub(in super::super) files: Vec<FileOf>,
    /// The files that were asked for.
    pub(in super::super) collected: Vec<LeftFile>,
}

/// Raised once, for good, by one thread; seen by others that wait for more than it.
#[derive(Debug)]
pub(in super::super) struct Flag(OwnedFd);

impl Flag {
    pub(in super::super) fn new() -> io::Result<Self> {
        Ok(Flag(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    pub(in super::super) fn raise(&self) {
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// A prepared slot.
#[derive(Debug)]
pub(in super::super) struct Slot {
    process: Child,
    control: OwnedFd,
    order: SlotOrder,
    missing: Vec<(String, String)>,
    forks: Forks,
}

impl Slot {
    /// Starts and prepares a slot. `user` is its own when this process is root; `counted` says that
    /// its programs will be in control groups.
    ///
    /// # Errors
    /// The step that this machine does not allow.
    pub(in super::super) fn start(
        executable: &Path,
        mode: (&str, &str),
        order: SlotOrder,
        user: Option<u32>,
        counted: bool,
    ) -> Result<Slot, String> {
        let (control, theirs) = wire::pair()?;
        let process = Command::new(executable)
            .env_clear()
            .env(mode.0, mode.1)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .in_step("start the process of a slot")?;
        let mut slot = Slot {
            process,
            control,
            missing: Vec::new(),
            order,
            forks: Forks::default(),
        };
        let setup = Setup {
            user,
            places: slot.order.places.iter().cloned().collect(),
            network: slot.order.network,
            counted,
        };
        wire::send(&slot.control, &setup, &[]).in_step("give a slot its set-up")?;
        match wire::receive::<Result<Ready, String>>(&slot.control) {
            Ok(Some((Ok(ready), _))) => {
                slot.missing = ready.missing;
                Ok(slot)
            }
            Ok(Some((Err(message), _))) => Err(message),
            Ok(None) => Err("a slot ended while it was prepared".to_owned()),
            Err(error) => Err(format!("could not hear a slot: {error}")),
        }
    }

    pub(in super::super) fn order(&self) -> &SlotOrder {
        &self.order
    }

    /// Layers that this machine has not, each with the reason.
    pub(in super::super) fn missing(&self) -> &[(String, String)] {
        &self.missing
    }

    /// Runs one program, counted by `group` where there is one, until it ends or nobody waits for it
    /// any more. After an error the slot is not to be used again.
    ///
    /// # Errors
    /// What the machine did not do.
    pub(in super::super) fn run(
        &mut self,
        run: &mut RunOf,
        group: Option<&Group>,
        cancel: &Flag,
    ) -> Result<Ran, NotRun> {
        let server = match &run.fork_server {
            Some(wanted) => self.forks.server(&self.control, run, wanted)?,
            None => None,
        };
        let before = group.map(Group::counts).unwrap_or_default();
        let mut started = self.start_program(run, group, server)?;
        run.has_begun();
        run.is_at(started.at, started.family.roots());
        let limits = run.limits;
        let mut clock = Clock::new(limits.wall);
        let mut streams = started.captures(limits.output);
        let counted = (group, before);
        let (by, sampled) = watch(&mut started, &mut streams, &mut clock, run, counted, cancel)?;
        if run.tell_excused {
            let (used, _) = used_by(&started, counted);
            look(&mut clock, &started, run, used.cpu);
        }
        run.has_ended();
        run.is_at(started.at, Vec::new());
        let wall = started.at.elapsed();
        let full = full(&started.scratch);
        let (program, init) = started.family.end()?;
        if let Some(message) = failure(&mut started.report) {
            return Err(NotRun {
                message,
                has_begun: true,
                is_final: false,
            });
        }
        let after = group.map(Group::counts).unwrap_or_default();
        streams.drain();
        // Nobody else is in the directory any more.
        let files = if run.keep_files {
            snapshot(&started.scratch, limits.disk)
        } else {
            Vec::new()
        };
        let collected = left::read(&started.scratch, &run.collect, limits.output);
        let [stdout, stderr] = streams
            .outputs
            .map(|stream| stream.kept.finish(limits.output));
        Ok(Ran {
            exit_code: program.exit_code,
            signal: program.signal,
            by,
            memory_kill: after.memory_kills > before.memory_kills,
            refused_task: after.refused_tasks > before.refused_tasks,
            full,
            stdout,
            stderr,
            private: streams.private.map_or_else(Vec::new, |stream| stream.bytes),
            wall,
            excused: clock.excused(),
            // Of children that nobody waited for only the group knows.
            cpu: (program.used.cpu + init.used.cpu).max(after.cpu - before.cpu),
            peak_bytes: sampled
                .max(program.used.largest_bytes)
                .max(group.map_or(0, Group::peak_bytes)),
            files,
            collected,
        })
    }

    fn start_program(
        &self,
        run: &RunOf,
        group: Option<&Group>,
        server: Option<Chosen>,
    ) -> Result<Started, NotRun> {
        let limits = &run.limits;
        let order = Order {
            command: run.command.clone(),
            environment: run.environment.clone(),
            files: run
                .files
                .iter()
                .map(|(path, bytes, mode)| (path.clone(), bytes.len(), *mode))
                .collect(),
            private: !matches!(run.private, Private::Absent),
            known: server
                .as_ref()
                .map_or_else(Vec::new, |server| server.known.clone()),
            disk_bytes: limits.disk,
            inodes: limits.inodes,
            cpu_seconds: limits.cpu.as_secs() + 1,
            memory_bytes: limits.memory,
            processes: limits.processes,
            open_files: limits.open_files,
        };
        let mut header = serde_json::to_vec(&order).in_step("write an order")?;
        header.push(b'\n');
        let contents = run.files.iter().map(|(_, bytes, _)| &**bytes);
        let order_file = memory_file(std::iter::once(header.as_slice()).chain(contents))
            .in_step("write an order")?;
        let (report, report_write) = pipe()?;
        let (streams, captured) = standard(&run.standard)?;
        let (go, their_go) = wire::pair()?;
        let (private, private_read) = match &run.private {
            Private::Absent => (None, None),
            Private::Kept(bytes) => {
                let input = memory_file([bytes.as_slice()]).in_step("write private input")?;
                let (read, write) = pipe()?;
                (Some((OwnedFd::from(input), write)), Some(read))
            }
            Private::Channel { end, .. } => {
                let End { read, write } = copy(end)?;
                (Some((read, write)), None)
            }
        };
        let mut fds: Vec<BorrowedFd<'_>> = vec![
            order_file.as_fd(),
            report_write.as_fd(),
            their_go.as_fd(),
            streams.stdin.as_fd(),
            streams.stdout.as_fd(),
            streams.stderr.as_fd(),
        ];
        if let Some((read, write)) = &private {
            fds.extend([read.as_fd(), write.as_fd()]);
        }
        wire::send(
            &self.control,
            &Request::Run(server.map(|server| server.number)),
            &fds,
        )
        .in_step("order a program")?;
        drop((report_write, their_go, streams, private));
        let mut family = Family::default();
        let mut has_begun = false;
        let mut report = File::from(report);
        let born = family.born(&mut report, &go, group, &mut has_begun);
        let scratch = born.map_err(|message| NotRun {
            message,
            has_begun,
            is_final: false,
        })?;
        Ok(Started {
            family,
            scratch,
            at: Instant::now(),
            report,
            captured,
            private: private_read,
        })
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), String> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).in_step("make a pipe")
}

/// Another copy of an end, for the program. The first stays until it was started: a slot may be lost
/// before.
fn copy(end: &Option<End>) -> Result<End, String> {
    let end = end.as_ref().ok_or("a channel was closed before")?;
    end.try_clone().in_step("copy a descriptor")
}

/// The standard streams of a program, and where what it writes to standard output and error is read.
fn standard(wanted: &Standard) -> Result<(Streams, [Option<OwnedFd>; 2]), String> {
    let kept = || {
        let (read, write) = pipe()?;
        // Programs open them by name too, which asks who they belong to. Streams of others may be
        // devices of the machine, which keep their modes.
        let _ = rustix::fs::fchmod(&write, rustix::fs::Mode::from_raw_mode(0o222));
        Ok::<_, String>((read, write))
    };
    Ok(match wanted {
        Standard::Kept(stdin) => {
            let stdin = memory_file([stdin.as_slice()]).in_step("write standard input")?;
            let (stdout_read, stdout) = kept()?;
            let (stderr_read, stderr) = kept()?;
            let streams = Streams {
                stdin: stdin.into(),
                stdout,
                stderr,
            };
            (streams, [Some(stdout_read), Some(stderr_read)])
        }
        Standard::Attached(streams) => {
            let streams = streams.try_clone().in_step("copy a descriptor")?;
            (streams, [None, None])
        }
        Standard::Channel { end, .. } => {
            let End { read, write } = copy(end)?;
            let (stderr_read, stderr) = kept()?;
            let streams = Streams {
                stdin: read,
                stdout: write,
                stderr,
            };
            (streams, [None, Some(stderr_read)])
        }
    })
}

/// Waits until the program ends or is to be ended.
fn watch(
    started: &mut Started,
    streams: &mut Captures,
    clock: &mut Clock,
    run: &RunOf,
    counted: (Option<&Group>, Counts),
    cancel: &Flag,
) -> Result<(Option<EndedBy>, u64), String> {
    let limits = &run.limits;
    let mut peak = 0;
    let mut sample_at = started.at + SAMPLE_EVERY;
    let mut end_at = started.at + clock.ends_at();
    let mut end_by = EndedBy::Wall;
    let mut talk_over = match &run.private {
        Private::Channel { talk_over, .. } => Some(talk_over),
        Private::Absent | Private::Kept(_) => None,
    };
    let program = started.family.program()?;
    loop {
        let now = Instant::now();
        let pause = sample_at.min(end_at).saturating_duration_since(now);
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: pause.subsec_nanos().into(),
        };
        // In this order: what was told before the program ended is seen with its end.
        let mut fds = vec![
            PollFd::new(&program, PollFlags::IN),
            PollFd::new(&cancel.0, PollFlags::IN),
        ];
        fds.extend(talk_over.map(|flag| PollFd::new(&flag.0, PollFlags::IN)));
        streams.add_to(&mut fds);
        let is_any_news = match poll(&mut fds, Some(&pause)) {
            Ok(count) => count > 0,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(format!("could not wait for a program: {error}")),
        };
        let has_news = |index: usize| !fds[index].revents().is_empty();
        let (ended, cancelled) = (has_news(0), has_news(1));
        let is_talk_over = talk_over.is_some() && has_news(2);
        drop(fds);
        if is_any_news && streams.read() {
            return Ok((Some(EndedBy::Supervisor), peak));
        }
        if ended {
            // One that ended because its talk was over did so after that was told.
            let is_after_judge = is_talk_over || end_by == EndedBy::Judge;
            return Ok((is_after_judge.then_some(EndedBy::Judge), peak));
        }
        if cancelled {
            return Err("nobody waits for the program any more".to_owned());
        }
        let now = Instant::now();
        if is_talk_over {
            talk_over = None;
            (end_at, end_by) = (now + TALK_OVER_GRACE, EndedBy::Judge);
        }
        let is_late = now >= end_at;
        if is_late && end_by != EndedBy::Wall {
            return Ok((Some(end_by), peak));
        }
        if now < sample_at && !is_late {
            continue;
        }
        sample_at = now + SAMPLE_EVERY;
        let (usage, counts) = used_by(started, counted);
        peak = peak.max(usage.memory_bytes);
        match counted {
            (Some(_), before) => {
                if counts.memory_kills > before.memory_kills {
                    return Ok((Some(EndedBy::Memory), peak));
                }
            }
            (None, _) => {
                // Files of the scratch directory are memory too.
                let scratch = used_bytes(&started.scratch);
                let mut bytes = usage.memory_bytes + scratch;
                if bytes > limits.memory {
                    bytes = tree::proportional_bytes_of(&started.family.roots()) + scratch;
                }
                peak = peak.max(bytes);
                if bytes > limits.memory {
                    return Ok((Some(EndedBy::Memory), peak));
                }
            }
        }
        if usage.cpu > limits.cpu {
            return Ok((Some(EndedBy::Cpu), peak));
        }
        if end_by == EndedBy::Wall && (is_late || clock.is_due(started.at.elapsed())) {
            look(clock, started, run, usage.cpu);
            // What came meanwhile came in time: it may be this thread that had to wait.
            let mut news = vec![PollFd::new(&program, PollFlags::IN)];
            news.extend(talk_over.map(|flag| PollFd::new(&flag.0, PollFlags::IN)));
            if clock.is_over() && poll(&mut news, Some(&Timespec::default())) == Ok(0) {
                return Ok((Some(EndedBy::Wall), peak));
            }
            end_at = started.at + clock.ends_at();
        }
    }
}

/// What the processes of a run use now, with what their group counted. Processor time is that of all
/// that there were.
fn used_by(started: &Started, (group, before): (Option<&Group>, Counts)) -> (Usage, Counts) {
    // What was looked up in `/proc` of many threads is given back when they end, one waiting for
    // another: dearer than the look itself.
    let mut usage = match group {
        Some(group) if group.counts_time() => Usage {
            memory_bytes: group.sampled_bytes(),
            ..Usage::default()
        },
        _ => tree::usage_of(&started.family.roots()),
    };
    let counts = group.map_or(before, Group::counts);
    usage.cpu = usage.cpu.max(counts.cpu.saturating_sub(before.cpu));
    (usage, counts)
}

/// Charges a run what passed.
fn look(clock: &mut Clock, started: &Started, run: &RunOf, used: Duration) {
    let elapsed = started.at.elapsed();
    let mut trees = vec![tree::threads_of(&started.family.roots())];
    let mut is_held = false;
    if let Some(place) = run.beside() {
        let begun = place.at.map(|at| at.saturating_duration_since(started.at));
        trees.push(vec![Thread::that_waited(begun.unwrap_or(elapsed))]);
        // That it has ended is yet to be seen, and told.
        is_held = place.roots.last().is_some_and(|pid| tree::has_ended(*pid));
        trees.push(tree::threads_of(&place.roots));
    }
    clock.look(elapsed, used, trees, is_held);
}

/// Why a program did not run.
#[derive(Debug)]
pub(in super::super) struct NotRun {
    /// The step that failed.
    pub(in super::super) message: String,
    /// Whether the program had a part in it: it may have been executed.
    pub(in super::super) has_begun: bool,
    /// Whether it is so because of what the author asked for, and would be so again.
    pub(in super::super) is_final: bool,
}

impl From<String> for NotRun {
    /// Before a program was let go, unless it is said otherwise.
    fn from(message: String) -> Self {
        NotRun {
            message,
            has_begun: false,
            is_final: false,
        }
    }
}

impl From<Unserved> for NotRun {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Refused(message) => NotRun {
                message,
                has_begun: false,
                is_final: true,
            },
            Unserved::Lost(message) => message.into(),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Started {
    family: Family,
    /// The scratch directory.
    scratch: OwnedFd,
    at: Instant,
    /// Where a fork says why it could not become the program, if it could not.
    report: File,
    /// Standard output and error, unless they are somebody else's.
    captured: [Option<OwnedFd>; 2],
    private: Option<OwnedFd>,
}

impl Started {
    fn captures(&mut self, output_max: u64) -> Captures {
        let output = |source: Option<OwnedFd>| Output {
            source: source.map(File::from).inspect(|file| {
                let _ = rustix::io::ioctl_fionbio(file, true);
            }),
            kept: Kept::new(output_max),
        };
        Captures {
            outputs: std::mem::take(&mut self.captured).map(output),
            private: self.private.take().map(|fd| {
                let _ = rustix::io::ioctl_fionbio(&fd, true);
                PrivateOutput {
                    source: Some(File::from(fd)),
                    bytes: Vec::new(),
                }
            }),
            output_max,
            chunk: vec![0; CHUNK_BYTES],
        }
    }
}

/// The processes of a run, all children of this process; what is left of them ends with this value.
#[derive(Default)]
struct Family {
    init: Option<(i32, OwnedFd)>,
    helper: Option<i32>,
    program: Option<(i32, OwnedFd)>,
}

impl Family {
    /// Hears of the processes as they are made, lets the program go on, and returns once it is
    /// executed, or is a fork that goes on, with the scratch directory.
    fn born(
        &mut self,
        report: &mut File,
        go: &OwnedFd,
        group: Option<&Group>,
        has_begun: &mut bool,
    ) -> Result<OwnedFd, String> {
        let mut heard = Vec::new();
        let (mut scratch, mut failed) = (None, None);
        let mut is_forked = false;
        let deadline = Instant::now() + START_WITHIN;
        let mut chunk = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("a program could not be started in time".to_owned());
            }
            let pause = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(1),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = vec![PollFd::new(report, PollFlags::IN)];
            // Init shows the directory before, most often: it is waited for when there is a program.
            if self.program.is_some() && scratch.is_none() {
                fds.push(PollFd::new(go, PollFlags::IN));
            }
            match poll(&mut fds, Some(&pause)) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.in_step("wait for a program's start")?,
            };
            let is_reported = !fds[0].revents().is_empty();
            let is_shown = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
            drop(fds);
            if let (Some((pid, _)), true) = (&self.program, is_shown) {
                scratch = let_go(*pid, go, group, has_begun)?;
                if is_forked && scratch.is_some() {
                    break;
                }
            }
            if !is_reported {
                continue;
            }
            match report.read(&mut chunk).in_step("hear a slot")? {
                0 => break,
                count => heard.extend_from_slice(&chunk[..count]),
            }
            while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = heard.drain(..=end).collect();
                let report = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
                is_forked |= matches!(report, Report::Forked(_));
                failed = failed.or(self.hear(report)?);
            }
            // A process that was made all the same is still to be heard of, and waited for.
            if failed.is_some() && self.program.is_some() {
                break;
            }
        }
        match (&self.program, scratch, failed) {
            (_, _, Some(message)) => Err(message),
            (Some(_), Some(scratch), None) => Ok(scratch),
            _ => Err("a slot was lost while it started a program".to_owned()),
        }
    }

    /// What a report says; the message, where it is that something failed.
    fn hear(&mut self, report: Report) -> Result<Option<String>, String> {
        match report {
            Report::Init(pid) => self.init = Some(held(pid)?),
            Report::Helper(pid) => self.helper = Some(pid),
            Report::Program(pid) | Report::Forked(pid) => self.program = Some(held(pid)?),
            Report::Failed(message) => return Ok(Some(message)),
        }
        Ok(None)
    }

    fn program(&self) -> Result<BorrowedFd<'_>, String> {
        self.program
            .as_ref()
            .map(|(_, pidfd)| pidfd.as_fd())
            .ok_or_else(|| "no program was started".to_owned())
    }

    /// Where a search for the processes of the run begins.
    fn roots(&self) -> Vec<Pid> {
        [&self.init, &self.program]
            .into_iter()
            .flatten()
            .filter_map(|(pid, _)| Pid::from_raw(*pid))
            .collect()
    }

    /// Ends what lives and waits for all; the program's end, then init's.
    fn end(mut self) -> Result<(sys::Waited, sys::Waited), String> {
        match self.end_all() {
            (Some(program), Some(init)) => Ok((program, init)),
            _ => Err("a program's end was lost".to_owned()),
        }
    }

    fn end_all(&mut self) -> (Option<sys::Waited>, Option<sys::Waited>) {
        let (init, program) = (self.init.take(), self.program.take());
        // All in its namespace go with it.
        if let Some((_, pidfd)) = &init {
            let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
        }
        if let Some((_, pidfd)) = &program {
            let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
        }
        if let Some(helper) = self.helper.take() {
            let _ = sys::wait(helper);
        }
        let deadline = Instant::now() + END_WITHIN;
        let ended = |held: Option<(i32, OwnedFd)>| {
            let (pid, pidfd) = held?;
            has_ended(&pidfd, deadline).then(|| sys::wait(pid).ok())?
        };
        (ended(program), ended(init))
    }
}

/// Why a fork that went on did not become the program after all.
fn failure(report: &mut File) -> Option<String> {
    rustix::io::ioctl_fionbio(&*report, true).ok()?;
    let mut line = String::new();
    let _ = report.read_to_string(&mut line);
    match serde_json::from_str(line.lines().next()?) {
        Ok(Report::Failed(message)) => Some(message),
        Ok(_) | Err(_) => None,
    }
}

/// Lets a program go on, counted from here on: what is in the group is the program and what it makes, and
/// nothing that other programs need. Returns its scratch directory, which init has shown; none where init is lost.
fn let_go(
    pid: i32,
    go: &OwnedFd,
    group: Option<&Group>,
    has_begun: &mut bool,
) -> Result<Option<OwnedFd>, String> {
    let shown = wire::receive::<()>(go).in_step("hear a program's start")?;
    let Some(scratch) = shown.and_then(|((), fds)| fds.into_iter().next()) else {
        return Ok(None);
    };
    if let Some(group) = group {
        group
            .join(pid.cast_unsigned())
            .in_step("put a program into its control group")?;
    }
    *has_begun = true;
    wire::send(go, &(), &[]).in_step("let a program go on")?;
    Ok(Some(scratch))
}

/// Waits until a process has ended. What the kernel cannot end must not hold up the supervisor.
fn has_ended(pidfd: &OwnedFd, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let pause = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(1),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&pause)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => return false,
            Ok(_) => return true,
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.end_all();
    }
}

struct Captures {
    outputs: [Output; 2],
    private: Option<PrivateOutput>,
    output_max: u64,
    /// Where what is read stands for a moment.
    chunk: Vec<u8>,
}

struct Output {
    source: Option<File>,
    kept: Kept,
}

struct PrivateOutput {
    source: Option<File>,
    bytes: Vec<u8>,
}

impl Captures {
    fn add_to<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        let outputs = self
            .outputs
            .iter()
            .filter_map(|output| output.source.as_ref());
        let private = self
            .private
            .as_ref()
            .and_then(|private| private.source.as_ref());
        fds.extend(
            outputs
                .chain(private)
                .map(|file| PollFd::new(file, PollFlags::IN)),
        );
    }

    /// Reads what there is, a chunk of each; whether an output is over its limit.
    fn read(&mut self) -> bool {
        let chunk = &mut self.chunk;
        for output in &mut self.outputs {
            if let Some(bytes) = available(&mut output.source, chunk) {
                output.kept.add(bytes);
            }
        }
        if let Some(private) = &mut self.private
            && let Some(bytes) = available(&mut private.source, chunk)
        {
            private.bytes.extend_from_slice(bytes);
            if private.bytes.len() > PRIVATE_BYTES_MAX {
                private.bytes.truncate(PRIVATE_BYTES_MAX);
                private.source = None;
            }
        }
        self.outputs
            .iter()
            .any(|output| output.kept.total() > self.output_max)
    }

    /// Reads what is left when all writers are gone.
    fn drain(&mut self) {
        let chunk = &mut self.chunk;
        for output in &mut self.outputs {
            while let Some(bytes) = available(&mut output.source, chunk) {
                output.kept.add(bytes);
            }
        }
        if let Some(private) = &mut self.private {
            while let Some(bytes) = available(&mut private.source, chunk) {
                private.bytes.extend_from_slice(bytes);
            }
            private.bytes.truncate(PRIVATE_BYTES_MAX);
        }
    }
}

/// What a source has now; the source is gone once it has ended.
fn available<'a>(source: &mut Option<File>, chunk: &'a mut [u8]) -> Option<&'a [u8]> {
    loop {
        match source.as_mut()?.read(chunk) {
            Ok(0) => *source = None,
            Ok(count) => return Some(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(_) => *source = None,
        }
    }
}

fn used_bytes(scratch: &OwnedFd) -> u64 {
    rustix::fs::fstatvfs(scratch).map_or(0, |space| {
        (space.f_blocks - space.f_bfree).saturating_mul(space.f_frsize)
    })
}

fn full(scratch: &OwnedFd) -> Option<&'static str> {
    let space = rustix::fs::fstatvfs(scratch).ok()?;
    if space.f_bfree == 0 {
        Some(super::super::DISK_FULL)
    } else if space.f_ffree == 0 {
        Some(super::super::INODES_FULL)
    } else {
        None
    }
}

/// The regular files below the directory of a program that is gone. Links are not followed, and no
/// more is read than the directory may hold; what cannot be read is as if it were not there.
fn snapshot(scratch: &OwnedFd, bytes_max: u64) -> Vec<FileOf> {
    use rustix::fs::{Dir, FileType, Mode, OFlags, openat};
    let open = |path: &Path, more: OFlags| {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | more;
        openat(scratch, path, flags, Mode::empty()).or_else(|error| {
            // Permissions that the program took from itself.
            let all = Mode::from_raw_mode(0o700);
            rustix::fs::chmodat(scratch, path, all, rustix::fs::AtFlags::empty())
                .map_err(|_| error)?;
            openat(scratch, path, flags, Mode::empty())
        })
    };
    let mut files = Vec::new();
    let mut left = bytes_max;
    let mut directories = vec![PathBuf::from(".")];
    while let Some(path) = directories.pop() {
        let entries = open(&path, OFlags::DIRECTORY).and_then(|fd| Dir::read_from(&fd));
        let mut found = Vec::new();
        for entry in entries.into_iter().flatten().flatten() {
            let (name, kind) = (entry.file_name(), entry.file_type());
            if let Ok(name) = name.to_str()
                && ![".", ".."].contains(&name)
            {
                found.push((path.join(name), kind));
            }
        }
        for (path, kind) in found {
            if kind == FileType::Directory {
                directories.push(path);
            } else if kind == FileType::RegularFile {
                let Ok(mode) =
                    rustix::fs::statat(scratch, &path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                        .map(|data| data.st_mode & 0o777)
                else {
                    continue;
                };
                let Ok(file) = open(&path, OFlags::empty()) else {
                    continue;
                };
                let mut bytes = Vec::new();
                if File::from(file).take(left).read_to_end(&mut bytes).is_ok() {
                    left -= bytes.len() as u64;
                    let path = path.strip_prefix(".").unwrap_or(&path);
                    files.push((path.to_string_lossy().into_owned(), bytes.into(), mode));
                }
            }
        }
    }
    files
}
