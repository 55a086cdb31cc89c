//! Parity of plumbing through the emulator: the bundled suites have the rewards that they have
//! locally when their programs are sent through the client, the protocol and an emulated sandbox. What
//! the cloud itself does to a program only `doctor --e2b-parity` can tell.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::Value;

use super::{KEY, emulator, runtime};
use crate::emulator::Options;
use crate::support::root;

/// The suites, HumanEval's first rows among them; `.ci/e2b/parity` compares them whole.
const SAMPLE: &[&[&str]] = &[
    &[
        "suites/factorial.yaml",
        "suites/bad-replies.yaml",
        "suites/stdio.yaml",
        "suites/stdio-wrong.yaml",
    ],
    &["suites/humaneval.yaml", "--limit", "20"],
    &["suites/replies-python.yaml", "suites/javascript.yaml"],
];

#[test]
fn bundled_suites_have_the_same_rewards_through_the_emulator() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let address = format!("http://{}", emulator.address());
        let mut count = 0;
        for arguments in SAMPLE {
            let local = rewards(arguments, &[]).await;
            let cloud = rewards(
                arguments,
                &[
                    ("E2B_API_KEY", KEY),
                    ("E2B_API_URL", &address),
                    ("E2B_SANDBOX_URL", &address),
                ],
            )
            .await;
            for (id, (backend, reward)) in &cloud {
                // What has no code runs nowhere.
                assert!(backend.is_null() || backend == "e2b", "{id}: {backend}");
                assert_eq!(
                    Some(reward),
                    local.get(id).map(|(_, reward)| reward),
                    "{id}"
                );
            }
            assert_eq!(cloud.len(), local.len());
            count += cloud.len();
        }
        println!("{count} cases equal");
        assert_eq!(emulator.living(), Vec::<String>::new());
        emulator.stop().await;
    });
}

/// The backend, and score, cause and metrics of each case.
async fn rewards(
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> BTreeMap<String, (Value, Value)> {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_rewardspec"))
        .args(["run", "--format", "jsonl", "--jobs", "4"])
        .args(arguments)
        .current_dir(root())
        .env_remove("E2B_API_KEY")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let metrics: BTreeMap<String, Value> = row["metrics"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, metric)| (name.clone(), metric["score"].clone()))
                .collect();
            let reward = serde_json::json!([row["score"], row["cause"], metrics]);
            let id = row["id"].as_str().unwrap().to_owned();
            (id, (row["execution"]["backend"].clone(), reward))
        })
        .collect()
}
