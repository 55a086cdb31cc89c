//! The meaning of what is written, as tables: text as written, templates, layers, alternatives,
//! paths, and the place of a mistake inside a block.

use rewardspec::evaluator::{Evaluator, Expectation};
use rewardspec::project::Project;

use crate::support::TempProject;

/// The evaluator of a project's only case, or `line:column message` of what is wrong.
fn evaluator(project: &TempProject) -> Result<Evaluator, String> {
    let mut opened = Project::open(project.path());
    let files = opened.suite_files().unwrap();
    let plan = opened.suite(&files[0]).map_err(|diagnostics| {
        let first = diagnostics.list[0].placed(&opened.sources);
        format!(
            "{}:{} {}",
            first.line.unwrap_or(0),
            first.column.unwrap_or(0),
            first.message
        )
    })?;
    let case = &plan.cases[0];
    let row = match &case.dataset {
        Some(_) => opened.rows(case).unwrap().unwrap().next().unwrap().ok(),
        None => None,
    };
    case.evaluator(row.as_ref(), &opened.sources)
        .map_err(|diagnostic| diagnostic.message)
}

/// What one key of a case means, as text.
fn meaning(key: &str, evaluator: &Evaluator) -> String {
    match key {
        "expect" => match &evaluator.expectations[0] {
            Expectation::Output(matcher) => matcher.expected.text.clone(),
            other => panic!("{other:?}"),
        },
        "compare" => match &evaluator.expectations[0] {
            Expectation::Output(matcher) => matcher.comparator().to_owned(),
            other => panic!("{other:?}"),
        },
        "stdin" => evaluator.stdin.clone(),
        "args" => evaluator.args.join("|"),
        "prompt" => evaluator.messages[0].content.clone(),
        "reply" => evaluator
            .replies
            .first()
            .map_or("none", |reply| reply.text())
            .to_owned(),
        "timeout" => format!("{:?}", evaluator.limits.wall),
        "memory" => (evaluator.limits.memory >> 20).to_string(),
        "processes" => evaluator.limits.processes.to_string(),
        "language" => evaluator.language.name.clone(),
        "files" => {
            let files = evaluator.files.iter();
            let told =
                files.map(|file| format!("{}={}", file.path, String::from_utf8_lossy(&file.bytes)));
            told.collect::<Vec<_>>().join("|")
        }
        "wanted" => format!("{:?}", evaluator.score.wanted),
        other => panic!("{other}"),
    }
}

const PACK: &str = "presets:
  quick: {timeout: 2, compare: whitespace, vars: {a: preset, b: preset}, limits: {memory: 64MiB}}
  slow: {timeout: 9, vars: {b: slow}}
  asks: {prompt: from the preset}
  chats: {messages: [{role: user, content: from the chat}]}
";

const ROWS: &str = "{\"n\": 3, \"flag\": true, \"text\": \"{{ n }}\", \"list\": [1, \"b\"], \"map\": {\"k\": 1}, \"none\": null, \"half\": 0.5, \"big\": 12345678901234567890123, \"ones\": \"[1, 2]\"}\n";

/// What is written, the key looked at, and what it means; `!` before a mistake.
#[track_caller]
fn table(rows: &[(&str, &str, &str)]) {
    for (suite, key, wanted) in rows {
        let project = TempProject::new(&[
            ("suites/suite.yaml", suite),
            ("rules/own.yaml", PACK),
            ("suites/data/reply.md", "from a {{ file }}\n"),
            ("suites/rows.jsonl", ROWS),
        ]);
        let found = match evaluator(&project) {
            Ok(evaluator) => meaning(key, &evaluator),
            Err(told) => format!("!{told}"),
        };
        assert_eq!(&found, wanted, "{key} of:\n{suite}");
    }
}

#[test]
fn text_is_what_is_written() {
    let forms = [
        ("120", "120"),
        ("1.10", "1.10"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("True", "True"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("+5", "+5"),
        (".5", ".5"),
        ("-0", "-0"),
        ("007", "007"),
        ("null", "null"),
        ("Null", "Null"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2026-11-25", "2026-11-25"),
        ("12:30:45", "12:30:45"),
        ("'it''s'", "it's"),
        ("\"a\\tb\"", "a\tb"),
        ("'~'", "~"),
        ("''", ""),
        ("\"\"", ""),
        ("' 5 '", " 5 "),
        ("'null'", "null"),
        ("!!str 5", "5"),
        ("1.0 # a comment", "1.0"),
        ("1 #2", "1"),
        ("a#b", "a#b"),
        ("a: b", "!"),
        ("Yes, it is", "Yes, it is"),
        ("|\n      a\n       b\n", "a\n b\n"),
        ("|-\n      a\n", "a"),
        (">\n      a\n      b\n", "a b\n"),
        ("|\n      1.10\n", "1.10\n"),
        ("|+\n      a\n\n", "a\n\n\n"),
        ("|1\n       a\n", "  a\n"),
    ];
    for (written, wanted) in forms {
        let suite = format!("cases:\n  - reply: x\n    expect: {written}\n");
        let project = TempProject::new(&[("suites/suite.yaml", &suite)]);
        match evaluator(&project) {
            Ok(evaluator) => assert_eq!(meaning("expect", &evaluator), wanted, "{suite}"),
            Err(told) => assert_eq!(wanted, "!", "{suite}: {told}"),
        }
    }
}

#[test]
fn templates_are_rendered_where_they_may_stand() {
    table(&[
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: '{{ row.n }}'",
            "expect",
            "3",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: '{{ row.n + 1 }} {{ row.flag }} {{ row.half }}'",
            "expect",
            "4 true 0.5",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: '{{ row.big }}'",
            "expect",
            "12345678901234567890123",
        ),
        // What is inserted is not rendered again.
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: '{{ row.text }}'",
            "expect",
            "{{ n }}",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: {expr: row.text}\nexpect: 1",
            "reply",
            "{{ n }}",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: '{{ row.list }}'",
            "expect",
            "!a list stands where text is meant",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: '{{ row.none }}'",
            "expect",
            "!null stands where text is meant",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: '{{ row.map }}'",
            "expect",
            "!a map stands where text is meant",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: {expr: row.list}",
            "expect",
            "!`row.list` is a list where text is meant",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: {expr: row.n}",
            "expect",
            "3",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: {output: {json: {expr: row.map}}}",
            "expect",
            "{\"k\":1}",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: {output: {expr: '(row.ones | fromjson)[1]'}}",
            "expect",
            "2",
        ),
        (
            "dataset: {file: rows.jsonl}\nreply: x\nexpect: '{{ row.nope }}'",
            "expect",
            "!the row has no column `nope`",
        ),
        // Braces that are no template.
        (
            "cases: [{reply: x, expect: {text: '{{ x }}'}}]",
            "expect",
            "{{ x }}",
        ),
        (
            "cases: [{reply: x, expect: {output: {text: '{% if %}'}}}]",
            "expect",
            "{% if %}",
        ),
        (
            "cases: [{reply: x, stdin: {text: '{{ x }}'}, expect: 1}]",
            "stdin",
            "{{ x }}",
        ),
        ("cases: [{reply: '{{ x }}', expect: 1}]", "reply", "{{ x }}"),
        (
            "cases: [{messages: [{role: user, content: a}, {role: assistant, content: '{{ x }}'}], expect: 1}]",
            "reply",
            "{{ x }}",
        ),
        // Variables are typed.
        (
            "vars: {a: 1, b: [1, 2], c: '1', d: 1.10}\ncases: [{reply: x, expect: '{{ a + 1 }} {{ b | length }} {{ c }} {{ d }}'}]",
            "expect",
            "2 2 1 1.10",
        ),
        (
            "cases: [{name: one, reply: x, expect: '{{ case.name }} {{ case.suite }} {{ language.name }}'}]",
            "expect",
            "one suite python",
        ),
        (
            "matrix: {size: [7, 8]}\ncases: [{reply: x, expect: '{{ size }}'}]",
            "expect",
            "7",
        ),
        (
            "cases: [{reply: x, args: [a, '{{ 1 + 1 }}', '3'], expect: 1}]",
            "args",
            "a|2|3",
        ),
    ]);
}

#[test]
fn layers_lie_on_each_other() {
    table(&[
        (
            "use: quick\ncases: [{reply: x, expect: '{{ a }} {{ b }}'}]",
            "expect",
            "preset preset",
        ),
        (
            "use: [quick, slow]\ncases: [{reply: x, expect: '{{ a }} {{ b }}'}]",
            "expect",
            "preset slow",
        ),
        (
            "use: [slow, quick]\ncases: [{reply: x, expect: 1}]",
            "timeout",
            "2s",
        ),
        (
            "use: [quick, slow]\ncases: [{reply: x, expect: 1}]",
            "timeout",
            "9s",
        ),
        (
            "use: quick\ntimeout: 3\ncases: [{reply: x, expect: 1}]",
            "timeout",
            "3s",
        ),
        (
            "use: quick\ntimeout: 3\ncases: [{reply: x, expect: 1, timeout: 500ms}]",
            "timeout",
            "500ms",
        ),
        (
            "use: quick\ncases: [{reply: x, expect: 1, timeout: ~}]",
            "timeout",
            "30s",
        ),
        (
            "use: quick\ncases: [{reply: x, expect: 1}]",
            "compare",
            "whitespace",
        ),
        (
            "use: quick\ncases: [{reply: x, expect: 1, compare: ~}]",
            "compare",
            "lines",
        ),
        // A case's own `use` replaces the suite's.
        (
            "use: quick\ncases: [{reply: x, expect: 1, use: slow}]",
            "timeout",
            "9s",
        ),
        (
            "use: quick\ncases: [{reply: x, expect: 1, use: ~}]",
            "timeout",
            "30s",
        ),
        // `vars`, `limits`, `files`, `score` merge by key; everything else replaces.
        (
            "use: quick\nvars: {a: suite}\ncases: [{reply: x, vars: {c: case}, expect: '{{ a }} {{ b }} {{ c }}'}]",
            "expect",
            "suite preset case",
        ),
        (
            "use: quick\ncases: [{reply: x, vars: {a: ~}, expect: '{{ a }}'}]",
            "expect",
            "!2:46 undefined variable `a`",
        ),
        (
            "use: quick\nlimits: {processes: 3}\ncases: [{reply: x, expect: 1}]",
            "memory",
            "64",
        ),
        (
            "limits: {processes: 3}\ncases: [{reply: x, expect: 1, limits: {memory: 32MiB}}]",
            "processes",
            "3",
        ),
        (
            "files: {a: suite, b: suite}\ncases: [{reply: x, expect: 1, files: {b: case, c: case}}]",
            "files",
            "a=suite|b=case|c=case",
        ),
        (
            "args: [a, b]\ncases: [{reply: x, expect: 1, args: [c]}]",
            "args",
            "c",
        ),
        (
            "score: {at_most: 0}\ncases: [{reply: x, expect: 1, score: {at_least: 0.5}}]",
            "wanted",
            "AtLeast(0.5)",
        ),
        (
            "expect: {output: 1, runs: true}\ncases: [{reply: x, expect: 2}]",
            "expect",
            "2",
        ),
        // Alternatives displace each other.
        (
            "use: asks\ncases: [{reply: x, expect: 1, messages: [{role: user, content: chat}]}]",
            "prompt",
            "chat",
        ),
        (
            "use: chats\nprompt: own\ncases: [{reply: x, expect: 1}]",
            "prompt",
            "own",
        ),
        (
            "use: [chats, asks]\ncases: [{reply: x, expect: 1}]",
            "prompt",
            "from the preset",
        ),
        (
            "prompt: a\ncases: [{reply: x, expect: 1, messages: [{role: user, content: chat}]}]",
            "prompt",
            "chat",
        ),
        (
            "cases: [{reply: x, expect: 1, prompt: a, messages: [{role: user, content: chat}]}]",
            "prompt",
            "!1:52 `messages` stands beside `prompt`",
        ),
        // The word `null` is text, `~` is nothing.
        (
            "expect: 5\ncases: [{reply: x, expect: null}]",
            "expect",
            "null",
        ),
        (
            "expect: 5\ncases: [{reply: x, expect: ~, prompt: 'Expected output: 7'}]",
            "expect",
            "7",
        ),
        (
            "reply: a\ncases: [{reply: null, expect: 1}]",
            "reply",
            "null",
        ),
        (
            "stdin: a\ncases: [{reply: x, stdin: ~, expect: 1}]",
            "stdin",
            "",
        ),
    ]);
}

#[test]
fn paths_lead_from_the_file_and_stay_in_the_project() {
    table(&[
        (
            "cases: [{reply: {file: data/reply.md}, expect: 1}]",
            "reply",
            "from a {{ file }}\n",
        ),
        (
            "cases: [{reply: {file: ./data/../data/reply.md}, expect: 1}]",
            "reply",
            "from a {{ file }}\n",
        ),
        (
            "cases: [{reply: {file: ../suites/data/reply.md}, expect: 1}]",
            "reply",
            "from a {{ file }}\n",
        ),
        (
            "cases: [{reply: x, expect: {output: {file: data/reply.md}}}]",
            "expect",
            "from a {{ file }}\n",
        ),
        (
            "cases: [{reply: x, files: {in.txt: {file: data/reply.md}}, expect: 1}]",
            "files",
            "in.txt=from a {{ file }}\n",
        ),
        (
            "cases: [{reply: {file: ../../../etc/hostname}, expect: 1}]",
            "reply",
            "!1:24 cannot read `../../../etc/hostname`: it lies outside the project",
        ),
        (
            "cases: [{reply: {file: /etc/hostname}, expect: 1}]",
            "reply",
            "!1:24 cannot read `/etc/hostname`: it lies outside the project",
        ),
        (
            "cases: [{reply: {file: data/none.md}, expect: 1}]",
            "reply",
            "!1:24 cannot read `data/none.md`: there is no such file",
        ),
        (
            "cases: [{reply: {file: data}, expect: 1}]",
            "reply",
            "!1:24 cannot read `data`: it is a directory",
        ),
    ]);
}

#[test]
fn a_mistake_in_a_block_has_its_own_line_and_column() {
    table(&[
        (
            "cases:\n  - reply: x\n    prompt: |\n      First line.\n        Second {{ nmae }} here.\n    expect: 1\n",
            "prompt",
            "!5:19 undefined variable `nmae`",
        ),
        (
            "cases:\n  - reply: x\n    prompt: >-\n      First line\n      second {{ nmae }}.\n    expect: 1\n",
            "prompt",
            "!5:17 undefined variable `nmae`",
        ),
        (
            "cases:\n  - reply: x\n    prompt: |\n      ok {{ 1 }}\n\n      {% if %}\n    expect: 1\n",
            "prompt",
            "!6:13 the template does not parse: unexpected end of block",
        ),
        (
            "cases:\n  - reply: x\n    prompt: |2\n       two {{ nmae }}\n    expect: 1\n",
            "prompt",
            "!4:15 undefined variable `nmae`",
        ),
        (
            "cases:\n  - reply: x\n    expect: \"é {{ nmae }}\"\n",
            "prompt",
            "!3:19 undefined variable `nmae`",
        ),
        (
            "cases:\n  - reply: x\n    expect:\n      output:\n        search: |-\n          a(b\n",
            "prompt",
            "!6:12 not a regular expression: unclosed group",
        ),
        (
            "cases:\n  - reply: x\n    prompt: |\r\n      one\r\n      {{ nmae }}\r\n    expect: 1\n",
            "prompt",
            "!5:10 undefined variable `nmae`",
        ),
    ]);
}

#[test]
fn modules_are_preloaded_or_refused_with_the_reason() {
    let suite = |preload: &str| {
        format!(
            "language: {{name: python, preload: [{preload}]}}
cases:
  - name: one
    code: verbatim
    reply: |
      import sys, os
      print('wave' in sys.modules, 'OMP_NUM_THREADS' in os.environ, 'json' in globals())
    expect: {{output: True False False}}
"
        )
    };
    // On a machine without namespaces nothing is preloaded.
    let doctor = TempProject::new(&[("suites/one.yaml", &suite("wave"))]);
    let isolation = doctor.run(&["doctor", "--json"]).stdout;
    if !isolation.contains("\"isolation\": \"full\"")
        && !isolation.contains("\"isolation\":\"full\"")
    {
        return;
    }
    doctor.run(&["run", "--format", "human"]).expect_status(0);
    let missing = TempProject::new(&[("suites/one.yaml", &suite("no_such_module"))]);
    let ran = missing.run(&["run"]).expect_status(3);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        told.contains("`preload` cannot import `no_such_module`: ModuleNotFoundError"),
        "{told}"
    );
    // Without a fork server nothing is imported before the program.
    let cold = missing.run(&["run", "--cold"]).expect_status(1);
    assert!(!cold.stdout.contains("cannot import"), "{}", cold.stdout);
    let other = suite("wave").replace("name: python", "name: javascript");
    let other = TempProject::new(&[("suites/one.yaml", &other)]);
    let ran = other.run(&["check"]).expect_status(2);
    assert!(
        ran.stderr
            .contains("nothing can be preloaded for javascript: its rule has no `fork_server`")
            && ran.stderr.contains("suites/one.yaml:1:"),
        "{}",
        ran.stderr
    );
}
