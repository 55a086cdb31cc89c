//! The code interpreter of a sandbox.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Asked, Sandbox, streamed};

/// How often a stream without events shows that it lives.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn answer(sandbox: &Arc<Sandbox>, asked: &Asked) -> Response {
    let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
    match (&asked.method, &parts[..]) {
        (&Method::POST, ["execute"]) => execute(sandbox, asked).await,
        (&Method::POST, ["contexts"]) => create(sandbox, asked).await,
        (&Method::GET, ["contexts"]) => list(sandbox).await,
        (&Method::POST, ["contexts", id, "restart"]) => {
            change(sandbox, id, "restart_context").await
        }
        (&Method::DELETE, ["contexts", id]) => change(sandbox, id, "remove_context").await,
        _ => (
            StatusCode::NOT_FOUND,
            axum::Json(json!({"detail": "Not Found"})),
        )
            .into_response(),
    }
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    (status, text.into()).into_response()
}

/// What the agent refuses, in the words of the real server.
fn refused((code, message): (String, String)) -> Response {
    match code.as_str() {
        "not_found" => plain(StatusCode::NOT_FOUND, message),
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, message),
    }
}

impl Sandbox {
    /// Variables that the server pastes before the first program of a context.
    fn pasted(&self) -> Value {
        let mut variables = self.variables.clone();
        variables.insert("E2B_SANDBOX".to_owned(), "true".to_owned());
        variables.insert("E2B_SANDBOX_ID".to_owned(), self.id.clone());
        variables.insert("E2B_TEMPLATE_ID".to_owned(), self.template.clone());
        json!(variables)
    }

    async fn make_context(
        &self,
        language: Option<&str>,
        cwd: Option<&str>,
    ) -> Result<Value, Response> {
        let agent = self.agent.as_ref();
        let agent = agent.ok_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())?;
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let order = json!({
            "op": "create_context",
            "context": id,
            "language": language,
            "cwd": cwd,
            "variables": self.pasted(),
        });
        let made = agent.ask(order).await.map_err(refused)?;
        Ok(made)
    }
}

async fn create(sandbox: &Sandbox, asked: &Asked) -> Response {
    let body = asked.json().unwrap_or_default();
    let made = sandbox
        .make_context(body["language"].as_str(), body["cwd"].as_str())
        .await;
    match made {
        Ok(made) => {
            let id = made["id"].as_str().unwrap_or_default().to_owned();
            sandbox
                .defaults
                .lock()
                .await
                .insert(format!("#{id}"), made.to_string());
            axum::Json(made).into_response()
        }
        Err(response) => response,
    }
}

async fn list(sandbox: &Sandbox) -> Response {
    let known = sandbox.defaults.lock().await;
    let contexts: Vec<Value> = known
        .iter()
        .filter(|(name, _)| name.starts_with('#'))
        .filter_map(|(_, text)| serde_json::from_str(text).ok())
        .collect();
    axum::Json(contexts).into_response()
}

async fn change(sandbox: &Sandbox, id: &str, operation: &str) -> Response {
    let Some(agent) = &sandbox.agent else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match agent.ask(json!({"op": operation, "context": id})).await {
        Ok(_) => {
            if operation == "remove_context" {
                sandbox.defaults.lock().await.remove(&format!("#{id}"));
            }
            axum::Json(Value::Null).into_response()
        }
        Err(error) => refused(error),
    }
}

async fn execute(sandbox: &Arc<Sandbox>, asked: &Asked) -> Response {
    let body = asked.json();
    let Some(code) = body.as_ref().and_then(|body| body["code"].as_str()) else {
        let detail = json!({"detail": [{"type": "missing", "loc": ["body", "code"], "msg": "Field required"}]});
        return (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(detail)).into_response();
    };
    let body = body.clone().unwrap_or_default();
    let (language, context) = (body["language"].as_str(), body["context_id"].as_str());
    let context = match (language, context) {
        (Some(_), Some(_)) => {
            return plain(
                StatusCode::BAD_REQUEST,
                "Only one of context_id or language can be provided",
            );
        }
        (_, Some(context)) => context.to_owned(),
        (language, None) => {
            let language = language.unwrap_or("python").trim().to_lowercase();
            let mut defaults = sandbox.defaults.lock().await;
            match defaults.get(&language) {
                Some(id) => id.clone(),
                None => match sandbox.make_context(Some(&language), None).await {
                    Ok(made) => {
                        let id = made["id"].as_str().unwrap_or_default().to_owned();
                        defaults.insert(format!("#{id}"), made.to_string());
                        defaults.insert(language, id.clone());
                        id
                    }
                    Err(response) => return response,
                },
            }
        }
    };
    let Some(agent) = &sandbox.agent else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let is_known = sandbox
        .defaults
        .lock()
        .await
        .contains_key(&format!("#{context}"));
    if !is_known {
        return plain(
            StatusCode::NOT_FOUND,
            format!("Context {context} not found"),
        );
    }
    let mut said = agent.order(json!({
        "op": "execute",
        "context": context,
        "code": code,
        "envs": body["env_vars"].as_object(),
    }));
    let (sender, stream) = streamed();
    // Weak, so that a stream that never ends does not keep a sandbox that was killed.
    let sandbox = Arc::downgrade(sandbox);
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                said = said.recv() => match said {
                    Some(said) => said["event"].clone(),
                    None => {
                        let _ = sender.send(Err(std::io::ErrorKind::ConnectionReset.into())).await;
                        return;
                    }
                },
                () = tokio::time::sleep(KEEPALIVE_EVERY) => json!({"type": "keepalive"}),
                () = sender.closed() => {
                    // A program is interrupted by the end of its connection, and by nothing else.
                    if let Some(sandbox) = sandbox.upgrade() && let Some(agent) = &sandbox.agent {
                        drop(agent.order(json!({"op": "interrupt", "context": context})));
                    }
                    return;
                }
            };
            let is_last = event["type"] == "end_of_execution";
            let sent = sender.send(Ok(Bytes::from(format!("{event}\n")))).await;
            if is_last || sent.is_err() {
                return;
            }
        }
    });
    stream.into_response()
}
