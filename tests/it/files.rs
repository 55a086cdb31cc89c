//! Programs of several files: which blocks of a reply are which files, and that they run together.

use serde_json::{Value, json};

use crate::support::TempProject;

const PACK: &str = "code:
  several: {files: by_name, main: main.py}
";

/// What the rule finds in replies.
fn found(replies: &[&str]) -> Vec<Value> {
    let lines: Vec<String> = replies
        .iter()
        .map(|reply| format!("{}\n", json!({"text": reply})))
        .collect();
    TempProject::new(&[("rules/own.yaml", PACK)])
        .run_with(
            &[
                "rules",
                "try",
                "code",
                "--rule",
                "several",
                "--language",
                "python",
            ],
            &lines.concat(),
        )
        .expect_status(0)
        .json_lines()
}

#[test]
fn a_block_is_named_by_its_fence_the_line_before_it_or_its_first_comment() {
    // A reply, its files as `path=first line`, and what the reason says.
    let rows: &[(&str, &str, &str)] = &[
        // Info strings.
        (
            "```python title=\"main.py\"\na = 1\n```",
            "main.py=a = 1",
            "the file `main.py`",
        ),
        ("```python file=main.py\na = 1\n```", "main.py=a = 1", ""),
        (
            "```python {filename='main.py'}\na = 1\n```",
            "main.py=a = 1",
            "",
        ),
        (
            "```py:main.py\na = 1\n```\n```py:a/b.py\nb = 1\n```",
            "a/b.py=b = 1|main.py=a = 1",
            "2 files: `a/b.py`, `main.py`",
        ),
        ("```main.py\na = 1\n```", "main.py=a = 1", ""),
        ("```python main.py\na = 1\n```", "main.py=a = 1", ""),
        ("~~~py title=\"main.py\"\na = 1\n~~~", "main.py=a = 1", ""),
        // The line before.
        ("**main.py**\n```python\na = 1\n```", "main.py=a = 1", ""),
        (
            "### a/b.py\n\n```python\nb = 1\n```\n\n### main.py\n\n```python\na = 1\n```",
            "a/b.py=b = 1|main.py=a = 1",
            "",
        ),
        ("`main.py`:\n```python\na = 1\n```", "main.py=a = 1", ""),
        ("File: main.py\n```python\na = 1\n```", "main.py=a = 1", ""),
        (
            "**File: `main.py`**\n```python\na = 1\n```",
            "main.py=a = 1",
            "",
        ),
        (
            "1. `main.py`\n\n   ```python\n   a = 1\n   ```",
            "main.py=a = 1",
            "",
        ),
        ("## 1. main.py:\n```python\na = 1\n```", "main.py=a = 1", ""),
        (
            "**pkg/__init__.py**\n```python\nb = 1\n```\nmain.py\n```python\na = 1\n```",
            "main.py=a = 1|pkg/__init__.py=b = 1",
            "",
        ),
        // The first comment, which stays.
        ("```python\n# main.py\na = 1\n```", "main.py=# main.py", ""),
        (
            "```python\n#!/usr/bin/env python3\n# main.py\na = 1\n```",
            "main.py=#!/usr/bin/env python3",
            "",
        ),
        (
            "```python\n# main.py\na = 1\n```\n```js\n// src/x.js\nf()\n```\n```html\n<!-- x.html -->\n```\n```css\n/* x.css */\n```\n```sql\n-- x.sql\n```",
            "main.py=# main.py|src/x.js=// src/x.js|x.css=/* x.css */|x.html=<!-- x.html -->|x.sql=-- x.sql",
            "",
        ),
        // The fence says more than what stands around it.
        (
            "other.py\n```python title=main.py\n# third.py\na = 1\n```",
            "main.py=# third.py",
            "",
        ),
        // Paths are made normal, and stay inside.
        (
            "```python title=./main.py\na = 1\n```\n```txt title=a//./b.txt\nx\n```",
            "a/b.txt=x|main.py=a = 1",
            "",
        ),
        (
            "```py title=main.py\na = 1\n```\n```py title=../up.py\nb\n```",
            "main.py=a = 1",
            "the name `../up.py` of line 5 leads out of the program's directory",
        ),
        (
            "```py title=main.py\na = 1\n```\n```py title=/etc/x.py\nb\n```",
            "main.py=a = 1",
            "`/etc/x.py` of line 5 leads out",
        ),
        (
            "```py title=main.py\na = 1\n```\n```py title=\"a\\b.py\"\nb\n```",
            "main.py=a = 1",
            "leads out",
        ),
        (
            "```py title=main.py\na = 1\n```\n```py title=\"C:/b.py\"\nb\n```",
            "main.py=a = 1",
            "leads out",
        ),
        (
            "```py title=main.py\na = 1\n```\n```py title=\"a\u{7}.py\"\nb\n```",
            "main.py=a = 1",
            "leads out",
        ),
        (
            "```py title=main.py\na = 1\n```\n```py title=main.py/b.py\nb\n```",
            "main.py=a = 1",
            "`main.py/b.py` cannot lie beside the others",
        ),
        // One name twice.
        (
            "```py title=main.py\na = 1\n```\nNow corrected:\n```py title=main.py\na = 2\n```",
            "main.py=a = 2",
            "`main.py` is given more than once: the last one counts",
        ),
        (
            "```py title=main.py\na = 1\n```\nAlternatively:\n```py title=main.py\na = 2\n```",
            "main.py=a = 1",
            "the earlier one, as the text says",
        ),
        // What is no file.
        (
            "```py title=main.py\na = 1\n```\nRun it:\n```sh\npython main.py\n```",
            "main.py=a = 1",
            "the file `main.py`",
        ),
        (
            "<think>\n```py title=main.py\na = 0\n```\n</think>\n```py title=main.py\na = 1\n```",
            "main.py=a = 1",
            "",
        ),
        ("Use this:\n```python\na = 1\n```", "main.py=a = 1", ""),
        // No code.
        (
            "```python\na = 1\n```\n```python\nb = 1\n```",
            "",
            "no block is named `main.py`: no block is named",
        ),
        (
            "```python title=app.py\na = 1\n```\n```python title=b.py\nb = 1\n```",
            "app.py=a = 1|b.py=b = 1",
            "no block is named `main.py`; found are `app.py`, `b.py`",
        ),
        ("I am sorry.", "", "no block is named `main.py`"),
    ];
    let replies: Vec<&str> = rows.iter().map(|(reply, ..)| *reply).collect();
    for ((reply, files, reason), row) in rows.iter().zip(found(&replies)) {
        let told: Vec<String> = row["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                let code = file["code"].as_str().unwrap();
                format!(
                    "{}={}",
                    file["path"].as_str().unwrap(),
                    code.lines().next().unwrap_or("")
                )
            })
            .collect();
        assert_eq!(&told.join("|"), files, "{reply}\n{row}");
        assert!(
            row["reason"].as_str().unwrap().contains(reason),
            "{reply}\n{row}"
        );
        assert_eq!(
            row["code"].is_string(),
            files.contains("main.py="),
            "{reply}\n{row}"
        );
    }
}

#[test]
fn files_run_together_and_the_suites_own_stay() {
    let suite = "code: {files: by_name, main: app/main.py}
files: {data.txt: 'from the suite'}
cases:
  - name: output
    reply: {file: reply.md}
    expect: {output: \"42 from the suite\"}
  - name: tests
    reply: {file: reply.md}
    expect:
      tests:
        - assert answer() == 42
        - import main; assert main.answer() == 42
        - {call: answer, returns: 42}
  - name: no main
    reply: |
      ```python title=other.py
      print(1)
      ```
    expect: {output: 1}
    score: {at_most: 0, cause: no_code}
";
    let reply = "Three files.

**app/main.py**
```python
from tools.numbers import six

def answer():
    return six() * 7

if __name__ == '__main__':
    print(answer(), open('data.txt').read())
```

```python
# app/tools/numbers.py
def six():
    return 6
```

```text title=data.txt
from the reply
```
";
    let project = TempProject::new(&[("suites/suite.yaml", suite), ("suites/reply.md", reply)]);
    let ran = project.run(&["run", "--format", "jsonl"]).expect_status(0);
    let results = ran.json_lines();
    let of = |name: &str| {
        results
            .iter()
            .find(|result| result["case"] == name)
            .unwrap()
    };
    assert_eq!(of("output")["score"], 1.0, "{}", of("output"));
    assert_eq!(of("tests")["score"], 1.0, "{}", of("tests"));
    assert_eq!(of("no main")["cause"], "no_code");
    let reason = of("output")["metrics"]["extracted_code"]["reason"]
        .as_str()
        .unwrap();
    assert!(
        reason.contains("`data.txt` of the reply gives way"),
        "{reason}"
    );
    let explained = project
        .run(&["explain", "suite::output"])
        .expect_status(0)
        .stdout;
    assert!(
        explained.contains("== file app/tools/numbers.py"),
        "{explained}"
    );
}

#[test]
fn javascript_requires_its_files() {
    let suite = "language: javascript
code: {files: by_name, main: main.js}
cases:
  - reply: |
      ```js title=lib/six.js
      module.exports = () => 6;
      ```
      ```js title=main.js
      const six = require('./lib/six');
      const answer = () => six() * 7;
      ```
    expect: {tests: [{call: answer, returns: 42}]}
";
    let project = TempProject::new(&[("suites/suite.yaml", suite)]);
    project.run(&["run"]).expect_status(0);
}

#[test]
fn several_files_without_a_file_that_runs_are_refused() {
    for (suite, told) in [
        (
            "cases: [{reply: x, expect: 1, code: {files: by_name}}]",
            "the key `main` is missing",
        ),
        (
            "cases: [{reply: x, expect: 1, code: {files: by_name, main: ../x.py}}]",
            "`../x.py` is no path in the program's directory",
        ),
        (
            "cases: [{reply: x, expect: 1, files: {main.py: x}, code: {files: by_name, main: main.py}}]",
            "`main.py` is the file of the reply that runs",
        ),
    ] {
        let project = TempProject::new(&[("suites/suite.yaml", suite)]);
        let ran = project.run(&["check"]).expect_status(2);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}
