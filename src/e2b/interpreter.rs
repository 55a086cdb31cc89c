//! The code interpreter of a sandbox: contexts, and executions in them.
//!
//! It is a notebook. A context keeps its variables from one execution to the next; the value of a last
//! expression is a result; there is no standard input. There is no call that ends an execution:
//! the interpreter interrupts one when its connection closes, that is when [`Executing`] is dropped.
//! After that, an execution sent to the same context at once is swallowed: make another context.

use std::collections::BTreeMap;

use reqwest::{Method, Response};
use serde::{Deserialize, Serialize};

use super::EXECUTE;
use super::error::Error;
use super::events::{Event, Lines, Transcript};
use super::sandbox::Sandbox;
use super::with_json;

/// The longest line that is read: an image is one line.
const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A place in which executions share variables.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Context {
    /// Its id.
    pub id: String,
    /// Its language.
    #[serde(default)]
    pub language: String,
    /// Its working directory.
    #[serde(default)]
    pub cwd: String,
}

/// Where and how something is executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecuteOptions {
    /// The context; absent, that which all who name none share.
    pub context: Option<String>,
    /// The language of a shared context. Not with `context`.
    pub language: Option<String>,
    /// Variables for this execution alone. The interpreter pastes them before the code: lines shift,
    /// and a quote or a line break in a value breaks out.
    pub environment: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Execute<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env_vars: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct NewContext<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
}

/// An execution that was begun. Dropping it interrupts it.
#[derive(Debug)]
pub struct Executing {
    response: Response,
    lines: Lines,
    /// Heard and not yet asked for, the next one last.
    waiting: Vec<Event>,
    is_whole: bool,
}

impl Executing {
    /// What is said next; `None` after `end_of_execution`.
    ///
    /// # Errors
    /// When the stream breaks off before, or is not what the protocol says.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if self.is_whole {
                return Ok(None);
            }
            if let Some(event) = self.waiting.pop() {
                self.is_whole = event == Event::EndOfExecution;
                return Ok(Some(event));
            }
            let chunk = self.response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| Error::transport(EXECUTE, &error))? else {
                return Err(Error::protocol(
                    EXECUTE,
                    "the stream ended before `end_of_execution`",
                ));
            };
            self.waiting = self.lines.push(&chunk)?;
            self.waiting.reverse();
        }
    }

    /// All that is said until the end. For programs that are trusted to come to one: nothing bounds
    /// what is kept.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Transcript, Error> {
        let mut transcript = Transcript::default();
        while let Some(event) = self.next().await? {
            transcript.add(event);
        }
        Ok(transcript)
    }
}

impl Sandbox {
    /// Begins an execution.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound) when there is no such context,
    /// [`PortClosed`](super::ErrorKind::PortClosed) when there is no interpreter.
    pub async fn execute(&self, code: &str, options: &ExecuteOptions) -> Result<Executing, Error> {
        let body = Execute {
            code,
            context_id: options.context.as_deref(),
            language: options.language.as_deref(),
            env_vars: &options.environment,
        };
        let request = self.interpreter(EXECUTE, Method::POST, "/execute", true)?;
        let response = self.client.send(EXECUTE, with_json(request, &body)).await?;
        Ok(Executing {
            response,
            lines: Lines::new(LINE_BYTES_MAX),
            waiting: Vec::new(),
            is_whole: false,
        })
    }

    /// Makes a context. A directory that is not there is not refused.
    ///
    /// # Errors
    /// [`Server`](super::ErrorKind::Server) when there is no kernel for the language.
    pub async fn create_context(
        &self,
        language: Option<&str>,
        directory: Option<&str>,
    ) -> Result<Context, Error> {
        const ATTEMPTED: &str = "make a context";
        let body = NewContext {
            language,
            cwd: directory,
        };
        let request = self.interpreter(ATTEMPTED, Method::POST, "/contexts", false)?;
        self.client.json(ATTEMPTED, with_json(request, &body)).await
    }

    /// The contexts that there are.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn contexts(&self) -> Result<Vec<Context>, Error> {
        const ATTEMPTED: &str = "list contexts";
        let request = self.interpreter(ATTEMPTED, Method::GET, "/contexts", false)?;
        self.client.json(ATTEMPTED, request).await
    }

    /// Starts a context's kernel anew, whatever it does now.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound) when there is no such context.
    pub async fn restart_context(&self, id: &str) -> Result<(), Error> {
        const ATTEMPTED: &str = "restart a context";
        let path = format!("/contexts/{id}/restart");
        let request = self.interpreter(ATTEMPTED, Method::POST, &path, false)?;
        self.client.done(ATTEMPTED, request).await
    }

    /// Ends a context.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound) when there is no such context.
    pub async fn remove_context(&self, id: &str) -> Result<(), Error> {
        const ATTEMPTED: &str = "remove a context";
        let path = format!("/contexts/{id}");
        let request = self.interpreter(ATTEMPTED, Method::DELETE, &path, false)?;
        self.client.done(ATTEMPTED, request).await
    }
}
