//! What is looked at when a program has ended, through the real command: each subject right and
//! wrong, inputs and credit for parts of them, references, checks and the author's own checkers.

use serde_json::{Value, json};

use crate::support::{Ran, TempProject};

/// Scores rows in a project without anything.
fn scored(rows: &[Value]) -> Vec<Value> {
    scored_in(&TempProject::new(&[]), rows)
}

fn scored_in(project: &TempProject, rows: &[Value]) -> Vec<Value> {
    let lines: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
    let ran = project
        .run_with(&["score"], &lines.concat())
        .expect_status(0);
    let results = ran.json_lines();
    assert_eq!(results.len(), rows.len());
    results
}

/// Programs and what is expected of them, the score, and `cause` or a part of the reason of a metric.
#[track_caller]
fn table(cases: &[(&str, Value, f64, &str)]) {
    let rows: Vec<Value> = cases
        .iter()
        .map(|(code, keys, ..)| {
            let mut row = keys.clone();
            row["code"] = json!(code);
            row
        })
        .collect();
    for ((code, keys, score, told), result) in cases.iter().zip(scored(&rows)) {
        assert_eq!(result["score"], json!(score), "{code}\n{keys}\n{result:#}");
        assert!(says(&result, told), "{code}\n{keys}\n{told}\n{result:#}");
    }
}

/// Whether a cause is the one, or a metric's reason or an error tells it.
fn says(result: &Value, told: &str) -> bool {
    let metrics = result["metrics"].as_object().into_iter().flatten();
    let mut reasons = metrics.filter_map(|(_, metric)| metric["reason"].as_str());
    told.is_empty()
        || result["cause"] == told
        || reasons.any(|reason| reason.contains(told))
        || error(result).contains(told)
}

fn error(result: &Value) -> &str {
    result["error"]["message"].as_str().unwrap_or_default()
}

/// A project with one suite `s`, run for its results.
fn results(suite: &str, files: &[(&str, &str)]) -> Vec<Value> {
    let (_, ran) = run(suite, files);
    ran.json_lines()
}

fn run(suite: &str, files: &[(&str, &str)]) -> (TempProject, Ran) {
    let project = TempProject::new(&[("suites/s.yaml", suite)]);
    for (path, text) in files {
        match text.starts_with("#!") {
            true => project.write_command(path, text),
            false => project.write(path, text),
        }
    }
    let ran = project.run(&["run", "--format", "jsonl"]);
    (project, ran)
}

#[test]
fn each_subject_is_looked_at() {
    let fails = "import sys\nprint('bad', file=sys.stderr)\nsys.exit(3)";
    let raises = "raise ValueError('no such thing')";
    let writes = "import os\nos.mkdir('d')\nopen('d/out', 'w').write('a  \\nb\\n')\nopen('two', 'w').write('2')";
    table(&[
        (fails, json!({"expect": {"stderr": "bad"}}), 1.0, ""),
        (fails, json!({"expect": {"stderr": "good"}}), 0.0, "wrong"),
        (
            fails,
            json!({"expect": {"stderr": {"not": {"contains": "good"}}}}),
            1.0,
            "",
        ),
        ("print(1)", json!({"expect": {"stderr": ""}}), 1.0, ""),
        (fails, json!({"expect": {"exit_code": 3}}), 1.0, ""),
        (fails, json!({"expect": {"exit_code": {"not": 0}}}), 1.0, ""),
        (fails, json!({"expect": {"exit_code": 0}}), 0.0, "wrong"),
        (
            "import os\nos.kill(os.getpid(), 9)",
            json!({"expect": {"exit_code": 9}}),
            0.0,
            "no exit status",
        ),
        (raises, json!({"expect": {"error": "ValueError"}}), 1.0, ""),
        (
            raises,
            json!({"expect": {"error": {"contains": "no such"}}}),
            1.0,
            "",
        ),
        (
            raises,
            json!({"expect": {"error": "KeyError"}}),
            0.0,
            "wrong",
        ),
        (
            "print('ValueError')",
            json!({"expect": {"error": "ValueError"}}),
            0.0,
            "ran without error",
        ),
        (
            writes,
            json!({"expect": {"files": {"d/out": "a\nb", "two": {"numeric": 2}}}}),
            1.0,
            "",
        ),
        (
            writes,
            json!({"expect": {"files": {"d/out": "a\nb", "two": 3}}}),
            0.0,
            "`two`",
        ),
        (
            writes,
            json!({"expect": {"files": {"d/none": "a"}}}),
            0.0,
            "there is no such file",
        ),
        (
            writes,
            json!({"expect": {"files": {"d": ""}}}),
            0.0,
            "there is no such file",
        ),
        (
            "pass",
            json!({"expect": {"duration": {"under": "20s"}}}),
            1.0,
            "less than 20s",
        ),
        (
            "import time\ntime.sleep(0.3)",
            json!({"expect": {"duration": {"under": "200ms"}}}),
            0.0,
            "wrong",
        ),
        (
            "1 / 0",
            json!({"expect": {"duration": {"under": "20s"}}}),
            0.0,
            "error",
        ),
        (
            "pass",
            json!({"expect": {"memory": {"under": "400MiB"}}}),
            1.0,
            "",
        ),
        (
            "held = bytearray(b'x' * (60 << 20))",
            json!({"expect": {"memory": {"under": "32MiB"}}}),
            0.0,
            "wrong",
        ),
        (
            "print(1)",
            json!({"expect": {"output": 1, "runs": true}}),
            1.0,
            "",
        ),
        (
            "print(1)\n1 / 0",
            json!({"expect": {"output": 1, "runs": true}}),
            0.0,
            "error",
        ),
        (
            "import time\ntime.sleep(60)",
            json!({"timeout": 1, "expect": {"exit_code": 1}}),
            0.0,
            "timeout",
        ),
        (
            "print('x' * 100000)",
            json!({"limits": {"output": "1KiB"}, "expect": {"output": {"contains": "x"}}}),
            0.0,
            "output_limit",
        ),
    ]);
}

#[test]
fn a_file_larger_than_what_is_kept_is_not_compared() {
    let large = "open('out', 'w').write('x' * 5000)";
    let limits = json!({"output": "1KiB"});
    table(&[
        (
            large,
            json!({"limits": limits, "expect": {"files": {"out": {"contains": "x"}}}}),
            0.0,
            "cut off",
        ),
        (
            large,
            json!({"limits": limits, "expect": {"files": {"out": {"not": {"contains": "y"}}}}}),
            0.0,
            "cut off",
        ),
    ]);
}

/// Doubles what it reads, and fails where it reads a word.
const DOUBLES: &str = "print(int(input()) * 2)";

fn inputs(inputs: &[&str]) -> Value {
    let cases = inputs
        .iter()
        .map(|stdin| json!({"stdin": stdin, "output": "4"}));
    cases.collect()
}

#[test]
fn inputs_earn_all_or_their_fraction() {
    let expect = |given: &[&str], credit: &str| json!({"expect": {"stdin_cases": inputs(given), "credit": credit}});
    table(&[
        (
            DOUBLES,
            expect(&["2", "2"], "all"),
            1.0,
            "2 of 2 inputs pass",
        ),
        (DOUBLES, expect(&["2", "3"], "all"), 0.0, "wrong"),
        (
            DOUBLES,
            expect(&["2", "3"], "all"),
            0.0,
            "1 of 2 inputs pass",
        ),
        (DOUBLES, expect(&["2", "x"], "all"), 0.0, "error"),
        (DOUBLES, expect(&["2", "3"], "fraction"), 0.5, ""),
        (
            DOUBLES,
            expect(&["2", "x"], "fraction"),
            0.5,
            "not for every input",
        ),
        (DOUBLES, expect(&["x", "2", "2", "y"], "fraction"), 0.5, ""),
        (DOUBLES, expect(&["3", "5"], "fraction"), 0.0, "wrong"),
        (DOUBLES, expect(&["x", "y"], "fraction"), 0.0, "error"),
        (DOUBLES, expect(&["x", "3"], "fraction"), 0.0, "error"),
        (
            "import time\ntime.sleep(60)",
            json!({"timeout": 1, "expect": {"stdin_cases": inputs(&["1", "2"]), "credit": "fraction"}}),
            0.0,
            "timeout",
        ),
        ("def f(:", expect(&["2"], "fraction"), 0.0, "error"),
    ]);
}

#[test]
fn nothing_runs_after_the_first_input_that_fails() {
    let suite = "reply: {file: r.md}\nexpect:\n  stdin_cases:\n    each: {expr: '[2, 2, 3, 2]'}\n    stdin: '{{ item }}'\n    output: 4\n    stop: first_failure\n  checks: {count: {command: [./count.py]}}\ncases: [{name: a}]\n";
    let files = [
        ("suites/count.py", COUNTS),
        ("suites/r.md", "```python\nprint(int(input()) * 2)\n```\n"),
    ];
    let result = &results(suite, &files)[0];
    assert!(says(result, "ran 3"), "{result:#}");
    assert!(
        says(result, "2 of 4 inputs pass; 1 were not run"),
        "{result:#}"
    );
    let result = &results(&suite.replace("stop: first_failure", "credit: all"), &files)[0];
    assert!(says(result, "ran 4"), "{result:#}");
    assert!(says(result, "3 of 4 inputs pass"), "{result:#}");
}

#[test]
fn a_stop_beside_credit_for_parts_of_inputs_is_refused() {
    for expect in [
        "{stdin_cases: [{output: 1}], credit: fraction, stop: first_failure}",
        "{stdin_cases: {each: {expr: '[1]'}, output: 1, credit: fraction, stop: first_failure}}",
        "{stdin_cases: {each: {expr: '[1]'}, output: 1, credit: fraction}, stop: first_failure}",
    ] {
        let suite = format!("cases: [{{reply: print(1), expect: {expect}}}]\n");
        let project = TempProject::new(&[("suites/s.yaml", &suite)]);
        let ran = project.run(&["check"]).expect_status(2);
        let told = "`stop` stands beside `credit: fraction`";
        assert!(ran.stderr.contains(told), "{expect}\n{}", ran.stderr);
    }
}

/// Counts executions.
const COUNTS: &str = "#!/usr/bin/env python3\nimport json, sys\nasked = json.load(sys.stdin)\nprint(json.dumps({'score': 1, 'reason': 'ran %d' % len(asked['executions'])}))\n";

#[test]
fn one_build_serves_every_input() {
    let suite = "language: c\nreply: {file: r.md}\nexpect:\n  stdin_cases: [{stdin: 2, output: 4}, {stdin: 3, output: 6}, {stdin: 4, output: 8}]\n  checks: {count: {command: [./count.py]}}\ncases: [{name: a}]\n";
    let doubles = "```c\n#include <stdio.h>\nint main(void) { int n; scanf(\"%d\", &n); printf(\"%d\\n\", n * 2); }\n```\n";
    let files = [("suites/count.py", COUNTS), ("suites/r.md", doubles)];
    let result = &results(suite, &files)[0];
    assert_eq!(result["score"], 1.0, "{result:#}");
    assert!(
        says(result, "ran 4"),
        "one build and three runs: {result:#}"
    );
    // Nothing is asked of a program that could not be built.
    let files = [
        ("suites/count.py", COUNTS),
        ("suites/r.md", "```c\nint main(void) { return x; }\n```\n"),
    ];
    let result = &results(suite, &files)[0];
    assert_eq!(
        (&result["score"], &result["cause"]),
        (&json!(0.0), &json!("compile")),
        "{result:#}"
    );
    assert_eq!(
        result["metrics"]["count"]["reason"],
        "nothing ran: the build failed"
    );
}

#[test]
fn a_total_ends_the_run_and_what_follows() {
    let sleeps = "import time\nn = int(input())\ntime.sleep(n - 2)\nprint(4)";
    let row = |given: &[&str], credit: &str| json!({"limits": {"total": "3s"}, "timeout": 30, "expect": {"stdin_cases": inputs(given), "credit": credit}});
    table(&[
        (sleeps, row(&["2", "60", "2"], "all"), 0.0, "timeout"),
        (sleeps, row(&["2", "60", "2"], "all"), 0.0, "1 were not run"),
        (sleeps, row(&["2", "60", "2"], "all"), 0.0, "`limits.total`"),
        (sleeps, row(&["2", "60", "2", "2"], "fraction"), 0.25, ""),
        (sleeps, row(&["2", "2"], "all"), 1.0, ""),
    ]);
    let result = &scored(&[
        json!({"code": sleeps, "limits": {"total": "1s"}, "expect": {"stdin_cases": inputs(&["60"])}}),
    ])[0];
    assert_eq!(result["execution"]["reason"], "total", "{result:#}");
}

#[test]
fn a_reference_says_what_is_expected() {
    let suite = r#"
stdin: "3"
files: {n.txt: "4"}
args: [5]
reference: {code: "import sys; print(int(input()) + int(open('n.txt').read()) + int(sys.argv[1]))"}
expect: {output: {from: reference}}
cases:
  - {name: right, reply: print(12)}
  - {name: wrong, reply: print(13)}
  - {name: no-code, reply: I do not know.}
  - name: another-language
    reference: {language: javascript, code: "console.log(require('fs').readFileSync('n.txt', 'utf8') * 3)"}
    reply: print(12)
  - name: unordered
    reference: {code: "print('a'); print('b')"}
    compare: {unordered: {of: lines}}
    reply: "print('b'); print('a')"
  - name: each
    reference: {code: "print(int(input()) ** 2)"}
    expect: {stdin_cases: [{stdin: 2, output: {from: reference}}, {stdin: 3, output: 9}, {stdin: 4, output: {from: reference}}]}
    reply: "n = int(input())\nprint(n * n)"
  - name: each-wrong
    reference: {code: "print(int(input()) ** 2)"}
    expect: {stdin_cases: [{stdin: 2, output: {from: reference}}, {stdin: 4, output: {from: reference}}]}
    reply: "n = int(input())\nprint(n * 2)"
  - name: what-else-it-leaves
    reference: {code: "import sys\nprint('e', file=sys.stderr)\nopen('out', 'w').write('left')"}
    expect: {stderr: {from: reference}, exit_code: {from: reference}, files: {out: {from: reference}}}
    reply: "import sys\nprint('e', file=sys.stderr)\nopen('out', 'w').write('left')"
  - name: what-else-it-leaves-wrong
    reference: {code: "open('out', 'w').write('left')"}
    expect: {files: {out: {from: reference}}}
    reply: "open('out', 'w').write('right')"
  - name: not
    reference: {code: print(1)}
    expect: {output: {not: {from: reference}}}
    reply: print(2)
"#;
    let results = results(suite, &[]);
    for (name, score) in [
        ("right", 1.0),
        ("wrong", 0.0),
        ("no-code", 0.0),
        ("another-language", 1.0),
        ("unordered", 1.0),
        ("each", 1.0),
        ("each-wrong", 0.0),
        ("what-else-it-leaves", 1.0),
        ("what-else-it-leaves-wrong", 0.0),
        ("not", 1.0),
    ] {
        let result = results
            .iter()
            .find(|result| result["case"] == name)
            .unwrap();
        assert_eq!(result["score"], json!(score), "{result:#}");
    }
}

#[test]
fn a_reference_runs_once_for_many_replies() {
    let suite = "reference: {code: 'import os; print(os.urandom(8).hex())'}\nexpect: {output: {from: reference}}\nreply: [print(1), print(2), print(3)]\ncases: [{name: a}, {name: b}, {name: c, stdin: other}]\n";
    let results = results(suite, &[]);
    assert_eq!(results.len(), 9);
    let expected = |case: &str| -> Vec<&str> {
        let of_case = results.iter().filter(|result| result["case"] == case);
        of_case
            .map(|result| {
                result["metrics"]["expected_output"]["reason"]
                    .as_str()
                    .unwrap()
            })
            .collect()
    };
    let (a, b, c) = (expected("a"), expected("b"), expected("c"));
    assert!(a.iter().chain(&b).all(|text| *text == a[0]), "{a:?} {b:?}");
    assert!(c.iter().all(|text| *text == c[0]) && c[0] != a[0], "{c:?}");
}

#[test]
fn a_reference_that_fails_is_no_low_score() {
    for (code, told) in [
        ("import sys; sys.exit('broken')", "runtime_error: broken"),
        ("import time; time.sleep(60)", "timeout"),
        ("print('x' * 100000)", "output_limit"),
        ("pass", "leaves no file `out`"),
        (
            "open('out', 'w').write('x' * 100000)",
            "more than `limits.output`",
        ),
    ] {
        let suite = format!(
            "timeout: 2\nlimits: {{output: 1KiB}}\nreference: {{code: \"{code}\"}}\nexpect: {{output: {{from: reference}}, files: {{out: {{from: reference}}}}}}\ncases: [{{name: a, reply: print(1)}}]\n"
        );
        let (_, ran) = run(&suite, &[]);
        let ran = ran.expect_status(2);
        let result = &ran.json_lines()[0];
        assert_eq!(result["error"]["kind"], "configuration");
        assert!(error(result).contains(told), "{code}: {result:#}");
    }
}

/// A dataset of which the second row's reference fails.
const OF_ROWS: &str = "dataset: {file: rows.jsonl, on_bad_row: skip}\nreference: {code: {expr: row.solution}}\nexpect: {output: {from: reference}}\nreply: print(1)\n";
const ROWS: &str =
    "{\"solution\": \"print(1)\"}\n{\"solution\": \"1 / 0\"}\n{\"solution\": \"print(1)\"}\n";

#[test]
fn a_row_whose_reference_fails_is_bad() {
    let files = [("suites/rows.jsonl", ROWS)];
    let (project, ran) = run(OF_ROWS, &files);
    let ran = ran.expect_status(0);
    assert_eq!(ran.json_lines().len(), 2, "{}", ran.stdout);
    assert!(
        ran.stderr.contains("1 (bad rows: suites/rows.jsonl:2)"),
        "{}",
        ran.stderr
    );
    let tested = project.run(&["test"]).expect_status(0);
    assert!(
        tested.stdout.contains("2 passed; 0 failed; 1 ignored"),
        "{}",
        tested.stdout
    );
    project.write("suites/s.yaml", format!("{OF_ROWS}require: {{mean: 1}}\n"));
    project.run(&["run"]).expect_status(0);
    project.run(&["test"]).expect_status(0);

    let (project, ran) = run(&OF_ROWS.replace(", on_bad_row: skip", ""), &files);
    let ran = ran.expect_status(2);
    let results = ran.json_lines();
    let bad = results
        .iter()
        .find(|result| !result["error"].is_null())
        .unwrap();
    assert!(
        error(bad).starts_with("suites/rows.jsonl:2: the reference did not end well"),
        "{bad:#}"
    );
    project.run(&["test"]).expect_status(101);
}

#[test]
fn a_reference_where_none_can_be_is_refused() {
    for (expect, told) in [
        (
            "{output: 1, checks: {c: {of: stdout, not: {from: reference}}}}",
            "a check compares with nothing that the reference leaves",
        ),
        ("{error: {from: reference}}", "the reference has no error"),
        ("{output: 1}", "nothing is compared with the reference"),
    ] {
        let suite = format!(
            "cases: [{{reply: print(1), reference: {{code: print(1)}}, expect: {expect}}}]\n"
        );
        let project = TempProject::new(&[("suites/s.yaml", &suite)]);
        let ran = project.run(&["check"]).expect_status(2);
        assert!(ran.stderr.contains(told), "{expect}\n{}", ran.stderr);
    }
}

#[test]
fn checks_hold_texts_to_rules() {
    let check = |rule: Value| json!({"expect": {"checks": {"c": rule}}});
    let says = "import sys\nprint('Hello, World')\nprint('noise', file=sys.stderr)";
    table(&[
        (
            says,
            check(json!({"of": "code", "contains": "sys"})),
            1.0,
            "",
        ),
        (
            says,
            check(
                json!({"of": "code", "not": {"search": r"\beval\("}, "max_lines": 3, "max_chars": 100}),
            ),
            1.0,
            "",
        ),
        (
            says,
            check(json!({"of": "code", "max_lines": 2})),
            0.0,
            "the code has 3 lines, 2 are allowed",
        ),
        (
            says,
            check(json!({"of": "code", "max_chars": 5})),
            0.0,
            "5 are allowed",
        ),
        (
            says,
            check(json!({"of": "code", "max_lines": 2, "not": {"contains": "sys"}})),
            0.0,
            "it matches what it must not match",
        ),
        (
            says,
            check(json!({"of": "stdout", "contains": "hello"})),
            0.0,
            "wrong",
        ),
        (
            says,
            check(json!({"of": "stdout", "case_insensitive": "hello, world"})),
            1.0,
            "",
        ),
        (
            says,
            check(json!({"of": "stdout", "empty": false})),
            1.0,
            "",
        ),
        (
            says,
            check(json!({"of": "stderr", "empty": true})),
            0.0,
            "standard error is not empty",
        ),
        (
            "print(2.5016)",
            check(json!({"of": "stdout", "numeric": {"value": 2.5, "abs": 0.01}})),
            1.0,
            "",
        ),
        (
            "print(2.6)",
            check(json!({"of": "stdout", "numeric": {"value": 2.5, "abs": 0.01}})),
            0.0,
            "",
        ),
        (
            "1 / 0",
            check(json!({"of": "code", "empty": false})),
            0.0,
            "error",
        ),
    ]);
    let reply = |text: &str| json!({"reply": format!("{text}\n```python\nprint(1)\n```"), "expect": {"checks": {"c": {"of": "reply", "not": {"contains": "Sure"}}}}});
    let results = scored(&[reply("Here."), reply("Sure!")]);
    assert_eq!(
        (&results[0]["score"], &results[1]["score"]),
        (&json!(1.0), &json!(0.0))
    );
}

#[test]
fn a_gate_on_a_check_takes_what_there_was() {
    let row = |credit: &str| {
        json!({
            "expect": {"stdin_cases": inputs(&["2", "x", "2"]), "credit": credit, "checks": {"short": {"of": "code", "max_chars": 5}}},
            "score": {"gates": ["short"], "weights": {"stdin_cases": 1}},
        })
    };
    table(&[
        (
            "print(1)",
            json!({"expect": {"output": 1, "checks": {"short": {"of": "code", "max_chars": 5}}}, "score": {"gates": ["short"]}}),
            0.0,
            "gate",
        ),
        (
            "print(2)",
            json!({"expect": {"output": 1, "checks": {"short": {"of": "code", "max_chars": 5}}}, "score": {"gates": ["short"]}}),
            0.0,
            "wrong",
        ),
        (DOUBLES, row("fraction"), 0.0, "gate"),
        (DOUBLES, row("all"), 0.0, "error"),
    ]);
}

#[test]
fn an_authors_checker_reads_the_attempt() {
    let checker = "#!/usr/bin/env python3\nimport json, os, sys\nasked = json.load(sys.stdin)\n\
        assert asked['id'] == 's::a' and asked['check'] == 'mine' and asked['language'] == 'python', asked\n\
        assert 'Here' in asked['reply'] and asked['code'] == 'print(7)\\n' == asked['program'], asked\n\
        assert asked['messages'] == [{'role': 'user', 'content': 'Print.'}], asked\n\
        assert [one['stdout'] for one in asked['executions']] == ['7\\n'], asked\n\
        assert 'E2B_API_KEY' not in os.environ and open('beside.txt').read() == 'here'\n\
        print(json.dumps({'score': 0.25, 'reason': ' '.join(sys.argv[1:])}))\n";
    let suite = "cases:\n  - name: a\n    prompt: Print.\n    backend: local\n    reply: \"Here.\\n```python\\nprint(7)\\n```\"\n    expect: {checks: {mine: {command: [./check.py, said, so]}}}\n    score: {at_least: 0.2}\n";
    let files = [("suites/check.py", checker), ("suites/beside.txt", "here")];
    let (project, ran) = run(suite, &files);
    let result = &ran.json_lines()[0];
    assert_eq!(result["score"], 0.25, "{result:#}");
    assert_eq!(result["metrics"]["mine"]["reason"], "said so");
    // From elsewhere, and with a key that it is not to see.
    let path = project.path().join("suites");
    let ran = crate::support::run_in(
        &path,
        &["run", "s.yaml"],
        "",
        &[("E2B_API_KEY", "e2b_secret")],
    );
    ran.expect_status(0);
}

#[test]
fn a_checker_that_fails_is_no_low_score() {
    for (command, told) in [
        (
            "[sh, -c, 'echo why >&2; exit 4']",
            "the check `mine`: `sh` failed (exit status: 4): why",
        ),
        ("[sh, -c, 'echo nonsense']", "must print"),
        ("[sh, -c, 'echo {\\\"score\\\": 7}']", "must print"),
        ("[./absent.py]", "could not start `./absent.py`"),
        ("[no-such-command]", "could not start `no-such-command`"),
    ] {
        let command = command.replace('\'', "\"");
        let suite = format!(
            "cases: [{{name: a, reply: print(1), expect: {{checks: {{mine: {{command: {command}}}}}}}}}]\n"
        );
        let (_, ran) = run(&suite, &[]);
        let ran = ran.expect_status(2);
        let result = &ran.json_lines()[0];
        assert!(error(result).contains(told), "{command}: {result:#}");
    }
}

/// Rows may come from anybody.
#[test]
fn a_row_to_score_runs_no_command_and_reads_no_file() {
    let project = TempProject::new(&[
        ("secret.txt", "s3cret"),
        ("suites/secret.txt", "s3cret"),
        (
            "suites/s.yaml",
            "cases: [{reply: {file: secret.txt}, files: {a: {file: secret.txt}}, expect: 1}]\n",
        ),
    ]);
    let marker = project.path().join("marker");
    let touch = json!(["touch", marker]);
    let file = json!({"file": "secret.txt"});
    let rows = [
        (
            json!({"expect": {"checks": {"c": {"command": touch}}}}),
            "a row to score runs no command",
        ),
        (
            json!({"language": {"name": "python", "interpreter": "./x"}, "expect": 1}),
            "a row to score names no interpreter",
        ),
        (
            json!({"files": {"a": file}, "expect": 1}),
            "a row to score names no file",
        ),
        (
            json!({"stdin": file, "expect": 1}),
            "a row to score names no file",
        ),
        (
            json!({"expect": {"output": file}}),
            "a row to score names no file",
        ),
        (
            json!({"expect": {"tests": {"code": file}}}),
            "a row to score names no file",
        ),
        (
            json!({"expect": 1, "isolation": "none"}),
            "may not lower the isolation",
        ),
        (
            json!({"expect": {"output": {"from": "reference"}}, "reference": {"code": "print(1)"}}),
            "`reference` stands in no row",
        ),
    ];
    let asked: Vec<Value> = rows
        .iter()
        .map(|(row, _)| {
            let mut row = row.clone();
            row["code"] = json!("print(open('a').read())");
            row
        })
        .collect();
    for ((row, told), result) in rows.iter().zip(scored_in(&project, &asked)) {
        assert_eq!(
            result["error"]["kind"], "configuration",
            "{row}\n{result:#}"
        );
        assert!(error(&result).contains(told), "{row}\n{result:#}");
        assert!(!result.to_string().contains("s3cret"), "{result:#}");
    }
    assert!(!marker.exists());
}

#[test]
fn a_preset_of_the_project_may_carry_a_command() {
    let pack = "presets:\n  checked:\n    expect: {output: 1, checks: {mine: {command: [sh, -c, 'echo \"{\\\"score\\\": 1, \\\"reason\\\": \\\"asked\\\"}\"']}}}\n";
    let project = TempProject::new(&[("rules/mine.yaml", pack)]);
    let result = &scored_in(&project, &[json!({"use": ["checked"], "code": "print(1)"})])[0];
    assert_eq!(result["score"], 1.0, "{result:#}");
    assert_eq!(result["metrics"]["mine"]["reason"], "asked");
}

#[test]
fn subjects_stand_beside_each_other() {
    let both = "import sys\ndef f(n): return n * 2\nif __name__ == '__main__':\n    open('out', 'w').write('own')\n    print(f(int(input())))";
    let all = json!({
        "stdin": "2",
        "expect": {
            "output": 4,
            "files": {"out": "own"},
            "stdin_cases": [{"stdin": "3", "output": "6"}, {"stdin": "5", "output": "10"}],
            "tests": "assert f(4) == 8",
            "runs": true,
            "checks": {"c": {"of": "stdout", "empty": false}},
            "duration": {"under": "20s"},
        },
    });
    let mut bad = all.clone();
    bad["expect"]["stdin_cases"][1]["output"] = json!("11");
    table(&[
        (both, all, 1.0, "2 of 2 inputs pass"),
        (both, bad, 6.0 / 7.0, "1 of 2 inputs pass; input 2 (`5`)"),
        (
            "def f(n): return n * 2",
            json!({"expect": {"tests": "assert f(4) == 8", "duration": {"under": "20s"}}}),
            1.0,
            "",
        ),
        (
            "print(1)",
            json!({"expect": {"checks": {"c": {"of": "code", "max_lines": 1}}}}),
            1.0,
            "",
        ),
    ]);
    let result = &scored(&[
        json!({"language": "c", "code": "int main(void) { return x; }", "expect": {
            "output": 1, "stdin_cases": [{"output": "1"}], "files": {"a": "1"}, "duration": {"under": "1s"}, "checks": {"c": {"of": "code", "empty": false}},
        }}),
    ])[0];
    assert_eq!(
        (&result["score"], &result["cause"]),
        (&json!(0.0), &json!("compile")),
        "{result:#}"
    );
    for name in [
        "output_match",
        "stdin_cases",
        "files",
        "duration",
        "c",
        "execution_result",
    ] {
        assert_eq!(result["metrics"][name]["score"], 0.0, "{name}\n{result:#}");
    }
}
