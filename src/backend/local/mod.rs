//! Runs programs on this machine: each in a process of its own, in a fresh private directory, with
//! an empty environment, under a launcher that ends its whole tree.
//!
//! Programs are not yet isolated from the machine: they are the same user, see its files and its
//! network. Executions say so ([`Isolation::None`]).

mod directory;
mod launcher;
mod output;
mod tree;
mod wire;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, Semaphore};

use super::interpreter::Interpreters;
use crate::execution::{Captured, Execution, InfrastructureError, Isolation, JobResult, Status};
use crate::program::{Job, Limits, Program, Run, Word};
use directory::Directory;
use wire::{Answer, Ended, EndedBy, KILL, Order};

/// Whether [`enter`] was called, so that this executable can be its own launcher.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Must be called first in `main`, before any thread is started: this executable is its own
/// launcher, and becomes it here when it is asked to. Otherwise returns at once.
pub fn enter() {
    if std::env::var_os(launcher::VARIABLE).is_some() {
        launcher::serve();
    }
    ENTERED.store(true, Ordering::Relaxed);
}

/// How the local backend works.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// Programs that run at once; absent, one for each core.
    pub jobs: Option<usize>,
    /// The `rewardspec` binary to launch programs with; absent, this executable, which must have
    /// called [`enter`].
    pub launcher: Option<PathBuf>,
}

/// The local backend.
#[derive(Debug)]
pub struct Local {
    slots: usize,
    launcher: Option<PathBuf>,
    free: Semaphore,
    interpreters: Arc<Interpreters>,
}

/// Beyond a program's wall time, how long its launcher may take to say that it is over.
const LAUNCHER_LATE: Duration = Duration::from_secs(5);

impl Local {
    /// A backend; nothing is started.
    pub fn new(options: LocalOptions) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let slots = options.jobs.unwrap_or(cores).max(1);
        Local {
            slots,
            launcher: options.launcher,
            free: Semaphore::new(slots),
            interpreters: Arc::default(),
        }
    }

    /// Programs that run at once. The one place that decides concurrency.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How well programs are contained.
    pub fn isolation(&self) -> Isolation {
        Isolation::None
    }

    /// Ends everything that is kept; this backend keeps nothing between jobs.
    pub async fn close(&self) {}

    /// Runs a job. Waiting for a slot is not charged to the program.
    ///
    /// # Errors
    /// When the interpreter is missing, or the machine fails.
    pub async fn execute(&self, job: &Job) -> Result<JobResult, InfrastructureError> {
        let _slot = self
            .free
            .acquire()
            .await
            .map_err(|_| InfrastructureError::new("the local backend was closed"))?;
        let program = &job.program;
        let interpreter = self.interpreter(program).await?;
        let directory =
            Directory::new().map_err(|error| failed("make a private directory", &error))?;
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
                let mut build = self
                    .run(&run, &limits, &home, &interpreter, &directory)
                    .await?;
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
        let mut runs = Vec::with_capacity(job.runs.len());
        for (index, run) in job.runs.iter().enumerate() {
            let name = format!("run{index}");
            // Each run begins with the same files, whatever the one before did to its own.
            let home = match &built {
                None => directory.with_files(&name, &program.files),
                Some((built, _)) => directory.copy_of(&name, built),
            };
            let home = home.map_err(|error| failed("write the program", &error))?;
            runs.push(
                self.run(run, &program.limits, &home, &interpreter, &directory)
                    .await?,
            );
            directory::remove(&home);
        }
        Ok(JobResult {
            build: built.map(|(_, build)| build),
            runs,
        })
    }

    async fn interpreter(&self, program: &Program) -> Result<PathBuf, InfrastructureError> {
        let (interpreters, wanted) = (
            Arc::clone(&self.interpreters),
            Arc::clone(&program.interpreter),
        );
        let found = tokio::task::spawn_blocking(move || interpreters.find(&wanted)).await;
        let found = found.map_err(|error| {
            InfrastructureError::new(format!("the search for an interpreter failed: {error}"))
        })?;
        found
            .map(|found| found.path)
            .map_err(InfrastructureError::new)
    }

    async fn run(
        &self,
        run: &Run,
        limits: &Limits,
        home: &Path,
        interpreter: &Path,
        directory: &Directory,
    ) -> Result<Execution, InfrastructureError> {
        let mut launched = self
            .launch()
            .map_err(|error| failed("start the launcher", &error))?;
        let order = order(run, limits, home, interpreter, directory);
        let flooded = Notify::new();
        let (stdout, stderr, ended) = tokio::join!(
            output::capture(launched.stdout, limits.output, &flooded),
            output::capture(launched.stderr, limits.output, &flooded),
            converse(launched.control, &order, run, limits, &flooded),
        );
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let _ = launched.process.start_kill();
                let _ = launched.process.wait().await;
                return Err(error);
            }
        };
        let _ = launched.process.wait().await;
        Ok(execution(ended, stdout, stderr))
    }

    fn launch(&self) -> io::Result<Launched> {
        let executable = match &self.launcher {
            Some(path) => path.clone(),
            // Also right when the file was replaced since this process started.
            None if ENTERED.load(Ordering::Relaxed) => PathBuf::from("/proc/self/exe"),
            None => {
                let message = "this executable did not call `rewardspec::backend::local::enter()` first in `main`";
                return Err(io::Error::other(message));
            }
        };
        let (control, theirs) = std::os::unix::net::UnixStream::pair()?;
        control.set_nonblocking(true)?;
        let (stdout, stdout_write) = output_pipe()?;
        let (stderr, stderr_write) = output_pipe()?;
        let process = tokio::process::Command::new(executable)
            .env_clear()
            .env(launcher::VARIABLE, "1")
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

struct Launched {
    process: tokio::process::Child,
    control: UnixStream,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

fn output_pipe() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((pipe::Receiver::from_owned_fd(read)?, write))
}

fn failed(what: &str, error: &io::Error) -> InfrastructureError {
    InfrastructureError::new(format!("could not {what}: {error}"))
}

fn order(
    run: &Run,
    limits: &Limits,
    home: &Path,
    interpreter: &Path,
    directory: &Directory,
) -> Order {
    let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let place = home.to_string_lossy().into_owned();
    // The interpreter's own directory first: programs that start `python3` find the same one.
    let beside = interpreter
        .parent()
        .map(|parent| format!("{}:", parent.display()))
        .unwrap_or_default();
    Order {
        command: run
            .command
            .iter()
            .map(|word| match word {
                Word::Interpreter => interpreter.to_string_lossy().into_owned(),
                Word::Text(text) => text.clone(),
            })
            .collect(),
        directory: home.to_path_buf(),
        environment: vec![
            (
                "PATH".to_owned(),
                format!("{beside}/usr/local/bin:/usr/bin:/bin"),
            ),
            ("HOME".to_owned(), place.clone()),
            ("TMPDIR".to_owned(), place),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ],
        stdin_bytes: run.stdin.len(),
        private_bytes: run.private.as_ref().map(Vec::len),
        wall_ms: milliseconds(limits.wall),
        cpu_ms: milliseconds(limits.cpu),
        memory_bytes: limits.memory,
        open_files: limits.open_files,
        remove: directory.path().to_path_buf(),
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

/// Precedence: memory_limit, output_limit, timeout, killed, runtime_error, ok.
fn execution(over: Over, stdout: Captured, stderr: Captured) -> Execution {
    let ended = over.ended;
    let (status, reason) = match ended.by {
        Some(EndedBy::Memory) => (Status::MemoryLimit, Some("sampled sum of the process tree")),
        _ if over.flooded || stdout.truncated || stderr.truncated => (Status::OutputLimit, None),
        Some(EndedBy::Wall) => (Status::Timeout, Some("wall")),
        Some(EndedBy::Cpu) => (Status::Timeout, Some("cpu")),
        None if ended.signal == Some(libc::SIGXCPU) => (Status::Timeout, Some("cpu")),
        Some(EndedBy::Supervisor) => (Status::OutputLimit, None),
        None if ended.signal.is_some() => (Status::Killed, None),
        None if ended.exit_code == Some(0) => (Status::Ok, None),
        None => (Status::RuntimeError, None),
    };
    Execution {
        status,
        reason: reason.map(str::to_owned),
        exit_code: ended.exit_code,
        signal: ended.signal,
        stdout,
        stderr,
        private: over.private,
        wall: Duration::from_micros(ended.wall_us),
        cpu: Duration::from_micros(ended.cpu_us),
        peak_memory: ended.peak_bytes,
        backend: "local".to_owned(),
        isolation: Isolation::None,
    }
}
