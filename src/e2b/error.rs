//! What E2B refuses and what does not reach it, by kind, so that callers can decide.

use std::time::Duration;

use serde::Deserialize;

/// Why a call of E2B failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What was attempted, such as `create a sandbox`.
    pub attempted: &'static str,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What the server said, or what went wrong on the way; never a key.
    pub message: String,
    /// What the header `Should-Retry` says, if it says anything.
    pub should_retry: Option<bool>,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No key is set.
    KeyMissing,
    /// The key is refused (401).
    KeyRefused,
    /// The team is blocked, or may not do this (403).
    Forbidden,
    /// A request that the server does not accept (400, 422): a bad field, a lifetime above the plan.
    Refused,
    /// There is no such sandbox, template, context, process or file (404).
    NotFound,
    /// The sandbox changes its state just now (409).
    Conflict,
    /// Too many requests (429); perhaps how long to wait.
    RateLimit {
        /// What `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// As many sandboxes as the team may have are running (429).
    ConcurrencyLimit,
    /// Too many connections to one sandbox (429).
    ConnectionLimit,
    /// No capacity, a gateway or a placement that timed out (502, 503, 504).
    Busy,
    /// The sandbox was killed or reached the end of its life (502 of the proxy).
    SandboxGone,
    /// The sandbox runs, but nothing listens on the port (502 of the proxy).
    PortClosed,
    /// The disk of the sandbox is full (507).
    DiskFull,
    /// The server failed (500 and others).
    Server,
    /// The connection could not be made, or broke.
    Connection,
    /// The answer did not come in time.
    Late,
    /// The answer is longer than what is read of it.
    TooLong,
    /// The answer is not what the protocol says.
    Protocol,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        attempted: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Error {
            kind,
            attempted,
            status: None,
            message: message.into(),
            should_retry: None,
        }
    }

    pub(super) fn protocol(attempted: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Protocol, attempted, message)
    }

    /// An answer that is no such JSON. What it says instead may be anything, a key among it, and is not
    /// repeated.
    pub(super) fn broken(attempted: &'static str, error: &serde_json::Error) -> Self {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::protocol(attempted, format!("a broken answer, at {place}"))
    }

    /// What the transport says, without the address: that of a sandbox has its id in it.
    pub(super) fn transport(attempted: &'static str, error: &reqwest::Error) -> Self {
        let kind = if error.is_timeout() {
            ErrorKind::Late
        } else {
            ErrorKind::Connection
        };
        let mut message = String::new();
        let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(inner) = source {
            message = inner.to_string();
            source = inner.source();
        }
        if message.is_empty() {
            "the connection failed".clone_into(&mut message);
        }
        Error::new(kind, attempted, message)
    }

    /// An answer that is no success. `body` is what came of it, `header` looks up a header.
    pub(super) fn answer<'a>(
        attempted: &'static str,
        status: u16,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
    ) -> Self {
        let body = String::from_utf8_lossy(body);
        // The body may be that of a gateway, or plain text.
        let said: Said = serde_json::from_str(&body).unwrap_or_default();
        let message = plain(said.message.as_deref().unwrap_or(&body));
        let lower = message.to_lowercase();
        let kind = match status {
            401 => ErrorKind::KeyRefused,
            403 => ErrorKind::Forbidden,
            400 | 406 | 422 => ErrorKind::Refused,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            429 if said.connection_limit.is_some() => ErrorKind::ConnectionLimit,
            429 if lower.contains("maximum number of concurrent") => ErrorKind::ConcurrencyLimit,
            429 => ErrorKind::RateLimit {
                retry_after: header("retry-after")
                    .and_then(|seconds| seconds.trim().parse().ok())
                    .map(Duration::from_secs),
            },
            502 if lower.contains("sandbox was not found") => ErrorKind::SandboxGone,
            502 if lower.contains("port is not open") => ErrorKind::PortClosed,
            502..=504 => ErrorKind::Busy,
            507 => ErrorKind::DiskFull,
            _ => ErrorKind::Server,
        };
        Error {
            kind,
            attempted,
            status: Some(status),
            message,
            should_retry: header("should-retry").and_then(|said| said.parse().ok()),
        }
    }

    /// An error in the words of the Connect protocol
    /// (<https://connectrpc.com/docs/protocol#error-codes>), as it ends a stream or answers a call.
    pub(super) fn connect(
        attempted: &'static str,
        status: Option<u16>,
        code: &str,
        message: &str,
    ) -> Self {
        let kind = match code {
            "unauthenticated" => ErrorKind::KeyRefused,
            "permission_denied" => ErrorKind::Forbidden,
            "invalid_argument" | "failed_precondition" | "out_of_range" => ErrorKind::Refused,
            "not_found" => ErrorKind::NotFound,
            "already_exists" | "aborted" => ErrorKind::Conflict,
            "resource_exhausted" => ErrorKind::RateLimit { retry_after: None },
            "unavailable" => ErrorKind::Busy,
            "deadline_exceeded" | "canceled" => ErrorKind::Late,
            _ => ErrorKind::Server,
        };
        Error {
            kind,
            attempted,
            status,
            message: plain(message),
            should_retry: None,
        }
    }

    /// Whether the same call may succeed a little later.
    pub fn is_passing(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::RateLimit { .. }
                | ErrorKind::Busy
                | ErrorKind::Conflict
                | ErrorKind::Connection
                | ErrorKind::ConnectionLimit
        ) || self.kind == ErrorKind::Server && self.status == Some(500)
    }

    fn text(&self) -> String {
        let what = match self.kind {
            ErrorKind::KeyMissing => {
                return "E2B_API_KEY is not set: get a key at https://e2b.dev/dashboard".to_owned();
            }
            ErrorKind::KeyRefused => "the key is refused",
            ErrorKind::Forbidden => "it is forbidden",
            ErrorKind::Refused => "the request is refused",
            ErrorKind::NotFound => "it was not found",
            ErrorKind::Conflict => "the sandbox changes its state",
            ErrorKind::RateLimit { .. } => "too many requests",
            ErrorKind::ConcurrencyLimit => "as many sandboxes as the team may have are running",
            ErrorKind::ConnectionLimit => "too many connections to the sandbox",
            ErrorKind::Busy => "the service is busy",
            ErrorKind::SandboxGone => "the sandbox was killed or reached the end of its life",
            ErrorKind::PortClosed => "nothing listens in the sandbox",
            ErrorKind::DiskFull => "the disk of the sandbox is full",
            ErrorKind::Server => "the server failed",
            ErrorKind::Connection => "the connection failed",
            ErrorKind::Late => "the answer did not come in time",
            ErrorKind::TooLong => "the answer is too long",
            ErrorKind::Protocol => "the answer is not understood",
        };
        let status = self
            .status
            .map_or(String::new(), |status| format!(" (status {status})"));
        let message = if self.message.is_empty() {
            String::new()
        } else {
            format!(": {}", self.message)
        };
        format!("E2B could not {}: {what}{status}{message}", self.attempted)
    }
}

/// The body of an error.
#[derive(Debug, Default, Deserialize)]
struct Said {
    message: Option<String>,
    #[serde(rename = "connectionLimit")]
    connection_limit: Option<u64>,
}

/// What a server says, as a short text on one line.
fn plain(body: &str) -> String {
    const LONGEST: usize = 300;
    let mut text = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST).collect::<String>() + "…";
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Error, ErrorKind};

    fn kind(status: u16, body: &str) -> ErrorKind {
        Error::answer("try", status, |_| None, body.as_bytes()).kind
    }

    #[test]
    fn every_documented_answer_has_its_kind() {
        let table = [
            (
                400,
                r#"{"code":400,"message":"Timeout cannot be greater than 1 hours"}"#,
                ErrorKind::Refused,
            ),
            (
                401,
                r#"{"code":401,"message":"Invalid API key"}"#,
                ErrorKind::KeyRefused,
            ),
            (
                403,
                r#"{"code":403,"message":"forbidden"}"#,
                ErrorKind::Forbidden,
            ),
            (
                404,
                r#"{"code":404,"message":"sandbox not found"}"#,
                ErrorKind::NotFound,
            ),
            (
                409,
                r#"{"code":409,"message":"paused"}"#,
                ErrorKind::Conflict,
            ),
            (422, r#"{"detail":[]}"#, ErrorKind::Refused),
            (
                429,
                r#"{"code":429,"message":"you have reached the maximum number of concurrent E2B sandboxes (20)"}"#,
                ErrorKind::ConcurrencyLimit,
            ),
            (
                429,
                r#"{"message":"too many concurrent incoming connections","code":429,"connectionLimit":100}"#,
                ErrorKind::ConnectionLimit,
            ),
            (429, "", ErrorKind::RateLimit { retry_after: None }),
            (500, "Failed to create context: {}", ErrorKind::Server),
            (502, "<html>bad gateway</html>", ErrorKind::Busy),
            (
                502,
                r#"{"message":"The sandbox was not found","code":502}"#,
                ErrorKind::SandboxGone,
            ),
            (
                502,
                r#"{"message":"The sandbox is running but port is not open","port":49999,"code":502}"#,
                ErrorKind::PortClosed,
            ),
            (
                503,
                r#"{"code":503,"message":"no capacity","error_code":"sandbox_capacity_unavailable"}"#,
                ErrorKind::Busy,
            ),
            (504, "", ErrorKind::Busy),
            (
                507,
                r#"{"code":507,"message":"not enough disk space available"}"#,
                ErrorKind::DiskFull,
            ),
        ];
        for (status, body, wanted) in table {
            assert_eq!(kind(status, body), wanted, "{status} {body}");
        }
        let limited = Error::answer(
            "try",
            429,
            |name| (name == "retry-after").then_some("3"),
            b"{}",
        );
        let retry_after = Some(Duration::from_secs(3));
        assert_eq!(limited.kind, ErrorKind::RateLimit { retry_after });
    }

    #[test]
    fn a_message_says_what_was_attempted_and_what_came() {
        let error = Error::answer(
            "create a sandbox",
            404,
            |_| None,
            br#"{"message":"template 'x' not found"}"#,
        );
        assert_eq!(
            error.to_string(),
            "E2B could not create a sandbox: it was not found (status 404): template 'x' not found"
        );
    }
}
