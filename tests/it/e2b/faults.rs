//! What a server, or a program that has taken its sandbox over, can do to us: nothing but an error, in
//! time and in little memory, and never with the key in it.

use std::sync::Arc;
use std::time::Duration;

use rewardspec::backend::e2b::E2b;
use rewardspec::e2b::{Client, Config, ErrorKind, NewProcess, NewSandbox, Secret};
use rewardspec::execution::Status;
use rewardspec::program::{
    Cloud, Ending, Interpreter, Job, Limits, Program, Run, SourceFile, Word,
};
use serde_json::{Value, json};

use super::recorded::Recorded;
use super::{KEY, client, emulator, recording, runtime};
use crate::emulator::Options;
use crate::support::TempProject;

/// What comes of an execution whose stream is that of a scenario.
async fn execution_of(scenario: &str) -> Result<(), rewardspec::e2b::Error> {
    let recording = recording(&format!("sdk/{scenario}.python.json"));
    let answers = recording["exchanges"].as_array().unwrap()[..2]
        .iter()
        .map(|exchange| exchange["response"].clone());
    let server = Recorded::start(answers.collect()).await;
    let order = NewSandbox::new("code-interpreter-v1", Duration::from_secs(60));
    let sandbox = client(server.address).create(&order).await?;
    let executing = sandbox.execute("x", &Default::default()).await?;
    executing.collect().await.map(drop)
}

#[test]
fn a_stream_that_is_not_whole_is_an_error_and_one_that_is_new_is_not() {
    for (scenario, wanted) in [
        ("err_stream_clean_eof_no_end", Some(ErrorKind::Protocol)),
        ("err_stream_malformed_line", Some(ErrorKind::Protocol)),
        ("err_stream_cut_health_ok", Some(ErrorKind::Connection)),
        ("err_execute_401_403", Some(ErrorKind::Forbidden)),
        ("err_execute_404_context", Some(ErrorKind::NotFound)),
        ("err_execute_429", Some(ErrorKind::ConnectionLimit)),
        ("err_execute_500_kernel", Some(ErrorKind::Server)),
        ("err_port_closed_502", Some(ErrorKind::PortClosed)),
        ("err_dead_sandbox_data_502", Some(ErrorKind::SandboxGone)),
        ("stream_unknown_type", None),
        ("stream_unknown_type_and_blank", None),
        ("stream_split_chunks", None),
    ] {
        let found = runtime().block_on(execution_of(scenario));
        assert_eq!(found.err().map(|error| error.kind), wanted, "{scenario}");
    }
}

#[test]
fn a_process_whose_stream_is_not_whole_is_an_error() {
    for (scenario, wanted) in [
        ("err_rpc_bad_cwd", ErrorKind::Refused),
        ("err_rpc_cut", ErrorKind::Connection),
        ("err_rpc_end_stream_deadline", ErrorKind::Late),
        ("err_rpc_end_stream_unavailable", ErrorKind::Busy),
        ("err_rpc_unauthenticated", ErrorKind::KeyRefused),
    ] {
        let recording = recording(&format!("sdk/{scenario}.python.json"));
        let answers = recording["exchanges"].as_array().unwrap()[..2]
            .iter()
            .map(|exchange| exchange["response"].clone());
        let found = runtime().block_on(async {
            let server = Recorded::start(answers.collect()).await;
            let order = NewSandbox::new("base", Duration::from_secs(60));
            let sandbox = client(server.address).create(&order).await?;
            let mut running = sandbox.start(&NewProcess::shell("true")).await?;
            while running.next().await?.is_some() {}
            Ok::<(), rewardspec::e2b::Error>(())
        });
        assert_eq!(found.unwrap_err().kind, wanted, "{scenario}");
    }
}

#[test]
fn a_key_that_the_server_repeats_is_not_repeated() {
    runtime().block_on(async {
        let message = format!("Cannot get the team for the given API key {KEY}");
        let body = json!({"code": 401, "message": message});
        let answer = json!({"status": 401, "headers": {}, "body": body});
        let server = Recorded::start(vec![answer]).await;
        let client = client(server.address);
        let order = NewSandbox::new("base", Duration::from_secs(60));
        let error = client.create(&order).await.unwrap_err();
        for told in [
            error.to_string(),
            format!("{error:?}"),
            format!("{client:?}"),
        ] {
            assert!(!told.contains(KEY), "{told}");
        }
        assert_eq!(error.kind, ErrorKind::KeyRefused);
        let odd = Client::new(Config {
            key: Some(Secret::new("with\nline")),
            ..client.config().clone()
        });
        let error = odd.unwrap().create(&order).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::KeyRefused);
        assert!(!error.to_string().contains("with\nline"));
    });
}

fn python(code: &str, limits: Limits) -> Job {
    let word = |text: &str| Word::Text(text.to_owned());
    Job {
        program: Arc::new(Program {
            interpreter: Arc::new(Interpreter {
                language: "python".to_owned(),
                command: "python3".to_owned(),
                ..Interpreter::default()
            }),
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
            command: vec![Word::Interpreter, word("main.py")],
            ..Run::default()
        }]
        .into(),
        ending: Ending::default(),
    }
}

/// Every limit, with a real program in the emulated cloud, and nothing left of any.
#[test]
fn limits_hold_in_the_cloud() {
    const MIB: u64 = 1 << 20;
    let limits = Limits {
        wall: Duration::from_secs(3),
        cpu: Duration::from_secs(20),
        memory: 128 * MIB,
        output: 64 << 10,
        processes: 16,
        ..Limits::default()
    };
    let short = Limits {
        wall: Duration::from_millis(700),
        ..limits
    };
    let quick = Limits {
        cpu: Duration::from_millis(500),
        wall: Duration::from_secs(20),
        ..limits
    };
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = E2b::new(config, Some(2)).unwrap();
        for (code, limits, status) in [
            ("print('fine')", limits, Status::Ok),
            (
                "import os; assert os.listdir() == ['main.py']",
                limits,
                Status::Ok,
            ),
            ("raise SystemExit(3)", limits, Status::RuntimeError),
            ("import os; os.kill(os.getpid(), 11)", limits, Status::Killed),
            ("print('first', flush=True)\nwhile True: pass", short, Status::Timeout),
            ("while True: pass", quick, Status::Timeout),
            ("while True: print('x' * 1000)", limits, Status::OutputLimit),
            ("import sys\nwhile True: sys.stderr.write('x' * 1000)", limits, Status::OutputLimit),
            ("held = bytearray(b'x') * (180 << 20)\nimport time; time.sleep(2)", limits, Status::MemoryLimit),
            ("import os, time\nfor n in range(40):\n    if os.fork() == 0: time.sleep(2); os._exit(0)\ntime.sleep(2)", limits, Status::ProcessLimit),
            ("import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(600)\nprint('left')", limits, Status::Ok),
        ] {
            let ran = backend.execute(&python(code, limits)).await.unwrap().runs.remove(0);
            assert_eq!(ran.status, status, "{code}: {:?} {}", ran.reason, ran.stderr.text);
            assert!(ran.stdout.text.len() as u64 <= limits.output + 1000);
            assert_eq!((ran.backend.as_str(), emulator.living().len()), ("e2b", 0));
        }
        backend.close().await;
        emulator.stop().await;
    });
}

/// Programs that go for what another run of theirs, or the grader, has in the sandbox.
#[test]
fn a_run_finds_nothing_of_the_others_and_changes_nothing_for_them() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = E2b::new(config, Some(1)).unwrap();
        // Two runs with private data: what the first finds, takes away or changes.
        let code = "import os, shutil\nown, found = os.path.basename(os.getcwd()), []\nfor place, _, names in os.walk('/home/user'):\n    for name in names:\n        try: text = open(os.path.join(place, name), errors='replace').read()\n        except OSError: continue\n        if 'SECRET' in text: found.append(name)\nprint(found)\n\
            for name in os.listdir('/home/user'):\n    if name != own: shutil.rmtree(os.path.join('/home/user', name), ignore_errors=True)\n\
            shutil.rmtree('/home/user/rewardspec', ignore_errors=True)";
        let mut job = python(code.replace("SECRET", "SEC' + 'RET").as_str(), Limits::default());
        let run = Run {
            private: Some(b"SECRET".to_vec()),
            stdin: b"SECRET".to_vec(),
            ..job.runs[0].clone()
        };
        job.runs = [run.clone(), run].into();
        let ran = backend.execute(&job).await.unwrap();
        for run in &ran.runs {
            assert_eq!(
                (run.status, run.stdout.text.as_str()),
                (Status::Ok, "[]\n"),
                "{}",
                run.stderr.text
            );
            // It took its report away: it has reported nothing.
            assert!(run.private.is_empty());
        }
        emulator.stop().await;
    });
}

/// Threads that go on without their first do not hide a process.
#[test]
fn a_process_without_its_first_thread_is_watched_and_ended() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = E2b::new(config, Some(1)).unwrap();
        let limits = Limits {
            memory: 128 << 20,
            ..Limits::default()
        };
        let code = "import ctypes, os, threading, time\nready, tell = os.pipe()\nif os.fork() == 0:\n    def hold():\n        held = bytearray(b'x') * (180 << 20)\n        os.write(tell, b'+')\n        time.sleep(30)\n    threading.Thread(target=hold).start()\n    ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)\nos.read(ready, 1)\ntime.sleep(1)";
        let ran = backend.execute(&python(code, limits)).await.unwrap().runs.remove(0);
        assert_eq!(ran.status, Status::MemoryLimit);
        emulator.stop().await;
    });
}

#[test]
fn an_interpreter_that_the_template_has_not_is_no_low_score() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = E2b::new(config, Some(1)).unwrap();
        let mut job = python("print(1)", Limits::default());
        let mut program = Program::clone(&job.program);
        program.interpreter = Arc::new(Interpreter {
            command: "cobol9".to_owned(),
            ..Interpreter::default()
        });
        job.program = Arc::new(program);
        let error = backend.execute(&job).await.unwrap_err();
        assert!(
            error
                .message
                .contains("`cobol9` is not in the sandbox's template"),
            "{error}"
        );
        assert_eq!(emulator.living(), Vec::<String>::new());
        emulator.stop().await;
    });
}

/// Between the order and the id: what is made then is ended too.
#[test]
fn a_sandbox_that_is_being_made_is_ended_when_the_backend_closes() {
    runtime().block_on(async {
        let created = json!({"status": 201, "headers": {}, "chunks": [{"sleep_s": 1.0}, {"text": "{\"sandboxID\": \"i1\"}"}]});
        let gone = json!({"status": 204, "headers": {}, "body": Value::Null});
        let server = Recorded::start(vec![created, gone]).await;
        let backend = Arc::new(E2b::new(client(server.address).config().clone(), Some(1)).unwrap());
        let task = tokio::spawn({
            let backend = Arc::clone(&backend);
            async move { backend.execute(&python("x", Limits::default())).await.map(drop) }
        });
        while server.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
        backend.close().await;
        let asked = server.asked();
        assert!(asked.iter().any(|one| one["method"] == "DELETE" && one["path"] == "/sandboxes/i1"));
    });
}

#[test]
fn names_of_a_server_choose_no_address() {
    runtime().block_on(async {
        for body in [
            json!({"sandboxID": "x/../../teams"}),
            json!({"sandboxID": ""}),
            json!({"sandboxID": "i1", "domain": "evil.example/x"}),
        ] {
            let server =
                Recorded::start(vec![json!({"status": 201, "headers": {}, "body": body})]).await;
            let order = NewSandbox::new("base", Duration::from_secs(60));
            let error = client(server.address).create(&order).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Protocol);
        }
        // What it answers in place of JSON is not repeated, and what it says is cut.
        let told = json!({"status": 400, "headers": {}, "body": {"message": "x".repeat(1 << 20)}});
        let echo = json!({"status": 201, "headers": {}, "body": json!(KEY).to_string()});
        let server = Recorded::start(vec![told, echo.clone(), echo]).await;
        let client = client(server.address);
        let order = NewSandbox::new("base", Duration::from_secs(60));
        assert!(client.create(&order).await.unwrap_err().message.len() < 1000);
        assert!(
            !client
                .create(&order)
                .await
                .unwrap_err()
                .to_string()
                .contains(KEY)
        );
    });
}

/// A program that ends what watches it gains nothing: it failed, and not the machine. In the cloud that
/// is root's and out of its reach.
#[test]
fn what_watches_a_program_cannot_be_ended_for_gain() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = E2b::new(config, Some(1)).unwrap();
        let code = "import os, signal\nfor pid in os.listdir('/proc'):\n    if pid.isdigit() and 'Watches the processes' in open(f'/proc/{pid}/cmdline').read(): os.kill(int(pid), signal.SIGKILL)\nprint('done')";
        let job = python(code, Limits::default());
        let ran = backend.execute(&job).await.unwrap().runs.remove(0);
        assert_eq!(ran.status, Status::Killed);
        assert!(ran.reason.unwrap().contains("watches"));
        assert_eq!(emulator.living(), Vec::<String>::new());
        emulator.stop().await;
    });
}

#[test]
fn a_job_that_nobody_waits_for_leaves_no_sandbox() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = Arc::new(E2b::new(config, Some(1)).unwrap());
        let job = python(
            "import time; time.sleep(600)",
            Limits {
                wall: Duration::from_secs(600),
                ..Limits::default()
            },
        );
        let task = tokio::spawn({
            let backend = Arc::clone(&backend);
            async move { backend.execute(&job).await.map(drop) }
        });
        let begun = async {
            while !emulator
                .requests()
                .iter()
                .any(|request| request["path"] == "/process.Process/Start")
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), begun)
            .await
            .unwrap();
        task.abort();
        let ended = async {
            while !emulator.living().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended)
            .await
            .unwrap();
        emulator.stop().await;
    });
}

/// As when a thread panics: nobody closes anything.
#[test]
fn what_is_dropped_ends_its_sandboxes() {
    let beside = runtime();
    let emulator = beside.block_on(emulator(Options::default()));
    // Several times: the create's answer may have come by then, or not.
    for _ in 0..10 {
        let config = client(emulator.address()).config().clone();
        let backend = Arc::new(E2b::new(config, Some(1)).unwrap());
        let lost = runtime();
        let limits = Limits {
            wall: Duration::from_secs(600),
            ..Limits::default()
        };
        let job = python("import time; time.sleep(600)", limits);
        lost.spawn({
            let backend = Arc::clone(&backend);
            async move { backend.execute(&job).await.map(drop) }
        });
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while emulator.living().is_empty() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        drop(lost);
        drop(backend);
        assert_eq!(emulator.living(), Vec::<String>::new());
    }
    beside.block_on(emulator.stop());
}

/// The command itself, asked to end by a signal, and by its own panic's way: dropped.
#[test]
fn a_signal_ends_the_sandboxes_too() {
    let project = TempProject::new(&[(
        "suites/sleep.yaml",
        "expect: '1'\ntimeout: 60\ncases:\n  - {name: a, reply: 'import time; time.sleep(50)'}\n  - {name: b, reply: 'import time; time.sleep(50)'}\n",
    )]);
    runtime().block_on(async {
        // Several times: the signal may come while a sandbox is made, or between two.
        let ways = [
            ("run", rustix::process::Signal::INT),
            ("run", rustix::process::Signal::TERM),
            ("test", rustix::process::Signal::INT),
        ];
        for (name, signal) in ways.into_iter().cycle().take(12) {
            let emulator = emulator(Options::default()).await;
            let address = format!("http://{}", emulator.address());
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rewardspec"))
                .arg(name)
                .current_dir(project.path())
                .envs([
                    ("E2B_API_KEY", KEY),
                    ("E2B_API_URL", &address),
                    ("E2B_SANDBOX_URL", &address),
                ])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let begun = async {
                while emulator.living().len() < 2 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), begun)
                .await
                .unwrap();
            let pid = i32::try_from(command.id().unwrap()).unwrap();
            rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal)
                .unwrap();
            let status = tokio::time::timeout(Duration::from_secs(20), command.wait()).await;
            let status = status.unwrap().unwrap();
            assert_eq!(
                status.code(),
                Some(130),
                "{name} after {signal:?}: {status}"
            );
            assert_eq!(emulator.living(), Vec::<String>::new());
            emulator.stop().await;
        }
    });
}

#[test]
fn an_endless_stream_is_cut_off_and_little_of_it_kept() {
    use rewardspec::program::CloudMode;
    runtime().block_on(async {
        // Lines without end, as fast as they are read.
        let line = json!({"type": "stdout", "text": "x".repeat(60_000)}).to_string() + "\n";
        let chunk = json!({"text": line});
        let created = json!({"status": 201, "headers": {}, "body": {"sandboxID": "i1"}});
        let written = json!({"status": 200, "headers": {}, "body": []});
        let context = json!({"status": 200, "headers": {}, "body": {"id": "c1"}});
        let warmed = json!({"status": 200, "headers": {}, "chunks": [{"text": "{\"type\":\"end_of_execution\"}\n"}]});
        let endless = json!({"status": 200, "headers": {}, "chunks": vec![chunk; 2000]});
        let gone = json!({"status": 204, "headers": {}, "body": Value::Null});
        let server = Recorded::start(vec![created, written, context, warmed, endless, gone]).await;
        let backend = E2b::new(client(server.address).config().clone(), Some(1)).unwrap();
        let mut job = python("x", Limits::default());
        let mut program = Program::clone(&job.program);
        program.cloud = Cloud {
            mode: CloudMode::Notebook,
            kernel: Some("python".to_owned()),
            template: None,
        };
        job.program = Arc::new(program);
        let ran = backend.execute(&job).await.unwrap().runs.remove(0);
        assert_eq!(ran.status, Status::OutputLimit);
        assert!(ran.stdout.truncated && ran.stdout.text.len() < 2 << 20);
        let last = server.asked().pop().unwrap();
        assert_eq!((last["method"].as_str(), last["path"].as_str()), (Some("DELETE"), Some("/sandboxes/i1")));
    });
}
