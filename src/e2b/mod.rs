//! A client of E2B (<https://e2b.dev>), usable by itself: sandboxes, processes and files in them, and
//! the code interpreter.
//!
//! | file | is |
//! |---|---|
//! | `config` | where E2B is and who asks |
//! | `control` | the control plane: create, connect, list, pause, kill |
//! | `sandbox` | one sandbox: its addresses and headers |
//! | `process` | processes in it |
//! | `files` | files in it |
//! | `interpreter`, `events` | the code interpreter: contexts, and executions as streams of events |
//! | `connect` | the protocol of `process` and of directories |
//! | `error` | what can go wrong, by kind |
//!
//! The protocol is that of the official SDKs (PyPI `e2b` 2.63, npm `e2b` 2.51), of the published
//! source of the servers (<https://github.com/e2b-dev/infra>) and of the code interpreter
//! (<https://github.com/e2b-dev/code-interpreter>).
//!
//! ```no_run
//! use rewardspec::e2b::{Client, Config, ExecuteOptions, NewProcess, NewSandbox};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), rewardspec::e2b::Error> {
//! let client = Client::new(Config::from_environment())?;
//! let order = NewSandbox::new("code-interpreter-v1", Duration::from_secs(60));
//! let sandbox = client.create(&order).await?;
//! // A sandbox lives until it is killed or its lifetime is over, whatever becomes of this value.
//! let said = async {
//!     let process = sandbox.start(&NewProcess::shell("echo started")).await?;
//!     assert_eq!(process.collect().await?.stdout, b"started\n");
//!     let options = ExecuteOptions::default();
//!     sandbox.execute("print(6 * 7)", &options).await?.collect().await
//! };
//! let said = said.await;
//! client.kill(sandbox.id()).await?;
//! assert_eq!(said?.stdout.concat(), "42\n");
//! # Ok(()) }
//! ```

mod config;
mod connect;
mod control;
mod error;
mod events;
mod files;
mod interpreter;
mod process;
mod sandbox;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;

pub use config::{Config, DOMAIN, ENVD_PORT, INTERPRETER_PORT, Secret};
pub use control::{ListQuery, Listed, NewSandbox, Page, State};
pub use error::{Error, ErrorKind};
pub use events::{Display, Event, Exception, Lines, Transcript};
pub use files::{Entry, Written};
pub use interpreter::{Context, ExecuteOptions, Executing};
pub use process::{Finished, NewProcess, ProcessConfig, ProcessEvent, ProcessInfo, Running};
pub use sandbox::Sandbox;

/// What an execution is called in errors.
const EXECUTE: &str = "execute code";
/// How long a call without a stream may take in all.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The longest answer that is read of a call without a stream.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest answer that is read of a call that is refused.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Our own name. Names of browsers in it would make the proxy answer errors in HTML.
const USER_AGENT: &str = concat!("rewardspec/", env!("CARGO_PKG_VERSION"));

/// A client. Cheap to clone; connections are shared.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    /// For everything but executions.
    http: reqwest::Client,
    /// The interpreter interrupts a program only when it sees its connection close, which a stream
    /// that is cancelled inside an HTTP/2 connection does not show it.
    http1: reqwest::Client,
    /// Whether the servers have only the first version of create and connect, once it was seen.
    version_1: AtomicBool,
}

impl Client {
    /// A client; nothing is sent.
    ///
    /// # Errors
    /// When an address that was given is none, or the system's certificates cannot be used.
    pub fn new(config: Config) -> Result<Self, Error> {
        for (name, address) in [
            ("E2B_API_URL", &config.api_url),
            ("E2B_SANDBOX_URL", &config.sandbox_url),
        ] {
            let is_address = |address: &String| {
                ["http://", "https://"]
                    .iter()
                    .any(|begin| address.starts_with(begin))
                    && reqwest::Url::parse(address).is_ok()
            };
            if let Some(address) = address.as_ref().filter(|address| !is_address(address)) {
                return Err(Error::new(
                    ErrorKind::Refused,
                    "use an address",
                    format!(
                        "{name} is `{address}`, which is no address such as `https://api.e2b.app`"
                    ),
                ));
            }
        }
        // Another part of the process may have chosen a provider already; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(Duration::from_secs(20))
                // What a sandbox answers is of strangers: it sends us nowhere else.
                .redirect(reqwest::redirect::Policy::none())
        };
        let built = |builder: reqwest::ClientBuilder| {
            builder
                .build()
                .map_err(|error| Error::transport("prepare connections", &error))
        };
        Ok(Client(Arc::new(Shared {
            config,
            http: built(builder())?,
            http1: built(builder().http1_only())?,
            version_1: AtomicBool::new(false),
        })))
    }

    /// How E2B is reached.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Sends a request; an answer that is no success is an error.
    async fn send(
        &self,
        attempted: &'static str,
        request: RequestBuilder,
    ) -> Result<Response, Error> {
        let sent = request.send().await;
        let response = sent.map_err(|error| Error::transport(attempted, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = beginning(response).await;
        if let Some(key) = &self.0.config.key {
            // Before anything of it is cut or shown.
            body = key
                .taken_out_of(&String::from_utf8_lossy(&body))
                .into_bytes();
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Err(connect::refused(attempted, status, &body)
            .unwrap_or_else(|| Error::answer(attempted, status, header, &body)))
    }

    /// Sends a request and reads what it answers.
    async fn json<T: DeserializeOwned>(
        &self,
        attempted: &'static str,
        request: RequestBuilder,
    ) -> Result<T, Error> {
        let response = self.send(attempted, request.timeout(ANSWER_WITHIN)).await?;
        let body = body(attempted, response).await?;
        serde_json::from_slice(&body).map_err(|error| Error::broken(attempted, &error))
    }

    /// Sends a request whose answer says nothing more.
    async fn done(&self, attempted: &'static str, request: RequestBuilder) -> Result<(), Error> {
        let response = self.send(attempted, request.timeout(ANSWER_WITHIN)).await?;
        // Read, so that the connection can be used again.
        body(attempted, response).await.map(drop)
    }
}

/// The beginning of a body, as far as it comes.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < REFUSAL_BYTES_MAX {
        match tokio::time::timeout(ANSWER_WITHIN, response.chunk()).await {
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    bytes.truncate(REFUSAL_BYTES_MAX);
    bytes
}

/// The whole body of an answer, up to what is reasonable.
async fn body(attempted: &'static str, mut response: Response) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    loop {
        let chunk = response.chunk().await;
        match chunk.map_err(|error| Error::transport(attempted, &error))? {
            None => return Ok(bytes),
            Some(chunk) if bytes.len() + chunk.len() <= ANSWER_BYTES_MAX => {
                bytes.extend_from_slice(&chunk);
            }
            Some(_) => return Err(Error::new(ErrorKind::TooLong, attempted, "")),
        }
    }
}

/// A header whose value is a secret.
fn secret_header(
    headers: &mut HeaderMap,
    attempted: &'static str,
    name: HeaderName,
    secret: &Secret,
) -> Result<(), Error> {
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| {
        Error::new(
            ErrorKind::KeyRefused,
            attempted,
            format!("what goes into `{name}` has characters that no header can have"),
        )
    })?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// A word that nobody can guess, two hexadecimal digits for each byte.
pub(crate) fn random_word<const BYTES: usize>() -> String {
    let mut random = [0; BYTES];
    getrandom::fill(&mut random).expect("the kernel gives random bytes");
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request with a JSON body.
fn with_json(request: RequestBuilder, body: &impl serde::Serialize) -> RequestBuilder {
    let bytes = serde_json::to_vec(body).expect("requests are plain data");
    request
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .body(bytes)
}

/// The control plane's address of a path.
fn control(client: &Client, method: Method, path: &str) -> RequestBuilder {
    client
        .0
        .http
        .request(method, format!("{}{path}", client.0.config.api_base()))
}
