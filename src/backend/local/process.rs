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
#[cfg(target_os = "linux")]
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, Semaphore};

use super::super::output::{self, Kept};
use super::super::runs::Runs;
use super::directory::{self, Directory};
#[cfg(target_os = "linux")]
use super::janitor::{Janitor, Left};
use super::wire::{Answer, Confinement, Ended, EndedBy, Full, KILL, Order};
use super::{MODE, command, environment, failed, left};
use crate::execution::{Captured, Execution, InfrastructureError, Isolation, JobResult, Status};
use crate::program::{Job, Limits, Run};

/// Beyond a program's wall time, how long its launcher may take to say that it is over.
const LAUNCHER_LATE: Duration = Duration::from_secs(5);

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

/// The users that confined programs become, one for each that runs.
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
    /// Users for `count` programs at once.
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

    pub(super) async fn execute(
        &self,
        job: &Job,
        interpreter: &Path,
    ) -> Result<JobResult, InfrastructureError> {
        let _slot = self
            .free
            .acquire()
            .await
            .map_err(|_| InfrastructureError::new("the local backend was closed"))?;
        let program = &job.program;
        let seat = self.confined.as_ref().map(Identity::take);
        let user = seat.as_ref().and_then(|seat| seat.user);
        let confinement = seat.is_some().then(|| Confinement {
            user,
            places: places_of(interpreter),
            network: program.network,
            processes: program.limits.processes,
            disk_bytes: program.limits.disk,
            inodes: program.limits.inodes,
        });
        let directory =
            Directory::new(user).map_err(|error| failed("make a private directory", &error))?;
        #[cfg(target_os = "linux")]
        let remembered = self
            .remember(directory.path())
            .map_err(|error| failed("start a janitor of directories", &error))?;
        #[cfg(not(target_os = "linux"))]
        let remembered = ();
        // Dropped in this order: removed, then forgotten.
        let (directory, _) = &(directory, remembered);
        let place = Place {
            interpreter,
            directory,
            confinement: confinement.as_ref(),
        };
        let built = match &program.build {
            None => None,
            Some(command) => {
                let home = directory
                    .with_files("build", &program.files)
                    .map_err(|error| failed("write the program", &error))?;
                let run = Run {
                    command: command.clone(),
                    ..Run::default()
                };
                let limits = Limits {
                    wall: program.limits.build,
                    cpu: program.limits.build,
                    ..program.limits
                };
                let (mut build, _) = self.run(&run, &limits, &home, &place).await?;
                if build.status != Status::Ok {
                    build.status = Status::CompileError;
                    return Ok(JobResult {
                        build: Some(build),
                        runs: Vec::new(),
                    });
                }
                Some((home, build))
            }
        };
        let mut runs = Runs::of(job);
        for (index, run) in job.runs.iter().enumerate() {
            let Some(limits) = runs.next() else { break };
            let mut repeats = 0;
            let (home, mut ran) = loop {
                let name = format!("run{index}.{repeats}");
                // Each run begins with the same files, whatever the one before did to its own.
                let home = match &built {
                    None => directory.with_files(&name, &program.files),
                    Some((built, _)) => directory.copy_of(&name, built, program.limits.disk),
                };
                let home = match (home, &built) {
                    (Err(error), Some((_, build)))
                        if error.kind() == io::ErrorKind::FileTooLarge =>
                    {
                        let build = Execution {
                            status: Status::CompileError,
                            reason: Some("it left more than it may write".to_owned()),
                            ..build.clone()
                        };
                        return Ok(JobResult {
                            build: Some(build),
                            runs: Vec::new(),
                        });
                    }
                    (home, _) => home.map_err(|error| failed("write the program", &error))?,
                };
                let crowds = self.crowds.load(Ordering::SeqCst);
                let (ran, crowded) = self.run(run, &limits, &home, &place).await?;
                let crowded = crowded || self.was_crowded(&ran, crowds).await;
                if repeats == REPEATS || !crowded {
                    break (home, ran);
                }
                directory::remove(&home);
                repeats += 1;
            };
            if !run.collect.is_empty() {
                ran.files = left::read_at(&home, &run.collect, limits.output);
            }
            runs.push(ran);
            directory::remove(&home);
        }
        Ok(JobResult {
            build: built.map(|(_, build)| build),
            runs: runs.finish(),
        })
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

    /// The execution, and whether its user had a crowd of processes at its end.
    async fn run(
        &self,
        run: &Run,
        limits: &Limits,
        home: &Path,
        place: &Place<'_>,
    ) -> Result<(Execution, bool), InfrastructureError> {
        let mut launched = self
            .launch()
            .map_err(|error| failed("start the launcher", &error))?;
        let order = order(run, limits, home, place);
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
            let conversing = converse(launched.control, &order, run, limits, &flooded);
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
                self.sweep(place).await;
                return Err(error);
            }
        };
        let _ = launched.process.wait().await;
        let isolation = match place.confinement {
            Some(_) => Isolation::Reduced,
            None => Isolation::None,
        };
        let crowded = ended.ended.crowded;
        Ok((execution(ended, limits, stdout, stderr, isolation), crowded))
    }

    /// Ends what a launcher that was lost may have left.
    async fn sweep(&self, place: &Place<'_>) {
        let Some(user) = place.confinement.and_then(|confinement| confinement.user) else {
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

    fn launch(&self) -> io::Result<Launched> {
        let (control, theirs) = std::os::unix::net::UnixStream::pair()?;
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

/// Where a job runs.
struct Place<'a> {
    interpreter: &'a Path,
    directory: &'a Directory,
    confinement: Option<&'a Confinement>,
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

fn order(run: &Run, limits: &Limits, home: &Path, place: &Place<'_>) -> Order {
    let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Order {
        command: command(&run.command, place.interpreter),
        directory: home.to_path_buf(),
        environment: environment(place.interpreter, &home.to_string_lossy()),
        stdin_bytes: run.stdin.len(),
        private_bytes: run.private.as_ref().map(Vec::len),
        wall_ms: milliseconds(limits.wall),
        cpu_ms: milliseconds(limits.cpu),
        memory_bytes: limits.memory,
        open_files: limits.open_files,
        confinement: place.confinement.cloned(),
        remove: place.directory.path().to_path_buf(),
    }
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
    run: &Run,
    limits: &Limits,
    flooded: &Notify,
) -> Result<Over, InfrastructureError> {
    let broken = |error: io::Error| {
        InfrastructureError::new(format!("the launcher of a program was lost: {error}"))
    };
    let (read, mut write) = control.into_split();
    let mut line = serde_json::to_vec(order).map_err(|error| broken(error.into()))?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(broken)?;
    write.write_all(&run.stdin).await.map_err(broken)?;
    write
        .write_all(run.private.as_deref().unwrap_or_default())
        .await
        .map_err(broken)?;
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
    let mut was_flooded = false;
    let last = {
        let late = tokio::time::sleep(limits.wall + LAUNCHER_LATE);
        let last = answer(&mut read);
        tokio::pin!(late, last);
        loop {
            tokio::select! {
                answer = &mut last => break answer.map_err(broken)?,
                () = flooded.notified(), if !was_flooded => {
                    was_flooded = true;
                    // A launcher that is already done does not listen any more.
                    let _ = write.write_all(&[KILL]).await;
                }
                () = &mut late => {
                    return Err(InfrastructureError::new("a program could not be ended within its limit and 5 s"));
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
