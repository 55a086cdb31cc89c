//! The control plane.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::agent::Agent;
use super::replay::Recording;
use super::{Asked, Life, Sandbox, Shared, decoded, failed, header};

pub(super) async fn answer(shared: &Arc<Shared>, asked: &Asked) -> Response {
    let key = header(&asked.headers, "x-api-key").unwrap_or_default();
    let is_accepted = match &shared.options.key {
        Some(wanted) => key == wanted,
        None => !key.is_empty(),
    };
    if !is_accepted {
        return failed(401, "Cannot get the team for the given API key");
    }
    let second = asked.path.strip_prefix("/v2");
    if second.is_some() && shared.options.is_version_1 && asked.method == Method::POST {
        return (StatusCode::NOT_FOUND, "404 page not found").into_response();
    }
    let path = second.unwrap_or(&asked.path);
    let parts: Vec<&str> = path.split('/').skip(2).collect();
    match (&asked.method, &parts[..]) {
        (&Method::POST, []) => create(shared, asked),
        (&Method::GET, []) => list(shared, asked),
        (method, [id, rest @ ..]) => {
            let found = shared.lock().get(*id).cloned();
            let Some(sandbox) = found else {
                return failed(404, "sandbox not found");
            };
            one(shared, asked, method, &sandbox, rest)
        }
        _ => failed(405, "method not allowed"),
    }
}

fn one(
    shared: &Arc<Shared>,
    asked: &Asked,
    method: &Method,
    sandbox: &Arc<Sandbox>,
    rest: &[&str],
) -> Response {
    let seconds = || asked.json().and_then(|body| body["timeout"].as_u64());
    match (method, rest) {
        (&Method::DELETE, []) => {
            shared.lock().remove(&sandbox.id);
            StatusCode::NO_CONTENT.into_response()
        }
        (&Method::GET, []) => axum::Json(sandbox.listed()).into_response(),
        (&Method::POST, ["timeout"]) => match seconds() {
            Some(seconds) => {
                sandbox.live(seconds, true);
                StatusCode::NO_CONTENT.into_response()
            }
            None => failed(400, "timeout is missing"),
        },
        (&Method::POST, ["pause"]) => {
            let was_paused = std::mem::replace(&mut sandbox.life().is_paused, true);
            if was_paused {
                failed(409, "sandbox is already paused")
            } else {
                StatusCode::NO_CONTENT.into_response()
            }
        }
        (&Method::POST, ["connect"]) => {
            let was_paused = std::mem::replace(&mut sandbox.life().is_paused, false);
            sandbox.live(seconds().unwrap_or(300), false);
            let status = if was_paused {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            (status, axum::Json(sandbox.created())).into_response()
        }
        _ => failed(404, "no such route"),
    }
}

fn create(shared: &Arc<Shared>, asked: &Asked) -> Response {
    let Some(body) = asked.json() else {
        return failed(400, "the body is not JSON");
    };
    let Some(template) = body["templateID"].as_str() else {
        return failed(400, "templateID is missing");
    };
    if !["code-interpreter-v1", "base"].contains(&template) {
        return failed(404, format!("template '{template}' not found"));
    }
    let lifetime = body["timeout"].as_u64().unwrap_or(300);
    if lifetime > 24 * 3600 {
        return failed(400, "Timeout cannot be greater than 24 hours");
    }
    let idempotency = header(&asked.headers, "idempotency-key").map(str::to_owned);
    let mut created = shared
        .created
        .lock()
        .expect("no request panics while it makes a sandbox");
    let known = idempotency.as_ref().and_then(|key| created.get(key));
    if let Some(sandbox) = known.and_then(|id| shared.lock().get(id).cloned()) {
        return (StatusCode::CREATED, axum::Json(sandbox.created())).into_response();
    }
    let most = shared.options.sandboxes_max;
    if most.is_some_and(|most| shared.lock().len() >= most) {
        let most = most.unwrap_or_default();
        return failed(
            429,
            format!("you have reached the maximum number of concurrent E2B sandboxes ({most})"),
        );
    }
    let sandbox = match Sandbox::make(shared, &body, template, lifetime) {
        Ok(sandbox) => Arc::new(sandbox),
        Err(error) => return failed(500, error.to_string()),
    };
    shared
        .lock()
        .insert(sandbox.id.clone(), Arc::clone(&sandbox));
    if let Some(key) = idempotency {
        created.insert(key, sandbox.id.clone());
    }
    tokio::spawn(end_in_time(Arc::downgrade(shared), sandbox.id.clone()));
    (StatusCode::CREATED, axum::Json(sandbox.created())).into_response()
}

/// Ends a sandbox at the end of its life, which may be moved meanwhile.
async fn end_in_time(shared: std::sync::Weak<Shared>, id: String) {
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Some(sandbox) = shared.lock().get(&id).cloned() else {
            return;
        };
        let ends_at = sandbox.life().ends_at;
        if ends_at <= Instant::now() {
            shared.lock().remove(&id);
            return;
        }
        let moved = Arc::clone(&sandbox.moved);
        // Waiting does not keep a sandbox that was killed.
        drop((shared, sandbox));
        tokio::select! {
            () = tokio::time::sleep_until(ends_at) => {}
            () = moved.notified() => {}
        }
    }
}

fn list(shared: &Shared, asked: &Asked) -> Response {
    // Encoded as a whole by the query, then word by word, twice.
    let wanted: Vec<(String, String)> = asked
        .value("metadata")
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(&decoded(name)), decoded(&decoded(value))))
        .collect();
    let states = asked.value("state");
    let all: Vec<Value> = shared
        .lock()
        .values()
        .filter(|sandbox| {
            wanted
                .iter()
                .all(|(name, value)| sandbox.metadata.get(name) == Some(value))
        })
        .map(|sandbox| sandbox.listed())
        .filter(|listed| {
            let state = listed["state"].as_str().unwrap_or_default();
            states
                .as_ref()
                .is_none_or(|states| states.split(',').any(|wanted| wanted == state))
        })
        .collect();
    let limit = asked.value("limit").and_then(|limit| limit.parse().ok());
    let limit: usize = limit.unwrap_or(100);
    let from = asked
        .value("nextToken")
        .and_then(|token| token.parse().ok());
    let from: usize = from.unwrap_or(0);
    let page: Vec<&Value> = all.iter().skip(from).take(limit).collect();
    let mut response = axum::Json(json!(page)).into_response();
    if from + limit < all.len() {
        let next = (from + limit).to_string();
        if let Ok(next) = next.parse() {
            response.headers_mut().insert("x-next-token", next);
        }
    }
    response
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn random(count: usize) -> String {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Sandbox {
    fn make(
        shared: &Arc<Shared>,
        body: &Value,
        template: &str,
        lifetime: u64,
    ) -> std::io::Result<Sandbox> {
        let metadata = texts(&body["metadata"]);
        let internet = body["allow_internet_access"].as_bool().unwrap_or(true);
        let recording = match (&shared.options.recordings, metadata.get("replay")) {
            (Some(directory), Some(name)) => {
                Some(Recording::read(&directory.join(format!("{name}.json")))?)
            }
            _ => None,
        };
        let agent = match recording {
            Some(_) => None,
            None => Some(Agent::start(Arc::clone(&shared.local), internet, None)?),
        };
        Ok(Sandbox {
            id: format!("i{}", random(10)),
            template: template.to_owned(),
            metadata,
            variables: texts(&body["envVars"]),
            internet,
            state: Mutex::new(Life {
                is_paused: false,
                ends_at: Instant::now() + Duration::from_secs(lifetime),
            }),
            moved: Arc::default(),
            envd_token: random(16),
            agent,
            roots: Mutex::default(),
            local: Arc::clone(&shared.local),
            recording,
            defaults: tokio::sync::Mutex::default(),
        })
    }

    /// Sets how long it lives from now.
    fn live(&self, seconds: u64, may_shorten: bool) {
        let mut life = self.life();
        let ends_at = Instant::now() + Duration::from_secs(seconds);
        if may_shorten || ends_at > life.ends_at {
            life.ends_at = ends_at;
            self.moved.notify_one();
        }
    }

    fn created(&self) -> Value {
        json!({
            "templateID": self.template,
            "sandboxID": self.id,
            "clientID": "emulator",
            "envdVersion": "0.6.7",
            "alias": self.template,
            "envdAccessToken": self.envd_token,
            "trafficAccessToken": null,
            "domain": null,
        })
    }

    fn listed(&self) -> Value {
        let life = self.life();
        json!({
            "templateID": self.template,
            "sandboxID": self.id,
            "clientID": "emulator",
            "envdVersion": "0.6.7",
            "alias": self.template,
            "envdAccessToken": self.envd_token,
            "domain": null,
            "startedAt": "2026-01-01T00:00:00Z",
            "endAt": "2026-01-01T00:05:00Z",
            "cpuCount": 2,
            "memoryMB": 2048,
            "diskSizeMB": 512,
            "metadata": self.metadata,
            "state": if life.is_paused { "paused" } else { "running" },
            "allowInternetAccess": self.internet,
        })
    }
}
