//! The author's own checkers: trusted commands, run outside the sandbox, for a limited time.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::evaluator::{Attempt, CheckAnswer, CheckCommand, Evaluator};
use crate::execution::Execution;

/// How long a checker may take.
const WITHIN: Duration = Duration::from_secs(60);
/// Bytes of its answer that are read.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Characters of what it says on standard error that are told.
const SHOWN_MAX: usize = 300;

/// What a checker prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    score: f64,
    #[serde(default)]
    reason: String,
}

/// Asks checkers, one after the other.
pub(super) async fn ask(
    commands: &[CheckCommand],
    evaluator: &Evaluator,
    attempt: &Attempt,
    executions: &[Execution],
) -> Vec<CheckAnswer> {
    let mut answers = Vec::new();
    for command in commands {
        let question = question(command, evaluator, attempt, executions);
        answers.push(one(command, &question).await);
    }
    answers
}

/// What a checker reads: the case, the attempt and the executions.
fn question(
    command: &CheckCommand,
    evaluator: &Evaluator,
    attempt: &Attempt,
    executions: &[Execution],
) -> Value {
    let executions: Vec<Value> = executions.iter().map(Execution::to_json).collect();
    json!({
        "id": evaluator.id.to_string(),
        "check": command.name,
        "language": evaluator.language.name,
        "messages": evaluator.messages,
        "reply": attempt.reply,
        "code": attempt.code,
        "program": attempt.program,
        "executions": executions,
    })
}

async fn one(command: &CheckCommand, question: &Value) -> CheckAnswer {
    let (program, arguments) = command.words.split_first().ok_or("the command is empty")?;
    let said = |what: &str, error: std::io::Error| format!("could not {what} `{program}`: {error}");
    // A path is relative to the suite, as everywhere; a name is looked up.
    let path = if program.contains('/') {
        command.directory.join(program)
    } else {
        program.into()
    };
    let mut process = tokio::process::Command::new(path);
    process
        .args(arguments)
        .current_dir(&command.directory)
        // It needs none of the keys that this process has for itself.
        .env_remove(super::E2B_KEY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = process.spawn().map_err(|error| said("start", error))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(format!("`{program}` has no streams"));
    };
    let talk = async {
        let (mut answer, mut complaint) = (Vec::new(), Vec::new());
        let (mut stdout, mut stderr) =
            (stdout.take(ANSWER_BYTES_MAX), stderr.take(ANSWER_BYTES_MAX));
        let question = question.to_string();
        let (_, read, _) = tokio::join!(
            // One that does not want to know closes its end.
            async move {
                let _ = stdin.write_all(question.as_bytes()).await;
            },
            stdout.read_to_end(&mut answer),
            stderr.read_to_end(&mut complaint),
        );
        read?;
        Ok((child.wait().await?, answer, complaint))
    };
    let talked = tokio::time::timeout(WITHIN, talk).await;
    let (status, answer, complaint) = talked
        .map_err(|_| format!("`{program}` did not answer within {} s", WITHIN.as_secs()))?
        .map_err(|error| said("hear", error))?;
    if !status.success() {
        let complaint = String::from_utf8_lossy(&complaint);
        let last: String = complaint.trim().lines().last().unwrap_or_default().into();
        let last: String = last.chars().take(SHOWN_MAX).collect();
        return Err(format!("`{program}` failed ({status}): {last}"));
    }
    understood(&answer).map_err(|why| {
        format!("`{program}` must print `{{\"score\": 0..1, \"reason\": …}}`: {why}")
    })
}

fn understood(answer: &[u8]) -> CheckAnswer {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    if !(0.0..=1.0).contains(&answer.score) {
        return Err(format!("the score is {}", answer.score));
    }
    Ok((answer.score, answer.reason))
}

#[cfg(test)]
mod tests {
    use super::understood;

    #[test]
    fn only_a_score_between_0_and_1_counts() {
        let table = [
            (r#"{"score": 1}"#, Some(1.0)),
            (r#"{"score": 0.5, "reason": "half"}"#, Some(0.5)),
            (r#"{"score": 2}"#, None),
            (r#"{"score": -0.1}"#, None),
            (r#"{"score": "1"}"#, None),
            (r#"{"score": null}"#, None),
            (r#"{"reason": "no score"}"#, None),
            ("1", None),
            ("", None),
            (r#"{"score": 1} {"score": 0}"#, None),
        ];
        for (answer, score) in table {
            let understood = understood(answer.as_bytes());
            assert_eq!(understood.ok().map(|(score, _)| score), score, "{answer}");
        }
    }
}
