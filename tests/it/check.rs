//! Each file of `tests/golden/check` holds one mistake; beside it stands what `check` says.

use std::path::Path;

use crate::support::{TempProject, assert_golden, root};

#[test]
fn every_mistake_is_told_with_its_place_and_mend() {
    let directory = root().join("tests/golden/check");
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    assert!(
        files.len() >= 290,
        "only {} mistakes are under test",
        files.len()
    );
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for share in files.chunks(files.len().div_ceil(workers)) {
            scope.spawn(move || share.iter().for_each(|file| one_mistake(file)));
        }
    });
}

fn one_mistake(file: &Path) {
    let suite = std::fs::read_to_string(file).unwrap();
    // A file whose first line says so is a rule pack, beside a suite that is right.
    let project = if suite.starts_with("# rules") {
        TempProject::new(&[("rules/own.yaml", &suite), ("suites/right.yaml", RIGHT)])
    } else {
        TempProject::new(&[("suites/suite.yaml", &suite), ("rules/team.yaml", TEAM)])
    };
    project.write("suites/rows.jsonl", "{\"n\": 1, \"list\": [1]}\n");
    let ran = project.run(&["check"]);
    assert_eq!(
        ran.status,
        2,
        "{}: {}{}",
        file.display(),
        ran.stdout,
        ran.stderr
    );
    assert_eq!(ran.stdout, "", "{}", file.display());
    assert_golden(&file.with_extension("stderr"), &ran.stderr);
    assert!(
        ran.stderr.contains("1 configuration error\n"),
        "{}: not one mistake:\n{}",
        file.display(),
        ran.stderr
    );
}

/// Names that a suite may have meant.
const TEAM: &str = "presets:\n  contest: {timeout: 5}\nmodels:\n  small: {url: 'http://localhost:8000/v1', model: qwen}\n";

const RIGHT: &str = "cases:\n  - {reply: print(1), expect: 1}\n  - {reply: print(2), expect: 1, score: {at_most: 0}}\n";

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let project = TempProject::new(&[
        (
            "suites/one.yaml",
            "cases:\n  - {nmae: a, reply: x, expect: 1}\n  - {reply: x, expct: 1}\n",
        ),
        (
            "suites/two.yaml",
            "cases:\n  - {reply: x, expect: 1, language: pyhton}\n",
        ),
    ]);
    let ran = project.run(&["check"]).expect_status(2);
    for told in [
        "suites/one.yaml:2:6",
        "suites/one.yaml:3:16",
        "suites/two.yaml:2:37",
        "3 configuration errors",
    ] {
        assert!(
            ran.stderr.contains(told),
            "{told} is missing in:\n{}",
            ran.stderr
        );
    }
}

/// A mistake of structure on nearly every line, on some lines two or three.
const WRONG: &str = "\
nmae: Everything at once
timeout: soon
backend: lokal
tags: {slow: true}
limits: {memory: 5, dsik: 1, cpu: x}
samples: {needs: any}
network: maybe
score:
  weights: tests
  at_laest: 0.5
dataset: {name: x, limit: all}
cases:
  - nmae: one
    args: x
    reply: {text: a, file: b.md}
    expect: {outptu: 1, runs: maybe}
  - just text
  - prompt: [a]
    expect:
      tests:
        - {call: f}
        - {call: f, arg: [1], returns: 1}
      stdin_cases: []
      credit: part
    require: {mean: 1}
";

/// What is told of each, in the order of the file.
const WRONG_IN_ORDER: &[&str] = &[
    "1:1 unknown key `nmae`",
    "2:10 expected a time such as `5`, `500ms` or `2m`, found `soon`",
    "3:10 unknown word `lokal`",
    "4:8 unknown key `slow`",
    "5:18 expected a size with a unit such as `256MiB` or `1GB`, found `5`",
    "5:21 unknown key `dsik`",
    "5:35 expected a time such as `5`, `500ms` or `2m`, found `x`",
    "6:1 the key `n` is missing",
    "6:11 unknown key `needs`",
    "7:10 expected `true` or `false`, found `maybe`",
    "9:12 expected a map, found `tests`",
    "10:3 unknown key `at_laest`",
    "11:1 the key `file` is missing",
    "11:27 expected a whole number of 0 or more, found `all`",
    "13:5 unknown key `nmae`",
    "14:11 expected a list, found `x`",
    "15:22 `file` stands beside `text`",
    "16:14 unknown key `outptu`",
    "16:31 expected `true` or `false`, found `maybe`",
    "17:5 expected a case: a map with keys such as `prompt`, `reply` and `expect`, found `just text`",
    "18:13 expected text, `{text: …}`, `{expr: …}` or `{file: …}`, found a list",
    "21:11 a call needs `returns` or `raises`",
    "22:21 unknown key `arg`",
    "23:20 `stdin_cases` is empty: nothing would be tested",
    "24:15 unknown word `part`",
    "25:5 `require` stands at the top of a suite, not in a case",
];

/// Every mistake of a project with its place, in the order in which `check` tells them.
fn told_in_order(project: &TempProject) -> Vec<String> {
    let ran = project.run(&["check", "--format", "json"]).expect_status(2);
    let told = ran.json_lines().into_iter().map(|one| {
        let message = one["message"].as_str().unwrap();
        format!("{}:{} {message}", one["line"], one["column"])
    });
    told.collect()
}

#[test]
fn all_structural_mistakes_of_a_file_are_told_at_once_and_in_order() {
    let project = TempProject::new(&[("suites/wrong.yaml", WRONG)]);
    let told = told_in_order(&project);
    assert_eq!(told, WRONG_IN_ORDER, "{told:#?}");
    let ran = project.run(&["check"]).expect_status(2);
    let count = format!("{} configuration errors\n", WRONG_IN_ORDER.len());
    assert!(ran.stderr.ends_with(&count), "{}", ran.stderr);
}

/// The same of a rule pack, where a mistake of one map hides none of another.
const WRONG_PACK: &str = "\
languages:
  ruby: {file: main.rb, find: {comand: ruby}, run: ruby}
  perl: perl main.pl
code:
  mine: {pick: frst, ignore: {tag: [sh]}}
expected_output:
  mine:
    - {name: result}
comparators:
  mine: {steps: [trmi], then: [exakt]}
presets:
  quick: {timeot: 1, isolation: ful}
models:
  small: {model: qwen}
hacks:
  mine: {reply: exit()}
extra: 1
";

/// What is told of each, in the order of the file.
const WRONG_PACK_IN_ORDER: &[&str] = &[
    "2:32 unknown key `comand`",
    "2:52 expected a list, found `ruby`",
    "3:9 expected a map with `file`, `find` and `run`, found `perl main.pl`",
    "5:16 unknown word `frst`",
    "5:31 unknown key `tag`",
    "8:7 the key `pattern` is missing",
    "10:18 unknown word `trmi`",
    "10:32 unknown word `exakt`",
    "12:11 unknown key `timeot`",
    "12:33 unknown word `ful`",
    "14:3 the key `url` is missing",
    "16:3 the key `why` is missing",
    "17:1 unknown key `extra`",
];

#[test]
fn all_structural_mistakes_of_a_rule_pack_are_told_at_once_and_in_order() {
    let project = TempProject::new(&[
        ("rules/wrong.yaml", WRONG_PACK),
        ("suites/right.yaml", RIGHT),
    ]);
    let told = told_in_order(&project);
    assert_eq!(told, WRONG_PACK_IN_ORDER, "{told:#?}");
}

#[test]
fn where_there_is_no_name_to_mean_the_place_to_write_one_is_told() {
    let project = TempProject::new(&[(
        "suites/one.yaml",
        "model: small\nuse: [contest]\ncases: [{prompt: a, expect: 1}]\n",
    )]);
    let ran = project.run(&["check"]).expect_status(2);
    assert!(
        ran.stderr
            .contains("a preset stands under `presets` in a rule pack"),
        "{}",
        ran.stderr
    );
    project.write(
        "suites/one.yaml",
        "model: small\ncases: [{prompt: a, expect: 1}]\n",
    );
    let ran = project.run(&["check"]).expect_status(2);
    assert!(
        ran.stderr
            .contains("a model stands under `models` in a rule pack"),
        "{}",
        ran.stderr
    );
    project.write(
        "suites/one.yaml",
        "rules: [own]\ncases: [{reply: a, expect: 1}]\n",
    );
    let ran = project.run(&["check"]).expect_status(2);
    assert!(
        ran.stderr
            .contains("rule packs are the files below `rules/`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_case_that_is_not_well_formed_hides_nothing_of_the_others() {
    let project = TempProject::new(&[(
        "suites/one.yaml",
        "cases:\n  - {reply: x, expct: 1}\n  - {reply: x, expect: 1, language: pyhton}\n  - {reply: x, expect: {output: {contian: 1}}}\n  - just text\n",
    )]);
    let ran = project.run(&["check", "--format", "json"]).expect_status(2);
    let lines: Vec<_> = ran
        .json_lines()
        .iter()
        .map(|one| one["line"].clone())
        .collect();
    assert_eq!(lines, [2, 3, 4, 5], "{}", ran.stdout);
}

#[test]
fn a_mistake_in_each_of_many_cases_is_told_for_each() {
    let mut suite = String::from("cases:\n");
    for number in 0..3000 {
        suite.push_str(&format!(
            "  - {{name: c{number}, reply: x, expct: {number}}}\n"
        ));
        suite.push_str(&format!(
            "  - {{name: d{number}, reply: x, expect: 1, language: pyhton}}\n"
        ));
    }
    let project = TempProject::new(&[("suites/many.yaml", &suite)]);
    let ran = project.run(&["check", "--format", "json"]).expect_status(2);
    let lines: Vec<_> = ran
        .json_lines()
        .iter()
        .map(|one| one["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, (2..6002).collect::<Vec<_>>());
}

#[test]
fn what_is_wrong_is_told_to_machines_too() {
    let project = TempProject::new(&[(
        "suites/one.yaml",
        "cases:\n  - {nmae: a, reply: x, expect: 1}\n  - {reply: x, expct: 1}\n",
    )]);
    let ran = project.run(&["check", "--format", "json"]).expect_status(2);
    let found = ran.json_lines();
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0]["file"], &found[0]["line"], &found[0]["column"]),
        (&"suites/one.yaml".into(), &2.into(), &6.into())
    );
    assert_eq!(found[1]["help"], "did you mean `expect`?");
    let ran = project
        .run(&["check", "--format", "github"])
        .expect_status(2);
    assert_eq!(
        ran.stdout.lines().next(),
        Some(
            "::error file=suites/one.yaml,line=2,col=6::unknown key `nmae`%0Ahelp: did you mean `name`?"
        )
    );
    assert_eq!(ran.stderr, "");
    let right = TempProject::new(&[("suites/right.yaml", RIGHT)]);
    let ran = right.run(&["check", "--format", "json"]).expect_status(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn what_is_right_passes() {
    let project = TempProject::new(&[("suites/right.yaml", RIGHT)]);
    let ran = project.run(&["check"]).expect_status(0);
    assert!(
        ran.stdout.ends_with("\n1 suite, 2 cases: no errors\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn one_row_is_shown_as_it_is_rendered() {
    let project = TempProject::new(&[(
        "suites/sums.yaml",
        "prompt: 'What is {{ row.a }} + {{ row.b }}?'\nreply: 'print(sum([A, B]))'\nprogram: \"A, B = {{ row.a }}, {{ row.b }}\\n{{ code }}\"\nexpect: {expr: row.sum}\ndataset: {file: sums.jsonl}\n",
    )]);
    project.write(
        "suites/sums.jsonl",
        "{\"a\": 2, \"b\": 3, \"sum\": 5}\n{\"a\": 1, \"b\": 1, \"sum\": 2}\n",
    );
    let ran = project.run(&["check"]).expect_status(0);
    let shown = "for example sums::1, made of suites/sums.jsonl:1
  prompt
    What is 2 + 3?
  program
    A, B = 2, 3
    print(sum([A, B]))
  expected
    output_match: `5` by `lines`
  all of it: rewardspec explain 'sums::1'

1 suite, 2 cases: no errors, 1 warning
";
    assert_eq!(ran.stdout, shown);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let project = TempProject::new(&[
        (
            "suites/one.yaml",
            "matrix: {size: [1, 2], unused: [3], exclude: [{size: 3}]}\nstdin: '{{ size }}'\nuse: known\ncases:\n  - {reply: print(1), expect: {output: {search: 'x*'}}}\n",
        ),
        (
            "rules/own.yaml",
            "presets:\n  known: {timeout: 5}\n  forgotten: {timeout: 6}\ncomparators:\n  odd: {then: [exact]}\ncode:\n  mine: {ignore: {when: 'a*'}}\n",
        ),
    ]);
    let ran = project.run(&["check", "--format", "json"]).expect_status(0);
    let told: Vec<String> = ran
        .json_lines()
        .iter()
        .map(|one| {
            assert_eq!(one["severity"], "warning");
            format!(
                "{}:{} {}",
                one["file"].as_str().unwrap(),
                one["line"],
                one["message"].as_str().unwrap()
            )
        })
        .collect();
    for wanted in [
        "suites/one.yaml:1 no template uses the variable `unused` of the matrix",
        "suites/one.yaml:1 no case is known to be bad",
        "suites/one.yaml:1 the axis `size` has no value `3`: nothing is excluded",
        "suites/one.yaml:5 the pattern matches the empty text",
        "rules/own.yaml:3 no suite uses the preset `forgotten`",
        "rules/own.yaml:5 no suite uses the comparator `odd`",
        "rules/own.yaml:7 no suite uses the code extractor `mine`",
        "rules/own.yaml:7 the pattern matches the empty text",
    ] {
        assert!(
            told.iter().any(|one| one.starts_with(wanted)),
            "{wanted} is missing in {told:#?}"
        );
    }
    assert_eq!(told.len(), 8, "{told:#?}");
    let ran = project
        .run(&["check", "--format", "github"])
        .expect_status(0);
    assert!(
        ran.stdout
            .starts_with("::warning file=rules/own.yaml,line=3,col=3::"),
        "{}",
        ran.stdout
    );
    let ran = project.run(&["check"]).expect_status(0);
    assert!(
        ran.stdout
            .ends_with("1 suite, 2 cases: no errors, 8 warnings\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("warning: no case is known to be bad"),
        "{}",
        ran.stderr
    );
    // Of a part of the project nobody can say what is unused.
    let ran = project
        .run(&["check", "suites/one.yaml", "--format", "json"])
        .expect_status(0);
    assert!(!ran.stdout.contains("forgotten"), "{}", ran.stdout);
}

/// What the language has and this version does not run.
const LATER: &[(&str, &str)] = &[
    (
        "reuse: shared",
        "e2b: {reuse: shared}\ncases: [{reply: print(1), expect: 1}]",
    ),
    (
        "model",
        "model: {url: 'http://localhost:1/v1', model: m}\ncases: [{prompt: a, expect: 1}]",
    ),
];

#[test]
fn what_this_version_has_not_is_valid_and_says_so_when_it_is_run() {
    for (what, suite) in LATER {
        let project = TempProject::new(&[("suites/later.yaml", suite)]);
        project.run(&["check"]).expect_status(0);
        let ran = project.run(&["run"]);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.status, 2, "{what}: {told}");
        let wanted = format!("`{what}` is not in this version");
        assert!(told.contains(&wanted), "{wanted} is missing in:\n{told}");
    }
}
