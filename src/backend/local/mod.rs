//! Runs programs on this machine: in the sandbox where it can be had, else as separate processes
//! that are told to be no more than that.

mod builds;
mod channel;
mod clock;
mod containment;
mod directory;
#[cfg(target_os = "linux")]
mod janitor;
#[cfg(target_os = "linux")]
mod lanes;
mod launcher;
mod left;
mod process;
mod sandbox;
#[cfg(target_os = "linux")]
mod tree;
mod usage;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::interpreter::{Interpreters, Whose};
#[cfg(target_os = "linux")]
use crate::execution::Execution;
use crate::execution::{InfrastructureError, Isolation, JobResult};
use crate::program::{Job, Program, Word};
#[cfg(target_os = "linux")]
use crate::program::{Run, Streams};
use builds::Builds;
pub use containment::{Containment, Layer};
use process::Processes;

/// The variable that makes this executable one of its own helpers.
const MODE: &str = "REWARDSPEC_LAUNCHER";

/// Whether [`enter`] was called, so that this executable can be its own launcher.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Must be called first in `main`, before any thread is started: this executable is its own
/// launcher, and becomes it here when it is asked to. Otherwise returns at once.
pub fn enter() {
    let Some(mode) = std::env::var_os(MODE) else {
        ENTERED.store(true, Ordering::Relaxed);
        return;
    };
    match mode.to_str() {
        #[cfg(target_os = "linux")]
        Some("slot") => sandbox::serve(),
        #[cfg(target_os = "linux")]
        Some("tidy") => janitor::serve(),
        #[cfg(target_os = "linux")]
        Some("probe") => sandbox::probe(argument()),
        #[cfg(target_os = "linux")]
        Some("sweep") => match argument() {
            Some(user) => launcher::end_user(user),
            None => sandbox::sys::exit(1),
        },
        _ => launcher::serve(),
    }
}

/// The user that a helper is given.
#[cfg(target_os = "linux")]
fn argument() -> Option<u32> {
    std::env::args().nth(1)?.parse().ok()
}

/// How the local backend works.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// Programs that run at once; absent, one for each core.
    pub jobs: Option<usize>,
    /// The `rewardspec` binary to launch programs with; absent, this executable, which must have
    /// called [`enter`].
    pub launcher: Option<PathBuf>,
    /// Whether programs may run as mere processes even where the sandbox could be had.
    pub uncontained: bool,
    /// Whether every program starts an interpreter of its own, and none is a fork of a warmed one.
    pub cold: bool,
}

/// The local backend.
#[derive(Debug)]
pub struct Local {
    options: LocalOptions,
    slots: usize,
    engine: OnceLock<Result<(Engine, Containment), InfrastructureError>>,
    interpreters: Arc<Interpreters>,
    builds: Builds,
}

#[derive(Debug)]
enum Engine {
    #[cfg(target_os = "linux")]
    Sandbox(lanes::Lanes),
    Processes(Processes),
}

impl Local {
    /// A backend; nothing is started.
    pub fn new(options: LocalOptions) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Local {
            slots: options.jobs.unwrap_or(cores).max(1),
            options,
            engine: OnceLock::new(),
            interpreters: Arc::default(),
            builds: Builds::default(),
        }
    }

    /// Programs that run at once. The one place that decides concurrency.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How well programs are contained, found out by doing it: a sandbox is prepared. Blocks for
    /// some milliseconds the first time.
    ///
    /// # Errors
    /// When no program can be started at all.
    pub fn containment(&self) -> Result<&Containment, InfrastructureError> {
        self.engine().map(|(_, containment)| containment)
    }

    fn engine(&self) -> Result<&(Engine, Containment), InfrastructureError> {
        self.engine
            .get_or_init(|| self.start())
            .as_ref()
            .map_err(Clone::clone)
    }

    fn start(&self) -> Result<(Engine, Containment), InfrastructureError> {
        let executable = executable(self.options.launcher.as_deref())?;
        let missing = if self.options.uncontained {
            vec![(
                "sandbox".to_owned(),
                "it was asked to be left out".to_owned(),
            )]
        } else {
            #[cfg(target_os = "linux")]
            match self.start_contained(&executable) {
                Ok(started) => return Ok(started),
                Err(missing) => missing,
            }
            #[cfg(not(target_os = "linux"))]
            vec![(
                "sandbox".to_owned(),
                "this system has none that programs could be put into".to_owned(),
            )]
        };
        let containment = Containment {
            isolation: Isolation::None,
            missing,
        };
        let processes = Processes::new(executable, self.slots, None);
        Ok((Engine::Processes(processes), containment))
    }

    /// Slots, or where namespaces are refused confined processes.
    #[cfg(target_os = "linux")]
    fn start_contained(
        &self,
        executable: &Path,
    ) -> Result<(Engine, Containment), Vec<(String, String)>> {
        let reason =
            match lanes::Lanes::start(executable.to_path_buf(), self.slots, self.options.cold) {
                Ok((lanes, containment)) => return Ok((Engine::Sandbox(lanes), containment)),
                Err(reason) => reason,
            };
        let mut missing = vec![("namespaces".to_owned(), reason)];
        let users = sandbox::Users::claim();
        let probed = probed(executable, users.as_ref());
        match probed.map(|probed| probed.unconfined) {
            Ok(None) => {}
            Ok(Some(why)) | Err(why) => {
                missing.push(("confinement without namespaces".to_owned(), why));
                return Err(missing);
            }
        }
        // Its memory is closed to processes of its own user.
        let _ =
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
        missing.push((
            "control group".to_owned(),
            "not used without namespaces; memory is sampled every 20 ms".to_owned(),
        ));
        // A user has one program at a time, or one judge: what ends one ends all of its user.
        let (count, identity) = match users {
            Some(users) => {
                let count = self.slots.min(users.count() / 2);
                (count, process::Identity::others(users, 2 * count))
            }
            None => (self.slots, process::Identity::Own),
        };
        let processes = Processes::new(executable.to_path_buf(), count, Some(identity));
        let containment = Containment {
            isolation: Isolation::Reduced,
            missing,
        };
        Ok((Engine::Processes(processes), containment))
    }

    /// Each layer of isolation, tried by itself. Blocks for some tens of milliseconds.
    ///
    /// # Errors
    /// When the helper that tries them could not be started.
    pub fn layers(&self) -> Result<Vec<Layer>, InfrastructureError> {
        let executable = executable(self.options.launcher.as_deref())?;
        #[cfg(target_os = "linux")]
        return probed(&executable, sandbox::Users::claim().as_ref())
            .map(|probed| probed.layers)
            .map_err(InfrastructureError::new);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = executable;
            Ok(Vec::new())
        }
    }

    /// Ends everything that is kept.
    pub async fn close(&self) {
        #[cfg(target_os = "linux")]
        if let Some(Ok((Engine::Sandbox(lanes), _))) = self.engine.get() {
            lanes.close();
        }
    }

    /// Runs a job. Waiting for a slot is not charged to the program. A program that was built before,
    /// of the same files in the same way, is not built again: its result has the build that was made.
    ///
    /// # Errors
    /// When the interpreter is missing, or the machine fails.
    pub async fn execute(&self, job: &Job) -> Result<JobResult, InfrastructureError> {
        let (engine, _) = self.engine()?;
        let whose = match engine {
            Engine::Processes(processes) if processes.has_other_users() => Whose::Anybodys,
            _ => Whose::Ours,
        };
        let interpreter = self.interpreter(&job.program, whose).await?;
        let build = self.builds.want(&job.program, &interpreter).await;
        match engine {
            #[cfg(target_os = "linux")]
            Engine::Sandbox(lanes) => lanes.execute(job, &interpreter, build).await,
            Engine::Processes(processes) => processes.execute(job, &interpreter, build).await,
        }
    }

    /// Runs a program whose standard streams are given, so that somebody can talk with it while it
    /// runs; `run.stdin` is not used. It is ended when this is dropped.
    ///
    /// # Errors
    /// When the interpreter is missing, the machine fails, or has no namespaces.
    #[cfg(target_os = "linux")]
    pub async fn attach(
        &self,
        program: Arc<Program>,
        run: Run,
        streams: Streams,
    ) -> Result<Execution, InfrastructureError> {
        let (Engine::Sandbox(lanes), _) = self.engine()? else {
            return Err(InfrastructureError::new(
                "programs that are talked with need namespaces, which this machine has not",
            ));
        };
        let interpreter = self.interpreter(&program, Whose::Ours).await?;
        lanes.attach(program, run, streams, &interpreter).await
    }

    /// The interpreters that were looked for and found, each command with its version.
    pub fn interpreters(&self) -> BTreeMap<String, String> {
        self.interpreters.found()
    }

    async fn interpreter(
        &self,
        program: &Program,
        whose: Whose,
    ) -> Result<PathBuf, InfrastructureError> {
        if let Some(found) = self.interpreters.known(&program.interpreter, whose) {
            return found
                .map(|found| found.path)
                .map_err(InfrastructureError::new);
        }
        let (interpreters, wanted) = (
            Arc::clone(&self.interpreters),
            Arc::clone(&program.interpreter),
        );
        let found = tokio::task::spawn_blocking(move || interpreters.find(&wanted, whose)).await;
        let found = found.map_err(|error| {
            InfrastructureError::new(format!("the search for an interpreter failed: {error}"))
        })?;
        found
            .map(|found| found.path)
            .map_err(InfrastructureError::new)
    }
}

/// What a helper found out of this machine's layers.
#[cfg(target_os = "linux")]
fn probed(executable: &Path, users: Option<&sandbox::Users>) -> Result<sandbox::Probed, String> {
    let said = |error: io::Error| format!("could not try the layers of isolation: {error}");
    let output = std::process::Command::new(executable)
        .args(users.map(|users| users.user(0).to_string()))
        .env_clear()
        .env(MODE, "probe")
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output()
        .map_err(said)?;
    serde_json::from_slice(&output.stdout).map_err(|error| said(error.into()))
}

/// What is told of a program that failed when its directory was full.
const DISK_FULL: &str = "its files took all the disk that it may use";
const INODES_FULL: &str = "it made as many files as it may";

/// What is told of a program that did not end with 0 once its judge had ended.
const AFTER_JUDGE: &str = "its judge had ended";

/// What is executed to become a helper.
fn executable(launcher: Option<&Path>) -> Result<PathBuf, InfrastructureError> {
    match launcher {
        Some(path) => Ok(path.to_path_buf()),
        // Also right when the file was replaced since this process started.
        None if ENTERED.load(Ordering::Relaxed) => Ok(if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe().map_err(|error| failed("find this executable", &error))?
        }),
        None => Err(InfrastructureError::new(
            "this executable did not call `rewardspec::backend::local::enter()` first in `main`",
        )),
    }
}

fn failed(what: &str, error: &io::Error) -> InfrastructureError {
    InfrastructureError::new(format!("could not {what}: {error}"))
}

/// A command with the interpreter's path in it.
fn command(words: &[Word], interpreter: &Path) -> Vec<String> {
    words
        .iter()
        .map(|word| match word {
            Word::Interpreter => interpreter.to_string_lossy().into_owned(),
            Word::Text(text) => text.clone(),
        })
        .collect()
}

/// The whole environment of a program. `is_seeded`: CPython orders sets alike in every run, also where
/// none is a fork of a server, whose forks cannot but do so (`PYTHONHASHSEED` of python(1)).
fn environment(interpreter: &Path, home: &str, is_seeded: bool) -> Vec<(String, String)> {
    // The interpreter's own directory first: programs that start `python3` find the same one.
    let beside = interpreter
        .parent()
        .map(|parent| format!("{}:", parent.display()))
        .unwrap_or_default();
    let mut environment = vec![
        (
            "PATH".to_owned(),
            format!("{beside}/usr/local/bin:/usr/bin:/bin"),
        ),
        ("HOME".to_owned(), home.to_owned()),
        ("TMPDIR".to_owned(), home.to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ];
    if is_seeded {
        environment.push(("PYTHONHASHSEED".to_owned(), "0".to_owned()));
    }
    environment
}
