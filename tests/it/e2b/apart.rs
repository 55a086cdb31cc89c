//! Judges in the emulated cloud: what they and their programs say to each other, how both end, and that a
//! program reaches nothing of its judge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rewardspec::backend::e2b::E2b;
use rewardspec::execution::{Execution, InfrastructureError, Status};
use rewardspec::program::{
    Cloud, CloudMode, Ending, Interpreter, Job, Judge, Limits, Program, Run, SourceFile, Word,
};
use serde_json::{Value, json};

use super::{client, emulator, runtime};
use crate::emulator::Options;
#[cfg(target_os = "linux")]
use crate::support::root;

/// Messages with a length before them, on two descriptors.
const TALK: &str = r#"
import os, sys
def whole(source, count):
    text = b""
    while len(text) < count:
        piece = os.read(source, count - len(text))
        if not piece: return None
        text += piece
    return text
def hear(source):
    head = whole(source, 4)
    return head and whole(source, int.from_bytes(head, "big"))
def say(sink, text):
    text = len(text).to_bytes(4, "big") + text
    while text: text = text[os.write(sink, text):]
"#;

/// Calls as often as its order says and reports what came back.
const JUDGE: &str = r#"
import json, time
order = json.loads(os.fdopen(3, "rb").read())
import fixture
heard, ended = 0, None
try:
    for call in range(order["calls"]):
        sent = bytes([65 + call % 26]) * order["bytes"]
        say(1, sent)
        answer = hear(0)
        if answer is None:
            ended = "the program ended"
            break
        heard += answer == sent
except BrokenPipeError:
    ended = "the program ended"
if order.get("hang"): time.sleep(600)
if order.get("fail"): raise SystemExit("the judge is broken")
words = "x" * order.get("words", 0)
say_all = json.dumps({"heard": heard, "ended": ended, "fixture": fixture.VALUE, "words": words})
os.fdopen(4, "w").write(say_all + "\n")
"#;

/// Answers each call with itself, until there are no more.
const SERVE: &str = r#"
while (message := hear(3)) is not None: say(4, message)
print("served", sys.stdin.read(), flush=True)
os._exit(0)
"#;

fn file(path: &str, text: String) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        bytes: text.into_bytes().into(),
    }
}

fn words(words: &[&str]) -> Vec<Word> {
    let words = words.iter().map(|word| Word::Text((*word).to_owned()));
    std::iter::once(Word::Interpreter).chain(words).collect()
}

fn judge(order: &Value, wall: Duration) -> Arc<Judge> {
    Arc::new(Judge {
        command: words(&["judge.py"]),
        files: vec![
            file("judge.py", format!("{TALK}{JUDGE}")),
            file("fixture.py", "VALUE = 'SECRET'".to_owned()),
        ],
        order: order.to_string().into_bytes(),
        limits: Limits {
            wall,
            ..Limits::default()
        },
        fork_server: None,
    })
}

/// A program that is called as an order says.
fn job(code: &str, order: &Value) -> Job {
    Job {
        program: Arc::new(Program {
            interpreter: Arc::new(Interpreter {
                language: "python".to_owned(),
                command: "python3".to_owned(),
                ..Interpreter::default()
            }),
            files: vec![file("main.py", format!("{TALK}{code}"))],
            build: None,
            limits: Limits::default(),
            network: false,
            cloud: Cloud::default(),
            fork_server: None,
        }),
        runs: [Run {
            command: words(&["main.py"]),
            stdin: b"its input".to_vec(),
            judge: Some(judge(order, Duration::from_secs(60))),
            ..Run::default()
        }]
        .into(),
        ending: Ending::default(),
    }
}

/// What comes of a job, and what was asked of the server for it.
fn executed(job: &Job) -> (Result<Vec<Execution>, InfrastructureError>, Vec<Value>) {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = E2b::new(config, Some(1)).unwrap();
        let ran = backend.execute(job).await;
        assert_eq!(emulator.living(), Vec::<String>::new());
        let requests = emulator.requests();
        backend.close().await;
        emulator.stop().await;
        (ran.map(|result| result.runs), requests)
    })
}

fn ran(job: &Job) -> Execution {
    executed(job).0.unwrap().remove(0)
}

fn report(run: &Execution) -> Value {
    let judge = run.judge.as_ref().unwrap();
    serde_json::from_slice(&judge.private)
        .unwrap_or_else(|error| panic!("{error}: {:?} {}", judge.status, judge.stderr.text))
}

#[test]
fn a_judge_calls_its_program_and_its_report_arrives_whole() {
    for (calls, bytes) in [(0, 0), (500, 10), (3, 1 << 20)] {
        let order = json!({"calls": calls, "bytes": bytes, "words": 100_000});
        let run = ran(&job(SERVE, &order));
        assert_eq!(
            (run.status, run.stdout.text.as_str()),
            (Status::Ok, "served its input\n"),
            "{}",
            run.stderr.text
        );
        let report = report(&run);
        assert_eq!(report["heard"], calls, "{}", report["ended"]);
        assert_eq!(report["fixture"], "SECRET");
        assert_eq!(report["words"].as_str().unwrap().len(), 100_000);
        let judge = run.judge.unwrap();
        assert_eq!((judge.status, judge.exit_code), (Status::Ok, Some(0)));
        assert!(run.private.is_empty());
    }
}

/// Calls stay in the sandbox; and root is asked for what is the judge's, nobody for what is not.
#[test]
fn requests_do_not_depend_on_the_number_of_calls() {
    let asked = |calls: u32| {
        let (ran, requests) = executed(&job(SERVE, &json!({"calls": calls, "bytes": 10})));
        assert_eq!(report(&ran.unwrap()[0])["heard"], calls);
        let told = |request: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let path = text(&request["path"]);
            let path = path.split("/i").next().unwrap_or_default().to_owned();
            let user = match request["headers"]["authorization"].as_str() {
                Some("Basic cm9vdDo=") => " as root",
                Some("Basic dXNlcjo=") => " as user",
                _ => "",
            };
            format!("{} {path}{user}", text(&request["method"]))
        };
        requests.iter().map(told).collect::<Vec<_>>()
    };
    let few = asked(1);
    assert_eq!(
        few,
        [
            "POST /v2/sandboxes",
            "POST /process.Process/Start as root",
            "POST /files?username=user",
            "POST /files?username=root",
            "POST /process.Process/Start as root",
            "POST /process.Process/Start as root",
            "POST /process.Process/Start as user",
            "POST /process.Process/SendInput",
            "DELETE /sandboxes",
        ]
    );
    assert_eq!(few, asked(200));
}

#[test]
fn each_sees_the_others_end_and_is_ended_after_it() {
    let one = json!({"calls": 5, "bytes": 10});
    let forked = format!(
        "import time\nif os.fork() == 0:\n    os.setsid(); time.sleep(600)\nhear(3)\n{}",
        "os._exit(0)"
    );
    // What a program does, how it ends, how often it was heard, and why the talk ended.
    for (code, status, heard, ended) in [
        (
            "say(4, hear(3)); raise SystemExit(3)",
            Status::RuntimeError,
            1,
            true,
        ),
        ("raise SystemExit(0)", Status::Ok, 0, true),
        (
            "os.close(3); os.close(4); import time; time.sleep(600)",
            Status::Ok,
            0,
            true,
        ),
        ("hear(3); os.kill(os.getpid(), 9)", Status::Killed, 0, true),
        // Something of it holds its end of the channel.
        (forked.as_str(), Status::Ok, 0, true),
        ("hear(3)\nwhile True: pass", Status::Timeout, 0, true),
        (
            "hear(3)\nwhile True: print('x' * 1000)",
            Status::OutputLimit,
            0,
            true,
        ),
        (
            "hear(3)\nheld = bytearray(b'x') * (300 << 20)\nimport time; time.sleep(30)",
            Status::MemoryLimit,
            0,
            true,
        ),
        // It does not end when its judge has.
        (
            "for _ in range(5): say(4, hear(3))\nprint('told', flush=True)\nimport time; time.sleep(600)",
            Status::Ok,
            5,
            false,
        ),
    ] {
        let mut job = job(code, &one);
        let mut program = Program::clone(&job.program);
        program.limits.wall = Duration::from_secs(if status == Status::Timeout { 2 } else { 30 });
        program.limits.memory = 200 << 20;
        job.program = Arc::new(program);
        let began = Instant::now();
        let run = ran(&job);
        assert_eq!(
            run.status, status,
            "{code}: {:?} {}",
            run.reason, run.stderr.text
        );
        let report = report(&run);
        assert_eq!(
            (&report["heard"], report["ended"].is_string()),
            (&json!(heard), ended),
            "{code}"
        );
        assert_eq!(run.judge.unwrap().status, Status::Ok, "{code}");
        assert!(began.elapsed() < Duration::from_secs(60), "{code}");
    }
}

#[test]
fn a_judge_that_fails_or_hangs_is_told_and_does_no_harm_to_the_program() {
    let mut late = job(SERVE, &json!({"calls": 1, "bytes": 10, "hang": true}));
    Arc::make_mut(&mut late.runs)[0].judge = Some(judge(
        &json!({"calls": 1, "bytes": 10, "hang": true}),
        Duration::from_secs(2),
    ));
    let broken = job(SERVE, &json!({"calls": 1, "bytes": 10, "fail": true}));
    for (job, status, words) in [
        (late, Status::Timeout, ""),
        (broken, Status::RuntimeError, "the judge is broken"),
    ] {
        let run = ran(&job);
        assert_eq!(run.status, Status::Ok, "{}", run.stderr.text);
        let judge = run.judge.unwrap();
        assert_eq!(judge.status, status);
        assert!(judge.private.is_empty());
        assert!(judge.stderr.text.contains(words), "{}", judge.stderr.text);
    }
}

/// Goes for its judge: files, processes, streams and channel; then serves as if nothing were.
const HOSTILE: &str = r#"
import stat
found = []
try: found += os.listdir("/root")
except OSError: pass
for top in ("/home", "/tmp", "/box", "/run", "/var", "/dev/shm", "/root"):
    for place, _, names in os.walk(top, followlinks=False):
        for name in names:
            path = os.path.join(place, name)
            try:
                if stat.S_ISFIFO(os.lstat(path).st_mode):
                    # Its own, which it may open again and harms nobody but itself with.
                    for flags in (os.O_RDONLY, os.O_WRONLY):
                        try: os.close(os.open(path, flags | os.O_NONBLOCK))
                        except OSError: pass
                    try: os.remove(path); os.mkfifo(path)
                    except OSError: pass
                elif "SEC" + "RET" in open(path, errors="replace").read(): found.append(path)
            except OSError: pass
for process in filter(str.isdigit, os.listdir("/proc")):
    if int(process) in (os.getpid(), 1): continue
    try: command = open(f"/proc/{process}/cmdline").read()
    except OSError: continue
    if "judge.py" not in command: continue
    try: os.kill(int(process), 9); found.append("killed " + process)
    except OSError: pass
    for descriptor in range(8):
        try: open(f"/proc/{process}/fd/{descriptor}", "w").write('{"heard": 9}'); found.append(command)
        except OSError: pass
for command in ("sudo -n true", "su -c true", "setpriv --reuid 0 true"):
    if os.system(command + " </dev/null >/dev/null 2>&1") == 0: found.append(command)
print(found, flush=True)
"#;

#[test]
fn a_program_reaches_nothing_of_its_judge() {
    let mut job = job(
        &format!("{HOSTILE}{SERVE}"),
        &json!({"calls": 5, "bytes": 10}),
    );
    // The second finds what the first left.
    job.runs = [job.runs[0].clone(), job.runs[0].clone()].into();
    let runs = executed(&job).0.unwrap();
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert_eq!(
            (run.status, run.stdout.text.as_str()),
            (Status::Ok, "[]\nserved its input\n"),
            "{}",
            run.stderr.text
        );
        assert_eq!(report(&run)["heard"], 5);
    }
}

#[test]
fn a_judge_in_another_language_talks_the_same() {
    let judge = "const fs = require('fs'); const sent = Buffer.from('ask'); fs.writeSync(1, sent); const heard = Buffer.alloc(3); fs.readSync(0, heard, 0, 3); fs.writeSync(4, fs.readFileSync(3, 'utf8') + heard); ";
    let program = "const fs = require('fs'); const heard = Buffer.alloc(3); fs.readSync(3, heard, 0, 3); fs.writeSync(4, heard.toString().toUpperCase()); console.log(fs.readSync(3, heard, 0, 3))";
    let mut job = job("", &Value::Null);
    let mut run = job.runs[0].clone();
    run.command = words(&["main.js"]);
    run.judge = Some(Arc::new(Judge {
        command: words(&["judge.js"]),
        files: vec![file("judge.js", judge.to_owned())],
        order: b"ordered ".to_vec(),
        limits: Limits::default(),
        fork_server: None,
    }));
    let mut of = Program::clone(&job.program);
    of.interpreter = Arc::new(Interpreter {
        language: "javascript".to_owned(),
        command: "node".to_owned(),
        ..Interpreter::default()
    });
    of.files = vec![file("main.js", program.to_owned())];
    (job.program, job.runs) = (Arc::new(of), [run].into());
    let run = ran(&job);
    assert_eq!(
        (run.status, run.stdout.text.as_str()),
        (Status::Ok, "0\n"),
        "{}",
        run.stderr.text
    );
    let judge = run.judge.unwrap();
    let told = String::from_utf8(judge.private).unwrap();
    assert_eq!(told, "ordered ASK", "{}", judge.stderr.text);
}

#[test]
fn what_cannot_be_judged_apart_is_refused_and_is_no_low_score() {
    let order = json!({"calls": 1, "bytes": 1});
    let mut without = job(SERVE, &order);
    let mut program = Program::clone(&without.program);
    program.interpreter = Arc::new(Interpreter {
        command: "cobol9".to_owned(),
        ..Interpreter::default()
    });
    without.program = Arc::new(program);
    let (refused, _) = executed(&without);
    let message = refused.unwrap_err().message;
    assert!(
        message.contains("`cobol9` is not in the sandbox's template"),
        "{message}"
    );

    let mut cell = job(SERVE, &order);
    let mut program = Program::clone(&cell.program);
    program.cloud = Cloud {
        mode: CloudMode::Notebook,
        kernel: Some("python".to_owned()),
        ..Cloud::default()
    };
    cell.program = Arc::new(program);
    Arc::make_mut(&mut cell.runs)[0].stdin.clear();
    let (refused, requests) = executed(&cell);
    let message = refused.unwrap_err().message;
    assert!(message.contains("e2b: {mode: script}"), "{message}");
    assert_eq!(requests.len(), 0);
}

/// The scripts with a real root and another user, in namespaces of their own, where this process may make
/// them: what anybody may write to becomes read-only, what listens is stopped, and a program can neither
/// end its judge nor open what the judge has.
#[test]
#[cfg(target_os = "linux")]
fn a_real_root_keeps_its_judge_from_another_user() {
    const WITHIN: [&str; 7] = [
        "-m",
        "-n",
        "-p",
        "-f",
        "--mount-proc",
        "--propagation",
        "private",
    ];
    let alone = |line: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(WITHIN).args(["bash", "-c", line]);
        command.current_dir(root().join("src/backend/e2b")).output()
    };
    let may =
        "mount -t tmpfs none /root && [ -d /opt ] && setpriv --reuid 65534 --clear-groups true";
    if !alone(may).is_ok_and(|output| output.status.success()) {
        eprintln!("not tried: this process is not root, or may not have namespaces");
        return;
    }
    let output = alone(REAL).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("interpreter /"), "{told}{errors}");
    assert_eq!(
        lines[1..],
        [
            "missing",
            "refused its root could not make a directory",
            "T (stopped)",
            "ready",
            "700 711 644 622",
            "denied denied denied denied denied",
            "report 2000 0",
            "end",
        ],
        "{errors}"
    );
}

/// Says in each line what came of a step.
#[cfg(target_os = "linux")]
const REAL: &str = r#"
apart=$(cat apart.sh) judge=$(cat judge.sh) start=$(cat start.sh)
script() { text=$1; shift; bash --noprofile --norc -p -c "$text" rewardspec "$@"; }
other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
mount -t tmpfs -o mode=700 none /root
mount -t tmpfs -o mode=1777 none /tmp
mount -t tmpfs -o mode=777 none /opt
python3 -c 'import socket, time; s = socket.create_server(("0.0.0.0", 8000)); open("/tmp/on", "w"); time.sleep(60)' &
listens=$!
until [ -e /tmp/on ]; do :; done
cd /root
script "$apart" place python3 nobody
script "$apart" another nonesuch nobody
script "$apart" place python3 nobody
awk '/^State:/ { print $2, $3 }' /proc/$listens/status
mkdir place/one /tmp/one
chown 65534 /tmp/one
echo -n ORDER > place/one.order
cat > place/one/judge.py <<'END'
import os
assert os.fdopen(3).read() == "ORDER"
for call in range(2000):
    os.write(1, b"0123456789")
    if not os.read(0, 100): break
else: call += 1
os.write(4, f"report {call} {os.getuid()}\n".encode())
END
cat > /tmp/one/main.py <<'END'
import os
process = next(p for p in os.listdir("/proc") if p.isdigit() and "judge.py" in open(f"/proc/{p}/cmdline").read())
tried = []
for attempt in (
    lambda: os.kill(int(process), 9),
    lambda: open(f"/proc/{process}/fd/4", "w"),
    lambda: os.listdir("/root/place"),
    lambda: os.open("/proc/self/fd/3", os.O_WRONLY | os.O_NONBLOCK),
    lambda: open("/opt/new", "w"),
):
    try: attempt(); tried.append("done")
    except OSError: tried.append("denied")
print(*tried, flush=True)
while message := os.read(3, 100): os.write(4, message)
END
cd place/one
script "$judge" /tmp/channel 31 65536 1048576 256 /usr/bin/env python3 judge.py > /tmp/report &
judging=$!
until grep -qs ready /tmp/report; do :; done
cat /tmp/report
echo $(stat -c %a /root/place /tmp/channel /tmp/channel/down /tmp/channel/up)
cd /tmp/one
: > /tmp/one.in
chown 65534 /tmp/one.in
other bash --noprofile --norc -p -c "$start" rewardspec /tmp/one /tmp/channel 31 65536 1048576 256 80 python3 main.py
wait $judging
tail -n +2 /tmp/report
[ -e /tmp/channel ] || echo end
kill -9 $listens
"#;
