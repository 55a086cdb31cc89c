//! What isolation costs, and that nothing is left of many runs and many kills.
//!
//! `cargo bench --bench sandbox` measures all; `-- --rounds 11 --runs 10000 --kills 50` are its
//! defaults. The peer of the rate is a cold `python3 -I -S` that nothing contains, timed in turns with the same
//! start in the sandbox; that of node is a cold `node` with an empty environment, two at a time.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails says so, and prints what it found"
)]

#[path = "../tests/hostile/machine.rs"]
#[expect(dead_code, reason = "attempts look for more than is looked for here")]
mod machine;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewardspec::backend::local::{Local, LocalOptions};
use rewardspec::program::{Cloud, Interpreter, Job, Limits, Program, Run, SourceFile, Word};

use machine::State;

const STARTS_A_ROUND: usize = 60;
const MIB: u64 = 1024 * 1024;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = |flag: &str, otherwise: usize| {
        let at = words.iter().position(|word| word == flag);
        at.and_then(|at| words.get(at + 1)?.parse().ok())
            .unwrap_or(otherwise)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    layers();
    runtime.block_on(rate(number("--rounds", 11)));
    runtime.block_on(rate_of_node(number("--rounds", 11)));
    let before = State::now();
    let runs = number("--runs", 10_000);
    let took = runtime.block_on(mixed(runs));
    report("mixed runs", runs, took, &before);
    let kills = number("--kills", 50);
    let started = Instant::now();
    (0..kills).for_each(kill);
    report("kills of rewardspec", kills, started.elapsed(), &before);
}

fn local(jobs: usize) -> Local {
    Local::new(LocalOptions {
        jobs: Some(jobs),
        launcher: Some(env!("CARGO_BIN_EXE_rewardspec").into()),
        uncontained: false,
        cold: false,
    })
}

fn report(what: &str, count: usize, took: Duration, before: &State) {
    let left = before.left_in(&State::now_as_before(before));
    println!(
        "{count} {what} in {:.1} s; left behind: {}",
        took.as_secs_f64(),
        left.len()
    );
    for thing in &left {
        println!("  {thing}");
    }
    assert!(left.is_empty(), "something was left behind");
}

fn layers() {
    let local = local(1);
    println!(
        "isolation: {}",
        local.containment().unwrap().isolation.word()
    );
    for layer in local.layers().unwrap() {
        match layer.microseconds {
            Some(taken) => println!("{:>8.0} µs  {}", taken, layer.name),
            None => println!(" missing     {}", layer.name),
        }
    }
}

fn python() -> Arc<Interpreter> {
    Arc::new(Interpreter {
        language: "python".to_owned(),
        command: "python3".to_owned(),
        locate: vec![
            "-c".to_owned(),
            "import sys; print(sys.executable)".to_owned(),
        ],
        ..Interpreter::default()
    })
}

fn job(code: &str, limits: Limits) -> Job {
    let text = |text: &str| Word::Text(text.to_owned());
    Job {
        program: Arc::new(Program {
            interpreter: python(),
            files: vec![SourceFile {
                path: "main.py".to_owned(),
                bytes: code.as_bytes().into(),
            }],
            build: None,
            limits,
            network: false,
            cloud: Cloud::default(),
            fork_server: None,
        }),
        runs: [Run {
            command: vec![Word::Interpreter, text("-I"), text("-S"), text("main.py")],
            ..Run::default()
        }]
        .into(),
        ending: rewardspec::program::Ending::default(),
    }
}

/// The same start, contained and not, in turns, one at a time.
async fn rate(rounds: usize) {
    let local = local(1);
    let job = job("print(1)", Limits::default());
    local.execute(&job).await.unwrap();
    let python = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .unwrap();
    let python = String::from_utf8(python.stdout).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("main.py");
    std::fs::write(&file, "print(1)").unwrap();
    let (mut bare, mut contained) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        for _ in 0..STARTS_A_ROUND {
            let output = Command::new(python.trim())
                .args(["-I", "-S"])
                .arg(&file)
                .env_clear()
                .output()
                .unwrap();
            assert_eq!(output.stdout, b"1\n");
        }
        bare.push(STARTS_A_ROUND as f64 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        for _ in 0..STARTS_A_ROUND {
            let result = local.execute(&job).await.unwrap();
            assert_eq!(result.runs[0].stdout.text, "1\n");
        }
        contained.push(STARTS_A_ROUND as f64 / started.elapsed().as_secs_f64());
    }
    let (bare, contained) = (median(bare), median(contained));
    println!(
        "python3 -I -S, one at a time: {bare:.0}/s without isolation, {contained:.0}/s contained; ratio {:.2}",
        contained / bare
    );
    local.close().await;
}

/// Starts of node, contained and not, in turns, two at a time.
async fn rate_of_node(rounds: usize) {
    const CODE: &str = "console.log([3, 1, 2].sort().join(' '))";
    let local = Arc::new(local(2));
    let mut job = job(CODE, Limits::default());
    let mut program = Program::clone(&job.program);
    program.interpreter = Arc::new(Interpreter {
        language: "javascript".to_owned(),
        command: "node".to_owned(),
        locate: ["-p", "process.execPath"].map(str::to_owned).to_vec(),
        ..Interpreter::default()
    });
    program.files[0].path = "main.js".to_owned();
    job.program = Arc::new(program);
    Arc::make_mut(&mut job.runs)[0].command =
        vec![Word::Interpreter, Word::Text("main.js".to_owned())];
    if let Err(error) = local.execute(&job).await {
        println!("node is not measured: {error}");
        return;
    }
    let node = Command::new("node")
        .args(["-p", "process.execPath"])
        .output();
    let node = String::from_utf8(node.unwrap().stdout).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("main.js");
    std::fs::write(&file, CODE).unwrap();
    let start = || {
        let output = Command::new(node.trim()).arg(&file).env_clear().output();
        assert_eq!(output.unwrap().stdout, b"1 2 3\n");
    };
    let (mut bare, mut contained) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..STARTS_A_ROUND / 2).for_each(|_| start()));
            }
        });
        bare.push(STARTS_A_ROUND as f64 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..STARTS_A_ROUND {
            let (local, job) = (Arc::clone(&local), job.clone());
            tasks.spawn(async move { local.execute(&job).await.unwrap() });
        }
        while let Some(ended) = tasks.join_next().await {
            assert_eq!(ended.unwrap().runs[0].stdout.text, "1 2 3\n");
        }
        contained.push(STARTS_A_ROUND as f64 / started.elapsed().as_secs_f64());
    }
    let (bare, contained) = (median(bare), median(contained));
    println!(
        "node, two at a time: {bare:.0}/s without isolation, {contained:.0}/s contained; ratio {:.2}",
        contained / bare
    );
    local.close().await;
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What programs do: well, badly, and all that limits are for.
const MIXED: &[&str] = &[
    "print(1)",
    "raise SystemExit(3)",
    "import os; os.kill(os.getpid(), 9)",
    "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        import time; time.sleep(60)",
    "import os\ntry:\n    while True:\n        if os.fork() == 0:\n            import time; time.sleep(60)\nexcept OSError: pass",
    "x = bytearray(b'x' * (200 << 20))",
    "while True: print('x' * 1000)",
    "while True: pass",
    "import os\nfor n in range(3000): os.mkdir('d'); os.chdir('d')",
    "open('big', 'wb').write(bytes(8 << 20))",
    "import socket; socket.socket(socket.AF_UNIX).bind('here'); socket.create_connection(('127.0.0.1', 1))",
    "import threading, time\nfor n in range(100): threading.Thread(target=time.sleep, args=(60,)).start()",
];

async fn mixed(count: usize) -> Duration {
    let local = Arc::new(local(2));
    let limits = Limits {
        wall: Duration::from_millis(300),
        memory: 64 * MIB,
        disk: 4 * MIB,
        processes: 16,
        ..Limits::default()
    };
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..count {
        if tasks.len() >= 8 {
            tasks.join_next().await.unwrap().unwrap();
        }
        let (local, job) = (Arc::clone(&local), job(MIXED[number % MIXED.len()], limits));
        tasks.spawn(async move {
            local.execute(&job).await.unwrap();
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let took = started.elapsed();
    local.close().await;
    took
}

/// Kills rewardspec while programs that resist run, at another moment each time.
fn kill(number: usize) {
    let mut supervisor = Command::new(env!("CARGO_BIN_EXE_rewardspec"))
        .args(["score", "--unordered"])
        .env_remove("E2B_API_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut rows = supervisor.stdin.take().unwrap();
    for row in 0..100 {
        let code = if row < number % 12 {
            "print(1)"
        } else {
            MIXED[3 + row % 2]
        };
        let row =
            serde_json::json!({"id": row, "code": code, "timeout": 20, "expect": {"runs": true}});
        writeln!(rows, "{row}").unwrap();
    }
    let results = BufReader::new(supervisor.stdout.take().unwrap());
    let _ = results.lines().take(number % 12).count();
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
}
