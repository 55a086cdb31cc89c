//! Processes in a sandbox: started, listened to, given input, signalled.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::connect::{self, Envelopes, Next};
use super::error::Error;
use super::sandbox::Sandbox;
use super::with_json;

const START: &str = "start a process";
const LISTEN: &str = "listen to a process";
/// How often envd shows that a stream without events lives, in seconds: as the SDKs ask for.
const KEEPALIVE_SECONDS: &str = "50";

/// A process to be started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewProcess {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables beside those of the sandbox.
    pub environment: BTreeMap<String, String>,
    /// Its working directory; absent, the user's home.
    pub directory: Option<String>,
    /// The user it runs as; absent, the template's.
    pub user: Option<String>,
    /// Whether it reads standard input; else that is at its end.
    pub stdin: bool,
    /// When envd ends it and with it the stream; absent, never.
    pub deadline: Option<Duration>,
}

impl NewProcess {
    /// A command line for bash, in a login shell as the SDKs run it.
    pub fn shell(line: impl Into<String>) -> Self {
        NewProcess {
            command: "/bin/bash".to_owned(),
            args: vec!["-l".to_owned(), "-c".to_owned(), line.into()],
            ..NewProcess::default()
        }
    }
}

#[derive(Serialize)]
struct Start<'a> {
    process: StartProcess<'a>,
    stdin: bool,
}

#[derive(Serialize)]
struct StartProcess<'a> {
    cmd: &'a str,
    args: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    envs: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
}

/// What a process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessEvent {
    /// It was started.
    Started {
        /// Its id.
        pid: u32,
    },
    /// It wrote to standard output.
    Stdout(Vec<u8>),
    /// It wrote to standard error.
    Stderr(Vec<u8>),
    /// It ended.
    Ended {
        /// Its exit status; -1 when a signal ended it.
        exit_code: i32,
        /// Whether it ended by itself.
        exited: bool,
        /// In words, such as `exit status 3` or `signal: killed`.
        status: String,
    },
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    event: Happened,
}

/// One of these; what is zero is left out (proto3's JSON).
#[derive(Default, Deserialize)]
struct Happened {
    start: Option<StartEvent>,
    data: Option<Data>,
    end: Option<EndEvent>,
}

#[derive(Deserialize)]
struct StartEvent {
    #[serde(default)]
    pid: u32,
}

#[derive(Deserialize)]
struct Data {
    stdout: Option<String>,
    stderr: Option<String>,
}

#[derive(Deserialize)]
struct EndEvent {
    #[serde(rename = "exitCode", default)]
    exit_code: i32,
    #[serde(default)]
    exited: bool,
    #[serde(default)]
    status: String,
}

/// A process that was started. Dropping it does not end the process.
#[derive(Debug)]
pub struct Running {
    response: Response,
    envelopes: Envelopes,
    is_over: bool,
}

impl Running {
    /// What it does next; `None` once it ended and the stream is whole.
    ///
    /// # Errors
    /// What the stream ends with, or that it broke off.
    pub async fn next(&mut self) -> Result<Option<ProcessEvent>, Error> {
        while !self.is_over {
            match self.envelopes.next::<Message>(LISTEN)? {
                Next::Over => self.is_over = true,
                Next::Message(message) => {
                    if let Some(event) = event(message.event)? {
                        return Ok(Some(event));
                    }
                }
                Next::Unfinished => {
                    let chunk = self.response.chunk().await;
                    match chunk.map_err(|error| Error::transport(LISTEN, &error))? {
                        Some(bytes) => self.envelopes.push(&bytes),
                        None => {
                            return Err(Error::protocol(LISTEN, "the stream broke off"));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// All that it does until its end. For processes that are trusted to come to one, or have a
    /// deadline: nothing bounds what is kept.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Finished, Error> {
        let mut finished = Finished::default();
        while let Some(event) = self.next().await? {
            match event {
                ProcessEvent::Started { .. } => {}
                ProcessEvent::Stdout(bytes) => finished.stdout.extend(bytes),
                ProcessEvent::Stderr(bytes) => finished.stderr.extend(bytes),
                ProcessEvent::Ended {
                    exit_code, status, ..
                } => (finished.exit_code, finished.status) = (exit_code, status),
            }
        }
        Ok(finished)
    }
}

/// A process that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Its exit status; -1 when a signal ended it.
    pub exit_code: i32,
    /// In words, such as `exit status 3` or `signal: killed`.
    pub status: String,
}

fn event(happened: Happened) -> Result<Option<ProcessEvent>, Error> {
    if let Some(start) = happened.start {
        return Ok(Some(ProcessEvent::Started { pid: start.pid }));
    }
    if let Some(end) = happened.end {
        return Ok(Some(ProcessEvent::Ended {
            exit_code: end.exit_code,
            exited: end.exited,
            status: end.status,
        }));
    }
    let decoded = |text: String| {
        BASE64_STANDARD
            .decode(text)
            .map_err(|error| Error::protocol(LISTEN, error.to_string()))
    };
    match happened.data {
        Some(Data {
            stdout: Some(text), ..
        }) => Ok(Some(ProcessEvent::Stdout(decoded(text)?))),
        Some(Data {
            stderr: Some(text), ..
        }) => Ok(Some(ProcessEvent::Stderr(decoded(text)?))),
        // Signs of life, and what a terminal says.
        _ => Ok(None),
    }
}

/// A process that runs in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProcessInfo {
    /// Its id.
    #[serde(default)]
    pub pid: u32,
    /// What it runs.
    #[serde(default)]
    pub config: ProcessConfig,
}

/// What a process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ProcessConfig {
    /// The program.
    #[serde(default)]
    pub cmd: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
}

#[derive(Serialize)]
struct Selector {
    pid: u32,
}

#[derive(Serialize)]
struct ToProcess<'a> {
    process: Selector,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Input>,
}

#[derive(Serialize)]
struct Input {
    stdin: String,
}

impl Sandbox {
    /// Starts a process and listens to it.
    ///
    /// # Errors
    /// When the call is refused. What envd refuses comes with the first event.
    pub async fn start(&self, process: &NewProcess) -> Result<Running, Error> {
        let start = Start {
            process: StartProcess {
                cmd: &process.command,
                args: &process.args,
                envs: &process.environment,
                cwd: process.directory.as_deref(),
            },
            stdin: process.stdin,
        };
        let message = serde_json::to_vec(&start).expect("requests are plain data");
        let mut request = self
            .envd(START, Method::POST, "/process.Process/Start")?
            .header("content-type", "application/connect+json")
            .header("connect-protocol-version", "1")
            .header("keepalive-ping-interval", KEEPALIVE_SECONDS);
        if let Some(deadline) = process.deadline {
            request = request.header("connect-timeout-ms", deadline.as_millis().to_string());
        }
        if let Some(user) = &process.user {
            let user = BASE64_STANDARD.encode(format!("{user}:"));
            request = request.header("authorization", format!("Basic {user}"));
        }
        let request = request.body(connect::envelope(&message));
        let response = self.client.send(START, request).await?;
        Ok(Running {
            response,
            envelopes: Envelopes::default(),
            is_over: false,
        })
    }

    /// Kills a process; whether there was one.
    ///
    /// # Errors
    /// When it is not known that it ended.
    pub async fn kill_process(&self, pid: u32) -> Result<bool, Error> {
        let message = ToProcess {
            process: Selector { pid },
            signal: Some("SIGNAL_SIGKILL"),
            input: None,
        };
        let sent: Result<serde_json::Value, Error> = self
            .call("kill a process", "/process.Process/SendSignal", &message)
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) if error.kind == super::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes to a process's standard input.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound) when there is no such process.
    pub async fn send_input(&self, pid: u32, bytes: &[u8]) -> Result<(), Error> {
        let message = ToProcess {
            process: Selector { pid },
            signal: None,
            input: Some(Input {
                stdin: BASE64_STANDARD.encode(bytes),
            }),
        };
        self.call("write to a process", "/process.Process/SendInput", &message)
            .await
            .map(|_: serde_json::Value| ())
    }

    /// Ends a process's standard input. Needs envd 0.5.2.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound) when there is no such process.
    pub async fn close_input(&self, pid: u32) -> Result<(), Error> {
        let message = ToProcess {
            process: Selector { pid },
            signal: None,
            input: None,
        };
        self.call(
            "end the input of a process",
            "/process.Process/CloseStdin",
            &message,
        )
        .await
        .map(|_: serde_json::Value| ())
    }

    /// The processes that envd started and that still run.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn processes(&self) -> Result<Vec<ProcessInfo>, Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            processes: Vec<ProcessInfo>,
        }
        let empty = serde_json::Map::new();
        let list: List = self
            .call("list processes", "/process.Process/List", &empty)
            .await?;
        Ok(list.processes)
    }

    /// A call of envd without a stream.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        attempted: &'static str,
        path: &str,
        message: &impl Serialize,
    ) -> Result<T, Error> {
        let request = self
            .envd(attempted, Method::POST, path)?
            .header("connect-protocol-version", "1");
        self.client
            .json(attempted, with_json(request, message))
            .await
    }
}
