//! The author's own checkers: trusted commands, run outside the sandbox, for a limited time.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::evaluator::{Attempt, CheckAnswer, CheckCommand, Evaluator};
use crate::execution::Execution;

/// How long a checker may take.
const WITHIN: Duration = Duration::from_secs(60);
/// Bytes of its answer that are read.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of the end of its standard error that are kept.
const COMPLAINT_BYTES_MAX: usize = 64 * 1024;
/// How long its streams may stay open when it has ended.
const STREAMS_LATE: Duration = Duration::from_secs(1);
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
        answers.push(one(command, &question, WITHIN).await);
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

async fn one(command: &CheckCommand, question: &Value, within: Duration) -> CheckAnswer {
    let (program, arguments) = command.words.split_first().ok_or("the command is empty")?;
    let said = |what: &str, error: io::Error| format!("could not {what} `{program}`: {error}");
    // A path is relative to the suite, as everywhere; a name is looked up.
    let path = if program.contains('/') {
        command.directory.join(program)
    } else {
        program.into()
    };
    let mut process = Command::new(path);
    process
        .args(arguments)
        .current_dir(&command.directory)
        // It needs none of the keys that this process has for itself.
        .env_remove(super::E2B_KEY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = process.spawn().map_err(|error| said("start", error))?;
    let group = Group::of(&child);
    let talked = tokio::time::timeout(within, talk(&mut child, &group, question)).await;
    let (status, answer, complaint) = talked
        .map_err(|_| format!("`{program}` did not answer within {} s", within.as_secs()))?
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

/// How a checker ended, its answer, and the end of what it said on standard error.
type Talked = (ExitStatus, Vec<u8>, Vec<u8>);

async fn talk(child: &mut Child, group: &Group, question: &Value) -> io::Result<Talked> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(io::Error::other("it has no streams"));
    };
    let (mut answer, mut complaint) = (Vec::new(), Vec::new());
    let question = question.to_string();
    let ended = {
        let streams = async {
            tokio::try_join!(
                // One that does not want to know closes its end.
                async move {
                    let _ = stdin.write_all(question.as_bytes()).await;
                    Ok(())
                },
                hear(stdout, &mut answer),
                overhear(stderr, &mut complaint),
            )
        };
        tokio::pin!(streams);
        tokio::select! {
            ended = child.wait() => {
                // What it started may hold its streams, and is not waited for.
                group.end();
                match tokio::time::timeout(STREAMS_LATE, &mut streams).await {
                    Ok(Err(error)) => Err(error),
                    Ok(Ok(_)) | Err(_) => ended,
                }
            }
            heard = &mut streams => match heard {
                Ok(_) => child.wait().await,
                Err(error) => Err(error),
            },
        }
    };
    Ok((ended?, answer, complaint))
}

/// Reads an answer to its end, unless it is too long to be one.
async fn hear(stream: impl AsyncRead + Unpin, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = stream.take(ANSWER_BYTES_MAX + 1);
    stream.read_to_end(answer).await?;
    if stream.limit() == 0 {
        let message = format!("it prints more than {ANSWER_BYTES_MAX} bytes");
        return Err(io::Error::other(message));
    }
    Ok(())
}

/// Reads a stream to its end, of which the end is kept.
async fn overhear(mut stream: impl AsyncRead + Unpin, kept: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = vec![0; COMPLAINT_BYTES_MAX];
    loop {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        kept.extend_from_slice(&chunk[..count]);
        kept.drain(..kept.len().saturating_sub(COMPLAINT_BYTES_MAX));
    }
}

/// A checker and what it started, ended with it unless they left the group.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        Group(number.and_then(Pid::from_raw))
    }

    fn end(&self) {
        if let Some(leader) = self.0 {
            // None of it may be left.
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
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
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::{one, understood};
    use crate::evaluator::{CheckAnswer, CheckCommand};

    /// Asks a checker that is a shell script, with a long question.
    async fn ask(script: &str, within: Duration) -> CheckAnswer {
        let command = CheckCommand {
            name: "mine".to_owned(),
            words: ["sh", "-c", script].map(str::to_owned).to_vec(),
            directory: std::env::temp_dir(),
        };
        let question: Value = json!({"reply": "x".repeat(3_000_000)});
        one(&command, &question, within).await
    }

    #[tokio::test]
    async fn a_checker_is_heard_whatever_it_does_with_its_streams() {
        let good = r#"echo '{"score": 0.5}'"#;
        for script in [
            format!("cat > /dev/null; {good}"),
            format!("exec <&-; {good}"),
            good.to_owned(),
            format!("head -c 10000000 /dev/zero >&2; {good}"),
            // A child that holds all of its streams.
            format!("sleep 600 & {good}"),
            // The same out of reach.
            format!("setsid sleep 5 & {good}"),
            format!("{good}; exec >&- 2>&-; cat > /dev/null"),
        ] {
            let answer = ask(&script, Duration::from_secs(60)).await;
            assert_eq!(answer, Ok((0.5, String::new())), "{script}");
        }
    }

    #[tokio::test]
    async fn a_checker_that_gives_no_answer_says_why() {
        for (script, why) in [
            (
                "echo first >&2; echo last >&2; exit 3",
                "`sh` failed (exit status: 3): last",
            ),
            (
                "head -c 10000000 /dev/zero >&2; echo >&2; echo last >&2; exit 3",
                ": last",
            ),
            ("kill -9 $$", "`sh` failed (signal: 9"),
            (
                "head -c 10000000 /dev/zero",
                "prints more than 1048576 bytes",
            ),
            ("yes", "prints more than 1048576 bytes"),
            ("echo rubbish", "must print"),
            ("exit 0", "must print"),
        ] {
            let begun = Instant::now();
            let answer = ask(script, Duration::from_secs(60)).await;
            let told = answer.clone().unwrap_err();
            assert!(told.contains(why), "{script}: {told}");
            assert!(begun.elapsed() < Duration::from_secs(30), "{script}");
        }
    }

    #[tokio::test]
    async fn a_checker_that_never_ends_is_ended_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let told = directory.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", told.display());
        let answer = ask(&script, Duration::from_secs(2)).await;
        assert!(answer.unwrap_err().contains("did not answer within 2 s"));
        let pid = std::fs::read_to_string(told).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        let begun = Instant::now();
        while lives() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it lives");
            tokio::task::yield_now().await;
        }
    }

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
