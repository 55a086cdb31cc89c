//! Each file of `tests/golden/check` holds one mistake; beside it stands what `check` says.

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
        files.len() >= 40,
        "only {} mistakes are under test",
        files.len()
    );
    for file in files {
        let suite = std::fs::read_to_string(&file).unwrap();
        // A file whose first line says so is a rule pack, beside a suite that is right.
        let project = if suite.starts_with("# rules") {
            TempProject::new(&[("rules/own.yaml", &suite), ("suites/right.yaml", RIGHT)])
        } else {
            TempProject::new(&[("suites/suite.yaml", &suite)])
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
}

const RIGHT: &str = "cases:\n  - {reply: x, expect: 1}\n";

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
    assert_eq!(ran.stdout, "1 suite, 1 case: no errors\n");
}
