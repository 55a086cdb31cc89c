//! One sandbox: how its ports are reached and what is proved to them.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};

use super::error::{Error, ErrorKind};
use super::{Client, ENVD_PORT, INTERPRETER_PORT, Secret, secret_header};

/// A sandbox that was made or connected to. Dropping it does not end it: that is
/// [`Client::kill`](super::Client::kill), or its lifetime.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pub(super) client: Client,
    id: String,
    access: Access,
}

/// What the control plane tells of a sandbox's ports.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    /// The domain of its hosts, when it is not the one configured.
    pub(super) domain: Option<String>,
    pub(super) envd_version: String,
    /// Lets envd answer.
    pub(super) envd_token: Option<Secret>,
    /// Lets the proxy answer for every other port.
    pub(super) traffic_token: Option<Secret>,
}

impl Sandbox {
    pub(super) fn new(client: Client, id: String, access: Access) -> Self {
        Sandbox { client, id, access }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The version of the daemon in it, such as `0.6.7`.
    pub fn envd_version(&self) -> &str {
        &self.access.envd_version
    }

    /// The host at which the world reaches one of its ports.
    pub fn host(&self, port: u16) -> String {
        let domain = self.access.domain.as_deref();
        self.client.config().host(&self.id, domain, port)
    }

    /// Whether envd answers only those who have its token, which programs in the sandbox have not.
    pub fn is_secured(&self) -> bool {
        self.access.envd_token.is_some()
    }

    fn address(&self, port: u16, path: &str) -> String {
        let domain = self.access.domain.as_deref();
        let base = self.client.config().sandbox_base(&self.id, domain, port);
        format!("{base}{path}")
    }

    /// The two headers by which a shared address tells sandboxes and ports apart.
    fn headers(&self, attempted: &'static str, port: u16) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        let id = HeaderValue::from_str(&self.id)
            .map_err(|_| Error::protocol(attempted, "the sandbox's id is no header"))?;
        headers.insert(HeaderName::from_static("e2b-sandbox-id"), id);
        headers.insert(HeaderName::from_static("e2b-sandbox-port"), port.into());
        // Else a proxy may answer errors in HTML.
        headers.insert(
            reqwest::header::ACCEPT,
            HeaderValue::from_static("application/json"),
        );
        Ok(headers)
    }

    fn with_envd_token(
        &self,
        attempted: &'static str,
        headers: &mut HeaderMap,
    ) -> Result<(), Error> {
        match &self.access.envd_token {
            None => Ok(()),
            Some(token) => {
                let name = HeaderName::from_static("x-access-token");
                secret_header(headers, attempted, name, token)
            }
        }
    }

    /// A request to envd.
    pub(super) fn envd(
        &self,
        attempted: &'static str,
        method: Method,
        path: &str,
    ) -> Result<RequestBuilder, Error> {
        let mut headers = self.headers(attempted, ENVD_PORT)?;
        self.with_envd_token(attempted, &mut headers)?;
        let address = self.address(ENVD_PORT, path);
        let request = self.client.0.http.request(method, address);
        Ok(request.headers(headers))
    }

    /// A request to the code interpreter. Only executions prove themselves to envd, which the
    /// interpreter asks for the sandbox's variables.
    pub(super) fn interpreter(
        &self,
        attempted: &'static str,
        method: Method,
        path: &str,
        executes: bool,
    ) -> Result<RequestBuilder, Error> {
        let mut headers = self.headers(attempted, INTERPRETER_PORT)?;
        if executes {
            self.with_envd_token(attempted, &mut headers)?;
        }
        if let Some(token) = &self.access.traffic_token {
            let name = HeaderName::from_static("e2b-traffic-access-token");
            secret_header(&mut headers, attempted, name, token)?;
        }
        let address = self.address(INTERPRETER_PORT, path);
        let request = self.client.0.http1.request(method, address);
        Ok(request.headers(headers))
    }

    /// Whether it runs. What to ask when a stream broke: a sandbox that is gone was killed, or reached
    /// the end of its life.
    ///
    /// # Errors
    /// When neither is known.
    pub async fn is_running(&self) -> Result<bool, Error> {
        const ATTEMPTED: &str = "ask whether a sandbox runs";
        let request = self.envd(ATTEMPTED, Method::GET, "/health")?;
        match self.client.done(ATTEMPTED, request).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind, ErrorKind::SandboxGone | ErrorKind::Busy) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
