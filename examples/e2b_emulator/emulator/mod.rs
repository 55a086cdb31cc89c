//! The server: requests told apart by path, sandboxes by header.

mod agent;
mod control;
mod envd;
mod interpreter;
mod replay;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rewardspec::backend::local::{Local, LocalOptions};
use serde_json::{Value, json};

use agent::Agent;
use replay::Recording;

/// Sandboxes at once; each holds a lane of the local backend, and another one for root.
const SANDBOXES: usize = 64;
/// What the numbers of root's processes are above those of the user's.
const ROOTS_PIDS: u64 = 1_000_000;
/// The longest request.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How the emulator behaves.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The only key that is accepted; absent, all that look like one.
    pub(crate) key: Option<String>,
    /// A directory of recordings of the real interpreter. A sandbox whose metadata say
    /// `replay: NAME` answers from `NAME.json` there, byte for byte.
    pub(crate) recordings: Option<PathBuf>,
    /// Where each request is written, a JSON object a line.
    pub(crate) log: Option<PathBuf>,
    /// Knows only the first version of the control plane.
    pub(crate) is_version_1: bool,
    /// Sandboxes of the team at once.
    pub(crate) sandboxes_max: Option<usize>,
    /// The `rewardspec` binary that launches programs; absent, this executable.
    pub(crate) launcher: Option<PathBuf>,
}

/// A running emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    local: Arc<Local>,
    sandboxes: Mutex<BTreeMap<String, Arc<Sandbox>>>,
    /// Creates by their idempotency key.
    created: Mutex<BTreeMap<String, String>>,
    /// Everything that was asked.
    requests: Mutex<Vec<Value>>,
}

#[derive(Debug)]
struct Sandbox {
    id: String,
    template: String,
    metadata: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    internet: bool,
    state: Mutex<Life>,
    /// Told when its end is moved.
    moved: Arc<tokio::sync::Notify>,
    envd_token: String,
    agent: Option<Agent>,
    /// Root's, once something is asked of it.
    roots: Mutex<Option<Arc<Agent>>>,
    local: Arc<Local>,
    recording: Option<Recording>,
    /// The contexts that those who name none share, by language.
    defaults: tokio::sync::Mutex<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Life {
    is_paused: bool,
    ends_at: tokio::time::Instant,
}

impl Emulator {
    /// Listens on an address such as `127.0.0.1:0`.
    pub(crate) async fn start(listen: &str, options: Options) -> std::io::Result<Emulator> {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let local = Local::new(LocalOptions {
            cold: false,
            jobs: Some(2 * SANDBOXES),
            launcher: options.launcher.clone(),
            uncontained: false,
        });
        let shared = Arc::new(Shared {
            options,
            local: Arc::new(local),
            sandboxes: Mutex::default(),
            created: Mutex::default(),
            requests: Mutex::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Emulator {
            shared,
            address,
            serving,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sandboxes that live now.
    #[allow(dead_code, reason = "tests ask, the command does not")]
    pub(crate) fn living(&self) -> Vec<String> {
        self.shared.lock().keys().cloned().collect()
    }

    /// Everything that was asked until now: method, path, headers, body.
    #[allow(dead_code, reason = "tests ask, the command does not")]
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.shared
            .requests
            .lock()
            .expect("no request panics while it is noted")
            .clone()
    }

    /// Ends it and all sandboxes.
    pub(crate) async fn stop(self) {
        self.serving.abort();
        self.shared.lock().clear();
        self.shared.local.close().await;
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Sandbox>>> {
        self.sandboxes
            .lock()
            .expect("no request panics while it holds the sandboxes")
    }

    /// The sandbox that a request is for, or what a proxy answers where there is none.
    fn sandbox(&self, headers: &HeaderMap) -> Result<Arc<Sandbox>, Box<Response>> {
        let id = header(headers, "e2b-sandbox-id").unwrap_or_default();
        let found = self.lock().get(id).cloned();
        let runs = found.filter(|sandbox| !sandbox.life().is_paused);
        runs.ok_or_else(|| {
            let body =
                json!({"sandboxId": id, "message": "The sandbox was not found", "code": 502});
            Box::new((StatusCode::BAD_GATEWAY, axum::Json(body)).into_response())
        })
    }

    fn note(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) {
        let headers: BTreeMap<String, String> = headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            })
            .collect();
        let body = String::from_utf8_lossy(body).into_owned();
        let request =
            json!({"method": method.as_str(), "path": path, "headers": headers, "body": body});
        if let Some(log) = &self.options.log {
            let file = std::fs::File::options().create(true).append(true).open(log);
            if let Ok(mut file) = file {
                // In one piece: others write too.
                let _ = file.write_all(format!("{request}\n").as_bytes());
            }
        }
        self.requests
            .lock()
            .expect("no request panics while it is noted")
            .push(request);
    }
}

impl Sandbox {
    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.state
            .lock()
            .expect("no request panics while it holds a life")
    }

    /// The agent of root, started when it is needed.
    fn roots(&self) -> std::io::Result<Arc<Agent>> {
        let mut roots = self
            .roots
            .lock()
            .expect("no request panics while it starts an agent");
        if let Some(agent) = &*roots {
            return Ok(Arc::clone(agent));
        }
        let users = self.agent.as_ref().map(Agent::line);
        let agent = Agent::start(Arc::clone(&self.local), self.internet, users)?;
        Ok(Arc::clone(roots.insert(Arc::new(agent))))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = match axum::body::to_bytes(body, REQUEST_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    shared.note(&parts.method, &target, &parts.headers, &bytes);
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: bytes,
    };
    let is_control = ["/sandboxes", "/v2/sandboxes"]
        .iter()
        .any(|begin| asked.path.starts_with(begin));
    if is_control {
        return control::answer(&shared, &asked).await;
    }
    let sandbox = match shared.sandbox(&asked.headers) {
        Ok(sandbox) => sandbox,
        Err(response) => return *response,
    };
    if let Some(recording) = &sandbox.recording {
        return recording.answer(&asked);
    }
    match asked.path.as_str() {
        "/health" if asked.port() == Some("49999") => axum::Json("OK").into_response(),
        "/health" => StatusCode::NO_CONTENT.into_response(),
        path if path == "/execute" || path.starts_with("/contexts") => {
            interpreter::answer(&sandbox, &asked).await
        }
        _ => envd::answer(&sandbox, &asked).await,
    }
}

/// A request, read.
struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn port(&self) -> Option<&str> {
        header(&self.headers, "e2b-sandbox-port")
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A value of the query, decoded.
    fn value(&self, name: &str) -> Option<String> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| decoded(value))
            .next()
    }
}

/// A text without its percent-encoding.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn failed(status: u16, message: impl Into<String>) -> Response {
    let status_code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({"code": status, "message": message.into()});
    (status_code, axum::Json(body)).into_response()
}

/// A body that is written while it is read. The sender learns when the reader is gone.
fn streamed() -> (
    tokio::sync::mpsc::Sender<Result<Bytes, std::io::Error>>,
    Body,
) {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    (sender, Body::from_stream(stream))
}
