//! What `doctor` says of the cloud, and which backend a run gets.

use serde_json::Value;

use super::{KEY, emulator, runtime};
use crate::emulator::{Emulator, Options};
use crate::support::{Ran, TempProject};

const SUITE: &str = "cases:\n  - {name: right, reply: print(5), expect: 5}\n  - {name: wrong, reply: print(6), expect: 5}\n  - {name: fails, reply: print(1/0), expect: 5}\n";

fn run(emulator: &Emulator, key: &str, suite: &str, arguments: &[&str]) -> Ran {
    let project = TempProject::new(&[("suites/numbers.yaml", suite)]);
    let address = format!("http://{}", emulator.address());
    let variables = [
        ("E2B_API_KEY", key),
        ("E2B_API_URL", &address),
        ("E2B_SANDBOX_URL", &address),
    ];
    let ran = project.run_env(arguments, &variables);
    for told in [&ran.stdout, &ran.stderr] {
        assert!(key.is_empty() || !told.contains(key), "{told}");
    }
    ran
}

/// Runs something beside an emulator that accepts one key.
fn beside(work: impl FnOnce(&Emulator) + Send) {
    let runtime = runtime();
    let emulator = runtime.block_on(emulator(Options {
        key: Some(KEY.to_owned()),
        ..Options::default()
    }));
    work(&emulator);
    assert_eq!(emulator.living(), Vec::<String>::new());
    runtime.block_on(emulator.stop());
}

fn methods(emulator: &Emulator) -> Vec<Value> {
    let requests = emulator.requests().into_iter();
    requests.map(|request| request["method"].clone()).collect()
}

#[test]
fn doctor_asks_and_makes_nothing() {
    beside(|emulator| {
        let ran = run(emulator, KEY, SUITE, &["doctor"]);
        assert!(
            ran.stdout.contains("answers, and accepts the key"),
            "{}",
            ran.stdout
        );
        assert_eq!(methods(emulator), ["GET"]);
        let ran = run(emulator, "", SUITE, &["doctor"]);
        assert!(
            ran.stdout.contains("E2B_API_KEY  not set"),
            "{}",
            ran.stdout
        );
        assert_eq!(methods(emulator).len(), 1);
        let ran = run(emulator, "not-a-key", SUITE, &["doctor"]).expect_status(3);
        for told in ["does not look like a key", "the key is refused"] {
            assert!(ran.stdout.contains(told), "{}", ran.stdout);
        }
    });
}

#[test]
fn doctor_compares_here_with_the_cloud() {
    beside(|emulator| {
        let ran = run(emulator, KEY, SUITE, &["doctor", "--e2b-parity"]).expect_status(0);
        assert_eq!(
            ran.stdout,
            "3 cases with equal rewards, 0 with others, 0 that could not run\n"
        );
        run(emulator, "", SUITE, &["doctor", "--e2b-parity"]).expect_status(2);
        let odd = "isolation: none\ncases: [{name: where, reply: \"import os; print(os.getcwd() == '/box')\", expect: 'True'}]";
        let ran = run(emulator, KEY, odd, &["doctor", "--e2b-parity"]).expect_status(1);
        assert!(
            ran.stdout
                .contains("numbers::where: 1.000 here, 0.000 (wrong) in the cloud"),
            "{}",
            ran.stdout
        );
    });
}

#[test]
fn a_key_that_is_refused_is_an_error_and_no_reason_to_run_elsewhere() {
    beside(|emulator| {
        for arguments in [
            &["run", "--format", "jsonl"][..],
            &["run", "--format", "jsonl", "--backend", "auto"],
        ] {
            let ran = run(emulator, "e2b_00", SUITE, arguments).expect_status(3);
            for row in ran.json_lines() {
                assert_eq!(
                    (&row["score"], &row["error"]["kind"]),
                    (&Value::Null, &"infrastructure".into())
                );
            }
        }
        let ran = run(
            emulator,
            "e2b_00",
            SUITE,
            &["run", "--format", "jsonl", "--backend", "local"],
        )
        .expect_status(1);
        assert_eq!(ran.json_lines()[0]["execution"]["backend"], "local");
    });
}

#[test]
fn the_first_that_can_be_had_runs_a_case_and_is_told_once() {
    beside(|emulator| {
        for (backend, key, told) in [
            ("auto", KEY, "running in E2B's cloud"),
            (
                "[e2b, local]",
                "",
                "E2B_API_KEY is not set: running locally",
            ),
            ("[local, e2b]", KEY, ""),
        ] {
            let suite = format!("backend: {backend}\n{SUITE}");
            let ran = run(emulator, key, &suite, &["run", "--format", "jsonl"]).expect_status(1);
            assert_eq!(
                ran.stderr.lines().count(),
                usize::from(!told.is_empty()),
                "{}",
                ran.stderr
            );
            assert!(ran.stderr.contains(told), "{}", ran.stderr);
        }
    });
}

/// The mode is a suite's choice; both give this its reward.
#[test]
fn a_suite_chooses_template_and_mode() {
    beside(|emulator| {
        let suite = "e2b: {template: base, mode: notebook}\ncases:\n  - {name: cell, reply: \"x = 6\\nx * 7\", expect: 42}\n";
        let ran = run(emulator, KEY, suite, &["run", "--format", "jsonl"]).expect_status(0);
        assert_eq!(ran.json_lines()[0]["execution"]["backend"], "e2b");
        let created = &emulator.requests()[0];
        assert!(
            created["body"]
                .as_str()
                .unwrap()
                .contains("\"templateID\":\"base\"")
        );
        let none = "e2b: {template: nowhere}\ncases: [{name: a, reply: print(1), expect: 1}]\n";
        let ran = run(emulator, KEY, none, &["run"]).expect_status(3);
        assert!(
            ran.stdout.contains("template 'nowhere' not found"),
            "{}",
            ran.stdout
        );
        let later = "e2b: {reuse: shared}\ncases: [{name: a, reply: print(1), expect: 1}]\n";
        let ran = run(emulator, KEY, later, &["run"]).expect_status(2);
        assert!(
            ran.stdout
                .contains("`reuse: shared` is not in this version"),
            "{}",
            ran.stdout
        );
    });
}
