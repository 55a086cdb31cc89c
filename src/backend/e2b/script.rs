//! A program as a process in the cloud: its files uploaded, a real exit status and signal, standard
//! input, two output streams, and limits.
//!
//! envd starts the program and says how it ended; a second process of the sandbox's root, `watch.sh`,
//! sees to the limits that need somebody to look. Each run has a fresh copy of the files. A judge begins
//! before what watches, which therefore neither counts nor ends it.

use std::time::{Duration, Instant};

use super::judge::{Apart, Judging, MOMENT};
use super::{CLOUD_LATE, execution, interpreter, upload};
use crate::backend::output::Kept;
use crate::backend::runs::Runs;
use crate::e2b::{Error, ErrorKind, NewProcess, ProcessEvent, Running, Sandbox, random_word};
use crate::execution::{Captured, Execution, InfrastructureError, JobResult, LeftFile, Status};
use crate::program::{Job, Limits, Run, SourceFile, Word};

/// The user that programs with a judge are, whoever is the template's: never root.
pub(super) const USER: &str = "user";
/// Where everything of a job lies.
const PLACE: &str = "/home/user/rewardspec";
const WATCH: &str = include_str!("watch.sh");
const START: &str = include_str!("start.sh");
/// Bytes kept of descriptor 4.
pub(super) const PRIVATE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Seconds between two looks at what a program uses.
const LOOK_EVERY: &str = "0.05";
/// Clock ticks a second, which Linux shows to programs.
const TICKS: u64 = 100;
/// Processes that the sandbox itself has for the program's user.
const OWN_TASKS: u64 = 16;
/// Signals as Go names them (package syscall, Linux), which envd is written in.
const SIGNALS: &[(&str, i32)] = &[
    ("hangup", 1),
    ("interrupt", 2),
    ("quit", 3),
    ("illegal instruction", 4),
    ("trace/breakpoint trap", 5),
    ("aborted", 6),
    ("bus error", 7),
    ("floating point exception", 8),
    ("killed", 9),
    ("user defined signal 1", 10),
    ("segmentation fault", 11),
    ("user defined signal 2", 12),
    ("broken pipe", 13),
    ("alarm clock", 14),
    ("terminated", 15),
    ("stack fault", 16),
    ("child exited", 17),
    ("continued", 18),
    ("stopped (signal)", 19),
    ("stopped", 20),
    ("stopped (tty input)", 21),
    ("stopped (tty output)", 22),
    ("urgent I/O condition", 23),
    ("CPU time limit exceeded", 24),
    ("file size limit exceeded", 25),
    ("virtual timer expired", 26),
    ("profiling timer expired", 27),
    ("window changed", 28),
    ("I/O possible", 29),
    ("power failure", 30),
    ("bad system call", 31),
];
const SIGXCPU: i32 = 24;

/// The commands of a job, with the interpreter's name in them.
pub(super) struct Commands {
    /// What must be in the template.
    interpreter: String,
    build: Option<Vec<String>>,
    runs: Vec<Vec<String>>,
}

impl Commands {
    pub(super) fn of(job: &Job) -> Result<Self, InfrastructureError> {
        let interpreter = interpreter(&job.program)?;
        let build = job.program.build.as_ref();
        let runs = job.runs.iter();
        Ok(Commands {
            interpreter: interpreter.to_owned(),
            build: build.map(|words| named(words, interpreter)),
            runs: runs.map(|run| named(&run.command, interpreter)).collect(),
        })
    }
}

/// A command with the interpreter's name in it.
pub(super) fn named(words: &[Word], interpreter: &str) -> Vec<String> {
    words
        .iter()
        .map(|word| match word {
            Word::Interpreter => interpreter.to_owned(),
            Word::Text(text) => text.clone(),
        })
        .collect()
}

pub(super) async fn run(
    sandbox: &Sandbox,
    job: &Job,
    commands: &Commands,
) -> Result<JobResult, Error> {
    let program = &job.program;
    let interpreter = &commands.interpreter;
    let apart = match job.runs.iter().any(|run| run.judge.is_some()) {
        true => Some(Apart::prepare(sandbox, interpreter).await?),
        false => None,
    };
    let mut built = None;
    if let Some(command) = &commands.build {
        let limits = program.limits.of_build();
        let place = Place::new("build", apart.is_some());
        let run = Run::default();
        place.fill(sandbox, &program.files, &run).await?;
        let watch = Watch::start(sandbox, interpreter, &limits).await?;
        let mut build = one(sandbox, command, &limits, &place, &run, watch, None).await?;
        if build.status != Status::Ok {
            build.status = Status::CompileError;
            return Ok(JobResult {
                build: Some(build),
                runs: Vec::new(),
            });
        }
        built = Some((place, build));
    }
    let mut runs = Runs::of(job);
    for (run, command) in job.runs.iter().zip(&commands.runs) {
        let Some(limits) = runs.next() else { break };
        // What is in it comes when the runs before are over, to a place that they could not know.
        let place = Place::new("run", apart.is_some());
        match &built {
            None => place.fill(sandbox, &program.files, run).await?,
            Some((build, _)) => {
                place.fill(sandbox, &[], run).await?;
                place.copy(sandbox, &build.home).await?;
            }
        }
        let judging = match (&apart, &run.judge) {
            (Some(apart), Some(judge)) => Some(apart.start(sandbox, judge).await?),
            _ => None,
        };
        let watch = Watch::start(sandbox, interpreter, &limits).await?;
        let mut ran = one(sandbox, command, &limits, &place, run, watch, judging).await?;
        ran.files = place.left(sandbox, run, limits.output).await?;
        runs.push(ran, Duration::ZERO);
    }
    Ok(JobResult {
        build: built.map(|(_, build)| build),
        runs: runs.finish(),
    })
}

/// Where a run happens: a directory that did not exist before.
struct Place {
    home: String,
    /// Whose it is; absent, the template's user's.
    user: Option<&'static str>,
}

impl Place {
    fn new(what: &str, has_judge: bool) -> Self {
        let random = random_word::<8>();
        Place {
            home: format!("{PLACE}/{what}-{random}"),
            user: has_judge.then_some(USER),
        }
    }

    /// Writes what the run reads.
    async fn fill(&self, sandbox: &Sandbox, files: &[SourceFile], run: &Run) -> Result<(), Error> {
        let home = &self.home;
        let mut all: Vec<(String, &[u8])> = vec![
            // So that there is a directory, whatever the files are.
            (format!("{home}/.rewardspec"), &[]),
            (format!("{home}.in"), &run.stdin),
        ];
        if let (Some(private), None) = (&run.private, &run.judge) {
            all.push((format!("{home}.private.in"), private));
        }
        for file in files {
            all.push((format!("{home}/{}", file.path), &file.bytes));
        }
        upload(sandbox, &all, self.user).await
    }

    /// Reads the files that were asked for, as the sandbox's user: a program could read them as well.
    async fn left(
        &self,
        sandbox: &Sandbox,
        run: &Run,
        bytes_max: u64,
    ) -> Result<Vec<LeftFile>, Error> {
        let mut left = Vec::new();
        for path in &run.collect {
            let named = format!("{}/{path}", self.home);
            let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
            let read = in_time(CLOUD_LATE, sandbox.read_file(&named, most)).await;
            let content = match read {
                Ok(bytes) => {
                    let mut kept = Kept::new(bytes_max);
                    kept.add(&bytes);
                    Some(kept.finish(bytes_max))
                }
                // What is cut off is not compared.
                Err(error) if error.kind == ErrorKind::TooLong => Some(Captured {
                    truncated: true,
                    ..Captured::default()
                }),
                Err(error) if error.kind == ErrorKind::Connection => return Err(error),
                Err(_) => None,
            };
            left.push(LeftFile {
                path: path.clone(),
                content,
            });
        }
        Ok(left)
    }

    /// Copies what a build left, by a process of its own: what goes wrong there is the build's doing.
    async fn copy(&self, sandbox: &Sandbox, from: &str) -> Result<(), Error> {
        let process = NewProcess {
            command: "/bin/cp".to_owned(),
            args: vec!["-R".to_owned(), format!("{from}/."), self.home.clone()],
            user: self.user.map(str::to_owned),
            deadline: Some(CLOUD_LATE),
            ..NewProcess::default()
        };
        in_time(CLOUD_LATE, async {
            sandbox.start(&process).await?.collect().await
        })
        .await
        .map(drop)
    }
}

async fn one(
    sandbox: &Sandbox,
    command: &[String],
    limits: &Limits,
    place: &Place,
    run: &Run,
    mut watch: Watch,
    mut judging: Option<Judging>,
) -> Result<Execution, Error> {
    let private = match (&judging, &run.private) {
        (Some(judging), _) => judging.channel(),
        (None, Some(_)) => "private",
        (None, None) => "-",
    };
    let process = NewProcess {
        command: "/bin/bash".to_owned(),
        args: arguments(command, limits, place, private),
        directory: Some(place.home.clone()),
        user: place.user.map(str::to_owned),
        // envd's own, behind ours: also where this process cannot reach the sandbox any more.
        deadline: Some(limits.wall + Duration::from_secs(1)),
        ..NewProcess::default()
    };
    let ran = watched(sandbox, &process, limits, &mut watch, &mut judging).await?;
    // Ends whatever the program left, which may hold its end of the channel.
    let said = watch.end(sandbox).await?;
    let mut execution = ran.execution(limits, &said);
    if let Some(judging) = judging {
        execution.judge = Some(Box::new(judging.finish(sandbox).await?));
    } else if run.private.is_some() && execution.status == Status::Ok {
        // A program that took it away, or wrote without end, has reported nothing.
        let path = format!("{}.private.out", place.home);
        let report = in_time(CLOUD_LATE, sandbox.read_file(&path, PRIVATE_BYTES_MAX)).await;
        execution.private = match report {
            Ok(report) => report,
            Err(error) if error.kind == ErrorKind::Connection => return Err(error),
            Err(_) => Vec::new(),
        };
    }
    Ok(execution)
}

/// The process that sees to limits.
struct Watch {
    process: Running,
    pid: u32,
    said: Said,
}

/// What it said so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// A line that is not yet whole.
    begun: Vec<u8>,
    is_ready: bool,
    is_missing: bool,
    limit: Option<String>,
    /// Whether it was told to end: before that it has nothing to say of what was used.
    is_asked: bool,
    /// Whether it ended before it was told to, or does not answer, or says what it never would.
    is_lost: bool,
    /// Kibibytes and clock ticks.
    used: Option<(u64, u64)>,
}

impl Said {
    /// The longest line that it says.
    const LINE_BYTES_MAX: usize = 200;

    fn hear(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.len() > Self::LINE_BYTES_MAX {
                self.begun.clear();
                self.is_lost = true;
                return;
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                self.hear_line(&String::from_utf8_lossy(&line));
            }
        }
    }

    fn hear_line(&mut self, line: &str) {
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        match words[..] {
            ["ready"] if !self.is_ready => self.is_ready = true,
            ["missing"] if !self.is_ready => self.is_missing = true,
            ["limit", what] if self.limit.is_none() => self.limit = Some(what.to_owned()),
            ["used", memory, ticks] if self.is_asked => {
                self.used = memory.parse().ok().zip(ticks.parse().ok());
            }
            _ => self.is_lost = true,
        }
    }
}

impl Watch {
    async fn start(sandbox: &Sandbox, interpreter: &str, limits: &Limits) -> Result<Self, Error> {
        let ticks = u64::try_from(limits.cpu.as_millis()).unwrap_or(u64::MAX) * TICKS / 1000;
        // Given as it is, not as a file that programs could change.
        let mut args = script(WATCH);
        args.extend([
            (limits.memory / 1024).to_string(),
            ticks.to_string(),
            limits.processes.to_string(),
            LOOK_EVERY.to_owned(),
            interpreter.to_owned(),
        ]);
        let process = NewProcess {
            command: "/bin/bash".to_owned(),
            args,
            // It has no business in anybody's home.
            directory: Some("/".to_owned()),
            user: Some("root".to_owned()),
            stdin: true,
            ..NewProcess::default()
        };
        let mut watch = Watch {
            process: in_time(CLOUD_LATE, sandbox.start(&process)).await?,
            pid: 0,
            said: Said::default(),
        };
        let ready = async {
            while !watch.said.is_ready {
                watch.hear().await?;
                if watch.said.is_missing {
                    return Err(missing(interpreter));
                }
                if watch.said.is_lost {
                    return Err(lost("what watches programs could not be started"));
                }
            }
            Ok(())
        };
        in_time(CLOUD_LATE, ready).await?;
        Ok(watch)
    }

    /// Hears what happens next.
    async fn hear(&mut self) -> Result<(), Error> {
        match self.process.next().await? {
            Some(ProcessEvent::Started { pid }) => self.pid = pid,
            Some(ProcessEvent::Stdout(bytes)) => self.said.hear(&bytes),
            Some(ProcessEvent::Stderr(_)) => {}
            Some(ProcessEvent::Ended { .. }) | None => self.said.is_lost = true,
        }
        Ok(())
    }

    /// Has everything that the program left ended, and what it used told.
    async fn end(mut self, sandbox: &Sandbox) -> Result<Said, Error> {
        self.said.is_asked = true;
        let told = async {
            match sandbox.send_input(self.pid, b"end\n").await {
                Err(error) if error.kind == ErrorKind::NotFound => self.said.is_lost = true,
                sent => sent?,
            }
            while self.said.used.is_none() && !self.said.is_lost {
                self.hear().await?;
            }
            Ok::<(), Error>(())
        };
        match tokio::time::timeout(CLOUD_LATE, told).await {
            Ok(told) => told?,
            // Stopped: by the program, or by nobody.
            Err(_) => self.said.is_lost = true,
        }
        Ok(self.said)
    }
}

pub(super) fn missing(interpreter: &str) -> Error {
    let message = format!("`{interpreter}` is not in the sandbox's template");
    Error::new(ErrorKind::NotFound, "run a program", message)
}

pub(super) fn lost(message: &str) -> Error {
    Error::new(ErrorKind::Connection, "run a program", message)
}

pub(super) async fn in_time<T>(
    within: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(within, work)
        .await
        .unwrap_or_else(|_| Err(lost("a process does not answer")))
}

/// What came of a process.
pub(super) struct Ran {
    pub(super) stdout: Kept,
    pub(super) stderr: Kept,
    /// Exit status, and the words that tell of a signal.
    pub(super) ended: Option<(i32, String)>,
    pub(super) is_late: bool,
    pub(super) is_flooded: bool,
    /// Whether it is ended because its judge has.
    pub(super) is_let_go: bool,
    pub(super) wall: Duration,
}

/// Runs a program and listens until it ends, passes a limit of time or output, or outlives its judge.
async fn watched(
    sandbox: &Sandbox,
    process: &NewProcess,
    limits: &Limits,
    watch: &mut Watch,
    judging: &mut Option<Judging>,
) -> Result<Ran, Error> {
    let mut ran = Ran::new(limits.output);
    let mut running = in_time(CLOUD_LATE, sandbox.start(process)).await?;
    let mut started = Instant::now();
    let mut deadline = started + CLOUD_LATE;
    let (mut is_watched, mut has_started) = (true, false);
    loop {
        let event = tokio::select! {
            event = running.next() => event,
            heard = watch.hear(), if is_watched => {
                heard?;
                // The program's end tells the rest.
                is_watched = watch.said.limit.is_none() && !watch.said.is_lost;
                continue;
            }
            heard = hear(judging) => {
                heard?;
                if is_judged(judging) {
                    deadline = deadline.min(Instant::now() + MOMENT);
                }
                continue;
            }
            () = tokio::time::sleep_until(deadline.into()) => {
                ran.is_let_go = is_judged(judging);
                ran.is_late = !ran.is_let_go;
                break;
            }
        };
        match event {
            Ok(Some(ProcessEvent::Started { .. })) if !has_started => {
                has_started = true;
                started = Instant::now();
                deadline = started + limits.wall;
                if let Some(judging) = judging {
                    judging.begin();
                }
            }
            Ok(Some(ProcessEvent::Started { .. })) => {}
            Ok(Some(ProcessEvent::Stdout(bytes))) => ran.stdout.add(&bytes),
            Ok(Some(ProcessEvent::Stderr(bytes))) => ran.stderr.add(&bytes),
            Ok(Some(ProcessEvent::Ended {
                exit_code, status, ..
            })) => {
                ran.ended = Some((exit_code, status));
                break;
            }
            Ok(None) => return Err(lost("a process ended without a word")),
            Err(error) if error.kind == ErrorKind::Late => {
                ran.is_late = true;
                break;
            }
            Err(error) => return Err(error),
        }
        if ran.stdout.total() > limits.output || ran.stderr.total() > limits.output {
            ran.is_flooded = true;
            break;
        }
    }
    ran.wall = started.elapsed();
    Ok(ran)
}

/// Hears a judge that is not over.
async fn hear(judging: &mut Option<Judging>) -> Result<(), Error> {
    match judging {
        Some(judging) if !judging.is_over() => judging.hear().await,
        _ => std::future::pending().await,
    }
}

fn is_judged(judging: &Option<Judging>) -> bool {
    judging.as_ref().is_some_and(Judging::is_over)
}

/// A script for bash, before its arguments.
pub(super) fn script(text: &str) -> Vec<String> {
    ["--noprofile", "--norc", "-p", "-c", text, "rewardspec"]
        .map(str::to_owned)
        .to_vec()
}

fn arguments(command: &[String], limits: &Limits, place: &Place, private: &str) -> Vec<String> {
    let mut arguments = script(START);
    arguments.extend([place.home.clone(), private.to_owned()]);
    arguments.extend(limits_of(limits));
    arguments.push((limits.processes + OWN_TASKS).to_string());
    arguments.extend_from_slice(command);
    arguments
}

/// What the kernel limits of one process: processor seconds, KiB of a file, KiB of data, open files.
pub(super) fn limits_of(limits: &Limits) -> [String; 4] {
    [
        (limits.cpu.as_secs() + 1).to_string(),
        (limits.disk / 1024).to_string(),
        // More than it may use: an allocation is not yet use.
        (limits.memory / 1024 * 2).to_string(),
        limits.open_files.to_string(),
    ]
}

impl Ran {
    /// Of a process that has done nothing yet.
    pub(super) fn new(output_max: u64) -> Self {
        Ran {
            stdout: Kept::new(output_max),
            stderr: Kept::new(output_max),
            ended: None,
            is_late: false,
            is_flooded: false,
            is_let_go: false,
            wall: Duration::ZERO,
        }
    }

    /// Precedence: memory_limit, output_limit, timeout, process_limit, killed, runtime_error, ok.
    pub(super) fn execution(self, limits: &Limits, watched: &Said) -> Execution {
        let signal = self.ended.as_ref().and_then(|(_, words)| signal(words));
        let exit_code = match &self.ended {
            Some((code, _)) if signal.is_none() => Some(*code),
            _ => None,
        };
        let limit = watched.limit.as_deref();
        let (status, reason) = if limit == Some("memory") {
            (Status::MemoryLimit, Some("sampled sum of the process tree"))
        } else if watched.is_lost {
            // Nothing in the sandbox ends it but the program, or the kernel for the program's sake.
            (Status::Killed, Some("it ended what watches its limits"))
        } else if self.is_flooded {
            (Status::OutputLimit, None)
        } else if self.is_late {
            (Status::Timeout, Some("wall"))
        } else if limit == Some("cpu") || signal == Some(SIGXCPU) {
            (Status::Timeout, Some("cpu"))
        } else if limit == Some("processes") {
            (
                Status::ProcessLimit,
                Some("sampled count of the process tree"),
            )
        } else if signal.is_some() {
            (Status::Killed, None)
        } else if exit_code == Some(0) || self.is_let_go {
            (Status::Ok, None)
        } else {
            (Status::RuntimeError, None)
        };
        let (kibibytes, ticks) = watched.used.unwrap_or_default();
        Execution {
            reason: reason.map(str::to_owned),
            exit_code,
            signal,
            stdout: self.stdout.finish(limits.output),
            stderr: self.stderr.finish(limits.output),
            wall: self.wall,
            cpu: Duration::from_millis(ticks.saturating_mul(1000 / TICKS)),
            peak_memory: kibibytes.saturating_mul(1024),
            ..execution(status)
        }
    }
}

/// The signal that a process's end names, such as `signal: killed`.
fn signal(words: &str) -> Option<i32> {
    let name = words.strip_prefix("signal: ")?;
    let name = name.trim_end_matches(" (core dumped)");
    let known = SIGNALS.iter().find(|(known, _)| *known == name);
    // Go says `signal 34` of those without a name.
    known
        .map(|(_, number)| *number)
        .or_else(|| name.strip_prefix("signal ")?.parse().ok())
        .or(Some(0))
}

#[cfg(test)]
mod tests {
    use super::{Said, signal};

    #[test]
    fn signals_are_read_from_the_words_of_envd() {
        assert_eq!(signal("signal: killed"), Some(9));
        assert_eq!(signal("signal: segmentation fault (core dumped)"), Some(11));
        assert_eq!(signal("signal: signal 34"), Some(34));
        assert_eq!(signal("exit status 3"), None);
        assert_eq!(signal(""), None);
    }

    #[test]
    fn what_watches_is_heard_in_pieces() {
        let mut said = Said::default();
        for piece in ["rea", "dy\nlimit mem", "ory\n"] {
            said.hear(piece.as_bytes());
        }
        said.is_asked = true;
        for piece in ["used 12", "3 45\n"] {
            said.hear(piece.as_bytes());
        }
        assert!(said.is_ready && !said.is_lost);
        assert_eq!(said.limit.as_deref(), Some("memory"));
        assert_eq!(said.used, Some((123, 45)));
        // What it never says, and what never ends, is said by somebody else.
        for words in ["ready\nready\n", "used 1 2\n", "limit memory\nlimit cpu\n"] {
            let mut said = Said::default();
            said.hear(words.as_bytes());
            assert!(said.is_lost, "{words}");
        }
        let mut said = Said::default();
        said.hear(&[b'x'; 10_000]);
        assert!(said.is_lost && said.begun.is_empty());
    }
}
