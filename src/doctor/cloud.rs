//! Whether E2B's cloud can be used from here, asked without making anything there.

use std::time::Duration;

use serde::Serialize;

use crate::e2b::{Client, Config, ErrorKind, ListQuery};

/// How long the cloud may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What was found of E2B.
#[derive(Debug, Clone, Serialize)]
pub struct Cloud {
    /// Whether `E2B_API_KEY` is set.
    pub key_is_set: bool,
    /// Whether it looks like a key: `e2b_` and hexadecimal digits.
    pub key_has_form: bool,
    /// The control plane's address; in the local mode the sandbox's.
    pub address: String,
    /// Whether `E2B_DEBUG` asks for the local mode, which has no control plane to ask.
    pub is_local_mode: bool,
    /// Whether that answered and accepted the key; absent when there is no key to ask with.
    pub accepted: Option<bool>,
    /// Why not.
    pub problem: Option<String>,
}

impl Cloud {
    /// Whether a key is set and works, or none is.
    pub fn is_well(&self) -> bool {
        self.accepted != Some(false)
    }
}

/// Looks at the variables, and if there is a key asks for a list of one sandbox.
pub(super) async fn examine() -> Cloud {
    let config = Config::from_environment();
    let mut cloud = Cloud {
        key_is_set: config.key.is_some(),
        key_has_form: config.key.as_ref().is_some_and(|key| key.has_form_of_key()),
        address: if config.debug {
            config.sandbox_base("", None, crate::e2b::ENVD_PORT)
        } else {
            config.api_base()
        },
        is_local_mode: config.debug,
        accepted: None,
        problem: None,
    };
    if config.key.is_none() || config.debug {
        return cloud;
    }
    let asked = async {
        let query = ListQuery {
            limit: Some(1),
            ..ListQuery::default()
        };
        Client::new(config)?.list(&query, None).await
    };
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(_)) => cloud.accepted = Some(true),
        Ok(Err(error)) => {
            cloud.accepted = Some(false);
            cloud.problem = Some(match error.kind {
                ErrorKind::KeyRefused => format!("the key is refused: {}", error.message),
                _ => error.to_string(),
            });
        }
        Err(_) => {
            cloud.accepted = Some(false);
            cloud.problem = Some(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
        }
    }
    cloud
}
