//! A program as a cell of a notebook in the cloud, for code that is written as one.
//!
//! Differences that lie in the nature of a notebook: the value of the last expression is shown after
//! what was printed, `input()` fails, `exit()` does not end the program, `asyncio.run` fails because a
//! loop runs already, and there are no arguments. Exit statuses are those that Python's would be.

use std::time::{Duration, Instant};

use super::{CLOUD_LATE, execution, upload};
use crate::backend::output::Kept;
use crate::backend::runs::Runs;
use crate::e2b::{
    Error, ErrorKind, Event, Exception, ExecuteOptions, Executing, Sandbox, Transcript,
};
use crate::execution::{Execution, InfrastructureError, JobResult, Status};
use crate::program::{Job, Limits, Run};

/// Where the interpreter works.
const HOME: &str = "/home/user";

/// What a job has the interpreter do.
pub(super) struct Cells {
    kernel: String,
    code: String,
}

impl Cells {
    pub(super) fn of(job: &Job) -> Result<Self, InfrastructureError> {
        let program = &job.program;
        let refuse = |what: &str| {
            Err(InfrastructureError::new(format!(
                "{what} in mode `notebook`: write `e2b: {{mode: script}}`"
            )))
        };
        let language = &program.interpreter.language;
        super::interpreter(program)?;
        let Some(kernel) = &program.cloud.kernel else {
            return refuse(&format!(
                "{language} has no kernel (its rule names none under `e2b`) and cannot run"
            ));
        };
        let has_tests = |run: &Run| run.private.is_some() || run.judge.is_some();
        if job.runs.iter().any(has_tests) {
            return refuse("tests, which need a process of their own, cannot run");
        }
        if job.runs.iter().any(|run| !run.stdin.is_empty()) {
            return refuse("there is no standard input");
        }
        if job.runs.iter().any(|run| !run.collect.is_empty()) {
            return refuse("the files that a program leaves cannot be read");
        }
        let code = program.files.first().map(|file| &*file.bytes);
        Ok(Cells {
            kernel: kernel.clone(),
            code: String::from_utf8_lossy(code.unwrap_or_default()).into_owned(),
        })
    }
}

pub(super) async fn run(sandbox: &Sandbox, job: &Job, cells: &Cells) -> Result<JobResult, Error> {
    let files: Vec<(String, &[u8])> = job
        .program
        .files
        .iter()
        .map(|file| (format!("{HOME}/{}", file.path), &*file.bytes))
        .collect();
    upload(sandbox, &files, None).await?;
    let mut runs = Runs::of(job);
    for _ in job.runs.iter() {
        let Some(limits) = runs.next() else { break };
        runs.push(one(sandbox, cells, &limits).await?, Duration::ZERO);
    }
    Ok(JobResult {
        build: None,
        runs: runs.finish(),
    })
}

/// Executes the program in a context of its own.
async fn one(sandbox: &Sandbox, cells: &Cells, limits: &Limits) -> Result<Execution, Error> {
    let context = in_time(
        CLOUD_LATE,
        sandbox.create_context(Some(&cells.kernel), Some(HOME)),
    )
    .await?;
    let options = ExecuteOptions {
        context: Some(context.id.clone()),
        ..ExecuteOptions::default()
    };
    // The first execution of a context has the sandbox's variables pasted before it, which shifts
    // its lines: it is one that nobody looks at.
    let warmed = async { sandbox.execute("", &options).await?.collect().await };
    in_time(CLOUD_LATE, warmed).await?;
    let begun = Instant::now();
    let deadline = begun + limits.wall;
    let late = tokio::time::sleep_until(deadline.into());
    tokio::pin!(late);
    let mut heard = Heard::new(limits.output);
    let executing = tokio::select! {
        executing = sandbox.execute(&cells.code, &options) => Some(executing?),
        () = &mut late => None,
    };
    let cut = match executing {
        None => Some(Cut::Late),
        Some(mut executing) => tokio::select! {
            cut = heard.listen(&mut executing, limits.output) => cut?,
            () = &mut late => Some(Cut::Late),
        },
    };
    // Dropped by now, which interrupts what still runs. The context is not used again: it may be
    // stuck, and swallows what is sent at once.
    Ok(heard.execution(cut, begun.elapsed(), limits))
}

async fn in_time<T>(
    within: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = || {
        Error::new(
            ErrorKind::Late,
            "prepare a context",
            "the interpreter does not answer",
        )
    };
    tokio::time::timeout(within, work)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Why an execution was not listened to until its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Late,
    Flooded,
}

/// What an execution said, within bounds.
struct Heard {
    stdout: Kept,
    stderr: Kept,
    /// Everything but output.
    said: Transcript,
}

impl Heard {
    fn new(bytes_max: u64) -> Self {
        Heard {
            stdout: Kept::new(bytes_max),
            stderr: Kept::new(bytes_max),
            said: Transcript::default(),
        }
    }

    async fn listen(
        &mut self,
        executing: &mut Executing,
        bytes_max: u64,
    ) -> Result<Option<Cut>, Error> {
        loop {
            let event = match executing.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(None),
                // One line, and more than any output may be.
                Err(error) if error.kind == ErrorKind::TooLong => return Ok(Some(Cut::Flooded)),
                Err(error) => return Err(error),
            };
            match event {
                Event::Stdout { text } => self.stdout.add(text.as_bytes()),
                Event::Stderr { text } => self.stderr.add(text.as_bytes()),
                // Of what was displayed only the last expression's text is looked at.
                Event::Result(mut display) => {
                    display.others.clear();
                    if display.is_main_result {
                        self.said.results = vec![*display];
                    }
                }
                other => self.said.add(other),
            }
            let main = self.said.main_text().map_or(0, str::len) as u64;
            if self.stdout.total() + main > bytes_max || self.stderr.total() > bytes_max {
                return Ok(Some(Cut::Flooded));
            }
        }
    }

    fn execution(mut self, cut: Option<Cut>, wall: Duration, limits: &Limits) -> Execution {
        let (status, reason, exit_code) = match (cut, &self.said.error) {
            (Some(Cut::Flooded), _) => (Status::OutputLimit, None, None),
            (Some(Cut::Late), _) => (Status::Timeout, Some("wall"), None),
            (None, None) => (Status::Ok, None, Some(0)),
            (None, Some(error)) if error.is_of_the_server() => {
                (Status::Killed, Some("the kernel ended under it"), None)
            }
            (None, Some(error)) => match exit_status(error) {
                0 => (Status::Ok, None, Some(0)),
                code => (Status::RuntimeError, None, Some(code)),
            },
        };
        if let Some(text) = self.said.main_text() {
            let text = text.to_owned();
            self.stdout.add(text.as_bytes());
            self.stdout.add(b"\n");
        }
        if let Some(error) = &self.said.error
            && status == Status::RuntimeError
        {
            self.stderr.add(told(error).as_bytes());
        }
        Execution {
            reason: reason.map(str::to_owned),
            exit_code,
            stdout: self.stdout.finish(limits.output),
            stderr: self.stderr.finish(limits.output),
            wall,
            ..execution(status)
        }
    }
}

/// The exit status that a program would have ended with.
fn exit_status(error: &Exception) -> i32 {
    if error.name != "SystemExit" {
        return 1;
    }
    match error.value.trim() {
        "" | "None" => 0,
        // A message is written, and the status is 1.
        value => value.parse::<i64>().map_or(1, |code| (code & 0xff) as i32),
    }
}

/// An exception as an interpreter would print it: the last line names it.
fn told(error: &Exception) -> String {
    let last = match error.value.as_str() {
        "" => error.name.clone(),
        value => format!("{}: {value}", error.name),
    };
    let traceback = error.traceback.trim_end();
    if traceback.ends_with(&last) {
        return format!("{traceback}\n");
    }
    format!("{traceback}\n{last}\n")
}

#[cfg(test)]
mod tests {
    use super::exit_status;
    use crate::e2b::Exception;

    #[test]
    fn a_system_exit_is_an_exit_status() {
        let status = |name: &str, value: &str| {
            exit_status(&Exception {
                name: name.to_owned(),
                value: value.to_owned(),
                traceback: String::new(),
            })
        };
        assert_eq!(status("SystemExit", "0"), 0);
        assert_eq!(status("SystemExit", ""), 0);
        assert_eq!(status("SystemExit", "None"), 0);
        assert_eq!(status("SystemExit", "3"), 3);
        assert_eq!(status("SystemExit", "-1"), 255);
        assert_eq!(status("SystemExit", "failed"), 1);
        assert_eq!(status("ValueError", "0"), 1);
    }
}
