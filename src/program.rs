//! What to run: a program, its files, its limits, and how its interpreter is found.
//!
//! Plain data. The evaluator makes it, a backend runs it; neither needs the other.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::execution::Execution;

/// One build and any number of executions of it.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is run.
    pub program: Arc<Program>,
    /// The executions wanted, in order. Each starts from the same freshly built files.
    pub runs: Arc<[Run]>,
    /// When the executions end early.
    pub ending: Ending,
}

/// When the executions of a job end before the last.
#[derive(Clone, Default)]
pub struct Ending {
    /// Wall time of all executions together. The one that is over it ends as a timeout whose reason is
    /// `total`; those after it are not begun.
    pub total: Option<Duration>,
    /// Whether none is to follow, asked after each with its index.
    pub after: Option<After>,
}

/// Whether no execution is to follow the one with this index.
pub type After = Arc<dyn Fn(usize, &Execution) -> bool + Send + Sync>;

impl fmt::Debug for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ending")
            .field("total", &self.total)
            .field("after", &self.after.is_some())
            .finish()
    }
}

/// A program: its files, how to build it, what it may use.
#[derive(Debug, Clone)]
pub struct Program {
    /// How the interpreter or compiler is found.
    pub interpreter: Arc<Interpreter>,
    /// Files put into the program's private directory before it starts; the first is the program.
    pub files: Vec<SourceFile>,
    /// The build command, if the language has one.
    pub build: Option<Vec<Word>>,
    /// What one execution may use.
    pub limits: Limits,
    /// Whether the program may use the network.
    pub network: bool,
    /// How it runs in E2B's cloud.
    pub cloud: Cloud,
    /// The warmed interpreter that its runs may be forks of.
    pub fork_server: Option<Arc<ForkServer>>,
}

/// A warmed CPython, of which programs are forks: what it holds ready besides what programs use most
/// of the standard library. A backend without one starts the interpreter for each run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ForkServer {
    /// Modules that are imported before any program.
    pub preload: Vec<String>,
    /// Scripts that are compiled before any program. Never code of a reply.
    pub scripts: Vec<SourceFile>,
}

/// How a program runs in E2B's cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Cloud {
    /// The template of its sandbox.
    pub template: Option<String>,
    /// As a process or as a notebook's cell.
    pub mode: CloudMode,
    /// The kernel that executes it as a cell; absent, there is none for its language.
    pub kernel: Option<String>,
}

/// How code is executed in the cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CloudMode {
    /// A file, run as a process.
    #[default]
    Script,
    /// A cell of a notebook, executed by the code interpreter.
    Notebook,
}

/// One execution of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Run {
    /// Command and arguments.
    pub command: Vec<Word>,
    /// Standard input. The program sees end of file after it.
    pub stdin: Vec<u8>,
    /// Bytes the program's descriptor 3 delivers, and a promise that what it writes to
    /// descriptor 4 comes back as [`Execution::private`](crate::execution::Execution::private).
    /// `None`: neither descriptor exists.
    ///
    /// With a [`judge`](Run::judge) both are the channel to it instead, and nothing of this is used.
    pub private: Option<Vec<u8>>,
    /// A second process that calls into this one.
    pub judge: Option<Arc<Judge>>,
    /// Files that are read when it has ended, by their paths in its directory.
    pub collect: Vec<String>,
}

/// A process that runs beside a program, contained like it and out of its reach, and talks with it.
///
/// What one writes to the channel the other reads, in both directions: descriptors 0 and 1 of the
/// judge, 3 (read) and 4 (written) of the program. Both start together. When the judge has ended the
/// program is given a moment to end by itself and is then ended; that is no failure of the program.
/// One that hung up or ended first is not excused by it: it ends by itself or by its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Judge {
    /// Command and arguments; the interpreter is the program's.
    pub command: Vec<Word>,
    /// Files put into its own private directory.
    pub files: Vec<SourceFile>,
    /// Bytes its descriptor 3 delivers. What it writes to descriptor 4 comes back as the
    /// [`private`](crate::execution::Execution::private) of
    /// [`Execution::judge`](crate::execution::Execution::judge).
    pub order: Vec<u8>,
    /// What it may use.
    pub limits: Limits,
    /// As the program's.
    pub fork_server: Option<Arc<ForkServer>>,
}

/// Descriptors that a program gets as its standard streams.
#[derive(Debug)]
pub struct Streams {
    /// Standard input.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

impl Streams {
    /// The same streams by other descriptors.
    ///
    /// # Errors
    /// When the process may have no more descriptors.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Streams {
            stdin: self.stdin.try_clone()?,
            stdout: self.stdout.try_clone()?,
            stderr: self.stderr.try_clone()?,
        })
    }
}

/// A file of a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceFile {
    /// Relative path with `/` separators; never absolute, never with `..`.
    pub path: String,
    /// Content, shared: the same scripts stand beside very many programs.
    pub bytes: Arc<[u8]>,
}

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word {
    /// The absolute path of the interpreter, known only to the backend.
    Interpreter,
    /// Literal text.
    Text(String),
}

/// How the interpreter of a language is found on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Interpreter {
    /// Name of the language, for messages.
    pub language: String,
    /// A command looked up on `PATH`, or an absolute path.
    pub command: String,
    /// Arguments that make `command` print the absolute path of the real interpreter, so that
    /// a version manager's shim is paid once and not at every start. Empty: the path found on
    /// `PATH` is used as it is.
    pub locate: Vec<String>,
    /// Arguments that make `command` print its version.
    pub version: Vec<String>,
    /// The lowest version accepted, such as `3.8`.
    pub at_least: Option<String>,
    /// What a user types to install it.
    pub install: Option<String>,
}

/// What one execution may use. Every limit is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Wall time of one execution.
    pub wall: Duration,
    /// CPU time of the whole process tree.
    pub cpu: Duration,
    /// Memory of the whole process tree, in bytes.
    pub memory: u64,
    /// Bytes kept of each of standard output and standard error.
    pub output: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Bytes of files written.
    pub disk: u64,
    /// Files created.
    pub inodes: u64,
    /// Open descriptors of one process.
    pub open_files: u64,
    /// Wall time of the build.
    pub build: Duration,
}

impl Limits {
    /// What the build may use: as much as an execution, for as long as it may take.
    pub fn of_build(self) -> Self {
        Limits {
            wall: self.build,
            cpu: self.build,
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Limits {
            wall: Duration::from_secs(30),
            cpu: Duration::from_secs(30),
            memory: 512 * MIB,
            output: MIB,
            processes: 64,
            disk: 64 * MIB,
            inodes: 4096,
            open_files: 256,
            build: Duration::from_secs(60),
        }
    }
}
