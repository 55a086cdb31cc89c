//! What the local backend promises of every program, with the real interpreter.

use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewardspec::backend::local::{Local, LocalOptions};
use rewardspec::execution::{Execution, InfrastructureError, JobResult, Status};
use rewardspec::program::{Interpreter, Job, Limits, Program, Run, SourceFile, Word};

const MIB: u64 = 1024 * 1024;
/// How long after its limit a program may be seen.
const GONE_WITHIN: Duration = Duration::from_secs(2);

fn backend(jobs: usize) -> Local {
    Local::new(LocalOptions {
        jobs: Some(jobs),
        launcher: Some(env!("CARGO_BIN_EXE_rewardspec").into()),
    })
}

fn python() -> Interpreter {
    Interpreter {
        language: "python".to_owned(),
        command: "python3".to_owned(),
        locate: vec![
            "-c".to_owned(),
            "import sys; print(sys.executable)".to_owned(),
        ],
        ..Interpreter::default()
    }
}

/// Limits that no program of these tests meets unless it means to.
fn roomy() -> Limits {
    Limits {
        wall: Duration::from_secs(60),
        cpu: Duration::from_secs(60),
        ..Limits::default()
    }
}

fn job(interpreter: Interpreter, code: &str, limits: Limits, runs: Vec<Run>) -> Job {
    let program = Program {
        interpreter: Arc::new(interpreter),
        files: vec![SourceFile {
            path: "main.py".to_owned(),
            bytes: code.as_bytes().to_vec(),
        }],
        build: None,
        limits,
        network: false,
    };
    Job {
        program: Arc::new(program),
        runs,
    }
}

fn main_py() -> Run {
    Run {
        command: vec![Word::Interpreter, Word::Text("main.py".to_owned())],
        ..Run::default()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn execute(job: &Job) -> Result<JobResult, InfrastructureError> {
    runtime().block_on(async { backend(1).execute(job).await })
}

fn run_with(code: &str, limits: Limits, run: Run) -> Execution {
    let mut result = execute(&job(python(), code, limits, vec![run])).unwrap();
    result.runs.remove(0)
}

fn run(code: &str) -> Execution {
    run_with(code, roomy(), main_py())
}

/// A socket that programs connect to: while the other end is open, the program lives.
struct Lifeline {
    listener: UnixListener,
    directory: tempfile::TempDir,
}

impl Lifeline {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("s")).unwrap();
        Lifeline {
            listener,
            directory,
        }
    }

    /// Python that takes hold of the line and says so.
    fn hold(&self) -> String {
        format!(
            "import socket\nline = socket.socket(socket.AF_UNIX)\nline.connect({:?})\nline.send(b'+')\n",
            self.directory.path().join("s").to_str().unwrap()
        )
    }

    /// Waits for a program to take hold.
    fn held(&self) -> UnixStream {
        let (mut stream, _) = self.listener.accept().unwrap();
        stream.read_exact(&mut [0]).unwrap();
        stream
    }
}

/// Fails unless the program at the other end is gone within the time.
#[track_caller]
fn assert_gone(mut stream: UnixStream, within: Duration) {
    stream.set_read_timeout(Some(within)).unwrap();
    let read = stream.read(&mut [0]);
    assert!(
        matches!(read, Ok(0))
            || read
                .as_ref()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
        "the program still holds its end: {read:?}"
    );
}

#[test]
fn output_and_exit_status_are_the_programs_own() {
    let ran = run("import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)");
    assert_eq!(ran.status, Status::RuntimeError);
    assert_eq!((ran.exit_code, ran.signal), (Some(3), None));
    assert_eq!(ran.stdout.text, "out\n");
    assert_eq!(ran.stderr.text, "err\n");
    assert_eq!(ran.backend, "local");
}

#[test]
fn a_signal_of_its_own_making_is_killed() {
    let ran = run("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)");
    assert_eq!(ran.status, Status::Killed);
    assert_eq!((ran.exit_code, ran.signal), (None, Some(11)));
}

#[test]
fn ten_megabytes_of_input_arrive_whole() {
    let input: Vec<u8> = (0..10_000_000_u32).map(|at| (at * 7 % 251) as u8).collect();
    let sum: u64 = input.iter().map(|byte| u64::from(*byte)).sum();
    let ran = run_with(
        "import sys\ndata = sys.stdin.buffer.read()\nprint(len(data), sum(data))",
        roomy(),
        Run {
            stdin: input,
            ..main_py()
        },
    );
    assert_eq!(ran.stdout.text, format!("10000000 {sum}\n"));
}

#[test]
fn input_that_is_not_read_is_no_failure() {
    let ran = run_with(
        "print('done')",
        roomy(),
        Run {
            stdin: vec![b'x'; 5_000_000],
            ..main_py()
        },
    );
    assert_eq!(
        (ran.status, ran.stdout.text.as_str()),
        (Status::Ok, "done\n")
    );
}

#[test]
fn nothing_of_the_callers_environment_is_inherited() {
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    let ran = run("print(open('/proc/self/environ').read().split('\\0'))");
    assert!(!ran.stdout.text.contains("CARGO"), "{}", ran.stdout.text);
    assert!(
        !ran.stdout.text.contains("REWARDSPEC"),
        "{}",
        ran.stdout.text
    );
}

#[test]
fn no_descriptor_of_the_caller_is_inherited() {
    let file = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let ran =
        run("import os\nprint([fd for fd in range(256) if os.path.exists(f'/proc/self/fd/{fd}')])");
    assert_eq!(ran.stdout.text, "[0, 1, 2]\n");
}

#[test]
fn the_directory_is_private_and_gone_afterwards() {
    let code = "import os\nprint(os.getcwd())\nprint(os.listdir())\nopen('left', 'w').close()\nos.mkdir('locked'); os.chmod('locked', 0)";
    let result = execute(&job(python(), code, roomy(), vec![main_py(), main_py()])).unwrap();
    let seen: Vec<Vec<&str>> = result
        .runs
        .iter()
        .map(|ran| ran.stdout.text.lines().collect())
        .collect();
    for run in &seen {
        assert_eq!(
            run[1], "['main.py']",
            "the second run sees no file of the first"
        );
        assert!(!Path::new(run[0]).exists(), "{} was left", run[0]);
    }
    assert_ne!(seen[0][0], seen[1][0]);
}

#[test]
fn output_beyond_the_cap_ends_the_program() {
    let limits = Limits {
        output: MIB,
        ..roomy()
    };
    let ran = run_with(
        "print('first')\nwhile True: print('x' * 1000)",
        limits,
        main_py(),
    );
    assert_eq!(ran.status, Status::OutputLimit);
    assert!(ran.stdout.truncated);
    assert!(ran.stdout.text.starts_with("first\n"));
    assert!(ran.stdout.text.len() as u64 <= MIB + 1000);
}

#[test]
fn output_that_is_not_utf_8_is_marked() {
    let ran = run("import sys\nsys.stdout.buffer.write(b'a\\xffb')");
    assert_eq!(ran.stdout.text, "a\u{fffd}b");
    assert!(ran.stdout.lossy);
}

#[test]
fn the_wall_clock_ends_the_whole_tree() {
    let lifeline = Lifeline::new();
    let limit = Duration::from_secs(1);
    let code = format!(
        "import os, time, signal\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        {}\n        time.sleep(600)\n    os._exit(0)\n\
         time.sleep(600)",
        lifeline.hold().trim_end().replace('\n', "\n        ")
    );
    let begun = Instant::now();
    let ran = run_with(
        &code,
        Limits {
            wall: limit,
            ..roomy()
        },
        main_py(),
    );
    let took = begun.elapsed();
    assert_eq!(
        (ran.status, ran.reason.as_deref()),
        (Status::Timeout, Some("wall"))
    );
    assert!(took < limit + GONE_WITHIN, "the verdict took {took:?}");
    assert_gone(lifeline.held(), GONE_WITHIN);
}

#[test]
fn a_daemon_that_a_program_leaves_is_ended() {
    let lifeline = Lifeline::new();
    let code = format!(
        "import os, time\nready, tell = os.pipe()\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        {}\n        os.write(tell, b'+')\n        time.sleep(600)\n    os._exit(0)\n\
         os.read(ready, 1)\nprint('done')",
        lifeline.hold().trim_end().replace('\n', "\n        ")
    );
    let ran = run(&code);
    // The daemon holds standard output open: the end of a program is not the end of its output.
    assert_eq!(
        (ran.status, ran.stdout.text.as_str()),
        (Status::Ok, "done\n")
    );
    assert_gone(lifeline.held(), GONE_WITHIN);
}

#[test]
fn processor_time_is_that_of_the_tree() {
    let limits = Limits {
        cpu: Duration::from_secs(1),
        ..roomy()
    };
    let ran = run_with("import os\nos.fork()\nwhile True: pass", limits, main_py());
    assert_eq!(
        (ran.status, ran.reason.as_deref()),
        (Status::Timeout, Some("cpu"))
    );
}

#[test]
fn memory_is_that_of_the_tree() {
    let limits = Limits {
        memory: 128 * MIB,
        ..roomy()
    };
    let code = "import os, time\nfor _ in range(3): os.fork()\nheld = bytearray(b'x' * (40 << 20))\ntime.sleep(30)";
    let ran = run_with(code, limits, main_py());
    assert_eq!(ran.status, Status::MemoryLimit);
    assert!(ran.peak_memory > 128 * MIB);
}

#[test]
fn the_private_descriptors_carry_bytes_both_ways() {
    let ran = run_with(
        "import os\nwith os.fdopen(3, 'rb') as given, os.fdopen(4, 'wb') as told:\n    told.write(given.read()[::-1])",
        roomy(),
        Run {
            private: Some(b"nonce".to_vec()),
            ..main_py()
        },
    );
    assert_eq!(ran.private, b"ecnon");
    assert_eq!(ran.stdout.text, "");
}

#[test]
fn many_programs_at_once_keep_apart() {
    runtime().block_on(async {
        let backend = Arc::new(backend(4));
        let running: Vec<_> = (0..50)
            .map(|number| {
                let backend = Arc::clone(&backend);
                let code =
                    format!("open('mine', 'x').write('{number}')\nprint(open('mine').read())");
                tokio::spawn(async move {
                    let job = job(python(), &code, roomy(), vec![main_py()]);
                    backend.execute(&job).await.unwrap().runs.remove(0)
                })
            })
            .collect();
        for (number, task) in running.into_iter().enumerate() {
            assert_eq!(task.await.unwrap().stdout.text, format!("{number}\n"));
        }
    });
}

#[test]
fn a_missing_interpreter_is_the_machines_failure() {
    let interpreter = Interpreter {
        language: "cobol".to_owned(),
        command: "no-such-cobol".to_owned(),
        install: Some("apt-get install cobol".to_owned()),
        ..Interpreter::default()
    };
    let error = execute(&job(interpreter, "", roomy(), vec![main_py()])).unwrap_err();
    assert!(error.message.contains("no-such-cobol"), "{error}");
    assert!(error.message.contains("apt-get install cobol"), "{error}");
}

#[test]
fn a_program_nobody_waits_for_is_ended() {
    let lifeline = Lifeline::new();
    let code = lifeline.hold() + "import os, time\nprint(os.getcwd())\ntime.sleep(600)";
    runtime().block_on(async {
        let backend = Arc::new(backend(1));
        let task = tokio::spawn({
            let backend = Arc::clone(&backend);
            let job = job(python(), &code, roomy(), vec![main_py()]);
            async move { backend.execute(&job).await.map(drop) }
        });
        let stream = tokio::task::spawn_blocking(move || lifeline.held())
            .await
            .unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        tokio::task::spawn_blocking(|| assert_gone(stream, GONE_WITHIN))
            .await
            .unwrap();
        // Its slot is free again.
        let next = job(python(), "print(1)", roomy(), vec![main_py()]);
        assert_eq!(
            backend.execute(&next).await.unwrap().runs[0].stdout.text,
            "1\n"
        );
    });
}
