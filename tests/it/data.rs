//! Files of rows through the command: which rows of a dataset count, bad rows, saved samples.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{Ran, TempProject};

/// A project with one suite `s` and a file beside it.
fn project(suite: &str, file: &str, content: impl AsRef<[u8]>) -> TempProject {
    let project = TempProject::new(&[("suites/s.yaml", suite)]);
    project.write(&format!("suites/{file}"), content);
    project
}

/// The names of the cases that `list` prints.
fn names(ran: &Ran) -> Vec<&str> {
    let lines = ran.stdout.lines();
    lines
        .map(|line| line.strip_prefix("s::").unwrap_or(line))
        .collect()
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

const TEN: &str = "[{\"n\":1},{\"n\":2},{\"n\":3},{\"n\":4},{\"n\":5},\n{\"n\":6},{\"n\":7},{\"n\":8},{\"n\":9},{\"n\":10}]";

#[test]
fn rows_count_by_where_and_limit_in_any_order() {
    // An order is what shuffling has to keep for ever.
    for (dataset, expected) in [
        ("", "1 2 3 4 5 6 7 8 9 10"),
        (", limit: 3", "1 2 3"),
        (", where: row.n > 4, limit: 2", "5 6"),
        (
            ", where: row.n is defined and row.x is not defined, limit: 1",
            "1",
        ),
        (", where: \"'x' in row or row.n == 7\"", "7"),
        (", shuffle: true", "5 10 3 6 2 8 7 1 4 9"),
        (", shuffle: true, seed: 7", "10 6 9 7 2 3 5 8 1 4"),
        (
            ", shuffle: true, seed: 7, where: row.n > 4, limit: 3",
            "10 6 9",
        ),
    ] {
        let suite = format!("dataset: {{file: rows.json{dataset}}}\nreply: x\nexpect: 1\n");
        let project = project(&suite, "rows.json", TEN);
        let ran = project.run(&["list"]).expect_status(0);
        assert_eq!(names(&ran).join(" "), expected, "{dataset}");
    }
}

#[test]
fn every_format_is_read_packed_or_not() {
    let jsonl = "{\"id\": \"a\"}\n\n{\"id\": \"b\"}\n";
    let json = "[{\"id\": \"a\"}, {\"id\": \"b\"}]";
    let csv = "id,more\r\na,\"1\n2\"\r\nb,3\r\n";
    for (file, more, content, numbers) in [
        ("rows.jsonl", "", jsonl.as_bytes().to_vec(), ["1", "3"]),
        ("rows.json", "", json.as_bytes().to_vec(), ["1", "2"]),
        ("rows.csv", "", csv.as_bytes().to_vec(), ["2", "4"]),
        ("rows.jsonl.gz", "", packed(jsonl), ["1", "3"]),
        ("rows.json.gz", "", packed(json), ["1", "2"]),
        ("rows.csv.gz", "", packed(csv), ["2", "4"]),
        (
            "rows.txt",
            ", format: csv",
            csv.as_bytes().to_vec(),
            ["2", "4"],
        ),
        (
            "rows.json",
            ", format: jsonl",
            jsonl.as_bytes().to_vec(),
            ["1", "3"],
        ),
    ] {
        let suite = format!("dataset: {{file: {file}{more}}}\nreply: x\nexpect: 1\n");
        let unnamed = project(&suite, file, &content);
        assert_eq!(names(&unnamed.run(&["list"])), numbers, "{file}");
        let suite = format!(
            "dataset: {{file: {file}{more}, name: '{{{{ row.id }}}}'}}\nreply: x\nexpect: 1\n"
        );
        let named = project(&suite, file, &content);
        assert_eq!(names(&named.run(&["list"])), ["a", "b"], "{file}");
    }
}

#[test]
fn what_is_wrong_with_a_dataset_has_a_place() {
    for (file, more, content, told) in [
        (
            "r.jsonl",
            ", where: row.x > 1",
            "{\"y\": 1}\n",
            "suites/r.jsonl:1:1",
        ),
        (
            "r.jsonl",
            ", where: row.x > 1",
            "{\"y\": 1}\n",
            "the row has no column `x`",
        ),
        (
            "r.jsonl",
            ", where: row.y",
            "\n{\"y\": 1}\n",
            "suites/r.jsonl:2:1",
        ),
        (
            "r.jsonl",
            ", where: row.y",
            "{\"y\": 1}\n",
            "`where` yields a number, and not true or false",
        ),
        (
            "r.jsonl",
            ", where: case.name",
            "{\"y\": 1}\n",
            "undefined variable `case`",
        ),
        ("r.csv", "", "a,b\n1\n", "suites/r.csv:2:2"),
        ("r.csv", "", "a,a\n1,2\n", "suites/r.csv:1:3"),
        ("r.json", "", "[{\"a\": 1},]", "suites/r.json:1:11"),
        (
            "r.json",
            ", on_bad_row: skip",
            "[{\"a\": 1}",
            "the list is not closed",
        ),
        ("r.json", "", "{\"a\": 1}", "expected a JSON list"),
        ("r.json.gz", "", "[]", "cannot read on"),
        ("r.json.gz", ", shuffle: true", "[]", "suites/s.yaml:1:37"),
        (
            "r.jsonl",
            ", name: '{{ row.a }}'",
            "{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n",
            "suites/r.jsonl:3:1",
        ),
        (
            "r.jsonl",
            ", name: '{{ row.a }}'",
            "{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n",
            "the first is at suites/r.jsonl:1",
        ),
        (
            "r.jsonl",
            ", name: '{{ row.a }}', on_bad_row: skip",
            "{\"a\":1}\n{\"a\":1}\n",
            "two rows have the name `1`",
        ),
    ] {
        let suite = format!("dataset: {{file: {file}{more}}}\nreply: x\nexpect: 1\n");
        let ran = project(&suite, file, content)
            .run(&["check"])
            .expect_status(2);
        assert!(
            ran.stderr.contains(told),
            "{file}{more}: {told}\n{}",
            ran.stderr
        );
    }
}

const SKIPPING: &str = r#"
dataset: {file: rows.jsonl, on_bad_row: skip, where: row.n > 0}
reply: print(1)
expect: {stdin_cases: {each: {expr: row.a | zip(row.b)}, stdin: "{{ item[0] }}", output: "{{ item[1] }}"}}
"#;
const BAD_ROWS: &str = "{\"n\": 1, \"a\": [1], \"b\": [1]}\nno JSON\n{\"a\": 1}\n{\"n\": 1, \"a\": [1], \"b\": []}\n{\"n\": 0}\n{\"n\": 2, \"a\": [7], \"b\": [1]}\n";

#[test]
fn bad_rows_are_left_out_counted_and_named() {
    let project = project(SKIPPING, "rows.jsonl", BAD_ROWS);
    let told =
        "not run: 3 (bad rows: suites/rows.jsonl:2, suites/rows.jsonl:3, suites/rows.jsonl:4)";
    let ran = project.run(&["run"]).expect_status(0);
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    assert!(ran.stdout.contains("2 cases"), "{}", ran.stdout);
    let ran = project.run(&["check"]).expect_status(0);
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    let ran = project.run(&["run", "--format", "jsonl"]).expect_status(0);
    assert_eq!(ran.json_lines().len(), 2);
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let ran = project.run(&["test"]).expect_status(0);
    assert!(
        ran.stdout.contains("2 passed; 0 failed; 3 ignored"),
        "{}",
        ran.stdout
    );
}

#[test]
fn without_a_good_row_nothing_has_passed() {
    let ran = project(SKIPPING, "rows.jsonl", "no JSON\n")
        .run(&["run"])
        .expect_status(2);
    assert!(ran.stderr.contains("all of them are bad"), "{}", ran.stderr);
}

#[test]
fn bad_rows_are_errors_unless_they_are_left_out() {
    let suite = SKIPPING.replace("on_bad_row: skip, ", "");
    let ran = project(&suite, "rows.jsonl", BAD_ROWS)
        .run(&["run"])
        .expect_status(2);
    for told in [
        "suites/rows.jsonl:2:",
        "suites/rows.jsonl:3:1: the row has no column `n`",
        "suites/rows.jsonl:4:1: `zip`",
        "3 with configuration errors",
    ] {
        assert!(ran.stdout.contains(told), "{told}\n{}", ran.stdout);
    }
}

const JOINED: &str = r#"
dataset: {file: rows.jsonl, name: "{{ row.id }}"}
reply: {file: FILE, join: id, field: text}
samples: {n: 1, need: any}
code: verbatim
expect: "{{ row.wanted }}"
"#;
const ROWS: &str = "{\"id\": 1, \"wanted\": 5}\n{\"id\": \"two\", \"wanted\": 6}\n";
const SAMPLES: &str = "{\"id\": \"1\", \"text\": \"print(5)\"}\n{\"id\": \"two\", \"text\": \"print(0)\"}\n{\"id\": \"two\", \"text\": \"print(6)\"}\n";

#[test]
fn saved_samples_are_joined_with_rows() {
    for (file, content) in [
        ("saved.jsonl", SAMPLES.as_bytes().to_vec()),
        ("saved.jsonl.gz", packed(SAMPLES)),
        (
            "saved.csv",
            b"id,text\n1,print(5)\ntwo,print(0)\ntwo,print(6)\n".to_vec(),
        ),
    ] {
        let project = project(&JOINED.replace("FILE", file), "rows.jsonl", ROWS);
        project.write(&format!("suites/{file}"), content);
        project.run(&["check"]).expect_status(0);
        let ran = project.run(&["run", "--format", "jsonl"]).expect_status(0);
        let scores: Vec<_> = ran
            .json_lines()
            .iter()
            .map(|row| {
                (
                    row["case"].clone(),
                    row["sample"].clone(),
                    row["score"].clone(),
                )
            })
            .collect();
        assert_eq!(scores.len(), 3, "{scores:?}");
        for expected in [
            ("1".into(), serde_json::Value::Null, 1.0.into()),
            ("two".into(), 0.into(), 0.0.into()),
            ("two".into(), 1.into(), 1.0.into()),
        ] {
            assert!(scores.contains(&expected), "{expected:?} in {scores:?}");
        }
    }
}

#[test]
fn what_is_wrong_with_saved_samples_is_said() {
    let few = JOINED.replace("n: 1", "n: 2");
    for (suite, samples, told) in [
        (
            JOINED,
            "{\"id\": 1, \"text\": \"x\"}\n",
            "suites/rows.jsonl:2:1",
        ),
        (
            JOINED,
            "{\"id\": 1, \"text\": \"x\"}\n",
            "`suites/saved.jsonl` has no row for `two`",
        ),
        (
            &*few,
            SAMPLES,
            "`suites/saved.jsonl` has 1 of 2 samples for `1`",
        ),
        (JOINED, "{\"id\": 1}\n", "the row has no column `text`"),
        (
            JOINED,
            "\n{\"id\": 1, \"text\": []}\n",
            "suites/saved.jsonl:2:1",
        ),
        (JOINED, "{\"id\": 1,\n", "suites/saved.jsonl:1:"),
    ] {
        let project = project(&suite.replace("FILE", "saved.jsonl"), "rows.jsonl", ROWS);
        project.write("suites/saved.jsonl", samples);
        let ran = project.run(&["check"]).expect_status(2);
        assert!(ran.stderr.contains(told), "{told}\n{}", ran.stderr);
        project.run(&["run"]).expect_status(2);
    }
    let project = project(&JOINED.replace("FILE", "gone.jsonl"), "rows.jsonl", ROWS);
    let ran = project.run(&["check"]).expect_status(2);
    assert!(ran.stderr.contains("suites/s.yaml:3:15"), "{}", ran.stderr);
}

#[test]
fn samples_that_belong_to_no_row_are_told_at_the_end() {
    let project = project(&JOINED.replace("FILE", "saved.jsonl"), "rows.jsonl", ROWS);
    let more = format!("{SAMPLES}{{\"id\": 3, \"text\": \"x\"}}\n{{\"id\": 4, \"text\": \"x\"}}\n");
    project.write("suites/saved.jsonl", more);
    let told = "note: 2 rows of `suites/saved.jsonl` belong to no case; the first is for `3`";
    let ran = project.run(&["run"]).expect_status(0);
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    // Of a part of the cases nothing can be said.
    let ran = project.run(&["run", "--filter", "two"]).expect_status(0);
    assert!(!ran.stdout.contains("belong"), "{}", ran.stdout);
}

#[test]
fn replies_of_the_command_line_replace_the_file_of_samples() {
    let project = project(&JOINED.replace("FILE", "saved.jsonl"), "rows.jsonl", ROWS);
    project.write("suites/saved.jsonl", SAMPLES);
    project.write("other.jsonl", SAMPLES.replace("print(6)", "print(7)"));
    project.run(&["run"]).expect_status(0);
    let ran = project
        .run(&["run", "--replies", "other.jsonl"])
        .expect_status(1);
    assert!(ran.stdout.contains("1 passed, 1 failed"), "{}", ran.stdout);
}

#[test]
fn replies_of_the_command_line_go_by_the_ids_of_cases() {
    let project = TempProject::new(&[
        (
            "suites/s.yaml",
            "cases: [{name: one, prompt: a, expect: 1, code: verbatim}, {name: two, prompt: a, expect: 2, code: verbatim}]\n",
        ),
        (
            "replies.jsonl",
            "{\"id\": \"s::one\", \"reply\": \"print(1)\"}\n{\"id\": \"two\", \"reply\": \"print(2)\"}\n{\"id\": \"three\", \"reply\": \"x\"}\n",
        ),
        ("named.csv", "task,answer\none,print(1)\n"),
    ]);
    let ran = project
        .run(&["run", "--replies", "replies.jsonl"])
        .expect_status(0);
    assert!(
        ran.stdout.contains(
            "note: 1 row of `replies.jsonl` belongs to no case; the first is for `three`"
        ),
        "{}",
        ran.stdout
    );
    let named = &["run", "--replies", "named.csv", "--replies-key", "task"];
    let named = [named, &["--replies-field", "answer"][..]].concat();
    let ran = project.run(&named).expect_status(2);
    assert!(
        ran.stdout.contains("`named.csv` has no row for `two`"),
        "{}",
        ran.stdout
    );
    project
        .run(&[&named, &["--filter", "one"][..]].concat())
        .expect_status(0);
    let ran = project
        .run(&["run", "--replies", "named.csv"])
        .expect_status(2);
    assert!(
        ran.stderr.contains("named.csv:2:1") && ran.stderr.contains("no column `id`"),
        "{}",
        ran.stderr
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_file_is_read_in_little_memory() {
    let filler = "x".repeat(50_000);
    let mut rows: String = (0..1000)
        .map(|n| format!("{{\"n\":{n},\"f\":\"{filler}\"}},\n"))
        .collect();
    rows.replace_range(..0, "[");
    rows.truncate(rows.len() - 2);
    rows.push(']');
    let suite = "dataset: {file: rows.json, where: row.n == 999}\nreply: x\nexpect: 1\n";
    let project = project(suite, "rows.json", rows);
    let base = peak_kib(&project, "suites/none.yaml");
    let peak = peak_kib(&project, "suites/s.yaml");
    assert!(
        peak < base + 16 * 1024,
        "{peak} KiB for a file of 50 MB, {base} KiB for none"
    );
}

/// The peak memory of `list`, from what the kernel says of the child.
#[cfg(target_os = "linux")]
fn peak_kib(project: &TempProject, suite: &str) -> u64 {
    project.write("suites/none.yaml", "cases: [{reply: x, expect: 1}]\n");
    let script = "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\nprint(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let output = std::process::Command::new("python3")
        .args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_rewardspec"),
            "list",
            suite,
        ])
        .current_dir(project.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}
