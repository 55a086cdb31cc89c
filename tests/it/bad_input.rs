//! Whatever stands in a file, the answer is a located error, exit status 2, no panic, no hang.

use crate::support::TempProject;

/// The place that is told, and words of the message.
#[track_caller]
fn refuses(project: &TempProject, place: &str, words: &str) {
    for command in ["check", "run", "list"] {
        let ran = project.run(&[command]);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.status, 2, "{command}: {told}");
        assert!(
            told.contains(place),
            "`{place}` is missing in what `{command}` says:\n{told}"
        );
        assert!(
            told.contains(words),
            "`{words}` is missing in what `{command}` says:\n{told}"
        );
        assert!(!told.contains("panicked"), "{told}");
    }
}

#[test]
fn a_file_that_is_not_utf_8() {
    let project = TempProject::new(&[]);
    project.write("suites/bytes.yaml", b"cases:\n  - reply: \xff\xfe\n");
    refuses(&project, "suites/bytes.yaml:2:12", "not UTF-8");
}

#[test]
fn a_file_beyond_what_is_read() {
    let project = TempProject::new(&[("suites/large.yaml", "")]);
    let file = std::fs::File::create(project.path().join("suites/large.yaml")).unwrap();
    file.set_len(129 << 20).unwrap();
    refuses(
        &project,
        "suites/large.yaml:1:1",
        "129 MiB, more than the 128 MiB",
    );
}

#[test]
fn one_text_of_fifty_megabytes() {
    let project = TempProject::new(&[]);
    let text = format!(
        "cases:\n  - expect: 1\n    reply: {}\n",
        "a".repeat(50_000_000)
    );
    project.write("suites/large.yaml", text);
    let ran = project.run(&["check"]).expect_status(2);
    assert!(
        ran.stderr.contains("suites/large.yaml:3:12"),
        "{}",
        ran.stderr
    );
    let wanted = "the text has more than the 8 MiB that one text may have";
    assert!(ran.stderr.contains(wanted), "{}", ran.stderr);
    // The line is shown around the caret only.
    assert!(ran.stderr.len() < 2000, "{}", ran.stderr.len());
}

#[test]
fn lists_within_lists_without_end() {
    let project = TempProject::new(&[(
        "suites/deep.yaml",
        &format!("vars: {{a: {}1{}}}\n", "[".repeat(100), "]".repeat(100)),
    )]);
    refuses(&project, "suites/deep.yaml:1:", "more than 64 levels deep");
    let project = TempProject::new(&[(
        "suites/deep.yaml",
        &format!("vars: {{a: {}\n", "[".repeat(100_000)),
    )]);
    refuses(&project, "suites/deep.yaml:1:", "more than 64 levels deep");
}

#[test]
fn an_alias_bomb() {
    let mut text = String::from("vars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!(
            "  a{level}: &a{level} [{}]\n",
            vec![before; 10].join(", ")
        ));
    }
    text.push_str("cases:\n  - {reply: x, expect: 1}\n");
    let project = TempProject::new(&[("suites/bomb.yaml", &text)]);
    refuses(&project, "suites/bomb.yaml:", "aliases repeat more than");
}

#[test]
fn many_aliases_of_one_anchor_are_no_bomb() {
    let mut text = String::from("cases:\n  - &first {reply: x, expect: {text: x}, timeout: 5s}\n");
    text.push_str(&"  - *first\n  - {<<: *first, tags: [again]}\n".repeat(20_000));
    let project = TempProject::new(&[("suites/same.yaml", &text)]);
    let ran = project.run(&["check", "suites/same.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn deep_nesting() {
    let text = format!("cases: {}\n", "[".repeat(100_000));
    let project = TempProject::new(&[("suites/deep.yaml", &text)]);
    refuses(&project, "suites/deep.yaml:1:", "error");
}

#[test]
fn a_row_that_is_not_json() {
    let project = TempProject::new(&[(
        "suites/rows.yaml",
        "dataset: {file: rows.jsonl}\nreply: x\nexpect: 1\n",
    )]);
    project.write("suites/rows.jsonl", "{\"a\": 1}\n\n{\"a\": 1, oops}\n");
    refuses(&project, "suites/rows.jsonl:3:10", "not JSON");
}

#[test]
fn a_row_without_the_column() {
    let suite = "dataset: {file: rows.jsonl}\nreply: {expr: row.reply}\nexpect: 1\n";
    let project = TempProject::new(&[("suites/rows.yaml", suite)]);
    project.write(
        "suites/rows.jsonl",
        "{\"reply\": \"x\"}\n{\"replly\": \"x\"}\n",
    );
    refuses(&project, "suites/rows.jsonl:2:1", "no column `reply`");
}

#[test]
fn a_row_that_is_no_object_or_not_utf_8() {
    let project = TempProject::new(&[(
        "suites/rows.yaml",
        "dataset: {file: rows.jsonl}\nreply: x\nexpect: 1\n",
    )]);
    project.write("suites/rows.jsonl", b"[1]\n{\"a\": \"\xff\"}\n");
    refuses(&project, "suites/rows.jsonl:1:1", "no JSON object");
    refuses(&project, "suites/rows.jsonl:2:", "not UTF-8");
}

#[test]
fn a_directory_for_a_dataset() {
    let project = TempProject::new(&[
        (
            "suites/rows.yaml",
            "dataset: {file: more}\nreply: x\nexpect: 1\n",
        ),
        ("suites/more/a", ""),
    ]);
    refuses(&project, "suites/rows.yaml:1:17", "it is a directory");
}

#[test]
fn a_suite_that_is_not_there() {
    let project = TempProject::new(&[]);
    let ran = project.run(&["run", "gone.yaml"]).expect_status(2);
    assert!(
        ran.stderr.contains("gone.yaml") && ran.stderr.contains("no such file"),
        "{}",
        ran.stderr
    );
}

#[test]
fn two_suites_of_one_name() {
    let suite = "cases:\n  - {reply: x, expect: 1}\n";
    let project = TempProject::new(&[("suites/a.yaml", suite), ("suites/a.yml", suite)]);
    refuses(&project, "suites/a.yml", "have one name");
}
