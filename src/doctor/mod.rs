//! What this machine offers: interpreters, layers of isolation each tried by itself, the rung they
//! add up to, and a hostile program that tries to get out.

mod cloud;

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use cloud::Cloud;

use crate::backend::interpreter::{Interpreters, Whose};
use crate::backend::local::{Layer, Local};
use crate::evaluator::Language;
use crate::execution::{Execution, Isolation, Status};
use crate::program::{
    Cloud as InCloud, Ending, Interpreter, Job, Limits, Program, Run, SourceFile, Word,
};

/// The hostile program.
const ATTACK: &str = include_str!("attack.py");
const MIB: u64 = 1024 * 1024;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Examination {
    /// The version of this program.
    pub version: String,
    /// The operating system, as uname(2) says it.
    pub system: String,
    /// The user that this process runs as.
    pub uid: u32,
    /// Interpreters of the languages that rules know.
    pub interpreters: Vec<Found>,
    /// Layers of isolation, each tried by itself; empty where this system has none.
    pub layers: Vec<Layer>,
    /// The rung reached: what programs get.
    pub isolation: Isolation,
    /// What is missing for a better one, with the reasons.
    pub missing: Vec<(String, String)>,
    /// The hostile program's attempts.
    pub attempts: Vec<Attempt>,
    /// Why it was not tried.
    pub not_tried: Option<String>,
    /// E2B's cloud, as it is seen from here.
    pub e2b: Cloud,
}

/// A language's interpreter.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The language.
    pub language: String,
    /// The command that was looked up.
    pub command: String,
    /// What runs, once behind a version manager's shim.
    pub path: Option<String>,
    /// Where it was found first, when that is a shim or a link to somewhere else.
    pub through: Option<String>,
    /// What it says of its version.
    pub version: Option<String>,
    /// Why there is none, and how to install it.
    pub missing: Option<String>,
}

/// What came of an attempt to get out.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// What it was about.
    pub name: String,
    /// What it got; nothing where it was contained.
    pub got: Vec<String>,
    /// Why it could not be made.
    pub not_made: Option<String>,
    /// How it ended.
    pub ended: String,
}

impl Examination {
    /// Whether what programs get is at least `reduced`, and held, and a key that is set works.
    pub fn is_well(&self) -> bool {
        self.isolation.is_at_least(Isolation::Reduced)
            && self.attempts.iter().all(|attempt| attempt.got.is_empty())
            && self.e2b.is_well()
    }
}

/// Examines this machine. `languages` are those whose interpreters are looked for.
///
/// # Errors
/// When no program can be started at all.
pub async fn examine(
    local: &Local,
    languages: &[Arc<Language>],
) -> Result<Examination, crate::execution::InfrastructureError> {
    let containment = local.containment()?.clone();
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let attempts = attack(local, languages).await;
    let (attempts, not_tried) = match attempts {
        Ok(attempts) => (attempts, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    Ok(Examination {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        system: format!(
            "{} {} {}",
            text(system.sysname()),
            text(system.release()),
            text(system.machine())
        ),
        uid: rustix::process::geteuid().as_raw(),
        interpreters: interpreters(languages),
        layers: local.layers()?,
        isolation: containment.isolation,
        missing: containment.missing,
        attempts,
        not_tried,
        e2b: cloud::examine().await,
    })
}

/// Asks several at once: most take their time to start.
fn interpreters(languages: &[Arc<Language>]) -> Vec<Found> {
    let known = Interpreters::default();
    let found = |language: &Arc<Language>| {
        let wanted = &language.interpreter;
        let found = known.find(wanted, Whose::Ours);
        let first = crate::backend::interpreter::first_on_path(wanted);
        let path = found.as_ref().ok().map(|found| found.path.clone());
        Found {
            language: language.name.clone(),
            command: wanted.command.clone(),
            through: first
                .filter(|first| path.as_ref().is_some_and(|path| path != first))
                .map(|first| first.display().to_string()),
            path: path.map(|path| path.display().to_string()),
            version: found.as_ref().ok().and_then(|found| found.version.clone()),
            missing: found.err(),
        }
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = languages
            .iter()
            .map(|language| scope.spawn(|| found(language)))
            .collect();
        started
            .into_iter()
            .map(|one| {
                one.join()
                    .expect("a search for an interpreter does not panic")
            })
            .collect()
    })
}

/// What stands on the machine for the program to reach.
struct Baits {
    directory: tempfile::TempDir,
    port: TcpListener,
    _local: UnixListener,
    abstract_name: String,
    #[cfg(target_os = "linux")]
    _abstract: UnixListener,
}

impl Baits {
    fn lay() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777))?;
        let secret = directory.path().join("secret");
        fs::write(&secret, "a secret of the machine")?;
        fs::set_permissions(&secret, PermissionsExt::from_mode(0o666))?;
        let socket = directory.path().join("socket");
        let local = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, PermissionsExt::from_mode(0o777))?;
        let abstract_name = format!("rewardspec-doctor-{}", std::process::id());
        #[cfg(target_os = "linux")]
        let listener = {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&abstract_name)?;
            UnixListener::bind_addr(&address)?
        };
        Ok(Baits {
            directory,
            port: TcpListener::bind("127.0.0.1:0")?,
            _local: local,
            abstract_name,
            #[cfg(target_os = "linux")]
            _abstract: listener,
        })
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
}

/// An attempt of the hostile program.
struct Plan {
    name: &'static str,
    arguments: Vec<String>,
    /// Whether ending by itself means that a limit did not hold.
    is_endless: bool,
}

async fn attack(local: &Local, languages: &[Arc<Language>]) -> Result<Vec<Attempt>, String> {
    let python = languages
        .iter()
        .find(|language| language.name == "python")
        .ok_or("no rule pack has the language `python`")?;
    if let Some(why) = crate::backend::interpreter::missing(&python.interpreter) {
        return Err(why);
    }
    let said = |error: io::Error| format!("what it should reach could not be laid out: {error}");
    let baits = Baits::lay().map_err(said)?;
    let port = baits.port.local_addr().map_err(said)?.port().to_string();
    let own = std::process::id().to_string();
    let mark = format!("rewardspec-doctor-{own}-left");
    let found = Interpreters::default().find(&python.interpreter, Whose::Ours)?;
    let plan = |name, words: &[&str], is_endless| Plan {
        name,
        arguments: words.iter().map(|word| (*word).to_owned()).collect(),
        is_endless,
    };
    let plans = [
        plan(
            "files of the machine",
            &[
                "files",
                &baits.path("secret"),
                &found.path.to_string_lossy(),
            ],
            false,
        ),
        plan("secrets and descriptors", &["secrets", &own], false),
        plan(
            "network and sockets",
            &[
                "network",
                &port,
                &baits.path("socket"),
                &baits.abstract_name,
            ],
            false,
        ),
        plan("other processes", &["processes", &own], false),
        plan("identity", &["identity"], false),
        plan("the kernel", &["kernel"], false),
        plan("memory beyond the limit", &["memory"], false),
        plan("processes beyond the limit", &["tasks"], false),
        plan("files beyond the limit", &["disk"], false),
        plan("output beyond the limit", &["output"], true),
        plan("time beyond the limit", &["clock"], true),
        plan("a daemon that stays", &["daemon", &mark], false),
    ];
    let mut attempts = Vec::new();
    for plan in plans {
        let execution = run(local, &python.interpreter, &plan.arguments).await?;
        let mut got: Vec<String> = execution
            .stdout
            .text
            .lines()
            .filter(|_| !plan.is_endless)
            .map(str::to_owned)
            .collect();
        if plan.is_endless && execution.status == Status::Ok {
            got.push("it ended by itself".to_owned());
        }
        if plan.arguments.contains(&mark) && lives(&mark) {
            got.push("it is still there".to_owned());
        }
        attempts.push(Attempt {
            name: plan.name.to_owned(),
            got,
            // An attempt ends well or is ended.
            not_made: (execution.status == Status::RuntimeError).then(|| {
                let last = execution.stderr.text.lines().next_back();
                last.unwrap_or("it failed").to_owned()
            }),
            ended: ended(&execution),
        });
    }
    Ok(attempts)
}

fn ended(execution: &Execution) -> String {
    let reason = execution
        .reason
        .as_ref()
        .map_or(String::new(), |reason| format!(" ({reason})"));
    format!("{}{reason}", execution.status.word())
}

async fn run(
    local: &Local,
    interpreter: &Arc<Interpreter>,
    arguments: &[String],
) -> Result<Execution, String> {
    let file = "attack.py".to_owned();
    let words = [Word::Interpreter, Word::Text(file.clone())];
    let job = Job {
        program: Arc::new(Program {
            interpreter: Arc::clone(interpreter),
            files: vec![SourceFile {
                path: file,
                bytes: Arc::from(ATTACK.as_bytes()),
            }],
            build: None,
            limits: Limits {
                wall: Duration::from_secs(3),
                cpu: Duration::from_secs(3),
                memory: 64 * MIB,
                output: MIB,
                processes: 16,
                disk: MIB,
                inodes: 64,
                ..Limits::default()
            },
            network: false,
            cloud: InCloud::default(),
            fork_server: None,
        }),
        runs: [Run {
            command: words
                .into_iter()
                .chain(arguments.iter().cloned().map(Word::Text))
                .collect(),
            ..Run::default()
        }]
        .into(),
        ending: Ending::default(),
    };
    let mut result = local
        .execute(&job)
        .await
        .map_err(|error| error.to_string())?;
    result.runs.pop().ok_or("nothing ran".to_owned())
}

/// Whether a process has this word in its command line.
fn lives(mark: &str) -> bool {
    fs::read_dir(Path::new("/proc"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(mark)
        })
}
