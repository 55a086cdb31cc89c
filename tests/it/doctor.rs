//! `doctor` says what is there, and exits with 3 where programs would not be contained.

use serde_json::Value;

use crate::container::{Profile, on_thread};
use crate::support::{Ran, TempProject};

fn doctor(profile: Profile, as_nobody: bool, arguments: &[&str]) -> Ran {
    let project = TempProject::new(&[]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(project.path(), mode).unwrap();
    on_thread(as_nobody, profile, || {
        project.run(&[&["doctor"], arguments].concat())
    })
}

fn examination(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

fn layer<'a>(examination: &'a Value, name: &str) -> &'a Value {
    let layers = examination["layers"].as_array().unwrap();
    layers.iter().find(|layer| layer["name"] == name).unwrap()
}

#[test]
fn every_attempt_to_get_out_is_made_and_contained() {
    for (profile, as_nobody) in [
        (Profile::Machine, false),
        (Profile::Machine, true),
        (Profile::Container, false),
        (Profile::Container, true),
    ] {
        let ran = doctor(profile, as_nobody, &["--json"]).expect_status(0);
        let examination = examination(&ran);
        let attempts = examination["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 12);
        for attempt in attempts {
            assert_eq!(
                attempt["got"],
                Value::Array(Vec::new()),
                "{profile:?} {attempt}"
            );
            assert!(attempt["not_made"].is_null(), "{profile:?} {attempt}");
        }
    }
}

#[test]
fn without_isolation_the_same_attempts_get_out() {
    let ran = doctor(Profile::Bare, false, &["--json"]).expect_status(3);
    let examination = examination(&ran);
    assert_eq!(examination["isolation"], "none");
    let attempts = examination["attempts"].as_array().unwrap();
    for name in [
        "files of the machine",
        "network and sockets",
        "other processes",
    ] {
        let attempt = attempts.iter().find(|attempt| attempt["name"] == name);
        assert_ne!(attempt.unwrap()["got"], Value::Array(Vec::new()), "{name}");
    }
    assert!(!std::path::Path::new("/usr/.rewardspec-doctor").exists());
}

#[test]
fn each_layer_is_tried_by_itself_and_a_missing_one_has_a_reason_and_a_remedy() {
    let ran = doctor(Profile::Container, false, &["--json"]).expect_status(0);
    let examination = examination(&ran);
    assert_eq!(examination["isolation"], "reduced");
    let namespace = layer(&examination, "network namespace");
    assert!(
        namespace["missing"]
            .as_str()
            .unwrap()
            .contains("not permitted")
    );
    assert!(namespace["help"].as_str().unwrap().contains("docker run"));
    let landlock = layer(&examination, "landlock");
    assert!(landlock["missing"].is_null() && landlock["microseconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn people_read_interpreters_layers_and_the_rung() {
    let ran = doctor(Profile::Container, false, &[]).expect_status(0);
    for part in [
        "interpreters\n",
        "python ",
        "private root          missing",
        "what to do about those that are missing",
        "isolation: reduced",
        "a daemon that stays         contained",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
}
