//! Forks of a warmed interpreter behave like starts of one: the same programs, both ways.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;
use rewardspec::backend::local::Containment;
use rewardspec::program::ForkServer;
use serde::Deserialize;

use super::*;

/// Which of the programs the usual test runs.
const TABLE_STEP: usize = 3;
const OTHERS_STEP: usize = 16;

/// A program of the table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Row {
    name: String,
    code: Text,
    stdin: Text,
    args: Vec<String>,
    /// Of the interpreter.
    options: Vec<String>,
    /// Besides the program's.
    files: BTreeMap<String, Text>,
    collect: Vec<String>,
    limits: BTreeMap<String, f64>,
    /// Why the two may differ.
    differs: Option<String>,
    /// Of the interpreter, where they may; in all where there are none.
    versions: Vec<String>,
}

/// Text, or bytes as the letters of Latin-1.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Text {
    Text(String),
    Bytes { latin1: String },
}

impl Default for Text {
    fn default() -> Self {
        Text::Text(String::new())
    }
}

impl Text {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Text::Text(text) => text.clone().into_bytes(),
            Text::Bytes { latin1 } => latin1
                .chars()
                .map(|letter| u8::try_from(u32::from(letter)).unwrap())
                .collect(),
        }
    }
}

impl Row {
    fn of(name: String, code: String) -> Self {
        Row {
            name,
            code: Text::Text(code),
            ..Row::default()
        }
    }

    fn limits(&self) -> Limits {
        let mut limits = roomy();
        for (name, value) in &self.limits {
            let seconds = Duration::from_secs_f64(*value);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the table has small positive numbers"
            )]
            let count = *value as u64;
            match name.as_str() {
                "wall" => limits.wall = seconds,
                "cpu" => limits.cpu = seconds,
                "memory" => limits.memory = count * MIB,
                "output" => limits.output = count,
                "processes" => limits.processes = count,
                "disk" => limits.disk = count,
                "inodes" => limits.inodes = count,
                "open_files" => limits.open_files = count,
                other => panic!("{}: there is no limit `{other}`", self.name),
            }
        }
        limits
    }

    fn may_differ(&self, version: &str) -> bool {
        let is_named = self.versions.iter().any(|named| named == version);
        self.differs.is_some() && (self.versions.is_empty() || is_named)
    }

    fn job(&self, interpreter: &Interpreter) -> Job {
        let main = ("main.py".to_owned(), self.code.bytes());
        let others = self.files.iter();
        let files = std::iter::once(main)
            .chain(others.map(|(path, text)| (path.clone(), text.bytes())))
            .map(|(path, bytes)| SourceFile {
                path,
                bytes: bytes.into(),
            })
            .collect();
        let words = self.options.iter().cloned();
        let words = words.chain(["main.py".to_owned()]).chain(self.args.clone());
        Job {
            program: Arc::new(Program {
                interpreter: Arc::new(interpreter.clone()),
                files,
                build: None,
                limits: self.limits(),
                network: false,
                cloud: Cloud::default(),
                fork_server: Some(Arc::new(ForkServer::default())),
            }),
            runs: vec![Run {
                command: std::iter::once(Word::Interpreter)
                    .chain(words.map(Word::Text))
                    .collect(),
                stdin: self.stdin.bytes(),
                collect: self.collect.clone(),
                ..Run::default()
            }]
            .into(),
            ending: Ending::default(),
        }
    }
}

fn local(jobs: usize, cold: bool) -> Arc<Local> {
    Arc::new(Local::new(LocalOptions {
        jobs: Some(jobs),
        launcher: Some(env!("CARGO_BIN_EXE_rewardspec").into()),
        uncontained: false,
        cold,
    }))
}

/// There are no forks without slots.
fn has_slots(containment: &Containment) -> bool {
    let mut missing = containment.missing.iter();
    containment.isolation != Isolation::None && !missing.any(|(name, _)| name == "namespaces")
}

/// What of an execution is to be the same; addresses, times and users are not.
fn seen(execution: &Execution) -> String {
    static OWN: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
        [
            (r"0x[0-9a-f]{6,}", "0x"),
            (r"(?m)^(object refcount : )\d+", "$1"),
            (r"\bin \d\.\d+s", "in s"),
            (r"[ug]id=\d+", "id"),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
    });
    let streams = [&execution.stdout, &execution.stderr].map(|stream| {
        // How much more was written when it was ended is chance.
        let text = if execution.status == Status::OutputLimit {
            ""
        } else {
            stream.text.as_str()
        };
        OWN.iter().fold(text.to_owned(), |text, (pattern, with)| {
            pattern.replace_all(&text, *with).into_owned()
        })
    });
    format!(
        "{:?} {:?} exit {:?} signal {:?} files {:?}\n{}\n--\n{}",
        execution.status,
        execution.reason,
        execution.exit_code,
        execution.signal,
        execution.files,
        streams[0],
        streams[1],
    )
}

/// Such as `3.12`.
fn version(interpreter: &Interpreter) -> String {
    let code = "import sys\nprint('%d.%d' % sys.version_info[:2])";
    let job = Row::of("version".to_owned(), code.to_owned()).job(interpreter);
    let ran =
        runtime().block_on(async { local(2, true).execute(&job).await.unwrap().runs.remove(0) });
    ran.stdout.text.trim().to_owned()
}

/// Runs programs both ways and returns those that differ, and how many were compared.
fn compare(interpreter: &Interpreter, rows: &[Row]) -> (usize, Vec<String>) {
    let backends = [local(2, true), local(2, false)];
    let containment = backends[0].containment().unwrap();
    if !has_slots(containment) {
        return (rows.len(), Vec::new());
    }
    let pairs = runtime().block_on(async {
        let running: Vec<_> = rows
            .iter()
            .map(|row| {
                backends.each_ref().map(|backend| {
                    let (backend, job) = (Arc::clone(backend), row.job(interpreter));
                    tokio::spawn(async move { backend.execute(&job).await.unwrap().runs.remove(0) })
                })
            })
            .collect();
        let mut pairs = Vec::new();
        for [cold, warm] in running {
            pairs.push((cold.await.unwrap(), warm.await.unwrap()));
        }
        pairs
    });
    let version = version(interpreter);
    let differ = rows
        .iter()
        .zip(&pairs)
        .filter(|(row, _)| !row.may_differ(&version))
        .filter_map(|(row, (cold, warm))| {
            let (cold, warm) = (seen(cold), seen(warm));
            (cold != warm).then(|| format!("## {}\n{cold}\n-- warm:\n{warm}", row.name))
        });
    (rows.len(), differ.collect())
}

#[track_caller]
fn assert_same(interpreter: &Interpreter, rows: &[Row]) -> usize {
    let (count, differ) = compare(interpreter, rows);
    let shown = differ.join("\n");
    assert!(differ.is_empty(), "{} differ:\n{shown}", differ.len());
    count
}

fn lines<T: for<'de> Deserialize<'de>>(path: &str) -> Vec<T> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn table() -> Vec<Row> {
    lines("tests/data/forks.jsonl")
}

/// The programs of the benchmarks, and the Python of the replies.
fn others() -> Vec<Row> {
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let mut rows = Vec::new();
    for row in lines::<serde_json::Value>("suites/data/humaneval/humaneval.jsonl") {
        let name = text(&row, "task_id");
        let parts = ["prompt", "canonical_solution", "test"].map(|key| text(&row, key));
        let call = format!("check({})\n", text(&row, "entry_point"));
        rows.push(Row::of(name, parts.concat() + &call));
    }
    for row in lines::<serde_json::Value>("suites/data/mbpp/sanitized.jsonl") {
        let all = |key: &str| {
            let lines = row[key].as_array().unwrap().iter();
            lines.fold(String::new(), |text, line| {
                text + line.as_str().unwrap() + "\n"
            })
        };
        let code = format!(
            "{}{}\n{}",
            all("test_imports"),
            text(&row, "code"),
            all("test_list")
        );
        rows.push(Row::of(format!("MBPP/{}", row["task_id"]), code));
    }
    let fence = Regex::new(r"(?ms)^```python\n(.*?)^```").unwrap();
    for row in lines::<serde_json::Value>("tests/data/extraction.jsonl") {
        let reply = text(&row, "reply");
        for (number, found) in fence.captures_iter(&reply).enumerate() {
            // What is chance differs in any two starts.
            if ["random", "secrets"]
                .iter()
                .any(|word| found[1].contains(word))
            {
                continue;
            }
            rows.push(Row {
                limits: BTreeMap::from([("wall".to_owned(), 20.0)]),
                ..Row::of(format!("{} {number}", row["id"]), found[1].to_owned())
            });
        }
    }
    rows
}

#[test]
fn forks_behave_like_starts() {
    let table = table();
    assert!(table.len() >= 120, "{}", table.len());
    let rows: Vec<Row> = table
        .into_iter()
        .step_by(TABLE_STEP)
        .chain(others().into_iter().step_by(OTHERS_STEP))
        .collect();
    assert_same(&python(), &rows);
}

#[test]
#[ignore = "a minute: every program of the data, both ways"]
fn all_forks_behave_like_starts() {
    let (table, others) = (table(), others());
    assert_eq!((table.len(), others.len()), (505, 710));
    assert_same(&python(), &[table, others].concat());
}

/// Interpreters of this machine, by their versions.
fn interpreters() -> Vec<Interpreter> {
    let versions = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"];
    let home = std::env::var("HOME").unwrap_or_default();
    let installed = std::fs::read_dir(format!("{home}/.pyenv/versions"));
    let installed: Vec<PathBuf> = installed
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let found = versions.iter().filter_map(|version| {
        let begins = format!("{version}.");
        let pyenv = installed.iter().find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&begins)
        });
        let on_path = || {
            let paths = std::env::var_os("PATH")?;
            let names =
                std::env::split_paths(&paths).map(|path| path.join(format!("python{version}")));
            names.into_iter().find(|path| path.is_file())
        };
        pyenv.map(|path| path.join("bin/python3")).or_else(on_path)
    });
    found
        .map(|path| Interpreter {
            command: path.to_str().unwrap().to_owned(),
            ..python()
        })
        .collect()
}

#[test]
#[ignore = "minutes: every interpreter of this machine"]
fn forks_of_every_interpreter_behave_like_starts() {
    let mut differ = Vec::new();
    for interpreter in interpreters() {
        let mut rows = table();
        rows.extend(modules(&interpreter));
        for one in compare(&interpreter, &rows).1 {
            differ.push(format!("{}: {one}", interpreter.command));
        }
    }
    let shown = differ.join("\n");
    assert!(differ.is_empty(), "{} differ:\n{shown}", differ.len());
}

/// What each module of the standard library has when it alone was imported.
fn modules(interpreter: &Interpreter) -> Vec<Row> {
    let code = "import sys, pkgutil\nnames = {m.name for m in pkgutil.iter_modules()} | set(sys.builtin_module_names)\nprint(*sorted(n for n in names if n not in ('antigravity', 'this', 'idlelib', 'main')))";
    let named = Row::of("names".to_owned(), code.to_owned()).job(interpreter);
    let named =
        runtime().block_on(async { local(2, true).execute(&named).await.unwrap().runs.remove(0) });
    let names = named.stdout.text.split_whitespace().map(str::to_owned);
    names
        .map(|name| {
            let code = format!("import {name}\nprint(dir({name}))");
            Row::of(format!("dir {name}"), code)
        })
        .collect()
}

/// Runs programs one after the other in one slot.
fn in_turn(codes: &[&str]) -> Vec<Execution> {
    let backend = local(1, false);
    runtime().block_on(async {
        let mut ran = Vec::new();
        for code in codes {
            let job = Row::of(String::new(), (*code).to_owned()).job(&python());
            ran.push(backend.execute(&job).await.unwrap().runs.remove(0));
        }
        ran
    })
}

#[test]
fn what_a_fork_changes_the_next_does_not_see() {
    let poison = "import builtins, collections, json, math, os, random, sys
sys.modules['json'] = sys.modules['colorsys'] = math
json.dumps = math.pi = collections.OrderedDict = None
os.environ['LEFT'] = 'x'
builtins.len = builtins.left = None
sys.path.append('/left')
sys.setrecursionlimit(77)
open('left.txt', 'w').close()
random.seed(1)
os.umask(0)
sys.stdout.write('left')
os._exit(0)";
    let look = "import builtins, collections, json, math, os, random, sys
print(json.dumps([1]), math.pi > 3, collections.OrderedDict, 'LEFT' in os.environ, len([]))
print(hasattr(builtins, 'left'), '/left' in sys.path, sys.getrecursionlimit(), os.listdir(), oct(os.umask(0)))
import colorsys
print(colorsys.__name__)";
    let draw = "import random, uuid\nprint(random.random(), uuid.uuid4(), hash('x'))";
    let ran = in_turn(&[look, poison, look, draw, draw, poison]);
    assert_eq!(ran[0].stderr.text, "");
    assert_eq!(ran[0].stdout.text, ran[2].stdout.text);
    assert_ne!(ran[3].stdout.text, ran[4].stdout.text);
    assert_eq!(ran[3].stderr.text, "");
}

#[test]
fn a_fork_cannot_find_what_it_is_a_fork_of() {
    if !has_slots(local(1, false).containment().unwrap()) {
        return;
    }
    let ran = in_turn(&["import os
print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:3])
print(sorted(int(name) for name in os.listdir('/proc') if name.isdigit()) == [1, os.getpid()])
print(os.getppid())
import sys
print(sys._getframe().f_back)
try:
    os.stat('/proc/self/fd/4')
except OSError:
    print('no more')"]);
    assert_eq!(ran[0].status, Status::Ok, "{}", ran[0].stderr.text);
    let lines: Vec<&str> = ran[0].stdout.text.lines().collect();
    assert_eq!(lines[..3], ["[0, 1, 2]", "True", "0"]);
    assert_eq!(lines[lines.len() - 2..], ["None", "no more"]);
}

/// Processes below this one whose command line holds the script of a fork server.
fn servers() -> Vec<i32> {
    let own = std::process::id().to_string();
    let parent = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        fields.split(' ').nth(1).map(str::to_owned)
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.to_owned();
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let is_server = String::from_utf8_lossy(&line).contains("A warmed CPython");
            (is_server && parent(&pid)? == own).then(|| pid.parse().ok())?
        })
        .collect()
}

#[test]
fn a_server_that_is_killed_is_replaced() {
    // Servers of tests beside this one may be hit too: their jobs must not fail either.
    let backend = local(1, false);
    let job = Row::of(String::new(), "print('ran')".to_owned()).job(&python());
    let is_slot = has_slots(backend.containment().unwrap());
    for turn in 0..3 {
        let ran = runtime().block_on(async { backend.execute(&job).await.unwrap().runs.remove(0) });
        assert_eq!(ran.stdout.text, "ran\n", "{}", ran.stderr.text);
        let servers = servers();
        // The one that finds its server gone is started by itself; for the next there is another.
        if turn != 1 {
            assert_eq!(!servers.is_empty(), is_slot);
        }
        for pid in servers {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}
