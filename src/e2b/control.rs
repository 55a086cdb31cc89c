//! The control plane: sandboxes are made, found, kept alive, paused and ended here.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorKind};
use super::sandbox::{Access, Sandbox};
use super::{Client, control, secret_header, with_json};

/// The id of the one sandbox of the local mode, as in the SDKs.
const DEBUG_ID: &str = "debug_sandbox_id";
/// Tries of a create beyond the first, as the Python SDK makes.
const RETRIES: u32 = 3;
/// The longest that a create waits before it tries again.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(30);

/// A sandbox to be made. One order is one sandbox, however often it is given.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSandbox {
    /// The template's name or id.
    pub template: String,
    /// How long it lives from now, unless it is ended before. Whole seconds; the servers' own default
    /// depends on the version, so it is always sent.
    pub lifetime: Duration,
    /// Words by which it is found again. Only letters, digits, `_` and `-` can be searched for on
    /// every version.
    pub metadata: BTreeMap<String, String>,
    /// Variables of all its processes.
    pub environment: BTreeMap<String, String>,
    /// Whether it may reach the internet.
    pub internet: bool,
    /// Fields of the request that have no place here, such as `network`.
    pub more: serde_json::Map<String, serde_json::Value>,
    /// Made anew for each order and kept over its retries, so that none makes a second sandbox.
    pub idempotency_key: String,
}

impl NewSandbox {
    /// A sandbox without the internet, with an idempotency key of its own.
    pub fn new(template: impl Into<String>, lifetime: Duration) -> Self {
        NewSandbox {
            template: template.into(),
            lifetime,
            metadata: BTreeMap::new(),
            environment: BTreeMap::new(),
            internet: false,
            more: serde_json::Map::new(),
            idempotency_key: super::random_word::<16>(),
        }
    }
}

/// The body of a create.
#[derive(Serialize)]
struct Create<'a> {
    #[serde(rename = "templateID")]
    template: &'a str,
    timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    secure: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_internet_access: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(rename = "envVars", skip_serializing_if = "BTreeMap::is_empty")]
    environment: &'a BTreeMap<String, String>,
    #[serde(flatten)]
    more: &'a serde_json::Map<String, serde_json::Value>,
}

/// What a create or a connect answers.
#[derive(Deserialize)]
struct Created {
    #[serde(rename = "sandboxID")]
    id: String,
    #[serde(rename = "envdVersion", default)]
    envd_version: String,
    #[serde(rename = "envdAccessToken", default)]
    envd_token: Option<String>,
    #[serde(rename = "trafficAccessToken", default)]
    traffic_token: Option<String>,
    #[serde(default)]
    domain: Option<String>,
}

/// What state a sandbox is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Running,
    /// It is kept and does not run.
    Paused,
}

/// A sandbox as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// Its id.
    #[serde(rename = "sandboxID")]
    pub id: String,
    /// Its template's id.
    #[serde(rename = "templateID", default)]
    pub template: String,
    /// When it began, RFC 3339.
    #[serde(rename = "startedAt", default)]
    pub started_at: String,
    /// When it ends, RFC 3339.
    #[serde(rename = "endAt", default)]
    pub end_at: String,
    /// Its state.
    pub state: State,
    /// The words given to it.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Which sandboxes to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Words that they all have.
    pub metadata: BTreeMap<String, String>,
    /// States that they may be in; none: all.
    pub states: Vec<State>,
    /// How many a page, 1 to 100.
    pub limit: Option<u32>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The sandboxes on it.
    pub sandboxes: Vec<Listed>,
    /// What the next page is asked for with; `None`: this is the last.
    pub next: Option<String>,
}

impl Client {
    /// A request to the control plane.
    fn request(
        &self,
        attempted: &'static str,
        method: Method,
        path: &str,
    ) -> Result<RequestBuilder, Error> {
        let key = self.config().key.as_ref();
        let key = key.ok_or_else(|| Error::new(ErrorKind::KeyMissing, attempted, ""))?;
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("x-api-key");
        secret_header(&mut headers, attempted, name, key)?;
        Ok(control(self, method, path).headers(headers))
    }

    /// Makes a sandbox. An answer that says to come back, or that was lost, is tried again with the
    /// same idempotency key.
    ///
    /// # Errors
    /// Any kind but those of sandboxes that run.
    pub async fn create(&self, order: &NewSandbox) -> Result<Sandbox, Error> {
        const ATTEMPTED: &str = "create a sandbox";
        if self.config().debug {
            let created = Created {
                id: DEBUG_ID.to_owned(),
                envd_version: String::new(),
                envd_token: None,
                traffic_token: None,
                domain: None,
            };
            return self.sandbox(ATTEMPTED, created);
        }
        let mut tries = 0;
        loop {
            let error = match self.create_once(ATTEMPTED, order).await {
                Ok(created) => return self.sandbox(ATTEMPTED, created),
                Err(error) => error,
            };
            let wait = match error.kind {
                ErrorKind::RateLimit {
                    retry_after: Some(wait),
                } => wait,
                _ => Duration::from_millis(200) * 2_u32.pow(tries),
            };
            // A limit of the team does not pass by itself, and without the key a create that was
            // lost on its way could be made twice.
            let is_safe = matches!(error.kind, ErrorKind::RateLimit { .. } | ErrorKind::Busy)
                || !self.is_version_1() && error.is_passing();
            // One that came too late or broken may have been made: the same key finds it.
            let is_lost = tries == 0
                && !self.is_version_1()
                && matches!(error.kind, ErrorKind::Late | ErrorKind::Protocol);
            let may_retry = error.should_retry.unwrap_or(is_safe || is_lost);
            if tries == RETRIES || !may_retry || wait > RETRY_WAIT_MAX {
                return Err(error);
            }
            tries += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn create_once(
        &self,
        attempted: &'static str,
        order: &NewSandbox,
    ) -> Result<Created, Error> {
        let body = |secure| Create {
            template: &order.template,
            timeout: order.lifetime.as_secs().max(1),
            secure,
            allow_internet_access: (!order.internet).then_some(false),
            metadata: &order.metadata,
            environment: &order.environment,
            more: &order.more,
        };
        if !self.is_version_1() {
            let request = self
                .request(attempted, Method::POST, "/v2/sandboxes")?
                .header("idempotency-key", &order.idempotency_key);
            match self.json(attempted, with_json(request, &body(None))).await {
                Err(error) if has_no_route(&error) => {
                    self.0.version_1.store(true, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        // The first version secures a sandbox only when it is asked to.
        let request = self.request(attempted, Method::POST, "/sandboxes")?;
        self.json(attempted, with_json(request, &body(Some(true))))
            .await
    }

    fn is_version_1(&self) -> bool {
        self.0.version_1.load(Ordering::Relaxed)
    }

    fn sandbox(&self, attempted: &'static str, created: Created) -> Result<Sandbox, Error> {
        // They become parts of addresses, to which tokens are sent.
        let is_name = |text: &str, more: &[u8]| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        if !is_name(&created.id, b"-_") {
            return Err(Error::protocol(attempted, "the sandbox's id is not a name"));
        }
        let domain = created.domain.filter(|domain| !domain.is_empty());
        if domain
            .as_ref()
            .is_some_and(|domain| !is_name(domain, b"-."))
        {
            return Err(Error::protocol(
                attempted,
                "the sandbox's domain is not a name",
            ));
        }
        let access = Access {
            domain,
            envd_version: created.envd_version,
            envd_token: created.envd_token.map(super::Secret::new),
            traffic_token: created.traffic_token.map(super::Secret::new),
        };
        Ok(Sandbox::new(self.clone(), created.id, access))
    }

    /// A handle for a sandbox that runs or is paused; a paused one is resumed. Its life is extended to
    /// `lifetime` from now and never shortened.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub async fn connect(&self, id: &str, lifetime: Duration) -> Result<Sandbox, Error> {
        const ATTEMPTED: &str = "connect to a sandbox";
        let version = if self.is_version_1() { "" } else { "/v2" };
        let path = format!("{version}/sandboxes/{id}/connect");
        let request = self.request(ATTEMPTED, Method::POST, &path)?;
        let body = Timeout {
            timeout: lifetime.as_secs(),
        };
        let created = self.json(ATTEMPTED, with_json(request, &body)).await?;
        self.sandbox(ATTEMPTED, created)
    }

    /// Ends a sandbox; whether there was one.
    ///
    /// # Errors
    /// When it is not known that it ended.
    pub async fn kill(&self, id: &str) -> Result<bool, Error> {
        const ATTEMPTED: &str = "kill a sandbox";
        if self.config().debug {
            return Ok(true);
        }
        let request = self.request(ATTEMPTED, Method::DELETE, &format!("/sandboxes/{id}"))?;
        match self.done(ATTEMPTED, request).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sets how long a sandbox lives from now, longer or shorter.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub async fn set_lifetime(&self, id: &str, lifetime: Duration) -> Result<(), Error> {
        const ATTEMPTED: &str = "set the lifetime of a sandbox";
        if self.config().debug {
            return Ok(());
        }
        let path = format!("/sandboxes/{id}/timeout");
        let request = self.request(ATTEMPTED, Method::POST, &path)?;
        let body = Timeout {
            timeout: lifetime.as_secs(),
        };
        self.done(ATTEMPTED, with_json(request, &body)).await
    }

    /// Pauses a sandbox; whether it ran until now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub async fn pause(&self, id: &str) -> Result<bool, Error> {
        const ATTEMPTED: &str = "pause a sandbox";
        let path = format!("/sandboxes/{id}/pause");
        let request = self.request(ATTEMPTED, Method::POST, &path)?;
        let empty = serde_json::Map::new();
        match self.done(ATTEMPTED, with_json(request, &empty)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is known of a sandbox.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub async fn get(&self, id: &str) -> Result<Listed, Error> {
        const ATTEMPTED: &str = "look at a sandbox";
        let request = self.request(ATTEMPTED, Method::GET, &format!("/sandboxes/{id}"))?;
        self.json(ATTEMPTED, request).await
    }

    /// A page of sandboxes. `next` is that of the page before.
    ///
    /// # Errors
    /// When the list cannot be had.
    pub async fn list(&self, query: &ListQuery, next: Option<&str>) -> Result<Page, Error> {
        const ATTEMPTED: &str = "list sandboxes";
        let path = format!("/v2/sandboxes{}", query.text(next));
        let request = self.request(ATTEMPTED, Method::GET, &path)?;
        let response = self
            .send(ATTEMPTED, request.timeout(super::ANSWER_WITHIN))
            .await?;
        let next = response.headers().get("x-next-token");
        let next = next
            .and_then(|token| token.to_str().ok())
            .filter(|token| !token.is_empty())
            .map(str::to_owned);
        let body = super::body(ATTEMPTED, response).await?;
        let sandboxes =
            serde_json::from_slice(&body).map_err(|error| Error::broken(ATTEMPTED, &error))?;
        Ok(Page { sandboxes, next })
    }
}

impl ListQuery {
    /// As the query of an address. The words are encoded three times, as the servers decode them.
    fn text(&self, next: Option<&str>) -> String {
        let mut parts = Vec::new();
        if !self.metadata.is_empty() {
            let words: Vec<String> = self
                .metadata
                .iter()
                .map(|(name, value)| {
                    format!("{}={}", encoded(&encoded(name)), encoded(&encoded(value)))
                })
                .collect();
            parts.push(format!("metadata={}", encoded(&words.join("&"))));
        }
        if !self.states.is_empty() {
            let states = self.states.iter().map(|state| match state {
                State::Running => "running",
                State::Paused => "paused",
            });
            let states = states.collect::<Vec<_>>().join(",");
            parts.push(format!("state={}", encoded(&states)));
        }
        if let Some(next) = next {
            parts.push(format!("nextToken={}", encoded(next)));
        }
        if let Some(limit) = self.limit {
            parts.push(format!("limit={limit}"));
        }
        if parts.is_empty() {
            String::new()
        } else {
            format!("?{}", parts.join("&"))
        }
    }
}

/// A text percent-encoded, but for the characters that RFC 3986 never reserves.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Whether a server does not know the second version of a path. A template that is not there is a
/// 404 too.
fn has_no_route(error: &Error) -> bool {
    let said = error.message.to_lowercase();
    match error.status {
        Some(405) => true,
        Some(404) => {
            !said.contains("template")
                && (said.contains("page not found")
                    || said.contains("route")
                    || said.contains("no matching operation")
                    || said.contains("cannot post")
                    || said.is_empty())
        }
        _ => false,
    }
}

#[derive(Serialize)]
struct Timeout {
    timeout: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::error::Error;
    use super::{ListQuery, State, has_no_route};

    #[test]
    fn a_query_is_encoded_as_the_servers_decode_it() {
        let words = [("run", "r 1&x"), ("owner", "eval")];
        let query = ListQuery {
            metadata: BTreeMap::from(
                words.map(|(name, value)| (name.to_owned(), value.to_owned())),
            ),
            states: vec![State::Running, State::Paused],
            limit: Some(1),
        };
        assert_eq!(
            query.text(Some("T/1")),
            "?metadata=owner%3Deval%26run%3Dr%2525201%252526x&state=running%2Cpaused&nextToken=T%2F1&limit=1"
        );
        assert_eq!(ListQuery::default().text(None), "");
    }

    #[test]
    fn a_missing_template_is_not_a_missing_route() {
        let answer = |status, body: &str| {
            has_no_route(&Error::answer("try", status, |_| None, body.as_bytes()))
        };
        assert!(answer(404, "404 page not found"));
        assert!(answer(
            404,
            "{\"code\":404,\"message\":\"no matching operation was found\"}"
        ));
        assert!(answer(405, ""));
        assert!(!answer(
            404,
            "{\"code\":404,\"message\":\"template 'x' not found\"}"
        ));
        assert!(!answer(400, "page not found"));
    }
}
