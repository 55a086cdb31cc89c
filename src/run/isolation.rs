//! What isolation is the least that is accepted, and what is said where a machine has less.

use crate::backend::local::Containment;
use crate::execution::Isolation;

/// The variable that says it where a command line cannot.
pub const ISOLATION: &str = "REWARDSPEC_ISOLATION";

/// What isolation is the least that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What the user asked for, whatever a suite states.
    asked: Option<Isolation>,
    /// What holds where neither the user nor the suite says anything.
    usual: Isolation,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            asked: None,
            usual: Isolation::Reduced,
        }
    }
}

impl Policy {
    /// What a flag says, else the variable [`ISOLATION`]; else what suites say, else what the
    /// project says, else `reduced`.
    ///
    /// # Errors
    /// When the variable holds no such word.
    pub fn new(flag: Option<Isolation>, project: Option<Isolation>) -> Result<Policy, String> {
        let variable = match std::env::var(ISOLATION) {
            Ok(word) if !word.is_empty() => Some(Isolation::from_word(&word).ok_or_else(|| {
                format!("{ISOLATION} is `{word}`, not one of full, reduced, none")
            })?),
            _ => None,
        };
        Ok(Policy {
            asked: flag.or(variable),
            usual: project.unwrap_or(Isolation::Reduced),
        })
    }

    /// The least that is accepted for a case that states this.
    pub fn least(&self, stated: Option<Isolation>) -> Isolation {
        self.asked.or(stated).unwrap_or(self.usual)
    }
}

/// Why programs that need `least` are not run here; nothing where they can be. One sentence.
pub(super) fn shortfall(containment: &Containment, least: Isolation) -> Option<String> {
    (!containment.isolation.is_at_least(least)).then(|| {
        format!(
            "isolation `{}` is the least that is accepted, and this machine reaches `{}`",
            least.word(),
            containment.isolation.word()
        )
    })
}

/// The same with what is missing, why, and what to do. One paragraph.
pub(super) fn explanation(containment: &Containment, least: Isolation) -> Option<String> {
    let short = shortfall(containment, least)?;
    let reached = containment.isolation;
    let danger = match reached {
        Isolation::None => {
            " Programs would run with your rights: they could read your files, use the network and signal your processes."
        }
        Isolation::Reduced | Isolation::Full => "",
    };
    Some(format!(
        "{short}. Missing here: {}.{danger} `rewardspec doctor` tries each layer and says what to do about it. To accept what this machine has, for code that you trust that far, write `--isolation {word}`, or for `cargo test` {ISOLATION}={word}.",
        containment.missing_text(),
        word = reached.word(),
    ))
}
