//! The threads that run jobs in slots.
//!
//! Each lane is a thread with slots of its own, used one at a time: processes of a slot are bound
//! to the thread that made it. Jobs wait in one queue for the next free lane. What runs beside a
//! program, its judge, has a lane of its own that serves no other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::super::runs::Runs;
use super::builds::{Build, Built, Claim, Files};
use super::channel::channel;
use super::janitor::{Janitor, Left};
use super::sandbox::{
    Flag, Group, InStep, NotRun, Pair, Places, Private, Ran, RunOf, SCRATCH, Slot, SlotOrder,
    Standard, Users, places_of,
};
use super::wire::{EndedBy, Side};
use super::{AFTER_JUDGE, Containment, MODE, command, environment};
use crate::execution::{Execution, InfrastructureError, Isolation, JobResult, Status};
use crate::program::{ForkServer, Job, Judge, Limits, Program, Run, SourceFile, Streams};

/// Numbers of this process's control groups, whichever backend they belong to.
static GROUPS: AtomicU64 = AtomicU64::new(0);

/// Slots that a lane keeps for programs with different wants.
const SLOTS_KEPT: usize = 4;

type Work = Box<dyn FnOnce(&mut Lane) + Send>;

/// All lanes of a backend.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Absent once closed. Not bounded itself: who asks for executions has few of them under way, a
    /// small multiple of the slots.
    queue: Mutex<Option<mpsc::Sender<Work>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    isolation: Isolation,
}

impl Lanes {
    /// Starts the lanes and prepares a first slot, to see what this machine allows.
    ///
    /// # Errors
    /// The step that it does not allow.
    pub(super) fn start(
        executable: PathBuf,
        count: usize,
        is_cold: bool,
    ) -> Result<(Lanes, Containment), String> {
        let (groups, uncounted) = match Groups::start(&executable) {
            Ok(groups) => (Some(groups), None),
            Err(reason) => (None, Some(reason)),
        };
        let shared = Arc::new(Shared {
            executable,
            groups,
            users: Users::claim(),
            is_cold,
            places: Mutex::default(),
        });
        let (sender, receiver) = mpsc::channel::<Work>();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::new();
        for seat in 0..count {
            let (shared, receiver) = (Arc::clone(&shared), Arc::clone(&receiver));
            let next = move || {
                let receiver = receiver.lock();
                let receiver = receiver.expect("no lane panics while it takes work");
                receiver.recv().ok()
            };
            // Its judges have the odd seats, so that they are never their programs' users.
            let lane = Lane::new(2 * seat, shared);
            threads.push(lane.start(format!("lane {seat}"), next)?);
        }
        let (answer, answered) = mpsc::channel();
        let first: Work = Box::new(move |lane| {
            let order = SlotOrder::default();
            // Nobody listens when the backend is gone already.
            let _ = answer.send(lane.slot(&order).map(|slot| slot.missing().to_vec()));
        });
        let lost = "the first slot was lost";
        sender.send(first).map_err(|_| lost)?;
        let mut missing = answered.recv().map_err(|_| lost)??;
        if let Some(reason) = uncounted {
            missing.push(("control group".to_owned(), reason));
        }
        let isolation = if missing.is_empty() {
            Isolation::Full
        } else {
            Isolation::Reduced
        };
        let lanes = Lanes {
            queue: Mutex::new(Some(sender)),
            threads: Mutex::new(threads),
            isolation,
        };
        Ok((lanes, Containment { isolation, missing }))
    }

    /// Ends the slots; a program that still runs is ended by its job being dropped.
    pub(super) fn close(&self) {
        self.queue
            .lock()
            .expect("no thread panics while it holds the queue")
            .take();
        let threads = std::mem::take(
            &mut *self
                .threads
                .lock()
                .expect("no thread panics while it holds the threads"),
        );
        for thread in threads {
            // A lane that panicked has dropped its slots.
            let _ = thread.join();
        }
    }

    pub(super) async fn execute(
        &self,
        job: &Job,
        interpreter: &Path,
        build: Option<Build>,
    ) -> Result<JobResult, InfrastructureError> {
        let (job, interpreter) = (job.clone(), interpreter.to_path_buf());
        let isolation = self.isolation;
        self.in_a_lane(move |lane, cancel| lane.job(&job, &interpreter, build, cancel, isolation))
            .await
    }

    /// Runs a program on streams that are somebody else's.
    pub(super) async fn attach(
        &self,
        program: Arc<Program>,
        run: Run,
        streams: Streams,
        interpreter: &Path,
    ) -> Result<Execution, InfrastructureError> {
        let interpreter = interpreter.to_path_buf();
        let isolation = self.isolation;
        self.in_a_lane(move |lane, cancel| {
            let order = lane.shared.order_of(&program, &interpreter);
            let files = files_of(&program.files);
            let mut run = RunOf {
                standard: Standard::Attached(streams),
                ..run_of(
                    &run,
                    &interpreter,
                    program.limits,
                    &files,
                    &program.fork_server,
                    false,
                )
            };
            Ok(execution(
                lane.run(&order, &mut run, cancel)?,
                &program.limits,
                isolation,
            ))
        })
        .await
    }

    /// Has work done by the next free lane; dropped before that is done, it is ended.
    async fn in_a_lane<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Lane, &Arc<Flag>) -> Result<T, String> + Send + 'static,
    ) -> Result<T, InfrastructureError> {
        let closed = || InfrastructureError::new("the local backend was closed");
        let cancel = Flag::new()
            .map(Arc::new)
            .map_err(|error| super::failed("prepare a run", &error))?;
        let _cancelled_on_drop = RaiseOnDrop(Arc::clone(&cancel));
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |lane| {
            if !answer.is_closed() {
                let _ = answer.send(work(lane, &cancel));
            }
        });
        let sender = self
            .queue
            .lock()
            .expect("no thread panics while it holds the queue")
            .clone();
        sender
            .ok_or_else(closed)?
            .send(work)
            .map_err(|_| closed())?;
        answered
            .await
            .map_err(|_| closed())?
            .map_err(InfrastructureError::new)
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.close();
    }
}

struct RaiseOnDrop(Arc<Flag>);

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        self.0.raise();
    }
}

#[derive(Debug)]
struct Shared {
    executable: PathBuf,
    groups: Option<Groups>,
    /// The users that slots get, when this process is root.
    users: Option<Users>,
    /// Whether each program is started by itself.
    is_cold: bool,
    /// What belongs to each interpreter so far: to find that out asks for very many files.
    places: Mutex<HashMap<PathBuf, Places>>,
}

impl Shared {
    fn order_of(&self, program: &Program, interpreter: &Path) -> SlotOrder {
        let mut known = self
            .places
            .lock()
            .expect("no lane panics while it looks for places");
        let places = match known.get(interpreter) {
            Some(places) => places.clone(),
            None => {
                let places = places_of(interpreter);
                known.insert(interpreter.to_path_buf(), places.clone());
                places
            }
        };
        SlotOrder {
            places,
            network: program.network,
        }
    }
}

/// Makes control groups, and has them removed if this process is killed.
#[derive(Debug)]
struct Groups {
    janitor: Janitor,
}

impl Groups {
    fn start(executable: &Path) -> Result<Groups, String> {
        drop(Group::new(&next_group())?);
        let janitor = Janitor::start(executable).in_step("start a janitor of control groups")?;
        Ok(Groups { janitor })
    }

    fn group(&self) -> Result<Group, String> {
        let group = Group::new(&next_group())?;
        for directory in group.directories() {
            let remembered = self.janitor.remember(Left::Group, directory);
            remembered.in_step("speak to the janitor of control groups")?;
        }
        Ok(group)
    }

    /// Removes a group.
    fn remove(&self, group: Group) {
        let directories: Vec<PathBuf> = group
            .directories()
            .iter()
            .map(|path| path.to_path_buf())
            .collect();
        drop(group);
        for directory in directories {
            self.janitor.forget(&directory);
        }
    }
}

fn next_group() -> String {
    let number = GROUPS.fetch_add(1, Ordering::Relaxed);
    format!("rewardspec-{}-{number}", std::process::id())
}

/// A thread's slots.
struct Lane {
    /// Which of the users of this process its slots have.
    seat: usize,
    shared: Arc<Shared>,
    /// The one used last is first.
    slots: Vec<Slot>,
    /// Counts its programs, one after the other.
    group: Option<Group>,
    /// For the judges of its programs; started with the first.
    judges: Option<Beside>,
}

/// A lane that works for another one only.
struct Beside {
    /// Absent when it is to end.
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Beside {
    fn start(lane: Lane) -> Result<Beside, String> {
        let (sender, receiver) = mpsc::channel();
        let name = format!("lane beside {}", lane.seat - 1);
        let thread = lane.start(name, move || receiver.recv().ok())?;
        Ok(Beside {
            work: Some(sender),
            thread: Some(thread),
        })
    }

    /// Runs a judge in it; a program whose judge does not run is told that the talk is over.
    fn run(
        &self,
        order: SlotOrder,
        mut run: RunOf,
        cancel: Arc<Flag>,
        talk_over: Arc<Flag>,
    ) -> mpsc::Receiver<Result<Ran, String>> {
        let (answer, answered) = mpsc::channel();
        let work: Work = Box::new(move |lane| {
            let ran = lane.run(&order, &mut run, &cancel);
            if ran.is_err() {
                talk_over.raise();
            }
            // Nobody listens when the lane is gone.
            let _ = answer.send(ran);
        });
        if let Some(sender) = &self.work {
            // Of a thread that is lost the answer never comes, which tells.
            let _ = sender.send(work);
        }
        answered
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.work.take();
        if let Some(thread) = self.thread.take() {
            // A lane that panicked has dropped its slots.
            let _ = thread.join();
        }
    }
}

impl Lane {
    fn new(seat: usize, shared: Arc<Shared>) -> Self {
        Lane {
            seat,
            shared,
            slots: Vec::new(),
            group: None,
            judges: None,
        }
    }

    /// Works on a thread of its own for as long as there is something next.
    fn start(
        mut self,
        name: String,
        mut next: impl FnMut() -> Option<Work> + Send + 'static,
    ) -> Result<JoinHandle<()>, String> {
        std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                while let Some(work) = next() {
                    work(&mut self);
                }
            })
            .map_err(|error| format!("could not start a thread: {error}"))
    }

    fn slot(&mut self, order: &SlotOrder) -> Result<&mut Slot, String> {
        if let Some(index) = self.slots.iter().position(|slot| slot.order() == order) {
            self.slots[..=index].rotate_right(1);
        } else {
            self.slots.truncate(SLOTS_KEPT - 1);
            let user = self
                .shared
                .users
                .as_ref()
                .map(|users| users.user(self.seat));
            let executable = &self.shared.executable;
            let counted = self.shared.groups.is_some();
            let slot = Slot::start(executable, (MODE, "slot"), order.clone(), user, counted)?;
            self.slots.insert(0, slot);
        }
        Ok(&mut self.slots[0])
    }

    fn run(&mut self, order: &SlotOrder, run: &mut RunOf, cancel: &Flag) -> Result<Ran, String> {
        let mut is_second = false;
        if self.shared.is_cold {
            run.fork_server = None;
        }
        loop {
            let group = self.take_group(&run.limits)?;
            let ran = self.slot(order)?.run(run, group.as_ref(), cancel);
            self.group = group;
            let NotRun {
                message,
                has_begun,
                is_final,
            } = match ran {
                Ok(ran) => return Ok(ran),
                Err(not_run) => not_run,
            };
            // What state it is in is unknown.
            self.slots.remove(0);
            // A slot that was lost before the program began may have been lost to another's.
            if has_begun || is_second || is_final {
                return Err(message);
            }
            is_second = true;
            // Started by itself it would lack what the suite has preloaded.
            let server = run.fork_server.take();
            run.fork_server = server.filter(|server| !server.preload.is_empty());
        }
    }

    /// Runs a program and, at the same time, the judge that talks with it; the program's end, then the
    /// judge's.
    fn run_judged(
        &mut self,
        order: &SlotOrder,
        mut run: RunOf,
        judge: &Judge,
        interpreter: &Path,
        cancel: &Arc<Flag>,
    ) -> Result<(Ran, Ran), String> {
        let (programs, judges) = channel().in_step("make a channel")?;
        let talk_over = Flag::new().map(Arc::new).in_step("prepare a judge")?;
        run.private = Private::Channel {
            end: Some(programs),
            talk_over: Arc::clone(&talk_over),
        };
        let pair = Arc::<Pair>::default();
        run.pair = Some((Side::Program, Arc::clone(&pair)));
        let beside = match self.judges.take() {
            Some(beside) => beside,
            None => Beside::start(Lane::new(self.seat + 1, Arc::clone(&self.shared)))?,
        };
        let judges_order = SlotOrder {
            network: false,
            ..order.clone()
        };
        let standard = Standard::Channel {
            end: Some(judges),
            talk_over: Arc::clone(&talk_over),
        };
        let judge = RunOf {
            pair: Some((Side::Judge, pair)),
            ..judge_of(judge, interpreter, standard)
        };
        let judging = beside.run(judges_order, judge, Arc::clone(cancel), talk_over);
        let ran = self.run(order, &mut run, cancel);
        // The judge may wait for a program that was never started.
        drop(run);
        if ran.is_err() {
            // Nothing comes of the job: its judge need not end by itself.
            cancel.raise();
        }
        let judged = judging.recv();
        if judged.is_ok() {
            self.judges = Some(beside);
        }
        let judged = judged.map_err(|_| "the lane of a judge was lost".to_owned());
        Ok((ran?, judged??))
    }

    /// A group with these limits, in which nothing is left of the programs before.
    fn take_group(&mut self, limits: &Limits) -> Result<Option<Group>, String> {
        let Some(groups) = &self.shared.groups else {
            return Ok(None);
        };
        let set = |group: &Group| group.limit(limits.memory, limits.processes);
        if let Some(group) = self.group.take() {
            if !group.is_used() && set(&group).is_ok() {
                return Ok(Some(group));
            }
            groups.remove(group);
        }
        let group = groups.group()?;
        set(&group).in_step("set the limits of a control group")?;
        Ok(Some(group))
    }

    /// Makes a build.
    fn build(
        &mut self,
        program: &Program,
        order: &SlotOrder,
        interpreter: &Path,
        claim: Claim,
        cancel: &Flag,
        isolation: Isolation,
    ) -> Result<Arc<Built>, String> {
        let (run, limits) = (claim.run(), program.limits.of_build());
        let files = files_of(&program.files);
        let servers = &program.fork_server;
        let mut run = run_of(&run, interpreter, limits, &files, servers, true);
        let mut ran = self.run(order, &mut run, cancel)?;
        let files = Arc::new(std::mem::take(&mut ran.files));
        Ok(claim.ended(execution(ran, &limits, isolation), files, true))
    }

    fn job(
        &mut self,
        job: &Job,
        interpreter: &Path,
        build: Option<Build>,
        cancel: &Arc<Flag>,
        isolation: Isolation,
    ) -> Result<JobResult, String> {
        let program = &job.program;
        let order = self.shared.order_of(program, interpreter);
        let built = match build {
            None => None,
            Some(Build::Known(built)) => Some(built),
            Some(Build::Wanted(claim)) => {
                Some(self.build(program, &order, interpreter, claim, cancel, isolation)?)
            }
        };
        if let Some(failed) = built.as_ref().and_then(|built| built.failed()) {
            return Ok(failed);
        }
        let files = match &built {
            Some(built) => Arc::clone(&built.files),
            None => files_of(&program.files),
        };
        let mut runs = Runs::of(job);
        for run in job.runs.iter() {
            let Some(limits) = runs.next() else { break };
            let servers = &program.fork_server;
            let mut wanted = run_of(run, interpreter, limits, &files, servers, false);
            wanted.tell_excused = job.ending.total.is_some();
            let Some(judge) = &run.judge else {
                let ran = self.run(&order, &mut wanted, cancel)?;
                let excused = ran.excused;
                runs.push(execution(ran, &limits, isolation), excused);
                continue;
            };
            let (ran, judged) = self.run_judged(&order, wanted, judge, interpreter, cancel)?;
            let judged = execution(judged, &judge.limits, isolation);
            let excused = ran.excused;
            let ran = Execution {
                judge: Some(Box::new(judged)),
                ..execution(ran, &limits, isolation)
            };
            runs.push(ran, excused);
        }
        Ok(JobResult {
            build: built.map(|built| built.build.clone()),
            runs: runs.finish(),
        })
    }
}

/// Files as slots want them: path, content, mode.
fn files_of(files: &[SourceFile]) -> Files {
    Arc::new(
        files
            .iter()
            .map(|file| (file.path.clone(), Arc::clone(&file.bytes), 0o644))
            .collect(),
    )
}

fn run_of(
    run: &Run,
    interpreter: &Path,
    limits: Limits,
    files: &Files,
    fork_server: &Option<Arc<ForkServer>>,
    keep_files: bool,
) -> RunOf {
    RunOf {
        command: command(&run.command, interpreter),
        environment: environment(interpreter, SCRATCH, fork_server.is_some()),
        files: Arc::clone(files),
        standard: Standard::Kept(run.stdin.clone()),
        private: run.private.clone().map_or(Private::Absent, Private::Kept),
        pair: None,
        limits,
        keep_files,
        tell_excused: false,
        collect: run.collect.clone(),
        fork_server: fork_server.clone(),
    }
}

fn judge_of(judge: &Judge, interpreter: &Path, standard: Standard) -> RunOf {
    RunOf {
        command: command(&judge.command, interpreter),
        environment: environment(interpreter, SCRATCH, judge.fork_server.is_some()),
        files: files_of(&judge.files),
        standard,
        private: Private::Kept(judge.order.clone()),
        pair: None,
        limits: judge.limits,
        keep_files: false,
        tell_excused: false,
        collect: Vec::new(),
        fork_server: judge.fork_server.clone(),
    }
}

/// Precedence: memory_limit, output_limit, timeout, process_limit, killed, runtime_error, ok.
fn execution(ran: Ran, limits: &Limits, isolation: Isolation) -> Execution {
    let is_ok = ran.by.is_none() && ran.exit_code == Some(0);
    let (status, reason) = if ran.memory_kill {
        (Status::MemoryLimit, Some("counted by the kernel"))
    } else if ran.by == Some(EndedBy::Memory) {
        (Status::MemoryLimit, Some("sampled sum of the process tree"))
    } else if ran.by == Some(EndedBy::Supervisor) || ran.stdout.truncated || ran.stderr.truncated {
        (Status::OutputLimit, None)
    } else if ran.by == Some(EndedBy::Wall) {
        (Status::Timeout, Some("wall"))
    } else if ran.by == Some(EndedBy::Cpu)
        || ran.signal == Some(libc::SIGXCPU) && ran.cpu >= limits.cpu
    {
        (Status::Timeout, Some("cpu"))
    } else if ran.by == Some(EndedBy::Judge) {
        // There was nobody left to talk with: however it ended then is no failure.
        (
            Status::Ok,
            (ran.exit_code != Some(0)).then_some(AFTER_JUDGE),
        )
    } else if ran.refused_task && !is_ok {
        (Status::ProcessLimit, None)
    } else if ran.signal.is_some() {
        (Status::Killed, ran.full)
    } else if is_ok {
        (Status::Ok, None)
    } else {
        (Status::RuntimeError, ran.full)
    };
    Execution {
        status,
        reason: reason.map(str::to_owned),
        exit_code: ran.exit_code,
        signal: ran.signal,
        stdout: ran.stdout,
        stderr: ran.stderr,
        private: ran.private,
        judge: None,
        files: ran.collected,
        wall: ran.wall,
        cpu: ran.cpu,
        peak_memory: ran.peak_bytes,
        backend: "local".to_owned(),
        isolation,
    }
}
