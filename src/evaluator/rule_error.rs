//! What is wrong with a rule, and where inside it; the compiler turns it into a diagnostic.

use std::ops::Range;

/// A mistake in a rule's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Keys and indexes that lead from the rule to the value, such as `["steps", "0"]`.
    pub path: Vec<String>,
    /// The bytes of the value's text that are meant, for a caret inside a pattern.
    pub at: Option<Range<usize>>,
    /// What is wrong, in lower case without a full stop, the thing in backticks.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}
