//! What isolation a suite asks for, and what happens where a machine has less.

use std::process::Command;

use crate::container::{Profile, on_thread};
use crate::support::{Ran, TempProject};

const PLAIN: &str = "expect: '5'\ncases: [{name: five, reply: print(5)}]\n";

/// A project in a directory that every user can pass through.
fn project(suite: &str) -> TempProject {
    let project = TempProject::new(&[("suites/plain.yaml", suite)]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(project.path(), mode).unwrap();
    project
}

fn run_on(profile: Profile, suite: &str, arguments: &[&str]) -> Ran {
    on_thread(false, profile, || project(suite).run(arguments))
}

const JSONL: &[&str] = &["run", "--format", "jsonl"];

#[test]
fn nothing_runs_where_files_and_network_are_open() {
    let ran = run_on(Profile::Bare, PLAIN, &["run"]).expect_status(3);
    assert_eq!(ran.stdout, "");
    let paragraph = ran.stderr.trim_end();
    assert!(!paragraph.contains('\n'), "{paragraph}");
    for part in [
        "`reduced` is the least",
        "this machine reaches `none`",
        "namespaces: ",
        "landlock: ",
        "read your files",
        "`rewardspec doctor`",
        "`--isolation none`",
        "REWARDSPEC_ISOLATION=none",
    ] {
        assert!(paragraph.contains(part), "{part}: {paragraph}");
    }
}

#[test]
fn scoring_and_trying_are_refused_alike() {
    on_thread(false, Profile::Bare, || {
        let project = project(PLAIN);
        let row = "{\"id\": 1, \"expect\": \"5\", \"code\": \"print(5)\"}\n";
        let ran = project.run_with(&["score"], row).expect_status(3);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("`--isolation none`"));
        let suite = "suites/plain.yaml";
        project
            .run_with(&["try", suite], "print(5)")
            .expect_status(3);
        project
            .run(&["explain", "plain::five", "--run"])
            .expect_status(3);
        project
            .run_with(&["score", "--isolation", "none"], row)
            .expect_status(0);
    });
}

#[test]
fn what_is_accepted_is_written_by_name() {
    let none = [JSONL, &["--isolation", "none"]].concat();
    let ran = run_on(Profile::Bare, PLAIN, &none).expect_status(0);
    assert_eq!(ran.json_lines()[0]["execution"]["isolation"], "none");
    assert!(ran.stderr.contains("not isolated"), "{}", ran.stderr);
    on_thread(false, Profile::Bare, || {
        let variables = [("REWARDSPEC_ISOLATION", "none")];
        project(PLAIN).run_env(JSONL, &variables).expect_status(0);
        // The suite's author accepts it for the suite, the project's owner for the project.
        project(&format!("isolation: none\n{PLAIN}"))
            .run(JSONL)
            .expect_status(0);
        let owned = project(PLAIN);
        owned.write("rewardspec.toml", "isolation = \"none\"\n");
        owned.run(JSONL).expect_status(0);
        // A flag is heard before a variable.
        let raised = [JSONL, &["--isolation", "reduced"]].concat();
        project(PLAIN).run_env(&raised, &variables).expect_status(3);
    });
}

#[test]
fn containers_reach_reduced_and_say_what_is_missing() {
    let ran = run_on(Profile::Container, PLAIN, JSONL).expect_status(0);
    assert_eq!(ran.json_lines()[0]["execution"]["isolation"], "reduced");
    assert!(
        ran.stderr
            .contains("reduced on this machine; missing: namespaces (")
    );
    let full = [JSONL, &["--isolation", "full"]].concat();
    run_on(Profile::Container, PLAIN, &full).expect_status(3);
}

#[test]
fn a_case_that_asks_for_more_is_an_error_and_no_score() {
    let suite = "expect: '5'\nreply: print(5)\ncases:\n  - name: modest\n  - {name: strict, isolation: full}\n";
    let ran = run_on(Profile::Container, suite, JSONL).expect_status(3);
    for line in ran.json_lines() {
        let is_strict = line["case"] == "strict";
        assert_eq!(line["score"].is_null(), is_strict, "{line}");
        if is_strict {
            assert_eq!(line["error"]["kind"], "infrastructure");
        }
    }
    assert!(ran.stderr.contains("`full` is the least"), "{}", ran.stderr);
}

#[test]
fn trials_fail_briefly_and_the_paragraph_comes_once() {
    let suite = "expect: '5'\nreply: print(5)\ncases: [{name: one}, {name: two}]\n";
    let ran = run_on(Profile::Bare, suite, &["test"]).expect_status(101);
    assert_eq!(ran.stdout.matches("infrastructure error").count(), 2);
    assert!(!ran.stdout.contains("doctor"), "{}", ran.stdout);
    assert_eq!(ran.stderr.matches("`rewardspec doctor`").count(), 1);
}

#[test]
fn a_word_that_is_no_isolation_is_a_configuration_error() {
    let variables = [("REWARDSPEC_ISOLATION", "nome")];
    let ran = project(PLAIN)
        .run_env(&["run"], &variables)
        .expect_status(2);
    assert!(ran.stderr.contains("`nome`"), "{}", ran.stderr);
    let ran = project(&format!("isolation: ful\n{PLAIN}"))
        .run(&["run"])
        .expect_status(2);
    assert!(
        ran.stderr.contains("did you mean `full`?"),
        "{}",
        ran.stderr
    );
    let ran = project(PLAIN)
        .run_with(
            &["score"],
            "{\"isolation\": \"none\", \"expect\": \"5\", \"code\": \"print(5)\"}",
        )
        .expect_status(0);
    assert_eq!(ran.json_lines()[0]["error"]["kind"], "configuration");
}

#[test]
fn a_virtual_environment_brings_its_packages_read_only() {
    let project = TempProject::new(&[(
        "suites/venv.yaml",
        "language: {name: python, interpreter: ../environment/bin/python}\n\
         cases:\n\
         \x20 - {name: imports, reply: 'import marker; print(marker.TEXT)', expect: here}\n\
         \x20 - name: writes\n\
         \x20   reply: open(__import__('marker').__file__, 'a')\n\
         \x20   expect: {runs: true}\n",
    )]);
    let made = Command::new("python3")
        .args(["-m", "venv", "--without-pip", "environment"])
        .current_dir(project.path())
        .status();
    assert!(made.unwrap().success());
    let library = project.path().join("environment/lib");
    let version = std::fs::read_dir(&library)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let packages = version.path().join("site-packages/marker.py");
    std::fs::write(&packages, "TEXT = 'here'\n").unwrap();
    let ran = project.run(JSONL);
    let lines = ran.json_lines();
    let of = |case: &str| lines.iter().find(|line| line["case"] == case).unwrap();
    assert_eq!(
        of("imports")["score"],
        1.0,
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!(of("writes")["execution"]["status"], "runtime_error");
    assert_eq!(
        std::fs::read_to_string(&packages).unwrap(),
        "TEXT = 'here'\n"
    );
}

#[test]
fn an_interpreter_behind_links_brings_what_they_lead_to() {
    let project = TempProject::new(&[(
        "suites/linked.yaml",
        "language: {name: python, interpreter: ../local/bin/python}\n\
         cases: [{name: runs, reply: 'import json; print(json.loads(\"5\"))', expect: 5}]\n",
    )]);
    let found = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    // A link to a link, in a directory that holds other things too.
    let local = project.path().join("local/bin");
    std::fs::create_dir_all(&local).unwrap();
    std::os::unix::fs::symlink(found.trim(), local.join("python3")).unwrap();
    std::os::unix::fs::symlink("python3", local.join("python")).unwrap();
    let ran = project.run(JSONL);
    assert_eq!(ran.json_lines()[0]["score"], 1.0, "{}", ran.stdout);
}

#[test]
fn an_interpreter_that_is_not_there_skips_its_cases_and_says_so() {
    let suite = "language: {name: python, interpreter: ./nowhere/python}\nexpect: '5'\ncases: [{reply: print(5)}]\n";
    let why = "nowhere/python`, which runs python, is not there";
    let beside = project(PLAIN);
    beside.write("suites/other.yaml", suite);
    let ran = beside.run(&["run"]).expect_status(0);
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
    // Where nothing ran, nothing passed.
    let ran = project(suite).run(&["run"]).expect_status(3);
    assert!(ran.stdout.contains(why) && ran.stderr.contains("no case could run"));
}

#[test]
fn a_row_to_score_names_no_interpreter() {
    let row = "{\"language\": {\"name\": \"python\", \"interpreter\": \"/bin/sh\"}, \"expect\": \"5\", \"code\": \"echo 5\"}";
    let ran = project(PLAIN).run_with(&["score"], row).expect_status(0);
    assert_eq!(ran.json_lines()[0]["error"]["kind"], "configuration");
}
