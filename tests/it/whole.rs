//! The suite as a whole and the end of a run: `require`, the formats for CI systems, the fingerprint,
//! and the one trial of a suite that is judged as a whole.

use crate::support::{Ran, TempProject};

/// Half of the first case's samples pass, all of the second's, none of the third's.
const CASES: &str = r"
samples: 2
code: verbatim
cases:
  - {name: half, reply: [print(1), print(2)], expect: 1}
  - {name: all, reply: [print(1), print(1)], expect: 1}
  - {name: none, reply: [print(3), print(2)], expect: 1, tags: [hard]}
";

fn suite(require: &str) -> TempProject {
    let suite = format!("require: {require}\n{CASES}");
    TempProject::new(&[("suites/s.yaml", &suite)])
}

#[track_caller]
fn tells(ran: &Ran, wanted: &[&str]) {
    for told in wanted {
        assert!(
            ran.stdout.contains(told),
            "`{told}` is missing in:\n{}\n{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn a_suite_with_require_is_judged_as_a_whole() {
    for (require, arguments, status, told) in [
        (
            "{pass@1: 0.5, pass@2: 0.6, mean: 0.5}",
            &[][..],
            0,
            &[
                "require s: pass@1 0.500 (95 % 0.000..1.000, 3 cases), at least 0.5 is wanted: met",
                "require s: pass@2 0.667 (95 % 0.208..0.939, 3 cases), at least 0.6 is wanted: met",
                "require s: mean 0.500 (95 % 0.000..1.000, 3 cases), at least 0.5 is wanted: met",
                "samples s: pass@1 0.500 (95 % 0.000..1.000), pass@2 0.667",
                "3 cases in",
                "1 passed, 0 failed, 2 below what their suite is judged by",
                "zeros by cause: wrong 3",
                "zero  s::none",
            ][..],
        ),
        (
            "{pass@1: 0.6}",
            &[],
            1,
            &["at least 0.6 is wanted: missed", "0 failed"],
        ),
        (
            "{pass@1: 0.6}",
            &["--filter", "all"],
            0,
            &["pass@1 1.000 (of 1 case that was selected), at least 0.6 is wanted: met"],
        ),
        (
            "{mean: 0.6}",
            &["--limit", "2"],
            0,
            &["of 2 cases that were selected"],
        ),
        ("{mean: 0.1}", &["--tag", "hard"], 1, &["mean 0.000"]),
        // A zero that only counts does not stop the run.
        ("{mean: 0.5}", &["--fail-fast"], 0, &["3 cases)"]),
    ] {
        let ran = suite(require).run(&[&["run"], arguments].concat());
        let ran = ran.expect_status(status);
        tells(&ran, told);
        assert!(!ran.stdout.contains("FAIL"), "{}", ran.stdout);
    }
}

#[test]
fn without_every_score_a_suite_is_not_judged() {
    let project = TempProject::new(&[]);
    project.write(
        "suites/s.yaml",
        "require: {mean: 0.5}\ncode: verbatim\ndataset: {file: rows.jsonl}\nreply: {expr: row.r}\nexpect: 1\n",
    );
    project.write("suites/rows.jsonl", "{\"r\": \"print(1)\"}\n{\"q\": 1}\n");
    let ran = project.run(&["run"]).expect_status(2);
    tells(
        &ran,
        &["require s: mean, at least 0.5 is wanted: not judged, because a case has no score"],
    );

    let cloud = TempProject::new(&[(
        "suites/s.yaml",
        "require: {mean: 0.5}\nbackend: e2b\ncases: [{reply: print(1), expect: 1}]\n",
    )]);
    let ran = cloud.run(&["run"]).expect_status(3);
    tells(&ran, &["not judged, because a case has no score"]);

    // What a row brings is known only when it is read.
    project.write(
        "suites/s.yaml",
        "require: {pass@2: 0.5}\ncode: verbatim\ndataset: {file: rows.jsonl}\nreply: {expr: row.r}\nexpect: 1\n",
    );
    project.write(
        "suites/rows.jsonl",
        "{\"r\": [\"print(1)\", \"print(1)\"]}\n{\"r\": \"print(1)\"}\n",
    );
    let ran = project.run(&["run"]).expect_status(2);
    tells(
        &ran,
        &["not judged, because `s::2` has 1 sample, too few for `pass@2`"],
    );
    let ran = project.run(&["test"]).expect_status(101);
    tells(&ran, &["`s::2` has 1 sample, too few for `pass@2`"]);
}

#[test]
fn skipped_cases_do_not_count() {
    let project = TempProject::new(&[(
        "suites/s.yaml",
        "require: {mean: 1}\ncode: verbatim\ncases:\n  - {name: a, reply: print(1), expect: 1}\n  - {name: b, reply: print(2), expect: 1, skip: not today}\n",
    )]);
    let ran = project.run(&["run"]).expect_status(0);
    tells(
        &ran,
        &["require s: mean 1.000 (1 case), at least 1 is wanted: met"],
    );
    let ran = project.run(&["run", "--filter", "b"]).expect_status(0);
    tells(&ran, &["not judged, because none of its cases ran"]);
}

#[test]
fn a_suite_with_require_is_one_trial() {
    let project = suite("{pass@1: 0.6}");
    let ran = project
        .run(&["test", "--list", "--format", "terse"])
        .expect_status(0);
    assert_eq!(ran.stdout, "s::require: test\n");
    let ran = project.run(&["test"]).expect_status(101);
    tells(
        &ran,
        &[
            "require s: pass@1 0.500 (95 % 0.000..1.000, 3 cases), at least 0.6 is wanted: missed",
            "s::none",
            "expected `1`, got `3`",
        ],
    );
    suite("{pass@1: 0.5}")
        .run(&["test", "--exact", "s::require"])
        .expect_status(0);
}

#[test]
fn a_trial_of_a_whole_suite_keeps_faults_and_zeros_apart() {
    let project = TempProject::new(&[(
        "suites/s.yaml",
        "require: {mean: 0}\nbackend: e2b\ncases: [{reply: print(1), expect: 1}]\n",
    )]);
    let ran = project.run(&["test"]).expect_status(101);
    tells(&ran, &["infrastructure error: ", "E2B_API_KEY"]);
    assert!(!ran.stdout.contains("at least 0"), "{}", ran.stdout);
    project.write(
        "suites/s.yaml",
        "require: {mean: 0}\ncases: [{reply: print(1), expect: 1, skip: not today}]\n",
    );
    let ran = project.run(&["test"]).expect_status(0);
    tells(&ran, &["1 ignored"]);
}

/// A failing case, one without code, one that is skipped, and one that fails for want of a cloud; what the
/// first prints is an attack on whoever reads it.
const MIXED: &str = r#"
code: verbatim
cases:
  - {name: good, reply: print(1), expect: 1}
  - name: "bad <&> 100 %"
    reply: "print('\\n::set-output name=x::y\\n::stop-commands::z\\n]]>\\x00\\x1b[31m\\ufffe')"
    expect: 1
  - {name: later, reply: print(1), expect: 1, skip: not <today>}
  - {name: cloud, backend: e2b, reply: print(1), expect: 1}
"#;

fn mixed() -> TempProject {
    let whole = format!("require: {{pass@1: 0.6}}\n{CASES}");
    TempProject::new(&[("suites/mixed.yaml", MIXED), ("suites/whole.yaml", &whole)])
}

/// Reads JUnit with Python's parser: every count must be that of the elements.
const READER: &str = r#"
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.stdin).getroot()
assert root.tag == "testsuites", root.tag
found = {"tests": 0, "failures": 0, "errors": 0}
for suite in root:
    assert suite.tag == "testsuite"
    cases = suite.findall("testcase")
    counts = {
        "tests": len(cases),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    for name, count in counts.items():
        assert int(suite.get(name)) == count, (name, count, suite.attrib)
    for name in found:
        found[name] += counts[name]
    float(suite.get("time"))
    properties = [p.get("name") for p in suite.findall("properties/property")]
    assert "fingerprint" in properties and "fingerprint.suites" in properties, properties
    for case in sorted(cases, key=lambda case: case.get("name")):
        assert case.get("classname") == suite.get("name")
        float(case.get("time"))
        inner = [(e.tag, e.get("type"), e.get("message")) for e in case]
        print(suite.get("name"), case.get("name"), *(inner[0] if inner else ["passed"]), sep="|")
for name, count in found.items():
    assert int(root.get(name)) == count, (name, count, root.attrib)
"#;

#[test]
fn junit_is_read_by_an_xml_parser_and_its_counts_add_up() {
    let project = mixed();
    project
        .run(&["run", "--format", "junit=junit.xml", "--format", "human"])
        .expect_status(3);
    let xml = std::fs::read_to_string(project.path().join("junit.xml")).unwrap();
    let mut reader = std::process::Command::new("python3")
        .args(["-c", READER])
        .stdin(std::fs::File::open(project.path().join("junit.xml")).unwrap())
        .output()
        .unwrap();
    let read = String::from_utf8_lossy(&std::mem::take(&mut reader.stdout)).into_owned();
    let complaint = String::from_utf8_lossy(&reader.stderr);
    assert!(reader.status.success(), "{complaint}\n{xml}");
    let lines: Vec<&str> = read.lines().collect();
    for (line, wanted) in lines.iter().zip([
        "mixed|bad <&> 100 %|failure|wrong|score 0 (wrong)",
        "mixed|cloud|error|infrastructure|E2B_API_KEY is not set",
        "mixed|good|passed",
        "mixed|later|skipped|None|skip: not <today>",
        "whole|all|passed",
        "whole|half|system-out|None|None",
        "whole|none|system-out|None|None",
        "whole|require pass@1|failure|require|pass@1 0.500 (95 % 0.000..1.000, 3 cases), at least 0.6 is wanted: missed",
    ]) {
        assert!(line.starts_with(wanted), "{line}, not {wanted}");
    }
    assert_eq!(lines.len(), 8, "{read}");
    assert!(!xml.contains(['\0', '\x1b', '\u{fffe}']), "{xml}");
}

#[test]
fn junit_has_what_is_done_when_a_run_is_interrupted() {
    let project = TempProject::new(&[(
        "suites/s.yaml",
        "code: verbatim\nrequire: {mean: 0.5}\ncases:\n  - {name: done, reply: print(1), expect: 1}\n  - {name: endless, reply: 'import time; time.sleep(600)', expect: 1, timeout: 60}\n",
    )]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rewardspec"))
        .args(["run", "--format", "jsonl", "--format", "junit=junit.xml"])
        .current_dir(project.path())
        .env_remove("E2B_API_KEY")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut results = std::io::BufReader::new(command.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut results, &mut line).unwrap();
    let pid = rustix::process::Pid::from_child(&command);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(command.wait().unwrap().code(), Some(130));
    let xml = std::fs::read_to_string(project.path().join("junit.xml")).unwrap();
    for told in [
        "<testsuite name=\"s\" tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\"",
        "name=\"done\"",
        "not judged, because the run was interrupted",
    ] {
        assert!(xml.contains(told), "`{told}` is missing in:\n{xml}");
    }
}

#[test]
fn github_gets_annotations_and_a_program_commands_nothing() {
    let project = mixed();
    let summary = project.path().join("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let variables = [("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let ran = project
        .run_env(&["run", "--format", "github"], &variables)
        .expect_status(3);
    let commands: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.trim_start().starts_with("::"))
        .collect();
    let find = |begin: &str| commands.iter().any(|line| line.starts_with(begin));
    for begin in [
        "::error file=suites/mixed.yaml,line=5,title=mixed%3A%3Abad <&> 100 %25::score 0 (wrong)",
        "::warning file=suites/mixed.yaml,line=9,title=mixed%3A%3Acloud::E2B_API_KEY",
        "::error file=suites/whole.yaml,line=1,title=require whole::pass@1 0.500 (95 %25 0.000",
    ] {
        assert!(find(begin), "{begin} is missing in:\n{}", ran.stdout);
    }
    assert_eq!(commands.len(), 3, "{}", ran.stdout);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!told.contains(['\0', '\x1b']), "{told:?}");

    let markdown = std::fs::read_to_string(&summary).unwrap();
    assert!(
        markdown.starts_with("before\n### rewardspec\n"),
        "{markdown}"
    );
    for line in [
        "| suite | cases | passed | errors | mean score |",
        "| mixed | 3 | 1 | 1 | 0.500 |",
        "- require whole: pass&#64;1 0.500",
        "- zeros by cause: wrong 4",
        "- fingerprint: suites ",
    ] {
        assert!(markdown.contains(line), "{line} is missing in:\n{markdown}");
    }
    let variables = [("GITHUB_STEP_SUMMARY", "")];
    let ran = project
        .run_env(&["run", "--format", "github"], &variables)
        .expect_status(3);
    tells(
        &ran,
        &["require whole: pass@1 0.500", "fingerprint: suites "],
    );
}

#[test]
fn github_gets_fifty_annotations_and_a_line_for_the_rest() {
    let rows: String = (0..60).map(|row| format!("{{\"n\": {row}}}\n")).collect();
    let project = TempProject::new(&[(
        "suites/s.yaml",
        "dataset: {file: rows.jsonl}\nreply: no code\nexpect: 1\n",
    )]);
    project.write("suites/rows.jsonl", rows);
    let ran = project.run(&["run", "--format", "github"]).expect_status(1);
    assert_eq!(ran.stdout.matches("::error ").count(), 50);
    tells(&ran, &["… and 10 more cases that are not as wanted"]);
}

/// The line without what a machine or a version may change.
fn fingerprint(ran: &Ran) -> String {
    let line = ran
        .stdout
        .lines()
        .find(|line| line.starts_with("fingerprint: "));
    line.unwrap_or_else(|| panic!("no fingerprint in:\n{}", ran.stdout))
        .to_owned()
}

#[test]
fn the_fingerprint_is_of_content_and_of_nothing_else() {
    let suite = "code: verbatim\ndataset: {file: rows.jsonl}\nreply: {expr: row.r}\nexpect: 1\n";
    let other = "cases: [{reply: {file: reply.md}, expect: 1}]\n";
    let make = || {
        TempProject::new(&[
            ("suites/rows.yaml", suite),
            ("suites/other.yaml", other),
            ("suites/reply.md", "```python\nprint(1)\n```\n"),
            ("suites/rows.jsonl", "{\"r\": \"print(1)\"}\n"),
            ("elsewhere/note.txt", ""),
        ])
    };
    let (project, twin) = (make(), make());
    let first = fingerprint(&project.run(&["run"]).expect_status(0));
    for word in [
        "fingerprint: suites ",
        ", data ",
        ", python3 3.",
        ", backend local, isolation ",
        concat!(", rewardspec ", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(first.contains(word), "`{word}` is missing in {first}");
    }
    assert!(!first.contains("rules"), "{first}");
    let absolute = twin.path().join("suites");
    for arguments in [
        &["run"][..],
        &["run", "suites"],
        &["run", "./suites/rows.yaml", "suites/other.yaml"],
        &[
            "run",
            "suites/other.yaml",
            "suites/../suites/rows.yaml",
            "-j",
            "1",
        ],
        &["run", absolute.to_str().unwrap()],
    ] {
        assert_eq!(fingerprint(&twin.run(arguments)), first, "{arguments:?}");
    }
    for (path, content) in [
        ("suites/rows.jsonl", "{\"r\": \"print(1) \"}\n"),
        ("suites/reply.md", "```python\nprint(1) \n```\n"),
        (
            "suites/other.yaml",
            "cases: [{reply: {file: reply.md}, expect: '1'}]\n",
        ),
        ("rules/mine.yaml", "presets: {quick: {timeout: 2}}\n"),
    ] {
        let changed = make();
        changed.write(path, content);
        let found = fingerprint(&changed.run(&["run"]).expect_status(0));
        assert_ne!(found, first, "{path}");
    }
    let narrowed = fingerprint(&project.run(&["run", "--limit", "1"]).expect_status(0));
    assert!(narrowed.contains(", selection "), "{narrowed}");
}
