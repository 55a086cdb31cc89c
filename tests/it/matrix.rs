//! A case multiplied by a matrix: which cells there are, what they are called, and how they are
//! selected; and what each row or cell says for itself: `tags`, `timeout`, `skip`, `only`.

use serde_json::{Value, json};

use crate::support::{Ran, TempProject};

const BOTH: &str = r#"language: [python, javascript]
cases:
  - name: both
    reply: |
      ```python
      print(42)
      ```
      ```javascript
      console.log(42)
      ```
    code: last
    expect: 42
"#;

fn project(suite: &str) -> TempProject {
    TempProject::new(&[("suites/s.yaml", suite)])
}

fn lines(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().collect()
}

/// The ids that `list` shows of a suite with these keys.
fn listed(keys: &str) -> Vec<String> {
    let cases = "cases: [{name: c, reply: 'print(1)', expect: 1}]\n";
    let ran = project(&format!("{keys}\n{cases}"))
        .run(&["list"])
        .expect_status(0);
    ran.stdout.lines().map(str::to_owned).collect()
}

/// What `check` says is wrong, or probably not meant: `line:column message; help`.
fn told(suite: &str) -> Vec<String> {
    let project = project(suite);
    project.write("suites/rows.jsonl", "{\"n\": 1}\n");
    let ran = project.run(&["check", "--format", "json"]);
    let shown = |one: &Value| {
        let help = one["help"].as_str().map(|help| format!("; {help}"));
        format!(
            "{}:{} {}{}",
            one["line"],
            one["column"],
            one["message"].as_str().unwrap(),
            help.unwrap_or_default()
        )
    };
    let told = ran.json_lines();
    told.iter()
        .map(shown)
        .filter(|one| !one.contains("no case is known to be bad"))
        .collect()
}

#[test]
fn cells_are_named_after_their_values() {
    let models = "{url: 'http://localhost:1/v1', model: large}";
    let table = [
        ("language: [python, js]", vec!["[python]", "[javascript]"]),
        ("language: [python]", vec![""]),
        (
            "matrix: {language: [python, {name: javascript, interpreter: node}]}",
            vec!["[python]", "[javascript]"],
        ),
        (
            &format!(
                "matrix: {{size: [1, 1.50], model: [{models}], language: [python]}}\nstdin: '{{{{ size }}}}'"
            ),
            vec!["[python,large,1]", "[python,large,1.50]"],
        ),
        (
            "matrix: {a: [x y, true, ~, [1, 2], {k: v}, '']}\nstdin: '{{ a is none }}'",
            vec![
                "[x y]",
                "[true]",
                "[null]",
                "[[1,2]]",
                "[{\"k\":\"v\"}]",
                "[]",
            ],
        ),
        // `exclude` by a part of a cell, also by an alias of a language.
        (
            "matrix: {language: [python, javascript], n: [1, 2], exclude: [{language: js, n: 2}]}\nstdin: '{{ n }}'",
            vec!["[python,1]", "[python,2]", "[javascript,1]"],
        ),
        (
            "language: [python, javascript]\nmatrix: {n: [1], exclude: [{language: python}]}\nstdin: '{{ n }}'",
            vec!["[javascript,1]"],
        ),
        // What `include` adds to a cell is not in its name; a cell that it makes is named by all of it.
        (
            "matrix: {n: [1, 2], include: [{n: 1, m: 5}, {m: 6, n: 2}, {m: 7, n: 3}]}\nstdin: '{{ n }} {{ m }}'",
            vec!["[1]", "[2]", "[3,7]"],
        ),
        (
            "matrix: {include: [{n: 1, language: javascript}, {n: 2}]}\nstdin: '{{ n }}'",
            vec!["[javascript,1]", "[2]"],
        ),
    ];
    for (keys, cells) in table {
        let wanted: Vec<String> = cells.iter().map(|cell| format!("s::c{cell}")).collect();
        assert_eq!(listed(keys), wanted, "{keys}");
    }
}

#[test]
fn a_matrix_that_cannot_be_meant_is_refused() {
    let case = "cases: [{reply: print(1), expect: 1}]";
    let table = [
        (
            "matrix: {n: [1], exclude: [{n: 1}]}\nstdin: '{{ n }}'",
            "1:9 every cell of the matrix is excluded: there would be no case; leave an entry of `exclude` out, or narrow it with another axis",
        ),
        (
            "matrix: {n: [1, 2, 1]}\nstdin: '{{ n }}'",
            "1:9 two cells of the matrix are named `[1]`; each value of an axis stands there once",
        ),
        (
            "language: [python, py]",
            "1:20 two cells of the matrix are named `[python]`",
        ),
        (
            "matrix: {n: [\"a\\nb\"]}\nstdin: '{{ n }}'",
            "1:13 the value `a\\nb` of `n` holds control characters",
        ),
        (
            "matrix: {row: [1]}",
            "1:10 `row` means something in every template, and no variable can; give it another name",
        ),
        (
            "matrix: {n: [1], include: [{code: 1}]}\nstdin: '{{ n }}'",
            "1:29 `code` means something in every template",
        ),
        (
            "matrix: {n: [1], exclude: [{}]}\nstdin: '{{ n }}'",
            "1:9 an entry of `exclude` is empty",
        ),
        (
            "matrix: {n: [1], include: [{language: pyhton}]}\nstdin: '{{ n }}'",
            "1:39 unknown language `pyhton`; did you mean `python`?",
        ),
        (
            "matrix: {n: [1], include: [{model: smal}]}\nstdin: '{{ n }}'",
            "1:36 unknown model `smal`",
        ),
        (
            "matrix: {n: [1], include: [{language: [python]}]}\nstdin: '{{ n }}'",
            "1:39 expected a language's name or a map",
        ),
        (
            "matrix: {language: [{expr: row.x}, python]}",
            "1:28 one of several languages is a name; a column that names the language stands alone",
        ),
        (
            "language: [python, {expr: row.x}]",
            "1:27 one of several languages is a name",
        ),
        // One error for each place, whatever the number of cells.
        (
            "matrix: {n: [1, 2]}\nstdin: '{{ n }} {{ m }}'",
            "2:20 undefined variable `m`; did you mean `n`?",
        ),
        (
            "matrix: {n: [1, 2, 3], include: [{n: 1, extra: 5}]}\nstdin: '{{ n }} {{ extra }}'",
            "2:20 not every cell of the matrix has the variable `extra`; there is none in `[2]` and 1 more: give each one with `include`",
        ),
    ];
    for (keys, wanted) in table {
        let told = told(&format!("{keys}\n{case}\n"));
        assert!(
            told.len() == 1 && told[0].starts_with(wanted),
            "{keys}: {told:#?}"
        );
    }
    assert_eq!(
        told(
            "matrix: {language: [python, javascript]}\ncases: [{language: python, reply: x, expect: 1}]\n"
        ),
        [
            "2:20 `language` is an axis of the matrix that the case inherits, and says it; write `matrix: ~` beside it, or a matrix of its own"
        ]
    );
    let many: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let many = many.join(", ");
    let told = told(&format!(
        "matrix: {{a: [{many}], b: [{many}]}}\nstdin: '{{{{ a }}}}{{{{ b }}}}'\n{case}\n"
    ));
    assert!(told[0].contains("more than 1000 cells"), "{told:#?}");
}

#[test]
fn a_case_named_like_a_cell_is_a_second_one() {
    let suite = "cases:\n  - {name: c, language: [python, javascript], reply: x, expect: 1}\n  - {name: 'c[python]', reply: x, expect: 1}\n";
    assert_eq!(
        told(suite),
        [
            "3:12 two cases have the name `c[python]`; the other is a cell of the case at suites/s.yaml:2:12"
        ]
    );
}

#[test]
fn a_variable_is_used_where_any_cell_uses_it() {
    let suite = "matrix: {n: [1, 2], m: [3], include: [{n: 1, label: a}, {n: 2, label: b}]}\ncases:\n  - {name: a, reply: print(1), expect: '{{ n }}'}\n  - {name: b, reply: print(1), expect: 1, skip: {expr: \"n == 2 and 'no'\"}}\n";
    assert_eq!(
        told(suite),
        [
            "1:21 no template uses the variable `m` of the matrix; write `{{ m }}` where it belongs, or remove it",
            "1:46 no template uses the variable `label` of the matrix; write `{{ label }}` where it belongs, or remove it",
        ]
    );
}

#[test]
fn each_cell_runs_with_its_own_language_and_variables() {
    let suite = r#"matrix:
  language: [python, javascript]
  n: [2, 3]
  include: [{n: 2, sign: '+'}, {n: 3, sign: '*'}]
  exclude: [{language: javascript, n: 3}]
vars: {n: 0}
program: "{{ code }}"
expect: "{{ language.name }} {{ n + 1 }} {{ sign }}"
stdin: "{{ n + 1 }} {{ sign }}"
cases:
  - name: echo
    code: {tags: [language]}
    reply: |
      ```python
      print("python", input())
      ```
      ```javascript
      console.log("javascript", require("fs").readFileSync(0, "utf8").trim())
      ```
"#;
    let ran = project(suite)
        .run(&["run", "--format", "jsonl"])
        .expect_status(0);
    let mut told: Vec<Value> = ran
        .json_lines()
        .iter()
        .map(|row| {
            json!([
                row["id"],
                row["case"],
                row["cell"],
                row["language"],
                row["score"]
            ])
        })
        .collect();
    told.sort_by_key(|row| row[0].to_string());
    assert_eq!(
        told,
        [
            json!([
                "s::echo[javascript,2]",
                "echo",
                "javascript,2",
                "javascript",
                1.0
            ]),
            json!(["s::echo[python,2]", "echo", "python,2", "python", 1.0]),
            json!(["s::echo[python,3]", "echo", "python,3", "python", 1.0]),
        ]
    );
}

#[test]
fn a_model_beside_a_reply_is_a_label_and_without_one_is_asked() {
    let rules = "models:\n  small: {url: 'http://localhost:1/v1', model: s}\n  large: {url: 'http://localhost:1/v1', model: l}\n";
    let suite = "matrix: {model: [small, large]}\ndataset: {file: rows.jsonl, name: '{{ row.id }}'}\nreply: {expr: 'row[model.name]'}\nexpect: 1\n";
    let project = TempProject::new(&[("rules/m.yaml", rules), ("suites/s.yaml", suite)]);
    project.write(
        "suites/rows.jsonl",
        "{\"id\": \"one\", \"small\": \"```python\\nprint(0)\\n```\", \"large\": \"```python\\nprint(1)\\n```\"}\n",
    );
    let ran = project.run(&["run", "--format", "jsonl"]).expect_status(1);
    let mut told: Vec<Value> = ran
        .json_lines()
        .iter()
        .map(|row| {
            json!([
                row["id"],
                row["case"],
                row["cell"],
                row["model"],
                row["score"]
            ])
        })
        .collect();
    told.sort_by_key(|row| row[0].to_string());
    assert_eq!(
        told,
        [
            json!(["s::one[large]", "one", "large", "large", 1.0]),
            json!(["s::one[small]", "one", "small", "small", 0.0]),
        ]
    );
    // A chat that ends with the reply has one too.
    let chat = "messages: [{role: user, content: a}, {role: assistant, content: 'print(1)'}]";
    project.write(
        "suites/s.yaml",
        format!("matrix: {{model: [small]}}\ncases: [{{{chat}, code: verbatim, expect: 1}}]\n"),
    );
    project.run(&["run"]).expect_status(0);
    project.write(
        "suites/s.yaml",
        "model: [small, large]\ncases: [{prompt: a, expect: 1}]\n",
    );
    let ran = project.run(&["run"]).expect_status(2);
    assert!(
        ran.stdout.contains("`model` is not in this version"),
        "{}",
        ran.stdout
    );
}

#[test]
fn cells_are_selected_and_found() {
    let project = project(BOTH);
    let ran = project.run(&["list", "--language", "js"]).expect_status(0);
    assert_eq!(ran.stdout, "s::both[javascript]\n");
    let ran = project
        .run(&["run", "--language", "python"])
        .expect_status(0);
    assert!(
        ran.stdout.contains("pass  s::both[python]\n"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("javascript"), "{}", ran.stdout);
    let ran = project.run(&["check"]).expect_status(0);
    assert!(
        ran.stdout.contains("for example s::both[python]\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("1 suite, 2 cases"), "{}", ran.stdout);
    for (arguments, language) in [
        (&["explain", "s::both[javascript]"][..], "javascript"),
        (&["explain", "both[python]"], "python"),
    ] {
        let ran = project.run(arguments).expect_status(0);
        let wanted = format!("s::both[{language}]\n");
        assert!(ran.stdout.starts_with(&wanted), "{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("language: {language},")));
    }
    let reply = "```javascript\nconsole.log(42)\n```";
    project
        .run_with(&["try", "suites/s.yaml", "both[javascript]"], reply)
        .expect_status(0);
    for name in ["both", "s::both"] {
        let ran = project.run(&["explain", name]).expect_status(2);
        for told in [
            "is several cells of a matrix",
            "name one: s::both[python], s::both[javascript]",
        ] {
            assert!(ran.stderr.contains(told), "{told}:\n{}", ran.stderr);
        }
    }
    let ran = project.run(&["explain", "s::both[pyton]"]).expect_status(2);
    assert!(
        ran.stderr.contains("did you mean `both[python]`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_row_to_score_names_the_cell() {
    let rows = "\
{\"id\": 1, \"suite\": \"s\", \"case\": \"both\", \"cell\": \"javascript\", \"code\": \"console.log(42)\"}
{\"id\": 2, \"suite\": \"s\", \"case\": \"both\", \"code\": \"print(42)\"}
{\"id\": 3, \"suite\": \"s\", \"case\": \"both\", \"cell\": \"ruby\", \"code\": \"print(42)\"}
{\"id\": 4, \"suite\": \"one\", \"case\": \"c\", \"cell\": \"ruby\", \"code\": \"print(42)\"}
{\"id\": 5, \"suite\": \"one\", \"case\": \"c\", \"cell\": 5, \"code\": \"print(42)\"}
{\"id\": 6, \"suite\": \"rows\", \"row\": {\"n\": 42}, \"code\": \"print(42)\"}
{\"id\": 7, \"suite\": \"rows\", \"row\": {\"n\": 42}, \"cell\": \"python\", \"code\": \"print(42)\"}
{\"id\": 8, \"language\": [\"python\", \"javascript\"], \"expect\": 1, \"code\": \"print(1)\"}
{\"id\": 9, \"matrix\": {\"n\": [1]}, \"expect\": 1, \"code\": \"print(1)\"}
";
    let project = project(BOTH);
    project.write("suites/one.yaml", "cases: [{name: c, expect: 42}]\n");
    project.write(
        "suites/rows.yaml",
        "language: [python, javascript]\ndataset: {file: r.jsonl}\nexpect: '{{ row.n }}'\n",
    );
    project.write("suites/r.jsonl", "{\"n\": 1}\n");
    let ran = project.run_with(&["score"], rows).expect_status(0);
    let told: Vec<Value> = ran
        .json_lines()
        .into_iter()
        .map(|row| match row["score"].as_f64() {
            Some(score) => json!(score),
            None => row["error"]["message"].clone(),
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(1.0),
            json!(
                "the case `both` has several cells, and the row has no `cell`: write one of `python`, `javascript`"
            ),
            json!("the case `both` has no cell `ruby`; it has `python`, `javascript`"),
            json!("the case `c` has no matrix, and so no cell `ruby`"),
            json!("`cell` is no text"),
            json!(
                "the suite `rows` has several cells, and the row has no `cell`: write one of `python`, `javascript`"
            ),
            json!(1.0),
            json!("a row to score is one case, and has one `language` and one `model`"),
            json!("a row to score is one case, and has no `matrix`"),
        ]
    );
}

#[test]
fn a_case_with_only_leaves_the_rest_of_its_suite_aside() {
    let suite = "expect: 1\ncode: verbatim\ncases:\n  - {name: a, reply: print(1), only: looking into it}\n  - {name: b, reply: print(2)}\n  - {name: c, reply: print(2), skip: not today}\n";
    let project = project(suite);
    project.write(
        "suites/other.yaml",
        "cases: [{name: x, reply: print(1), code: verbatim, expect: 1}]\n",
    );
    let ran = project.run(&["list"]).expect_status(0);
    assert_eq!(
        lines(&ran),
        [
            "other::x",
            "s::a",
            "s::b (only: other cases are looked at (looking into it))",
            "s::c (skip: not today)",
        ]
    );
    let ran = project.run(&["run"]).expect_status(0);
    for told in [
        "pass  s::a\n",
        "pass  other::x\n",
        "not run: 1 (only: other cases are looked at (looking into it))",
        "not run: 1 (skip: not today)",
        "2 cases",
    ] {
        assert!(ran.stdout.contains(told), "{told}:\n{}", ran.stdout);
    }
    let ran = project
        .run(&["test", "--list", "--format", "terse", "--ignored"])
        .expect_status(0);
    assert_eq!(ran.stdout, "s::b: test\ns::c: test\n");
    let ran = project.run(&["test"]).expect_status(0);
    assert!(ran.stdout.contains("2 ignored"), "{}", ran.stdout);
    let told = "ignored: 1 (only: other cases are looked at (looking into it))";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

const ROWS: &str = r#"{"id": "a", "tags": ["sums", "fast"], "skip": null, "seconds": 5, "only": false}
{"id": "b", "tags": "sums", "skip": "needs a GPU", "seconds": "2s", "only": "this one"}
{"id": "c", "tags": [], "skip": true, "seconds": 0.5, "only": true}
{"id": "d", "tags": ["slow"], "skip": "", "seconds": "500ms", "only": ""}
{"id": "e", "tags": ["slow"], "skip": false, "seconds": "1m", "only": null}
"#;

/// A suite of rows with this key.
fn rows(key: &str) -> TempProject {
    let project = project(&format!(
        "dataset: {{file: rows.jsonl, name: '{{{{ row.id }}}}'}}\n{key}\nreply: print(1)\ncode: verbatim\nexpect: 1\n"
    ));
    project.write("suites/rows.jsonl", ROWS);
    project
}

#[test]
fn a_row_says_why_it_is_not_run() {
    let project = rows("skip: {expr: row.skip}");
    let ran = project.run(&["list"]).expect_status(0);
    assert_eq!(
        lines(&ran),
        [
            "s::a",
            "s::b (skip: needs a GPU)",
            "s::c (skip: its expression is true)",
            "s::d",
            "s::e",
        ]
    );
    let ran = project
        .run(&["test", "--list", "--format", "terse", "--ignored"])
        .expect_status(0);
    assert_eq!(ran.stdout, "s::b: test\ns::c: test\n");
    let project = rows("only: {expr: row.only}");
    let ran = project.run(&["list"]).expect_status(0);
    let aside = "(only: other cases are looked at (row.only))";
    assert_eq!(
        lines(&ran),
        [
            &format!("s::a {aside}"),
            "s::b",
            "s::c",
            &format!("s::d {aside}"),
            &format!("s::e {aside}"),
        ]
    );
    let ran = project.run(&["run"]).expect_status(0);
    assert!(
        ran.stdout.contains(&format!("not run: 3 {aside}")),
        "{}",
        ran.stdout
    );
    // Of cells too.
    let suite = "matrix: {n: [1, 2]}\nskip: {expr: \"n == 2 and 'two is too many'\"}\ncases: [{name: c, reply: print(1), expect: 1}]\n";
    let ran = self::project(suite).run(&["list"]).expect_status(0);
    assert_eq!(lines(&ran), ["s::c[1]", "s::c[2] (skip: two is too many)"]);
}

#[test]
fn rows_are_selected_by_their_own_tags() {
    let project = rows("tags: {expr: row.tags}");
    for (tag, wanted) in [
        ("sums", &["s::a", "s::b"][..]),
        ("fast", &["s::a"]),
        ("slow", &["s::d", "s::e"]),
    ] {
        let ran = project.run(&["list", "--tag", tag]).expect_status(0);
        assert_eq!(lines(&ran), wanted, "{tag}");
    }
    let ran = project.run(&["run", "--tag", "fast"]).expect_status(0);
    assert!(
        ran.stdout.contains("1 case in") && ran.stdout.contains("pass  s::a\n"),
        "{}",
        ran.stdout
    );
    let ran = project.run(&["run", "--tag", "none"]).expect_status(2);
    assert!(
        ran.stderr.contains("no case has the tag `none`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_row_says_how_long_its_program_may_take() {
    let project = rows("timeout: {expr: row.seconds}");
    for (row, shown) in [("a", "5s"), ("b", "2s"), ("c", "500ms"), ("e", "60s")] {
        let ran = project
            .run(&["explain", &format!("s::{row}")])
            .expect_status(0);
        let wanted = format!("timeout: {shown},");
        assert!(ran.stdout.contains(&wanted), "{wanted}\n{}", ran.stdout);
    }
}

#[test]
fn a_setting_that_is_none_is_a_bad_row() {
    let table = [
        (
            "skip: {expr: row.x}",
            "5",
            "`skip` is the number 5, not a reason, `true`, `false` or null",
        ),
        (
            "only: {expr: row.x}",
            "[1]",
            "`only` is a list, not a reason",
        ),
        (
            "tags: {expr: row.x}",
            "5",
            "`tags` is the number 5, not a text or a list of texts",
        ),
        (
            "tags: {expr: row.x}",
            "[\"a\", 1]",
            "`tags` is a list, not a text or a list of texts",
        ),
        ("tags: {expr: row.x}", "null", "`tags` is null, not a text"),
        (
            "timeout: {expr: row.x}",
            "[]",
            "expected a time such as `5`, `500ms` or `2m`, found a list",
        ),
        (
            "timeout: {expr: row.x}",
            "true",
            "expected a time such as `5`, `500ms` or `2m`, found `true`",
        ),
        (
            "timeout: {expr: row.x}",
            "-1",
            "expected a time above 0 and up to a day, found `-1`",
        ),
        (
            "timeout: {expr: row.x}",
            "\"soon\"",
            "expected a time such as `5`, `500ms` or `2m`, found `soon`",
        ),
        ("timeout: {expr: row.y}", "1", "the row has no column `y`"),
    ];
    for (key, value, wanted) in table {
        let project = rows(key);
        project.write(
            "suites/rows.jsonl",
            format!("{{\"id\": 1, \"x\": {value}}}\n"),
        );
        let ran = project.run(&["check"]).expect_status(2);
        assert!(ran.stderr.contains(wanted), "{wanted}:\n{}", ran.stderr);
        assert!(ran.stderr.contains("rows.jsonl:1"), "{}", ran.stderr);
        let ran = project.run(&["run"]).expect_status(2);
        assert!(ran.stdout.contains(wanted), "{wanted}:\n{}", ran.stdout);
    }
}

#[test]
fn every_cell_is_a_trial_and_so_is_each_of_its_rows() {
    let project = project(BOTH);
    project.write(
        "suites/rows.yaml",
        "language: [python, javascript]\ndataset: {file: rows.jsonl, name: '{{ row.id }}'}\nreply: {expr: 'row[language.name]'}\nexpect: 1\n",
    );
    project.write(
        "suites/rows.jsonl",
        "{\"id\": \"a\", \"python\": \"print(1)\", \"javascript\": \"console.log(1)\"}\n{\"id\": \"b\", \"python\": \"print(1)\"}\n",
    );
    let ran = project
        .run(&["test", "--list", "--format", "terse"])
        .expect_status(0);
    assert_eq!(
        ran.stdout,
        "rows::a[python]: test\nrows::b[python]: test\nrows::row 2[javascript]: test\nrows::a[javascript]: test\ns::both[python]: test\ns::both[javascript]: test\n"
    );
    let ran = project
        .run(&["test", "--exact", "s::both[javascript]"])
        .expect_status(0);
    assert!(ran.stdout.contains("1 passed"), "{}", ran.stdout);
    let ran = project.run(&["test"]).expect_status(101);
    assert!(ran.stdout.contains("5 passed; 1 failed"), "{}", ran.stdout);
}
