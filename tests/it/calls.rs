//! Calls of a program's functions and credit for parts of tests, through the real interpreters:
//! what a call returned decides, and not what an object says of itself.

use serde_json::{Value, json};

use crate::support::TempProject;

/// Scores rows, and gives the metric `tests` of each, or its error.
fn tests_of(rows: &[Value]) -> Vec<Value> {
    let lines: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
    let ran = TempProject::new(&[])
        .run_with(&["score"], &lines.concat())
        .expect_status(0);
    let results = ran.json_lines();
    assert_eq!(results.len(), rows.len());
    let metric = |result: &Value| match &result["error"] {
        Value::Null => result["metrics"]["tests"].clone(),
        error => json!({"error": error["message"]}),
    };
    results.iter().map(metric).collect()
}

/// A row that makes one call of `f`.
fn row(language: &str, code: &str, test: Value) -> Value {
    json!({"language": language, "code": code, "expect": {"tests": [test]}})
}

/// Programs, a call of each, and what is said of it; nothing where it passes.
#[track_caller]
fn table(language: &str, cases: &[(&str, Value, &str)]) {
    let rows: Vec<Value> = cases
        .iter()
        .map(|(code, test, _)| {
            let mut test = test.clone();
            test["call"] = test.get("call").cloned().unwrap_or_else(|| json!("f"));
            row(language, code, test)
        })
        .collect();
    for ((code, _, told), metric) in cases.iter().zip(tests_of(&rows)) {
        let reason = metric["reason"].as_str().unwrap_or_default();
        let says = reason
            .split_once("first failure: ")
            .map_or("", |(_, why)| why);
        assert_eq!(&says, told, "{code}\n{metric}");
        assert_eq!(metric["success"], told.is_empty(), "{code}\n{metric}");
    }
}

/// A class whose objects claim to equal everything and to be 3.
const LIAR: &str = "class Liar(int):
    def __eq__(self, other): return True
    def __hash__(self): return 3
    def __repr__(self): return '3'
    __class__ = int
";

#[test]
fn python_values_are_read_by_exact_type() {
    let liar = |code: &str| format!("{LIAR}\n{code}");
    let lies = [
        liar("def f(): return Liar(3)"),
        liar("def f(): return [Liar(3)]"),
        liar(
            "class List(list):\n    def __len__(self): return 1\n    def __iter__(self): return iter([3])\ndef f(): return List([4])",
        ),
        liar(
            "import builtins\nbuiltins.type = lambda _: int\nbuiltins.repr = lambda _: '3'\ndef f(): return object()",
        ),
        liar("class Text(str): pass\ndef f(): return Text('a')"),
    ];
    table(
        "python",
        &[
            (
                "f = lambda a, b: a + b",
                json!({"args": [1, 2], "returns": 3}),
                "",
            ),
            (
                "f = lambda a, b: a + b + 1",
                json!({"args": [1, 2], "returns": 3}),
                "f(1, 2) returned 4, expected 3",
            ),
            (
                "f = lambda a, b=0: a - b",
                json!({"args": [1], "kwargs": {"b": 2}, "returns": -1}),
                "",
            ),
            (
                "f = lambda a, b=0: a",
                json!({"args": [1], "kwargs": {"b": "x"}, "returns": -1}),
                "f(1, b=\"x\") returned 1, expected -1",
            ),
            (
                "f = lambda: True",
                json!({"returns": 1}),
                "f() returned True, expected 1",
            ),
            ("f = lambda: 1.0", json!({"returns": 1}), ""),
            (
                "f = lambda: 0.1 + 0.2",
                json!({"returns": 0.3}),
                "f() returned 0.30000000000000004, expected 0.3",
            ),
            ("f = lambda: None", json!({"returns": null}), ""),
            (
                "f = lambda: (1, [None, 'é'], {1: True})",
                json!({"returns": [1, [null, "é"], {"1": true}]}),
                "",
            ),
            (
                "f = lambda: {1, 2}",
                json!({"returns": [1, 2]}),
                "f() returned {1, 2}, expected [1, 2]",
            ),
            (
                "f = lambda: 10 ** 5000 // 10 ** 4980",
                serde_json::from_str(r#"{"returns": 100000000000000000000}"#).unwrap(),
                "",
            ),
            (
                "f = lambda: b'ab'",
                json!({"returns": "ab"}),
                "f() returned the bytes 6162, expected \"ab\"",
            ),
            (
                "f = lambda: '\\ud800'",
                json!({"returns": "a"}),
                "f() returned an object of type str with lone surrogates, expected \"a\"",
            ),
            (
                "def f():\n    a = []\n    a.append(a)\n    return a",
                json!({"returns": []}),
                "f() returned a value too large to compare, expected []",
            ),
            (
                "f = lambda: 'x' * 5_000_000",
                json!({"returns": "x"}),
                "f() returned a value too large to compare, expected \"x\"",
            ),
            (
                &lies[0],
                json!({"returns": 3}),
                "f() returned an object of type Liar, expected 3",
            ),
            (
                &lies[1],
                json!({"returns": [3]}),
                "f() returned [an object of type Liar], expected [3]",
            ),
            (
                &lies[2],
                json!({"returns": [3]}),
                "f() returned an object of type List, expected [3]",
            ),
            (
                &lies[3],
                json!({"returns": 3}),
                "f() returned an object of type object, expected 3",
            ),
            (
                &lies[4],
                json!({"returns": "a"}),
                "f() returned an object of type Text, expected \"a\"",
            ),
            // Exceptions, by the names of their classes.
            (
                "def f(): raise KeyError('a')",
                json!({"raises": "KeyError"}),
                "",
            ),
            (
                "def f(): raise KeyError('a')",
                json!({"raises": "LookupError"}),
                "",
            ),
            (
                "def f(): raise KeyError('a')",
                json!({"raises": "ValueError"}),
                "f() raised KeyError: 'a', expected ValueError",
            ),
            (
                "class Mine(Exception): pass\ndef f(): raise Mine()",
                json!({"raises": "errors.Mine"}),
                "",
            ),
            (
                "f = lambda: 1",
                json!({"raises": "ValueError"}),
                "f() returned 1, expected ValueError",
            ),
            (
                "def f(): raise ValueError('bad')",
                json!({"returns": 1}),
                "f() raised ValueError: bad, expected 1",
            ),
            (
                "g = 1",
                json!({"raises": "NameError"}),
                "f() was not made: the program has no `f`",
            ),
            (
                "f = 5",
                json!({"returns": 1}),
                "f() raised TypeError: 'int' object is not callable, expected 1",
            ),
            (
                "import sys\ndef f(): sys.exit(0)",
                json!({"returns": null}),
                "f() raised SystemExit: 0, expected None",
            ),
            (
                "class Sly(Exception):\n    def __str__(self): raise SystemExit\ndef f(): raise Sly",
                json!({"returns": 1}),
                "f() raised Sly, expected 1",
            ),
            // What is printed is no matter, a coroutine is awaited, and names may have dots.
            (
                "def f(): print('noise'); return 1",
                json!({"returns": 1}),
                "",
            ),
            ("async def f(): return 1", json!({"returns": 1}), ""),
            (
                "class A:\n    @staticmethod\n    def f(x): return x",
                json!({"call": "A.f", "args": [[1]], "returns": [1]}),
                "",
            ),
            (
                "class A: pass",
                json!({"call": "A.f", "returns": 1}),
                "A.f() was not made: the program has no `A.f`",
            ),
        ],
    );
}

#[test]
fn javascript_values_are_read_by_exact_type() {
    table(
        "javascript",
        &[
            (
                "function f(a, b) { return a + b; }",
                json!({"args": [1, 2], "returns": 3}),
                "",
            ),
            (
                "const f = (a, b) => a + b + 1;",
                json!({"args": [1, 2], "returns": 3}),
                "f(1, 2) returned 4, expected 3",
            ),
            (
                "module.exports = { f: async (a) => [a, null, 'é'] };",
                json!({"args": [{"k": 1}], "returns": [{"k": 1}, null, "é"]}),
                "",
            ),
            ("export const f = () => 1;", json!({"returns": 1}), ""),
            ("const f = () => {};", json!({"returns": null}), ""),
            (
                "const f = () => 2n ** 70n;",
                serde_json::from_str(r#"{"returns": 1180591620717411303424}"#).unwrap(),
                "",
            ),
            (
                "const f = () => new Map([[1, new Map()]]);",
                json!({"returns": {"1": {}}}),
                "",
            ),
            (
                "const f = () => new Set([1]);",
                json!({"returns": [1]}),
                "f() returned {1}, expected [1]",
            ),
            (
                "const f = () => true;",
                json!({"returns": 1}),
                "f() returned true, expected 1",
            ),
            (
                "const f = () => '1';",
                json!({"returns": 1}),
                "f() returned \"1\", expected 1",
            ),
            (
                "class Liar { valueOf() { return 3; } toJSON() { return 3; } }\nconst f = () => new Liar();",
                json!({"returns": 3}),
                "f() returned an object of type Liar, expected 3",
            ),
            (
                "const f = () => new Proxy([3], {});",
                json!({"returns": [3]}),
                "f() returned an object of type Proxy, expected [3]",
            ),
            (
                "class List extends Array {}\nconst f = () => List.of(3);",
                json!({"returns": [3]}),
                "f() returned an object of type List, expected [3]",
            ),
            (
                "const f = () => ({ get a() { return 3; } });",
                json!({"returns": {"a": 3}}),
                "f() returned {\"a\": an object of type function}, expected {\"a\": 3}",
            ),
            (
                "const f = () => { const a = []; a.push(a); return a; };",
                json!({"returns": []}),
                "f() returned a value too large to compare, expected []",
            ),
            (
                "const f = () => { throw new RangeError('far'); };",
                json!({"raises": "RangeError"}),
                "",
            ),
            (
                "const f = () => { throw new RangeError('far'); };",
                json!({"raises": "Error"}),
                "",
            ),
            (
                "class Mine extends Error {}\nconst f = async () => { throw new Mine('own'); };",
                json!({"raises": "Mine"}),
                "",
            ),
            (
                "const f = () => { throw new RangeError('far'); };",
                json!({"returns": 1}),
                "f() raised RangeError: far, expected 1",
            ),
            (
                "const f = () => { throw 'text'; };",
                json!({"raises": "Error"}),
                "f() raised string: text, expected Error",
            ),
            (
                "const f = () => process.exit(0);",
                json!({"returns": null}),
                "f() raised Exit: the call ends the process with 0, expected null",
            ),
            (
                "const g = 1;",
                json!({"returns": 1}),
                "f() was not made: the program has no `f`",
            ),
            (
                "class A { static f(x) { return this.name + x; } }",
                json!({"call": "A.f", "args": [1], "returns": "A1"}),
                "",
            ),
        ],
    );
}

#[test]
fn a_call_sees_nothing_of_what_another_changed_and_ends_nothing_else() {
    let code = "import sys\ndef f(a):\n    a.append(0)\n    return a\ndef g(): sys.exit(0)\n";
    let call = json!({"call": "f", "args": [[1]], "returns": [1, 0]});
    let end = json!({"call": "g", "returns": 1});
    let tests = json!([call, end, call]);
    let row = |expect: Value| json!({"code": code, "expect": expect});
    let metrics = tests_of(&[
        row(json!({"tests": tests})),
        row(json!({"tests": {"code": tests, "credit": "fraction"}})),
        row(json!({"tests": tests, "credit": "fraction"})),
        // Beside text, which asserts or only prepares.
        row(json!({"tests": ["assert f([]) == [0]", call]})),
        row(json!({"tests": ["x = 1", call]})),
        row(
            json!({"tests": {"code": ["assert f([]) == [1]", "assert 1", call], "credit": "fraction"}}),
        ),
    ]);
    let scores: Vec<f64> = metrics
        .iter()
        .map(|metric| metric["score"].as_f64().unwrap())
        .collect();
    let third = 2.0 / 3.0;
    assert_eq!(scores, [0.0, third, third, 1.0, 1.0, third], "{metrics:?}");
    assert_eq!(
        metrics[0]["reason"],
        "2 of 3 calls passed (compared apart from the program); first failure: g() raised SystemExit: 0, expected 1"
    );
}

#[test]
fn a_program_that_ends_before_its_calls_are_made_has_passed_none() {
    let call = json!({"call": "f", "returns": 1});
    let metrics = tests_of(&[
        row("python", "import os\ndef f(): os._exit(0)", call.clone()),
        row(
            "python",
            "import sys\nf = lambda: 1\nsys.exit(0)",
            call.clone(),
        ),
        row(
            "javascript",
            "const f = () => process.reallyExit(0);",
            call.clone(),
        ),
        row("javascript", "const f = () => new Promise(() => {});", call),
    ]);
    for metric in metrics {
        assert_eq!(metric["score"], 0.0, "{metric}");
        let reason = metric["reason"].as_str().unwrap();
        assert!(reason.contains("before its tests were done"), "{metric}");
    }
}

#[test]
fn each_unit_of_test_code_has_its_credit() {
    let code = "def f(n): return n";
    let credit = |tests: &str| json!({"code": code, "expect": {"tests": {"code": tests, "credit": "fraction"}}});
    let cases = [
        (
            "assert f(1) == 1\nassert f(2) == 3\nassert f(3) == 3\nassert f(4) == 4",
            0.75,
        ),
        (
            "def test_a():\n    assert f(1) == 1\n    assert f(2) == 2\ndef test_b():\n    assert f(1) == 2\n",
            0.5,
        ),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(1), 1)\n    def test_b(self): self.assertEqual(f(1), 2)\n",
            0.5,
        ),
        ("def check(candidate):\n    assert candidate(1) == 1\n", 1.0),
        // What an error keeps from running has not passed.
        (
            "assert f(1) == 1\nnone()\nassert f(2) == 2\ndef test_a(): assert f(1) == 1\n",
            0.25,
        ),
        ("none()\nassert f(1) == 1\n", 0.0),
    ];
    let rows: Vec<Value> = cases
        .iter()
        .map(|(tests, _)| {
            let mut row = credit(tests);
            row["expect"]["tests"]["entry_point"] = json!("f");
            row
        })
        .collect();
    for ((tests, score), metric) in cases.iter().zip(tests_of(&rows)) {
        assert_eq!(metric["score"], *score, "{tests}\n{metric}");
    }
    let javascript = [
        (
            "console.assert(f(1) === 1);\nconsole.assert(f(2) === 3);\n",
            0.5,
        ),
        (
            "const assert = require('assert');\nassert.equal(f(1), 1);\nassert.deepEqual(\n  f([2]),\n  [3],\n);\nawait assert.rejects(async () => { throw new Error(); });\nfunction test_a() {\nassert(f(1));\n}\n",
            0.75,
        ),
        (
            "assert(f(1) === 1);\nnone();\nassert(f(2) === 2);\nassert(f(2) === 2);\n",
            0.25,
        ),
        (
            "for (const n of [1, 2]) {\n  assert(f(n) === n);\n}\nif (f(1) === 2)\nassert(false);\n",
            1.0,
        ),
        (
            "if (f(1) !== 1) throw new Error('one');\nassert(f(1) === 1)",
            1.0,
        ),
    ];
    let rows: Vec<Value> = javascript
        .iter()
        .map(|(tests, _)| {
            json!({"language": "javascript", "code": "function f(n) { return n; }", "expect": {"tests": {"code": tests, "credit": "fraction"}}})
        })
        .collect();
    for ((tests, score), metric) in javascript.iter().zip(tests_of(&rows)) {
        assert_eq!(metric["score"], *score, "{tests}\n{metric}");
    }
    let nothing = tests_of(&[credit("f(1)"), credit("def helper(): pass")]);
    for metric in nothing {
        assert!(
            metric["error"].as_str().unwrap().contains("assert nothing"),
            "{metric}"
        );
    }
}

#[test]
fn tests_that_stop_early_run_nothing_after_a_failure() {
    let stopping = |tests: Value| json!({"code": "def f(n):\n    print(n)\n    return 0", "expect": {"tests": {"code": tests, "stop": "first_failure"}}});
    let calls = json!({"call": "f", "args": [9], "returns": 0});
    let rows = [
        stopping(json!(
            "assert f(1) == 1\nassert f(2) == 2\ndef test_a(): assert f(3) == 3\n"
        )),
        stopping(json!(["assert f(1) == 1", "assert f(2) == 2", calls])),
    ];
    let lines: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
    let ran = TempProject::new(&[]).run_with(&["score"], &lines.concat());
    for result in ran.json_lines() {
        assert_eq!(result["execution"]["stdout"], "1\n", "{result}");
        let reason = result["metrics"]["tests"]["reason"].as_str().unwrap();
        assert!(reason.contains("the rest was not needed"), "{reason}");
    }
}

#[test]
fn rows_hold_calls_with_their_types() {
    let suite = "dataset: {file: rows.jsonl}
reply: {expr: row.reply}
expect: {tests: {expr: row.tests}}
";
    let parts = "dataset: {file: rows.jsonl}
reply: {expr: row.reply}
expect:
  tests:
    - {call: f, args: {expr: row.args}, returns: {expr: row.answer}}
    - {call: f, args: [{expr: 'row.args[0]'}, 2], kwargs: {}, returns: {expr: row.answer}}
    - {call: same, args: [.nan], returns: .nan}
    - {call: same, args: ['.nan'], returns: '.nan'}
    - {call: same, args: [-.inf], returns: -.inf}
    - {call: same, args: ['{{ x }}'], returns: '{{ x }}'}
";
    let project = TempProject::new(&[
        ("suites/whole.yaml", suite),
        ("suites/parts.yaml", parts),
        (
            "suites/rows.jsonl",
            "{\"reply\": \"\", \"tests\": \"assert 1\", \"args\": [1, 2], \"answer\": 1}\n",
        ),
    ]);
    let reply = "```python\ndef f(a, b): return a * b\ndef same(x): return x\n```";
    let tests = r#"["assert f(2, 2) == 4", {"call": "f", "args": [2, 0.550], "returns": 1.10}, {"call": "f", "args": ["a", 2], "returns": "aa"}, {"call": "f", "args": [], "raises": "TypeError"}]"#;
    let whole = |tests: &str| {
        format!(
            "{{\"suite\": \"whole\", \"row\": {{\"reply\": \"\", \"tests\": {tests}}}, \"reply\": {}}}\n",
            json!(reply)
        )
    };
    let part = |args: &str, answer: &str| {
        format!(
            "{{\"suite\": \"parts\", \"row\": {{\"reply\": \"\", \"args\": {args}, \"answer\": {answer}}}, \"reply\": {}}}\n",
            json!(reply)
        )
    };
    let input = [
        whole(tests),
        whole(r#"[{"call": "f", "argz": [1], "returns": 1}]"#),
        whole(r#"[{"call": "f", "args": 1, "returns": 1}]"#),
        whole(r#"[{"call": "f(1)", "returns": 1}]"#),
        whole(r#"[{"call": "f"}]"#),
        whole(r#"[{"f": 1}]"#),
        part("[1.50, 2]", "3.00"),
        part(
            "[12345678901234567890123456789012345678901, 2]",
            "24691357802469135780246913578024691357802",
        ),
        part("5", "1"),
    ];
    let results = project
        .run_with(&["score"], &input.concat())
        .expect_status(0)
        .json_lines();
    let told: Vec<String> = results
        .iter()
        .map(|result| match result["score"].as_f64() {
            Some(score) => score.to_string(),
            None => result["error"]["message"].as_str().unwrap().to_owned(),
        })
        .collect();
    let wanted = [
        "1",
        "a call has no key `argz`",
        "`args` is no list of arguments",
        "`f(1)` is no name of a function",
        "a call of `f` needs `returns` or `raises`",
        "a call has no key `f`",
        "1",
        "1",
        "`args` is no list of arguments",
    ];
    for ((told, wanted), result) in told.iter().zip(wanted).zip(&results) {
        assert!(told.contains(wanted), "{wanted}\n{result}");
    }
}

#[test]
fn a_stop_beside_credit_for_parts_is_refused() {
    for expect in [
        "{tests: {code: assert 1, credit: fraction, stop: first_failure}}",
        "{tests: assert 1, credit: fraction, stop: first_failure}",
        "{tests: {code: assert 1, credit: fraction}, stop: first_failure}",
    ] {
        let suite = format!("cases: [{{reply: x, expect: {expect}}}]");
        let project = TempProject::new(&[("suites/suite.yaml", &suite)]);
        let ran = project.run(&["check"]).expect_status(2);
        let told = "`stop` stands beside `credit: fraction`";
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}
