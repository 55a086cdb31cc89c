//! What the local backend promises of a program and the judge that talks with it.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewardspec::backend::local::Local;
use rewardspec::execution::{Execution, Status};
use rewardspec::program::{Judge, Limits, Run, SourceFile, Word};

use crate::container::{Profile, on_thread};

use super::{
    Engine, GONE_WITHIN, MIB, Mark, backend, execute, job, main_py, python, roomy, runtime,
};

promises! {
    sandbox Sandbox
    sandbox_of_nobody SandboxOfNobody
    container Container
    container_of_nobody ContainerOfNobody
    processes Processes
=> {
    a_program_and_its_judge_talk
    messages_of_a_megabyte_go_both_ways
    each_run_has_a_judge_of_its_own
    a_judge_hears_that_its_program_ended
    a_program_that_does_not_answer_meets_its_own_limit
    a_program_that_is_left_alone_is_no_failure
    the_channel_is_all_that_is_added
    a_judge_has_limits_of_its_own
    a_judge_that_cannot_be_started_is_the_machines_failure
    many_pairs_at_once_keep_apart
    a_pair_nobody_waits_for_is_ended
}
}

promises! {
    contained Sandbox
    contained_of_nobody SandboxOfNobody
    contained_in_container Container
    contained_in_container_of_nobody ContainerOfNobody
=> {
    a_judge_is_out_of_its_programs_reach
}
}

/// What the judges of these tests begin with.
const JUDGE: &str = "import os, sys, time
order = os.fdopen(3, 'rb').read().decode()
program, told = os.fdopen(0, 'rb', closefd=False), os.fdopen(1, 'wb', closefd=False)
def say(line):
    told.write(line.encode() + b'\\n')
    told.flush()
def hear():
    return program.readline().decode().rstrip('\\n')
def report(text):
    os.write(4, str(text).encode())
";

/// What the programs of these tests begin with.
const PROGRAM: &str = "import os, sys, time
judge, told = os.fdopen(3, 'rb', closefd=False), os.fdopen(4, 'wb', closefd=False)
def say(line):
    told.write(line.encode() + b'\\n')
    told.flush()
def hear():
    return judge.readline().decode().rstrip('\\n')
";

fn judge(code: &str) -> Judge {
    Judge {
        command: vec![
            Word::Interpreter,
            Word::Text("-I".to_owned()),
            Word::Text("judge.py".to_owned()),
        ],
        files: vec![SourceFile {
            path: "judge.py".to_owned(),
            bytes: format!("{JUDGE}{code}").into_bytes().into(),
        }],
        order: b"order".to_vec(),
        limits: roomy(),
        fork_server: None,
    }
}

fn judged_by(judge: Judge) -> Run {
    Run {
        judge: Some(Arc::new(judge)),
        ..main_py()
    }
}

/// The program's execution and its judge's.
fn talk_of(engine: Engine, program: &str, limits: Limits, run: Run) -> (Execution, Execution) {
    let job = job(python(), &format!("{PROGRAM}{program}"), limits, vec![run]);
    split(execute(engine, &job).unwrap().runs.remove(0))
}

fn split(mut ran: Execution) -> (Execution, Execution) {
    let judged = ran.judge.take().unwrap();
    (ran, *judged)
}

fn talk(engine: Engine, program: &str, code: &str) -> (Execution, Execution) {
    talk_of(engine, program, roomy(), judged_by(judge(code)))
}

fn report(judged: &Execution) -> &str {
    std::str::from_utf8(&judged.private).unwrap()
}

fn a_program_and_its_judge_talk(engine: Engine) {
    let run = Run {
        stdin: b"given".to_vec(),
        ..judged_by(judge(
            "say('two')\nreport(order + ' ' + hear())\nprint('why', file=sys.stderr)",
        ))
    };
    let (ran, judged) = talk_of(
        engine,
        "say(hear() * 2)\nprint('out', sys.stdin.read())\nprint('err', file=sys.stderr)\nassert judge.read() == b''",
        roomy(),
        run,
    );
    assert_eq!((ran.status, ran.exit_code), (Status::Ok, Some(0)));
    assert_eq!(
        (ran.stdout.text.as_str(), ran.stderr.text.as_str()),
        ("out given\n", "err\n")
    );
    assert!(ran.private.is_empty());
    assert_eq!((judged.status, judged.exit_code), (Status::Ok, Some(0)));
    assert_eq!(report(&judged), "order twotwo");
    assert_eq!(
        (judged.stdout.text.as_str(), judged.stderr.text.as_str()),
        ("", "why\n")
    );
    assert_eq!(judged.isolation, ran.isolation);
}

fn messages_of_a_megabyte_go_both_ways(engine: Engine) {
    let (ran, judged) = talk(
        engine,
        "while True:\n    line = hear()\n    if not line: break\n    say(line[::-1])",
        "for n in range(5):\n    text = chr(97 + n) * (1 << 20) + '!'\n    say(text)\n    assert hear() == text[::-1]\nreport('whole')",
    );
    assert_eq!((ran.status, report(&judged)), (Status::Ok, "whole"));
}

fn each_run_has_a_judge_of_its_own(engine: Engine) {
    let run = judged_by(judge("open('mine', 'x').close()\nsay('x')\nreport(hear())"));
    let code = format!("{PROGRAM}open('mine', 'x').close()\nsay(hear() + sys.stdin.read())");
    let runs = ["1", "2", "3"].map(|stdin| Run {
        stdin: stdin.as_bytes().to_vec(),
        ..run.clone()
    });
    let mut runs = runs.to_vec();
    // One without, too.
    runs.insert(
        1,
        Run {
            judge: None,
            private: Some(b"y\n".to_vec()),
            ..run.clone()
        },
    );
    let result = execute(engine, &job(python(), &code, roomy(), runs)).unwrap();
    let reports = result.runs.iter().map(|ran| match &ran.judge {
        Some(judged) => report(judged),
        None => report(ran),
    });
    assert_eq!(reports.collect::<Vec<_>>(), ["x1", "y\n", "x2", "x3"]);
}

fn a_judge_hears_that_its_program_ended(engine: Engine) {
    // What it said last is not read by anybody.
    let code = "heard = []
def attempt(text):
    try: say(text)
    except BrokenPipeError: heard.append('gone')
attempt('x')
heard = [hear(), hear()]
attempt('y' * 100_000)
report(heard)
os._exit(0)";
    for (program, status, heard) in [
        ("sys.exit(3)", Status::RuntimeError, "['', '', 'gone']"),
        (
            "say('last'); sys.exit(0)",
            Status::Ok,
            "['last', '', 'gone']",
        ),
        (
            "import signal\nos.kill(os.getpid(), signal.SIGKILL)",
            Status::Killed,
            "['', '', 'gone']",
        ),
        // One that stays holds the channel open no longer than the program lives.
        (
            "ready, tell = os.pipe()\nif os.fork() == 0:\n    os.setsid()\n    os.write(tell, b'+')\n    time.sleep(600)\nos.read(ready, 1)\nos._exit(4)",
            Status::RuntimeError,
            "['', '', 'gone']",
        ),
    ] {
        let (ran, judged) = talk(engine, program, code);
        assert_eq!(ran.status, status, "{program}");
        assert_eq!(
            (judged.status, report(&judged)),
            (Status::Ok, heard),
            "{program}"
        );
    }
}

fn a_program_that_does_not_answer_meets_its_own_limit(engine: Engine) {
    let limits = Limits {
        wall: Duration::from_secs(1),
        ..roomy()
    };
    for program in [
        "hear()\ntime.sleep(600)",
        // It hangs up, so that its judge ends first.
        "hear()\nos.close(3); os.close(4)\ntime.sleep(600)",
    ] {
        let run = judged_by(judge("say('x')\nreport(repr(hear()))"));
        let (ran, judged) = talk_of(engine, program, limits, run);
        assert_eq!(
            (ran.status, ran.reason.as_deref()),
            (Status::Timeout, Some("wall")),
            "{program}"
        );
        assert_eq!((judged.status, report(&judged)), (Status::Ok, "''"));
    }
}

fn a_program_that_is_left_alone_is_no_failure(engine: Engine) {
    for (end, exit_code) in [
        ("sys.exit(0)", Some(0)),
        ("sys.exit(5)", Some(5)),
        ("time.sleep(600)", None),
        ("while True: pass", None),
    ] {
        let mark = Mark::new();
        let run = Run {
            judge: Some(Arc::new(judge("say('x')\nreport(hear())"))),
            ..mark.run()
        };
        let program = format!("say(hear())\nprint('said', flush=True)\nassert hear() == ''\n{end}");
        let (ran, judged) = talk_of(engine, &program, roomy(), run);
        assert_eq!(
            (ran.status, ran.exit_code),
            (Status::Ok, exit_code),
            "{end}"
        );
        assert_eq!(ran.stdout.text, "said\n");
        assert_eq!(report(&judged), "x");
        assert!(ran.wall < roomy().wall / 2);
        mark.wait_until(false, GONE_WITHIN);
    }
}

fn the_channel_is_all_that_is_added(engine: Engine) {
    let open = "str([fd for fd in range(256) if os.path.exists(f'/proc/self/fd/{fd}')])";
    let (_, judged) = talk(
        engine,
        &format!("say({open})"),
        &format!("own = {open}\nreport(own + hear())"),
    );
    // The judge has read its order and closed it.
    assert_eq!(report(&judged), "[0, 1, 2, 4][0, 1, 2, 3, 4]");
}

fn a_judge_has_limits_of_its_own(engine: Engine) {
    let answers = "assert hear() == ''";
    let memory = Judge {
        limits: Limits {
            memory: 64 * MIB,
            ..roomy()
        },
        ..judge("held = bytearray(b'x' * (90 << 20))\ntime.sleep(30)")
    };
    let wall = Judge {
        limits: Limits {
            wall: Duration::from_secs(1),
            ..roomy()
        },
        ..judge("report('begun')\nhear()")
    };
    for (judge, status, told) in [
        (memory, Status::MemoryLimit, ""),
        (wall, Status::Timeout, "begun"),
    ] {
        let (ran, judged) = talk_of(engine, answers, roomy(), judged_by(judge));
        assert_eq!(ran.status, Status::Ok, "{}", ran.stderr.text);
        assert_eq!((judged.status, report(&judged)), (status, told));
    }
}

fn a_judge_that_cannot_be_started_is_the_machines_failure(engine: Engine) {
    let mark = Mark::new();
    let judge = Judge {
        command: vec![Word::Text("/nowhere/judge".to_owned())],
        ..judge("")
    };
    let run = Run {
        judge: Some(Arc::new(judge)),
        ..mark.run()
    };
    let code = format!("{PROGRAM}time.sleep(600)");
    let error = execute(engine, &job(python(), &code, roomy(), vec![run])).unwrap_err();
    assert!(error.message.contains("/nowhere/judge"), "{error}");
    mark.wait_until(false, GONE_WITHIN);
}

fn many_pairs_at_once_keep_apart(engine: Engine) {
    runtime().block_on(async {
        let backend = Arc::new(backend(engine, 2));
        let running: Vec<_> = (0..20)
            .map(|number| {
                let backend = Arc::clone(&backend);
                let run = judged_by(judge(&format!("say('{number}')\nreport(hear())")));
                let job = job(
                    python(),
                    &format!("{PROGRAM}say(hear())"),
                    roomy(),
                    vec![run],
                );
                tokio::spawn(async move { backend.execute(&job).await.unwrap().runs.remove(0) })
            })
            .collect();
        for (number, task) in running.into_iter().enumerate() {
            let (ran, judged) = split(task.await.unwrap());
            assert_eq!(ran.status, Status::Ok);
            assert_eq!(report(&judged), number.to_string());
        }
    });
}

fn a_pair_nobody_waits_for_is_ended(engine: Engine) {
    let (mark, judges) = (Arc::new(Mark::new()), Arc::new(Mark::new()));
    let seen = |lives| {
        let (mark, judges) = (Arc::clone(&mark), Arc::clone(&judges));
        tokio::task::spawn_blocking(move || {
            mark.wait_until(lives, Duration::from_secs(20));
            judges.wait_until(lives, Duration::from_secs(20));
        })
    };
    let mut judge = judge("time.sleep(600)");
    judge.command.push(Word::Text(judges.0.clone()));
    let run = Run {
        judge: Some(Arc::new(judge)),
        ..mark.run()
    };
    runtime().block_on(async {
        let backend: Arc<Local> = Arc::new(backend(engine, 1));
        let job = job(
            python(),
            &format!("{PROGRAM}hear()\ntime.sleep(600)"),
            roomy(),
            vec![run],
        );
        let task = tokio::spawn({
            let (backend, job) = (Arc::clone(&backend), job.clone());
            async move { backend.execute(&job).await.map(drop) }
        });
        seen(true).await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        seen(false).await.unwrap();
        // Their slot is free again.
        let next = super::job(
            python(),
            &format!("{PROGRAM}say(hear())"),
            roomy(),
            vec![judged_by(self::judge("say('x')\nreport(hear())"))],
        );
        let (_, judged) = split(backend.execute(&next).await.unwrap().runs.remove(0));
        assert_eq!(report(&judged), "x");
    });
}

/// What the supervisor that is killed runs: the words by which its pair is found.
const MARKS: &str = "REWARDSPEC_TEST_MARKS";

#[test]
fn a_killed_supervisor_leaves_no_pair() {
    on_thread(false, Profile::Machine, killed_supervisor);
}

#[test]
fn a_killed_supervisor_leaves_no_pair_in_a_container() {
    on_thread(false, Profile::Container, killed_supervisor);
}

fn killed_supervisor() {
    let marks = [Mark::new(), Mark::new()];
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut supervisor = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "local::judged::a_supervisor_of_a_pair",
        ])
        .env(MARKS, format!("{} {}", marks[0].0, marks[1].0))
        .env("TMPDIR", directory.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for mark in &marks {
        mark.wait_until(true, Duration::from_secs(20));
    }
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    for mark in &marks {
        mark.wait_until(false, GONE_WITHIN);
    }
    let deadline = Instant::now() + GONE_WITHIN;
    while std::fs::read_dir(directory.path()).unwrap().count() > 0 {
        assert!(Instant::now() < deadline, "a directory is left");
        std::thread::yield_now();
    }
}

#[test]
#[ignore = "a process that others kill"]
fn a_supervisor_of_a_pair() {
    let Ok(marks) = std::env::var(MARKS) else {
        return;
    };
    let (mark, judges) = marks.split_once(' ').unwrap();
    let mut judge = judge("time.sleep(600)");
    judge.command.push(Word::Text(judges.to_owned()));
    let mut run = judged_by(judge);
    run.command.push(Word::Text(mark.to_owned()));
    talk_of(Engine::Sandbox, "time.sleep(600)", roomy(), run);
}

fn a_judge_is_out_of_its_programs_reach(engine: Engine) {
    // Inside namespaces of their own both may have the same number.
    let attack = "import signal
pid, home = hear().split(' ', 1)
pid = int(pid)
def reach(name, attempt):
    try:
        if attempt() is not False: print(name)
    except OSError: pass
reach('its files', lambda: 'judge.py' in os.listdir(home))
reach('its code', lambda: open(home + '/judge.py'))
reach('its secret', lambda: open(home + '/secret'))
reach('its directory', lambda: 'run0.0' in os.listdir(os.path.dirname(home)))
if pid != os.getpid():
    reach('its number', lambda: os.kill(pid, 0))
    reach('its signals', lambda: os.kill(pid, signal.SIGKILL))
    for name in ('environ', 'mem', 'maps', 'cmdline', 'cwd/judge.py', 'fd/3'):
        reach(name, lambda: open(f'/proc/{pid}/{name}', 'rb').read(1))
    for name in ('fd', 'root', 'cwd'):
        reach(name, lambda: os.listdir(f'/proc/{pid}/{name}'))
for other in range(1, 1000):
    if other != os.getpid():
        reach(f'command line of {other}', lambda: b'judge.py' in open(f'/proc/{other}/cmdline', 'rb').read())
try: os.kill(-1, signal.SIGKILL)
except OSError: pass
say('tried')
";
    let (ran, judged) = talk(
        engine,
        attack,
        "os.umask(0)\nopen('secret', 'w').write('kept')\nsay(f'{os.getpid()} {os.getcwd()}')\nreport(hear())",
    );
    assert_eq!(ran.status, Status::Ok, "{}", ran.stderr.text);
    assert_eq!(ran.stdout.text, "");
    assert_eq!(report(&judged), "tried", "{}", judged.stderr.text);
    assert_eq!(judged.status, Status::Ok);
}
