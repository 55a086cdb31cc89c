//! Recordings of the real interpreter, answered byte for byte.

use std::path::Path;
use std::sync::Mutex;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::{Asked, failed, streamed};

/// A recording: requests with their answers, each given once.
#[derive(Debug)]
pub(super) struct Recording {
    steps: Mutex<Vec<Option<Value>>>,
}

impl Recording {
    pub(super) fn read(path: &Path) -> std::io::Result<Recording> {
        let text = std::fs::read_to_string(path)?;
        let recording: Value = serde_json::from_str(&text)?;
        let steps = recording["steps"].as_array().cloned().unwrap_or_default();
        Ok(Recording {
            steps: Mutex::new(steps.into_iter().map(Some).collect()),
        })
    }

    /// The answer of the first step with this request that was not given yet.
    pub(super) fn answer(&self, asked: &Asked) -> Response {
        let mut steps = self
            .steps
            .lock()
            .expect("nobody panics while it looks for a step");
        let step = steps
            .iter_mut()
            .find(|step| step.as_ref().is_some_and(|step| is_asked(step, asked)))
            .and_then(Option::take);
        match step {
            Some(step) => answer(&step["response"]),
            None => failed(501, "the recording has no such request"),
        }
    }
}

fn is_asked(step: &Value, asked: &Asked) -> bool {
    let request = &step["request"];
    let said = asked.json().unwrap_or_default();
    // Clients leave out what is null, or do not.
    let is_same = ["code", "context_id", "language", "env_vars", "cwd"]
        .iter()
        .all(|key| {
            said.get(key).unwrap_or(&Value::Null)
                == request["body"].get(key).unwrap_or(&Value::Null)
        });
    request["method"] == asked.method.as_str() && request["path"] == asked.path.as_str() && is_same
}

fn answer(response: &Value) -> Response {
    let status = response["status"].as_u64().unwrap_or(500);
    let status = u16::try_from(status).unwrap_or(500);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = match response["lines"].as_array() {
        None => (
            status,
            response["body"].as_str().unwrap_or_default().to_owned(),
        )
            .into_response(),
        Some(lines) => {
            let lines: Vec<Bytes> = lines.iter().map(line).collect();
            let ends = response["ended"] == "eof";
            let (sender, body) = streamed();
            tokio::spawn(async move {
                for line in lines {
                    if sender.send(Ok(line)).await.is_err() {
                        return;
                    }
                }
                if !ends {
                    // The client closed it when this was recorded.
                    sender.closed().await;
                }
            });
            (status, Body::new(body)).into_response()
        }
    };
    answer.headers_mut().remove("content-type");
    let kind = response["headers"]["content-type"].as_str();
    if let Some(kind) = kind.and_then(|kind| kind.parse().ok()) {
        answer.headers_mut().insert("content-type", kind);
    }
    answer
}

/// The bytes of a line. Of the longest only both ends were kept; what is between is filled up, and an
/// escape that was cut in two is left out.
fn line(line: &Value) -> Bytes {
    if let Some(raw) = line["raw"].as_str() {
        return Bytes::from(raw.to_owned());
    }
    /// Of the longest escape, `\u` and four digits.
    const ESCAPE: usize = 6;
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let (prefix, suffix) = (text("raw_prefix"), text("raw_suffix"));
    let length = line["raw_len"].as_u64().unwrap_or_default();
    let length = usize::try_from(length).unwrap_or_default();
    let cuts = (0..=ESCAPE).flat_map(|one| (0..=ESCAPE).map(move |other| (one, other)));
    let filled = cuts.map(|(one, other)| {
        let prefix = prefix
            .get(..prefix.len().saturating_sub(one))
            .unwrap_or(prefix);
        let suffix = suffix.get(other..).unwrap_or(suffix);
        let missing = length.saturating_sub(prefix.len() + suffix.len());
        format!("{prefix}{}{suffix}", "x".repeat(missing))
    });
    let whole = filled
        .into_iter()
        .find(|text| serde_json::from_str::<Value>(text).is_ok());
    Bytes::from(whole.unwrap_or_default())
}
