//! What the local backend promises of every program, with the real interpreter.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rewardspec::backend::local::{Local, LocalOptions};
use rewardspec::execution::{
    Captured, Execution, InfrastructureError, Isolation, JobResult, Status,
};
use rewardspec::program::{
    Cloud, Ending, Interpreter, Job, Limits, Program, Run, SourceFile, Word,
};

use crate::container::{Profile, on_thread};
use crate::support::TempProject;

const MIB: u64 = 1024 * 1024;
/// How long after its limit a program may be seen.
const GONE_WITHIN: Duration = Duration::from_secs(2);

fn backend(engine: Engine, jobs: usize) -> Local {
    Local::new(LocalOptions {
        jobs: Some(jobs),
        launcher: Some(env!("CARGO_BIN_EXE_rewardspec").into()),
        uncontained: engine == Engine::Processes,
        cold: false,
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
            bytes: code.as_bytes().into(),
        }],
        build: None,
        limits,
        network: false,
        cloud: Cloud::default(),
        fork_server: None,
    };
    Job {
        program: Arc::new(program),
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

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn execute(engine: Engine, job: &Job) -> Result<JobResult, InfrastructureError> {
    runtime().block_on(async { backend(engine, 1).execute(job).await })
}

fn run_with(engine: Engine, code: &str, limits: Limits, run: Run) -> Execution {
    let mut result = execute(engine, &job(python(), code, limits, vec![run])).unwrap();
    result.runs.remove(0)
}

fn run(engine: Engine, code: &str) -> Execution {
    run_with(engine, code, roomy(), main_py())
}

/// A word in the command line of a program and all that it forks, by which they are found from
/// outside.
struct Mark(String);

impl Mark {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Mark(format!("mark-{}-{number}-", std::process::id()))
    }

    fn run(&self) -> Run {
        let mut run = main_py();
        run.command.push(Word::Text(self.0.clone()));
        run
    }

    fn lives(&self) -> bool {
        std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&self.0)
        })
    }

    #[track_caller]
    fn wait_until(&self, lives: bool, within: Duration) {
        let deadline = Instant::now() + within;
        while self.lives() != lives {
            assert!(Instant::now() < deadline, "lives: {}", !lives);
            std::thread::yield_now();
        }
    }
}

/// The ways to run programs.
#[derive(Clone, Copy, PartialEq)]
enum Engine {
    /// In slots, by the user who runs the tests.
    Sandbox,
    /// In slots, by a user who is not root.
    SandboxOfNobody,
    /// Confined, under a container's profile.
    Container,
    /// The same by a user who is not root.
    ContainerOfNobody,
    /// As mere processes.
    Processes,
}

impl Engine {
    /// Runs a test where this engine is the one that a backend gets.
    fn test(self, test: fn(Engine)) {
        let profile = match self {
            Engine::Container | Engine::ContainerOfNobody => Profile::Container,
            Engine::Sandbox | Engine::SandboxOfNobody | Engine::Processes => Profile::Machine,
        };
        let as_nobody = matches!(self, Engine::SandboxOfNobody | Engine::ContainerOfNobody);
        on_thread(as_nobody, profile, || {
            let containment = backend(self, 1).containment().unwrap().clone();
            match self {
                Engine::Processes => assert_eq!(containment.isolation, Isolation::None),
                Engine::Container | Engine::ContainerOfNobody => assert_eq!(
                    (containment.isolation, containment.missing[0].0.as_str()),
                    (Isolation::Reduced, "namespaces")
                ),
                // A machine without namespaces has nothing to test here.
                Engine::Sandbox | Engine::SandboxOfNobody => {
                    if containment
                        .missing
                        .iter()
                        .any(|(name, _)| name == "namespaces")
                    {
                        return;
                    }
                }
            }
            test(self);
        });
    }
}

/// Makes each promise a test of the engines.
macro_rules! promises {
    ($($engine:ident $variant:ident)+ => $names:tt) => {
        $(promises! { @ $engine $variant $names })+
    };
    (@ $engine:ident $variant:ident { $($name:ident)+ }) => {
        mod $engine { $(#[test] fn $name() { super::Engine::$variant.test(super::$name) })+ }
    };
}

mod forks;
mod judged;

promises! {
    sandbox Sandbox
    sandbox_of_nobody SandboxOfNobody
    container Container
    container_of_nobody ContainerOfNobody
    processes Processes
=> {
    output_and_exit_status_are_the_programs_own
    a_signal_of_its_own_making_is_killed
    ten_megabytes_of_input_arrive_whole
    input_that_is_not_read_is_no_failure
    nothing_of_the_callers_environment_is_inherited
    no_descriptor_of_the_caller_is_inherited
    the_directory_is_private_and_gone_afterwards
    output_beyond_the_cap_ends_the_program
    output_that_is_not_utf_8_is_marked
    the_wall_clock_ends_the_whole_tree
    a_daemon_that_a_program_leaves_is_ended
    processor_time_is_that_of_the_tree
    memory_is_that_of_the_tree
    the_private_descriptors_carry_bytes_both_ways
    many_programs_at_once_keep_apart
    a_missing_interpreter_is_the_machines_failure
    a_program_nobody_waits_for_is_ended
    what_is_left_is_read_and_nothing_else
    what_is_left_is_read_when_nobody_writes_it
    a_directory_that_is_shut_or_gone_is_no_failure_of_the_machine
    a_program_is_built_once
    a_build_that_nobody_waits_for_any_more_holds_nobody_up
}
}

promises! {
    contained Sandbox
    contained_of_nobody SandboxOfNobody
    contained_in_container Container
    contained_in_container_of_nobody ContainerOfNobody
=> {
    nothing_of_the_host_is_in_reach
    processes_beyond_the_limit_are_refused
    a_crowd_elsewhere_keeps_no_program_from_forking
    what_a_program_writes_is_limited_and_gone
    a_full_directory_is_told
    streams_can_be_opened_by_name
    nothing_is_born_beside_a_program
    no_datagram_leaves
    no_file_is_leased
    memory_that_hides_is_found
    what_one_leaves_is_not_the_next_ones
    what_a_build_leaves_is_its_own_failure
    a_signal_that_limits_use_is_no_limit
}
}

fn output_and_exit_status_are_the_programs_own(engine: Engine) {
    let ran = run(
        engine,
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)",
    );
    assert_eq!(ran.status, Status::RuntimeError);
    assert_eq!((ran.exit_code, ran.signal), (Some(3), None));
    assert_eq!(ran.stdout.text, "out\n");
    assert_eq!(ran.stderr.text, "err\n");
    assert_eq!(ran.backend, "local");
}

fn a_signal_of_its_own_making_is_killed(engine: Engine) {
    let ran = run(
        engine,
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    );
    assert_eq!(ran.status, Status::Killed);
    assert_eq!((ran.exit_code, ran.signal), (None, Some(11)));
}

fn ten_megabytes_of_input_arrive_whole(engine: Engine) {
    let input: Vec<u8> = (0..10_000_000_u32).map(|at| (at * 7 % 251) as u8).collect();
    let sum: u64 = input.iter().map(|byte| u64::from(*byte)).sum();
    let ran = run_with(
        engine,
        "import sys\ndata = sys.stdin.buffer.read()\nprint(len(data), sum(data))",
        roomy(),
        Run {
            stdin: input,
            ..main_py()
        },
    );
    assert_eq!(ran.stdout.text, format!("10000000 {sum}\n"));
}

fn input_that_is_not_read_is_no_failure(engine: Engine) {
    let ran = run_with(
        engine,
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

fn nothing_of_the_callers_environment_is_inherited(engine: Engine) {
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    let ran = run(
        engine,
        "print(open('/proc/self/environ').read().split('\\0'))",
    );
    assert!(!ran.stdout.text.contains("CARGO"), "{}", ran.stdout.text);
    assert!(
        !ran.stdout.text.contains("REWARDSPEC"),
        "{}",
        ran.stdout.text
    );
}

fn no_descriptor_of_the_caller_is_inherited(engine: Engine) {
    let file = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let ran = run(
        engine,
        "import os\nprint([fd for fd in range(256) if os.path.exists(f'/proc/self/fd/{fd}')])",
    );
    assert_eq!(ran.stdout.text, "[0, 1, 2]\n");
}

fn the_directory_is_private_and_gone_afterwards(engine: Engine) {
    let code = "import os\nprint(os.getcwd())\nprint(os.listdir())\nopen('left', 'w').close()\nos.mkdir('locked'); os.chmod('locked', 0)";
    let result = execute(
        engine,
        &job(python(), code, roomy(), vec![main_py(), main_py()]),
    )
    .unwrap();
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
    if seen[0][0] != "/box" {
        assert_ne!(seen[0][0], seen[1][0]);
    }
}

fn output_beyond_the_cap_ends_the_program(engine: Engine) {
    let limits = Limits {
        output: MIB,
        ..roomy()
    };
    let ran = run_with(
        engine,
        "print('first')\nwhile True: print('x' * 1000)",
        limits,
        main_py(),
    );
    assert_eq!(ran.status, Status::OutputLimit);
    assert!(ran.stdout.truncated);
    assert!(ran.stdout.text.starts_with("first\n"));
    assert!(ran.stdout.text.len() as u64 <= MIB + 1000);
}

fn output_that_is_not_utf_8_is_marked(engine: Engine) {
    let ran = run(engine, "import sys\nsys.stdout.buffer.write(b'a\\xffb')");
    assert_eq!(ran.stdout.text, "a\u{fffd}b");
    assert!(ran.stdout.lossy);
}

fn the_wall_clock_ends_the_whole_tree(engine: Engine) {
    let mark = Mark::new();
    let limit = Duration::from_secs(1);
    let code = "import os, time, signal\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         ready, tell = os.pipe()\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.write(tell, b'+')\n        time.sleep(600)\n    os._exit(0)\n\
         os.read(ready, 1)\nprint('daemon lives', flush=True)\ntime.sleep(600)";
    let begun = Instant::now();
    let limits = Limits {
        wall: limit,
        ..roomy()
    };
    let ran = run_with(engine, code, limits, mark.run());
    let took = begun.elapsed();
    assert_eq!(
        (ran.status, ran.reason.as_deref()),
        (Status::Timeout, Some("wall"))
    );
    assert_eq!(ran.stdout.text, "daemon lives\n");
    assert!(took < limit + GONE_WITHIN, "the verdict took {took:?}");
    mark.wait_until(false, GONE_WITHIN);
}

fn a_daemon_that_a_program_leaves_is_ended(engine: Engine) {
    let mark = Mark::new();
    let code = "import os, time\nready, tell = os.pipe()\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.write(tell, b'+')\n        time.sleep(600)\n    os._exit(0)\n\
         os.read(ready, 1)\nprint('done')";
    let ran = run_with(engine, code, roomy(), mark.run());
    // The daemon holds standard output open: the end of a program is not the end of its output.
    assert_eq!(
        (ran.status, ran.stdout.text.as_str()),
        (Status::Ok, "done\n")
    );
    mark.wait_until(false, GONE_WITHIN);
}

fn processor_time_is_that_of_the_tree(engine: Engine) {
    let limits = Limits {
        cpu: Duration::from_secs(1),
        ..roomy()
    };
    let ran = run_with(
        engine,
        "import os\nos.fork()\nwhile True: pass",
        limits,
        main_py(),
    );
    assert_eq!(
        (ran.status, ran.reason.as_deref()),
        (Status::Timeout, Some("cpu"))
    );
}

fn memory_is_that_of_the_tree(engine: Engine) {
    let limits = Limits {
        memory: 128 * MIB,
        ..roomy()
    };
    let code = "import os, time\nfor _ in range(3): os.fork()\nheld = bytearray(b'x' * (40 << 20))\ntime.sleep(30)";
    let ran = run_with(engine, code, limits, main_py());
    assert_eq!(ran.status, Status::MemoryLimit);
    // Not one process's; where the kernel counts, none ever had more than the limit.
    assert!(ran.peak_memory > 120 * MIB, "{}", ran.peak_memory);
}

fn the_private_descriptors_carry_bytes_both_ways(engine: Engine) {
    let ran = run_with(
        engine,
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

fn many_programs_at_once_keep_apart(engine: Engine) {
    runtime().block_on(async {
        let backend = Arc::new(backend(engine, 4));
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

fn a_crowd_elsewhere_keeps_no_program_from_forking(engine: Engine) {
    let forking = "import os, time
end = time.monotonic() + 1
while time.monotonic() < end:
    if os.fork() == 0:
        os._exit(0)
    os.wait()
print('done')";
    const CROWD: &str =
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass";
    let limits = || Limits {
        processes: 32,
        ..roomy()
    };
    runtime().block_on(async {
        let backend = backend(engine, 2);
        let forking = job(python(), forking, limits(), vec![main_py()]);
        let crowd = Limits {
            wall: Duration::from_secs(2),
            ..limits()
        };
        let crowd = job(python(), CROWD, crowd, vec![main_py()]);
        let (forked, _) = tokio::join!(backend.execute(&forking), backend.execute(&crowd));
        let forked = forked.unwrap().runs.remove(0);
        assert_eq!(forked.stdout.text, "done\n", "{forked:?}");
    });
}

fn a_missing_interpreter_is_the_machines_failure(engine: Engine) {
    let interpreter = Interpreter {
        language: "cobol".to_owned(),
        command: "no-such-cobol".to_owned(),
        install: Some("apt-get install cobol".to_owned()),
        ..Interpreter::default()
    };
    let error = execute(engine, &job(interpreter, "", roomy(), vec![main_py()])).unwrap_err();
    assert!(error.message.contains("no-such-cobol"), "{error}");
    assert!(error.message.contains("apt-get install cobol"), "{error}");
}

fn a_program_nobody_waits_for_is_ended(engine: Engine) {
    let mark = Arc::new(Mark::new());
    let seen = |lives| {
        let mark = Arc::clone(&mark);
        tokio::task::spawn_blocking(move || mark.wait_until(lives, Duration::from_secs(20)))
    };
    runtime().block_on(async {
        let backend = Arc::new(backend(engine, 1));
        let task = tokio::spawn({
            let backend = Arc::clone(&backend);
            let job = job(
                python(),
                "import time\ntime.sleep(600)",
                roomy(),
                vec![mark.run()],
            );
            async move { backend.execute(&job).await.map(drop) }
        });
        seen(true).await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        seen(false).await.unwrap();
        // Its slot is free again.
        let next = job(python(), "print(1)", roomy(), vec![main_py()]);
        assert_eq!(
            backend.execute(&next).await.unwrap().runs[0].stdout.text,
            "1\n"
        );
    });
}

fn collecting(paths: &[&str]) -> Run {
    Run {
        collect: paths.iter().map(|path| (*path).to_owned()).collect(),
        ..main_py()
    }
}

/// What was read of a file that was asked for.
fn left<'r>(ran: &'r Execution, path: &str) -> Option<&'r Captured> {
    let file = ran.files.iter().find(|file| file.path == path);
    file.unwrap().content.as_ref()
}

fn what_is_left_is_read_and_nothing_else(engine: Engine) {
    let code = "import os, socket, stat, sys
def attempt(what):
    try: what()
    except OSError: pass
def write(path, text):
    with open(path, 'w') as file: file.write(text)
os.makedirs('deep/er')
write('deep/er/file', 'kept')
write('empty', '')
os.symlink('/etc/passwd', 'link')
os.symlink('/etc', 'linked')
os.symlink('deep', 'near')
os.symlink('loop', 'loop')
os.mkfifo('pipe')
os.mkdir('directory')
attempt(lambda: os.mknod('device', stat.S_IFCHR | 0o666, os.makedev(1, 5)))
attempt(lambda: socket.socket(socket.AF_UNIX).bind('socket'))
attempt(lambda: os.link(os.path.realpath(sys.executable), 'hard'))
write('locked', 'kept')
attempt(lambda: os.chmod('locked', 0))
for mode in (0, 0o400, 0o100):
    os.mkdir(f'shut{mode}')
    write(f'shut{mode}/file', 'kept')
    attempt(lambda: os.chmod(f'shut{mode}/file', 0))
    attempt(lambda: os.chmod(f'shut{mode}', mode))
write('large', 'x' * 100_000)
with open('sparse', 'w') as file: file.truncate(50 << 20)
";
    let kept = [
        "deep/er/file",
        "locked",
        "shut0/file",
        "shut256/file",
        "shut64/file",
    ];
    let absent = [
        "link",
        "linked/passwd",
        "near/er/file",
        "loop",
        "loop/x",
        "pipe",
        "pipe/x",
        "directory",
        "device",
        "socket",
        "none",
        "locked/x",
    ];
    let larger = ["large", "sparse"];
    let paths = [&kept[..], &absent, &larger, &["empty", "hard"]].concat();
    let limits = Limits {
        output: 64 * 1024,
        ..roomy()
    };
    let ran = run_with(engine, code, limits, collecting(&paths));
    assert_eq!(ran.status, Status::Ok, "{}", ran.stderr.text);
    let asked: Vec<&str> = ran.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(asked, paths);
    for path in kept {
        let text = left(&ran, path).map(|content| content.text.as_str());
        assert_eq!(text, Some("kept"), "{path}");
    }
    for path in absent {
        assert_eq!(left(&ran, path), None, "{path}");
    }
    for path in larger {
        assert!(left(&ran, path).unwrap().truncated, "{path}");
    }
    assert_eq!(left(&ran, "empty"), Some(&Captured::default()));
    // Uncontained, what it may read it may print as well.
    assert!(engine == Engine::Processes || left(&ran, "hard").is_none());
}

fn what_is_left_is_read_when_nobody_writes_it(engine: Engine) {
    let mark = Mark::new();
    let code = "import os, time
ready, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    grown = open('grows', 'w')
    told = False
    while True:
        grown.write('x')
        grown.flush()
        os.symlink('/etc/passwd', 'next')
        os.rename('next', 'swapped')
        with open('next', 'w') as file: file.write('mine')
        os.rename('next', 'swapped')
        if not told: told = os.write(tell, b'+')
os.read(ready, 1)
";
    let run = Run {
        collect: vec!["grows".to_owned(), "swapped".to_owned()],
        ..mark.run()
    };
    let ran = run_with(engine, code, roomy(), run);
    assert_eq!(ran.status, Status::Ok, "{}", ran.stderr.text);
    let grown = left(&ran, "grows").unwrap();
    assert!(
        !grown.text.is_empty()
            && grown
                .text
                .chars()
                .all(|letter| letter == 'x' || grown.truncated)
    );
    assert!(
        left(&ran, "swapped").is_none_or(|content| ["mine", ""].contains(&content.text.as_str()))
    );
    mark.wait_until(false, GONE_WITHIN);
}

fn a_directory_that_is_shut_or_gone_is_no_failure_of_the_machine(engine: Engine) {
    let write = "import os, shutil\nopen('file', 'w').write('kept')\n";
    let ran = run_with(
        engine,
        &format!("{write}try: os.chmod('.', 0)\nexcept OSError: pass"),
        roomy(),
        collecting(&["file"]),
    );
    assert_eq!(
        left(&ran, "file").map(|content| content.text.as_str()),
        Some("kept")
    );
    for attack in [
        "shutil.rmtree(os.getcwd(), ignore_errors=True)",
        "try: os.rename(os.getcwd(), os.getcwd() + '-gone')\nexcept OSError: os.remove('file')",
        "shutil.rmtree(os.getcwd(), ignore_errors=True)\ntry: os.symlink('/etc', os.getcwd())\nexcept OSError: pass",
    ] {
        let ran = run_with(
            engine,
            &format!("{write}{attack}"),
            roomy(),
            collecting(&["file", "passwd"]),
        );
        assert_eq!(left(&ran, "file"), None, "{attack}");
        assert_eq!(left(&ran, "passwd"), None, "{attack}");
    }
}

fn nothing_of_the_host_is_in_reach(engine: Engine) {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "kept").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o666)).unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    let code = format!(
        "import os, socket\n\
         def reach(name, attempt):\n    try: attempt(); print(name)\n    except OSError: pass\n\
         reach('file', lambda: open({secret:?}))\n\
         reach('system', lambda: open('/usr/x', 'w'))\n\
         reach('home', lambda: os.listdir('/root') + os.listdir('/home'))\n\
         reach('shadow', lambda: open('/etc/shadow'))\n\
         reach('socket', lambda: socket.socket(socket.AF_UNIX).connect({path:?}))\n\
         reach('network', lambda: socket.create_connection(('127.0.0.1', {})))\n\
         reach('parent', lambda: os.kill({}, 0))\n\
         reach('mount', lambda: os.unshare(0x20000) if hasattr(os, 'unshare') else open('/nowhere'))\n\
         assert os.getuid() != 0 and os.geteuid() != 0\n\
         open('own', 'w').write('x')\nprint('own', open('own').read())",
        tcp.local_addr().unwrap().port(),
        std::process::id(),
    );
    let ran = run(engine, &code);
    assert_eq!(
        (ran.stdout.text.as_str(), ran.stderr.text.as_str()),
        ("own x\n", "")
    );
    assert!(listener.accept().is_err() && tcp.accept().is_err());
}

fn processes_beyond_the_limit_are_refused(engine: Engine) {
    let code = "import os, time, sys\nmade = 0\ntry:\n    while made < 500:\n        if os.fork() == 0: time.sleep(600)\n        made += 1\nexcept OSError: pass\nprint(made)\nsys.exit(1)";
    let limits = Limits {
        processes: 20,
        ..roomy()
    };
    let ran = run_with(engine, code, limits, main_py());
    if engine == Engine::ContainerOfNobody {
        // Counted by sampling, beyond the limit or not when it ends.
        assert_ne!(ran.status, Status::Ok);
        return;
    }
    let made: u64 = ran.stdout.text.trim().parse().unwrap();
    assert!((10..=20).contains(&made), "{made}");
    assert!([Status::ProcessLimit, Status::RuntimeError].contains(&ran.status));
}

fn what_a_program_writes_is_limited_and_gone(engine: Engine) {
    let limits = Limits {
        disk: MIB,
        inodes: 50,
        ..roomy()
    };
    let code = "try:\n    open('big', 'wb').write(bytes(2 << 20))\nexcept OSError as error: print(error.errno, flush=True)\n\
                import os\nos.remove('big')\nmade = 0\ntry:\n    while made < 500:\n        open(f'f{made}', 'w').close(); made += 1\nexcept OSError as error: print(error.errno, made < 50)";
    let ran = run_with(engine, code, limits, main_py());
    if matches!(engine, Engine::Container | Engine::ContainerOfNobody) {
        // A file is limited by the kernel; the number of files by looking at it.
        assert!(ran.stdout.text.starts_with("27\n"), "{}", ran.stdout.text);
        let endless = "import os\nmade = 0\nwhile True:\n    os.mkdir(f'd{made}'); made += 1";
        let ran = run_with(engine, endless, limits, main_py());
        assert_eq!(ran.status, Status::Killed);
        assert!(ran.reason.unwrap().contains("files"));
        return;
    }
    // EFBIG or ENOSPC, then ENOSPC.
    let lines: Vec<&str> = ran.stdout.text.lines().collect();
    assert!(["27", "28"].contains(&lines[0]), "{lines:?}");
    assert_eq!(lines[1], "28 True");
}

fn a_full_directory_is_told(engine: Engine) {
    let limits = Limits {
        disk: MIB,
        inodes: 50,
        ..roomy()
    };
    let large = "open('big', 'wb', 0).write(bytes(2 << 20))\nraise SystemExit(1)";
    let ran = run_with(engine, large, limits, main_py());
    assert_eq!(ran.status, Status::RuntimeError);
    assert!(ran.reason.unwrap_or_default().contains("disk"));
    if matches!(engine, Engine::Sandbox | Engine::SandboxOfNobody) {
        let many = "for made in range(100): open(f'f{made}', 'w').close()";
        let ran = run_with(engine, many, limits, main_py());
        assert!(ran.reason.unwrap_or_default().contains("files"));
    }
}

fn streams_can_be_opened_by_name(engine: Engine) {
    let code = "text = open('/dev/stdin').read()\nopen('/dev/stdout', 'w').write(text)\nopen('/dev/stderr', 'w').write(text)";
    let run = Run {
        stdin: b"said\n".to_vec(),
        ..main_py()
    };
    let ran = run_with(engine, code, roomy(), run);
    assert_eq!(
        (ran.stdout.text.as_str(), ran.stderr.text.as_str()),
        ("said\n", "said\n")
    );
}

/// A child of one's parent would be a child of the supervisor, which waits for none such.
fn nothing_is_born_beside_a_program(engine: Engine) {
    let code = "import ctypes, os\nlibc = ctypes.CDLL(None)\nsibling = libc.syscall(56 if os.uname().machine == 'x86_64' else 220, 0x8000, 0, 0, 0, 0)\nif sibling == 0: os._exit(0)\nprint(sibling)";
    let ran = run(engine, code);
    assert_eq!((ran.status, ran.stdout.text.as_str()), (Status::Ok, "-1\n"));
}

fn no_datagram_leaves(engine: Engine) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let path = directory.path().join("socket");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let code = format!(
        "import array, socket\nfor kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):\n\
         \x20   try:\n        one, other = socket.socketpair(socket.AF_UNIX, kind)\n\
         \x20       one.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1]))], 0, {path:?})\n\
         \x20   except OSError: pass\nprint('done')"
    );
    let ran = run(engine, &code);
    assert_eq!(ran.stdout.text, "done\n", "{}", ran.stderr.text);
    assert!(socket.recv(&mut [0; 8]).is_err());
}

/// A lease holds up whoever opens the file.
fn no_file_is_leased(engine: Engine) {
    let code = "import fcntl, os\nopen('own', 'w').close()\ntry:\n    fcntl.fcntl(os.open('own', os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)\n    print('leased')\nexcept OSError: print('refused')";
    assert_eq!(run(engine, code).stdout.text, "refused\n");
}

fn memory_that_hides_is_found(engine: Engine) {
    let limits = Limits {
        memory: 64 * MIB,
        ..roomy()
    };
    for (what, code) in [
        (
            "shared pages that are not resident",
            "import mmap, time\nheld = []\nfor n in range(40):\n    one = mmap.mmap(-1, 10 << 20)\n    one.write(b'x' * (10 << 20))\n    one.madvise(mmap.MADV_DONTNEED)\n    held.append(one)\ntime.sleep(1)",
        ),
        (
            "page tables",
            "import mmap, time\nheld = []\nfor n in range(100):\n    one = mmap.mmap(-1, 4 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, mmap.PROT_READ)\n    held.append(one)\n    for at in range(0, 4 << 30, 2 << 20): one[at]\ntime.sleep(1)",
        ),
        (
            "threads without their first",
            "import ctypes, os, threading, time\ndef hold():\n    time.sleep(0.3)\n    held = bytearray(b'x' * (110 << 20))\n    time.sleep(1)\n    os._exit(0)\nthreading.Thread(target=hold).start()\nctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)",
        ),
    ] {
        let ran = run_with(engine, code, limits, main_py());
        assert_ne!(ran.status, Status::Ok, "{what}");
    }
}

/// Memory of namespaces is given back late, and a program may have the wrong one ended.
fn what_one_leaves_is_not_the_next_ones(engine: Engine) {
    let limits = Limits {
        memory: 64 * MIB,
        disk: 128 * MIB,
        ..roomy()
    };
    let leaves = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.shmat.restype = ctypes.c_void_p\n\
        for n in range(5):\n    number = libc.shmget(0, 10 << 20, 0o1600)\n    if number < 0: break\n    ctypes.memset(libc.shmat(number, None, 0), 1, 10 << 20)\n\
        open('large', 'wb').write(bytes(20 << 20))";
    let fills =
        "import os\nos.execvp('dd', ['dd', 'if=/dev/zero', 'of=large', 'bs=64k', 'count=1600'])";
    runtime().block_on(async {
        let backend = backend(engine, 1);
        for code in [leaves, fills, leaves, fills] {
            let attack = job(python(), code, limits, vec![main_py()]);
            backend.execute(&attack).await.unwrap();
            let small = "held = b'x' * (35 << 20)\nprint('fits')";
            let next = job(python(), small, limits, vec![main_py()]);
            let ran = backend.execute(&next).await.unwrap().runs.remove(0);
            assert_eq!(
                (ran.status, ran.stdout.text.as_str()),
                (Status::Ok, "fits\n")
            );
        }
    });
}

fn what_a_build_leaves_is_its_own_failure(engine: Engine) {
    let limits = Limits {
        disk: 4 * MIB,
        ..roomy()
    };
    for code in [
        // No program, or none that can be executed.
        "pass",
        "open('out', 'w').write('x')",
        // Things that are hard to read.
        "import os\nos.mkdir('locked')\nopen('locked/file', 'w').close()\nos.chmod('locked', 0)",
        "import os\nopen('file', 'w').close(); os.mkfifo('pipe')\nos.chmod('file', 0)",
        "import os\nfor n in range(1000): os.mkdir(f'd{n}')",
        // What only seems small.
        "for n in range(4): open(f'f{n}', 'w').truncate(3 << 20)",
        // Somebody who goes on.
        "import os\nif os.fork() == 0:\n    while True:\n        open('x', 'w').close(); os.remove('x')",
    ] {
        let mut program = Program::clone(&job(python(), code, limits, Vec::new()).program);
        program.build = Some(main_py().command);
        let runs = vec![Run {
            command: vec![Word::Text("./out".to_owned())],
            ..Run::default()
        }];
        let job = Job {
            program: Arc::new(program),
            runs: runs.into(),
            ending: Ending::default(),
        };
        let result = execute(engine, &job).unwrap();
        let last = result.runs.last().or(result.build.as_ref()).unwrap();
        let failed = [Status::RuntimeError, Status::CompileError];
        assert!(failed.contains(&last.status), "{code}: {:?}", last.status);
    }
}

/// A program whose build leaves a number drawn by lot, which each of its runs says.
fn drawing(code: &str, runs: usize) -> Job {
    let mut program = Program::clone(&job(python(), code, roomy(), Vec::new()).program);
    program.build = Some(main_py().command);
    let run = Run {
        command: vec![
            Word::Text("/bin/cat".to_owned()),
            Word::Text("drawn".to_owned()),
        ],
        ..Run::default()
    };
    Job {
        program: Arc::new(program),
        runs: vec![run; runs].into(),
        ending: Ending::default(),
    }
}

const DRAW: &str = "import os\nprint(os.urandom(16).hex(), end='', file=open('drawn', 'w'))\n";

fn a_program_is_built_once(engine: Engine) {
    let backend = Arc::new(backend(engine, 2));
    let other = format!("{DRAW}# Another program.\n");
    let codes = [DRAW, &other];
    let refused = "print('refused'); import os, sys; print(os.urandom(16).hex()); sys.exit(1)";
    runtime().block_on(async {
        let mut drawn = [const { Vec::new() }; 2];
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..6 {
            let backend = Arc::clone(&backend);
            let job = drawing(codes[number % 2], 2);
            tasks.spawn(async move { (number % 2, backend.execute(&job).await.unwrap()) });
        }
        while let Some(ended) = tasks.join_next().await {
            let (which, result) = ended.unwrap();
            let build = result.build.unwrap();
            assert_eq!((build.status, result.runs.len()), (Status::Ok, 2));
            for run in result.runs {
                assert_eq!(run.stdout.text.len(), 32, "{run:?}");
                drawn[which].push((run.stdout.text, build.wall));
            }
        }
        // Also the time that the build took is that of the one build.
        for drawn in &drawn {
            assert!(drawn.iter().all(|other| *other == drawn[0]), "{drawn:?}");
        }
        assert_ne!(drawn[0][0].0, drawn[1][0].0);
        // One that is refused is refused again; the next backend asks anew.
        let said = async |backend: &Local| {
            let result = backend.execute(&drawing(refused, 1)).await.unwrap();
            assert!(result.runs.is_empty());
            let build = result.build.unwrap();
            assert_eq!(build.status, Status::CompileError);
            build.stdout.text
        };
        let first = said(&backend).await;
        assert_eq!(said(&backend).await, first);
        assert_ne!(said(&super::local::backend(engine, 1)).await, first);
    });
}

fn a_build_that_nobody_waits_for_any_more_holds_nobody_up(engine: Engine) {
    let backend = Arc::new(backend(engine, 1));
    let slow = drawing(&format!("import time\ntime.sleep(1)\n{DRAW}"), 1);
    runtime().block_on(async {
        let start = || {
            let (backend, job) = (Arc::clone(&backend), slow.clone());
            tokio::spawn(async move { backend.execute(&job).await })
        };
        let (first, second) = (start(), start());
        tokio::time::sleep(Duration::from_millis(500)).await;
        first.abort();
        let second = tokio::time::timeout(Duration::from_secs(30), second).await;
        let result = second.expect("it builds").unwrap().unwrap();
        assert_eq!(result.runs[0].status, Status::Ok);
    });
}

fn a_signal_that_limits_use_is_no_limit(engine: Engine) {
    let ran = run(
        engine,
        "import os, signal\nos.kill(os.getpid(), signal.SIGXCPU)",
    );
    assert_eq!(ran.status, Status::Killed);
}

#[test]
fn children_that_nobody_waits_for_are_counted() {
    Engine::Sandbox.test(|engine| {
        if backend(engine, 1).containment().unwrap().isolation != Isolation::Full {
            // Counted by control groups only.
            return;
        }
        let limits = Limits {
            cpu: Duration::from_secs(1),
            ..roomy()
        };
        let code = "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n    if os.fork() == 0:\n        end = time.process_time() + 0.005\n        while time.process_time() < end: pass\n        os._exit(0)\n    time.sleep(0.004)";
        let ran = run_with(engine, code, limits, main_py());
        assert_eq!(
            (ran.status, ran.reason.as_deref()),
            (Status::Timeout, Some("cpu"))
        );
    });
}

#[test]
fn an_interrupt_ends_scoring_at_once() {
    let mark = Mark::new();
    let project = TempProject::new(&[]);
    let mut supervisor = std::process::Command::new(env!("CARGO_BIN_EXE_rewardspec"))
        .arg("score")
        .current_dir(project.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut rows = supervisor.stdin.take().unwrap();
    for _ in 0..8 {
        let row = serde_json::json!({
            "code": "import time; time.sleep(600)", "args": [mark.0], "timeout": 60, "expect": {"runs": true},
        });
        std::io::Write::write_all(&mut rows, format!("{row}\n").as_bytes()).unwrap();
    }
    mark.wait_until(true, Duration::from_secs(20));
    let pid = rustix::process::Pid::from_child(&supervisor);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(supervisor.wait().unwrap().code(), Some(130));
    mark.wait_until(false, GONE_WITHIN);
}

#[test]
fn a_killed_supervisor_leaves_nothing() {
    on_thread(false, Profile::Machine, killed_supervisor);
}

#[test]
fn a_killed_supervisor_leaves_nothing_in_a_container() {
    on_thread(false, Profile::Container, killed_supervisor);
}

fn killed_supervisor() {
    let mark = Mark::new();
    let project = TempProject::new(&[(
        "suites/sleep.yaml",
        &format!(
            "args: [{}]\nexpect: '1'\ncases:\n  - {{name: sleeps, reply: 'import time; time.sleep(600)'}}\n",
            mark.0
        ),
    )]);
    let mut supervisor = std::process::Command::new(env!("CARGO_BIN_EXE_rewardspec"))
        .arg("run")
        .current_dir(project.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    mark.wait_until(true, Duration::from_secs(20));
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    mark.wait_until(false, GONE_WITHIN);
    let groups = format!("rewardspec-{}-", supervisor.id());
    let deadline = Instant::now() + GONE_WITHIN;
    while groups_left(Path::new("/sys/fs/cgroup"), &groups) {
        assert!(Instant::now() < deadline, "a control group is left");
        std::thread::yield_now();
    }
}

fn groups_left(directory: &Path, prefix: &str) -> bool {
    std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            entry.file_name().to_string_lossy().starts_with(prefix)
                || entry.file_type().is_ok_and(|kind| kind.is_dir())
                    && groups_left(&entry.path(), prefix)
        })
}
