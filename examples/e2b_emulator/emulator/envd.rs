//! The daemon in a sandbox: processes by the Connect protocol, files by plain HTTP.
//!
//! What root does in its own home is in a local sandbox of root's, which the user's processes are not in.
//! What it does elsewhere is among them, so that it sees them as root would.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::agent::Line;
use super::{Asked, ROOTS_PIDS, Sandbox, failed, header, streamed};

pub(super) async fn answer(sandbox: &Arc<Sandbox>, asked: &Asked) -> Response {
    if header(&asked.headers, "x-access-token") != Some(&sandbox.envd_token) {
        return refused("unauthenticated", "the access token is missing or wrong");
    }
    if sandbox.agent.is_none() {
        return failed(500, "the sandbox replays a recording");
    }
    match (&asked.method, asked.path.as_str()) {
        (&Method::POST, "/files") => write(sandbox, asked).await,
        (&Method::GET, "/files") => read(sandbox, asked).await,
        (&Method::POST, "/process.Process/Start") => start(sandbox, asked),
        (&Method::POST, path) => match order(path, asked) {
            Some(order) => unary(ask(sandbox, order).await, path),
            None => refused("unimplemented", "no such call"),
        },
        _ => failed(404, "no such route"),
    }
}

/// Whether what a user does at a path is in root's home.
fn is_roots(user: Option<&str>, path: &str) -> Result<bool, String> {
    let is_home = path == "/root" || path.starts_with("/root/");
    match user {
        Some("root") => Ok(is_home || !path.starts_with('/')),
        _ if is_home => Err(format!("{path}: permission denied")),
        _ => Ok(false),
    }
}

/// The agent for what a user does at a path.
fn agent_at(sandbox: &Sandbox, user: Option<&str>, path: &str) -> Result<Line, String> {
    line_of(sandbox, is_roots(user, path)?)
}

fn line_of(sandbox: &Sandbox, is_root: bool) -> Result<Line, String> {
    let gone = || "the sandbox is gone".to_owned();
    if !is_root {
        let agent = sandbox.agent.as_ref();
        return agent.map(|agent| agent.line()).ok_or_else(gone);
    }
    let agent = sandbox.roots().map_err(|error| error.to_string())?;
    Ok(agent.line())
}

/// Asks the agent whose process an order is about.
async fn ask(sandbox: &Sandbox, mut order: Value) -> Result<Value, (String, String)> {
    let pid = order["pid"].as_u64().unwrap_or_default();
    let is_root = pid >= ROOTS_PIDS;
    if is_root {
        order["pid"] = json!(pid - ROOTS_PIDS);
    }
    let internal = |message| ("internal".to_owned(), message);
    let line = line_of(sandbox, is_root).map_err(internal)?;
    let is_list = order["op"] == "list";
    let mut answer = line.ask(order.clone()).await?;
    let has_root = sandbox.roots.lock().is_ok_and(|roots| roots.is_some());
    if is_list && has_root {
        let roots = line_of(sandbox, true).map_err(internal)?.ask(order).await?;
        let roots = roots.as_array().cloned().unwrap_or_default();
        if let Some(listed) = answer.as_array_mut() {
            listed.extend(roots.into_iter().map(|mut process| {
                process["pid"] = json!(process["pid"].as_u64().unwrap_or_default() + ROOTS_PIDS);
                process
            }));
        }
    }
    Ok(answer)
}

/// The user that a process is started as, where one is named.
fn user_of(asked: &Asked) -> Option<String> {
    let named = header(&asked.headers, "authorization")?.strip_prefix("Basic ")?;
    let named = String::from_utf8(BASE64_STANDARD.decode(named).ok()?).ok()?;
    named.split_once(':').map(|(user, _)| user.to_owned())
}

/// What the agent is asked for a call without a stream.
fn order(path: &str, asked: &Asked) -> Option<Value> {
    let body = asked.json()?;
    let pid = &body["process"]["pid"];
    Some(match path {
        "/process.Process/List" => json!({"op": "list"}),
        "/process.Process/SendSignal" => {
            json!({"op": "signal", "pid": pid, "signal": body["signal"]})
        }
        "/process.Process/SendInput" => {
            json!({"op": "input", "pid": pid, "data": body["input"]["stdin"]})
        }
        "/process.Process/CloseStdin" => json!({"op": "close_input", "pid": pid}),
        "/filesystem.Filesystem/ListDir" => json!({"op": "list_directory", "path": body["path"]}),
        "/filesystem.Filesystem/Stat" => json!({"op": "look", "path": body["path"]}),
        "/filesystem.Filesystem/MakeDir" => json!({"op": "make_directory", "path": body["path"]}),
        "/filesystem.Filesystem/Move" => {
            json!({"op": "move", "source": body["source"], "destination": body["destination"]})
        }
        "/filesystem.Filesystem/Remove" => json!({"op": "remove", "path": body["path"]}),
        _ => return None,
    })
}

fn unary(answer: Result<Value, (String, String)>, path: &str) -> Response {
    match answer {
        Ok(listed) if path.ends_with("/List") => {
            axum::Json(json!({"processes": listed})).into_response()
        }
        Ok(listed) if path.ends_with("/ListDir") => {
            axum::Json(json!({"entries": listed})).into_response()
        }
        Ok(entry) if path.starts_with("/filesystem") && !path.ends_with("/Remove") => {
            axum::Json(json!({"entry": entry})).into_response()
        }
        Ok(_) => axum::Json(json!({})).into_response(),
        Err((code, message)) => refused(&code, &message),
    }
}

/// An error of the Connect protocol.
fn refused(code: &str, message: &str) -> Response {
    let status = match code {
        "unauthenticated" => StatusCode::UNAUTHORIZED,
        "not_found" | "unimplemented" => StatusCode::NOT_FOUND,
        "invalid_argument" => StatusCode::BAD_REQUEST,
        "already_exists" => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (
        status,
        axum::Json(json!({"code": code, "message": message})),
    )
        .into_response()
}

fn envelope(flags: u8, payload: &Value) -> Bytes {
    let payload = payload.to_string();
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = vec![flags];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(payload.as_bytes());
    bytes.into()
}

fn start(sandbox: &Arc<Sandbox>, asked: &Asked) -> Response {
    let payload = asked.body.get(5..).unwrap_or_default();
    let Ok(body) = serde_json::from_slice::<Value>(payload) else {
        return refused("invalid_argument", "the envelope holds no JSON");
    };
    let process = &body["process"];
    let directory = process["cwd"].as_str().unwrap_or_default();
    let user = user_of(asked);
    let is_root = is_roots(user.as_deref(), directory);
    let found = is_root.and_then(|is_root| Ok((is_root, line_of(sandbox, is_root)?)));
    let (is_root, line) = match found {
        Ok(found) => found,
        Err(message) => return refused("invalid_argument", &message),
    };
    let above = if is_root { ROOTS_PIDS } else { 0 };
    let deadline = header(&asked.headers, "connect-timeout-ms");
    let deadline: Option<u64> = deadline.and_then(|text| text.parse().ok());
    let mut said = line.order(json!({
        "op": "start",
        "cmd": process["cmd"],
        "args": process.get("args").unwrap_or(&json!([])),
        "envs": process.get("envs").unwrap_or(&json!({})),
        "cwd": process.get("cwd"),
        "sandbox": sandbox.variables,
        "stdin": body["stdin"].as_bool().unwrap_or(false),
        "deadline_ms": deadline.filter(|deadline| *deadline > 0),
    }));
    let (sender, body) = streamed();
    tokio::spawn(async move {
        while let Some(said) = said.recv().await {
            let (event, last) = told(&said, above);
            let is_last = last.is_some();
            let envelopes = event
                .map(|event| envelope(0, &json!({"event": event})))
                .into_iter()
                .chain(last.map(|last| envelope(2, &last)));
            for bytes in envelopes {
                if sender.send(Ok(bytes)).await.is_err() {
                    return;
                }
            }
            if is_last {
                return;
            }
        }
        // The sandbox is gone: the connection breaks.
        let _ = sender
            .send(Err(std::io::ErrorKind::ConnectionReset.into()))
            .await;
    });
    ([("content-type", "application/connect+json")], body).into_response()
}

/// An event, and how the stream ends if it does. What is zero is left out, as proto3 does.
fn told(said: &Value, above: u64) -> (Option<Value>, Option<Value>) {
    if let Some(code) = said.get("error") {
        let error = json!({"error": {"code": code, "message": said["message"]}});
        return (None, Some(error));
    }
    if let Some(pid) = said["start"].as_u64() {
        let pid = pid + above;
        return (Some(json!({"start": {"pid": pid}})), None);
    }
    if let Some(status) = said["exit"].as_i64() {
        let mut end = serde_json::Map::new();
        let words = if status < 0 {
            end.insert("exitCode".to_owned(), json!(-1));
            format!("signal: {}", signal(-status))
        } else {
            end.insert("exited".to_owned(), json!(true));
            if status > 0 {
                end.insert("exitCode".to_owned(), json!(status));
            }
            format!("exit status {status}")
        };
        if status != 0 {
            end.insert("error".to_owned(), json!(words));
        }
        end.insert("status".to_owned(), json!(words));
        return (Some(json!({"end": end})), Some(json!({})));
    }
    let data = ["stdout", "stderr"]
        .iter()
        .find_map(|name| Some(json!({"data": {*name: said.get(name)?}})));
    (data, None)
}

/// The name that Go has for a signal.
fn signal(number: i64) -> String {
    match number {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        24 => "CPU time limit exceeded",
        25 => "file size limit exceeded",
        31 => "bad system call",
        _ => return format!("signal {number}"),
    }
    .to_owned()
}

async fn write(sandbox: &Sandbox, asked: &Asked) -> Response {
    let user = asked.value("username");
    let path = asked.value("path");
    let kind = header(&asked.headers, "content-type").unwrap_or_default();
    let files = match kind.split_once("boundary=") {
        Some((_, boundary)) => parts(&asked.body, boundary.trim_matches('"'), path.as_deref()),
        None => match path {
            Some(path) => vec![(path, asked.body.to_vec())],
            None => return failed(400, "path is missing"),
        },
    };
    let mut written = Vec::new();
    for (path, bytes) in files {
        let agent = match agent_at(sandbox, user.as_deref(), &path) {
            Ok(agent) => agent,
            Err(message) => return failed(403, message),
        };
        let order = json!({"op": "write", "path": path, "data": BASE64_STANDARD.encode(bytes)});
        match agent.ask(order).await {
            Ok(file) => written.push(file),
            Err((_, message)) if message.contains("No space left") => {
                return failed(507, "not enough disk space available");
            }
            Err((_, message)) => return failed(500, message),
        }
    }
    axum::Json(written).into_response()
}

/// The files of a form (RFC 7578). A path of the request is that of the only file.
fn parts(body: &[u8], boundary: &str, path: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let find = |text: &[u8], part: &[u8]| text.windows(part.len()).position(|some| some == part);
    let mark = format!("--{boundary}");
    let mut files = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, mark.as_bytes()) {
        rest = &rest[at + mark.len()..];
        let (Some(head_end), Some(end)) = (find(rest, b"\r\n\r\n"), find(rest, mark.as_bytes()))
        else {
            break;
        };
        let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
        let name = head
            .split_once("filename=\"")
            .and_then(|(_, name)| name.split_once('"'))
            .map(|(name, _)| name.to_owned());
        // Before the next mark stands a line end that is not the file's.
        let bytes = rest.get(head_end + 4..end - 2).unwrap_or_default().to_vec();
        if let Some(path) = path.map(str::to_owned).or(name) {
            files.push((path, bytes));
        }
        rest = &rest[end..];
    }
    files
}

async fn read(sandbox: &Sandbox, asked: &Asked) -> Response {
    let Some(path) = asked.value("path") else {
        return failed(400, "path is missing");
    };
    let agent = match agent_at(sandbox, asked.value("username").as_deref(), &path) {
        Ok(agent) => agent,
        Err(message) => return failed(403, message),
    };
    match agent.ask(json!({"op": "read", "path": path})).await {
        Ok(text) => {
            let text = text.as_str().unwrap_or_default();
            BASE64_STANDARD
                .decode(text)
                .unwrap_or_default()
                .into_response()
        }
        Err((code, message)) if code == "not_found" => failed(404, message),
        Err((_, message)) => failed(500, message),
    }
}
