//! Ours: the real command, from its start to its end, on a file of rows.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::AT_ONCE;
use crate::measure::{Measured, timed};
use crate::programs::EMPTY;

pub(crate) struct Ours {
    /// A project without suites or rules of its own.
    project: TempDir,
}

impl Ours {
    pub(crate) fn new() -> Ours {
        let project = tempfile::tempdir().unwrap();
        std::fs::write(project.path().join("rewardspec.toml"), "").unwrap();
        Ours { project }
    }

    /// A suite that rows may name.
    pub(crate) fn add_suite(&self, name: &str, text: &str) {
        let suites = self.project.path().join("suites");
        std::fs::create_dir_all(&suites).unwrap();
        std::fs::write(suites.join(EMPTY), "").unwrap();
        std::fs::write(suites.join(name).with_extension("yaml"), text).unwrap();
    }

    /// `score`, ready to start.
    pub(crate) fn command(&self, is_cold: bool) -> Command {
        let mut command = Command::new(binary());
        command
            .args([
                "score",
                "--backend",
                "local",
                "--jobs",
                &AT_ONCE.to_string(),
            ])
            .current_dir(self.project.path())
            .env_remove("E2B_API_KEY")
            .env_remove("REWARDSPEC_ISOLATION");
        if is_cold {
            command.arg("--cold");
        }
        command
    }

    /// Every reward must be 1. `weight` is how many programs a row stands for.
    pub(crate) fn grade(
        &self,
        rows: &[Value],
        weight: usize,
        is_cold: bool,
    ) -> Result<Measured, String> {
        let (input, output) = (self.file("rows.jsonl"), self.file("rewards.jsonl"));
        let lines: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
        std::fs::write(&input, lines.concat()).unwrap();
        let measured = timed(rows.len() * weight, || {
            let ended = self
                .command(is_cold)
                .stdin(File::open(&input).unwrap())
                .stdout(File::create(&output).unwrap())
                .stderr(Stdio::piped())
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&ended.stderr);
            if ended.status.success() {
                Ok(())
            } else {
                Err(told.into_owned())
            }
        })?;
        all_right(&output, rows).map(|()| measured)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    /// Which isolation a program has that is asked for nothing.
    pub(crate) fn isolation(&self) -> Result<String, String> {
        let row = serde_json::json!({"code": "print(1)", "expect": "1"});
        self.grade(&[row], 1, false)?;
        let reward = std::fs::read_to_string(self.file("rewards.jsonl")).unwrap();
        let reward: Value = serde_json::from_str(&reward).unwrap();
        Ok(reward["execution"]["isolation"]
            .as_str()
            .unwrap()
            .to_owned())
    }
}

/// What cargo has just built, optimised.
fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_rewardspec")
}

/// Rewards come in the order of the rows.
fn all_right(rewards: &Path, rows: &[Value]) -> Result<(), String> {
    let rewards = std::fs::read_to_string(rewards).unwrap();
    let count = rewards.lines().count();
    if count != rows.len() {
        return Err(format!("{count} rewards for {} rows", rows.len()));
    }
    let is_wrong = |(line, row): &(&str, &Value)| {
        let reward: Value = serde_json::from_str(line).unwrap();
        !is_one(&reward) || reward["judged"] != row["expect"]["tests"]["judged"]
    };
    match rewards.lines().zip(rows).find(is_wrong) {
        Some((line, _)) => Err(format!("not as wanted: {line}")),
        None => Ok(()),
    }
}

pub(crate) fn is_one(reward: &Value) -> bool {
    reward["score"].as_f64() == Some(1.0)
}
