//! Tests judged apart: the verdict is that of a plain run, unless that run was cheated.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::TempProject;

/// Rows of a file of `tests/data/apart`.
fn rows(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/apart")
        .join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

/// A row to score: its program and its tests.
fn to_score(row: &Value, language: &str, judged: Option<&str>) -> Value {
    let mut tests = json!({"code": row["tests"]});
    for key in ["entry_point", "prelude"] {
        if row[key].is_string() {
            tests[key] = row[key].clone();
        }
    }
    if let Some(judged) = judged {
        tests["judged"] = judged.into();
    }
    let language = row["language"].as_str().unwrap_or(language);
    json!({
        "id": row["id"],
        "language": language,
        "code": row["code"],
        "timeout": 20,
        "expect": {"tests": tests},
    })
}

/// Results of rows by id.
fn score(rows: &[Value]) -> BTreeMap<String, Value> {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    let ran = TempProject::new(&[]).run_with(&["score", "--unordered"], &lines.join("\n"));
    let results: BTreeMap<String, Value> = ran
        .expect_status(0)
        .json_lines()
        .into_iter()
        .map(|result| (result["id"].as_str().unwrap().to_owned(), result))
        .collect();
    assert_eq!(results.len(), rows.len());
    results
}

/// Fails with every row that did not earn what it must.
#[track_caller]
fn all_earn(rows: &[Value], language: &str, must: impl Fn(&Value) -> bool) {
    let scored: Vec<Value> = rows
        .iter()
        .map(|row| to_score(row, language, None))
        .collect();
    let results = score(&scored);
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let result = &results[row["id"].as_str().unwrap()];
            let wanted = if must(row) { 1.0 } else { 0.0 };
            (result["score"] != wanted || result["judged"] != "apart")
                .then(|| format!("{} must earn {wanted}: {result}", row["id"]))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

fn every(rows: Vec<Value>, nth: usize) -> Vec<Value> {
    rows.into_iter().step_by(nth).collect()
}

fn passes(row: &Value) -> bool {
    row["passes"].as_bool().unwrap()
}

#[test]
fn mutants_of_solutions_get_the_verdict_of_a_plain_run() {
    for (file, language, nth) in [
        ("mutants.jsonl", "python", 5),
        ("mutants.javascript.jsonl", "javascript", 3),
    ] {
        all_earn(&every(rows(file), nth), language, passes);
    }
}

#[test]
#[ignore = "minutes: all of those that the test above takes some of"]
fn all_mutants_of_solutions_get_the_verdict_of_a_plain_run() {
    let mutants = rows("mutants.jsonl");
    let fails_once = mutants.iter().filter(|row| row["failing"] == 1).count();
    let survivors = mutants.iter().filter(|row| passes(row)).count();
    assert!(mutants.len() >= 300 && survivors >= 30 && fails_once >= 60);
    all_earn(&mutants, "python", passes);
    all_earn(&rows("mutants.javascript.jsonl"), "javascript", passes);
}

#[test]
fn what_crosses_is_judged_as_in_one_process() {
    let must = |row: &Value| row["pass"].as_bool().unwrap();
    all_earn(&rows("tasks.jsonl"), "python", must);
    all_earn(&rows("tasks.javascript.jsonl"), "javascript", must);
}

#[test]
fn cheats_earn_nothing_and_odd_honest_programs_all() {
    let cheats = rows("cheats.jsonl");
    assert!(cheats.iter().filter(|row| row["honest"] != true).count() >= 40);
    all_earn(&cheats, "", |row| row["honest"] == true);
}

#[test]
fn the_tests_of_cheats_are_passed_by_a_solution() {
    let mut seen = std::collections::BTreeSet::new();
    let solutions: Vec<Value> = rows("cheats.jsonl")
        .into_iter()
        .filter(|row| row["right"].is_string() && seen.insert(row["tests"].to_string()))
        .map(|mut row| {
            row["code"] = row["right"].take();
            row
        })
        .collect();
    assert!(solutions.len() > 20);
    all_earn(&solutions, "", |_| true);
}

#[test]
fn nothing_but_the_violation_comes_of_what_is_no_message() {
    let judge = "src/evaluator/apart/python/judge.py";
    for (interpreter, arguments) in [
        ("python3", &["fuzz_decoder.py", judge, "5000"][..]),
        ("node", &["fuzz_decoder.js", "5000"][..]),
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ran = std::process::Command::new(interpreter)
            .arg(root.join("tests/apart").join(arguments[0]))
            .args(&arguments[1..])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
    }
}

const ADD: &str = "def add(a, b):\n    return a + b\n";

/// What `score` makes of tests of `add`.
fn of_add(tests: &Value, code: &str) -> Value {
    let row = json!({"id": "add", "code": code, "expect": {"tests": tests}});
    let ran = TempProject::new(&[]).run_with(&["score"], &row.to_string());
    ran.json_lines().remove(0)
}

#[test]
fn the_reward_says_where_tests_were_judged() {
    let call = json!([{"call": "add", "args": [1, 2], "returns": 3}]);
    for (tests, judged, told) in [
        (
            json!("assert add(1, 2) == 3"),
            "apart",
            "(judged apart from the program)",
        ),
        (call, "apart", "(compared apart from the program)"),
        (
            json!({"code": "assert add(1, 2) == 3", "judged": "beside"}),
            "beside",
            "(judged beside the program, in its own interpreter)",
        ),
    ] {
        let result = of_add(&tests, ADD);
        assert_eq!(
            (&result["score"], &result["judged"]),
            (&json!(1.0), &json!(judged))
        );
        let reason = result["metrics"]["tests"]["reason"].as_str().unwrap();
        assert!(reason.contains(told), "{reason}");
    }
    let without = json!({"id": 1, "code": "print(5)", "expect": "5"}).to_string();
    let ran = TempProject::new(&[]).run_with(&["score"], &without);
    assert!(ran.json_lines()[0].get("judged").is_none());
}

#[test]
fn the_end_of_a_run_says_how_many_were_judged_beside() {
    let suite = "expect: {tests: {code: 'assert add(1, 2) == 3', judged: beside}}
cases:
  - {name: beside, reply: 'def add(a, b): return a + b'}
  - {name: apart, reply: 'def add(a, b): return a + b', expect: {tests: 'assert add(1, 2) == 3'}}
";
    let project = TempProject::new(&[("suites/s.yaml", suite)]);
    let ran = project
        .run(&[
            "run",
            "--format",
            "human",
            "--format",
            "junit=j.xml",
            "--format",
            "github=g.txt",
        ])
        .expect_status(0);
    assert!(
        ran.stdout.contains("judged beside: 1 case ("),
        "{}",
        ran.stdout
    );
    let junit = std::fs::read_to_string(project.path().join("j.xml")).unwrap();
    assert_eq!(
        junit.matches("judged beside the program").count(),
        1,
        "{junit}"
    );
    let trials = project.run(&["test"]).expect_status(0);
    assert!(
        trials.stderr.contains("judged beside: 1 case ("),
        "{}",
        trials.stderr
    );
    let github = std::fs::read_to_string(project.path().join("g.txt")).unwrap();
    assert!(github.contains("judged beside: 1 case"), "{github}");
}

#[test]
fn where_tests_cannot_be_judged_apart_beside_must_be_written() {
    let pack = "languages:
  plain:
    find: {command: python3}
    file: main.py
    run: ['{{ interpreter }}', '{{ file }}']
    beside: {file: runner.py, code: 'pass', run: ['{{ interpreter }}', '{{ runner }}']}
";
    let suite = |expect: &str, language: &str| {
        format!(
            "language: {language}\nexpect:\n  tests: {expect}\ncases: [{{name: a, reply: x = 1}}]\n"
        )
    };
    for (expect, language, told) in [
        (
            "assert x == 1",
            "plain",
            Some(
                "tests in `plain` cannot be judged apart from the program: its rule has no `apart`",
            ),
        ),
        ("{code: assert x == 1, judged: beside}", "plain", None),
        ("[{call: f, returns: 1}]", "plain", None),
        ("assert x == 1", "python", None),
        (
            "\"from unittest import mock\\nwith mock.patch('time.time'):\\n    assert x == 1\"",
            "python",
            Some("tests that use `mock.patch` cannot be judged apart from the program"),
        ),
        (
            "{code: \"def test_a(capsys):\\n    assert x == 1\", judged: beside}",
            "python",
            None,
        ),
        (
            "assert x == 1",
            "bash",
            Some("`tests` cannot run in `bash`: its rule has no `beside`"),
        ),
    ] {
        let suite = suite(expect, language);
        let project = TempProject::new(&[("suites/s.yaml", &suite), ("rules/plain.yaml", pack)]);
        let ran = project.run(&["check"]);
        match told {
            None => assert_eq!(ran.status, 0, "{expect}: {}", ran.stderr),
            Some(told) => assert!(
                ran.status == 2 && ran.stderr.contains(told),
                "{expect}: {}",
                ran.stderr
            ),
        }
    }
}

#[test]
fn helpers_of_the_prompt_are_the_judges_own() {
    let suite = "prompt: |
  Complete this.

  def twice(text):
      return text + text

  def f(text):
expect: {tests: {code: \"def check(f):\\n    assert f('a') == twice('a')\", entry_point: f}}
cases:
  - {name: right, reply: \"def f(text):\\n    return text * 2\"}
  - name: cheat
    reply: \"def twice(text):\\n    return ''\\ndef f(text):\\n    return ''\"
    score: {at_most: 0}
";
    let project = TempProject::new(&[("suites/s.yaml", suite)]);
    project.run(&["run"]).expect_status(0);
}

#[test]
fn a_judge_has_the_suites_files_and_not_the_replys() {
    let suite = "files: {helper.py: 'WANTED = 3', cases.txt: '1 2'}
expect:
  tests: |
    from helper import WANTED
    a, b = map(int, open('cases.txt').read().split())
    assert add(a, b) == WANTED
cases:
  - name: right
    code: {files: by_name, main: main.py}
    reply: |
      ```python main.py
      from parts import plus
      def add(a, b):
          return plus(a, b)
      ```
      ```python parts.py
      def plus(a, b):
          return a + b
      ```
";
    let project = TempProject::new(&[("suites/s.yaml", suite)]);
    project.run(&["run"]).expect_status(0);
}

#[test]
fn tests_without_end_are_a_timeout_and_a_program_without_end_too() {
    for (tests, code) in [
        ("while True: add(1, 2)\nassert add(1, 2) == 3", ADD),
        (
            "assert add(1, 2) == 3",
            "def add(a, b):\n    while True: pass\n",
        ),
    ] {
        let row = json!({"id": 1, "code": code, "timeout": 1, "expect": {"tests": tests}});
        let ran = TempProject::new(&[]).run_with(&["score"], &row.to_string());
        let result = ran.json_lines().remove(0);
        assert_eq!(
            (&result["score"], &result["cause"]),
            (&json!(0.0), &json!("timeout")),
            "{result}"
        );
    }
}

#[test]
fn a_call_of_what_the_program_lacks_raises_nothing() {
    let tests = json!([
        {"call": "absent", "args": [1], "raises": "LookupError"},
        "assert add(1, 2) == 3",
    ]);
    assert_eq!(of_add(&tests, ADD)["score"], 0.0);
}
