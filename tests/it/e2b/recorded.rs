//! A server that answers requests as a recording of the official SDKs says, and keeps what was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The server; ends with this value.
pub(super) struct Recorded {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

struct Shared {
    /// Not yet given, the next one first.
    answers: Mutex<Vec<Value>>,
    asked: Mutex<Vec<Value>>,
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Recorded {
    /// Gives these answers, one after the other.
    pub(super) async fn start(answers: Vec<Value>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::new(answers),
            asked: Mutex::default(),
        });
        let router = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Recorded {
            address,
            shared,
            serving,
        }
    }

    /// What was asked so far.
    pub(super) fn asked(&self) -> Vec<Value> {
        self.shared.asked.lock().unwrap().clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let target = parts.uri.path_and_query().unwrap().as_str();
    shared.asked.lock().unwrap().push(json!({
        "method": parts.method.as_str(),
        "path": target,
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
        "envelope": body.get(5..).and_then(|payload| serde_json::from_slice::<Value>(payload).ok()),
    }));
    let next = {
        let mut answers = shared.answers.lock().unwrap();
        (!answers.is_empty()).then(|| answers.remove(0))
    };
    match next {
        Some(next) => respond(&next),
        None => (StatusCode::NOT_IMPLEMENTED, "nothing more is recorded").into_response(),
    }
}

fn respond(response: &Value) -> Response {
    let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
    let body = match response["chunks"].as_array() {
        Some(chunks) => streamed(chunks.clone()),
        None => match &response["body"] {
            Value::Null => Body::empty(),
            Value::String(text) => Body::from(text.clone()),
            other => Body::from(other.to_string()),
        },
    };
    let mut answer = Response::builder().status(status);
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        answer = answer.header(name, value.as_str().unwrap());
    }
    answer.body(body).unwrap()
}

fn streamed(chunks: Vec<Value>) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        for chunk in chunks {
            let next = if let Some(text) = chunk["text"].as_str() {
                Ok(Bytes::from(text.to_owned()))
            } else if let Some(envelope) = chunk.get("connect_envelope") {
                let payload = envelope["json"].to_string();
                let mut bytes = vec![u8::try_from(envelope["flags"].as_u64().unwrap()).unwrap()];
                bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
                bytes.extend_from_slice(payload.as_bytes());
                Ok(bytes.into())
            } else if let Some(seconds) = chunk["sleep_s"].as_f64() {
                // Until the client goes, or as long as was recorded.
                let wait = tokio::time::sleep(Duration::from_secs_f64(seconds));
                tokio::select! {
                    () = wait => continue,
                    () = sender.closed() => return,
                }
            } else if chunk.get("connection_closed_without_final_chunk").is_some() {
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
            } else {
                return;
            };
            if sender.send(next).await.is_err() {
                return;
            }
        }
    });
    Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver))
}
