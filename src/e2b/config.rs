//! Where E2B is and who asks, read from the variables that the official SDKs read.

use std::fmt;

/// A secret: a key or a token. It is shown nowhere, `Debug` included.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text, for the one header that needs it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it has the form of an E2B key: `e2b_` and hexadecimal digits. The servers decide; the
    /// SDKs send whatever they are given.
    pub fn has_form_of_key(&self) -> bool {
        self.0.strip_prefix("e2b_").is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    /// A text that may repeat what was sent, without the secret.
    pub(super) fn taken_out_of(&self, text: &str) -> String {
        // What is this short is no key, and stands in any text.
        if self.0.len() < SECRET_BYTES_MIN {
            text.to_owned()
        } else {
            text.replace(&self.0, "[secret]")
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// Below this a secret is not looked for in texts.
const SECRET_BYTES_MIN: usize = 8;

/// The port of envd, the daemon in each sandbox that runs processes and keeps files.
pub const ENVD_PORT: u16 = 49983;
/// The port of the code interpreter.
pub const INTERPRETER_PORT: u16 = 49999;
/// The base domain where nothing else is said.
pub const DOMAIN: &str = "e2b.app";

/// How E2B is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The team's key.
    pub key: Option<Secret>,
    /// The base domain.
    pub domain: String,
    /// The control plane, in place of `https://api.DOMAIN`.
    pub api_url: Option<String>,
    /// All traffic to sandboxes, in place of `https://PORT-ID.DOMAIN`.
    pub sandbox_url: Option<String>,
    /// Local mode: there is no control plane, and one sandbox on this machine.
    pub debug: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            key: None,
            domain: DOMAIN.to_owned(),
            api_url: None,
            sandbox_url: None,
            debug: false,
        }
    }
}

impl Config {
    /// What `E2B_API_KEY`, `E2B_DOMAIN`, `E2B_API_URL`, `E2B_SANDBOX_URL` and `E2B_DEBUG` say. An empty
    /// variable counts as absent, as in the SDKs; white space around a value is none of it.
    pub fn from_environment() -> Self {
        Config::read(|name| std::env::var(name).ok())
    }

    /// The same from any source of variables.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            let value = variable(name)?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        Config {
            key: set("E2B_API_KEY").map(Secret::new),
            domain: set("E2B_DOMAIN").unwrap_or_else(|| DOMAIN.to_owned()),
            api_url: set("E2B_API_URL"),
            sandbox_url: set("E2B_SANDBOX_URL"),
            debug: set("E2B_DEBUG").is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }

    /// Whether programs can be sent anywhere: there is a key, or none is needed.
    pub fn is_usable(&self) -> bool {
        self.key.is_some() || self.debug
    }

    /// The control plane's base address, without a slash at its end.
    pub fn api_base(&self) -> String {
        let base = match &self.api_url {
            Some(url) => url.clone(),
            None if self.debug => "http://localhost:3000".to_owned(),
            None => format!("https://api.{}", self.domain),
        };
        base.trim_end_matches('/').to_owned()
    }

    /// The base address of a port of a sandbox, without a slash at its end. `domain` is what the
    /// create call answered; absent, the one configured.
    pub fn sandbox_base(&self, id: &str, domain: Option<&str>, port: u16) -> String {
        let base = match &self.sandbox_url {
            Some(url) => url.clone(),
            None if self.debug => format!("http://localhost:{port}"),
            None => format!("https://{}", self.host(id, domain, port)),
        };
        base.trim_end_matches('/').to_owned()
    }

    /// The host of a port of a sandbox, as the world sees it.
    pub fn host(&self, id: &str, domain: Option<&str>, port: u16) -> String {
        format!("{port}-{id}.{}", domain.unwrap_or(&self.domain))
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, ENVD_PORT, INTERPRETER_PORT, Secret};

    fn config(variables: &[(&str, &str)]) -> Config {
        Config::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn addresses_are_those_of_the_sdks() {
        let usual = config(&[("E2B_API_KEY", "")]);
        assert!(!usual.is_usable() && usual.key.is_none());
        assert_eq!(usual.api_base(), "https://api.e2b.app");
        assert_eq!(
            usual.sandbox_base("iabc", None, INTERPRETER_PORT),
            "https://49999-iabc.e2b.app"
        );
        assert_eq!(
            usual.sandbox_base("iabc", Some("cluster7.e2b.dev"), ENVD_PORT),
            "https://49983-iabc.cluster7.e2b.dev"
        );
        let own = config(&[("E2B_DOMAIN", "sbx.example.org"), ("E2B_API_KEY", "k")]);
        assert!(own.is_usable());
        assert_eq!(own.api_base(), "https://api.sbx.example.org");
        assert_eq!(own.host("i", None, 8080), "8080-i.sbx.example.org");
        let given = config(&[
            ("E2B_API_URL", "http://127.0.0.1:13000/"),
            ("E2B_SANDBOX_URL", "http://127.0.0.1:13001"),
        ]);
        assert_eq!(given.api_base(), "http://127.0.0.1:13000");
        assert_eq!(
            given.sandbox_base("i", Some("x"), 1),
            "http://127.0.0.1:13001"
        );
        let debug = config(&[("E2B_DEBUG", "TRUE")]);
        assert!(debug.is_usable());
        assert_eq!(
            debug.sandbox_base("i", None, ENVD_PORT),
            "http://localhost:49983"
        );
        assert!(!config(&[("E2B_DEBUG", "1")]).debug);
    }

    #[test]
    fn a_key_is_not_shown() {
        assert!(!config(&[("E2B_API_KEY", " ")]).is_usable());
        let config = config(&[("E2B_API_KEY", " e2b_00ff")]);
        assert!(!format!("{config:?}").contains("00ff"));
        let key = config.key.unwrap();
        assert!(key.has_form_of_key());
        assert_eq!(
            key.taken_out_of("no team for e2b_00ff"),
            "no team for [secret]"
        );
        for other in ["", "e2b_", "e2b_xyz", "sk-00ff"] {
            assert!(!Secret::new(other).has_form_of_key(), "{other}");
        }
    }
}
