//! The commands: what they print, where, and how they end.

use serde_json::{Value, json};

use crate::support::TempProject;

const RIGHT: &str = "```python\nprint(120)\n```";
const SUITE: &str = r#"cases:
  - name: right
    reply: |
      ```python
      print(120)
      ```
    expect: 120
  - name: wrong
    reply: |
      ```python
      print(119)
      ```
    expect: 120
"#;

fn project() -> TempProject {
    TempProject::new(&[("suites/numbers.yaml", SUITE)])
}

#[test]
fn every_mistake_of_a_row_is_told() {
    let project = TempProject::new(&[]);
    let rows = "{\"id\": 1, \"expect\": {\"outpt\": 1}, \"code\": \"x\", \"limits\": {\"memory\": 5, \"x\": 1}}\n{\"id\": 2, \"expect\": \"1\", \"code\": \"x\", \"samples\": 3}\n";
    let ran = project.run_with(&["score"], rows).expect_status(0);
    let messages: Vec<_> = ran
        .json_lines()
        .iter()
        .map(|row| row["error"]["message"].clone())
        .collect();
    assert_eq!(
        messages,
        [
            "unknown key `outpt`; did you mean `output`?\nexpected a size with a unit such as `256MiB` or `1GB`, found `5`\nunknown key `x`; known here: `memory`, `cpu`, `output`, `processes`, `disk`, `inodes`, `open_files`, `build`, `total`",
            "`samples` stands in no row to score: its replies are under `replies`",
        ]
    );
}

#[test]
fn a_project_is_where_the_command_is_called() {
    let project = TempProject::bare(&[
        (
            "suites/file.yaml",
            "cases: [{name: a, reply: {file: ../data/r.md}, expect: 1}]\n",
        ),
        ("data/r.md", "```python\nprint(1)\n```\n"),
    ]);
    for arguments in [
        &["check"][..],
        &["check", "suites/file.yaml"],
        &["check", "suites"],
    ] {
        project.run(arguments).expect_status(0);
    }
}

#[test]
fn run_tells_what_failed_and_why_and_ends_with_1() {
    let ran = project().run(&["run"]).expect_status(1);
    for told in [
        "pass  numbers::right",
        "FAIL  numbers::wrong",
        "expected",
        "119",
        "zeros by cause: wrong 1",
        "2 cases",
        "1 passed, 1 failed",
    ] {
        assert!(
            ran.stdout.contains(told),
            "`{told}` is missing in:\n{}",
            ran.stdout
        );
    }
}

#[test]
fn run_says_once_that_there_is_no_key() {
    let ran = project().run(&["run"]);
    assert_eq!(
        ran.stdout
            .matches("E2B_API_KEY is not set: running locally")
            .count(),
        1,
        "{}",
        ran.stdout
    );
}

#[test]
fn a_cloud_that_is_not_reached_is_an_infrastructure_error_and_the_key_is_never_shown() {
    let variables = [
        ("E2B_API_KEY", "e2b_secret_value"),
        ("E2B_API_URL", "http://127.0.0.1:1"),
    ];
    let ran = project().run_env(&["run"], &variables).expect_status(3);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("running in E2B's cloud"), "{told}");
    assert!(
        told.contains("E2B could not create a sandbox: the connection failed"),
        "{told}"
    );
    assert!(!told.contains("e2b_secret_value"), "{told}");
}

#[test]
fn e2b_alone_is_an_infrastructure_error_and_no_score() {
    let project = TempProject::new(&[("suites/cloud.yaml", &format!("backend: e2b\n{SUITE}"))]);
    let ran = project.run(&["run", "--format", "jsonl"]).expect_status(3);
    for row in ran.json_lines() {
        assert_eq!(row["score"], Value::Null);
        assert_eq!(row["error"]["kind"], "infrastructure");
    }
}

#[test]
fn jsonl_is_one_documented_object_a_case() {
    let ran = project()
        .run(&["run", "--format", "jsonl"])
        .expect_status(1);
    let rows = ran.json_lines();
    assert_eq!(rows.len(), 2);
    let right = rows
        .iter()
        .find(|row| row["id"] == "numbers::right")
        .unwrap();
    assert_eq!(right["score"], 1.0);
    for name in [
        "extracted_code",
        "expected_output",
        "execution_result",
        "output_match",
    ] {
        let metric = &right["metrics"][name];
        assert_eq!(metric["success"], true, "{name}: {metric}");
        assert!(
            metric["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{name}: {metric}"
        );
    }
    let execution = &right["execution"];
    assert_eq!(execution["status"], "ok");
    assert_eq!(execution["stdout"], "120\n");
    assert_eq!(execution["exit_code"], 0);
    assert_eq!(execution["backend"], "local");
    let isolation = execution["isolation"].as_str().unwrap();
    assert!(["full", "reduced", "none"].contains(&isolation));
    let wrong = rows
        .iter()
        .find(|row| row["id"] == "numbers::wrong")
        .unwrap();
    assert_eq!(wrong["score"], 0.0);
    assert_eq!(wrong["cause"], "wrong");
    assert_eq!(wrong["suite"], "numbers");
}

#[test]
fn results_can_go_to_a_file_while_people_read_the_table() {
    let project = project();
    let ran = project
        .run(&[
            "run",
            "--format",
            "human",
            "--format",
            "jsonl=results.jsonl",
        ])
        .expect_status(1);
    assert!(ran.stdout.contains("mean score"), "{}", ran.stdout);
    let results = std::fs::read_to_string(project.path().join("results.jsonl")).unwrap();
    assert_eq!(results.lines().count(), 2);
}

#[test]
fn what_a_program_prints_cannot_drive_the_terminal() {
    let suite = "cases:\n  - reply: |\n      ```python\n      print('\\x1b[2Jgone')\n      ```\n    expect: here\n";
    let ran = TempProject::new(&[("suites/s.yaml", suite)])
        .run(&["run"])
        .expect_status(1);
    assert!(!ran.stdout.contains('\x1b'), "{:?}", ran.stdout);
    assert!(ran.stdout.contains("\\u{1b}[2Jgone"), "{}", ran.stdout);
}

#[test]
fn cases_are_selected_by_name_tag_language_and_number() {
    let suite = r"
cases:
  - {name: one, tags: [quick], reply: print(1), code: verbatim, expect: 1}
  - {name: two, reply: print(2), code: verbatim, expect: 2}
  - {name: three, reply: print(3), code: verbatim, expect: 3, skip: not today}
";
    let project = TempProject::new(&[("suites/s.yaml", suite)]);
    for (arguments, ids) in [
        (&["--filter", "two"][..], &["s::two"][..]),
        (&["--tag", "quick"][..], &["s::one"][..]),
        (&["--language", "py"][..], &["s::one", "s::two"][..]),
        (&["--limit", "1"][..], &["s::one"][..]),
        (&[][..], &["s::one", "s::two"][..]),
    ] {
        let ran = project
            .run(&[&["run", "--format", "jsonl"], arguments].concat())
            .expect_status(0);
        let mut found: Vec<String> = ran
            .json_lines()
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        assert_eq!(found, ids, "{arguments:?}");
    }
    let ran = project.run(&["run"]).expect_status(0);
    assert!(
        ran.stdout.contains("not run: 1 (skip: not today)"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_run_without_a_case_is_a_mistake() {
    let suite = "cases:\n  - {name: one, tags: [quick], reply: print(1), expect: 1}\n";
    let project = TempProject::new(&[("suites/s.yaml", suite)]);
    for (arguments, told) in [
        (
            ["--filter", "two"],
            "no case that is selected has `two` in its id",
        ),
        (["--tag", "quik"], "did you mean `quick`?"),
        (
            ["--language", "js"],
            "no case that is selected is in `javascript`",
        ),
    ] {
        let ran = project.run(&[&["run"], &arguments[..]].concat());
        let ran = ran.expect_status(2);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    let project = TempProject::new(&[(
        "suites/s.yaml",
        "reply: x\nexpect: 1\ndataset: {file: none.jsonl}\n",
    )]);
    project.write("suites/none.jsonl", "");
    for command in ["run", "check"] {
        let ran = project.run(&[command]).expect_status(2);
        assert!(
            ran.stderr.contains("no rows") || ran.stderr.contains("no case"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn an_unknown_format_or_language_is_refused() {
    let project = project();
    let ran = project.run(&["run", "--format", "jsnl"]).expect_status(2);
    assert!(
        ran.stderr.contains("did you mean `jsonl`?"),
        "{}",
        ran.stderr
    );
    let ran = project
        .run(&["run", "--language", "pyhton"])
        .expect_status(2);
    assert!(
        ran.stderr.contains("did you mean `python`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn try_scores_one_reply_with_the_explanation() {
    let project = project();
    let ran = project
        .run_with(&["try", "suites/numbers.yaml", "wrong"], RIGHT)
        .expect_status(0);
    assert!(ran.stdout.contains("score 1"), "{}", ran.stdout);
    let ran = project
        .run_with(
            &["try", "suites/numbers.yaml", "wrong"],
            "I cannot do that.",
        )
        .expect_status(1);
    assert!(ran.stdout.contains("no_code"), "{}", ran.stdout);
    let ran = project
        .run_with(&["try", "suites/numbers.yaml"], RIGHT)
        .expect_status(2);
    assert!(ran.stderr.contains("more than one case"), "{}", ran.stderr);
    let ran = project
        .run_with(&["try", "suites/numbers.yaml", "rihgt"], RIGHT)
        .expect_status(2);
    assert!(
        ran.stderr.contains("did you mean `right`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn list_names_cases_and_rows() {
    let project = project();
    project.write("suites/rows.yaml", "dataset: {file: rows.jsonl, name: \"{{ row.name }}\"}\nreply: x\nexpect: \"{{ row.n }}\"\n");
    project.write(
        "suites/rows.jsonl",
        "{\"name\": \"a/1\", \"n\": 1}\n{\"name\": \"b\", \"n\": 2}\n",
    );
    let ran = project.run(&["list"]).expect_status(0);
    assert_eq!(
        ran.stdout,
        "numbers::right\nnumbers::wrong\nrows::a/1\nrows::b\n"
    );
}

#[test]
fn explain_shows_every_decision() {
    let suite = r#"
cases:
  - name: sum
    prompt: "Sum a list. Expected output: 15 (for [1,2,3,4,5])"
    reply: |
      Here you are:
      ```python
      print(sum([1, 2, 3, 4, 5]))
      ```
"#;
    let project = TempProject::new(&[("suites/s.yaml", suite)]);
    let ran = project
        .run(&["explain", "s::sum", "--run"])
        .expect_status(0);
    for told in [
        "print(sum([1, 2, 3, 4, 5]))",
        "`15` by `lines`",
        "found in the prompt by the rule",
        "stated at 1:30 (characters 29 to 31)",
        "output_match × 1.000",
        "score 1",
        "suites/s.yaml:3:11",
    ] {
        assert!(
            ran.stdout.contains(told),
            "`{told}` is missing in:\n{}",
            ran.stdout
        );
    }
}

#[test]
fn score_answers_each_row_in_order() {
    let rows = [
        json!({"id": "a", "expect": 120, "reply": RIGHT}),
        json!({"id": 7, "expect": {"output": {"numeric": {"value": "2.0", "abs": 0.5}}}, "code": "print(2.25)"}),
        json!({"id": "g", "expect": "x {{ y }}", "replies": ["```python\nprint('x {{ y }}')\n```", "no code"]}),
        json!({"id": "bad", "expct": 1, "code": "x"}),
        json!({"id": "js", "language": "js", "code": "console.log(1)", "expect": 1}),
        json!({"id": "s", "suite": "numbers", "case": "right", "reply": "```python\nprint(1)\n```"}),
        json!({"id": "none"}),
    ];
    let mut input: String = rows.iter().map(|row| format!("{row}\n")).collect();
    input.push_str("not json\n");
    let ran = project().run_with(&["score"], &input).expect_status(0);
    let results = ran.json_lines();
    let short: Vec<Value> = results
        .iter()
        .map(|row| {
            json!([
                row["id"],
                row["sample"],
                row["score"],
                row["cause"],
                row["error"]["kind"]
            ])
        })
        .collect();
    assert_eq!(
        short,
        [
            json!(["a", null, 1.0, null, null]),
            json!([7, null, 1.0, null, null]),
            json!(["g", 0, 1.0, null, null]),
            json!(["g", 1, 0.0, "no_code", null]),
            json!(["bad", null, null, null, "configuration"]),
            json!(["js", null, 1.0, null, null]),
            json!(["s", null, 0.0, "wrong", null]),
            json!(["none", null, null, null, "input"]),
            json!([null, null, null, null, "input"]),
        ]
    );
    assert!(
        results[4]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("did you mean `expect`?")
    );
    // A row has a line and no place in a file.
    let bad = results[4]["error"]["message"].as_str().unwrap();
    assert!(bad.starts_with("unknown key"), "{bad}");
    assert_eq!(results[8]["error"]["line"], 8);
    project()
        .run_with(&["score", "--strict"], "not json\n")
        .expect_status(2);
}

#[test]
fn score_takes_a_suite_as_a_function_of_a_row() {
    let suite = r#"
dataset: {file: rows.jsonl}
reply: {expr: row.reply}
expect: {tests: {expr: row.tests}}
"#;
    let project = TempProject::new(&[
        ("suites/f.yaml", suite),
        (
            "suites/rows.jsonl",
            "{\"reply\": \"x\", \"tests\": \"assert 1\"}\n",
        ),
    ]);
    let row = json!({"reply": "", "tests": ["assert f(2) == 4", "assert f(3) == 9"]});
    let right = "```python\ndef f(n):\n    return n * n\n```";
    let input = format!(
        "{}\n{}\n",
        json!({"id": 1, "suite": "f", "row": row, "reply": right}),
        json!({"id": 2, "suite": "f", "row": {"reply": ""}, "reply": right})
    );
    let results = project
        .run_with(&["score"], &input)
        .expect_status(0)
        .json_lines();
    assert_eq!(results[0]["score"], 1.0, "{}", results[0]);
    assert_eq!(results[1]["score"], Value::Null);
    assert!(
        results[1]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("no column `tests`"),
        "{}",
        results[1]
    );
}

#[test]
fn rules_are_listed_shown_and_tried() {
    let project = project();
    let ran = project.run(&["rules", "list"]).expect_status(0);
    for rule in ["python", "javascript", "standard", "lines", "numeric"] {
        assert!(ran.stdout.contains(rule), "{rule}");
    }
    let ran = project.run(&["rules", "show", "python"]).expect_status(0);
    assert!(ran.stdout.contains("aliases: [py"), "{}", ran.stdout);
    project.run(&["rules", "show", "pyhton"]).expect_status(2);

    let input = format!(
        "{}\n",
        json!({"id": 1, "text": "Sum. Expected output: 15 (for [1,2,3,4,5])"})
    );
    let row = &project
        .run_with(&["rules", "try", "expected-output"], &input)
        .expect_status(0)
        .json_lines()[0];
    assert_eq!(
        (&row["id"], &row["value"], &row["span"]),
        (&json!(1), &json!("15"), &json!([22, 24]))
    );

    let input = format!(
        "{}\n",
        json!({"id": 1, "text": "My code prints 10.\nExpected output: 15\nThe answer is 16."})
    );
    let row = &project
        .run_with(&["rules", "try", "expected-output"], &input)
        .expect_status(0)
        .json_lines()[0];
    let lost = row["lost"].as_array().unwrap();
    for told in [
        json!({"rule": "prints-literal", "value": "10", "span": [15, 17], "reason": "its line says `My code prints`"}),
        json!({"rule": "result-is", "value": "16", "span": [53, 55], "reason": "a later rule; `expected-label` decided first"}),
    ] {
        assert!(lost.contains(&told), "{told} is missing in {row}");
    }
    let arguments = ["rules", "try", "expected-output", "--rule", "result-is"];
    let row = &project
        .run_with(&arguments, &input)
        .expect_status(0)
        .json_lines()[0];
    assert_eq!((&row["value"], &row["lost"]), (&json!("16"), &json!([])));
    let ran = project
        .run(&["rules", "try", "expected-output", "--rule", "result-si"])
        .expect_status(2);
    assert!(
        ran.stderr.contains("did you mean `result-is`?"),
        "{}",
        ran.stderr
    );

    let input = format!(
        "{}\n",
        json!({"id": 2, "text": "Run:\n```js\nconsole.log(1)\n```\n", "language": "javascript"})
    );
    let row = &project
        .run_with(&["rules", "try", "code"], &input)
        .expect_status(0)
        .json_lines()[0];
    assert_eq!(row["code"].as_str().unwrap().trim_end(), "console.log(1)");
    assert_eq!(
        row["blocks"],
        json!([{"lang": "js", "start_line": 3, "end_line": 3, "chosen": true}])
    );

    let input = format!(
        "{}\n",
        json!({"id": 3, "actual": "0.30000000000000004", "expected": "0.3", "comparator": "numeric", "params": {"rel": 1e-9}})
    );
    let row = &project
        .run_with(&["rules", "try", "compare"], &input)
        .expect_status(0)
        .json_lines()[0];
    assert_eq!((&row["match"], &row["score"]), (&json!(true), &json!(1.0)));
}

#[test]
fn a_language_a_pattern_and_a_comparator_are_a_yaml_edit() {
    let rules = r#"
languages:
  shell:
    aliases: [sh, bash]
    file: main.sh
    find: {command: sh}
    run: ["{{ interpreter }}", "{{ file }}"]
    examples: [{code: "echo $((6 * 7))", output: 42}]
expected_output:
  standard:
    - name: must-say
      pattern: '(?m)must say: (?P<value>.+)$'
      examples: [{text: "It must say: hello", value: hello}]
comparators:
  loose:
    steps: [trim]
    then: [exact]
    examples: [{actual: " a ", expected: a, match: true}]
presets:
  quick: {timeout: 5, compare: loose}
"#;
    let suite = r#"
use: quick
cases:
  - name: shell
    language: bash
    prompt: "It must say: hello"
    reply: |
      ```sh
      echo "  hello"
      ```
"#;
    let project = TempProject::new(&[("rules/own.yaml", rules), ("suites/s.yaml", suite)]);
    project.run(&["run"]).expect_status(0);
    let ran = project.run(&["test"]).expect_status(0);
    for trial in [
        "rules::own::shell::1",
        "rules::own::must-say::1",
        "rules::own::loose::1",
        "s::shell",
    ] {
        assert!(
            ran.stdout.contains(trial),
            "{trial} is missing in\n{}",
            ran.stdout
        );
    }
}

#[test]
fn a_project_adds_to_the_standard_patterns_and_names_its_own() {
    let rules = r#"
expected_output:
  standard:
    - name: must-say
      pattern: '(?m)must say: (?P<value>.+)$'
    - name: result-is
      pattern: 'never said: (?P<value>.+)'
  house-style:
    - name: arrow
      pattern: '(?m)^=> (?P<value>.+)$'
"#;
    let suite = r#"
cases:
  - {name: added, prompt: "It must say: hello. Expected output: 15", reply: "print('hello. Expected output: 15')"}
  - {name: still there, prompt: "Expected output: 15", reply: print(15)}
  - {name: own, prompt: "Expected output: 15\n=> 16", reply: print(16), expect: {output: {from: prompt, rule: house-style}}}
  - {name: not own, prompt: "=> 16\nExpected output: 15", reply: print(15), expect: {output: {not: {from: prompt, rule: house-style}}}}
"#;
    let project = TempProject::new(&[("rules/own.yaml", rules), ("suites/s.yaml", suite)]);
    project.run(&["run"]).expect_status(0);
    let ran = project.run(&["explain", "s::own"]).expect_status(0);
    assert!(ran.stdout.contains("by the rule `arrow`"), "{}", ran.stdout);
    assert!(ran.stdout.contains("stated at 2:4"), "{}", ran.stdout);
    let input = "{\"id\": 1, \"text\": \"The answer is 3.\"}\n";
    let row = &project
        .run_with(&["rules", "try", "expected-output"], input)
        .expect_status(0)
        .json_lines()[0];
    assert_eq!(
        row["value"],
        json!(null),
        "the standard rule was replaced: {row}"
    );

    let told = |expect: &str| {
        let suite = format!("prompt: 'x'\nreply: x\ncases:\n  - expect: {{output: {expect}}}\n");
        let project = TempProject::new(&[("rules/own.yaml", rules), ("suites/s.yaml", &suite)]);
        project.run(&["check"]).expect_status(2).stderr
    };
    for (expect, words) in [
        (
            "{from: prompt, rule: house-stile}",
            [
                "unknown expected-output extractor `house-stile`",
                "did you mean `house-style`?",
            ],
        ),
        (
            "{from: reference, rule: house-style}",
            [
                "`rule` stands beside `from: prompt` alone",
                "write `{from: prompt, rule: NAME}`",
            ],
        ),
        (
            "{rule: house-style}",
            [
                "`rule` stands beside `from: prompt` alone",
                "write `{from: prompt, rule: NAME}`",
            ],
        ),
        (
            "{from: prompt, contains: a}",
            ["only one matcher may stand here", "parameters stand beside"],
        ),
    ] {
        let told = told(expect);
        for words in words {
            assert!(
                told.contains(words),
                "{expect}: `{words}` is missing in\n{told}"
            );
        }
    }
}

#[test]
fn what_programs_print_drives_neither_terminal_nor_ci() {
    let code = "print('\\x1b[2J\\u009b31m\\u202e')\nprint('::error::hi')\nprint('  ::add-mask::x ##[error]y')\nraise ValueError('\\x1b]52;c;eA==\\x07')";
    let suite = serde_json::json!({
        "expect": "nothing of the kind",
        "cases": [{"name": "prints", "reply": format!("```python\n{code}\n```")}],
    });
    let project = TempProject::new(&[("suites/loud.yaml", &suite.to_string())]);
    let row = serde_json::json!({"id": "\u{9b}", "code": code, "expect": "1"}).to_string();
    let reply = format!("```python\n{code}\n```");
    let ran = [
        project.run(&["run"]),
        project.run(&["run", "--format", "jsonl"]),
        project.run(&["test"]),
        project.run(&["explain", "loud::prints", "--run"]),
        project.run_with(&["try", "suites/loud.yaml"], &reply),
        project.run_with(&["try", "suites/loud.yaml", "--json"], &reply),
        project.run_with(&["score"], &row),
    ];
    for ran in ran {
        let text = ran.stdout + &ran.stderr;
        assert!(
            !text.contains(['\x1b', '\u{9b}', '\u{202e}', '\x07']),
            "{text:?}"
        );
        assert!(!text.contains("##["), "{text}");
        let is_command = |line: &str| line.trim_start().starts_with("::");
        assert!(!text.lines().any(is_command), "{text}");
    }
}

#[test]
fn what_a_suite_says_drives_no_terminal() {
    for suite in [
        "language: \"\\e[2Jpython\"\ncases: [{reply: x}]\n",
        "cases: [{name: \"\\x9b\", reply: x, expect: x}]\n",
        "cases: [{name: \"\\u202e\", reply: x, expect: x}]\n",
        "\"\\e[2J\": 1\ncases: [{reply: x, expect: x}]\n",
        "cases: [{reply: x, expect: {\"\u{9b}\": x}}]\n",
    ] {
        let project = TempProject::new(&[("suites/a.yaml", suite)]);
        let ran = project.run(&["check"]).expect_status(2);
        assert!(
            !ran.stderr.contains(['\x1b', '\u{9b}', '\u{202e}']),
            "{:?}",
            ran.stderr
        );
    }
}

#[test]
fn a_row_to_score_says_which_case_judges_it_and_is_never_lost() {
    let project = TempProject::new(&[(
        "suites/s.yaml",
        "dataset: {file: rows.jsonl}\nprompt: p\nexpect: \"{{ row.n }}\"\ncases:\n  - {name: strict}\n  - {name: loose, compare: numeric}\n",
    )]);
    project.write("suites/rows.jsonl", "{\"n\": 1}\n");
    let rows = r#"{"id": 1, "suite": "s", "row": {"n": 1}, "code": "print(1.0)"}
{"id": 2, "suite": "s", "case": "strict", "row": {"n": 1}, "code": "print(1.0)"}
{"id": 3, "suite": "s", "case": "loose", "row": {"n": 1}, "code": "print(1.0)"}
{"id": 4, "suite": "s", "case": "lose", "row": {"n": 1}, "code": "print(1.0)"}
{"id": 5, "suite": "s", "case": "strict", "code": "print(1.0)"}
{"id": 6, "expect": "1", "replies": []}
"#;
    let ran = project.run_with(&["score"], rows).expect_status(0);
    let told: Vec<String> = ran
        .json_lines()
        .iter()
        .map(|row| match row["error"]["message"].as_str() {
            Some(message) => message.to_owned(),
            None => row["score"].to_string(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "the suite `s` has several cases: name one under `case`: `strict`, `loose`",
            "0.0",
            "1.0",
            "the suite `s` has no case `lose`; did you mean `loose`?",
            "the suite `s` makes its cases of rows: give one under `row`",
            "`replies` is empty: nothing would be scored",
        ]
    );
}

#[test]
fn the_same_program_is_built_once() {
    let pack = r#"
languages:
  drawn:
    file: main.txt
    find: {command: sh}
    build: ["{{ interpreter }}", -c, "od -An -N16 -tx1 /dev/urandom > {{ stem }}"]
    run: ["{{ interpreter }}", -c, "cat {{ stem }}"]
"#;
    let suite = r#"
language: drawn
expect: {output: {search: '^ ?[0-9a-f]{2} '}}
cases:
  - {name: one, reply: &same "```drawn\nthe same\n```"}
  - {name: two, reply: "```drawn\nanother\n```"}
  - {name: three, reply: [*same, *same]}
  - {name: four, reply: *same, limits: {memory: 64MiB}}
  - name: five
    reply: *same
    expect: {stdin_cases: [{stdin: "1", output: {search: '[0-9a-f]'}}, {stdin: "2", output: {search: '[0-9a-f]'}}]}
"#;
    let project = TempProject::new(&[("rules/drawn.yaml", pack), ("suites/s.yaml", suite)]);
    let rows = project
        .run(&["run", "--format", "jsonl"])
        .expect_status(0)
        .json_lines();
    let drawn = |case: &str| {
        let of_case = rows.iter().filter(|row| row["case"] == case);
        let said = of_case.map(|row| row["execution"]["stdout"].as_str().unwrap());
        said.collect::<Vec<_>>()
    };
    let one = drawn("one");
    assert_eq!(drawn("three"), [one[0], one[0]]);
    assert_eq!(drawn("five"), one);
    assert_ne!(drawn("two"), one);
    assert_ne!(drawn("four"), one);
}
