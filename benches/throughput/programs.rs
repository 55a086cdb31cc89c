//! The programs: of bundled benchmarks, and small ones; each is another text than all before it.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/data");
/// What a program prints that ended well.
pub(crate) const TOKEN: &str = "graded";
/// Solutions that are wrong as published, or need a package.
const BROKEN: &[&str] = &["JavaScript/112", "JavaScript/155", "JavaScript/162"];
/// A dataset without rows, beside suites.
pub(crate) const EMPTY: &str = "rows.jsonl";
/// Inputs of a problem of standard input.
pub(crate) const INPUTS: usize = 100;

/// A program that judges itself, and its parts.
pub(crate) struct Program {
    row: Value,
    /// The prompt and the solution.
    solution: String,
    /// The same with its tests, and a word at the end.
    pub code: String,
}

/// Each of HumanEval's solutions, so often.
pub(crate) fn python(repeat: usize, turn: usize) -> Vec<Program> {
    let rows = std::fs::read_to_string(format!("{DATA}/humaneval/humaneval.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(parsed).collect();
    programs(&rows, repeat, |row, number| {
        let of = |name: &str| row[name].as_str().unwrap();
        let solution = format!("{}# {turn}.{number}\n", of("canonical_solution"));
        let program = format!("{}{solution}", of("prompt"));
        let (test, entry_point) = (of("test"), of("entry_point"));
        Program {
            code: format!("{program}\n{test}\ncheck({entry_point})\nprint('{TOKEN}')\n"),
            solution: program,
            row: json!({
                "task_id": of("task_id"),
                "prompt": of("prompt"),
                "completion": solution,
                "test": test,
                "entry_point": entry_point,
            }),
        }
    })
}

/// Each of HumanEval-X's solutions in JavaScript that is right.
pub(crate) fn javascript(repeat: usize, turn: usize) -> Vec<Program> {
    let file = std::fs::File::open(format!("{DATA}/humaneval-x/javascript.jsonl.gz")).unwrap();
    let mut lines = flate2::read::GzDecoder::new(file);
    let mut rows = String::new();
    lines.read_to_string(&mut rows).unwrap();
    let rows: Vec<Value> = rows.lines().map(parsed).collect();
    let is_right = |row: &&Value| !BROKEN.contains(&row["task_id"].as_str().unwrap());
    let rows: Vec<Value> = rows.iter().filter(is_right).cloned().collect();
    programs(&rows, repeat, |row, number| {
        let of = |name: &str| row[name].as_str().unwrap();
        let solution = format!("{}{}", of("prompt"), of("canonical_solution"));
        let test = of("test");
        Program {
            code: format!("{solution}\n{test}\nconsole.log('{TOKEN}') // {turn}.{number}\n"),
            solution,
            row: json!({"task_id": of("task_id")}),
        }
    })
}

/// Programs that import numpy and do little with it.
pub(crate) fn numpy(count: usize, turn: usize) -> Vec<Program> {
    let program = |number| {
        let code = format!(
            "import numpy as np\nassert np.arange({number}).sum() == sum(range({number}))\n\
             print('{TOKEN}')  # {turn}\n"
        );
        Program {
            solution: code.clone(),
            code,
            row: json!({"task_id": format!("numpy/{number}")}),
        }
    };
    (0..count).map(program).collect()
}

/// The suite of these: a row to score may not name an interpreter, nor what is loaded before it.
pub(crate) fn numpy_suite(interpreter: &Path) -> String {
    let language = json!({"name": "python", "interpreter": interpreter, "preload": ["numpy"]});
    let keys = json!({
        "language": language,
        "dataset": {"file": EMPTY},
        "timeout": 20,
        "expect": {"output": TOKEN, "stderr": ""},
    });
    keys.to_string()
}

/// A program that reads, the inputs and the outputs of problem `number`.
pub(crate) fn problem(number: usize, turn: usize) -> (String, Vec<(String, String)>) {
    let code = format!(
        "import sys\n\nnumbers = list(map(int, sys.stdin.read().split()))\n\
         print(sum(numbers) + {number})  # {turn}\n"
    );
    let cases =
        (0..INPUTS).map(|input| (format!("{input} 7\n"), format!("{}", input + 7 + number)));
    (code, cases.collect())
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn programs(
    rows: &[Value],
    repeat: usize,
    program: impl Fn(&Value, usize) -> Program,
) -> Vec<Program> {
    let rows = (0..repeat).flat_map(|_| rows);
    let programs = rows.enumerate().map(|(number, row)| program(row, number));
    programs.collect()
}

impl Program {
    /// A reply whose tests `score` runs.
    pub(crate) fn tested(&self, judged: &str) -> Value {
        json!({
            "id": self.row["task_id"],
            "reply": fenced("python", &self.solution),
            "timeout": 20,
            "expect": {"tests": {
                "code": self.row["test"],
                "entry_point": self.row["entry_point"],
                "judged": judged,
            }},
        })
    }

    /// A reply whose output `score` compares.
    pub(crate) fn printing(&self, language: &str) -> Value {
        json!({
            "id": self.row["task_id"],
            "reply": fenced(language, &self.code),
            "language": language,
            "timeout": 20,
            "expect": {"output": TOKEN, "stderr": ""},
        })
    }

    /// A reply to a suite whose rows have no columns.
    pub(crate) fn row_of(&self, suite: &str) -> Value {
        json!({
            "id": self.row["task_id"],
            "suite": suite,
            "row": {},
            "reply": fenced("python", &self.code),
        })
    }

    /// What peers are given.
    fn for_peers(&self) -> Value {
        let mut row = self.row.clone();
        row["id"] = row["task_id"].clone();
        row["code"] = self.code.clone().into();
        row["expected"] = TOKEN.into();
        row
    }
}

pub(crate) fn fenced(tag: &str, code: &str) -> String {
    format!("```{tag}\n{code}```\n")
}

/// A file of rows for peers.
pub(crate) fn write(path: PathBuf, programs: &[Program]) -> PathBuf {
    let lines: Vec<String> = programs
        .iter()
        .map(|program| format!("{}\n", program.for_peers()))
        .collect();
    std::fs::write(&path, lines.concat()).unwrap();
    path
}
