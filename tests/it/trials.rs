//! The contract with `cargo test` and nextest: clean lists, filters, ignored, exact names.

use crate::support::TempProject;

const SUITE: &str = r"
cases:
  - {name: one, reply: print(1), code: verbatim, expect: 1}
  - {name: two words, reply: print(3), code: verbatim, expect: 2}
  - {name: three, reply: print(3), code: verbatim, expect: 3, skip: not today}
";

fn project() -> TempProject {
    TempProject::new(&[("suites/a.yaml", SUITE)])
}

#[test]
fn the_list_is_terse_and_stdout_is_clean() {
    let ran = project()
        .run(&["test", "--list", "--format", "terse"])
        .expect_status(0);
    assert_eq!(
        ran.stdout,
        "a::one: test\na::two words: test\na::three: test\n"
    );
    let ran = project()
        .run(&["test", "--list", "--format", "terse", "--ignored"])
        .expect_status(0);
    assert_eq!(ran.stdout, "a::three: test\n");
}

#[test]
fn a_failure_tells_difference_place_and_command() {
    let ran = project().run(&["test"]).expect_status(101);
    for told in [
        "-2",
        "+3",
        "suites/a.yaml:4:12",
        "rewardspec run --filter 'a::two words'",
        "1 passed; 1 failed; 1 ignored",
    ] {
        assert!(
            ran.stdout.contains(told),
            "`{told}` is missing in:\n{}",
            ran.stdout
        );
    }
}

#[test]
fn one_trial_by_its_exact_name() {
    let project = project();
    let ran = project.run(&["test", "--exact", "a::one"]).expect_status(0);
    assert!(ran.stdout.contains("1 passed; 0 failed"), "{}", ran.stdout);
    let ran = project
        .run(&["test", "--exact", "a::three", "--ignored"])
        .expect_status(0);
    assert!(ran.stdout.contains("1 passed; 0 failed"), "{}", ran.stdout);
}

#[test]
fn exact_names_do_not_need_other_suites_to_compile() {
    let project = project();
    project.write("suites/broken.yaml", "cases: {\n");
    let ran = project.run(&["test", "--exact", "a::one"]).expect_status(0);
    assert!(ran.stdout.contains("1 passed"), "{}", ran.stdout);
}

#[test]
fn an_exact_name_needs_no_other_row() {
    let project = TempProject::new(&[
        (
            "rules/own.yaml",
            "languages:\n  nowhere: {file: main, find: {command: rewardspec-nowhere}, run: [\"{{ interpreter }}\", \"{{ file }}\"]}\n",
        ),
        (
            "suites/a.yaml",
            "dataset: {file: rows.jsonl, name: \"{{ row.name }}\"}\n\
             language: {expr: row.language}\n\
             reply: print(1)\ncode: verbatim\nexpect: 1\n",
        ),
        (
            "suites/rows.jsonl",
            "{\"name\": \"one\", \"language\": \"python\"}\n\
             {\"name\": \"two\", \"language\": \"nowhere\"}\n\
             {\"name\": \"three\", \"language\": \"unknown\"}\n",
        ),
    ]);
    let ran = project.run(&["test", "--exact", "a::one"]).expect_status(0);
    assert!(ran.stdout.contains("1 passed; 0 failed"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("nowhere"), "{}", ran.stderr);
    // A bad row is found by its own name, whatever else is wanted.
    let ran = project
        .run(&["test", "--exact", "a::row 3"])
        .expect_status(101);
    assert!(ran.stdout.contains("`unknown`"), "{}", ran.stdout);
    let ran = project.run(&["test"]).expect_status(101);
    assert!(
        ran.stdout.contains("1 passed; 1 failed; 1 ignored"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}

#[test]
fn a_suite_that_does_not_compile_is_one_failing_trial() {
    let project = project();
    project.write("suites/broken.yaml", "cases:\n  - {nmae: x, expect: 1}\n");
    let ran = project
        .run(&["test", "--list", "--format", "terse"])
        .expect_status(0);
    assert!(ran.stdout.contains("broken: test\n"), "{}", ran.stdout);
    let ran = project.run(&["test", "broken"]).expect_status(101);
    assert!(
        ran.stdout.contains("did you mean `name`?"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_case_whose_interpreter_is_missing_is_ignored_with_the_reason() {
    let rules = r#"
languages:
  nolang:
    file: main.no
    find: {command: no-such-interpreter, install: apt-get install nolang}
    run: ["{{ interpreter }}", "{{ file }}"]
"#;
    let suite = "cases:\n  - {name: n, language: nolang, reply: x, code: verbatim, expect: 1}\n";
    let project = TempProject::new(&[("rules/no.yaml", rules), ("suites/n.yaml", suite)]);
    let ran = project.run(&["test"]).expect_status(0);
    assert!(ran.stdout.contains("1 ignored"), "{}", ran.stdout);
    assert!(ran.stderr.contains("`no-such-interpreter`, which runs nolang, is not on PATH; install it: apt-get install nolang"), "{}", ran.stderr);
    let ran = project.run(&["test", "--ignored"]).expect_status(101);
    assert!(ran.stdout.contains("no-such-interpreter"), "{}", ran.stdout);
    let ran = project.run(&["test", "--list"]).expect_status(0);
    assert!(
        !ran.stderr.contains("no-such-interpreter"),
        "{}",
        ran.stderr
    );
    let ran = project.run(&["run"]).expect_status(3);
    assert!(ran.stdout.contains("not run: 1"), "{}", ran.stdout);
}

#[test]
fn a_long_dataset_is_one_trial_for_each_thousand_rows() {
    let suite = "dataset: {file: rows.jsonl}\nreply: x\nexpect: 1\n";
    let project = TempProject::new(&[("suites/long.yaml", suite)]);
    let rows: String = (0..5500).map(|row| format!("{{\"n\": {row}}}\n")).collect();
    project.write("suites/rows.jsonl", rows);
    let ran = project
        .run(&["test", "--list", "--format", "terse"])
        .expect_status(0);
    assert_eq!(ran.stdout.lines().count(), 6);
    assert!(
        ran.stdout.starts_with("long::rows 1-1000: test\n"),
        "{}",
        ran.stdout
    );
}
