//! What the local backend promises on a machine with more to do than it has cores: time that a program
//! waits for one is not charged to it, and all that it spends is.

//!
//! In a binary of its own, because it leaves no core to other tests.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rewardspec::backend::local::{Local, LocalOptions};
use rewardspec::execution::{Execution, Status};
use rewardspec::program::{
    Cloud, Ending, ForkServer, Interpreter, Job, Judge, Limits, Program, Run, SourceFile, Word,
};
use serde_json::Value;

const HUMANEVAL: &str = include_str!("../../suites/data/humaneval/humaneval.jsonl");

/// Less than the programs below wait for a core, more than twice what any of them uses.
const TIGHT: Duration = Duration::from_millis(500);

/// How long after its limit a program may be seen.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// One test at a time: each makes its own crowd.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn backend(jobs: usize) -> Local {
    Local::new(LocalOptions {
        jobs: Some(jobs),
        launcher: Some(PathBuf::from(env!("CARGO_BIN_EXE_rewardspec"))),
        ..LocalOptions::default()
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A program that is a fork of a warm interpreter, as programs of suites are.
fn job(code: &str, limits: Limits, runs: Vec<Run>) -> Job {
    let interpreter = Interpreter {
        language: "python".to_owned(),
        command: "python3".to_owned(),
        locate: vec![
            "-c".to_owned(),
            "import sys; print(sys.executable)".to_owned(),
        ],
        ..Interpreter::default()
    };
    Job {
        program: Arc::new(Program {
            interpreter: Arc::new(interpreter),
            files: vec![SourceFile {
                path: "main.py".to_owned(),
                bytes: code.as_bytes().into(),
            }],
            build: None,
            limits,
            network: false,
            cloud: Cloud::default(),
            fork_server: Some(Arc::new(ForkServer::default())),
        }),
        runs: runs.into(),
        ending: Ending::default(),
    }
}

fn main_py() -> Run {
    Run {
        command: vec![Word::Interpreter, Word::Text("main.py".to_owned())],
        ..Run::default()
    }
}

fn run(code: &str, limits: Limits) -> Execution {
    let job = job(code, limits, vec![main_py()]);
    let mut result = runtime().block_on(async { backend(1).execute(&job).await.unwrap() });
    result.runs.remove(0)
}

/// Keeps all cores busy, and more than that: processes in sessions of their own, which some kernels share
/// cores out to.
struct Crowd(Vec<Child>);

impl Crowd {
    fn start() -> Self {
        const BUSY: &str = "import os, time
os.setsid()
end = time.monotonic() + 120
while time.monotonic() < end: pass";
        let busy = || Command::new("python3").args(["-c", BUSY]).spawn().unwrap();
        Crowd((0..3 * cores()).map(|_| busy()).collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for process in &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.try_into().unwrap()
}

fn tight(wall: Duration) -> Limits {
    Limits {
        wall,
        cpu: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// The solutions of HumanEval with their tests.
fn solutions() -> Vec<Job> {
    let rows = HUMANEVAL.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let code = format!(
            "{}{}\n{}\ncheck({})\n",
            text("prompt"),
            text("canonical_solution"),
            text("test"),
            text("entry_point")
        );
        job(&code, tight(TIGHT), vec![main_py()])
    });
    rows.collect()
}

/// A program and its judge, who wait for each other all the time.
fn talk() -> Job {
    let code = "import os
heard, said = os.fdopen(3), os.fdopen(4, 'w')
for line in heard:
    said.write(line)
    said.flush()";
    let judge = "import os
heard, said = os.fdopen(0, closefd=False), os.fdopen(1, 'w', closefd=False)
for number in range(20):
    print(number, file=said, flush=True)
    assert heard.readline() == f'{number}\\n'
os.write(4, b'all')";
    let judge = Judge {
        command: vec![Word::Interpreter, Word::Text("judge.py".to_owned())],
        files: vec![SourceFile {
            path: "judge.py".to_owned(),
            bytes: judge.as_bytes().into(),
        }],
        order: Vec::new(),
        limits: tight(TIGHT),
        ..Judge::default()
    };
    let run = Run {
        judge: Some(Arc::new(judge)),
        ..main_py()
    };
    job(code, tight(TIGHT), vec![run])
}

/// What was to be seen of a run that was not as it should be.
fn failure(ran: &Execution) -> Option<String> {
    let is_right = match &ran.judge {
        None => ran.status == Status::Ok,
        Some(judge) => judge.status == Status::Ok && judge.private == b"all",
    };
    (!is_right).then(|| {
        let judge = ran.judge.as_ref();
        let judge = judge.map(|judge| (judge.status, judge.reason.clone()));
        let time = (ran.wall, ran.cpu);
        format!("{:?} {:?} {time:?} {judge:?}", ran.status, ran.reason)
    })
}

#[test]
fn correct_programs_pass_however_many_ask() {
    let _alone = alone();
    let jobs = solutions().into_iter();
    let jobs: Vec<Job> = jobs.chain((0..36).map(|_| talk())).collect();
    let count = jobs.len();
    let failures: Vec<String> = runtime().block_on(async {
        let backend = Arc::new(backend(64));
        let _crowd = Crowd::start();
        let running: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let backend = Arc::clone(&backend);
                tokio::spawn(async move { backend.execute(&job).await.unwrap().runs.remove(0) })
            })
            .collect();
        let mut failures = Vec::new();
        for task in running {
            failures.extend(failure(&task.await.unwrap()));
        }
        failures
    });
    assert!(
        failures.is_empty(),
        "{} of {count}: {failures:#?}",
        failures.len()
    );
}

#[test]
fn what_sleeps_is_ended_at_its_limit() {
    let _alone = alone();
    let limit = Duration::from_secs(1);
    let _crowd = Crowd::start();
    let code = "import time\nwhile True: time.sleep(0.05)";
    let ran = run(code, tight(limit));
    assert_eq!(
        (ran.status, ran.reason.as_deref()),
        (Status::Timeout, Some("wall"))
    );
    assert!(ran.wall < limit + GONE_WITHIN, "{:?}", ran.wall);
}

#[test]
fn what_spins_is_ended_when_it_has_spent_its_time() {
    let _alone = alone();
    let limit = Duration::from_secs(1);
    let _crowd = Crowd::start();
    let ran = run("while True: pass", tight(limit));
    assert_eq!(
        (ran.status, ran.reason.as_deref()),
        (Status::Timeout, Some("wall"))
    );
    assert!(ran.wall > limit, "the wall time is the true one");
    assert!(ran.cpu >= limit / 2 && ran.cpu < limit * 2, "{ran:?}");
    // Its processor time decides where the wall clock waits.
    let limits = Limits {
        cpu: limit / 4,
        ..tight(limit)
    };
    let ran = run("while True: pass", limits);
    assert_eq!(
        (ran.status, ran.reason.as_deref()),
        (Status::Timeout, Some("cpu"))
    );
}

#[test]
fn what_crowds_itself_is_not_excused() {
    let _alone = alone();
    let limit = Duration::from_secs(1);
    let code = "import os
for _ in range(4): os.fork()
while True: pass";
    let ran = run(code, tight(limit));
    assert_eq!(
        (ran.status, ran.reason.as_deref()),
        (Status::Timeout, Some("wall"))
    );
    // Not what each of them waited: what all of them spent.
    let most = limit * cores() + limit / 2;
    assert!(ran.cpu < most, "{:?} in {:?}", ran.cpu, ran.wall);
}

#[test]
fn what_was_waited_is_not_taken_from_the_total() {
    let _alone = alone();
    let code =
        "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass";
    let mut job = job(code, tight(Duration::from_secs(60)), vec![main_py(); 3]);
    job.ending = Ending {
        total: Some(Duration::from_millis(1200)),
        ..Ending::default()
    };
    let _crowd = Crowd::start();
    let runs = runtime()
        .block_on(async { backend(1).execute(&job).await.unwrap() })
        .runs;
    let failures: Vec<String> = runs.iter().filter_map(failure).collect();
    assert!(runs.len() == 3 && failures.is_empty(), "{failures:?}");
}
