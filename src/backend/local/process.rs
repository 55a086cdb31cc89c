//! Runs programs as separate processes, on any Unix: each in a fresh private directory, with an
//! empty environment, under a launcher that ends its whole tree.
//!
//! Where Linux lets a process restrict itself, but make no namespaces, as in most containers,
//! programs are confined: as a user of their own if this process is root, by Landlock, a filter of
//! system calls and limits. Elsewhere nothing keeps a program from what its user may do.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::super::output::{self, Kept};
use super::super::runs::Runs;
use super::builds::{Build, Built, Claim};
use super::channel::{End, channel};
use super::directory::{self, Directory};
#[cfg(target_os = "linux")]
use super::janitor::{Janitor, Left};
use super::wire::{self, Answer, Confinement, Ended, EndedBy, Full, KILL, Order, Side, TALK_OVER};
use super::{AFTER_JUDGE, MODE, clock, command, environment, failed, left};
use crate::execution::{Captured, Execution, InfrastructureError, Isolation, JobResult, Status};
use crate::program::{Job, Judge, Limits, Program, Run, SourceFile, Word};

/// After a program's end at the latest, how long its launcher may take to say that it is over.
const LAUNCHER_LATE: Duration = Duration::from_secs(30);

/// After a program's end, how long what it wrote may take to be read.
const STREAMS_LATE: Duration = Duration::from_secs(1);

/// How long it takes at most until a program with too many processes is seen: two samples.
const CROWD_SEEN: Duration = Duration::from_millis(50);

/// How often a run is repeated that another program may have kept from starting processes.
const REPEATS: u32 = 3;

/// The portable way to run programs.
#[derive(Debug)]
pub(super) struct Processes {
    executable: PathBuf,
    free: Semaphore,
    /// Absent, programs may do what their user may.
    confined: Option<Identity>,
    /// Programs that had more processes than they may, since the start.
    crowds: AtomicU64,
    /// Started with the first program.
    #[cfg(target_os = "linux")]
    janitor: std::sync::OnceLock<Janitor>,
}

/// A directory that the janitor removes if this process cannot. Dropped after the directory.
#[cfg(target_os = "linux")]
struct Remembered<'a> {
    janitor: &'a Janitor,
    path: PathBuf,
}

#[cfg(target_os = "linux")]
impl Drop for Remembered<'_> {
    fn drop(&mut self) {
        self.janitor.forget(&self.path);
    }
}

/// The users that confined programs and their judges become, one for each that runs.
#[derive(Debug)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "programs are confined on Linux only")
)]
pub(super) enum Identity {
    /// This process's own: it may not change it.
    Own,
    /// Users that no program has now.
    #[cfg(target_os = "linux")]
    Others {
        free: Mutex<Vec<u32>>,
        /// Keeps the range.
        _range: super::sandbox::Users,
    },
}

impl Identity {
    /// Users for `count` programs and judges at once.
    #[cfg(target_os = "linux")]
    pub(super) fn others(users: super::sandbox::Users, count: usize) -> Self {
        let free = (0..count).map(|index| users.user(index)).collect();
        Identity::Others {
            free: Mutex::new(free),
            _range: users,
        }
    }

    fn take(&self) -> Seat<'_> {
        let user = match self {
            Identity::Own => None,
            #[cfg(target_os = "linux")]
            Identity::Others { free, .. } => free
                .lock()
                .expect("nobody panics while it holds the users")
                .pop(),
        };
        Seat { of: self, user }
    }
}

/// A user for the time that a job runs.
struct Seat<'a> {
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "there are no other users")
    )]
    of: &'a Identity,
    user: Option<u32>,
}

#[cfg(target_os = "linux")]
impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let (Identity::Others { free, .. }, Some(user)) = (self.of, self.user) {
            free.lock()
                .expect("nobody panics while it holds the users")
                .push(user);
        }
    }
}

impl Processes {
    /// Runs up to `count` programs at once, launched by `executable`, as `confined` users.
    pub(super) fn new(executable: PathBuf, count: usize, confined: Option<Identity>) -> Self {
        Processes {
            executable,
            free: Semaphore::new(count),
            confined,
            crowds: AtomicU64::new(0),
            #[cfg(target_os = "linux")]
            janitor: std::sync::OnceLock::new(),
        }
    }

    #[cfg(target_os = "linux")]
    fn remember(&self, path: &Path) -> io::Result<Remembered<'_>> {
        let janitor = match self.janitor.get() {
            Some(janitor) => janitor,
            None => {
                let started = Janitor::start(&self.executable)?;
                self.janitor.get_or_init(|| started)
            }
        };
        janitor.remember(Left::Directory, path)?;
        Ok(Remembered {
            janitor,
            path: path.to_path_buf(),
        })
    }

    /// Whether programs become users that are not this process's.
    pub(super) fn has_other_users(&self) -> bool {
        !matches!(self.confined, None | Some(Identity::Own))
    }

    fn room<'a>(
        &'a self,
        interpreter: &'a Path,
        network: bool,
        is_seeded: bool,
    ) -> Result<Room<'a>, InfrastructureError> {
        let seat = self.confined.as_ref().map(Identity::take);
        let user = seat.as_ref().and_then(|seat| seat.user);
        let directory =
            Directory::new(user).map_err(|error| failed("make a private directory", &error))?;
        #[cfg(target_os = "linux")]
        let remembered = self
            .remember(directory.path())
            .map_err(|error| failed("start a janitor of directories", &error))?;
        Ok(Room {
            directory,
            #[cfg(target_os = "linux")]
            _remembered: remembered,
            seat,
            interpreter,
            places: places_of(interpreter),
            network,
            is_seeded,
        })
    }

    pub(super) async fn execute(
        &self,
        job: &Job,
        interpreter: &Path,
        build: Option<Build>,
    ) -> Result<JobResult, InfrastructureError> {
        let _slot = self
            .free
            .acquire()
            .await
            .map_err(|_| InfrastructureError::new("the local backend was closed"))?;
        let program = &job.program;
        let room = self.room(interpreter, program.network, program.fork_server.is_some())?;
        let mut judges_room = None;
        let built = match build {
            None => None,
            Some(Build::Known(built)) => Some(built),
            Some(Build::Wanted(claim)) => Some(self.build(&job.program, claim, &room).await?),
        };
        if let Some(failed) = built.as_ref().and_then(|built| built.failed()) {
            return Ok(failed);
        }
        let mut runs = Runs::of(job);
        for (index, run) in job.runs.iter().enumerate() {
            let Some(limits) = runs.next() else { break };
            let mut repeats = 0;
            let (home, ran) = loop {
                let name = format!("run{index}.{repeats}");
                // Each run begins with the same files, whatever the one before did to its own.
                let home = match &built {
                    None => room.directory.with_files(&name, &program.files),
                    Some(built) => room.directory.with_built(&name, &built.files),
                };
                let home = home.map_err(|error| failed("write the program", &error))?;
                let crowds = self.crowds.load(Ordering::SeqCst);
                let part = Part::of(run, &limits, &home, &room);
                let ran = match &run.judge {
                    None => {
                        let mut ran = self.run(part, None, None).await?;
                        ran.crowded |= self.was_crowded(&ran.execution, crowds).await;
                        ran
                    }
                    Some(judge) => {
                        let room = match &judges_room {
                            Some(room) => room,
                            None => judges_room.insert(self.room(
                                interpreter,
                                false,
                                judge.fork_server.is_some(),
                            )?),
                        };
                        self.run_judged(part, judge, &name, room, crowds).await?
                    }
                };
                if repeats == REPEATS || !ran.crowded {
                    break (home, ran);
                }
                directory::remove(&home);
                repeats += 1;
            };
            let mut execution = ran.execution;
            if !run.collect.is_empty() {
                execution.files = left::read_at(&home, &run.collect, limits.output);
            }
            runs.push(execution, ran.excused);
            directory::remove(&home);
        }
        Ok(JobResult {
            build: built.map(|built| built.build.clone()),
            runs: runs.finish(),
        })
    }

    /// Makes a build.
    async fn build(
        &self,
        program: &Program,
        claim: Claim,
        room: &Room<'_>,
    ) -> Result<Arc<Built>, InfrastructureError> {
        let home = room.home("build", &program.files)?;
        let (run, limits) = (claim.run(), program.limits.of_build());
        let crowds = self.crowds.load(Ordering::SeqCst);
        let part = Part::of(&run, &limits, &home, room);
        let ran = self.run(part, None, None).await?;
        let mut build = ran.execution;
        let crowded = ran.crowded || self.was_crowded(&build, crowds).await;
        let files = if build.status == Status::Ok {
            directory::files_of(&home, limits.disk)
        } else {
            Ok(Vec::new())
        };
        let files = match files {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                build.status = Status::RuntimeError;
                build.reason = Some("it left more than it may write".to_owned());
                Vec::new()
            }
            files => files.map_err(|error| failed("read what a build left", &error))?,
        };
        directory::remove(&home);
        Ok(claim.ended(build, Arc::new(files), !crowded))
    }

    /// Whether a program that shares its user with others may have been refused processes because
    /// another had too many. The kernel counts them by user.
    async fn was_crowded(&self, ran: &Execution, crowds_before: u64) -> bool {
        if !matches!(self.confined, Some(Identity::Own)) {
            return false;
        }
        if ran.status == Status::ProcessLimit {
            self.crowds.fetch_add(1, Ordering::SeqCst);
            return false;
        }
        if matches!(ran.status, Status::RuntimeError | Status::Killed) {
            tokio::time::sleep(CROWD_SEEN).await;
        }
        self.crowds.load(Ordering::SeqCst) != crowds_before
    }

    /// Runs a program and, at the same time, the judge that talks with it. What came of the program;
    /// crowded, the run is to be repeated.
    async fn run_judged(
        &self,
        mut program: Part<'_>,
        judge: &Judge,
        name: &str,
        room: &Room<'_>,
        crowds_before: u64,
    ) -> Result<Ran, InfrastructureError> {
        let (programs, judges) =
            channel().map_err(|error| failed("make a channel to a judge", &error))?;
        let kept = judges
            .try_clone()
            .map_err(|error| failed("make a channel to a judge", &error))?;
        program.private = None;
        let home = room.home(name, &judge.files)?;
        let mut part = Part {
            command: &judge.command,
            stdin: &[],
            private: Some(&judge.order),
            talk: None,
            limits: &judge.limits,
            home: &home,
            room,
        };
        // Both before either has its order, which tells it of the other.
        let programs = self.launch(Some(programs))?;
        let judges = self.launch(Some(judges))?;
        program.talk = Some((Side::Program, judges.process.id()));
        part.talk = Some((Side::Judge, programs.process.id()));
        let (judge_ended, until_judge_ended) = oneshot::channel();
        let (program_lost, until_program_lost) = oneshot::channel();
        let running = async {
            let talk_over = Some(until_judge_ended);
            let ran = self.run(program, Some(programs), talk_over).await;
            if ran.is_err() {
                let _ = program_lost.send(None);
            }
            ran
        };
        let judging = async {
            let talk_over = Some(until_program_lost);
            let judged = self.run(part, Some(judges), talk_over).await;
            // A program that hung up itself is not excused by its judge's end.
            if judged.is_err() || !kept.is_hung_up() {
                let _ = judge_ended.send(Some(kept));
            }
            judged
        };
        let (ran, judged) = tokio::join!(running, judging);
        directory::remove(&home);
        let (mut ran, judged) = (ran?, judged?);
        ran.crowded |= self.was_crowded(&ran.execution, crowds_before).await;
        // What its own crowd did to its judge is no reason to repeat a program.
        ran.crowded |= ran.execution.status != Status::ProcessLimit
            && (judged.crowded || self.was_crowded(&judged.execution, crowds_before).await);
        ran.execution.judge = Some(Box::new(judged.execution));
        Ok(ran)
    }

    /// Runs one process until it ends, by a launcher that was started or one that is started now; not
    /// much longer than `talk_over` says that nobody is left to talk with it.
    async fn run(
        &self,
        part: Part<'_>,
        launched: Option<Launched>,
        talk_over: Option<TalkOver>,
    ) -> Result<Ran, InfrastructureError> {
        let order = part.order();
        let Part {
            stdin,
            private,
            limits,
            room,
            ..
        } = part;
        let mut launched = match launched {
            Some(launched) => launched,
            None => self.launch(None)?,
        };
        let input = [stdin, private.unwrap_or_default()];
        let flooded = Notify::new();
        let mut kept = [Kept::new(limits.output), Kept::new(limits.output)];
        let ended = {
            let [stdout, stderr] = &mut kept;
            let reading = async {
                tokio::join!(
                    output::capture(launched.stdout, stdout, limits.output, &flooded),
                    output::capture(launched.stderr, stderr, limits.output, &flooded),
                )
            };
            tokio::pin!(reading);
            let conversing = converse(launched.control, &order, input, limits, talk_over, &flooded);
            tokio::pin!(conversing);
            tokio::select! {
                ended = &mut conversing => {
                    // All that could write is gone. A stream that has not ended by then was given
                    // away to somebody else.
                    let _ = tokio::time::timeout(STREAMS_LATE, reading).await;
                    ended
                }
                _ = &mut reading => conversing.await,
            }
        };
        let [stdout, stderr] = kept.map(|kept| kept.finish(limits.output));
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let _ = launched.process.start_kill();
                let _ = launched.process.wait().await;
                self.sweep(room).await;
                return Err(error);
            }
        };
        let _ = launched.process.wait().await;
        let isolation = match room.seat {
            Some(_) => Isolation::Reduced,
            None => Isolation::None,
        };
        Ok(Ran {
            crowded: ended.ended.crowded,
            excused: Duration::from_micros(ended.ended.excused_us),
            execution: execution(ended, limits, stdout, stderr, isolation),
        })
    }

    /// Ends what a launcher that was lost may have left.
    async fn sweep(&self, room: &Room<'_>) {
        let Some(user) = room.user() else {
            return;
        };
        let swept = tokio::process::Command::new(&self.executable)
            .env_clear()
            .env(MODE, "sweep")
            .arg(user.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let _ = swept.await;
    }

    /// Starts a launcher and gives it an end of a channel, of which no copy stays here.
    fn launch(&self, channel: Option<End>) -> Result<Launched, InfrastructureError> {
        self.try_launch(channel)
            .map_err(|error| failed("start the launcher", &error))
    }

    fn try_launch(&self, channel: Option<End>) -> io::Result<Launched> {
        let (control, theirs) = std::os::unix::net::UnixStream::pair()?;
        wire::send_channel(&control, channel.as_ref())?;
        drop(channel);
        control.set_nonblocking(true)?;
        let (stdout, stdout_write) = output_pipe()?;
        let (stderr, stderr_write) = output_pipe()?;
        let process = tokio::process::Command::new(&self.executable)
            .env_clear()
            .env(MODE, "launcher")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(stdout_write))
            .stderr(Stdio::from(stderr_write))
            .spawn()?;
        Ok(Launched {
            process,
            control: UnixStream::from_std(control)?,
            stdout,
            stderr,
        })
    }
}

/// Where a job's programs run, or its judges: a directory and, where they are confined, a user.
struct Room<'a> {
    // Dropped in this order: removed, forgotten, and then the user is free for others.
    directory: Directory,
    #[cfg(target_os = "linux")]
    _remembered: Remembered<'a>,
    seat: Option<Seat<'a>>,
    interpreter: &'a Path,
    places: Vec<PathBuf>,
    network: bool,
    /// Whether sets have the same order in every run, where that can be had.
    is_seeded: bool,
}

impl Room<'_> {
    fn user(&self) -> Option<u32> {
        self.seat.as_ref().and_then(|seat| seat.user)
    }

    /// A directory in it with these files.
    fn home(&self, name: &str, files: &[SourceFile]) -> Result<PathBuf, InfrastructureError> {
        self.directory
            .with_files(name, files)
            .map_err(|error| failed("write the program", &error))
    }

    fn confinement(&self, limits: &Limits) -> Option<Confinement> {
        self.seat.as_ref().map(|seat| Confinement {
            user: seat.user,
            places: self.places.clone(),
            network: self.network,
            processes: limits.processes,
            disk_bytes: limits.disk,
            inodes: limits.inodes,
        })
    }
}

/// Says that nobody is left to talk with, with what is to be closed once that was told.
type TalkOver = oneshot::Receiver<Option<End>>;

/// What came of one process of a run.
struct Ran {
    execution: Execution,
    /// What of its wall time it was not charged.
    excused: Duration,
    /// Whether its user had a crowd of processes at its end.
    crowded: bool,
}

/// One process of a run: the program, or its judge.
struct Part<'a> {
    command: &'a [Word],
    stdin: &'a [u8],
    private: Option<&'a [u8]>,
    /// Which side of a channel it has, and the process of the other's launcher.
    talk: Option<(Side, Option<u32>)>,
    limits: &'a Limits,
    home: &'a Path,
    room: &'a Room<'a>,
}

impl<'a> Part<'a> {
    /// The program of a run, without its judge.
    fn of(run: &'a Run, limits: &'a Limits, home: &'a Path, room: &'a Room<'a>) -> Self {
        Part {
            command: &run.command,
            stdin: &run.stdin,
            private: run.private.as_deref(),
            talk: None,
            limits,
            home,
            room,
        }
    }

    fn order(&self) -> Order {
        let (limits, interpreter) = (self.limits, self.room.interpreter);
        let milliseconds =
            |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Order {
            command: command(self.command, interpreter),
            directory: self.home.to_path_buf(),
            environment: environment(
                interpreter,
                &self.home.to_string_lossy(),
                self.room.is_seeded,
            ),
            stdin_bytes: self.stdin.len(),
            private_bytes: self.private.map(<[u8]>::len),
            channel: self.talk.map(|(side, _)| side),
            beside: self.talk.and_then(|(_, launcher)| launcher),
            wall_ms: milliseconds(limits.wall),
            cpu_ms: milliseconds(limits.cpu),
            memory_bytes: limits.memory,
            open_files: limits.open_files,
            confinement: self.room.confinement(limits),
            remove: self.room.directory.path().to_path_buf(),
        }
    }
}

/// What an interpreter needs outside the system's directories.
fn places_of(interpreter: &Path) -> Vec<PathBuf> {
    #[cfg(target_os = "linux")]
    return super::sandbox::places_of(interpreter).into_iter().collect();
    #[cfg(not(target_os = "linux"))]
    vec![interpreter.to_path_buf()]
}

struct Launched {
    process: tokio::process::Child,
    control: UnixStream,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

fn output_pipe() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (read, write) = std::io::pipe()?;
    let (read, write) = (OwnedFd::from(read), OwnedFd::from(write));
    Ok((pipe::Receiver::from_owned_fd(read)?, write))
}

/// What the launcher said of a program that is over.
struct Over {
    ended: Ended,
    private: Vec<u8>,
    flooded: bool,
}

/// Gives the order and waits for its end. If this is dropped, the closed socket tells the launcher
/// to end everything.
async fn converse(
    control: UnixStream,
    order: &Order,
    input: [&[u8]; 2],
    limits: &Limits,
    talk_over: Option<TalkOver>,
    flooded: &Notify,
) -> Result<Over, InfrastructureError> {
    let broken = |error: io::Error| {
        InfrastructureError::new(format!("the launcher of a program was lost: {error}"))
    };
    let (read, mut write) = control.into_split();
    let mut line = serde_json::to_vec(order).map_err(|error| broken(error.into()))?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(broken)?;
    for bytes in input {
        write.write_all(bytes).await.map_err(broken)?;
    }
    let mut read = BufReader::new(read);
    match answer(&mut read).await.map_err(broken)? {
        Answer::Started => {}
        Answer::Failed(message) => return Err(InfrastructureError::new(message)),
        Answer::Ended(_) => {
            return Err(InfrastructureError::new(
                "the launcher of a program spoke out of turn",
            ));
        }
    }
    let (mut was_flooded, mut was_heard) = (false, false);
    let last = {
        let late = clock::latest(limits.wall).saturating_add(LAUNCHER_LATE);
        let late = tokio::time::sleep(late);
        let last = answer(&mut read);
        let talk_over = async {
            match talk_over {
                Some(talk_over) => talk_over.await.ok(),
                None => None,
            }
        };
        tokio::pin!(late, last, talk_over);
        loop {
            tokio::select! {
                answer = &mut last => break answer.map_err(broken)?,
                () = flooded.notified(), if !was_flooded => {
                    was_flooded = true;
                    // A launcher that is already done does not listen any more.
                    let _ = write.write_all(&[KILL]).await;
                }
                over = &mut talk_over, if !was_heard => {
                    was_heard = true;
                    if let Some(judges) = over {
                        let _ = write.write_all(&[TALK_OVER]).await;
                        // Only now the program sees it.
                        drop(judges);
                    }
                }
                () = &mut late => {
                    return Err(InfrastructureError::new("a program could not be ended in time"));
                }
            }
        }
    };
    let Answer::Ended(ended) = last else {
        return Err(InfrastructureError::new(
            "the launcher of a program spoke out of turn",
        ));
    };
    let mut private = vec![0; ended.private_bytes];
    read.read_exact(&mut private).await.map_err(broken)?;
    Ok(Over {
        ended,
        private,
        flooded: was_flooded,
    })
}

async fn answer(read: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> io::Result<Answer> {
    let mut line = String::new();
    read.read_line(&mut line).await?;
    if line.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it ended without a word",
        ));
    }
    Ok(serde_json::from_str(&line)?)
}

/// Precedence: memory_limit, output_limit, timeout, process_limit, killed, runtime_error, ok.
fn execution(
    over: Over,
    limits: &Limits,
    stdout: Captured,
    stderr: Captured,
    isolation: Isolation,
) -> Execution {
    let ended = over.ended;
    let cpu = Duration::from_micros(ended.cpu_us);
    let full = ended.full.map(|full| match full {
        Full::Disk => super::DISK_FULL,
        Full::Inodes => super::INODES_FULL,
    });
    let (status, reason) = match ended.by {
        Some(EndedBy::Memory) => (Status::MemoryLimit, Some("sampled sum of the process tree")),
        _ if over.flooded || stdout.truncated || stderr.truncated => (Status::OutputLimit, None),
        Some(EndedBy::Wall) => (Status::Timeout, Some("wall")),
        Some(EndedBy::Cpu) => (Status::Timeout, Some("cpu")),
        None if ended.signal == Some(libc::SIGXCPU) && cpu >= limits.cpu => {
            (Status::Timeout, Some("cpu"))
        }
        Some(EndedBy::Supervisor) => (Status::OutputLimit, None),
        // There was nobody left to talk with: however it ended then is no failure.
        Some(EndedBy::Judge) => (
            Status::Ok,
            (ended.exit_code != Some(0)).then_some(AFTER_JUDGE),
        ),
        Some(EndedBy::Tasks) => (
            Status::ProcessLimit,
            Some("sampled count of the process tree"),
        ),
        Some(EndedBy::Disk) => (
            Status::Killed,
            Some("wrote more, or more files, than the limit; sampled"),
        ),
        None if ended.signal.is_some() => (Status::Killed, full),
        None if ended.exit_code == Some(0) => (Status::Ok, None),
        None => (Status::RuntimeError, full),
    };
    Execution {
        status,
        reason: reason.map(str::to_owned),
        exit_code: ended.exit_code,
        signal: ended.signal,
        stdout,
        stderr,
        private: over.private,
        judge: None,
        files: Vec::new(),
        wall: Duration::from_micros(ended.wall_us),
        cpu,
        peak_memory: ended.peak_bytes,
        backend: "local".to_owned(),
        isolation,
    }
}
