//! Programs that try to escape, hang, starve, tamper and read secrets, each with what must come of
//! it: as the user of the tests and as nobody, on this machine and under a container's profile.
//!
//! A binary of its own, because it compares the state of the whole machine before and after.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that unwraps fails, which is what it is for, and its numbers are shown on request"
)]

#[path = "../it/container.rs"]
mod container;
mod detect;
mod machine;
mod rows;
mod setup;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use container::{Profile, on_thread};
use machine::State;
use setup::Setup;

/// One at a time: each looks at the whole machine.
static ALONE: Mutex<()> = Mutex::new(());

/// Landlock does not hide whether a file exists and what its mode is. Nothing was read.
const SEEN_IN_CONTAINERS: &[(&str, &str)] = &[("hj161", "it printed `ESCAPED`")];

#[test]
fn all_are_contained_here() {
    contained(Profile::Machine, false);
}

#[test]
fn all_are_contained_for_nobody() {
    contained(Profile::Machine, true);
}

#[test]
fn all_are_contained_in_a_container() {
    contained(Profile::Container, false);
}

#[test]
fn all_are_contained_for_nobody_in_a_container() {
    contained(Profile::Container, true);
}

fn contained(profile: Profile, as_nobody: bool) {
    let _alone = ALONE.lock().unwrap_or_else(|failed| failed.into_inner());
    let attempts = rows::all();
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // Where every user can execute it.
    let executable = directory.path().join("rewardspec");
    std::fs::copy(env!("CARGO_BIN_EXE_rewardspec"), &executable).unwrap();

    let before = State::now();
    let (plain, in_turn): (Vec<_>, Vec<_>) = attempts
        .iter()
        .partition(|attempt| !attempt.is_about_the_next());
    let setup = Setup::of(&attempts);
    let scored = on_thread(as_nobody, profile, || {
        let plain: Vec<Value> = plain
            .iter()
            .map(|attempt| attempt.row(attempt.id()))
            .collect();
        // Several at once, most of them wait for their limits.
        let mut scored = score(&executable, &["--unordered", "--jobs", "4"], &plain, &setup);
        // In one slot, one after the other.
        let mut rows = Vec::new();
        for attempt in &in_turn {
            rows.push(attempt.row("first"));
            rows.push(attempt.row(attempt.id()));
            rows.push(json!({"id": format!("after {}", attempt.id()), "language": attempt.language(), "code": attempt.benign(), "expect": "benign"}));
        }
        scored.extend(score(&executable, &["--jobs", "1"], &rows, &setup));
        scored
    });
    let seen = setup.undo();
    let after = State::now_as_before(&before);

    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for attempt in &attempts {
        let result = scored.get(attempt.id());
        let result = result.unwrap_or_else(|| panic!("{} has no result", attempt.id()));
        let mut found = detect::wrong(attempt, result, &seen);
        if attempt.is_about_the_next() {
            let next = &scored[&format!("after {}", attempt.id())];
            if next["score"] != 1.0 {
                found.push(format!("the next program: {next}"));
            }
        }
        if !found.is_empty() {
            wrong.insert(attempt.id(), found);
        }
    }
    let known = match profile {
        Profile::Container => SEEN_IN_CONTAINERS,
        Profile::Machine | Profile::Bare => &[],
    };
    let right = attempts.len() - wrong.len();
    println!("{right} of {} contained and judged right", attempts.len());
    for (id, what) in known {
        let found = wrong.remove(id).unwrap_or_default();
        let others: Vec<_> = found.iter().filter(|found| !found.contains(what)).collect();
        assert!(others.is_empty(), "{id}: {others:#?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(before.left_in(&after), Vec::<String>::new());
}

/// Scores rows; results by id.
fn score(
    executable: &Path,
    arguments: &[&str],
    rows: &[Value],
    setup: &Setup,
) -> BTreeMap<String, Value> {
    let mut child = Command::new(executable)
        // Keys are among the secrets that are laid out.
        .args(["score", "--backend", "local"])
        .args(arguments)
        .current_dir(executable.parent().unwrap())
        .envs(&setup.variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let feeder = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let result: Value = serde_json::from_str(line).unwrap();
            (result["id"].as_str().unwrap().to_owned(), result)
        })
        .collect()
}
